"""Archives and descriptions from strangers."""

import stat
import zipfile

import pytest

import twinkit as tk
from twinkit.fmi import ArchiveLimits, FMUFileError, UnsupportedFMUError
from twinkit.fmi._archive import extract
from twinkit.fmi._parse import parse_description
from twinkit.fmi._units import time_unit_of, unit_of
from twinkit.fmi.description import BaseUnit

XML = b"""<?xml version="1.0"?><fmiModelDescription fmiVersion="2.0" modelName="M" guid="g">
<CoSimulation modelIdentifier="m"/><ModelVariables>%s</ModelVariables></fmiModelDescription>"""
REAL = b'<ScalarVariable name="a" valueReference="0" causality="input"><Real start="1"/></ScalarVariable>'


def archive(path, *members, description=XML % REAL):
    """Write an archive of the description and (name or ZipInfo, content) members."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        if description is not None:
            file.writestr("modelDescription.xml", description)
        for name, content in members:
            file.writestr(name, content)
    return path


def link(name):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([("../evil.txt", b"x")], "absolute path"),
        ([("resources/../../evil.txt", b"x")], "absolute path"),
        ([("/etc/evil", b"x")], "absolute path"),
        ([("resources//x", b"x")], "empty part"),
        ([("C:/evil.txt", b"x")], "colon"),
        ([("resources\\evil.txt", b"x")], "backslash"),
        ([("resources/a\nb", b"x")], "control character"),
        ([(link("resources/link"), b"/etc/passwd")], "link"),
        ([("resources/a", b"x"), ("resources/A", b"y")], "same file"),
        ([("resources/a", b"x"), ("resources/a/b", b"y")], "file and a folder"),
        ([("resources/con.txt", b"x")], "Windows"),
        ([("evil.exe", b"x")], "nothing there"),
        ([("elsewhere/x", b"x")], "nothing there"),
        ([("resources/bomb", b"\0" * 3_000_000)], "bomb"),
        ([(f"resources/{i}", b"") for i in range(11)], "members"),
        ([("resources/" + "x" * 300, b"x")], "too long"),
    ],
)
def test_a_dangerous_archive_is_refused_whole(tmp_path, members, words):
    path = archive(tmp_path / "x.fmu", *members)
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(FMUFileError, match=words):
        extract(path, target, ArchiveLimits(files=10))
    assert list(target.rglob("*")) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["target", "x.fmu"]
    if words != "members":  # `check` has the ordinary limits
        assert any(words in problem for problem in tk.fmi.check(path))


def test_duplicates_are_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = archive(tmp_path / "x.fmu", ("resources/a", b"x"), ("resources/a", b"y"))
    with pytest.raises(FMUFileError, match="same file"):
        extract(path, tmp_path, ArchiveLimits())


def test_an_archive_that_is_too_large_or_none_at_all(tmp_path):
    path = archive(tmp_path / "x.fmu", ("resources/a", b"abc" * 1000))
    with pytest.raises(FMUFileError, match="bytes; more than 100"):
        extract(path, tmp_path, ArchiveLimits(size=100))
    with pytest.raises(FMUFileError, match="no file"):
        tk.fmi.info(tmp_path / "missing.fmu")
    (tmp_path / "y.fmu").write_bytes(b"PK nonsense")
    with pytest.raises(FMUFileError, match="not an FMU"):
        tk.fmi.info(tmp_path / "y.fmu")
    with pytest.raises(FMUFileError, match="modelDescription"):
        tk.fmi.info(archive(tmp_path / "z.fmu", description=None))


def test_a_good_archive_is_extracted(tmp_path):
    path = archive(tmp_path / "x.fmu", ("resources/deep/a.txt", b"abc"), ("binaries/", b""))
    target = tmp_path / "target"
    target.mkdir()
    extract(path, target, ArchiveLimits())
    assert (target / "resources" / "deep" / "a.txt").read_bytes() == b"abc"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not well-formed"),
        (b"<a/>", "begins with <a>"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', "document type"),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>', "document type"),
        (b"<a>" * 100 + b"</a>" * 100, "nests deeper"),
        (XML % (REAL + REAL), "two variables"),
        (XML % REAL.replace(b'"1"', b'"one"'), "not a number"),
        (XML % REAL.replace(b'"0"', b'"-1"'), "32-bit"),
        (XML % REAL.replace(b"Real", b"Reel"), "no known type"),
        ((XML % REAL).replace(b'"m"', b'"../../m"'), "C identifier"),
    ],
)
def test_a_broken_description_is_refused(data, words):
    with pytest.raises(FMUFileError, match=words):
        parse_description(data)


def test_huge_arrays_and_unknown_versions():
    xml = b"""<fmiModelDescription fmiVersion="3.0" modelName="M" instantiationToken="g"><ModelVariables>
    <Float64 name="a" valueReference="0"><Dimension start="100000"/><Dimension start="100000"/></Float64>
    </ModelVariables></fmiModelDescription>"""
    with pytest.raises(FMUFileError, match="at most"):
        parse_description(xml)
    with pytest.raises(UnsupportedFMUError, match=r"4\.0"):
        parse_description(xml.replace(b'"3.0"', b'"4.0"'))


def test_check_lists_all_problems(tmp_path):
    path = archive(
        tmp_path / "x.fmu", ("evil.exe", b"x"), ("../up", b"x"),
        description=XML % REAL.replace(b"start", b'unit="parsnips" start'),
    )  # fmt: skip
    problems = tk.fmi.check(path)
    for words in ("evil.exe", "'../up'", "parsnips"):
        assert any(words in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("m/s", "m/s"), ("rad", "rad"), ("K", "K"), ("degC", "degC"), ("N.m", "N*m"), ("kg/m3", "kg/m**3"),
        ("W/(m2.K)", "W/(m**2*K)"), ("m.s-2", "m*s**-2"), ("1", ""), ("kilogram * meter / second ** 2",) * 2,
    ],
)  # fmt: skip
def test_unit_names(name, unit):
    assert unit_of(name, None) == (unit, "")


def test_a_unit_s_definition_is_held_against_its_name():
    assert unit_of("m", BaseUnit({"m": 1})) == ("m", "")
    assert unit_of("degC", BaseUnit({"K": 1}, 1.0, 273.15)) == ("degC", "")
    assert unit_of("U", BaseUnit({"kg": 1, "m": 2, "s": -3})) == ("kg**1*m**2*s**-3", "")
    assert "not known" in unit_of("m", BaseUnit({"s": 1}, 60.0))[1]
    assert time_unit_of("h", None) == "h"
    assert time_unit_of("m", None) == "s"


def test_the_description_shows_itself():
    description = parse_description(XML % REAL.replace(b'"a"', b'"a&lt;b&gt;"'))
    assert "1 input" in str(description)
    assert "a&lt;b&gt;" in description._repr_html_()
    assert "<b>M: FMI 2.0" in description._repr_html_()


def test_fmpy_is_asked_for_only_when_an_fmu_runs(tmp_path, monkeypatch):
    path = archive(tmp_path / "x.fmu")
    monkeypatch.setitem(__import__("sys").modules, "fmpy", None)
    monkeypatch.setitem(__import__("sys").modules, "fmpy.fmi2", None)
    fmu = tk.FMU(path)
    assert fmu.inputs["a"].default == 1.0
    with pytest.raises(tk.MissingDependencyError, match=r"twinkit\[fmi\]"):
        fmu.initialize(0.0, {})
