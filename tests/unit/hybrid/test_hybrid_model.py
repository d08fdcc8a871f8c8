"""Fitting, predicting and saving hybrid models; and what they refuse."""

import copy
import hashlib
import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from tests.hybrid_examples import NOISE, Growth, Truth, batches

import twinkit as tk
from twinkit.core.identity import digest
from twinkit.hybrid import (
    GaussianProcess,
    HybridModel,
    InducingGP,
    Kernel,
    NeuralNetwork,
    Polynomial,
    Propagation,
    Residual,
)
from twinkit.hybrid.training.observations import observed
from twinkit.readings import check_dimensions
from twinkit.testing import check_model

HOW = {"progress": False, "rounds": 4}
PARAMETERS = {"mu_max": 0.5, "Y": 0.3}


def hybrid(**how):
    return Residual(Growth(), on={"mu": ["X", "S"]}, gates={"mu": {"S": 0.1}}, **how)


@pytest.fixture(scope="module")
def fitted():
    return HybridModel(hybrid(), parameters=PARAMETERS, **HOW).fit(batches(4))


@pytest.fixture(scope="module")
def fresh():
    """Batches no model has seen, without noise."""
    return batches(3, seed=9)


def error(model, unseen):
    found = model.forecast(unseen, times=np.linspace(0, 24, 13), propagation=Propagation.LINEARISED)
    off = []
    for batch, forecast in zip(unseen, found, strict=True):
        truth = tk.simulate(Truth(), 24.0, inputs=batch.inputs, initial=batch.initial, outputs=forecast.time)
        off.append(forecast.median[:, 0] - truth.trace(forecast.tags[0]).data)
    return float(np.sqrt(np.mean(np.square(off))))


class TestFit:
    def test_it_finds_what_the_mechanism_misses(self, fitted, fresh):
        mechanism = HybridModel(Growth(), parameters=PARAMETERS, **HOW).fit(batches(4))
        assert error(fitted, fresh) < 0.1
        assert error(fitted, fresh) < 0.35 * error(mechanism, fresh)

    def test_the_mechanism_has_an_effect_on_the_prediction(self, fitted, fresh):
        slower = fitted.model_.with_(mu_max=0.8 * fitted.model_.mu_max)
        batch = fresh[0]
        runs = [
            tk.simulate(model, 24.0, inputs=batch.inputs, initial=batch.initial) for model in (fitted.model_, slower)
        ]
        assert float(abs(runs[0]["X"] - runs[1]["X"]).max()) > 0.2

    def test_the_fitted_model_is_an_ordinary_model(self, fitted):
        assert type(fitted.model_) is Growth
        check_dimensions(fitted.model_)
        small = hybrid(terms=InducingGP(points=3))
        check_model(
            small.with_({"mu_term.weights": [0.02, -0.01, 0.03], "mu_term.points": [1.0, 2.0, 0.5, 0.1, 3.0, 1.0]})
        )

    def test_noise_is_estimated(self, fitted):
        for tag, std in NOISE.items():
            relative, absolute = fitted.noise_[tag]
            assert np.hypot(relative * 5.0, absolute) == pytest.approx(std, rel=1.0)

    def test_the_same_seed_gives_the_same_bytes(self, fitted):
        again = HybridModel(hybrid(), parameters=PARAMETERS, **HOW).fit(batches(4))
        assert again.content_hash == fitted.content_hash

    @pytest.mark.parametrize("learner", [Polynomial(2), NeuralNetwork(2)])
    def test_other_terms(self, learner, fresh):
        model = HybridModel(hybrid(terms=learner), parameters=PARAMETERS, progress=False, rounds=2).fit(batches(3))
        assert error(model, fresh) < 0.4

    def test_outputs_can_be_measured(self):
        def of_cells(batch):
            rows = [tk.Measurement("cells", m.value, "g", m.source_time) for m in batch.measurements if m.tag == "X"]
            return tk.Batch(batch.name, rows, inputs={"F": 0.0}, initial=batch.initial, until=batch.until)

        made = [of_cells(batch) for batch in batches(2, truth=Growth())]
        model = HybridModel(Growth(mu_max=0.25), parameters=["mu_max"], **HOW).fit(made)
        assert np.isfinite(model.model_.mu_max)

    def test_no_batch_is_the_mechanism_with_its_prior(self, fresh):
        cold = HybridModel(hybrid(), parameters=PARAMETERS, **HOW).fit([])
        assert cold.model_ == hybrid()
        (found,) = cold.forecast(fresh[:1], times=[24.0], n=50)
        assert np.all(found.high > found.low)

    def test_one_batch_is_enough_to_fit(self):
        model = HybridModel(hybrid(terms=InducingGP(points=6)), parameters=PARAMETERS, **HOW).fit(batches(1))
        assert np.all(np.isfinite(model.posterior_.std))


