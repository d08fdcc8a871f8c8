"""Modes and decisions: what is let through, what is not, and what is recorded."""

import json
import math
import threading

import pytest
from tests.control_examples import Plant, Trail, condition, gate, recommendation

import twinkit as tk
from twinkit.control import (
    Applied,
    ControlMode,
    ControlSession,
    Done,
    Gate,
    Logged,
    PlantCondition,
    PreviousPlan,
    Refused,
    Rejected,
    Waiting,
)

WHO = {"by": "A. Weber", "reason": "as agreed"}
OPEN, ADVISORY, CLOSED = ControlMode


def session(mode=ADVISORY, **more):
    trail, plant = Trail(), Plant()
    made = ControlSession("R3", {"F": "0.01 L/h"}, **{"gate": gate(), "audit": trail, "actuator": plant, **more})
    if mode is not OPEN:
        made.switch(ADVISORY, **WHO, at=0.0)
    if mode is CLOSED:
        made.propose(recommendation(), at=0.0, condition=condition())
        assert isinstance(made.switch(CLOSED, **WHO, at=0.0), Done)
    trail.entries.clear()
    return made, trail, plant


# -- open loop and advisory ------------------------------------------------------------------------------------
def test_open_loop_logs_and_writes_nothing():
    made, trail, plant = session(OPEN)
    advice = recommendation()
    assert isinstance(made.propose(advice, at=0.0), Logged)
    assert isinstance(made.accept(advice, **WHO, at=0.1), Refused)
    assert plant.written == []
    assert trail.actions == ["recommendation logged", "acceptance refused"]
    assert trail.entries[0][1]["content"]["moves"]["F"]["values"] == [0.02, 0.02]


def test_a_person_accepts():
    made, trail, plant = session()
    advice = recommendation()
    answer = made.propose(advice, at=0.0, condition=condition())
    assert isinstance(answer, Waiting)
    assert answer.reasons == ()
    assert plant.written == []
    answer = made.accept(advice, **WHO, at="30 min")
    assert isinstance(answer, Applied)
    assert answer.setpoints == made.setpoints == {"F": 0.02}
    assert plant.written == [(0.5, {"F": 0.02})]
    action, details = trail.entries[-1]
    assert action == "moves applied"
    json.dumps(details, allow_nan=False)
    assert details["by"] == "A. Weber"
    assert details["reasons"] == ["as agreed"]
    assert details["at"] == 0.5
    assert details["recommendation"] == advice.content_hash
    assert details["made_by"] == {"model": "a" * 64}
    assert details["data"] == {"estimate": "b" * 64}
    assert details["design_space"] == made.rules.gate.space.content_hash
    assert (details["setpoints"], details["before"], details["units"]) == ({"F": 0.02}, {"F": 0.01}, {"F": "L/h"})
    assert details["mode"] == "advisory"


def test_a_person_rejects():
    made, trail, plant = session()
    advice = recommendation()
    made.propose(advice, at=0.0)
    assert isinstance(made.reject(advice, by="A. Weber", reason="foaming", at=0.1), Rejected)
    assert made.accept(advice, **WHO, at=0.2).reasons == ("this recommendation was rejected",)
    assert made.propose(advice, at=0.3).reasons == ("it was rejected before",)
    assert plant.written == []
    assert trail.entries[1][1]["reasons"] == ["foaming"]


def test_what_expired_cannot_be_accepted():
    made, trail, plant = session()
    advice = recommendation()
    made.propose(advice, at=0.0)
    assert made.accept(advice, **WHO, at=1.0).reasons == ("this recommendation was expired",)
    assert trail.actions[-2:] == ["recommendation expired", "acceptance refused"]
    assert made.propose(recommendation(expires=0.5), at=1.5).text.startswith("refused: it expired")
    assert plant.written == []


def test_nothing_is_accepted_twice():
    made, _, plant = session()
    advice = recommendation()
    made.propose(advice, at=0.0)
    made.accept(advice, **WHO, at=0.1)
    assert made.accept(advice, **WHO, at=0.2).reasons == ("this recommendation was applied",)
    assert len(plant.written) == 1


def test_a_newer_one_takes_its_place():
    made, trail, _ = session()
    old, new = recommendation(), recommendation(value=0.03)
    made.propose(old, at=0.0)
    assert isinstance(made.propose(new, at=0.1), Waiting)
    assert made.propose(new, at=0.1).reasons == ("it waits already",)
    assert made.accept(old, **WHO, at=0.2).reasons == ("this recommendation was superseded",)
    assert isinstance(made.accept(new, **WHO, at=0.2), Applied)
    assert "recommendation superseded" in trail.actions
    made.propose(recommendation(time=0.5), at=0.5)
    assert made.propose(recommendation(time=0.4, value=0.015), at=0.6).reasons == (
        "a recommendation of a later time is known",
    )


