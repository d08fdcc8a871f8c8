"""Notebooks are committed without outputs, each paired with the .py it says the same as."""

from pathlib import Path

import jupytext
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
STEMS = sorted({path.stem for path in FOLDER.iterdir() if path.suffix in (".ipynb", ".py")})


def cells(path: Path) -> list[tuple[str, str]]:
    return [(cell.cell_type, cell.source) for cell in jupytext.read(path).cells]


@pytest.mark.parametrize("stem", STEMS)
def test_the_pair_says_the_same_and_holds_no_output(stem):
    pair = [FOLDER / f"{stem}.ipynb", FOLDER / f"{stem}.py"]
    missing = [path.name for path in pair if not path.exists()]
    assert not missing, f"run: jupytext --set-formats ipynb,py:percent notebooks/{stem}.* (missing: {missing})"
    assert cells(pair[0]) == cells(pair[1]), f"run: jupytext --sync notebooks/{stem}.ipynb"
    outputs = [cell for cell in jupytext.read(pair[0]).cells if cell.get("outputs")]
    assert not outputs, f"run: jupytext --to ipynb notebooks/{stem}.py, which writes it without outputs"
