"""CasADi functions over many points and along chains of steps: in CasADi's interpreter, or compiled by a C compiler.

A function for a chain maps ``(carried, item, shared) -> carried``, one for points ``(item, shared) -> result``; each
argument is one flat vector. A chain is what integrates a model over sub-steps, points are where outputs are wanted.
Compiled code is kept under the SHA-256 of its text, the compiler and its flags, as simulate keeps what numba compiled.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import casadi as ca
import numpy as np

from twinkit.core.component import Array
from twinkit.core.files import cache_directory
from twinkit.readings.casadi import Fast, symbol_kind

_FLAGS = ("-O2", "-fPIC", "-shared", "-ffp-contract=off")
_LARGE = 30_000  # instructions from which the optimiser of the C compiler would take minutes
_KEPT = 64
_MANY = 32

_CHAIN = """
#include <stdlib.h>
int twinkit_chain(long long n, long long most, const long long* counts, const double* items, const double* shared,
                  double* carried) {{
  double* w = malloc(sizeof(double) * ({w} + {carried} + 1));
  casadi_int* iw = malloc(sizeof(casadi_int) * ({iw} + 1));
  const double* arg[{arg}];
  double* res[{res}];
  int bad = !w || !iw;
  for (long long k = 0; k < n && !bad; ++k)
    for (long long i = 0; i < counts[k] && !bad; ++i) {{
      double *here = carried + k * {carried}, *next = w + {w};
      arg[0] = here; arg[1] = items + (k * most + i) * {item}; arg[2] = shared; res[0] = next;
      bad = {name}(arg, res, iw, w, 0);
      for (long long j = 0; j < {carried}; ++j) here[j] = next[j];
    }}
  free(w); free(iw);
  return bad;
}}
"""
_PATH = """
#include <stdlib.h>
int twinkit_path(long long n, const double* items, const double* shared, const double* start, double* path) {{
  double* w = malloc(sizeof(double) * ({w} + 1));
  casadi_int* iw = malloc(sizeof(casadi_int) * ({iw} + 1));
  const double* arg[{arg}];
  double* res[{res}];
  int bad = !w || !iw;
  for (long long k = 0; k < n && !bad; ++k) {{
    arg[0] = k ? path + (k - 1) * {carried} : start; arg[1] = items + k * {item}; arg[2] = shared;
    res[0] = path + k * {carried};
    bad = {name}(arg, res, iw, w, 0);
  }}
  free(w); free(iw);
  return bad;
}}
"""
_POINTS = """
#include <stdlib.h>
int twinkit_points(long long n, const double* items, const double* shared, double* results) {{
  double* w = malloc(sizeof(double) * ({w} + 1));
  casadi_int* iw = malloc(sizeof(casadi_int) * ({iw} + 1));
  const double* arg[{arg}];
  double* res[{res}];
  int bad = !w || !iw;
  for (long long k = 0; k < n && !bad; ++k) {{
    arg[0] = items + k * {item}; arg[1] = shared; res[0] = results + k * {result};
    bad = {name}(arg, res, iw, w, 0);
  }}
  free(w); free(iw);
  return bad;
}}
"""


class Chains:
    """Many chains of steps of one function ``(carried, item, shared) -> carried``.

    Parameters
    ----------
    function
        The step, with dense arguments and result.
    native
        Whether to compile it with a C compiler; without one a warning says so and the interpreter is used.
    """

    def __init__(self, function: Any, native: bool = False) -> None:
        self._function, self._wanted = function, native
        self._size = function.numel_in(0), function.numel_in(1)
        self._made: dict[tuple[int, int], Fast] = {}

    @cached_property
    def _library(self) -> ctypes.CDLL | None:
        """Machine code, made when first called: compiling an implicit method takes long, and most never need one."""
        sizes = {"carried": self._size[0], "item": self._size[1]}
        return library(self._function, _CHAIN, **sizes) if self._wanted else None

    def __call__(self, carried: Array, items: Sequence[Array], shared: Array) -> Array:
        """Return what is carried at the end of every chain.

        Parameters
        ----------
        carried
            At the start, ``(chains, carried)``.
        items
            Per chain, one row per step.
        shared
            The same for all.
        """
        counts = [len(chain) for chain in items]
        if self._library is not None:
            return self._compiled(self._library, carried, items, counts, shared)
        if len(set(counts)) == 1:
            return self._interpreted(carried, np.concatenate(items), counts[0], shared)
        result = np.empty_like(carried)
        for count in set(counts):
            chosen = [k for k, found in enumerate(counts) if found == count]
            rows = np.concatenate([items[k] for k in chosen])
            result[chosen] = self._interpreted(carried[chosen], rows, count, shared)
        return result

    def _interpreted(self, carried: Array, items: Array, count: int, shared: Array) -> Array:
        chains = len(carried)
        if (more := _rounded(chains) - chains) > 0:
            padded = np.concatenate([carried, carried[-1:].repeat(more, axis=0)])
            last = np.tile(items[-count:], (more, 1))
            return self._interpreted(padded, np.concatenate([items, last]), count, shared)[:chains]
        key = chains, count
        if key not in self._made:
            if len(self._made) >= _KEPT:
                self._made.pop(next(iter(self._made)))
            self._made[key] = Fast(self._chain(*key))
        return self._made[key](carried.ravel(), items.ravel(), shared)[0].reshape(carried.shape)

    def _chain(self, chains: int, count: int) -> Any:
        """Return the function of so many chains of so many steps."""
        start, shared = ca.MX.sym("start", self._size[0]), ca.MX.sym("shared", self._function.size1_in(2))
        items = ca.MX.sym("items", self._size[1], count)
        steps = self._function.fold(count)
        one = ca.Function("one", [start, items, shared], [steps(start, items, ca.repmat(shared, 1, count))])
        starts = ca.MX.sym("starts", self._size[0], chains)
        every = ca.MX.sym("every", self._size[1], count * chains)
        ends = one.map(chains)(starts, every, ca.repmat(shared, 1, chains))
        return ca.Function("chains", [starts, every, shared], [ca.densify(ends)])

    def _compiled(
        self, library: ctypes.CDLL, carried: Array, items: Sequence[Array], counts: list[int], shared: Array
    ) -> Array:
        most = max(counts)
        if min(counts) == most:
            rows = np.concatenate(items)
        else:
            rows = np.zeros((len(items), most, self._size[1]))
            for k, chain in enumerate(items):
                rows[k, : len(chain)] = chain
        carried, sizes = np.array(carried, order="C"), np.array(counts, dtype=np.int64)
        bad = library.twinkit_chain(
            len(items), most, sizes.ctypes.data, rows.ctypes.data, shared.ctypes.data, carried.ctypes.data
        )
        if bad:
            carried[...] = np.nan
        return carried


class Path:
    """One chain of steps of a function ``(carried, item, shared) -> carried``, all of which are kept; see `Chains`."""

    def __init__(self, function: Any, native: bool = False) -> None:
        self._function, self._wanted = function, native
        self._size = function.numel_in(0), function.numel_in(1)
        self._made: dict[int, Fast] = {}

    @cached_property
    def _library(self) -> ctypes.CDLL | None:
        sizes = {"carried": self._size[0], "item": self._size[1]}
        return library(self._function, _PATH, **sizes) if self._wanted else None

    def __call__(self, start: Array, items: Array, shared: Array) -> Array:
        """Return what is carried after every step, ``(steps, carried)``."""
        count = len(items)
        if self._library is not None:
            start, items = np.ascontiguousarray(start), np.ascontiguousarray(items)
            path = np.empty((count, self._size[0]))
            bad = self._library.twinkit_path(
                ctypes.c_longlong(count),
                *(ctypes.c_void_p(a.ctypes.data) for a in (items, shared, start, path)),
            )
            if bad:
                path[...] = np.nan
            return path
        if count not in self._made:
            if len(self._made) >= _KEPT:
                self._made.pop(next(iter(self._made)))
            common = ca.MX.sym("common", self._function.size1_in(2))
            first, every = ca.MX.sym("first", self._size[0]), ca.MX.sym("every", self._size[1], count)
            steps = self._function.mapaccum(count)(first, every, ca.repmat(common, 1, count))
            self._made[count] = Fast(ca.Function("path", [first, every, common], [ca.densify(steps)]))
        return self._made[count](start, items.ravel(), shared)[0].reshape(count, self._size[0])


class Points:
    """One function ``(item, shared) -> result`` at many points; see `Chains`."""

    def __init__(self, function: Any, native: bool = False) -> None:
        self._function, self._wanted = function, native
        self._size = function.numel_in(0), function.numel_out(0)
        self._made: dict[int, Fast] = {}

    @cached_property
    def _library(self) -> ctypes.CDLL | None:
        sizes = {"item": self._size[0], "result": self._size[1]}
        return library(self._function, _POINTS, **sizes) if self._wanted else None

    def __call__(self, items: Array, shared: Array) -> Array:
        """Return the results, one row per row of `items`."""
        if self._library is not None:
            items, results = np.ascontiguousarray(items), np.empty((len(items), self._size[1]))
            bad = self._library.twinkit_points(len(items), items.ctypes.data, shared.ctypes.data, results.ctypes.data)
            if bad:
                results[...] = np.nan
            return results
        count = len(items)
        if (more := _rounded(count) - count) > 0:
            return self(np.concatenate([items, items[-1:].repeat(more, axis=0)]), shared)[:count]
        if count not in self._made:
            if len(self._made) >= _KEPT:
                self._made.pop(next(iter(self._made)))
            every = ca.MX.sym("every", self._size[0], count)
            common = ca.MX.sym("common", self._function.size1_in(1))
            found = self._function.map(count)(every, ca.repmat(common, 1, count))
            self._made[count] = Fast(ca.Function("points", [every, common], [ca.densify(found)]))
        return self._made[count](items.ravel(), shared)[0].reshape(count, self._size[1])


def _rounded(count: int) -> int:
    """Return the number of points a function is made for: of many, a power of two, so that few functions are made."""
    return count if count <= _MANY else 1 << (count - 1).bit_length()


# ------------------------------------------------------------------------------------------- the C compiler


@functools.cache
def compiler() -> str | None:
    """Return the C compiler: ``$CC``, or cc, gcc or clang; None where there is none."""
    chosen = os.environ.get("CC")
    return shutil.which(chosen) if chosen else next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)


def library(function: Any, driver: str, **sizes: int) -> ctypes.CDLL | None:
    """Return a function and a loop around it as a loaded library; None, with a warning, where that is not possible."""
    found = compiler()
    if found is None:
        warnings.warn("no C compiler was found, so CasADi's interpreter is used", stacklevel=3)
        return None
    name = "twinkit_step"
    function = _named(function, name)
    code = ca.CodeGenerator("twinkit", {"with_header": False, "main": False})
    code.add(function)
    work = {
        "arg": function.sz_arg() + 1, "res": function.sz_res() + 1, "iw": function.sz_iw(), "w": function.sz_w(),
    }  # fmt: skip
    text = code.dump() + driver.format(name=name, **work, **sizes)
    flags = _FLAGS if function.n_instructions() < _LARGE else ("-O1", *_FLAGS[1:])
    try:
        return _load(text, found, flags)
    except (OSError, subprocess.SubprocessError) as error:
        warnings.warn(f"the C compiler failed ({error}), so CasADi's interpreter is used", stacklevel=3)
        return None


def _named(function: Any, name: str) -> Any:
    """Return a function of one result under another name."""
    kind = symbol_kind(function)
    arguments = [kind.sym(f"a{i}", function.numel_in(i)) for i in range(function.n_in())]
    return ca.Function(name, arguments, [function(*arguments)])  # pyright: ignore[reportArgumentType, reportCallIssue]


@functools.lru_cache(maxsize=256)
def _load(text: str, found: str, flags: tuple[str, ...]) -> ctypes.CDLL:
    """Compile a text, unless that was done before, and load it."""
    found_library = _loaded(text, found, flags)
    for name, arrays in (("twinkit_chain", 4), ("twinkit_points", 3)):
        if hasattr(found_library, name):
            counts = 2 if name == "twinkit_chain" else 1
            getattr(found_library, name).argtypes = [ctypes.c_longlong] * counts + [ctypes.c_void_p] * arrays
    return found_library


def _loaded(text: str, found: str, flags: tuple[str, ...]) -> ctypes.CDLL:
    key = hashlib.sha256("\0".join([text, found, str(os.path.getmtime(found)), *flags]).encode()).hexdigest()
    directory = cache_directory("native")
    if directory is None:
        with tempfile.TemporaryDirectory() as folder:
            return ctypes.CDLL(str(_build(text, found, flags, pathlib.Path(folder), key)))
    path = directory / f"m{key}.so"
    if path.exists():
        try:
            return ctypes.CDLL(str(path))
        except OSError:  # damaged: made again
            path.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=directory, prefix=".") as folder:
        os.replace(_build(text, found, flags, pathlib.Path(folder), key), path)
    return ctypes.CDLL(str(path))


def _build(text: str, found: str, flags: tuple[str, ...], folder: pathlib.Path, key: str) -> pathlib.Path:
    source, target = folder / f"m{key}.c", folder / f"m{key}.so"
    source.write_text(text, encoding="utf-8", newline="\n")
    command = [found, *flags, "-o", str(target), str(source), "-lm"]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    return target
