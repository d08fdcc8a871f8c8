#!/usr/bin/env python3
"""Run twinkit's demo, tests, benchmarks, docs and lint in a virtual environment of its own.

    python3 dev.py demo  [args of twinkit demo]        replay a real fermentation and write a report
    python3 dev.py test  [args of pytest]              everything CI runs; with args: only pytest, with them
    python3 dev.py bench [accuracy | speed | estimation | calibration] [args]     the benchmarks
    python3 dev.py docs                                docs/_build/html
    python3 dev.py lint  [--fix]                       ruff, import-linter, basedpyright

Needs Python 3.11 or newer and nothing else: the environment is .venv beside this file, made on the first run.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - the point is to say so on an older Python
    sys.exit(
        "twinkit needs Python 3.11 or newer, and this is %d.%d (%s).\n"  # noqa: UP031
        "Run dev.py with a newer one, for example: python3.11 dev.py demo"
        % (sys.version_info[0], sys.version_info[1], sys.executable)
    )

import hashlib
import importlib.util
import json
import os
import platform
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP_NAME = "twinkit-installed.json"  # in .venv: what a finished installation left there
UNFINISHED_NAME = "twinkit-installing"  # in .venv: an installation has begun
PYTHON = "%d.%d.%d" % sys.version_info[:3]  # noqa: UP031

# What each command needs: extras of the package, and dependency groups.
NEEDS: dict[str, tuple[list[str], list[str]]] = {
    "demo": (["demo"], []),
    "bench": (["all"], []),
    "docs": (["all"], ["docs"]),
    "lint": (["all"], ["lint"]),
    "test": (["all"], ["lint", "test", "docs", "fmus"]),
}
BARE = {"fmus"}  # groups installed without dependencies: only files of these packages are used


class Stop(Exception):
    """A failure that has been explained; carries the exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


# ------------------------------------------------------------------------------------------ environment


def venv_python(venv: Path) -> Path:
    """Return the path of the environment's interpreter."""
    return venv / "Scripts" / "python.exe" if os.name == "nt" else venv / "bin" / "python"


def run(command: Iterable[object], **options: object) -> int:
    """Run a command at the root of the repository; return its exit code."""
    sys.stdout.flush()
    return subprocess.call([str(part) for part in command], cwd=ROOT, **options)  # type: ignore[arg-type]


def is_healthy(venv: Path) -> bool:
    """Say whether the environment runs, with the Python version of this process."""
    probe = "import sys, pip; print('%d.%d.%d' % sys.version_info[:3])"
    try:
        done = subprocess.run([str(venv_python(venv)), "-c", probe], capture_output=True, text=True)
    except OSError:
        return False
    return done.returncode == 0 and done.stdout.strip() == PYTHON


def require_ensurepip() -> None:
    """Stop where this Python cannot make a virtual environment (Debian packages that part apart)."""
    if importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip"):
        return
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    raise Stop(
        f"This Python ({sys.executable}) cannot make a virtual environment: ensurepip is missing.\n"
        f"On Debian and Ubuntu, install it with:\n\n    sudo apt install {package}\n\nand run dev.py again."
    )


def make_venv(venv: Path) -> None:
    """Make the environment afresh, whatever stood there."""
    require_ensurepip()
    # Run from inside .venv itself, the interpreter it was made from makes the new one.
    python = getattr(sys, "_base_executable", None) or sys.executable
    if run([python, "-m", "venv", "--clear", venv]):
        raise Stop(f"could not make the virtual environment {venv}")


# ---------------------------------------------------------------------------------------------- install


def fingerprint() -> str:
    """Return what an installation depends on: metadata, pins, version, interpreter and place."""
    digest = hashlib.sha256()
    for name in ("pyproject.toml", "constraints.txt", "src/twinkit/_version.py"):
        digest.update((ROOT / name).read_bytes())
    digest.update(f"{PYTHON} {sys.platform} {platform.machine()} {ROOT}".encode())
    return digest.hexdigest()


