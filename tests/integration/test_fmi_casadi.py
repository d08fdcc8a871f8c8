"""FMUs inside an optimisation."""

import numpy as np
import pytest

import twinkit as tk

ca = pytest.importorskip("casadi")


def rk4(reading, x, u, p, dt):
    rate = lambda state: reading.equations(0, state, u, p)[0]  # noqa: E731
    k1 = rate(x)
    k2 = rate(x + dt / 2 * k1)
    k3 = rate(x + dt / 2 * k2)
    return x + dt / 6 * (k1 + 2 * k2 + 2 * k3 + rate(x + dt * k3))


def recover(reading, x0, data, guess, dt, force):
    """Fit the one parameter of a reading to an output sampled every `dt`, with the input held at `force`."""
    x, u, p = ca.MX.sym("x", len(reading.x0)), ca.MX.sym("u", len(reading.u0)), ca.MX.sym("p")
    step = ca.Function("step", [x, u, p], [rk4(reading, x, u, p, dt), reading.equations(0, x, u, p)[1][0]])
    state, residuals = ca.DM(x0), []
    held = ca.DM([force, *reading.u0[1:]])
    for value in data:
        after, y = step(state, held, p)
        residuals.append(y - value)
        state = after
    r = ca.Function("r", [p], [ca.vertcat(*residuals), ca.jacobian(ca.vertcat(*residuals), p)])
    for _ in range(20):  # Gauss-Newton
        value, slope = (np.asarray(part).ravel() for part in r(guess))
        guess -= float(slope @ value / (slope @ slope))
    return guess


def test_a_parameter_of_a_real_fmu_is_recovered(real_fmus):
    path = real_fmus["Mass_Damper"]
    run = tk.fmi.simulate(
        path, 0.2, step=0.001, start_time=0.0, kind="me", start={"damper.d": 7.0}, inputs={"f": 2.0},
    )  # fmt: skip
    reading = tk.fmi.casadi_function(path, ["damper.d"])
    assert (reading.inputs, reading.parameters, reading.outputs) == (("f",), ("damper.d",), ("y",))
    assert reading.p0 == [10.0]
    assert not reading.exact
    with tk.fmi.open(path, kind="me") as fmu:
        fmu.reset({"f": 2.0})
        x0 = list(fmu.get(*reading.states).values())  # what the FMU calculates, not what it declares
    assert recover(reading, x0, run.traces["y"].data, 10.0, 0.001, 2.0) == pytest.approx(7.0, rel=1e-4)


def test_directional_derivatives_of_the_fmu_are_used(spring):
    reading = tk.fmi.casadi_function(spring)
    assert reading.exact
    x, u = ca.MX.sym("x", 2), ca.MX.sym("u", len(reading.inputs))
    slope = ca.Function("slope", [x, u], [ca.jacobian(reading.equations(0, x, u, [])[0], x)])
    assert float(slope([1.0, 0.0], reading.u0)[1, 0]) == -4.0  # exact: the FMU's own


def test_what_casadi_cannot_read_is_said(spring, real_fmus):
    with pytest.raises(tk.fmi.UnsupportedFMUError, match="model exchange"):
        tk.fmi.casadi_function(real_fmus["FMU3Model"])
    with pytest.raises(tk.UnknownNameError, match="k"):
        tk.fmi.casadi_function(spring, ["kk"])
    with pytest.raises(tk.InvalidValueError, match="no parameter"):
        tk.fmi.casadi_function(spring, ["force"])
