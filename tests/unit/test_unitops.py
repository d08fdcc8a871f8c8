"""What the unit operations do beyond their contract: seed train, bolus feeds, samples, shifts, tables, sets."""

import numpy as np
import pytest

import twinkit as tk
from twinkit.unitops import (
    CHOBolusFed,
    CHOFedBatch,
    CHOPerfusion,
    EColiOverflow,
    PenicillinFedBatch,
    SeedTrain,
    YeastBottleneck,
    parameters,
)


# -- events ----------------------------------------------------------------------------------------------------
def test_a_seed_train_moves_up_and_loses_no_cells():
    run = tk.simulate(SeedTrain(n_stages=3), "60 d", rtol=1e-9)
    assert [occurrence.name for occurrence in run.occurrences] == ["transfer", "transfer", "ready"]
    assert float(run["V"][-1]) == pytest.approx(0.2 * 6**2)
    assert float(run["X"][-1]) == pytest.approx(3.0, rel=1e-6)
    # Cells are thinned, not lost: doublings alone explain how many there are.
    cells = 0.3 * 0.2 * 2.0 ** float(run["doublings"][-1])
    assert float(run["cells"][-1]) == pytest.approx(cells, rel=1e-6)


def test_a_seed_train_without_enough_glucose_never_moves():
    run = tk.simulate(SeedTrain(S=1.0), "60 d")
    assert not run.occurrences
    assert float(run["X"][-1]) == pytest.approx(0.3 + 0.25 * 1.0, rel=1e-6)


def test_one_stage_has_no_transfer():
    run = tk.simulate(SeedTrain(n_stages=1), "60 d")
    assert [occurrence.name for occurrence in run.occurrences] == ["ready"]


def test_a_bolus_adds_what_is_in_it_and_a_sample_takes_volume_only():
    quiet = {"mu_max": 0.0, "k_d_max": 0.0, "m_Glc": 0.0, "m_Gln": 0.0, "k_d_Gln": 0.0, "q_mAb": 0.0, "k_lysis": 0.0}
    model = CHOBolusFed(bolus_every=24, sample_every=10, **quiet)
    run = tk.simulate(model, "25 h")
    # Samples at 10 and 20 h, a bolus at 24 h.
    volume = 1.0 - 2 * 0.005 + 0.02
    assert float(run["V"][-1]) == pytest.approx(volume, rel=1e-9)
    assert float(run["Glc"][-1]) == pytest.approx((30.0 * 0.99 + 653.0 * 0.02) / volume, rel=1e-9)
    assert float(run["Xv"][-1]) == pytest.approx(0.3 * 0.99 / volume, rel=1e-9)


def test_a_vessel_cannot_be_sampled_dry():
    run = tk.simulate(CHOBolusFed(sample_every=1, sample=0.3), "12 h")
    assert run.success
    assert float(run["V"][-1]) == pytest.approx(1e-6)


def test_cold_cells_grow_more_slowly():
    warm = tk.simulate(CHOBolusFed(), "48 h")
    shifted = tk.simulate(CHOBolusFed(), "48 h", inputs={"T": tk.steps({"0 h": 37.0, "24 h": 33.0})})
    assert float(shifted["Xv"][-1]) < 0.95 * float(warm["Xv"][-1])
    before = float(shifted.at("23 h")["Xv"][0])
    assert before == pytest.approx(float(warm.at("23 h")["Xv"][0]), rel=1e-6)


# -- physiology ------------------------------------------------------------------------------------------------
def test_yeast_makes_ethanol_from_plenty_of_glucose_and_respires_it_later():
    run = tk.simulate(YeastBottleneck(), "30 h")
    assert float(run["E"].max()) > 3.0
    assert abs(float(run["E"][-1])) < 1e-6
    held = 0.4000 * 10.0 + 0.4797 * 0.5
    found = 0.4797 * float(run["X"][-1]) + 0.2729 * float(run["CO2"][-1])
    assert found == pytest.approx(held, rel=1e-3)  # composition to four digits


def test_yeast_starved_of_glucose_by_the_feed_makes_no_ethanol():
    feed = tk.simulate(YeastBottleneck(S=0.02, X=10.0), "5 h", inputs={"F": 1e-3})
    assert float(feed["E"].max()) < 1e-6


def test_ecoli_without_air_keeps_its_oxygen_at_zero():
    run = tk.simulate(EColiOverflow(X=50.0, S=100.0), "5 h", inputs={"kLa": 0.0})
    assert run.success
    assert float(run["DOT"].min()) > -1e-6


