"""Saving and loading solutions: netCDF or Parquet, never pickle, with a digest that shows damage."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from twinkit.core.errors import DataError, InvalidValueError, MissingDependencyError, StorageError
from twinkit.core.files import write_atomically
from twinkit.core.identity import canonical
from twinkit.core.solution import Array, Occurrence, RunStatus, Solution, Trace

_FORMAT = "twinkit-solution/1"


def save(solution: Solution, path: str | os.PathLike[str]) -> Path:
    """Write a solution; the ending of `path` chooses the format."""
    target = Path(path)
    columns, header = _flatten(solution)
    if target.suffix == ".nc":
        return write_atomically(target, _netcdf_bytes(columns, header))
    if target.suffix == ".parquet":
        return write_atomically(target, _parquet_bytes(columns, header))
    raise InvalidValueError(f"cannot tell the format of {target.name!r}: end it in .nc (netCDF) or .parquet")


def load(path: str | os.PathLike[str]) -> Solution:
    """Read a solution and check its digest."""
    source = Path(path)
    try:
        content = source.read_bytes()
    except OSError as error:
        raise StorageError(f"could not read {source}: {error.strerror or error}") from error
    read = _read_parquet if source.suffix == ".parquet" else _read_netcdf
    try:
        columns, header = read(content)
        if header.get("format") != _FORMAT:
            raise DataError(f"{source} is not a solution saved by twinkit")
        solution = _unflatten(columns, header)
        intact = solution.content_hash == header["content_hash"]
    except (DataError, MissingDependencyError):
        raise
    except Exception as error:  # whatever a damaged file makes a reader raise
        raise DataError(f"{source} is truncated or damaged ({type(error).__name__}: {error})") from error
    if not intact:
        raise DataError(f"{source} does not match its own digest: it was truncated or altered after saving")
    return solution


# -- between a solution and flat columns -----------------------------------------------------------------------
def _flatten(solution: Solution) -> tuple[dict[str, Array], str]:
    columns: dict[str, Array] = {"time": solution.time}
    variables: dict[str, Any] = {}
    for number, (name, trace) in enumerate(solution.traces.items()):
        key = f"v{number}"
        columns[key] = trace.data
        slopes = trace.derivative
        if slopes is not None:
            columns[f"{key}_slope"] = slopes
        variables[name] = {"key": key, "kind": trace.kind, "unit": trace.unit, "doc": trace.doc, "held": trace.held}
    sensitivities: dict[str, dict[str, str]] = {}
    for parameter, by_state in solution.sensitivities.items():
        for state, values in by_state.items():
            key = f"s{len(columns)}"
            columns[key] = values
            sensitivities.setdefault(parameter, {})[state] = key
    header = {
        "format": _FORMAT,
        "content_hash": solution.content_hash,
        "time_unit": solution.time_unit,
        "variables": variables,
        "order": list(variables),
        "sensitivities": sensitivities,
        "status": vars(solution.status),
        "statistics": solution.statistics,
        "provenance": solution.provenance,
        "occurrences": [[o.time, o.name] for o in solution.occurrences],
    }
    return columns, canonical(header)


def _unflatten(columns: Mapping[str, Array], header: Mapping[str, Any]) -> Solution:
    traces: dict[str, Trace] = {}
    for name in header["order"]:
        item = header["variables"][name]
        slopes = columns.get(f"{item['key']}_slope")
        traces[name] = Trace(item["kind"], item["unit"], item["doc"], columns[item["key"]], slopes, item["held"])
    return Solution(
        time=columns["time"],
        time_unit=header["time_unit"],
        traces=traces,
        status=RunStatus(**header["status"]),
        statistics=header["statistics"],
        provenance=header["provenance"],
        occurrences=[Occurrence(time, name) for time, name in header["occurrences"]],
        sensitivities={
            parameter: {state: columns[key] for state, key in by_state.items()}
            for parameter, by_state in header["sensitivities"].items()
        },
    )


# -- netCDF ----------------------------------------------------------------------------------------------------
def _netcdf_bytes(columns: Mapping[str, Array], header: str) -> bytes:
    import xarray as xr

    parsed: dict[str, Any] = json.loads(header)
    dataset: Any = xr.Dataset(
        {key: (("row",) if data.ndim == 1 else ("row", f"{key}_index"), data) for key, data in columns.items()},
        attrs={"twinkit": header, "Conventions": "CF-1.8"},
    )
    for name, item in parsed["variables"].items():
        dataset[item["key"]].attrs.update(units=item["unit"], long_name=item["doc"] or name, variable=name)
    dataset["time"].attrs.update(units=parsed["time_unit"], variable="time")
    return bytes(dataset.to_netcdf(engine="scipy"))


def _read_netcdf(content: bytes) -> tuple[dict[str, Array], dict[str, Any]]:
    import xarray as xr

    dataset: Any = cast("Any", xr).load_dataset(io.BytesIO(content), engine="scipy", decode_times=False)
    if "twinkit" not in dataset.attrs:
        raise DataError("this netCDF file is not a solution saved by twinkit")
    columns = {str(key): np.array(dataset[key].values, dtype=np.float64) for key in dataset.variables}
    return columns, json.loads(dataset.attrs["twinkit"])


# -- Parquet ---------------------------------------------------------------------------------------------------
def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa  # pyright: ignore[reportMissingImports, reportMissingTypeStubs]
        import pyarrow.parquet as pq  # pyright: ignore[reportMissingImports, reportMissingTypeStubs]
    except ImportError:
        raise MissingDependencyError.for_package("pyarrow", "parquet", "Parquet files") from None
    return pa, pq


def _parquet_bytes(columns: Mapping[str, Array], header: str) -> bytes:
    pa, pq = _arrow()
    arrays = {key: pa.array(data) if data.ndim == 1 else pa.array(list(data)) for key, data in columns.items()}
    table = pa.table(arrays).replace_schema_metadata({"twinkit": header})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def _read_parquet(content: bytes) -> tuple[dict[str, Array], dict[str, Any]]:
    _, pq = _arrow()
    table: Any = pq.read_table(io.BytesIO(content))
    metadata: dict[bytes, bytes] = table.schema.metadata or {}
    if b"twinkit" not in metadata:
        raise DataError("this Parquet file is not a solution saved by twinkit")
    columns = {key: np.array(table[key].to_pylist(), dtype=np.float64) for key in table.column_names}
    return columns, json.loads(metadata[b"twinkit"])
