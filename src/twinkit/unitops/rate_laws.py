"""Rate laws as data: what a reaction's rate depends on. Frozen, comparable, saved with the model that uses them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from twinkit.core.errors import InvalidValueError, UnitError, unknown_name
from twinkit.core.units import affine, as_number, parse_unit
from twinkit.readings.numeric import NUMERIC
from twinkit.unitops.phenomena import arrhenius, arrhenius_from, concentration_power, mass_action

CONCENTRATION = "mol/L"
RATE = "mol/L/min"


@dataclass(frozen=True)
class Arrhenius:
    """A rate constant that depends on temperature, ``k exp(-E / R (1 / T - 1 / T_ref))``.

    Parameters
    ----------
    constant
        k: the pre-exponential factor or, where a reference is given, the constant at that temperature.
    unit
        Its unit, which must suit the order of the rate law: ``"1/s"``, ``"L/mol/h"``.
    activation_energy
        E: a number in J/mol or a text (``"45 kJ/mol"``). May be negative.
    reference
        T_ref: a number in kelvin or a text (``"25 degC"``).

    Raises
    ------
    InvalidValueError, UnitError
        For a negative or infinite constant, a text that is no unit, a reference at or below zero kelvin.

    Examples
    --------
    >>> Arrhenius(2.654e4, "L/mol/s", "40 kJ/mol").activation_energy
    40000.0
    """

    constant: float
    unit: str
    activation_energy: float | str = 0.0
    reference: float | str | None = None

    def __post_init__(self) -> None:
        parse_unit(self.unit)
        constant = as_number(self.constant, self.unit, "a rate constant")
        if constant < 0:
            raise InvalidValueError(f"a rate constant is not negative, but {constant:g} {self.unit}")
        energy = as_number(self.activation_energy, "J/mol", "an activation energy")
        object.__setattr__(self, "constant", constant)
        object.__setattr__(self, "activation_energy", energy)
        if self.reference is not None:
            kelvin = as_number(self.reference, "K", "a reference temperature")
            if kelvin <= 0:
                raise InvalidValueError(f"a reference temperature is above 0 K, not {kelvin:g} K")
            object.__setattr__(self, "reference", kelvin)

    def at(self, m: Any, temperature: Any, order: float, shift: Any = 0.0) -> Any:
        """Return the constant in L, mol and min at a temperature [K]; `shift` [J/mol] adds to the energy."""
        return m.convert(self.value(m, temperature, shift), self.unit, _constant_unit(order))

    def value(self, m: Any, temperature: Any, shift: Any = 0.0) -> Any:
        """Return the constant in its own unit at a temperature [K]; `shift` [J/mol] adds to the energy."""
        energy = m.quantity(float(self.activation_energy), "J/mol") + shift
        constant = m.quantity(self.constant, self.unit)
        if self.reference is None:
            return arrhenius(m, constant, energy, temperature)
        return arrhenius_from(m, constant, energy, temperature, m.quantity(float(self.reference), "K"))

    def check(self, order: float, what: str) -> None:
        """Raise `UnitError` unless the unit of the constant gives a rate for a law of this order."""
        try:
            scale, offset = affine(self.unit, _constant_unit(order))
        except UnitError:
            scale, offset = 0.0, 0.0
        if scale <= 0 or offset:
            raise UnitError(
                f"{what}: a rate constant of order {order:g} cannot be in {self.unit!r}; use a unit such as "
                f"{_constant_unit(order)!r}"
            )

    def to_plain(self) -> dict[str, Any]:
        """Return it as a JSON-ready dict."""
        return {
            "constant": self.constant, "unit": self.unit, "activation_energy": self.activation_energy,
            "reference": self.reference,
        }  # fmt: skip


def _constant_unit(order: float) -> str:
    """Return the unit of a rate constant in L, mol and min for a law of some order."""
    power = round(order - 1.0, 12)
    return "mol/L/min" if order == 0 else ("1/min" if power == 0 else f"(L/mol)**({power!r})/min")


class RateLaw(ABC):
    """What a rate depends on; the four that there are: `MassAction`, `PowerLaw`, `Reversible`, `Custom`."""

    @abstractmethod
    def rate(self, m: Any, c: Mapping[str, Any], temperature: Any, reaction: Any, shift: Any = 0.0) -> Any:
        """Return the rate [mol/L/min].

        Parameters
        ----------
        m
            The mathematics of a reading.
        c
            Species -> concentration [mol/L], single values or vectors along an axis.
        temperature
            [K].
        reaction
            The `Reaction` whose law this is.
        shift
            Added to the activation energy [J/mol].
        """

    @abstractmethod
    def check(self, reaction: Any) -> None:
        """Raise if the law does not suit the reaction: wrong units, species that do not take part."""

    @abstractmethod
    def to_plain(self) -> dict[str, Any]:
        """Return it as a JSON-ready dict; ``"law"`` names the class."""

    @classmethod
    @abstractmethod
    def from_plain(cls, document: Mapping[str, Any], customs: Mapping[str, Callable[..., Any]]) -> Self:
        """Return the law that a dict describes; `customs` are the functions known by name."""


def _one_way(
    m: Any, constant: Arrhenius, c: Mapping[str, Any], side: Mapping[str, float], temperature: Any, shift: Any
) -> Any:
    """Return the rate of one direction of an elementary reaction."""
    k = constant.at(m, temperature, sum(side.values()), shift)
    return mass_action(m, k, [c[name] for name in side], [*side.values()], m.quantity(_CUTOFF, CONCENTRATION))


_CUTOFF = 1e-6


@dataclass(frozen=True)
class MassAction(RateLaw):
    """Elementary kinetics: the constant times the reactants' concentrations to the power of their coefficients."""

    constant: Arrhenius

    def rate(self, m: Any, c: Mapping[str, Any], temperature: Any, reaction: Any, shift: Any = 0.0) -> Any:
        """Return the rate [mol/L/min]; see `RateLaw.rate`."""
        return _one_way(m, self.constant, c, dict(reaction.reactants), temperature, shift)

    def check(self, reaction: Any) -> None:
        """Raise if the law does not suit the reaction."""
        if not reaction.reactants:
            raise InvalidValueError(f"{reaction}: mass action needs at least one reactant")
        self.constant.check(sum(n for _, n in reaction.reactants), str(reaction))

    def to_plain(self) -> dict[str, Any]:
        """Return it as a JSON-ready dict."""
        return {"law": "MassAction", "constant": self.constant.to_plain()}

    @classmethod
    def from_plain(cls, document: Mapping[str, Any], customs: Mapping[str, Callable[..., Any]]) -> Self:
        """Return the law that a dict describes."""
        del customs
        return cls(Arrhenius(**document["constant"]))


