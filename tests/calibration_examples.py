"""Models and data for the tests of calibration."""

import numpy as np

import twinkit as tk
from twinkit.unitops import CHOFedBatch


class Decay(tk.Model):
    """First-order decay, and quantities nothing sees."""

    time_unit = "h"
    c = tk.State("g/L", 2.0, bounds=(0, None))
    k = tk.Parameter("1/h", 0.2, bounds=(0, 10))
    blind = tk.Parameter("", 1.0, bounds=(0, 5))
    double = tk.Output("g/L")

    def equations(self, v, m):
        return {"c": -v.k * v.c, "double": 2 * v.c + 0 * v.blind}


class Product(tk.Model):
    """Only the product of two factors can be seen."""

    time_unit = "h"
    c = tk.State("g/L", 2.0)
    a = tk.Parameter("1/h", 0.4, bounds=(0.01, 10))
    b = tk.Parameter("", 1.2, bounds=(0.01, 10))

    def equations(self, v, m):
        return {"c": -v.a * v.b * v.c}


class Equilibrium(tk.Model):
    """A decaying acid; the dissociated part follows by mass action. It is fed."""

    time_unit = "min"
    total = tk.State("mol/L", 1.0, bounds=(0, None))
    V = tk.State("L", 1.0)
    ion = tk.Algebraic("mol/L", 0.1, bounds=(0, None))
    feed = tk.Input("L/min", 0.0)
    k = tk.Parameter("1/min", 0.2, bounds=(0, 5))
    K = tk.Parameter("mol/L", 0.05, bounds=(1e-4, 10))
    conductivity = tk.Output("mS/cm")

    def equations(self, v, m):
        return {
            "total": -v.k * v.total + v.feed / v.V * (2.0 - v.total),
            "V": v.feed,
            "ion": v.ion * v.ion - v.K * (v.total - v.ion),
            "conductivity": 40.0 * v.ion / (1 + v.K),
        }


def decay_data(count=17, noise=0.05, seed=1, std=None, k=0.5, name="B", tag="c"):
    """A batch of noisy readings of exp(-k t)."""
    times = np.linspace(0, 8, count)
    values = 2 * np.exp(-k * times) + noise * np.random.default_rng(seed).standard_normal(count)
    return tk.Batch(
        name, [tk.Measurement(tag, float(v), "g/L", float(t), std=std) for t, v in zip(times, values, strict=True)]
    )


FEED = tk.steps({0: 0, 72: 0.8e-3, 120: 1.6e-3, 168: 2.4e-3, 264: 1.6e-3})
STDS = {"Xv": 0.3, "Glc": 0.5, "Gln": 0.1, "Lac": 1.0, "Amm": 0.15, "mAb": 0.05}
# What daily samples of six quantities determine. Left out: half saturations of nutrients that the feed keeps far above
# them (K_Glc, K_Gln, a2), the inhibition constants of lactate, which only make up for KI_Amm and k_d, and oxygen.
CHO_FREE = ("mu_max", "k_d", "KI_Amm", "Y_X_Glc", "m_Glc", "q_mAb")


def cho_batches(count=3, seed=0, every=24.0, stds=STDS):
    """Noisy samples of simulated CHO fed-batches of different inocula and feeds."""
    model, generator = CHOFedBatch(), np.random.default_rng(seed)
    batches = []
    for k in range(count):
        start = {"Xv": 0.3 * (0.8 + 0.4 * k / max(1, count - 1))}
        inputs = {"F": tk.steps({t: v * (0.9 + 0.1 * (k % 3)) for t, v in FEED.points})}
        run = tk.simulate(model, 336, inputs=inputs, initial=start, outputs=np.arange(every, 337, every))
        readings = [
            tk.Measurement(name, float(v + std * generator.standard_normal()), run[name].attrs["units"], t, std=std)
            for name, std in stds.items()
            for t, v in zip(run.time.tolist(), run.trace(name).data, strict=True)
        ]
        batches.append(tk.Batch(f"B{k}", readings, inputs=inputs, initial=start))
    return batches
