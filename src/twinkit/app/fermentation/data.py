"""Loading the data of the demo, checked to the last byte."""

from __future__ import annotations

import gzip
import hashlib
import io
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from twinkit.core import DataError

Array = npt.NDArray[np.float64]

PERIOD = 1.25 / 60.0
"""Time between two on-line spectra [h]."""

_FILES = {
    "train_spectra.csv": ("895175f56e7634795baaaf016cba269fc9f8ee448f4f443126fef0b505f8ca34", (21, 1047)),
    "train_hplc.csv": ("0e3b66aa278f39607e17a4ec386167804d692b25e46fb5e6b22fb508bc6c4e71", (21, 1)),
    "fermentation_spectra.csv.gz": ("af3cfff91111a745ad956f3f3f9a0e4f1b5939712c62cba3836ead3b1f07bf18", (1629, 1047)),
    "fermentation_hplc.csv": ("00c9a2150c70697ac7f1a377d74fb78756100e20eb4fc24d46fd510ef844be0e", (34, 6)),
    "fermentation_hplc_dtuprosys.csv": ("a3cd23f244060609b39b0aea0cff5b98cc50a1e120b48bbaab762783b5542b29", (34, 6)),
}


@dataclass(frozen=True, eq=False)
class Samples:
    """Laboratory samples of the batch (for scores only).

    Attributes
    ----------
    time
        When each was taken [h].
    glucose, glucose_original
        Glucose as chemotools distributes it, and as first published (4.00 g/L lower) [g/L].
    xylose, acetic_acid, ethanol, furfural
        The other substances [g/L].
    """

    time: Array
    glucose: Array
    glucose_original: Array
    xylose: Array
    acetic_acid: Array
    ethanol: Array
    furfural: Array


@dataclass(frozen=True, eq=False)
class FermentationData:
    """Everything the demo reads.

    Attributes
    ----------
    wavenumbers
        Axis of all spectra [1/cm].
    train_spectra, train_glucose
        Calibration spectra and their glucose [g/L].
    time, spectra
        On-line spectra and when they were taken [h].
    samples
        Laboratory samples of the same batch, for scores only.
    """

    wavenumbers: Array
    train_spectra: Array
    train_glucose: Array
    time: Array
    spectra: Array
    samples: Samples


def load(folder: str | Path | None = None) -> FermentationData:
    """Read the data set and check it.

    Parameters
    ----------
    folder
        A folder with the five files; None: the package's own.

    Raises
    ------
    DataError
        If a file is missing, truncated, altered or not of the expected shape; names the file.
    """
    return _load(None if folder is None else str(Path(folder).resolve()))


@cache
def _load(folder: str | None) -> FermentationData:
    tables = {name: _table(folder, name) for name in _FILES}
    axis, train = tables["train_spectra.csv"]
    online_axis, spectra = tables["fermentation_spectra.csv.gz"]
    if axis != online_axis:
        raise DataError("the training and the on-line spectra have different wavenumbers")
    columns, lab = tables["fermentation_hplc.csv"]
    by_name = dict(zip(columns, lab.T, strict=True))
    original = dict(zip(*(_columns(tables["fermentation_hplc_dtuprosys.csv"])), strict=True))
    samples = Samples(
        by_name["time"], by_name["glucose"], original["glucose"], by_name["xylose"], by_name["acetic_acid"],
        by_name["ethanol"], by_name["furfural"],
    )  # fmt: skip
    time = PERIOD * np.arange(len(spectra), dtype=np.float64)
    return FermentationData(
        np.array(axis, dtype=np.float64), train, tables["train_hplc.csv"][1][:, 0], time, spectra, samples
    )


def _columns(table: tuple[list[str], Array]) -> tuple[list[str], Any]:
    return table[0], table[1].T


def _table(folder: str | None, name: str) -> tuple[list[str], Array]:
    wanted, shape = _FILES[name]
    where = resources.files("twinkit.app.fermentation") / "data" if folder is None else Path(folder)
    try:
        raw = (where / name).read_bytes()
    except OSError as error:
        raise DataError(f"{name} cannot be read from {where}: {error.strerror or error}; reinstall twinkit") from None
    found = hashlib.sha256(raw).hexdigest()
    if found != wanted:
        raise DataError(
            f"{name} in {where} is truncated or altered: it has {len(raw)} bytes and sha256 {found[:12]}..., not "
            f"{wanted[:12]}...; copy it again or reinstall twinkit"
        )
    text = gzip.decompress(raw) if name.endswith(".gz") else raw
    header, _, body = text.partition(b"\n")
    columns = header.decode().strip().split(",")
    values = np.loadtxt(io.BytesIO(body), delimiter=",", ndmin=2)
    if values.shape != shape:
        raise DataError(f"{name} holds a table of {values.shape}, not {shape}")
    values.setflags(write=False)
    return columns, values
