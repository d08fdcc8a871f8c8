"""The command line and the report, on a small made-up result."""

import errno
import json
import os
import re
from html.parser import HTMLParser

import numpy as np
import pytest

import twinkit as tk
from twinkit.app import cli, report

pytestmark = pytest.mark.component  # it draws the report

fermentation = pytest.importorskip("twinkit.app.fermentation")


def track(name, values):
    return fermentation.Track(name, "g/L", values, np.full_like(values, 0.5), values - 1.0, values + 1.0)


@pytest.fixture
def result():
    time = np.linspace(0, 10, 21)
    lab = np.array([0.0, 5.0, 10.0])
    samples = fermentation.Samples(lab, 40 - 4 * lab, 36 - 4 * lab, 20 - lab, lab, 2 * lab, 0 * lab)
    metrics = {
        "hplc_points": 3, "glucose_rmse_sensor": 2.7, "glucose_rmse_twin": 2.5, "ethanol_rmse_twin": 1.8,
        "coverage_95": 0.93, "coverage_95_glucose": 1.0, "coverage_95_ethanol": np.float64(0.85),
        "coverage_95_sensor": 1.0, "glucose_rmse_sensor_original": 4.4, "glucose_rmse_twin_original": 4.3,
        "coverage_95_original": 0.87, "coverage_95_sensor_original": 1.0, "spectra_total": 21, "spectra_flagged": 2,
        "spectra_uncertain": 1, "samples_per_second": 987.6, "deviation_flags": 2, "nothing": float("nan"),
    }  # fmt: skip
    nan = np.full(21, np.nan)
    nis = np.where(np.arange(21) < 2, np.nan, 1.0)
    return fermentation.FermentationResult(
        time=time, sensor=track("glucose", 40 - 4 * time), single=np.where(np.isnan(nis), nan, 40 - 4 * time),
        quality=("bad", "bad", "uncertain", *["good"] * 18),
        note=("the spectrum is constant: <0>", "start-up", "unlike", *[""] * 18),
        glucose=track("glucose", 40 - 4 * time), ethanol=track("ethanol", 2 * time), xylose=track("xylose", 20 - time),
        states={"log_activity": 0 * time, "process.glucose": 40 - 4 * time}, nis=nis, deviation=time > 9.0,
        first_good=2,
        forecasts=(fermentation.ForecastAt(4.0, 9.5, (8.0, float("inf")), 0.9, 20.0, (18.0, 22.0)),),
        samples=samples, metrics=metrics, settings=fermentation.Settings().as_dict(),
        made_by={"model": "MonitoredFermentation", "model_sha256": "0" * 64, "estimator_sha256": "1" * 64},
    )  # fmt: skip


@pytest.fixture
def late(result):
    scores = {"glucose_rmse_twin": 2.5, "ethanol_rmse_twin": 1.8, "coverage_95": 0.9}
    names = [(f"{key}_{run}{part}", value) for key, value in scores.items() for run in ("with", "without")
             for part in ("", "_after")]  # fmt: skip
    metrics = {**dict(names), "ethanol_rmse_twin_with_after": 1.25, "hplc_points": 2, "hplc_points_after": 1}
    return fermentation.LateSamples(
        np.array([5.0]), np.array([9.0]), result.glucose, track("ethanol", 2 * result.time), metrics
    )


@pytest.fixture
def demo(monkeypatch, tmp_path, result):
    """Run the demo in an empty folder, with the made-up result."""
    monkeypatch.chdir(tmp_path)
    calls = []

    def run(progress=False):
        calls.append(progress)
        return result

    monkeypatch.setattr(fermentation, "run", run)

    def start(*arguments):
        return cli.main(["demo", *arguments])

    start.calls = calls
    return start


def test_late_samples_have_a_table_a_sentence_and_a_section(result, late):
    import dataclasses

    table = cli.late_table(late)
    assert re.search(r"ethanol RMSE \[g/L\], 1 after a report +1\.80 +1\.25$", table, re.M)
    assert re.search(r"95 % intervals that cover, 2 others +90 % +90 %$", table, re.M)
    with_late = dataclasses.replace(result, late=late)
    assert any("5.0 h (told at 9.0 h)" in line and "from 1.80 to 1.25 g/L" in line for line in with_late.summary)
    page = report.report(with_late, {"created": "", "twinkit": ""})
    assert "With late laboratory samples" in page
    assert page.count("<figure>") == report.report(result, {}).count("<figure>") + 1
    assert "With late laboratory samples" not in report.report(result, {})
    assert with_late.to_dict()["late_hplc"]["hplc_points"] == 2


