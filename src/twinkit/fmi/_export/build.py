"""Compiling the sources of an FMU for this machine."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from twinkit.fmi._export.settings import FMIVersion, FMUBuildError
from twinkit.fmi._export.xml_parts import SOURCE

_CANDIDATES = ("cc", "gcc", "clang", "cl")
_SHOWN = 4000  # characters of a compiler's words
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "i386": "x86", "i686": "x86"}
_SYSTEMS = {"linux": "linux", "darwin": "darwin", "win32": "windows"}
_SUFFIXES = {"linux": ".so", "darwin": ".dylib", "windows": ".dll"}


def find_compiler(wanted: str | None = None) -> list[str] | None:
    """Return the command of a C compiler, or None.

    Parameters
    ----------
    wanted
        Command to use; None: the environment variable ``CC``, else the first of cc, gcc, clang and cl that is there.

    Raises
    ------
    FMUBuildError
        If the compiler that was asked for is not there.
    """
    asked = wanted or os.environ.get("CC") or ""
    if asked:
        words = [asked] if shutil.which(asked) else shlex.split(asked, posix=os.name != "nt")
        found = shutil.which(words[0]) if words else None
        if found is None:
            raise FMUBuildError(f"the C compiler {asked!r} is not there; give compiler= or set CC to one that is")
        return [found, *words[1:]]
    found = next((path for name in _CANDIDATES if (path := shutil.which(name))), None)
    return None if found is None else [found]


def platform_of(version: FMIVersion) -> tuple[str, str]:
    """Return the folder of binaries and the suffix of libraries on this machine, as a version of FMI names them."""
    system = _SYSTEMS.get(sys.platform)
    if system is None:
        raise FMUBuildError(f"FMI has no name for the platform {sys.platform!r}: export with binary='none'")
    if version is FMIVersion.FMI3:
        machine = platform.machine().lower()
        return f"{_MACHINES.get(machine, machine)}-{system}", _SUFFIXES[system]
    bits = 64 if sys.maxsize > 2**32 else 32
    return f"{'win' if system == 'windows' else system}{bits}", _SUFFIXES[system]


def compile_library(sources: Mapping[str, str], suffix: str, compiler: list[str], timeout: float) -> bytes:
    """Compile sources into a shared library and return its bytes.

    Raises
    ------
    FMUBuildError
        If the compiler fails (its words are in the message) or does not end in time.
    """
    with tempfile.TemporaryDirectory(prefix="twinkit-export-", ignore_cleanup_errors=True) as folder:
        for name, text in sources.items():
            Path(folder, name).write_text(text, encoding="utf-8", newline="\n")
        target = Path(folder, f"library{suffix}")
        command = [*compiler, *_options(compiler[0], suffix, target.name)]
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=timeout, check=False,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise FMUBuildError(
                f"{shlex.join(command)} did not end within {timeout:g} s: give a longer timeout="
            ) from None
        except OSError as error:
            raise FMUBuildError(f"{command[0]} could not be started: {error}") from None
        if done.returncode != 0 or not target.is_file():
            words = (done.stderr + done.stdout).strip()[-_SHOWN:]
            raise FMUBuildError(f"{shlex.join(command)} failed ({done.returncode}):\n{words}")
        return target.read_bytes()


def _options(compiler: str, suffix: str, target: str) -> list[str]:
    if Path(compiler).stem.lower() in ("cl", "clang-cl"):
        return ["/nologo", "/LD", "/O2", SOURCE, f"/Fe:{target}"]
    # Sums are not contracted, so that machines with and without fused instructions agree.
    common = ["-std=c99", "-O2", "-ffp-contract=off", "-fvisibility=hidden", "-w", "-shared", SOURCE, "-o", target]
    if suffix == ".dll":
        return common
    strict = ["-Wl,-z,defs"] if suffix == ".so" else []  # nothing may be left to be found at run time
    return ["-fPIC", *common, *strict, "-lm"]
