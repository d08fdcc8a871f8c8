"""Exporting without a library: what is refused, what is warned of, what a compiler may do wrong."""

import os
import stat
import sys
import warnings
import zipfile
from datetime import UTC, datetime

import numpy as np
import pytest
from tests import export_models as zoo

import twinkit as tk
from twinkit.fmi._export.table import is_structured
from twinkit.fmi._export.tables import plan_of
from twinkit.simulate.compiled import _rodas5p


@pytest.fixture
def target(tmp_path):
    return tmp_path / "a.fmu"


def compiler(folder, script):
    """Return a stand-in for a C compiler."""
    path = folder / "compiler"
    path.write_text(f"#!{sys.executable}\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


needs_scripts = pytest.mark.skipif(os.name == "nt", reason="a script is no program on Windows")


def test_without_a_compiler_it_says_so(target, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.warns(tk.fmi.ExportWarning, match=r"no C compiler.*sources only.*fmpy compile"):
        made = tk.fmi.export(zoo.Ball(), target)
    assert made.platform == ""
    assert "sources/fmu.c" in made.files
    target.unlink()
    with pytest.raises(tk.fmi.FMUBuildError, match="no C compiler"):
        tk.fmi.export(zoo.Ball(), target, binary="required")
    assert not target.exists()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tk.fmi.export(zoo.Ball(), target, binary=tk.fmi.Binary.NONE).path == target
    monkeypatch.setenv("CC", "ccc-of-nowhere -O2")
    with pytest.raises(tk.fmi.FMUBuildError, match="'ccc-of-nowhere -O2' is not there"):
        tk.fmi.export(zoo.Ball(), target)


@needs_scripts
def test_a_compiler_that_fails_hangs_or_makes_nothing(target, tmp_path):
    cases = {
        "import sys; print('line 3: expected ;', file=sys.stderr); sys.exit(3)": r"failed \(3\):\nline 3: expected ;",
        "import time; time.sleep(30)": "did not end within 0.2 s",
        "pass": r"failed \(0\)",
    }
    for script, words in cases.items():
        slow = 0.2 if "sleep" in script else 60.0
        with pytest.raises(tk.fmi.FMUBuildError, match=words):
            tk.fmi.export(zoo.Ball(), target, compiler=compiler(tmp_path, script), timeout=slow)
        assert not target.exists()


@needs_scripts
def test_the_library_is_packed_for_this_platform(target, tmp_path):
    fake = compiler(tmp_path, "import sys; open(sys.argv[sys.argv.index('-o') + 1], 'wb').write(b'library')")
    for version in ("2.0", "3.0"):
        made = tk.fmi.export(zoo.Ball(), target, version=version, compiler=fake)
        with zipfile.ZipFile(target) as archive:
            found = [name for name in archive.namelist() if name.startswith("binaries/")]
            assert archive.namelist()[0] == "modelDescription.xml"
            assert archive.read(found[0]) == b"library"
        assert found[0].split("/")[1] == made.platform
        assert found[0].split("/")[2].startswith("Ball.")


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ({"version": "1.0"}, tk.UnknownNameError, "no FMI version '1.0'.*2.0"),
        ({"kind": "se"}, tk.UnknownNameError, "no kind 'se'"),
        ({"binary": "maybe"}, tk.UnknownNameError, "choice of binary 'maybe'"),
        ({"tunable": ["ee"]}, tk.UnknownNameError, "no parameter 'ee'"),
        ({"tunable": ["h"]}, tk.UnknownNameError, "no parameter 'h'"),
        ({"rtol": 0.0}, tk.InvalidValueError, "rtol"),
        ({"rtol": float("nan")}, tk.InvalidValueError, "rtol"),
        ({"until": "3 kg"}, tk.UnitError, "until"),
        ({"until": -1}, tk.InvalidValueError, "until"),
        ({"name": ""}, tk.InvalidValueError, "begins with a letter"),
        ({"name": "3 balls"}, tk.InvalidValueError, "begins with a letter"),
    ],
)
def test_wrong_choices(how, error, words, target):
    with pytest.raises(error, match=words):
        tk.fmi.export(zoo.Ball(), target, **{"binary": "none", **how})
    assert not target.exists()


def test_only_models_are_exported(target):
    with pytest.raises(tk.InvalidValueError, match=r"an instance: Ball\(\)"):
        tk.fmi.export(zoo.Ball, target)
    with pytest.raises(tk.InvalidValueError, match=r"graph.flatten\(\)"):
        tk.fmi.export(tk.Graph(), target)

    class Blank(tk.Model):
        """Has no initial value."""

        x = tk.State("")

        def equations(self, v, m):
            return {"x": -v.x / m.quantity(1.0, "s")}

    with pytest.raises(tk.SimulationError, match="no initial value for 'x'"):
        tk.fmi.export(Blank(), target, binary="none")
    with pytest.raises(tk.StorageError, match="could not write"):
        tk.fmi.export(zoo.Ball(), target / "missing" / "b.fmu", binary="none")