def test_a_move_out_of_the_design_space_is_never_offered():
    made, trail, plant = session()
    advice = recommendation(value=0.051)
    answer = made.propose(advice, at=0.0, condition=condition())
    assert isinstance(answer, Refused)
    assert "outside feeding" in answer.text
    assert isinstance(made.accept(advice, **WHO, at=0.1), Refused)
    assert plant.written == []
    assert made.pending is None
    assert trail.actions[0] == "recommendation refused"


def test_a_person_may_accept_what_closed_loop_would_not_and_that_is_recorded():
    made, trail, _ = session()
    advice = recommendation(mean=(3.0, 5.0, 6.5), status=PreviousPlan(reason="deadline"))
    waiting = made.propose(advice, at=0.0, condition=condition(quality=tk.Quality.BAD))
    assert len(waiting.reasons) == 3
    assert isinstance(made.accept(advice, **WHO, at=0.1), Applied)
    assert trail.entries[-1][1]["despite"] == list(waiting.reasons)


def test_what_was_changed_after_it_was_seen_is_refused():
    made, _, plant = session()
    advice = recommendation()
    made.propose(advice, at=0.0)
    advice.moves["F"] = recommendation(value=0.049).moves["F"]
    assert made.accept(advice, **WHO, at=0.1).reasons == ("it was changed after it was made",)
    assert plant.written == []


def test_the_unit_of_a_move_is_converted():
    made, _, plant = session()
    advice = recommendation()
    ml = {"F": type(advice.moves["F"])("F", "mL/h", advice.moves["F"].times, advice.moves["F"].values * 1000.0, 2.0)}
    other = recommendation(moves=ml, present={"F": 10.0})
    made.propose(other, at=0.0)
    made.accept(other, **WHO, at=0.0)
    assert plant.written[0][1]["F"] == pytest.approx(0.02)


# -- closed loop -----------------------------------------------------------------------------------------------
def test_closed_loop_applies_by_itself_what_the_gate_lets_through():
    made, trail, plant = session(CLOSED)
    advice = recommendation(time=1.0, value=0.03)
    assert isinstance(made.propose(advice, at=1.0, condition=condition(1.0)), Applied)
    assert plant.written == [(1.0, {"F": 0.03})]
    assert trail.entries[-1][1]["by"] == "(automatic)"
    assert trail.entries[-1][1]["despite"] == []


OBJECTIONS = {
    "predicted outside": ({"mean": (3.0, 5.0, 6.1)}, {}, "predicted at 3"),
    "predicted too near the edge": ({"mean": (3.0, 5.9, 3.0)}, {}, "Glc = 5.9 ± 0.196"),
    "plant outside": ({}, {"glc": 6.5}, "the plant is outside"),
    "plant too near the edge": ({}, {"glc": 5.95}, "the plant is outside"),
    "estimate without a number": ({}, {"glc": 3.0, "std": math.nan}, "not known to be inside"),
    "bad sensor": ({}, {"quality": tk.Quality.BAD}, "probe is bad"),
    "uncertain sensor": ({}, {"quality": tk.Quality.UNCERTAIN}, "probe is uncertain"),
    "old reading": ({}, {"read": 0.4}, "0.6 h old"),
    "reading of tomorrow": ({}, {"read": 1.2}, "later time"),
    "beyond the domain": ({"in_domain": False}, {}, "beyond"),
    "estimate beyond the domain": ({}, {"in_domain": False}, "the estimate is beyond"),
    "previous plan": ({"status": PreviousPlan(reason="deadline")}, {}, "not optimised"),
    "nothing predicted": ({"predicted": {}}, {}, "not known to be inside"),
    "setpoint outside": ({"value": 0.06}, {}, "would be set outside"),
}


@pytest.mark.parametrize("name", OBJECTIONS)
def test_closed_loop_drops_back_and_says_why(name):
    advice_changes, plant_changes, words = OBJECTIONS[name]
    made, trail, plant = session(CLOSED)
    answer = made.propose(recommendation(time=1.0, **{"value": 0.03, **advice_changes}), at=1.0,
                          condition=condition(1.0, **plant_changes))  # fmt: skip
    assert not isinstance(answer, Applied)
    assert words in answer.text
    assert made.mode is ADVISORY
    assert plant.written == []
    changed = [details for action, details in trail.entries if action == "mode changed"]
    assert changed[0]["to"] == "advisory"
    assert any(words in reason for reason in changed[0]["reasons"])


