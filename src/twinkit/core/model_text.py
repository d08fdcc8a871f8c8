"""A model as JSON text, and back; see `Model.to_json` and `Model.from_json`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from twinkit._version import __version__
from twinkit.core.errors import DataError
from twinkit.core.identity import plain
from twinkit.core.terms import AnyModel, restored
from twinkit.core.units import parse_unit, registry
from twinkit.core.variables import PlainOption, Variable

if TYPE_CHECKING:
    from twinkit.core.model import Model

_FORMAT = "twinkit-model/1"


def written(model: Model) -> str:
    """Return a model as JSON text."""
    units = {prefix + name: v.unit for prefix, part in model.walk() for name, v in part.declared.items()}
    document: dict[str, Any] = {
        "format": _FORMAT,
        "twinkit": __version__,
        "model": type(model).__name__,
        "definition_hash": model.definition_hash,
        "options": {p + n: plain(_member(v)) for p, part in model.walk() for n, v in part.options.items()},
        "values": {name: {"value": plain(value), "unit": units[name]} for name, value in model.values().items()},
    }
    terms = [
        {"model": prefix[:-1], "term": type(part.submodels[c.name]).__name__, **c.as_dict()}
        for prefix, part in model.walk()
        for c in part.corrections.values()
    ]
    if terms:
        document["terms"] = terms
    return json.dumps(document, indent=1)


def read(cls: type[AnyModel], text: str, *, allow_changed_definition: bool, terms: Sequence[type[Model]]) -> AnyModel:
    """Return the model of a class that a JSON text describes."""
    try:
        document = json.loads(text)
        form, name, saved = document["format"], document["model"], document["definition_hash"]
        values = {key: item["value"] for key, item in document["values"].items()}
        units = {key: item["unit"] for key, item in document["values"].items()}
        options = dict(document["options"])
        held = list(document.get("terms", ()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"this is not a model saved by twinkit ({type(error).__name__}: {error})") from None
    if form != _FORMAT:
        raise DataError(f"this twinkit ({__version__}) reads {_FORMAT!r}, not {form!r}")
    if name != cls.__name__:
        raise DataError(f"this text holds a {name!r}, not a {cls.__name__!r}: call {name}.from_json")
    options = _members(cls, options)
    own = {name: value for name, value in options.items() if "." not in name}
    blank = cls({**own, **_with_units(cls.declared, {n: v for n, v in values.items() if n in cls.declared}, units)})
    blank = restored(blank, held, options, terms, _members)
    options = _members(blank, options)
    declared = {prefix + name: part.declared[name] for prefix, part in blank.walk() for name in part.declared}
    model = blank.with_({**options, **_with_units(declared, values, units)})
    if model.definition_hash != saved and not allow_changed_definition:
        raise DataError(
            f"{name} was saved with another definition ({saved[:12]}, now {model.definition_hash[:12]}): its "
            "equations or declarations have changed since. Pass allow_changed_definition=True to use the values "
            "all the same."
        )
    return model


def _member(value: Any) -> Any:
    if isinstance(value, PlainOption):
        return value.to_plain()
    return value.name if isinstance(value, Enum) else value


def _members(model: Model | type[Model], options: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Turn saved names of Enum options back into members, and saved structures into options."""
    found = dict(options)
    for name, option in model.option_declarations.items():
        saved = found.get(prefix + name)
        kind = cast("Any", type(option.default))
        if isinstance(option.default, Enum) and isinstance(saved, str) and saved in kind.__members__:
            found[prefix + name] = kind[saved]
        elif isinstance(option.default, PlainOption) and prefix + name in found and not isinstance(saved, kind):
            found[prefix + name] = option.default.from_plain(saved)
    children = {n: s.default for n, s in model._slots.items()} if isinstance(model, type) else model.submodels  # pyright: ignore[reportPrivateUsage]
    for name, child in children.items():
        found = _members(child, found, f"{prefix}{name}.")
    return found


def _with_units(
    declared: Mapping[str, Variable], values: Mapping[str, Any], units: Mapping[str, str]
) -> dict[str, Any]:
    """Attach saved units where they are not the declared ones, so that a re-declared unit converts."""
    result: dict[str, Any] = {}
    for name, value in values.items():
        same = name not in declared or parse_unit(units[name]) == parse_unit(declared[name].unit)
        result[name] = value if same else registry().Quantity(np.asarray(value, dtype=np.float64), units[name])
    return result
