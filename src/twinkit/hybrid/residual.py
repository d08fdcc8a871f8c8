"""`Residual`: a model whose named rates have learned terms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from twinkit.core.errors import InvalidValueError, unknown_name
from twinkit.core.model import Model
from twinkit.core.terms import Combine, Correction
from twinkit.core.units import as_number, unit_label
from twinkit.hybrid.learners import InducingGP, Learner, learner_for

AnyModel = TypeVar("AnyModel", bound=Model)
_READABLE = ("state", "algebraic", "input", "mode", "parameter")


def Residual(
    model: AnyModel,
    on: Mapping[str, Sequence[str]],
    *,
    terms: Learner | Mapping[str, Learner] | None = None,
    combine: Combine | Mapping[str, Combine] = Combine.ADD,
    gates: Mapping[str, Mapping[str, Any]] | None = None,
) -> AnyModel:
    """Return the model with an untrained learned term in each of some named rates.

    The term enters inside the equations, so whatever it says, what the equations conserve stays conserved. Untrained
    terms are zero: until it is fitted (`HybridModel`), the result does what the model does. It is an ordinary model:
    the same class, with one sub-model ``<rate>_term`` per term.

    Parameters
    ----------
    model
        A model whose equations name rates: ``mu = m.rate("mu", ...)``. ``model.named_rates`` lists them.
    on
        Rate -> what its term looks at: states, inputs and parameters of the same (sub-)model, ``"t"``, or rates named
        before it. Those of sub-models have a path: ``{"reactor.mu": ["reactor.S"]}``.
    terms
        The kind of function, for all rates or by rate (default ``InducingGP()``).
    combine
        Add the term to the rate (default), or multiply the rate by its exponential, for all rates or by rate.
    gates
        Rate -> {variable: half saturation}: the added term is multiplied by ``s / (s + K)``. Use it where a term could
        otherwise consume what is not there.

    Raises
    ------
    UnknownNameError
        For a rate that is not named, or a variable that does not exist.
    InvalidValueError
        If nothing is corrected, or a variable is no single value.

    Examples
    --------
    >>> import twinkit as tk
    >>> class Growth(tk.Model):
    ...     '''Growth on one substrate.'''
    ...     time_unit = "h"
    ...     X = tk.State("g/L", 0.1)
    ...     S = tk.State("g/L", 10.0)
    ...     mu_max = tk.Parameter("1/h", 0.3)
    ...     K = tk.Parameter("g/L", 0.5)
    ...     Y = tk.Parameter("g/g", 0.5)
    ...     def equations(self, v, m):
    ...         mu = m.rate("mu", v.mu_max * v.S / (v.K + v.S))
    ...         return {"X": mu * v.X, "S": -mu * v.X / v.Y}
    >>> hybrid = tk.hybrid.Residual(Growth(), on={"mu": ["S"]}, terms=tk.hybrid.InducingGP(points=8))
    >>> sorted(hybrid.parameters)
    ['K', 'Y', 'mu_max', 'mu_term.lengths', 'mu_term.points', 'mu_term.shift', 'mu_term.softening', 'mu_term.weights']
    >>> float(tk.simulate(hybrid, "5 h")["X"][-1]) == float(tk.simulate(Growth(), "5 h")["X"][-1])
    True
    """
    if not isinstance(model, Model):
        raise InvalidValueError(f"Residual needs a model, not {model!r}")
    if not isinstance(on, Mapping):
        raise InvalidValueError(f"on is a mapping of rates to what their terms look at, not {on!r}")
    for each in combine.values() if isinstance(combine, Mapping) else (combine,):
        if not isinstance(each, Combine):
            raise InvalidValueError(f"combine is Combine.ADD or Combine.MULTIPLY, not {each!r}")
    if not on:
        raise InvalidValueError("Residual needs at least one rate: on={'mu': ['S', 'T']}")
    units = model.named_rates
    for given, what in ((terms, "terms"), (combine, "combine"), (gates, "gates")):
        for rate in given if isinstance(given, Mapping) else ():
            if rate not in on:
                raise unknown_name("rate", rate, on, f"Residual({what}=...), which corrects")
    found: dict[str, dict[Correction, Model]] = {}
    for rate, variables in on.items():
        if rate not in units:
            raise unknown_name("rate", rate, units, f"{type(model).__name__} (named by m.rate in its equations)")
        path, _, _ = rate.rpartition(".")
        correction = _correction(
            dict(model.walk())[f"{path}." if path else ""], path, rate, variables, units,
            combine[rate] if isinstance(combine, Mapping) and rate in combine else combine, (gates or {}).get(rate, {}),
        )  # fmt: skip
        learner = learner_for(InducingGP() if terms is None else terms, rate)
        found.setdefault(path, {})[correction] = learner.term(len(correction.variables))
    for path, parts in found.items():
        part = dict(model.walk())[f"{path}." if path else ""]
        corrected = part.with_terms(parts)
        model = corrected if not path else model.with_({path: corrected})  # pyright: ignore[reportAssignmentType]
    return model


def _correction(
    part: Model, path: str, rate: str, variables: Any, units: Mapping[str, str], combine: Any, gates: Mapping[str, Any]
) -> Correction:
    if isinstance(variables, str) or not isinstance(variables, Iterable):
        raise InvalidValueError(f"on[{rate!r}] is a list of names, not {variables!r}")
    local = [_local(name, path, rate) for name in variables]
    listed = [(name, _unit_of(part, path, name, rate, units)) for name in local]
    vanishing: list[tuple[str, float, str]] = []
    for name, half in gates.items():
        short = _local(name, path, rate)
        unit = _unit_of(part, path, short, rate, units)
        number = as_number(half, unit, f"the half saturation of {name!r} in the gate of {rate!r}")
        if not number > 0:
            raise InvalidValueError(f"the half saturation of {name!r} in the gate of {rate!r} must be positive")
        vanishing.append((short, number, unit))
    return Correction(
        rate.rpartition(".")[2], units[rate], tuple(name for name, _ in listed), tuple(unit for _, unit in listed),
        combine if isinstance(combine, Combine) else Combine.ADD, tuple(vanishing),
    )  # fmt: skip


def _local(name: str, path: str, rate: str) -> str:
    if not path:
        return name
    if not name.startswith(f"{path}."):
        raise InvalidValueError(
            f"the term on {rate!r} looks at {name!r}: a term in a sub-model sees what that sub-model sees, so write "
            f"{path}.{name} if that exists, or bind it to an input of {path!r}"
        )
    return name[len(path) + 1 :]


def _unit_of(part: Model, path: str, name: str, rate: str, rates: Mapping[str, str]) -> str:
    prefix = f"{path}." if path else ""
    if name == "t":
        return part.time_unit
    if prefix + name in rates:
        own = [item for item in rates if item.rpartition(".")[0] == path]
        if own.index(prefix + name) < own.index(rate):
            return rates[prefix + name]
        raise InvalidValueError(
            f"the term on {rate!r} looks at {name!r}, which the equations name later (or is itself)"
        )
    readable = {key: item for key, item in part.declared.items() if item.kind in _READABLE}
    if name not in readable:
        own = [item.rpartition(".")[2] for item in rates if item.rpartition(".")[0] == path]
        raise unknown_name("variable", name, [*readable, *own, "t"], f"{type(part).__name__}, for the term on {rate!r}")
    if readable[name].shape is not None:
        raise InvalidValueError(f"the term on {rate!r} looks at {name!r}, which is a vector; terms take single values")
    return unit_label(readable[name].unit)
