"""Medians of interleaved calls, and tables."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def interleaved(
    calls: dict[str, Callable[[int], Any]], rounds: int, in_a_row: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[dict[str, float], dict[str, Any]]:  # fmt: skip
    """Take every call in turn, so many rounds; return the medians in seconds, and the last results.

    A call gets a number that is new each time, so that it can change its parameters. In a round each is called
    `in_a_row` times and each time counts. One call goes before, untimed. `clock` is ``time.process_time`` where
    processor time is to be compared.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    results: dict[str, Any] = {name: call(0) for name, call in calls.items()}
    for number in range(rounds):
        for name, call in calls.items():
            for k in range(in_a_row):
                start = clock()
                results[name] = call(1 + number * in_a_row + k)
                times[name].append(clock() - start)
    return {name: float(np.median(found)) for name, found in times.items()}, results


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as text: the first column to the left, the others to the right."""
    lines = [list(head), *[list(row) for row in rows]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    shown = [
        "  ".join([line[0].ljust(widths[0]), *[c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True)]])
        for line in lines
    ]
    rule = "-" * len(shown[0])
    return "\n".join(["", title, rule, shown[0], rule, *[line.rstrip() for line in shown[1:]], rule])


def duration(seconds: float) -> str:
    """Return seconds for a reader: ``0.52 ms``, ``1.31 s``."""
    return f"{1e3 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.2f} s"
