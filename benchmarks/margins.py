"""How often a limit is exceeded in closed loop where the model was learned from a few noisy batches.

    python -m benchmarks.margins [--loops 1000] [--fits 50]

Cells take up substrate in a way the mechanism does not know; a Gaussian process and the largest rate are learned from
a few noisy batches. A controller keeps the substrate at a limit, with noise, and an extended Kalman filter that knows
the fitted model only. The share of nodes at which the true substrate is above the limit is counted, with margins from
the estimate alone, and with what was fitted in them too:

- drawn plants: one fit; the plant of every loop is drawn from the posterior of that fit. Were all linear, the share
  would be as asked.
- poor probe: drawn plants with a probe that the filter believes half; what it does not know then misleads it, unless it
  adapts the shift of the term.
- new fits: the plant is always the same; it is fitted to new batches many times, and controlled some times each.
"""

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

import twinkit as tk
from benchmarks.report import table
from twinkit.estimate import Adaptation, ExtendedKalmanFilter, Sensor

LIMIT, STEP, STEPS, SETTLED = 6.0, 2.0, 6, 2  # g/L, h; from the node after `SETTLED` on the plan is at the limit
PROBE, POOR_PROBE, DRIFT, START = 0.003, 0.05, 0.02, 5.0  # g/L, g/L, g/L per square root of an hour, g/L
ADAPT = 0.035  # g/L/h: how unsure the filter is of the shift of the term, where it adapts that
BATCHES, NOISE = 3, 0.4  # of the batches it is fitted to: number, and noise of a reading in g/L


class Culture(tk.Model):
    """Resting cells that take up a substrate which is fed; how fast is not known well."""

    time_unit = "h"
    S = tk.State("g/L", initial=START, bounds=(0, None), nominal=2.0)
    F = tk.Input("g/L/h", default=1.0, bounds=(0, 5))
    q_max = tk.Parameter("g/L/h", 1.5, bounds=(0.1, 10.0))

    def equations(self, v, m):
        return {"S": v.F - m.rate("uptake", v.q_max * v.S / (v.S + self.needed(v, m)))}

    def needed(self, v, m):
        return m.quantity(1.0, "g/L")


class TrueCulture(Culture):
    """The same cells; much substrate slows them down."""

    q_max = tk.Parameter("g/L/h", 2.5, bounds=(0.1, 10.0))

    def needed(self, v, m):
        return m.quantity(1.0, "g/L") + v.S * v.S / m.quantity(15.0, "g/L")


def batches(seed: int) -> list[tk.Batch]:
    """Return batches of 12 hours with a feed moved by hand."""
    rng, found = np.random.default_rng(seed), []
    for k in range(BATCHES):
        feed = {"F": tk.steps(dict(zip((0.0, 4.0, 8.0), rng.uniform(0.5, 2.5, 3), strict=True)))}
        start = {"S": float(rng.uniform(2.0, 8.0))}
        run = tk.simulate(TrueCulture(), 12.0, initial=start, inputs=feed, outputs=np.linspace(0.0, 12.0, 9))
        noisy = np.asarray(run["S"], dtype=float) + NOISE * rng.standard_normal(len(run.time))
        rows = [tk.Measurement("S", float(v), "g/L", float(t), std=NOISE) for t, v in zip(run.time, noisy, strict=True)]
        found.append(tk.Batch(f"B{k}", rows, initial=start, inputs=feed, until=12.0))
    return found


def fitted(seed: int) -> tk.hybrid.HybridModel:
    """Return a hybrid model of new batches."""
    gate, terms = {"uptake": {"S": 0.1}}, tk.hybrid.InducingGP(points=8)
    model = tk.hybrid.Residual(Culture(), on={"uptake": ["S"]}, gates=gate, terms=terms)
    return tk.hybrid.HybridModel(model, parameters={"q_max": 0.5}, rounds=3, progress=False).fit(batches(seed))


def controller(hybrid: tk.hybrid.HybridModel, confidence: float, posterior: bool) -> tk.MPC:
    """Return a controller that would like to be above the limit."""
    known = {"model": hybrid} if posterior else {"model": hybrid.model_, "applicability": hybrid.applicability_}
    return tk.MPC(
        **known, horizon=4 * STEP, step=STEP, track={"S": 8.0}, moves={"F": tk.Move(penalty=1e-3)}, native=False,
        within={"S": tk.Within(None, LIMIT, penalty=100.0)}, confidence=confidence, margin_growth=STEP,
    )  # fmt: skip


HEAD = ["plants", "confidence", "margins from", "violated", "allowed", "standard error", "loops", "nodes",
        "mean margin [g/L]", "plans not fresh", "beyond the domain"]  # fmt: skip


