"""FMUs run here: sessions, components, model exchange, real FMUs against FMPy and against each other."""

import itertools
import math
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import twinkit as tk
from twinkit.core.component import Binds, Component, Differentiates, FeedsThrough, RollsBack

KINDS = ("cs", "me")


def oscillator(t, k=4.0, d=0.5, x0=1.0):
    """Free, damped oscillation from rest."""
    w = math.sqrt(k - d * d / 4)
    return x0 * math.exp(-d * t / 2) * (math.cos(w * t) + d / (2 * w) * math.sin(w * t))


# -- sessions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_session_steps_and_starts_again(spring, kind):
    with tk.fmi.open(spring, kind=kind) as fmu:
        first = fmu.reset({"k": 9.0}, t0=1.0)
        assert first["x"] == 1.0
        a = fmu.step(0.1, {"force": 2.0})
        assert fmu.time == pytest.approx(1.1)
        fmu.reset({"k": 9.0}, t0=1.0)
        assert fmu.step(0.1, {"force": 2.0}) == a
        assert fmu.get("k", "name") == {"k": 9.0, "name": "hello"}
    with pytest.raises(tk.SimulationError, match="closed"):
        fmu.reset()
    fmu.close()


def test_closing_leaves_no_folder(spring, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with tk.fmi.open(spring) as fmu:
        fmu.reset()
        assert len(os.listdir(tmp_path)) == 1
    assert os.listdir(tmp_path) == []


def test_inputs_that_are_not_given_keep_their_start_values(arrays):
    with tk.fmi.open(arrays) as fmu:
        fmu.reset()
        assert fmu.get("u")["u"] == (1.0, 2.0, 3.0)
        assert fmu.step(1.0)["y"] == (1.0, 2.0, 3.0)


def test_what_cannot_be_done_is_said(spring, arrays):
    with tk.fmi.open(spring) as fmu:
        with pytest.raises(tk.SimulationError, match="reset"):
            fmu.step(0.1)
        fmu.reset()
        for dt in (0.0, -0.1, math.nan, math.inf):
            with pytest.raises(tk.InvalidValueError, match="longer than 0"):
                fmu.step(dt)
        with pytest.raises(tk.UnknownNameError, match="force"):
            fmu.step(0.1, {"farce": 1.0})
        with pytest.raises(tk.InvalidValueError, match="calculated"):
            fmu.set({"der(x)": 1.0})
        with pytest.raises(tk.InvalidValueError, match="whole number"):
            fmu.set({"trick": 0.5})
        with pytest.raises(tk.InvalidValueError, match="outside"):
            fmu.set({"trick": 2**31})
    with pytest.raises(tk.UnknownNameError, match="fmpy"):
        tk.fmi.open(spring, backend="fmpi")
    with pytest.raises(tk.UnknownNameError, match="kind"):
        tk.fmi.open(spring, kind="xx")
    with tk.fmi.open(arrays) as fmu:
        fmu.reset()
        with pytest.raises(tk.InvalidValueError, match="number of values"):
            fmu.set({"u": (1.0, 2.0)})


@pytest.mark.parametrize(("trick", "words"), [(4, "error.*the spring broke"), (5, "discard"), (6, "fatal"), (7, "42")])
def test_every_bad_status_says_where_when_and_with_what(spring, trick, words):
    with tk.fmi.open(spring) as fmu:
        fmu.reset({"trick": trick}, t0=2.0)
        with pytest.raises(tk.core.StepError, match=words) as caught:
            fmu.step(0.1, {"force": 3.0})
        assert caught.value.component == "spring2.fmu"
        assert caught.value.time == 2.0
        assert caught.value.values == {"force": 3.0}
        fmu.reset()  # a broken instance is replaced
        assert fmu.step(0.1)["count"] == 1


def test_a_failing_start_and_a_failing_derivative(spring):
    with tk.fmi.open(spring) as fmu, pytest.raises(tk.core.StepError, match="ExitInitializationMode"):
        fmu.reset({"trick": 9})
    with tk.fmi.open(spring, kind="me") as fmu:
        fmu.reset({"trick": 4})
        with pytest.raises(tk.core.StepError, match="GetDerivatives"):
            fmu.step(0.1)
        with pytest.raises(tk.core.StepError, match="end the simulation"):
            fmu.reset({"trick": 5})


@pytest.mark.parametrize("kind", KINDS)
def test_a_restored_state_goes_on_bitwise(spring, kind):
    with tk.fmi.open(spring, kind=kind) as fmu:
        fmu.reset({"next": 0.25})
        fmu.step(0.1, {"force": 1.0})
        state = fmu.state()
        ahead = [fmu.step(0.1, {"force": f}) for f in (1.0, 2.0, 2.0)]
        fmu.restore(state)
        assert fmu.time == pytest.approx(0.1)
        assert [fmu.step(0.1, {"force": f}) for f in (1.0, 2.0, 2.0)] == ahead
        fmu.reset()
        with pytest.raises(tk.SimulationError, match="not a state"):
            fmu.restore(state)


def test_directional_derivatives(spring, arrays):
    with tk.fmi.open(spring, kind="me") as fmu:
        fmu.reset({"v": 3.0, "force": 2.0})
        found = fmu.derivatives(("power", "der(v)"), ("force", "x"))
        np.testing.assert_array_equal(found, [[3.0, 0.0], [1.0, -4.0]])
    with tk.fmi.open(arrays, kind="me") as fmu:
        fmu.reset({"gain": 2.5})
        np.testing.assert_array_equal(fmu.derivatives(("der(y)",), ("u",)), 2.5 * np.eye(3))


def test_types_of_fmi_3(arrays):
    with tk.fmi.open(arrays) as fmu:
        fmu.reset({"b": True, "color": 2, "small": 255, "f": 0.25, "text": "grün"})
        assert fmu.get("b", "color", "small", "f", "text") == {
            "b": True, "color": 2, "small": 255, "f": 0.25, "text": "grün",
        }  # fmt: skip
        assert fmu.step(0.5, {"u": (2, 2, 2)}) == {"y": (1.0, 1.0, 1.0), "i": 3}
        with pytest.raises(tk.InvalidValueError, match=r"\[0, 255\]"):
            fmu.set({"small": 256})
        fmu.set({"small": 7})
        with pytest.raises(tk.core.StepError, match="end the simulation"):
            fmu.step(0.5)


# -- model exchange ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["Radau", "DOP853", "RK45"])
def test_model_exchange_is_as_exact_as_its_tolerance(spring, method):
    settings = tk.fmi.Integration(method, rtol=1e-9)
    run = tk.fmi.simulate(spring, 2.0, step=0.5, kind="me", integration=settings)
    for t, x in zip(run.time, run.traces["x"].data, strict=True):
        assert x == pytest.approx(oscillator(t), abs=2e-8)


@pytest.mark.parametrize("step", [0.1, 2.0])
def test_state_events_are_found(spring, step):
    """A free particle (k = d = 0) between a push of 1 m/s down and a floor at 0.5 m bounces at t = 0.5."""
    start = {"k": 0.0, "d": 0.0, "x": 1.0, "v": -1.0, "floor": 0.5}
    run = tk.fmi.simulate(spring, 2.0, step=step, kind="me", start=start)
    assert run.traces["x"].data[-1] == pytest.approx(2.0, abs=1e-9)
    assert run.traces["count"].data[-1] == 1


def test_time_events_happen_at_their_time(spring):
    """Kicks of 1 m/s at 0.25, 0.75, 1.25 and 1.75 s of a free particle at rest."""
    run = tk.fmi.simulate(spring, 2.0, step=1.0, kind="me", start={"k": 0.0, "d": 0.0, "x": 0.0, "next": 0.25})
    assert run.traces["x"].data[-1] == pytest.approx(1.75 + 1.25 + 0.75 + 0.25, abs=1e-9)
    assert run.traces["count"].data[-1] == 4


def test_model_exchange_of_fmi_3(arrays):
    with tk.fmi.open(arrays, kind="me") as fmu:
        fmu.reset()
        fmu.step(0.5, {"u": (1, 2, 4)})
        np.testing.assert_allclose(fmu.step(0.5)["y"], (1, 2, 4), rtol=1e-9)


# -- components ----------------------------------------------------------------------------------------------------


def test_the_component_has_typed_ports(spring, arrays):
    fmu = tk.FMU(spring)
    for contract in (Component, Binds, FeedsThrough, RollsBack, Differentiates):
        assert isinstance(fmu, contract)
    assert {name: port.unit for name, port in fmu.inputs.items()} == {"force": "N", "on": ""}
    assert fmu.outputs["v"].unit == "m/s"
    assert fmu.outputs["count"].variability is tk.core.Variability.DISCRETE
    assert fmu.inputs["force"].default == 0.0
    assert fmu.feedthrough() == {"x": set(), "v": set(), "power": {"force", "on"}, "count": set()}
    other = tk.FMU(arrays)
    assert other.inputs["u"].shape == 3
    assert other.inputs["u"].default == (1.0, 2.0, 3.0)
    assert other.outputs["y"].unit == "kg/m**3"
    assert other.time_unit == "s"
    assert other.notes == ["input 'text' (String) is not a port"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", ["spring", "arrays"])
@pytest.mark.parametrize("isolate", [False, True])
def test_the_fast_path_gives_the_same(request, which, kind, isolate):
    fmu = tk.FMU(request.getfixturevalue(which), kind=kind, isolate=isolate)
    size_in = sum(p.width for p in fmu.inputs.values())
    inputs, outputs = np.zeros(size_in), np.full(sum(p.width for p in fmu.outputs.values()), np.nan)
    try:
        start = {"u": [1, 1, 1], "color": 2} if which == "arrays" else {"force": 1.0}
        fmu.initialize(0.0, start)
        slow = [fmu.step(0.1 * i, 0.1, start) for i in range(5)]
        fmu.initialize(0.0, start)
        step = fmu.bind(inputs, outputs)
        inputs[:] = [1, 1, 1, 0.5, 2, 0, 0] if which == "arrays" else [1.0, 1.0]
        for i in range(5):
            step(0.1 * i, 0.1)
            expected = np.concatenate([np.atleast_1d(slow[i][name]) for name in fmu.outputs])
            np.testing.assert_array_equal(outputs, expected)
        with pytest.raises(tk.InvalidValueError, match="longer than 0"):
            step(0.5, 0.0)
        inputs[-3 if which == "arrays" else 1] = 1.5
        with pytest.raises(tk.InvalidValueError, match="whole numbers"):
            step(0.5, 0.1)
    finally:
        fmu.close()


def test_a_stepper_does_not_outlive_its_fmu(spring):
    fmu = tk.FMU(spring)
    inputs, outputs = np.zeros(2), np.zeros(4)
    step = fmu.bind(inputs, outputs)
    with pytest.raises(tk.core.StepError, match="not initialized"):
        step(0.0, 0.1)
    fmu.initialize(0.0, {})
    step(0.0, 0.1)
    inputs[0] = math.nan
    fmu.close()
    fmu.close()
    with pytest.raises(tk.core.StepError, match="not initialized, or closed") as caught:
        step(0.1, 0.1)
    assert caught.value.time == 0.1
    assert set(caught.value.values) == {"force", "on"}
    assert fmu.initialize(0.0, {})["x"] == 1.0  # loads it anew
    fmu.close()


def test_rollback_of_the_component(spring):
    fmu = tk.FMU(spring, {"d": 0.1})
    fmu.initialize(0.0, {"force": 1.0})
    here = fmu.snapshot()
    ahead = fmu.step(0.0, 0.1, {})
    fmu.restore(here)
    assert fmu.step(0.0, 0.1, {}) == ahead
    fmu.close()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("spring", {"isolate": True}), ("arrays", {"kind": "me"}), ("ball", {}), ("lag", {}),
        ("lag", {"isolate": True}), ("clocks", {}), ("clocks", {"kind": "me"}), ("clocks", {"event_mode": True}),
        ("clocks", {"event_mode": True, "isolate": True}),
    ],
)  # fmt: skip
def test_the_contract_of_components_holds(request, name, options):
    fmu = tk.FMU(request.getfixturevalue(name), **options)
    try:
        tk.testing.check_component(fmu, dt=0.2)
        assert isinstance(fmu, RollsBack) == (name not in ("ball", "lag"))
    finally:
        fmu.close()


