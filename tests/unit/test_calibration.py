"""Calibration at its edges: what it refuses, what it cannot tell, how it ends, what it looks like."""

import math
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import matplotlib.pyplot as plt
import numpy as np
import pytest
from tests.calibration_examples import Decay, Product, decay_data

import twinkit as tk
from twinkit.estimate import (
    Adaptation,
    CalibrationStatus,
    EstimatedNoise,
    ExtendedKalmanFilter,
    Free,
    Huber,
    Initial,
    LogNormal,
    Noise,
    Normal,
    PerBatch,
    Sensor,
    Transform,
    calibrate,
    cross_validate,
)

NOISE = {"c": Noise(0.05)}


def run(batches=None, free=("k",), model=None, **how):
    given = decay_data() if batches is None else batches
    return calibrate(model or Decay(), given, free, **{"noise": NOISE, "progress": False, **how})


def reading(value=1.0, time=1.0, tag="c", unit="g/L", **more):
    return tk.Measurement(tag, value, unit, time, **more)


def one(*readings, **more):
    return tk.Batch("B", readings, **more)


# ---------------------------------------------------------------------------------------------- what is refused
@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"free": ["kk"]}, "Decay has no parameter 'kk': did you mean 'k'"),
        ({"free": []}, "nothing is free"),
        ({"free": ["c"]}, 'is a state: to find its value at the start, write Initial\\("c"\\)'),
        ({"free": ["k", "k"]}, "free twice"),
        ({"free": ["c(0)", Initial("c")]}, "free twice"),
        ({"free": [3]}, "a free quantity is a name"),
        ({"free": [Initial("d")]}, "no state 'd'"),
        ({"free": [Free("k", bounds=(-1, 5))]}, "lie within those the model"),
        ({"free": [Free("k", bounds=(5, 1))]}, "must increase"),
        ({"free": [Free("k", bounds=(1, 5))]}, "starts at 0.2, outside"),
        ({"free": [Free("k", start="3 g")]}, "declared in '1/h'"),
        ({"free": [Free("k", start=math.nan)]}, "must be finite"),
        ({"free": [Free("k", transform="log")]}, "Transform.LINEAR or Transform.LOG"),
        ({"free": [Free("k", start=0.0, transform=Transform.LOG)]}, "must be positive"),
        ({"priors": {"blind": Normal(1, 1)}}, "no free quantity|unknown free quantity for priors 'blind'"),
        ({"priors": {"k": 3}}, "a prior is Normal"),
        ({"priors": {"k": Normal(0.3, 0)}}, "must be positive"),
        ({"priors": {"k": Normal("3 g", 1)}}, "declared in"),
        ({"priors": {"k": LogNormal(-1, 1)}}, "must be positive"),
        ({"noise": {"c": Noise(0.0)}}, "no measurement is exact"),
        ({"noise": {"c": Noise(-1.0)}}, "must not be negative"),
        ({"noise": {"c": Noise(math.nan)}}, "must be finite"),
        ({"noise": {"c": Noise("1 h")}}, "declared in"),
        ({"noise": {"c": 0.1}}, "is Noise"),
        ({"noise": {"d": Noise(1)}}, "no measured tag for noise 'd'"),
        ({"noise": {"c": EstimatedNoise(std=0.0)}}, "cannot start at zero"),
        ({"noise": None, "loss": Huber()}, "contradict each other"),
        ({"loss": "huber"}, "loss is Huber"),
        ({"solver": tk.Cvodes}, "a solver is an object"),
        ({"solver": tk.Jax}, "solver"),
        ({"multi_start": 0}, "at least 1"),
        ({"max_evaluations": 0}, "at least 1"),
        ({"seed": "x", "multi_start": 3}, "seed is a whole number"),
        ({"priors": 3}, "priors is a mapping"),
        ({"noise": 3}, "noise is a mapping"),
        ({"sensors": 3}, "sensors is a list"),
        ({"noise": None, "free": ["k", "c(0)"], "batches": decay_data(count=2)}, "2 measurements cannot tell 2"),
        ({"coverage": 95}, "between 0 and 1"),
        ({"rtol": -1}, "rtol must be within"),
        ({"batches": []}, "no batches"),
        ({"batches": [decay_data(), decay_data()]}, "two batches are called 'B'"),
        ({"batches": [3]}, "is not a tk.Batch"),
        ({"batches": 3}, "no batches"),
        ({"model": Decay}, "of a class make an instance"),
        ({"batches": one()}, "batch 'B' has no usable measurement"),
        ({"batches": one(reading(math.nan, quality=tk.Quality.BAD))}, "1 are marked bad"),
        ({"batches": one(reading(tag="cc"))}, "batch 'B', tag 'cc': .* did you mean 'c'"),
        ({"batches": one(reading(unit="h"))}, "batch 'B': measurement 'c'"),
        ({"batches": one(reading([1.0, 2.0]))}, "is an array of shape"),
        ({"batches": one(reading(), settings={"kk": 1})}, "batch 'B': Decay has no parameter 'kk'"),
        ({"batches": one(reading(), settings={"k": 1})}, "is free, but batch 'B' says what it is"),
        ({"batches": one(reading(), initial={"c": "1 h"})}, "batch 'B': "),
        ({"batches": one(reading(), inputs={"F": 1})}, "batch 'B': .*no input 'F'"),
        ({"batches": one(reading(std=0.1), reading(time=2.0)), "noise": None}, "1 of 2 measurements of 'c' have no"),
        ({"sensors": [3]}, "Sensor"),
        ({"sensors": [Sensor("c"), Sensor("double", tag="c")]}, "two sensors"),
    ],
)
def test_bad_input_is_refused(how, words):
    given = dict(how)
    with pytest.raises(tk.TwinkitError, match=words):
        run(given.pop("batches", None), **given)


