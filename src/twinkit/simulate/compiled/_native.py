"""Pointers, calls by address and small linear algebra for the numba kernel.

Model functions reach the integrator as *addresses* of C functions.  The
integrator is therefore compiled once, cached on disk and shared by all models;
a dispatcher argument would recompile it for every model.

Inside the kernel arrays are bare pointers.  A numba array is seven values and a
reference count; passing two dozen of them through small functions costs more
than the arithmetic of a nine-state model, and most of the compile time.
"""

# numba infers the types of the compiled functions.
# ruff: noqa: ANN001, ANN202
# pyright: basic

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

#: Options of all kernel code.  No fast-math: sums keep their order.
OPTIONS = {"nogil": True, "error_model": "numpy"}
#: Decorator of the inner functions.  They are not cached on their own: numba does
#: not notice when a callee in another file changes, so only the outermost function
#: is kept on disk, under a fingerprint of all the sources (see ``kernel.py``).
inner = njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **OPTIONS)


@intrinsic
def pointer(typingctx: Any, array: Any) -> Any:
    """Return a pointer to the first element; the caller keeps the array alive."""
    signature = types.CPointer(array.dtype)(array)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return context.make_array(sig.args[0])(context, builder, value=args[0]).data

    return signature, codegen


@intrinsic
def shift(typingctx: Any, base: Any, count: Any) -> Any:
    """Return the pointer ``count`` elements further on."""
    signature = base(base, types.int64)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.gep(args[0], [args[1]])

    return signature, codegen


@intrinsic
def call(typingctx: Any, address: Any, t: Any, y: Any, u: Any, p: Any, out: Any) -> Any:
    """Call the model function ``void f(t, y, u, p, out)`` at ``address``."""
    signature = types.void(types.int64, types.float64, y, u, p, out)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        double = ir.DoubleType()
        function_type = ir.FunctionType(ir.VoidType(), [double] + [double.as_pointer()] * 4)
        function = builder.inttoptr(args[0], function_type.as_pointer())
        builder.call(function, args[1:])
        return context.get_dummy_value()

    return signature, codegen


@inner
def factor(a, pivots, n, kl, ku):
    """LU-factorise a matrix in place with partial pivoting inside a band.

    Parameters
    ----------
    a : float64 pointer, n * n
        The matrix column by column, so that inner loops run over contiguous
        memory.
    pivots : int64 pointer, n
        Receives the row exchanged with row k at step k.
    n : int
        Size.
    kl, ku : int
        Sub- and super-diagonals that can be nonzero; ``n - 1`` when dense.

    Returns
    -------
    bool
        False when a pivot is zero or not finite.
    """
    for k in range(n):
        low = min(n, k + kl + 1)
        right = min(n, k + kl + ku + 1)
        column = k * n
        pivot = k
        largest = abs(a[column + k])
        for i in range(k + 1, low):
            size = abs(a[column + i])
            if size > largest:
                largest = size
                pivot = i
        pivots[k] = pivot
        if not (0.0 < largest < 1e300):
            return False
        if pivot != k:
            for j in range(k, right):
                swap = a[j * n + k]
                a[j * n + k] = a[j * n + pivot]
                a[j * n + pivot] = swap
        inverse = 1.0 / a[column + k]
        a[column + k] = inverse
        for i in range(k + 1, low):
            a[column + i] *= inverse
        for j in range(k + 1, right):
            value = a[j * n + k]
            if value != 0.0:
                for i in range(k + 1, low):
                    a[j * n + i] -= a[column + i] * value
    return True


@inner
def solve(a, pivots, n, kl, ku, b):
    """Solve in place with the factors left by :func:`factor`."""
    for k in range(n):
        pivot = pivots[k]
        value = b[pivot]
        b[pivot] = b[k]
        b[k] = value
        for i in range(k + 1, min(n, k + kl + 1)):
            b[i] -= a[k * n + i] * value
    width = kl + ku
    for k in range(n - 1, -1, -1):
        value = b[k] * a[k * n + k]
        b[k] = value
        for i in range(max(0, k - width), k):
            b[i] -= a[k * n + i] * value
