"""FMI 3.0: structural parameters, every type, clocks, event mode, states as bytes, derivatives.

The FMU (`fmus/clocks3.c`) refuses every call that FMI 3.0 does not allow in the mode it is in.
"""

import math
import subprocess
import sys

import numpy as np
import pytest

import twinkit as tk
from twinkit.core.component import Variability
from twinkit.core.errors import DataError

CASES = [("cs", False), ("cs", True), ("me", False)]
EVENTS = [("cs", True), ("me", False)]
isolated = pytest.mark.parametrize("isolate", [False, True], ids=["here", "isolated"])
every_kind = pytest.mark.parametrize(("kind", "event_mode"), CASES)
with_events = pytest.mark.parametrize(("kind", "event_mode"), EVENTS)


# -- arrays and types ----------------------------------------------------------------------------------------------


@isolated
@every_kind
def test_structural_parameters_size_the_arrays(clocks, kind, event_mode, isolate):
    """dx/dt = A u - x from 0: x = A u (1 - exp(-t)), with A of any size."""
    a = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, 1.0]])
    u = np.array([1.0, 2.0, 4.0])
    with tk.fmi.open(clocks, kind=kind, event_mode=event_mode, isolate=isolate) as fmu:
        assert fmu.reset()["y"] == (0.0, 0.0, 0.0)  # as it comes: m = 3, n = 2
        fmu.reset({"m": 2, "n": 3, "A": a, "u": u})
        assert fmu.description.variables["A"].shape == (2, 3)
        assert fmu.description.state_count == 2
        np.testing.assert_allclose(fmu.step(1.0)["y"], a @ u * (1 - math.exp(-1)), rtol=1e-9)
        assert fmu.get("A", "n") == {"A": tuple(a.ravel()), "n": 3}
        np.testing.assert_array_equal(fmu.derivatives(("der(x)",), ("u",)), a)
        np.testing.assert_array_equal(fmu.adjoint_derivatives(("der(x)",), ("u",), (1.0, -1.0)), [1, -1] @ a)
        fmu.reset()
        assert len(fmu.get("A")["A"]) == 6
        assert len(fmu.step(0.1)["y"]) == 3


def test_ports_have_the_shapes_of_the_structural_parameters(clocks):
    fmu = tk.FMU(clocks, {"n": 4, "m": 1}, kind="me")
    assert (fmu.inputs["u"].shape, fmu.outputs["y"].shape) == (4, 1)
    assert fmu.inputs["u"].default == (0.0,) * 4
    assert tk.FMU(clocks).inputs["u"].shape == 2
    fmu.initialize(0.0, {"u": [1, 1, 1, 1]})
    assert fmu.step(0.0, 1.0, {})["y"] == pytest.approx([10 * (1 - math.exp(-1))], rel=1e-9)
    fmu.close()


@isolated
@every_kind
def test_every_type_goes_in_and_comes_out(clocks, kind, event_mode, isolate):
    values = {"boolean": (True, False), "texts": ("", "größer"), "blobs": (b"", bytes(range(256)))}
    for bits in (8, 16, 32, 64):
        values[f"int{bits}"] = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        values[f"uint{bits}"] = (0, 2**bits - 1)
    values["float32"] = (0.25, -1.5)
    with tk.fmi.open(clocks, kind=kind, event_mode=event_mode, isolate=isolate) as fmu:
        found = fmu.reset(values)
        assert {name: found[f"{name}_out"] for name in values} == values
        fmu.reset()
        found = fmu.step(0.1, values)
        assert {name: found[f"{name}_out"] for name in values} == values
        assert fmu.get(*values) == values
        fmu.set({"choice": "seven"})
        assert fmu.get("choice", "mischief") == {"choice": 7, "mischief": 0}  # an item by name; an alias


WRONG = [
    ({"uint8": (0, 256)}, r"outside \[0, 255\]"),
    ({"uint64": (0, -1)}, r"outside \[0, "),
    ({"int64": (0, 2.0**63)}, "outside"),
    ({"boolean": (0, 2)}, "true or false"),
    ({"choice": 3}, "no item 3; there is 1 one, 7 seven"),
    ({"float32": (math.nan, 0)}, "NaN"),
    ({"blobs": ("text", b"")}, "takes bytes"),
    ({"texts": ("a\0b", "")}, "null"),
    ({"u": (1.0,)}, "number of values"),
    ({"u": 1.0}, "number of values"),
]


