"""What tests of advisory control share: a design space, recommendations, an audit trail that remembers."""

import numpy as np

import twinkit as tk
from twinkit.control import Gate, MoveSchedule, Optimal, PlantCondition, PredictedTrack, Recommendation

SPACE = tk.DesignSpace({"F": "L/h", "Glc": "g/L"}, {"F": (0.0, 0.05), "Glc": (1.0, 6.0)}, name="feeding")


def track(name="Glc", unit="g/L", times=(0.0, 1.0, 2.0), mean=(3.0, 3.0, 3.0), std=0.1):
    times = np.asarray(times, float)
    none = np.full(len(times), np.inf)
    return PredictedTrack(name, unit, times, np.asarray(mean, float), np.full(len(times), std), -none, none)


def recommendation(time=0.0, value=0.02, expires=None, mean=(3.0, 3.0, 3.0), std=0.1, **more):
    times = time + np.arange(3.0)
    moves = {"F": MoveSchedule("F", "L/h", times[:2], np.array([value, value]), float(times[-1]))}
    settings = {
        "time": time, "expires": time + 1.0 if expires is None else expires, "time_unit": "h", "moves": moves,
        "present": {"F": 0.01}, "predicted": {"Glc": track(times=times, mean=mean, std=std)},
        "unchanged": {"Glc": track(times=times, mean=(2.0, 2.0, 2.0))}, "status": Optimal("ipopt", 7),
        "goal": "most product", "made_by": {"model": "a" * 64}, "data": {"estimate": "b" * 64},
    }  # fmt: skip
    return Recommendation(**{**settings, **more})


def condition(time=0.0, glc=3.0, std=0.05, quality=tk.Quality.GOOD, read=None, **more):
    value = float("nan") if quality is tk.Quality.BAD else 3.0
    probe = tk.Measurement("probe", value, "g/L", time if read is None else read, quality=quality)
    return PlantCondition(time, {"Glc": glc}, {"Glc": std}, {"probe": probe}, **more)


def gate(**more):
    return Gate(SPACE, **{"freshness": "90 min", "sensors": {"probe": "30 min"}, **more})


class Trail:
    """An audit sink that remembers, and fails when told to."""

    def __init__(self):
        self.entries, self.broken = [], False

    def record(self, action, details):
        if self.broken:
            raise OSError("disk full")
        self.entries.append((action, dict(details)))

    @property
    def actions(self):
        return [action for action, _ in self.entries]


class Plant:
    """An actuator that remembers, and fails when told to."""

    def __init__(self):
        self.written, self.broken = [], False

    def write(self, setpoints, at):
        if self.broken:
            raise ConnectionError("no answer")
        self.written.append((at, dict(setpoints)))
