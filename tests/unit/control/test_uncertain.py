"""Parameters that are not known exactly widen fans and margins of a plan, as far as their posterior says."""

import math

import numpy as np
import pytest
from tests.hybrid_examples import Growth, batches
from tests.uncertain_examples import COVARIANCE, Tank, held, parameters, slopes

import twinkit as tk
from twinkit.control import EnsembleForecast, Optimal, recommend
from twinkit.control.functions import METHODS
from twinkit.control.known import known
from twinkit.control.prediction import links, predictor, simulated
from twinkit.control.uncertain import Uncertain
from twinkit.core import ParameterSet, ParameterUncertainty
from twinkit.estimate import Adaptation, ExtendedKalmanFilter, Noise

QUANTILE = {0.9: 1.2815515655446004, 0.95: 1.6448536269514722}


class StiffTank(tk.Model):
    """The same, with an algebraic variable and a fast probe."""

    time_unit = "min"
    T = tk.State("degC", initial=20.0, nominal=10.0)
    probe = tk.State("degC", initial=20.0, nominal=10.0)
    loss = tk.Algebraic("delta_degC/min", 1.0)
    Q = tk.Input("kW", default=2.0, bounds=(0, 10))
    gain = tk.Parameter("delta_degC/min/kW", 0.5, bounds=(0.1, 1.0))
    cooling = tk.Parameter("1/min", 0.05, bounds=(0.01, 0.5))

    def equations(self, v, m):
        return {
            "T": v.gain * v.Q - v.loss,
            "probe": m.quantity(500.0, "1/min") * (v.T - v.probe),
            "loss": v.loss - v.cooling * (v.T - m.quantity(20.0, "degC")),
        }


def deviation(t, covariance=COVARIANCE):
    return np.sqrt(np.einsum("it,ij,jt->t", slopes(t), covariance, slopes(t)))


def estimate(model=None, std=0.3, adapt=None, start=0.0):
    return ExtendedKalmanFilter(
        model or Tank(), [tk.Sensor("T", std=0.1)], {"T": std} if std else {"T": 1e-12}, initial={"T": 20.0},
        adapt=adapt or {},
    ).start(start)  # fmt: skip


def test_the_fan_is_the_closed_form():
    track = held().plan({"T": 20.0}, t=0.0).predicted["T"]
    np.testing.assert_allclose(track.std, deviation(track.times), rtol=2e-5)
    # Correlation counts: opposite errors of gain and cooling would do less harm than independent ones of that size.
    lone = held(uncertainty=parameters(np.diag(np.diag(COVARIANCE)))).plan({"T": 20.0}, t=0.0).predicted["T"]
    np.testing.assert_allclose(lone.std, deviation(track.times, np.diag(np.diag(COVARIANCE))), rtol=2e-5)
    assert track.std[-1] > 1.05 * lone.std[-1]


@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_the_margin_is_the_closed_form(confidence):
    mpc = held(
        moves={"Q": tk.Move(penalty=1e-4)}, track={"T": 60.0}, within={"T": (None, 45.0)}, confidence=confidence,
        uncertainty=parameters(np.diag([4e-4, 0.0])),
    )  # fmt: skip
    plan = mpc.plan({"T": 45.0 - 1e-9}, t=0.0)
    track, q = plan.predicted["T"], np.append(plan.moves["Q"].values, 0.0)
    assert plan.status.fresh
    slope, decay = 0.0, math.exp(-0.05 * 2.0)
    for k in range(1, len(track.times)):
        slope = slope * decay + q[k - 1] * (1.0 - decay) / 0.05
        assert track.std[k] == pytest.approx(0.02 * slope, rel=1e-4)
    # The limit is met at the nodes, but for what two rounds of margins may differ (2 % of a scale).
    top = track.mean + QUANTILE[confidence] * track.std
    np.testing.assert_allclose(top[1:], 45.0, atol=0.2)
    (binding,) = (one for one in plan.binding if one.name == "T")
    assert binding.backoff == pytest.approx(QUANTILE[confidence] * track.std[1], rel=1e-9)
    assert binding.sources == (("what was fitted", 1.0),)
    assert "for uncertainty: 100% what was fitted" in plan.rationale


