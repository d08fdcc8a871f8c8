"""The design space: the region of process parameters and quality attributes within which a process is to stay.

"The multidimensional combination and interaction of input variables and process parameters that have been demonstrated
to provide assurance of quality" (ICH Q8(R2), part II, glossary). A controller takes it as constraints, and release as a
verdict.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from twinkit.core.errors import DataError, InvalidValueError, TwinkitError, UnitError, unknown_name
from twinkit.core.formula import Formula
from twinkit.core.identity import digest
from twinkit.core.limits import Combination, Limit, Range, Response
from twinkit.core.units import affine, as_array, as_number, parse_unit
from twinkit.core.verdict import (
    Verdict,
    checked_spreads,
    margin_of,
    problem_in_words,
    two_sided_quantile,
    value_and_spread,
)

_FORMAT = "twinkit-design-space/1"
_PHASE = ("low", "high", "start", "end")


@dataclass(frozen=True, eq=False)
class DesignSpace:
    """A region over named values with units.

    Parameters
    ----------
    variables
        Name -> unit: critical process parameters and critical quality attributes, by the names the model gives them.
    limits
        `Range`, `Combination` and `Response` objects; or, for a box, variable -> ``(low, high)``, each a number, a
        text with a unit, or None.
    name
        What the space is called.
    time_unit
        Unit of the phases.
    source
        Where the limits come from (a filing, a report).

    Raises
    ------
    UnknownNameError, UnitError, InvalidValueError
        If a limit names a variable that is not there, has the wrong unit, or can never be kept.

    Examples
    --------
    >>> import twinkit as tk
    >>> space = tk.DesignSpace({"Glc": "g/L", "V": "L"}, {"Glc": ("1 g/L", "6 g/L"), "V": (None, "2000 mL")})
    >>> verdict = space.contains({"Glc": 6.5, "V": 1.8})
    >>> verdict.inside, {name: round(margin, 3) for name, margin in verdict.margins.items()}
    (False, {'Glc': -0.5, 'V': 0.2})
    >>> verdict.problems
    ('Glc = 6.5 g/L, but Glc ≥ 1 g/L and ≤ 6 g/L',)
    """

    variables: Mapping[str, str]
    limits: tuple[Limit, ...]
    name: str = "design space"
    time_unit: str = "h"
    source: str = ""
    _units: Mapping[str, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        given = cast("Any", self.variables)
        if not isinstance(given, Mapping) or not given:
            raise InvalidValueError("a design space needs variables: name -> unit")
        if not all(isinstance(text, str) for text in (*cast("Mapping[Any, Any]", given), self.source)):
            raise InvalidValueError("the variables and the source of a design space are texts")
        for unit in (*self.variables.values(), self.time_unit):
            parse_unit(unit)
        affine(self.time_unit, "s")
        if not isinstance(self.name, str) or not self.name.strip():  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValueError("a design space needs a name")
        limits = tuple(limit.resolved(self.variables, self.time_unit) for limit in _listed(self.limits))
        if not limits:
            raise InvalidValueError("a design space without limits contains everything: give at least one limit")
        labels = _labels(limits)
        units = {label: limit.unit_in(self.variables) for label, limit in zip(labels, limits, strict=True)}
        for key, value in (("variables", dict(self.variables)), ("limits", limits), ("_units", units)):
            object.__setattr__(self, key, value)

    # -- what it holds -----------------------------------------------------------------------------------------
    @property
    def labelled(self) -> dict[str, Limit]:
        """Label -> limit, as margins name them."""
        return dict(zip(self._units, self.limits, strict=True))

    @property
    def names(self) -> tuple[str, ...]:
        """The variables that some limit depends on."""
        return tuple(name for name in self.variables if any(name in limit.names for limit in self.limits))

    def bounds(self, at: float | None = None) -> dict[str, tuple[float, float]]:
        """Return variable -> ``(low, high)`` from the ranges that hold (infinite where there is none).

        Parameters
        ----------
        at
            Time in `time_unit`; needed where a range holds in a phase only.
        """
        found: dict[str, tuple[float, float]] = {}
        for limit in self.limits:
            if isinstance(limit, Range) and limit.active(at):
                low, high = found.get(limit.variable, (-math.inf, math.inf))
                found[limit.variable] = max(low, limit.bounds[0]), min(high, limit.bounds[1])
        return found

    def box(self, at: float | None = None) -> dict[str, tuple[float | None, float | None]]:
        """Return variable -> ``(low, high)`` as a controller's ``within=`` takes them, None where there is no limit.

        Raises
        ------
        InvalidValueError
            If there are limits of several variables, which a box would lose; declare them as outputs of the model.
        """
        if self.general:
            raise InvalidValueError(f"{self.name} is no box: it also limits {', '.join(self.general)}")
        sides = self.bounds(at).items()
        return {
            n: (low if math.isfinite(low) else None, high if math.isfinite(high) else None) for n, (low, high) in sides
        }

    @property
    def general(self) -> dict[str, Limit]:
        """Label -> the limits of several variables: ``limit.evaluate(values, m)`` within ``limit.bounds``."""
        return {label: limit for label, limit in self.labelled.items() if not isinstance(limit, Range)}

    @property
    def content_hash(self) -> str:
        """SHA-256 of everything it holds."""
        return digest(self.to_plain())

    # -- the verdict -------------------------------------------------------------------------------------------
    def contains(
        self, values: Mapping[str, Any], *, at: Any = None, std: Mapping[str, float] | None = None,
        coverage: float = 0.95,
    ) -> Verdict:  # fmt: skip
        """Return whether a point lies inside, with the margin of every limit that holds.

        Parameters
        ----------
        values
            Variable -> number in its unit, text with a unit, or quantity. Names the space does not limit are ignored.
        at
            Time, where limits hold in phases.
        std
            Variable -> standard deviation: a number in its unit, or a text with a unit. Each margin is reduced so far
            that the central interval of `coverage` is inside. The deviations of several variables are added, which
            holds whatever their correlation is; a `Response` is linearised for it.
        coverage
            See `std`.

        Raises
        ------
        UnknownNameError
            If a value is missing.
        InvalidValueError
            If a standard deviation is negative or not finite, or no time was given for a phase.
        UnitError
            If a value has the wrong unit.

        Notes
        -----
        A value that is NaN or infinite is not an error: it is outside, and the verdict says so.
        """
        for what, mapping in (("values", values), ("standard deviations", std or {})):
            if not isinstance(mapping, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise InvalidValueError(f"{what} are given as name -> number, not {mapping!r}")
        time = None if at is None else as_number(at, self.time_unit, f"the time for {self.name}")
        active = {label: limit for label, limit in self.labelled.items() if limit.active(time)}
        needed = dict.fromkeys(name for limit in active.values() for name in limit.names)
        point = {name: self._number(name, values) for name in needed}
        spread = checked_spreads(std or {}, {name: self.variables[name] for name in needed})
        wide = two_sided_quantile(coverage)
        margins, problems = dict[str, float](), list[str]()
        for label, limit in active.items():
            value, backoff = value_and_spread(limit, point, spread)
            margins[label] = margin_of(value, wide * backoff, limit.bounds)
            if not margins[label] >= 0.0:
                problems.append(problem_in_words(value, wide * backoff, limit, self._units[label]))
        units = {label: self._units[label] for label in margins}
        return Verdict(not problems, margins, units, tuple(problems), (self.name, self.content_hash))

    def _number(self, name: str, values: Mapping[str, Any]) -> float:
        if name not in values:
            raise unknown_name("value", name, values, f"what {self.name} was asked about")
        array = as_array(values[name], self.variables[name], f"{name} in {self.name}", allow_nan=True)
        if array.size != 1:
            raise InvalidValueError(f"{name} in {self.name} is a single value, not shape {array.shape}")
        return float(array.reshape(()))

    # -- two spaces --------------------------------------------------------------------------------------------
    def intersect(self, other: DesignSpace, name: str | None = None) -> DesignSpace:
        """Return the region inside both, in the units of this one.

        Raises
        ------
        UnitError
            If a variable's unit does not fit, or a limit of several variables is in other units.
        InvalidValueError
            If two ranges have no value in common, or two different limits have one title.
        """
        if not isinstance(other, DesignSpace):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValueError(f"a design space is intersected with another one, not with {other!r}")
        variables = {**other.variables, **self.variables}
        scale, offset = affine(other.time_unit, self.time_unit)
        found: list[Limit] = list(self.limits)
        for limit in other.limits:
            moved = _converted(limit, other.variables, variables)
            phase = {side: None if t is None else t * scale + offset
                     for side, t in (("start", limit.start), ("end", limit.end))}  # fmt: skip
            if (described := _plain(moved, phase)) in [_plain(one, {}) for one in found]:
                continue
            if any(one.label == moved.label and not isinstance(one, Range) and _plain(one, {}) != described
                   for one in found):  # fmt: skip
                raise InvalidValueError(f"both spaces have a limit {moved.label!r}, and they differ: rename one")
            found.append(_limit(described))
        _need_common(found)
        title = name or f"{self.name} ∩ {other.name}"
        return DesignSpace(
            variables, tuple(found), title, self.time_unit, "; ".join(filter(None, (self.source, other.source)))
        )

    # -- storage -----------------------------------------------------------------------------------------------
    def to_plain(self) -> dict[str, Any]:
        """Return everything it holds as JSON-ready data."""
        return {
            "format": _FORMAT, "name": self.name, "variables": dict(self.variables), "time_unit": self.time_unit,
            "source": self.source, "limits": [_plain(limit, {}) for limit in self.limits],
        }  # fmt: skip

    def to_json(self) -> str:
        """Return it as JSON text, which `from_json` reads."""
        return json.dumps(self.to_plain(), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> DesignSpace:
        """Return the design space a text holds. A formula in it is data: nothing is executed.

        Raises
        ------
        DataError
            If the text is no design space of this format.
        """
        try:
            data: Any = json.loads(text)
            if not isinstance(data, dict) or cast("Any", data).get("format") != _FORMAT:
                raise DataError(f"this is no design space of the format {_FORMAT!r}")
            found = cast("dict[str, Any]", data)
            expected = {"format", "name", "variables", "time_unit", "source", "limits"}
            if set(found) != expected:
                raise DataError(f"a design space has the fields {', '.join(sorted(expected))}")
            limits = tuple(_limit(entry) for entry in found["limits"])
            return cls(found["variables"], limits, found["name"], found["time_unit"], found["source"])
        except DataError:
            raise
        except (TwinkitError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise DataError(f"the text holds no design space: {error}") from error

    # -- looks -------------------------------------------------------------------------------------------------
    def plot(
        self, x: str, y: str, *, held: Mapping[str, Any] | None = None, at: Any = None,
        span: Mapping[str, tuple[float, float]] | None = None, ax: Any = None,
    ) -> Any:  # fmt: skip
        """Draw the region over two variables; returns the axes. See `twinkit.core.design_space_plot.plot_region`."""
        from twinkit.core.design_space_plot import plot_region

        return plot_region(self, x, y, held=held or {}, at=at, span=span or {}, ax=ax)

    def _texts(self) -> list[str]:
        return [limit.text(self._units[label]) for label, limit in self.labelled.items()]

    def __repr__(self) -> str:
        source = f" ({self.source})" if self.source else ""
        return "\n".join([f"DesignSpace {self.name!r}{source}", *(f"  {text}" for text in self._texts())])

    def _repr_html_(self) -> str:
        rows = "".join(f"<li>{html.escape(text)}</li>" for text in self._texts())
        return f"<div><b>{html.escape(self.name)}</b> <small>{html.escape(self.source)}</small><ul>{rows}</ul></div>"


def _listed(limits: object) -> list[Limit]:
    if isinstance(limits, Mapping):
        pairs = cast("Mapping[str, Any]", limits)
        for name, pair in pairs.items():
            if not isinstance(pair, (tuple, list)) or len(cast("Any", pair)) != 2:
                raise InvalidValueError(f"the limits of {name!r} are (low, high), not {pair!r}")
        return [Range(variable=name, low=pair[0], high=pair[1]) for name, pair in pairs.items()]
    found: list[Limit] = []
    for limit in cast("Iterable[Any]", limits) if isinstance(limits, Iterable) else [limits]:
        if not isinstance(limit, Limit):
            raise InvalidValueError(f"a limit is a Range, a Combination or a Response, not {limit!r}")
        found.append(limit)
    return found


def _labels(limits: tuple[Limit, ...]) -> list[str]:
    """Return one label per limit, counted where several limits have the same (a range per phase)."""
    seen: dict[str, int] = {}
    labels: list[str] = []
    for limit in limits:
        seen[limit.label] = seen.get(limit.label, 0) + 1
        labels.append(limit.label if seen[limit.label] == 1 else f"{limit.label} ({seen[limit.label]})")
    if len(set(labels)) != len(labels):
        raise InvalidValueError("a limit's title looks like the second limit of another: rename it")
    return labels


def _converted(limit: Limit, old: Mapping[str, str], new: Mapping[str, str]) -> Limit:
    if isinstance(limit, Range):
        return limit.in_units(old, new)
    for name in limit.names:
        if affine(old[name], new[name]) != (1.0, 0.0):
            raise UnitError(f"{limit.label} is written for {name} in {old[name]!r}, not {new[name]!r}: write both "
                            "spaces in one unit")  # fmt: skip
    return limit


def _need_common(limits: list[Limit]) -> None:
    """Raise if two ranges that always hold have no value in common."""
    low, high = dict[str, float](), dict[str, float]()
    for limit in limits:
        if isinstance(limit, Range) and not limit.phased:
            low[limit.variable] = max(low.get(limit.variable, -math.inf), limit.bounds[0])
            high[limit.variable] = min(high.get(limit.variable, math.inf), limit.bounds[1])
    for name in low:
        if not low[name] <= high[name]:
            raise InvalidValueError(f"the intersection is empty: {name} ≥ {low[name]:g} and ≤ {high[name]:g}")


def _plain(limit: Limit, changed: Mapping[str, Any]) -> dict[str, Any]:
    return {**limit.describe(), **{side: getattr(limit, side) for side in _PHASE}, **changed}


def _limit(data: Mapping[str, Any]) -> Limit:
    """Return the limit that `_plain` wrote."""
    given = dict(data)
    kind = given.pop("kind", None)
    if kind == "response":
        given["function"] = Formula.from_plain(given.pop("formula"))
    kinds: dict[Any, type[Limit]] = {"range": Range, "combination": Combination, "response": Response}
    if kind not in kinds:
        raise DataError(f"a limit is a range, a combination or a response, not {kind!r}")
    return kinds[kind](**given)