class TestPrediction:
    @pytest.mark.parametrize("how", list(Propagation))
    def test_propagations_agree_where_uncertainty_is_small(self, fitted, fresh, how):
        small = copy.copy(fitted)
        posterior = replace(fitted.posterior_, factor=0.05 * fitted.posterior_.factor)
        small.trained_ = replace(fitted.trained_, posterior=posterior)
        times = np.linspace(0, 24, 5)
        (linear,) = small.forecast(fresh[:1], times=times, propagation=Propagation.LINEARISED)
        (found,) = small.forecast(fresh[:1], times=times, propagation=how, n=150)
        assert np.allclose(found.median[1:], linear.median[1:], atol=3e-3)
        assert np.allclose(found.std[1:], linear.std[1:], rtol=0.35)

    def test_a_sample_is_one_function_for_the_whole_run(self, fitted, fresh):
        (found,) = fitted.sample_trajectories(fresh[:1], n=40, times=np.linspace(0, 24, 49))
        off = found["X"] - found["X"].median("sample")
        steps = np.corrcoef(off[:, 20], off[:, 21])[0, 1]
        assert steps > 0.95
        (again,) = fitted.sample_trajectories(fresh[:1], n=40, times=np.linspace(0, 24, 49))
        assert again.identical(found)

    def test_intervals_hold_the_truth(self, fitted, fresh):
        times = np.linspace(2, 24, 12)
        inside = []
        for batch, bounds in zip(fresh, fitted.predict_interval(fresh, times=times, n=100), strict=True):
            truth = tk.simulate(Truth(), 24.0, inputs=batch.inputs, initial=batch.initial, outputs=times)
            for tag in NOISE:
                data = truth.trace(tag).data
                inside += list((bounds[tag].sel(bound="low") <= data) & (data <= bounds[tag].sel(bound="high")))
        assert np.mean(inside) > 0.7

    def test_a_runaway_sample_does_not_move_the_median(self):
        from twinkit.hybrid.predicting import quantiles

        samples = np.linspace(0.0, 1.0, 101)[:, None]
        wild = samples.copy()
        wild[-1] = 1e12
        wild[3] = np.nan
        assert quantiles(wild, [0.5])[0] == pytest.approx(quantiles(samples, [0.5])[0], abs=0.02)

    def test_far_from_the_data_it_defers(self, fitted):
        ordinary, strange = batches(1)[0], batches(1)[0].with_(initial={"X": 25.0, "S": 60.0}, measurements=())
        assert fitted.forecast(ordinary, times=[6.0], n=20)[0].in_domain.all()
        found = fitted.predict_at(strange, "6 h", n=20)
        assert not found["X"].in_domain
        assert found["X"].made_by == fitted.content_hash
        assert found["X"].unit == "g/L"

    def test_predict_gives_data_sets_with_units(self, fitted, fresh):
        (found,) = fitted.predict(fresh[:1], tags=["X", "cells"], times=[1.0, 2.0])
        assert found["cells"].attrs["units"] == "g"
        assert found.sizes == {"time": 2}

    def test_it_plots(self, fitted, fresh):
        assert len(fitted.forecast(fresh[:1], n=10)[0].plot()) == 2
        assert "fitted to 4 batches" in fitted._repr_html_()


