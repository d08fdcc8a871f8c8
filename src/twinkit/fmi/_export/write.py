"""`export`: from a model to an FMU."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Collection, Mapping
from datetime import datetime
from importlib.resources import files
from typing import Any

import numpy as np

from twinkit._version import __version__
from twinkit.core.errors import InvalidValueError, unknown_name
from twinkit.core.files import write_atomically
from twinkit.core.identity import digest
from twinkit.core.model import Model
from twinkit.core.units import as_number
from twinkit.fmi._export.archive import archive_bytes
from twinkit.fmi._export.build import compile_library, find_compiler, platform_of
from twinkit.fmi._export.settings import (
    Binary,
    ExportedFMU,
    ExportKind,
    ExportWarning,
    FMIVersion,
    FMUBuildError,
    FMUExportError,
    chosen,
)
from twinkit.fmi._export.table import Starts, variable_table
from twinkit.fmi._export.tables import Content, c_tables, jump_table
from twinkit.fmi._export.xml2 import description_2
from twinkit.fmi._export.xml3 import build_description, description_3
from twinkit.fmi._export.xml_parts import SOURCE, Header
from twinkit.fmi.description import Kind

MAX_UNKNOWNS = 2000  # a dense matrix of 32 MB, and seconds for each of its factorisations
_HEADERS = ("instance.h", "algebra.h", "evaluate.h", "events.h", "integrate.h", "advance.h", "variables.h")


def export(
    model: Model,
    path: str | os.PathLike[str],
    *,
    version: FMIVersion | str = FMIVersion.FMI2,
    kind: ExportKind | str = ExportKind.BOTH,
    tunable: Collection[str] = (),
    rtol: float = 1e-8,
    until: Any = None,
    name: str | None = None,
    binary: Binary | str = Binary.AUTO,
    compiler: str | None = None,
    timeout: float = 300.0,
    date: datetime | None = None,
) -> ExportedFMU:
    """Write a model as an FMU: self-contained C from its equations, with exact derivatives, and a library of it.

    States, algebraic variables and outputs of the model are outputs of the FMU; parameters and initial values can be
    set; options are fixed. FMI's time is in seconds, whatever the model's time unit. A graph of models is exported as
    ``export(graph.flatten(), ...)``.

    Parameters
    ----------
    model
        The model; its values become start values. An input without a default starts at 0, or its nearest bound.
    path
        The ``.fmu`` file; written whole or not at all.
    version
        "2.0" (vectors become ``c[1]``, ``c[2]``, ...) or "3.0" (vectors are arrays).
    kind
        "cs" (with an integrator of its own, Rodas5P), "me" or "both".
    tunable
        Parameters that may change during a run; the others are fixed once it has begun.
    rtol
        Relative tolerance of co-simulation where the importer gives none; the absolute one is a hundredth of it, in
        units of each variable's nominal value.
    until
        End of the default experiment: number in the model's time unit, or text.
    name
        Name of the FMU's model; None: that of the class.
    binary
        "auto" (a library for this machine where there is a C compiler, else a warning), "required", or "none" (sources
        only: to be compiled where it runs, for example with ``fmpy compile``).
    compiler
        Command of the C compiler; None: ``CC`` of the environment, else cc, gcc, clang or cl.
    timeout
        For the compiler, in seconds.
    date
        Of generation. None leaves it out, so that the same model gives the same bytes.

    Returns
    -------
    ExportedFMU
        What was written.

    Raises
    ------
    UnknownNameError, InvalidValueError
        For a choice, a parameter or a number that does not exist or fit.
    SimulationError
        If a state has no initial value.
    FMUExportError
        If the model has something that FMI cannot express.
    FMUBuildError
        If it cannot be compiled.
    StorageError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import twinkit as tk
    >>> class Decay(tk.Model):
    ...     '''First-order decay.'''
    ...     time_unit = "h"
    ...     c = tk.State("g/L", initial=1.0)
    ...     k = tk.Parameter("1/h", 0.5)
    ...     def equations(self, v, m):
    ...         return {"c": -v.k * v.c}
    >>> folder = tempfile.TemporaryDirectory()
    >>> made = tk.fmi.export(Decay(), pathlib.Path(folder.name, "decay.fmu"), version="3.0", binary="none")
    >>> tk.fmi.check(made.path)
    []
    >>> folder.cleanup()
    """
    fmi, what = chosen(FMIVersion, version, "FMI version"), chosen(ExportKind, kind, "kind")
    wish = chosen(Binary, binary, "choice of binary")
    content, header = _content(model, fmi, what, frozenset(tunable), rtol, until, name, date)
    sources, description, token = _texts(content, header)
    packed = {f"sources/{file}": text.encode() for file, text in sources.items()}
    packed["modelDescription.xml"] = description.encode()
    folder = ""
    if fmi is FMIVersion.FMI3:
        packed["sources/buildDescription.xml"] = build_description(header.identifier).encode()
    command = None if wish is Binary.NONE else find_compiler(compiler)
    if command is not None:
        folder, suffix = platform_of(fmi)
        library = compile_library(sources, suffix, command, timeout)
        packed[f"binaries/{folder}/{header.identifier}{suffix}"] = library
    elif wish is not Binary.NONE:
        _without_compiler(wish)
    target = write_atomically(path, archive_bytes(packed))
    return ExportedFMU(target, fmi, what, token, folder, model.content_hash, tuple(sorted(packed)))


def _without_compiler(wish: Binary) -> None:
    words = (
        "no C compiler was found (cc, gcc, clang, cl or the environment variable CC): the FMU holds C sources only, "
        "which must be compiled where it is to run, for example with: fmpy compile FILE"
    )
    if wish is Binary.REQUIRED:
        raise FMUBuildError(words.replace("the FMU holds", "the FMU would hold"))
    warnings.warn(words, ExportWarning, stacklevel=3)


def _content(
    model: Model, version: FMIVersion, kind: ExportKind, tunable: frozenset[str], rtol: float, until: Any,
    name: str | None, date: datetime | None,
) -> tuple[Content, Header]:  # fmt: skip
    if not isinstance(model, Model):
        hint = (
            f"an instance: {model.__name__}()"
            if isinstance(model, type)
            else "a model; a graph gives one: graph.flatten()"
        )
        raise InvalidValueError(f"export needs {hint}, not {model!r}")
    from twinkit.readings.c import c_model
    from twinkit.readings.casadi import casadi_model

    for entry in tunable:
        if entry not in model.layout.parameters:
            raise unknown_name("parameter", entry, model.layout.parameters.by_name, type(model).__name__)
    title = type(model).__name__ if name is None else name
    identifier = re.sub(r"\W", "_", title, flags=re.ASCII)
    if not identifier or identifier[0].isdigit() or len(identifier) > 100:
        raise InvalidValueError(
            f"the name of an FMU begins with a letter and has at most 100 characters, not {title!r}"
        )
    starts = _starts(model, rtol)
    reading, symbolic = c_model(model), casadi_model(model)
    rows = variable_table(reading, starts, version, tunable)
    content = Content(
        title, reading, rows, starts, symbolic.events, symbolic.schedules, version, kind.kinds, float(rtol)
    )  # fmt: skip
    _check_size(content)
    stop = None if until is None else as_number(until, model.time_unit, "until") * content.seconds
    if stop is not None and stop <= 0.0:
        raise InvalidValueError(f"the default experiment starts at 0 and must end later, not until={until!r}")
    lines = (type(model).__doc__ or "").strip().splitlines()
    header = Header(identifier, lines[0].strip() if lines else "", _provenance(model), stop, date)
    return content, header


def _check_size(content: Content) -> None:
    layout, co_simulation = content.reading.layout, Kind.CO_SIMULATION in content.kinds
    unknowns = layout.algebraics.size + (layout.states.size if co_simulation else 0)
    if unknowns > MAX_UNKNOWNS:
        hint = ": export it for model exchange (kind='me')" if layout.algebraics.size <= MAX_UNKNOWNS else ""
        raise FMUExportError(
            f"{content.name} has {unknowns} unknowns to be solved for inside the FMU, whose linear algebra is dense: "
            f"at most {MAX_UNKNOWNS} are supported{hint}"
        )


def _provenance(model: Model) -> Mapping[str, str]:
    options = {prefix + name: value for prefix, part in model.walk() for name, value in part.options.items()}
    return {
        "model": type(model).__name__, "contentHash": model.content_hash, "definitionHash": model.definition_hash,
        "options": ", ".join(f"{name}={value!r}" for name, value in options.items()),
        "timeUnit": model.time_unit, "twinkit": __version__,
    }  # fmt: skip


def _starts(model: Model, rtol: float) -> Starts:
    """Return the values at the start; an input that has none gets an allowed one."""
    from twinkit.simulate.problem import make_problem

    values = model.values()
    free = {e.name: float(np.clip(0.0, *e.variable.bounds)) for e in model.layout.inputs if values.get(e.name) is None}
    problem = make_problem(model, 1.0, inputs=free, rtol=rtol)
    held = problem.held_values(0.0, problem.modes)
    return Starts(problem.x, problem.z, held[: model.layout.inputs.size], problem.modes, problem.p)


def _texts(content: Content, header: Header) -> tuple[dict[str, str], str, str]:
    """Return sources, description and token; the token is a hash of the other two."""
    describe = description_2 if content.version is FMIVersion.FMI2 else description_3
    folder = files("twinkit.fmi._export") / "sources"
    names = (SOURCE, *_HEADERS, f"fmi{content.version.value[0]}.h")
    sources = {name: (folder / name).read_text("utf-8") for name in names}
    sources["equations.h"] = content.reading.source + jump_table(content.reading)
    blank = digest([sources, c_tables(content, ""), describe(content, header, "")])
    token = "{" + "-".join((blank[:8], blank[8:12], blank[12:16], blank[16:20], blank[20:32])) + "}"
    sources["description.h"] = c_tables(content, token)
    return sources, describe(content, header, token), token
