"""Recipe, variation, controllers and spectra of IndPenSim."""

import numpy as np
import pytest

import twinkit as tk
from twinkit.readings.numeric import numeric_functions
from twinkit.unitops import IndPenSim, IndPenSimBatch
from twinkit.unitops.indpensim_raman import CHANNELS, WAVENUMBERS, raman_background, raman_spectra
from twinkit.unitops.indpensim_recipe import RECIPE, SAMPLE, HoldUntil, batch_variation, disturbance_walk, recipe_points


# -- the recipe ------------------------------------------------------------------------------------------------
def test_a_value_holds_until_its_time():
    discharge = RECIPE["discharge"]
    assert [discharge.value(t) for t in (0.0, 99.9, 100.0, 101.9, 102.0, 229.0, 500.0)] == [0, 0, 4000, 4000, 0, 0, 0]
    assert sum(value * SAMPLE for value in (discharge.value(k * SAMPLE + 0.1) for k in range(1150))) == pytest.approx(
        6 * 2 * 4000.0
    )


def test_points_of_a_recipe_are_the_same_profile_as_steps():
    for name, points in recipe_points().items():
        starts = np.array(list(points))
        for t in np.arange(0.1, 230.0, 0.2):
            assert list(points.values())[int(np.searchsorted(starts, t, "right")) - 1] == RECIPE[name].value(t), name
        # On the samples of the controllers, to the last bit: no leg of 1e-14 h.
        assert np.array_equal(starts, np.rint(starts / SAMPLE) * SAMPLE)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ((), "at least one"),
        (((1.0, 2.0), (1.0, 3.0)), "increase"),
        (((2.0, 2.0), (1.0, 3.0)), "increase"),
        (((0.0, 2.0),), "positive"),
        (((1.0, float("nan")),), "finite"),
        (((float("inf"), 1.0),), "finite"),
        ((1.0, 2.0), "time, value"),
    ],
)
def test_a_recipe_that_is_none_is_refused(entries, message):
    with pytest.raises(tk.InvalidValueError, match=message):
        HoldUntil("L/h", entries)


def test_a_profile_shows_itself():
    page = HoldUntil("<b>", ((1.0, 2.0),))._repr_html_()
    assert "&lt;b&gt;" in page
    assert "until" in page


def test_batches_differ_and_repeat():
    first, again, other = batch_variation(3), batch_variation(3), batch_variation(4)
    assert first == again
    assert first.values != other.values
    assert len(first.disturbance) == 1150
    many = np.array([batch_variation(seed, 1.0).values["mu_x"] for seed in range(400)])
    assert np.mean(many) == pytest.approx(0.41, abs=0.005)
    assert np.std(many) == pytest.approx(0.025, rel=0.15)
    for hours in (0.0, -1.0, float("nan"), 1e9):
        with pytest.raises(tk.InvalidValueError, match="length of a batch"):
            batch_variation(0, hours)
    for noise in ([], [float("nan")], [[1.0]]):
        with pytest.raises(tk.InvalidValueError, match="noise"):
            disturbance_walk(noise)


# -- the process -----------------------------------------------------------------------------------------------
def rates(**states):
    model = IndPenSim(**{"a0": 1.0, "a1": 10.0, "P": 5.0, **states})
    layout, values = model.layout, model.values()
    x, u, p = layout.states.pack(values), layout.inputs.pack({**values, "Fs": 0.0, "Foil": 0.0}), None
    p = layout.parameters.pack(values)
    return dict(zip(layout.states.labels, numeric_functions(model)(0.0, x, np.empty(0), u, p)[0], strict=True))


def test_what_is_exhausted_is_not_used_further():
    assert rates(S=0.0)["S"] == 0.0
    assert rates(S=1e-5)["S"] < 0.0
    assert rates(DO2=0.0)["DO2"] > 0.0
    assert rates(H=0.0)["H"] >= 0.0