def test_events_are_refused():
    class Ball(tk.Model):
        """Falls and bounces."""

        h = tk.State("m", 1.0)
        w = tk.State("m/s", 0.0)
        e = tk.Parameter("", 0.8)

        def equations(self, v, m):
            return {"h": v.w, "w": -9.81 + 0 * v.h}

        def events(self, v, m):
            return {"bounce": tk.Event(v.h, tk.Crossing.FALLING, set={"w": -v.e * v.w})}

    batch = tk.Batch("B", [tk.Measurement("h", 0.5, "m", 0.3)], time_unit="s")
    with pytest.raises(tk.SimulationError, match="events or schedules"):
        calibrate(Ball(), batch, ["e"], progress=False)


def test_proportional_noise_alone_needs_values_that_are_not_zero():
    result = run(one(reading(0.0, 0.0), reading()), noise={"c": Noise(relative=0.1)}, model=Decay(c=0.0))
    assert result.status is CalibrationStatus.FAILED
    assert "give it a constant part" in result.message


# ---------------------------------------------------------------------------------------------- what is measured
def test_tags_units_times_and_qualities():
    base = run()
    times, values = decay_data().values("c")
    readings = [
        tk.Measurement("AI-1", 2000 * v, "mg/L", 60 * t) for t, v in zip(times.tolist(), values.tolist(), strict=True)
    ]
    readings.append(tk.Measurement("AI-1", math.nan, "mg/L", 60.0, quality=tk.Quality.BAD))
    batch = tk.Batch("B", readings, time_unit="min")
    named = run(batch, noise=None, sensors=[Sensor("double", std="100 mg/L", tag="AI-1")])
    assert named["k"].value == pytest.approx(base["k"].value, rel=1e-6)
    assert named["k"].std == pytest.approx(base["k"].std, rel=1e-5)
    assert named.objective.data.batches[0].bad == 1


