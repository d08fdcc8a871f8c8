"""Moving-horizon estimation."""

from twinkit.estimate.horizon.estimator import MovingHorizonEstimator
from twinkit.estimate.horizon.losses import Huber, Loss, Squared
from twinkit.estimate.horizon.result import HorizonEstimate, Propagated

__all__ = ["HorizonEstimate", "Huber", "Loss", "MovingHorizonEstimator", "Propagated", "Squared"]
