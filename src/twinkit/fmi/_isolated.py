"""An FMU in a process of its own: a crash, a hang or a memory blow-up there becomes an exception here.

Nothing that comes back is unpickled or evaluated: control messages are JSON, steps are plain doubles.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twinkit.core.component import Array, StepError
from twinkit.core.errors import (
    DataError,
    InvalidValueError,
    MissingDependencyError,
    SimulationError,
    UnknownNameError,
)
from twinkit.fmi._archive import ArchiveLimits
from twinkit.fmi._errors import (
    FMUCrashError,
    FMUFileError,
    FMUMemoryError,
    FMUTimeoutError,
    UnsupportedFMUError,
)
from twinkit.fmi._exchange import Integration
from twinkit.fmi._instance import CallFailedError
from twinkit.fmi._values import from_json, to_json
from twinkit.fmi.description import FMUDescription, Kind

MAX_REPLY = 64 * 1024 * 1024
_KNOWN = {
    kind.__name__: kind
    for kind in (
        InvalidValueError,
        UnsupportedFMUError,
        FMUFileError,
        SimulationError,
        MissingDependencyError,
        UnknownNameError,
        DataError,
    )
}


@dataclass(frozen=True)
class Isolation:
    """Limits on an isolated FMU.

    Attributes
    ----------
    timeout
        Seconds that one call (a step, a reset) may take.
    start_timeout
        Seconds for starting the process and loading the FMU.
    memory
        Bytes that the FMU may use beyond what its process needs without it; None: no limit.
    """

    timeout: float = 60.0
    start_timeout: float = 60.0
    memory: int | None = 2 * 1024**3

    def __post_init__(self) -> None:
        if not (self.timeout > 0 and self.start_timeout > 0 and (self.memory is None or self.memory > 0)):
            raise InvalidValueError("limits of an isolated FMU are positive")


class IsolatedEngine:
    """An FMU behind a socket; see `twinkit.fmi._worker` for the other end."""

    def __init__(
        self,
        path: Path,
        description: FMUDescription,
        kind: Kind,
        integration: Integration,
        limits: ArchiveLimits,
        isolation: Isolation,
        event_mode: bool = False,
    ) -> None:
        if os.name != "posix":
            raise UnsupportedFMUError("isolate=True needs a POSIX system (Linux, macOS)")
        self.description, self.isolation = description, isolation
        self._process = _Process(isolation)
        self._dropped: list[int] = []
        try:
            hello = self._process.ask(
                {
                    "op": "load", "path": str(path.resolve()), "kind": kind.value, "memory": isolation.memory,
                    "integration": asdict(integration), "limits": asdict(limits),
                    "event_mode": event_mode,
                },
                isolation.start_timeout,
            )  # fmt: skip
        except BaseException:
            self._process.end()
            raise
        self._process.resident = int(hello["resident"])
        self.can_restore, self.can_serialize = bool(hello["restore"]), bool(hello["serialize"])
        self.can_differentiate, self.can_adjoint = bool(hello["differentiate"]), bool(hello["adjoint"])

    def _ask(self, op: str, **arguments: Any) -> Any:
        dropped, self._dropped[:] = list(self._dropped), []
        return self._process.ask({"op": op, "dropped": dropped, **arguments}, self.isolation.timeout)

    def start(self, values: Mapping[str, Any], t0: float, stop: float | None) -> None:
        self._ask("start", values=to_json(values), t0=t0, stop=stop)

    def write(self, values: Mapping[str, Any], t: float) -> None:
        if values:
            self._ask("write", values=to_json(values), t=t)

    def read(self, names: Sequence[str]) -> dict[str, Any]:
        found = self._unpacked(self._ask("read", names=list(names)))
        return {name: found[name] for name in names}

    def _unpacked(self, answer: Any) -> Any:
        try:
            return from_json(answer)
        except (ValueError, TypeError):
            raise self._process.broken("its process answered nonsense") from None

    def advance(self, t: float, dt: float) -> None:
        self._ask("advance", t=t, dt=dt)

    def save(self) -> Any:
        return _RemoteState(int(self._ask("save")), self._dropped)

    def restore(self, state: Any) -> None:
        if not isinstance(state, _RemoteState):
            raise SimulationError("this is not a state of this FMU instance")
        self._ask("restore", id=state.number)

    def serialize(self) -> tuple[dict[str, Any], bytes]:
        known, data = self._unpacked(self._ask("serialize"))
        return known, data

    def deserialize(self, known: Mapping[str, Any], data: bytes) -> None:
        self._ask("deserialize", known=to_json(known), data=to_json(data))

    def adjoint(self, of: Sequence[str], to: Sequence[str], seed: Sequence[float]) -> Array:
        return np.asarray(self._ask("adjoint", of=list(of), to=list(to), seed=list(seed)), dtype=np.float64)

    def ticks(self) -> list[tuple[float, str]]:
        if not self.description.clocks:
            return []
        return [(float(time), str(name)) for time, name in self._ask("ticks")]

    def derivatives(self, of: Sequence[str], to: Sequence[str]) -> Array:
        return np.asarray(self._ask("derivatives", of=list(of), to=list(to)), dtype=np.float64)

    def bind(
        self, inputs: Sequence[str], outputs: Sequence[str], source: Array, target: Array
    ) -> Callable[[float, float], None]:
        number = int(self._ask("bind", inputs=list(inputs), outputs=list(outputs)))
        frame = bytearray(4 + 1 + 4 + 16 + source.nbytes)
        struct.pack_into("<IcI", frame, 0, len(frame) - 4, b"S", number)
        body = np.frombuffer(frame, dtype=np.uint8)[25:]
        bytes_in, bytes_out = source.view(np.uint8), target.view(np.uint8)
        process, timeout, place = self._process, self.isolation.timeout, struct.Struct("<dd").pack_into

        def step(t: float, dt: float) -> None:
            place(frame, 9, t, dt)
            body[:] = bytes_in
            reply = process.exchange(frame, timeout)
            if reply[:1] != b"S" or len(reply) != 1 + target.nbytes:
                raise process.failure(reply)
            bytes_out[:] = np.frombuffer(reply, dtype=np.uint8)[1:]

        return step

    def close(self) -> None:
        """End the process and remove its folder."""
        if self._process.running:
            with contextlib.suppress(Exception):
                self._process.ask({"op": "close"}, min(5.0, self.isolation.timeout))
        self._process.end()


class _RemoteState:
    """A state kept by the worker; it is told when nothing refers to it any more."""

    def __init__(self, number: int, dropped: list[int]) -> None:
        self.number = number
        weakref.finalize(self, dropped.append, number)


class _Process:
    """The worker process, its socket and its folder."""

    def __init__(self, isolation: Isolation) -> None:
        self.isolation = isolation
        self._folder = tempfile.mkdtemp(prefix="twinkit-fmu-")
        self._timeout = 0.0
        self.resident = 2**62  # peak memory of the process before it loads the FMU, once it has told
        self._socket, other = socket.socketpair()
        with other:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "twinkit.fmi._worker", str(other.fileno())],
                pass_fds=[other.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, start_new_session=True, env={**os.environ, "TMPDIR": self._folder},
            )  # fmt: skip
        self._end = weakref.finalize(self, _end, self._popen, self._socket, self._folder)

    @property
    def running(self) -> bool:
        """Whether the process has not been ended from here."""
        return self._end.alive

    def end(self) -> None:
        """Kill the process if it still runs, reap it and remove its folder."""
        self._end()

    def ask(self, message: Mapping[str, Any], timeout: float) -> Any:
        """Send a control message and return the answer."""
        data = b"J" + json.dumps(message).encode()
        reply = self.exchange(struct.pack("<I", len(data)) + data, timeout)
        if reply[:1] != b"J":
            raise self.failure(reply)
        try:
            return json.loads(reply[1:])
        except ValueError:
            raise self.broken("its process answered nonsense") from None

    def exchange(self, frame: bytes | bytearray, timeout: float) -> bytes:
        """Send one frame and return one."""
        if not self._end.alive:
            raise FMUCrashError("the FMU's process has ended; make a new session")
        try:
            if timeout != self._timeout:
                self._socket.settimeout(timeout)
                self._timeout = timeout
            self._socket.sendall(frame)
            return self._receive()
        except TimeoutError:
            self.end()
            raise FMUTimeoutError(f"the FMU did not answer within {timeout:g} s and was ended") from None
        except OSError:
            raise self._died() from None
        except BaseException:  # an interrupt: the answer that is still to come would be taken for the next one's
            self.end()
            raise

    def _receive(self) -> bytes:
        """Return one frame; nothing follows it, for the worker answers one question at a time."""
        data = bytearray()
        while len(data) < 4 or len(data) < 4 + int.from_bytes(data[:4], "little"):
            more = self._socket.recv(65536)
            if not more:
                raise ConnectionError
            data += more
            if len(data) > MAX_REPLY:
                raise self.broken("its process answered nonsense")
        return bytes(data[4:])

    def failure(self, reply: bytes) -> Exception:
        """Return the exception that an answer stands for."""
        try:
            told = json.loads(reply[1:]) if reply[:1] == b"E" else {}
            kind, message = str(told["type"]), str(told["message"])
        except (ValueError, KeyError, TypeError):
            return self.broken("its process answered nonsense")
        if told.get("memory"):
            return FMUMemoryError(f"{message}; the FMU is at its limit of {self._limit()}")
        if kind == "CallFailedError":
            return CallFailedError(message)
        return _KNOWN.get(kind, SimulationError)(message)

    def _limit(self) -> str:
        return f"{(self.isolation.memory or 0) / 1024**2:.0f} MiB of memory"

    def broken(self, what: str) -> StepError:
        """Return the exception for a process that answers what it cannot mean, after ending it."""
        self.end()
        return FMUCrashError(f"the FMU is not to be trusted: {what}")

    def _died(self) -> StepError:
        """Return the exception for a process that has gone, after reaping it."""
        time.sleep(0.05)  # its socket is gone: it is dying (poll() would reap it and lose how much memory it used)
        code, resident = _reap(self._popen)
        used = max(_peak_bytes(self._folder), resident - self.resident)
        at_limit = self.isolation.memory is not None and used >= 0.8 * self.isolation.memory
        self.end()
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        if at_limit:
            return FMUMemoryError(f"the FMU's process died ({how}) at its limit of {self._limit()}")
        return FMUCrashError(f"the FMU's process died ({how})")


def _reap(popen: subprocess.Popen[bytes]) -> tuple[int, int]:
    """Kill a process if it still runs and reap it; return its exit code and peak resident memory in bytes."""
    try:
        done, status, usage = os.wait4(popen.pid, os.WNOHANG)
        if done == 0:
            os.killpg(popen.pid, signal.SIGKILL)
            _, status, usage = os.wait4(popen.pid, 0)
    except ChildProcessError:  # already reaped
        return popen.returncode or 0, 0
    popen.returncode = os.waitstatus_to_exitcode(status)
    return popen.returncode, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _peak_bytes(folder: str) -> int:
    """Return what the worker last noted of its memory beyond its start ('peak' in its folder)."""
    try:
        return int(Path(folder, "peak").read_text())
    except (OSError, ValueError):
        return 0


def _end(popen: subprocess.Popen[bytes], connection: socket.socket, folder: str) -> None:
    if popen.poll() is None:
        with contextlib.suppress(OSError):
            os.killpg(popen.pid, signal.SIGKILL)
    popen.wait()
    connection.close()
    shutil.rmtree(folder, ignore_errors=True)
