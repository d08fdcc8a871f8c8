"""Strict extraction of archives (FMU, SSP): nothing is written outside the target, and nothing that is not expected."""

from __future__ import annotations

import os
import stat
import unicodedata
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from twinkit.core.errors import DataError
from twinkit.fmi._errors import FMUFileError

DESCRIPTION = "modelDescription.xml"
_RESERVED = {"con", "prn", "aux", "nul", *(f"{kind}{i}" for kind in ("com", "lpt") for i in range(1, 10))}


@dataclass(frozen=True)
class ArchiveLimits:
    """Caps on an FMU archive.

    Attributes
    ----------
    files
        Number of members.
    size
        Bytes of all members together, extracted.
    ratio
        Extracted to compressed bytes of a member larger than 1 MiB.
    """

    files: int = 20_000
    size: int = 4 * 1024**3
    ratio: float = 200.0


@dataclass(frozen=True)
class Layout:
    """What a kind of archive holds.

    Attributes
    ----------
    name
        What it is, in messages.
    required
        The member it must have.
    folders
        Folders it may have, in lower case; None: any.
    root_files
        Endings of the files it may have outside folders.
    error
        What is raised when an archive is refused.
    """

    name: str
    required: str
    folders: frozenset[str] | None
    root_files: tuple[str, ...]
    error: type[DataError]

    def expects(self, name: str) -> bool:
        """Return whether such an archive may have a member of this name."""
        parts = name.rstrip("/").split("/")
        if self.folders is None:
            return True
        return parts[0].lower() in self.folders if "/" in name else name.lower().endswith(self.root_files)


FMU_LAYOUT = Layout(
    "FMU",
    DESCRIPTION,
    frozenset({"binaries", "resources", "sources", "documentation", "extra", "terminalsandicons", "licenses"}),
    (".xml", ".png", ".svg", ".txt", ".md", ".html", ".buildinfo"),
    FMUFileError,
)


def archive_problems(archive: zipfile.ZipFile, limits: ArchiveLimits, layout: Layout = FMU_LAYOUT) -> list[str]:
    """Return everything about the members that speaks against extracting them."""
    members = archive.infolist()
    problems: list[str] = []
    if len(members) > limits.files:
        problems.append(f"it has {len(members)} members; more than {limits.files} are refused")
    total = sum(member.file_size for member in members)
    if total > limits.size:
        problems.append(f"it would extract to {total} bytes; more than {limits.size} are refused")
    seen: dict[str, str] = {}
    folders: set[str] = set()
    files: set[str] = set()
    for member in members:
        problems += _member_problems(member, limits, layout)
        folded = unicodedata.normalize("NFC", member.filename).casefold().rstrip("/")
        if folded in seen and not (member.filename.endswith("/") and member.filename == seen[folded]):
            problems.append(f"{member.filename!r} and {seen[folded]!r} are the same file on some systems")
        seen[folded] = member.filename
        (folders if member.filename.endswith("/") else files).add(folded)
        folders.update(str(parent) for parent in PurePosixPath(folded).parents)
    problems += [f"{seen.get(name, name)!r} is a file and a folder" for name in sorted(files & folders)]
    if not any(member.filename == layout.required for member in members):
        problems.append(f"it has no {layout.required}: it is not an {layout.name}")
    return problems


