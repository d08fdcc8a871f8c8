"""Controllers in closed loop, against do-mpc on its own examples.

    DO_MPC_PYTHON=/path/to/env/bin/python python -m benchmarks.mpc [--steps 100] [case ...]

do-mpc (LGPL) runs in an environment of its own, named by ``DO_MPC_PYTHON``; without it only twinkit is measured. Cases:
the CSTR and the fed-batch of do-mpc, and the CSTR with nine scenarios (multi-stage, robust horizon 1). Objective,
limits, horizon and initial state are those of do-mpc's examples, and so is the plant's model; CVODES integrates
twinkit's plant, SciPy do-mpc's, to 1e-9. Times are processor times of one call per step, medians over the steps after
the first.

Costs are compared step by step: from each state of do-mpc's closed loop both plan, and the costs of both plans are
computed by a simulation. do-mpc's discretisation (collocation of degree 2) is coarser than twinkit's, its soft limits
hold at the starts of the steps, its others within steps too: so its plans may be a little worse. A second comparison is
with a do-mpc that was asked for the same (see mpc_peer.py).
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import twinkit as tk
from benchmarks.report import duration, table

TARGETS = {"cstr": (8.0, 3.0), "fed-batch": (12.0, 5.0), "nine-scenarios": (5.0, 5.0), "polymerisation": (3.0, None),
           "polymerisation-robust": (None, None)}  # fmt: skip


class Reactor(tk.Model):
    """The stirred tank of do-mpc's example "CSTR" (H. Chen, A. Kremling, F. Allgöwer, Proc. ECC 1995, 3247-3252)."""

    time_unit = "h"
    C_a = tk.State("", initial=0.8, nominal=1.0)
    C_b = tk.State("", initial=0.4, nominal=1.0)
    T_R = tk.State("", initial=134.14, nominal=100.0)
    T_K = tk.State("", initial=130.0, nominal=100.0)
    F = tk.Input("1/h", default=5.0, bounds=(5.0, 100.0), nominal=100.0)
    Q = tk.Input("1/h", default=-6000.0, bounds=(-8500.0, 0.0), nominal=2000.0)
    alpha = tk.Parameter("", 1.0)
    beta = tk.Parameter("", 1.0)

    def equations(self, v, m):
        rate, kelvin = m.quantity(1.0, "1/h"), v.T_R + 273.15
        k2 = rate * 1.287e12 * m.exp(-9758.3 / kelvin)
        k1, k3 = v.beta * k2, rate * 9.043e9 * m.exp(-8560.0 * v.alpha / kelvin)
        heat = k1 * v.C_a * 4.2 - 11.0 * k2 * v.C_b - 41.85 * k3 * v.C_a**2
        capacity, wall = 0.9342 * 3.01, rate * (4032.0 * 0.215)
        return {
            "C_a": v.F * (5.1 - v.C_a) - k1 * v.C_a - k3 * v.C_a**2,
            "C_b": -v.F * v.C_b + k1 * v.C_a - k2 * v.C_b,
            "T_R": -heat / capacity + v.F * (130.0 - v.T_R) + wall * (v.T_K - v.T_R) / (capacity * 10.01),
            "T_K": (v.Q + wall * (v.T_R - v.T_K)) / 10.0,
        }


class FedBatch(tk.Model):
    """The fed-batch of do-mpc's example "batch bioreactor"."""

    time_unit = "h"
    X = tk.State("", initial=1.0, nominal=1.0)
    S = tk.State("", initial=0.5, nominal=1.0)
    P = tk.State("", initial=0.0, nominal=1.0)
    V = tk.State("", initial=120.0, nominal=100.0)
    feed = tk.Input("1/h", default=0.0, bounds=(0.0, 0.2), nominal=0.2)

    def equations(self, v, m):
        rate = m.quantity(1.0, "1/h")
        growth = rate * 0.02 * v.S / (0.05 + v.S + v.S**2 / 5.0)
        dilution = v.feed / v.V
        return {
            "X": growth * v.X - dilution * v.X,
            "S": -growth * v.X / 0.4 - rate * 0.004 * v.X / 1.2 + dilution * (200.0 - v.S),
            "P": rate * 0.004 * v.X - dilution * v.P,
            "V": v.feed,
        }


