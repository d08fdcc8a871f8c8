"""Rules for every test: exactly one size marker, no window for a plot."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("MPLBACKEND", "Agg")

SIZES = ("unit", "component", "integration")
DEFAULT_SIZE = {
    "unit": "unit",
    "contract": "component",
    "property": "component",
    "reference": "component",
    "integration": "integration",
}
HERE = Path(__file__).parent


def default_size(item: pytest.Item) -> str | None:
    """Return the size a test has by where it stands: its folder in tests/, or a doctest of the package."""
    if isinstance(item, pytest.DoctestItem):
        return "unit"
    if not item.path.is_relative_to(HERE):
        return "integration"  # a notebook
    return DEFAULT_SIZE.get(item.path.relative_to(HERE).parts[0])


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every test its size, and refuse a test with none or with two."""
    wrong = []
    for item in items:
        sizes = sorted({mark.name for mark in item.iter_markers() if mark.name in SIZES})
        if not sizes and (size := default_size(item)):
            item.add_marker(size)
        elif len(sizes) != 1:
            wrong.append(f"  {item.nodeid}: {' and '.join(sizes) or 'none'}")
    if wrong:
        raise pytest.UsageError(
            "every test has exactly one size marker, unit, component or integration"
            " (by its folder, or written on the test):\n" + "\n".join(wrong)
        )