def test_the_probe_lags():
    run = tk.simulate(EColiOverflow(DOT=20.0), "0.05 h", inputs={"kLa": 1e-6}, outputs=51)
    assert float(run["DOT_probe"][5]) > float(run["DOT"][5]) + 10.0


def test_penicillin_without_stirring_still_runs():
    run = tk.simulate(PenicillinFedBatch(), "100 h", inputs={"power": 0.0, "aeration": 0.0})
    assert run.success
    assert float(run["Cl"].min()) > -1e-6


def test_no_exchange_and_full_bleed_are_allowed():
    for inputs in ({"exchange": 0.0}, {"bleed": 1.0, "exchange": 20.0}):
        run = tk.simulate(CHOPerfusion(), "5 d", inputs=inputs)
        assert run.success
        assert np.all(np.isfinite(run["per_cell"].values))


# -- tables ----------------------------------------------------------------------------------------------------
def test_the_list_names_every_model_with_its_states():
    table = tk.unitops.list()
    assert [entry.name for entry in table] == sorted(tk.unitops.__all__)
    assert len(table) == len(tk.unitops.__all__)
    page = table._repr_html_()
    for entry in table:
        assert entry.what
        assert entry.states
        assert entry.name in str(table)
        assert entry.name in page
    assert "doi:10.3390/bioengineering5010025" in str(table)


def test_a_wrong_name_is_answered_with_the_nearest():
    with pytest.raises(tk.UnknownNameError, match="did you mean 'CHOFedBatch'"):
        _ = tk.unitops.ChoFedBatch


def test_describe_shows_values_bounds_and_sources_of_this_instance():
    text = str(CHOFedBatch(mu_max=0.0421).describe())
    line = next(row for row in text.splitlines() if " mu_max " in row)
    assert line.split()[:4] == ["parameter", "mu_max", "0.0421", "1/h"]
    assert "0 .. 0.2" in line
    assert "Table 2 [verified]" in line
    page = CHOFedBatch(mu_max=0.0421)._repr_html_()
    assert "<td>0.0421</td>" in page
    assert "content hash" in page


def test_describe_escapes_what_people_write():
    class Odd(tk.Model):
        """A <b> model."""

        c = tk.State("g/L", 1.0, doc="<script>")

        def equations(self, v, m):
            """Return nothing new."""
            return {"c": 0.0 * v.c}

    assert "<script>" not in Odd().describe()._repr_html_()


# -- parameter sets --------------------------------------------------------------------------------------------
OF_SET = {
    "kornecki2018": CHOFedBatch, "anane2017": EColiOverflow, "birol2002": PenicillinFedBatch,
    "sonnleitner1986": YeastBottleneck, "craven2014": CHOBolusFed,
}  # fmt: skip


@pytest.mark.parametrize("name", parameters.names())
def test_models_hold_the_values_of_their_set(name):
    found, model = parameters.load(name), OF_SET[name]()
    assert model.with_(found) == model
    assert found.apply(model).content_hash == model.content_hash
    for parameter in found.names:
        assert type(model).declared[parameter].source == str(found.origin(parameter))


@pytest.mark.parametrize("name", parameters.names())
def test_sets_go_to_json_and_back(name):
    found = parameters.load(name)
    again = tk.ParameterSet.from_json(found.to_json())
    assert again.content_hash == found.content_hash
    assert again.origins == found.origins
    assert parameters.load(name).only(found.names[:2]).origins == found.origins[:2]
    assert "none given" in repr(found)
    assert "verified" in found._repr_html_() or "recalled" in found._repr_html_()


def test_a_copied_set_with_uncertainty_is_applied_and_drawn(tmp_path):
    text = parameters.path("kornecki2018").read_text()
    text = text.replace("value = 0.039\n", "value = 0.05\nstd = 0.002\n").replace(
        "value = 15.0\n", "value = 15.0\nrange = [10.0, 20.0]\n"
    )
    (tmp_path / "mine.toml").write_text(text)
    mine = parameters.read(tmp_path / "mine.toml")
    assert mine.content_hash != parameters.load("kornecki2018").content_hash
    assert CHOFedBatch().with_(mine).mu_max == 0.05
    assert CHOFedBatch().with_(mine, mu_max=0.06).mu_max == 0.06
    assert mine.std["mu_max"] == pytest.approx(0.002)
    assert mine.std["kLa"] == pytest.approx(10.0 / np.sqrt(12.0))
    assert mine.origin("kLa").interval == (10.0, 20.0)
    samples = mine.draw(CHOFedBatch(), count=200, seed=1)
    assert np.std(samples["mu_max"]) == pytest.approx(0.002, rel=0.2)
    assert np.ptp(samples["K_Glc"]) == 0.0