def test_closed_loop_needs_a_fresh_plan_and_a_fresh_look():
    made, trail, _ = session(CLOSED)
    assert isinstance(made.check(at=0.9, condition=condition(0.9)), Done)
    answer = made.check(at=1.6, condition=condition(1.6))
    assert isinstance(answer, Refused)
    assert "the plan is 1.6 h old, more than 1.5" in answer.reasons
    assert made.mode is ADVISORY
    assert trail.actions == ["mode changed"]
    made, _, _ = session(CLOSED)
    assert "last looked at" in made.propose(recommendation(time=2.0), at=2.0).text


def test_closed_loop_is_entered_with_a_person_through_advisory_only():
    made, trail, _ = session(OPEN)
    made.propose(recommendation(), at=0.0, condition=condition())
    assert "from advisory mode only" in made.switch(CLOSED, **WHO, at=0.0).text
    made.switch(ADVISORY, **WHO, at=0.0)
    assert isinstance(made.switch(CLOSED, **WHO, at=0.0, condition=condition(glc=7.0)), Refused)
    assert made.mode is ADVISORY
    assert "mode change refused" in trail.actions
    assert isinstance(made.switch(CLOSED, **WHO, at=0.0, condition=condition()), Done)
    assert made.switch(CLOSED, **WHO, at=0.0).reasons == ("the mode is closed_loop already",)
    without, _, _ = session(gate=None)
    without.propose(recommendation(), at=0.0)
    assert "no gate" in without.switch(CLOSED, **WHO, at=0.0).text
    fresh, _, _ = session()
    assert "there is no recommendation" in fresh.switch(CLOSED, **WHO, at=0.0).text


def test_leaving_advisory_mode_withdraws_what_waits():
    made, trail, _ = session()
    advice = recommendation()
    made.propose(advice, at=0.0)
    made.switch(OPEN, **WHO, at=0.1)
    assert made.pending is None
    assert trail.actions[-2:] == ["recommendation withdrawn", "mode changed"]
    made.switch(ADVISORY, **WHO, at=0.2)
    assert made.accept(advice, **WHO, at=0.2).reasons == ("this recommendation was withdrawn",)


# -- failures --------------------------------------------------------------------------------------------------
def test_what_cannot_be_recorded_is_not_done():
    made, trail, plant = session()
    advice = recommendation()
    made.propose(advice, at=0.0)
    trail.broken = True
    with pytest.raises(tk.StorageError, match="disk full"):
        made.accept(advice, **WHO, at=0.1)
    assert plant.written == []
    assert made.setpoints == {"F": 0.01}
    assert made.pending is advice
    trail.broken = False
    assert isinstance(made.accept(advice, **WHO, at=0.1), Applied)


def test_a_plant_that_does_not_take_the_values():
    made, trail, plant = session(CLOSED)
    plant.broken = True
    answer = made.propose(recommendation(time=1.0, value=0.03), at=1.0, condition=condition(1.0))
    assert isinstance(answer, Refused)
    assert "no answer" in answer.text
    assert made.mode is ADVISORY
    assert made.setpoints == {"F": 0.01}
    assert trail.actions == ["recommendation made", "moves applied", "write failed", "mode changed"]


def test_a_session_is_not_used_from_its_own_sink():
    class Nosy(Trail):
        def record(self, action, details):
            made.check(at=5.0)

    made = ControlSession("R3", {"F": "0.01 L/h"}, audit=Nosy())
    with pytest.raises(tk.StorageError, match="from inside"):
        made.switch(ADVISORY, **WHO, at=0.0)
    assert made.mode is OPEN


