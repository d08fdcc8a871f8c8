"""Tanks, bags and jackets: pH of a buffer, mixing, steady states, scenes that end."""

import numpy as np
import pytest

import twinkit as tk
from twinkit.unitops import BatchReactor, BufferTank, CoolingJacket, SingleUseBag, WalledJacket
from twinkit.unitops.phenomena import acid_charge
from twinkit.unitops.reactor import Thermal

NONE = 40.0  # pK of a dissociation that an acid does not have
ACETATE = {"pK1": 4.756, "pK2": NONE, "pK3": NONE}


@pytest.mark.parametrize(("strong", "acid"), [(0.0, 100.0), (50.0, 100.0), (99.9, 100.0), (0.0, 1e-3), (120.0, 100.0)])
def test_the_ph_of_a_monoprotic_buffer_is_the_root_of_its_cubic(strong, acid):
    # With h in mol/L: (h + S)(h + K) h - Kw (h + K) - A K h = 0, from the same balance, solved as a polynomial.
    k, kw, s, a = 10.0**-4.756, 1e-14, strong * 1e-3, acid * 1e-3
    roots = np.roots([1.0, s + k, s * k - kw - a * k, -kw * k])
    h = next(root.real for root in roots if abs(root.imag) < 1e-20 and root.real > 0)
    run = tk.simulate(BufferTank(acid=acid, strong=strong, **ACETATE), until="1 min")
    assert float(run["pH"][0]) == pytest.approx(-np.log10(h), abs=1e-5)


def test_phosphate_half_way_between_two_forms_is_at_its_pk():
    run = tk.simulate(BufferTank(acid=50.0, strong=75.0), until="1 min")
    assert float(run["pH"][0]) == pytest.approx(7.20, abs=1e-3)  # water and the neighbouring pK add a trace


def test_titration_stops_at_the_target_and_keeps_what_was_added():
    run = tk.simulate(BufferTank(target=7.0), until="3 h", inputs={"F_base": "0.05 L/min"})
    assert [occurrence.name for occurrence in run.occurrences] == ["target"]
    assert float(run["pH"][-1]) == pytest.approx(7.0, abs=1e-6)
    added = float(run["V"][-1]) - 100.0
    assert added == pytest.approx(0.05 * run.occurrences[0].time, rel=1e-6)
    assert float(run["strong"][-1] * run["V"][-1]) == pytest.approx(5000.0 + 2000.0 * added, rel=1e-8)
    onward = tk.simulate(BufferTank(stop_at_target=False), until="3 h", inputs={"F_base": "0.05 L/min"})
    assert float(onward["pH"][-1]) > 11.0


def test_acid_titrates_downwards():
    run = tk.simulate(BufferTank(strong=95.0, titrant="-2 mol/L"), until="3 h", inputs={"F_base": "0.05 L/min"})
    assert float(run["pH"][-1]) == pytest.approx(7.4, abs=1e-6)


def test_a_phosphate_has_at_most_three_charges():
    from twinkit.readings.numeric import NUMERIC

    assert float(acid_charge(NUMERIC, 40.0, (2.15, 7.2, 12.35))) == pytest.approx(3.0)
    assert float(acid_charge(NUMERIC, -40.0, (2.15, 7.2, 12.35))) == pytest.approx(0.0)


def test_a_bag_is_95_percent_mixed_after_its_mixing_time():
    bag = SingleUseBag(tracer_stirred=1.0, C=30.0, N=20.0, v_s=0.0)
    run = tk.simulate(bag, until="1.5 min", rtol=1e-10)
    assert float(run["theta95"][0]) == pytest.approx(1.5)
    assert float(run["tracer_stirred"][-1] - run["tracer_slow"][-1]) == pytest.approx(0.05, rel=1e-6)
    at_rest = tk.simulate(bag.with_(N=0.0), until="1 h")
    assert float(at_rest["tracer_slow"][-1]) < 1e-5


def test_a_bag_s_slow_part_starves_where_it_is_mixed_too_slowly():
    run = tk.simulate(SingleUseBag(N=2.0, uptake=0.1, P_V=300.0, v_s=5e-3), until="2 h")
    assert float(run["O2_slow"][-1]) < 0.01 < 0.05 < float(run["O2_stirred"][-1])


def test_a_jacket_cools_as_the_closed_form_says():
    """/shared/reference/scalars.json, jacket: U 300 W/m2/K, 1.2 m2, 500 kg of water; exact."""
    vessel = BatchReactor(c=0.0, thermal=Thermal.JACKET, T="353.15 K", T_jacket="283.15 K", V=500.0, rho_cp=4.184,
                          UA=300.0 * 1.2 * 60e-3)  # fmt: skip
    run = tk.simulate(vessel, until="1 h", rtol=1e-10)
    assert float(run["T"][-1]) + 273.15 == pytest.approx(320.8248353405654, abs=1e-6)


def test_a_wall_without_capacity_is_two_resistances_in_a_row():
    # At rest: heat through 1 / (1/43.2 + 1/43.2) = 21.6 kJ/min/K into 5 L/min of water.
    run = tk.simulate(WalledJacket(T_vessel=60.0, F=5.0), until="20 h", rtol=1e-10)
    plain = tk.simulate(CoolingJacket(T_vessel=60.0, F=5.0), until="20 h", rtol=1e-10)
    for name in ("T", "heat"):
        assert float(run[name][-1]) == pytest.approx(float(plain[name][-1]), rel=1e-8)


def test_what_is_out_of_bounds_is_refused():
    with pytest.raises(tk.BoundsError, match="slow"):
        SingleUseBag(slow=1.5)
    with pytest.raises(tk.BoundsError, match="target"):
        BufferTank(target=20.0)
