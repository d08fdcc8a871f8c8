"""SSP files as frozen data: what is read is written again, whole; what is broken is refused with the place."""

import zipfile
from dataclasses import replace

import pytest
from tests.ssp_examples import FULL_1, FULL_2, NAMESPACES, SSV_2, ssd

import twinkit as tk
from twinkit.fmi.description import BaseUnit as SIUnit
from twinkit.graph import ssp
from twinkit.graph.ssp._transform import Affine, FileUnit, Lookup, apply, combined, conversion, file_unit
from twinkit.graph.ssp._wiring import Wiring
from twinkit.graph.ssp.package import member_name
from twinkit.graph.ssp.structure import (
    Annotation,
    ComponentElement,
    ConnectorKind,
    DataType,
    LinearTransformation,
    ParameterSet,
    System,
    SystemStructure,
)


def read(text):
    return ssp.read_document(SystemStructure, text.encode(), "SystemStructure.ssd")


@pytest.mark.parametrize("text", [FULL_1, FULL_2], ids=["1.0", "2.0"])
def test_nothing_is_lost(text):
    first = read(text)
    written = ssp.write_document(first)
    assert read(written.decode()) == first
    assert ssp.write_document(read(written.decode())) == written


def test_what_is_read_is_what_is_there():
    structure = read(FULL_1)
    plant = structure.system
    assert (structure.name, structure.author, structure.default_experiment.stop_time) == ("example", "A. Author", 10.0)
    assert [c.kind for c in plant.connectors][:2] == [ConnectorKind.INPUT, ConnectorKind.OUTPUT]
    assert plant.connectors[0].type.unit == "kN"
    assert plant.connectors[0].geometry.y == 0.5
    assert plant.geometry.rotation == 90.0
    assert plant.graphical_elements[0].text == "first line\nsecond line"
    assert plant.parameter_bindings[0].prefix == "sub."
    sub = plant.elements[0]
    component = sub.elements[0]
    assert component.other_attributes == (("{urn:tool}order", "3"),)
    values = component.parameter_bindings[0].parameter_sets[0].parameters
    assert [v.value.values() for v in values] == [(1500.0,), (True,), ("fast",), (b"\x00\xff",)]
    assert sub.connections[0].transformation == LinearTransformation(factor=1000.0)
    assert sub.connections[0].geometry.points_x == (1.0, 2.5, 3.0)
    note = plant.parameter_bindings[0].annotations[0]
    assert note.content[0].children[0].tail == " whole", "mixed content is kept to the letter"
    assert plant.signal_dictionaries[0].dictionary.entries[0].type.kind is DataType.REAL


def test_what_the_standard_does_not_name_is_kept():
    root = read(FULL_2).system
    kept = {node.tag.rpartition("}")[2] for node in root.other_elements}
    assert kept == {"Elements", "Unheard"}
    text = ssp.write_document(read(FULL_2)).decode()
    assert text.count("<ssd:Elements") == 1, "unknown elements go back to where they were"
    assert '<ssd:Something new="thing">with text</ssd:Something>' in text
    assert root.connectors[3].type.kind is DataType.FLOAT32
    assert root.connectors[1].dimensions[1].size_connector == "n"
    assert root.connections[0].start_indices == (1, 2)


def test_arrays_in_parameter_sets():
    parameters = ssp.read_document(ParameterSet, SSV_2.encode(), "a.ssv")
    assert parameters.parameters[0].value.values() == (1.0, 2.5, 3.0)
    assert parameters.parameters[1].value.values() == ("a", "b c")
    assert ssp.read_document(ParameterSet, ssp.write_document(parameters), "b.ssv") == parameters


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<a/>", "begins with <a>"),
        (f'<ssd:SystemStructureDescription {NAMESPACES} version="1.0" name="x"/>', "has no ssd:System"),
        (ssd('<ssd:System name="a"/>', version="3.0"), "version '3.0' of SSP is not supported"),
        (ssd("<ssd:System/>"), "<System> has no name"),
        (ssd('<ssd:System name="a"><ssd:Elements><ssd:Component name="c"><ssd:Connectors>'
             '<ssd:Connector name="u" kind="inputt"/></ssd:Connectors></ssd:Component></ssd:Elements></ssd:System>'),
         "<Connector 'u'>, attribute kind: 'inputt' is none of input, output"),
        (ssd('<ssd:System name="a"/>', rest='<ssd:DefaultExperiment stopTime="soon"/>'), "'soon' is not a number"),
        (ssd('<ssd:System name="a"/>', rest='<ssd:DefaultExperiment stopTime="NaN"/>'), "not a number that can"),
        (ssd('<ssd:System name="a">stray</ssd:System>'), "text where only elements belong: 'stray'"),
        (ssd('<ssd:System name="a"><ssd:Elements/><ssd:Elements/></ssd:System>'), "two <Elements>"),
        (ssd('<ssd:System name="a"/>').replace("?>\n", "?>\n<!DOCTYPE x>\n"), "document type"),
        (ssd('<ssd:System name="a"/>')[:-20], "not well-formed"),
    ],
)  # fmt: skip
def test_what_is_broken_is_refused_with_the_place(text, words):
    with pytest.raises((ssp.SSPFileError, ssp.UnsupportedSSPError), match=words):
        read(text)


def test_a_draft_of_the_standard_is_named():
    text = '<x:SystemStructureDescription xmlns:x="http://www.pmsf.net/xsd/SystemStructureDescriptionDraft"/>'
    with pytest.raises(ssp.SSPFileError, match="draft of the standard"):
        read(text)


