"""Bolus feeds and samples: what every fed vessel declares, and what they do to its contents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import twinkit.core as tk

_SETTING = "setting of the run"
_LEFT = 1e-6  # L: a vessel cannot be sampled dry


class DosedVessel(tk.Model):
    """Bolus feeds and samples at fixed periods; a base for vessels of variable volume `V` [L].

    A bolus is mixed in at once; a sample takes liquid away and leaves the concentrations. Neither happens unless its
    option is set.
    """

    time_unit = "h"

    bolus_every = tk.Option(0, bounds=(0, 1000), doc="hours between bolus feeds; 0: none")
    sample_every = tk.Option(0, bounds=(0, 1000), doc="hours between samples; 0: none")

    bolus = tk.Parameter("L", 0.02, bounds=(0, 1), doc="volume of a bolus", source=_SETTING)
    sample = tk.Parameter("L", 0.005, bounds=(0, 1), doc="volume of a sample", source=_SETTING)


def doses(model: DosedVessel, v: Any, m: Any, mixed: Sequence[str], fed: Mapping[str, Any]) -> dict[str, tk.Schedule]:
    """Return the bolus feeds and the samples that a model's options ask for.

    ``c' = (c V + c_bolus V_bolus) / (V + V_bolus)`` for every concentration; a sample takes `sample` from V.

    Parameters
    ----------
    model
        The vessel.
    v, m
        Its variables, and the mathematics of a reading.
    mixed
        States that are concentrations in the liquid.
    fed
        Concentrations in a bolus; those it does not name are zero.
    """
    found: dict[str, tk.Schedule] = {}
    if model.bolus_every:
        thinner = v.V / (v.V + v.bolus)
        after = {name: getattr(v, name) * thinner for name in mixed}
        after |= {name: after[name] + inside * (1.0 - thinner) for name, inside in fed.items()}
        after["V"] = v.V + v.bolus
        found["bolus"] = tk.Schedule(every=model.bolus_every, start=model.bolus_every, set=after)
    if model.sample_every:
        left = m.minimum(v.V, m.maximum(v.V - v.sample, m.quantity(_LEFT, "L")))
        found["sample"] = tk.Schedule(every=model.sample_every, start=model.sample_every, set={"V": left})
    return found
