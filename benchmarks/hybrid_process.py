"""Simulated CHO fed-batches nobody has tuned on: a process of its own for every seed.

The development data (`data/hybrid_cho`) have three seeds, and choices were made with their test batches in sight. These
have the same recipe box, noise and balances, but kinetics of our own (Haldane-like lactate inhibition, a switch from
lactate production to uptake, productivity that falls with growth), of which every parameter is drawn anew for every
seed. They are judged, never tuned on.
"""

import numpy as np

import twinkit as tk

SPREAD = 0.1
"""Standard deviation of the logarithm of each kinetic parameter between seeds."""
BOX = {
    "train": ((0.015, 0.04), (15.0, 35.0), (0.25, 0.6)),
    "test_extrapolation": ((0.042, 0.057), (37.0, 50.0), (0.6, 0.9)),
}
UNITS = {"X": "Gcell/L", "G": "mmol/L", "L": "mmol/L", "P": "mg/L"}
RELATIVE, ABSOLUTE = (0.05, 0.04, 0.05, 0.05), (0.05, 0.3, 0.3, 5.0)
COUNTS = {"train": 20, "test_interpolation": 8, "test_extrapolation": 8}
_SOURCE = "chosen by us"


class FedBatch(tk.Model):
    """States and balances of the process and of its candidate model, whose rates differ."""

    time_unit = "d"
    X = tk.State("Gcell/L", 0.5, bounds=(0, None), nominal=5.0, doc="viable cells")
    G = tk.State("mmol/L", 30.0, bounds=(0, None), nominal=10.0, doc="glucose")
    L = tk.State("mmol/L", 0.5, bounds=(0, None), nominal=10.0, doc="lactate")
    P = tk.State("mg/L", 0.0, bounds=(0, None), nominal=300.0, doc="product")
    V = tk.State("L", 1.0, bounds=(0.01, None), nominal=1.0, doc="volume")
    F = tk.Input("L/d", 0.0, bounds=(0, None), doc="feed")

    @staticmethod
    def balances(v, mu, q_g, q_l, q_p):
        """Return the derivatives from the specific rates; `v.G_in` is glucose in the feed."""
        dilution = v.F / v.V
        return {
            "X": (mu - dilution) * v.X,
            "G": -q_g * v.X + dilution * (v.G_in - v.G),
            "L": q_l * v.X - dilution * v.L,
            "P": q_p * v.X - dilution * v.P,
            "V": v.F,
        }


class Process(FedBatch):
    """What the candidate of `hybrid_cho` does not know."""

    mu_max = tk.Parameter("1/d", 0.95, bounds=(0, None), doc="growth", source=_SOURCE)
    K_G = tk.Parameter("mmol/L", 1.5, bounds=(0, None), doc="half saturation", source=_SOURCE)
    K_L = tk.Parameter("mmol/L", 22.0, bounds=(0, None), doc="lactate that halves growth", source=_SOURCE)
    kd = tk.Parameter("1/d", 0.03, bounds=(0, None), doc="death", source=_SOURCE)
    kd_L = tk.Parameter("1/d", 0.35, bounds=(0, None), doc="death by lactate, at most", source=_SOURCE)
    K_D = tk.Parameter("mmol/L", 55.0, bounds=(0, None), doc="lactate at half of it", source=_SOURCE)
    Y = tk.Parameter("Gcell/mmol", 0.7, bounds=(0, None), doc="yield", source=_SOURCE)
    m_G = tk.Parameter("mmol/Gcell/d", 0.25, bounds=(0, None), doc="maintenance", source=_SOURCE)
    Y_L = tk.Parameter("", 1.25, bounds=(0, None), doc="lactate per glucose", source=_SOURCE)
    K_S = tk.Parameter("mmol/L", 4.0, bounds=(0, None), doc="glucose at which overflow is half", source=_SOURCE)
    q_L = tk.Parameter("mmol/Gcell/d", 1.0, bounds=(0, None), doc="lactate uptake", source=_SOURCE)
    K_U = tk.Parameter("mmol/L", 5.0, bounds=(0, None), doc="lactate at half uptake", source=_SOURCE)
    q_P = tk.Parameter("mg/Gcell/d", 12.0, bounds=(0, None), doc="productivity at rest", source=_SOURCE)
    a_P = tk.Parameter("", 0.6, bounds=(0, None), doc="how growth lowers productivity", source=_SOURCE)
    G_in = tk.Parameter("mmol/L", 200.0, bounds=(0, None), doc="glucose in the feed", source=_SOURCE)

    def equations(self, v, m):
        mo = v.G / (v.K_G + v.G)
        growth = v.mu_max * mo / (1 + v.L / v.K_L)
        death = v.kd + v.kd_L * v.L**2 / (v.K_D**2 + v.L**2)
        overflow = v.G / (v.K_S + v.G)
        q_g = growth / v.Y + v.m_G * mo
        q_l = v.Y_L * overflow * q_g - v.q_L * (1 - overflow) * v.L / (v.K_U + v.L)
        q_p = v.q_P * (1 - v.a_P * growth / v.mu_max) * mo
        return self.balances(v, growth - death, q_g, q_l, q_p)


def process(seed: int) -> Process:
    """Return the process of a seed."""
    random = np.random.default_rng([seed, 1])
    names = [name for name in Process().parameters if name != "G_in"]
    factors = np.exp(SPREAD * random.standard_normal(len(names)))
    return Process().with_({name: getattr(Process(), name) * f for name, f in zip(names, factors, strict=True)})


def recipe(name: str, feed: float, glucose: float, cells: float) -> tk.Batch:
    """Return a batch without measurements."""
    ramp = tk.ramps([(0.0, 0.0), (2.0 - 1e-6, 0.0), (2.0, feed), (14.0, feed * (1 + 0.08 * 12))])
    initial = {"X": cells, "G": glucose, "L": 0.5, "P": 0.0}
    return tk.Batch(name, inputs={"F": ramp}, initial=initial, until=14.0, time_unit="d")


def batches(seed: int, kind: str, count: int | None = None) -> list[tk.Batch]:
    """Return training batches (with noise) or test batches (without) of a seed, sampled daily."""
    truth, random = process(seed), np.random.default_rng([seed, 2 + list(COUNTS).index(kind)])
    times, made = np.arange(15.0), []
    for k in range(COUNTS[kind] if count is None else count):
        batch = recipe(f"{kind}{k}", *(random.uniform(*ends) for ends in BOX.get(kind, BOX["train"])))
        run = tk.simulate(truth, 14.0, inputs=batch.inputs, initial=batch.initial, outputs=times, rtol=1e-7)
        exact = np.column_stack([run.trace(tag).data for tag in UNITS])
        if kind == "train":
            std = np.sqrt((np.array(RELATIVE) * exact) ** 2 + np.array(ABSOLUTE) ** 2)
            exact = np.maximum(exact + std * random.standard_normal(exact.shape), 1e-3)
        rows = [
            tk.Measurement(tag, float(exact[i, j]), unit, float(t))
            for i, t in enumerate(times)
            for j, (tag, unit) in enumerate(UNITS.items())
        ]
        made.append(batch.with_(measurements=tuple(rows)))
    return made
