"""FMUs out: validated by FMPy, run by FMPy and by our importer, held against `tk.simulate` and CasADi's derivatives."""

import ctypes
import os
import shutil
import subprocess
import sys
import zipfile

import casadi as ca
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from tests import export_models as zoo

import twinkit as tk
from twinkit.readings.casadi import casadi_model
from twinkit.unitops import CHOFedBatch, CoolingJacket, JacketedTank, LignocellulosicEthanol

fmpy = pytest.importorskip("fmpy", reason="FMPy is not installed (the extra 'fmi')")

SECONDS = {"h": 3600.0, "min": 60.0, "s": 1.0}
VERSIONS = ("2.0", "3.0")
KINDS = {"cs": "CoSimulation", "me": "ModelExchange"}
RUNS = {  # model: end of the run in its time unit, inputs
    CHOFedBatch: (14 * 24.0, {"F": 2e-3}),
    LignocellulosicEthanol: (40.0, {"activity": 1.1}),
    JacketedTank: (120.0, {"Q": 5.0, "F": 3.0, "jacket.F": 2.0}),
    CoolingJacket: (30.0, {"T_vessel": 60.0, "F": 5.0}),
    zoo.Column: (6.0, {}),
    zoo.Flash: (10.0, {"u": 0.4}),
    zoo.Stiff: (40.0, {}),
    zoo.Ball: (2.1, {}),
    zoo.Doses: (3.2, {}),
}
MODELS = pytest.mark.parametrize("model", RUNS, ids=lambda m: m.__name__)
BOTH_VERSIONS = pytest.mark.parametrize("version", VERSIONS)


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """Return a function that exports a model class once per version, with its library."""
    if not (shutil.which("cc") or shutil.which("gcc") or shutil.which("clang") or shutil.which("cl")):
        pytest.skip("no C compiler to build the exported FMUs with")
    folder, made = tmp_path_factory.mktemp("exported"), {}

    def export(model, version="2.0"):
        key = (model, version)
        if key not in made:
            path = folder / f"{model.__name__}{version[0]}.fmu"
            made[key] = tk.fmi.export(model(), path, version=version, binary="required").path
        return made[key]

    return export


def runs(model):
    end, inputs = RUNS[model]
    return end, inputs, end * SECONDS[model.time_unit]


def reference(model, count=41, **changes):
    end, inputs = RUNS[model]
    times = np.linspace(0.0, end, count)
    if model is zoo.Stiff:  # IDAS does not reach this tolerance
        return robertson(times)
    return tk.simulate(model(**changes), until=end, inputs=inputs, outputs=times, rtol=1e-11)


def robertson(times):
    """Return Robertson's kinetics without a DAE, by SciPy's Radau IIA, in two integrations that agree."""

    def rate(t, y):
        slow, fast, faster = 0.04 * y[0], 1e4 * y[1] * (1.0 - y[0] - y[1]), 3e7 * y[1] * y[1]
        return [-slow + fast, slow - fast - faster]

    first, second = (
        solve_ivp(rate, (0.0, times[-1]), [1.0, 0.0], "Radau", times, rtol=rtol, atol=rtol * np.array([1e-2, 1e-6])).y
        for rtol in (1e-10, 1e-9)
    )
    np.testing.assert_allclose(first, second, rtol=1e-7)
    return {"A": first[0], "B": first[1], "C": 1.0 - first[0] - first[1]}


def column(values, name):
    """Return the values of an element (``c[1]``) or of a whole variable."""
    base, _, index = name.partition("[")
    data = np.asarray(values[base])
    return data[:, int(index[:-1]) - 1] if index else data


def distance(result, expected, names):
    """Largest difference in units of each variable's largest value."""
    worst = 0.0
    for name in names:
        whole = np.abs(np.asarray(expected[name.partition("[")[0]]))
        worst = max(worst, np.max(np.abs(result[name] - column(expected, name))) / max(np.max(whole), 1e-12))
    return worst