def test_many_threads_accept_once():
    made, trail, plant = session()
    advice = recommendation()
    made.propose(advice, at=0.0)
    answers, barrier = [], threading.Barrier(8)

    def person(k):
        barrier.wait()
        answers.append(made.accept(advice, by=f"person {k}", reason="me first", at=0.5))

    threads = [threading.Thread(target=person, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(answer, Applied) for answer in answers) == 1
    assert len(plant.written) == trail.actions.count("moves applied") == 1
    assert trail.actions.count("acceptance refused") == 7


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda s: s.accept("x", by="", reason="yes", at=0.0), tk.InvalidValueError, "name of a person"),
        (lambda s: s.accept("x", by="  ", reason="yes", at=0.0), tk.InvalidValueError, "name of a person"),
        (lambda s: s.accept("x", by="(automatic)", reason="yes", at=0.0), tk.InvalidValueError, "no person"),
        (lambda s: s.accept("x", by="--", reason="yes", at=0.0), tk.InvalidValueError, "no person"),
        (lambda s: s.accept("x", by=None, reason="yes", at=0.0), tk.InvalidValueError, "name of a person"),
        (lambda s: s.reject("x", by="A", reason=" ", at=0.0), tk.InvalidValueError, "reason"),
        (lambda s: s.accept("", by="A", reason="yes", at=0.0), tk.InvalidValueError, "content hash"),
        (lambda s: s.accept("x", by="A", reason="yes", at=math.nan), tk.InvalidValueError, "finite"),
        (lambda s: s.accept("x", by="A", reason="yes", at=-1.0), tk.InvalidValueError, "goes forward"),
        (lambda s: s.accept("x", by="A", reason="yes", at="1 g"), tk.UnitError, "time"),
        (lambda s: s.switch(OPEN, by="", reason="x", at=0.0), tk.InvalidValueError, "person"),
        (lambda s: s.switch(OPEN, by="A", reason="", at=0.0), tk.InvalidValueError, "reason"),
        (lambda s: s.switch("open_loop", by="A", reason="x", at=0.0), tk.InvalidValueError, "mode"),
        (lambda s: s.propose("advice", at=0.0), tk.InvalidValueError, "Recommendation"),
        (lambda s: s.propose(recommendation(), at=0.0, condition="fine"), tk.InvalidValueError, "PlantCondition"),
        (lambda s: s.propose(recommendation(time_unit="min"), at=0.0), tk.UnitError, "'min'"),
        (lambda s: s.restore(None), tk.SimulationError, "taken back"),
        (lambda s: ControlSession("", {"F": "1 L/h"}), tk.InvalidValueError, "name"),
        (lambda s: ControlSession("x", {}), tk.InvalidValueError, "present"),
        (lambda s: ControlSession("x", {"F": 1.0}), tk.InvalidValueError, "unit"),
        (lambda s: ControlSession("x", {"F": 1.0}, units={"G": "L"}), tk.UnknownNameError, "'F'"),
        (lambda s: ControlSession("x", {"F": "nan L/h"}), tk.InvalidValueError, "finite"),
        (lambda s: ControlSession("x", {"F": "1 L/h"}, gate="g"), tk.InvalidValueError, "Gate"),
        (lambda s: ControlSession("x", {"F": "1 L/h"}, audit=print), tk.InvalidValueError, "record"),
        (lambda s: ControlSession("x", {"F": "1 L/h"}, actuator=3), tk.InvalidValueError, "write"),
        (lambda s: ControlSession("x", {"F": "1 L/h"}, gate=gate(), time_unit="min"), tk.InvalidValueError, "one unit"),
        (lambda s: Gate("space", 1.0), tk.InvalidValueError, "DesignSpace"),
        (lambda s: gate(freshness=0.0), tk.InvalidValueError, "positive"),
        (lambda s: gate(sensors={"probe": -1.0}), tk.InvalidValueError, "probe"),
        (lambda s: gate(coverage=0.0), tk.InvalidValueError, "coverage"),
        (lambda s: gate(sensors=None), tk.InvalidValueError, "largest age"),
        (lambda s: PlantCondition("now"), tk.InvalidValueError, "finite"),
        (lambda s: condition(math.nan), tk.InvalidValueError, "finite"),
    ],
)
def test_bad_input_is_refused_and_changes_nothing(call, error, words):
    made, trail, plant = session()
    before = made.state
    with pytest.raises(error, match=words):
        call(made)
    assert made.state is before
    assert trail.entries == []
    assert plant.written == []


def test_a_move_the_session_does_not_have():
    made, _, _ = session()
    moves = {"G": type(recommendation().moves["F"])("G", "L/h", [0.0], [1.0], 1.0)}
    with pytest.raises(tk.UnknownNameError, match="'G'"):
        made.propose(recommendation(moves=moves, present={"G": 0.0}), at=0.0)


def test_it_shows_itself():
    made, _, _ = session()
    made.propose(recommendation(), at=0.0)
    assert "advisory" in repr(made)
    assert "waiting" in made._repr_html_()
