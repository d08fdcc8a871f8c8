"""Reads the source of `equations` when a class is made, and refuses what would break one of its readings.

The check follows which names hold variables (anything computed from `v`) and rejects what needs a Python number or
a Python truth value from them. It is a courtesy, with file and line, ahead of the recorder in `expression`, which
refuses the same things when the equations run; where no source exists (a REPL) the recorder alone does the work.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import sys
import textwrap
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from twinkit.core.errors import ModelDefinitionError, nearest
from twinkit.core.maths import MATHS_NAMES

_NUMBER_BUILTINS = {
    "abs": "m.abs",
    "max": "m.maximum",
    "min": "m.minimum",
    "sum": "m.sum",
    "pow": "the ** operator",
    "float": "nothing (leave the variable as it is)",
    "int": "nothing (no reading can round)",
    "round": "nothing (no reading can round)",
    "bool": "m.where",
    "any": "m.logical_or",
    "all": "m.logical_and",
    "sorted": "m.minimum and m.maximum",
}
_FOREIGN_MODULES = {"math", "cmath", "numpy", "scipy", "casadi", "sympy", "torch", "jax", "np", "jnp", "ca", "sp"}


@dataclass(frozen=True)
class Names:
    """The names a class lets its equations use after `v.`, `self.`, and as keys of the returned dict."""

    variables: Collection[str]
    attributes: Collection[str]
    required: Collection[str]
    allowed: Collection[str]


@dataclass
class _Source:
    file: str
    tree: ast.FunctionDef
    offset: int
    scope: Callable[[str], bool]
    home: Callable[[str], str]


@dataclass
class _Checker(ast.NodeVisitor):
    names: Names
    source: _Source
    owner: str
    self_name: str
    v_name: str
    m_name: str
    tainted: set[str] = field(default_factory=set[str])

    # -- reporting ---------------------------------------------------------------------------------------------
    def fail(self, node: ast.AST, message: str) -> None:
        line = getattr(node, "lineno", 1) + self.source.offset
        raise ModelDefinitionError(f"{self.source.file}:{line}: in {self.owner}.{self.source.tree.name}: {message}")

    # -- what holds a variable ---------------------------------------------------------------------------------
    def holds_variable(self, node: ast.AST) -> bool:
        """Return whether an expression's value depends on a variable (its length, or a literal, does not)."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"len", "range"}:
            return False
        if isinstance(node, ast.Name):
            return node.id == self.v_name or node.id in self.tainted
        return any(self.holds_variable(child) for child in ast.iter_child_nodes(node))

    def bind(self, target: ast.AST) -> None:
        for node in ast.walk(target):
            if isinstance(node, ast.Name):
                self.tainted.add(node.id)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            if self.holds_variable(node.value):
                self.bind(target)
            self.visit(target)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)
        if self.holds_variable(node.value):
            self.bind(node.target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
            if self.holds_variable(node.value):
                self.bind(node.target)

    def visit_For(self, node: ast.For) -> None:
        if self.holds_variable(node.iter):
            self.bind(node.target)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        if self.holds_variable(node.iter):
            self.bind(node.target)
        for condition in node.ifs:
            self.truth(condition, "a filter in a comprehension")
        self.generic_visit(node)

    def _comprehension(self, node: Any) -> None:
        for generator in node.generators:
            self.visit(generator)
        self.generic_visit(node)

    visit_ListComp = visit_GeneratorExp = visit_DictComp = visit_SetComp = _comprehension

    # -- what needs a truth value or a number --------------------------------------------------------------------
    def truth(self, node: ast.AST, what: str) -> None:
        if self.holds_variable(node):
            self.fail(
                node,
                f"{what} asks a variable for a Python truth value, which symbolic readings cannot give; "
                "use m.where, m.maximum, m.logical_and (an Option may be used in `if`)",
            )

    def visit_If(self, node: ast.If) -> None:
        self.truth(node.test, "`if`")
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.truth(node.test, "`... if ... else ...`")
        self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        self.truth(node.test, "`while`")
        self.generic_visit(node)

    def visit_Assert(self, node: ast.Assert) -> None:
        self.truth(node.test, "`assert`")

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self.truth(node, "`and`/`or`")
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            self.truth(node.operand, "`not`")
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        if self.holds_variable(node):
            if len(node.ops) > 1:
                self.fail(node, "a chained comparison of variables needs a Python truth value: use m.logical_and")
            if not isinstance(node.ops[0], (ast.Lt, ast.LtE, ast.Gt, ast.GtE)):
                self.fail(node, "only <, <=, > and >= compare variables (inside m.where)")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
        given = any(self.holds_variable(argument) for argument in arguments)
        if isinstance(function, ast.Name) and given and function.id in _NUMBER_BUILTINS:
            self.fail(
                node, f"{function.id}() on a variable breaks the symbolic readings; use {_NUMBER_BUILTINS[function.id]}"
            )
        root = function
        while isinstance(root, ast.Attribute):
            root = root.value
        if isinstance(root, ast.Name) and self.source.home(root.id) in _FOREIGN_MODULES:
            called = ast.unparse(function)
            self.fail(
                node,
                f"{called} works in one reading only; use the functions of `{self.m_name}` "
                f"({nearest(called.rpartition('.')[2], MATHS_NAMES)})",
            )
        self.generic_visit(node)

    # -- names -------------------------------------------------------------------------------------------------
    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.value, ast.Name):
            base, name = node.value.id, node.attr
            if base == self.v_name and name not in self.names.variables:
                self.fail(node, f"{base}.{name} is not declared: {nearest(name, self.names.variables)}")
            if base == self.m_name and name not in MATHS_NAMES:
                self.fail(node, f"{base}.{name} does not exist: {nearest(name, MATHS_NAMES)}")
            if base == self.self_name and name in self.names.variables and name not in self.names.attributes:
                self.fail(node, f"self.{name} would freeze today's value into the equations; use {self.v_name}.{name}")
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load) and not self.source.scope(node.id):
            self.fail(node, f"the name {node.id!r} is not defined; variables are reached as {self.v_name}.{node.id}")

    # -- what is returned ----------------------------------------------------------------------------------------
    def check_returned(self) -> None:
        """Check the keys of the returned dict, where all of them are written as literals."""
        keys: dict[str, ast.AST] = {}
        for node in ast.walk(self.source.tree):
            if isinstance(node, ast.Return):
                if not isinstance(node.value, ast.Dict):
                    return
                for key in node.value.keys:
                    if not (isinstance(key, ast.Constant) and isinstance(key.value, str)):
                        return
                    keys[key.value] = key
        if not keys:
            return
        for name, node in keys.items():
            if name not in self.names.allowed:
                self.fail(
                    node,
                    f"equations returns {name!r}, which is no state, algebraic variable or output: "
                    f"{nearest(name, self.names.allowed)}",
                )
        missing = [name for name in self.names.required if name not in keys]
        if missing:
            self.fail(
                self.source.tree,
                f"no equation for {', '.join(map(repr, missing))}: return the derivative of every state, the residual "
                "of every algebraic variable and the value of every output",
            )