# -- what it says about itself -------------------------------------------------------------------------------------


@MODELS
@BOTH_VERSIONS
@pytest.mark.parametrize("kind", ["cs", "me", "both"])
def test_the_validators_find_nothing(model, version, kind, tmp_path):
    from fmpy.validation import validate_fmu

    made = tk.fmi.export(model(), tmp_path / "a.fmu", version=version, kind=kind, binary="none")
    assert validate_fmu(str(made.path)) == []
    assert tk.fmi.check(made.path) == []
    description = tk.fmi.info(made.path)
    assert {k.value for k in description.kinds} == ({"cs", "me"} if kind == "both" else {kind})
    assert "sources only" in str(made)


def test_the_description_holds_what_the_model_declares(tmp_path):
    made = tk.fmi.export(CHOFedBatch(q_mAb=2e-3), tmp_path / "a.fmu", binary="none", until="14 d", tunable=["kLa"])
    description = tk.fmi.info(made.path)
    v = description.variables
    assert description.stop_time == 14 * 24 * 3600.0
    assert (v["q_mAb"].start, v["q_mAb"].unit, v["q_mAb"].maximum) == (2e-3, "g/Gcell/h", 1.0)
    assert (v["q_mAb"].variability, v["kLa"].variability) == ("fixed", "tunable")
    assert (v["Glc"].start, v["Glc"].nominal, v["Glc"].minimum, v["Glc"].description) == (35.0, 10.0, 0.0, "glucose")
    assert v["der(Glc)"].derivative_of == "Glc"
    assert v["der(Glc)"].unit == "mmol/L/s"
    assert description.units["mmol/L"].factor == 1.0
    assert description.units["Gcell/L"] is None, "FMI has no cells"
    assert description.dependencies["mu"] == {"Glc", "Gln", "Lac", "Amm"}
    assert CHOFedBatch().content_hash != made.content_hash
    with zipfile.ZipFile(made.path) as archive:
        assert made.content_hash.encode() in archive.read("modelDescription.xml")
    tank = tk.fmi.info(tk.fmi.export(JacketedTank(), tmp_path / "b.fmu", version="3.0", binary="none").path)
    assert (tank.units["degC"].offset, tank.units["kJ/L/delta_degC"].factor) == (273.15, 1e6)
    assert tk.FMU(tmp_path / "b.fmu").notes == []


def test_vectors_are_arrays_in_fmi_3_and_elements_in_fmi_2(tmp_path):
    shapes = {}
    for version in VERSIONS:
        made = tk.fmi.export(zoo.Column(cells=3), tmp_path / "a.fmu", version=version, binary="none")
        shapes[version] = {name: v.shape for name, v in tk.fmi.info(made.path).variables.items()}
    assert shapes["3.0"]["c"] == shapes["3.0"]["der(c)"] == (3,)
    assert shapes["3.0"]["feed"] == (2,)
    assert [name for name in shapes["2.0"] if name.startswith("c[")] == ["c[1]", "c[2]", "c[3]"]


def test_dependencies_see_through_algebraic_variables(tmp_path):
    made = tk.fmi.export(zoo.Flash(), tmp_path / "a.fmu", binary="none")
    found = tk.fmi.info(made.path).dependencies
    assert found["y"] == {"time", "n", "u"}
    assert found["direct"] == found["alone"] == {"w"}
    assert found["n"] == {"n"}
    assert tk.FMU(made.path).feedthrough()["direct"] == {"w"}


# -- the same trajectory -------------------------------------------------------------------------------------------


