"""SSP files that run: real FMUs (gemseo-fmu 3.1.1, OpenModelica) and small ones, against FMPy and by hand."""

import zipfile

import numpy as np
import pytest
from tests.ssp_examples import NAMESPACES, ssd

import twinkit as tk
from twinkit.graph import ssp

EULER = tk.graph.Jacobi(0.01)


def archive(path, structure, **files):
    """Write an archive by hand: FMUs and texts by name, with '__' for '/'."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("SystemStructure.ssd", structure)
        for name, content in files.items():
            place = name.replace("__", "/").replace("_dot_", ".")
            file.write(content, place) if hasattr(content, "exists") else file.writestr(place, content)
    return path


def component(name, source, *connectors, extra="", attributes=""):
    faces = "".join(
        f'<ssd:Connector name="{n}" kind="{kind}">{declared}</ssd:Connector>' for n, kind, declared in connectors
    )
    return (
        f'<ssd:Component name="{name}" source="resources/{source}.fmu" {attributes}><ssd:Connectors>{faces}'
        f"</ssd:Connectors>{extra}</ssd:Component>"
    )


def connection(start, end, inside="", attributes=""):
    """Return a connection from 'element.connector' (or 'connector' of the system) to another."""
    text = ""
    for role, place in (("start", start), ("end", end)):
        element, _, name = place.rpartition(".")
        text += (f'{role}Element="{element}" ' if element else "") + f'{role}Connector="{name}" '
    return f"<ssd:Connection {text} {attributes}>{inside}</ssd:Connection>"


def system(elements, connections="", before="", name="root"):
    joined = f"<ssd:Connections>{connections}</ssd:Connections>" if connections else ""
    return f'<ssd:System name="{name}">{before}<ssd:Elements>{elements}</ssd:Elements>{joined}</ssd:System>'


def values(**parameters):
    """Return an inline binding of real parameters, or of 'Type:value'."""
    rows = ""
    for name, value in parameters.items():
        kind, _, text = value.rpartition(":") if isinstance(value, str) else ("Real", "", value)
        rows += f'<ssv:Parameter name="{name.replace("__", ".")}"><ssv:{kind} value="{text}"/></ssv:Parameter>'
    inside = f'<ssv:ParameterSet version="1.0" name="p"><ssv:Parameters>{rows}</ssv:Parameters></ssv:ParameterSet>'
    return (
        "<ssd:ParameterBindings><ssd:ParameterBinding><ssd:ParameterValues>"
        f"{inside}</ssd:ParameterValues></ssd:ParameterBinding></ssd:ParameterBindings>"
    )


REAL = "<ssc:Real/>"
SPRINGS = (
    component("one", "one", ("x2", "input", REAL), ("x1", "output", REAL), ("v1", "output", REAL)),
    component("two", "two", ("x1", "input", REAL), ("x2", "output", REAL)),
)
LOOP = connection("two.x2", "one.x2") + connection("two.x1", "one.x1")  # the second the other way round: allowed


def springs(real_fmus, path, **parts):
    structure = ssd(system("".join(SPRINGS), LOOP, **parts), rest='<ssd:DefaultExperiment stopTime="5"/>')
    return archive(path, structure, resources__one_dot_fmu=real_fmus["MassSpringSubSystem1"],
                   resources__two_dot_fmu=real_fmus["MassSpringSubSystem2"])  # fmt: skip


def test_two_coupled_fmus_equal_their_monolithic_twin(real_fmus, tmp_path):
    """The FMUs take one explicit Euler step per communication step, so Jacobi makes no error of its own."""
    with ssp.load(springs(real_fmus, tmp_path / "a.ssp")) as graph:
        assert (graph.start_time, graph.stop_time, graph.notes) == (0.0, 5.0, [])
        coupled = tk.simulate(graph, graph.stop_time, master=EULER)
    with tk.fmi.open(real_fmus["MassSpringSystem"]) as fmu:
        fmu.reset()
        rows = [fmu.step(0.01, {}) for _ in range(500)]
    for name, whole in (("one.x1", "x1"), ("two.x2", "x2")):
        np.testing.assert_allclose(coupled.trace(name).data[1:], [row[whole] for row in rows], rtol=0, atol=1e-11)


def test_the_same_values_as_fmpy(real_fmus, tmp_path):
    """FMPy starts every input at 0 instead of passing outputs on; from rest at 0 that makes no difference."""
    simulation = pytest.importorskip("fmpy.ssp.simulation")
    reader = pytest.importorskip("fmpy.ssp.ssd")
    rows = "".join(
        f'<ssv:Parameter name="{name}"><ssv:Real value="{value}"/></ssv:Parameter>'
        for name, value in (("two._D_outputAlias_x2", 0), ("two.m2", 3), ("one.k1", 5))
    )
    ssv = f'<ssv:ParameterSet {NAMESPACES} version="1.0" name="p"><ssv:Parameters>{rows}</ssv:Parameters>'
    ssv += "</ssv:ParameterSet>"
    bound = '<ssd:ParameterBindings><ssd:ParameterBinding source="resources/p.ssv"/></ssd:ParameterBindings>'
    path = springs(real_fmus, tmp_path / "a.ssp", before=bound)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("resources/p.ssv", ssv)
    theirs = simulation.simulate_ssp(
        str(path), stop_time=2.0 - 1e-6, step_size=0.01, parameter_set=reader.read_ssv(str(path), "resources/p.ssv")
    )
    with ssp.load(path) as graph:
        ours = tk.simulate(graph, 2.0, master=EULER)
    assert len(theirs) == 200
    for name in ("one.x1", "two.x2", "one.v1"):
        # FMPy adds up the time step by step, which the FMU's explicit Euler sees as rounding: 1.1e-15 was measured.
        np.testing.assert_allclose(ours.trace(name).data[1:], theirs[name], rtol=0, atol=1e-13)
    assert np.ptp(ours.trace("two.x2").data) > 0.1, "something moves"


def test_fmpy_reads_and_runs_what_we_write(real_fmus, tmp_path):
    """The values agree bit for bit: `ramp` starts at 0, and `add` has no memory."""
    simulation = pytest.importorskip("fmpy.ssp.simulation")
    reader = pytest.importorskip("fmpy.ssp.ssd")
    graph = tk.Graph()
    ramp = graph.add("ramp", tk.FMU(real_fmus["ramp"], {"ramp.duration": 0.5}))
    first = graph.add("first", tk.FMU(real_fmus["add"]))
    second = graph.add("second", tk.FMU(real_fmus["add"]))
    for node in (first, second):
        graph.connect(ramp.out["out"], node.inp["u1"])
    graph.connect(ramp.out["out"], second.inp["u2"])
    path = tmp_path / "a.ssp"
    ssp.save(graph, path, name="adding", stop_time=1.0)
    found = reader.read_ssd(str(path))
    assert (found.name, len(found.system.elements), found.version) == ("adding", 3, "1.0")
    theirs = simulation.simulate_ssp(str(path), stop_time=1.0 - 1e-6, step_size=0.1,
                                     parameter_set=_parameters(reader, "ramp", "ramp.duration", 0.5))  # fmt: skip
    with ssp.load(path) as again:
        ours = tk.simulate(again, 1.0, master=tk.graph.Jacobi(0.1))
        assert len({node.component.path for node in again.nodes.values()}) == 2, "the same FMU is in the file once"
    np.testing.assert_array_equal(ours.trace("ramp.out").data[1:], theirs["ramp.out"])
    np.testing.assert_array_equal(ours.trace("second.y").data[1:], theirs["second.y"])
    direct = tk.simulate(graph, 1.0, master=tk.graph.Jacobi(0.1))
    for name in direct:
        np.testing.assert_array_equal(direct.trace(name).data, ours.trace(name).data)


def _parameters(reader, component, name, value):
    made = reader.ParameterSet(name="p")
    parameter = reader.Parameter(name=f"{component}.{name}")
    parameter.value = value
    made.parameters = [parameter]
    return made


def test_nested_systems_units_and_transformations(spring, tmp_path):
    """kN into the system, N inside: F = 2 * (1000 * u) + 3; the position comes out in mm."""
    inner = system(
        component(
            "mass", "spring", ("force", "input", '<ssc:Real unit="N"/>'), ("x", "output", '<ssc:Real unit="m"/>')
        ),
        connection("f", "mass.force", '<ssc:LinearTransformation factor="2" offset="3"/>') + connection("mass.x", "x"),
        '<ssd:Connectors><ssd:Connector name="f" kind="input"><ssc:Real unit="kN"/></ssd:Connector>'
        '<ssd:Connector name="x" kind="output"/></ssd:Connectors>',
        name="inner part",
    )
    outer = system(
        inner, connection("u", "inner part.f") + connection("inner part.x", "y"),
        '<ssd:Connectors><ssd:Connector name="u" kind="input"><ssc:Real unit="kN"/></ssd:Connector>'
        '<ssd:Connector name="y" kind="output"><ssc:Real unit="mm"/></ssd:Connector></ssd:Connectors>',
    )  # fmt: skip
    units = (
        '<ssd:Units><ssc:Unit name="kN"><ssc:BaseUnit kg="1" m="1" s="-2" factor="1000"/></ssc:Unit>'
        '<ssc:Unit name="mm"><ssc:BaseUnit m="1" factor="0.001"/></ssc:Unit>'
        '<ssc:Unit name="N"><ssc:BaseUnit kg="1" m="1" s="-2"/></ssc:Unit>'
        '<ssc:Unit name="m"><ssc:BaseUnit m="1"/></ssc:Unit></ssd:Units>'
    )
    path = archive(tmp_path / "a.ssp", ssd(outer, rest=units), resources__spring_dot_fmu=spring)
    with ssp.load(path, inputs={"u": "4 N"}) as graph:
        assert graph.names == {"inner part.mass": "inner_part_mass"}
        assert graph.system_inputs == {"u": ("inner_part_mass.force",)}
        edge = next(e for e in graph.edges if e.target == ("inner_part_mass", "force"))
        assert (edge.scale, edge.offset) == (2000.0, 3.0)
        ours = tk.simulate(graph, 0.5, master=EULER)
        shown = graph.system_outputs["y"]
        assert ours.trace(shown).unit == "mm"
        np.testing.assert_allclose(ours.trace(shown).data, 1000 * ours.trace("inner_part_mass.x").data, rtol=1e-15)
    alone = tk.Graph()
    alone.add("m", tk.FMU(spring))
    by_hand = tk.simulate(alone, 0.5, master=EULER, inputs={"m.force": 2 * (1000 * 0.004) + 3})
    np.testing.assert_allclose(ours.trace("inner_part_mass.x").data, by_hand.trace("m.x").data, rtol=0, atol=1e-12)
    with ssp.load(path) as graph:
        free = tk.simulate(graph, 0.5, master=EULER)
    still = tk.simulate(alone, 0.5, master=EULER)
    np.testing.assert_array_equal(free.trace("inner_part_mass.x").data, still.trace("m.x").data, "the FMU's own start")


def test_suppressed_conversion_takes_numbers_as_they_are(spring, tmp_path):
    faces = (("force", "input", '<ssc:Real unit="N"/>'), ("x", "output", '<ssc:Real unit="m"/>'))
    units = '<ssd:Units><ssc:Unit name="N"/><ssc:Unit name="m"/></ssd:Units>'
    both = component("a", "s", *faces) + component("b", "s", *faces)
    plain = connection("a.x", "b.force", '<ssc:LinearTransformation factor="7"/>')
    path = archive(tmp_path / "a.ssp", ssd(system(both, plain), rest=units), resources__s_dot_fmu=spring)
    with pytest.raises(ssp.SSPFileError, match=r"a.x -> b.force.*\[length\]"):
        ssp.load(path)
    suppressed = plain.replace("<ssd:Connection ", '<ssd:Connection suppressUnitConversion="true" ')
    archive(path, ssd(system(both, suppressed), rest=units), resources__s_dot_fmu=spring)
    with ssp.load(path) as graph:
        edge = graph.edges[0]
        assert (edge.scale, edge.convert_units) == (7.0, False)
        again = tmp_path / "b.ssp"
        ssp.save(graph, again)
    assert ssp.read(again).structure.system.connections[0].suppress_unit_conversion
    with ssp.load(again) as graph:
        assert graph.edges[0] == edge


def test_parameters_the_outermost_prevails_and_units_convert(spring, tmp_path):
    """k of a: 2 from its own set, 5 from the system's; b gets 3 kN/m by a mapping, times two; d by a connector."""
    ssv = f"""<ssv:ParameterSet {NAMESPACES} version="1.0" name="file"><ssv:Parameters>
      <ssv:Parameter name="a.k"><ssv:Real value="5"/></ssv:Parameter>
      <ssv:Parameter name="a.missing"><ssv:Real value="5"/></ssv:Parameter>
      <ssv:Parameter name="stiff"><ssv:Real value="3" unit="kN/m"/></ssv:Parameter>
      <ssv:Parameter name="damping"><ssv:Real value="0.25"/></ssv:Parameter></ssv:Parameters>
      <ssv:Units><ssc:Unit name="kN/m"><ssc:BaseUnit kg="1" s="-2" factor="1000"/></ssc:Unit></ssv:Units>
      </ssv:ParameterSet>"""
    ssm = f"""<ssm:ParameterMapping {NAMESPACES} version="1.0"><ssm:MappingEntry source="stiff" target="b.k">
      <ssc:LinearTransformation factor="2"/></ssm:MappingEntry></ssm:ParameterMapping>"""
    bindings = (
        "<ssd:Connectors><ssd:Connector name='damping' kind='parameter'><ssc:Real/></ssd:Connector></ssd:Connectors>"
        '<ssd:ParameterBindings><ssd:ParameterBinding source="resources/p.ssv"/>'
        '<ssd:ParameterBinding source="resources/p.ssv"><ssd:ParameterMapping source="resources/m.ssm"/>'
        "</ssd:ParameterBinding></ssd:ParameterBindings>"
    )
    face = ("d", "parameter", REAL)
    both = component("a", "s", face, extra=values(k=2.0, x="Real:0.5", name="String:me", on="Boolean:false"))
    both += component("b", "s", face)
    structure = ssd(system(both, connection("damping", "b.d", '<ssc:LinearTransformation offset="1"/>'), bindings))
    path = archive(tmp_path / "a.ssp", structure, resources__s_dot_fmu=spring, resources__p_dot_ssv=ssv,
                   resources__m_dot_ssm=ssm)  # fmt: skip
    with ssp.load(path) as graph:
        a, b = (graph[name].component for name in "ab")
        assert a.start == {"k": 5.0, "x": 0.5, "name": "me", "on": False}
        assert a.inputs["on"].default == 0.0, "an input starts at what the file says"
        assert b.start == {"k": 6000.0, "d": 1.25}
        assert any("'a.missing'" in note for note in graph.notes)
        tk.simulate(graph, 0.1, master=EULER)
        copy = tmp_path / "copy.ssp"
        ssp.save(graph, copy)
    with ssp.load(copy) as graph:
        assert graph["a"].component.start == {"k": 5.0, "x": 0.5, "name": "me", "on": False}


