"""Sub-models: binding, exposing, dotted names, and the mistakes that are told apart."""

import pytest

import twinkit as tk
from twinkit.readings import evaluate_at
from twinkit.readings.dimensions import dimension_problems
from twinkit.testing.agreement import reading_problems


class Jacket(tk.Model):
    """A jacket."""

    time_unit = "min"
    T = tk.State("degC", 10.0, doc="temperature")
    T_vessel = tk.Input("degC", doc="vessel")
    F = tk.Input("L/min", 2.0, bounds=(0, None), doc="flow")
    U = tk.Parameter("1/min", 0.5, bounds=(0, 5), doc="transfer")
    V = tk.Parameter("L", 4.0, doc="volume")
    cells = tk.Option(1)
    heat = tk.Output("delta_degC/min", doc="heat taken")

    def equations(self, v, m):
        heat = v.U * (v.T_vessel - v.T)
        return {"T": heat - v.F / v.V * (v.T - m.quantity(10.0, "degC")), "heat": heat}


class Vessel(tk.Model):
    """A vessel with a jacket."""

    time_unit = "min"
    T = tk.State("degC", 50.0, doc="temperature")
    jacket = Jacket(V=5.0)

    def equations(self, v, m):
        jacket = v.jacket(T_vessel=v.T)
        return {"T": -jacket.heat}


class Plant(tk.Model):
    """Two vessels."""

    time_unit = "min"
    first = Vessel()
    second = Vessel({"jacket.U": 1.0})
    total = tk.Output("delta_degC/min", doc="all heat")

    def equations(self, v, m):
        first, second = v.first(), v.second()
        return {"total": first.jacket.heat + second.jacket.heat}


def equations(text):
    """Return a Vessel with other equations."""

    def method(self, v, m):
        return text(v, m)

    return type("Variant", (Vessel,), {"equations": method, "__module__": "nowhere"})


def test_bound_inputs_vanish_and_the_others_are_exposed():
    layout = Vessel().layout
    assert layout.states.labels == ["T", "jacket.T"]
    assert layout.inputs.labels == ["jacket.F"]
    assert layout.parameters.labels == ["jacket.U", "jacket.V"]
    assert layout.outputs.labels == ["jacket.heat"]


def test_the_parent_supplies_the_value():
    found = evaluate_at(Vessel(), {"T": 30.0, "jacket.T": 10.0})
    assert found.derivatives["T"] == pytest.approx(-10.0)
    assert found.derivatives["jacket.T"] == pytest.approx(10.0)
    assert found.outputs["jacket.heat"] == pytest.approx(10.0)


def test_two_levels():
    plant = Plant()
    assert plant.layout.states.labels == ["first.T", "first.jacket.T", "second.T", "second.jacket.T"]
    assert plant.second.jacket.U == 1.0
    found = evaluate_at(plant)
    assert found.outputs["total"] == pytest.approx(0.5 * 40 + 1.0 * 40)
    changed = plant.with_({"first.jacket.U": "60 1/h", "second": Vessel(T=20.0)})
    assert changed.values()["first.jacket.U"] == pytest.approx(1.0)
    assert (changed.second.T, changed.second.jacket.U) == (20.0, 0.5)
    assert plant.first.jacket.U == 0.5


def test_a_submodel_and_its_values_together():
    model = Vessel({"jacket.U": 2.0}, jacket=Jacket(V=9.0))
    assert (model.jacket.U, model.jacket.V) == (2.0, 9.0)
    assert Vessel.jacket == Jacket(V=5.0)


def test_the_same_model_simulates_alone_and_inside():
    inside = tk.simulate(Vessel(), 20.0, outputs=400, rtol=1e-9)
    alone = tk.simulate(
        Jacket(V=5.0), 20.0, outputs=400, rtol=1e-9,
        inputs={"T_vessel": lambda t: float(inside.at(t)["T"][0])},
    )  # fmt: skip
    assert alone["T"].values == pytest.approx(inside["jacket.T"].values, rel=1e-5)


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"jacket.UU": 1}, tk.UnknownNameError, "Jacket has no parameter 'UU': did you mean 'U'"),
        ({"jackett.U": 1}, tk.UnknownNameError, "Vessel has no sub-model 'jackett': did you mean 'jacket'"),
        ({"jacket.U": 9}, tk.BoundsError, "parameter 'U' of Jacket"),
        ({"jacket.U": "1 kg"}, tk.UnitError, "parameter 'U' of Jacket"),
        ({"jacket": 3}, tk.InvalidValueError, "sub-model 'jacket' of Vessel must be a Jacket, not 3"),
        ({"jacket": Vessel()}, tk.InvalidValueError, "must be a Jacket"),
        ({"jacket": Jacket}, tk.InvalidValueError, "must be a Jacket"),
        ({"jacket.": 3}, tk.UnknownNameError, "Jacket has no parameter ''"),
        ({"jacket.U.x": 3}, tk.UnknownNameError, "Jacket has no sub-model 'U'"),
    ],
)
def test_wrong_values_of_a_submodel(values, error, words):
    with pytest.raises(error, match=words):
        Vessel(values)