def test_an_uncertain_reading_counts_less():
    pair = [reading(2.0, 0.0), reading(1.0, 0.0, quality=tk.Quality.UNCERTAIN)]
    found = run(one(*pair), free=[Initial("c")])
    assert found["c(0)"].value == pytest.approx((2.0 + 1.0 / 4) / 1.25)


def test_the_standard_deviation_of_a_measurement_counts_unless_noise_is_given():
    batch = one(reading(2.0, 0.0, std=0.1), reading(1.0, 0.0, std=0.2))
    assert run(batch, free=["c(0)"], noise=None)["c(0)"].value == pytest.approx((2.0 + 0.25) / 1.25)
    assert run(batch, free=["c(0)"])["c(0)"].value == pytest.approx(1.5)


def test_values_per_batch_and_shared():
    batches = [decay_data(seed=s, k=k, name=f"B{s}") for s, k in ((1, 0.4), (2, 0.6))]
    own = run(batches, free=[PerBatch("k"), Initial("c")])
    assert own.labels == ("k [B1]", "k [B2]", "c(0)")
    for batch in batches:
        alone = run(batch, free=["k"], model=Decay(c=own["c(0)"].value))
        assert own[f"k [{batch.name}]"].value == pytest.approx(alone["k"].value, rel=1e-5)
    assert own.parameters.names == ("c",)
    assert own.fitted_batches["B2"].settings["k"] == own["k [B2]"].value
    assert own.simulate("B1")["c"].values[0] == pytest.approx(own["c(0)"].value)


def test_a_batch_s_own_value_starts_the_search():
    batch = decay_data().with_(settings={"k": 3.0}, initial={"c": 1.0})
    found = run(batch, free=[PerBatch("k"), PerBatch(Initial("c"))], max_evaluations=1)
    assert found.objective.space.values(found.starts[0].begin).tolist() == [3.0, 1.0]


def test_replicates_share_a_run_and_weigh_twice():
    single = run()
    twice = run([decay_data(), decay_data().with_(name="C")])
    assert twice["k"].value == pytest.approx(single["k"].value, rel=1e-6)
    assert twice["k"].std == pytest.approx(single["k"].std / math.sqrt(2), rel=1e-6)
    recipes = {batch.recipe for batch in twice.objective.data.batches}
    assert len(recipes) == 1


def test_an_outlier_moves_the_robust_fit_little():
    batch = decay_data()
    spoilt = batch.with_(measurements=[*batch.measurements, reading(9.0, 4.0)])
    clean = run(batch)["k"].value
    assert abs(run(spoilt)["k"].value - clean) > 5 * abs(run(spoilt, loss=Huber())["k"].value - clean)
    with pytest.raises(tk.InvalidValueError, match="positive"):
        Huber(0.0)


# ---------------------------------------------------------------------------------------------- what cannot be told
def test_a_quantity_nothing_sees_has_infinite_variance():
    found = run(free=["k", "blind"])
    assert found["blind"].std == math.inf
    assert found["blind"].value == 1.0
    assert not found["blind"].determined
    assert found["blind"].interval == (0.0, 5.0)
    assert found["k"].std == pytest.approx(run()["k"].std, rel=1e-6)
    assert found.identifiability.unseen == ("blind",)
    assert "No measurement depends on blind" in repr(found)
    assert found.parameters.determined.names == ("k",)
    with pytest.raises(tk.InvalidValueError, match="do not determine blind"):
        found.draw(3, seed=0)
    assert list(found.adaptations()) == ["k"]
    with pytest.raises(tk.InvalidValueError, match="do not determine 'blind'"):
        found.adaptations(["blind"])


@pytest.mark.parametrize("transform", list(Transform))
def test_a_product_of_two_is_told_in_words(transform):
    batch = decay_data()
    found = run(batch, [Free("a", transform=transform), Free("b", transform=transform), Initial("c")], Product())
    assert found["a"].value * found["b"].value == pytest.approx(run(free=["k", "c(0)"])["k"].value, rel=1e-5)
    assert found["a"].std == found["b"].std == math.inf
    assert math.isfinite(found["c(0)"].std)
    assert found.identifiability.rank == 2
    assert found.identifiability.undetermined == ("a", "b")
    (words,) = found.identifiability.combinations
    assert words in {"changing a +1 % with b -1 %", "changing b +1 % with a -1 %"}