@isolated
def test_what_does_not_fit_is_refused_and_changes_nothing(clocks, isolate):
    with tk.fmi.open(clocks, event_mode=True, isolate=isolate) as fmu:
        fmu.reset({"level": 1})
        for values, words in WRONG:
            with pytest.raises(tk.InvalidValueError, match=words):
                fmu.set({"u": (5.0, 5.0), "level": 2, **values})
            assert fmu.get("level", "u") == {"level": 1, "u": (0.0, 0.0)}
        assert fmu.step(0.1, {"level": 3})["doubled"] == 6  # it is still in the right mode


@pytest.mark.parametrize("value", [-1, 1.5, 10**9, "many", None, math.nan])
def test_sizes_that_are_none(clocks, value):
    with pytest.raises(tk.InvalidValueError, match="structural parameter 'n'"):
        tk.FMU(clocks, {"n": value})
    with tk.fmi.open(clocks) as fmu:
        with pytest.raises(tk.InvalidValueError, match="structural parameter 'n'"):
            fmu.reset({"n": value})
        with pytest.raises(tk.core.StepError, match="SetUInt64"):
            fmu.reset({"n": 7})  # the FMU itself takes no more than 6
        fmu.reset({"n": 6})
        with pytest.raises(tk.fmi.UnsupportedFMUError, match=r"reset\(\) only"):
            fmu.set({"n": 2})
        with pytest.raises(tk.UnknownNameError, match="seven"):
            fmu.set({"choice": "sevn"})


# -- clocks and events ---------------------------------------------------------------------------------------------


@isolated
@with_events
def test_clocks_tick(clocks, kind, event_mode, isolate):
    with tk.fmi.open(clocks, kind=kind, event_mode=event_mode, isolate=isolate) as fmu:
        assert fmu.reset({"setpoint": 3.0, "tuned": 0.5})["held"] == 3.0  # the sampler ticks at the start
        assert fmu.ticks == ((0.0, "sampler"),)
        found = fmu.step(0.6, {"setpoint": 4.0})
        assert fmu.ticks == ((0.25, "tuned"), (0.25, "sampler"), (0.5, "sampler"))  # the shift of `tuned` is 0.25
        assert (found["held"], found["samples"], found["tuned_count"]) == (4.0, 3, 1)
        fmu.set({"tuned": 0.1})  # counted from its last tick, at 0.25: at once
        assert fmu.ticks == ((0.6, "tuned"),)
        fmu.step(0.25)
        assert [name for _, name in fmu.ticks] == ["tuned", "sampler", "tuned"]
        np.testing.assert_allclose([time for time, _ in fmu.ticks], [0.7, 0.75, 0.8])
        fmu.set({"trigger": True})  # starts the timer, which ticks once, 0.125 later
        assert fmu.get("trigger", "sampler", "presses") == {"trigger": True, "sampler": False, "presses": 1}
        assert fmu.step(0.2, {"trigger": False})["timeouts"] == 1
        assert (0.975, "timer") in [(round(time, 9), name) for time, name in fmu.ticks]
        assert fmu.step(1.0)["timeouts"] == 1
        assert fmu.step(0.1, {"trigger": True})["presses"] == 2


@with_events
def test_a_clock_of_the_fmu_is_seen_at_its_time(clocks, kind, event_mode):
    with tk.fmi.open(clocks, kind=kind, event_mode=event_mode) as fmu:
        fmu.reset({"alarm": 0.3})
        assert fmu.step(1.0)["alarms"] == 1
        assert (0.3, "limit") in fmu.ticks


def test_without_event_mode_clocks_are_refused_and_events_are_the_fmus_own(clocks):
    with tk.fmi.open(clocks) as fmu:
        fmu.reset({"alarm": 0.3})
        found = fmu.step(1.0, {"level": 2})
        assert (found["alarms"], found["doubled"], found["samples"]) == (1, 4, 0)
        for values in ({"trigger": True}, {"setpoint": 1.0}, {"tuned": 0.1}):
            with pytest.raises(tk.fmi.UnsupportedFMUError, match="event_mode=True"):
                fmu.set(values)
        with pytest.raises(tk.fmi.UnsupportedFMUError, match="event_mode=True"):
            fmu.reset({"setpoint": 1.0})
    notes = tk.FMU(clocks).notes
    assert "input 'setpoint' (Float64, clocked: it needs event_mode) is not a port" in notes


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"sampler": 0.1}, "cannot be changed"), ({"timer": 0.1}, "cannot be changed"), ({"limit": True}, "ticks it"),
        ({"tuned": 0.0}, "longer than 0"), ({"tuned": math.inf}, "longer than 0"), ({"tuned": "x"}, "longer than 0"),
        ({"setpoint": "high"}, "is a number"),
    ],
)  # fmt: skip
def test_what_clocks_do_not_take(clocks, values, words):
    with tk.fmi.open(clocks, event_mode=True) as fmu:
        fmu.reset()
        with pytest.raises(tk.InvalidValueError, match=words):
            fmu.set(values)
        assert fmu.step(0.3)["samples"] == 2
        for wrong in (2, math.nan, "no"):
            with pytest.raises(tk.InvalidValueError, match="'trigger' is"):
                fmu.set({"trigger": wrong})
        for wrong in (None, b"x", (1, 2, 3), (0.0, None)):
            with pytest.raises(tk.SimulationError, match="not a state"):
                fmu.restore(wrong)
        with pytest.raises(tk.InvalidValueError, match="after reset"):
            fmu.reset({"trigger": True})
        with pytest.raises(tk.InvalidValueError, match="constant"):
            fmu.reset({"sampler": 0.1})