MISTAKES = {
    "forgotten": (lambda v, m: {"T": -v.T / m.quantity(1.0, "min")}, "never calls sub-model 'jacket'"),
    "called twice": (
        lambda v, m: {"T": -v.jacket(T_vessel=v.T).heat - v.jacket(T_vessel=v.T).heat}, "'jacket' is called twice"
    ),
    "wrong input": (
        lambda v, m: {"T": -v.jacket(T_vesel=v.T).heat}, "sub-model 'jacket' has no input 'T_vesel'.*'T_vessel'"
    ),
    "a parameter is no input": (lambda v, m: {"T": -v.jacket(U=v.T).heat}, "has no input 'U'"),
    "an output before the call": (
        lambda v, m: {"T": -v.jacket.heat + 0 * v.jacket(T_vessel=v.T).T}, "'jacket.heat' is read before"
    ),
    "an unknown name of it": (
        lambda v, m: {"T": -v.jacket(T_vessel=v.T).heet}, "Jacket has no variable 'heet': did you mean 'heat'"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_in_the_parent(case):
    function, words = MISTAKES[case]
    with pytest.raises((tk.ModelDefinitionError, tk.UnknownNameError), match=words):
        _ = equations(function)().layout


def test_a_wrong_shape_cannot_be_bound():
    class Wide(tk.Model):
        """Binds a vector to a scalar input."""

        time_unit = "min"
        x = tk.State("degC", 1.0, shape=3)
        jacket = Jacket()

        def equations(self, v, m):
            v.jacket(T_vessel=v.x)
            return {"x": m.full(3, m.quantity(0.0, "delta_degC/min"))}

    with pytest.raises(tk.TwinkitError, match=r"T_vessel|length 3|single value"):
        _ = Wide().layout


def test_a_submodel_may_count_time_in_another_unit():
    class Clock(tk.Model):
        """Counts minutes, in every way a model can."""

        time_unit = "min"
        x = tk.State("m", initial=0.0)
        T = tk.State("degC", initial=20.0)
        n = tk.Mode("", default=0.0)

        def equations(self, v, m):
            speed = m.quantity(1.0, "m/min**2") * v.t
            return {"x": speed, "T": m.quantity(2.0, "delta_degC/min")}

        def events(self, v, m):
            return {
                "listed": tk.Schedule(at=[3.0, "240 s"], set={"n": v.n + 1.0}),
                "often": tk.Schedule(every=2.0, start=1.0, until=7.5, set={"n": v.n + 10.0}),
                "late": tk.Event(v.t - m.quantity(5.0, "min"), set={"n": v.n + 100.0}),
            }

    class Hours(tk.Model):
        """Counts hours."""

        time_unit = "h"
        clock = Clock()

        def equations(self, v, m):
            v.clock()
            return {}

    own, whole = tk.simulate(Clock(), until="10 min"), tk.simulate(Hours(), until="10 min")
    for name in ("x", "T", "n"):
        assert float(whole[f"clock.{name}"][-1]) == pytest.approx(float(own[name][-1]), rel=1e-7)
    assert float(own["n"][-1]) == 2.0 + 40.0 + 100.0
    assert [o.time * 60.0 for o in whole.occurrences] == pytest.approx([o.time for o in own.occurrences], rel=1e-7)
    assert [o.name for o in whole.occurrences] == [f"clock.{o.name}" for o in own.occurrences]
    point = {"t": 0.3, "clock.x": 1.0, "clock.T": 25.0, "clock.n": 2.0}
    assert reading_problems(Hours(), [point])[0] == []
    assert dimension_problems(Hours()) == []


def test_an_input_of_a_submodel_within_a_submodel_is_bound_by_its_name():
    class Shell(tk.Model):
        """Passes nothing on."""

        time_unit = "min"
        jacket = Jacket()

        def equations(self, v, m):
            v.jacket()
            return {}

    class Outer(tk.Model):
        """Binds what is two levels down."""

        time_unit = "min"
        shell = Shell()

        def equations(self, v, m):
            v.shell(**{"jacket.T_vessel": m.quantity(20.0, "degC")})
            return {}

    assert "shell.jacket.T_vessel" not in Outer().layout.inputs
    assert "jacket.T_vessel" in Shell().layout.inputs

    class Twice(tk.Model):
        """Binds what is bound already."""

        time_unit = "min"
        shell = Outer()

        def equations(self, v, m):
            v.shell(**{"shell.jacket.T_vessel": m.quantity(20.0, "degC")})
            return {}

    with pytest.raises(tk.ModelDefinitionError, match=r"'shell\.shell\.jacket\.T_vessel' is given twice"):
        _ = Twice().layout

    class Wrong(tk.Model):
        """Misses the name."""

        time_unit = "min"
        shell = Shell()

        def equations(self, v, m):
            v.shell(**{"jacket.T_vesel": m.quantity(20.0, "degC")})
            return {}

    with pytest.raises(tk.UnknownNameError, match=r"did you mean 'jacket\.T_vessel'"):
        _ = Wrong().layout


def test_a_submodel_may_replace_an_inherited_one():
    class Bigger(Jacket):
        """A jacket with more."""

        V = tk.Parameter("L", 50.0)

    class Wider(Vessel):
        """Another default jacket."""

        jacket = Bigger()

    assert Wider().jacket.V == 50.0
    with pytest.raises(tk.InvalidValueError, match="must be a Bigger"):
        Wider(jacket=Jacket())
    assert Vessel(jacket=Bigger()).layout.states.size == 2


def test_options_of_a_submodel_are_set_by_dotted_name():
    assert Vessel({"jacket.cells": 3}).jacket.cells == 3
    assert Vessel({"jacket.cells": 3}).structure_key != Vessel().structure_key