def _member_problems(member: zipfile.ZipInfo, limits: ArchiveLimits, layout: Layout) -> list[str]:
    name = member.filename
    parts = name.rstrip("/").split("/")
    problems: list[str] = []
    if "\\" in member.orig_filename or ":" in name or any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
        problems.append(f"{name!r}: a name with a backslash, colon or control character")
    if name != member.orig_filename:
        problems.append(f"{member.orig_filename!r}: its name hides a null character")
    if name.startswith("/") or any(part in ("", ".", "..") for part in parts):
        problems.append(f"{name!r}: an absolute path, or one with '.', '..' or an empty part")
    if any(part.split(".")[0].lower() in _RESERVED or part.endswith((" ", ".")) for part in parts):
        problems.append(f"{name!r}: a name that Windows cannot hold")
    if len(name) > 1000 or any(len(os.fsencode(part.encode("utf-8", "replace").decode())) > 255 for part in parts):
        problems.append(f"{name[:40]!r}...: a name that is too long")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        problems.append(f"{name!r}: a link or special file")
    if member.flag_bits & 0x1:
        problems.append(f"{name!r}: it is encrypted")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        problems.append(f"{name!r}: compressed in a way {layout.name}s may not be")
    if member.file_size > 1024**2 and member.file_size > limits.ratio * max(member.compress_size, 1):
        problems.append(f"{name!r}: {member.file_size} bytes from {member.compress_size}, a decompression bomb")
    if not layout.expects(name):
        problems.append(f"{name!r}: {layout.name}s have nothing there")
    return problems


def open_archive(path: str | os.PathLike[str], layout: Layout = FMU_LAYOUT) -> zipfile.ZipFile:
    """Open a file as an archive.

    Raises
    ------
    DataError
        The layout's error, if it is missing or not a zip archive.
    """
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise layout.error(f"there is no file {os.fspath(path)!r}") from None
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, UnicodeError, IndexError) as error:
        raise layout.error(f"{os.fspath(path)!r} is not an {layout.name}: {error}") from None


def read_member(archive: zipfile.ZipFile, name: str, limit: int, layout: Layout = FMU_LAYOUT) -> bytes:
    """Return one member, at most `limit` bytes of it.

    Raises
    ------
    DataError
        The layout's error, if it is missing, damaged or larger.
    """
    try:
        with archive.open(name) as file:
            data = file.read(limit + 1)
    except (KeyError, zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, NotImplementedError) as error:
        raise layout.error(f"{name} cannot be read from the archive: {error}") from None
    except (ValueError, IndexError) as error:  # a damaged header
        raise layout.error(f"{name} cannot be read from the archive: {error}") from None
    if len(data) > limit:
        raise layout.error(f"{name} is larger than {limit} bytes")
    return data


def refuse_problems(archive: zipfile.ZipFile, path: str, limits: ArchiveLimits, layout: Layout) -> None:
    """Raise the layout's error if anything speaks against extracting an archive."""
    problems = archive_problems(archive, limits, layout)
    if problems:
        more = f" (and {len(problems) - 5} more)" if len(problems) > 5 else ""
        raise layout.error(f"{path!r} is refused: {'; '.join(problems[:5])}{more}")


def extract(path: str | os.PathLike[str], target: Path, limits: ArchiveLimits, layout: Layout = FMU_LAYOUT) -> None:
    """Extract an archive into an existing, empty folder, or raise with everything that speaks against it.

    Raises
    ------
    DataError
        The layout's error, if the archive is damaged or has members that are refused.
    """
    with open_archive(path, layout) as archive:
        refuse_problems(archive, os.fspath(path), limits, layout)
        left = limits.size
        for member in archive.infolist():
            place = target.joinpath(*member.filename.rstrip("/").split("/"))
            if member.filename.endswith("/"):
                place.mkdir(parents=True, exist_ok=True)
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            left -= _write(archive, member, place, min(left, member.file_size), layout.error)


def _write(archive: zipfile.ZipFile, member: zipfile.ZipInfo, place: Path, limit: int, refused: type[DataError]) -> int:
    """Write one member, which may not be larger than it says; return its size."""
    written = 0
    try:
        with archive.open(member) as source, place.open("xb") as target:
            while chunk := source.read(1024 * 1024):
                written += len(chunk)
                if written > limit:
                    raise refused(f"{member.filename!r} is larger than it says")
                target.write(chunk)
    except refused:
        raise
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, ValueError, IndexError) as error:
        raise refused(f"{member.filename!r} cannot be extracted: {error}") from None
    return written
