"""Models that several tests of the estimation room use."""

import numpy as np

import twinkit as tk


class Growth(tk.Model):
    """Monod growth with a feed."""

    time_unit = "h"
    X = tk.State("g/L", initial=1.0, bounds=(0, None), doc="cells")
    S = tk.State("g/L", initial=20.0, bounds=(0, None), doc="substrate")
    mu = tk.Parameter("1/h", 0.3, bounds=(0, 1), doc="largest growth rate")
    K = tk.Parameter("g/L", 2.0, bounds=(0.01, None), doc="half-saturation")
    Y = tk.Parameter("", 0.2, bounds=(0.01, 1), doc="yield")
    F = tk.Input("g/L/h", default=0.0, doc="feed")

    def equations(self, v, m):
        rate = v.mu * v.S / (v.K + v.S) * v.X
        return {"X": rate, "S": v.F - rate / v.Y}


class Linear(tk.Model):
    """Two coupled linear states."""

    time_unit = "h"
    a = tk.State("g/L", initial=1.0, doc="first")
    b = tk.State("g/L", initial=0.0, doc="second")
    both = tk.Output("g/L", doc="what the sensor sees")

    def equations(self, v, m):
        k = m.quantity(1.0, "1/h")
        return {"a": -0.5 * k * v.a + 0.2 * k * v.b, "b": 0.3 * k * v.a - 0.4 * k * v.b, "both": v.a + v.b}


LINEAR = np.array([[-0.5, 0.2], [0.3, -0.4]])


class Dimerisation(tk.Model):
    """2 A -> B in the gas phase, at constant volume and temperature (Haseltine & Rawlings, doi:10.1021/ie034308l)."""

    time_unit = "s"
    A = tk.State("atm", initial=3.0, bounds=(0, None), doc="partial pressure of A")
    B = tk.State("atm", initial=1.0, bounds=(0, None), doc="partial pressure of B")
    k = tk.Parameter("1/atm/s", 0.16, doc="rate constant")
    P = tk.Output("atm", doc="total pressure")

    def equations(self, v, m):
        rate = v.k * v.A * v.A
        return {"A": -2 * rate, "B": rate, "P": v.A + v.B}


class Column(tk.Model):
    """Twenty cells of a reactor with back-mixing and a second-order reaction."""

    time_unit = "h"
    c = tk.State("g/L", initial=1.0, shape=20, bounds=(0, None), doc="concentration")
    k = tk.Parameter("L/g/h", 0.5, doc="rate constant")
    flow = tk.Parameter("1/h", 5.0, doc="flow over the volume of a cell")
    mixing = tk.Parameter("1/h", 1.0, doc="back-mixing over the volume of a cell")
    feed = tk.Parameter("g/L", 2.0, doc="concentration in the feed")

    def equations(self, v, m):
        before = m.concatenate([v.feed, v.c[:-1]])
        after = m.concatenate([v.c[1:], v.c[-1]])
        return {"c": v.flow * (before - v.c) + v.mixing * (before - 2 * v.c + after) - v.k * v.c * v.c}
