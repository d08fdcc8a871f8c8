"""``twinkit graph info|run``."""

import csv

import pytest

import twinkit as tk
from twinkit.app import cli
from twinkit.graph import ssp


@pytest.fixture
def system(spring, tmp_path):
    """Two springs, one driven by the other, 2 s."""
    graph = tk.Graph()
    first = graph.add("first", tk.FMU(spring))
    second = graph.add("second", tk.FMU(spring, {"k": 9.0}))
    graph.connect(first.out["x"], second.inp["force"], factor=3.0, convert_units=False)
    return ssp.save(graph, tmp_path / "two.ssp", name="two springs", stop_time=2.0)


def test_info_and_run(system, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["graph", "info", str(system)]) == 0
    assert "first.x -> second.force" in capsys.readouterr().out
    assert cli.main(["graph", "run", str(system), "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "two springs: reached 2 s, 500 exchanges (Jacobi)" in said
    assert "second.x = " in said
    arguments = ["--until", "1", "--step", "0.1", "--output", "run.csv", "--plot", "--master", "midpoint"]
    assert cli.main(["graph", "run", str(system), *arguments]) == 0
    rows = list(csv.DictReader((tmp_path / "run.csv").read_text("utf-8").splitlines()))
    assert len(rows) == 11
    assert float(rows[0]["first.x"]) == 1.0
    assert (tmp_path / "two.png").read_bytes()[1:4] == b"PNG"
    assert cli.main(["graph", "run", str(system), "--quiet", "--output", "run.nc"]) == 0
    assert tk.Solution.load(tmp_path / "run.nc").time[-1] == 2.0


def test_a_master_that_needs_more_than_the_fmus_can(real_fmus, tmp_path, capsys):
    graph = tk.Graph()
    graph.add("one", tk.FMU(real_fmus["MassSpringSubSystem1"]))
    path = ssp.save(graph, tmp_path / "a.ssp", stop_time=1.0)
    assert cli.main(["graph", "run", str(path), "--quiet", "--master", "adaptive"]) == 1
    assert "one cannot roll back, which Adaptive needs" in capsys.readouterr().err


@pytest.mark.parametrize("master", ["gauss-seidel", "implicit"])
def test_every_master(system, master, capsys):
    assert cli.main(["graph", "run", str(system), "--quiet", "--master", master, "--until", "0.1"]) == 0
    assert "reached 0.1 s" in capsys.readouterr().out


def test_what_cannot_run_has_an_exit_code(system, spring, tmp_path, capsys):
    def fails(*arguments):
        assert cli.main(["graph", "run", "--quiet", *arguments]) == 1
        return capsys.readouterr().err

    assert "there is no file" in fails(str(tmp_path / "none.ssp"))
    assert "positive" in fails(str(system), "--step", "-1")
    assert "must end after it starts" in fails(str(system), "--until", "-1")
    assert "no input 'u'" in fails(str(system), "--set", "u=1")
    assert "name=value" in fails(str(system), "--set", "u")
    assert "does not exist" in fails(str(system), "--output", str(tmp_path / "no" / "x.csv"))
    assert "cannot draw" in fails(str(system), "--plot", str(tmp_path / "x.zzz"))
    assert "no variant 'b'" in fails(str(system), "--variant", "b")
    endless = tk.Graph()
    endless.add("one", tk.FMU(spring))
    path = ssp.save(endless, tmp_path / "endless.ssp")
    assert "give --until" in fails(str(path))
    failing = tk.Graph()
    failing.add("bad", tk.FMU(spring, {"trick": 4}))
    path = ssp.save(failing, tmp_path / "failing.ssp", stop_time=1.0)
    assert "the spring broke" in fails(str(path))
    with pytest.raises(SystemExit):
        cli.main(["graph", "run", str(system), "--master", "magic"])
