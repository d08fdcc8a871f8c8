"""What a session stands on: an FMU that is started, stepped, read, saved and closed."""

from __future__ import annotations

import ctypes
import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from twinkit.core.component import Array
from twinkit.core.errors import InvalidValueError, SimulationError
from twinkit.fmi._archive import ArchiveLimits, extract
from twinkit.fmi._exchange import Exchange, Integration
from twinkit.fmi._instance import WARNING, CallFailedError
from twinkit.fmi._versions import Instance2, Instance3, make_instance
from twinkit.fmi.description import FMUDescription, FMUVariable, Kind, VariableType

RawStep = Callable[[float, float], None]


class Engine(Protocol):
    """An FMU through some backend. A bad status is a `CallFailedError`; a dead process is a `StepError`."""

    can_restore: bool
    can_differentiate: bool

    def start(self, values: Mapping[str, Any], t0: float, stop: float | None) -> None:
        """Start (again) at `t0` with these start values."""
        ...

    def write(self, values: Mapping[str, Any], t: float) -> None:
        """Set inputs and tunable parameters."""
        ...

    def read(self, names: Sequence[str]) -> dict[str, Any]:
        """Return values of variables."""
        ...

    def advance(self, t: float, dt: float) -> None:
        """Go from `t` to ``t + dt``."""
        ...

    def save(self) -> Any:
        """Return the state."""
        ...

    def restore(self, state: Any) -> None:
        """Go on from a saved state."""
        ...

    def derivatives(self, of: Sequence[str], to: Sequence[str]) -> Array:
        """Return partial derivatives."""
        ...

    def bind(self, inputs: Sequence[str], outputs: Sequence[str], source: Array, target: Array) -> RawStep:
        """Return a step that reads one array and writes another."""
        ...

    def close(self) -> None:
        """Free everything."""
        ...


class SavedState:
    """A state of one instance; freed with it, or when nothing refers to it any more."""

    def __init__(self, instance: Instance2 | Instance3, pointer: ctypes.c_void_p | None, extra: Any) -> None:
        self.instance, self.handle = weakref.ref(instance), instance.handle
        self.pointer, self.extra = pointer, extra

    def belongs_to(self, instance: Instance2 | Instance3) -> bool:
        """Say whether it can be restored into an instance."""
        return self.instance() is instance and self.handle == instance.handle and self.pointer is not None

    def free(self) -> None:
        """Free the memory the FMU holds for it."""
        instance = self.instance()
        alive = instance is not None and bool(instance.handle) and not instance.dead
        if instance is not None and alive and self.belongs_to(instance) and self.pointer is not None:
            instance.function(f"Free{instance.state_word}")(instance.handle, ctypes.byref(self.pointer))
        self.pointer = None

    def __del__(self) -> None:
        self.free()


