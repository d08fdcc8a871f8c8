"""Rate laws and correlations against limits, closed forms and reference values."""

import numpy as np
import pytest
from scipy import optimize

import twinkit as tk
from twinkit.readings.numeric import NUMERIC as m
from twinkit.unitops import AeratedVessel, phenomena
from twinkit.unitops.phenomena import acid_base, aeration, heat, mixing, temperature, transfer
from twinkit.unitops.phenomena.growth import contois, haldane, monod, moser

# shared/reference/scalars.json: bicarbonate buffer at 37 degC, pK 6.1, 10.2, pKw 13.62, 0.0307 mM/mmHg, 23.8 mM
# sodium; (partial pressure of carbon dioxide in mmHg, lactate in mM) -> pH.
PH_CASES = {(38.0, 0.0): 7.40824375171386, (100.0, 0.0): 6.988902299341357, (38.0, 10.0): 7.172134165653226}


def test_haldane_is_largest_where_andrews_says():
    k, ki = 0.5, 8.0
    found = optimize.minimize_scalar(lambda s: -haldane(s, k, ki), bounds=(0.01, 20), method="bounded")
    assert found.x == pytest.approx(np.sqrt(k * ki), rel=1e-4)
    assert -found.fun == pytest.approx(1 / (1 + 2 * np.sqrt(k / ki)), rel=1e-9)


def test_special_cases_are_monod():
    s = np.linspace(0.0, 10.0, 11)
    np.testing.assert_allclose(moser(s, 0.7, 1.0), monod(s, 0.7))
    np.testing.assert_allclose(contois(s, 2.0, 0.35), monod(s, 0.7))
    np.testing.assert_allclose(haldane(s, 0.7, 1e12), monod(s, 0.7), rtol=1e-10)
    np.testing.assert_allclose(phenomena.competitive(s, 0.7, 0.0, 1.0), monod(s, 0.7))
    np.testing.assert_allclose(phenomena.uncompetitive(s, 0.7, 0.0, 1.0), monod(s, 0.7))


def test_reversible_reaction_obeys_detailed_balance():
    k_eq = 3.0
    b = k_eq / (1 + k_eq)
    assert phenomena.reversible(2.0, k_eq, 1 - b, b) == pytest.approx(0.0, abs=1e-15)
    with pytest.raises(ValueError, match="zip"):
        phenomena.mass_action(m, 1.0, (1.0, 2.0), (1,), 1e-6)


@pytest.mark.parametrize(
    ("correlation", "power", "velocity", "expected"),
    [
        (aeration.COALESCING, 30.0, 2e-4, 5.159876991951787),
        (aeration.NON_COALESCING, 30.0, 2e-4, 14.175009997467376),
        (aeration.COALESCING, 1000.0, 0.01, 148.34600281436025),
    ],
)
def test_oxygen_transfer_coefficients_are_the_reference_values(correlation, power, velocity, expected):
    """shared/reference/scalars.json, kLa_vantRiet_1_h."""
    per_hour = 3600 * aeration.oxygen_transfer_coefficient(m, power, velocity, correlation)
    assert per_hour == pytest.approx(expected, rel=1e-12)


def test_gas_lowers_power_and_never_raises_it():
    flows = np.array([0.0, 1e-9, 1e-4, 1e-3, 1e-2])
    powers = [float(aeration.gassed_power(m, 1000.0, 5.0, 0.2, q)) for q in flows]
    assert powers[:2] == [1000.0, 1000.0]
    assert np.all(np.diff(powers) <= 0)
    assert powers[-1] < 300


def test_arrhenius_from_a_reference_is_arrhenius():
    k = temperature.arrhenius(m, 1e7, 5e4, 310.15)
    moved = temperature.arrhenius_from(m, k, 5e4, 303.15, 310.15)
    assert float(moved) == pytest.approx(float(temperature.arrhenius(m, 1e7, 5e4, 303.15)), rel=1e-12)


