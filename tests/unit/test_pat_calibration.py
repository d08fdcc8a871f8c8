"""The consensus calibration: what it keeps, that it equals the pipelines it stands for, and what it refuses."""

import sys

import numpy as np
import pytest

from twinkit.core import InvalidValueError, MissingDependencyError, ShapeError
from twinkit.pat import ConsensusCalibration
from twinkit.pat.pretreatment import Pretreatment

AXIS = np.linspace(950, 1560, 140)


def made(n=21, seed=0, noise=0.2):
    """Spectra of one analyte, a sloping baseline and noise."""
    rng = np.random.default_rng(seed)
    y = rng.uniform(0, 40, n)
    band = np.exp(-(((AXIS - 1080) / 30) ** 2))
    slope = rng.normal(0, 5, (n, 1)) * np.linspace(0, 1, len(AXIS))
    return y[:, None] * band + slope + rng.normal(0, noise, (n, len(AXIS))), y


def small(**changes):
    return ConsensusCalibration(**{"stops": (1300, 1560), "components": range(1, 4), "repeats": 2, **changes})


def test_recovers_a_known_analyte_on_new_spectra():
    calibration = small().fit(*made(), AXIS)
    spectra, y = made(30, seed=1)
    value, std = calibration.predict(spectra, return_std=True)
    assert np.sqrt(np.mean((value - y) ** 2)) < 1.0
    assert np.all(std >= calibration.rmsecv_)


def test_one_matrix_equals_the_pipelines_it_replaces():
    from sklearn.cross_decomposition import PLSRegression

    spectra, y = made()
    calibration = small().fit(spectra, y, AXIS)
    new, _ = made(5, seed=2)
    kept = [candidate for candidate in calibration.candidates_ if candidate.kept]
    assert calibration.members(new).shape == (5, len(kept))
    for column, candidate in enumerate(kept):
        pipeline = candidate.pretreatment.pipeline(AXIS)
        treated = pipeline.fit_transform(spectra)
        direct = PLSRegression(n_components=candidate.components, scale=False).fit(treated, y)
        expected = np.ravel(direct.predict(pipeline.transform(new)))
        np.testing.assert_allclose(calibration.members(new)[:, column], expected, rtol=1e-9, atol=1e-9)


def test_cross_validation_equals_sklearn():
    from sklearn.cross_decomposition import PLSRegression
    from sklearn.model_selection import RepeatedKFold

    spectra, y = made()
    calibration = small(stops=(1560,), components=(2,)).fit(spectra, y, AXIS)
    treated = Pretreatment(950, 1560).pipeline(AXIS).fit_transform(spectra)
    squared = []
    for train, test in RepeatedKFold(n_splits=7, n_repeats=2, random_state=0).split(treated):
        fitted = PLSRegression(n_components=2, scale=False).fit(treated[train], y[train])
        squared.append((np.ravel(fitted.predict(treated[test])) - y[test]) ** 2)
    assert calibration.candidates_[0].rmsecv == pytest.approx(np.sqrt(np.mean(np.concatenate(squared))), rel=1e-9)


def test_the_rule_keeps_what_is_within_one_standard_error_of_the_best():
    calibration = small().fit(*made(), AXIS)
    best = calibration.candidates_[0]
    limit = best.rmsecv**2 + best.standard_error
    assert best.kept
    assert all(candidate.kept == (candidate.rmsecv**2 <= limit) for candidate in calibration.candidates_)
    only = small(tolerance=1.0).fit(*made(), AXIS)
    assert [candidate.kept for candidate in only.candidates_].count(True) == 1


def test_the_same_seed_gives_the_same_bytes():
    first, second = (small().fit(*made(), AXIS).weights_.tobytes() for _ in range(2))
    assert first == second


def test_the_constructor_keeps_its_arguments_and_fit_returns_the_calibration():
    calibration = small(seed=7)
    assert calibration.seed == 7
    assert calibration.fit(*made(), AXIS) is calibration


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda x, y, w: (x, y[:-1], w), ShapeError, "spectra"),
        (lambda x, y, w: (x, y, w[:-1]), ShapeError, "wavenumbers"),
        (lambda x, y, w: (np.where(x == x[3, 3], np.nan, x), y, w), InvalidValueError, "NaN"),
        (lambda x, y, w: (x[:8], y[:8], w), InvalidValueError, "too few"),
        (lambda x, y, w: (x, 0 * y, w), InvalidValueError, "does not vary"),
        (lambda x, y, w: (x[:, :10], y, w[:10]), InvalidValueError, "widen the range"),
    ],
)
def test_training_data_that_cannot_serve_are_refused(change, error, words):
    with pytest.raises(error, match=words):
        small().fit(*change(*made(), AXIS))


def test_a_spectrum_of_another_instrument_is_refused():
    calibration = small().fit(*made(), AXIS)
    with pytest.raises(ShapeError, match="has 100 points, but the calibration was made with 140"):
        calibration.predict(np.zeros(100))


def test_predicting_before_fitting_says_what_to_do():
    with pytest.raises(InvalidValueError, match="call fit"):
        small().predict(np.zeros(140))


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "chemotools.baseline", None)
    with pytest.raises(MissingDependencyError, match=r"twinkit\[pat\]"):
        small().fit(*made(), AXIS)