class Polymerisation(tk.Model):
    """The semi-batch of do-mpc's example "industrial polymerization reactor".

    Monomer is fed with water and polymerises; a jacket and an external heat exchanger take the heat. ``T_adiab`` is the
    temperature that all monomer left would lead to. Temperatures in K, masses in kg, heat in kJ.

    References
    ----------
    S. Lucia, T. Finkler, S. Engell (2013), J. Process Control 23:1306-1319, doi:10.1016/j.jprocont.2013.08.008
    """

    time_unit = "h"
    m_W = tk.State("", initial=10000.0, nominal=1e4)
    m_A = tk.State("", initial=853.0, nominal=1e3)
    m_P = tk.State("", initial=26.5, nominal=1e4)
    T_R = tk.State("", initial=363.15, nominal=10.0)
    T_S = tk.State("", initial=363.15, nominal=10.0)
    Tout_M = tk.State("", initial=363.15, nominal=10.0)
    T_EK = tk.State("", initial=308.15, nominal=10.0)
    Tout_AWT = tk.State("", initial=308.15, nominal=10.0)
    accum_monom = tk.State("", initial=300.0, nominal=1e4)
    T_adiab = tk.State("", initial=363.15 + 853.0 * 950.0 / (10879.5 * 5.0), nominal=10.0)
    m_dot_f = tk.Input("1/h", default=0.0, bounds=(0.0, 3e4), nominal=1e4)
    T_in_M = tk.Input("", default=363.15, bounds=(333.15, 373.15), nominal=10.0)
    T_in_EK = tk.Input("", default=363.15, bounds=(333.15, 373.15), nominal=10.0)
    T_low = tk.Output("", nominal=10.0)  # T_R again, because its lower limit is hard and its upper one soft
    delH_R = tk.Parameter("", 950.0)
    k_0 = tk.Parameter("1/h", 7.0)

    def equations(self, v, m):
        per_hour = m.quantity(1.0, "1/h")
        total, polymer = v.m_W + v.m_A + v.m_P, v.m_P / (v.m_A + v.m_P)
        rate = v.k_0 * (4.0 * (1.0 - polymer) + 32.0 * polymer)
        inside = rate * m.exp(-8500.0 / (8.314 * v.T_R)) * v.m_A * (1.0 - 200.0 / total)
        outside = rate * m.exp(-8500.0 / (8.314 * v.T_EK)) * v.m_A * 200.0 / total
        monomer = 0.667 * v.m_dot_f - inside - outside
        wall = per_hour * 65.0 * (17280.0 * v.m_W + 3600.0 * v.m_A + 360.0 * v.m_P) / total
        lost, passed = wall * (v.T_R - v.T_S), wall * (v.T_S - v.Tout_M)
        pumped, exchanged = per_hour * 1e5 * (v.T_R - v.T_EK), per_hour * 3.6e6 * (v.T_EK - v.Tout_AWT)
        warming = (3.0 * v.m_dot_f * (298.15 - v.T_R) - lost - pumped + v.delH_R * inside) / (5.0 * total)
        latent = v.delH_R / (5.0 * total)
        return {
            "m_W": 0.333 * v.m_dot_f,
            "m_A": monomer,
            "m_P": inside + outside,
            "T_R": warming,
            "T_S": (lost - passed) / (0.47 * 39000.0),
            "Tout_M": (per_hour * 1.26e6 * (v.T_in_M - v.Tout_M) + passed) / (4.2 * 5000.0),
            "T_EK": (pumped - exchanged + v.delH_R * outside) / (5.0 * 200.0),
            "Tout_AWT": (per_hour * 4.2e5 * (v.T_in_EK - v.Tout_AWT) + exchanged) / (4.2 * 1000.0),
            "accum_monom": v.m_dot_f,
            "T_low": v.T_R,
            "T_adiab": latent * (monomer - v.m_dot_f * v.m_A / total) + warming,
        }


@dataclass(frozen=True)
class Case:
    """One example: model, step, first moves, settings of the controller, and the cost of nodes and changes."""

    model: tk.Model
    step: float
    before: dict[str, float]
    settings: dict[str, Any]
    cost: Callable[[np.ndarray, np.ndarray], float]
    scenarios: tuple[dict[str, float], ...] = ({},)


def _cstr_cost(x: np.ndarray, change: np.ndarray) -> float:
    """Return the cost of the ends of all steps ``(N, 4)`` and the changes of the moves ``(N, 2)``."""
    over = np.maximum(x[:, 2] - 140.0, 0.0)
    moves = 0.1 * (change[:, 0] / 100.0) ** 2 + 1e-3 * (change[:, 1] / 2000.0) ** 2
    return float(np.sum((x[:, 1] - 0.6) ** 2) + 100.0 * np.sum(over) + np.sum(moves))


def _polymerisation_cost(x: np.ndarray, change: np.ndarray) -> float:
    moves = np.sum(change**2 * (0.002 / 100.0**2, 0.004, 0.002))
    return float(-np.sum(x[:, 2]) + moves + 1e4 * np.sum(np.maximum(x[:, 3] - 365.15, 0.0)))


def _fed_batch_cost(x: np.ndarray, change: np.ndarray) -> float:
    return float(-np.sum(x[:, 2]) + np.sum(change[:, 0] ** 2))