@MODELS
@BOTH_VERSIONS
@pytest.mark.parametrize("kind", KINDS)
def test_it_runs_like_the_model_here_and_under_fmpy(model, version, kind, exported):
    _, inputs, end = runs(model)
    expected, path = reference(model), exported(model, version)
    ours = tk.fmi.simulate(path, end, step=end / 40, inputs=inputs, kind=kind)
    assert ours.success, ours.status.reason
    names = list(ours.traces)
    assert distance({name: ours[name].values for name in names}, expected, names) < 1e-7
    theirs = fmpy.simulate_fmu(
        str(path), stop_time=end, output_interval=end / 40, fmi_type=KINDS[kind], start_values=inputs, output=names,
        relative_tolerance=1e-9, record_events=False,
    )  # fmt: skip
    at = np.searchsorted(theirs["time"], np.linspace(0.0, end, 41) - 1e-6)
    rows = {name: theirs[name][at] for name in names}
    assert distance(rows, expected, names) < (1e-7 if kind == "cs" else 2e-6), "FMPy's own integrator in me"


@pytest.mark.parametrize("kind", KINDS)
@BOTH_VERSIONS
def test_parameters_and_initial_values_do_what_they_do_in_the_model(kind, version, exported):
    changes = {"mu_max": 0.045, "kLa": 9.0, "Glc": 20.0, "V": 1.5}
    _, inputs, end = runs(CHOFedBatch)
    expected = reference(CHOFedBatch, **changes)
    result = tk.fmi.simulate(
        exported(CHOFedBatch, version), end, step=end / 40, inputs=inputs, kind=kind, start=changes
    )
    assert distance({n: result[n].values for n in result.traces}, expected, list(result.traces)) < 1e-7


@pytest.mark.parametrize("kind", KINDS)
@BOTH_VERSIONS
def test_an_event_that_stops_ends_the_run(kind, version, exported):
    expected = tk.simulate(zoo.Doses(), until=12, rtol=1e-11)
    stop = expected.time[-1] * 3600.0
    assert [o.name for o in expected.occurrences][-1] == "full"
    with tk.fmi.open(exported(zoo.Doses, version), kind=kind) as fmu:
        fmu.reset()
        with pytest.raises(tk.core.StepError, match="asks to end the simulation"):
            fmu.step(12 * 3600.0)
        assert fmu.get("V", "c")["V"] == pytest.approx(2.3, abs=1e-9)
        assert fmu.get("time")["time"] == pytest.approx(stop, rel=1e-8)
        assert fmu.get("alarms", "open") == {"alarms": 1.0, "open": 1.0}


