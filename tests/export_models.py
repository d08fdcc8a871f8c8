"""Models that the tests export as FMUs: each has something of its own."""

import twinkit as tk


class Column(tk.Model):
    """Vectors, a nested vector input, time that enters by itself, hours."""

    time_unit = "h"
    cells = tk.Option(4, bounds=(2, 50))
    c = tk.State("mmol/L", 0.5, shape="cells", bounds=(0, None), nominal=2.0, doc="concentration")
    feed = tk.Input("mmol/L", 2.0, shape=2, doc="two feeds")
    T = tk.State("degC", 20.0, nominal=10.0, doc="temperature")
    k = tk.Parameter("1/h", 3.0, bounds=(0, 100), doc="exchange")
    rates = tk.Parameter("1/h", 1.0, shape="cells", doc="decay per cell")
    profile = tk.Output("mmol/L", shape="cells", doc="twice the concentration")
    total = tk.Output("mmol/L")

    def equations(self, v, m):
        entering = m.concatenate([m.stack([v.feed[0] + v.feed[1]]), v.c[:-1]])
        warming = m.quantity(5.0, "delta_degC/h") * m.cos(v.t / m.quantity(1.0, "h"))
        return {
            "c": v.k * (entering - v.c) - v.rates * v.c,
            "T": warming,
            "profile": 2.0 * v.c,
            "total": m.sum(v.c),
        }


class Flash(tk.Model):
    """Two algebraic variables that depend on each other, on a state, an input, a parameter and time; minutes."""

    time_unit = "min"
    n = tk.State("mol", 2.0, nominal=1.0)
    a = tk.Algebraic("mol", 1.0, bounds=(0, 50), doc="one")
    b = tk.Algebraic("mol", 0.5, bounds=(-50, 50), nominal=0.5, doc="other")
    alone = tk.Algebraic("", 1.0)
    u = tk.Input("mol", 0.3)
    w = tk.Input("", 2.0, bounds=(0.1, None))
    k = tk.Parameter("1/min", 0.4)
    y = tk.Output("mol")
    direct = tk.Output("")

    def equations(self, v, m):
        one = m.quantity(1.0, "mol")
        return {
            "n": v.u / m.quantity(1.0, "min") - v.k * v.a,
            "a": v.a + 0.3 * v.b * v.a / one - v.n,
            "b": v.b - 0.2 * v.a - v.u * m.exp(-v.t / m.quantity(3.0, "min")),
            "alone": v.alone * v.alone * v.alone + v.alone - v.w,
            "y": v.a + 2.0 * v.b,
            "direct": v.alone,
        }


class Ball(tk.Model):
    """Falls and bounces; at rest after some bounces by a mode; seconds."""

    time_unit = "s"
    h = tk.State("m", 1.0)
    s = tk.State("m/s", 0.0)
    flying = tk.Mode("", 1.0)
    bounces = tk.Mode("", 0.0)
    e = tk.Parameter("", 0.7, bounds=(0, 1))

    def equations(self, v, m):
        return {"h": v.flying * v.s, "s": v.flying * m.quantity(-9.81, "m/s**2")}

    def events(self, v, m):
        moving = m.where(v.bounces >= 5.0, 0.0, v.flying)
        return {
            "bounce": tk.Event(
                v.h, tk.Crossing.FALLING, {"s": -v.e * v.s, "bounces": v.bounces + 1.0, "flying": moving}
            )
        }


class Endless(Ball):
    """Bounces without end."""

    def events(self, v, m):
        return {"bounce": tk.Event(v.h, tk.Crossing.FALLING, {"s": -v.e * v.s})}


class Latch(tk.Model):
    """Events of an input that jumps and of time, either way, among schedules that meet; minutes."""

    time_unit = "min"
    x = tk.State("", 0.0)
    on = tk.Mode("", 0.0)
    n = tk.Mode("", 0.0)
    u = tk.Input("", 0.0)

    def equations(self, v, m):
        return {"x": (v.on - 0.2 * v.x) / m.quantity(1.0, "min")}

    def events(self, v, m):
        return {
            "start": tk.Event(v.u - 0.5, tk.Crossing.RISING, {"on": 1.0}),
            "stop": tk.Event(v.u - 0.5, tk.Crossing.FALLING, {"on": 0.0}),
            "swing": tk.Event(m.sin(v.t / m.quantity(1.0, "min")), tk.Crossing.EITHER, {"n": v.n + 1.0}),
            "tick": tk.Schedule(every="0.7 min", start=0.1, set={"x": v.x + 0.01}),
            "half": tk.Schedule(at=[2.2, 3.0], set={"x": v.x * 0.5}),
        }


class Doses(tk.Model):
    """Listed and periodic schedules, an event that brings another about, one that ends the run; hours."""

    time_unit = "h"
    c = tk.State("g/L", 0.0, nominal=1.0)
    V = tk.State("L", 1.0)
    open = tk.Mode("", 0.0, doc="valve")
    alarms = tk.Mode("", 0.0)
    k = tk.Parameter("1/h", 0.3)
    limit = tk.Parameter("g/L", 1.2)
    largest = tk.Parameter("L", 2.3)

    def equations(self, v, m):
        return {"c": -v.k * v.c, "V": v.open * m.quantity(0.5, "L/h")}

    def events(self, v, m):
        return {
            "bolus": tk.Schedule(at=[0, "90 min", 4.0], set={"c": v.c + m.quantity(1.0, "g/L")}),
            "dose": tk.Schedule(every="2 h", start=1, until=7, set={"c": v.c + m.quantity(0.7, "g/L")}),
            "high": tk.Event(v.c - v.limit, tk.Crossing.RISING, {"open": 1.0 - v.open}),
            "valve": tk.Event(v.open - 0.5, tk.Crossing.EITHER, {"alarms": v.alarms + 1.0}),
            "full": tk.Event(v.V - v.largest, stop=True),
        }


class Stiff(tk.Model):
    """Robertson's kinetics as a DAE; seconds."""

    time_unit = "s"
    A = tk.State("", 1.0)
    B = tk.State("", 0.0, nominal=1e-5)
    C = tk.Algebraic("", 0.0, nominal=1.0)

    def equations(self, v, m):
        per = m.quantity(1.0, "1/s")
        slow, fast, faster = 0.04 * v.A * per, 1e4 * v.B * v.C * per, 3e7 * v.B * v.B * per
        return {"A": -slow + fast, "B": slow - fast - faster, "C": v.A + v.B + v.C - 1.0}


class Gain(tk.Model):
    """No states at all; an input whose default is missing, in a domain of its own."""

    u = tk.Input("", bounds=(0.5, 10))
    y = tk.Output("")
    g = tk.Parameter("", 2.0)

    def equations(self, v, m):
        return {"y": v.g * m.log(v.u)}


class Root(tk.Model):
    """Leaves its domain: the square root of what is left; seconds."""

    time_unit = "s"
    x = tk.State("", 1.0)
    k = tk.Parameter("1/s", 2.5)
    u = tk.Input("", 0.0)

    def equations(self, v, m):
        return {"x": -v.k * m.sqrt(v.x - 0.2) - v.u * v.k}