@dataclass(frozen=True)
class Reversible(RateLaw):
    """Mass action in both directions: forward with the reactants, backward with the products.

    Parameters
    ----------
    forward, backward
        Constants of the two directions.
    """

    forward: Arrhenius
    backward: Arrhenius

    @classmethod
    def at_equilibrium(
        cls, forward: Arrhenius, equilibrium: float, *, heat: float | str, temperature: float | str, unit: str = ""
    ) -> Self:
        """Return the law whose backward constant follows from an equilibrium constant (van 't Hoff).

        Parameters
        ----------
        forward
            Constant of the forward direction.
        equilibrium
            K_c = k_forward / k_backward at `temperature`.
        heat
            Heat of reaction: a number in J/mol or a text; negative when exothermic.
        temperature
            Where K_c holds: kelvin or a text.
        unit
            Unit of K_c ('' when the numbers of molecules on both sides agree).

        Examples
        --------
        >>> forward = Arrhenius(0.2, "L/mol/h", "50 kJ/mol", reference=298.15)
        >>> law = Reversible.at_equilibrium(forward, 4.0, heat="-10 kJ/mol", temperature="25 degC")
        >>> round(law.backward.constant, 12), law.backward.activation_energy
        (0.05, 60000.0)
        """
        kelvin = as_number(temperature, "K", "the temperature of an equilibrium constant")
        constant = as_number(equilibrium, unit, "an equilibrium constant")
        if constant <= 0 or kelvin <= 0:
            raise InvalidValueError("an equilibrium constant and its temperature in kelvin are positive")
        released = as_number(heat, "J/mol", "a heat of reaction")
        energy = float(forward.activation_energy)
        there = float(forward.value(NUMERIC, kelvin))
        made = str(parse_unit(forward.unit) / parse_unit(unit))
        return cls(forward, Arrhenius(there / constant, made, energy - released, kelvin))

    def rate(self, m: Any, c: Mapping[str, Any], temperature: Any, reaction: Any, shift: Any = 0.0) -> Any:
        """Return the rate [mol/L/min]; see `RateLaw.rate`."""
        # The same shift on both sides leaves the equilibrium where it is.
        forward = _one_way(m, self.forward, c, dict(reaction.reactants), temperature, shift)
        return forward - _one_way(m, self.backward, c, dict(reaction.products), temperature, shift)

    def check(self, reaction: Any) -> None:
        """Raise if the law does not suit the reaction."""
        if not reaction.reactants or not reaction.products:
            raise InvalidValueError(f"{reaction}: a reversible reaction has reactants and products")
        self.forward.check(sum(n for _, n in reaction.reactants), f"{reaction}, forward")
        self.backward.check(sum(n for _, n in reaction.products), f"{reaction}, backward")

    def to_plain(self) -> dict[str, Any]:
        """Return it as a JSON-ready dict."""
        return {"law": "Reversible", "forward": self.forward.to_plain(), "backward": self.backward.to_plain()}

    @classmethod
    def from_plain(cls, document: Mapping[str, Any], customs: Mapping[str, Callable[..., Any]]) -> Self:
        """Return the law that a dict describes."""
        del customs
        return cls(Arrhenius(**document["forward"]), Arrhenius(**document["backward"]))