def installed(venv: Path, key: str) -> set[str]:
    """Return the extras and groups a finished installation with this fingerprint left behind."""
    try:
        stamp = json.loads((venv / STAMP_NAME).read_text(encoding="utf-8"))
        return set(stamp["parts"]) if stamp["key"] == key else set()
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def write_stamp(venv: Path, key: str, parts: set[str]) -> None:
    """Record a finished installation, in one step."""
    draft = venv / (STAMP_NAME + ".new")
    draft.write_text(json.dumps({"key": key, "parts": sorted(parts)}), encoding="utf-8")
    draft.replace(venv / STAMP_NAME)


def requirements_of(groups: Iterable[str], table: dict[str, list]) -> list[str]:
    """Return the requirements of dependency groups (PEP 735), which an older pip cannot read."""
    found: list[str] = []
    for group in groups:
        for entry in table[group]:
            found += [entry] if isinstance(entry, str) else requirements_of([entry["include-group"]], table)
    return list(dict.fromkeys(found))


def prepare(command: str, venv: Path = VENV) -> Path:
    """Make sure that `.venv` holds what a command needs; return its interpreter."""
    python = venv_python(venv)
    extras, groups = NEEDS[command]
    wanted = {f"extra:{extra}" for extra in extras} | {f"group:{group}" for group in groups}
    key = fingerprint()
    have = installed(venv, key)
    if wanted <= have and not (venv / UNFINISHED_NAME).exists() and is_healthy(venv):
        return python

    start = time.perf_counter()
    print(f"dev.py: installing what '{command}' needs into {venv} ...", flush=True)
    if (venv / UNFINISHED_NAME).exists() or not is_healthy(venv):
        make_venv(venv)
        have = set()
    (venv / UNFINISHED_NAME).touch()
    (venv / STAMP_NAME).unlink(missing_ok=True)
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    pip = [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-compile"]
    full, bare = [g for g in groups if g not in BARE], [g for g in groups if g in BARE]
    what = ["-c", "constraints.txt", "-e", f".[{','.join(extras)}]", *requirements_of(full, table)]
    if run([*pip, *what]) or (bare and run([*pip, "--no-deps", *requirements_of(bare, table)])):
        raise Stop("the installation failed; pip's message is above. Nothing else was run.")
    write_stamp(venv, key, have | wanted)
    (venv / UNFINISHED_NAME).unlink()
    print(f"dev.py: installed in {time.perf_counter() - start:.0f} s", flush=True)
    return python


# ------------------------------------------------------------------------------------------------ steps


class Steps:
    """Named steps, each timed and reported; the summary is the last line."""

    def __init__(self) -> None:
        self.start = time.perf_counter()
        self.done: list[str] = []
        self.failed: list[str] = []

    def step(self, name: str, command: Iterable[object]) -> None:
        """Run one step."""
        print(f"\n=== {name}", flush=True)
        start = time.perf_counter()
        code = run(command)
        print(f"--- {name}: {'ok' if code == 0 else f'FAILED (exit {code})'}, ", end="")
        print(f"{time.perf_counter() - start:.1f} s", flush=True)
        (self.failed if code else self.done).append(name)

    def skip(self, name: str, why: str) -> None:
        """Say that a step has nothing to do."""
        print(f"\n=== {name}: skipped, {why}", flush=True)

    def stop_if_failed(self) -> None:
        """End here when a step failed."""
        if self.failed:
            raise Stop(f"\ndev.py: FAILED: {', '.join(self.failed)} ({self.clock()})")

    def clock(self) -> str:
        """Return the time since the first step."""
        return f"{time.perf_counter() - self.start:.0f} s"

    def finish(self) -> int:
        """Print the summary."""
        self.stop_if_failed()
        print(f"\ndev.py: {len(self.done)} steps ok ({', '.join(self.done)}; {self.clock()})")
        return 0


def lint_steps(steps: Steps, python: Path) -> None:
    """Run every lint step, so that one run shows all there is to mend."""
    steps.step("ruff check", [python, "-m", "ruff", "check", "."])
    steps.step("ruff format", [python, "-m", "ruff", "format", "--check", "."])
    linter = "import sys; from importlinter.cli import lint_imports_command as main; sys.exit(main())"
    steps.step("import-linter", [python, "-c", linter])
    steps.step("basedpyright", [python, "-m", "basedpyright", "--pythonpath", python])


def docs_step(steps: Steps, python: Path) -> None:
    """Build the documentation; a warning is an error."""
    steps.step("docs", [python, "-m", "sphinx", "-W", "--keep-going", "-q", "docs", "docs/_build/html"])


BENCHMARKS = ("accuracy", "speed", "estimation", "calibration")


def benchmark_module(name: str) -> str | None:
    """Return the module of a kind of benchmark, where it has been written."""
    folder = ROOT / "benchmarks"
    exists = (folder / f"{name}.py").exists() or (folder / name / "__main__.py").exists()
    return f"benchmarks.{name}" if exists else None


# --------------------------------------------------------------------------------------------- commands


def demo(args: list[str]) -> int:
    return run([prepare("demo"), "-m", "twinkit", "demo", *args])


def test(args: list[str]) -> int:
    python = prepare("test")
    if args:
        return run([python, "-m", "pytest", *args])
    steps = Steps()
    lint_steps(steps, python)
    steps.stop_if_failed()
    steps.step("tests", [python, "-m", "pytest", "-n", "2"])
    steps.stop_if_failed()
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    if notebooks:
        steps.step("notebooks", [python, "-m", "pytest", "--nbmake", "-p", "no:doctest", *OWN_INI, *notebooks])
        steps.stop_if_failed()
    else:
        steps.skip("notebooks", "none in notebooks/")
    module = benchmark_module("accuracy")
    if module:
        steps.step("accuracy", [python, "-m", module])
        steps.stop_if_failed()
    else:
        steps.skip("accuracy", "benchmarks/accuracy.py is not there yet")
    docs_step(steps, python)
    return steps.finish()


# Notebooks run under pytest without the test suite's own options (doctests would import the paired .py).
OWN_INI = ["-c", "notebooks/pytest.ini", "--rootdir", "."]


def bench(args: list[str]) -> int:
    kinds, rest = (args[:1], args[1:]) if args[:1] in ([kind] for kind in BENCHMARKS) else (list(BENCHMARKS), args)
    modules = [module for module in map(benchmark_module, kinds) if module]
    if not modules:
        raise Stop(f"no benchmark to run: benchmarks/{kinds[0]}.py is not there")
    python = prepare("bench")
    steps = Steps()
    for module in modules:
        steps.step(module, [python, "-m", module, *rest])
    return steps.finish()


def docs(args: list[str]) -> int:
    steps = Steps()
    docs_step(steps, prepare("docs"))
    code = steps.finish()
    print(f"open {ROOT / 'docs' / '_build' / 'html' / 'index.html'}")
    return code


def lint(args: list[str]) -> int:
    python = prepare("lint")
    if args == ["--fix"]:
        run([python, "-m", "ruff", "check", "--fix", "--quiet", "."])
        run([python, "-m", "ruff", "format", "--quiet", "."])
    elif args:
        raise Stop(f"dev.py lint takes only --fix, not {' '.join(args)}", 2)
    steps = Steps()
    lint_steps(steps, python)
    return steps.finish()


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "demo": demo,
    "test": test,
    "bench": bench,
    "docs": docs,
    "lint": lint,
}


def main(argv: list[str]) -> int:
    """Run one command; return the exit code."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(__doc__)
        return 0 if argv else 2
    if argv[0] not in COMMANDS:
        print(f"dev.py: unknown command '{argv[0]}'; there is {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    try:
        return COMMANDS[argv[0]](argv[1:])
    except Stop as stop:
        sys.stdout.flush()
        print(stop, file=sys.stderr)
        return stop.code
    except KeyboardInterrupt:
        print("\ndev.py: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
