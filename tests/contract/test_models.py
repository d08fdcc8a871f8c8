"""Every model of `twinkit.unitops` keeps its contract; none is left out."""

import inspect

import pytest

import twinkit as tk
from twinkit import unitops
from twinkit.testing import check_model

FEWER_CELLS = {"PlugFlowReactor": 8, "CounterCurrentHeatExchanger": 8}  # the same equations, a tenth of the time


def model_of(name):
    cells = {"n_cells": FEWER_CELLS[name]} if name in FEWER_CELLS else {}
    return getattr(unitops, name)(**cells)


@pytest.mark.parametrize("name", unitops.__all__)
def test_every_model_keeps_its_contract(name):
    report = check_model(model_of(name))
    assert report.passed
    assert set(report.problems) >= {
        "documentation", "dimensions", "readings agree", "jacobians", "conservation", "round trips", "bounds",
    }  # fmt: skip
    assert report.notes["readings agree"].startswith("numeric, casadi, sympy")


def test_every_model_file_is_exported():
    """A model that is written but not exported would escape the test above (private files hold bases only)."""
    import importlib
    import pkgutil

    found = set()
    for module in pkgutil.iter_modules(unitops.__path__):
        if module.name.startswith("_"):
            continue
        for name, value in vars(importlib.import_module(f"twinkit.unitops.{module.name}")).items():
            if (
                inspect.isclass(value)
                and issubclass(value, tk.Model)
                and value.__module__ == f"twinkit.unitops.{module.name}"
                and not name.startswith("_")
            ):
                found.add(name)
    assert found == {name for name in unitops.__all__ if inspect.isclass(getattr(unitops, name))}


@pytest.mark.parametrize("name", unitops.__all__)
def test_every_model_shows_its_equations(name):
    shown = model_of(name).show()
    assert shown.lines
    assert "\\frac{d" in shown.latex


@pytest.mark.parametrize("name", unitops.__all__)
def test_every_model_simulates_with_its_defaults(name):
    solution = tk.simulate(getattr(unitops, name)(), 10.0)
    assert solution.success
    assert solution.time[-1] == 10.0


def test_the_room_refuses_other_names():
    with pytest.raises(AttributeError):
        _ = unitops.NoSuchReactor
