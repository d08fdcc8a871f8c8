"""``twinkit fmu export``."""

import shutil

import pytest

import twinkit as tk
from twinkit.app import cli

_FILE = '''
import twinkit as tk

class Decay(tk.Model):
    """First-order decay."""
    time_unit = "h"
    cells = tk.Option(2)
    c = tk.State("g/L", initial=1.0, shape="cells")
    k = tk.Parameter("1/h", 0.5)
    def equations(self, v, m):
        return {"c": -v.k * v.c}

slow = Decay(k=0.1)
pair = tk.Graph()
pair.add("one", Decay())
pair.add("two", slow)
number = 3
'''


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "models_of_mine.py"
    path.write_text(_FILE, encoding="utf-8")
    return path


def test_a_model_of_a_module_or_a_file(file, tmp_path, capsys, monkeypatch):
    target = tmp_path / "a.fmu"
    arguments = ["--set", "q_mAb=0.002", "--set", "V=1500 mL", "--version", "3.0", "--kind", "me", "--binary", "none"]
    assert cli.main(["fmu", "export", "twinkit.unitops:CHOFedBatch", str(target), *arguments]) == 0
    assert "FMI 3.0, me, sources only" in capsys.readouterr().out
    description = tk.fmi.info(target)
    assert (description.variables["q_mAb"].start, description.variables["V"].start) == (0.002, 1.5)
    quiet = ["--binary", "none"]
    more = ["--set", "cells=3", "--set", "k=12 1/day", "--tunable", "k", "--until", "2 h"]
    assert cli.main(["fmu", "export", f"{file}:Decay", str(target), *more, *quiet]) == 0
    description = tk.fmi.info(target)
    assert "c[3]" in description.variables
    assert description.variables["k"].start == pytest.approx(0.5)
    assert description.variables["k"].variability == "tunable"
    assert description.stop_time == 7200.0
    assert cli.main(["fmu", "export", f"{file}:slow", str(target), "--set", "c=4", *quiet]) == 0
    assert tk.fmi.info(target).variables["c[2]"].start == 4.0
    assert tk.fmi.info(target).variables["k"].start == 0.1
    monkeypatch.chdir(tmp_path)
    assert cli.main(["fmu", "export", "models_of_mine:pair", "b.fmu", *quiet]) == 0
    assert "two.k" in tk.fmi.info(tmp_path / "b.fmu").variables


def test_what_cannot_be_exported_is_said_in_one_line(file, tmp_path, capsys):
    broken = tmp_path / "broken.py"
    broken.write_text("import nothing_of_the_kind\n", encoding="utf-8")
    cases = {
        "CHOFedBatch": "module:Name",
        "twinkit.unitops:CHOFedbatch": "did you mean 'CHOFedBatch'|no model 'CHOFedbatch'",
        "no_such_module:Model": "No module named 'no_such_module'",
        f"{broken}:Model": "nothing_of_the_kind",
        f"{tmp_path / 'missing.py'}:Model": "there is no file",
        f"{file}:number": "is no model",
        f"{file}:Deccay": "Decay",
    }
    for model, words in cases.items():
        assert cli.main(["fmu", "export", model, str(tmp_path / "a.fmu")]) == 1
        said = capsys.readouterr().err
        assert any(part in said for part in words.split("|")), said
        assert len(said.strip().splitlines()) == 1
    assert cli.main(["fmu", "export", f"{file}:Decay", str(tmp_path / "a.fmu"), "--set", "kk=1"]) == 1
    assert "did you mean 'k'" in capsys.readouterr().err


def test_without_a_compiler_the_command_warns(file, tmp_path, capsys, monkeypatch):
    if shutil.which("cc") is None:
        pytest.skip("there is no compiler to hide")
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    assert cli.main(["fmu", "export", f"{file}:Decay", str(tmp_path / "a.fmu")]) == 0
    assert "no C compiler was found" in capsys.readouterr().err
