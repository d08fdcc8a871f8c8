"""Every exception twinkit raises on purpose, each also the builtin a caller would expect.

A message says what is wrong, where, the nearest valid name, and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TwinkitError(Exception):
    """Base of all errors raised by twinkit."""

    def __str__(self) -> str:
        # KeyError shows the repr of its argument; a message written for people is shown as it is.
        return str(self.args[0]) if self.args else ""


class UnknownNameError(TwinkitError, KeyError, AttributeError):
    """A variable, parameter, option or function name that does not exist."""


class UnitError(TwinkitError, ValueError):
    """A unit that does not exist, does not fit, or makes an equation inconsistent."""


class BoundsError(TwinkitError, ValueError):
    """A value outside the bounds its declaration states."""


class ShapeError(TwinkitError, ValueError):
    """A value whose shape is not the declared one."""


class InvalidValueError(TwinkitError, ValueError):
    """A value that is not usable at all: NaN, infinite, missing, or of the wrong type."""


class ModelDefinitionError(TwinkitError, TypeError):
    """A model class whose declarations or equations would break one of its readings."""


class ExternalEquationsError(TwinkitError, NotImplementedError):
    """Equations that can only be called (those inside an FMU), where they would have to be known."""


class FrozenModelError(TwinkitError, AttributeError):
    """An attempt to change a frozen object in place."""


class SimulationError(TwinkitError, RuntimeError):
    """A simulation that cannot start or did not finish."""


class DataError(TwinkitError, ValueError):
    """A file or record that is truncated, malformed or not what it claims to be."""


class StorageError(TwinkitError, OSError):
    """A file that could not be written or read: full disk, missing folder, no permission."""


class MissingDependencyError(TwinkitError, ImportError):
    """An optional package that is needed for what was asked."""

    @classmethod
    def for_package(cls, package: str, extra: str, purpose: str) -> MissingDependencyError:
        """Build the error that names the package, why it is needed and the extra that brings it."""
        return cls(f"{purpose} needs the package {package!r}. Install it with: pip install 'twinkit[{extra}]'")


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return a sentence fragment naming the valid names nearest to `name`.

    Examples
    --------
    >>> nearest("Glu", ["Glc", "Gln", "V"])
    "did you mean 'Gln' or 'Glc'?"
    >>> nearest("zzz", ["Glc", "V"])
    'valid names: Glc, V'
    """
    names = list(valid)
    folded = {candidate.lower(): candidate for candidate in names}
    close = difflib.get_close_matches(name.lower(), folded, n=2, cutoff=0.55)
    if close:
        return "did you mean " + " or ".join(repr(folded[match]) for match in close) + "?"
    if not names:
        return "there are none"
    shown = ", ".join(names[:12])
    return f"valid names: {shown}" + (", ..." if len(names) > 12 else "")


def unknown_name(kind: str, name: str, valid: Iterable[str], where: str = "") -> UnknownNameError:
    """Build the error for an unknown name of some `kind`, with the nearest valid names.

    Examples
    --------
    >>> print(unknown_name("parameter", "tua", ["tau", "gain"], where="Tank"))
    Tank has no parameter 'tua': did you mean 'tau'?
    """
    subject = f"{where} has no {kind} {name!r}" if where else f"unknown {kind} {name!r}"
    return UnknownNameError(f"{subject}: {nearest(name, valid)}")
