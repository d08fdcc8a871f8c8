"""The typed graph of components, and the master algorithms that run it."""

from twinkit.graph import ssp
from twinkit.graph.blocks import Block, Replay
from twinkit.graph.check import GraphCheckError
from twinkit.graph.compare import Comparison
from twinkit.graph.graph import Graph
from twinkit.graph.masters import Adaptive, GaussSeidel, Implicit, Jacobi, Master, Midpoint
from twinkit.graph.nested import GraphComponent
from twinkit.graph.newton import Newton
from twinkit.graph.ports import ConnectError, Connection, Node, Plug, material
from twinkit.graph.session import Session
from twinkit.graph.worker import Worker, WorkerDiedError

__all__ = [
    "Adaptive", "Block", "Comparison", "ConnectError", "Connection", "GaussSeidel", "Graph", "GraphCheckError",
    "GraphComponent", "Implicit", "Jacobi", "Master", "Midpoint", "Newton", "Node", "Plug", "Replay", "Session",
    "Worker", "WorkerDiedError", "material", "ssp",
]  # fmt: skip