def test_a_prior_makes_it_determined():
    found = run(free=["a", "b"], model=Product(), priors={"b": Normal(1.2, 0.1)})
    assert found.identifiability.complete
    assert found["b"].std == pytest.approx(0.1, rel=1e-3)
    assert found.identifiability.pairs[0][:2] == ("a", "b")
    assert "strongly correlated" in str(found.identifiability)


class Saturation(tk.Model):
    """Uptake far below saturation: only v / K can be seen."""

    time_unit = "h"
    c = tk.State("g/L", 2.0)
    v = tk.Parameter("g/L/h", 50.0, bounds=(0, None))
    K = tk.Parameter("g/L", 100.0, bounds=(1e-3, None))

    def equations(self, v, m):
        return {"c": -v.v * v.c / (v.K + v.c)}


def test_a_profile_that_levels_off_is_open():
    free = [Free("v", transform=Transform.LOG), Free("K", transform=Transform.LOG)]
    profile = run(free=free, model=Saturation()).profile("K")
    assert profile.ends == ("closed", "open")
    assert 0 < profile.interval[0] < profile.interval[1] == math.inf
    assert "open to the right (practically non-identifiable there)" in str(profile)
    assert not profile.identifiable


def test_a_profile_ends_at_bounds():
    profile = run(free=["a", "b"], model=Product()).profile("a", points=40)
    assert profile.ends == ("closed", "bound")
    # b is at most 10, so a cannot be below a tenth of what their product can be.
    assert profile.interval[0] == pytest.approx(run().profile("k").interval[0] / 10, rel=1e-3)
    assert profile.interval[1] == 10.0
    half = tk.estimate.calibrate(Decay(k=9.0), one(reading(0.001, 4.0)), ["k"], noise=NOISE, progress=False)
    profile = half.profile("k")
    assert profile.ends[0] == "closed"
    assert profile.ends[1] == "bound"
    assert "bound" in str(profile)


def test_what_a_profile_refuses():
    found = run()
    with pytest.raises(tk.UnknownNameError, match="'q'"):
        found.profile("q")
    with pytest.raises(tk.InvalidValueError, match="at least 2 points"):
        found.profile("k", points=1)


# ---------------------------------------------------------------------------------------------- how it ends
def test_an_estimate_at_its_bound_says_so():
    found = run(free=[Free("k", bounds=(0, 0.3))])
    assert found.status is CalibrationStatus.AT_BOUND
    assert found["k"].value == pytest.approx(0.3, rel=1e-6)
    assert found["k"].at_bound
    assert "(at a bound)" in repr(found)


def test_too_few_evaluations_are_not_called_converged():
    found = run(free=["k", "c(0)"], model=Decay(k=5.0), max_evaluations=2)
    assert found.status is CalibrationStatus.NOT_CONVERGED
    assert not found.status.usable
    assert "raise max_evaluations" in found.message
    with pytest.raises(tk.SimulationError, match="no minimum"):
        found.profile("k")


class Runaway(tk.Model):
    """Ends in finite time unless `a` is small."""

    time_unit = "h"
    x = tk.State("", 1.0)
    a = tk.Parameter("1/h", 5.0, bounds=(0, 10))

    def equations(self, v, m):
        return {"x": v.a * v.x**2}


def runaway_batch():
    return tk.Batch("B", [tk.Measurement("x", 1 / (1 - 0.1 * t), "", t, std=0.01) for t in (1.0, 2.0, 4.0)])


