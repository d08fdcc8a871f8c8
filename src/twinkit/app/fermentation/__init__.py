"""The main job: a twin that replays a real fermentation from its spectra (``twinkit demo``)."""

from twinkit.app.fermentation.data import FermentationData, Samples, load
from twinkit.app.fermentation.monitored import MonitoredFermentation
from twinkit.app.fermentation.result import FermentationResult, ForecastAt, LateSamples, Track
from twinkit.app.fermentation.run import run
from twinkit.app.fermentation.settings import Settings

__all__ = [
    "FermentationData", "FermentationResult", "ForecastAt", "LateSamples", "MonitoredFermentation", "Samples",
    "Settings", "Track", "load", "run",
]  # fmt: skip
