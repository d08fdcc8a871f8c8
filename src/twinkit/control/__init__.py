"""Control: model predictive control whose plans are checked before they leave."""

from twinkit.control.plan import Binding, MoveSchedule, Plan, PredictedTrack
from twinkit.control.status import Failed, Fallback, Optimal, PlanStatus, PreviousPlan, SafeSetpoint, Suboptimal

__all__ = [
    "Binding",
    "Failed",
    "Fallback",
    "MoveSchedule",
    "Optimal",
    "Plan",
    "PlanStatus",
    "PredictedTrack",
    "PreviousPlan",
    "SafeSetpoint",
    "Suboptimal",
]
