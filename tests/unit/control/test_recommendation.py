"""A recommendation says everything a person needs, and refuses what is not usable."""

import json
import math
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from tests.control_examples import recommendation, track

import twinkit as tk
from twinkit.control import Binding, Effect, Failed, MoveSchedule, Optimal, Plan, PreviousPlan, recommend
from twinkit.control.forecast import EnsembleForecast


def effect(difference=0.3, std=0.05, change=0.002):
    return Effect("F", "L/h", change, "titer", "g/L", 48.0, difference, std, "h")


def test_it_says_it_in_words():
    bound = Binding("Glc", "g/L", "bound", "high", 6.0, 0.2, (1.0, 2.0))
    advice = recommendation(binding=(bound,), effects=(effect(),), in_domain=False, warnings=("probe drifts",))
    text = str(advice)
    for words in (
        "change F from 0.01 to 0.02 L/h", "doing nothing: 2 [1.804, 2.196] g/L", "Glc at 2 h: 3 [2.804, 3.196] g/L",
        "Glc is at most 6 g/L", "raising F by 0.002 L/h throughout raises titer at 48 h by 0.3 ± 0.1 g/L",
        "beyond what it was made from", "probe drifts", "decided before 1 h", "most product", "model aaaaaaaaaaaa",
        "estimate bbbbbbbbbbbb", "optimal (ipopt, 7 iterations)",
    ):  # fmt: skip
        assert words in text
    assert "keep F at 0.01 L/h" in str(recommendation(value=0.01))
    assert "<li>change F" in advice._repr_html_()
    assert advice.gain("Glc") == pytest.approx(1.0)
    assert advice.setpoints(0.5) == {"F": 0.02}


def test_an_uncertain_effect_is_called_so():
    assert "does not clearly change" in effect(0.05, 0.05).text
    assert "lowering F" in effect(-0.3, change=-0.002).text
    assert "lowers titer" in effect(-0.3).text
    assert not effect(0.0, 0.0).certain


def test_html_is_escaped():
    assert "<script>" not in recommendation(goal="<script>")._repr_html_()


def test_json_is_strict_and_the_hash_is_of_the_content():
    advice = recommendation()
    data = json.loads(advice.to_json(), parse_constant=lambda name: pytest.fail(name))
    assert data["content_hash"] == advice.content_hash == recommendation().content_hash
    assert data["predicted"]["Glc"]["high"] == [None, None, None]
    assert recommendation(value=0.021).content_hash != advice.content_hash
    assert recommendation(data={"estimate": "c"}).content_hash != advice.content_hash


def test_what_was_seen_cannot_be_changed():
    values = np.array([0.02])
    moves = {"F": MoveSchedule("F", "L/h", np.array([0.0]), values, 2.0)}
    advice = recommendation(moves=moves)
    values[0] = 0.05
    assert advice.setpoints(0.0) == {"F": 0.02}
    with pytest.raises(ValueError, match="read-only"):
        advice.moves["F"].values[0] = 0.05
    assert advice.intact
    advice.moves["F"] = replace(advice.moves["F"], values=np.array([0.05]))
    assert advice.content_hash
    seen = recommendation()
    assert seen.content_hash
    seen.moves["F"] = advice.moves["F"]
    assert not seen.intact


