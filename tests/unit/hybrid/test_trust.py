"""Calibration of intervals, conformal correction, deferring to the laboratory, cold start and transfer."""

import numpy as np
import pytest
from scipy import stats
from tests.hybrid_examples import NOISE, Growth, Truth, batches

import twinkit as tk
from twinkit.hybrid import (
    Guarantee,
    HybridModel,
    InducingGP,
    Propagation,
    Residual,
    calibration_report,
    conformal,
    learning_curve,
)
from twinkit.hybrid.comparing import deviates, measured
from twinkit.hybrid.conforming import _quantile, least_groups
from twinkit.hybrid.coverage import _crps, clopper_pearson, effective

PARAMETERS = {"mu_max": 0.5, "Y": 0.3}


def unfitted(**how):
    model = Residual(Growth(), on={"mu": ["X", "S"]}, gates={"mu": {"S": 0.1}}, terms=InducingGP(points=12))
    return HybridModel(model, parameters=PARAMETERS, rounds=3, progress=False, **how)


@pytest.fixture(scope="module")
def fitted():
    return unfitted().fit(batches(4))


def fresh(count, seed=5, truth=None, prefix="T"):
    made = batches(count, seed=seed, truth=truth)
    return [batch.with_(name=f"{prefix}{k}") for k, batch in enumerate(made)]


class Slowed(Truth):
    """The process after a drift: growth has dropped by 40 %."""

    def growth(self, v, m):
        return 0.6 * super().growth(v, m)


class TestReport:
    def test_coverage_is_near_what_it_says(self, fitted):
        report = fitted.calibration_report(fresh(8), n=80)
        (row,) = report.of(0.95)
        assert 0.85 <= row.share <= 1.0
        assert row.low < row.share <= row.high
        assert {each.part for each in report.of(0.9, "state")} == {"X", "S"}
        assert {each.part for each in report.of(0.9, "phase")} == {"early", "middle", "late"}
        assert len(report.of(0.9, "batch")) == 8
        widths = [report.of(level)[0].width for level in (0.5, 0.8, 0.9, 0.95)]
        assert widths == sorted(widths)
        assert stats.kstest(report.pit, "uniform").statistic < 0.25
        assert 0 < report.crps["X"] < 0.3
        assert "silent failures" in repr(report)
        assert "<pre>" in report._repr_html_()
        assert len(report.plot()) == 3

    def test_intervals_that_are_too_narrow_are_found_out(self, fitted):
        from copy import copy
        from dataclasses import replace

        bold = copy(fitted)
        small = {tag: (0.0, 0.2 * std) for tag, std in NOISE.items()}
        bold.trained_ = replace(
            fitted.trained_, noise=small, posterior=replace(fitted.posterior_, factor=0.1 * fitted.posterior_.factor)
        )
        (row,) = calibration_report(bold, fresh(4), levels=[0.95], n=40).of(0.95)
        assert not row.right
        assert row.share < 0.7

    def test_named_phases(self, fitted):
        report = calibration_report(fitted, fresh(2), phases={"batch": (0, "8 h"), "fed": ("8 h", "1 d")}, n=20)
        assert {row.part for row in report.of(0.5, "phase")} == {"batch", "fed"}

    @pytest.mark.parametrize("how", [{"levels": [95]}, {"levels": []}, {"phases": {"a": (5, 5)}}, {"n": 1}])
    def test_wrong_arguments(self, fitted, how):
        with pytest.raises(tk.InvalidValueError):
            calibration_report(fitted, fresh(1), **how)

    def test_nothing_measured(self, fitted):
        with pytest.raises(tk.InvalidValueError, match="no usable measurement"):
            calibration_report(fitted, fresh(1)[0].with_(measurements=(), until=5.0))

    def test_scores_against_closed_forms(self):
        """Clopper-Pearson of 18 of 20 (tabulated 68.3 to 98.8 %); CRPS of a normal distribution at its centre."""
        assert clopper_pearson(18, 20) == pytest.approx((0.6830, 0.9877), abs=1e-4)
        assert clopper_pearson(0, 10) == pytest.approx((0.0, 0.3085), abs=1e-4)
        draws = np.random.default_rng(0).standard_normal((4000, 1))
        assert _crps(draws, np.zeros(1))[0] == pytest.approx((np.sqrt(2) - 1) / np.sqrt(np.pi), abs=0.01)
        assert _crps(np.vstack([draws, [[np.nan]]]), np.zeros(1)) == pytest.approx(_crps(draws, np.zeros(1)))

    def test_values_of_one_batch_count_for_less(self):
        batch = np.repeat(np.arange(10), 20)
        together = np.repeat(np.arange(10) < 8, 20)
        assert effective(together, batch) == pytest.approx(10, rel=0.2)
        apart = np.random.default_rng(0).uniform(size=200) < 0.8
        assert effective(apart, batch) > 80


