"""A parameter set: values with units, their joint uncertainty, and what they were made from."""

from __future__ import annotations

import html
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from twinkit._version import __version__
from twinkit.core.errors import BoundsError, DataError, InvalidValueError, ShapeError, StorageError, unknown_name
from twinkit.core.files import write_atomically
from twinkit.core.identity import digest, plain
from twinkit.core.origin import Established, Origin
from twinkit.core.uncertainty import check_centre
from twinkit.core.units import affine, parse_unit, unit_label

if TYPE_CHECKING:
    from twinkit.core.layout import Block, Field
    from twinkit.core.model import Model

Array = npt.NDArray[np.float64]
M = TypeVar("M", bound="Model")
_FORMAT = "twinkit-parameters/1"
_ATTEMPTS = 1000
_KINDS = "parameter or state"


@dataclass(frozen=True, eq=False)
class ParameterSet:
    """Values of a model's parameters (and initial values of states) with their joint uncertainty and origin.

    Parameters
    ----------
    names
        Full names; ``"k[1]"`` for one element of a vector. A state's name is its value at the start.
    values
        One per name.
    units
        One per name.
    covariance
        ``(n, n)``, in the units of `values`. An infinite variance says that the data do not determine the value.
    logarithmic
        Which values are uncertain on a logarithmic scale (drawn log-normally); none by default.
    source
        Where the values come from, in words.
    provenance
        What they were made from: content hashes of data, model and settings, versions.
    origins
        Where each value comes from and how well that is established, one per name; none for a calibrated set.

    Examples
    --------
    >>> import numpy as np
    >>> found = ParameterSet(("mu_max",), (0.04,), ("1/h",), np.array([[1e-6]]), source="calibrated on 3 batches")
    >>> found
    ParameterSet: mu_max = 0.04 ± 0.001 1/h (calibrated on 3 batches)
    >>> from twinkit.unitops import CHOFedBatch
    >>> found.apply(CHOFedBatch()).mu_max
    0.04
    """

    names: tuple[str, ...]
    values: tuple[float, ...]
    units: tuple[str, ...]
    covariance: Array
    logarithmic: tuple[bool, ...] = ()
    source: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict[str, Any])
    origins: tuple[Origin, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.names)
        logs = tuple(self.logarithmic) or (False,) * count
        covariance = np.array(self.covariance, dtype=np.float64).reshape(-1, count) if count else np.zeros((0, 0))
        if not (len(self.values) == len(self.units) == len(logs) == covariance.shape[0] == count):
            raise ShapeError(f"a set of {count} names needs as many values and units, and a covariance of that size")
        if len(self.origins) not in {0, count}:
            raise ShapeError(f"a set of {count} names needs an origin for each, or none; got {len(self.origins)}")
        if len(set(self.names)) != count:
            raise InvalidValueError(f"a name appears twice in {', '.join(self.names)}")
        values = tuple(float(value) for value in self.values)
        if not all(math.isfinite(value) for value in values):
            raise InvalidValueError("the values of a parameter set must be finite")
        if np.any(~(np.diag(covariance) >= 0)):
            raise InvalidValueError("a variance must be zero, positive or infinite")
        for unit in self.units:
            parse_unit(unit)
        covariance.setflags(write=False)
        for name, value in (("names", tuple(self.names)), ("values", values), ("units", tuple(self.units)),
                            ("covariance", covariance), ("logarithmic", logs),
                            ("provenance", dict(self.provenance)), ("origins", tuple(self.origins))):  # fmt: skip
            object.__setattr__(self, name, value)

    # -- what it holds -----------------------------------------------------------------------------------------
    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, name: str) -> float:
        return self.values[self._place(name)]

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def _place(self, name: str) -> int:
        if name not in self.names:
            raise unknown_name("value", name, self.names, "the parameter set")
        return self.names.index(name)

    def as_dict(self) -> dict[str, float]:
        """Return name -> value."""
        return dict(zip(self.names, self.values, strict=True))

    @property
    def std(self) -> dict[str, float]:
        """Name -> standard deviation; infinite where the data do not determine the value."""
        return dict(zip(self.names, np.sqrt(np.diag(self.covariance)).tolist(), strict=True))

    @property
    def content_hash(self) -> str:
        """SHA-256 of values, units, covariance and origin."""
        return digest(self._document())

    def only(self, names: Iterable[str]) -> ParameterSet:
        """Return the part with these names; the others are no longer uncertain, nor set.

        Raises
        ------
        UnknownNameError
            For a name that is not in the set.
        """
        places = [self._place(name) for name in names]

        def part(values: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(values[i] for i in places)

        return ParameterSet(
            part(self.names), part(self.values), part(self.units), self.covariance[np.ix_(places, places)],
            part(self.logarithmic), self.source, self.provenance, part(self.origins) if self.origins else (),
        )  # fmt: skip

    def origin(self, name: str) -> Origin:
        """Return where one value comes from.

        Raises
        ------
        UnknownNameError
            If there is no such value.
        InvalidValueError
            If this set does not say (a calibrated set: see its `provenance`).
        """
        place = self._place(name)
        if not self.origins:
            raise InvalidValueError(f"this set does not say where {name!r} comes from: see its source and provenance")
        return self.origins[place]

    @property
    def determined(self) -> ParameterSet:
        """The part whose variance is finite."""
        return self.only([name for name, std in self.std.items() if math.isfinite(std)])

    # -- uses --------------------------------------------------------------------------------------------------
    def apply(self, model: M) -> M:
        """Return the model with these values.

        Raises
        ------
        UnknownNameError
            If the model has no such parameter or state.
        UnitError, BoundsError
            If a value does not fit the model's declaration.
        """
        changes: dict[str, Any] = {}
        for name, value, (entry, k, (scale, shift)) in zip(self.names, self.values, self._places(model), strict=True):
            number = value * scale + shift
            if k is None:
                changes[name] = number
                continue
            if entry.name not in changes:
                changes[entry.name] = np.array(model.values()[entry.name], dtype=np.float64)
            changes[entry.name][k] = number
        return model.with_(changes)

    def draw(self, model: Model, *, count: int, seed: int) -> dict[str, Array]:
        """Draw joint samples for `tk.ensemble`: normal (log-normal where said), within the model's bounds.

        A sample of which any value lies outside its declared bounds is drawn again as a whole.

        Parameters
        ----------
        model
            The model the samples are for.
        count
            Number of samples.
        seed
            The same seed gives the same samples.

        Returns
        -------
        dict
            Name -> array ``(count,)`` in the model's unit; ``(count, size)`` for a vector.

        Raises
        ------
        InvalidValueError
            If a variance is infinite (use `determined`, or give a prior and calibrate again).
        BoundsError
            If (almost) all samples are outside the bounds.
        """
        if count < 1:
            raise InvalidValueError(f"an ensemble needs at least one sample, not {count}")
        self._check_determined("there is no distribution to draw from", "parameters.determined.draw(...)")
        places = self._places(model)
        low = np.array([entry.variable.bounds[0] for entry, _, _ in places])
        high = np.array([entry.variable.bounds[1] for entry, _, _ in places])
        scales = np.array([affine_[0] for _, _, affine_ in places])
        shifts = np.array([affine_[1] for _, _, affine_ in places])
        generator = np.random.default_rng(seed)
        rows = np.empty((0, len(self)))
        for _ in range(_ATTEMPTS):
            fresh = self._joint(generator, count) * scales + shifts
            rows = np.vstack([rows, fresh[np.all((fresh >= low) & (fresh <= high), axis=1)]])
            if len(rows) >= count:
                return _columns(model, self.names, places, rows[:count])
        raise BoundsError("the parameter set lies (almost) wholly outside the bounds of the model")

    def directions(self, model: Model) -> tuple[tuple[int, ...], Array]:
        """Return which parameters of a model are uncertain, and how; see `ParameterUncertainty`.

        Initial values of states are left out: where a process is says its estimate.

        Raises
        ------
        UnknownNameError
            If the model has no such parameter or state.
        InvalidValueError
            If a variance is infinite, or the model has other values.
        """
        layout, every = model.layout.parameters, self._places(model)
        of = [k for k, (entry, _, _) in enumerate(every) if entry.name in layout]
        part = self.only([self.names[k] for k in of])
        part._check_determined("no margin covers them", "parameters.determined")
        if not np.isfinite(part.covariance).all():
            raise InvalidValueError("the covariance of the parameters is not finite")
        places = [every[k] for k in of]
        positions = tuple(entry.start + (k or 0) for entry, k, _ in places)
        scales, shifts = np.array([affine_ for _, _, affine_ in places]).reshape(-1, 2).T
        factor = scales[:, None] * _root(part.covariance)
        check_centre(model, positions, np.array(part.values) * scales + shifts, np.sqrt(np.sum(factor**2, axis=1)))
        return positions, factor

    def _check_determined(self, why: str, instead: str) -> None:
        endless = [name for name, std in self.std.items() if not math.isfinite(std)]
        if endless:
            raise InvalidValueError(
                f"the data do not determine {', '.join(endless)}, so {why}: use "
                f"{instead} to keep them at their values, or give them a prior"
            )

    def _joint(self, generator: np.random.Generator, count: int) -> Array:
        mean, covariance, logs = np.array(self.values), np.array(self.covariance), np.array(self.logarithmic, bool)
        per = np.where(logs, mean, 1.0)
        steps = generator.standard_normal((count, len(mean))) @ _root(covariance / np.outer(per, per)).T
        return np.where(logs, mean * np.exp(np.where(logs, steps, 0.0)), mean + steps)

    def _places(self, model: Model) -> list[tuple[Field, int | None, tuple[float, float]]]:
        found: list[tuple[Field, int | None, tuple[float, float]]] = []
        for name, unit in zip(self.names, self.units, strict=True):
            entry, k = element(model, (model.layout.parameters, model.layout.states), name, _KINDS)
            found.append((entry, k, affine(unit, entry.variable.unit)))
        return found

    # -- JSON --------------------------------------------------------------------------------------------------
    def _document(self) -> dict[str, Any]:
        covariance: list[list[Any]] = [
            [value if math.isfinite(value) else ("infinite" if math.isinf(value) else None) for value in row]
            for row in cast("list[list[float]]", self.covariance.tolist())
        ]
        document = {
            "format": _FORMAT,
            "names": list(self.names),
            "values": list(self.values),
            "units": list(self.units),
            "covariance": covariance,
            "logarithmic": list(self.logarithmic),
            "source": self.source,
            "provenance": plain(self.provenance),
        }
        # Only where there are some, so that calibrated sets keep the hashes they were saved with.
        return {**document, "origins": plain([o.as_dict() for o in self.origins])} if self.origins else document

    def to_json(self) -> str:
        """Return the set as JSON text with its content hash."""
        return json.dumps({**self._document(), "twinkit": __version__, "content_hash": self.content_hash}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> ParameterSet:
        """Return the set a JSON text describes.

        Raises
        ------
        DataError
            If the text is not such a document, or was changed since it was written.
        """
        try:
            document = json.loads(text)
            if document["format"] != _FORMAT:
                raise DataError(f"this twinkit ({__version__}) reads {_FORMAT!r}, not {document['format']!r}")
            numbers = {None: math.nan, "infinite": math.inf}
            rows = [[numbers[v] if v is None or v == "infinite" else float(v) for v in row]
                    for row in document["covariance"]]  # fmt: skip
            found = cls(
                tuple(document["names"]), tuple(document["values"]), tuple(document["units"]), np.array(rows),
                tuple(bool(item) for item in document["logarithmic"]), str(document["source"]),
                dict(document["provenance"]), tuple(_origin(item) for item in document.get("origins", [])),
            )  # fmt: skip
            saved = document["content_hash"]
        except DataError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"this is not a parameter set saved by twinkit ({type(error).__name__}: {error})") from None
        if found.content_hash != saved:
            raise DataError("this parameter set was changed since it was saved: its content hash does not fit")
        return found

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the set as JSON, whole or not at all; return the path."""
        return write_atomically(path, self.to_json().encode())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ParameterSet:
        """Read what `save` wrote.

        Raises
        ------
        StorageError
            If the file cannot be read.
        DataError
            If it is not a parameter set, is truncated or was changed.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except OSError as error:
            raise StorageError(f"could not read {path}: {error.strerror or error}") from error
        except UnicodeDecodeError:
            raise DataError(f"{path} is not a parameter set: it is not a text") from None
        return cls.from_json(text)

    # -- looks -------------------------------------------------------------------------------------------------
    def _spread(self, std: float) -> str:
        if math.isinf(std):
            return "not determined"
        # A cited value without uncertainty is not an exact one.
        return "none given" if self.origins and std == 0.0 else f"{std:.2g}"

    def _cells(self) -> list[tuple[str, str, str, str]]:
        stds = np.sqrt(np.diag(self.covariance)).tolist()
        return [
            (name, f"{value:.5g}", self._spread(std), unit_label(unit))
            for name, value, std, unit in zip(self.names, self.values, stds, self.units, strict=True)
        ]

    def __repr__(self) -> str:
        items = ", ".join(
            f"{name} = {value} " + (f"± {std} " if std[0].isdigit() else f"({std}) ") + unit
            for name, value, std, unit in self._cells()
        )
        return f"ParameterSet: {items.strip()}" + (f" ({self.source})" if self.source else "")

    def _repr_html_(self) -> str:
        origins = [str(origin) for origin in self.origins] or [""] * len(self)
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in (*cells, origin)) + "</tr>"
            for cells, origin in zip(self._cells(), origins, strict=True)
        )
        return (
            f"<table><caption>{html.escape(self.source)}</caption><tr><th>name</th><th>value</th>"
            f"<th>standard deviation</th><th>unit</th><th>source</th></tr>{rows}</table>"
        )


