"""do-mpc's controllers of its own examples, in closed loop: run by benchmarks.mpc in an own environment.

    python mpc_peer.py case steps quiet|loud|fine result.npz

do-mpc is LGPL and never a dependency of twinkit. Settings are those of its examples (20 steps, degree-2 Radau
collocation, nominal: n_robust = 0, or nine scenarios with n_robust = 1). SciPy integrates the plant. IPOPT prints
if loud. If fine, the same is asked as of twinkit, for the comparison of plans: degree 3, limits at the ends of the
steps only and at the last one too, tolerance 1e-11.
"""

import contextlib
import io
import sys
import time
import warnings

import numpy as np
from scipy.integrate import solve_ivp

warnings.simplefilter("ignore")
with contextlib.redirect_stdout(io.StringIO()):
    import do_mpc
from casadi import exp  # noqa: E402


def cstr(robust=False):
    model = do_mpc.model.Model("continuous")
    a, b, reactor, jacket = (model.set_variable("_x", name) for name in ("C_a", "C_b", "T_R", "T_K"))
    feed, heat = (model.set_variable("_u", name) for name in ("F", "Q"))
    alpha, beta = (model.set_variable("_p", name) if robust else 1.0 for name in ("alpha", "beta"))
    kelvin = reactor + 273.15
    k1, k2 = beta * 1.287e12 * exp(-9758.3 / kelvin), 1.287e12 * exp(-9758.3 / kelvin)
    k3 = 9.043e9 * exp(-8560.0 * alpha / kelvin)
    capacity, wall = 0.9342 * 3.01, 4032.0 * 0.215
    model.set_rhs("C_a", feed * (5.1 - a) - k1 * a - k3 * a**2)
    model.set_rhs("C_b", -feed * b + k1 * a - k2 * b)
    warmth = (k1 * a * 4.2 - 11.0 * k2 * b - 41.85 * k3 * a**2) / -capacity
    model.set_rhs("T_R", warmth + feed * (130.0 - reactor) + wall * (jacket - reactor) / (capacity * 10.01))
    model.set_rhs("T_K", (heat + wall * (reactor - jacket)) / 10.0)
    model.setup()
    mpc = do_mpc.controller.MPC(model)
    cost = (model.x["C_b"] - 0.6) ** 2

    def finish():
        for name, scale in (("T_R", 100.0), ("T_K", 100.0)):
            mpc.scaling["_x", name] = scale
        mpc.scaling["_u", "Q"], mpc.scaling["_u", "F"] = 2000.0, 100.0
        mpc.set_objective(mterm=cost, lterm=cost)
        mpc.set_rterm(F=0.1, Q=1e-3)
        for name, low, high in (("C_a", 0.1, 2.0), ("C_b", 0.1, 2.0), ("T_R", 50.0, None), ("T_K", 50.0, 140.0)):
            mpc.bounds["lower", "_x", name] = low
            if high is not None:
                mpc.bounds["upper", "_x", name] = high
        mpc.bounds["lower", "_u", "F"], mpc.bounds["upper", "_u", "F"] = 5.0, 100.0
        mpc.bounds["lower", "_u", "Q"], mpc.bounds["upper", "_u", "Q"] = -8500.0, 0.0
        mpc.set_nl_cons("T_R", model.x["T_R"], ub=140.0, soft_constraint=True, penalty_term_cons=1e2)
        if robust:
            mpc.set_uncertainty_values(alpha=np.array([1.0, 1.05, 0.95]), beta=np.array([1.0, 1.1, 0.9]))

    return mpc, 0.005, 1, finish, [0.8, 0.4, 134.14, 130.0], [5.0, -6000.0], 140.0