@pytest.mark.parametrize(
    ("trick", "event_mode", "words"),
    [
        (4, True, "returned early at 0"),
        (4, False, "although it may not"),
        (5, True, "not finished after 1000 rounds"),
        (6, True, "asks to end the simulation"),
        (8, True, "reached .*, in a step from 0 to"),
    ],
)
def test_bad_manners_are_errors(clocks, trick, event_mode, words):
    with tk.fmi.open(clocks, event_mode=event_mode) as fmu:
        fmu.reset()
        with pytest.raises(tk.core.StepError, match=words):  # when it is set, or when it steps
            fmu.step(1.0, {"trick": trick, "level": 1})


def test_fmpy_gives_the_same(clocks):
    fmpy = pytest.importorskip("fmpy")
    columns = [("time", float), ("u", float, (2,)), ("level", np.int32)]
    signals = np.array([(0.0, (1.0, 2.0), 1), (0.5, (1.0, 2.0), 3)], dtype=columns)
    for kind, event_mode in CASES:
        options = {"use_event_mode": True, "early_return_allowed": True} if event_mode else {}
        given = signals[["time", "u"]] if event_mode else signals  # FMPy sets discrete inputs outside event mode there
        theirs = fmpy.simulate_fmu(
            str(clocks), start_time=0.0, stop_time=1.0, output_interval=0.1, input=given, start_values={"alarm": 0.35},
            fmi_type={"cs": "CoSimulation", "me": "ModelExchange"}[kind], relative_tolerance=1e-12, record_events=False,
            output=["y", "alarms", "doubled"], **options,
        )  # fmt: skip
        with tk.fmi.open(clocks, kind=kind, event_mode=event_mode) as fmu:
            level = {} if event_mode else {"level": 3}
            rows = [fmu.reset({"alarm": 0.35, "u": (1.0, 2.0), **({} if event_mode else {"level": 1})})]
            rows += [fmu.step(0.1, level if i == 5 else {}) for i in range(10)]
        at = [np.flatnonzero(np.isclose(theirs["time"], 0.1 * i))[-1] for i in range(11)]
        np.testing.assert_allclose([row["y"] for row in rows], theirs["y"][at], rtol=0, atol=1e-9)
        assert [row["alarms"] for row in rows] == theirs["alarms"][at].tolist()
        assert rows[-1]["doubled"] == theirs["doubled"][-1] == (0 if event_mode else 6)


@with_events
def test_as_a_component_clocked_variables_are_ports(clocks, kind, event_mode):
    fmu = tk.FMU(clocks, kind=kind, event_mode=event_mode)
    assert fmu.inputs["setpoint"].variability is Variability.DISCRETE
    assert not any("setpoint" in note for note in fmu.notes)
    fmu.initialize(0.0, {"setpoint": 1.0, "u": [1.0, 0.0]})
    slow = [fmu.step(0.2 * i, 0.2, {"setpoint": 1.0 + i}) for i in range(4)]
    assert [row["held"] for row in slow] == [1.0, 2.0, 3.0, 4.0]
    inputs = np.zeros(sum(port.width for port in fmu.inputs.values()))
    outputs = np.zeros(sum(port.width for port in fmu.outputs.values()))
    position = {name: sum(p.width for p in list(fmu.inputs.values())[:i]) for i, name in enumerate(fmu.inputs)}
    inputs[position["u"]], inputs[position["choice"]] = 1.0, 1.0
    fmu.initialize(0.0, {"setpoint": 1.0, "u": [1.0, 0.0]})
    step = fmu.bind(inputs, outputs)
    for i in range(4):
        inputs[position["setpoint"]] = 1.0 + i
        step(0.2 * i, 0.2)
        np.testing.assert_array_equal(outputs, np.concatenate([np.atleast_1d(slow[i][name]) for name in fmu.outputs]))
    here = fmu.snapshot()
    ahead = fmu.step(0.8, 0.4, {"setpoint": 9.0})
    fmu.restore(here)
    again = fmu.step(0.8, 0.4, {"setpoint": 9.0})
    assert all(np.array_equal(ahead[name], again[name]) for name in ahead)
    fmu.close()