# -- real FMUs -----------------------------------------------------------------------------------------------------


def fmpy_run(path: Path, kind: str, **options):
    fmpy = pytest.importorskip("fmpy")
    word = {"cs": "CoSimulation", "me": "ModelExchange"}[kind]
    return fmpy.simulate_fmu(
        str(path), start_time=0.0, stop_time=2.0, output_interval=0.01, fmi_type=word, record_events=False, **options
    )


GEMSEO = ("FMU3Model", "MassSpringSubSystem1", "MassSpringSubSystem2", "MassSpringSystem", "Mass_Damper", "add", "ramp")
OURS = ("spring", "arrays", "ball", "lag", "clocks")
MORE = ("Mass", "Spring", "Damper", "DrivingForce", "HarmonicOscillator6D", "MobileCrane", "MobileCraneStraight")


def numbers(path: Path) -> list[str]:
    return [v.name for v in tk.fmi.info(path).of("output") if v.type.is_number and not v.clocked]


def compare(path: Path, kind: str, ours, theirs) -> None:
    """Hold two runs against each other: co-simulation bit for bit, model exchange within two integrators' errors."""
    assert ours.success
    compared = numbers(path)  # not what belongs to clocks: FMPy does not tick them
    assert compared
    for output in compared:
        difference = np.abs(theirs[output].astype(float) - ours.traces[output].data).max()
        assert difference <= (0.0 if kind == "cs" else 2e-9), output


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [*GEMSEO, *OURS])
def test_what_runs_under_fmpy_runs_here_with_the_same_values(request, name, kind):
    path = request.getfixturevalue("real_fmus")[name] if name in GEMSEO else request.getfixturevalue(name)
    if tk.fmi.Kind(kind) not in tk.fmi.info(path).kinds:
        pytest.skip(f"{name} does not offer {kind}")
    theirs = fmpy_run(path, kind, **({"relative_tolerance": 1e-12} if kind == "me" else {}))
    compare(path, kind, tk.fmi.simulate(path, 2.0, step=0.01, start_time=0.0, kind=kind), theirs)


