"""The size-marker rule of tests/conftest.py, on a small test suite of its own."""

from pathlib import Path

import pytest

CONFTEST = (Path(__file__).parents[1] / "conftest.py").read_text(encoding="utf-8")
INI = "[pytest]\nmarkers =\n unit: u\n component: c\n integration: i\n"


@pytest.fixture
def suite(pytester: pytest.Pytester):
    """Return a function that lays out test files and runs pytest over them."""

    def run(files: dict[str, str], *args: str) -> pytest.RunResult:
        pytester.makeini(INI)
        for name, text in {"conftest.py": CONFTEST, **files}.items():
            path = pytester.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:xdist", *args)

    return run


@pytest.mark.parametrize(
    ("folder", "size"),
    [
        ("unit", "unit"),
        ("contract", "component"),
        ("property", "component"),
        ("reference", "component"),
        ("integration", "integration"),
    ],
)
def test_the_folder_gives_the_size(suite, folder, size):
    result = suite({f"{folder}/test_a.py": "def test_a(): pass\n"}, "-m", size)
    result.assert_outcomes(passed=1)


def test_an_explicit_marker_replaces_the_folder_s(suite):
    text = "import pytest\n\n@pytest.mark.component\ndef test_a(): pass\n"
    suite({"unit/test_a.py": text}, "-m", "component").assert_outcomes(passed=1)


def test_a_test_without_size_is_refused(suite):
    result = suite({"elsewhere/test_a.py": "def test_a(): pass\n"})
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*exactly one size marker*", "*test_a.py::test_a: none"])


def test_a_test_with_two_sizes_is_refused(suite):
    text = "import pytest\n\n@pytest.mark.component\n@pytest.mark.unit\ndef test_a(): pass\n"
    result = suite({"unit/test_a.py": text})
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*test_a.py::test_a: component and unit"])