def test_arrays_and_enumerations_of_fmi_3(arrays, tmp_path):
    """y of one drives u of the other, whole; SSP 2.0 says the dimensions, parameters are arrays."""
    face = "<ssc:Float64/><ssc:Dimension size='3'/>"
    extra = values(u="Float64:3 2 1", color="Enumeration:green", gain="Float64:2", i="Int32:7")
    both = component("a", "arr", ("y", "output", face), extra=extra)
    both += component("b", "arr", ("u", "input", face))
    text = ssd(system(both, connection("a.y", "b.u")), version="2.0")
    path = archive(tmp_path / "a.ssp", text, resources__arr_dot_fmu=arrays)
    with ssp.load(path) as graph:
        assert graph["a"].component.start == {"u": (3.0, 2.0, 1.0), "color": 2, "gain": 2.0, "i": 7}
        assert graph["a"].component.inputs["u"].default == (3.0, 2.0, 1.0)
        first = tk.simulate(graph, 1.0, master=EULER)
        copy = tmp_path / "copy.ssp"
        ssp.save(graph, copy)
        with pytest.raises(ssp.UnsupportedSSPError, match=r"need SSP 2.0"):
            ssp.package_of(graph, version="1.0")
    np.testing.assert_allclose(first.trace("a.y").data[-1], [6.0, 4.0, 2.0], rtol=1e-9)
    assert ssp.read(copy).structure.version == "2.0"
    with ssp.load(copy) as graph:
        second = tk.simulate(graph, 1.0, master=EULER)
    for name in first:
        np.testing.assert_array_equal(first.trace(name).data, second.trace(name).data)


