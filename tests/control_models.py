"""Optimal control problems from the literature and plants for the tests of `control`."""

import math
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
    Biotechnol. 117 (2005) 407-419, doi:10.1016/j.jbiotec.2005.02.013; equations, start and limits (X to 40, S to 25, V
    to 10, feed to 50) are those of the examples of DTQP (github.com/danielrherber/dt-qp-project), which restate that.
    """

    time_unit = "h"
    X = tk.State("", initial=1.5, nominal=20.0, bounds=(0.0, None))
    P = tk.State("", initial=0.0, nominal=5.0, bounds=(0.0, None))
    S = tk.State("", initial=0.0, nominal=10.0, bounds=(0.0, None))
    V = tk.State("", initial=7.0, nominal=10.0, bounds=(0.0, None))
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


GROW_THEN_FEED = tk.steps({t: 2.5 * math.exp(0.07 * t) for t in range(24)} | {24.0: 50.0, 32.0: 9.0})
"""A first feed of `Penicillin`: with the cells as they grow, then as much as can be, then little."""


class LeeRamirez(tk.Model):
    """Induced foreign protein by recombinant bacteria in a fed-batch reactor, with a glucose and an inducer feed.

    J. Lee, W. F. Ramirez, AIChE J. 40 (1994) 899-907, doi:10.1002/aic.690400517, with the parameter functions of A.
    Tholudur, W. F. Ramirez, AIChE J. 42 (1996) 2379-2386, doi:10.1002/aic.690420828.
    """

    time_unit = "h"
    V = tk.State("", initial=1.0, nominal=2.0)
    X = tk.State("", initial=0.1, nominal=5.0)
    N = tk.State("", initial=40.0, nominal=40.0)
    P = tk.State("", initial=0.0, nominal=3.0)
    inducer = tk.State("", initial=0.0, nominal=1.0)
    shock = tk.State("", initial=1.0, nominal=1.0)
    recovery = tk.State("", initial=0.0, nominal=1.0)
    glucose = tk.Input("1/h", default=0.0, bounds=(0.0, 1.0))
    induce = tk.Input("1/h", default=0.0, bounds=(0.0, 1.0))
    product = tk.Output("", nominal=5.0)

    def equations(self, v, m):
        rate = m.quantity(1.0, "1/h")
        monod = v.N / (14.35 + v.N + v.N**2 / 111.5)
        growth = rate * monod * (v.shock + 0.22 / (0.22 + v.inducer) * v.recovery)
        making = rate * 0.233 * monod * (0.0005 + v.inducer) / (0.022 + v.inducer)
        decline = rate * 0.09 * v.inducer / (0.034 + v.inducer)
        flow = v.glucose + v.induce
        return {
            "V": flow,
            "X": growth * v.X - flow / v.V * v.X,
            "N": 100.0 * v.glucose / v.V - flow / v.V * v.N - growth * v.X / 0.51,
            "P": making * v.X - flow / v.V * v.P,
            "inducer": 4.0 * v.induce / v.V - flow / v.V * v.inducer,
            "shock": -decline * v.shock,
            "recovery": decline * (1.0 - v.recovery),
            "product": v.P * v.V,
        }


class FedBatch(tk.Model):
    """Penicillin with inhibition by the substrate and a limit on biomass.

    B. Srinivasan, S. Palanki, D. Bonvin, Comput. Chem. Eng. 27 (2003) 1-26, doi:10.1016/S0098-1354(02)00116-3, as
    restated in the PROPT manual, "Fed-batch Fermentor Control: Dynamic Optimization of Batch Processes II".
    """

    time_unit = "h"
    X = tk.State("g/L", initial=1.0, nominal=3.0)
    S = tk.State("g/L", initial=0.5, nominal=1.0)
    P = tk.State("g/L", initial=0.0, nominal=2.0)
    V = tk.State("L", initial=150.0, nominal=150.0)
    feed = tk.Input("L/h", default=0.1, bounds=(0.0, 1.0), nominal=0.2)

    def equations(self, v, m):
        growth = m.quantity(0.02, "1/h") * v.S / (m.quantity(0.05, "g/L") + v.S + v.S**2 / m.quantity(5.0, "g/L"))
        dilution, making = v.feed / v.V, m.quantity(0.004, "1/h")
        return {
            "X": growth * v.X - dilution * v.X,
            "S": -growth * v.X / 0.5 - making * v.X / 1.2 + dilution * (m.quantity(200.0, "g/L") - v.S),
            "P": making * v.X - dilution * v.P,
            "V": v.feed,
        }


class PrimaryDrying(tk.Model):
    """Primary drying of a vial in a freeze dryer: a flat front of sublimation, heat and mass transfer quasi-steady.

    M. J. Pikal, J. Parenter. Sci. Technol. 39 (1985) 115-138, with the parameters and the units (cm, cal, h, Torr) of
    the example of LyoPRONTO: G. Shivkumar et al., AAPS PharmSciTech 20 (2019) 328, doi:10.1208/s12249-019-1532-7.
    A fill of 2 mL with 5 % solids at 150 mTorr; 398 vials; the dryer removes a + b P = -0.182 + 11.7 P kg/h.
    """

    time_unit = "h"
    FILLED = 2.0 / (3.14 * 0.918) * (1.0 - 0.05 * (1.0 - 0.918) / 1.5)  # cm
    CAPACITY = -0.182 + 11.7 * 0.15  # kg/h

    dried = tk.State("", initial=0.0, nominal=0.5, doc="thickness of the dried layer, cm")
    flux = tk.Algebraic("", initial=1.0, nominal=1.0, doc="vapour per area of product, kg/h/m2")
    shelf = tk.Input("", default=20.0, bounds=(-45.0, 120.0), nominal=50.0, doc="temperature, degC")
    front = tk.Output("", nominal=10.0, doc="temperature where the ice sublimes, degC")
    bottom = tk.Output("", nominal=10.0, doc="temperature of the product at the bottom of the vial, degC")
    percent = tk.Output("", nominal=100.0, doc="part that is dried")
    load = tk.Output("", nominal=1.0, doc="vapour of all vials, kg/h")

    def equations(self, v, m):
        product, vial, solids, pressure = 3.14, 3.8, 0.05, 0.15
        transfer = 2.75e-4 + 8.93e-4 * pressure / (1.0 + 0.46 * pressure)  # cal/s/K/cm2
        sublimed = v.flux * product * 1e-4  # kg/h
        ice = pressure + 1000.0 * sublimed * (1.4 + 16.0 * v.dried) / product  # Torr
        front = 6144.96 / (m.log(2.698e10) - m.log(ice)) - 273.15
        heat = 678.0 * 1000.0 / 3600.0 * sublimed  # cal/s
        bottom = front + heat * (self.FILLED - v.dried) / (product * 0.0059)
        frozen = product * 0.918 * (1.0 - solids / 1.5) / (1.0 - solids * (1.0 - 0.918) / 1.5)  # g of ice per cm
        return {
            "dried": m.quantity(1.0, "1/h") * 1000.0 * sublimed / frozen,
            "flux": vial * transfer * (v.shelf - bottom) - heat,
            "front": front,
            "bottom": bottom,
            "percent": 100.0 * v.dried / self.FILLED,
            "load": 398.0 * sublimed,
        }
