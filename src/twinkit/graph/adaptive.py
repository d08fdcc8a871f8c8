"""Steps as long as the error allows: each is done in one and in two, and the difference judged."""

from __future__ import annotations

import numpy as np

from twinkit.core.component import Array, StepError
from twinkit.graph.engine import Engine, rounding
from twinkit.graph.march import Macro, Recorder, nearly

_SAFETY, _SHRINK, _GROW, _ORDER = 0.9, 0.2, 4.0, 2
_SMALLEST = 1e-13


def march_adaptive(
    engine: Engine, macro: Macro, until: float, tolerance: tuple[float, float], longest: float, record: Recorder
) -> None:
    """Advance to `until` with a second-order step, keeping the two half steps of every accepted one."""
    statistics = engine.statistics
    span = until - engine.time
    engine.extra.setdefault("scale", np.abs(engine.Y))
    limit = until  # where an event is known to end the run
    while engine.time < until and engine.ended is None:
        t = engine.time
        limit = limit if limit > t else until
        stop = min(engine.next_event(t, until) if engine.event_slots else until, limit)
        if until - stop <= rounding(t, until):  # just before what is left out at the end of the run
            until = stop
        wish = min(engine.extra["h"], longest)
        h = stop - t if wish >= 0.99 * (stop - t) else (0.5 * (stop - t) if wish > 0.5 * (stop - t) else wish)
        saved, trouble, error, slack = engine.snapshot(), None, np.inf, nearly(t, 0.1 * span)
        try:
            middle, error, worst = _both(engine, macro, t, h, tolerance, saved, slack)
        except _EndsEarlyError as early:
            engine.restore(saved)
            limit = max(early.time, t + 0.5 * slack)
            continue
        except StepError as failed:
            trouble = failed
        if error <= 1.0 and trouble is None:
            end = stop if h == stop - t else t + h
            record.add(t + 0.5 * h, middle)
            record.add(end, engine.Y)
            engine.time = end
            ended = engine.stopped() if engine.stop_slots else None
            if ended is not None:
                engine.ended = ended
            np.maximum(engine.extra["scale"], np.abs(engine.Y), out=engine.extra["scale"])
            statistics["steps"] = statistics.get("steps", 0) + 2
            longer = h * min(_GROW, max(_SHRINK, _SAFETY * max(error, 1e-6) ** (-1.0 / (_ORDER + 1))))
            # A step cut short by an event says nothing against a longer one.
            engine.extra["h"] = longer if h >= wish else max(wish, longer)
            continue
        if trouble is not None or h <= _SMALLEST * max(span, abs(t)):
            inner = h <= _SMALLEST * max(span, abs(t)) or h < 1e-9 * span
            if inner:
                raise trouble or _stuck(engine, t, worst)
        engine.restore(saved)
        statistics["rejected"] = statistics.get("rejected", 0) + 1
        shrink = max(_SHRINK, _SAFETY * error ** (-1.0 / (_ORDER + 1))) if np.isfinite(error) else _SHRINK
        engine.extra["h"] = h * shrink


def _both(
    engine: Engine, macro: Macro, t: float, h: float, tolerance: tuple[float, float], saved: object, slack: float
) -> tuple[Array, float, int]:
    """Do one step whole and in halves; return the middle, the error in units of the tolerance, the worst output."""
    macro(t, h)
    _stops(engine, t + h, slack)
    coarse = engine.Y.copy()
    engine.verify(coarse[None], [t, t + h])
    engine.restore(saved)
    macro(t, 0.5 * h)
    middle = engine.Y.copy()
    if _stops(engine, t + h, slack):
        return middle, 0.0, 0  # the whole step is too short to tell its end from its middle
    macro(t + 0.5 * h, t + h - (t + 0.5 * h))
    _stops(engine, t + h, slack)
    engine.verify(engine.Y[None], [t, t + h])
    rtol, atol = tolerance
    allowed = atol + rtol * np.maximum(engine.extra["scale"], np.abs(engine.Y))
    each = np.abs(engine.Y - coarse) / (2**_ORDER - 1) / allowed
    each[~engine.continuous] = 0.0  # a count or a flag has no error: it jumps by its nature, however short the step
    worst = int(np.argmax(each)) if each.size else 0
    return middle, float(each[worst]) if each.size else 0.0, worst


class _EndsEarlyError(Exception):
    """An event ends the run before the end of the step that was tried."""

    def __init__(self, time: float) -> None:
        super().__init__(time)
        self.time = time


def _stops(engine: Engine, end: float, slack: float) -> bool:
    """Return whether an event has ended the run at the end of a step, or raise if it has before."""
    ended = engine.stopped() if engine.stop_slots else None
    if ended is not None and end - ended.time > slack:
        raise _EndsEarlyError(ended.time)
    return ended is not None


def _stuck(engine: Engine, t: float, worst: int) -> StepError:
    node, port = next(key for key, place in engine.at_output.items() if place.start <= worst < place.stop)
    reason = f"the step became too small: {port!r} jumps or grows without limit; an abrupt change is to be declared"
    return engine.failure(node, t, StepError(f"{reason} with next_event"))
