"""What estimation and control share of optimisation: models with sensitivities, structured solvers, typed endings."""

from twinkit.optimise.augmented import Augmented, augmented, dynamics_of
from twinkit.optimise.bounded import Active, active_at, bounded_stages
from twinkit.optimise.discretise import Dynamics, Lifted, Method, RungeKutta4
from twinkit.optimise.native import Chains, Path, Points
from twinkit.optimise.nonlinear import SOLVERS, StageProblem, solve_nonlinear
from twinkit.optimise.quadratic import StageProgram, StageSolution, solve_stages
from twinkit.optimise.radau import Radau
from twinkit.optimise.sqp import Contraction, Limits, Linearised, Problem, Solved, Step, sqp
from twinkit.optimise.status import Converged, Failed, MaxIterations, Status

__all__ = [
    "SOLVERS",
    "Active",
    "Augmented",
    "Chains",
    "Contraction",
    "Converged",
    "Dynamics",
    "Failed",
    "Lifted",
    "Limits",
    "Linearised",
    "MaxIterations",
    "Method",
    "Path",
    "Points",
    "Problem",
    "Radau",
    "RungeKutta4",
    "Solved",
    "StageProblem",
    "StageProgram",
    "StageSolution",
    "Status",
    "Step",
    "active_at",
    "augmented",
    "bounded_stages",
    "dynamics_of",
    "solve_nonlinear",
    "solve_stages",
    "sqp",
]
