"""What FMI 1.0 and FMI 3.0 descriptions say: clocks, sizes, aliases; and states as bytes."""

import numpy as np
import pytest

import twinkit as tk
from twinkit.core.errors import DataError
from twinkit.fmi import FMUFileError, Interval
from twinkit.fmi._parse import parse_description
from twinkit.fmi._state_file import pack_state, unpack_state
from twinkit.fmi._values import from_json, native_value, plain_value, seen_value, to_json

THREE = b"""<fmiModelDescription fmiVersion="3.0" modelName="M" instantiationToken="g">
<CoSimulation modelIdentifier="m" hasEventMode="true"/><ModelVariables>%s</ModelVariables>
<ModelStructure>%s</ModelStructure></fmiModelDescription>"""
ONE = b"""<fmiModelDescription fmiVersion="1.0" modelName="M" modelIdentifier="m" guid="g" numberOfContinuousStates="%s"
numberOfEventIndicators="0"><ModelVariables>%s</ModelVariables></fmiModelDescription>"""
SIZE = b'<UInt64 name="n" valueReference="1" causality="structuralParameter" variability="fixed" start="2"/>'
ARRAY = (
    b'<Float64 name="a" valueReference="2" causality="input" start="%s"><Dimension valueReference="1"/>'
    b'<Dimension start="3"/></Float64>'
)


def three(variables, structure=b""):
    return parse_description(THREE % (variables, structure))


def clock(attributes):
    return three(b'<Clock name="c" valueReference="1" causality="input" %s/>' % attributes).variables["c"].clock


def test_shapes_follow_structural_parameters():
    description = three(
        SIZE
        + ARRAY % b"7"
        + b'<Float64 name="d" valueReference="3" derivative="2"><Dimension valueReference="1"/></Float64>',
        b'<ContinuousStateDerivative valueReference="3"/>',
    )
    a = description.variables["a"]
    assert (a.dimensions, a.shape, a.start) == (("n", 3), (2, 3), (7.0,) * 6)
    assert (description.state_count, description.derivatives) == (2, ("d",))
    larger = description.resized({"n": 4, "a": "whatever"})
    assert (larger.variables["a"].shape, larger.variables["a"].start) == ((4, 3), (7.0,) * 12)
    assert (larger.variables["n"].start, larger.state_count) == (4, 4)
    assert description.resized({"a": 1.0}) is description
    assert description.variables["a"].shape == (2, 3)  # unchanged
    assert three(SIZE + ARRAY % b"1 2 3 4 5 6").resized({"n": 3}).variables["a"].start is None  # the FMU knows
    assert "a[n, 3] [-] Float64" in str(description)
    assert "1 structural parameter\n    n [-] UInt64 start 2" in str(description)
    for n in (-1, 10**7, 1.5, "x", None):
        with pytest.raises(tk.InvalidValueError, match=r"'n'|'a'"):
            description.resized({"n": n})


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (ARRAY % b"1", "value reference '1', which does not exist"),
        (SIZE.replace(b"structuralParameter", b"parameter") + ARRAY % b"1", "no structural parameter"),
        (SIZE.replace(b'start="2"', b"") + ARRAY % b"1", "not an integer"),
        (SIZE + ARRAY % b"1 2", "6 values, but 2 start values"),
        (b'<Float64 name="x" valueReference="1" clocks="5"/>', "value reference '5'"),
        (b'<Clock name="c" valueReference="1"/>', "'None' is no interval variability"),
        (b'<Clock name="c" valueReference="1" intervalVariability="often"/>', "'often' is no interval"),
        (
            b'<Clock name="c" valueReference="1" intervalVariability="fixed" intervalDecimal="0"/>',
            "impossible interval",
        ),
        (
            b'<Clock name="c" valueReference="1" intervalVariability="fixed" intervalDecimal="nan"/>',
            "impossible interval",
        ),
        (b'<Clock name="c" valueReference="1" intervalVariability="fixed" shiftDecimal="-1"/>', "impossible shift"),
        (b'<Clock name="c" valueReference="1" intervalVariability="fixed" intervalCounter="1"/>', "resolution"),
        (
            b'<Clock name="c" valueReference="1" intervalVariability="fixed" intervalCounter="%s" resolution="1"/>'
            % (b"9" * 400),
            "impossible interval",
        ),
        (b'<Float64 name="x" valueReference="1"><Alias name="x"/></Float64>', "two variables are named 'x'"),
        (b'<Float64 name="x" valueReference="1"><Alias/></Float64>', "has no name"),
        (b'<Binary name="x" valueReference="1"><Start value="zz"/></Binary>', "not hexadecimal"),
    ],
)
def test_what_fmi_3_does_not_allow(variables, words):
    with pytest.raises(FMUFileError, match=words):
        three(variables)


