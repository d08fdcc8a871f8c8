"""Plans with learned terms: beyond what these were trained on, margins widen, and the plan says so."""

import numpy as np
import pytest
from tests.control_examples import Trail
from tests.hybrid_examples import Growth, batches

import twinkit as tk
from twinkit.control import ControlMode, ControlSession, Gate, PlantCondition, Refused, Waiting, recommend
from twinkit.control.forecast import EnsembleForecast
from twinkit.core import Applicability
from twinkit.estimate import Adaptation, ExtendedKalmanFilter

START = {"X": 0.5, "S": 10.0, "V": 1.0}


class Everywhere:
    """A domain in which every input is equally far."""

    def __init__(self, distance):
        self._distance = distance

    def distance(self, x):
        return np.full(len(x), self._distance)


@pytest.fixture(scope="module")
def fitted():
    hybrid = tk.hybrid.Residual(
        Growth(), on={"mu": ["X", "S"]}, gates={"mu": {"S": 0.1}}, terms=tk.hybrid.InducingGP(points=12)
    )
    return tk.hybrid.HybridModel(hybrid, parameters={"mu_max": 0.5}, rounds=3, progress=False).fit(batches(4))


def controller(model, top=25.0, **more):
    settings = {
        "horizon": 8.0, "step": 1.0, "maximize": tk.final("S"), "within": {"S": (None, top)}, "native": False,
        "moves": {"F": tk.Move(bounds=(0, 0.05), penalty=0.01)},
    }  # fmt: skip
    return tk.MPC(model, **(settings | more))


def known(distance, std=0.1):
    return {"mu_term": Applicability(Everywhere(distance), std, f"everything is at {distance}")}


def test_within_the_domain_nothing_changes(fitted):
    plan = controller(fitted.model_, top=14.0, applicability=fitted.applicability_).plan(START, t=0.0)
    same = controller(fitted.model_, top=14.0, applicability=known(0.5)).plan(START, t=0.0)
    assert plan.in_domain
    assert plan.warnings == ()
    assert plan.predicted["S"].std.max() == 0.0
    np.testing.assert_array_equal(plan.moves["F"].values, same.moves["F"].values)


def test_beyond_the_domain_margins_widen_and_the_plan_says_so(fitted):
    plan = controller(fitted.model_, applicability=fitted.applicability_).plan(START, t=0.0)
    bold = controller(fitted.model_, applicability=known(0.5)).plan(START, t=0.0)
    assert plan.status.fresh
    assert bold.in_domain
    assert not plan.in_domain
    assert "the learned term mu_term is asked beyond what it was trained on" in plan.rationale
    (binding,) = (b for b in plan.binding if b.name == "S")
    assert binding.backoff > 0.1
    end, bold_end = plan.predicted["S"].mean[-1], bold.predicted["S"].mean[-1]
    assert bold_end == pytest.approx(25.0, abs=1e-2)
    # No confidence was asked, so the margin is that of 0.95 (of the last round, which differs by up to 2 % of a scale).
    assert end + 1.6449 * plan.predicted["S"].std[-1] == pytest.approx(25.0, abs=0.1 + 1e-3)
    assert end < bold_end - 0.1


@pytest.mark.parametrize("confidence", [0.9, 0.99])
def test_the_margin_has_the_confidence_asked(fitted, confidence):
    plan = controller(fitted, applicability=known(1.1), confidence=confidence).plan(START, t=0.0)
    quantile = {0.9: 1.28155, 0.99: 2.32635}[confidence]
    track = plan.predicted["S"]
    assert track.std[-1] > 0.05
    assert track.mean[-1] + quantile * track.std[-1] == pytest.approx(25.0, abs=0.1 + 1e-3)


def test_the_deviation_is_that_of_the_shifted_term(fitted):
    plan = controller(fitted.model_, top=60.0, applicability=known(2.0, std=0.02)).plan(START, t=0.0)
    ends = {}
    for shift in (-1e-3, 1e-3):
        model = fitted.model_.with_({"mu_term.shift": shift})
        run = tk.simulate(model, 8.0, initial=START, inputs={"F": tk.steps(dict(zip(*plan.inputs["F"], strict=True)))})
        ends[shift] = np.array([run[name][-1] for name in ("X", "S")])
    slope = (ends[1e-3] - ends[-1e-3]) / 2e-3
    found = [plan.predicted[name].std[-1] for name in ("X", "S")]
    np.testing.assert_allclose(found, 0.02 * np.abs(slope), rtol=2e-3)


