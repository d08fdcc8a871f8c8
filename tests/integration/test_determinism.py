"""The same inputs and versions give the same bytes in another process."""

import os
import subprocess
import sys
from pathlib import Path

import twinkit as tk

SCRIPT = """
import twinkit as tk
from twinkit.unitops import CHOFedBatch
for solver in (tk.Cvodes(), tk.Compiled()):
    solution = tk.simulate(CHOFedBatch(), 100.0, inputs={"F": tk.steps({0: 0.0, 50: 1e-3})}, outputs=50, solver=solver)
    print(solution.content_hash)
"""


def test_another_process_gives_the_same_bytes():
    environment = {**os.environ, "PYTHONPATH": str(Path(tk.__file__).parents[1]), "PYTHONHASHSEED": "7"}
    other = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    space = {}
    exec("found = []\n" + SCRIPT.replace("print(", "found.append("), space)
    assert other.stdout.split() == space["found"]
