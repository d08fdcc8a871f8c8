"""The ```python blocks of README.md and of docs/ run, in order, one process per document."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
SKIP = "<!-- not run -->"  # on the line before a block that is only shown


def script(markdown: str) -> str:
    """Return the blocks as one script in which every line keeps its number in the document."""
    lines: list[str] = []
    for match in BLOCK.finditer(markdown):
        before = markdown[: match.start()]
        if before.rstrip().endswith(SKIP):
            continue
        lines += [""] * (before.count("\n") + 1 - len(lines)) + match[1].splitlines()
    return "\n".join(lines) + "\n"


def documents() -> list[Path]:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in pages if "_build" not in page.parts and script(page.read_text("utf-8")).strip()]


@pytest.mark.parametrize("page", documents(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_document_s_python_runs(page, tmp_path):
    file = tmp_path / f"{page.stem}.py"
    file.write_text(script(page.read_text("utf-8")), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, file.name],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"{page.name} (the line numbers are the document's)\n{done.stderr}"


def test_the_readme_has_a_quickstart():
    assert ROOT / "README.md" in documents()


def test_a_line_keeps_its_number_and_a_marked_block_is_left_out():
    text = f"a\n\n```python\nx = 1\n```\n\n{SKIP}\n```python\nraise\n```\n\n```python\ny = 2\n```\n"
    assert script(text).splitlines() == ["", "", "", "x = 1", *[""] * 8, "y = 2"]
