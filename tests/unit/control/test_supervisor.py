"""The slow loop: what it sees in a campaign, when it acts, and that it does not chase noise."""

import math

import matplotlib.pyplot as plt
import numpy as np
import pytest

import twinkit as tk
from twinkit.control import (
    Applied,
    BatchResult,
    CampaignSupervisor,
    ControlMode,
    ControlSession,
    GainPrior,
    Keep,
    Recommendation,
    Spread,
    Target,
    fit_spread,
)


def feed(**more):
    return Target(**{"unit": "mL/h", "value": 10.0, "low": 6.0, "high": 14.0, "max_change": 1.0, "band": 0.5,
                     "effect": GainPrior(0.05, 0.01), **more})  # fmt: skip


def supervisor(spread=None, **more):
    settings = {"targets": {"feed": feed()}, "spread": spread or Spread(0.1, drift=0.01), **more}
    return CampaignSupervisor("titer", "g/L", **{"aim": 5.0, **settings})


def campaign(rng, count, *, drift=0.0, lot=0.0, act=None, known_lots=True, per_lot=5):
    """Simulate a campaign; return its batches and, per batch, what the supervisor said."""
    results, said, feed_rate, effects = [], [], 10.0, {}
    for k in range(1, count + 1):
        name = f"L{(k - 1) // per_lot}"
        effect = effects.setdefault(name, lot * rng.standard_normal())
        value = 5.0 + drift * k + effect + 0.05 * (feed_rate - 10.0) + 0.1 * rng.standard_normal()
        results.append(BatchResult(f"B{k}", 14.0 * k, value, {"feed": feed_rate}, name if known_lots and lot else ""))
        if act is not None:
            said.append(act.propose(results, at=14.0 * k, next_completed=14.0 * (k + 1)))
            if isinstance(said[-1], Recommendation):
                feed_rate = said[-1].moves["feed"].first
    return results, said


def rate(spread, campaigns=100, count=20, **more):
    acts = [
        campaign(np.random.default_rng(seed), count, act=supervisor(spread), **more)[1] for seed in range(campaigns)
    ]
    return np.mean([any(isinstance(one, Recommendation) for one in said) for said in acts])


@pytest.mark.component
def test_it_does_not_chase_noise():
    # Of 100 campaigns of 20 batches without any drift, at 99 % per look: nearly none sees a change.
    assert rate(Spread(0.1, drift=0.0)) <= 0.06
    assert rate(Spread(0.1, drift=0.01)) <= 0.04
    assert rate(Spread(0.1, lot=0.1, drift=0.01), lot=0.1) <= 0.06


@pytest.mark.component
def test_a_lot_effect_that_is_not_modelled_looks_like_a_drift():
    assert rate(Spread(0.1, drift=0.01), campaigns=40, lot=0.15, known_lots=False) > 0.3


@pytest.mark.component
def test_it_detects_a_drift_and_takes_it_back():
    last, alone = [], []
    for seed in range(20):
        results, said = campaign(np.random.default_rng(seed), 25, drift=-0.03, act=supervisor(Spread(0.1, drift=0.03)))
        assert any(isinstance(one, Recommendation) for one in said[:15])
        last.append(np.mean([r.value for r in results[-5:]]))
        alone.append(np.mean([r.value for r in campaign(np.random.default_rng(seed), 25, drift=-0.03)[0][-5:]]))
    assert np.mean(alone) == pytest.approx(5.0 - 0.03 * 23, abs=0.05)
    # The feed may rise by 4 mL/h, worth 0.2 g/L in all: it uses that, and no more.
    assert 0.15 < np.mean(last) - np.mean(alone) <= 0.21


def test_the_level_of_a_random_walk_agrees_with_a_kalman_filter():
    rng = np.random.default_rng(3)
    values = 5.0 + np.cumsum(0.05 * rng.standard_normal(12)) + 0.1 * rng.standard_normal(12)
    results = [BatchResult(f"B{k}", k, value, {"feed": 10.0}) for k, value in enumerate(values)]
    trend = supervisor(Spread(0.1, drift=0.05)).trend(results)
    mean, variance = 5.0, (1000 * 0.1) ** 2
    for k, value in enumerate(values):
        variance += 0.05**2 if k else 0.0
        gain = variance / (variance + 0.1**2)
        mean, variance = mean + gain * (value - mean), (1 - gain) * variance
    assert trend.level == pytest.approx(mean, abs=1e-6)
    assert trend.level_std == pytest.approx(math.sqrt(variance), rel=1e-4)
    assert trend.path[-1] == pytest.approx(mean, abs=1e-6)


