"""``twinkit fmu info|check|simulate FILE`` and ``twinkit fmu export MODEL``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from twinkit.app.run_options import named_values, write_solution


def add_fmu_commands(commands: Any) -> None:
    """Add ``fmu`` and what is under it to the parser's commands."""
    fmu = commands.add_parser(
        "fmu", help="look at, check, run and export FMUs", description="Look at FMUs, run and export."
    )
    inner = fmu.add_subparsers(title="commands", metavar="", required=True)
    for name, text, command in (
        ("info", "what an FMU says about itself (none of its code runs)", _info),
        ("check", "list every problem of an FMU (none of its code runs)", _check),
        ("simulate", "run an FMU with inputs held", _simulate),
    ):
        parser = inner.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        parser.add_argument("file", type=Path, help="the .fmu file")
        parser.set_defaults(command=command)
        if name == "simulate":
            _add_options(parser)
    from twinkit.app.export_command import add_export_command

    add_export_command(inner)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--until", type=float, help="end of the run")
    parser.add_argument("--step", type=float, help="macro step")
    parser.add_argument("--start-time", type=float, help="start of the run")
    parser.add_argument("--kind", choices=["cs", "me"], help="co-simulation or model exchange")
    parser.add_argument("--event-mode", action="store_true", help="let an FMI 3 co-simulation use event mode (clocks)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="start value; of an array: 'a=1 2 3' (repeat it)",
    )
    parser.add_argument("--isolate", action="store_true", help="run the FMU in a process of its own")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the outputs as CSV, .nc or .parquet")


def _info(chosen: argparse.Namespace) -> int:
    from twinkit.fmi import info

    print(info(chosen.file))
    return 0


def _check(chosen: argparse.Namespace) -> int:
    from twinkit.fmi import check

    problems = check(chosen.file)
    for problem in problems:
        print(problem)
    print(f"{chosen.file.name}: {len(problems) or 'no'} problem{'' if len(problems) == 1 else 's'}")
    return 1 if problems else 0


def _simulate(chosen: argparse.Namespace) -> int:
    from twinkit.fmi import simulate

    solution = simulate(
        chosen.file, chosen.until, step=chosen.step, start=named_values(chosen.set), start_time=chosen.start_time,
        kind=chosen.kind, isolate=chosen.isolate, event_mode=chosen.event_mode,
    )  # fmt: skip
    if not solution.success:
        print(f"twinkit: {solution.status.reason}", file=sys.stderr)
    if chosen.output is not None:
        print(f"written: {write_solution(solution, chosen.output)}")
    else:
        print(solution.status.reason)
        for name, trace in solution.traces.items():
            print(f"  {name} = {trace.data[-1]} {trace.unit}".rstrip())
    return 0 if solution.success else 1