def test_tables_of_values_between_components(spring, arrays, tmp_path):
    """count (an integer) becomes an enumeration through a table; what is not in it stays."""
    elements = component("s", "s", ("count", "output", "<ssc:Integer/>"))
    elements += component("r", "r", ("color", "input", "<ssc:Enumeration name='Color'/>"), ("y", "output", ""))
    table = "<ssc:IntegerMappingTransformation><ssc:MapEntry source='0' target='2'/></ssc:IntegerMappingTransformation>"
    colors = "<ssc:Enumeration name='Color'><ssc:Item name='red' value='1'/></ssc:Enumeration>"
    colors = f"<ssd:Enumerations>{colors}</ssd:Enumerations>"
    path = archive(tmp_path / "a.ssp", ssd(system(elements, connection("s.count", "r.color", table)), rest=colors),
                   resources__s_dot_fmu=spring, resources__r_dot_fmu=arrays)  # fmt: skip
    with ssp.load(path) as graph:
        solution = tk.simulate(graph, 0.05, master=EULER)
        assert solution.trace("s_count_to_r_color.value").data[0] == 2.0
        with pytest.raises(ssp.NotAnFMUError, match=r"s_count_to_r_color \(Block.*tk.fmi.export") as caught:
            ssp.save(graph, tmp_path / "b.ssp")
    assert caught.value.nodes == ("s_count_to_r_color",)
    names = table.replace("Integer", "Enumeration").replace("'0'", "'blue'").replace("'2'", "'red'")
    archive(path, ssd(system(elements, connection("s.count", "r.color", names)), rest=colors),
            resources__s_dot_fmu=spring, resources__r_dot_fmu=arrays)  # fmt: skip
    with pytest.raises(ssp.SSPFileError, match="'blue' is no item of the enumeration"):
        ssp.load(path)


