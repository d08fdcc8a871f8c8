"""PyFMI as the backend, for those who have it (conda-forge)."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from twinkit.core.component import Array
from twinkit.core.errors import MissingDependencyError
from twinkit.fmi._archive import ArchiveLimits, extract
from twinkit.fmi._errors import FMUFileError, UnsupportedFMUError
from twinkit.fmi._instance import CallFailedError
from twinkit.fmi._values import native_value
from twinkit.fmi.description import FMUDescription, Kind, VariableType

_STATUS = {1: "warning", 2: "discard", 3: "error", 4: "fatal", 5: "pending"}  # PyFMI's FMI_WARNING, ...


def import_pyfmi() -> Any:
    """Return PyFMI, or say where it comes from."""
    try:
        return import_module("pyfmi")
    except ModuleNotFoundError as error:
        if error.name != "pyfmi":
            raise
        raise MissingDependencyError(
            "backend='pyfmi' needs PyFMI, which pip cannot install: use conda or mamba, "
            "'conda install -c conda-forge pyfmi', or leave the backend at 'fmpy'"
        ) from None


class PyFMIEngine:
    """A co-simulation FMU (FMI 2.0) through PyFMI. PyFMI sees the folder that was strictly extracted."""

    def __init__(self, path: Path, description: FMUDescription, kind: Kind, limits: ArchiveLimits) -> None:
        pyfmi = import_pyfmi()
        if kind is not Kind.CO_SIMULATION or description.fmi_version != "2.0":
            raise UnsupportedFMUError("backend='pyfmi' runs FMI 2.0 co-simulation; use 'fmpy' for anything else")
        self.description = description
        interface = description.co_simulation
        self.can_restore = bool(interface and interface.can_save_state)
        self.can_differentiate = bool(interface and interface.directional_derivatives)
        self.can_serialize = self.can_adjoint = False
        self._directory = Path(tempfile.mkdtemp(prefix="twinkit-fmu-"))
        self._cleanup = weakref.finalize(self, shutil.rmtree, self._directory, ignore_errors=True)
        try:
            extract(path, self._directory, limits)
            self._model = self._guard(
                "load_fmu",
                lambda: pyfmi.load_fmu(str(self._directory), kind="CS", allow_unzipped_fmu=True, log_level=0),
            )
        except CallFailedError as error:
            self._cleanup()
            raise FMUFileError(f"PyFMI cannot load {path.name}: {error.args[0]}") from None
        except BaseException:
            self._cleanup()
            raise
        self._started = False

    def _guard(self, what: str, action: Callable[[], Any]) -> Any:
        """Run a call of PyFMI, whose failures are exceptions of its own (all derived from Exception)."""
        try:
            return action()
        except Exception as error:
            raise CallFailedError(f"PyFMI's {what} failed: {error}") from None

    def start(self, values: Mapping[str, Any], t0: float, stop: float | None) -> None:
        model = self._model
        if self._started:
            self._guard("reset", model.reset)
        self._started = True
        self.write(values, t0)
        # 1 second beyond a start that has no end: PyFMI needs a number, and is told that it is not a limit.
        end = t0 + 1.0 if stop is None else stop
        self._guard(
            "initialize", lambda: model.initialize(start_time=t0, stop_time=end, stop_time_defined=stop is not None)
        )

    def write(self, values: Mapping[str, Any], t: float) -> None:
        if not values:
            return
        chosen = [self.description.variables[name] for name in values]
        given = [
            value if v.type is VariableType.STRING else native_value(value, v)
            for v, value in zip(chosen, values.values(), strict=True)
        ]
        self._guard("set", lambda: self._model.set(list(values), given))

    def read(self, names: Sequence[str]) -> dict[str, Any]:
        found = self._guard("get", lambda: self._model.get(list(names))) if names else []
        return {name: _plain(value) for name, value in zip(names, found, strict=True)}

    def advance(self, t: float, dt: float) -> None:
        status = int(self._guard("do_step", lambda: self._model.do_step(t, dt, not self.can_restore)))
        if status > 1:
            raise CallFailedError.of("PyFMI's do_step", status)

    def save(self) -> Any:
        return _PyFMIState(self._model, self._guard("get_fmu_state", self._model.get_fmu_state))

    def restore(self, state: Any) -> None:
        self._guard("set_fmu_state", lambda: self._model.set_fmu_state(state.pointer))

    def serialize(self) -> tuple[dict[str, Any], bytes]:
        raise UnsupportedFMUError("backend='pyfmi' does not serialize states here; use 'fmpy'")

    def deserialize(self, known: Mapping[str, Any], data: bytes) -> None:
        self.serialize()

    def adjoint(self, of: Sequence[str], to: Sequence[str], seed: Sequence[float]) -> Array:
        raise UnsupportedFMUError("FMI 2.0 has no adjoint derivatives")

    def ticks(self) -> list[tuple[float, str]]:
        return []

    def derivatives(self, of: Sequence[str], to: Sequence[str]) -> Array:
        variables = self.description.variables
        rows, columns = [variables[n].reference for n in of], [variables[n].reference for n in to]
        parts = [
            self._guard(
                "get_directional_derivative", lambda c=c: self._model.get_directional_derivative([c], rows, [1.0])
            )
            for c in columns
        ]
        return np.array(parts, dtype=np.float64).reshape(len(columns), len(rows)).T

    def bind(
        self, inputs: Sequence[str], outputs: Sequence[str], source: Array, target: Array
    ) -> Callable[[float, float], None]:
        names_in, names_out = list(inputs), list(outputs)

        def step(t: float, dt: float) -> None:
            self.write(dict(zip(names_in, source.tolist(), strict=True)), t)
            self.advance(t, dt)
            target[:] = [float(value) for value in self.read(names_out).values()]

        return step

    def close(self) -> None:
        """Let PyFMI free the FMU, and remove the folder."""
        if self._cleanup.alive:
            try:
                if self._started:
                    self._guard("terminate", self._model.terminate)
            except CallFailedError:
                pass  # it is going away anyway
            finally:
                del self._model
                self._cleanup()


class _PyFMIState:
    def __init__(self, model: Any, pointer: Any) -> None:
        self.pointer = pointer
        self._free = weakref.finalize(self, model.free_fmu_state, pointer)


def _plain(value: Any) -> Any:
    item = np.asarray(value).ravel()[0]
    return item.item() if hasattr(item, "item") else item
