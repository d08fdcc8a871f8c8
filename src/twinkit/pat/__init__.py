"""Process analytics: chemometric calibration, soft sensors, and whether the instrument can be believed."""

from twinkit.pat.calibration import Candidate, ConsensusCalibration
from twinkit.pat.component import SoftSensorComponent
from twinkit.pat.health import SpectrumHealth, Verdict
from twinkit.pat.soft_sensor import SoftSensor

__all__ = ["Candidate", "ConsensusCalibration", "SoftSensor", "SoftSensorComponent", "SpectrumHealth", "Verdict"]
