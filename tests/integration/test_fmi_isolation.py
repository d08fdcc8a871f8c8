"""Isolated FMUs: whatever they do, this process gets an exception and cleans up."""

import os
import subprocess
import time

import pytest

import twinkit as tk
from twinkit.fmi import FMUCrashError, FMUMemoryError, FMUTimeoutError, Isolation

pytestmark = pytest.mark.skipif(os.name != "posix", reason="isolation needs POSIX")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def children() -> set[str]:
    listed = subprocess.run(
        ["ps", "--ppid", str(os.getpid()), "-o", "pid=,stat=,args="], capture_output=True, text=True
    )
    return {line for line in listed.stdout.splitlines() if "twinkit.fmi._worker" in line or " Z" in line}


@pytest.mark.parametrize(
    ("trick", "limits", "expected", "words"),
    [
        (1, {}, FMUCrashError, "SIGSEGV"),
        (8, {}, FMUCrashError, "exit code 3"),
        (2, {"timeout": 0.5}, FMUTimeoutError, r"within 0.5 s"),
        (3, {"memory": 200 * 2**20}, FMUMemoryError, "200 MiB"),
        (4, {}, tk.core.StepError, "the spring broke"),
        (6, {}, tk.core.StepError, "fatal"),
    ],
)
def test_bad_behaviour_becomes_an_exception(spring, folder, trick, limits, expected, words):
    begin = time.monotonic()
    with tk.fmi.open(spring, isolate=Isolation(**{"timeout": 20.0, **limits})) as fmu:
        fmu.reset({"trick": trick}, t0=1.0)
        with pytest.raises(expected, match=words) as caught:
            fmu.step(0.1, {"force": 2.0})
        assert caught.value.time == 1.0
        assert caught.value.values == {"force": 2.0}
    assert time.monotonic() - begin < 15
    assert children() == set()
    assert os.listdir(folder) == []


@pytest.mark.parametrize(("trick", "expected", "words"), [(1, FMUCrashError, "SIGSEGV"), (2, FMUTimeoutError, "0.5 s")])
def test_an_fmi_1_fmu_is_contained(lag, folder, trick, expected, words):
    with tk.fmi.open(lag, isolate=Isolation(timeout=0.5)) as fmu:
        fmu.reset({"trick": trick})
        with pytest.raises(expected, match=words):
            fmu.step(0.1)
    assert children() == set()
    assert os.listdir(folder) == []


@pytest.mark.parametrize(
    ("trick", "call", "expected", "words"),
    [
        (1, lambda fmu: fmu.get("blobs_out"), FMUCrashError, "SIGSEGV"),
        (2, lambda fmu: fmu.serialize(), FMUTimeoutError, "0.5 s"),
        (3, lambda fmu: fmu.set({"trigger": True}), FMUTimeoutError, "0.5 s"),
        (7, lambda fmu: fmu.get("blobs_out"), tk.core.StepError, "too large"),
    ],
)
def test_what_fmi_3_adds_is_contained(clocks, folder, trick, call, expected, words):
    with tk.fmi.open(clocks, event_mode=True, isolate=Isolation(timeout=0.5)) as fmu:
        fmu.reset()
        fmu.deserialize(fmu.serialize())  # still well
        fmu.set({"trick": trick})
        with pytest.raises(expected, match=words):
            call(fmu)
    assert children() == set()
    assert os.listdir(folder) == []


def test_it_gives_the_same_values_and_rolls_back(spring):
    def run(isolate):
        with tk.fmi.open(spring, isolate=isolate) as fmu:
            fmu.reset({"k": 3.0})
            rows = [fmu.step(0.1, {"force": 1.0})]
            state = fmu.state()
            rows += [fmu.step(0.1), fmu.derivatives(("power",), ("force",)).tolist()]
            fmu.restore(state)
            return [*rows, fmu.step(0.1), fmu.get("name", "on")]

    assert run(True) == run(False)


def test_errors_keep_their_types(spring, arrays):
    with tk.fmi.open(spring, isolate=True) as fmu:
        fmu.reset()
        with pytest.raises(tk.InvalidValueError, match="whole number"):
            fmu.set({"trick": 0.5})
        assert fmu.step(0.1)["count"] == 1  # it is still alive
    with tk.fmi.open(arrays, isolate=True, kind="me") as fmu:
        fmu.reset()
        assert fmu.step(1.0)["y"] == pytest.approx((1.0, 2.0, 3.0))


def test_limits_are_checked():
    with pytest.raises(tk.InvalidValueError, match="positive"):
        Isolation(timeout=0.0)