def moved(**changes):
    plain = {"name": "F", "unit": "L/h", "times": np.array([0.0]), "values": np.array([0.02]), "end": 1.0}
    return {"F": MoveSchedule(**{**plain, **changes})}


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"expires": 0.0}, tk.InvalidValueError, "expires"),
        ({"expires": math.nan}, tk.InvalidValueError, "expires"),
        ({"time_unit": "kg"}, tk.UnitError, "kg"),
        ({"moves": {}}, tk.InvalidValueError, "at least one"),
        ({"moves": moved(values=np.array([math.nan]))}, tk.InvalidValueError, "not finite"),
        ({"moves": moved(values=np.array([1.0, 2.0]))}, tk.InvalidValueError, "as many values"),
        ({"moves": moved(times=np.array([0.5]))}, tk.InvalidValueError, "or before"),
        ({"moves": moved(name="G")}, tk.InvalidValueError, "of that name"),
        ({"moves": moved(unit="wrong!")}, tk.UnitError, "wrong"),
        ({"present": {}}, tk.InvalidValueError, "applied now"),
        ({"present": {"F": math.nan}}, tk.InvalidValueError, "applied now"),
        ({"present": {"F": 0.01, "G": 1.0}}, tk.UnknownNameError, "'G'"),
        ({"status": Failed(reason="no optimum")}, tk.InvalidValueError, "recommends nothing"),
        ({"status": "optimal"}, tk.InvalidValueError, "PlanStatus"),
        ({"predicted": {"Glc": track(mean=(1.0, math.nan, 1.0))}}, tk.InvalidValueError, "Glc"),
        ({"unchanged": {"Glc": track(std=-1.0)}}, tk.InvalidValueError, "Glc"),
        ({"predicted": {"Glc": 3.0}}, tk.InvalidValueError, "PredictedTrack"),
        ({"present": None}, tk.InvalidValueError, "by name"),
        ({"moves": None}, tk.InvalidValueError, "by name"),
        ({"predicted": None}, tk.InvalidValueError, "by name"),
        ({"expires": "later"}, tk.InvalidValueError, "expires"),
        ({"coverage": 1.5}, tk.InvalidValueError, "coverage"),
    ],
)
def test_what_is_not_usable_is_refused(changes, error, words):
    with pytest.raises(error, match=words):
        recommendation(**changes)


def test_it_draws_itself():
    axes = recommendation().plot()
    assert [axis.get_ylabel() for axis in axes] == ["F [L/h]", "Glc [g/L]"]
    _, ax = plt.subplots()
    assert recommendation().plot("Glc", ax=ax) is ax
    with pytest.raises(tk.UnknownNameError, match="Glc"):
        recommendation().plot("glc")
    with pytest.raises(tk.InvalidValueError, match="one axes"):
        recommendation().plot(ax=ax)
    plt.close("all")


# -- from a plan -----------------------------------------------------------------------------------------------
class Vessel(tk.Model):
    """A sugar that is fed and eaten, and a product."""

    time_unit = "h"
    Glc = tk.State("g/L", initial=3.0, bounds=(0, None))
    P = tk.State("g/L", initial=0.0)
    F = tk.Input("g/L/h", default=0.5, bounds=(0, 2))
    k = tk.Parameter("1/h", 0.2)
    u = tk.Input("", default=0.0)

    def equations(self, v, m):
        eaten = v.k * v.Glc
        return {"Glc": v.F - eaten, "P": 0.5 * eaten + 0.0 * v.u * v.Glc * v.k}


class At:
    """An estimate, as the protocol has it."""

    time, time_unit = 2.0, "h"
    names = ("Glc", "P", "k")
    vector = np.array([3.0, 1.0, 0.2])
    covariance = np.diag([0.1**2, 0.0, 0.02**2])
    noise = decay = np.zeros(3)
    content_hash = "e" * 64


def plan(values=(1.0, 0.5), names=("F",), **more):
    times = np.array([2.0, 4.0])
    moves = {n: MoveSchedule(n, "g/L/h", times, np.array(values), 6.0) for n in names}
    limits = {"Glc": replace(track(times=(2.0, 4.0, 6.0)), high=np.array([6.0, 5.0, 5.0]))}
    settings = {
        "status": Optimal("ipopt", 3),
        "time": 2.0,
        "time_unit": "h",
        "expires": 4.0,
        "moves": moves,
        "predicted": limits,
    }
    return Plan(**{**settings, "predicted": limits, **more})


def forecast(**more):
    return EnsembleForecast(Vessel(), At(), ["Glc", "P"], **{"until": "6 h", "every": "1 h", "size": 8, **more})


@pytest.fixture(scope="module")
def advice():
    return recommend(plan(), forecast(), present={"F": "0.5 g/L/h"}, outcomes=["P"], data={"batch": "B7"})