@pytest.mark.parametrize(("case", "expected"), PH_CASES.items())
def test_ph_by_charge_balance(case, expected):
    pressure, lactate = case
    root = optimize.brentq(lambda ph: acid_base.charge_balance(m, ph, 23.8 - lactate, 0.0307 * pressure), 2, 12)
    assert root == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("case", "expected"), PH_CASES.items())
def test_ph_in_a_model_with_an_algebraic_variable(case, expected):
    """A vessel at rest under gas of a given carbon dioxide comes to the pH of the closed form."""
    pressure, lactate = case
    vessel = AeratedVessel(lactate=lactate, OUR=0, CER=0, kLa=100, gas=1e5, y_CO2_in=pressure / 760)
    run = tk.simulate(vessel, "20 h")
    assert float(run["pH"][-1]) == pytest.approx(expected, abs=1e-5)


def test_plug_flow_jacket_lies_between_its_limits():
    much = heat.flow_jacket_heat(m, 2.0, 1e6, 40.0, 30.0)
    little = heat.flow_jacket_heat(m, 2.0, 1e-3, 40.0, 30.0)
    assert float(much) == pytest.approx(heat.wall_heat(2.0, 40.0, 30.0), rel=1e-5)
    assert float(little) == pytest.approx(1e-3 * 10.0, rel=1e-9)


class Cooling(tk.Model):
    """A vessel cooling to its jacket."""

    time_unit = "s"
    T = tk.State("K", 353.15, doc="temperature")

    def equations(self, v, m):
        """Return the heat balance."""
        cooled = heat.wall_heat(m.quantity(300.0 * 1.2, "W/K"), v.T, m.quantity(283.15, "K"))
        return {"T": -cooled / m.quantity(500.0 * 4184.0, "J/K")}


def test_jacket_cools_as_the_closed_form_says():
    """shared/reference/scalars.json, jacket: 320.8248353405654 K after 1 h."""
    assert float(tk.simulate(Cooling(), "1 h", rtol=1e-10)["T"][-1]) == pytest.approx(320.8248353405654, abs=1e-6)


class Compartments(tk.Model):
    """Two compartments of a bag, one of them with all the tracer."""

    time_unit = "s"
    first = tk.State("g/L", 1.0, doc="tracer")
    second = tk.State("g/L", 0.0, nominal=1.0, doc="tracer")

    def equations(self, v, m):
        """Return the two balances."""
        a, b = m.quantity(30.0, "L"), m.quantity(20.0, "L")
        flow = mixing.exchange_flow(m, mixing.mixing_time(30.0, m.quantity(0.5, "1/s")), a, b)
        return {
            "first": mixing.exchange(flow, a, v.second, v.first),
            "second": mixing.exchange(flow, b, v.first, v.second),
        }


def test_compartments_are_95_percent_mixed_after_the_mixing_time():
    run = tk.simulate(Compartments(), "60 s", rtol=1e-10)
    assert float(run["first"][-1] - run["second"][-1]) == pytest.approx(0.05, rel=1e-7)
    assert float(30 * run["first"][-1] + 20 * run["second"][-1]) == pytest.approx(30.0, rel=1e-9)


@pytest.mark.parametrize("uptake", [0.0, 1e-9, 1.0, 3.15, 100.0, 1e9])
def test_saturable_balance_solves_its_equation(uptake):
    supply, removal, half = 3.15, 15.0, 0.01
    c = float(transfer.saturable_balance(m, supply, removal, uptake, half))
    assert 0 < c <= supply / removal * (1 + 1e-12)
    assert removal * c + uptake * c / (half + c) == pytest.approx(supply, rel=1e-11)


def test_every_public_function_names_its_source_and_shows_an_example():
    for name in phenomena.__all__:
        item = getattr(phenomena, name)
        if callable(item) and not isinstance(item, type):
            assert "Examples\n" in item.__doc__, name
            assert "References\n" in item.__doc__ or name in {"gas_constant", "saturating_square"}, name
