"""The C tables of an FMU: sizes, start values, variables, schedules, coefficients of the integrator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from twinkit.core.events import Event, Schedule
from twinkit.core.units import affine, as_number
from twinkit.fmi._export.settings import FMIVersion
from twinkit.fmi._export.table import Place, Row, Starts
from twinkit.fmi.description import Kind

if TYPE_CHECKING:
    from twinkit.readings.c import CModel


@dataclass(frozen=True)
class Plan:
    """A schedule in the model's time unit: listed times, or a first time, a period and a count (-1: endless)."""

    times: tuple[float, ...]
    first: float = 0.0
    period: float = 0.0
    count: int = -1


@dataclass(frozen=True)
class Content:
    """What an FMU is made of, beside its options: everything the C tables and the description are written from."""

    name: str
    reading: CModel
    rows: tuple[Row, ...]
    starts: Starts
    events: Mapping[str, Event]
    schedules: Mapping[str, Schedule]
    version: FMIVersion
    kinds: tuple[Kind, ...]
    rtol: float

    @property
    def seconds(self) -> float:
        """Seconds per time unit of the model: FMI counts time in seconds."""
        return affine(self.reading.layout.time_unit, "s")[0]


def plan_of(schedule: Schedule, unit: str) -> Plan:
    """Return a schedule as numbers."""
    if schedule.every is None:
        times = tuple(schedule.times(-np.inf, np.inf, unit))
        return Plan(times, count=len(times))
    first = as_number(schedule.start, unit, "the start of a schedule")
    period = as_number(schedule.every, unit, "the period of a schedule")
    count = len(schedule.times(first, first if schedule.until is None else np.inf, unit))  # checks the numbers, too
    return Plan((), first, period, -1 if schedule.until is None else count)


def c_tables(content: Content, token: str) -> str:
    """Return the text of ``description.h``."""
    layout, reading = content.reading.layout, content.reading
    sizes = {
        "FMI_VERSION": content.version.value[0], "NX": layout.states.size, "NZ": layout.algebraics.size,
        "NU": layout.inputs.size, "NM": layout.modes.size, "NP": layout.parameters.size, "NY": layout.outputs.size,
        "NR": len(content.events), "NS": len(content.schedules), "NV": len(content.rows),
        "NNZ": len(reading.jacobian.rows),
        **dict(zip(("WORK_ARG", "WORK_RES", "WORK_IW", "WORK_W"), reading.work, strict=True)),
        "HAS_EXCHANGE": int(Kind.MODEL_EXCHANGE in content.kinds),
        "HAS_COSIMULATION": int(Kind.CO_SIMULATION in content.kinds),
        "EXPLICIT_TIME": int(reading.depends.dense[: layout.states.size + layout.algebraics.size, 0].any()),
        "SECONDS_PER_UNIT": _number(content.seconds), "DEFAULT_RTOL": _number(content.rtol),
        "MODEL_NAME": _text(content.name), "TOKEN": _text(token),
    }  # fmt: skip
    lines = ["/* Written by twinkit; see modelDescription.xml. */"]
    lines += [f"#define {name} {value}" for name, value in sizes.items()]
    lines += _vectors(content)
    lines += _happenings(content)
    lines += _variables(content.rows)
    lines += _integrator()
    return "\n".join(lines) + "\n"


def jump_table(reading: CModel) -> str:
    """Return the C table of the jump functions, which follows their definitions."""
    names = ", ".join(f"model_jump{i}" for i in range(len(reading.happenings))) or "0"
    return f"static int (*const JUMPS[])(const double **, double **, int *, double *, int) = {{{names}}};\n"


def _vectors(content: Content) -> list[str]:
    layout, starts, jacobian = content.reading.layout, content.starts, content.reading.jacobian
    low, high = layout.algebraics.limits
    both = (layout.states, layout.algebraics)
    return [
        _array("double", "START_Y", map(_number, [*starts.x, *starts.z])),
        _array("double", "START_U", map(_number, [*starts.u, *starts.modes])),
        _array("double", "START_P", map(_number, starts.p)),
        _array("double", "NOMINAL_Y", map(_number, np.concatenate([block.scales for block in both]))),
        _array("double", "LOW_Z", map(_number, low)),
        _array("double", "HIGH_Z", map(_number, high)),
        _array("int", "ROWS", map(str, jacobian.rows)),
        _array("int", "COLUMNS", map(str, jacobian.columns)),
        _array("char *const", "NAMES_Y", [_text(label) for block in both for label in block.labels]),
    ]


def _happenings(content: Content) -> list[str]:
    plans = [plan_of(schedule, content.reading.layout.time_unit) for schedule in content.schedules.values()]
    lines = [
        _array("char *const", "HAPPENINGS", map(_text, content.reading.happenings)),
        _array("int", "DIRECTIONS", [str(event.crossing.value) for event in content.events.values()]),
        _array("int", "STOPS", [str(int(event.stop)) for event in content.events.values()]),
        "typedef struct { double first, period; int count; const double *times; } Schedule;",
    ]
    lines += [
        _array("double", f"TIMES_{i}", map(_number, plan.times)) for i, plan in enumerate(plans) if not plan.period
    ]
    rows = [
        f"{{{_number(plan.first)}, {_number(plan.period)}, {plan.count}, {0 if plan.period else f'TIMES_{i}'}}}"
        for i, plan in enumerate(plans)
    ]
    return [*lines, _array("Schedule", "SCHEDULES", rows, "{0, 0, 0, 0}")]


def _variables(rows: Sequence[Row]) -> list[str]:
    blocks = ", ".join(f"BLOCK_{place.name}" for place in Place)
    return [
        f"typedef struct {{ enum {{ {blocks} }} block; int offset, size; }} Variable;",
        _array("Variable", "VARIABLES", [f"{{BLOCK_{row.place.name}, {row.offset}, {row.width}}}" for row in rows]),
        _array("char *const", "VARIABLE_NAMES", [_text(row.name) for row in rows]),
    ]


def _integrator() -> list[str]:
    """Return the coefficients of Rodas5P, from the one place where they are defined."""
    from twinkit.simulate.compiled import _rodas5p as rodas

    lines = [f"#define RODAS_GAMMA {_number(rodas.GAMMA)}", f"#define RODAS_ERROR_ORDER {_number(rodas.ERROR_ORDER)}"]
    for name, table in (("A", rodas.A), ("C", rodas.C), ("H", rodas.H)):
        rows = ["{" + ", ".join(map(_number, row)) + "}" for row in table]
        lines.append(_array("double", f"RODAS_{name}", rows, columns=table.shape[1]))
    lines += [
        _array("double", f"RODAS_{name}", map(_number, v)) for name, v in (("NODES", rodas.NODES), ("D", rodas.D))
    ]
    return lines


def _array(kind: str, name: str, items: Iterable[str], empty: str = "0", *, columns: int | None = None) -> str:
    """Return a constant C array; C has none without elements, so an empty one gets one that is never read."""
    listed = list(items) or [empty]
    second = "" if columns is None else f"[{columns}]"
    lines = [", ".join(listed[i : i + 8]) for i in range(0, len(listed), 8)]
    return f"static const {kind} {name}[{len(listed)}]{second} = {{\n    " + ",\n    ".join(lines) + "};"


def _number(value: Any) -> str:
    number = float(value)
    return repr(number) if np.isfinite(number) else ("INFINITY" if number > 0 else "-INFINITY")


def _text(text: str) -> str:
    """Return a C string literal in plain ASCII."""
    plain = (chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in text.encode("utf-8"))
    return '"' + "".join(plain) + '"'