def fed_batch():
    model = do_mpc.model.Model("continuous")
    x, s, p, v = (model.set_variable("_x", name) for name in ("X", "S", "P", "V"))
    feed = model.set_variable("_u", "feed")
    growth = 0.02 * s / (0.05 + s + s**2 / 5.0)
    model.set_rhs("X", growth * x - feed / v * x)
    model.set_rhs("S", -growth * x / 0.4 - 0.004 * x / 1.2 + feed / v * (200.0 - s))
    model.set_rhs("P", 0.004 * x - feed / v * p)
    model.set_rhs("V", feed)
    model.setup()
    mpc = do_mpc.controller.MPC(model)

    def finish():
        mpc.set_objective(mterm=-model.x["P"], lterm=-model.x["P"])
        mpc.set_rterm(feed=1.0)
        for name, low in (("X", 0.0), ("S", -0.01), ("P", 0.0), ("V", 0.0)):
            mpc.bounds["lower", "_x", name] = low
        mpc.bounds["upper", "_x", "X"], mpc.bounds["upper", "_x", "P"] = 3.7, 3.0
        mpc.bounds["lower", "_u", "feed"], mpc.bounds["upper", "_u", "feed"] = 0.0, 0.2

    return mpc, 1.0, 2, finish, [1.0, 0.5, 0.0, 120.0], [0.0], None


def polymerisation(robust=False):
    model = do_mpc.model.Model("continuous")
    names = ("m_W", "m_A", "m_P", "T_R", "T_S", "Tout_M", "T_EK", "Tout_AWT", "accum_monom", "T_adiab")
    x = {name: model.set_variable("_x", name) for name in names}
    feed, jacket, exchanger = (model.set_variable("_u", name) for name in ("m_dot_f", "T_in_M", "T_in_EK"))
    uncertain = (model.set_variable("_p", name) if robust else 1.0 for name in ("delH_R", "k_0"))  # relative
    latent, speed = (a * b for a, b in zip((950.0, 7.0), uncertain, strict=True))
    total = x["m_W"] + x["m_A"] + x["m_P"]
    share = x["m_P"] / (x["m_A"] + x["m_P"])
    fast = speed * (4.0 * (1.0 - share) + 32.0 * share)
    inside = fast * exp(-8500.0 / (8.314 * x["T_R"])) * (x["m_A"] - x["m_A"] * 200.0 / total)
    outside = fast * exp(-8500.0 / (8.314 * x["T_EK"])) * (x["m_A"] / total) * 200.0
    wall = 65.0 * (x["m_W"] * 17280.0 + x["m_A"] * 3600.0 + x["m_P"] * 360.0) / total
    water, monomer, polymer = feed * 0.333, feed * 0.667 - inside - outside, inside + outside
    heating = feed * 3.0 * (298.15 - x["T_R"]) - wall * (x["T_R"] - x["T_S"])
    heating = (heating - 20000.0 * 5.0 * (x["T_R"] - x["T_EK"]) + latent * inside) / (5.0 * total)
    alpha = 5 * 20e4 * 3.6
    through = wall * (x["T_S"] - x["Tout_M"])
    slopes = {
        "m_W": water,
        "m_A": monomer,
        "m_P": polymer,
        "T_R": heating,
        "T_S": (wall * (x["T_R"] - x["T_S"]) - through) / (0.47 * 39000.0),
        "Tout_M": (300000.0 * 4.2 * (jacket - x["Tout_M"]) + through) / (4.2 * 5000.0),
        "T_EK": (20000.0 * 5.0 * (x["T_R"] - x["T_EK"]) - alpha * (x["T_EK"] - x["Tout_AWT"]) + outside * latent)
        / (5.0 * 200.0),
        "Tout_AWT": (100000.0 * 4.2 * (exchanger - x["Tout_AWT"]) - alpha * (x["Tout_AWT"] - x["T_EK"]))
        / (4.2 * 1000.0),
        "accum_monom": feed,
        "T_adiab": latent / (5.0 * total) * (monomer - (monomer + water + polymer) * x["m_A"] / total) + heating,
    }
    for name, slope in slopes.items():
        model.set_rhs(name, slope)
    model.setup()
    mpc = do_mpc.controller.MPC(model)

    def finish():
        for name in ("m_W", "m_A", "m_P", "accum_monom"):
            mpc.scaling["_x", name] = 10.0
        mpc.scaling["_u", "m_dot_f"] = 100.0
        mpc.set_objective(mterm=-model.x["m_P"], lterm=-model.x["m_P"])
        mpc.set_rterm(m_dot_f=0.002, T_in_M=0.004, T_in_EK=0.002)
        lower = (0.0, 0.0, 26.0, 361.15, 298.0, 298.0, 288.0, 288.0, 0.0, None)
        upper = (None, None, None, None, 400.0, 400.0, 400.0, 400.0, 30000.0, 382.15)
        for name, low, high in zip(names, lower, upper, strict=True):
            if low is not None:
                mpc.bounds["lower", "_x", name] = low
            if high is not None:
                mpc.bounds["upper", "_x", name] = high
        for name, low, high in (("m_dot_f", 0.0, 3e4), ("T_in_M", 333.15, 373.15), ("T_in_EK", 333.15, 373.15)):
            mpc.bounds["lower", "_u", name], mpc.bounds["upper", "_u", name] = low, high
        mpc.set_nl_cons("T_R", model.x["T_R"], ub=365.15, soft_constraint=True, penalty_term_cons=1e4)
        if robust:
            mpc.set_uncertainty_values(delH_R=spread, k_0=spread)

    spread = np.array([1.0, 1.3, 0.7])
    start = [10000.0, 853.0, 26.5, 363.15, 363.15, 363.15, 308.15, 308.15, 300.0, 0.0]
    start[-1] = 853.0 * 950.0 / (sum(start[:3]) * 5.0) + 363.15
    return mpc, 50.0 / 3600.0, 2, finish, start, [0.0, 363.15, 363.15], 365.15


