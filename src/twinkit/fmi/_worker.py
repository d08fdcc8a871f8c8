"""The process an isolated FMU runs in: ``python -m twinkit.fmi._worker FD``."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import struct
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from twinkit.core.component import StepError
from twinkit.core.errors import TwinkitError
from twinkit.fmi._archive import ArchiveLimits
from twinkit.fmi._engine import NativeEngine
from twinkit.fmi._exchange import Integration
from twinkit.fmi._instance import CallFailedError, import_fmpy
from twinkit.fmi._values import from_json, to_json
from twinkit.fmi.description import Kind
from twinkit.fmi.session import read_description


class Worker:
    """Answers frames until it is told to close, or the other end is gone."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.engine: NativeEngine | None = None
        self.states: dict[int, Any] = {}
        self.steps: list[tuple[Callable[[float, float], None], Any, Any]] = []
        self.count = 0
        self.memory: tuple[int, int] | None = None  # limit, and size at the start

    def run(self) -> None:
        """Serve."""
        while True:
            frame = self._receive()
            if not frame:
                break
            try:
                reply = self._step(frame) if frame[:1] == b"S" else self._control(json.loads(frame[1:]))
            except (TwinkitError, CallFailedError, MemoryError) as error:
                reply = self._error(error)
            except Exception as error:  # never a silent end
                reply = self._error(error)
            self.connection.sendall(struct.pack("<I", len(reply)) + reply)
            if reply == b"Jnull" and self.engine is None:
                break

    def _receive(self) -> bytes:
        data = bytearray()
        while len(data) < 4 or len(data) < 4 + int.from_bytes(data[:4], "little"):
            more = self.connection.recv(65536)
            if not more:
                return b""
            data += more
        return bytes(data[4:])

    def _step(self, frame: bytes) -> bytes:
        number, t, dt = struct.unpack_from("<Idd", frame, 1)
        step, source, target = self.steps[number]
        source[:] = np.frombuffer(frame, dtype=np.float64, offset=21)
        step(t, dt)
        return b"S" + target.tobytes()

    def _error(self, error: BaseException) -> bytes:
        kind = "CallFailedError" if isinstance(error, StepError) else type(error).__name__
        told: dict[str, Any] = {"type": kind, "message": str(error.args[0] if error.args else error) or kind}
        told["memory"] = isinstance(error, MemoryError) or self._at_limit()
        return b"E" + json.dumps(told).encode()

    def _at_limit(self) -> bool:
        return self.memory is not None and _virtual_peak() - self.memory[1] >= 0.8 * self.memory[0]

    def _control(self, message: dict[str, Any]) -> bytes:
        for number in message.get("dropped", ()):
            self.states.pop(number, None)
        answer = getattr(self, "on_" + message["op"])(message)
        return b"J" + json.dumps(answer).encode()

    # -- what can be asked -------------------------------------------------------------------------------------
    def on_load(self, message: dict[str, Any]) -> Any:
        """Load the FMU, within its memory limit."""
        import resource

        import scipy.integrate  # noqa: F401 - its memory is not the FMU's

        path = Path(message["path"])
        description = read_description(path)
        import_fmpy(f"fmi{description.fmi_version[0]}")  # nor is FMPy's
        unit = 1 if sys.platform == "darwin" else 1024
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        if message["memory"]:
            self._limit_memory(int(message["memory"]))
        self.engine = NativeEngine(
            path, description, Kind(message["kind"]), Integration(**message["integration"]),
            ArchiveLimits(**message["limits"]), message["event_mode"],
        )  # fmt: skip
        able = {
            "restore": self.engine.can_restore, "differentiate": self.engine.can_differentiate,
            "serialize": self.engine.can_serialize, "adjoint": self.engine.can_adjoint,
        }  # fmt: skip
        return {**able, "resident": resident}

    def _limit_memory(self, limit: int) -> None:
        import resource

        if _virtual_peak():
            began = threading.Event()
            threading.Thread(target=_note_peak, args=(began,), daemon=True).start()
            began.wait()  # the stack and the heap of that thread are not the FMU's
        base = _virtual_peak()
        self.memory = (limit, base)
        if base:
            resource.setrlimit(resource.RLIMIT_AS, (base + limit, base + limit))

    def _running(self) -> NativeEngine:
        if self.engine is None:
            raise RuntimeError("no FMU is loaded")
        return self.engine

    def on_start(self, message: dict[str, Any]) -> Any:
        """Start."""
        self.states.clear()
        self._running().start(from_json(message["values"]), message["t0"], message["stop"])

    def on_write(self, message: dict[str, Any]) -> Any:
        """Set values."""
        self._running().write(from_json(message["values"]), message["t"])

    def on_read(self, message: dict[str, Any]) -> Any:
        """Get values."""
        return to_json(self._running().read(message["names"]))

    def on_advance(self, message: dict[str, Any]) -> Any:
        """Step."""
        self._running().advance(message["t"], message["dt"])

    def on_save(self, message: dict[str, Any]) -> Any:
        """Save the state; answer its number."""
        self.count += 1
        self.states[self.count] = self._running().save()
        return self.count

    def on_restore(self, message: dict[str, Any]) -> Any:
        """Restore a state."""
        self._running().restore(self.states.get(message["id"]))

    def on_serialize(self, message: dict[str, Any]) -> Any:
        """Return the state, with its bytes."""
        return to_json(self._running().serialize())

    def on_deserialize(self, message: dict[str, Any]) -> Any:
        """Go to a state that was made into bytes."""
        self._running().deserialize(from_json(message["known"]), from_json(message["data"]))

    def on_adjoint(self, message: dict[str, Any]) -> Any:
        """Seed times partial derivatives."""
        return self._running().adjoint(message["of"], message["to"], message["seed"]).tolist()

    def on_ticks(self, message: dict[str, Any]) -> Any:
        """Ticks of clocks since the last time this was asked."""
        return self._running().ticks()

    def on_derivatives(self, message: dict[str, Any]) -> Any:
        """Partial derivatives."""
        return self._running().derivatives(message["of"], message["to"]).tolist()

    def on_bind(self, message: dict[str, Any]) -> Any:
        """Bind arrays of our own; answer the number of the stepper."""
        engine = self._running()
        variables = engine.description.variables
        source, target = (np.zeros(sum(variables[n].width for n in message[k])) for k in ("inputs", "outputs"))
        self.steps.append((engine.bind(message["inputs"], message["outputs"], source, target), source, target))
        return len(self.steps) - 1

    def on_close(self, message: dict[str, Any]) -> Any:
        """Free the FMU; the process ends after the answer."""
        self.states.clear()
        if self.engine is not None:
            self.engine.close()
            self.engine = None


def _virtual_peak() -> int:
    """Return the peak size of this process's address space in bytes (0 where the system does not tell)."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    found = next((line.split()[1] for line in lines if line.startswith("VmPeak")), "0")
    return int(found) * 1024


def _note_peak(began: threading.Event) -> None:
    """Write, whenever it grows, how much memory has been used, for the case that this process dies."""
    note, known = Path(tempfile.gettempdir(), "peak"), 0
    note.write_text("0")
    base = _virtual_peak()
    began.set()
    while True:
        peak = _virtual_peak() - base
        if peak > known * 1.1 + 2**20:
            known = peak
            note.write_text(str(peak))
        threading.Event().wait(0.005)


def main() -> None:
    """Serve on the socket whose number is the argument."""
    if sys.platform == "linux":  # do not outlive whoever started this, not even in an endless loop of the FMU
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        Worker(connection).run()
    os._exit(0)  # no destructor of a foreign library may hang here


if __name__ == "__main__":
    main()
