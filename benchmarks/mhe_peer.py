"""do-mpc's moving-horizon estimator on recorded data: run by benchmarks.mhe in do-mpc's own environment.

    python mhe_peer.py recorded.npz elements quiet|loud result.npz

do-mpc is LGPL and never a dependency of twinkit. The settings are those of its rotating-masses example (10 intervals of
0.1 s, degree-2 collocation, weights 1 and 20, arrival cost 1e-4, Theta_1 estimated). IPOPT prints unless quiet.
"""

import contextlib
import io
import sys
import time
import warnings

import numpy as np

warnings.simplefilter("ignore")
with contextlib.redirect_stdout(io.StringIO()):
    import do_mpc
from casadi import vertcat  # noqa: E402


def estimator(elements, quiet):
    model = do_mpc.model.Model("continuous")
    phi = model.set_variable("_x", "phi", shape=(3, 1))
    speed = model.set_variable("_x", "speed", shape=(3, 1))
    motor = model.set_variable("_x", "motor", shape=(2, 1))
    wanted = model.set_variable("_u", "wanted", shape=(2, 1))
    theta = [model.set_variable("_p", f"theta_{i}") for i in (1, 2, 3)]
    model.set_meas("angles", phi)
    model.set_meas("motors", wanted)
    c, d = np.array([2.697, 2.66, 3.05, 2.86]) * 1e-3, np.array([6.78, 8.01, 8.82]) * 1e-5
    left, right = [motor[0], phi[0], phi[1]], [phi[1], phi[2], motor[1]]
    model.set_rhs("phi", speed)
    rates = [
        (-c[i] * (phi[i] - left[i]) - c[i + 1] * (phi[i] - right[i]) - d[i] * speed[i]) / theta[i] for i in range(3)
    ]
    model.set_rhs("speed", vertcat(*rates))
    model.set_rhs("motor", (wanted - motor) / 1e-2)
    model.setup()
    mhe = do_mpc.estimator.MHE(model, ["theta_1"])
    mhe.set_param(
        n_horizon=10, t_step=0.1, meas_from_data=True, store_full_solution=True, collocation_ni=elements,
        **({"nlpsol_opts": {"ipopt.print_level": 0, "print_time": 0, "ipopt.sb": "yes"}} if quiet else {}),
    )  # fmt: skip
    mhe.set_default_objective(1e-4 * np.eye(8), np.diag([1.0, 1.0, 1.0, 20.0, 20.0]), 1e-4 * np.eye(1))
    others = mhe.get_p_template()

    def fixed(_):
        others["theta_2"], others["theta_3"] = 2.25e-4, 2.25e-4
        return others

    mhe.set_p_fun(fixed)
    mhe.bounds["lower", "_u", "wanted"], mhe.bounds["upper", "_u", "wanted"] = -2 * np.pi, 2 * np.pi
    mhe.bounds["lower", "_p_est", "theta_1"], mhe.bounds["upper", "_p_est", "theta_1"] = 1e-5, 1e-3
    mhe.setup()
    return mhe


def main(source, elements, quiet, target):
    recorded = np.load(source)
    mhe = estimator(int(elements), quiet == "quiet")
    mhe.x0, mhe.p_est0 = recorded["guess"][:, None], np.array([1e-4])  # an array: a number fails on recent NumPy
    mhe.set_initial_guess()
    states, parameters, seconds = [], [], []
    for y in recorded["readings"]:
        began = time.process_time()
        x = mhe.make_step(y[:, None])
        seconds.append(time.process_time() - began)
        states.append(np.array(x).ravel())
        parameters.append(float(np.array(mhe.data["_p"])[-1, 0]))
    np.savez(target, states=states, parameters=parameters, seconds=seconds, version=do_mpc.__version__)


if __name__ == "__main__":
    main(*sys.argv[1:])
