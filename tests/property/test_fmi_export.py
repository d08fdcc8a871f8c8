"""Exported FMUs of random models and random values run like `tk.simulate`, and differentiate like CasADi."""

import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import twinkit as tk
from twinkit.readings.casadi import casadi_model

pytest.importorskip("fmpy", reason="FMPy is not installed (the extra 'fmi')")
pytestmark = pytest.mark.skipif(
    not (shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")), reason="no C compiler"
)


class Random(tk.Model):
    """A network of states whose couplings, non-linearity and algebraic variables are chosen by options."""

    time_unit = "min"
    n = tk.Option(2, bounds=(1, 6))
    algebraic = tk.Option(True)
    kinetics = tk.Option("tanh", choices=("tanh", "monod", "sin", "cube"))
    shift = tk.Option(1)
    x = tk.State("", 1.0, shape="n")
    z = tk.Algebraic("", 0.1, shape="n")
    u = tk.Input("", 0.5)
    a = tk.Parameter("1/min", 0.3, shape="n")
    b = tk.Parameter("1/min", 0.8, shape="n")
    y = tk.Output("", shape="n")

    def equations(self, v, m):
        other = m.roll(v.x, self.shift)
        if self.kinetics == "tanh":
            form = m.tanh(other)
        elif self.kinetics == "monod":
            form = m.abs(other) / (1.0 + m.abs(other))
        elif self.kinetics == "sin":
            form = m.sin(other + v.t / m.quantity(1.0, "min"))
        else:
            form = other * other * other / (1.0 + other * other)
        solved = v.z if self.algebraic else form
        minute = m.quantity(1.0, "min")
        return {
            "x": v.a * solved - v.b * v.x + m.where(v.x >= 0.7, v.u, 0.5 * v.u) / minute,
            "z": v.z + 0.3 * m.tanh(v.z) - form - 0.1 * v.u,
            "y": v.x * solved + v.z,
        }


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(data=st.data())
def test_random_models_run_the_same_as_fmus(data, tmp_path):
    count = data.draw(st.integers(1, 4), "n")
    numbers = st.floats(-1.0, 1.0).map(lambda x: round(x, 3))
    vector = st.lists(numbers, min_size=count, max_size=count).map(np.array)
    model = Random(
        n=count, algebraic=data.draw(st.booleans()),
        kinetics=data.draw(st.sampled_from(["tanh", "monod", "sin", "cube"])), shift=data.draw(st.integers(-2, 2)),
    )  # fmt: skip
    changes = {"a": data.draw(vector), "b": data.draw(vector) + 1.5, "x": data.draw(vector), "u": data.draw(numbers)}
    kind = data.draw(st.sampled_from(["cs", "me"]), "kind")
    path = tk.fmi.export(model, tmp_path / "a.fmu", version="3.0", kind="both", binary="required").path
    expected = tk.simulate(model.with_(changes), until=3, outputs=13, rtol=1e-11)
    start = {name: tuple(np.atleast_1d(value)) if name != "u" else value for name, value in changes.items()}
    with tk.fmi.open(path, kind=kind) as fmu:
        begin = fmu.reset(start)
        rows = [begin, *(fmu.step(15.0) for _ in range(12))]
        for name in ("x", "z", "y"):
            got = np.array([row[name] for row in rows])
            np.testing.assert_allclose(got, expected[name].values, rtol=1e-6, atol=1e-7, err_msg=name)
        reading, layout = casadi_model(model), model.layout
        now = {name: np.atleast_1d(fmu.get(name)[name]) for name in ("x", "z", "u", "a", "b")}
        p = np.concatenate([now[entry.name] for entry in layout.parameters])
        here = (fmu.get("time")["time"] / 60.0, now["x"], now["z"], now["u"], p)
        fx, fz, gx, gz, _, _ = map(np.asarray, reading.jacobians(*here))
        total = (fx - fz @ np.linalg.solve(gz, gx)) / 60.0
        np.testing.assert_allclose(fmu.derivatives(["der(x)"], ["x"]), total, rtol=1e-10, atol=1e-14)