class TestFiles:
    def test_round_trip(self, fitted, fresh, tmp_path):
        fitted.save(tmp_path / "model")
        again = HybridModel.load(tmp_path / "model", Growth)
        assert again.content_hash == fitted.content_hash
        one, other = (model.forecast(fresh[:1], n=10)[0] for model in (fitted, again))
        assert np.array_equal(one.samples, other.samples)
        assert np.array_equal(one.in_domain, other.in_domain)

    def test_damage_is_found(self, fitted, tmp_path):
        fitted.save(tmp_path)
        archive = tmp_path / "hybrid.npz"
        archive.write_bytes(archive.read_bytes()[:-9])
        with pytest.raises(tk.DataError, match=r"hybrid\.npz"):
            HybridModel.load(tmp_path, Growth)
        text = tmp_path / "hybrid.json"
        text.write_text(text.read_text()[:200])
        with pytest.raises(tk.DataError, match="damaged"):
            HybridModel.load(tmp_path, Growth)
        text.write_text(json.dumps([1, 2]))
        with pytest.raises(tk.DataError, match="damaged"):
            HybridModel.load(tmp_path, Growth)
        with pytest.raises(tk.DataError, match="missing"):
            HybridModel.load(tmp_path / "nowhere", Growth)


class TestRefusals:
    def test_two_batches_of_one_name(self):
        one = batches(1)[0]
        with pytest.raises(tk.InvalidValueError, match="two batches are called 'B0'"):
            HybridModel(hybrid(), **HOW).fit([one, one])

    def test_a_column_without_any_value(self):
        missing = tk.Measurement("X", np.nan, "g/L", 1.0, quality=tk.Quality.BAD)
        bad = [tk.Batch(b.name, [missing, b.measurements[-1]], until=24.0) for b in batches(2)]
        with pytest.raises(tk.InvalidValueError, match="'X' has no usable value"):
            HybridModel(hybrid(), **HOW).fit(bad)

    def test_a_column_of_a_table_without_any_value(self):
        table = {"batch_id": ["A", "A"], "time": [0.0, 1.0], "X": [1.0, 2.0], "S": [None, np.nan]}
        with pytest.raises(tk.DataError, match="'S' has no value in any row"):
            tk.Batch.from_table(table, units={"X": "g/L", "S": "g/L"})

    def test_too_many_times(self):
        many = tk.Batch("A", [tk.Measurement("X", 1.0, "g/L", 1e-3 * k) for k in range(10_000)])
        with pytest.raises(tk.InvalidValueError, match=r"measured at 10000 times.*keep every 50th"):
            HybridModel(hybrid(), **HOW).fit(many)

    def test_two_values_at_one_time(self):
        both = [tk.Measurement("X", value, "g/L", 1.0) for value in (1.0, 2.0)]
        with pytest.raises(tk.InvalidValueError, match="two different values of 'X'"):
            HybridModel(hybrid(), **HOW).fit(tk.Batch("A", both))

    def test_units_that_disagree(self):
        with pytest.raises(tk.UnitError, match="'A' measured 'X'"):
            HybridModel(hybrid(), **HOW).fit(tk.Batch("A", [tk.Measurement("X", 1.0, "K", 1.0)]))

    def test_units_that_convert_are_converted(self):
        made = tk.Batch("A", [tk.Measurement("X", 1000.0, "mg/L", 60.0)], time_unit="min")
        data = observed(Growth(), [made], 1e-3)
        assert data.value == pytest.approx([1.0])
        assert data.problems[0].times == pytest.approx([1.0])

    def test_an_unknown_tag(self):
        with pytest.raises(tk.UnknownNameError, match="did you mean 'X'"):
            HybridModel(hybrid(), **HOW).fit(tk.Batch("A", [tk.Measurement("x", 1.0, "g/L", 1.0)]))

    @pytest.mark.parametrize("wrong", [{"parameters": ["mu_mx"]}, {"parameters": {"mu_max": -1.0}}, {"rounds": 0}])
    def test_wrong_arguments(self, wrong):
        with pytest.raises(tk.TwinkitError):
            HybridModel(hybrid(), **{**HOW, **wrong}).fit(batches(1))

    def test_nothing_to_learn(self):
        with pytest.raises(tk.InvalidValueError, match="nothing is to be learned"):
            HybridModel(Growth(), **HOW).fit(batches(1))

    def test_not_fitted(self):
        with pytest.raises(tk.InvalidValueError, match="not fitted"):
            HybridModel(hybrid()).predict(batches(1))

    def test_what_is_no_batch(self):
        with pytest.raises(tk.InvalidValueError, match="from_table"):
            HybridModel(hybrid(), **HOW).fit([{"batch_id": "A"}])

    @pytest.mark.parametrize(
        "how", [{"coverage": 95}, {"n": 1}, {"n": "a"}, {"times": [99.0]}, {"propagation": "pathwise"}]
    )
    def test_wrong_forecasts(self, fitted, how):
        with pytest.raises(tk.InvalidValueError):
            fitted.forecast(batches(1), **how)

    def test_residuals_that_make_no_sense(self):
        with pytest.raises(tk.UnknownNameError, match="'nu'"):
            Residual(Growth(), on={"nu": ["S"]})
        with pytest.raises(tk.UnknownNameError, match="'s'"):
            Residual(Growth(), on={"mu": ["s"]})
        with pytest.raises(tk.InvalidValueError, match="name later"):
            Residual(Growth(), on={"mu": ["mu"]})
        with pytest.raises(tk.InvalidValueError, match="list of names"):
            Residual(Growth(), on={"mu": "S"})
        with pytest.raises(tk.InvalidValueError, match="at least one rate"):
            Residual(Growth(), on={})
        with pytest.raises(tk.InvalidValueError, match="mapping of rates"):
            Residual(Growth(), on=["mu"])
        with pytest.raises(tk.InvalidValueError, match=r"Combine\.MULTIPLY"):
            Residual(Growth(), on={"mu": ["S"]}, combine="multiply")

    def test_a_batch_that_sets_what_is_learned(self, fitted):
        """Neither in training nor in a forecast is its value ignored in silence."""
        own = batches(1)[0].with_(settings={"mu_max": 0.1})
        with pytest.raises(tk.InvalidValueError, match="sets 'mu_max'"):
            HybridModel(hybrid(), parameters=PARAMETERS, **HOW).fit(own)
        with pytest.raises(tk.InvalidValueError, match="sets 'mu_max'"):
            fitted.forecast(own)

    def test_measurements_that_say_nothing(self):
        start = tk.Batch("A", [tk.Measurement("X", 1.0, "g/L", 0.0)], until=5.0)
        assert np.all(np.isfinite(HybridModel(hybrid(), **HOW).fit(start).posterior_.std))
        with pytest.raises(tk.InvalidValueError, match=r"list of tk\.Batch"):
            HybridModel(hybrid(), **HOW).fit(None)

    def test_an_input_that_never_changes(self):
        """A constant input makes a kernel singular in that direction; the fit goes on without it."""
        model = Residual(Growth(), on={"mu": ["X", "S_in"]}, terms=InducingGP(points=6))
        assert np.all(np.isfinite(HybridModel(model, **HOW).fit(batches(2)).posterior_.std))


