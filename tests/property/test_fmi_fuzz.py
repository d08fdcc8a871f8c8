"""Whatever bytes an FMU consists of, there is an FMU or a TwinkitError, and no file outside the target."""

import contextlib
import io
import tempfile
import zipfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

import twinkit as tk
from twinkit.fmi import ArchiveLimits
from twinkit.fmi._archive import extract
from twinkit.fmi._parse import parse_description
from twinkit.fmi._state_file import pack_state, unpack_state

FMUS = Path(__file__).parents[1] / "integration" / "fmus"
DOCUMENTS = [path.read_bytes() for path in sorted(FMUS.glob("*.xml"))]
NAMES = st.one_of(
    st.text(max_size=20),
    st.lists(
        st.sampled_from(["..", ".", "", "resources", "binaries", "a", "A", "/", "\\", "C:", "x.xml"]), max_size=5
    ).map("/".join),
)


@st.composite
def mutated(draw):
    """A real description with some bytes replaced, removed or repeated."""
    data = bytearray(draw(st.sampled_from(DOCUMENTS)))
    for _ in range(draw(st.integers(1, 8))):
        where = draw(st.integers(0, len(data) - 1))
        length = draw(st.integers(0, 40))
        data[where : where + length] = draw(
            st.one_of(
                st.binary(max_size=20), st.just(bytes(data[where : where + length]) * 2), st.just(b"999999999999")
            )
        )
    return bytes(data)


@given(mutated(), st.dictionaries(st.sampled_from(["n", "m", "u"]), st.one_of(st.integers(), st.floats(), st.text())))
@settings(max_examples=400, deadline=None)
def test_a_mutated_description_is_read_or_refused(data, sizes):
    try:
        description = parse_description(data)
        str(description), description._repr_html_()
        other = description.resized(sizes)
        assert other.state_count <= 10**8
        str(other)
    except tk.TwinkitError:
        pass


@given(mutated())
@settings(max_examples=60, deadline=None)
def test_ports_are_made_of_a_mutated_description_or_it_is_refused(data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.fmu")
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("modelDescription.xml", data)
        assert isinstance(tk.fmi.check(path), list)
        for options in ({"kind": "me"}, {"kind": "cs", "event_mode": True}, {}):
            with contextlib.suppress(tk.TwinkitError):
                tk.FMU(path, {"n": 3}, **options)


def test_the_documents_cover_every_version():
    assert {parse_description(data).fmi_version for data in DOCUMENTS} == {"1.0", "2.0", "3.0"}


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary()),
    lambda inner: st.one_of(st.lists(inner, max_size=3).map(tuple), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES, max_size=4), st.binary())
def test_a_state_comes_back_from_its_record(known, data):
    assert unpack_state(pack_state(known, data)) == (known, data)


@given(st.binary())
def test_any_bytes_are_a_state_or_refused(data):
    for record in (data, pack_state({}, data)[:20] + data):
        with contextlib.suppress(tk.TwinkitError):
            unpack_state(record)


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
@example(b'<?xml version="1.0" encoding="utf-7"?><a/>')
@example(b'<?xml version="1.0" encoding="nonsense"?><a/>')
def test_any_bytes_are_read_or_refused(data):
    with contextlib.suppress(tk.TwinkitError):
        parse_description(data)


@given(st.lists(st.tuples(NAMES, st.binary(max_size=50), st.integers(0, 2**32 - 1)), max_size=5), st.data())
@settings(max_examples=200, deadline=None)
def test_any_archive_is_extracted_inside_its_target_or_refused(members, data):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("modelDescription.xml", DOCUMENTS[0])
        for name, content, attributes in members:
            info = zipfile.ZipInfo("x")
            info.filename, info.external_attr = name, attributes
            try:
                if name not in file.namelist():
                    file.writestr(info, content)
            except (ValueError, UnicodeError):
                pass  # a name that zipfile itself cannot write
    raw = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(0, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "target")
        target.mkdir()
        path = Path(folder, "x.fmu")
        path.write_bytes(raw)
        try:
            extract(path, target, ArchiveLimits())
            tk.FMU(path)
        except tk.TwinkitError:
            pass
        assert sorted(p.name for p in Path(folder).iterdir()) == ["target", "x.fmu"]
        assert isinstance(tk.fmi.check(path), list)
