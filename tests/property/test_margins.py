"""Margins for uncertain parameters, for any covariance."""

import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings
from tests.uncertain_examples import COVARIANCE, Tank, held, parameters, slopes

from twinkit.core import ParameterSet

SIZES = st.floats(1e-6, 1e-2)
CORRELATIONS = st.floats(-0.999, 0.999)


def covariance(gain, cooling, correlation):
    stds = np.array([gain, cooling])
    return np.outer(stds, stds) * np.array([[1.0, correlation], [correlation, 1.0]])


@settings(max_examples=25, deadline=None)
@given(gain=SIZES, cooling=SIZES, correlation=CORRELATIONS)
def test_fans_are_the_closed_form(gain, cooling, correlation):
    given_ = covariance(gain, cooling, correlation)
    track = held(uncertainty=parameters(given_)).plan({"T": 20.0}, t=0.0).predicted["T"]
    slope = slopes(track.times)
    np.testing.assert_allclose(track.std**2, np.einsum("it,ij,jt->t", slope, given_, slope), rtol=1e-3, atol=1e-12)


@settings(max_examples=15, deadline=None)
@given(factor=st.floats(0.01, 3.0))
def test_fans_are_as_wide_as_what_is_not_known(factor):
    one, many = (
        held(uncertainty=parameters(scale * COVARIANCE)).plan({"T": 20.0}, t=0.0).predicted["T"].std
        for scale in (1.0, factor**2)
    )
    np.testing.assert_allclose(many, factor * one, rtol=1e-9)


@settings(max_examples=50, deadline=None)
@given(gain=SIZES, cooling=SIZES, correlation=CORRELATIONS, order=st.booleans())
def test_directions_make_up_the_covariance(gain, cooling, correlation, order):
    whole = parameters(covariance(gain, cooling, correlation))
    given_ = whole.only(["cooling", "gain"] if order else ["gain", "cooling"])
    positions, factor = given_.directions(Tank())
    assert [Tank().layout.parameters.labels[k] for k in positions] == list(given_.names)
    np.testing.assert_allclose(factor @ factor.T, given_.covariance, rtol=1e-9, atol=1e-14)
    assert isinstance(given_, ParameterSet)