@pytest.mark.parametrize(
    "structure",
    [
        SystemStructure(name="a\x00", system=System(name="b")),
        SystemStructure(name="a", system=System(name="b"), annotations=(
            Annotation(type="t", content=(ssp.XMLNode("no name"),)),)),
        SystemStructure(name="a", system=System(name="b", elements=(LinearTransformation(),))),
        SystemStructure(name="a", system=System(name="b", connectors=("nonsense",))),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_refused(structure, tmp_path):
    with pytest.raises(tk.InvalidValueError):
        ssp.write(structure, tmp_path / "a.ssp")
    assert not list(tmp_path.iterdir())


def test_an_archive_is_kept_byte_for_byte(tmp_path):
    path = tmp_path / "a.ssp"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("SystemStructure.ssd", FULL_1)
        archive.writestr("VarB.ssd", ssd('<ssd:System name="b"/>', name="Variant B"))
        archive.writestr("resources/plant.ssv", "<!-- a comment -->" + SSV_2)
        archive.writestr("extra/com.example/x.bin", bytes(range(256)))
        archive.writestr("documentation/", "")
    package = ssp.read(path)
    assert package.files["extra/com.example/x.bin"] == bytes(range(256))
    assert package.choose("VarB.ssd") is package.choose("Variant B") is package.variants["VarB.ssd"]
    with pytest.raises(tk.UnknownNameError, match=r"did you mean 'VarB\.ssd'"):
        package.choose("VarC.ssd")
    other = tmp_path / "b.ssp"
    ssp.write(package, other)
    assert ssp.read(other) == package
    again = tmp_path / "c.ssp"
    ssp.write(ssp.read(other), again)
    assert again.read_bytes() == other.read_bytes(), "the same content, the same bytes"
    assert "variant VarB.ssd" in str(package)
    assert "<pre>" in package._repr_html_()


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.ssp"
    structure = SystemStructure(name="a", system=System(name="b"))
    ssp.write(structure, path)
    before = path.read_bytes()
    for bad in ({"../x": b""}, {"/x": b""}, {"SystemStructure.ssd": b""}, {"a": tmp_path / "missing"}):
        with pytest.raises(tk.InvalidValueError):
            ssp.write(structure, path, files=bad)
    with pytest.raises(tk.StorageError):
        ssp.write(structure, tmp_path / "no" / "a.ssp")
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.ssp"]


@pytest.mark.parametrize("name", ["../up.txt", "/root.txt", "C:/x", "a/../../x"])
def test_a_hostile_archive_is_refused(tmp_path, name):
    path = tmp_path / "a.ssp"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("SystemStructure.ssd", ssd('<ssd:System name="a"/>'))
        archive.writestr(name, "x")
    for action in (ssp.read, ssp.load):
        with pytest.raises(ssp.SSPFileError, match="is refused"):
            action(path)


def test_other_files_are_no_ssp(tmp_path):
    path = tmp_path / "a.ssp"
    with pytest.raises(ssp.SSPFileError, match="there is no file"):
        ssp.read(path)
    path.write_bytes(b"nothing")
    with pytest.raises(ssp.SSPFileError, match="is not an SSP"):
        ssp.load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "x")
    with pytest.raises(ssp.SSPFileError, match=r"no SystemStructure.ssd: it is not an SSP"):
        ssp.read(path)


@pytest.mark.parametrize("source", ["http://x/a.fmu", "file:///a.fmu", "/a.fmu", "../a.fmu", "%2e%2e/a", "a.ssp#v", ""])
def test_a_source_outside_the_archive_is_not_followed(source):
    with pytest.raises(ssp.UnsupportedSSPError, match="not a file in the archive"):
        member_name(source, "component 'c'")


def test_a_component_is_frozen_and_can_be_replaced():
    component = ComponentElement(name="a", source="resources/a.fmu")
    assert replace(component, name="b").source == component.source
    with pytest.raises(AttributeError):
        component.name = "b"


def inner(name, inside):
    faces = "".join(
        f'<ssd:Connector name="{c}" kind="{k}"/>' for c, k in (("u", "input"), ("y", "output"))
    )  # fmt: skip
    return f'<ssd:System name="{name}"><ssd:Connectors>{faces}</ssd:Connectors>{inside}</ssd:System>'


def test_a_circle_without_a_component_is_found():
    through = '<ssd:Connections><ssd:Connection startConnector="u" endConnector="y"/></ssd:Connections>'
    back = (
        '<ssd:Connections><ssd:Connection startElement="s" startConnector="y" endElement="s" endConnector="u"/>'
        "</ssd:Connections>"
    )
    system = read(ssd(f'<ssd:System name="r"><ssd:Elements>{inner("s", through)}</ssd:Elements>{back}</ssd:System>'))
    wiring = Wiring.of(system.system)
    with pytest.raises(ssp.SSPFileError, match="drives itself"):
        wiring.upstream((("s",), "y"))


def test_what_one_point_does_to_a_value():
    kilo = FileUnit("N", Affine(1000.0))
    steps = [conversion(kilo, FileUnit("mN"), "x"), Affine(2.0, 1.0)]
    assert apply(combined(steps), 3.0) == 2 * 3e6 + 1
    assert conversion(FileUnit("degC"), FileUnit("K"), "x") == Affine(1.0, 273.15)
    assert conversion(None, FileUnit("K"), "x") == Affine()
    assert apply([Lookup(((0.0, 5.0),))], 0.0) == 5.0
    assert apply([Lookup(((0.0, 5.0),))], 1.0) == 1.0, "what is not in the table stays"
    with pytest.raises(ssp.SSPFileError, match=r"\[length\]"):
        conversion(FileUnit("m"), FileUnit("K"), "x")


def test_a_unit_by_its_definition_alone():
    made = file_unit("furlongish", SIUnit({"m": 1}, 201.168, 0.0))
    assert conversion(made, FileUnit("m"), "x") == Affine(201.168)
    assert file_unit("furlongish", None) is None