def test_sources_add_up_as_independent_ones():
    both, fitted, estimated = (
        held(uncertainty=given).plan(start, t=0.0).predicted["T"].std
        for given, start in ((parameters(), estimate()), (parameters(), {"T": 20.0}), (None, estimate()))
    )
    np.testing.assert_allclose(both, np.hypot(fitted, estimated), rtol=1e-12)
    plan = held(within={"T": (None, 30.0)}, moves={"Q": tk.Move(penalty=1e-4)}, confidence=0.9).plan(estimate())
    (binding,) = (one for one in plan.binding if one.name == "T")
    shares = dict(binding.sources)
    assert set(shares) == {"the estimate", "what was fitted"}
    assert sum(shares.values()) == pytest.approx(1.0)
    assert "% the estimate, " in binding.text


def test_what_the_estimate_adapts_is_not_counted_twice():
    adapted = estimate(adapt={"gain": Adaptation(std=0.03)})
    own, without = (held(uncertainty=given).plan(adapted).predicted["T"].std for given in (None, parameters()))
    only = held(uncertainty=parameters().only(["cooling"])).plan(adapted).predicted["T"].std
    np.testing.assert_array_equal(without, only)
    assert (without[1:] > own[1:]).all()
    alone = held(uncertainty=parameters().only(["gain"])).plan(adapted).predicted["T"].std
    np.testing.assert_array_equal(alone, own)


def test_what_a_scenario_sets_is_not_uncertain():
    scenarios = {"as it is": {}, "strong": {"gain": 0.6}}
    plan = held(scenarios=scenarios).plan({"T": 20.0}, t=0.0)
    only = held(scenarios=scenarios, uncertainty=parameters().only(["cooling"])).plan({"T": 20.0}, t=0.0)
    for name in scenarios:
        np.testing.assert_allclose(plan.scenarios[name]["T"].std, only.scenarios[name]["T"].std, rtol=1e-12)
    assert plan.scenarios["strong"]["T"].std[-1] > 0.0


def test_nothing_uncertain_changes_nothing():
    settings = {"confidence": 0.95, "within": {"T": (None, 38.0)}, "moves": {"Q": tk.Move(penalty=1e-4)}}
    plans = [held(uncertainty=given, **settings).plan(estimate()) for given in (None, parameters(np.zeros((2, 2))))]
    for name in ("T", "heating"):
        np.testing.assert_array_equal(plans[0].predicted[name].std, plans[1].predicted[name].std)
        np.testing.assert_array_equal(plans[0].predicted[name].mean, plans[1].predicted[name].mean)
    np.testing.assert_array_equal(plans[0].moves["Q"].values, plans[1].moves["Q"].values)


def test_without_confidence_only_the_fans_show_it():
    settings = {"within": {"T": (None, 38.0)}, "moves": {"Q": tk.Move(penalty=1e-4)}}
    plans = [held(uncertainty=given, **settings).plan({"T": 20.0}, t=0.0) for given in (None, parameters())]
    np.testing.assert_array_equal(plans[0].moves["Q"].values, plans[1].moves["Q"].values)
    assert plans[0].predicted["T"].std.max() == 0.0
    assert plans[1].predicted["T"].std.max() > 0.5
    assert [one.sources for one in plans[1].binding] == [() for _ in plans[1].binding]


def test_outputs_see_parameters_at_once():
    tracks = held().plan({"T": 20.0}, t=0.0).predicted
    np.testing.assert_allclose(tracks["heating"].std, 0.02 * 2.0, rtol=1e-9)
    space = tk.DesignSpace(
        {"T": "degC", "heating": "delta_degC/min"},
        [tk.Combination(title="sum", weights={"T": 1.0, "heating": 10.0}, unit="degC", high=90.0)], time_unit="min",
    )  # fmt: skip
    sums = held(within=space, confidence=0.9).plan({"T": 20.0}, t=0.0).predicted
    slope = slopes(sums["sum"].times) + np.array([[20.0], [0.0]])
    np.testing.assert_allclose(sums["sum"].std, np.sqrt(np.einsum("it,ij,jt->t", slope, COVARIANCE, slope)), rtol=2e-5)


