"""First plans with twinkit's own unit operations: stiff, with poles below zero, or far from a target.

    python -m benchmarks.mpc_unitops

Each is planned from the model's initial values, without a C compiler: wall time of the first plan, everything built for
it included, and the quadratic programmes of its last round. There is no peer: the question is whether there is a plan.
"""

import time
from collections.abc import Callable

import twinkit as tk
from benchmarks.report import duration, table
from twinkit.unitops import CHOFedBatch, CHOPerfusion, IndPenSim, PenicillinFedBatch


def cho() -> tk.MPC:
    """Feeding of CHO cells with dissolved oxygen as a state."""
    return tk.MPC(
        CHOFedBatch(), until="14 d", step="12 h", maximize=tk.final("mAb"), native=False,
        moves={"F": tk.Move(bounds=(0, "3 mL/h"))}, within={"Glc": (None, "60 mmol/L"), "V": (None, "2 L")},
    )  # fmt: skip


def penicillin() -> tk.MPC:
    """Feeding of a penicillin batch whose cells keep glucose at a trace."""
    return tk.MPC(
        PenicillinFedBatch(), until="200 h", step="5 h", maximize=tk.final("P"), native=False,
        moves={"F": tk.Move(bounds=(0, "0.1 L/h"))}, within={"S": (None, 20)},
    )  # fmt: skip


def perfusion() -> tk.MPC:
    """Growth of a perfusion culture to its set point, which takes most of the horizon."""
    return tk.MPC(
        CHOPerfusion(), horizon="10 d", step="6 h", track={"Xv": 20.0}, within={"Glc": (5, None)}, native=False,
        moves={"bleed": tk.Move(bounds=(0.02, 0.5), penalty=0.01), "exchange": tk.Move(bounds=(0.5, 4), penalty=0.01)},
    )  # fmt: skip


def indpensim() -> tk.MPC:
    """Sugar and precursor of IndPenSim over its first 40 h: 33 states."""
    return tk.MPC(
        IndPenSim(), horizon="40 h", step="2 h", maximize=tk.final("X"), native=False,
        moves={"Fs": tk.Move(bounds=(0, 200)), "Fpaa": tk.Move(bounds=(0, 15))},
        within={"DO2": (5, None), "PAA": (200, 2000)},
    )  # fmt: skip


CASES: tuple[Callable[[], tk.MPC], ...] = (cho, penicillin, perfusion, indpensim)


def main() -> None:
    rows = []
    for case in CASES:
        mpc = case()
        values = mpc.model.values()
        began = time.perf_counter()
        plan = mpc.plan({entry.name: values[entry.name] for entry in mpc.model.layout.states}, t=0.0)
        seconds = time.perf_counter() - began
        rows.append(
            [case.__name__, duration(seconds), f"{plan.objective:.6g}", plan.status.text, str(len(plan.warnings))]
        )
    print(table("first plans, no C compiler", ["", "first plan", "objective", "status", "warnings"], rows))


if __name__ == "__main__":
    main()
