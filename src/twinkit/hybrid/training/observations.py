"""Batches, made ready for training: runs of the model, and what was measured along them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from twinkit.core.batch import Batch
from twinkit.core.errors import InvalidValueError, UnitError, unknown_name
from twinkit.core.model import Model
from twinkit.core.units import affine
from twinkit.simulate.problem import Problem, make_problem

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Observations:
    """What was measured in all batches, row by row.

    Attributes
    ----------
    problems
        One run per batch; its output times are those of the measurements.
    tags
        Measured states and outputs.
    batch, time, tag
        For each row, positions of its batch, of its time in that batch's times, and of its tag.
    value, std
        In the declared unit of the tag; `std` is NaN where the instrument did not say.
    ranges
        Range of each tag's values.
    """

    problems: tuple[Problem, ...]
    tags: tuple[str, ...]
    batch: npt.NDArray[np.int_]
    time: npt.NDArray[np.int_]
    tag: npt.NDArray[np.int_]
    value: Array
    std: Array
    ranges: Array

    def __len__(self) -> int:
        return len(self.value)


def checked_batches(batches: Any, *, least: int = 1) -> tuple[Batch, ...]:
    """Return batches as a tuple.

    Raises
    ------
    InvalidValueError
        If there are too few, two have one name, or something is no batch.
    """
    if not isinstance(batches, (Batch, Iterable)):
        raise InvalidValueError(f"batches are a list of tk.Batch, not {batches!r}")
    listed = (batches,) if isinstance(batches, Batch) else tuple(batches)
    for item in listed:
        if not isinstance(item, Batch):
            raise InvalidValueError(
                f"{item!r} is not a Batch; a long table becomes batches with tk.Batch.from_table(table, units={{...}})"
            )
    names = [batch.name for batch in listed]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidValueError(
            f"two batches are called {twice[0]!r}: every batch needs a name of its own, or their samples would be mixed"
        )
    if len(listed) < least:
        raise InvalidValueError(f"this needs at least {least} batch{'es' * (least > 1)}; {len(listed)} given")
    return listed


def problem_of(model: Model, batch: Batch, outputs: Any, rtol: float) -> Problem:
    """Return the run of a batch, with output times in the model's time unit."""
    scale, _ = affine(batch.time_unit, model.time_unit)
    made = model.with_(dict(batch.settings)) if batch.settings else model
    return make_problem(
        made, scale * batch.end, start=scale * batch.begin, inputs=batch.inputs, initial=batch.initial,
        outputs=outputs, rtol=rtol, atol=rtol * 0.1,
    )  # fmt: skip


def observed(model: Model, batches: Sequence[Batch], rtol: float) -> Observations:
    """Return what batches measured of a model.

    Raises
    ------
    UnknownNameError
        For a tag that is neither a state nor an output of the model.
    UnitError
        For a unit that does not convert to the model's.
    InvalidValueError
        If a tag has no usable value in any batch, or two values at one time.
    """
    layout = model.layout
    tags = tuple(dict.fromkeys(tag for batch in batches for tag in batch.tags))
    known = [entry.name for block in (layout.states, layout.outputs) for entry in block if entry.size is None]
    for tag in tags:
        if tag not in known:
            raise unknown_name("state or output", tag, known, f"{type(model).__name__} (what a measured tag must be)")
    rows: list[tuple[int, float, int, float, float]] = []
    for i, batch in enumerate(batches):
        scale, _ = affine(batch.time_unit, model.time_unit)
        for k, tag in enumerate(tags):
            rows += [(i, scale * t, k, value, std) for t, value, std in converted(model, batch, tag)]
    for k, tag in enumerate(tags):
        if not any(row[2] == k for row in rows):
            raise InvalidValueError(f"{tag!r} has no usable value in any batch (all missing or bad): leave it out")
    if not rows:
        raise InvalidValueError("the batches hold no usable measurement")
    problems: list[Problem] = []
    position: dict[tuple[int, float], int] = {}
    for i, batch in enumerate(batches):
        times = np.array(sorted({row[1] for row in rows if row[0] == i}))
        if len(times) == 0:
            raise InvalidValueError(f"batch {batch.name!r} has no usable measurement: leave it out")
        position |= {(i, t): j for j, t in enumerate(times)}
        problems.append(problem_of(model, batch, times, rtol))
    value = np.array([row[3] for row in rows])
    tag = np.array([row[2] for row in rows])
    ranges = np.array(
        [np.ptp(value[tag == k]) or max(np.max(np.abs(value[tag == k])), 1e-12) for k in range(len(tags))]
    )
    return Observations(
        tuple(problems), tags, np.array([row[0] for row in rows]), np.array([position[row[:2]] for row in rows]), tag,
        value, np.array([row[4] for row in rows]), ranges,
    )  # fmt: skip


def converted(model: Model, batch: Batch, tag: str) -> list[tuple[float, float, float]]:
    """Return ``(time, value, std)`` of a tag in one batch, in the model's unit."""
    if tag not in batch.tags:
        return []
    unit = model.layout.find(tag).variable.unit
    found: list[tuple[float, float, float]] = []
    for item in batch.usable(tag):
        try:
            scale, shift = affine(item.unit, unit)
        except UnitError as error:
            raise UnitError(f"batch {batch.name!r} measured {tag!r} in {item.unit!r}: {error}") from None
        if np.ndim(item.value):
            raise InvalidValueError(
                f"batch {batch.name!r}: a value of {tag!r} is an array; training takes single values"
            )
        std = np.nan if item.std is None else scale * item.std
        found.append((item.source_time, scale * float(item.value) + shift, std))
    times = [row[0] for row in found]
    twice = sorted({t for t in times if times.count(t) > 1})
    if twice and any(len({row[1] for row in found if row[0] == t}) > 1 for t in twice):
        raise InvalidValueError(
            f"batch {batch.name!r} has two different values of {tag!r} at {twice[0]:g} {batch.time_unit}: average "
            "replicates, or correct the times"
        )
    return list(dict(zip(times, found, strict=True)).values())


def check_settings(batches: Sequence[Batch], learned: Iterable[str]) -> None:
    """Raise if a batch sets a parameter that is learned from all of them: one of the two would be ignored."""
    names = set(learned)
    for batch in batches:
        both = sorted(names & set(batch.settings))
        if both:
            raise InvalidValueError(
                f"batch {batch.name!r} sets {both[0]!r}, which is learned from all batches: take it out of the "
                "settings, or out of what is learned"
            )
