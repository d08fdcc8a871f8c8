"""Components in processes of their own: the same bits, at the same time, and no process left behind."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest
from tests.graph_examples import Chassis, Decay, quarter_truck

import twinkit as tk
from twinkit.core.component import StepError
from twinkit.core.errors import InvalidValueError
from twinkit.graph import Graph, Jacobi, Midpoint, Worker, WorkerDiedError
from twinkit.simulate import ModelComponent
from twinkit.testing import check_component

FAST = multiprocessing.get_context("forkserver")  # (a "fork" is refused by JAX where that is loaded)
FAST.set_forkserver_preload(["tests.graph_examples", "twinkit.graph.worker", "twinkit.simulate.component"])


@pytest.fixture(autouse=True)
def no_process_is_left():
    before = set(multiprocessing.active_children())
    yield
    assert set(multiprocessing.active_children()) <= before


class Bad(Decay):
    """Fails in some way from a time on."""

    def __init__(self, how, at=0.45):
        super().__init__()
        self.how, self.at = how, at

    def step(self, t, dt, inputs):
        if t >= self.at:
            if self.how == "crash":
                os.kill(os.getpid(), signal.SIGKILL)
            elif self.how == "hang":
                time.sleep(1000.0)
            elif self.how == "exit":
                os._exit(3)
            raise ZeroDivisionError("by design")
        return super().step(t, dt, inputs)


class Sleeper(Decay):
    """Takes a while for a step, without computing."""

    def step(self, t, dt, inputs):
        time.sleep(0.05)
        return super().step(t, dt, inputs)


class Odd(Decay):
    """Outputs of another shape than declared."""

    def step(self, t, dt, inputs):
        return {"y": np.ones(3)}


class Filled(tk.Model):
    """Ends the run."""

    time_unit = "s"
    V = tk.State("m**3", initial=0.0)

    def equations(self, v, m):
        return {"V": m.quantity(1.0, "m**3/s")}

    def events(self, v, m):
        return {"tick": tk.Schedule(every=0.2, start=0.1, set={}), "full": tk.Event(v.V - 0.55, stop=True)}


def test_a_model_in_a_spawned_process_keeps_the_contract_and_gives_the_same_bits():
    worker = Worker(partial(ModelComponent, Chassis()))
    assert repr(worker) == "Worker(ModelComponent(Chassis()))"
    assert check_component(worker, dt=0.01, inputs={"zw": 0.1, "vw": 0.2}).passed
    graph = quarter_truck()
    here = graph.simulate(0.1, master=Midpoint(0.01))
    there = graph.with_(chassis=worker).simulate(0.1, master=Midpoint(0.01))  # closed before, and started again
    assert there.content_hash == here.content_hash


def test_events_and_the_end_of_a_run_come_through():
    graph = Graph()
    graph.add("tank", Worker(Filled(), context=FAST))
    for master in (Jacobi(0.07), Midpoint(0.07)):
        found = tk.simulate(graph, until=1.0, master=master)
        assert found.time[-1] == pytest.approx(0.55)
        assert [event.name for event in found.occurrences] == ["tank.tick"] * 3 + ["tank.full"]


def test_workers_are_stepped_at_the_same_time():
    def seconds(master):
        graph = Graph()
        for name in "abc":
            graph.add(name, Worker(Sleeper, context=FAST))
        with graph.open(master) as run:
            began = time.perf_counter()
            run.advance(1.0)
            return time.perf_counter() - began, run.solution().content_hash

    one_by_one, first = seconds(Jacobi(0.2))
    together, second = seconds(Jacobi(0.2, threads=3))
    assert first == second
    assert one_by_one > 15 * 0.05
    assert together < 0.7 * one_by_one  # a third, and what a busy machine adds


@pytest.mark.parametrize("threads", [None, 2])
@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("raise", "ZeroDivisionError: by design"), ("crash", r"died \(signal 9\)"), ("exit", r"died \(exit code 3\)"),
        ("hang", r"did not answer within 0\.5 s"),
    ],
)  # fmt: skip
def test_whatever_goes_wrong_there_is_told_here(how, words, threads):
    graph = Graph()
    a = graph.add("a", Worker(Decay, context=FAST))
    b = graph.add("b", Worker(partial(Bad, how), time_limit=0.5, context=FAST))
    graph.connect(a.out["y"], b.inp["u"])
    with pytest.raises(StepError, match=rf"b at t = 0\.5 s: .*{words}") as caught:
        tk.simulate(graph, until=1.0, master=Jacobi(0.25, threads=threads))
    assert (caught.value.component, caught.value.time) == ("b", 0.5)
    assert caught.value.partial.time.tolist() == [0.0, 0.25, 0.5]
    assert tk.simulate(graph, until=0.5, master=Jacobi(0.25)).success  # a new process


def test_what_is_no_component_is_refused():
    for wrong in (3, Chassis, "tank"):
        with pytest.raises(InvalidValueError, match="a Worker needs a model or what makes a component"):
            Worker(wrong)
    with pytest.raises(InvalidValueError, match="time_limit"):
        Worker(Decay, time_limit=0.0)
    with pytest.raises(InvalidValueError, match="cannot be sent to another process"):
        Worker(lambda: Decay())
    with pytest.raises(InvalidValueError, match="3 is not a component"):
        Worker(partial(int, 3), context=FAST)
    with pytest.raises(InvalidValueError, match=r"no component in the process: .*by accident"):
        Worker(_accident, context=FAST)
    with pytest.raises(WorkerDiedError, match=r"exit code 5"):
        Worker(partial(os._exit, 5), context=FAST)
    graph = Graph()
    graph.add("odd", Worker(Odd, context=FAST))
    with pytest.raises(StepError, match="odd at t = 0 s: ValueError"):
        graph.simulate(1.0, master=Jacobi(0.5))


def _accident():
    raise RuntimeError("by accident")


def test_an_ended_worker_says_so_and_snapshots_belong_to_their_process():
    worker = Worker(Filled(), context=FAST)
    worker.initialize(0.0, {})
    saved = worker.snapshot()
    first = worker.step(0.0, 0.1, {})
    worker.restore(saved)
    assert worker.step(0.0, 0.1, {}) == first
    worker.close()
    worker.close()
    with pytest.raises(WorkerDiedError, match="initialize starts a new one"):
        worker.step(0.1, 0.1, {})
    assert list(worker.occurrences()) == []
    worker.initialize(0.0, {})
    with pytest.raises(StepError, match="no snapshot"):
        worker.restore(saved)
    worker.close()


def test_an_unused_worker_goes_when_nothing_refers_to_it():
    worker = Worker(Decay, context=FAST)
    assert multiprocessing.active_children()
    del worker


def test_the_process_goes_with_its_parent():
    code = (
        "import os, multiprocessing, sys, time; from tests.unit.graph.test_workers import *\n"
        "w = Worker(partial(Bad, 'hang', 0.0), context=FAST); w.initialize(0.0, {})\n"
        "print(multiprocessing.active_children()[0].pid, flush=True)\n"
        "w.step(0.0, 1.0, {})\n"
    )
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=root, text=True) as parent:
        child = int(parent.stdout.readline())
        os.kill(child, 0)
        time.sleep(0.3)
        parent.kill()
    for _ in range(100):
        if not _runs(child):
            return
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    raise AssertionError("the worker outlived its parent")


def _runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
