"""Bioreactors without a published trajectory: their equations written out by hand, with numbers, for SciPy.

Nothing here is computed by the models: constants are typed from the tables of the parameter sets, laws from their
publications and the models' documentation. SciPy's LSODA at rtol 1e-11 is the reference; Radau at 1e-9 must agree with
it. Tolerance: 1e-5 of the largest value of each column over the whole trajectory.
"""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import twinkit as tk
from twinkit.unitops import CHOBolusFed, CHOPerfusion, YeastBottleneck

TOLERANCE = 1e-5
LSODA = {"method": "LSODA", "rtol": 1e-11, "atol": 1e-13}
RADAU = {"method": "Radau", "rtol": 1e-9, "atol": 1e-12}


def yeast(t, y, feed):
    """Sonnleitner & Kaeppeli's bottleneck; V, X, S, E, O2 in L and g/L, CO2 in g."""
    V, X, S, E, O2, _ = y
    capacity = 0.256 * O2 / (O2 + 1e-4)
    uptake = 3.5 * S / (S + 0.5)
    respired = min(uptake, capacity / 0.396)
    reduced = uptake - respired
    on_ethanol = min(0.24 * E / (E + 0.1) * 0.1 / (0.1 + S), (capacity - 0.396 * respired) / 1.104)
    growth = 0.49 * respired + 0.05 * reduced + 0.72 * on_ethanol
    made = 0.48 * reduced - on_ethanol
    # g carbon per g: CH2O 12.011/30.026, C2H6O 24.022/46.069, CH1.79O0.57N0.15 12.011/25.036, CO2 12.011/44.009
    carbon = 0.4000199826816759 * uptake - 0.5214352384466778 * made - 0.4797491611998722 * growth
    flow = feed(t)
    return [
        flow,
        growth * X - flow / V * X,
        flow / V * (300.0 - S) - uptake * X,
        made * X - flow / V * E,
        500.0 * (7e-3 - O2) - (0.396 * respired + 1.104 * on_ethanol) * X - flow / V * O2,
        carbon / 0.27292144788565974 * X * V,
    ]


def kornecki(Xv, Glc, Gln, Lac, Amm):
    """Specific rates of Kornecki & Strube: net growth, death, and glucose, glutamine, ammonium, antibody."""
    mu = 0.039 * Glc / (1.0 + Glc) * Gln / (0.047 + Gln) * 43.0 / (43.0 + Lac) * 6.51 / (6.51 + Amm)
    death = 0.004 * Lac / (45.8 + Lac) * Amm / (6.51 + Amm)
    net = mu - death
    return (
        net,
        death,
        net / 0.357 + 0.0692 * Glc / (Glc + 0.1),
        net / 0.974 + 0.0032 * Gln / (2.1 + Gln),
        0.67 * net / 0.974 - 0.0063 * Amm / (Amm + 0.1),
        0.00151 * (1.0 - mu / 0.039),
    )


def perfusion(t, y):
    """Perfusion at 2 volumes a day from day 0, bleed 10 %, retention 98 %."""
    Xv, Xd, Glc, Gln, Lac, Amm, mAb = y
    net, death, glucose, glutamine, ammonium, product = kornecki(Xv, Glc, Gln, Lac, Amm)
    D = 2.0 / 24.0
    lost = D * 0.1 + D * 0.9 * 0.02
    return [
        net * Xv - lost * Xv,
        death * Xv - lost * Xd,
        -glucose * Xv + D * (40.0 - Glc),
        -glutamine * Xv + D * (6.0 - Gln),
        0.7 * glucose * Xv - D * Lac,
        ammonium * Xv - D * Amm,
        product * Xv - D * mAb,
    ]


def craven(t, y, kelvin, pH):
    """Craven et al.: death of slow growth, lysis, decay of glutamine; growth by Arrhenius and cardinal pH."""
    Xv, Xd, Glc, Gln, Lac, Amm, _, _ = y
    heat = np.exp(-70e3 / 8.31446261815324 * (1.0 / kelvin - 1.0 / 310.15))
    acid = (pH - 6.3) * (pH - 8.1) / ((pH - 6.3) * (pH - 8.1) - (pH - 7.1) ** 2)
    mu = 0.048 * heat * acid * Glc / (1.0 + Glc) * Gln / (0.22 + Gln) * 150.0 / (150.0 + Lac) * 40.0 / (40.0 + Amm)
    death = 0.01 * 0.01 / (mu + 0.01)
    glucose = mu / 0.17 + 0.14 * Glc / (Glc + 0.1)
    glutamine = mu / 1.3 + 0.007 * Gln / (Gln + 0.1)
    return [
        (mu - death) * Xv,
        death * Xv - 0.005 * Xd,
        -glucose * Xv,
        -glutamine * Xv - 0.001 * Gln,
        2.0 * glucose * Xv,
        0.9 * glutamine * Xv + 0.001 * Gln,
        0.001 * Xv,
        0.0,
    ]