FACES = (("force", "input", ""), ("x", "output", ""))


@pytest.mark.parametrize(
    ("elements", "connections", "error", "words"),
    [
        ('<ssd:Component name="m" type="text/x-modelica" source="a.mo"/>', "", ssp.UnsupportedSSPError, "text/x-mo"),
        ('<ssd:Component name="m"/>', "", ssp.UnsupportedSSPError, "has no source"),
        ('<ssd:Component name="m" source="resources/none.fmu"/>', "", ssp.SSPFileError, "no file 'resources/none.fmu'"),
        ('<ssd:Component name="m" source="../a.fmu"/>', "", ssp.UnsupportedSSPError, "not a file in the archive"),
        ('<ssd:SignalDictionaryReference name="bus" dictionary="d"/>', "", ssp.UnsupportedSSPError, "dictionaries"),
        (component("a", "s", ("fors", "input", "")), "", ssp.SSPFileError, "did you mean 'force'"),
        (component("a", "s", ("force", "output", "")), "", ssp.SSPFileError, "an output; the FMU has an input"),
        (component("a", "s", ("force", "input", "<ssc:Boolean/>")), "", ssp.SSPFileError, "declared Boolean"),
        (component("a", "s", ("force", "input", "<ssc:Dimension size='2'/>")), "", ssp.SSPFileError, "with dimensions"),
        (component("a", "s", ("force", "input", "<ssc:Real unit='m'/>")), "", ssp.SSPFileError, r"\[length\]"),
        (component("a", "s", ("force", "input", "<ssc:Real unit='zz'/>")), "", ssp.SSPFileError, "neither defined"),
        (component("a", "s", *FACES) * 2, "", ssp.SSPFileError, "two elements named 'a'"),
        (component("a", "s", *FACES), connection("b.x", "a.force"), ssp.SSPFileError, "no element 'b'"),
        (component("a", "s", *FACES), connection("a.y", "a.force"), ssp.SSPFileError, "no connector 'y'"),
        (component("a", "s", *FACES), connection("a.x", "a.x"), ssp.SSPFileError, "cannot be joined"),
        (component("a", "s", *FACES), connection("a.x", "a.force") * 2, ssp.SSPFileError, "driven twice"),
        (component("a", "s", *FACES, attributes="implementation='ScheduledExecution'"), "", ssp.UnsupportedSSPError,
         "ScheduledExecution"),
        (component("a", "s", *FACES), connection("a.x", "a.force", attributes="startIndices='1'"),
         ssp.UnsupportedSSPError, "single elements of arrays"),
        (component("a", "s", *FACES, extra=values(k="String:x")), "", ssp.SSPFileError, "k of p|'k' of parameter set"),
        (component("a", "s", *FACES, extra=values(k="Real:x")), "", ssp.SSPFileError, "'x' is not a number"),
        (component("a", "s", *FACES, extra=values(trick="Real:1.5")), "", ssp.SSPFileError, "1.5 is no Int32"),
        (component("a", "s", *FACES, extra=values(k="Real:1 2")), "", ssp.SSPFileError, "2 given"),
        (component("a", "s", *FACES, extra=values(name="Real:1")), "", ssp.SSPFileError, "cannot be given to a String"),
    ],
)  # fmt: skip
def test_what_cannot_run_says_so_and_leaves_nothing(spring, tmp_path, monkeypatch, elements, connections, error, words):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    path = archive(tmp_path / "a.ssp", ssd(system(elements, connections)), resources__s_dot_fmu=spring)
    assert ssp.read(path).structure.name == "example", "it is read and kept all the same"
    with pytest.raises(error, match=words):
        ssp.load(path)
    assert not list(scratch.iterdir())