class NativeEngine:
    """An FMU in this process, through FMPy.

    Parameters
    ----------
    path, description
        The FMU.
    kind
        Co-simulation or model exchange.
    integration
        For model exchange.
    limits
        For the archive.
    """

    def __init__(
        self, path: Path, description: FMUDescription, kind: Kind, integration: Integration, limits: ArchiveLimits
    ) -> None:
        self.description, self.kind, self.integration = description, kind, integration
        self._directory = Path(tempfile.mkdtemp(prefix="twinkit-fmu-"))
        self._cleanup = weakref.finalize(self, shutil.rmtree, self._directory, ignore_errors=True)
        try:
            extract(path, self._directory, limits)
            self.instance = make_instance(description, self._directory, kind)
        except BaseException:
            self._cleanup()
            raise
        self.can_restore = self.instance.interface.can_save_state
        self.can_differentiate = self.instance.interface.directional_derivatives
        self.exchange = Exchange(self.instance, integration) if kind is Kind.MODEL_EXCHANGE else None
        self._live = [0]  # the handle, or 0; steppers look here, so that none outlives its instance
        self._inputs: dict[str, Any] = {}  # what was last written, by name or through `bind`
        self._bound: Array | None = None
        self._saved: weakref.WeakSet[SavedState] = weakref.WeakSet()

    # -- life --------------------------------------------------------------------------------------------------
    def start(self, values: Mapping[str, Any], t0: float, stop: float | None) -> None:
        instance, variables = self.instance, self.description.variables
        self._free()
        instance.instantiate()
        chosen = {variables[name]: value for name, value in values.items()}
        tolerance = self.integration.rtol if self.exchange else self.description.tolerance
        instance.setup(t0, stop, tolerance)
        instance.write({v: value for v, value in chosen.items() if v.causality != "input"})
        instance.enter_initialization(t0, stop, tolerance)
        instance.write({v: value for v, value in chosen.items() if v.causality == "input"})
        instance.exit_initialization()
        if self.exchange:
            self.exchange.begin()
        self._inputs, self._bound = {v.name: value for v, value in chosen.items() if v.causality == "input"}, None
        self._live[0] = instance.handle

    def _free(self) -> None:
        self._live[0] = 0
        for state in list(self._saved):
            state.free()
        if self.instance.handle and not self.instance.dead:
            self.instance.free()

    def close(self) -> None:
        """Free the instance, its library and its folder; calling it again does nothing."""
        if self._cleanup.alive:
            try:
                if self._live[0] and not (self.instance.dead or self.instance.broken):
                    self.instance.function("Terminate")(self.instance.handle)
                self._free()
                self.instance.unload()
            finally:
                self._cleanup()

    # -- values ------------------------------------------------------------------------------------------------
    def write(self, values: Mapping[str, Any], t: float) -> None:
        if not values:
            return
        variables = self.description.variables
        if self.exchange:
            if all(self._inputs.get(name) == value for name, value in values.items()):
                return
            self.instance.call("EnterEventMode")  # a jump of an input is an event
            self.instance.write({variables[name]: value for name, value in values.items()})
            self.exchange.iterate()
            self._inputs.update(values)
            self._bound = None
        else:
            self.instance.write({variables[name]: value for name, value in values.items()})

    def read(self, names: Sequence[str]) -> dict[str, Any]:
        return self.instance.read([self.description.variables[name] for name in names])

    def advance(self, t: float, dt: float) -> None:
        if self.exchange:
            self.exchange.advance(t, dt)
        else:
            self.instance.do_step(t, dt)

    # -- state and derivatives ---------------------------------------------------------------------------------
    def save(self) -> SavedState:
        instance = self.instance
        pointer = ctypes.c_void_p()
        instance.call(f"Get{instance.state_word}", ctypes.byref(pointer))
        solver = (self.exchange.next_time, self.exchange.first_step) if self.exchange else None
        state = SavedState(instance, pointer, (dict(self._inputs), self._bound, solver))
        self._saved.add(state)
        return state

    def restore(self, state: Any) -> None:
        if not isinstance(state, SavedState) or not state.belongs_to(self.instance):
            raise SimulationError(
                "this is not a state of this FMU instance: a state is good until the FMU is reset or closed"
            )
        self.instance.call(f"Set{self.instance.state_word}", state.pointer)
        inputs, self._bound, solver = state.extra
        self._inputs = dict(inputs)
        if self.exchange:
            self.exchange.next_time, self.exchange.first_step = solver

    def derivatives(self, of: Sequence[str], to: Sequence[str]) -> Array:
        variables = self.description.variables
        knowns = [(variables[name], i) for name in to for i in range(variables[name].width)]
        rows = sum(variables[name].width for name in of)
        matrix = np.empty((rows, len(knowns)))
        references = [variables[name].reference for name in of]
        for column, (known, i) in enumerate(knowns):
            seed = [0.0] * known.width
            seed[i] = 1.0
            matrix[:, column] = self.instance.directional(references, [known.reference], seed)
        return matrix

    # -- the fast path -----------------------------------------------------------------------------------------
    def bind(self, inputs: Sequence[str], outputs: Sequence[str], source: Array, target: Array) -> RawStep:
        variables = self.description.variables
        into, out_of = [variables[n] for n in inputs], [variables[n] for n in outputs]
        floats = all(v.type is VariableType.FLOAT64 for v in (*into, *out_of))
        if floats and self.kind is Kind.CO_SIMULATION and isinstance(self.instance, Instance2):
            return self._bind_floats(into, out_of, source, target)
        return self._bind_any(into, out_of, source, target)

    def _bind_floats(
        self, into: Sequence[FMUVariable], out_of: Sequence[FMUVariable], source: Array, target: Array
    ) -> RawStep:
        """Return a step that passes the arrays themselves to the FMU: three calls and nothing else."""
        pointer, size = ctypes.c_void_p, ctypes.c_size_t
        access = ctypes.CFUNCTYPE(ctypes.c_int, pointer, pointer, size, pointer)
        stepping = ctypes.CFUNCTYPE(ctypes.c_int, pointer, ctypes.c_double, ctypes.c_double, ctypes.c_int)
        dll = self.instance.fmu.dll
        put, take = access(("fmi2SetReal", dll)), access(("fmi2GetReal", dll))
        go = stepping(("fmi2DoStep", dll))
        keep = [(ctypes.c_uint * len(group))(*(v.reference for v in group)) for group in (into, out_of)]
        refs_in, refs_out = (ctypes.addressof(array) for array in keep)
        n_in, n_out, from_, to = len(into), len(out_of), source.ctypes.data, target.ctypes.data
        final = self.instance.final
        live, failed, arrays = self._live, self.instance.failed, (source, target, keep)

        def step(t: float, dt: float) -> None:
            handle = live[0]
            if not handle:
                raise _not_started(arrays)
            if n_in and (status := put(handle, refs_in, n_in, from_)) > WARNING:
                raise failed("SetReal", status)
            if (status := go(handle, t, dt, final)) > WARNING:
                raise failed("DoStep", status)
            if n_out and (status := take(handle, refs_out, n_out, to)) > WARNING:
                raise failed("GetReal", status)

        return step

    def _bind_any(
        self, into: Sequence[FMUVariable], out_of: Sequence[FMUVariable], source: Array, target: Array
    ) -> RawStep:
        """Return a step for any types: values are copied group by group."""
        puts = [(g, _view(g), _positions(g.variables, into)) for g in self.instance.groups(into)]
        takes = [(g, _view(g), _positions(g.variables, out_of)) for g in self.instance.groups(out_of)]
        live, instance, exchange = self._live, self.instance, self.exchange

        def step(t: float, dt: float) -> None:
            if not live[0]:
                raise _not_started(None)
            if exchange is None or self._bound is None or not np.array_equal(self._bound, source):
                if exchange:
                    instance.call("EnterEventMode")
                for group, view, positions in puts:
                    view[:] = _checked(source[positions], view.dtype, group)
                    instance.access("Set", group)
                if exchange:
                    exchange.iterate()
                    self._bound = source.copy()
                    self._inputs.clear()
            self.advance(t, dt)
            for group, view, positions in takes:
                instance.access("Get", group)
                target[positions] = view

        return step


def _not_started(_: Any) -> CallFailedError:
    error = CallFailedError("step", 0, ())
    error.args = ("the FMU is not initialized, or closed",)
    return error


def _view(group: Any) -> Any:
    return np.ctypeslib.as_array(group.values) if group.width else np.empty(0)


def _positions(chosen: Sequence[FMUVariable], every: Sequence[FMUVariable]) -> Any:
    """Return where the values of some variables stand in the array of all."""
    start: dict[str, int] = {}
    position = 0
    for v in every:
        start[v.name] = position
        position += v.width
    return np.array([start[v.name] + i for v in chosen for i in range(v.width)], dtype=np.intp)


def _checked(values: Array, dtype: Any, group: Any) -> Any:
    """Return values for variables of another type, or raise when they do not fit it."""
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if np.any(values != np.round(values)) or np.any(values < limits.min) or np.any(values > limits.max):
            names = ", ".join(v.name for v in group.variables)
            raise InvalidValueError(
                f"{names}: whole numbers within [{limits.min}, {limits.max}] are needed, not {values}"
            )
    return values
