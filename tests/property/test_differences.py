"""Second derivatives by differences, against those that CasADi finds."""

import casadi as ca
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from twinkit.control.differences import Differences
from twinkit.optimise import Points

NUMBERS = st.floats(-2.0, 2.0)


@given(
    points=st.lists(st.tuples(*[NUMBERS] * 5), min_size=1, max_size=4),
    scale=st.tuples(*[st.floats(0.1, 10.0)] * 3),
    begin=st.integers(0, 2),
    by_columns=st.booleans(),
    exact=st.booleans(),
)
def test_they_are_those_of_the_weighted_sum(points, scale, begin, by_columns, exact):
    head, x, shared = ca.SX.sym("head", begin), ca.SX.sym("x", 3), ca.SX.sym("shared", 1)
    weights = ca.SX.sym("weights", 2)
    y = ca.vertcat(ca.sin(x[0]) * x[1] + shared * x[2] ** 3, ca.exp(0.3 * x[2]) * x[0] * x[1])
    slopes = ca.jacobian(y, x)
    flat = ca.vec(slopes) if by_columns else ca.vec(slopes.T)
    first = Points(ca.Function("first", [ca.vertcat(head, x), shared], [ca.densify(ca.vertcat(y, flat))]))
    exactly = ca.Function("h", [x, weights, shared], [ca.densify(ca.hessian(ca.dot(weights, y), x)[0])])
    differences = Differences(first, begin + 3, begin, np.array(scale), 2, 2, by_columns, exact)
    items = np.array([[*[0.5] * begin, *point[:3], *[9.0] * begin, *point[3:]] for point in points])
    found = differences(items, np.array([0.7])).reshape(-1, 3, 3)
    assert np.array_equal(found, found.transpose(0, 2, 1))
    largest = max(scale) + 2.0
    for matrix, point in zip(found, points, strict=True):
        wanted = np.array(exactly(point[:3], point[3:], 0.7))
        # Central differences: the step squared, times third derivatives of their first derivatives.
        size = (1e-5 if exact else 1e-3) * largest
        np.testing.assert_allclose(matrix, wanted, rtol=0.0, atol=10.0 * size**2 + 1e-9)
