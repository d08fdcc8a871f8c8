"""``twinkit graph info|run FILE.ssp``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinkit.app.run_options import check_output, named_values, write_solution
from twinkit.core.errors import InvalidValueError

if TYPE_CHECKING:
    from twinkit.graph.masters import Master
    from twinkit.graph.ssp import SSPGraph

MASTERS = ("jacobi", "gauss-seidel", "midpoint", "implicit", "adaptive")


def add_graph_commands(commands: Any) -> None:
    """Add ``graph`` and what is under it to the parser's commands."""
    text = "look at and run systems of FMUs (SSP files)"
    graph = commands.add_parser("graph", help=text, description=text[0].upper() + text[1:] + ".")
    inner = graph.add_subparsers(title="commands", metavar="", required=True)
    for name, about, command in (
        ("info", "what an SSP file holds (no FMU runs)", _info),
        ("run", "run the system of an SSP file", _run),
    ):
        parser = inner.add_parser(name, help=about, description=about[0].upper() + about[1:] + ".")
        parser.add_argument("file", type=Path, help="the .ssp file")
        parser.set_defaults(command=command)
        if name == "run":
            _add_options(parser)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--until", type=float, help="end of the run (default: as the file says)")
    parser.add_argument("--start-time", type=float, help="start of the run (default: as the file says, else 0)")
    parser.add_argument("--step", type=float, help="time between exchanges (default: a five-hundredth of the run)")
    parser.add_argument("--master", choices=MASTERS, default="jacobi", help="how it is stepped (%(default)s)")
    parser.add_argument("--late-loops", action="store_true",
                        help="pass the values of algebraic loops one exchange late")  # fmt: skip
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE",
                        help="input of the system (repeat it)")  # fmt: skip
    parser.add_argument("--variant", help="which system structure of the file")
    parser.add_argument("--isolate", action="store_true", help="run every FMU in a process of its own")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write all outputs as .csv, .nc or .parquet")
    parser.add_argument("--plot", type=Path, metavar="FILE", nargs="?", const=Path(),
                        help="draw the outputs into FILE (default: the .ssp file's name with .png)")  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def _info(chosen: argparse.Namespace) -> int:
    from twinkit.graph import ssp

    print(ssp.read(chosen.file))
    return 0


def _run(chosen: argparse.Namespace) -> int:
    from twinkit.graph import ssp

    picture = chosen.plot
    if picture is not None and picture == Path():
        picture = Path(f"{chosen.file.stem}.png")
    check_output(chosen.output)
    with ssp.load(chosen.file, inputs=named_values(chosen.set), variant=chosen.variant,
                  isolate=chosen.isolate) as graph:  # fmt: skip
        begin = graph.start_time if chosen.start_time is None else chosen.start_time
        end = graph.stop_time if chosen.until is None else chosen.until
        if end is None:
            raise InvalidValueError(f"{chosen.file.name} does not say when to stop: give --until")
        if not end > begin:
            raise InvalidValueError(f"the run must end after it starts; it goes from {begin:g} to {end:g}")
        master = _master(chosen, end - begin)
        for note in graph.notes:
            print(f"note: {note}", file=sys.stderr)
        solution = graph.simulate(end, master=master, start=begin, progress=not chosen.quiet)
        if chosen.output is not None:
            print(f"written: {write_solution(solution, chosen.output)}")
        if picture is not None:
            print(f"written: {_draw(solution, picture)}")
        _summary(graph, solution, type(master).__name__)
    return 0


def _master(chosen: argparse.Namespace, length: float) -> Master:
    from twinkit.graph import Adaptive, GaussSeidel, Implicit, Jacobi, Midpoint

    step = length / 500 if chosen.step is None else chosen.step
    if chosen.master == "adaptive":
        made = Adaptive(max_step=chosen.step, loops=None) if chosen.late_loops else Adaptive(max_step=chosen.step)
        return made
    kind = {"jacobi": Jacobi, "gauss-seidel": GaussSeidel, "midpoint": Midpoint, "implicit": Implicit}[chosen.master]
    return kind(step, loops=None) if chosen.late_loops else kind(step)


def _summary(graph: SSPGraph, solution: Any, master: str) -> None:
    """Print where the run ended: the outputs of the system, else of all components."""
    statistics = solution.statistics
    exchanges, seconds = statistics["exchanges"], statistics["seconds"]
    print(f"{graph.structure.name}: {solution.status.reason}, {exchanges} exchanges ({master}), {seconds:.3g} s")
    shown = dict(graph.system_outputs) or {name: name for name in solution.traces}
    for name, place in shown.items():
        trace = solution.traces[place]
        print(f"  {name} = {trace.data[-1]} {trace.unit}".rstrip())


def _draw(solution: Any, path: Path) -> Path:
    import io

    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from twinkit.core.files import write_atomically

    formats = plt.figure().canvas.get_supported_filetypes()
    kind = path.suffix.lstrip(".").lower()
    plt.close("all")
    if kind not in formats:
        raise InvalidValueError(f"cannot draw into {path.name!r}: end it in {', '.join(sorted(formats))}")
    axes: Any = solution.plot(*solution.traces)
    figure = next(iter(axes.flat if hasattr(axes, "flat") else [axes])).figure
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind)
    plt.close(figure)
    return write_atomically(path, buffer.getvalue())
