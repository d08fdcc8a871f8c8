"""What `equations` may hold: every refusal with its file and line, and what has to be accepted."""

import importlib.util
import itertools
import re
import sys
import textwrap

import pytest

import twinkit as tk

_numbers = itertools.count()

HEAD = '''
import math
import numpy
import numpy as array_library
import numpy as np
from math import exp
import twinkit as tk


class Probe(tk.Model):
    """A model under test."""

    time_unit = "h"
    x = tk.State("g/L", 1.0, doc="amount")
    c = tk.State("g/L", 1.0, shape="n", doc="vector")
    z = tk.Algebraic("g/L", 1.0, doc="balance")
    u = tk.Input("g/L", 1.0, doc="input")
    k = tk.Parameter("1/h", 0.5, doc="rate")
    y = tk.Output("g/L", doc="output")
    n = tk.Option(3)
    fast = tk.Option(False)

    def equations(self, v, m):
'''
RETURN = '        return {"x": rate, "c": -v.k * v.c, "z": v.z - v.x, "y": v.x}\n'


@pytest.fixture
def define(tmp_path):
    """Return a function that imports a module with the given text and returns it."""
    made = []

    def importing(text):
        name = f"probe_{next(_numbers)}"
        path = tmp_path / f"{name}.py"
        path.write_text(text, encoding="utf-8")
        spec = importlib.util.spec_from_file_location(name, path)
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        made.append(name)
        spec.loader.exec_module(module)
        return module

    yield importing
    for name in made:
        sys.modules.pop(name, None)


def refused(define, text):
    """Define a module that must be refused; check that the message points at the line marked `# here`."""
    marked = [number for number, line in enumerate(text.splitlines(), 1) if "# here" in line]
    with pytest.raises(tk.ModelDefinitionError) as caught:
        define(text)
    message = str(caught.value)
    found = re.match(r"(?P<file>.+\.py):(?P<line>\d+): in (?P<where>[\w.]+): ", message)
    assert found, f"no file and line in {message!r}"
    assert re.search(r"probe_\d+\.py$", found["file"])
    assert [int(found["line"])] == marked, message
    return message


def body(lines, ending=RETURN):
    return HEAD + textwrap.indent(textwrap.dedent(lines).strip("\n"), "        ") + "\n" + ending


