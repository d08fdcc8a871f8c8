"""The fermentation together with what is not known about it: the estimation model of the demo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import twinkit.core as tk
from twinkit.unitops import LignocellulosicEthanol

_LITERATURE = "0: the literature's rates"
_UNBIASED = "0: unbiased on average"
_BATCH = "assumed: the length of a batch"
_HOURS = "assumed: an hour"


class MonitoredFermentation(tk.Model):
    """A fermentation watched by a soft sensor with a systematic error (sensor model around a process model).

    The sensor reads the process's glucose plus two errors that averaging over spectra cannot remove. `offset` is what
    calibrations that are equal in cross-validation disagree about: it changes only as the medium turns from sugar into
    ethanol, so its correlation time is that of the batch. `drift` is the error a calibration has from one sample to the
    next, which cross-validation sees: it changes with the matter in front of the crystal. `log_activity` is what the
    literature's rates miss for this yeast and this hydrolysate.
    """

    time_unit = "h"

    process = LignocellulosicEthanol()

    log_activity = tk.State("", 0.0, bounds=(-5, 5), nominal=1.0, doc="log of the activity factor", source=_LITERATURE)
    offset = tk.State("g/L", 0.0, nominal=1.0, doc="error of the calibration in this medium", source=_UNBIASED)
    drift = tk.State("g/L", 0.0, nominal=1.0, doc="error that wanders", source=_UNBIASED)
    offset_time = tk.Parameter("h", 30.0, bounds=(0.1, 1e4), doc="correlation time of the offset", source=_BATCH)
    drift_time = tk.Parameter("h", 1.0, bounds=(0.1, 1e4), doc="correlation time of the drift", source=_HOURS)
    reading = tk.Output("g/L", doc="what the sensor reads")

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the process driven by its activity, and the sensor's error."""
        process = v.process(activity=m.exp(v.log_activity))
        return {
            "log_activity": 0.0,
            "offset": -v.offset / v.offset_time,
            "drift": -v.drift / v.drift_time,
            "reading": process.glucose_total + v.offset + v.drift,
        }
