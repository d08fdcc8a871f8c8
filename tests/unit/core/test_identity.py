"""Content hashes: equal for the same meaning, in every process; different as soon as a result could differ."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import twinkit as tk
from twinkit.core.identity import canonical, digest
from twinkit.unitops import CHOFedBatch, JacketedTank

BASE = '''
import twinkit as tk

FACTOR = 2.0


def uptake(m, s, k):
    return s / (k + s)


class Culture(tk.Model):
    """Cells on sugar."""

    time_unit = "h"
    X = tk.State("g/L", 0.1, bounds=(0, None), doc="cells")
    S = tk.State("g/L", 10.0, bounds=(0, None), doc="sugar")
    mu = tk.Parameter("1/h", 0.4, doc="growth")
    K = tk.Parameter("g/L", 0.2, doc="saturation")
    Y = tk.Parameter("g/g", 0.5, doc="yield")
    r = tk.Output("g/L/h", doc="rate")

    def equations(self, v, m):
        growth = v.mu * uptake(m, v.S, v.K) * v.X
        return {"X": growth, "S": -growth / v.Y, "r": growth}
'''


def made(text):
    space = {"__name__": "made_here"}
    exec(text, space)
    return space["Culture"]()


def changed(*pairs):
    text = BASE
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return made(text)


REFERENCE = made(BASE).content_hash

SAME = {
    "a renamed local": [("growth", "speed")],
    "a docstring": [('"""Cells on sugar."""', '"""Something else."""')],
    "a doc and a source": [('doc="cells")', 'doc="biomass", source="a book")')],
    "reformatting and a comment": [
        ("growth = v.mu * uptake(m, v.S, v.K) * v.X", "growth = (\n  v.mu  # comment\n  * uptake(m, v.S, v.K) * v.X)"),
    ],
    "a helper written out": [("uptake(m, v.S, v.K)", "(v.S / (v.K + v.S))")],
    "a renamed helper": [("uptake", "monod")],
    "the order of the returned dict": [('"X": growth, "S": -growth / v.Y', '"S": -growth / v.Y, "X": growth')],
    "an unused constant": [("FACTOR = 2.0", "FACTOR = 3.0")],
    "another spelling of a unit": [('"1/h", 0.4', '"1/hour", 0.4')],
    "a default in another unit": [('"g/L", 10.0', '"g/L", "10 g/litre"')],
}  # fmt: skip
OTHER = {
    "a parameter": [("0.4", "0.41")],
    "an initial value": [('"g/L", 0.1', '"g/L", 0.2')],
    "an equation": [("-growth / v.Y", "-growth / v.Y / 2")],
    "a sign": [('"S": -growth', '"S": growth')],
    "a helper function": [("s / (k + s)", "s / (k + s + s)")],
    "an output": [('"r": growth', '"r": 2 * growth')],
    "a unit": [('"g/L/h"', '"kg/L/h"')],
    "bounds": [('10.0, bounds=(0, None)', '10.0, bounds=(0, 20)')],
    "a nominal value": [('"g/L", 10.0,', '"g/L", 10.0, nominal=3.0,')],
    "the time unit": [('time_unit = "h"', 'time_unit = "min"')],
    "the name of the class": [
        ("class Culture(tk.Model)", "class Other(tk.Model)"),
        ('"r": growth}\n', '"r": growth}\n\nCulture = Other\n'),
    ],
}  # fmt: skip


@pytest.mark.parametrize("case", SAME)
def test_the_same_meaning_has_the_same_hash(case):
    assert changed(*SAME[case]).content_hash == REFERENCE


@pytest.mark.parametrize("case", OTHER)
def test_another_meaning_has_another_hash(case):
    assert changed(*OTHER[case]).content_hash != REFERENCE


def test_a_parameter_value_changes_the_content_but_not_the_definition():
    model = made(BASE)
    assert model.with_(mu=0.5).definition_hash == model.definition_hash
    assert model.with_(mu=0.5).content_hash != model.content_hash
    assert model.with_(mu=np.nextafter(0.4, 1)).content_hash != model.content_hash
    assert model.with_(mu=0.5).with_(mu=0.4).content_hash == model.content_hash


def test_the_last_bit_of_a_constant_changes_the_definition():
    assert changed(("v.mu *", "0.3 *")).definition_hash != changed(("v.mu *", "(0.1 + 0.2) *")).definition_hash


def test_sub_models_and_options_enter_the_hash():
    tank = JacketedTank()
    assert tank.with_({"jacket.V": 61.0}).content_hash != tank.content_hash
    assert tank.with_({"jacket.V": 61.0}).definition_hash == tank.definition_hash


def test_events_and_schedules_enter_the_definition():
    def variant(limit=1.0, at=2.0, stop=False):
        class Filling(tk.Model):
            """A vessel that fills."""

            V = tk.State("L", 0.0)

            def equations(self, v, m):
                return {"V": m.quantity(1.0, "L/s")}

            def events(self, v, m):
                return {
                    "full": tk.Event(v.V - m.quantity(limit, "L"), stop=stop),
                    "dose": tk.Schedule(at=[at], set={"V": v.V * 2}),
                }

        return Filling().definition_hash

    assert variant() == variant()
    assert len({variant(), variant(limit=2.0), variant(at=3.0), variant(stop=True)}) == 4


def test_a_table_enters_the_definition():
    def variant(y):
        table = tk.Table([0, 1], y, "s", "1/s")

        class Looking(tk.Model):
            """Looks up a rate."""

            x = tk.State("", 1.0)

            def equations(self, v, m):
                return {"x": -v.x * m.interpolate(v.t, table)}

        return Looking().definition_hash

    assert variant([0, 1]) == variant([0.0, 1.0])
    assert variant([0, 1]) != variant([0, 2])


def test_the_hash_is_the_same_in_another_process():
    script = (
        "from twinkit.unitops import CHOFedBatch, JacketedTank;"
        "print(CHOFedBatch().content_hash, JacketedTank({'jacket.V': 61}).content_hash)"
    )
    for seed in ("0", "1"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(tk.__file__).parents[1])}
        run = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True, timeout=60
        )
        assert run.stdout.split() == [CHOFedBatch().content_hash, JacketedTank({"jacket.V": 61}).content_hash]


@pytest.mark.parametrize(
    ("first", "second", "equal"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ([1, 2], (1, 2), True),
        (np.array([1.0, 2.0]), [1.0, 2.0], True),
        (np.float64(0.1), 0.1, True),
        (0.1 + 0.2, 0.3, False),
        (float("nan"), float("nan"), True),
        (0.0, -0.0, False),
        ("1", 1, False),
        (True, 1, False),
        (None, "None", False),
        (np.array([[1.0, 2.0]]), np.array([1.0, 2.0]), False),
    ],
)
def test_digest(first, second, equal):
    assert (digest(first) == digest(second)) is equal


def test_canonical_text_has_no_spaces_and_sorted_keys():
    assert canonical({"b": [1.5, None], "a": "é"}) == '{"a":"\\u00e9","b":[1.5,null]}'
