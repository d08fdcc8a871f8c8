"""FMUs for the tests: small ones built here with a C compiler, real ones from installed packages."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, files
from importlib.util import find_spec
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent / "fmus"
PLATFORMS = {
    "spring2": "linux64", "arrays3": "x86_64-linux", "ball1": "linux64", "lag1": "linux64", "clocks3": "x86_64-linux",
    "oven2": "linux64",
}  # fmt: skip


def build_fmu(name: str, folder: Path) -> Path:
    """Compile one of the FMUs in fmus/ and pack it."""
    fmpy = pytest.importorskip("fmpy", reason="FMPy is not installed (the extra 'fmi')")
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("no C compiler on Linux to build the test FMUs with")
    library = folder / f"{name}.so"
    headers = Path(fmpy.__file__).parent / "c-code"
    command = [compiler, "-shared", "-fPIC", "-O1", "-w", f"-I{headers}", SOURCES / f"{name}.c", "-o", library, "-lm"]
    subprocess.run([str(part) for part in command], check=True, capture_output=True)
    path = folder / f"{name}.fmu"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(SOURCES / f"{name}.xml", "modelDescription.xml")
        archive.write(library, f"binaries/{PLATFORMS[name]}/{name}.so")
    return path


@pytest.fixture(scope="session")
def spring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An FMI 2.0 oscillator for both kinds, which misbehaves on request."""
    return build_fmu("spring2", tmp_path_factory.mktemp("fmu"))


@pytest.fixture(scope="session")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An FMI 3.0 integrator of arrays for both kinds."""
    return build_fmu("arrays3", tmp_path_factory.mktemp("fmu"))


@pytest.fixture(scope="session")
def ball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An FMI 1.0 bouncing ball for model exchange."""
    return build_fmu("ball1", tmp_path_factory.mktemp("fmu"))


@pytest.fixture(scope="session")
def lag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An FMI 1.0 lag for co-simulation, which misbehaves on request."""
    return build_fmu("lag1", tmp_path_factory.mktemp("fmu"))


@pytest.fixture(scope="session")
def clocks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An FMI 3.0 FMU for both kinds with structural parameters, every type, clocks, event mode and saved states."""
    return build_fmu("clocks3", tmp_path_factory.mktemp("fmu"))


@pytest.fixture(scope="session")
def oven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An FMI 2.0 oven for model exchange without events, which misbehaves on request where it is hot."""
    return build_fmu("oven2", tmp_path_factory.mktemp("fmu"))


@pytest.fixture(scope="session")
def real_fmus() -> dict[str, Path]:
    """The Linux FMUs of the package gemseo-fmu (installed with --no-deps; it is not imported)."""
    spec = find_spec("gemseo_fmu")
    if spec is None or spec.origin is None or sys.platform != "linux":
        pytest.skip("the FMUs of gemseo-fmu are not there: pip install --no-deps gemseo-fmu==3.1.1")
    pytest.importorskip("fmpy", reason="FMPy is not installed (the extra 'fmi')")
    folder = Path(spec.origin).parent / "problems" / "fmu_files" / "linux"
    return {path.stem: path for path in sorted(folder.glob("*.fmu"))}


@pytest.fixture(scope="session")
def more_fmus() -> dict[str, Path]:
    """FMUs of crane-fmu (where installed) and of any packages unpacked under the folder TWINKIT_TEST_FMUS.

    The FMI 1.0 ones are in the source distribution of ospx: ``pip download --no-deps --no-binary :all: ospx==0.3.5``,
    unpack it, and name the folder.
    """
    found: list[Path] = []
    with contextlib.suppress(PackageNotFoundError):
        found += [Path(str(file.locate())) for file in files("crane-fmu") or [] if file.suffix == ".fmu"]
    if "TWINKIT_TEST_FMUS" in os.environ:
        found += Path(os.environ["TWINKIT_TEST_FMUS"]).rglob("*.fmu")
    return {path.stem: path for path in sorted(found)}