def test_a_broken_fmu_inside_is_named(tmp_path):
    text = ssd(system(component("a", "s", *FACES)))
    path = archive(tmp_path / "a.ssp", text, resources__s_dot_fmu="nothing")
    with pytest.raises(ssp.SSPFileError, match=r"^resources/s.fmu: 'resources/s.fmu' is not an FMU"):
        ssp.load(path)


def test_one_name_for_two_components_sets_both(spring, tmp_path):
    """A component 'a.b' and a component b in a system a: the standard wants a value for 'a.b.k' given to both."""
    both = component("a.b", "s") + system(component("b", "s"), name="a")
    path = archive(tmp_path / "a.ssp", ssd(system(both, before=values(a__b__k=7.0))), resources__s_dot_fmu=spring)
    with ssp.load(path) as graph:
        assert [node.component.start for node in graph.nodes.values()] == [{"k": 7.0}] * 2
        assert "a_b_2 is the second one's node" in graph.notes[0]


def test_folders_are_removed_with_the_graph(spring, tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    path = archive(tmp_path / "a.ssp", ssd(system(component("a", "s", *FACES))), resources__s_dot_fmu=spring)
    graph = ssp.load(path)
    tk.simulate(graph, 0.1, master=EULER)
    again = tk.simulate(graph, 0.1, master=EULER)
    assert again.success
    assert len(list(scratch.iterdir())) == 1
    graph.close()
    graph.close()
    assert not list(scratch.iterdir())
    forgotten = ssp.load(path)
    del forgotten
    assert not list(scratch.iterdir()), "a graph that is forgotten takes its folder along"


def test_inputs_of_the_system_by_number_and_by_record(spring, tmp_path):
    face = '<ssd:Connectors><ssd:Connector name="u" kind="input"/></ssd:Connectors>'
    both = component("a", "s", *FACES) + component("b", "s", *FACES)
    path = archive(tmp_path / "a.ssp", ssd(system(both, connection("u", "a.force") + connection("u", "b.force"), face)),
                   resources__s_dot_fmu=spring)  # fmt: skip
    with pytest.raises(tk.UnknownNameError, match="no input 'w'"):
        ssp.load(path, inputs={"w": 1.0})
    record = tk.Replay({"u": [2.0, 2.0]}, hold="previous", units={"u": "N"}, times=[0.0, 1.0])
    small = tk.Replay({"force": [0.002, 0.002]}, hold="previous", units={"force": "kN"}, times=[0.0, 1.0])
    found = []
    for given in (2.0, "0.002 kN", record, small):
        with ssp.load(path, inputs={"u": given}) as graph:
            assert graph.system_inputs["u"] == ("a.force", "b.force")
            found.append(tk.simulate(graph, 0.2, master=EULER).trace("b.x").data)
    for other in found[1:]:
        np.testing.assert_allclose(found[0], other, rtol=1e-14)
    wrong = tk.Replay({"u": [2.0]}, hold="previous", units={"u": "m"}, times=[0.0])
    with pytest.raises(ssp.SSPFileError, match=r"\[length\]"):
        ssp.load(path, inputs={"u": wrong})


def test_a_bound_input_of_the_system_is_a_start_value(spring, tmp_path):
    face = '<ssd:Connectors><ssd:Connector name="u" kind="input"/></ssd:Connectors>' + values(u=3.0)
    face = face.replace('value="3.0"', 'value="3.0" unit="kN"').replace(
        "</ssv:Parameters>",
        '</ssv:Parameters><ssv:Units><ssc:Unit name="kN"><ssc:BaseUnit kg="1" m="1" s="-2" factor="1000"/></ssc:Unit>'
        "</ssv:Units>",
    )
    text = ssd(system(component("a", "s", *FACES), connection("u", "a.force"), face))
    with ssp.load(archive(tmp_path / "a.ssp", text, resources__s_dot_fmu=spring)) as graph:
        assert graph["a"].component.inputs["force"].default == 3000.0, "in the unit of the FMU that it leads to"


def test_a_graph_with_models_names_them(tmp_path):
    graph = tk.Graph()
    graph.add("one", tk.Block(lambda x: x, inputs={"x": ("", 1.0)}, outputs={"y": ""}))
    with pytest.raises(ssp.NotAnFMUError, match="these nodes are none: one") as caught:
        ssp.save(graph, tmp_path / "a.ssp")
    assert caught.value.nodes == ("one",)
    with pytest.raises(tk.InvalidValueError, match="no nodes"):
        ssp.save(tk.Graph(), tmp_path / "a.ssp")
    assert not list(tmp_path.iterdir())