def test_selection_prefers_what_predicts():
    candidates = {
        "mechanism": HybridModel(Growth(), parameters=PARAMETERS, **HOW),
        "hybrid": HybridModel(hybrid(terms=InducingGP(points=8)), parameters=PARAMETERS, **{**HOW, "rounds": 2}),
    }
    found = tk.hybrid.select(candidates, batches(4), folds=2, progress=False)
    assert found.best == "hybrid"
    assert "mechanism" in repr(found)
    with pytest.raises(tk.InvalidValueError, match="at least 2 batches"):
        tk.hybrid.select(candidates, batches(1))


class TestUncertainty:
    """What a controller takes from a fitted model."""

    @pytest.mark.parametrize("model", ["hybrid", "mechanism"])
    def test_directions_are_those_of_small_draws(self, fitted, model):
        made = fitted if model == "hybrid" else HybridModel(Growth(), parameters=PARAMETERS, **HOW).fit(batches(2))
        posterior = replace(made.posterior_, factor=1e-3 * made.posterior_.factor)
        positions, factor = posterior.directions(made.model_)
        draws = posterior.draw(made.model_, count=4000, seed=1)
        pack = made.model_.layout.parameters.pack
        values = np.array([pack(made.model_.with_({n: v[k] for n, v in draws.items()}).values()) for k in range(200)])
        assert np.flatnonzero(np.ptp(values, axis=0) > 0).tolist() == sorted(positions)
        flat = np.column_stack([draws[name] for name in posterior.names])
        np.testing.assert_allclose(flat.std(axis=0), np.sqrt(np.sum(factor**2, axis=1)), rtol=0.05)
        np.testing.assert_array_equal(draws["Y"], posterior.draw(made.model_, count=4000, seed=1)["Y"])

    def test_another_model_is_refused(self, fitted):
        with pytest.raises(tk.InvalidValueError, match=r"'Y' is 0\.3 in the model"):
            fitted.posterior_.directions(fitted.model_.with_({"Y": 0.3}))

    def test_it_has_an_identity(self, fitted):
        wider = replace(fitted.posterior_, factor=2.0 * fitted.posterior_.factor)
        assert wider.content_hash != fitted.posterior_.content_hash
        assert replace(wider).content_hash == wider.content_hash


