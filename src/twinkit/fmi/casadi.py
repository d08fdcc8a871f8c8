"""An FMU inside an optimisation: its model-exchange equations as a CasADi function, through CasADi's own importer."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twinkit.core.component import Array
from twinkit.core.errors import InvalidValueError, unknown_name
from twinkit.fmi._archive import ArchiveLimits, extract
from twinkit.fmi._errors import UnsupportedFMUError
from twinkit.fmi._values import native_value, plain_value
from twinkit.fmi.description import FMUDescription, FMUVariable, Kind, VariableType
from twinkit.fmi.session import read_description


@dataclass(frozen=True, eq=False)
class FMUFunction:
    """The CasADi reading of an FMU.

    Attributes
    ----------
    equations
        CasADi function ``(t, x, u, p) -> (dx, y)``. Its derivatives by `x` and `u` are exact where the FMU provides
        directional derivatives (`exact` says so), and finite differences elsewhere and by `p`.
    states, inputs, parameters, outputs
        Names, in the order of `x`, `u`, `p` and `y`.
    x0, u0, p0
        Start values as the FMU declares them (zero where it declares none).
    exact
        Whether derivatives come from the FMU.
    """

    equations: Any
    states: tuple[str, ...]
    inputs: tuple[str, ...]
    parameters: tuple[str, ...]
    outputs: tuple[str, ...]
    x0: Array
    u0: Array
    p0: Array
    exact: bool


def casadi_function(
    path: str | os.PathLike[str],
    parameters: Sequence[str] = (),
    *,
    start: Mapping[str, Any] | None = None,
    outputs: Sequence[str] | None = None,
    limits: ArchiveLimits | None = None,
) -> FMUFunction:
    """Return the equations of a model-exchange FMU for CasADi: for estimation, control and sensitivities.

    Parameters
    ----------
    path
        The ``.fmu`` file (FMI 2.0 or 3.0, model exchange). Events are not part of it.
    parameters
        Parameters that become the function's `p`; all others keep their start values.
    start
        Parameter, or input that is no floating-point number, -> start value, instead of the FMU's own.
    outputs
        Variables that become the function's `y`; None: all outputs that are floating-point numbers.
    limits
        For the archive.

    Raises
    ------
    UnsupportedFMUError
        If the FMU does not offer model exchange, or CasADi cannot import it.
    UnknownNameError, InvalidValueError
        For a name that is no parameter.
    """
    import casadi as ca

    path = Path(path)
    description = read_description(path)
    interface = description.interface(Kind.MODEL_EXCHANGE)
    if interface is None or description.fmi_version == "1.0":
        raise UnsupportedFMUError(f"{path.name} offers no model exchange in FMI 2.0 or 3.0, which CasADi needs")
    _check_names(path.name, description, parameters, start or {}, outputs or ())
    if outputs is None:
        outputs = [v.name for v in description.of("output") if v.type.is_float]
    folder = tempfile.mkdtemp(prefix="twinkit-fmu-")
    try:
        extract(path, Path(folder), limits or ArchiveLimits())
        builder = ca.DaeBuilder("fmu", folder, {"debug": False})
        for name, value in (start or {}).items():
            builder.set(name, _start_value(description.variables[name], value))
        for name in builder.p():  # the tunable ones
            builder.set_variability(name, "fixed")
        for name in parameters:
            builder.set_variability(name, "tunable")
        builder.set_all("y", list(outputs))
        names = tuple(tuple(part) for part in (builder.x(), builder.u(), builder.p(), builder.y()))
        begin = [np.array([float(np.asarray(builder.start(n)).ravel()[0]) for n in part]) for part in names[:3]]
        for name in (*names[0], *names[1], *names[2]):  # differences may step over a bound, which CasADi would refuse
            builder.set_min(name, -np.inf)
            builder.set_max(name, np.inf)
        raw = builder.create("equations", ["t", "x", "u", "p"], ["ode", "y"])
        function = _with_derivatives(builder, raw, np.maximum(np.abs(begin[2]), 1e-6))
    except RuntimeError as error:  # CasADi's only exception
        shutil.rmtree(folder, ignore_errors=True)
        raise UnsupportedFMUError(f"CasADi cannot import {path.name}: {str(error).splitlines()[-1]}") from None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    made = FMUFunction(
        function,
        names[0],
        names[1],
        names[2],
        names[3],
        begin[0],
        begin[1],
        begin[2],
        interface.directional_derivatives,
    )
    weakref.finalize(made, shutil.rmtree, folder, ignore_errors=True)
    return made


def _check_names(
    file: str, description: FMUDescription, parameters: Sequence[str], start: Mapping[str, Any], outputs: Sequence[str]
) -> None:
    """Raise unless all names are variables of an FMU that can be what they are to be."""
    for what, names in (("parameter", parameters), ("variable", start), ("output", outputs)):
        for name in names:
            if name not in description.variables:
                valid = description.of("parameter") if what == "parameter" else description.variables.values()
                raise unknown_name(what, name, [v.name for v in valid], file)
    for name in parameters:
        v = description.variables[name]
        if v.causality != "parameter":
            raise InvalidValueError(f"{name!r} of {file} is no parameter but {v.causality}")
    for name in (*parameters, *outputs):
        v = description.variables[name]
        if not v.type.is_float:
            raise InvalidValueError(f"{name!r} of {file} is {v.type.value}, not a floating-point number")
    for name in outputs:
        v = description.variables[name]
        if v.causality not in ("output", "local") or v.variability != "continuous" or v.derivative_of:
            what = f"the derivative of {v.derivative_of!r}" if v.derivative_of else f"a {v.variability} {v.causality}"
            raise InvalidValueError(f"{name!r} of {file} is {what}, and cannot be an output")


def _start_value(variable: FMUVariable, value: Any) -> Any:
    """Return a start value as CasADi takes it, checked against its type."""
    plain = plain_value(value)
    native = native_value(plain, variable)
    return plain if variable.type is VariableType.STRING else native


def _with_derivatives(builder: Any, raw: Any, nominal: Array) -> Any:
    """Return a function with derivatives by `x` and `u` from CasADi's Jacobian of the FMU, and by `p` as differences.

    Directions are not asked of the FMU one by one: CasADi 3.7 answers a direction of zeros with the one before it,
    counts parameters that the FMU takes for fixed twice, and its differences of outputs alone are wrong. An
    FMU need not have directional derivatives by parameters at all.
    """
    import casadi as ca

    t, x, u, p = symbols = raw.mx_in()
    names_in, names_out = raw.name_in(), raw.name_out()
    asked = [f"jac_{name}_{by}" for name in names_out for by in ("x", "u")]
    slopes = dict(zip(asked, builder.create("slopes", ["t", "x", "u", "p"], asked).call(symbols), strict=True))
    blocks: list[Any] = []
    for i, name in enumerate(names_out):
        columns = [ca.MX(raw.numel_out(i), 0)]
        for j, size in enumerate(nominal):
            h = 1e-5 * ca.fmax(ca.fabs(p[j]), size)
            unit = ca.DM.zeros(len(nominal))
            unit[j] = 1.0
            high, low = (raw.call([t, x, u, p + sign * h * unit])[i] for sign in (1, -1))
            columns.append((high - low) / (2 * h))
        by_time = ca.MX(raw.numel_out(i), 1)
        blocks += [by_time, slopes[f"jac_{name}_x"], slopes[f"jac_{name}_u"], ca.horzcat(*columns)]
    spare = [ca.MX(raw.numel_out(i), 1) for i in range(raw.n_out())]
    jacobian = ca.Function(
        "jac_equations", [*symbols, *spare], blocks, [*names_in, *(f"out_{name}" for name in names_out)],
        [f"jac_{name}_{by}" for name in names_out for by in names_in], {"always_inline": True},
    )  # fmt: skip
    # Not quite zero: sparsity is found by propagation, and an FMU does not depend on parameters for CasADi.
    values = [own + 1e-300 * ca.sum1(p) if len(nominal) else own for own in raw.call(symbols)]
    options = {"custom_jacobian": jacobian, "jac_penalty": 0, "never_inline": True}
    return ca.Function("equations", symbols, values, names_in, names_out, options)
