"""Rate laws and the fermentation model: units, balances, limits."""

import numpy as np
import pytest

from twinkit.readings import check_dimensions, evaluate_at
from twinkit.readings.numeric import NUMERIC
from twinkit.unitops import LignocellulosicEthanol
from twinkit.unitops.phenomena.fermentation import ethanol_tolerance, readiness


def test_ethanol_tolerance_falls_linearly_to_zero_and_stays_there():
    np.testing.assert_allclose(
        [ethanol_tolerance(NUMERIC, e, 80.0) for e in (0.0, 20.0, 80.0, 120.0)], [1.0, 0.75, 0.0, 0.0]
    )


def test_readiness_gives_the_lag_of_baranyi_and_roberts():
    # Integral of activity = time - lag, with lag = log(1 + 1/q0) / nu, once adapted (their eq. for the lag).
    q0, nu = 0.1, 0.5
    time = np.linspace(0, 60, 60001)
    active = readiness(NUMERIC, np.log(q0) + nu * time)
    assert time[-1] - np.trapezoid(active, time) == pytest.approx(np.log(1 + 1 / q0) / nu, rel=1e-6)


def test_units_are_consistent():
    check_dimensions(LignocellulosicEthanol())


def test_every_number_says_where_it_comes_from():
    declared = LignocellulosicEthanol.declared.values()
    assert all(variable.source for variable in declared if variable.kind in {"state", "parameter"})


def rates(**values):
    return evaluate_at(LignocellulosicEthanol(), values).derivatives


def test_mass_is_conserved_at_any_point():
    rng = np.random.default_rng(0)
    states = [name for name, v in LignocellulosicEthanol.declared.items() if v.kind == "state" and v.unit == "g/L"]
    for _ in range(20):
        found = rates(**{name: float(rng.uniform(0, 50)) for name in states}, log_readiness=float(rng.normal()))
        assert sum(found[name] for name in states) == pytest.approx(0.0, abs=1e-12)


def test_glucose_represses_xylose_uptake_and_furfural_slows_both():
    free = rates(glucose=0.0, furfural=0.0)
    repressed = rates(glucose=40.0, furfural=0.0)
    inhibited = rates(glucose=40.0, furfural=1.5)
    assert repressed["xylose"] / free["xylose"] == pytest.approx(2.0 / 42.0)
    assert inhibited["glucose"] / repressed["glucose"] == pytest.approx(1 / 3)
    assert inhibited["log_readiness"] / repressed["log_readiness"] == pytest.approx(1 / 3)


def test_nothing_is_taken_up_where_there_is_nothing():
    found = rates(glucose=0.0, xylose=0.0, furfural=0.0)
    assert all(found[name] == 0 for name in ("glucose", "xylose", "furfural", "ethanol", "biomass"))
    assert found["residual"] == 0


def test_activity_scales_every_rate_of_the_yeast():
    slow, fast = rates(activity=1.0), rates(activity=2.0)
    for name in ("glucose", "xylose", "furfural", "ethanol", "biomass"):
        assert fast[name] == pytest.approx(2 * slow[name])


def test_yield_cannot_exceed_stoichiometry():
    from twinkit.core import BoundsError

    with pytest.raises(BoundsError, match=r"0\.511"):
        LignocellulosicEthanol(yield_glucose=0.6)
