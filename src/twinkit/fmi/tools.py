"""What the command line does with an FMU: say what it is, list everything wrong with it, run it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from twinkit._version import __version__
from twinkit.core.component import StepError
from twinkit.core.errors import InvalidValueError, MissingDependencyError, TwinkitError
from twinkit.core.solution import RunStatus, Solution, Trace
from twinkit.fmi._archive import DESCRIPTION, ArchiveLimits, archive_problems, open_archive, read_member
from twinkit.fmi._parse import parse_description
from twinkit.fmi._xml import MAX_BYTES
from twinkit.fmi.component import FMU
from twinkit.fmi.description import FMUDescription
from twinkit.fmi.session import read_description

Path = str | os.PathLike[str]


def info(path: Path) -> FMUDescription:
    """Return what an FMU says about itself; none of its code is run."""
    return read_description(path)


def check(path: Path, *, limits: ArchiveLimits | None = None) -> list[str]:
    """Return every problem found in an FMU, in words; none of its code is run.

    Checked are the archive, the description, units, and, where FMPy is installed, the FMI schema and FMPy's own rules.

    Parameters
    ----------
    path
        The ``.fmu`` file.
    limits
        For the archive.

    Returns
    -------
    list of str
        Empty for an FMU without problems.
    """
    try:
        with open_archive(path) as archive:
            problems = archive_problems(archive, limits or ArchiveLimits())
            data = read_member(archive, DESCRIPTION, MAX_BYTES)
    except TwinkitError as error:
        return [str(error)]
    try:
        parse_description(data)
    except TwinkitError as error:
        return [*problems, str(error)]
    try:
        problems += [note for note in FMU(path).notes if "not known" in note]
    except TwinkitError as error:
        return [*problems, str(error)]
    return list(dict.fromkeys([*problems, *_schema_problems(data)]))


def _schema_problems(data: bytes) -> list[str]:
    """Return what FMPy says of a description that was found to be harmless XML."""
    import tempfile
    from pathlib import Path as FilePath

    from twinkit.fmi._instance import import_fmpy

    try:
        reader = import_fmpy("model_description")
    except MissingDependencyError:
        return []
    with tempfile.TemporaryDirectory() as folder:
        file = FilePath(folder, DESCRIPTION)
        file.write_bytes(data)
        try:
            reader.read_model_description(folder, validate=True, validate_model_structure=True)
        except reader.ValidationError as error:
            return [str(problem) for problem in getattr(error, "problems", [error])]
        except Exception as error:  # FMPy raises whatever Python does on what its schema does not catch
            return [f"FMPy cannot read the description: {error}"]
    return []


def simulate(
    path: Path,
    until: float | None = None,
    *,
    step: float | None = None,
    start: Mapping[str, Any] | None = None,
    inputs: Mapping[str, float] | None = None,
    start_time: float | None = None,
    **options: Any,
) -> Solution:
    """Run one FMU with inputs held, and return its outputs over time.

    Parameters
    ----------
    path
        The ``.fmu`` file.
    until
        End; None: as its default experiment says, or one time unit after the start.
    step
        Macro step; None: as its default experiment says, or a five-hundredth of the run.
    start
        Parameter or initial value -> value.
    inputs
        Input -> value.
    start_time
        Start; None: as its default experiment says, or 0.
    **options
        As for `twinkit.fmi.Session`.

    Returns
    -------
    Solution
        Complete, or up to the step that failed, with ``solution.status`` saying why.

    Raises
    ------
    TwinkitError
        If the FMU cannot be started.
    """
    fmu = FMU(path, start, **options)
    begin, end, count = _span(fmu.description, start_time, until, step)
    times = np.linspace(begin, end, count + 1)
    try:
        first = fmu.initialize(begin, inputs or {})
        rows, reason = [first], ""
        for i in range(count):
            try:
                rows.append(fmu.step(float(times[i]), float(times[i + 1] - times[i]), inputs or {} if i == 0 else {}))
            except StepError as error:
                reason = str(error)
                break
    finally:
        fmu.close()
    times = times[: len(rows)]
    traces = {
        name: Trace("output", port.unit, port.doc, np.array([row[name] for row in rows], dtype=np.float64))
        for name, port in fmu.outputs.items()
    }
    words = reason or f"reached {times[-1]:g} {fmu.time_unit}"
    status = RunStatus(not reason, words, float(times[-1]))
    origin = {"model": fmu.description.model_name, "token": fmu.description.token, "twinkit": __version__}
    return Solution(times, fmu.time_unit, traces, status, {"steps": len(rows) - 1}, origin)


def _span(
    description: FMUDescription, start: float | None, until: float | None, step: float | None
) -> tuple[float, float, int]:
    """Return start, end and number of macro steps."""
    begin = start if start is not None else description.start_time or 0.0
    end = until if until is not None else description.stop_time if description.stop_time is not None else begin + 1.0
    width = step if step is not None else description.step_size or (end - begin) / 500
    if not (end > begin and width > 0):
        raise InvalidValueError(f"a run from {begin:g} to {end:g} in steps of {width:g} is not possible")
    count = max(1, round((end - begin) / width))
    if count > 10_000_000:
        raise InvalidValueError(f"{count} steps are too many: choose a longer step")
    return begin, end, count
