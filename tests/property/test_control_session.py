"""No sequence of events lets an unaccepted, expired or out-of-space move through, and every move has its record."""

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.control_examples import SPACE, Plant, Trail, condition, gate, recommendation

import twinkit as tk
from twinkit.control import Applied, ControlMode, ControlSession, PreviousPlan

MOVES = st.sampled_from([0.0, 0.02, 0.05, 0.0500001, 0.08])
TIMES = st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0])
LEVELS = st.sampled_from([3.0, 5.95, 7.0, float("nan")])


class Life(RuleBasedStateMachine):
    """Whatever people, controllers and plants do."""

    @initialize()
    def start(self):
        self.trail, self.plant = Trail(), Plant()
        self.session = ControlSession("R3", {"F": "0.01 L/h"}, gate=gate(), audit=self.trail, actuator=self.plant)
        self.now, self.proposed, self.accepted = 0.0, [], 0

    def look(self, level, good, domain):
        quality = tk.Quality.GOOD if good else tk.Quality.BAD
        return condition(self.now, glc=level, quality=quality, in_domain=domain)

    def guarded(self, call):
        """Run a call that may be refused because the trail is broken; return the answer."""
        before, written = self.session.state, len(self.plant.written)
        try:
            return call()
        except tk.StorageError:
            assert self.trail.broken
            assert self.session.state is before
            assert len(self.plant.written) == written
            return None

    @rule(wait=TIMES)
    def time_passes(self, wait):
        self.now += wait

    @rule(value=MOVES, life=st.sampled_from([0.25, 1.0]), mean=LEVELS, level=LEVELS, good=st.booleans(),
          domain=st.booleans(), fresh=st.booleans(), early=st.sampled_from([0.0, 0.5, 2.0]))  # fmt: skip
    def propose(self, value, life, mean, level, good, domain, fresh, early):
        mean = 3.0 if mean != mean else mean
        more = {} if fresh else {"status": PreviousPlan(reason="deadline")}
        time = self.now - early
        advice = recommendation(time, value, time + life, (3.0, mean, 3.0), in_domain=domain, **more)
        self.proposed.append(advice)
        mode, look = self.session.mode, self.look(level, good, domain)
        answer = self.guarded(lambda: self.session.propose(advice, at=self.now, condition=look))
        if isinstance(answer, Applied):
            assert mode is ControlMode.CLOSED_LOOP
            assert good
            assert domain
            assert fresh
            assert early <= 1.5
            assert self.now < advice.expires
            assert mean == 3.0
            assert level == 3.0
            assert SPACE.contains({"F": value, "Glc": mean})

    @rule(which=st.integers(0, 5), accept=st.booleans())
    def decide(self, which, accept):
        if not self.proposed:
            return
        advice = self.proposed[-1 - which % len(self.proposed)]
        mode, pending = self.session.mode, self.session.pending
        act = self.session.accept if accept else self.session.reject
        answer = self.guarded(lambda: act(advice, by="A. Weber", reason="because", at=self.now))
        if isinstance(answer, Applied):
            assert accept
            assert mode is ControlMode.ADVISORY
            assert pending.content_hash == advice.content_hash
            assert self.now < advice.expires
            assert answer.setpoints["F"] <= 0.05

    @rule(to=st.sampled_from(list(ControlMode)), level=LEVELS, good=st.booleans())
    def switch(self, to, level, good):
        look, before = self.look(level, good, True), self.session.mode
        self.guarded(lambda: self.session.switch(to, by="B. Okafor", reason="shift", at=self.now, condition=look))
        if self.session.mode is ControlMode.CLOSED_LOOP and before is not ControlMode.CLOSED_LOOP:
            assert before is ControlMode.ADVISORY
            assert good
            assert level == 3.0

    @rule(level=LEVELS, good=st.booleans(), domain=st.booleans())
    def check(self, level, good, domain):
        look = self.look(level, good, domain)
        answer = self.guarded(lambda: self.session.check(at=self.now, condition=look))
        if answer is not None and self.session.mode is ControlMode.CLOSED_LOOP:
            assert good
            assert domain
            assert level == 3.0

    @rule()
    def break_or_mend_the_trail(self):
        self.trail.broken = not self.trail.broken

    @rule()
    def break_or_mend_the_plant(self):
        self.plant.broken = not self.plant.broken

    @invariant()
    def every_write_has_its_record(self):
        if not hasattr(self, "trail"):
            return
        entries = self.trail.entries
        records = [d for action, d in entries if action == "moves applied"]
        failed = sum(action == "write failed" for action, _ in entries)
        # A failed write whose own record failed too is the only gap, and it is on the side of more records than writes.
        assert len(self.plant.written) <= len(records)
        assert failed <= len(records) - len(self.plant.written)
        written = {(at, tuple(values.items())) for at, values in self.plant.written}
        assert written <= {(d["at"], tuple(d["setpoints"].items())) for d in records}
        assert len({d["recommendation"] for d in records}) == len(records)
        for details in records:
            assert details["by"] in ("A. Weber", "(automatic)")
            assert details["at"] < details["expires"]
            assert SPACE.contains({"F": details["setpoints"]["F"], "Glc": 3.0})
            assert details["by"] == "A. Weber" or details["despite"] == []

    @invariant()
    def what_is_applied_was_written(self):
        if hasattr(self, "plant"):
            last = self.plant.written[-1][1]["F"] if self.plant.written else 0.01
            assert self.session.setpoints == {"F": last}


Life.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestLife = Life.TestCase