@dataclass(frozen=True)
class Counted:
    """Nodes above the limit, nodes, plans that were not fresh, plans beyond the domain, and the sum of the margins."""

    over: int
    nodes: int
    stale: int
    foreign: int
    margin: float


def loop(mpc: tk.MPC, plant: tk.Model, rng: np.random.Generator, probe: float, adapt: float = 0.0) -> Counted:
    """Control one plant; the filter adapts the shift of the term where `adapt` gives its standard deviation.

    The filter has no gate: with a model that is wrong, it would take good readings for outliers.
    """
    ekf = ExtendedKalmanFilter(
        mpc.model, [Sensor("S", std=probe)], {"S": probe}, process_noise={"S": DRIFT}, initial={"S": START},
        gate=None, adapt={"uptake_term.shift": Adaptation(std=adapt)} if adapt else {},
    )  # fmt: skip
    value = START + probe * rng.standard_normal()
    estimate, plan, over, stale, foreign, margin = ekf.start(), None, 0, 0, 0, 0.0
    for k in range(STEPS):
        plan = mpc.plan(estimate, k * STEP, previous=plan)
        stale, foreign = stale + (not plan.status.fresh), foreign + (not plan.in_domain)
        q = plan.moves["F"].first
        run = tk.simulate(plant, (k + 1) * STEP, start=k * STEP, initial={"S": value}, inputs={"F": q}, rtol=1e-6)
        value = float(run["S"][-1]) + DRIFT * math.sqrt(STEP) * rng.standard_normal()
        if k >= SETTLED:
            over, margin = over + (value > LIMIT), margin + LIMIT - float(plan.predicted["S"].mean[1])
        reading = tk.Measurement("S", value + probe * rng.standard_normal(), "g/L", source_time=(k + 1) * STEP)
        estimate = replace(ekf, inputs={"F": q}).update(estimate, reading)
    return Counted(over, STEPS - SETTLED, stale, foreign, margin)


def drawn_plants(
    confidence: float, posterior: bool, loops: int, probe: float = PROBE, adapt: float = 0.0, seed: int = 0
) -> Iterator[list[Counted]]:
    """Control plants drawn from the posterior of one fit; every loop is a group of its own."""
    hybrid = fitted(seed)
    mpc, rng = controller(hybrid, confidence, posterior), np.random.default_rng(seed + 1)
    draws = hybrid.posterior_.draw(hybrid.model_, count=loops, seed=seed + 2)
    for k in range(loops):
        plant = hybrid.model_.with_({name: values[k] for name, values in draws.items()})
        yield [loop(mpc, plant, rng, probe, adapt)]


def new_fits(
    confidence: float, posterior: bool, loops: int, fits: list[tk.hybrid.HybridModel]
) -> Iterator[list[Counted]]:
    """Control the true plant with models of different batches; the loops of one fit are a group."""
    rng = np.random.default_rng(7)
    for hybrid in fits:
        mpc = controller(hybrid, confidence, posterior)
        yield [loop(mpc, TrueCulture(), rng, PROBE) for _ in range(loops // len(fits))]


def row(title: str, confidence: float, posterior: bool, groups: list[list[Counted]]) -> list[str]:
    """Return a line of the table; the standard error is that of the groups, as nodes of one are alike."""
    every = [one for group in groups for one in group]
    rates = np.array([sum(one.over for one in group) / sum(one.nodes for one in group) for group in groups])
    nodes = sum(one.nodes for one in every)
    return [
        title, f"{confidence:g}", "estimate and fit" if posterior else "estimate", f"{rates.mean():.4f}",
        f"{1.0 - confidence:.2f}", f"{rates.std(ddof=1) / math.sqrt(len(rates)):.4f}", str(len(every)), str(nodes),
        f"{sum(one.margin for one in every) / nodes:.3f}", str(sum(one.stale for one in every)),
        str(sum(one.foreign for one in every)),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loops", type=int, default=1000)
    parser.add_argument("--fits", type=int, default=50)
    options = parser.parse_args()
    rows, fits = [], [fitted(seed) for seed in range(100, 100 + options.fits)]
    for confidence in (0.9, 0.95):
        for posterior in (False, True):
            drawn = list(drawn_plants(confidence, posterior, options.loops))
            rows.append(row("drawn plants", confidence, posterior, drawn))
            rows.append(
                row("new fits", confidence, posterior, list(new_fits(confidence, posterior, options.loops, fits)))
            )
    for title, posterior, adapt in (("poor probe", True, 0.0), ("poor probe, shift adapted", False, ADAPT)):
        rows.append(row(title, 0.95, posterior, list(drawn_plants(0.95, posterior, options.loops, POOR_PROBE, adapt))))
    print(table("Chance constraints with a model learned from data", HEAD, rows))


if __name__ == "__main__":
    main()
