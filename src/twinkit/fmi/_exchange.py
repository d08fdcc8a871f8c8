"""Model exchange: our loop around SciPy's integrators, with state, time and step events.

Within a macro step the inputs are held. The integrator starts afresh at every macro step and after every event, so that
what comes next depends on nothing but the state of the FMU: a restored snapshot goes on bitwise as before.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from twinkit.core.component import Array
from twinkit.core.errors import InvalidValueError
from twinkit.fmi._clocks import tolerance
from twinkit.fmi._events import MAX_EVENTS, EventHandler, ended
from twinkit.fmi._instance import CallFailedError, Instance
from twinkit.fmi.description import FMUVariable

METHODS = ("Radau", "DOP853", "RK45")  # one-step: multistep methods lose their accuracy at every restart
_LOOKS = 4  # places in an integrator step at which event indicators are compared


@dataclass(frozen=True)
class Integration:
    """How a model-exchange FMU is integrated.

    Attributes
    ----------
    method
        An integrator of `scipy.integrate`: "Radau" (default, also for stiff systems), "DOP853" or "RK45".
    rtol
        Relative tolerance; the absolute one is a hundredth of it, in units of each state's nominal value.
    max_step
        Longest integrator step, in the FMU's time unit: short enough that an event indicator does not change its sign
        twice within a quarter of it.
    """

    method: str = "Radau"
    rtol: float = 1e-8
    max_step: float = float("inf")

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InvalidValueError(f"there is no integrator {self.method!r}; there is {', '.join(METHODS)}")
        if not (0 < self.rtol < 1 and self.max_step > 0):
            raise InvalidValueError("rtol is between 0 and 1, and max_step is positive")


class Exchange:
    """Drives one model-exchange instance, from one communication point to the next."""

    def __init__(self, instance: Instance, settings: Integration, events: EventHandler) -> None:
        self.instance, self.settings, self.events = instance, settings, events
        self.nx, self.nz = instance.description.state_count, instance.description.indicator_count
        self._x, self._dx = (ctypes.c_double * self.nx)(), (ctypes.c_double * self.nx)()
        self._z = (ctypes.c_double * self.nz)()
        self.x_view, self.dx_view = _view(self._x), _view(self._dx)
        self.z_view = _view(self._z)
        self.first_step: float | None = None  # what the last integration ended with
        self.statistics = {"steps": 0, "evaluations": 0}
        self._method = self._integrator()

    def _integrator(self) -> Any:
        from scipy import integrate

        return getattr(integrate, self.settings.method)

    def write(self, values: Mapping[FMUVariable, Any], t: float) -> None:
        """Set inputs by an event."""
        self.events.handle(t, values)

    def _tolerances(self) -> Array:
        nominal = (ctypes.c_double * self.nx)()
        if self.nx:
            self.instance.nominals_into(nominal, self.nx)
        scale = np.abs(_view(nominal)) if self.nx else np.ones(1)
        return np.where(scale > 0, scale, 1.0) * self.settings.rtol / 100

    # -- evaluation --------------------------------------------------------------------------------------------
    def place(self, t: float, x: Array) -> None:
        """Set time and continuous states."""
        self.instance.call("SetTime", t)
        if self.nx:
            self.x_view[:] = x
            self.instance.call("SetContinuousStates", self._x, self.nx)

    def _rate(self, t: float, x: Array) -> Array:
        if not self.nx:
            return np.zeros(1)
        self.place(t, x)
        self.instance.derivatives_into(self._dx, self.nx)
        self.statistics["evaluations"] += 1
        return self.dx_view.copy()

    def _signs(self, t: float, x: Array) -> Any:
        """Return which event indicators are positive."""
        self.place(t, x)
        self.instance.call("GetEventIndicators", self._z, self.nz)
        return self.z_view > 0

    def _states(self) -> Array:
        if not self.nx:
            return np.zeros(1)
        self.instance.call("GetContinuousStates", self._x, self.nx)
        return self.x_view.copy()

    # -- advance -----------------------------------------------------------------------------------------------
    def advance(self, t: float, dt: float) -> None:
        """Integrate from `t` to ``t + dt``."""
        end, events = t + dt, self.events
        before = events.count
        while True:
            if events.next_time is not None and events.next_time <= t + tolerance(t):
                t = max(t, events.next_time)
                self.place(t, self._states())
                events.handle(t)
                if events.next_time is not None and events.next_time <= t:
                    raise CallFailedError(f"the next time event is at {events.next_time:g}, not after {t:g}")
            if events.count - before > MAX_EVENTS:
                raise CallFailedError(f"more than {MAX_EVENTS} events in one step of {dt:g}")
            if t >= end:
                return
            bound = end if events.next_time is None else min(end, events.next_time)
            t, needs_event = self._leg(t, bound)
            if needs_event:
                events.handle(t)

    def _leg(self, t: float, bound: float) -> tuple[float, bool]:
        """Integrate up to a bound or the first event; return the time and whether there is an event."""
        if not self.nx and not self.nz:
            self.instance.call("SetTime", bound)
            return bound, self._complete()
        x = self._states()
        options: dict[str, Any] = {"max_step": min(self.settings.max_step, bound - t)}
        if self.first_step is not None:
            options["first_step"] = min(self.first_step, bound - t, options["max_step"])
        options |= {"rtol": self.settings.rtol, "atol": self._tolerances()}
        solver = self._tried(lambda: self._method(self._rate, t, x, bound, **options))
        signs = self._signs(t, x) if self.nz else None
        while solver.status == "running":
            message = self._tried(solver.step)
            if solver.status == "failed":
                raise CallFailedError(f"the integrator {self.settings.method} failed: {message}")
            self.statistics["steps"] += 1
            at, state = float(solver.t), solver.y
            crossed = signs is not None and self._first_crossing(solver, signs)
            if crossed:
                at, state = crossed
            self.place(at, state)
            wants_event = self._complete()
            if crossed or wants_event:
                self.first_step = None
                return at, True
        self.first_step = max(float(solver.step_size or 0.0), 1e-3 * (bound - t))
        return bound, False

    def _tried(self, work: Callable[[], Any]) -> Any:
        """Let the integrator work; what it cannot work with (infinite rates, a singular matrix) is its failure."""
        try:
            return work()
        except (ValueError, ArithmeticError) as error:
            raise CallFailedError(f"the integrator {self.settings.method} failed: {error}") from None

    def _complete(self) -> bool:
        if not self.instance.interface.needs_completed_step:
            return False
        event, end = self.instance.completed_step()
        if end:
            raise ended()
        return event

    def _first_crossing(self, solver: Any, signs: Any) -> tuple[float, Array] | None:
        """Return where the first event indicator has just changed its sign in the last step, if one has."""
        low, high = float(solver.t_old), float(solver.t)
        looks = np.linspace(low, high, _LOOKS + 1)[1:]
        dense = solver.dense_output()
        for look in looks:
            if np.any(self._signs(look, dense(look)) != signs):
                high = float(look)
                break
            low = float(look)
        else:
            return None
        while high - low > 4e-16 * max(abs(low), abs(high)) + 1e-300:
            middle = 0.5 * (low + high)
            if not low < middle < high:
                break
            if np.any(self._signs(middle, dense(middle)) != signs):
                high = middle
            else:
                low = middle
        return high, dense(high)


def _view(array: Any) -> Array:
    """Return a NumPy array on the memory of a ctypes array."""
    return np.ctypeslib.as_array(array) if len(array) else np.empty(0)
