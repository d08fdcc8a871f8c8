"""Feeding on demand: a pulse whenever dissolved oxygen says that the substrate is gone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import twinkit.core as tk

_SETTING = "setting of the run"


class DOStatFeed(tk.Model):
    """Pump of a DO-stat: a pulse of feed whenever the oxygen tension rises above a threshold.

    Cells that run out of substrate stop breathing, and dissolved oxygen rises: the pump then gives `pulse` at the flow
    `rate`, rests for `pause`, and gives the next one as soon as the tension is above the threshold, or still is. A run
    that starts above it waits until the tension has fallen and risen (a young culture takes up little); with
    ``rested=0`` it does not. Join it to a fed vessel in a graph: its `F` to the vessel's `F`, the vessel's tension to
    its `DOT`.

    References
    ----------
    Lee (1996), Trends in Biotechnology 14:98, doi:10.1016/0167-7799(96)80930-9 (DO-stat among the feeding strategies)

    Examples
    --------
    >>> import twinkit as tk
    >>> hungry = tk.simulate(DOStatFeed(pause="1 h", rested=0.0), until="3.5 h", inputs={"DOT": 95.0})
    >>> [round(one.time, 6) for one in hungry.occurrences if one.name == "pulse begins"]
    [1.0, 2.05, 3.1]
    >>> round(float(hungry["fed"][-1]), 6)
    0.015
    """

    time_unit = "h"

    fed = tk.State("L", 0.0, bounds=(0, None), nominal=0.1, doc="volume fed since the start")
    rested = tk.State("h", 1e3, bounds=(0, None), nominal=1.0, doc="time since the last pulse ended")
    pumping = tk.Mode("", 0.0, bounds=(0, 1), doc="1: a pulse is being given")
    begun = tk.Mode("L", 0.0, bounds=(0, None), nominal=0.1, doc="volume fed when the pulse began")

    DOT = tk.Input("percent", 0.0, bounds=(0, None), nominal=10.0, doc="dissolved oxygen tension")

    threshold = tk.Parameter("percent", 60.0, bounds=(0, 1000), doc="tension that asks for feed", source=_SETTING)
    pulse = tk.Parameter("L", 0.005, bounds=(1e-9, 1e3), doc="volume of a pulse", source=_SETTING)
    rate = tk.Parameter("L/h", 0.1, bounds=(1e-9, 1e4), doc="flow while it is given", source=_SETTING)
    pause = tk.Parameter("h", 0.1, bounds=(1e-6, 1e3), doc="shortest time between two pulses", source=_SETTING)

    F = tk.Output("L/h", doc="feed rate")

    plotted = ("DOT", "F", "fed")
    conserved: ClassVar[Mapping[str, Any]] = {"feed": lambda v, m: tk.Balance(v.fed, inflow=v.F)}

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the volume fed and the time of rest."""
        flow = v.rate * v.pumping
        return {"fed": flow, "rested": 1.0, "F": flow}

    def events(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the beginning and the end of a pulse."""
        waiting = v.pumping < 0.5
        # Both must hold: the tension above the threshold, and the pause over.
        asked = m.minimum(v.DOT / v.threshold - 1.0, v.rested / v.pause - 1.0)
        given = (v.fed - v.begun) / v.pulse - 1.0
        return {
            "pulse begins": tk.Event(
                m.where(waiting, asked, -1.0), tk.Crossing.RISING, set={"pumping": 1.0, "begun": v.fed}
            ),
            "pulse ends": tk.Event(
                m.where(waiting, -1.0, given), tk.Crossing.RISING, set={"pumping": 0.0, "rested": 0.0 * v.rested}
            ),
        }