def integrate(rate, begin, end, start, times, arguments=(), how=LSODA):
    """Return rows at `times` within ``(begin, end]``; the last time is the end."""
    grid = np.append(times[(times > begin) & (times < end)], end)
    run = solve_ivp(rate, (begin, end), start, t_eval=grid, args=arguments, **how)
    assert run.success
    return run.y.T


def yeast_rows(times, how=LSODA):
    """A batch of 10 h, then a feed that grows."""
    start = np.array([1.0, 0.5, 10.0, 0.0, 7e-3, 0.0])
    batch = integrate(yeast, 0.0, 10.0, start, times, (lambda t: 0.0,), how)
    fed = integrate(yeast, 10.0, 30.0, batch[-1], times, (lambda t: 2e-3 * np.exp(0.1 * (t - 10.0)),), how)
    return np.vstack([start, batch, fed])


def bolus_rows(times, how=LSODA):
    """A bolus of 20 mL and a sample of 5 mL every day, 33 degC from day 5, pH 6.9 from day 6."""
    start = np.array([0.3, 0.0, 30.0, 4.0, 0.0, 0.0, 0.0, 1.0])
    rows, y = [start], start
    for day in range(10):
        kelvin, pH = (310.15 if day < 5 else 306.15), (7.1 if day < 6 else 6.9)
        got = integrate(craven, 24.0 * day, 24.0 * (day + 1), y, times, (kelvin, pH), how)
        y = got[-1].copy()
        if day < 9:  # at 24, 48, ... 216 h; the run ends at 240 h
            V = y[7]
            fed = np.array([0.0, 0.0, 653.0, 58.8, 0.0, 0.0, 0.0])
            y[:7] = (y[:7] * V + fed * 0.02) / (V + 0.02)
            y[7] = V + 0.02 - 0.005
            got[-1] = y  # a row at a happening is the one just after it
        rows.extend(got)
    return np.vstack([rows[0], *rows[1:]])


def perfusion_rows(times, how=LSODA):
    """Thirty days."""
    start = np.array([0.3, 0.0, 35.0, 4.0, 0.0, 0.0, 0.0])
    return np.vstack([start, integrate(perfusion, 0.0, times[-1], start, times, (), how)])


def ran_yeast(times, solver):
    def feed(t):
        return 2e-3 * np.exp(0.1 * (t - 10.0))

    first = times <= 10.0
    batch = tk.simulate(YeastBottleneck(), 10.0, outputs=times[first], solver=solver)
    end = {name: max(float(batch[name][-1]), 0.0) for name in YEAST}
    fed = tk.simulate(
        YeastBottleneck(), 30.0, start=10.0, initial=end, inputs={"F": feed}, outputs=times[~first], solver=solver
    )
    return {name: np.concatenate([batch[name].values, fed[name].values]) for name in YEAST}


def ran_bolus(times, solver):
    model = CHOBolusFed(bolus_every=24, sample_every=24)
    inputs = {"T": tk.steps({"0 d": "37 degC", "5 d": "33 degC"}), "pH": tk.steps({"0 d": 7.1, "6 d": 6.9})}
    run = tk.simulate(model, "10 d", inputs=inputs, outputs=times, solver=solver)
    return {name: run[name].values for name in BOLUS}


def ran_perfusion(times, solver):
    run = tk.simulate(CHOPerfusion(), times[-1], outputs=times, solver=solver)
    return {name: run[name].values for name in PERFUSION}


YEAST = ("V", "X", "S", "E", "O2", "CO2")
BOLUS = ("Xv", "Xd", "Glc", "Gln", "Lac", "Amm", "mAb", "V")
PERFUSION = ("Xv", "Xd", "Glc", "Gln", "Lac", "Amm", "mAb")
CASES = {
    "YeastBottleneck": (np.linspace(0.0, 30.0, 121), yeast_rows, ran_yeast, YEAST),
    "CHOBolusFed": (np.linspace(0.0, 240.0, 121), bolus_rows, ran_bolus, BOLUS),
    "CHOPerfusion": (np.linspace(0.0, 720.0, 121), perfusion_rows, ran_perfusion, PERFUSION),
}


@pytest.mark.parametrize("solver", [tk.Cvodes(), tk.Compiled()], ids=["Cvodes", "Compiled"])
@pytest.mark.parametrize("name", CASES)
def test_a_trajectory_is_that_of_the_equations_written_by_hand(name, solver):
    times, reference, ran, names = CASES[name]
    rows, found = reference(times), ran(times, solver)
    errors = {
        key: float(np.max(np.abs(found[key] - column)) / np.max(np.abs(column)))
        for key, column in zip(names, rows.T, strict=True)
    }
    assert max(errors.values()) < TOLERANCE, errors


@pytest.mark.parametrize("name", CASES)
def test_a_second_integrator_finds_the_same_reference(name):
    times, reference, _, _ = CASES[name]
    rows, other = reference(times), reference(times, RADAU)
    assert float(np.max(np.abs(rows - other) / np.max(np.abs(rows), axis=0))) < 1e-6
