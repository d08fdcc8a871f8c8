"""The PyFMI backend, against a faithful fake of PyFMI (and against PyFMI itself where it is installed).

The fake answers as PyFMI 2.17 to 3.0 do (`pyfmi.load_fmu`, `FMUModelCS2`): the same signatures, `do_step` returns a
status, `get` takes a list and returns a list of arrays of one value, `get_fmu_state` returns an opaque object, and
failures raise exceptions of its own. It steps the real library through FMPy, so trajectories can be compared.
"""

import importlib.util
import sys
import types

import numpy as np
import pytest

import twinkit as tk


class FMUException(Exception):
    """PyFMI's base exception."""


class FMUModelCS2:
    """What the adapter uses of `pyfmi.fmi.FMUModelCS2`."""

    def __init__(self, directory):
        from fmpy.fmi2 import FMU2Slave, fmi2FMUstate
        from fmpy.model_description import read_model_description

        self.description = read_model_description(directory)
        self.variables = {v.name: v for v in self.description.modelVariables}
        self.slave = FMU2Slave(
            guid=self.description.guid, unzipDirectory=directory, instanceName="fake",
            modelIdentifier=self.description.coSimulation.modelIdentifier,
        )  # fmt: skip
        self.slave.instantiate()
        self.pointer = fmi2FMUstate
        self.freed = 0
        self.initialized = False

    def _access(self, verb, name, *values):
        v = self.variables.get(name)
        if v is None:
            raise FMUException(f"The variable {name} could not be found.")
        return getattr(self.slave, verb + {"Enumeration": "Integer"}.get(v.type, v.type))([v.valueReference], *values)

    def set(self, variable_name, value):
        for name, one in zip(variable_name, value, strict=True):
            self._access("set", name, [one])

    def get(self, variable_name):
        return [np.array(self._access("get", name)) for name in variable_name]

    def initialize(self, start_time=0.0, stop_time=1.0, stop_time_defined=False, tolerance=None):
        assert stop_time > start_time
        if self.initialized:
            raise FMUException("The model is already initialized, reset it first.")
        self.slave.setupExperiment(startTime=start_time)
        self.slave.enterInitializationMode()
        self.slave.exitInitializationMode()
        self.initialized = True

    def reset(self):
        self.initialized = False
        self.slave.fmi2FreeInstance(self.slave.component)
        self.slave.instantiate()

    def do_step(self, current_t, step_size, new_step=True):
        function = self.slave.dll.fmi2DoStep
        return function(self.slave.component, current_t, step_size, int(new_step))

    def get_fmu_state(self):
        return self.slave.getFMUstate()

    def set_fmu_state(self, state):
        self.slave.setFMUstate(state)

    def free_fmu_state(self, state):
        self.freed += 1
        self.slave.freeFMUstate(state)

    def get_directional_derivative(self, var_ref, func_ref, v):
        assert len(var_ref) == len(v)
        return np.array(self.slave.getDirectionalDerivative(func_ref, var_ref, v))

    def terminate(self):
        self.slave.terminate()


def load_fmu(fmu, log_file_name="", kind="auto", log_level=3, allow_unzipped_fmu=False):
    if kind not in ("ME", "CS", "auto") or not allow_unzipped_fmu:
        raise FMUException("cannot load")
    return FMUModelCS2(fmu)


@pytest.fixture(params=["fake", "real"])
def pyfmi(request, monkeypatch):
    if request.param == "real":
        if importlib.util.find_spec("pyfmi") is None:
            pytest.skip("PyFMI is not installed (conda-forge)")
        return
    module = types.ModuleType("pyfmi")
    module.load_fmu = load_fmu
    monkeypatch.setitem(sys.modules, "pyfmi", module)


@pytest.mark.usefixtures("pyfmi")
def test_both_backends_give_the_same_trajectory(spring):
    def run(backend):
        with tk.fmi.open(spring, backend=backend) as fmu:
            rows = [fmu.reset({"k": 3.0, "force": 0.5}, t0=1.0), fmu.step(0.1, {"force": 1.0, "on": True})]
            state = fmu.state()
            rows += [fmu.step(0.1), fmu.derivatives(("power",), ("force",)).tolist()]
            fmu.restore(state)
            rows += [fmu.step(0.1), fmu.reset({"k": 2.0}), fmu.step(0.2)]
            return rows

    assert run("pyfmi") == run("fmpy")


@pytest.mark.usefixtures("pyfmi")
def test_a_bad_status_and_a_bad_name_raise(spring):
    with tk.fmi.open(spring, backend=tk.fmi.Backend.PYFMI) as fmu:
        fmu.reset({"trick": 5}, t0=1.0)
        with pytest.raises(tk.core.StepError, match="do_step returned discard") as caught:
            fmu.step(0.1, {"force": 1.0})
        assert (caught.value.time, caught.value.values) == (1.0, {"force": 1.0})
    with tk.fmi.open(spring, backend="pyfmi") as fmu, pytest.raises(tk.core.StepError, match="initialize failed"):
        fmu.reset({"trick": 9})


@pytest.mark.usefixtures("pyfmi")
def test_the_fast_path_and_what_is_not_offered(spring, arrays):
    fmu = tk.FMU(spring, backend="pyfmi")
    inputs, outputs = np.array([1.0, 1.0]), np.zeros(4)
    fmu.initialize(0.0, {})
    fmu.bind(inputs, outputs)(0.0, 0.1)
    fmu.initialize(0.0, {})
    assert list(fmu.step(0.0, 0.1, {"force": 1.0, "on": 1.0}).values()) == outputs.tolist()
    fmu.close()
    with pytest.raises(tk.fmi.UnsupportedFMUError, match=r"FMI 2\.0"):
        tk.fmi.open(arrays, backend="pyfmi")
    with pytest.raises(tk.fmi.UnsupportedFMUError, match="fmpy"):
        tk.fmi.open(spring, backend="pyfmi", isolate=True)


def test_without_pyfmi_the_error_says_where_it_comes_from(spring, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyfmi", None)
    with pytest.raises(tk.MissingDependencyError, match="conda-forge"):
        tk.fmi.open(spring, backend="pyfmi")
