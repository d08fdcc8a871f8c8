"""The command line: ``twinkit demo``, ``twinkit fmu``, ``twinkit graph`` and ``twinkit --version``."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinkit._version import __version__
from twinkit.app.run_options import check_output
from twinkit.core.errors import MissingDependencyError, TwinkitError

if TYPE_CHECKING:
    from twinkit.app.fermentation import FermentationResult, LateSamples

REPORT = "fermentation-report.html"
OK, FAILED, MISSING, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments
        What follows ``twinkit``; None: the process's own.

    Returns
    -------
    int
        Exit code: 0 done, 1 an error with a one-line message, 2 a missing package or wrong usage, 130 interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):  # a console that lacks a character prints '?'
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if chosen.command is None:
        parser.print_help()
        return MISSING
    try:
        return chosen.command(chosen)
    except MissingDependencyError as error:
        print(f"twinkit: {error}", file=sys.stderr)
        return MISSING
    except TwinkitError as error:
        print(f"twinkit: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("twinkit: interrupted; nothing was written", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="twinkit", description="Digital twins of pharmaceutical manufacturing.")
    parser.add_argument("--version", action="version", version=f"twinkit {__version__}")
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(title="commands", metavar="")
    text = "replay a real fermentation: soft sensor, twin, forecast, report"
    demo = commands.add_parser("demo", help=text, description=text[0].upper() + text[1:] + ".")
    demo.add_argument("--json", metavar="FILE", type=Path, help="write the numbers for machines to FILE")
    demo.add_argument("--report", metavar="FILE", type=Path, default=Path(REPORT), help="the HTML report (%(default)s)")
    demo.add_argument("--quiet", action="store_true", help="no progress bar and no table")
    demo.set_defaults(command=_demo)
    from twinkit.app.fmu_commands import add_fmu_commands

    add_fmu_commands(commands)
    from twinkit.app.graph_commands import add_graph_commands

    add_graph_commands(commands)
    return parser


def _demo(chosen: argparse.Namespace) -> int:
    for target in (chosen.report, chosen.json):
        check_output(target)
    from twinkit.app.fermentation import run

    result = run(progress=not chosen.quiet)
    from twinkit.app.report import provenance, write_report
    from twinkit.core.files import write_atomically

    made_by = provenance(result)
    written = [write_report(result, chosen.report, made_by)]
    if chosen.json is not None:
        written.append(write_atomically(chosen.json, as_json(result, made_by)))
    if not chosen.quiet:
        print()
        print(table(result.metrics))
        if result.late is not None:
            print(f"\n{late_table(result.late)}")
        print()
        width = max(40, min(shutil.get_terminal_size().columns, 110))
        for line in result.summary:
            print(textwrap.fill(line, width, initial_indent="  - ", subsequent_indent="    "))
        print()
        for path in written:
            print(f"written: {path}")
    return OK


def table(metrics: Mapping[str, Any]) -> str:
    """Return the scores as a table of plain text."""
    m = metrics
    points = m["hplc_points"]
    rows = [
        (f"against {points} laboratory samples", "soft sensor", "twin"),
        ("glucose RMSE [g/L]", f"{m['glucose_rmse_sensor']:.2f}", f"{m['glucose_rmse_twin']:.2f}"),
        (
            "  against the original reference",
            f"{m['glucose_rmse_sensor_original']:.2f}",
            f"{m['glucose_rmse_twin_original']:.2f}",
        ),
        ("ethanol RMSE [g/L] (not measured)", "", f"{m['ethanol_rmse_twin']:.2f}"),
        ("95 % intervals that cover", "", f"{100 * m['coverage_95']:.0f} %"),
        ("  against the original reference", "", f"{100 * m['coverage_95_original']:.0f} %"),
    ]
    if "coverage_95_glucose" in m and "coverage_95_ethanol" in m:
        parts = f"{100 * m['coverage_95_glucose']:.0f} / {100 * m['coverage_95_ethanol']:.0f} %"
        rows.insert(5, ("  glucose / ethanol", f"{100 * m['coverage_95_sensor']:.0f} %", parts))
    lines = _columns(rows)
    lines.append("")
    lines.append(f"  spectra flagged: {m['spectra_flagged']} of {m['spectra_total']}")
    lines.append(f"  speed: {m['samples_per_second']:,.0f} spectra per second")
    return "\n".join(lines)


def late_table(late: LateSamples) -> str:
    """Return what late laboratory samples changed, as a table of plain text."""
    return "\n".join(_columns([("late laboratory samples", "without", "with"), *late.rows]))


def _columns(rows: Sequence[tuple[str, str, str]]) -> list[str]:
    """Return the lines of a table with a rule under its head."""
    widths = [max(len(row[k]) for row in rows) for k in range(3)]
    lines = [f"  {a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
    lines.insert(1, "  " + "-" * (sum(widths) + 4))
    return lines


def as_json(result: FermentationResult, made_by: Mapping[str, Any]) -> bytes:
    """Return the numbers of a run as JSON: the metrics at the top level, no NaN, nothing infinite."""
    document = {**result.to_dict(), "provenance": dict(made_by)}
    return (json.dumps(_finite(document), indent=1, allow_nan=False) + "\n").encode()


def _finite(value: Any) -> Any:
    """Return a value JSON knows: numbers that are not finite become null."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if hasattr(value, "tolist"):  # NumPy scalars and arrays
        return _finite(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


if __name__ == "__main__":
    sys.exit(main())