def test_margins_that_leave_no_plan_are_narrower_and_said_to_be(fitted):
    plan = controller(fitted, top=12.0, applicability=known(4.0, std=2.0)).plan(START, t=0.0)
    assert not plan.in_domain
    assert plan.status.fresh
    assert "Margins for that are narrower than they should be" in plan.rationale
    assert plan.predicted["S"].mean.max() <= 12.0 + 1e-2


def test_a_term_of_which_nothing_is_known_is_not_trusted(fitted):
    plan = controller(fitted.model_, top=14.0).plan(START, t=0.0)
    assert not plan.in_domain
    assert "it is not known what the learned term mu_term was trained on" in plan.rationale


def test_the_margins_hold_in_every_scenario_and_with_estimates(fitted):
    plan = controller(fitted, scenarios={"as fitted": {}, "slow": {"mu_max": 0.2}}).plan(START, t=0.0)
    assert not plan.in_domain
    assert plan.predicted["S"].std[-1] > 0.05
    estimate = ExtendedKalmanFilter(
        fitted.model_, [tk.Sensor("X", std=0.1)], {"X": 0.05, "S": 0.1, "V": 1e-3},
        process_noise={"X": 0.01}, adapt={"mu_max": Adaptation(std=0.01)}, initial=START,
    ).start()  # fmt: skip
    uncertain = controller(fitted).plan(estimate)
    certain = controller(fitted.model_, applicability=known(0.5)).plan(estimate)
    assert uncertain.predicted["S"].std[-1] > certain.predicted["S"].std[-1] > 0.0


def test_what_was_trained_is_part_of_the_hash(fitted):
    one, two = (controller(fitted.model_, applicability=known(d)) for d in (0.5, 2.0))
    assert one.content_hash != two.content_hash


def test_closed_loop_drops_back(fitted):
    space = tk.DesignSpace({"S": "g/L"}, {"S": (0.0, 40.0)}, name="feeding")
    trail = Trail()
    session = ControlSession("R3", {"F": "0.01 L/h"}, audit=trail, gate=Gate(space, freshness="2 h"))
    session.switch(ControlMode.ADVISORY, by="A. Weber", reason="as agreed", at=0.0)
    answers = {}
    for top in (14.0, 25.0):
        plan = controller(fitted, top=top).plan(START, t=0.0)
        estimate = ExtendedKalmanFilter(
            fitted.model_, [tk.Sensor("X", std=0.1)], {"X": 0.01, "S": 0.01}, initial=START
        ).start()
        forecast = EnsembleForecast(fitted.model_, estimate, ["S"], until=8.0, every="1 h", size=8)
        advice = recommend(plan, forecast, present={"F": 0.01})
        condition = PlantCondition(0.0, {"S": 10.0}, {"S": 0.1})
        assert isinstance(session.propose(advice, at=0.0, condition=condition), Waiting)
        answers[top] = session.switch(ControlMode.CLOSED_LOOP, by="A. Weber", reason="stable", at=0.0)
        if not isinstance(answers[top], Refused):
            session.switch(ControlMode.ADVISORY, by="A. Weber", reason="again", at=0.0)
    assert not isinstance(answers[14.0], Refused)
    assert isinstance(answers[25.0], Refused)
    assert any("beyond what its models were made from" in reason for reason in answers[25.0].reasons)


def test_errors(fitted):
    with pytest.raises(tk.UnknownNameError, match="mu_term"):
        controller(fitted.model_, applicability={"mu": known(1.0)["mu_term"]})
    with pytest.raises(tk.InvalidValueError, match="takes an Applicability"):
        controller(fitted.model_, applicability={"mu_term": 1.0})
    with pytest.raises(tk.InvalidValueError, match="positive"):
        Applicability(Everywhere(1.0), float("nan"), "")
    with pytest.raises(tk.InvalidValueError, match="not fitted"):
        controller(tk.hybrid.HybridModel(Growth()))
