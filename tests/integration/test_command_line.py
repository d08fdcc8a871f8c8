"""``python -m twinkit`` as a user starts it."""

import json
import subprocess
import sys

import pytest


def twinkit(*arguments, cwd, before=""):
    start = (
        f"import sys, runpy\nsys.argv = {['twinkit', *arguments]!r}\nrunpy.run_module('twinkit', run_name='__main__')"
    )
    code = f"{before}\n{start}"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        encoding="utf-8",
    )


def test_version_needs_nothing_heavy(tmp_path):
    before = "import sys\nfor name in ('casadi', 'pandas', 'matplotlib', 'sklearn', 'sympy'): sys.modules[name] = None"
    done = twinkit("--version", cwd=tmp_path, before=before)
    assert (done.returncode, done.stdout.split()[0]) == (0, "twinkit")


def test_without_the_extra_the_message_names_it(tmp_path):
    before = "import sys\nfor name in ('sklearn', 'chemotools'): sys.modules[name] = None"
    done = twinkit("demo", "--quiet", cwd=tmp_path, before=before)
    assert done.returncode == 2, done.stderr
    assert "pip install 'twinkit[" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_demo_meets_its_targets(tmp_path):
    pytest.importorskip("chemotools")
    done = twinkit("demo", "--json", "numbers.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    numbers = json.loads((tmp_path / "numbers.json").read_text("utf-8"))
    assert (numbers["hplc_points"], numbers["spectra_total"]) == (34, 1629)
    assert numbers["glucose_rmse_sensor"] <= 2.9
    assert numbers["glucose_rmse_twin"] < numbers["glucose_rmse_sensor"]
    assert numbers["ethanol_rmse_twin"] <= 2.5
    assert 0.85 <= numbers["coverage_95"] <= 1.0
    assert numbers["spectra_flagged"] >= 4
    assert f"{numbers['glucose_rmse_twin']:.2f}" in done.stdout
    page = (tmp_path / "fermentation-report.html").read_text("utf-8")
    assert f"{numbers['ethanol_rmse_twin']:.2f} g/L" in page
    assert numbers["provenance"]["model_sha256"] in page
