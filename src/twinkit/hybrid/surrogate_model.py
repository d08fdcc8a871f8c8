"""A surrogate as an ordinary model, with all readings."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

import twinkit.core as tk
from twinkit.core.model import Model
from twinkit.core.terms import as_number_of
from twinkit.core.units import OFFSET_UNITS, parse_unit
from twinkit.hybrid.surrogates import Surrogate

_SOURCE = "box of the surrogate"


@lru_cache(maxsize=32)
def as_model(made: Surrogate) -> Model:
    """Return a model whose parameters are the box and whose outputs are the tags; see `Surrogate.model`."""
    layout, values = made.source.layout, made.source.values()
    names = {name: f"{name}_0" if name in (*layout.states.by_name, *made.tags) else name for name in made.box}
    units = {name: layout.find(name).variable.unit for name in made.box}
    members: dict[str, Any] = {
        "__doc__": f"Surrogate of {type(made.source).__name__}, {made.content_hash[:12]}.",
        "__module__": __name__,
        "time_unit": made.source.time_unit,
    }
    for name, (low, high) in made.box.items():
        value = values.get(name)
        middle = 0.5 * (low + high) if value is None else float(np.clip(value, low, high))
        start = "start of " if names[name] != name else ""
        doc = f"{start}{layout.find(name).variable.doc or name}"
        members[names[name]] = tk.Parameter(units[name], middle, bounds=(low, high), doc=doc, source=_SOURCE)
    for tag, unit in zip(made.tags, made.units, strict=True):
        members[tag] = tk.Output(unit, doc=layout.find(tag).variable.doc or tag)
    members["elapsed"] = tk.State(made.source.time_unit, 0.0, doc="time since the start")

    def equations(self: Any, v: Any, m: Any) -> Mapping[str, Any]:
        del self
        u = []
        for name, (low, high) in made.box.items():
            x = as_number_of(getattr(v, names[name]), units[name], m)
            u.append((2.0 * x - (low + high)) / (high - low))
        coefficients = made.emulated.one(u, m)
        hats = _hats(made.time.tolist(), as_number_of(v.elapsed, made.source.time_unit, m), m)
        result: dict[str, Any] = {"elapsed": 1.0}
        for k, (tag, unit) in enumerate(zip(made.tags, made.units, strict=True)):
            offset = m.concatenate(made.mean[:, k].tolist())
            value = m.dot(hats, m.matvec(made.modes[:, :, k].T, coefficients) + offset)
            result[tag] = m.quantity(1.0, OFFSET_UNITS.get(str(parse_unit(unit)), unit)) * value + m.quantity(0.0, unit)
        return result

    def reduced(self: Any) -> tuple[Any, ...]:
        return restored, (made, dict(self.parameters), dict(self.values()))

    members["equations"] = equations
    members["__reduce__"] = reduced
    return type(f"SurrogateOf{type(made.source).__name__}", (tk.Model,), members)()


def restored(made: Surrogate, parameters: Mapping[str, Any], values: Mapping[str, Any]) -> Model:
    """Return the model again, from what a pickle holds."""
    model = made.model()
    own = {name: value for name, value in values.items() if name in model.layout.states.by_name}
    return model.with_({**parameters, **own})


def _hats(times: list[float], t: Any, m: Any) -> Any:
    """Return the weights of linear interpolation between times, held beyond the last."""
    hats: list[Any] = []
    t = m.clip(t, times[0], times[-1])
    for j, middle in enumerate(times):
        rising = (t - times[j - 1]) / (middle - times[j - 1]) if j > 0 else 1.0 + 0.0 * t
        falling = (times[j + 1] - t) / (times[j + 1] - middle) if j + 1 < len(times) else 1.0 + 0.0 * t
        hats.append(m.maximum(0.0, m.minimum(rising, falling)))
    return m.concatenate(hats)