def test_an_algebraic_variable_and_an_implicit_method_give_the_same():
    plan = held(StiffTank()).plan({"T": 20.0, "probe": 20.0}, t=0.0)
    tracks = plan.predicted
    np.testing.assert_allclose(tracks["T"].std, deviation(tracks["T"].times), rtol=1e-4)
    np.testing.assert_allclose(tracks["probe"].std[1:], tracks["T"].std[1:], rtol=5e-2)
    # loss = cooling (T - 20): its own derivative in cooling counts too
    over = 0.5 * 2.0 * (1.0 - np.exp(-0.05 * tracks["T"].times)) / 0.05
    slope = 0.05 * slopes(tracks["T"].times) + np.stack([0.0 * over, over])
    np.testing.assert_allclose(
        tracks["loss"].std, np.sqrt(np.einsum("it,ij,jt->t", slope, COVARIANCE, slope)), rtol=1e-4, atol=1e-9
    )


@pytest.mark.parametrize("method", range(len(METHODS)))
def test_a_sub_step_has_the_derivatives_of_both_methods(method):
    model = StiffTank()
    start, items = known(model, {"T": 30.0, "probe": 30.0}, 0.0), np.zeros((3, 6))
    items[:, 0], items[:, 1], items[:, 2] = 1e-3 * np.arange(3), 1e-3, 2.0
    shared = model.layout.parameters.pack(model.values())
    looking = Uncertain(model, (0, 1), np.eye(2)).looking(start, False)
    p = predictor(model, (), (), False)

    def end(values):
        return simulated(p, method, start.vector, np.array([0.5]), items, values)

    run = end(shared)
    maps, pushes = looking.links(method, run, items, shared)
    np.testing.assert_allclose(maps, links(p, method, run, items, shared), rtol=1e-12, atol=1e-14)
    moved = looking.carried(maps, pushes)
    for k in range(2):
        step = 1e-4 * shared[k] * (np.arange(2) == k)
        slope = (end(shared + step).path - end(shared - step).path) / (2.0 * step[k])
        np.testing.assert_allclose(moved[:, :, k], slope, rtol=1e-5, atol=1e-9)


def test_an_earlier_estimate_is_carried_forward_with_it():
    plan = held().plan(estimate(std=0.0), t=6.0)
    track = plan.predicted["T"]
    np.testing.assert_allclose(track.std, deviation(track.times), rtol=2e-5)
    assert track.std[0] > 0.1


def test_margins_stop_growing_where_it_is_said():
    grown = held(margin_growth="6 min").plan({"T": 20.0}, t=0.0).predicted["T"].std
    np.testing.assert_allclose(grown[:4], deviation(np.array([0.0, 2.0, 4.0, 6.0])), rtol=2e-5)
    np.testing.assert_allclose(grown[4:], grown[3], rtol=1e-12)


def test_a_free_end():
    model = Tank()
    mpc = tk.MPC(
        model, until=("10 min", "40 min"), step="4 min", maximize=tk.final("T") - 0.6 * tk.integral("Q"),
        moves={"Q": tk.Move(bounds=(2.0, 2.0))}, uncertainty=parameters(), native=False,
    )  # fmt: skip
    track = mpc.plan({"T": 20.0}, t=0.0).predicted["T"]
    np.testing.assert_allclose(track.std, deviation(track.times), rtol=1e-4)


def test_logarithms_and_units_of_a_parameter_set():
    scaled = ParameterSet(
        ("gain", "cooling"), (30.0, 3.0), ("delta_degC/h/kW", "1/h"), 3600.0 * COVARIANCE, (True, False), "in hours"
    )
    found, same = (held(uncertainty=given).plan({"T": 20.0}, t=0.0) for given in (scaled, parameters()))
    np.testing.assert_allclose(found.predicted["T"].std, same.predicted["T"].std, rtol=1e-9)