CSTR = {
    "track": {"C_b": tk.Track(0.6)},
    "moves": {"F": tk.Move(penalty=0.1, scale="100 1/h"), "Q": tk.Move(penalty=1e-3, scale="2000 1/h")},
    "within": {"C_a": (0.1, 2.0), "C_b": (0.1, 2.0), "T_R": tk.Within(50.0, 140.0, penalty=1e4), "T_K": (50.0, 140.0)},
}
POLYMERISATION = {
    "maximize": tk.summed("m_P"),
    "moves": {
        "m_dot_f": tk.Move(penalty=0.002 * 100**2, scale="10000 1/h"),  # do-mpc counts changes in 100 kg/h
        "T_in_M": tk.Move(penalty=0.004 * 10**2, scale=10.0),
        "T_in_EK": tk.Move(penalty=0.002 * 10**2, scale=10.0),
    },
    "within": {
        "m_W": (0.0, None), "m_A": (0.0, None), "m_P": (26.0, None), "T_low": (361.15, None),
        "T_R": tk.Within(None, 365.15, penalty=1e5),  # 1e4 per K
        **dict.fromkeys(("T_S", "Tout_M"), (298.0, 400.0)), **dict.fromkeys(("T_EK", "Tout_AWT"), (288.0, 400.0)),
        "accum_monom": (0.0, 3e4), "T_adiab": (None, 382.15),
    },
}  # fmt: skip
NINE = tuple({"alpha": a, "beta": b} for a, b in product((1.0, 1.05, 0.95), (1.0, 1.1, 0.9)))
NINE_POLYMERS = tuple({"delH_R": 950.0 * a, "k_0": 7.0 * b} for a, b in product((1.0, 1.3, 0.7), repeat=2))
REACTOR_FEED = {"m_dot_f": 0.0, "T_in_M": 363.15, "T_in_EK": 363.15}
CASES = {
    "cstr": Case(Reactor(), 0.005, {"F": 5.0, "Q": -6000.0}, CSTR, _cstr_cost),
    "fed-batch": Case(
        FedBatch(),
        1.0,
        {"feed": 0.0},
        {
            "maximize": tk.summed("P"),
            "moves": {"feed": tk.Move(penalty=0.04)},  # 1 per (L/h)^2
            "within": {"X": (0.0, 3.7), "S": (-0.01, None), "P": (0.0, 3.0)},
        },
        _fed_batch_cost,
    ),
    "nine-scenarios": Case(
        Reactor(), 0.005, {"F": 5.0, "Q": -6000.0}, {**CSTR, "scenarios": {str(k): p for k, p in enumerate(NINE)}},
        _cstr_cost, NINE,
    ),
    "polymerisation": Case(
        Polymerisation(), 50.0 / 3600.0, REACTOR_FEED, POLYMERISATION, _polymerisation_cost,
    ),
    "polymerisation-robust": Case(
        Polymerisation(), 50.0 / 3600.0, REACTOR_FEED,
        {**POLYMERISATION, "scenarios": {str(k): p for k, p in enumerate(NINE_POLYMERS)}}, _polymerisation_cost,
        NINE_POLYMERS,
    ),
}  # fmt: skip


def controller(case: Case, native: bool, rtol: float, **more: Any) -> tk.MPC:
    """Return the controller of a case."""
    settings = {**case.settings, **more}
    return tk.MPC(case.model, horizon=20 * case.step, step=case.step, native=native, rtol=rtol, **settings)