def test_clocks():
    found = clock(b'intervalVariability="constant" intervalCounter="3" shiftCounter="1" resolution="4"')
    assert found == tk.fmi.Clock(Interval.CONSTANT, 0.75, 0.25)
    assert clock(b'intervalVariability="countdown"') == tk.fmi.Clock(Interval.COUNTDOWN)
    assert [i for i in Interval if i.is_periodic] == [
        Interval.CONSTANT, Interval.FIXED, Interval.CALCULATED, Interval.TUNABLE,
    ]  # fmt: skip
    description = three(
        b'<Clock name="c" valueReference="1" causality="input" intervalVariability="constant" intervalDecimal="0.5"/>'
        b'<Int32 name="x" valueReference="2" causality="input" clocks="1" start="3"><Alias name="y"/></Int32>'
    )
    assert description.variables["x"].clocks == ("c",)
    assert (description.variables["y"].reference, description.variables["y"].causality) == (2, "local")
    for words in (
        "1 clock\n    c [-] Clock constant every 0.5",
        "x [-] Int32 start 3 on c",
        "co simulation: event mode",
    ):
        assert words in str(description)
    assert description._repr_html_().count("<td>c</td>") == 1


def test_what_offers_only_scheduled_execution_is_said(tmp_path):
    import zipfile

    text = (THREE % (b"", b"")).replace(b"CoSimulation", b"ScheduledExecution")
    with zipfile.ZipFile(tmp_path / "s.fmu", "w") as file:
        file.writestr("modelDescription.xml", text)
    assert "scheduled execution: offered, not run here" in str(tk.fmi.info(tmp_path / "s.fmu"))
    with pytest.raises(tk.fmi.UnsupportedFMUError, match="only scheduled execution"):
        tk.fmi.open(tmp_path / "s.fmu")
    assert any("scheduled execution" in problem for problem in tk.fmi.check(tmp_path / "s.fmu"))


def test_fmi_1():
    description = parse_description(
        ONE % (b"3", b'<ScalarVariable name="x" valueReference="0"><Real start="1" fixed="false"/></ScalarVariable>'
        b'<ScalarVariable name="y" valueReference="0" alias="negatedAlias"><Real/></ScalarVariable>'
        b'<ScalarVariable name="p" valueReference="1" variability="parameter" causality="input"><Real start="2"/>'
        b"</ScalarVariable>")
    )  # fmt: skip
    x, y, p = description.variables.values()
    assert (x.initial, y.initial, p.initial) == ("approx", "calculated", "exact")
    assert (x.causality, p.causality, description.state_count) == ("local", "parameter", 3)
    assert (y.negated, native_value(2.0, y), seen_value(2.0, y)) == (True, -2.0, -2.0)
    for states in (b"-1", b"x", b"999999999999"):
        with pytest.raises(FMUFileError):
            parse_description(ONE % (states, b""))


def test_values_lose_their_numpy_and_go_through_json():
    assert plain_value(np.array([[1, 2], [3, 4]], dtype=np.uint8)) == (1, 2, 3, 4)
    assert plain_value(((np.float32(0.5), 2), [3])) == (0.5, 2, 3)
    assert type(plain_value(np.int64(2**62))) is int
    assert plain_value(bytearray(b"ab")) == b"ab"
    value = {"a": (1, b"\x00\xff", ("x", None)), "bytes": {"b": True}}
    assert from_json(to_json(value)) == value
    for wrong in ({"a": 1}, {"bytes": "!"}, {"items": 3}):
        with pytest.raises(ValueError, match=r".*"):
            from_json(wrong)


def test_a_state_is_checked():
    record = pack_state({"a": (1.0, b"x")}, b"FMU")
    assert unpack_state(record) == ({"a": (1.0, b"x")}, b"FMU")
    for i in range(len(record)):
        for wrong in (record[:i], record[:i] + bytes([record[i] ^ 1]) + record[i + 1 :]):
            with pytest.raises(DataError, match="state"):
                unpack_state(wrong)