def test_a_calibration_makes_the_margin():
    truth, rng = Tank(gain=0.55, cooling=0.06), np.random.default_rng(1)
    run = tk.simulate(truth, 30.0, outputs=np.arange(3.0, 31.0, 3.0))
    rows = [
        tk.Measurement("T", float(v) + 0.3 * rng.standard_normal(), "degC", float(t), std=0.3)
        for t, v in zip(run.time, run["T"].values, strict=True)
    ]
    batch = tk.Batch("B1", rows, initial={"T": 20.0}, until=30.0)
    found = tk.calibrate(Tank(), [batch], free=["gain", "cooling"], noise={"T": Noise(std=0.3)}, progress=False)
    plan = held(found.model, uncertainty=found.parameters).plan({"T": 20.0}, t=0.0)
    track, fit = plan.predicted["T"], found.parameters
    slope = slopes(track.times, gain=fit["gain"], k=fit["cooling"])
    np.testing.assert_allclose(
        track.std**2, np.einsum("it,ij,jt->t", slope, fit.covariance, slope), rtol=1e-3, atol=1e-9
    )
    assert 0.05 < track.std[-1] < 1.0


def test_what_is_uncertain_is_part_of_the_hash():
    hashes = {held(uncertainty=given).content_hash for given in (None, parameters(), parameters(2.0 * COVARIANCE))}
    assert len(hashes) == 3


def test_errors():
    with pytest.raises(tk.InvalidValueError, match="uncertainty takes a ParameterSet"):
        held(uncertainty={"gain": 0.1})
    with pytest.raises(tk.InvalidValueError, match=r"'gain' is 0\.8 in the model, but what is uncertain is 0\.5"):
        held(Tank(gain=0.8))
    with pytest.raises(tk.InvalidValueError, match="do not determine cooling, so no margin covers them"):
        held(uncertainty=parameters(np.diag([1e-4, np.inf])))
    with pytest.raises(tk.UnknownNameError, match="'gain'"):
        held(uncertainty=ParameterSet(("gian",), (0.5,), ("delta_degC/min/kW",), np.eye(1)))
    with pytest.raises(tk.UnitError):
        held(uncertainty=ParameterSet(("gain",), (0.5,), ("kg",), np.eye(1)))
    unknown = parameters(np.array([[1e-4, np.nan], [np.nan, 1e-4]]))
    with pytest.raises(tk.InvalidValueError, match="covariance of the parameters is not finite"):
        held(uncertainty=unknown)


# ------------------------------------------------------------------------------------------------ a hybrid model


@pytest.fixture(scope="module")
def fitted():
    hybrid = tk.hybrid.Residual(
        Growth(), on={"mu": ["X", "S"]}, gates={"mu": {"S": 0.1}}, terms=tk.hybrid.InducingGP(points=12)
    )
    return tk.hybrid.HybridModel(hybrid, parameters={"mu_max": 0.5}, rounds=3, progress=False).fit(batches(4))


START = {"X": 0.5, "S": 10.0, "V": 1.0}


def feeding(model, **more):
    settings = {
        "horizon": 8.0, "step": 1.0, "maximize": tk.final("S"), "within": {"S": (None, 14.0)}, "native": False,
        "moves": {"F": tk.Move(bounds=(0, 0.05), penalty=0.01)},
    }  # fmt: skip
    return tk.MPC(model, **(settings | more))


def test_a_fitted_model_brings_its_posterior(fitted):
    assert isinstance(fitted.posterior_, ParameterUncertainty)
    mpc = feeding(fitted, confidence=0.95)
    assert mpc.uncertainty is fitted.posterior_
    plan = mpc.plan(START, t=0.0)
    bold = feeding(fitted.model_, applicability=fitted.applicability_, confidence=0.95).plan(START, t=0.0)
    track = plan.predicted["S"]
    assert plan.in_domain
    assert track.std[-1] > 0.05
    assert bold.predicted["S"].std.max() == 0.0
    assert bold.predicted["S"].mean[-1] == pytest.approx(14.0, abs=1e-2)
    assert track.mean[-1] + QUANTILE[0.95] * track.std[-1] == pytest.approx(14.0, abs=0.1)
    assert mpc.content_hash != feeding(fitted.model_, applicability=fitted.applicability_).content_hash


