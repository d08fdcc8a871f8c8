"""Graphs that several tests run: a quarter truck in two halves, an algebraic loop, small hand-made components."""

import numpy as np
from scipy.linalg import expm

import twinkit as tk

ROAD = 0.1  # m


class Chassis(tk.Model):
    """Body of a quarter truck on its suspension."""

    time_unit = "s"
    z = tk.State("m", initial=0.0)
    w = tk.State("m/s", initial=0.0)
    zw = tk.Input("m")
    vw = tk.Input("m/s")
    F = tk.Output("N")
    mass = tk.Parameter("kg", 400.0)
    k = tk.Parameter("N/m", 15000.0)
    c = tk.Parameter("N*s/m", 1000.0)

    def equations(self, v, m):
        force = v.k * (v.zw - v.z) + v.c * (v.vw - v.w)
        return {"z": v.w, "w": force / v.mass, "F": force}


class Wheel(tk.Model):
    """Wheel of a quarter truck on the road."""

    time_unit = "s"
    z = tk.State("m", initial=0.0)
    w = tk.State("m/s", initial=0.0)
    F = tk.Input("N")
    road = tk.Input("m", default=ROAD)
    mass = tk.Parameter("kg", 40.0)
    k = tk.Parameter("N/m", 150000.0)

    def equations(self, v, m):
        return {"z": v.w, "w": (v.k * (v.road - v.z) - v.F) / v.mass}


def quarter_truck(**how):
    graph = tk.Graph()
    body = graph.add("chassis", tk.simulate.ModelComponent(Chassis(), **how))
    wheel = graph.add("wheel", tk.simulate.ModelComponent(Wheel(), **how))
    graph.connect(wheel.out["z"], body.inp["zw"])
    graph.connect(wheel.out["w"], body.inp["vw"])
    graph.connect(body.out["F"], wheel.inp["F"])
    return graph


def exact_truck(times):
    """Return chassis z, w, wheel z, w: the linear system's matrix exponential."""
    a = np.array([[0, 1, 0, 0], [-37.5, -2.5, 37.5, 2.5], [0, 0, 0, 1], [375, 25, -4125, -25]])
    rest = np.array([ROAD, 0, ROAD, 0])
    return np.array([rest - expm(a * t) @ rest for t in times])


def three_equations():
    """a + b + c = 0, 2a - 3b + 2c = 9, a^2 + b^2 + c^2 = 5, one block each."""
    graph = tk.Graph()
    first = graph.add("first", tk.Block(lambda b, c: -b - c, inputs={"b": "", "c": ""}, outputs={"a": ""}))
    second = graph.add(
        "second", tk.Block(lambda a, c: (2 * a + 2 * c - 9) / 3, inputs={"a": "", "c": ""}, outputs={"b": ""})
    )
    third = graph.add(
        "third",
        tk.Block(lambda a, b, c: c - (a * a + b * b + c * c - 5) / 4, inputs=dict.fromkeys("abc", ""),
                 outputs={"c": ""}),
    )  # fmt: skip
    graph.connect(second.out["b"], first.inp["b"], guess=-1.0)
    graph.connect(third.out["c"], first.inp["c"], guess=0.5)
    graph.connect(first.out["a"], second.inp["a"], guess=1.0)
    graph.connect(third.out["c"], second.inp["c"], guess=0.5)
    graph.connect(first.out["a"], third.inp["a"], guess=1.0)
    graph.connect(second.out["b"], third.inp["b"], guess=-1.0)
    graph.connect(third.out["c"], third.inp["c"], guess=0.5)
    return graph


class Decay:
    """A component without any extra: y' = -(rate) y + u, stepped exactly, in minutes; can be told to fail."""

    def __init__(self, *, rate=1.0, time_unit="s", fail_at=None, nan_at=None):
        self.rate, self.time_unit, self.fail_at, self.nan_at = rate, time_unit, fail_at, nan_at
        component = tk.core.component
        self.inputs = {"u": component.Port("u", "m", component.Causality.INPUT, default=0.0)}
        self.outputs = {"y": component.Port("y", "m", component.Causality.OUTPUT)}
        self.steps, self.closed = [], 0

    def initialize(self, t0, inputs):
        self.y, self.steps = 1.0, []
        return {"y": self.y}

    def step(self, t, dt, inputs):
        assert dt > 0
        self.steps.append((t, dt))
        if self.fail_at is not None and t >= self.fail_at:
            raise ZeroDivisionError("by design")
        rest = inputs["u"] / self.rate
        self.y = rest + (self.y - rest) * np.exp(-self.rate * dt)
        return {"y": float("nan") if self.nan_at is not None and t >= self.nan_at else self.y}

    def close(self):
        self.closed += 1
