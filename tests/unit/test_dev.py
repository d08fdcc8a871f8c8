"""dev.py: what decides whether it installs, and what it says when it cannot. No network, no environment."""

import importlib.util
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def dev(monkeypatch):
    """Return dev.py as a module, of this test alone."""
    spec = importlib.util.spec_from_file_location("dev_under_test", ROOT / "dev.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def project(dev, monkeypatch, tmp_path):
    """Return a small project with an environment that looks healthy and a pip that only notes its calls."""
    (tmp_path / "src" / "twinkit").mkdir(parents=True)
    (tmp_path / "src" / "twinkit" / "_version.py").write_text('__version__ = "1"\n')
    (tmp_path / "pyproject.toml").write_text('[dependency-groups]\nlint = ["ruff"]\ntest = ["pytest"]\ndocs = []\n')
    (tmp_path / "constraints.txt").write_text("numpy==2.0\n")

    class Project:
        root = tmp_path
        venv = tmp_path / ".venv"
        calls: list[list[str]] = []  # noqa: RUF012 - a new class for every test
        pip_result: int | type[BaseException] = 0
        healthy = True

        def installs(self):
            return [call for call in self.calls if "pip" in call]

    def run(command, **options):
        call = [str(part) for part in command]
        project.calls.append(call)
        if "venv" in call:
            project.healthy = True
            for file in project.venv.iterdir():
                file.unlink()
        elif "pip" in call and isinstance(project.pip_result, type):
            raise project.pip_result
        elif "pip" in call:
            return project.pip_result
        return 0

    project = Project()
    project.venv.mkdir()
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    monkeypatch.setattr(dev, "run", run)
    monkeypatch.setattr(dev, "is_healthy", lambda venv: project.healthy)
    return project


def test_the_second_run_calls_no_pip(dev, project):
    python = dev.prepare("demo", project.venv)
    assert len(project.installs()) == 1
    assert "-e .[demo]" in " ".join(project.installs()[0])
    assert dev.prepare("demo", project.venv) == python
    assert len(project.installs()) == 1


def test_a_command_that_needs_more_adds_it_and_keeps_the_rest(dev, project):
    dev.prepare("demo", project.venv)
    dev.prepare("lint", project.venv)
    assert project.installs()[1][-1] == "ruff"
    dev.prepare("demo", project.venv)
    assert len(project.installs()) == 2
    stamp = json.loads((project.venv / dev.STAMP_NAME).read_text())
    assert stamp["parts"] == ["extra:all", "extra:demo", "group:lint"]


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt", "src/twinkit/_version.py"])
def test_a_change_of_what_is_installed_installs_again(dev, project, name):
    dev.prepare("demo", project.venv)
    with (project.root / name).open("a") as file:
        file.write("\n")
    dev.prepare("demo", project.venv)
    assert len(project.installs()) == 2


def test_another_python_installs_again(dev, project, monkeypatch):
    dev.prepare("demo", project.venv)
    monkeypatch.setattr(dev, "PYTHON", "3.99.0")
    dev.prepare("demo", project.venv)
    assert len(project.installs()) == 2


@pytest.mark.parametrize("result", [1, KeyboardInterrupt])
def test_an_installation_that_did_not_end_leaves_no_stamp_and_is_made_afresh(dev, project, result):
    dev.prepare("demo", project.venv)
    project.pip_result = result
    with pytest.raises((dev.Stop, KeyboardInterrupt)):
        dev.prepare("test", project.venv)
    assert not (project.venv / dev.STAMP_NAME).exists()
    project.pip_result = 0
    dev.prepare("demo", project.venv)
    assert any("venv" in call for call in project.calls)
    assert len(project.installs()) == 3


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": "x"}', '{"parts": ["extra:demo"]}'])
def test_a_damaged_stamp_counts_as_none(dev, project, text):
    dev.prepare("demo", project.venv)
    (project.venv / dev.STAMP_NAME).write_text(text)
    assert dev.installed(project.venv, dev.fingerprint()) == set()


def test_a_broken_environment_is_made_afresh(dev, project):
    dev.prepare("demo", project.venv)
    project.healthy = False
    dev.prepare("demo", project.venv)
    assert any("--clear" in call for call in project.calls)
    assert len(project.installs()) == 2


def test_an_environment_of_another_python_or_none_is_not_healthy(dev, monkeypatch, tmp_path):
    assert not dev.is_healthy(tmp_path / "nothing")
    monkeypatch.setattr(dev, "venv_python", lambda venv: Path(sys.executable))
    assert dev.is_healthy(tmp_path)
    monkeypatch.setattr(dev, "PYTHON", "3.99.0")
    assert not dev.is_healthy(tmp_path)


def test_without_ensurepip_it_names_the_debian_package(dev, project, monkeypatch, capsys):
    project.healthy = False
    monkeypatch.setattr(dev, "VENV", project.venv)
    monkeypatch.setattr(dev.prepare, "__defaults__", (project.venv,))
    real = importlib.util.find_spec
    monkeypatch.setattr(
        dev.importlib.util, "find_spec", lambda name, *a: None if name == "ensurepip" else real(name, *a)
    )
    assert dev.main(["demo"]) == 1
    said = capsys.readouterr().err
    assert f"apt install python{sys.version_info[0]}.{sys.version_info[1]}-venv" in said
    assert "Traceback" not in said
    assert project.calls == []


def test_an_unknown_command_names_the_known_ones(dev, capsys):
    assert dev.main(["dmeo"]) == 2
    said = capsys.readouterr().err
    assert "dmeo" in said
    assert all(command in said for command in dev.COMMANDS)


def test_help_and_no_command(dev, capsys):
    assert dev.main(["--help"]) == 0
    assert dev.main([]) == 2
    assert "dev.py demo" in capsys.readouterr().out


def test_groups_are_read_with_what_they_include(dev):
    table = {"a": ["x", {"include-group": "b"}], "b": ["y", "x"]}
    assert dev.requirements_of(["a"], table) == ["x", "y"]


def test_every_command_s_extras_and_groups_exist(dev):
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    for extras, groups in dev.NEEDS.values():
        assert set(extras) <= set(settings["project"]["optional-dependencies"])
        assert set(groups) <= set(settings["dependency-groups"])


def test_a_failed_step_is_named_last_and_the_other_lint_steps_still_run(dev, capsys, monkeypatch):
    codes = iter([0, 1, 0, 2])
    monkeypatch.setattr(dev, "run", lambda command: next(codes))
    steps = dev.Steps()
    dev.lint_steps(steps, Path("python"))
    with pytest.raises(dev.Stop, match=r"FAILED: ruff format, basedpyright \(\d+ s\)"):
        steps.finish()
    assert "ruff check: ok" in capsys.readouterr().out


@pytest.mark.integration
def test_it_starts_on_the_standard_library_alone():
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(ROOT / "dev.py"), "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "dev.py test" in done.stdout


def test_neither_torch_nor_jax_comes_with_the_base_or_the_demo():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = settings["optional-dependencies"]
    named = " ".join([*settings["dependencies"], *extras["demo"], *extras["pat"]])
    assert not any(word in named for word in ("torch", "jax", "numba", "pytest"))