REFUSED = {
    "if": ("if v.x > 0:  # here\n    rate = v.k\nelse:\n    rate = v.k * v.x", "m.where"),
    "if through a local": ("a = v.x * 2\nb = a\nrate = v.x\nif b > 0:  # here\n    rate = b", "m.where"),
    "elif": ("rate = v.x\nif self.fast:\n    pass\nelif v.x > 1:  # here\n    rate = v.k", "m.where"),
    "while": ("rate = v.x\nwhile rate > 1:  # here\n    rate = rate / 2", "while"),
    "assert": ("assert v.x > 0  # here\nrate = v.x", "assert"),
    "ternary": ("rate = v.k if v.x > 0 else 0.0  # here", "m.where"),
    "and": ("rate = m.where(v.x > 0 and v.u > 0, 1.0, 0.0)  # here", "and"),
    "or": ("rate = m.where(v.x > 0 or self.fast, 1.0, 0.0)  # here", "m.logical_and"),
    "not": ("rate = m.where(not v.x > 0, 1.0, 0.0)  # here", "not"),
    "max": ("rate = max(v.x, 0.0)  # here", "use m.maximum"),
    "min": ("rate = min(0.0, v.x)  # here", "use m.minimum"),
    "abs": ("rate = abs(v.x)  # here", "use m.abs"),
    "float": ("rate = float(v.x)  # here", "float()"),
    "int": ("rate = int(v.x)  # here", "int()"),
    "round": ("rate = round(v.x, 2)  # here", "round()"),
    "bool": ("rate = v.x * bool(v.u)  # here", "use m.where"),
    "sum": ("rate = sum(v.c)  # here", "use m.sum"),
    "pow": ("rate = pow(v.x, 2)  # here", "**"),
    "any": ("rate = any([v.x > 1])  # here", "m.logical_or"),
    "all of a generator": ("rate = all(a > 0 for a in v.c)  # here", "m.logical_and"),
    "sorted": ("rate = sorted(v.c)[0]  # here", "m.minimum"),
    "math.exp": ("rate = math.exp(v.x)  # here", "did you mean 'exp'"),
    "math of a number": ("rate = v.x * math.sqrt(2.0)  # here", "use the functions of `m`"),
    "np.maximum": ("rate = np.maximum(v.x, 0)  # here", "'maximum'"),
    "numpy": ("rate = numpy.where(v.x > 0, 1, 2)  # here", "'where'"),
    "np.linalg": ("rate = v.x * np.linalg.norm(v.c)  # here", "np.linalg.norm"),
    "a name imported from math": ("rate = exp(v.x)  # here", "did you mean 'exp'"),
    "numpy under another name": ("rate = array_library.tanh(v.x)  # here", "did you mean 'tanh'"),
    "numpy imported inside": ("import numpy as np\nrate = np.tanh(v.x)  # here", "did you mean 'tanh'"),
    "unknown variable": ("rate = v.kk * v.x  # here", "v.kk is not declared: did you mean 'k'"),
    "unknown variable, no near one": ("rate = v.mystery  # here", "valid names"),
    "unknown maths": ("rate = m.expo(v.x)  # here", "m.expo does not exist: did you mean 'exp'"),
    "internal maths": ("rate = m.bind(v.x, 1, 2)  # here", "m.bind does not exist"),
    "unknown name": ("rate = q * v.x  # here", "'q' is not defined"),
    "a variable without v": ("rate = -k * v.x  # here", "variables are reached as v.k"),
    "self.parameter": ("rate = -self.k * v.x  # here", "use v.k"),
    "self.state": ("rate = -self.x * v.k  # here", "freeze"),
    "chained comparison": ("rate = m.where(0 < v.x < 1, 1.0, 0.0)  # here", "m.logical_and"),
    "equality": ("rate = m.where(v.x == 1, 1.0, 0.0)  # here", "only <"),
    "inequality": ("rate = m.where(v.x != 1, 1.0, 0.0)  # here", "only <"),
    "in": ("rate = m.where(v.x in (1, 2), 1.0, 0.0)  # here", "only <"),
    "is": ("rate = m.where(v.x is None, 1.0, 0.0)  # here", "only <"),
    "filter in a comprehension": ("rate = m.sum(m.stack([a for a in v.c if a > 0]))  # here", "filter"),
    "walrus": ("rate = v.x\nif (w := v.x) > 0:  # here\n    rate = w", "m.where"),
    "tuple unpacking": ("a, b = v.x, v.u\nrate = a if b > 0 else b  # here", "m.where"),
    "augmented": ("a = 0.0\na += v.x\nrate = 1.0 if a > 0 else 2.0  # here", "m.where"),
    "annotated": ("a: object = v.x\nrate = 1.0 if a > 0 else 2.0  # here", "m.where"),
    "loop variable": ("rate = 0.0\nfor a in v.c:\n    rate = rate + (a if a > 0 else 0.0)  # here", "m.where"),
    "bound late in a loop": (
        "a = 0.0\nrate = v.x\nfor i in range(3):\n    if a > 0:  # here\n        rate = v.k\n    a = v.x",
        "m.where",
    ),
    "inside a lambda": ("f = lambda a: a * v.nothing  # here\nrate = f(v.x)", "v.nothing"),
    "in the returned dict": ("rate = v.x", 'return {"x": max(rate, 0), "c": v.c, "z": 1, "y": 1}  # here', "m.maximum"),
    "returned key": ("rate = v.x", 'return {"X": rate, "c": v.c, "z": v.z, "y": v.x}  # here', "did you mean 'x'"),
    "returned input": ("rate = v.x", 'return {"x": rate, "c": v.c, "z": v.z, "y": v.x, "u": 1.0}  # here', "no state"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_break_a_reading_is_refused_with_file_and_line(define, case):
    lines, *ending, words = REFUSED[case]
    text = body(lines, f"        {ending[0]}\n" if ending else RETURN)
    assert words in refused(define, text)


@pytest.mark.parametrize("missing", ["x", "c", "z", "y"])
def test_a_missing_equation_is_named(define, missing):
    entries = {"x": "-v.k * v.x", "c": "-v.k * v.c", "z": "v.z - v.x", "y": "v.x"}
    kept = ", ".join(f'"{name}": {value}' for name, value in entries.items() if name != missing)
    text = body("", f"        return {{{kept}}}\n").replace(
        "def equations(self, v, m):", "def equations(self, v, m):  # here"
    )
    assert f"no equation for '{missing}'" in refused(define, text)


@pytest.mark.parametrize("signature", ["self, v", "self", "v, m", "self, v, m, t", "self, v, *, m"])
def test_a_wrong_signature_is_refused(define, signature):
    text = body("rate = 1.0").replace("def equations(self, v, m):", f"def equations({signature}):  # here")
    with pytest.raises(tk.ModelDefinitionError, match=r"probe_\d+\.py:\d+: Probe.equations must take \(self, v, m\)"):
        define(text)


def test_events_are_checked_too(define):
    text = body("rate = v.x") + "\n    def events(self, v, m):\n        return {'e': tk.Event(v.nothing)}  # here\n"
    assert "v.nothing" in refused(define, text)


def test_other_names_than_self_v_m_are_followed(define):
    text = body("rate = v.x").replace("(self, v, m)", "(this, variables, maths)").replace("v.", "variables.")
    define(text)
    wrong = text.replace("rate = variables.x", "rate = max(variables.x, 0)  # here")
    assert "m.maximum" in refused(define, wrong)


# -- what must be accepted ---------------------------------------------------------------------------------------
ACCEPTED = {
    "if on an option": "if self.fast:\n    rate = -2 * v.k * v.x\nelse:\n    rate = -v.k * v.x",
    "ternary on an option": "rate = (2.0 if self.fast and not self.n > 5 else 1.0) * v.x",
    "loop over range": "rate = 0.0\nfor i in range(self.n):\n    rate = rate + v.c[i]",
    "loop over a vector": "rate = 0.0\nfor a in v.c:\n    rate += a",
    "length of a vector": "rate = v.c[len(v.c) - 1] if len(v.c) > 1 else v.x",
    "list comprehension": "rate = m.sum(m.stack([v.c[i] * i for i in range(self.n) if i > 0]))",
    "numbers with builtins": "size = max(self.n, 2) + abs(-1) + int(3.5)\nrate = v.x * float(size)",
    "comparison in where": "rate = m.where(m.logical_and(v.x > 0, v.u <= 1), v.k, 0.0)",
    "helper defined later": "rate = helper(v.x, m)",
    "constant defined later": "rate = v.x * CONSTANT",
    "nested function": "def local(a):\n    return a * v.k\nrate = local(v.x)",
    "lambda": "f = lambda a: a * v.k\nrate = f(v.x)",
    "pi and time": "rate = m.sin(m.pi * v.t)",
    "keyword arguments": "rate = m.clip(v.x, low=0.0, high=1.0)",
    "slices": "rate = m.sum(v.c[1:])",
    "annotation": "rate: object = v.x * v.k",
    "docstring and import": '"""Words: if v.x > 0."""\nimport itertools\nrate = v.x',
    "shadowed builtin": "maximum = m.maximum\nrate = maximum(v.x, 0.0)",
}
FOOT = "\n\ndef helper(a, m):\n    return m.exp(-a)\n\n\nCONSTANT = 3.0\n"


@pytest.mark.parametrize("case", ACCEPTED)
def test_what_every_reading_can_follow_is_accepted(define, case):
    module = define(body(ACCEPTED[case]) + FOOT)
    for fast in (False, True):
        assert module.Probe(fast=fast).layout.states.size == 4


def test_a_dict_built_by_program_is_accepted_and_checked_when_it_runs(define):
    ending = "        result = {'c': -v.k * v.c}\n        result['x'] = rate\n        return {**result, **rest(v)}\n"
    text = body("rate = v.x", ending) + "\n\ndef rest(v):\n    return {'z': v.z - v.x, 'y': v.x}\n"
    assert define(text).Probe().layout.outputs.labels == ["y"]
    with pytest.raises(tk.ModelDefinitionError, match="no value for 'y'"):
        _ = define(text.replace(", 'y': v.x}", "}")).Probe().layout
    with pytest.raises(tk.ModelDefinitionError, match="did you mean 'y'"):
        _ = define(text.replace("'y': v.x", "'yy': v.x")).Probe().layout


def test_inherited_and_extended_equations_are_accepted(define):
    text = body("rate = v.x") + textwrap.dedent('''

        class Longer(Probe):
            """Adds a state."""

            w = tk.State("g/L", 0.0, doc="more")

            def equations(self, v, m):
                return {**super().equations(v, m), "w": v.x}


        class Renamed(Probe):
            """Adds nothing."""
        ''')
    module = define(text)
    assert module.Longer().layout.states.labels == ["x", "c[0]", "c[1]", "c[2]", "w"]
    assert module.Renamed().layout.states.size == 4


def test_inherited_equations_are_checked_against_what_the_subclass_declares(define):
    text = body("rate = v.x") + textwrap.dedent('''

        class Longer(Probe):
            """Declares a state without an equation."""

            w = tk.State("g/L", 0.0, doc="more")
        ''')
    with pytest.raises(tk.ModelDefinitionError, match="no equation for 'w'"):
        define(text)


# -- where no source can be read, the recorder does the work -----------------------------------------------------
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("rate = v.k if v.x > 0 else 0.0", "m.where"),
        ("rate = max(v.x, 0.0)", "m.where or m.maximum"),
        ("rate = math.exp(v.x)", "m.exp"),
        ("rate = float(v.x)", "float"),
        ("rate = int(v.x)", "int"),
        ("rate = m.where(v.x == 1, 1.0, 2.0)", "=="),
        ("rate = m.where(v.x != 1, 1.0, 2.0)", "!="),
        ("rate = v.kk", "did you mean 'k'"),
        ("rate = v.x + 'a'", "cannot take part"),
        ("rate = v.c[7]", "outside a vector of length 3"),
        ("rate = v.x[0]", "cannot be indexed"),
        ("rate = v.c", "a vector of length 3 for 'x'"),
        ("rate = m.sum(v.x)", "m.sum needs a vector"),
        ("rate = m.sum(v.c + v.c[:2])", "different lengths"),
    ],
)
def test_the_recorder_refuses_what_the_source_check_could_not_see(line, words):
    space = {"__name__": "no_source_at_all"}
    exec(body(line), space)  # as in a REPL: inspect finds no source
    with pytest.raises(tk.TwinkitError, match=words):
        _ = space["Probe"]().layout


def test_numpy_cannot_take_a_symbol():
    space = {"__name__": "no_source_at_all"}
    exec(body("rate = np.exp(v.x)"), space)
    with pytest.raises(TypeError, match="ufunc"):
        _ = space["Probe"]().layout


def test_equations_must_return_a_mapping():
    space = {"__name__": "no_source_at_all"}
    exec(body("rate = v.x", "        return [rate]\n"), space)
    with pytest.raises(tk.ModelDefinitionError, match="must return a dict, not list"):
        _ = space["Probe"]().layout