class TestConformal:
    def test_the_least_number_of_batches_is_stated(self, fitted):
        assert least_groups(0.95) == 19
        with pytest.raises(tk.InvalidValueError, match=r"at most 75\.0%; 95\.0% needs 19"):
            conformal(fitted, fresh(3))

    def test_trained_batches_are_refused(self, fitted):
        with pytest.raises(tk.InvalidValueError, match="'B0' was trained on"):
            conformal(fitted, batches(4), coverage=0.8)

    def test_intervals_hold_measurements(self, fitted):
        made = conformal(fitted, fresh(4), coverage=0.8, propagation=Propagation.LINEARISED)
        test = fresh(6, seed=8, prefix="U")
        inside = []
        for batch, found in zip(test, made.forecast(test, propagation=Propagation.LINEARISED), strict=True):
            seen = measured(fitted.model_, batch, found.tags, found.time)
            low, high = found.low[seen.row, seen.column], found.high[seen.row, seen.column]
            inside += list((low <= seen.value) & (seen.value <= high))
            assert found.made_by == made.content_hash
        assert np.mean(inside) > 0.65
        assert "19" not in repr(made)
        assert "4 are needed" in repr(made)
        with pytest.raises(tk.InvalidValueError, match="coverage was chosen"):
            made.forecast(test, coverage=0.5)

    def test_the_whole_batch_needs_more(self, fitted):
        factors = [
            conformal(fitted, fresh(4), coverage=0.5, guarantee=how, propagation=Propagation.LINEARISED).factor
            for how in Guarantee
        ]
        assert factors[1] > factors[0]

    def test_batches_of_one_group_count_as_one(self, fitted):
        with pytest.raises(tk.InvalidValueError, match="2 groups"):
            conformal(fitted, fresh(4), coverage=0.8, groups=["A", "A", "B", "B"])
        with pytest.raises(tk.InvalidValueError, match="one label per batch"):
            conformal(fitted, fresh(4), coverage=0.8, groups=["A"])
        with pytest.raises(tk.InvalidValueError, match=r"Guarantee\.BATCH"):
            conformal(fitted, fresh(4), coverage=0.8, guarantee="batch")

    @pytest.mark.parametrize("guarantee", list(Guarantee))
    def test_the_guarantee_holds_in_simulation(self, guarantee):
        """Groups with effects of their own: coverage of a new group over many repetitions, 90 % promised."""
        random = np.random.default_rng(0)
        hits = []
        for _ in range(1500):
            groups = [
                np.abs(random.standard_normal() + random.standard_normal(random.integers(2, 9))) for _ in range(13)
            ]
            limit = _quantile(groups[:-1], 0.9, guarantee)
            hits.append(np.all(groups[-1] <= limit) if guarantee is Guarantee.BATCH else groups[-1][0] <= limit)
        assert np.mean(hits) > 0.9 - 3 * np.sqrt(0.09 / 1500)


class TestDeferring:
    def test_silent_failures_on_drifted_processes(self, fitted):
        """After a drift the model is wrong; it must say so, and it must not cry wolf before."""
        ordinary = calibration_report(fitted, fresh(4), noise=True, n=60)
        drifted = calibration_report(fitted, fresh(4, truth=Slowed()), noise=True, n=60)
        assert ordinary.silent < 0.08
        assert ordinary.deferred < 0.5
        wrong = 1 - drifted.of(0.95)[0].share
        assert wrong > 0.4
        assert drifted.silent < 0.3 * wrong  # the first samples after the drift cannot be told from chance
        assert drifted.deferred > 0.5

    def test_a_deviating_batch_defers(self, fitted):
        (batch,) = fresh(1, truth=Slowed())
        assert fitted.predict_at(batch, batch.end, n=40)["X"].deviation
        assert not fitted.predict_at(fresh(1)[0], batch.end, n=40)["X"].deviation
        (whole,) = fitted.forecast(batch, n=40)
        assert whole.deviation[-1]
        assert whole.predictions(-1)["X"].defers
        assert np.all(np.diff(whole.deviation.astype(int)) >= 0)

    def test_chance_is_rarely_called_deviation(self):
        random = np.random.default_rng(0)
        spread = random.standard_normal((5, 8, 2))
        seen = measured(Growth(), tk.Batch("A", [tk.Measurement("X", 1.0, "g/L", float(t)) for t in range(8)]),
                        ["X", "S"], np.arange(8.0))  # fmt: skip
        from dataclasses import replace

        called = 0
        for _ in range(300):
            truth = np.einsum("d,dtk->tk", random.standard_normal(5), spread)
            values = truth[seen.row, seen.column] + 0.1 * random.standard_normal(8)
            called += deviates(replace(seen, value=values), np.zeros((8, 2)), spread, np.full(8, 0.1))[-1]
        assert called <= 6

    def test_a_bad_sensor_defers_until_it_is_well_again(self, fitted):
        (batch,) = fresh(1)
        times = [m.source_time for m in batch.usable("X")]
        bad = tk.Measurement("X", np.nan, "g/L", times[2] - 0.01, quality=tk.Quality.BAD)
        (found,) = fitted.forecast(
            batch.with_(measurements=(*batch.measurements, bad)), times=[times[2] - 0.01, times[2]], n=20
        )
        assert not found.in_domain[0, found.tags.index("X")]
        assert found.in_domain[1, found.tags.index("X")]

    def test_where_the_data_said_nothing_a_term_is_ignorant(self, fitted):
        strange = fresh(1)[0].with_(initial={"X": 25.0, "S": 60.0}, measurements=())
        (known,), (unknown,) = (fitted.forecast(b, times=[6.0], n=10) for b in (fresh(1), strange))
        assert known.ignorance["mu_term"].max() < 0.9
        assert unknown.defers.all()


