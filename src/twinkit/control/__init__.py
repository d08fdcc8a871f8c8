"""Control: model predictive control whose plans are checked before they leave."""

from twinkit.control.component import ControllerComponent
from twinkit.control.constraints import Within
from twinkit.control.moves import Move
from twinkit.control.mpc import MPC
from twinkit.control.objective import Objective, Track, final, integral, summed
from twinkit.control.plan import Binding, MoveSchedule, Plan, PredictedTrack
from twinkit.control.status import Failed, Fallback, Optimal, PlanStatus, PreviousPlan, SafeSetpoint, Suboptimal
from twinkit.control.terminal import TerminalRegion

__all__ = [
    "MPC",
    "Binding",
    "ControllerComponent",
    "Failed",
    "Fallback",
    "Move",
    "MoveSchedule",
    "Objective",
    "Optimal",
    "Plan",
    "PlanStatus",
    "PredictedTrack",
    "PreviousPlan",
    "SafeSetpoint",
    "Suboptimal",
    "TerminalRegion",
    "Track",
    "Within",
    "final",
    "integral",
    "summed",
]