def test_what_is_too_large_for_its_integrator_is_refused(target):
    large = zoo.Column(cells=40)
    tk.fmi.export(large, target, binary="none")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("twinkit.fmi._export.write.MAX_UNKNOWNS", 40)
        with pytest.raises(tk.fmi.FMUExportError, match=r"Column has 41 unknowns.*kind='me'"):
            tk.fmi.export(large, target, binary="none")
        tk.fmi.export(large, target, kind="me", binary="none")


class Named(tk.Model):
    """Names that XML, FMI or C could trip over: <&"> \\ % ünïts."""

    time_unit = "d"
    time = tk.Parameter("1/d", 1.0, doc='a < b & "c" \\ ]]> \x01 %s')
    λ = tk.State("Gcell/L", 1.0, doc="größe")
    der = tk.State("", 1.0)
    half = tk.Parameter("kg**0.5", 1.0)
    level = tk.State("degF", 50.0)

    def equations(self, v, m):
        return {"λ": -v.time * v.λ, "der": -v.time * v.der, "level": m.quantity(0.0, "delta_degF/d")}


@pytest.mark.parametrize("version", ["2.0", "3.0"])
def test_awkward_names_and_units(target, version):
    pytest.importorskip("fmpy")
    from fmpy.validation import validate_fmu

    made = tk.fmi.export(Named(), target, version=version, name="Größe <1>", binary="none")
    assert validate_fmu(str(target)) == []
    description = tk.fmi.info(target)
    v = description.variables
    assert description.model_name == "Größe <1>"
    assert v["time"].causality == "parameter"
    assert v["time_"].causality == "independent"
    assert v["der(λ)"].derivative_of == "λ"
    assert v["time"].description.startswith('a < b & "c"')
    assert description.units["kg**0.5"] is None
    assert description.units["degF"].offset == pytest.approx(255.3722222)
    with zipfile.ZipFile(target) as archive:
        tables = archive.read("sources/description.h").decode("ascii")
    assert '"der(\\316\\273)"' in tables
    assert "86400.0" in tables
    assert made.content_hash in zipfile.ZipFile(target).read("modelDescription.xml").decode()


def test_the_date_is_given_or_left_out(target):
    tk.fmi.export(zoo.Ball(), target, binary="none", date=datetime(2031, 5, 7, 8, 9, tzinfo=UTC))
    with zipfile.ZipFile(target) as archive:
        assert b'generationDateAndTime="2031-05-07T08:09:00Z"' in archive.read("modelDescription.xml")
    tk.fmi.export(zoo.Ball(), target, binary="none")
    with zipfile.ZipFile(target) as archive:
        assert b"generationDateAndTime" not in archive.read("modelDescription.xml")


def test_the_integrator_has_the_coefficients_of_the_compiled_one(target):
    tk.fmi.export(zoo.Ball(), target, binary="none")
    with zipfile.ZipFile(target) as archive:
        text = archive.read("sources/description.h").decode()
    begin = text.index("RODAS_C[8][8] = {") + len("RODAS_C[8][8] = {")
    numbers = text[begin : text.index(";", begin)].replace("{", "").replace("}", "")
    np.testing.assert_array_equal(np.array(numbers.split(","), dtype=float).reshape(8, 8), _rodas5p.C)


@pytest.mark.parametrize(
    ("schedule", "times", "count"),
    [
        (tk.Schedule(at=[4, "30 min", 4]), (0.5, 4.0), 2),
        (tk.Schedule(every=2, start="1 h", until=5), (), 3),
        (tk.Schedule(every=2, start=3, until=1), (), 0),
        (tk.Schedule(every="90 min"), (), -1),
    ],
)
def test_schedules_as_numbers(schedule, times, count):
    plan = plan_of(schedule, "h")
    assert (plan.times, plan.count) == (times, count)


def test_a_wrong_schedule_is_refused():
    with pytest.raises(tk.InvalidValueError, match="must be positive"):
        plan_of(tk.Schedule(every=0), "h")


def test_names_follow_the_structured_convention_where_they_can(target):
    from twinkit.fmi._export.table import Place, Row

    def rows(*names):
        return tuple(Row(name, Place.STATE, 0, None, "output", "continuous", "exact") for name in names)

    assert is_structured(rows("a", "b.c_1", "b.c[3]", "der(b.c[3])"))
    assert not is_structured(rows("a", "λ"))