@pytest.mark.parametrize("kind", KINDS)
@BOTH_VERSIONS
def test_inputs_that_jump_bring_events_about(kind, version, exported):
    jumps = {0: 0.0, 2: 1.0, 5: 0.0, 7: 1.0}
    u = tk.steps({f"{t} min": value for t, value in jumps.items()})
    times = np.linspace(0.0, 10.0, 41)
    expected = tk.simulate(zoo.Latch(), until=10, inputs={"u": u}, outputs=times, rtol=1e-11)["x"].values
    with tk.fmi.open(exported(zoo.Latch, version), kind=kind) as fmu:
        rows = [fmu.reset()["x"]]
        rows += [fmu.step(15.0, {"u": jumps[max(k for k in jumps if k <= t)]})["x"] for t in times[:-1]]
        assert fmu.get("n")["n"] == 3.0
    np.testing.assert_allclose(rows, expected, atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_events_without_end_are_an_error(kind, exported):
    result = tk.fmi.simulate(exported(zoo.Endless), 10.0, step=1.0, kind=kind)
    assert not result.success
    assert "'bounce' follow each other without end" in result.status.reason
    assert result.time[-1] == 2.0, "the bounces end at 2.56 s"


def test_tolerances_are_those_of_the_experiment(exported):
    _, inputs, end = runs(LignocellulosicEthanol)
    expected = reference(LignocellulosicEthanol)
    errors = []
    for tolerance in (1e-4, 1e-10):
        rows = fmpy.simulate_fmu(
            str(exported(LignocellulosicEthanol)), stop_time=end, output_interval=end / 40, start_values=inputs,
            fmi_type="CoSimulation", relative_tolerance=tolerance, output=["ethanol"],
        )  # fmt: skip
        errors.append(np.max(np.abs(rows["ethanol"] - expected["ethanol"].values)))
    assert errors[0] > 100 * errors[1]
    assert errors[1] < 1e-7


def test_inputs_that_move_are_held_over_a_step(exported):
    times = np.linspace(0.0, 120.0, 61)
    feed = tk.steps({f"{t} min": float(5 + 3 * np.sin(t / 9)) for t in times[:-1]})
    expected = tk.simulate(JacketedTank(), until=120, inputs={"Q": feed, "F": 3.0}, outputs=times, rtol=1e-11)
    for kind in KINDS:
        with tk.fmi.open(exported(JacketedTank), kind=kind) as fmu:
            fmu.reset({"F": 3.0})
            rows = [fmu.step(120.0, {"Q": float(5 + 3 * np.sin(t / 9))})["T"] for t in times[:-1]]
        np.testing.assert_allclose(rows, expected["T"].values[1:], rtol=1e-8)


# -- derivatives ---------------------------------------------------------------------------------------------------


def exact(model, x, z, u, p, t):
    """Return d(dx, y, z)/d(x, u, p, t) with the algebraic variables following, from CasADi."""
    reading = casadi_model(model)
    st, sx, sz, su, sp = reading.symbols
    known = ca.vertcat(sx, su, sp, st)
    everything = ca.vertcat(reading.derivative, reading.output, sz)
    total = ca.jacobian(everything, known)
    if sz.numel():
        follows = -ca.solve(ca.jacobian(reading.residual, sz), ca.jacobian(reading.residual, known))
        total = total + ca.jacobian(everything, sz) @ follows
    return np.asarray(reading.function("total", total)(t, x, z, u, p))


@pytest.mark.parametrize("model", [CHOFedBatch, JacketedTank, LignocellulosicEthanol, zoo.Flash, zoo.Column])
@BOTH_VERSIONS
@pytest.mark.parametrize("kind", KINDS)
def test_directional_derivatives_are_exact(model, version, kind, exported):
    instance, seconds = model(), SECONDS[model.time_unit]
    layout = instance.layout
    with tk.fmi.open(exported(model, version), kind=kind) as fmu:
        fmu.reset(RUNS[model][1])
        fmu.step(0.3 * seconds)
        names = {}
        for block in (layout.states, layout.inputs, layout.parameters, layout.outputs, layout.algebraics):
            names[block.kind] = [
                f"{e.name}[{i + 1}]" if e.size and version == "2.0" else e.name
                for e in block for i in range(e.width if version == "2.0" else 1)
            ]  # fmt: skip
        to = [*names["state"], *names["input"], *names["parameter"], "time"]
        of = [f"der({n})" for n in names["state"]] + names["output"] + names["algebraic"]
        got = fmu.derivatives(of, to)
        flat = {kind: np.concatenate([np.atleast_1d(fmu.get(n)[n]) for n in names[kind]] or [[]]) for kind in names}
        expected = exact(
            instance,
            flat["state"],
            flat["algebraic"],
            flat["input"],
            flat["parameter"],
            fmu.get("time")["time"] / seconds,
        )
    count = layout.states.size
    expected[:count] /= seconds
    expected[:, -1] /= seconds
    rounding = 1e-14 * np.max(np.abs(expected), axis=1, keepdims=True)  # where larger terms of the row cancel
    assert got.shape == expected.shape
    assert np.all(np.abs(got - expected) <= 1e-10 * np.abs(expected) + rounding)


def test_adjoint_derivatives_are_the_transposed_ones(exported):
    with tk.fmi.open(exported(zoo.Flash, "3.0"), kind="me") as fmu:
        fmu.reset()
        v = fmu.description.variables
        of, to = ["der(n)", "y", "a", "n", "direct"], ["n", "u", "w", "k", "time"]
        forward = fmu.derivatives(of, to)
        instance = fmu._engine.instance
        rows = []
        for i in range(len(of)):
            seed, result = (ctypes.c_double * len(of))(), (ctypes.c_double * len(to))()
            seed[i] = 1.0
            instance.call(
                "GetAdjointDerivative", (ctypes.c_uint * len(of))(*(v[n].reference for n in of)), len(of),
                (ctypes.c_uint * len(to))(*(v[n].reference for n in to)), len(to), seed, len(of), result, len(to),
            )  # fmt: skip
            rows.append(list(result))
    np.testing.assert_allclose(rows, forward, rtol=1e-12, atol=1e-15)
    assert forward[3, 0] == 1.0, "a state that is an output is itself"


@BOTH_VERSIONS
def test_casadi_imports_it(version, exported):
    made = tk.fmi.casadi_function(exported(JacketedTank, version), ["V"])
    model, x, given = JacketedTank(), np.array([40.0, 15.0]), {"Q": 20.0, "F": 5.0, "jacket.F": 4.0}
    values = {**{name: model.values()[name] for name in model.layout.inputs.by_name}, **given}
    u, p = model.layout.inputs.pack(values), model.layout.parameters.pack(model.parameters)
    theirs = np.array([values[name] for name in made.inputs]), np.array([model.V])
    dx, y = made.equations(0.0, x, *theirs)
    reading = casadi_model(model)
    np.testing.assert_allclose(
        np.asarray(dx)[:, 0], np.asarray(reading.equations(0.0, x, [], u, p)[0])[:, 0] / 60, 1e-13
    )
    assert made.exact
    assert set(made.outputs) == {"T", "jacket.T", "jacket.heat"}
    jacobian = made.equations.jacobian()(0.0, x, *theirs, dx, y)
    expected = np.asarray(reading.jacobians(0.0, x, [], u, p)[0]) / 60.0
    np.testing.assert_allclose(np.asarray(jacobian[1]), expected, rtol=1e-12)


# -- states, instances, errors -------------------------------------------------------------------------------------


@MODELS
@BOTH_VERSIONS
@pytest.mark.parametrize("kind", KINDS)
def test_it_goes_back_and_on_bitwise(model, version, kind, exported):
    _, inputs, seconds = runs(model)
    with (
        tk.fmi.open(exported(model, version), kind=kind) as fmu,
        tk.fmi.open(exported(model, version), kind=kind) as two,
    ):
        fmu.reset(inputs)
        two.reset(inputs)
        fmu.step(0.3 * seconds)
        saved = fmu.state()
        first = [fmu.step(0.2 * seconds), fmu.step(0.1 * seconds)]
        fmu.restore(saved)
        again = [fmu.step(0.2 * seconds), fmu.step(0.1 * seconds)]
        two.step(0.3 * seconds)
        other = [two.step(0.2 * seconds), two.step(0.1 * seconds)]
        for a, b, c in zip(first, again, other, strict=True):
            for name, value in a.items():
                assert np.array_equal(value, b[name]), f"{name} after going back"
                assert np.array_equal(value, c[name]), f"{name} in another instance"
        begin = fmu.reset(inputs)
        assert all(np.array_equal(begin[n], v) for n, v in two.reset(inputs).items())


@BOTH_VERSIONS
def test_states_are_serialized_for_the_same_fmu_only(version, exported):
    words = {"2.0": ("state", "DeSerialize", ctypes.c_char), "3.0": ("State", "Deserialize", ctypes.c_ubyte)}
    word, back, byte = words[version]
    size, foreign = ctypes.c_size_t(), b""
    for model in (zoo.Ball, zoo.Doses):
        with tk.fmi.open(exported(model, version)) as fmu:
            fmu.reset()
            fmu.step(0.1)
            instance, state, again = fmu._engine.instance, ctypes.c_void_p(), ctypes.c_void_p()
            instance.call(f"GetFMU{word}", ctypes.byref(state))
            instance.call(f"SerializedFMU{word}Size", state, ctypes.byref(size))
            content = (byte * size.value)()
            instance.call(f"SerializeFMU{word}", state, content, size.value)
            there = fmu.step(0.2)
            instance.call(f"{back}FMU{word}", content, size.value, ctypes.byref(again))
            instance.call(f"SetFMU{word}", again)
            fmu.time = 0.1
            assert fmu.step(0.2) == there
            for wrong in (bytes(content)[:-1], b"x" * size.value, foreign):
                given, none = (byte * len(wrong)).from_buffer_copy(wrong), ctypes.c_void_p()
                with pytest.raises(Exception, match="not a state of this FMU"):
                    instance.call(f"{back}FMU{word}", given, len(wrong), ctypes.byref(none))
            foreign = bytes(content)
            for pointer in (state, again):
                instance.call(f"FreeFMU{word}", ctypes.byref(pointer))
                assert pointer.value is None


@BOTH_VERSIONS
def test_what_fails_has_a_status_and_says_why(version, exported):
    path = exported(zoo.Root, version)
    with tk.fmi.open(path) as fmu:
        fmu.reset()
        with pytest.raises(tk.core.StepError, match=r"Root at 0.7\d+ s: the (equations give values|step size)"):
            fmu.step(2.0)
        fmu.reset()
        with pytest.raises(tk.InvalidValueError, match="'u' is a number, not NaN"):  # our importer, at the door
            fmu.step(0.1, {"u": float("nan")})
        with pytest.raises(tk.core.StepError, match="the value given for 'u' is"):  # the FMU itself
            fmu.step(0.1, {"u": float("inf")})
        fmu.reset()
        assert fmu.step(0.1)["x"] < 1.0
    with tk.fmi.open(path, kind="me") as fmu:
        fmu.reset()
        with pytest.raises(tk.core.StepError, match=r"the derivative of 'x' is -?nan"):
            fmu.step(2.0)
    with tk.fmi.open(path) as fmu, pytest.raises(tk.core.StepError, match=r"ExitInit.*derivative of 'x'"):
        fmu.reset({"x": 0.1})
    words = r"ExitInitializationMode.*residual of 'a'"
    with tk.fmi.open(exported(zoo.Flash, version)) as fmu, pytest.raises(tk.core.StepError, match=words):
        fmu.reset({"n": -5e3})  # no solution within the bounds


def test_calls_out_of_order_are_refused(exported):
    with tk.fmi.open(exported(zoo.Ball)) as fmu:
        fmu.reset()
        instance = fmu._engine.instance
        handle = ctypes.c_void_p(getattr(instance.handle, "value", instance.handle))
        for name, arguments in (
            ("EnterInitializationMode", ()), ("EnterEventMode", ()), ("EnterContinuousTimeMode", ()),
            ("DoStep", (ctypes.c_double(0.5), ctypes.c_double(0.1), 1)),
            ("DoStep", (ctypes.c_double(0.0), ctypes.c_double(-0.1), 1)), ("CancelStep", ()),
        ):  # fmt: skip
            assert instance.function(name)(handle, *arguments) == 3, name
        unknown = (ctypes.c_uint * 1)(9999)
        assert instance.function("GetReal")(handle, unknown, 1, (ctypes.c_double * 1)()) == 3
        assert instance.function("GetInteger")(handle, unknown, 1, (ctypes.c_int * 1)()) == 3
        assert "no variable with value reference 9999" in "".join(fmu._engine.instance.log)


# -- with other components -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("version", "kind"), [("2.0", "cs"), ("3.0", "me")])
def test_it_takes_the_place_of_its_model_in_a_graph(version, kind, exported):
    def plant(tank):
        graph = tk.Graph()
        node = graph.add("tank", tank)
        control = graph.add(
            "control",
            tk.Block(lambda T: 2.0 * max(0.0, 37.0 - T), inputs={"T": "degC"}, outputs={"Q": "kW"}, time_unit="min"),
        )
        graph.connect(node.out["T"], control.inp["T"])
        graph.connect(control.out["Q"], node.inp["Q"])
        return tk.simulate(graph, 60 if isinstance(tank, tk.Model) else 3600, master=tk.graph.Midpoint("1 min"))

    model = plant(JacketedTank())
    fmu = plant(tk.FMU(exported(JacketedTank, version), kind=kind))
    times = np.linspace(0, 60, 31)
    expected = np.interp(times, model.time, model.trace("tank.T").data)
    np.testing.assert_allclose(np.interp(times * 60, fmu.time, fmu.trace("tank.T").data), expected, rtol=2e-7)


def test_a_flattened_graph_with_a_loop_is_exported(tmp_path, exported):
    class First(tk.Model):
        """Follows."""

        x = tk.State("", 1.0)
        u = tk.Input("")
        y = tk.Output("")

        def equations(self, v, m):
            return {"x": (v.u - v.x) / m.quantity(1.0, "s"), "y": v.x + 0.5 * v.u}

    graph = tk.Graph()
    one, two = graph.add("one", First()), graph.add("two", First(x=2.0))
    graph.connect(one.out["y"], two.inp["u"])
    graph.connect(two.out["y"], one.inp["u"], guess=1.0)
    model = graph.flatten("Pair")
    assert model.layout.algebraics.size
    path = tk.fmi.export(model, tmp_path / "pair.fmu", version="3.0", binary="required").path
    expected = tk.simulate(model, until=2, outputs=21, rtol=1e-11)
    result = tk.fmi.simulate(path, 2.0, step=0.1)
    assert distance({n: result[n].values for n in result.traces}, expected, list(result.traces)) < 1e-7


# -- files ---------------------------------------------------------------------------------------------------------

_SCRIPT = """
import sys, twinkit as tk
from twinkit.unitops import CHOFedBatch
tk.fmi.export(CHOFedBatch(), sys.argv[1], version=sys.argv[2], binary="none")
"""


@BOTH_VERSIONS
def test_the_same_model_gives_the_same_bytes_in_every_process(version, tmp_path):
    contents = []
    for seed in ("0", "1"):
        target = tmp_path / f"{seed}.fmu"
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", _SCRIPT, str(target), version], check=True, env=environment, timeout=120)
        contents.append(target.read_bytes())
    assert contents[0] == contents[1]


def test_the_token_follows_the_content(tmp_path):
    def token(model, **how):
        return tk.fmi.export(model, tmp_path / "a.fmu", binary="none", **how).token

    usual = token(JacketedTank())
    assert usual == token(JacketedTank())
    others = [token(JacketedTank(V=400)), token(JacketedTank(), version="3.0"), token(JacketedTank(), kind="me")]
    assert len({usual, *others, token(JacketedTank(), rtol=1e-6)}) == 5


def test_fmpy_compiles_the_sources_elsewhere(tmp_path):
    if not shutil.which("cmake"):
        pytest.skip("FMPy compiles with CMake, which is not there")
    from fmpy.build import build_platform_binary

    for version in VERSIONS:
        made = tk.fmi.export(zoo.Column(), tmp_path / "a.fmu", version=version, binary="none")
        folder = fmpy.extract(str(made.path), str(tmp_path / version))
        (tmp_path / f"build{version}").mkdir()
        build_platform_binary(folder, tmp_path / f"build{version}")
        rows = fmpy.simulate_fmu(
            folder, stop_time=3600.0, output_interval=3600.0, fmi_type="CoSimulation", output=["total"]
        )
        expected = tk.simulate(zoo.Column(), until=1, rtol=1e-11)
        assert rows["total"][-1] == pytest.approx(float(expected["total"][-1]), rel=1e-7)
