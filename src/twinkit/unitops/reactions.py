"""Reactions as data: stoichiometry, rate laws, heats and formulas, checked when written and saved with the model."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from twinkit.core.errors import DataError, InvalidValueError, TwinkitError, unknown_name
from twinkit.core.units import as_number
from twinkit.unitops.phenomena import formulas as chemistry
from twinkit.unitops.phenomena.temperature import GAS_CONSTANT
from twinkit.unitops.rate_laws import (
    CONCENTRATION,
    LAWS,
    Arrhenius,
    Custom,
    MassAction,
    PowerLaw,
    RateLaw,
    Reversible,
)

Side: TypeAlias = tuple[tuple[str, float], ...]
_TERM = re.compile(r"(?:(\d+(?:\.\d+)?|\d+/\d+)\s*\*?\s*)?([A-Za-z_]\w*)")
_ARROW = re.compile(r"<=>|<->|->|=>")


@dataclass(frozen=True)
class Reaction:
    """One reaction.

    Parameters
    ----------
    equation
        ``"A + 2 B -> C"`` (``<->`` for a reversible law), or a mapping of species to coefficients, negative for
        reactants. A species on both sides is a catalyst.
    law
        The rate law.
    heat
        Heat of reaction per mole of reaction as written: a number in J/mol or a text; negative when exothermic.
    source
        Where the numbers come from.

    Raises
    ------
    InvalidValueError, UnitError
        For an equation that cannot be read, and for a law that does not suit it (such as a constant of another order).

    Examples
    --------
    >>> made = Reaction("A + 2 B -> C", MassAction(Arrhenius(3.0, "L**2/mol**2/h")), heat="-50 kJ/mol")
    >>> made.net
    {'A': -1.0, 'B': -2.0, 'C': 1.0}
    """

    equation: str | Mapping[str, float]
    law: RateLaw
    heat: float | str = 0.0
    source: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.law, RateLaw):
            raise InvalidValueError(
                f"the law of a reaction is a {', '.join(LAWS)} (of twinkit.unitops.reactions), not {self.law!r}"
            )
        reactants, products = _sides(self.equation)
        object.__setattr__(self, "_sides", (reactants, products))
        arrow = "<->" if isinstance(self.law, Reversible) else "->"
        object.__setattr__(self, "equation", f"{_side_text(reactants)} {arrow} {_side_text(products)}".strip())
        object.__setattr__(self, "heat", as_number(self.heat, "J/mol", f"the heat of reaction of {self}"))
        self.law.check(self)

    @property
    def reactants(self) -> Side:
        """Species and coefficients on the left."""
        sides: tuple[Side, Side] = self._sides  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
        return sides[0]

    @property
    def products(self) -> Side:
        """Species and coefficients on the right."""
        sides: tuple[Side, Side] = self._sides  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
        return sides[1]

    @property
    def net(self) -> dict[str, float]:
        """Species -> what one mole of reaction makes of it (negative: uses)."""
        made: dict[str, float] = {}
        for sign, side in ((-1.0, self.reactants), (1.0, self.products)):
            for name, coefficient in side:
                made[name] = made.get(name, 0.0) + sign * coefficient
        return made

    def __str__(self) -> str:
        return str(self.equation)

    def to_plain(self) -> dict[str, Any]:
        """Return it as a JSON-ready dict."""
        return {"equation": self.equation, "law": self.law.to_plain(), "heat": self.heat, "source": self.source}


def _side_text(side: Side) -> str:
    return " + ".join(name if n == 1 else f"{n:.12g} {name}" for name, n in side)


def _sides(equation: object) -> tuple[Side, Side]:
    if isinstance(equation, Mapping):
        pairs = [(str(name), as_number(n, "", f"the coefficient of {name!r}")) for name, n in equation.items()]
        sides = tuple((name, -n) for name, n in pairs if n < 0), tuple((name, n) for name, n in pairs if n > 0)
        for name, _ in pairs:
            if not name.isidentifier():
                raise InvalidValueError(f"the name of a species is an identifier, not {name!r}")
    else:
        parts = _ARROW.split(equation) if isinstance(equation, str) else []
        if len(parts) != 2:
            raise InvalidValueError(f"{equation!r} is not a reaction: write it like 'A + 2 B -> C'")
        sides = _side(parts[0], str(equation)), _side(parts[1], str(equation))
    if not sides[0] and not sides[1]:
        raise InvalidValueError(f"{equation!r} has neither reactants nor products")
    return sides


def _side(text: str, equation: str) -> Side:
    found: dict[str, float] = {}
    for term in text.split("+") if text.strip() else ():
        match = _TERM.fullmatch(term.strip())
        if match is None:
            raise InvalidValueError(
                f"{equation!r}: cannot read {term.strip()!r} as a species with a coefficient, such as '2 B'; names are "
                "identifiers (formulas are given as formulas={'B': 'H2O'})"
            )
        coefficient = float(Fraction(match[1] or "1")) if match[1] else 1.0
        if coefficient <= 0:
            raise InvalidValueError(f"{equation!r}: a coefficient is positive, not {match[1]}")
        found[match[2]] = found.get(match[2], 0.0) + coefficient
    return tuple(found.items())


@dataclass(frozen=True)
class Reactions:
    """A set of reactions, for every reactor: an option of the model, part of its identity and of its JSON.

    Parameters
    ----------
    reactions
        One or more `Reaction`.
    species
        Names in the order of the models' vectors; default: as they appear. May hold inert species.
    formulas
        Species -> chemical formula. With a formula for every species, each reaction must balance, and the models
        declare the balance of every element.

    Raises
    ------
    InvalidValueError
        For reactions that make or destroy an element, or whose heats contradict each other (Hess's law).
    UnknownNameError
        For a formula, or an order, of a species that does not take part.

    Examples
    --------
    >>> system = Reactions([
    ...     Reaction("acid + ethanol <-> ester + water", Reversible(
    ...         Arrhenius(0.3, "L/mol/h", "55 kJ/mol", reference="70 degC"),
    ...         Arrhenius(0.08, "L/mol/h", "59 kJ/mol", reference="70 degC")), heat="-4 kJ/mol")],
    ...     formulas={"acid": "C2H4O2", "ethanol": "C2H6O", "ester": "C4H8O2", "water": "H2O"})
    >>> system.species
    ('acid', 'ethanol', 'ester', 'water')
    >>> sorted(system.invariants)
    ['C', 'H', 'O']
    """

    reactions: Sequence[Reaction]
    species: Sequence[str] = ()
    formulas: Mapping[str, str] | tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        reactions = tuple(self.reactions) if isinstance(self.reactions, Iterable) else ()
        if not reactions or not all(isinstance(reaction, Reaction) for reaction in reactions):
            raise InvalidValueError(f"Reactions takes a list of at least one Reaction, not {self.reactions!r}")
        object.__setattr__(self, "reactions", reactions)
        object.__setattr__(self, "species", self._names())
        pairs = self.formulas.items() if isinstance(self.formulas, Mapping) else self.formulas
        object.__setattr__(self, "formulas", tuple((str(name), formula) for name, formula in pairs))
        for name, formula in self.formulas:
            self.index(name)
            chemistry.elements(formula)
        for reaction in reactions:
            for name, _ in reaction.law.orders if isinstance(reaction.law, PowerLaw) else ():
                self.index(str(name))
        self._check_elements()
        self._check_heats()

    def _names(self) -> tuple[str, ...]:
        seen = tuple(dict.fromkeys(name for reaction in self.reactions for name in reaction.net))
        if not self.species:
            return seen
        if isinstance(self.species, str):
            raise InvalidValueError(f"species is a list of names, not {self.species!r}")
        listed = tuple(self.species)
        for name in seen:
            if name not in listed:
                raise unknown_name("species", name, listed, "the list of species")
        if len(set(listed)) != len(listed) or not all(name.isidentifier() for name in listed):
            raise InvalidValueError(f"species are different identifiers, not {listed}")
        return listed

    def _check_elements(self) -> None:
        if not self._composed:
            return
        for element, counts in self._elements.items():
            for j, reaction in enumerate(self.reactions):
                made = float(np.dot(counts, self.stoichiometry[:, j]))
                if abs(made) > 1e-9:
                    raise InvalidValueError(f"{reaction} makes {made:+g} {element}: it does not balance")

    def _check_heats(self) -> None:
        heats = np.array([float(reaction.heat) for reaction in self.reactions])
        found = self.stoichiometry.T @ np.array(self.enthalpies)
        if np.any(np.abs(found - heats) > 1e-3 * (1.0 + np.max(np.abs(heats)))):
            raise InvalidValueError(
                f"the heats of reaction contradict each other (Hess's law): {heats.tolist()} J/mol for "
                f"{[str(reaction) for reaction in self.reactions]}, whose equations depend on each other; nearest "
                f"that agree: {np.round(found, 3).tolist()}"
            )

    # -- what there is -----------------------------------------------------------------------------------------
    @property
    def n_species(self) -> int:
        """Number of species."""
        return len(self.species)

    @property
    def n_reactions(self) -> int:
        """Number of reactions."""
        return len(self.reactions)

    def index(self, name: str) -> int:
        """Return the position of a species in the models' vectors.

        Raises
        ------
        UnknownNameError
            If there is no such species.
        """
        if name not in self.species:
            raise unknown_name("species", str(name), self.species, "these reactions")
        return self.species.index(name)

    def vector(
        self, values: Mapping[str, float | str] | None = None, /, **named: float | str
    ) -> npt.NDArray[np.float64]:
        """Return concentrations [mol/L] in the order of the models' vectors; species not named are zero.

        Examples
        --------
        >>> SERIES_PARALLEL.vector(A=0.33, B="330 mmol/L")
        array([0.33, 0.33, 0.  , 0.  ])
        """
        vector = np.zeros(self.n_species)
        for name, value in {**(values or {}), **named}.items():
            vector[self.index(name)] = as_number(value, CONCENTRATION, f"the concentration of {name}")
        return vector

    @cached_property
    def stoichiometry(self) -> npt.NDArray[np.float64]:
        """Matrix (species, reactions): moles made per mole of reaction."""
        rows = [[reaction.net.get(name, 0.0) for reaction in self.reactions] for name in self.species]
        return np.array(rows)

    @property
    def _composed(self) -> bool:
        return {name for name, _ in self.formulas} == set(self.species)

    @property
    def _elements(self) -> dict[str, tuple[float, ...]]:
        counts = {name: chemistry.elements(formula) for name, formula in self.formulas}
        symbols = dict.fromkeys(symbol for count in counts.values() for symbol in count)
        return {symbol: tuple(float(counts[name].get(symbol, 0)) for name in self.species) for symbol in symbols}

    @cached_property
    def invariants(self) -> Mapping[str, tuple[float, ...]]:
        """What no reaction changes: name -> weight of each species.

        The elements (and the charge) where every species has a formula; otherwise a basis of the left null space of
        the stoichiometric matrix, named by its sum, such as ``A - B``.
        """
        return self._elements if self._composed else _null_space(self.stoichiometry, self.species)

    @cached_property
    def enthalpies(self) -> tuple[float, ...]:
        """One enthalpy per species [J/mol] that gives the heats of reaction; the smallest such numbers."""
        heats = np.array([float(reaction.heat) for reaction in self.reactions])
        return tuple(float(h) for h in np.linalg.lstsq(self.stoichiometry.T, heats, rcond=None)[0])

    def molar_mass(self, name: str) -> float:
        """Return the molar mass of a species [g/mol], from its formula.

        Raises
        ------
        UnknownNameError
            If it has none.
        """
        self.index(name)
        known = dict(self.formulas)
        if name not in known:
            raise unknown_name("formula", name, known, "these reactions")
        return chemistry.molar_mass(known[name])

    # -- rates -------------------------------------------------------------------------------------------------
    def rates(
        self, m: Any, c: Sequence[Any], temperature: Any, factors: Sequence[Any], shifts: Sequence[Any]
    ) -> list[Any]:
        """Return the rate of every reaction [mol/L/min].

        Parameters
        ----------
        m
            The mathematics of a reading.
        c
            Concentrations [mol/L] in the order of `species`: single values, or vectors along an axis.
        temperature
            [K], one value or a vector.
        factors, shifts
            Per reaction: factor on the rate, and what is added to the activation energy [J/mol].
        """
        named = dict(zip(self.species, c, strict=True))
        return [
            factors[j] * reaction.law.rate(m, named, temperature, reaction, shifts[j])
            for j, reaction in enumerate(self.reactions)
        ]

    def production(self, rates: Sequence[Any]) -> list[Any]:
        """Return what the reactions make of every species [mol/L/min]; 0.0 for an inert one."""
        made: list[Any] = []
        for row in self.stoichiometry:
            terms = [float(n) * rate for n, rate in zip(row, rates, strict=True) if n != 0]
            made.append(_total(terms))
        return made

    def heat_released(self, m: Any, rates: Sequence[Any]) -> Any:
        """Return the heat that the reactions release [kJ/L/min]."""
        released = [
            m.convert(m.quantity(-float(reaction.heat), "J/mol"), "J/mol", "kJ/mol") * rate
            for reaction, rate in zip(self.reactions, rates, strict=True)
        ]
        return _total(released)

    # -- JSON and looks ----------------------------------------------------------------------------------------
    def to_plain(self) -> dict[str, Any]:
        """Return all of it as a JSON-ready dict."""
        return {
            "reactions": [reaction.to_plain() for reaction in self.reactions],
            "species": list(self.species),
            "formulas": dict(self.formulas),
        }

    def from_plain(self, document: Any) -> Reactions:
        """Return the reactions a dict describes; functions of `Custom` laws are looked up in these.

        Raises
        ------
        DataError
            If the dict does not describe reactions, or needs a function that these reactions do not have.
        """
        laws = [reaction.law for reaction in self.reactions]
        customs = {law.name: law.function for law in laws if isinstance(law, Custom)}
        try:
            made = [
                Reaction(item["equation"], LAWS[item["law"]["law"]].from_plain(item["law"], customs), item["heat"],
                         item["source"])
                for item in document["reactions"]
            ]  # fmt: skip
            return Reactions(made, tuple(document["species"]), tuple(document["formulas"].items()))
        except (KeyError, TypeError, AttributeError, ValueError, TwinkitError) as error:
            raise DataError(f"these are not reactions saved by twinkit ({type(error).__name__}: {error})") from None

    def __str__(self) -> str:
        return "; ".join(map(str, self.reactions))

    def _repr_html_(self) -> str:
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in
                             (str(r), repr(r.law), f"{float(r.heat) / 1e3:g} kJ/mol", r.source)) + "</tr>"
            for r in self.reactions
        )  # fmt: skip
        return f"<table><tr><th>reaction</th><th>rate law</th><th>heat</th><th>source</th></tr>{rows}</table>"


def _total(terms: Sequence[Any]) -> Any:
    total: Any = 0.0
    for position, term in enumerate(terms):
        total = term if position == 0 else total + term
    return total


def _null_space(stoichiometry: npt.NDArray[np.float64], species: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """Return a basis of ``w`` with ``w S = 0`` in small whole numbers, by exact elimination."""
    rows = [[Fraction(float(n)).limit_denominator(10_000) for n in column] for column in stoichiometry.T]
    pivots: list[int] = []
    for column in range(len(species)):
        height = len(pivots)
        pivot = next((i for i in range(height, len(rows)) if rows[i][column] != 0), None)
        if pivot is None:
            continue
        rows[height], rows[pivot] = rows[pivot], rows[height]
        rows[height] = [value / rows[height][column] for value in rows[height]]
        for i, row in enumerate(rows):
            if i != height and row[column] != 0:
                factor = row[column]
                rows[i] = [a - factor * b for a, b in zip(row, rows[height], strict=True)]
        pivots.append(column)
    basis: dict[str, tuple[float, ...]] = {}
    for free in (k for k in range(len(species)) if k not in pivots):
        weights = [Fraction(0)] * len(species)
        weights[free] = Fraction(1)
        for row, pivot in enumerate(pivots):
            weights[pivot] = -rows[row][free]
        whole = np.lcm.reduce([weight.denominator for weight in weights])
        numbers = tuple(float(weight * int(whole)) for weight in weights)
        basis[_sum_text(numbers, species)] = numbers
    return basis


def _sum_text(weights: Sequence[float], species: Sequence[str]) -> str:
    ordered = sorted(((w, name) for w, name in zip(weights, species, strict=True) if w), key=lambda item: item[0] < 0)
    text = ""
    for w, name in ordered:
        sign = (" - " if w < 0 else " + ") if text else ("-" if w < 0 else "")
        text += sign + (name if abs(w) == 1 else f"{abs(w):g} {name}")
    return text


_PHARMAPY = "test reactor of PharmaPy (github.com/CryPTSys/PharmaPy), read there; heat: illustrative"
_THEIR_GAS_CONSTANT = 8.314  # J/mol/K: with ours, E / R stays theirs

SERIES_PARALLEL = Reactions([
    Reaction("A + B -> C",
             MassAction(Arrhenius(2.654e4, "L/mol/s", 4e4 * GAS_CONSTANT / _THEIR_GAS_CONSTANT)),
             heat="-60 kJ/mol", source=_PHARMAPY),
    Reaction("C + A -> D",
             MassAction(Arrhenius(5.3e2, "L/mol/s", 3e4 * GAS_CONSTANT / _THEIR_GAS_CONSTANT)),
             heat="-40 kJ/mol", source=_PHARMAPY),
])  # fmt: skip
"""A product C that reacts on to the by-product D: the reactions that reactors have unless others are given."""

__all__ = [
    "SERIES_PARALLEL", "Arrhenius", "Custom", "MassAction", "PowerLaw", "RateLaw", "Reaction", "Reactions",
    "Reversible",
]  # fmt: skip
