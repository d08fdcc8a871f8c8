"""The penicillin batch by other means: Radau collocation and IPOPT, and the feed then judged by SciPy.

    python -m benchmarks.penicillin_peer [--steps 33] [--elements 12] [--free]

The problem is that of `tests.control_models.Penicillin`, written out again: nothing of twinkit is used. Elements are
shorter at the start of each step, where the substrate changes within seconds.
"""

import argparse
import itertools
from typing import Any

import casadi as ca
import numpy as np
from scipy.integrate import solve_ivp

START, LOW, HIGH = np.array([1.5, 0.0, 0.0, 7.0]), np.zeros(4), np.array([40.0, np.inf, 25.0, 10.0])
SCALE = np.array([20.0, 5.0, 1.0, 10.0])
SHORTEST = 2e-3  # of a step: its first element


def rates(x: Any, feed: Any) -> list[Any]:
    """Return the derivatives of biomass, penicillin, substrate and volume."""
    growth, making = 0.11 * x[2] / (0.006 * x[0] + x[2]), 0.0055 * x[2] / (1e-4 + x[2] * (1.0 + 10.0 * x[2]))
    used = growth / 0.47 + making / 1.2 + 0.029 * x[2] / (1e-4 + x[2])
    return [
        growth * x[0] - feed * x[0] / 500.0 / x[3], making * x[0] - 0.01 * x[1] - feed * x[1] / 500.0 / x[3],
        -used * x[0] + feed / x[3] * (1.0 - x[2] / 500.0), feed / 500.0,
    ]  # fmt: skip


def simulated(feed: np.ndarray, end: float, rtol: float = 1e-10) -> list[Any]:
    """Return SciPy's solution of each step."""
    x, found = START, []
    for one in feed:
        run = solve_ivp(
            lambda _, x, one=one: rates(x, one), (0.0, end / len(feed)), x, "Radau", rtol=rtol, atol=1e-3 * rtol,
            dense_output=True,
        )  # fmt: skip
        x = run.y[:, -1]
        found.append(run)
    return found


def first_feed(steps: int, end: float) -> np.ndarray:
    """Return a feed that grows with the cells, then as much as can be, then little: there are many local optima."""
    times = (np.arange(steps) + 0.5) * end / steps
    return np.where(times < 24.0, 3.0 * np.exp(0.07 * times), np.where(times < 32.0, 50.0, 9.0))


def planned(steps: int, elements: int, first: float, last: float) -> tuple[np.ndarray, float]:
    """Return the best feed, held over each step, and the end, which is between two times."""
    nodes = np.append(0.0, ca.collocation_points(3, "radau"))
    slopes = np.array([
        np.polyval(np.polyder(np.poly(np.delete(nodes, j)) / np.prod(nodes[j] - np.delete(nodes, j))), nodes)
        for j in range(4)
    ])  # fmt: skip
    cuts = np.concatenate([[0.0], SHORTEST ** np.linspace(1.0, 0.0, elements)])
    state, feed = ca.SX.sym("x", 4), ca.SX.sym("feed")
    rate = ca.Function("rate", [state, feed], [ca.vertcat(*rates(ca.DM(SCALE) * state, feed)) / ca.DM(SCALE)])
    guess, middle = first_feed(steps, 0.5 * (first + last)), 0.5 * (first + last)
    runs = simulated(guess, middle, 1e-7)
    end, feeds = ca.MX.sym("end"), ca.MX.sym("feed", steps)
    variables, begin = [end, feeds], [middle, *guess]
    low, high = [first, *np.zeros(steps)], [last, *np.full(steps, 50.0)]
    equations, before = [], ca.MX(ca.DM(START / SCALE))
    for k, run in enumerate(runs):
        for left, right in itertools.pairwise(cuts):
            points = [before, *(ca.MX.sym("x", 4) for _ in range(3))]
            for i in range(1, 4):
                inside = np.clip(run.sol((left + nodes[i] * (right - left)) * run.t[-1]), LOW, HIGH)
                begin += (inside / SCALE).tolist()
                low += (LOW / SCALE).tolist()
                high += (HIGH / SCALE).tolist()
                moved = sum(float(slopes[j, i]) * points[j] for j in range(4))
                equations.append(end / steps * (right - left) * rate(points[i], feeds[k]) - moved)
            variables += points[1:]
            before = points[3]
    made = before[1] * before[3] * SCALE[1] * SCALE[3]
    problem = {"x": ca.vertcat(*variables), "f": -made, "g": ca.vertcat(*equations)}
    options = {"print_time": False, "ipopt": {"print_level": 0, "sb": "yes", "tol": 1e-9, "bound_relax_factor": 0.0}}
    found = ca.nlpsol("penicillin", "ipopt", problem, options)(x0=begin, lbx=low, ubx=high, lbg=0.0, ubg=0.0)
    values = np.array(found["x"]).ravel()
    return values[1 : 1 + steps], float(values[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=33)
    parser.add_argument("--elements", type=int, default=12, help="per step")
    parser.add_argument("--free", action="store_true", help="the end is free between 100 and 170 h")
    options = parser.parse_args()
    feed, end = planned(options.steps, options.elements, *((100.0, 170.0) if options.free else (132.0, 132.0)))
    runs = simulated(feed, end)
    final, most = runs[-1].y[:, -1], max(run.y[2].max() for run in runs)
    print(f"product {final[1] * final[3]:.5f} at {end:.3f} h, substrate at most {most:.2f}, volume {final[3]:.5f}")
    print("feed", np.round(feed, 3).tolist())


if __name__ == "__main__":
    main()
