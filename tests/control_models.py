"""Optimal control problems from the literature and plants for the tests of `control`."""

import runpy
from pathlib import Path

import twinkit as tk

Reactor = runpy.run_path(str(Path(__file__).parents[1] / "examples" / "cstr_tracking.py"))["Reactor"]


class ParkRamirez(tk.Model):
    """Secreted protein in a fed-batch reactor.

    S. Park, W. F. Ramirez, AIChE J. 34 (1988) 1550-1558, doi:10.1002/aic.690340917, as restated (case study I) by E.
    Balsa-Canto et al., Chem. Eng. Process. 40 (2001), and in the PROPT manual, section "Park-Ramirez bioreactor".
    """

    time_unit = "h"
    secreted = tk.State("", initial=0.0, nominal=2.0)
    total = tk.State("", initial=0.0, nominal=2.0)
    cells = tk.State("", initial=1.0, nominal=2.0)
    substrate = tk.State("", initial=5.0, nominal=5.0)
    volume = tk.State("", initial=1.0, nominal=10.0)
    feed = tk.Input("1/h", default=1.0, bounds=(0.0, 2.0))
    product = tk.Output("", nominal=30.0)

    def equations(self, v, m):
        per_hour = m.quantity(1.0, "1/h")
        s = v.substrate
        growth = per_hour * 21.87 * s / ((s + 0.4) * (s + 62.5))
        expression = per_hour * s / (0.1 + s) * m.exp(-5.0 * s)
        secretion = 4.75 * per_hour * growth / (0.12 * per_hour + growth)
        dilution = v.feed / v.volume
        return {
            "secreted": secretion * (v.total - v.secreted) - dilution * v.secreted,
            "total": expression * v.cells - dilution * v.total,
            "cells": growth * v.cells - dilution * v.cells,
            "substrate": -7.3 * growth * v.cells + dilution * (20.0 - s),
            "volume": v.feed,
            "product": v.secreted * v.volume,
        }


class Penicillin(tk.Model):
    """Penicillin in a fed-batch fermenter.

    H. C. Lim et al., Biotechnol. Bioeng. 28 (1986) 1408-1420, as restated (case study I) by J. R. Banga et al., J.
    Biotechnol. 117 (2005) 407-419, doi:10.1016/j.jbiotec.2005.02.013.
    """

    time_unit = "h"
    X = tk.State("", initial=1.5, nominal=20.0)
    P = tk.State("", initial=0.0, nominal=5.0)
    S = tk.State("", initial=0.0, nominal=10.0)
    V = tk.State("", initial=7.0, nominal=10.0)
    feed = tk.Input("1/h", default=10.0, bounds=(0.0, 50.0))
    product = tk.Output("", nominal=80.0)

    def equations(self, v, m):
        rate = m.quantity(1.0, "1/h")
        growth = rate * 0.11 * v.S / (0.006 * v.X + v.S)
        making = rate * 0.0055 * v.S / (0.0001 + v.S * (1.0 + 10.0 * v.S))
        return {
            "X": growth * v.X - v.feed * v.X / (500.0 * v.V),
            "P": making * v.X - 0.01 * rate * v.P - v.feed * v.P / (500.0 * v.V),
            "S": -growth * v.X / 0.47
            - making * v.X / 1.2
            - rate * v.X * 0.029 * v.S / (0.0001 + v.S)
            + v.feed / v.V * (1.0 - v.S / 500.0),
            "V": v.feed / 500.0,
            "product": v.P * v.V,
        }
