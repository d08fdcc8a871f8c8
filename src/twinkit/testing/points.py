"""Random points at which readings are compared: plausible values, within bounds."""

from __future__ import annotations

from typing import Any

import numpy as np

from twinkit.core.layout import Field
from twinkit.core.model import Model


def random_points(model: Model, count: int, seed: int) -> list[dict[str, Any]]:
    """Return `count` dicts of full name -> value, with ``"t"``, for all variables but outputs.

    Values are drawn around the declared default (or nominal) value and clipped to the bounds.
    """
    generator = np.random.default_rng(seed)
    values = model.values()
    layout = model.layout
    fields = [
        e for block in (layout.states, layout.algebraics, layout.inputs, layout.modes, layout.parameters) for e in block
    ]
    return [
        {
            "t": float(generator.uniform(0.0, 10.0)),
            **{entry.name: _draw(entry, values.get(entry.name), generator) for entry in fields},
        }
        for _ in range(count)
    ]


def _draw(entry: Field, current: Any, generator: np.random.Generator) -> Any:
    variable = entry.variable
    base = variable.scale if current is None or variable.kind == "state" else current
    centre = np.where(np.asarray(base) == 0.0, variable.scale, base)
    spread = (0.7, 1.3) if variable.kind == "parameter" else (0.2, 2.0)
    drawn = centre * generator.uniform(*spread, size=entry.width if entry.size is not None else None)
    clipped = np.clip(drawn, *variable.bounds)
    return clipped if entry.size is not None else float(clipped)