def test_draws_of_the_posterior_are_covered_by_the_fans(fitted):
    plan = feeding(fitted).plan(START, t=0.0)
    inputs = {"F": tk.steps(dict(zip(*plan.inputs["F"], strict=True)))}
    times, count = plan.predicted["S"].times, 400
    run = tk.ensemble(
        fitted.model_, fitted.posterior_.draw(fitted.model_, count=count, seed=3), 8.0, inputs=inputs, initial=START,
        outputs=times, rtol=1e-6, progress=False,
    )  # fmt: skip
    for name in ("X", "S", "cells"):
        low, high = plan.predicted[name].interval(0.9)
        values = run.values(name)[:, 1:]
        inside = ((values > low[1:]) & (values < high[1:])).mean(axis=0)
        # Three standard errors of a share of 400, and what the linearisation leaves out.
        np.testing.assert_allclose(inside, 0.9, atol=3.0 * math.sqrt(0.09 / count) + 0.01)


def test_a_posterior_of_no_width_changes_nothing(fitted):
    from dataclasses import replace

    sharp = replace(fitted.posterior_, factor=np.zeros_like(fitted.posterior_.factor))
    plans = [
        feeding(fitted.model_, applicability=fitted.applicability_, uncertainty=given, confidence=0.95).plan(START, t=0)
        for given in (None, sharp)
    ]
    np.testing.assert_array_equal(plans[0].moves["F"].values, plans[1].moves["F"].values)
    np.testing.assert_array_equal(plans[0].predicted["S"].std, plans[1].predicted["S"].std)


def test_another_model_is_refused(fitted):
    with pytest.raises(tk.InvalidValueError, match=r"'mu_max' is 0\.1 in the model"):
        feeding(fitted.model_.with_({"mu_max": 0.1}), uncertainty=fitted.posterior_)


def growing(fitted, std, start=START, adapt=None):
    return ExtendedKalmanFilter(
        fitted.model_, [tk.Sensor("X", std=0.1)], dict(zip(("X", "S", "V"), std, strict=True)), initial=start,
        adapt=adapt or {},
    ).start()  # fmt: skip


def forecast(model, known, **more):
    return EnsembleForecast(model, known, ["X", "S"], until=8.0, every="1 h", size=64, **more)


def test_intervals_of_a_recommendation_are_those_of_the_plan(fitted):
    sure = growing(fitted, (1e-9, 1e-9, 1e-9))
    plan = feeding(fitted).plan(sure)
    advice = recommend(plan, forecast(fitted, sure), present={"F": 0.0})
    for name in ("X", "S"):
        np.testing.assert_allclose(advice.predicted[name].std[1:], plan.predicted[name].std[1:], rtol=0.25)
        assert advice.unchanged[name].std[-1] > 0.5 * plan.predicted[name].std[-1]
    blind = recommend(plan, forecast(fitted.model_, sure), present={"F": 0.0})
    assert blind.predicted["S"].std[-1] < 1e-4
    assert blind.unchanged["S"].std[-1] < 1e-4
    # The same draws with and without the moves: what they do to the outcome is surer than the outcome.
    (effect,) = (one for one in advice.effects if one.outcome == "S")
    assert 0.0 < effect.std < 0.2 * advice.predicted["S"].std[-1]


