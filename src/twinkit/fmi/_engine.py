"""An FMU in this process: started, stepped, read, saved and closed through FMPy."""

from __future__ import annotations

import ctypes
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from twinkit.core.component import Array
from twinkit.core.errors import InvalidValueError, SimulationError
from twinkit.fmi._archive import ArchiveLimits, extract
from twinkit.fmi._backend import RawStep, split_values
from twinkit.fmi._clocks import is_triggered
from twinkit.fmi._errors import UnsupportedFMUError
from twinkit.fmi._events import EventedSteps, EventHandler
from twinkit.fmi._exchange import Exchange, Integration
from twinkit.fmi._instance import WARNING, CallFailedError, Group, Instance
from twinkit.fmi._values import whole_range
from twinkit.fmi._version2 import Instance2
from twinkit.fmi._version3 import Instance3
from twinkit.fmi._versions import make_instance
from twinkit.fmi.description import FMUDescription, FMUVariable, Kind, VariableType


class SavedState:
    """A state of one instance; freed with it, or when nothing refers to it any more."""

    def __init__(self, instance: Instance, pointer: ctypes.c_void_p | None, extra: Any) -> None:
        self.instance, self.handle = weakref.ref(instance), instance.handle
        self.pointer, self.extra = pointer, extra

    def belongs_to(self, instance: Instance) -> bool:
        """Say whether it can be restored into an instance."""
        return self.instance() is instance and self.handle == instance.handle and self.pointer is not None

    def free(self) -> None:
        """Free the memory the FMU holds for it."""
        instance = self.instance()
        alive = instance is not None and bool(instance.handle) and not instance.dead
        if instance is not None and alive and self.belongs_to(instance) and self.pointer is not None:
            instance.free_state(self.pointer)
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
    event_mode
        Whether an FMI 3 co-simulation uses event mode.
    """

    def __init__(
        self, path: Path, description: FMUDescription, kind: Kind, integration: Integration, limits: ArchiveLimits,
        event_mode: bool = False,
    ) -> None:  # fmt: skip
        self.description, self.kind, self.integration = description, kind, integration
        self._declared = description
        self._directory = Path(tempfile.mkdtemp(prefix="twinkit-fmu-"))
        self._cleanup = weakref.finalize(self, shutil.rmtree, self._directory, ignore_errors=True)
        try:
            extract(path, self._directory, limits)
            self.instance = make_instance(description, self._directory, kind, event_mode)
        except BaseException:
            self._cleanup()
            raise
        interface = self.instance.interface
        self.can_restore = interface.can_save_state
        self.can_serialize = interface.can_save_state and interface.can_serialize_state
        self.can_differentiate = interface.directional_derivatives
        self.can_adjoint = interface.adjoint_derivatives
        self.events: EventHandler | None = None  # with event mode, that is in model exchange and where it was asked for
        self.driver: Exchange | EventedSteps | None = None
        self._live = [0]  # the handle, or 0; steppers look here, so that none outlives its instance
        self._inputs: dict[str, Any] = {}  # what was last written, by name or through `bind`
        self._bound: Array | None = None
        self._saved: weakref.WeakSet[SavedState] = weakref.WeakSet()

    # -- life --------------------------------------------------------------------------------------------------
    def start(self, values: Mapping[str, Any], t0: float, stop: float | None) -> None:
        instance, exchanges = self.instance, self.kind is Kind.MODEL_EXCHANGE
        description = self._declared.resized(values)
        self._free()
        self.description = description
        instance.use(description)
        instance.instantiate()
        chosen = {description.variables[name]: value for name, value in values.items()}
        structural = {v: value for v, value in chosen.items() if v.causality == "structuralParameter"}
        ticking = {v.name: value for v, value in chosen.items() if v.clock is not None or v.clocked}
        inputs = {v: value for v, value in chosen.items() if v.causality == "input" and v.name not in ticking}
        before = {
            v: value for v, value in chosen.items() if v not in inputs and v not in structural and v.name not in ticking
        }
        tolerance = self.integration.rtol if exchanges else description.tolerance
        instance.configure(structural)
        instance.setup(t0, stop, tolerance)
        instance.write(before)
        instance.enter_initialization(t0, stop, tolerance)
        instance.write(inputs)
        self._choose_driver(ticking)
        instance.exit_initialization()
        if self.events:
            self.events.begin(t0)
        self._inputs, self._bound = {v.name: value for v, value in inputs.items()}, None
        self._live[0] = instance.handle

    def _choose_driver(self, ticking: Mapping[str, Any]) -> None:
        """Make what handles events and what advances, for this start, and give it what belongs to clocks."""
        instance, exchanges = self.instance, self.kind is Kind.MODEL_EXCHANGE
        self.events = EventHandler(instance) if exchanges or instance.event_mode else None
        self.driver = None
        if self.events and exchanges:
            self.driver = Exchange(instance, self.integration, self.events)
        elif self.events and isinstance(instance, Instance3):
            self.driver = EventedSteps(instance, self.events)
        if self.events:
            self.events.prepare(ticking)
        elif ticking:
            raise _without_events(ticking)

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
                    self.instance.terminate()
                self._free()
                self.instance.unload()
            finally:
                self._cleanup()

    # -- values ------------------------------------------------------------------------------------------------
    def write(self, values: Mapping[str, Any], t: float) -> None:
        variables = self.description.variables
        given = {variables[name]: value for name, value in values.items() if self._is_news(variables[name], value)}
        if not given:
            return
        if self.driver is None:
            clocks = [v.name for v in given if v.clock is not None or v.clocked]
            if clocks:
                raise _without_events(clocks)
            self.instance.write(given)
            return
        self.driver.write(given, t)
        self._inputs.update({v.name: value for v, value in given.items() if v.clock is None})
        self._bound = None

    def _is_news(self, variable: FMUVariable, value: Any) -> bool:
        """Say whether a value is to be set: events are not made by values that stay as they are."""
        if self.driver is None or (variable.clock is not None and not is_triggered(variable)):
            return True
        if variable.clock is not None:
            return value is not False and value != 0
        return variable.name not in self._inputs or bool(self._inputs[variable.name] != value)

    def read(self, names: Sequence[str]) -> dict[str, Any]:
        return self.instance.read([self.description.variables[name] for name in names])

    def advance(self, t: float, dt: float) -> None:
        if self.driver:
            self.driver.advance(t, dt)
        else:
            self.instance.do_step(t, dt)

    def ticks(self) -> list[tuple[float, str]]:
        clocks = self.events.clocks if self.events else None
        if clocks is None:
            return []
        found, clocks.ticks = clocks.ticks, []
        return found

    # -- state and derivatives ---------------------------------------------------------------------------------
    def _known(self) -> dict[str, Any]:
        """Return what is known here of the present state, beyond the FMU."""
        return {
            "inputs": dict(self._inputs),
            "bound": None if self._bound is None else tuple(self._bound.tolist()),
            "events": self.events.save() if self.events else None,
            "first_step": self.driver.first_step if isinstance(self.driver, Exchange) else None,
        }

    def _know(self, known: Mapping[str, Any]) -> None:
        self._inputs = dict(known["inputs"])
        self._bound = None if known["bound"] is None else np.array(known["bound"], dtype=np.float64)
        if self.events:
            self.events.restore(known["events"])
        if isinstance(self.driver, Exchange):
            self.driver.first_step = known["first_step"]

    def save(self) -> SavedState:
        state = SavedState(self.instance, self.instance.get_state(), self._known())
        self._saved.add(state)
        return state

    def restore(self, state: Any) -> None:
        if not isinstance(state, SavedState) or not state.belongs_to(self.instance):
            raise SimulationError(
                "this is not a state of this FMU instance: a state is good until the FMU is reset or closed"
            )
        assert state.pointer is not None  # or it would not belong
        self.instance.set_state(state.pointer)
        self._know(state.extra)

    def serialize(self) -> tuple[dict[str, Any], bytes]:
        pointer = self.instance.get_state()
        try:
            return self._known(), self.instance.serialize_state(pointer)
        finally:
            self._drop(pointer)

    def deserialize(self, known: Mapping[str, Any], data: bytes) -> None:
        pointer = self.instance.deserialize_state(data)
        try:
            self.instance.set_state(pointer)
        finally:
            self._drop(pointer)
        self._know(known)

    def _drop(self, pointer: ctypes.c_void_p) -> None:
        if pointer and not self.instance.dead:
            self.instance.free_state(pointer)

    def adjoint(self, of: Sequence[str], to: Sequence[str], seed: Sequence[float]) -> Array:
        variables = self.description.variables
        unknowns, knowns = [variables[name] for name in of], [variables[name] for name in to]
        return np.array(self.instance.adjoint(unknowns, knowns, seed), dtype=np.float64)

    def derivatives(self, of: Sequence[str], to: Sequence[str]) -> Array:
        variables = self.description.variables
        knowns = [(variables[name], i) for name in to for i in range(variables[name].width)]
        rows = sum(variables[name].width for name in of)
        matrix = np.empty((rows, len(knowns)))
        unknowns = [variables[name] for name in of]
        for column, (known, i) in enumerate(knowns):
            seed = [0.0] * known.width
            seed[i] = 1.0
            matrix[:, column] = self.instance.directional(unknowns, known, seed)
        return matrix

    # -- the fast path -----------------------------------------------------------------------------------------
    def bind(self, inputs: Sequence[str], outputs: Sequence[str], source: Array, target: Array) -> RawStep:
        variables = self.description.variables
        into, out_of = [variables[n] for n in inputs], [variables[n] for n in outputs]
        floats = all(v.type is VariableType.FLOAT64 for v in (*into, *out_of))
        if floats and self.kind is Kind.CO_SIMULATION and isinstance(self.instance, Instance2):
            return self._bind_floats(into, out_of, source, target)
        if any(v.clocked or v.negated for v in (*into, *out_of)) or (
            self.instance.event_mode and self.kind is Kind.CO_SIMULATION
        ):
            return self._bind_names(into, out_of, source, target)
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
        live, instance, sized = self._live, self.instance, self.description

        def ready() -> list[Array]:
            return [_checked(source[positions], group) for group, _, positions in puts]

        def put(checked: list[Array]) -> None:
            for (group, view, _), values in zip(puts, checked, strict=True):
                view[:] = values
                instance.access("Set", group)

        def step(t: float, dt: float) -> None:
            events = self.events
            if not live[0]:
                raise _not_started(None)
            if self.description is not sized:
                raise SimulationError("the arrays of the FMU have other sizes now: bind it again")
            if events is None:
                put(ready())
            elif self._bound is None or not np.array_equal(self._bound, source):
                checked = ready()
                instance.enter_event_mode()
                put(checked)
                events.finish(t)
                self._bound = source.copy()
                self._inputs.clear()
            self.advance(t, dt)
            self.ticks()
            for group, view, positions in takes:
                instance.access("Get", group)
                target[positions] = view

        return step

    def _bind_names(
        self, into: Sequence[FMUVariable], out_of: Sequence[FMUVariable], source: Array, target: Array
    ) -> RawStep:
        """Return a step that sets and gets by name, where each input has its own way in (event mode, clocks)."""
        sized, names_out = self.description, [v.name for v in out_of]

        def step(t: float, dt: float) -> None:
            if not self._live[0]:
                raise _not_started(None)
            if self.description is not sized:
                raise SimulationError("the arrays of the FMU have other sizes now: bind it again")
            self.write(split_values(into, source), t)
            self.advance(t, dt)
            self.ticks()
            position, found = 0, self.read(names_out)
            for v in out_of:
                target[position : position + v.width] = found[v.name]
                position += v.width

        return step


def _without_events(names: Iterable[str]) -> UnsupportedFMUError:
    return UnsupportedFMUError(
        f"clocks, and what belongs to them ({', '.join(names)}), need event mode: "
        "model exchange, or co-simulation with event_mode=True where the FMU has it"
    )


def _not_started(_: Any) -> CallFailedError:
    return CallFailedError("the FMU is not initialized, or closed")


def _view(group: Group) -> Any:
    return np.ctypeslib.as_array(group.values) if group.width else np.empty(0)


def _positions(chosen: Sequence[FMUVariable], every: Sequence[FMUVariable]) -> Any:
    """Return where the values of some variables stand in the array of all."""
    start: dict[str, int] = {}
    position = 0
    for v in every:
        start[v.name] = position
        position += v.width
    return np.array([start[v.name] + i for v in chosen for i in range(v.width)], dtype=np.intp)


def _checked(values: Array, group: Group) -> Array:
    """Return values for variables of one type, or raise when they do not fit it."""
    kind = group.variables[0].type
    names = ", ".join(v.name for v in group.variables)
    if np.isnan(values).any():
        raise InvalidValueError(f"{names}: numbers are needed, not {values}")
    if not kind.is_float:
        low, high = whole_range(kind)
        if np.any(values != np.round(values)) or np.any(values < low) or np.any(values >= high + 1.0):
            raise InvalidValueError(f"{names}: whole numbers within [{low}, {high}] are needed, not {values}")
    return values
