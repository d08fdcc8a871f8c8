"""Seed train: cells grown from vessel to larger vessel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import twinkit.core as tk
from twinkit.unitops.phenomena import monod

_ILLUSTRATIVE = "illustrative: a CHO seed train"


class SeedTrain(tk.Model):
    """Seed train of `n_stages` vessels: at a cell density the whole culture moves to a larger one (Monod growth).

    Each transfer thins the culture `expansion`-fold with fresh medium. The train is ready, and the run stops, when
    the last stage reaches the density too. `doublings` counts generations, which cell lines have few of.
    """

    time_unit = "h"

    X = tk.State("Gcell/L", 0.3, bounds=(0, None), nominal=1.0, doc="viable cells in the current vessel")
    S = tk.State("mmol/L", 30.0, bounds=(0, None), nominal=10.0, doc="glucose in the current vessel")
    V = tk.State("L", 0.2, bounds=(1e-6, None), nominal=1.0, doc="volume of the current vessel")
    doublings = tk.State("", 0.0, bounds=(0, None), nominal=1.0, doc="generations since the start")
    stage = tk.Mode("", 1.0, doc="number of the current vessel")

    n_stages = tk.Option(4, bounds=(1, 20), doc="number of vessels")

    S_medium = tk.Input("mmol/L", 30.0, bounds=(0, None), doc="glucose in fresh medium")

    mu_max = tk.Parameter("1/h", 0.035, bounds=(0, 2), doc="maximum specific growth rate", source=_ILLUSTRATIVE)
    K_S = tk.Parameter("mmol/L", 1.0, bounds=(1e-6, 100), doc="glucose half saturation", source=_ILLUSTRATIVE)
    Y_XS = tk.Parameter("Gcell/mmol", 0.25, bounds=(1e-3, 100), doc="cell yield on glucose", source=_ILLUSTRATIVE)
    X_transfer = tk.Parameter("Gcell/L", 3.0, bounds=(1e-3, 1e3), doc="density of transfer", source=_ILLUSTRATIVE)
    expansion = tk.Parameter(
        "", 6.0, bounds=(1.01, 100), doc="volume of a vessel by the one before", source=_ILLUSTRATIVE
    )

    cells = tk.Output("Gcell", doc="viable cells in the current vessel")

    conserved: ClassVar[Mapping[str, Any]] = {
        "cells from glucose": lambda v, m: tk.Balance((v.X + v.Y_XS * v.S) * v.V),
    }

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return cell and glucose balances of the current vessel, and the generations."""
        mu = v.mu_max * monod(v.S, v.K_S)
        return {
            "X": mu * v.X,
            "S": -mu * v.X / v.Y_XS,
            "V": 0.0,
            "doublings": mu / m.log(2.0),
            "cells": v.X * v.V,
        }

    def events(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the transfers, and the end of the train."""
        last = v.stage > self.n_stages - 0.5
        over = v.X - v.X_transfer
        fresh = 1.0 - 1.0 / v.expansion
        moved = {
            "X": v.X / v.expansion,
            "S": v.S / v.expansion + v.S_medium * fresh,
            "V": v.V * v.expansion,
            "stage": v.stage + 1.0,
        }
        return {
            "transfer": tk.Event(m.where(last, -v.X_transfer, over), tk.Crossing.RISING, set=moved),
            "ready": tk.Event(m.where(last, over, -v.X_transfer), tk.Crossing.RISING, stop=True),
        }