class Bounded(Growth):
    """Growth whose true yield lies above the bound of the declaration."""

    Y = tk.Parameter("g/g", 0.4, bounds=(1e-6, 0.45), doc="yield", source="illustrative")


class TestBounds:
    def test_a_parameter_the_data_push_out_of_its_bounds_stays_within(self, tmp_path):
        made = HybridModel(Bounded(), parameters={"mu_max": 0.5, "Y": 1.0}, rounds=2, progress=False).fit(batches(2))
        assert 0.44 < made.model_.Y <= 0.45
        place = made.posterior_.names.index("Y")
        draws = made.posterior_.values(made.posterior_.drawn(200, np.random.default_rng(0)))[:, place]
        assert draws.max() <= 0.45
        assert draws.min() < 0.45
        made.save(tmp_path)
        assert HybridModel.load(tmp_path, Bounded).posterior_.bounds == made.posterior_.bounds


def altered(document, path, value):
    """Return a saved text with one entry changed, and a checksum that agrees with it."""
    *where, last = path
    place = document
    for key in where:
        place = place[key]
    place[last] = value
    document.pop("checksum")
    return json.dumps({**document, "checksum": digest(document)})


class TestHostileFiles:
    @pytest.mark.parametrize("part", ["noise", "ranges", "report", "qualification", "batches"])
    def test_a_text_changed_by_hand_is_noticed(self, fitted, tmp_path, part):
        fitted.save(tmp_path)
        text = tmp_path / "hybrid.json"
        document = json.loads(text.read_text())
        document[part] = "VAL-0001"
        text.write_text(json.dumps(document))
        with pytest.raises(tk.DataError, match="checksum"):
            HybridModel.load(tmp_path, Growth)

    @pytest.mark.parametrize(
        ("path", "value"),
        [(["noise", "X"], [0.0, 99.0]), (["ranges", "X"], 99.0), (["arguments", "widest"], 9.0), (["ranges"], None),
         (["ranges"], 1), (["content_hash"], None), (["domains"], []), (["posterior", "bounds"], [])],
    )  # fmt: skip
    def test_whatever_decides_predictions_is_hashed(self, fitted, tmp_path, path, value):
        fitted.save(tmp_path)
        text = tmp_path / "hybrid.json"
        text.write_text(altered(json.loads(text.read_text()), path, value))
        with pytest.raises(tk.DataError, match="damaged"):
            HybridModel.load(tmp_path, Growth)

    @pytest.mark.parametrize("raw", [b"", b"[" * 200_000, b"\x00\xff", b"{}"])
    def test_texts_that_are_none(self, fitted, tmp_path, raw):
        fitted.save(tmp_path)
        (tmp_path / "hybrid.json").write_bytes(raw)
        with pytest.raises(tk.DataError, match="damaged"):
            HybridModel.load(tmp_path, Growth)

    @pytest.mark.parametrize("kind", ["empty", "lies about its size", "compressed"])
    def test_archives_that_are_none(self, fitted, tmp_path, kind):
        fitted.save(tmp_path)
        buffer, header = io.BytesIO(), io.BytesIO()
        form = zipfile.ZIP_DEFLATED if kind == "compressed" else zipfile.ZIP_STORED
        about = {"descr": "<f8", "fortran_order": False, "shape": (10**13,)}
        np.lib.format.write_array_header_1_0(header, about)
        with zipfile.ZipFile(buffer, "w", form) as archive:
            archive.writestr("mean.npy", header.getvalue())
        content = b"" if kind == "empty" else buffer.getvalue()
        (tmp_path / "hybrid.npz").write_bytes(content)
        text = tmp_path / "hybrid.json"
        text.write_text(altered(json.loads(text.read_text()), ["arrays"], hashlib.sha256(content).hexdigest()))
        with pytest.raises(tk.DataError):
            HybridModel.load(tmp_path, Growth)

    @pytest.mark.parametrize("kind", ["empty", "without a hash", "compressed"])
    def test_files_of_gaussian_processes(self, tmp_path, kind):
        path = tmp_path / "gp.npz"
        one = np.ones(1)
        GaussianProcess(Kernel.RBF, np.ones((1, 1)), one, 1.0, 0.0, one, np.ones((1, 1)), 0.1).save(path)
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
        document = json.loads(bytes(arrays["document"]).decode())
        if kind == "without a hash":
            document.pop("content_hash")
        arrays["document"] = np.frombuffer(json.dumps(document).encode(), dtype=np.uint8)
        (np.savez_compressed if kind == "compressed" else np.savez)(path, **arrays)
        if kind == "empty":
            path.write_bytes(b"")
        with pytest.raises(tk.DataError):
            GaussianProcess.load(path)

    def test_a_file_is_no_folder(self, fitted, tmp_path):
        (tmp_path / "here").write_text("")
        with pytest.raises(tk.InvalidValueError, match="is a file"):
            fitted.save(tmp_path / "here")


