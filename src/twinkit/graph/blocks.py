"""Two small components: a plain function, and recorded data."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

import numpy as np

from twinkit.core.component import Array, Causality, Port, StepError, Values, Variability
from twinkit.core.errors import BoundsError, InvalidValueError, unknown_name
from twinkit.core.identity import digest
from twinkit.core.solution import Solution
from twinkit.core.units import as_array, parse_unit

PortLike = Any
"""A unit, ``(unit, default)``, ``(unit, default, length)`` or a `Port`."""


def _port(name: str, given: PortLike, causality: Causality) -> Port:
    if isinstance(given, Port):
        if given.name != name or given.causality is not causality:
            raise InvalidValueError(f"port {name!r}: the Port given is {given.causality.value} {given.name!r}")
        return given
    unit, default, shape = (*given, None, None)[:3] if isinstance(given, tuple) else (given, None, None)
    port = Port(name, str(unit), causality, shape)
    if default is None:
        return port
    flat = port.flat(default, f"the default of {name!r}")
    value = float(flat[0]) if shape is None else tuple(float(v) for v in flat)
    return Port(name, str(unit), causality, shape, default=value)


class Block:
    """A plain function of its inputs, without memory: every output follows the inputs at the same instant.

    Parameters
    ----------
    function
        Called with the inputs by name (numbers or arrays in the declared units). Returns a dict of the outputs, or
        the value itself where there is one output.
    inputs, outputs
        Name -> unit, ``(unit, default)``, ``(unit, default, length)`` or a `Port`.
    time_unit
        Unit in which a master tells it the time.
    symbolic
        The function takes the maths ``m`` first and does all it does with it, like `equations` of a model: such a block
        can be flattened. It works on plain numbers in the declared units.

    Examples
    --------
    >>> decay = Block(lambda m, x: m.exp(-x), inputs={"x": ("", 0.0)}, outputs={"y": ""}, symbolic=True)
    >>> float(decay.evaluate(0.0, {})["y"])
    1.0
    >>> double = Block(lambda x: 2 * x, inputs={"x": "kW"}, outputs={"y": "kW"})
    >>> double.evaluate(0.0, {"x": 3.0})
    {'y': 6.0}
    """

    stateless = True

    def __init__(
        self, function: Callable[..., Any], *, inputs: Mapping[str, PortLike], outputs: Mapping[str, PortLike],
        time_unit: str = "s", symbolic: bool = False,
    ) -> None:  # fmt: skip
        if not callable(function):
            raise InvalidValueError(f"a Block needs a function, not {function!r}")
        if not outputs:
            raise InvalidValueError("a Block needs at least one output")
        parse_unit(time_unit)
        self._function = function
        self.symbolic = symbolic
        self._call = partial(function, _numeric()) if symbolic else function
        self._time_unit = time_unit
        self._inputs = {name: _port(name, given, Causality.INPUT) for name, given in inputs.items()}
        self._outputs = {name: _port(name, given, Causality.OUTPUT) for name, given in outputs.items()}

    @property
    def time_unit(self) -> str:
        """Unit of `t` and `dt`."""
        return self._time_unit

    @property
    def inputs(self) -> Mapping[str, Port]:
        """Input ports by name."""
        return self._inputs

    @property
    def outputs(self) -> Mapping[str, Port]:
        """Output ports by name."""
        return self._outputs

    def feedthrough(self) -> Mapping[str, frozenset[str]]:
        """Return output -> all inputs."""
        return dict.fromkeys(self._outputs, frozenset(self._inputs))

    def evaluate(self, t: float, inputs: Values) -> Values:
        """Return the outputs under `inputs`."""
        given = {name: inputs.get(name, port.default) for name, port in self._inputs.items()}
        name = getattr(self._function, "__name__", repr(self._function))
        missing = [key for key, value in given.items() if value is None]
        if missing:
            raise StepError(f"block {name!r}: no value for input {missing[0]!r}", time=t, values=given)
        try:
            return self._by_name(self._call(**given))
        except Exception as error:
            words = str(error) if isinstance(error, InvalidValueError) else f"{type(error).__name__}: {error}"
            raise StepError(f"block {name!r}: {words}", time=t, values=given) from error

    def _by_name(self, found: Any) -> Mapping[str, Any]:
        """Return what the function gave as a mapping of all outputs."""
        named: Mapping[str, Any] = found if isinstance(found, Mapping) else {next(iter(self._outputs)): found}
        if set(named) != set(self._outputs):
            raise InvalidValueError(f"it returned {sorted(named)}, not its outputs {sorted(self._outputs)}")
        return named

    def over(self, m: Any, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the outputs of a symbolic block in other mathematics."""
        return self._by_name(self._function(m, **given))

    def initialize(self, t0: float, inputs: Values) -> Values:
        """Return the outputs at `t0`."""
        return self.evaluate(t0, inputs)

    def step(self, t: float, dt: float, inputs: Values) -> Values:
        """Return the outputs under `inputs`; nothing is remembered."""
        return self.evaluate(t + dt, inputs)

    def snapshot(self) -> None:
        """Return None: there is nothing to remember."""

    def restore(self, state: Any) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Nothing is held."""

    @property
    def content_hash(self) -> str:
        """SHA-256 of the ports, the function's source (else its bytecode) and what it closes over."""
        try:
            body: str = inspect.getsource(self._function)
        except (OSError, TypeError):
            code = getattr(self._function, "__code__", None)
            body = code.co_code.hex() + repr(code.co_consts) if code else repr(self._function)
        cells = getattr(self._function, "__closure__", None) or ()
        kept = [*(cell.cell_contents for cell in cells), *(getattr(self._function, "__defaults__", None) or ())]
        ports = [repr(port) for port in (*self._inputs.values(), *self._outputs.values())]
        body_hash = hashlib.sha256(body.encode()).hexdigest()
        return digest({"function": body_hash, "kept": kept, "ports": ports, "symbolic": self.symbolic})

    def __repr__(self) -> str:
        return f"Block({getattr(self._function, '__name__', repr(self._function))})"