def test_a_set_of_another_model_is_refused():
    with pytest.raises(tk.UnknownNameError, match="YeastBottleneck has no"):
        YeastBottleneck().with_(parameters.load("kornecki2018"))


def test_units_of_a_set_are_converted(tmp_path):
    text = (
        parameters.path("kornecki2018")
        .read_text()
        .replace('value = 0.039\nunit = "1/h"', 'value = 0.936\nunit = "1/day"')
    )
    (tmp_path / "days.toml").write_text(text)
    assert CHOFedBatch().with_(parameters.read(tmp_path / "days.toml")).mu_max == pytest.approx(0.039, rel=1e-12)


GOOD = 'format = "twinkit-cited-parameters/1"\nname = "n"\nversion = "1"\nsource = "s"\nestablished = "recalled"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "reads format"),
        ("format = 3", "reads format"),
        ("a = [", "is not TOML"),
        (GOOD, "there is no"),
        (GOOD + "extra = 1\n[parameters.a]\nvalue = 1\nunit = ''", "unknown entry 'extra'"),
        (GOOD + "[parameters.a]\nvalue = nan\nunit = ''", "a: value must be a finite number"),
        (GOOD + "[parameters.a]\nvalue = true\nunit = ''", "a: value must be a finite number"),
        (GOOD + "[parameters.a]\nvalue = 1", "a: unit is missing"),
        (GOOD + "[parameters.a]\nvalue = 1\nunit = 'furlong/h/h/x'", "is not a unit"),
        (GOOD + "[parameters.a]\nvalue = 1\nunit = 5", "a: "),
        (GOOD + "[parameters.a]\nvalue = 1\nunit = ''\nstd = -1", "std must be"),
        (GOOD + "[parameters.a]\nvalue = 1\nunit = ''\nrange = [2, 1]", "range must be"),
        (GOOD + "[parameters.a]\nvalue = 1\nunit = ''\nrange = 3", "range must be"),
        (GOOD + "[parameters.a]\nvalue = 1\nunit = ''\nestablished = 'surely'", "established must be one of"),
        (GOOD + "[parameters.a]\nvalue = 1\nunit = ''\nsource = ''", "source must be a text"),
        (GOOD + "[parameters]\na = 1", "write it as a table"),
        (GOOD.replace('name = "n"', "name = 1") + "[parameters.a]\nvalue = 1\nunit = ''", "name must be a text"),
    ],
)
def test_a_bad_file_is_refused_in_words(tmp_path, text, message):
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(tk.DataError, match=message):
        parameters.read(tmp_path / "bad.toml")


def test_files_that_cannot_be_read_and_names_that_do_not_exist(tmp_path):
    with pytest.raises(tk.StorageError, match="could not read"):
        parameters.read(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(tk.DataError, match="is not TOML"):
        parameters.read(tmp_path / "binary.toml")
    (tmp_path / "huge.toml").write_bytes(b"#" * 1_000_001)
    with pytest.raises(tk.DataError, match="larger than"):
        parameters.read(tmp_path / "huge.toml")
    with pytest.raises(tk.UnknownNameError, match="did you mean 'kornecki2018'"):
        parameters.load("kornecki2019")
    with pytest.raises(tk.UnknownNameError):
        parameters.path("../../core/model")


def test_origins_are_complete_or_absent():
    with pytest.raises(tk.ShapeError, match="an origin for each"):
        tk.ParameterSet(
            ("a", "b"), (1.0, 2.0), ("", ""), np.zeros((2, 2)), origins=(tk.Origin("x", tk.Established.VERIFIED),)
        )
    with pytest.raises(tk.InvalidValueError, match="does not say where"):
        tk.ParameterSet(("a",), (1.0,), ("",), np.zeros((1, 1))).origin("a")
    with pytest.raises(tk.InvalidValueError, match="needs a source"):
        tk.Origin(" ", tk.Established.RECALLED)
    with pytest.raises(tk.InvalidValueError, match="lower to a higher"):
        tk.Origin("x", tk.Established.RECALLED, (2.0, 1.0))
