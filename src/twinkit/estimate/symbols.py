"""The model on the vector that is estimated: where every compiled function of a filter starts from."""

from __future__ import annotations

from typing import Any

import casadi as ca

from twinkit.core import Model
from twinkit.estimate.uncertain import Plan
from twinkit.optimise import Augmented, augmented


def symbols_of(model: Model, plan: Plan) -> Augmented:
    """Return the symbols for a model and what is estimated of it."""
    return augmented(model, plan.chosen, plan.disturbances)


def symmetric(matrix: Any) -> Any:
    """Return a matrix that is symmetric but for rounding, exactly so; only its lower half is computed."""
    return ca.densify(ca.tril2symm(ca.tril(ca.densify(matrix))))
