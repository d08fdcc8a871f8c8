"""`import twinkit` is quick and loads nothing heavy; the public face offers what it names."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import twinkit as tk

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(tk.__file__).parents[1])}
HEAVY = ("casadi", "jax", "torch", "sympy", "matplotlib", "pandas", "xarray", "numba", "sklearn", "scipy", "pint")


def python(script):
    return subprocess.run(
        [sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True, text=True, check=True, timeout=60
    ).stdout


@pytest.mark.integration
def test_import_loads_no_heavy_package():
    loaded = python(f"import sys, twinkit; print([name for name in {HEAVY!r} if name in sys.modules])")
    assert loaded.strip() == "[]"


@pytest.mark.integration
def test_import_takes_at_most_0_4_seconds():
    # Of this process alone: what else the machine does is not counted.
    script = "import time; a = time.process_time(); import twinkit; print(time.process_time() - a)"
    assert min(float(python(script)) for _ in range(5)) <= 0.4


@pytest.mark.integration
def test_a_model_can_be_defined_and_evaluated_without_the_heavy_packages():
    script = f"""
import sys
import twinkit as tk
from twinkit.unitops import CHOFedBatch
CHOFedBatch().content_hash
print([name for name in {HEAVY!r} if name in sys.modules and name not in {{"pint", "scipy"}}])
"""
    assert python(script).strip() == "[]"


def test_every_public_name_can_be_had():
    for name in tk.__all__:
        assert getattr(tk, name) is not None
    assert set(dir(tk)) == set(tk.__all__)


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(AttributeError, match="did you mean 'Parameter'"):
        _ = tk.Paramter
    assert not hasattr(tk, "no_such_thing")


def test_simulate_is_a_room_and_a_function():
    import inspect

    import twinkit.simulate as room

    assert tk.simulate is room
    assert callable(tk.simulate)
    assert tk.simulate.Cvodes is tk.Cvodes
    assert list(inspect.signature(tk.simulate).parameters)[:2] == ["model", "until"]
    with pytest.raises(AttributeError, match="Cvods"):
        _ = tk.simulate.Cvods
    for name in room.__all__:
        assert getattr(room, name) is not None


@pytest.mark.integration
def test_star_import_and_first_use_in_a_fresh_process():
    assert python("from twinkit import *; print(Model.__name__, callable(simulate))").split() == ["Model", "True"]
