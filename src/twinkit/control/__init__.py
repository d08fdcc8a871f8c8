"""Control: model predictive control whose plans are checked before they leave."""

from twinkit.control.advisor import AdvisorComponent, Always, Decision, Offer, Policy
from twinkit.control.campaign import BatchResult, CampaignTrend, GainPrior, Spread, campaign_trend, fit_spread
from twinkit.control.component import ControllerComponent
from twinkit.control.constraints import Within
from twinkit.control.explain import recommend
from twinkit.control.forecast import EnsembleForecast, Forecast, Paths
from twinkit.control.gate import Gate, PlantCondition
from twinkit.control.happenings import Answer, Applied, ControlMode, Done, Logged, Refused, Rejected, Waiting
from twinkit.control.modes import SessionState
from twinkit.control.moves import Move
from twinkit.control.mpc import MPC
from twinkit.control.objective import Objective, Track, duration, final, integral, summed
from twinkit.control.plan import Binding, MoveSchedule, Plan, PredictedTrack
from twinkit.control.recommendation import Effect, Recommendation
from twinkit.control.scenarios import Scenario
from twinkit.control.session import Actuator, ControlSession
from twinkit.control.status import Failed, Fallback, Optimal, PlanStatus, PreviousPlan, SafeSetpoint, Suboptimal
from twinkit.control.supervisor import CampaignSupervisor, Keep, Target
from twinkit.control.terminal import TerminalRegion, terminal_region
from twinkit.optimise import Method, Radau, RungeKutta4

__all__ = [
    "MPC",
    "Actuator",
    "AdvisorComponent",
    "Always",
    "Answer",
    "Applied",
    "BatchResult",
    "Binding",
    "CampaignSupervisor",
    "CampaignTrend",
    "ControlMode",
    "ControlSession",
    "ControllerComponent",
    "Decision",
    "Done",
    "Effect",
    "EnsembleForecast",
    "Failed",
    "Fallback",
    "Forecast",
    "GainPrior",
    "Gate",
    "Keep",
    "Logged",
    "Method",
    "Move",
    "MoveSchedule",
    "Objective",
    "Offer",
    "Optimal",
    "Paths",
    "Plan",
    "PlanStatus",
    "PlantCondition",
    "Policy",
    "PredictedTrack",
    "PreviousPlan",
    "Radau",
    "Recommendation",
    "Refused",
    "Rejected",
    "RungeKutta4",
    "SafeSetpoint",
    "Scenario",
    "SessionState",
    "Spread",
    "Suboptimal",
    "Target",
    "TerminalRegion",
    "Track",
    "Waiting",
    "Within",
    "campaign_trend",
    "duration",
    "final",
    "fit_spread",
    "integral",
    "recommend",
    "summed",
    "terminal_region",
]
