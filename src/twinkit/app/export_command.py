"""``twinkit fmu export MODEL FILE``: a model of a module or a Python file as an FMU."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from twinkit.core.errors import DataError, InvalidValueError, unknown_name

if TYPE_CHECKING:
    from twinkit.core.model import Model


def add_export_command(commands: Any) -> None:
    """Add ``export`` to the parser's commands."""
    text = "write a model as an FMU (this runs the Python code that defines it)"
    parser = commands.add_parser("export", help=text, description=text[0].upper() + text[1:] + ".")
    parser.add_argument("model", help="module:Name or file.py:Name of a model class, a model or a graph of models")
    parser.add_argument("file", type=Path, help="the .fmu file to write")
    parser.add_argument("--version", choices=["2.0", "3.0"], default="2.0", help="of FMI (%(default)s)")
    parser.add_argument("--kind", choices=["cs", "me", "both"], default="both", help="how it can run (%(default)s)")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="parameter, initial value or "
                        "option; a value may carry a unit (repeat it)")  # fmt: skip
    parser.add_argument("--tunable", action="append", default=[], metavar="NAME", help="parameter that may change "
                        "during a run (repeat it)")  # fmt: skip
    parser.add_argument("--rtol", type=float, default=1e-8, help="tolerance of co-simulation (%(default)s)")
    parser.add_argument("--until", help="end of the default experiment, such as '14 d'")
    parser.add_argument(
        "--binary", choices=["auto", "required", "none"], default="auto", help="library for this machine"
    )
    parser.set_defaults(command=_export)


def _export(chosen: argparse.Namespace) -> int:
    import warnings

    from twinkit.fmi import ExportWarning, export

    model = load_model(chosen.model, chosen.set)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ExportWarning)
        made = export(
            model, chosen.file, version=chosen.version, kind=chosen.kind, tunable=chosen.tunable, rtol=chosen.rtol,
            until=chosen.until, binary=chosen.binary,
        )  # fmt: skip
    for warning in caught:
        print(f"twinkit: {warning.message}", file=sys.stderr)
    print(f"written: {made}")
    return 0


def load_model(target: str, settings: list[str]) -> Model:
    """Return the model that ``module:Name`` or ``file.py:Name`` names, with ``name=value`` settings.

    Raises
    ------
    InvalidValueError, UnknownNameError, DataError
        If there is no such thing, it is no model, or its code fails.
    """
    from twinkit.core.model import Model
    from twinkit.graph import Graph

    place, separator, name = target.rpartition(":")
    if not separator or not place or not name:
        raise InvalidValueError(f"a model is given as module:Name or file.py:Name, not {target!r}")
    module = _module(place)
    if not hasattr(module, name):
        models = [key for key, value in vars(module).items() if isinstance(value, (Model, Graph)) or _is_model(value)]
        raise unknown_name("model", name, models, place)
    found = getattr(module, name)
    if _is_model(found):
        return found(_values(found, settings))
    if isinstance(found, Graph):
        found = found.flatten(name if name.isidentifier() else "Graph")
    if not isinstance(found, Model):
        raise InvalidValueError(f"{target} is no model, model class or graph but {found!r}")
    return found.with_(_values(type(found), settings))


def _is_model(value: Any) -> bool:
    from twinkit.core.model import Model

    return isinstance(value, type) and issubclass(value, Model) and value is not Model


def _module(place: str) -> ModuleType:
    """Import a module by its name, or from its file."""
    try:
        if not place.endswith(".py"):
            sys.path.insert(0, "")  # the folder where the command runs, as python -m has it
            try:
                return importlib.import_module(place)
            finally:
                sys.path.remove("")
        spec = importlib.util.spec_from_file_location(Path(place).stem, place)
        if spec is None or spec.loader is None or not Path(place).is_file():
            raise DataError(f"there is no file {place}")
        module = importlib.util.module_from_spec(spec)
        sys.modules.setdefault(spec.name, module)
        spec.loader.exec_module(module)
        return module
    except DataError:
        raise
    except Exception as error:  # code of the user's: anything may go wrong in it
        raise DataError(f"{place} cannot be loaded: {type(error).__name__}: {error}") from error


def _values(model: type[Model], settings: list[str]) -> Mapping[str, Any]:
    """Return settings as values; those of whole-number options are whole numbers."""
    from twinkit.app.run_options import named_values

    values = named_values(settings)
    for name, option in model.option_declarations.items():
        given = values.get(name)
        if type(option.default) is int and isinstance(given, float) and given.is_integer():
            values[name] = int(given)
    return values