def test_a_plan_becomes_a_recommendation(advice):
    # The linear model's own solution, at the mean.
    def fed(rate):
        a, level, made = 0.2, 3.0, 1.0
        for u in rate:
            steady = u / a
            after = steady + (level - steady) * math.exp(-a * 2.0)
            made += 0.5 * (u * 2.0 - (after - level))
            level = after
        return made

    assert advice.predicted["P"].mean[-1] == pytest.approx(fed([1.0, 0.5]), abs=0.1)
    assert advice.unchanged["P"].mean[-1] == pytest.approx(fed([0.5, 0.5]), abs=0.1)
    assert advice.gain("P") == pytest.approx(fed([1.0, 0.5]) - fed([0.5, 0.5]), rel=0.1)
    assert advice.predicted["P"].std[0] == pytest.approx(0.0, abs=1e-9)
    assert advice.predicted["P"].std[-1] > 0.02
    (one,) = advice.effects
    assert (one.change, one.outcome, one.time) == (pytest.approx(0.1), "P", 6.0)
    assert one.difference == pytest.approx(fed([1.1, 0.55]) - fed([1.0, 0.5]), rel=0.1)
    assert "raising F by 10% throughout raises P" in one.text
    assert one.certain
    assert list(advice.predicted["Glc"].high) == [6.0, 6.0, 5.0, 5.0, 5.0]
    assert advice.data["batch"] == "B7"
    assert len(advice.data["estimate"]) == 64


def test_the_same_estimate_gives_the_same_recommendation(advice):
    again = recommend(plan(), forecast(), present={"F": 0.5}, outcomes=["P"], data={"batch": "B7"})
    assert again.content_hash == advice.content_hash


def test_a_move_at_its_upper_bound_is_lowered_for_its_sensitivity():
    (one,) = recommend(plan((2.0, 2.0)), forecast(), present={"F": 0.5}, outcomes=["P"]).effects
    assert one.change < 0.0
    assert one.difference < 0.0
    both = recommend(plan((2.0, 0.0)), forecast(), present={"F": 0.5}, outcomes=["P"]).effects
    assert "lowering F by 10%" in both[0].text
    assert recommend(plan((0.0, 0.0)), forecast(), present={"F": 0.5}).effects == ()


class Broken(At):
    vector = np.array([3.0, math.nan, 0.2])


class Strange(At):
    names = ("Glc", "P", "kk")


class Negative(At):
    covariance = np.diag([-0.1, 0.0, 0.0])


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: forecast(size=1), tk.InvalidValueError, "two draws"),
        (lambda: forecast(until="1 h"), tk.InvalidValueError, "forward"),
        (lambda: forecast(every="0 h"), tk.InvalidValueError, "forward"),
        (lambda: EnsembleForecast(Vessel(), Broken(), ["P"], 6, 1), tk.InvalidValueError, "not finite"),
        (lambda: EnsembleForecast(Vessel(), Negative(), ["P"], 6, 1), tk.InvalidValueError, "negative"),
        (lambda: EnsembleForecast(Vessel(), Strange(), ["P"], 6, 1), tk.UnknownNameError, "'kk'"),
        (lambda: recommend("plan", forecast(), present={}), tk.InvalidValueError, "Plan"),
        (lambda: recommend(plan(status=Failed(reason="x")), forecast(), present={}), tk.InvalidValueError, "nothing"),
        (lambda: recommend(plan(), forecast(), present={}), tk.InvalidValueError, "F is missing"),
        (lambda: recommend(plan(), forecast(), present={"f": 1.0}), tk.UnknownNameError, "'F'"),
        (lambda: recommend(plan(), forecast(), present={"F": "1 h"}), tk.UnitError, "present F"),
        (lambda: recommend(plan(), forecast(), present={"F": 0.5}, outcomes=["Q"]), tk.UnknownNameError, "'Q'"),
        (lambda: recommend(plan(), forecast(), present={"F": 0.5}, nudge={"F": 0.0}), tk.InvalidValueError, "nudge"),
        (lambda: recommend(plan((math.nan, 1.0)), forecast(), present={"F": 0.5}), tk.InvalidValueError, "finite"),
        (lambda: recommend(plan(names=("G",)), forecast(), present={"G": 0.5}), tk.UnknownNameError, "'G'"),
    ],
)
def test_what_cannot_be_explained_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_it_never_lives_longer_than_its_plan():
    assert recommend(plan(), forecast(), present={"F": 0.5}, expires="9 h").expires == 4.0
    assert recommend(plan(), forecast(), present={"F": 0.5}, expires="3 h").expires == 3.0
    assert recommend(plan(status=PreviousPlan(reason="late")), forecast(), present={"F": 0.5}).status.usable