def test_hyphae_do_not_shrink_by_growing_in_the_heat():
    assert rates(T=330.0)["grown"] == 0.0
    assert rates(T=298.0)["grown"] > 0.0


def test_a_shift_of_the_setpoint_moves_the_temperature():
    times = np.arange(0.0, 61.0)
    shift = tk.steps({"0 h": "298 K", "30 h": "296 K"})
    inputs = {name: tk.steps(points) for name, points in recipe_points().items()}
    run = tk.simulate(
        IndPenSimBatch(), 60.0, inputs={**inputs, "T_set": shift}, outputs=times, rtol=1e-6, solver=tk.Compiled()
    )
    assert float(run.at("29 h")["T"][0]) == pytest.approx(298.0, abs=0.7)
    assert float(run["T"][-1]) == pytest.approx(296.0, abs=0.7)


def test_a_solution_draws_what_its_model_says():
    import matplotlib.pyplot as plt

    run = tk.simulate(IndPenSim(), 1.0, outputs=3)
    axes = run.plot()
    assert [axis.get_ylabel().split()[0] for axis in axes] == list(IndPenSim.plotted)
    plt.close("all")


def test_only_variables_can_be_drawn():
    with pytest.raises(tk.UnknownNameError, match="plotted"):

        class Odd(tk.Model):
            """A model."""

            plotted = ("d",)
            c = tk.State("g/L", 1.0, doc="concentration")

            def equations(self, v, m):
                """Return nothing new."""
                return {"c": 0.0 * v.c}


# -- spectra ---------------------------------------------------------------------------------------------------
NOTHING = {"S": [0.0], "P": [0.0], "X": [0.0], "PAA": [0.0], "viscosity": [0.0]}


def test_peaks_are_where_the_substances_have_theirs():
    base = raman_spectra([0.0], NOTHING)[0]
    np.testing.assert_allclose(base, raman_background())
    sugar = raman_spectra([0.0], {**NOTHING, "S": [0.005]})[0] - base
    # Half of 1714.29 counts by the height of a bell of standard deviation 35 channels, area one.
    assert sugar[218] == pytest.approx(0.5 * 1714.2857142857142 / (35.0 * np.sqrt(2 * np.pi)), rel=1e-9)
    assert WAVENUMBERS[np.argmax(sugar)] == 2400.0 - 218
    precursor = raman_spectra([0.0], {**NOTHING, "PAA": [1000.0]})[0] - base
    assert set(np.flatnonzero(precursor > 0.5 * precursor.max())) <= set(range(350, 900))
    assert precursor[1500] == 0.0
    assert np.all(raman_spectra([0.0], {**NOTHING, "S": [-1.0]})[0] == base)


def test_noise_repeats_and_is_smooth_along_the_channels():
    clean = raman_spectra([0.0, 1.0], {name: [1.0, 1.0] for name in NOTHING})
    noisy = [raman_spectra([0.0, 1.0], {name: [1.0, 1.0] for name in NOTHING}, seed=seed) for seed in (1, 1, 2)]
    assert np.array_equal(noisy[0], noisy[1])
    assert not np.array_equal(noisy[0], noisy[2])
    noise = noisy[0] - clean
    assert np.std(np.diff(noise[0])) < 0.1 * np.std(noise[0])


@pytest.mark.parametrize(
    ("time", "change", "more", "error"),
    [
        ([0.0, 1.0], {}, {}, tk.ShapeError),
        ([0.0], {"S": [float("nan")]}, {}, tk.InvalidValueError),
        ([float("nan")], {}, {}, tk.InvalidValueError),
        ([0.0], {}, {"background": np.zeros(3)}, tk.ShapeError),
        ([0.0], {}, {"background": np.full(CHANNELS, np.nan)}, tk.InvalidValueError),
    ],
)
def test_spectra_of_nonsense_are_refused(time, change, more, error):
    with pytest.raises(error):
        raman_spectra(time, {**NOTHING, **change}, **more)