# -- states as bytes -----------------------------------------------------------------------------------------------


@isolated
@every_kind
def test_a_state_goes_through_bytes_into_another_session(clocks, kind, event_mode, isolate, tmp_path):
    options = {"kind": kind, "event_mode": event_mode, "isolate": isolate}
    clocked = {} if (kind, event_mode) == ("cs", False) else {"setpoint": 2.0}
    with tk.fmi.open(clocks, **options) as fmu:
        fmu.reset({"n": 3, "m": 2, "u": (1.0, 2.0, 3.0), "blobs": (b"\x00\xff", b""), **clocked}, t0=1.0)
        fmu.step(0.3, {"level": 4})
        record = fmu.serialize()
        ahead = [fmu.step(0.2), fmu.step(0.4, {"level": 5}), fmu.ticks, fmu.time]
        fmu.deserialize(record)
        assert [fmu.step(0.2), fmu.step(0.4, {"level": 5}), fmu.ticks, fmu.time] == ahead
    file = tmp_path / "state"
    file.write_bytes(record)
    with tk.fmi.open(clocks, **options) as other:
        other.deserialize(file.read_bytes())
        assert other.description.variables["y"].shape == (2,)
        assert [other.step(0.2), other.step(0.4, {"level": 5}), other.ticks, other.time] == ahead


def test_a_state_survives_the_process(clocks, tmp_path):
    script = (
        "import sys, pathlib, twinkit as tk\n"
        "with tk.fmi.open(sys.argv[1], kind='me') as fmu:\n"
        "    fmu.reset({'u': (1.0, 2.0)})\n"
        "    fmu.step(0.5)\n"
        "    pathlib.Path(sys.argv[2]).write_bytes(fmu.serialize())\n"
        "    print(repr(fmu.step(0.5)['y']))\n"
    )
    file = tmp_path / "state"
    told = subprocess.run([sys.executable, "-c", script, clocks, file], capture_output=True, text=True, check=True)
    with tk.fmi.open(clocks, kind="me") as fmu:
        fmu.deserialize(file.read_bytes())
        assert repr(fmu.step(0.5)["y"]) == told.stdout.strip()


def test_a_damaged_or_foreign_state_is_refused(clocks, arrays):
    with tk.fmi.open(clocks) as fmu:
        with pytest.raises(tk.SimulationError, match="reset"):
            fmu.serialize()
        fmu.reset()
        record = fmu.serialize()
        for broken in (
            b"",
            b"nothing",
            record[:-1],
            record[:40],
            record[:60] + b"x" + record[61:],
            record + b"x",
            "text",
        ):
            with pytest.raises(DataError, match="state"):
                fmu.deserialize(broken)
        fmu.step(0.1)  # unharmed
    with tk.fmi.open(clocks, kind="me") as fmu, pytest.raises(DataError, match="its kind is 'cs'"):
        fmu.deserialize(record)
    with tk.fmi.open(arrays) as fmu:
        fmu.reset()
        with pytest.raises(tk.fmi.UnsupportedFMUError, match="serialize"):
            fmu.serialize()
        with pytest.raises(tk.fmi.UnsupportedFMUError, match="adjoint"):
            fmu.adjoint_derivatives(("y",), ("u",), (1, 0, 0))


def test_adjoint_seeds_are_checked(clocks):
    with tk.fmi.open(clocks) as fmu:
        fmu.reset()
        for seed, words in (((1.0,), "3 numbers"), ((1.0, 2.0, math.nan), "finite"), ((1.0, "x", 2.0), "number")):
            with pytest.raises(tk.InvalidValueError, match=words):
                fmu.adjoint_derivatives(("der(x)",), ("u",), seed)
        with pytest.raises(tk.InvalidValueError, match="no derivatives"):
            fmu.derivatives(("texts",), ("u",))
        with pytest.raises(tk.UnknownNameError, match="'u'"):
            fmu.adjoint_derivatives(("der(x)",), ("uu",), (1, 2, 3))