def _root(covariance: Array) -> Array:
    """Return a square root of a covariance, which may be singular."""
    lengths, axes = np.linalg.eigh(covariance)
    return np.asarray(axes * np.sqrt(np.maximum(lengths, 0.0)), dtype=np.float64)


def _origin(item: Mapping[str, Any]) -> Origin:
    interval = item["interval"]
    bounds = None if interval is None else (float(interval[0]), float(interval[1]))
    return Origin(str(item["source"]), Established(item["established"]), bounds)


def element(model: Model, blocks: Sequence[Block], name: str, kind: str) -> tuple[Field, int | None]:
    """Return the field of a scalar by its name, or the field and position of one element of a vector.

    Raises
    ------
    UnknownNameError
        If no block has it; names the nearest.
    ShapeError
        If the name is a vector's: name one element.
    """
    for block in blocks:
        if name in block:
            entry = block[name]
            if entry.size is not None:
                raise ShapeError(f"{name!r} has {entry.size} elements; name one of them, such as {entry.labels[0]!r}")
            return entry, None
        for entry in block:
            if entry.size is not None and name in entry.labels:
                return entry, entry.labels.index(name)
    raise unknown_name(kind, name, [label for block in blocks for label in block.labels], type(model).__name__)


def _columns(
    model: Model, names: Sequence[str], places: Sequence[tuple[Field, int | None, Any]], rows: Array
) -> dict[str, Array]:
    columns: dict[str, Array] = {}
    for j, (name, (entry, k, _)) in enumerate(zip(names, places, strict=True)):
        if k is None:
            columns[name] = rows[:, j].copy()
            continue
        if entry.name not in columns:
            columns[entry.name] = np.tile(np.asarray(model.values()[entry.name], dtype=np.float64), (len(rows), 1))
        columns[entry.name][:, k] = rows[:, j]
    return columns