def main(case, steps, mode, target):
    mpc, step, elements, finish, start, first, hottest = {
        "cstr": cstr,
        "nine-scenarios": lambda: cstr(True),
        "fed-batch": fed_batch,
        "polymerisation": polymerisation,
        "polymerisation-robust": lambda: polymerisation(True),
    }[case]()
    fine, solver = mode == "fine", {"ipopt.print_level": 0, "print_time": 0, "ipopt.sb": "yes"}
    if fine:
        solver |= {"ipopt.tol": 1e-11, "ipopt.acceptable_iter": 0}
        if hottest is not None:
            mpc.terminal_bounds["upper", "T_R"] = hottest
    mpc.set_param(
        n_horizon=20, t_step=step, n_robust=int(case in ("nine-scenarios", "polymerisation-robust")),
        state_discretization="collocation", collocation_type="radau", collocation_deg=3 if fine else 2,
        collocation_ni=elements, store_full_solution=True, cons_check_colloc_points=not fine,
        **({} if mode == "loud" else {"nlpsol_opts": solver}),
    )  # fmt: skip
    finish()
    mpc.setup()
    x, seconds, inputs, states, solved = np.array(start), [], [], [np.array(start)], []
    mpc.x0, mpc.u0 = x[:, None], np.array(first)[:, None]
    mpc.set_initial_guess()
    derivative, empty, nominal = mpc.model._rhs_fun, np.zeros((0, 1)), np.ones((mpc.model.n_p, 1))
    scaling, planned, starts = np.array(mpc._u_scaling.cat).ravel(), [], []
    noise = np.zeros((mpc.model.n_w, 1))
    for _ in range(int(steps)):
        began = time.process_time()
        u = np.array(mpc.make_step(x[:, None])).ravel()
        seconds.append(time.process_time() - began)
        solved.append(bool(mpc.solver_stats["success"]))
        starts.append(x)
        planned.append([np.array(mpc.opt_x_num["_u", k, 0]).ravel() * scaling for k in range(20)])

        def slope(_, y, u=u):
            return np.array(derivative(y, u, empty, empty, nominal, noise)).ravel()

        x = solve_ivp(slope, (0.0, step), x, rtol=1e-9, atol=1e-10, method="LSODA").y[:, -1]
        inputs.append(u)
        states.append(x)
    np.savez(
        target,
        inputs=inputs,
        states=states,
        seconds=seconds,
        solved=solved,
        planned=planned,
        starts=starts,
        version=do_mpc.__version__,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
