"""The graph that an SSP file becomes."""

from __future__ import annotations

import shutil
import weakref
from pathlib import Path
from typing import Self

from twinkit.graph.graph import Graph
from twinkit.graph.ssp.structure import SystemStructure


class SSPGraph(Graph):
    """A graph made of an SSP file. Use it in a ``with`` statement, or `close` it, to remove what was extracted.

    Attributes
    ----------
    structure
        What the file says.
    start_time, stop_time
        Of the default experiment, in the graph's time unit; 0 and None where the file says nothing.
    names
        Path of a component in the file (``"plant.tank"``) -> its node.
    system_inputs
        Input of the whole system -> the inputs it leads to, as ``node.port``.
    system_outputs
        Output of the whole system -> the output that it shows, as ``node.port``.
    notes
        What could not be taken over as it is.
    """

    def __init__(self, structure: SystemStructure, time_unit: str, folder: Path) -> None:
        super().__init__(time_unit)
        self.structure = structure
        experiment = structure.default_experiment
        self.start_time = (experiment.start_time if experiment else None) or 0.0
        self.stop_time = experiment.stop_time if experiment else None
        self.names: dict[str, str] = {}
        self.system_inputs: dict[str, tuple[str, ...]] = {}
        self.system_outputs: dict[str, str] = {}
        self.notes: list[str] = []
        self._remove = weakref.finalize(self, shutil.rmtree, folder, True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the FMUs and remove what was extracted; calling it again does nothing."""
        for node in self.nodes.values():
            node.component.close()
        self._remove()
