"""The archive: a system structure, its variants, and the files beside it. Reading and writing lose nothing."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

from twinkit.core.errors import InvalidValueError, unknown_name
from twinkit.core.files import write_atomically
from twinkit.fmi.foreign import (
    MAX_BYTES,
    ArchiveLimits,
    Layout,
    open_archive,
    parse_namespaced_xml,
    read_member,
    refuse_problems,
)
from twinkit.graph.ssp._binding import bind, unbind
from twinkit.graph.ssp._xml import document, qualified
from twinkit.graph.ssp.errors import SSPFileError, UnsupportedSSPError
from twinkit.graph.ssp.structure import ParameterMapping, ParameterSet, SignalDictionary, SystemStructure

STRUCTURE = "SystemStructure.ssd"
SSP_LAYOUT = Layout("SSP", STRUCTURE, None, (), SSPFileError)
PathLike = str | os.PathLike[str]
Top = TypeVar("Top", SystemStructure, ParameterSet, ParameterMapping, SignalDictionary)
_TAGS: Mapping[type, str] = {
    SystemStructure: "ssd:SystemStructureDescription",
    ParameterSet: "ssv:ParameterSet",
    ParameterMapping: "ssm:ParameterMapping",
    SignalDictionary: "ssb:SignalDictionary",
}


def read_document(kind: type[Top], data: bytes, what: str) -> Top:
    """Return the content of an ``.ssd``, ``.ssv``, ``.ssm`` or ``.ssb`` file.

    Parameters
    ----------
    kind
        `SystemStructure`, `ParameterSet`, `ParameterMapping` or `SignalDictionary`.
    data
        The bytes of the file.
    what
        Its name, for messages.

    Raises
    ------
    SSPFileError
        If it is not such a file, or broken.
    UnsupportedSSPError
        For a version of SSP other than 1 and 2.
    """
    root, prefixes = parse_namespaced_xml(data, what, SSPFileError)
    expected = qualified(_TAGS[kind])
    if root.tag != expected:
        draft = " (a draft of the standard, before 1.0)" if "Draft" in root.tag else ""
        raise SSPFileError(f"{what} begins with <{root.tag[:120]}>{draft}, not <{expected}>")
    version = root.get("version", "").strip()
    if version.partition(".")[0] not in ("1", "2"):
        raise UnsupportedSSPError(f"{what}: version {version[:40]!r} of SSP is not supported; there is 1.0 and 2.0")
    return replace(bind(kind, root, what), prefixes=prefixes)


def write_document(item: SystemStructure | ParameterSet | ParameterMapping | SignalDictionary) -> bytes:
    """Return the text of an ``.ssd``, ``.ssv``, ``.ssm`` or ``.ssb`` file.

    Raises
    ------
    InvalidValueError
        For values or characters that the file cannot hold.
    """
    return document(unbind(item, _TAGS[type(item)]), item.prefixes)


@dataclass(frozen=True)
class Package:
    """Content of an ``.ssp`` archive.

    Attributes
    ----------
    structure
        The system, from ``SystemStructure.ssd``.
    variants
        Name -> system, of the other ``.ssd`` files beside it.
    files
        Name in the archive -> bytes of every other file: FMUs, parameter files, documentation.
    """

    structure: SystemStructure
    variants: Mapping[str, SystemStructure] = field(default_factory=dict[str, SystemStructure])
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes], repr=False)

    def __str__(self) -> str:
        from twinkit.graph.ssp._show import lines

        return "\n".join(lines(self))

    def _repr_html_(self) -> str:
        import html

        return f"<pre>{html.escape(str(self))}</pre>"

    def choose(self, variant: str | None) -> SystemStructure:
        """Return a variant by its file's name or its own; None: the default one."""
        return choose({STRUCTURE: self.structure, **self.variants}, variant)


def choose(structures: Mapping[str, SystemStructure], variant: str | None) -> SystemStructure:
    """Return a system structure by its file's name or its own; None: the default one."""
    if variant is None:
        return structures[STRUCTURE]
    every = {**{structure.name: structure for structure in structures.values()}, **structures}
    if variant not in every:
        raise unknown_name("variant", variant, every, "the SSP file")
    return every[variant]


def read(path: PathLike, *, limits: ArchiveLimits | None = None) -> Package:
    """Read an ``.ssp`` archive. Nothing is extracted, and nothing of an FMU is run.

    Parameters
    ----------
    path
        The file.
    limits
        For the archive.

    Raises
    ------
    SSPFileError
        If the archive is damaged or dangerous, or a system structure in it is broken.
    UnsupportedSSPError
        For a version of SSP other than 1 and 2.
    """
    with open_archive(path, SSP_LAYOUT) as archive:
        refuse_problems(archive, os.fspath(path), limits or ArchiveLimits(), SSP_LAYOUT)
        names = [member.filename for member in archive.infolist() if not member.filename.endswith("/")]
        systems: dict[str, SystemStructure] = {}
        files: dict[str, bytes] = {}
        for name in names:
            member = archive.getinfo(name)
            if "/" not in name and name.lower().endswith(".ssd"):
                data = read_member(archive, name, MAX_BYTES, SSP_LAYOUT)
                systems[name] = read_document(SystemStructure, data, name)
            else:
                files[name] = read_member(archive, name, member.file_size, SSP_LAYOUT)
    return Package(systems.pop(STRUCTURE), systems, files)


def write(
    content: Package | SystemStructure, path: PathLike, *, files: Mapping[str, bytes | PathLike] | None = None
) -> Path:
    """Write an ``.ssp`` archive, whole or not at all; the same content gives the same bytes.

    Parameters
    ----------
    content
        A package, or a system alone.
    path
        The file.
    files
        Further files: name in the archive (such as ``"resources/tank.fmu"``) -> bytes, or a file to copy.

    Raises
    ------
    InvalidValueError
        For values that cannot be written, or names that an archive cannot hold.
    StorageError
        If the file cannot be written; nothing is left behind.
    """
    package = content if isinstance(content, Package) else Package(content)
    members: dict[str, bytes] = {STRUCTURE: write_document(package.structure)}
    members |= {name: write_document(variant) for name, variant in package.variants.items()}
    for name, data in (*package.files.items(), *(files or {}).items()):
        if name in members:
            raise InvalidValueError(f"the archive would have two files named {name!r}")
        members[name] = data if isinstance(data, bytes) else _content_of(data)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_STORED if name.lower().endswith(".fmu") else zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    with zipfile.ZipFile(buffer) as archive:
        try:  # what we would refuse to read, we do not write
            refuse_problems(archive, os.fspath(path), ArchiveLimits(), SSP_LAYOUT)
        except SSPFileError as error:
            raise InvalidValueError(str(error)) from None
    return write_atomically(path, buffer.getvalue())


def _content_of(path: PathLike) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InvalidValueError(f"{os.fspath(path)!r} cannot be read: {error.strerror or error}") from None


def member_name(source: str, what: str) -> str:
    """Return the name in the archive that a source (a relative URI) means.

    Raises
    ------
    UnsupportedSSPError
        For sources outside the archive.

    Examples
    --------
    >>> member_name("./resources/my%20tank.fmu", "component 'tank'")
    'resources/my tank.fmu'
    """
    plain, _, fragment = source.partition("#")
    head = plain.partition("/")[0]
    parts = [part for part in unquote(plain).split("/") if part != "."]
    if ":" in head or plain.startswith("/") or ".." in parts or fragment or not plain or "\\" in source:
        raise UnsupportedSSPError(f"{what}: its source {source[:120]!r} is not a file in the archive")
    return "/".join(parts)
