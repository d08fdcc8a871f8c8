"""A small hybrid problem with a known truth, shared by the tests."""

from typing import ClassVar

import numpy as np

import twinkit as tk


class Growth(tk.Model):
    """Fed-batch growth on one substrate, with named rates."""

    time_unit = "h"
    X = tk.State("g/L", 0.5, bounds=(0, None), nominal=5.0, doc="cells")
    S = tk.State("g/L", 10.0, bounds=(0, None), nominal=5.0, doc="substrate")
    V = tk.State("L", 1.0, bounds=(1e-3, None), nominal=1.0, doc="volume")
    F = tk.Input("L/h", 0.0, bounds=(0, None), doc="feed")
    mu_max = tk.Parameter("1/h", 0.3, bounds=(0, None), doc="growth rate", source="illustrative")
    K = tk.Parameter("g/L", 0.5, bounds=(1e-6, None), doc="half saturation", source="illustrative")
    Y = tk.Parameter("g/g", 0.5, bounds=(1e-6, None), doc="yield", source="illustrative")
    S_in = tk.Parameter("g/L", 100.0, bounds=(0, None), doc="substrate in the feed", source="illustrative")
    cells = tk.Output("g", doc="cells in the vessel")
    conserved: ClassVar = {"carbon": lambda v, m: tk.Balance((v.X / v.Y + v.S) * v.V, inflow=v.F * v.S_in)}

    def equations(self, v, m):
        mu = m.rate("mu", self.growth(v, m))
        dilution = v.F / v.V
        return {
            "X": (mu - dilution) * v.X,
            "S": -mu * v.X / v.Y + dilution * (v.S_in - v.S),
            "V": v.F,
            "cells": v.X * v.V,
        }

    def growth(self, v, m):
        return v.mu_max * v.S / (v.K + v.S)


class Truth(Growth):
    """The same balances, with growth inhibited by cells: what the mechanism misses."""

    def growth(self, v, m):
        return v.mu_max * v.S / (v.K + v.S) * m.quantity(2.5, "g/L") / (m.quantity(2.5, "g/L") + v.X)


NOISE = {"X": 0.08, "S": 0.15}


def batches(count=4, seed=0, truth=None, missing=True):
    """Return noisy batches with irregular, missing and multi-rate samples and a stepped feed."""
    random = np.random.default_rng(seed)
    made = []
    for k in range(count):
        initial = {"X": float(random.uniform(0.2, 1.0)), "S": float(random.uniform(6.0, 14.0))}
        inputs = {"F": tk.steps([(0.0, 0.0), (8.0, float(random.uniform(0.002, 0.006)))])}
        times = np.unique(np.concatenate([[0.0], np.sort(random.uniform(1.0, 24.0, 9)), [24.0]]))
        run = tk.simulate(truth or Truth(), 24.0, inputs=inputs, initial=initial, outputs=times)
        measured = []
        for tag, std in NOISE.items():
            values = run.trace(tag).data + std * random.standard_normal(len(times))
            rows = range(0, len(times), 1 if tag == "X" else 2)
            measured += [
                tk.Measurement(tag, float(values[i]), "g/L", float(times[i]))
                for i in rows
                if not (missing and i % 5 == 3)
            ]
        made.append(tk.Batch(f"B{k}", measured, inputs=inputs, initial=initial, until=24.0))
    return made