@dataclass(frozen=True)
class PowerLaw(RateLaw):
    """Empirical kinetics: the constant times powers of concentrations, of whatever orders an experiment gave.

    A species that is consumed and has an order below one is limited near zero (see `concentration_power`), so that
    nothing reacts that is not there; a consumed species without an order has order zero.

    Parameters
    ----------
    constant
        The rate constant.
    orders
        Species -> order; any species of the system, fractional and negative orders too.
    cutoff
        Concentration [mol/L] below which orders less than one are limited.
    """

    constant: Arrhenius
    orders: Mapping[str, float] | tuple[tuple[str, float], ...]
    cutoff: float = _CUTOFF

    def __post_init__(self) -> None:
        pairs = self.orders.items() if isinstance(self.orders, Mapping) else self.orders
        orders = tuple((str(name), as_number(order, "", f"the order of {name!r}")) for name, order in pairs)
        if not 0 < as_number(self.cutoff, CONCENTRATION, "a cutoff") < 1:
            raise InvalidValueError(f"a cutoff is a small concentration, above 0 and below 1 mol/L, not {self.cutoff}")
        object.__setattr__(self, "orders", orders)

    def rate(self, m: Any, c: Mapping[str, Any], temperature: Any, reaction: Any, shift: Any = 0.0) -> Any:
        """Return the rate [mol/L/min]; see `RateLaw.rate`."""
        orders = {**{name: 0.0 for name, n in reaction.net.items() if n < 0}, **dict(self.orders)}
        rate = self.constant.at(m, temperature, sum(orders.values()), shift)
        cutoff = m.quantity(self.cutoff, CONCENTRATION)
        for name, order in orders.items():
            consumed = reaction.net.get(name, 0.0) < 0
            if order < 0 and consumed:  # inhibited by what it consumes: still nothing reacts that is not there
                rate = rate * concentration_power(m, c[name], 0.0, cutoff)
            if order != 0 or consumed:
                rate = rate * concentration_power(m, c[name], order, cutoff)
        return rate

    def check(self, reaction: Any) -> None:
        """Raise if the law does not suit the reaction."""
        self.constant.check(sum(float(order) for _, order in self.orders), str(reaction))

    def to_plain(self) -> dict[str, Any]:
        """Return it as a JSON-ready dict."""
        return {
            "law": "PowerLaw", "constant": self.constant.to_plain(), "orders": dict(self.orders), "cutoff": self.cutoff
        }  # fmt: skip

    @classmethod
    def from_plain(cls, document: Mapping[str, Any], customs: Mapping[str, Callable[..., Any]]) -> Self:
        """Return the law that a dict describes."""
        del customs
        return cls(Arrhenius(**document["constant"]), document["orders"], document["cutoff"])


@dataclass(frozen=True)
class Custom(RateLaw):
    """A rate law of one's own: ``function(m, c, temperature)``.

    Parameters
    ----------
    function
        Takes the mathematics `m`, a mapping of species to concentrations [mol/L] and the temperature [K]; returns the
        rate in `unit`. It should vanish where a reactant does: nothing else keeps concentrations from going negative.
        Constants with units are written ``m.quantity(2.0, "L/mol/s")``.
    unit
        Of the rate it returns.

    Examples
    --------
    >>> def michaelis_menten(m, c, temperature):
    ...     return m.quantity(0.02, "mol/L/min") * c["S"] / (m.quantity(0.1, "mol/L") + c["S"])
    >>> Custom(michaelis_menten).name.rpartition(":")[2]
    'michaelis_menten'
    """

    function: Callable[[Any, Mapping[str, Any], Any], Any]
    unit: str = RATE

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise InvalidValueError(f"a custom rate law is a function of (m, c, temperature), not {self.function!r}")
        affine(self.unit, RATE)

    @property
    def name(self) -> str:
        """Module and name of the function."""
        return f"{self.function.__module__}:{self.function.__qualname__}"

    def __repr__(self) -> str:
        return f"Custom({self.name}, unit={self.unit!r})"

    def rate(self, m: Any, c: Mapping[str, Any], temperature: Any, reaction: Any, shift: Any = 0.0) -> Any:
        """Return the rate [mol/L/min]; see `RateLaw.rate`."""
        # The factor of the shift is one at 25 degC: a custom law has no energy of its own to add it to.
        value = m.convert(self.function(m, c, temperature), self.unit, RATE)
        return arrhenius_from(m, value, m.quantity(0.0, "J/mol") + shift, temperature, m.quantity(298.15, "K"))

    def check(self, reaction: Any) -> None:
        """Raise if the law does not suit the reaction."""
        del reaction

    def to_plain(self) -> dict[str, Any]:
        """Return it as a JSON-ready dict."""
        return {"law": "Custom", "function": self.name, "unit": self.unit}

    @classmethod
    def from_plain(cls, document: Mapping[str, Any], customs: Mapping[str, Callable[..., Any]]) -> Self:
        """Return the law that a dict describes."""
        name = document["function"]
        if name not in customs:
            raise unknown_name("function", name, customs, "the default reactions (JSON never holds code)")
        return cls(customs[name], document["unit"])


LAWS: dict[str, type[RateLaw]] = {law.__name__: law for law in (MassAction, Reversible, PowerLaw, Custom)}
"""The rate laws by name."""