class TestOddQuestions:
    def test_times_and_tags_may_be_texts(self, fitted):
        (found,) = fitted.forecast(batches(1), tags="cells", times=["60 min", 2.0], n=5)
        assert found.tags == ("cells",)
        assert found.time == pytest.approx([1.0, 2.0])

    def test_nothing_learned_has_one_sigma_point(self, fresh):
        certain = HybridModel(Growth(), **HOW).fit([])
        for how in Propagation:
            (found,) = certain.forecast(fresh[:1], times=[5.0], propagation=how, n=3)
            assert found.low == pytest.approx(found.high)

    def test_an_interval_without_end_is_not_believed(self, fitted):
        """Also of what was never measured, which has no range to compare with."""
        wild = copy.copy(fitted)
        posterior = replace(fitted.posterior_, factor=1e6 * fitted.posterior_.factor)
        wild.trained_ = replace(fitted.trained_, posterior=posterior)
        (found,) = wild.forecast(batches(1), tags=["cells"], times=[20.0], n=10)
        assert np.isfinite(found.high - found.low).all() or not found.in_domain.any()

    @pytest.mark.parametrize(
        "wrong", [{"widest": float("nan")}, {"random_state": -1}, {"random_state": None}, {"parameters": {"Y": "a"}}]
    )
    def test_wrong_arguments(self, wrong):
        with pytest.raises(tk.InvalidValueError):
            HybridModel(hybrid(), **{**HOW, **wrong}).fit(batches(1))

    def test_parameters_may_be_one_name(self):
        made = HybridModel(Growth(), parameters="mu_max", **HOW).fit([])
        assert made.posterior_.names == ("mu_max",)