def test_draws_of_estimate_and_posterior_are_independent(fitted):
    known = growing(fitted, (0.05, 0.1, 1e-3))
    drawn = EnsembleForecast(fitted, known, ["S"], until=8.0, every=1.0, size=500)._draws
    weights = drawn["mu_term.weights"]
    every = np.column_stack([drawn["X"], drawn["S"], drawn["mu_max"], weights])
    assert np.abs(np.corrcoef(every.T)[:2, 2:]).max() < 0.17  # 3.8 standard errors
    adapted = growing(fitted, (0.05, 0.1, 1e-3), adapt={"mu_max": Adaptation(std=1e-6)})
    assert forecast(fitted, adapted)._draws["mu_max"].std() < 1e-5


def test_forecasts_beyond_the_domain_are_wider(fitted):
    far = START | {"S": 40.0}
    known = growing(fitted, (1e-9, 1e-9, 1e-9), far)
    plan = feeding(fitted, within={"S": (None, 60.0)}).plan(known)
    assert not plan.in_domain
    wide, narrow = (
        recommend(plan, forecast(fitted.model_, known, uncertainty=fitted.posterior_, applicability=where),
                  present={"F": 0.01})
        for where in (fitted.applicability_, {})
    )  # fmt: skip
    for tracks in ("predicted", "unchanged"):
        assert getattr(wide, tracks)["X"].std[-1] > 1.5 * getattr(narrow, tracks)["X"].std[-1]
    # The doubts of the plan are linear; the forecast simulates them, and is skewed where they are large.
    early = slice(1, 3)
    np.testing.assert_allclose(wide.predicted["X"].std[early], plan.predicted["X"].std[early], rtol=0.4)


class Filled(tk.Model):
    """What is moved in is only known to a factor: the margin of a limit grows with the moves it allows."""

    time_unit = "h"
    x = tk.State("g", initial=0.0, nominal=1.0)
    u = tk.Input("g/h", default=0.0, bounds=(0, 1))
    share = tk.Parameter("", 1.0, bounds=(0, 3))

    def equations(self, v, m):
        return {"x": v.share * v.u}


@pytest.mark.parametrize("std", [0.2, 0.4, 0.65])
@pytest.mark.parametrize("first", [None, 0.5, 1.0])
def test_margins_that_depend_on_the_moves_settle(std, first):
    """``x + quantile std x = 4``: the first guess may need far too wide a margin, or none."""
    uncertain = ParameterSet(("share",), (1.0,), ("",), np.array([[std**2]]))
    mpc = tk.MPC(
        Filled(), horizon=10, step=1, maximize=tk.final("x"), moves={"u": tk.Move(first=first)},
        within={"x": (None, 4.0)}, confidence=0.95, uncertainty=uncertain, native=False,
    )  # fmt: skip
    plan = mpc.plan({"x": 0.0}, t=0)
    assert isinstance(plan.status, Optimal), plan.status.text
    end = plan.predicted["x"].mean[-1]
    assert end == pytest.approx(4.0 / (1.0 + QUANTILE[0.95] * std), rel=0.02)


class Induced(tk.Model):
    """Without inducer the slope of its effect in the exponent is not defined."""

    time_unit = "h"
    inducer = tk.State("g/L", initial=0.0, nominal=1.0)
    product = tk.State("g/L", initial=0.0, nominal=1.0)
    F = tk.Input("g/L/h", default=0.0, bounds=(0, 1))
    n = tk.Parameter("", 2.0, bounds=(1, 4))

    def equations(self, v, m):
        half = m.quantity(0.5, "g/L")
        return {
            "inducer": 1.0 * v.F,
            "product": m.quantity(1.0, "g/L/h") * v.inducer**v.n / (half**v.n + v.inducer**v.n),
        }


def test_margins_that_cannot_be_worked_out_are_said():
    uncertain = ParameterSet(("n",), (2.0,), ("",), np.array([[0.04]]))
    mpc = tk.MPC(
        Induced(), horizon=5, step=1, maximize=tk.final("product"), moves={"F": tk.Move()},
        within={"product": (None, 1.0)}, confidence=0.95, uncertainty=uncertain, native=False, escalate=False,
    )  # fmt: skip
    plan = mpc.plan({"inducer": 0.0, "product": 0.0}, t=0)
    assert not plan.status.fresh
    assert "how unsure 'product' would be" in plan.status.text
