"""One vessel of a seed train, to be joined with others in a graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import twinkit.core as tk
from twinkit.unitops.phenomena import monod
from twinkit.unitops.seed_train import SeedTrain
from twinkit.unitops.vessels import drawn

_ILLUSTRATIVE = "illustrative: a CHO seed train"


class SeedVessel(tk.Model):
    """Vessel of a seed train: grows cells to a density, then pumps all of its culture to the next one (Monod growth).

    The cells of `SeedTrain`, one vessel at a time: in a graph the stream `outlet` of one vessel goes to the `inlet` of
    the next, which waits with fresh medium. Twice `V_heel` stays behind. The last vessel (``last=True``) keeps its
    culture, and the run stops when it is ready.

    Examples
    --------
    >>> import twinkit as tk
    >>> graph = tk.Graph()
    >>> small = graph.add("small", tk.simulate.ModelComponent(SeedVessel(), solver=tk.Cvodes()))
    >>> large = SeedVessel(X=0.0, V="1 L", last=True)  # fresh medium
    >>> large = graph.add("large", tk.simulate.ModelComponent(large, solver=tk.Cvodes()))
    >>> len(graph.connect(small.out["outlet"], large.inp["inlet"]))
    3
    >>> run = tk.simulate(graph.flatten("Train"), until="30 d")
    >>> [one.name for one in run.occurrences]
    ['small.transfer', 'small.empty', 'large.ready']
    """

    time_unit = "h"
    streams: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "inlet": {"flow": "F_in", "cells": "X_in", "glucose": "S_in"},
        "outlet": {"flow": "F_out", "cells": "X_out", "glucose": "S_out"},
    }
    last = tk.Option(False, doc="the culture stays, and the run stops when it is ready")

    X = SeedTrain.X.altered(doc="viable cells")
    S = SeedTrain.S.altered(doc="glucose")
    V = SeedTrain.V.altered(doc="volume")
    phase = tk.Mode("", 0.0, bounds=(0, 2), doc="0: the culture grows, 1: it is pumped out, 2: the vessel is empty")
    charge = tk.Mode("L", 0.0, bounds=(0, None), nominal=1.0, doc="volume when pumping began")

    F_in = tk.Input("L/h", 0.0, bounds=(0, None), nominal=1.0, doc="culture coming")
    X_in = tk.Input("Gcell/L", 0.0, bounds=(0, None), nominal=1.0, doc="viable cells in it")
    S_in = tk.Input("mmol/L", 0.0, bounds=(0, None), nominal=10.0, doc="glucose in it")

    mu_max = SeedTrain.mu_max.altered()
    K_S = SeedTrain.K_S.altered()
    Y_XS = SeedTrain.Y_XS.altered()
    X_transfer = SeedTrain.X_transfer.altered()
    t_transfer = tk.Parameter("h", 0.1, bounds=(1e-6, 24), doc="time that a transfer takes", source=_ILLUSTRATIVE)
    V_heel = tk.Parameter("L", 1e-3, bounds=(1e-6, 1e3), doc="volume that cannot be drawn", source=_ILLUSTRATIVE)

    F_out = tk.Output("L/h", doc="culture leaving")
    X_out = tk.Output("Gcell/L", doc="viable cells in it")
    S_out = tk.Output("mmol/L", doc="glucose in it")
    cells = tk.Output("Gcell", doc="viable cells in the vessel")

    plotted = ("X", "S", "V", "cells")
    conserved: ClassVar[Mapping[str, Any]] = {
        "cells from glucose": lambda v, m: tk.Balance(
            (v.X + v.Y_XS * v.S) * v.V,
            inflow=v.F_in * (v.X_in + v.Y_XS * v.S_in) - v.F_out * (v.X + v.Y_XS * v.S),
        ),
        "liquid": lambda v, m: tk.Balance(v.V, inflow=v.F_in - v.F_out),
    }

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the balances of cells, glucose and volume."""
        pumping = m.where(m.logical_and(v.phase > 0.5, v.phase < 1.5), 1.0, 0.0)
        flow = drawn(m, pumping * v.charge / v.t_transfer, v.V, v.V_heel)
        # An integrator's error of -1e-12 must not grow as cells do.
        grown = v.mu_max * monod(m.maximum(v.S, 0.0), v.K_S) * m.maximum(v.X, 0.0)
        renewal = v.F_in / v.V
        return {
            "X": grown + renewal * (v.X_in - v.X),
            "S": -grown / v.Y_XS + renewal * (v.S_in - v.S),
            "V": v.F_in - flow,
            "F_out": flow,
            "X_out": v.X,
            "S_out": v.S,
            "cells": v.X * v.V,
        }

    def events(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the transfer and its end, or the end of the train."""
        over = v.X - v.X_transfer
        if self.last:
            return {"ready": tk.Event(over, tk.Crossing.RISING, stop=True)}
        left = m.where(v.phase > 0.5, v.V - 2.0 * v.V_heel, v.V)  # where the pump has lost half of its flow
        return {
            "transfer": tk.Event(
                m.where(v.phase < 0.5, over, -v.X_transfer), tk.Crossing.RISING, set={"phase": 1.0, "charge": v.V}
            ),
            "empty": tk.Event(left, tk.Crossing.FALLING, set={"phase": 2.0}),
        }
