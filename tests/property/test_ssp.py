"""Any structure survives being written and read; any bytes are an SSP file or a TwinkitError, inside the target."""

import contextlib
import dataclasses
import io
import tempfile
import typing
import zipfile
from enum import Enum
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.ssp_examples import FULL_1, FULL_2, SSV_2, ssd

import twinkit as tk
from twinkit.graph import ssp
from twinkit.graph.ssp import _binding as binding
from twinkit.graph.ssp import _xml as xml
from twinkit.graph.ssp.structure import (
    Annotation,
    ParameterMapping,
    ParameterSet,
    SignalDictionary,
    SystemStructure,
)

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn"), include_characters="\t\n\r"), max_size=8)
NAME = st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_.-]{0,5}\Z")
TAG = st.one_of(NAME, st.builds("{{urn:{}}}{}".format, st.sampled_from("abc"), NAME))
NUMBER = st.floats(allow_nan=False)
VALUES = {
    xml.TEXT: TEXT,
    xml.NUMBER: NUMBER,
    xml.FLAG: st.booleans(),
    xml.INTEGER: st.integers(-(2**63), 2**64 - 1),
    xml.NUMBERS: st.lists(NUMBER, max_size=3).map(tuple),
    xml.INTEGERS: st.lists(st.integers(0, 99), max_size=3).map(tuple),
}


def nodes(depth=2):
    pairs = st.dictionaries(TAG, TEXT, max_size=2).map(lambda found: tuple(sorted(found.items())))
    inner = st.just(()) if depth == 0 else st.lists(nodes(depth - 1), max_size=2).map(tuple)
    return st.builds(ssp.XMLNode, TAG, pairs, TEXT, inner, TEXT)


OTHER = st.builds("{{urn:other}}{}".format, NAME)  # a name that cannot be one of the standard's


def kind_of(cls, name):
    return typing.get_type_hints(cls)[name]


def instances(cls, depth=4):
    """Return a strategy for a bound class, made from its own declarations."""
    chosen = {}
    for field in dataclasses.fields(cls):
        spec = field.metadata.get("xml")
        if isinstance(spec, binding._Attribute):
            kind = type(spec.default) if isinstance(spec.default, Enum) else None
            value = VALUES[spec.codec] if spec.codec in VALUES else st.sampled_from(kind or kind_of(cls, field.name))
            chosen[field.name] = value if spec.required or spec.default is not None else st.none() | value
            if spec.name == "version":
                chosen[field.name] = st.sampled_from(["1.0", "2.0"])
        elif isinstance(spec, binding._TagName):
            chosen[field.name] = st.sampled_from([k for k in kind_of(cls, field.name) if k.value != "Clock"])
        elif isinstance(spec, binding._Raw):
            tags = st.sampled_from(spec.tags)
            chosen[field.name] = st.lists(st.builds(ssp.XMLNode, tags), max_size=1).map(tuple)
        elif isinstance(spec, binding._Content):
            chosen[field.name] = TEXT if field.name == "text" else st.lists(nodes(1), max_size=2).map(tuple)
        elif isinstance(spec, binding._Elements):
            classes = list(dict.fromkeys(spec.classes().values()))
            inner = st.one_of([st.deferred(lambda c=c: instances(c, depth - 1)) for c in classes])
            if spec.required:
                chosen[field.name] = inner
            elif depth > 0:
                chosen[field.name] = st.none() | inner if spec.single else st.lists(inner, max_size=2).map(tuple)
    if cls is not Annotation:
        raw = st.builds(lambda tag, node: dataclasses.replace(node, tag=tag, tail=""), OTHER, nodes(1))
        chosen["other_elements"] = st.lists(raw, max_size=1).map(tuple)
    pairs = st.dictionaries(OTHER, TEXT, max_size=1).map(lambda found: tuple(sorted(found.items())))
    return st.builds(cls, **chosen, other_attributes=pairs)


@given(st.one_of([instances(cls) for cls in (SystemStructure, ParameterSet, ParameterMapping, SignalDictionary)]))
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_structure_survives(structure):
    written = ssp.write_document(structure)
    again = ssp.read_document(type(structure), written, "x")
    assert again == structure
    assert ssp.write_document(again) == written


@given(nodes(3))
@settings(max_examples=100, deadline=None)
def test_any_annotation_survives(node):
    item = Annotation(type="t", content=(node,))
    structure = ssp.read_document(SystemStructure, ssd('<ssd:System name="a"/>').encode(), "x")
    structure = dataclasses.replace(structure, annotations=(item,))
    assert ssp.read_document(SystemStructure, ssp.write_document(structure), "x") == structure


@st.composite
def mutated(draw, texts):
    data = bytearray(draw(st.sampled_from(texts)).encode())
    for _ in range(draw(st.integers(1, 6))):
        where = draw(st.integers(0, len(data) - 1))
        length = draw(st.integers(0, 30))
        data[where : where + length] = draw(
            st.one_of(
                st.binary(max_size=10), st.just(bytes(data[where : where + length]) * 2),
                st.sampled_from([b"NaN", b"1e999", b"99999999999999999999", b'"', b"<a/>", b"&lt;", b"ssd:System"]),
            )
        )  # fmt: skip
    return bytes(data)


@given(mutated([FULL_1, FULL_2]))
@settings(max_examples=300, deadline=None)
@example(b'<?xml version="1.0" encoding="utf-7"?><a/>')
@example(FULL_2.replace('xmlns:ssc="', 'xmlns:ssc=" ').encode())  # unknown elements before, in and after wrappers
def test_a_mutated_structure_is_read_or_refused(data):
    with contextlib.suppress(tk.TwinkitError):
        structure = ssp.read_document(SystemStructure, data, "x")
        str(ssp.Package(structure))
        assert ssp.read_document(SystemStructure, ssp.write_document(structure), "x") == structure


@given(st.binary(max_size=200) | mutated([SSV_2]))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_parameters_or_refused(data):
    with contextlib.suppress(tk.TwinkitError):
        for parameter in ssp.read_document(ParameterSet, data, "x").parameters:
            parameter.value.values()


PATHS = st.lists(st.sampled_from(["..", ".", "", "resources", "a.fmu", "A", "/", "\\", "C:", "x.ssv"]), max_size=4)


@given(
    mutated([FULL_1, FULL_2, ssd('<ssd:System name="a"><ssd:Elements><ssd:Component name="c" source="resources/a.fmu"/>'
                                 "</ssd:Elements></ssd:System>")]) | st.just(FULL_1.encode()),
    st.lists(st.tuples(PATHS.map("/".join), st.binary(max_size=40), st.integers(0, 2**32 - 1)), max_size=4),
    st.data(),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_any_archive_is_loaded_inside_its_target_or_refused(structure, members, data):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("SystemStructure.ssd", structure)
        for name, content, attributes in members:
            info = zipfile.ZipInfo("x")
            info.filename, info.external_attr = name, attributes
            with contextlib.suppress(ValueError, UnicodeError):
                if name not in file.namelist():
                    file.writestr(info, content)
    raw = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(0, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder, "scratch")
        scratch.mkdir()
        path = Path(folder, "x.ssp")
        path.write_bytes(raw)
        before = tempfile.tempdir
        tempfile.tempdir = str(scratch)
        try:
            with contextlib.suppress(tk.TwinkitError):
                ssp.read(path)
            with contextlib.suppress(tk.TwinkitError):
                ssp.load(path).close()
        finally:
            tempfile.tempdir = before
        assert sorted(p.name for p in Path(folder).iterdir()) == ["scratch", "x.ssp"]
        assert not list(scratch.iterdir()), "what was extracted is removed"