class Replay:
    """Recorded data as a component: its outputs follow a table or an earlier solution.

    Parameters
    ----------
    record
        A `Solution`, or a pandas table (or mapping of arrays) indexed by time.
    hold
        Between two times: ``"previous"`` keeps the earlier value, ``"linear"`` interpolates. There is no default.
    units
        Column -> unit, of a table (a solution knows its own). Only these columns become outputs.
    time_unit
        Of a table's times.
    times
        Times of a mapping of arrays.
    node
        Of the solution of a graph: only the ports of this node, under their own names, so that the record can stand
        where the node stood (see `Graph.with_`).

    Raises
    ------
    BoundsError
        When it is asked for a time outside the record: nothing is extrapolated, except that ``"previous"`` keeps the
        last value.
    """

    stateless = False

    def __init__(
        self, record: Any, *, hold: Literal["previous", "linear"], units: Mapping[str, str] | None = None,
        time_unit: str = "s", times: Any = None, node: str | None = None,
    ) -> None:  # fmt: skip
        if hold not in ("previous", "linear"):
            raise InvalidValueError(f"hold is 'previous' or 'linear', not {hold!r}")
        self.hold = hold
        if isinstance(record, Solution):
            self._time_unit, times = record.time_unit, record.time
            columns = {name: (record.trace(full).data, record.trace(full).unit)
                       for name, full in _columns(record, units, node).items()}  # fmt: skip
        else:
            if node is not None:
                raise InvalidValueError("Replay: node= picks a node of a graph's Solution, not of a table")
            if not units:
                raise InvalidValueError("Replay of a table needs units={column: unit}")
            self._time_unit = time_unit
            times = record.index if times is None and hasattr(record, "index") else times
            columns = {name: (record[name], unit) for name, unit in units.items()}
        parse_unit(self._time_unit)
        self._times = as_array(np.asarray(times), self._time_unit, "the times of a Replay")
        if self._times.ndim != 1 or not len(self._times) or np.any(np.diff(self._times) < 0):
            raise InvalidValueError("the times of a Replay are a list that does not decrease")
        self._data: dict[str, Array] = {}
        self._outputs: dict[str, Port] = {}
        for name, (values, unit) in columns.items():
            data = as_array(np.asarray(values, dtype=np.float64), unit, f"column {name!r} of a Replay")
            if len(data) != len(self._times):
                raise InvalidValueError(f"column {name!r} has {len(data)} values for {len(self._times)} times")
            variability = Variability.DISCRETE if hold == "previous" else Variability.CONTINUOUS
            shape = None if data.ndim == 1 else data.shape[1]
            self._outputs[name] = Port(name, unit, Causality.OUTPUT, shape, variability=variability)
            self._data[name] = data

    @property
    def time_unit(self) -> str:
        """Unit of `t` and `dt`."""
        return self._time_unit

    @property
    def inputs(self) -> Mapping[str, Port]:
        """None."""
        return {}

    @property
    def outputs(self) -> Mapping[str, Port]:
        """The recorded columns."""
        return self._outputs

    def _at(self, t: float) -> Values:
        times = self._times
        slack = 1e-9 * max(1.0, abs(t))
        if t < times[0] - slack or (self.hold == "linear" and t > times[-1] + slack):
            span = f"[{times[0]:g}, {times[-1]:g}] {self._time_unit}"
            reason = BoundsError(f"the record covers {span}; nothing is extrapolated to {t:g}")
            raise StepError(str(reason), time=t) from reason
        # A time that is the record's but for rounding is the record's.
        left = max(int(np.searchsorted(times, t + slack, side="right")) - 1, 0)
        if self.hold == "previous" or left == len(times) - 1:
            return {name: _item(data[left]) for name, data in self._data.items()}
        width = times[left + 1] - times[left]
        s = min(max((t - times[left]) / width, 0.0), 1.0)
        return {name: _item(data[left] + s * (data[left + 1] - data[left])) for name, data in self._data.items()}

    def initialize(self, t0: float, inputs: Values) -> Values:
        """Return the record at `t0`."""
        return self._at(t0)

    def step(self, t: float, dt: float, inputs: Values) -> Values:
        """Return the record at ``t + dt``."""
        return self._at(t + dt)

    def next_event(self, t: float) -> float | None:
        """Return the time of the next jump (``"previous"``), or None."""
        if self.hold == "linear":
            return None
        later = self._times[self._times > t + 1e-9 * max(1.0, abs(t))]
        return float(later[0]) if later.size else None

    def snapshot(self) -> None:
        """Return None: it depends on the time alone."""

    def restore(self, state: Any) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Nothing is held."""

    @property
    def content_hash(self) -> str:
        """SHA-256 of the data."""
        return digest({"times": self._times, "data": self._data, "hold": self.hold, "unit": self._time_unit})

    def __repr__(self) -> str:
        return f"Replay({', '.join(self._outputs)}; {self.hold})"


def _columns(record: Solution, units: Mapping[str, str] | None, node: str | None) -> dict[str, str]:
    """Return output -> variable of a solution."""
    if node is None:
        return {name: name for name in (units or record)}
    nodes = [name.partition(".")[0] for name in record if record.trace(name).kind != "input"]
    if node not in nodes:
        raise unknown_name("node", node, nodes, "the solution")
    own = [name for name in record if name.startswith(f"{node}.") and record.trace(name).kind != "input"]
    return {name: f"{node}.{name}" for name in (units or [full.partition(".")[2] for full in own])}


def _numeric() -> Any:
    from twinkit.readings.numeric import NUMERIC

    return NUMERIC


def _item(value: Any) -> Any:
    return float(value) if np.ndim(value) == 0 else np.asarray(value)