def test_a_model_that_cannot_be_simulated_fails_with_words():
    found = calibrate(Runaway(), runaway_batch(), ["a"], progress=False)
    assert found.status is CalibrationStatus.FAILED
    assert found.cost == math.inf
    assert found["a"].std == math.inf
    assert "FAILED" in repr(found) or "failed" in repr(found)
    found._repr_html_()
    for use in (lambda: found.model, lambda: found.residuals, lambda: found.draw(1, 0), lambda: found.plot()):
        with pytest.raises(tk.SimulationError, match="failed"):
            use()


def test_the_search_turns_back_where_the_model_cannot_be_simulated():
    found = calibrate(Runaway(a=0.2), runaway_batch(), ["a"], progress=False)
    assert found["a"].value == pytest.approx(0.1, rel=1e-3)


def test_several_starts_show_their_costs_and_find_what_one_misses():
    free = Free("a", transform=Transform.LOG, bounds=(1e-3, 10))
    found = calibrate(
        Runaway(), runaway_batch(), free, multi_start=6, seed=1, solver=tk.Cvodes(max_steps=500), progress=False
    )
    assert found.status is CalibrationStatus.CONVERGED
    assert found.starts[0].status is CalibrationStatus.FAILED
    assert math.isinf(found.costs[0])
    assert found["a"].value == pytest.approx(0.1, rel=1e-3)
    assert found.costs.min() == found.cost


def test_the_same_result_whichever_executor_searches():
    alone = run(free=["k", "c(0)"], multi_start=3, seed=5)
    with ThreadPoolExecutor(2) as threads:
        by_threads = run(free=["k", "c(0)"], multi_start=3, seed=5, executor=threads)
    with warnings.catch_warnings(), ProcessPoolExecutor(1) as processes:
        warnings.simplefilter("ignore")  # jax warns of fork where another test has imported it
        by_processes = run(free=["k", "c(0)"], multi_start=3, seed=5, executor=processes)
    for other in (by_threads, by_processes):
        assert np.array_equal(other.costs, alone.costs)
        assert other.parameters.content_hash == alone.parameters.content_hash
    other_seed = run(free=["k", "c(0)"], multi_start=3, seed=6)
    assert not np.array_equal(other_seed.starts[1].begin, alone.starts[1].begin)
    assert np.array_equal(other_seed.starts[0].begin, alone.starts[0].begin)


@pytest.mark.parametrize("noise", [1e-300, 1e300])
def test_absurd_noise_is_no_warning_and_no_plausible_number(noise):
    found = run(noise={"c": Noise(noise)})
    assert found.status is CalibrationStatus.FAILED or not found["k"].determined


# ---------------------------------------------------------------------------------------------- what it is for
def test_the_result_is_a_model_a_parameter_set_and_what_made_them(tmp_path):
    found = run(free=["k", "c(0)"])
    assert found.model.k == found["k"].value
    assert found.model.c == found["c(0)"].value
    assert found.parameters.source.startswith("calibrated by twinkit")
    assert found.provenance["model"] == Decay().content_hash
    again = run(free=["k", "c(0)"])
    assert again.parameters.content_hash == found.parameters.content_hash
    other = run(decay_data(seed=2), free=["k", "c(0)"])
    assert other.provenance["data"] != found.provenance["data"]
    loaded = tk.ParameterSet.load(found.parameters.save(tmp_path / "decay.json"))
    assert loaded.apply(Decay()) == found.model


def test_uncertainty_flows_into_ensembles_and_estimators():
    found = run(free=["k", "c(0)"])
    ensemble = tk.ensemble(Decay(), found.draw(400, seed=1), until="8 h", progress=False)
    drawn = np.corrcoef(ensemble.samples["k"], ensemble.samples["c"])[0, 1]
    assert drawn == pytest.approx(found.correlation[0, 1], abs=0.1)
    adaptations = found.adaptations(noise=0.01)
    assert adaptations == {"k": Adaptation(std=found["k"].std, noise=0.01)}
    ekf = ExtendedKalmanFilter(found.model, sensors=[Sensor("c", std=0.05)], adapt=adaptations)
    assert ekf.start().std["k"] == pytest.approx(found["k"].std)
    with pytest.raises(tk.UnknownNameError, match="'kk'"):
        found.adaptations(["kk"])


