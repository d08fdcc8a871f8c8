"""From components to functions on arrays: what a master calls thousands of times a second."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from twinkit.core.component import Array, Binds, Component, Evaluates, Port, Stepper
from twinkit.core.units import affine

Evaluator: TypeAlias = Callable[[float], None]
Mover: TypeAlias = Callable[[], None]
Piece: TypeAlias = tuple[int, int, int, float, float]
"""``(first target, first source, width, scale, offset)``."""

_FEW = 3


def unpack(ports: Mapping[str, Port], array: Array) -> dict[str, Any]:
    """Return the values of ports, in their order, from a flat array."""
    found, at = dict[str, Any](), 0
    for name, port in ports.items():
        found[name] = float(array[at]) if port.shape is None else array[at : at + port.width].copy()
        at += port.width
    return found


def pack(ports: Mapping[str, Port], values: Mapping[str, Any], array: Array) -> None:
    """Write values of ports into a flat array."""
    at = 0
    for name, port in ports.items():
        if port.shape is None:
            array[at] = values[name]
        else:
            array[at : at + port.width] = port.flat(values[name], f"output {name!r}")
        at += port.width


def stepper_of(component: Component, inputs: Array, outputs: Array, time_unit: str) -> Stepper:
    """Return ``(t, dt) -> None`` on arrays, in the graph's time."""
    scale = affine(time_unit, component.time_unit)[0]
    if isinstance(component, Binds):
        bound = component.bind(inputs, outputs)
        if scale == 1.0:
            return bound
        return lambda t, dt: bound(scale * t, scale * dt)
    given, produced, step = component.inputs, component.outputs, component.step

    def stepped(t: float, dt: float) -> None:
        pack(produced, step(scale * t, scale * dt, unpack(given, inputs)), outputs)

    return stepped


def evaluator_of(component: Component, inputs: Array, outputs: Array, time_unit: str) -> Evaluator | None:
    """Return ``(t) -> None``: outputs at one instant; None where the component cannot."""
    scale = affine(time_unit, component.time_unit)[0]
    bind: Any = getattr(component, "bind_evaluate", None)
    if bind is not None:
        bound: Evaluator = bind(inputs, outputs)
        return bound if scale == 1.0 else lambda t: bound(scale * t)
    if not isinstance(component, Evaluates):
        return None
    given, produced, evaluate = component.inputs, component.outputs, component.evaluate

    def evaluated(t: float) -> None:
        pack(produced, evaluate(scale * t, unpack(given, inputs)), outputs)

    return evaluated


def mover(pieces: Sequence[Piece], targets: Array, sources: Array) -> Mover | None:
    """Return a function that copies (and converts) outputs to inputs; None when there is nothing to copy.

    Single numbers go through memoryviews, which cost a third of NumPy's indexing; long vectors through NumPy.
    """
    u: Any = memoryview(targets)  # pyright: ignore[reportArgumentType]
    y: Any = memoryview(sources)  # pyright: ignore[reportArgumentType]
    plain: list[tuple[int, int]] = []
    converted: list[tuple[int, int, float, float]] = []
    spans: list[tuple[Array, Array, float, float]] = []
    for i, j, width, scale, offset in pieces:
        if width > _FEW:
            spans.append((targets[i : i + width], sources[j : j + width], scale, offset))
        elif (scale, offset) == (1.0, 0.0):
            plain += [(i + k, j + k) for k in range(width)]
        else:
            converted += [(i + k, j + k, scale, offset) for k in range(width)]
    if not pieces:
        return None
    if not converted and not spans:
        if len(plain) == 1:
            (i, j) = plain[0]

            def move_one() -> None:
                u[i] = y[j]

            return move_one
        if len(plain) == 2:
            (i0, j0), (i1, j1) = plain

            def move_two() -> None:
                u[i0] = y[j0]
                u[i1] = y[j1]

            return move_two

    def move() -> None:
        for i, j in plain:
            u[i] = y[j]
        for i, j, scale, offset in converted:
            u[i] = scale * y[j] + offset
        for target, source, scale, offset in spans:
            np.multiply(source, scale, out=target)
            if offset:
                target += offset

    return move
