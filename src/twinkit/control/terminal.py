"""Terminal cost and region, from the linearisation at a steady state (Chen and Allgöwer 1998).

References
----------
H. Chen, F. Allgöwer (1998), A quasi-infinite horizon nonlinear model predictive control scheme with guaranteed
stability, Automatica 34:1205-1217, doi:10.1016/S0005-1098(98)00073-9
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from twinkit.control.problem import Terminal
from twinkit.core import InvalidValueError, Model
from twinkit.core.component import Array


@dataclass(frozen=True, eq=False)
class TerminalRegion:
    """A cost ``(x - centre)' weight (x - centre)`` at the end, and the region where it may be at most `level`.

    Attributes
    ----------
    centre
        State -> steady state, in the model's units.
    weight
        ``(n, n)``, in the order of the model's states.
    gain
        Of the controller ``u = u_s + gain (x - centre)`` it belongs to, ``(m, n)``.
    level
        Infinite: a cost, no region.
    """

    centre: Mapping[str, Any]
    weight: Array
    gain: Array
    level: float = math.inf

    def numbers(self, model: Model, integral: bool, size: float) -> Terminal:
        """Return it for an optimiser whose costs are divided by `size`."""
        n = model.layout.states.size
        if self.weight.shape != (n, n):
            raise InvalidValueError(f"the terminal weight must be ({n}, {n}), not {self.weight.shape}")
        full, centre = np.zeros((n + integral, n + integral)), np.zeros(n + integral)
        full[:n, :n] = self.weight / size
        centre[:n] = model.layout.states.pack(self.centre)
        return Terminal(full, centre, self.level / size)