@pytest.mark.parametrize("name", MORE)
def test_fmus_of_other_packages_give_the_same_values(more_fmus, name, tmp_path):
    """Each side in a process of its own: some of them bring a Python interpreter, or do not start on every machine."""
    if name not in more_fmus:
        pytest.skip(f"there is no {name}.fmu: install crane-fmu, or see the fixture more_fmus")
    path, file = more_fmus[name], tmp_path / "theirs.npy"
    script = (
        "import sys, numpy, fmpy; numpy.save(sys.argv[2], numpy.asarray(fmpy.simulate_fmu(sys.argv[1], start_time=0.0, "
        "stop_time=2.0, output_interval=0.01, output=sys.argv[3:])))"
    )
    command = [sys.executable, "-c", script, path, file, *numbers(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        with pytest.raises(tk.TwinkitError):
            tk.fmi.simulate(path, 2.0, step=0.01, start_time=0.0, isolate=True)
        pytest.skip(f"{name} does not run under FMPy on this machine: {done.stderr.splitlines()[-1]}")
    compare(path, "cs", tk.fmi.simulate(path, 2.0, step=0.01, start_time=0.0, isolate=True), np.load(file))


def test_coupled_mass_spring_systems_approach_their_monolithic_twin(real_fmus):
    """Two subsystems under a plain Jacobi loop: the error against the one FMU of both halves with the step."""

    def coupled(dt):
        one, two = (
            tk.FMU(real_fmus["MassSpringSubSystem1"], kind="me"),
            tk.FMU(real_fmus["MassSpringSubSystem2"], kind="me"),
        )
        try:
            a = one.initialize(0.0, {})
            b = two.initialize(0.0, {})
            for i in range(round(2.0 / dt)):
                na = one.step(i * dt, dt, {"x2": b["x2"]})
                b, a = two.step(i * dt, dt, {"x1": a["x1"]}), na
            return a["x1"], b["x2"]
        finally:
            one.close()
            two.close()

    whole = tk.fmi.simulate(real_fmus["MassSpringSystem"], 2.0, step=0.01, start_time=0.0, kind="me")
    exact = [whole.traces[name].data[-1] for name in ("x1", "x2")]
    errors = [np.abs(np.subtract(coupled(dt), exact)).max() for dt in (0.04, 0.02, 0.01)]
    assert errors[-1] < 0.02
    for coarse, fine in itertools.pairwise(errors):
        assert fine / coarse == pytest.approx(0.5, abs=0.1)


def test_a_library_that_does_not_load_is_an_error_and_leaves_the_folder_as_it_was(spring, tmp_path):
    broken = tmp_path / "broken.fmu"
    with zipfile.ZipFile(spring) as source, zipfile.ZipFile(broken, "w") as target:
        target.writestr("modelDescription.xml", source.read("modelDescription.xml"))
        target.writestr("binaries/linux64/spring2.so", b"no library")
    here = os.getcwd()
    with pytest.raises(tk.fmi.UnsupportedFMUError, match="binaries for: linux64"):
        tk.fmi.open(broken)
    assert os.getcwd() == here
    with pytest.raises(tk.UnknownNameError, match="isolate"):
        tk.FMU(spring, isolated=True)