def test_the_demo_prints_a_table_and_plain_words_and_writes_the_report(demo, tmp_path, capsys):
    assert demo() == 0
    printed = capsys.readouterr().out
    assert re.search(r"glucose RMSE \[g/L\] +2\.70 +2\.50\n", printed)
    assert re.search(r"ethanol RMSE .* 1\.80\n", printed)
    assert "spectra flagged: 2 of 21" in printed
    assert "988 spectra per second" in printed
    assert "- 93 % of the samples" in printed
    assert "written: fermentation-report.html" in printed
    assert demo.calls == [True]
    assert [path.name for path in tmp_path.iterdir()] == ["fermentation-report.html"]


def test_quiet_prints_nothing_and_files_go_where_they_are_told(demo, tmp_path, capsys):
    assert demo("--quiet", "--json", "numbers.json", "--report", "page.html") == 0
    assert capsys.readouterr() == ("", "")
    assert demo.calls == [False]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["numbers.json", "page.html"]


def test_json_has_the_metrics_at_the_top_and_no_nan(demo, tmp_path):
    demo("--quiet", "--json", "numbers.json")

    def refuse(name):
        raise AssertionError(name)

    numbers = json.loads((tmp_path / "numbers.json").read_text(), parse_constant=refuse)
    assert (numbers["hplc_points"], numbers["spectra_total"], numbers["coverage_95_ethanol"]) == (3, 21, 0.85)
    assert numbers["nothing"] is None
    assert numbers["forecasts"][0]["exhausted_interval"] == [8.0, None]
    assert len(numbers["provenance"]["model_sha256"]) == 64
    assert len(numbers["provenance"]["data_sha256"]) == 5


class Page(HTMLParser):
    """What a browser would load, and what a screen reader would miss."""

    def __init__(self, text):
        super().__init__()
        self.addresses, self.silent, self.headings = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.addresses += [values[key] for key in ("src", "href", "srcset", "action") if key in values]
        if tag == "img" and not values.get("alt"):
            self.silent.append(values)
        if tag in ("script", "link", "iframe", "object"):
            self.addresses.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))


def test_the_report_requests_nothing_and_can_be_read_aloud(result):
    text = report.report(result)
    page = Page(text)
    assert len(page.addresses) == 4
    assert all(address.startswith("data:image/svg+xml;base64,") for address in page.addresses)
    assert "url(" not in text
    assert "@import" not in text
    assert page.silent == []
    assert page.headings[0] == 1
    assert all(later <= earlier + 1 for earlier, later in zip(page.headings, page.headings[1:], strict=False))
    assert '<html lang="en">' in text
    assert "$" not in re.sub(r"base64,[^\"]*", "", text)


def test_the_report_says_what_it_was_made_from(result):
    text = report.report(result)
    made = report.provenance(result)
    for word in (made["model_sha256"], *made["data_sha256"].values(), made["settings_sha256"], tk.__version__):
        assert word in text
    assert "usual for steam-exploded straw" in text
    assert "<td>refused</td><td>the spectrum is constant</td>" in text


def test_the_same_result_gives_the_same_page(result):
    made = report.provenance(result)
    assert report.report(result, made) == report.report(result, made)


def test_a_missing_package_names_the_extra(demo, monkeypatch, capsys):
    def run(progress=False):
        raise tk.MissingDependencyError.for_package("scikit-learn", "demo", "The soft sensor")

    monkeypatch.setattr(fermentation, "run", run)
    assert demo() == 2
    error = capsys.readouterr().err
    assert "pip install 'twinkit[demo]'" in error
    assert error.count("\n") == 1


def test_expected_errors_are_one_line(demo, monkeypatch, tmp_path, capsys):
    def run(progress=False):
        raise tk.DataError("train_hplc.csv is truncated")

    monkeypatch.setattr(fermentation, "run", run)
    assert demo() == 1
    assert capsys.readouterr().err == "twinkit: train_hplc.csv is truncated\n"
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_demo_leaves_nothing(demo, monkeypatch, tmp_path, capsys):
    def run(progress=False):
        raise KeyboardInterrupt

    monkeypatch.setattr(fermentation, "run", run)
    assert demo() == 130
    assert "interrupted" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--report", "--json"])
def test_a_file_that_cannot_be_written_is_refused_before_the_work(demo, option, tmp_path, capsys):
    assert demo(option, "no/such/folder/file") == 1
    assert "does not exist" in capsys.readouterr().err
    assert demo(option, str(tmp_path)) == 1
    assert "is a folder" in capsys.readouterr().err
    assert demo.calls == []


def test_a_full_disk_is_said_and_an_earlier_report_stays(demo, monkeypatch, tmp_path, capsys):
    (tmp_path / cli.REPORT).write_text("earlier")

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert demo("--quiet") == 1
    assert "No space left on device" in capsys.readouterr().err
    assert (tmp_path / cli.REPORT).read_text() == "earlier"
    assert len(list(tmp_path.iterdir())) == 1


def test_without_a_command_the_help_is_shown(capsys):
    assert cli.main([]) == 2
    assert "demo" in capsys.readouterr().out


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"twinkit {tk.__version__}\n"
