"""A batch of IndPenSim: the process with its controllers, which decide every twelve minutes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import twinkit.core as tk
from twinkit.unitops.indpensim import IndPenSim
from twinkit.unitops.indpensim_recipe import SAMPLE

_PENSIMPY = "controllers of PenSimPy 1.2.5 (MIT), after Goldrick et al. 2015, doi:10.1016/j.jbiotec.2014.10.029"
_WINDOW = 64  # falls of the growth rate that are looked at, all but one of which must be falls
_FLOORED = ("S", "O2", "P", "V", "Wt", "H", "T", "Q", "viscosity", "age", "a0", "a1", "a3", "a4", "n", "nm", "phi0",
            "CO2_gas", "CO2", "PAA", "N")  # fmt: skip


class _Tuning(NamedTuple):
    """Gain, integral and derivative time [h] of a controller, and its limits, all as plain numbers."""

    gain: float
    integral: float
    derivative: float
    high: float


_BASE, _ACID = _Tuning(8e-2, 4e-5, 8.0, 225.0), _Tuning(8e-2, 12.5, 0.125, 225.0)
_COOL, _HEAT = _Tuning(-300.0, 1.6, 0.005, 1500.0), _Tuning(50.0, 0.05, 1.0, 1500.0)
_FEED = _Tuning(0.1, 0.5, 0.0, 150.0)


def _step(m: Any, tuning: _Tuning, before: Any, error: Any, error_before: Any, past: Any) -> Any:
    """Return the next output of a controller in incremental form; `past`: the measurement now and twice before."""
    now, once, twice = past
    change = error - error_before + SAMPLE / tuning.integral * error
    change = change - tuning.derivative / SAMPLE * (now - 2.0 * once + twice)
    return m.clip(before + tuning.gain * change, 0.0, tuning.high)


def _on_clock(rule: Callable[[Any, Any], tk.Balance]) -> Callable[[Any, Any], tk.Balance]:
    def balance(v: Any, m: Any) -> tk.Balance:
        found = rule(v, m)
        return tk.Balance(found.amount, inflow=found.inflow * v.clock)

    return balance


class IndPenSimBatch(IndPenSim):
    """IndPenSim with its controllers: pH by acid and base, temperature by cooling and heating water.

    The controllers sample every 12 minutes and hold their outputs in between; with `paa_control` a third one feeds
    phenylacetic acid from 10 h on. The recipe (`indpensim_recipe.RECIPE`) and the disturbance are inputs. Where
    growth has fallen for 63 of 64 samples its largest rate stays at what it has come to, as after lasting stress.
    Setpoints are inputs too: a shift of temperature or pH is a step.

    As in PenSimPy, quantities are kept from zero at every sample (at 0.001), dissolved oxygen below 2 mg/L is set to
    1 mg/L, and the pH controller forgets the setpoint in its previous error (`forgotten`; 0 mends it).

    References
    ----------
    Goldrick S., Stefan A., Lovett D., Montague G., Lennox B. (2015), Journal of Biotechnology 193:70,
    doi:10.1016/j.jbiotec.2014.10.029
    """

    paa_control = tk.Option(False, doc="feed phenylacetic acid by its concentration, not by the recipe")

    Fpaa_recipe = tk.Input("L/h", 5.0, bounds=(0, None), doc="phenylacetic acid feed of the recipe")
    pH_set = tk.Input("", 6.5, bounds=(2, 12), doc="pH wanted")
    T_set = tk.Input("K", 298.0, bounds=(270, 330), doc="temperature wanted")
    PAA_set = tk.Input("mg/L", 1200.0, bounds=(0, 1e5), doc="phenylacetic acid wanted")
    clock = tk.Input(
        "", 1.0, bounds=(0.5, 2), doc="process time per hour; 1 but where an integrator's overrun is to be reproduced"
    )

    Fb = tk.Mode("L/h", 0.0, bounds=(0, None), nominal=50.0, doc="base")
    Fa = tk.Mode("L/h", 0.0, bounds=(0, None), nominal=1.0, doc="acid")
    Fc = tk.Mode("L/h", 1e-4, bounds=(0, None), nominal=100.0, doc="cooling water")
    Fh = tk.Mode("L/h", 1e-4, bounds=(0, None), nominal=10.0, doc="heating water")
    Fpaa = tk.Mode("L/h", 0.0, bounds=(0, None), nominal=5.0, doc="phenylacetic acid feed")
    growth_limit = tk.Mode("1/h", 10.0, bounds=(0, None), doc="limit on the largest growth rate after lasting stress")
    samples = tk.Mode("", 0.0, bounds=(0, None), nominal=100.0, doc="samples taken")
    pH_once = tk.Mode("", 6.5, bounds=(0, 14), doc="pH, one sample ago")
    pH_twice = tk.Mode("", 6.5, bounds=(0, 14), doc="pH, two samples ago")
    T_once = tk.Mode("K", 297.0, bounds=(270, 345), doc="temperature, one sample ago")
    T_twice = tk.Mode("K", 297.0, bounds=(270, 345), doc="temperature, two samples ago")
    PAA_once = tk.Mode("mg/L", 1400.0, bounds=(0, None), doc="phenylacetic acid, one sample ago")
    growth_once = tk.Mode("", 0.0, bounds=(0, None), nominal=0.1, doc="growth rate over one sample, a sample ago")
    falls = tk.Mode("", 0.0, bounds=(0, None), nominal=10.0, doc="samples for which growth has fallen")
    falls_before = tk.Mode("", 0.0, bounds=(0, None), nominal=10.0, doc="the same before it last rose")

    forgotten = tk.Parameter(
        "", 1.0, bounds=(0, 1), doc="share of the setpoint left out of the last error", source=_PENSIMPY
    )

    conserved: ClassVar[Mapping[str, Any]] = {name: _on_clock(rule) for name, rule in IndPenSim.conserved.items()}

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the process's equations, on the batch's clock."""
        found = super().equations(v, m)
        return {**found, **{name: found[name] * v.clock for name in _RATES}}

    def events(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the controllers: what is sampled, decided and kept every twelve minutes."""
        least = m.where(v.samples > 0.5, 1e-3, 0.0)
        kept = {name: _floor(m, getattr(v, name), least, self.declared[name].unit) for name in _FLOORED}
        scarce = m.logical_and(m.quantity(2.0, "mg/L") > v.DO2, v.samples > 0.5)
        kept["DO2"] = m.where(scarce, m.quantity(1.0, "mg/L"), v.DO2)
        decided = {**_acidity(v, m, kept["H"]), **_temperature(v, m, kept["T"]), **_precursor(self, v, m, kept["PAA"])}
        stress = _stress(v, m)
        again = {"formed": 0.0 * v.formed, "grown": 0.0 * v.grown, "samples": v.samples + 1.0}
        return {"control": tk.Schedule(every=SAMPLE, set={**kept, **decided, **stress, **again})}


_RATES = tuple(name for name, variable in IndPenSim.declared.items() if variable.kind == "state")


def _floor(m: Any, x: Any, least: Any, unit: str) -> Any:
    return m.where(x <= 0.0, least * m.quantity(1.0, unit), x)


def _history(v: Any, m: Any, now: Any, once: Any, twice: Any) -> tuple[Any, Any, Any]:
    """Return a measurement now and twice before; there is no past until the third sample."""
    return (
        now,
        m.where(v.samples < 1.5, now, once),
        m.where(v.samples < 1.5, now, m.where(v.samples < 2.5, once, twice)),
    )


def _acidity(v: Any, m: Any, hydrogen: Any) -> dict[str, Any]:
    """Return acid and base, and what is remembered of the pH."""
    pH = -m.log10(hydrogen / m.quantity(1.0, "mol/L"))
    past = _history(v, m, pH, v.pH_once, v.pH_twice)
    error = v.pH_set - pH
    before = m.where(v.samples < 1.5, error, (1.0 - v.forgotten) * v.pH_set - past[1])
    litre = m.quantity(1.0, "L/h")
    sour = error >= -0.05
    base = _step(m, _BASE, v.Fb / litre, error, before, past) * litre
    acid = _step(m, _ACID, v.Fa / litre, error, before, past) * litre
    return {
        "Fb": m.where(sour, base, 0.5 * v.Fb),
        "Fa": m.where(sour, 0.0 * litre, acid),
        "pH_once": pH,
        "pH_twice": v.pH_once,
    }


def _temperature(v: Any, m: Any, T: Any) -> dict[str, Any]:
    """Return cooling and heating water, and what is remembered of the temperature."""
    kelvin, litre = m.quantity(1.0, "K"), m.quantity(1.0, "L/h")
    past = tuple(x / kelvin for x in _history(v, m, T, v.T_once, v.T_twice))
    error, before = v.T_set / kelvin - past[0], v.T_set / kelvin - past[1]
    warm = error <= 0.05
    # The heating controller goes on from the cooling water, as in PenSimPy.
    cooling = m.where(warm, _step(m, _COOL, v.Fc / litre, error, before, past), 0.3 * v.Fc / litre)
    heating = m.where(warm, 0.1 * v.Fh / litre, _step(m, _HEAT, v.Fc / litre, error, before, past))
    return {
        "Fc": m.maximum(cooling, 1e-4) * litre,
        "Fh": m.maximum(heating, 1e-4) * litre,
        "T_once": T,
        "T_twice": v.T_once,
    }


def _precursor(model: IndPenSimBatch, v: Any, m: Any, PAA: Any) -> dict[str, Any]:
    """Return the feed of phenylacetic acid, and what is remembered of its concentration."""
    if not model.options["paa_control"]:
        return {"Fpaa": v.Fpaa_recipe, "PAA_once": PAA}
    unit, litre = m.quantity(1.0, "mg/L"), m.quantity(1.0, "L/h")
    error = (v.PAA_set - PAA) / unit
    before = m.where(v.samples < 1.5, error, (v.PAA_set - v.PAA_once) / unit)
    fed = _step(m, _FEED, v.Fpaa / litre, error, before, (0.0, 0.0, 0.0)) * litre
    return {"Fpaa": m.where(v.samples < 10.0 / SAMPLE - 1.5, v.Fpaa_recipe, fed), "PAA_once": PAA}


def _stress(v: Any, m: Any) -> dict[str, Any]:
    """Return the limit on growth, and how long growth has fallen."""
    fell = m.logical_and(v.grown < v.growth_once, v.samples > 1.5)
    falls = m.where(fell, v.falls + 1.0, 0.0)
    before = m.where(fell, v.falls_before, v.falls)
    lasting = m.logical_and(v.samples > _WINDOW + 0.5, falls + 1.0 + before > _WINDOW - 0.5)
    rate = v.grown / m.quantity(SAMPLE, "h")
    return {
        "growth_limit": m.where(lasting, rate, v.growth_limit),
        "growth_once": v.grown,
        "falls": falls,
        "falls_before": before,
    }