def run(case: Case, changes: dict[str, float], x: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Return the states at the ends of the steps, with moves ``(N, inputs)`` held over them."""
    labels, times = case.model.layout.states.labels, case.step * np.arange(len(moves) + 1)
    low, high = np.array([case.model.layout.inputs[name].variable.bounds for name in case.before]).T
    moves = np.clip(moves, low, high)  # IPOPT leaves bounds by its tolerance
    inputs = {name: tk.steps((times[:-1], moves[:, j])) for j, name in enumerate(case.before)}
    found = tk.simulate(
        case.model.with_(**changes), until=times[-1], outputs=times, initial=dict(zip(labels, x, strict=True)),
        inputs=inputs, rtol=1e-10, solver=tk.Cvodes(),
    )  # fmt: skip
    return np.column_stack([found[label].values for label in labels])[1:]


def cost_of(case: Case, x: np.ndarray, before: np.ndarray, moves: np.ndarray) -> float:
    """Return what a plan costs in the model without scenarios."""
    return case.cost(run(case, {}, x, moves), np.diff(np.vstack([before, moves]), axis=0))


def moves_of(plan: tk.control.Plan) -> np.ndarray:
    """Return the moves of a plan, ``(N, inputs)``."""
    return np.column_stack([move.values for move in plan.moves.values()])


def twinkit_run(case: Case, steps: int, native: bool, rtol: float, **more: Any) -> dict[str, Any]:
    """Return the closed loop of twinkit."""
    mpc, labels = controller(case, native, rtol, **more), case.model.layout.states.labels
    x = np.array([case.model.values()[label] for label in labels], dtype=float)
    seconds, states, inputs, optimal, fresh, plan = [], [x], [], 0, 0, None
    for k in range(steps):
        given = dict(zip(labels, x.tolist(), strict=True))
        began = time.process_time()
        plan = mpc.plan(given, t=k * case.step, previous=plan, applied=case.before if plan is None else None)
        seconds.append(time.process_time() - began)
        optimal += isinstance(plan.status, tk.control.Optimal)
        fresh += plan.status.fresh
        inputs.append(moves_of(plan)[0])
        x = run(case, {}, x, inputs[-1][None])[0]
        states.append(x)
    changes = np.diff(np.vstack([list(case.before.values()), inputs]), axis=0)
    total = case.cost(np.array(states)[1:], changes)
    return {"seconds": seconds, "optimal": optimal, "fresh": fresh, "states": states, "inputs": inputs, "cost": total}


def peer_run(name: str, case: Case, steps: int, mode: str, python: str) -> dict[str, Any]:
    """Return the closed loop of do-mpc."""
    with tempfile.TemporaryDirectory() as folder:
        target, script = Path(folder) / "result.npz", Path(__file__).with_name("mpc_peer.py")
        command = [python, str(script), name, str(steps), mode, str(target)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
        found: dict[str, Any] = dict(np.load(target))
    found["optimal"] = found["fresh"] = int(found["solved"].sum())
    changes = np.diff(np.vstack([list(case.before.values()), found["inputs"]]), axis=0)
    found["cost"] = case.cost(found["states"][1:], changes)
    return found


def compared(case: Case, peer: dict[str, Any], rtol: float) -> np.ndarray:
    """Return by how much do-mpc's plans cost more than twinkit's from the same state, per tenth step.

    Relative to the largest cost: near the set point costs are almost 0.
    """
    mpc, labels, found = controller(case, False, rtol), case.model.layout.states.labels, []
    before = np.vstack([list(case.before.values()), peer["inputs"]])
    for k in range(0, len(peer["starts"]), 10):
        x, last = peer["starts"][k], before[k]
        plan = mpc.plan(
            dict(zip(labels, x.tolist(), strict=True)), t=0.0, applied=dict(zip(case.before, last, strict=True))
        )
        if not plan.status.fresh:
            print(f"no plan from step {k}: {plan.status.text}")
            continue
        ours, theirs = (cost_of(case, x, last, moves) for moves in (moves_of(plan), peer["planned"][k]))
        found.append((ours, theirs))
    ours, theirs = np.array(found).T
    return (theirs - ours) / np.abs(ours).max()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=list(CASES), help="which (default: all)")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rtol", type=float, default=1e-4, help="accuracy of twinkit's discretisation")
    options = parser.parse_args()
    python = os.environ.get("DO_MPC_PYTHON")
    if not python:
        print("DO_MPC_PYTHON is not set: do-mpc is left out", file=sys.stderr)
    for name in options.cases or list(CASES):
        case = CASES[name]
        found = {
            "twinkit, C compiler": twinkit_run(case, options.steps, True, options.rtol),
            "twinkit, no compiler": twinkit_run(case, options.steps, False, options.rtol),
            "twinkit, one iteration": twinkit_run(
                case, options.steps, True, options.rtol, iterations=1, escalate=False
            ),
        }
        if python:
            found["do-mpc"] = peer_run(name, case, options.steps, "quiet", python)
            found["do-mpc as shipped (prints)"] = peer_run(name, case, options.steps, "loud", python)
        medians = {key: float(np.median(one["seconds"][1:])) for key, one in found.items()}
        fast, slow = list(medians.values())[:2]
        rows = [
            [key, duration(medians[key]), duration(float(np.max(one["seconds"][1:]))), str(one["optimal"]),
             str(one["fresh"]), f"{one['cost']:.7g}", f"{medians[key] / fast:.1f} x", f"{medians[key] / slow:.1f} x"]
            for key, one in found.items()
        ]  # fmt: skip
        head = ["", "median step", "longest", "optimal", "checked", "cost of the loop", "than C", "than no compiler"]
        print(table(f"{name}: {options.steps} steps, rtol {options.rtol:g}; targets {TARGETS[name]}", head, rows))
        if python and len(case.scenarios) == 1:
            fine = peer_run(name, case, options.steps, "fine", python)
            for what, peer in (("", found["do-mpc"]), (", asked for the same,", fine)):
                more = compared(case, peer, options.rtol)
                spread = f"{more.min():.1e} to {more.max():.1e}, median {np.median(more):.1e}"
                print(f"do-mpc's plans{what} cost more by (relative) {spread}")


if __name__ == "__main__":
    main()
