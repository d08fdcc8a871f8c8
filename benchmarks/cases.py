"""Small models with exact solutions, for the accuracy benchmark."""

import numpy as np
from numpy.typing import NDArray

import twinkit as tk


class Ball(tk.Model):
    """Ball on a hard floor; the times of its bounces are known."""

    time_unit = "s"
    h = tk.State("m", 10.0, doc="height")
    w = tk.State("m/s", 0.0, doc="velocity upwards")
    g = tk.Parameter("m/s**2", 9.81, doc="gravity", source="standard")
    e = tk.Parameter("", 0.8, bounds=(0, 1), doc="restitution", source="illustrative")

    def equations(self, v, m):
        return {"h": v.w, "w": -v.g}

    def events(self, v, m):
        return {"bounce": tk.Event(v.h, tk.Crossing.FALLING, set={"w": -v.e * v.w})}

    def bounces(self, count: int) -> NDArray:
        """Return the times of the first bounces."""
        fall = np.sqrt(2 * self.h / self.g)
        return fall + 2 * fall * np.cumsum(np.concatenate([[0.0], self.e ** np.arange(1, count)]))


class Equilibrium(tk.Model):
    """Decay of a weak acid's total, the dissociated part from mass action: index 1, with a closed solution."""

    time_unit = "min"
    total = tk.State("mol/L", 1.0, bounds=(0, None), doc="acid, both forms")
    ion = tk.Algebraic("mol/L", 0.1, bounds=(0, None), doc="dissociated part")
    k = tk.Parameter("1/min", 0.2, doc="rate of decay", source="illustrative")
    K = tk.Parameter("mol/L", 0.05, doc="dissociation constant", source="illustrative")

    def equations(self, v, m):
        return {"total": -v.k * v.total, "ion": v.ion * v.ion - v.K * (v.total - v.ion)}

    def exact(self, t: NDArray) -> NDArray:
        """Return total and ion over time."""
        total = self.total * np.exp(-self.k * t)
        return np.column_stack([total, (-self.K + np.sqrt(self.K**2 + 4 * self.K * total)) / 2])


class Logistic(tk.Model):
    """Logistic growth, whose sensitivities are known."""

    time_unit = "h"
    X = tk.State("g/L", 0.1, bounds=(0, None), doc="biomass")
    r = tk.Parameter("1/h", 0.4, doc="growth rate", source="illustrative")
    K = tk.Parameter("g/L", 20.0, doc="capacity", source="illustrative")

    def equations(self, v, m):
        return {"X": v.r * v.X * (1 - v.X / v.K)}

    def exact_sensitivities(self, t: NDArray) -> dict[str, NDArray]:
        """Return dX/dr and dX/dK over time."""
        x, r, K = self.X, self.r, self.K
        growth = np.exp(r * t)
        below = K + x * (growth - 1)
        return {
            "r": K * x * t * growth * (K - x) / below**2,
            "K": x * growth / below - K * x * growth / below**2,
        }