def test_effects_and_lots_are_found_within_their_uncertainty():
    misses = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        gain = 0.05 + 0.01 * rng.standard_normal()
        lots = 0.15 * rng.standard_normal(4)
        results = []
        for k in range(24):
            rate = rng.uniform(8, 12)
            value = 5.0 + gain * (rate - 10) + lots[k // 6] + 0.1 * rng.standard_normal()
            results.append(BatchResult(f"B{k}", k, value, {"feed": rate}, f"L{k // 6}"))
        trend = supervisor(Spread(0.1, 0.15)).trend(results)
        misses.append((trend.gains["feed"] - gain) / trend.gain_stds["feed"])
        misses += [(trend.lots[f"L{j}"] - lots[j]) / trend.lot_stds[f"L{j}"] for j in range(4)]
    # Standard scores: 300 of them, those of one campaign's lots correlated through the level.
    assert np.mean(np.abs(misses) > 1.96) < 0.09
    assert 0.8 < np.std(misses) < 1.2


def drifting(count=12, slope=-0.04, **more):
    return [BatchResult(f"B{k}", 14.0 * k, 5.0 + slope * k, {"feed": 10.0}, **more) for k in range(1, count + 1)]


def test_a_proposal_is_bounded_and_says_what_it_rests_on():
    advice = supervisor(Spread(0.1, drift=0.02)).propose(drifting(), at=170.0, next_completed=182.0)
    assert advice.moves["feed"].first == 11.0
    assert advice.present == {"feed": 10.0}
    assert advice.gain("titer") == pytest.approx(0.05)
    assert advice.predicted["titer"].std[0] > 0.1
    assert set(advice.made_by) == {"supervisor"}
    assert set(advice.data) == {"batches"}
    assert "raises titer" in str(advice)
    assert "off the aim" in str(advice)
    at_limit = supervisor(Spread(0.1, drift=0.02)).propose(
        drifting(slope=-0.08), at=170.0, next_completed=182.0, targets={"feed": "14 mL/h"}
    )
    assert isinstance(at_limit, Keep)
    assert "room to move" in repr(at_limit)
    assert "Keep" in at_limit._repr_html_()


def test_an_effect_of_doubtful_sign_is_not_used():
    doubtful = supervisor(Spread(0.1, drift=0.02), targets={"feed": feed(effect=GainPrior(0.05, 0.05))})
    assert "beyond doubt" in repr(doubtful.propose(drifting(), at=170.0, next_completed=182.0))


def test_a_known_lot_counts_for_the_next_batch():
    results = [
        BatchResult(f"B{k}", float(k), 5.0 - 0.4 * (k % 2), {"feed": 10.0}, "bad" if k % 2 else "good")
        for k in range(12)
    ]
    watch = supervisor(Spread(0.02, lot=0.3), targets={"feed": feed(effect=GainPrior(0.05, 0.005))})
    bad = watch.propose(results, at=12.0, next_completed=13.0, next_lot="bad")
    good = watch.propose(results, at=12.0, next_completed=13.0, next_lot="good")
    assert bad.moves["feed"].first == 11.0
    assert isinstance(good, Keep)


def test_a_session_decides_about_targets_and_the_fast_loop_stays_within_them():
    watch = supervisor(Spread(0.1, drift=0.02))
    session = ControlSession("campaign 4", {"feed": "10 mL/h"}, start=160.0, time_unit="d")
    session.switch(ControlMode.ADVISORY, by="C. Ito", reason="campaign start", at=160.0)
    advice = watch.propose(drifting(), at=170.0, next_completed=182.0, targets=session.setpoints)
    session.propose(advice, at=170.0)
    assert isinstance(session.accept(advice, by="C. Ito", reason="drift confirmed", at=171.0), Applied)
    space = watch.space(session.setpoints)
    assert space.bounds() == {"feed": (10.5, 11.5)}
    process = tk.DesignSpace({"feed": "L/h"}, {"feed": (0.0, 0.011)})
    assert process.intersect(space).bounds()["feed"] == pytest.approx((0.0105, 0.011))
    assert watch.space({"feed": 14.0}).bounds() == {"feed": (13.5, 14.0)}


def test_a_bad_result_is_not_used():
    results = drifting()
    results.insert(6, BatchResult("lost", 90.0, math.nan, {"feed": 10.0}, quality=tk.Quality.BAD))
    trend = supervisor().trend(results)
    assert math.isfinite(trend.level)
    assert len(trend.path) == 13
    results.append(BatchResult("late", 169.0, math.nan, {"feed": 10.0}, quality=tk.Quality.BAD))
    assert "not usable" in repr(supervisor().propose(results, at=170.0, next_completed=182.0))
    assert "too few" in repr(supervisor().propose([], at=0.0, next_completed=14.0))


def test_order_does_not_matter():
    one, two = supervisor().trend(drifting()), supervisor().trend(drifting()[::-1])
    assert one.content_hash == two.content_hash
    assert one.level == two.level


@pytest.mark.component
def test_a_spread_is_learned_from_an_earlier_campaign():
    found = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        results = campaign(rng, 60, lot=0.2)[0]
        found.append(fit_spread(results, aim=5.0, inputs={"feed": 10.0}, priors={"feed": GainPrior(0.05, 0.01)}))
    assert np.median([one.noise for one in found]) == pytest.approx(0.1, rel=0.2)
    assert np.median([one.lot for one in found]) == pytest.approx(0.2, rel=0.4)
    assert np.median([one.drift for one in found]) < 0.02


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: BatchResult("", 0.0, 1.0), tk.InvalidValueError, "name"),
        (lambda: BatchResult("B", math.nan, 1.0), tk.InvalidValueError, "completion"),
        (lambda: BatchResult("B", 0.0, math.nan), tk.InvalidValueError, "Quality.BAD"),
        (lambda: BatchResult("B", 0.0, 1.0, {"feed": math.inf}), tk.InvalidValueError, "feed"),
        (lambda: BatchResult("B", 0.0, 1.0, quality="bad"), tk.InvalidValueError, "Quality"),
        (lambda: BatchResult("B", 0.0, 1.0, lot=7), tk.InvalidValueError, "lot"),
        (lambda: Spread(0.0), tk.InvalidValueError, "noise"),
        (lambda: Spread(0.1, lot=-1.0), tk.InvalidValueError, "lot"),
        (lambda: Spread(math.nan), tk.InvalidValueError, "noise"),
        (lambda: GainPrior(math.nan, 1.0), tk.InvalidValueError, "effect"),
        (lambda: feed(value=20.0), tk.InvalidValueError, "between its limits"),
        (lambda: feed(max_change=0.0), tk.InvalidValueError, "max_change"),
        (lambda: feed(low="1 h"), tk.UnitError, "low"),
        (lambda: feed(effect=0.05), tk.InvalidValueError, "GainPrior"),
        (lambda: supervisor(targets={}), tk.InvalidValueError, "targets"),
        (lambda: supervisor(targets={"feed": 10.0}), tk.InvalidValueError, "Target"),
        (lambda: supervisor(aim="5 h"), tk.UnitError, "aim"),
        (lambda: supervisor(confidence=1.0), tk.InvalidValueError, "confidence"),
        (lambda: supervisor(share=0.0), tk.InvalidValueError, "share"),
        (lambda: supervisor(spread=0.1), tk.InvalidValueError, "Spread"),
        (lambda: supervisor().trend([1.0]), tk.InvalidValueError, "BatchResult"),
        (lambda: supervisor().trend(drifting() + drifting()), tk.InvalidValueError, "twice"),
        (lambda: supervisor().trend([BatchResult("B", 0.0, 1.0)]), tk.InvalidValueError, "does not say"),
        (lambda: supervisor().trend([BatchResult("B", 0, 1.0, {"fed": 1.0})]), tk.UnknownNameError, "'feed'"),
        (lambda: supervisor().propose(drifting(), at=0.0, next_completed=9.0), tk.InvalidValueError, "forward"),
        (
            lambda: supervisor().propose(drifting(), at=170, next_completed=180, targets={"x": 1}),
            tk.UnknownNameError,
            "x",
        ),
        (lambda: fit_spread(drifting(), aim=5.0, inputs={"feed": 10.0}), tk.InvalidValueError, "priors="),
        (lambda: supervisor(confirm="2 h"), tk.UnitError, "confirm"),
        (lambda: supervisor(confirm=1.5), tk.InvalidValueError, "confirm"),
        (lambda: supervisor().trend(None), tk.InvalidValueError, "list"),
        (lambda: supervisor().space({}), tk.InvalidValueError, "missing"),
        (
            lambda: fit_spread(drifting(5), aim=5.0, inputs={"feed": 10.0}, priors={"feed": GainPrior(1, 1)}),
            tk.InvalidValueError,
            "eight",
        ),
    ],
)
def test_what_is_not_usable_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_trend_shows_itself():
    trend = supervisor().trend(drifting())
    assert "level" in repr(trend)
    assert "<li>" in trend._repr_html_()
    assert trend.plot().get_ylabel() == "result [g/L]"
    plt.close("all")
