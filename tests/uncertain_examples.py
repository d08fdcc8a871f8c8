"""A linear tank whose parameters are uncertain, with what that does to its temperature in closed form."""

import numpy as np

import twinkit as tk
from twinkit.core import ParameterSet

COVARIANCE = np.array([[4e-4, -6e-6], [-6e-6, 1e-6]])  # of gain and cooling


class Tank(tk.Model):
    """A heated tank; its solution in closed form is that of a linear equation."""

    time_unit = "min"
    T = tk.State("degC", initial=20.0, nominal=10.0)
    Q = tk.Input("kW", default=2.0, bounds=(0, 10))
    gain = tk.Parameter("delta_degC/min/kW", 0.5, bounds=(0.1, 1.0))
    cooling = tk.Parameter("1/min", 0.05, bounds=(0.01, 0.5))
    heating = tk.Output("delta_degC/min", doc="what the heater adds")

    def equations(self, v, m):
        heating = v.gain * v.Q
        return {"T": heating - v.cooling * (v.T - m.quantity(20.0, "degC")), "heating": heating}


def parameters(covariance=COVARIANCE, **more):
    return ParameterSet(("gain", "cooling"), (0.5, 0.05), ("delta_degC/min/kW", "1/min"), covariance, **more)


def held(model=None, **more):
    """Return a controller that can only hold 2 kW."""
    settings = {
        "horizon": 20.0, "step": 2.0, "track": {"T": 40.0}, "moves": {"Q": tk.Move(bounds=(2.0, 2.0))},
        "uncertainty": parameters(), "native": False,
    }  # fmt: skip
    return tk.MPC(model or Tank(), **(settings | more))


def slopes(t, q=2.0, gain=0.5, k=0.05):
    """Return the derivatives of the temperature, from 20 degC on, in gain and cooling."""
    gone = 1.0 - np.exp(-k * t)
    return np.stack([q * gone / k, gain * q * (t * np.exp(-k * t) / k - gone / k**2)])