def test_the_order_of_measurements_does_not_matter():
    batch = decay_data()
    mixed = batch.with_(measurements=batch.measurements[::-1])
    assert run(mixed)["k"].value == pytest.approx(run(batch)["k"].value, rel=1e-9)


def test_looks_and_plots():
    batches = [decay_data(seed=s, name=f"B{s}", count=6) for s in (1, 2)]
    found = run(batches, free=["k", "c(0)"])
    assert "Calibration of Decay on 2 batches, 12 measurements: converged" in repr(found)
    assert "<table>" in found._repr_html_()
    with pytest.raises(tk.UnknownNameError, match="did you mean 'k'"):
        found["kk"]
    axes = found.plot()
    assert axes.shape == (1, 2)
    assert axes[0, 0].get_title() == "B1"
    assert len(axes[0, 0].lines[0].get_xdata()) > 10
    assert found.plot("c", batches=["B2"]).shape == (1, 1)
    with pytest.raises(tk.UnknownNameError, match="'d'"):
        found.plot("d")
    with pytest.raises(tk.UnknownNameError, match="'B3'"):
        found.simulate("B3")
    assert len(found.plot_correlation().texts) == 4
    profile = found.profile("k")
    assert profile.plot().get_xlabel() == "k [1/h]"
    assert "95 % profile interval" in profile._repr_html_()
    plt.close("all")


def test_progress_is_shown(capsys):
    run(progress=True)
    assert "calibrate" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------- leave one group out
def test_cross_validation_predicts_what_it_has_not_seen():
    batches = [decay_data(seed=s, name=f"{'AB'[s % 2]}{s}", noise=0.02) for s in range(4)]
    scores = cross_validate(Decay(), batches, ["k"], lambda name: name[0], noise={"c": Noise(0.02)}, progress=False)
    assert scores.groups == ("A", "B")
    assert scores.rmse("c", "A") == pytest.approx(0.02, rel=0.4)
    assert scores.rmse("c", baseline=True) > 0
    errors = np.concatenate([item.predicted - item.measured for item in scores.held])
    assert scores.rmse("c") == pytest.approx(math.sqrt(np.mean(errors**2)))
    left_out = scores.calibrations["A"]
    assert [batch.name for batch in left_out.batches] == ["B1", "B3"]
    assert "mean curve" in repr(scores)
    assert "<table>" in scores._repr_html_()
    assert scores.plot() is not None
    plt.close("all")
    with pytest.raises(tk.UnknownNameError, match="group"):
        scores.rmse("c", "C")


def test_a_batch_left_out_takes_its_own_start_or_the_mean_of_the_others():
    batches = [decay_data(seed=s, name=f"B{s}", noise=0.02) for s in range(3)]
    free = ["k", Free(PerBatch(Initial("c")), transform=Transform.LOG)]
    scores = cross_validate(Decay(), batches, free, noise={"c": Noise(0.02)}, progress=False)
    item, found = scores.held[0], scores.calibrations["B0"]
    mean = math.sqrt(found["c(0) [B1]"].value * found["c(0) [B2]"].value)
    assert item.predicted[0] == pytest.approx(mean)
    known = [batch.with_(initial={"c": 1.9}) for batch in batches]
    scores = cross_validate(Decay(), known, free, noise={"c": Noise(0.02)}, progress=False)
    assert scores.held[0].predicted[0] == pytest.approx(1.9)


def test_what_cross_validation_refuses():
    with pytest.raises(tk.InvalidValueError, match="at least two"):
        cross_validate(Decay(), decay_data(), ["k"], progress=False)
    with pytest.raises(tk.InvalidValueError, match="has no group"):
        cross_validate(Decay(), [decay_data()], ["k"], {"C": "x"}, progress=False)