class TestColdStart:
    def test_it_gets_better_with_batches(self):
        curve = learning_curve(unfitted(), batches(4), fresh(3), counts=(0, 1, 4, 99), noise=True, n=30, progress=False)
        assert curve.counts == (0, 1, 4)
        assert curve.error[2] < 0.7 * curve.error[0]
        assert curve.width[2] < 0.5 * curve.width[0]
        assert np.all(curve.covered > 80)
        assert "batches" in repr(curve)
        assert len(curve.plot()) == 2

    @pytest.mark.parametrize("counts", [(), (-1,), (1.5,), (50,)])
    def test_wrong_counts(self, counts):
        with pytest.raises(tk.InvalidValueError):
            learning_curve(unfitted(), batches(1), fresh(1), counts=counts)

    def test_no_batch_trains_and_tests(self):
        with pytest.raises(tk.InvalidValueError, match="among the training"):
            learning_curve(unfitted(), batches(2), batches(1))


class OtherProduct(Truth):
    """Another product: slower, and inhibited a little later."""

    def growth(self, v, m):
        return 0.8 * v.mu_max * v.S / (v.K + v.S) * m.quantity(3.0, "g/L") / (m.quantity(3.0, "g/L") + v.X)


class TestTransfer:
    def test_it_needs_fewer_batches(self, fitted):
        few, test = batches(1, seed=7, truth=OtherProduct()), fresh(3, seed=11, truth=OtherProduct())
        how = {"counts": (1,), "noise": True, "n": 20, "progress": False}
        child = learning_curve(fitted.transfer(to=Growth()), few, test, **how)
        alone = learning_curve(unfitted(), few, test, **how)
        assert child.error[0] < 0.8 * alone.error[0]

    def test_it_is_a_new_model(self, fitted, tmp_path):
        parent = fitted.qualified("VAL-0123")
        assert parent.qualification_ == "VAL-0123"
        assert fitted.qualification_ is None
        child = parent.transfer(to=Growth(Y=0.45)).fit([])
        assert child.parent_ == parent.content_hash
        assert child.content_hash != parent.content_hash
        assert child.qualification_ is None
        assert child.model_.Y == 0.45
        name = "mu_term.weights"
        assert np.allclose(child.model_.parameters[name], fitted.model_.parameters[name], rtol=1e-3)
        assert set(child.domains_) == set(parent.domains_)
        child.save(tmp_path)
        again = HybridModel.load(tmp_path, Growth)
        assert (again.parent_, again.content_hash) == (child.parent_, child.content_hash)

    def test_what_cannot_be_transferred(self, fitted):
        class NoRates(tk.Model):
            """Names no rate."""

            time_unit = "h"
            X = tk.State("g/L", 1.0)

            def equations(self, v, m):
                return {"X": v.X * m.quantity(0.1, "1/h")}

        with pytest.raises(tk.UnknownNameError, match="rate"):
            fitted.transfer(to=NoRates())
        with pytest.raises(tk.InvalidValueError, match="needs a model"):
            fitted.transfer(to="product B")
        with pytest.raises(tk.InvalidValueError, match="not fitted"):
            unfitted().transfer(to=Growth())
        with pytest.raises(tk.InvalidValueError, match="no term"):
            HybridModel(Growth(), parameters=["mu_max"], rounds=1, progress=False).fit([]).transfer(to=Growth())
        other = Residual(Growth(), on={"mu": ["S"]})
        with pytest.raises(tk.InvalidValueError, match="other learned terms"):
            fitted.transfer(to=other)
        with pytest.raises(tk.InvalidValueError, match="document"):
            fitted.qualified(" ")
