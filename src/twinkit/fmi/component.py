"""An FMU as a component of a graph."""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from twinkit.core.component import Array, Causality, Port, Values, Variability
from twinkit.core.errors import InvalidValueError, SimulationError, unknown_name
from twinkit.core.identity import digest
from twinkit.fmi._backend import as_backend
from twinkit.fmi._exchange import Integration
from twinkit.fmi._units import time_unit_of, unit_of
from twinkit.fmi._values import plain_value
from twinkit.fmi.description import FMUDescription, FMUVariable, Kind
from twinkit.fmi.session import Session, choose_kind, read_description


class FMU:
    """An FMU that lives in time like any other component.

    Its numeric inputs and outputs are ports; booleans, integers and enumerations are dimensionless, discrete ones. Its
    library is loaded by `initialize` (or `bind`), not before. Where the FMU can save its state, the component can roll
    back; where it provides directional derivatives, so does the component.

    Parameters
    ----------
    path
        The ``.fmu`` file.
    start
        Parameter, input or initial value -> value, in the FMU's units. Structural parameters give the ports their
        shapes; that of an input is the default of its port.
    **options
        As for `twinkit.fmi.Session`: ``backend``, ``kind``, ``isolate``, ``integration``, ``limits``, ``event_mode``.

    Attributes
    ----------
    description
        What the FMU says about itself.
    notes
        What could not be taken over as it is: units taken as dimensionless, variables that cannot be ports.
    inputs, outputs
        Ports by name.
    time_unit
        Unit of time.
    """

    def __init__(self, path: str | os.PathLike[str], start: Mapping[str, Any] | None = None, **options: Any) -> None:
        self.path = Path(path)
        declared = read_description(path)
        self.description: FMUDescription = declared.resized(start or {})
        self.kind = choose_kind(self.description, options.get("kind"))
        self.start = dict(start or {})
        for name in self.start:
            if name not in self.description.variables:
                raise unknown_name("variable", name, self.description.variables, self.path.name)
        known = [name for name in inspect.signature(Session).parameters if name != "path"]
        for option in options:
            if option not in known:
                raise unknown_name("option", option, known, "FMU")
        self._options = options
        self._file_hash = file_hash(self.path)  # now: the file may be gone when somebody asks
        self._session: Session | None = None
        self.notes: list[str] = []
        self.inputs: Mapping[str, Port] = self._ports("input", Causality.INPUT)
        self.outputs: Mapping[str, Port] = self._ports("output", Causality.OUTPUT)
        self.start |= {name: port.default for name, port in self.inputs.items() if name in self.start}
        self._offer()

    def _offer(self) -> None:
        """Offer only what this FMU can do, so that ``isinstance(fmu, RollsBack)`` says the truth."""
        interface = self.description.interface(self.kind)
        if interface is not None and interface.can_save_state:
            self.snapshot, self.restore = self._snapshot, self._restore
        if interface is not None and interface.directional_derivatives:
            self.derivatives = self._derivatives

    def _ports(self, role: str, causality: Causality) -> dict[str, Port]:
        ports: dict[str, Port] = {}
        ticks = self.kind is Kind.MODEL_EXCHANGE or bool(self._options.get("event_mode"))
        for v in self.description.of(role):
            if not v.type.is_number or (v.clocked and not ticks) or v.width < 1:
                why = ", clocked: it needs event_mode" if v.clocked and not ticks else ", empty" if v.width < 1 else ""
                self.notes.append(f"{role} {v.name!r} ({v.type.value}{why}) is not a port")
                continue
            unit, note = unit_of(v.unit, self.description.units.get(v.unit)) if v.type.is_float else ("", "")
            if note:
                self.notes.append(f"{role} {v.name!r}: {note}")
            port = Port(
                v.name, unit, causality, None if not v.shape else v.width, variability=_variability(v),
                doc=v.description,
            )  # fmt: skip
            ports[v.name] = self._with_default(port, v) if role == "input" else port
        return ports

    def _with_default(self, port: Port, variable: FMUVariable) -> Port:
        """Return an input with the value it has where nothing else is said: that of `start`, or the FMU's own."""
        value = self.start.get(port.name, variable.start)
        if value is None:
            return port
        flat = port.flat(_number(plain_value(value)), f"the start of input {port.name!r} of {self.path.name}").tolist()
        return replace(port, default=tuple(flat) if port.shape else flat[0])

    @property
    def time_unit(self) -> str:
        """Unit of time: that of the FMU's independent variable, or seconds."""
        independent = next(iter(self.description.of("independent")), None)
        unit = "" if independent is None else independent.unit
        return time_unit_of(unit, self.description.units.get(unit)) if unit else "s"

    @property
    def content_hash(self) -> str:
        """SHA-256 of what determines its results: the file, start values, kind, and how it is run."""
        options = self._options
        how = {
            "backend": as_backend(options.get("backend", "fmpy")).value, "kind": self.kind.value,
            "integration": repr(options.get("integration") or Integration()),
            "event_mode": bool(options.get("event_mode")),
        }  # fmt: skip
        ports = [repr(port) for port in (*self.inputs.values(), *self.outputs.values())]
        return digest({"file": self._file_hash, "start": self.start, "how": how, "ports": ports})

    # -- component ---------------------------------------------------------------------------------------------
    def initialize(self, t0: float, inputs: Values) -> dict[str, Any]:
        """Start (or start again) at `t0`; inputs that are not given keep the FMU's start values."""
        session = self._loaded()
        start = {**self.start, **self._given(inputs)}
        session.reset(start, t0)
        return self._result(session.get(*self.outputs))

    def step(self, t: float, dt: float, inputs: Values) -> dict[str, Any]:
        """Advance from `t` to ``t + dt`` with inputs held."""
        session = self._running()
        session.time = float(t)
        return self._result(session.step(dt, self._given(inputs)))

    def bind(self, inputs: Array, outputs: Array) -> Callable[[float, float], None]:
        """Return a stepper bound to arrays of all inputs and outputs (see `twinkit.core.component.Binds`)."""
        for array, ports, what in ((inputs, self.inputs, "inputs"), (outputs, self.outputs, "outputs")):
            width = sum(port.width for port in ports.values())
            if array.shape != (width,):
                raise InvalidValueError(f"{self.path.name} has {width} values of {what}, not {array.shape}")
        return self._loaded().bind(tuple(self.inputs), tuple(self.outputs), inputs, outputs)

    def close(self) -> None:
        """Free the FMU; calling it again does nothing, and `initialize` loads it anew."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def feedthrough(self) -> dict[str, frozenset[str]]:
        """Return output -> inputs it depends on without delay, where the FMU declares it."""
        declared = self.description.dependencies
        return {name: declared.get(name, frozenset()) & self.inputs.keys() for name in self.outputs}

    def _snapshot(self) -> Any:
        return self._running().state()

    def _restore(self, state: Any) -> None:
        self._running().restore(state)

    def _derivatives(self, of: tuple[str, ...], to: tuple[str, ...]) -> Array:
        return self._running().derivatives(of, to)

    # -- helpers -----------------------------------------------------------------------------------------------
    def _loaded(self) -> Session:
        if self._session is None:
            self._session = Session(self.path, **self._options)
        return self._session

    def _running(self) -> Session:
        if self._session is None:
            raise SimulationError(f"{self.path.name} has not been initialized")
        return self._session

    def _given(self, inputs: Values) -> dict[str, Any]:
        """Return inputs as the FMU takes them: plain numbers, or flat tuples for arrays."""
        given: dict[str, Any] = {}
        for name, value in inputs.items():
            port = self.inputs.get(name)
            if port is None:
                raise unknown_name("input", name, self.inputs, self.path.name)
            flat = port.flat(_number(value), f"input {name!r} of {self.path.name}")
            given[name] = tuple(flat.tolist()) if port.shape else float(flat[0])
        return given

    def _result(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: np.asarray(values[name], dtype=np.float64) if port.shape else float(values[name])
            for name, port in self.outputs.items()
        }

    def __repr__(self) -> str:
        return f"FMU({self.path.name!r}, {self.kind.value}, {len(self.inputs)} inputs, {len(self.outputs)} outputs)"

    def _repr_html_(self) -> str:
        return self.description._repr_html_()


def _variability(variable: FMUVariable) -> Variability:
    """Return how the value of a port changes: numbers that are not continuous are held, not averaged."""
    smooth = variable.type.is_float and not variable.clocked and variable.variability == "continuous"
    return Variability.CONTINUOUS if smooth else Variability.DISCRETE


def _number(value: Any) -> Any:
    """Return a boolean, or several, as numbers."""
    flags = isinstance(value, (bool, np.bool_)) or (isinstance(value, (tuple, list)) and bool in map(type, value))
    return np.asarray(value, dtype=np.float64) if flags else value


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


__all__ = ["FMU", "Kind"]
