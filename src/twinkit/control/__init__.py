"""Control: model predictive control whose plans are checked before they leave."""

from twinkit.control.advisor import AdvisorComponent, Always, Decision, Offer, Policy
from twinkit.control.campaign import BatchResult, CampaignTrend, GainPrior, Spread, campaign_trend, fit_spread
from twinkit.control.explain import EnsembleForecast, Forecast, Paths, recommend
from twinkit.control.gate import Gate, PlantCondition
from twinkit.control.modes import Answer, Applied, ControlMode, Done, Logged, Refused, Rejected, SessionState, Waiting
from twinkit.control.plan import Binding, MoveSchedule, Plan, PredictedTrack
from twinkit.control.recommendation import Effect, Recommendation
from twinkit.control.session import Actuator, ControlSession
from twinkit.control.status import Failed, Fallback, Optimal, PlanStatus, PreviousPlan, SafeSetpoint, Suboptimal
from twinkit.control.supervisor import CampaignSupervisor, Keep, Target

__all__ = [
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
    "MoveSchedule",
    "Offer",
    "Optimal",
    "Paths",
    "Plan",
    "PlanStatus",
    "PlantCondition",
    "Policy",
    "PredictedTrack",
    "PreviousPlan",
    "Recommendation",
    "Refused",
    "Rejected",
    "SafeSetpoint",
    "SessionState",
    "Spread",
    "Suboptimal",
    "Target",
    "Waiting",
    "campaign_trend",
    "fit_spread",
    "recommend",
]
