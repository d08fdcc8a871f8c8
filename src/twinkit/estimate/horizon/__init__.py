"""Moving-horizon estimation."""

from twinkit.estimate.horizon.estimator import MovingHorizonEstimator
from twinkit.estimate.horizon.result import HorizonEstimate, Propagated

__all__ = ["HorizonEstimate", "MovingHorizonEstimator", "Propagated"]