def _bound_names(tree: ast.AST) -> set[str]:
    """Return every name that is assigned, imported, defined or an argument somewhere in a syntax tree."""
    bound: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            bound.add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            bound.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            bound.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
    return bound


def _module_names(tree: ast.Module) -> set[str]:
    """Return the names bound at the top level of a module, not those inside its classes and functions."""
    bound: set[str] = set()
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            bound.add(node.name)
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            bound.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        pending.extend(ast.iter_child_nodes(node))
    return bound


def _imports(tree: ast.AST) -> dict[str, str]:
    """Return local name -> top-level package of everything imported inside a function."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                origin = alias.name if isinstance(node, ast.Import) else node.module or ""
                found[(alias.asname or alias.name).partition(".")[0]] = origin.partition(".")[0]
    return found


def _home(value: object, name: str) -> str:
    """Return the top-level package a global name comes from ('' when it is an ordinary name of the module)."""
    if value is None:
        return name  # not known yet: the usual names of modules tell
    origin = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", "")
    return str(origin or "").partition(".")[0]


def _read(function: Any) -> _Source | None:
    try:
        lines, first = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return None
    if not isinstance(tree, ast.FunctionDef):
        return None
    local, imported = _bound_names(tree), _imports(tree)
    module = sys.modules.get(function.__module__)
    later: set[str] | None = None

    def scope(name: str) -> bool:
        nonlocal later
        known = name in local or name in function.__globals__ or name in function.__code__.co_freevars
        if known or hasattr(builtins, name):
            return True
        if later is None:  # defined further down in the module: parse it only when it matters
            try:
                later = _module_names(ast.parse(inspect.getsource(module))) if module else set()
            except (OSError, TypeError, SyntaxError):
                return True
        return name in later

    def home(name: str) -> str:
        if name in imported or name in local:
            return imported.get(name, "")
        return _home(function.__globals__.get(name), name)

    return _Source(inspect.getsourcefile(function) or "<unknown>", tree, first - 1, scope, home)


def check_equations(owner: str, function: Any, names: Names) -> None:
    """Check the source of an `equations` method.

    Parameters
    ----------
    owner
        Name of the class, for messages.
    function
        The function object.
    names
        What the class declares.

    Raises
    ------
    ModelDefinitionError
        With file and line, at the first thing that would break a reading.
    """
    source = _read(function)
    if source is None:
        return
    arguments = [argument.arg for argument in source.tree.args.args]
    if len(arguments) != 3:
        raise ModelDefinitionError(
            f"{source.file}:{source.offset + 1}: {owner}.{source.tree.name} must take (self, v, m), not "
            f"({', '.join(arguments)})"
        )
    self_name, v_name, m_name = arguments
    checker = _Checker(names, source, owner, self_name, v_name, m_name)
    # Two passes: a name bound late in a loop is known to hold a variable in the second.
    for _ in range(2):
        for statement in source.tree.body:
            checker.visit(statement)
    if source.tree.name == "equations":
        checker.check_returned()
