"""``twinkit fmu info|check|simulate``."""

import csv

from twinkit.app import cli


def test_info_check_and_simulate(spring, arrays, tmp_path, capsys):
    assert cli.main(["fmu", "info", str(arrays)]) == 0
    assert "Arrays: FMI 3.0" in capsys.readouterr().out
    assert cli.main(["fmu", "check", str(spring)]) == 0
    assert "no problems" in capsys.readouterr().out
    target = tmp_path / "run.csv"
    arguments = ["--until", "1", "--step", "0.1", "--set", "k=9", "--set", "force=1", "--output", str(target)]
    assert cli.main(["fmu", "simulate", str(spring), *arguments]) == 0
    rows = list(csv.DictReader(target.read_text("utf-8").splitlines()))
    assert len(rows) == 11
    assert float(rows[0]["x"]) == 1.0
    assert cli.main(["fmu", "simulate", str(spring), "--kind", "me", "--isolate", "--until", "0.1"]) == 0
    assert "reached 0.1 s" in capsys.readouterr().out


def test_problems_and_failures_have_an_exit_code(spring, tmp_path, capsys):
    broken = tmp_path / "broken.fmu"
    broken.write_bytes(b"nothing")
    assert cli.main(["fmu", "check", str(broken)]) == 1
    assert cli.main(["fmu", "info", str(broken)]) == 1
    assert "not an FMU" in capsys.readouterr().err
    assert cli.main(["fmu", "simulate", str(spring), "--set", "trick=4"]) == 1
    assert "DoStep" in capsys.readouterr().err
    assert cli.main(["fmu", "simulate", str(spring), "--set", "nothing"]) == 1
    assert "name=value" in capsys.readouterr().err


def test_arrays_clocks_and_fmi_1(clocks, lag, capsys):
    assert cli.main(["fmu", "info", str(clocks)]) == 0
    said = capsys.readouterr().out
    for words in ("2 structural parameters", "sampler [-] Clock constant every 0.25", "A[m, n]", "event mode"):
        assert words in said
    arguments = ["--set", "m=1", "--set", "n=2", "--set", "A=1 2", "--set", "u=1 1", "--set", "setpoint=4"]
    assert cli.main(["fmu", "simulate", str(clocks), *arguments, "--event-mode", "--until", "1", "--step", "0.5"]) == 0
    said = capsys.readouterr().out
    assert "y = [1.896" in said  # 3 (1 - exp(-1))
    assert "held = 4.0" in said
    assert cli.main(["fmu", "simulate", str(clocks), "--set", "setpoint=4"]) == 1
    assert "event_mode=True" in capsys.readouterr().err
    assert cli.main(["fmu", "simulate", str(lag), "--set", "u=2", "--set", "tau=0.5", "--until", "1"]) == 0
    assert "y = 1.729" in capsys.readouterr().out  # 2 (1 - exp(-2))
    assert cli.main(["fmu", "check", str(lag)]) == 0
