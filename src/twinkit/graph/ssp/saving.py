"""A graph of FMUs as an SSP file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from twinkit._version import __version__
from twinkit.core.errors import InvalidValueError, UnitError
from twinkit.core.units import affine, parse_unit, registry
from twinkit.fmi import FMU, FMUVariable, Kind
from twinkit.graph.graph import Graph
from twinkit.graph.ports import Connection as Edge
from twinkit.graph.ssp.errors import UnsupportedSSPError
from twinkit.graph.ssp.package import Package, PathLike, write
from twinkit.graph.ssp.structure import (
    BaseUnit,
    ComponentElement,
    Connection,
    Connector,
    ConnectorKind,
    DataType,
    DefaultExperiment,
    Dimension,
    Enumeration,
    EnumerationItem,
    Implementation,
    LinearTransformation,
    Parameter,
    ParameterBinding,
    ParameterSet,
    ParameterValue,
    SignalType,
    System,
    SystemStructure,
    Unit,
    ValueItem,
)

_OLD_NAMES = {"Float64": DataType.REAL, "Int32": DataType.INTEGER}
_SI = {"[mass]": "kg", "[length]": "m", "[time]": "s", "[current]": "A", "[temperature]": "K",
       "[substance]": "mol", "[luminosity]": "cd"}  # fmt: skip
_KINDS = {Kind.CO_SIMULATION: Implementation.CO_SIMULATION, Kind.MODEL_EXCHANGE: Implementation.MODEL_EXCHANGE}


class NotAnFMUError(UnsupportedSSPError):
    """A graph that cannot be an SSP file, since some of its nodes are no FMUs.

    Attributes
    ----------
    nodes
        Their names.
    """

    def __init__(self, nodes: Iterable[str], described: str) -> None:
        self.nodes = tuple(nodes)
        super().__init__(
            f"an SSP file holds FMUs, and these nodes are none: {described}. Export a model with "
            "tk.fmi.export(model, 'name.fmu') and put tk.FMU('name.fmu') in its place"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuilt, (self.nodes, str(self)))


def _rebuilt(nodes: tuple[str, ...], message: str) -> NotAnFMUError:
    made = NotAnFMUError(nodes, "")
    made.args = (message,)
    return made


def save(
    graph: Graph, path: PathLike, *, name: str | None = None, start_time: float | None = None,
    stop_time: float | None = None, version: str | None = None,
) -> Path:  # fmt: skip
    """Write a graph of FMUs as an ``.ssp`` file, with the FMUs inside; see `package_of`."""
    return write(package_of(graph, name=name, start_time=start_time, stop_time=stop_time, version=version), path)


def package_of(
    graph: Graph, *, name: str | None = None, start_time: float | None = None, stop_time: float | None = None,
    version: str | None = None,
) -> Package:  # fmt: skip
    """Return a graph of FMUs as the content of an SSP file.

    Start values become parameters, edges connections; what an edge does besides converting units becomes its linear
    transformation. How an FMU is run here (isolation, integrator) is no part of SSP and is left out.

    Parameters
    ----------
    graph
        Its nodes are all FMUs.
    name
        Of the system.
    start_time, stop_time
        Of the default experiment.
    version
        "1.0" or "2.0"; None: 1.0 where that is enough.

    Raises
    ------
    NotAnFMUError
        If nodes are no FMUs; it names them.
    UnsupportedSSPError
        If version 1.0 is asked for, and arrays or types of FMI 3 need 2.0.
    """
    fmus = _fmus(graph)
    chosen = version or ("2.0" if _needs_2(fmus) else "1.0")
    if chosen not in ("1.0", "2.0"):
        raise InvalidValueError(f"version is '1.0' or '2.0', not {version!r}")
    if chosen == "1.0" and _needs_2(fmus):
        raise UnsupportedSSPError("arrays and the types of FMI 3 need SSP 2.0: leave version out, or ask for '2.0'")
    sources, files = _resources(fmus)
    units, enumerations = _Units(), dict[str, Enumeration]()
    driven = {edge.target for edge in graph.edges}
    elements = tuple(
        _component(node, fmu, sources[node], _faces(node, fmu, driven), chosen, units, enumerations)
        for node, fmu in fmus.items()
    )
    times = (start_time, stop_time)
    structure = SystemStructure(
        version=chosen,
        name=name or "graph",
        generation_tool=f"twinkit {__version__}",
        system=System(name=name or "graph", elements=elements, connections=tuple(map(_connection, graph.edges))),
        enumerations=tuple(enumerations.values()),
        units=tuple(units.found.values()),
        default_experiment=None if times == (None, None) else DefaultExperiment(
            start_time=start_time, stop_time=stop_time),
    )  # fmt: skip
    return Package(structure, files=files)


def _fmus(graph: Graph) -> dict[str, FMU]:
    components = {name: node.component for name, node in graph.nodes.items()}
    others = [name for name, component in components.items() if not isinstance(component, FMU)]
    if others:
        raise NotAnFMUError(others, ", ".join(f"{name} ({components[name]!r})" for name in others))
    if not components:
        raise InvalidValueError("the graph has no nodes: there is nothing to save")
    return {name: fmu for name, fmu in components.items() if isinstance(fmu, FMU)}


def _needs_2(fmus: Mapping[str, FMU]) -> bool:
    old = {"Float64", "Int32", "Boolean", "String", "Enumeration", "Binary"}
    variables = [
        variable for fmu in fmus.values() for variable in fmu.description.variables.values()
        if variable.causality in ("input", "output") or variable.name in fmu.start
    ]  # fmt: skip
    return any(variable.shape or variable.type.value not in old for variable in variables)


def _resources(fmus: Mapping[str, FMU]) -> tuple[dict[str, str], dict[str, bytes]]:
    """Return the source of each node, and the files; the same FMU is there once."""
    files: dict[str, bytes] = {}
    by_digest: dict[str, str] = {}
    sources: dict[str, str] = {}
    for node, fmu in fmus.items():
        data = fmu.path.read_bytes()
        key = hashlib.sha256(data).hexdigest()
        if key not in by_digest:
            stem = re.sub(r"[^A-Za-z0-9_.-]", "_", fmu.path.stem).strip(". ") or "fmu"
            taken = {name.lower() for name in files}
            name, number = f"resources/{stem}.fmu", 1
            while name.lower() in taken:
                number += 1
                name = f"resources/{stem}_{number}.fmu"
            files[name], by_digest[key] = data, name
        sources[node] = by_digest[key]
    return sources, files


# -- components ------------------------------------------------------------------------------------------------
def _faces(node: str, fmu: FMU, driven: set[tuple[str, str]]) -> list[FMUVariable]:
    """Return the variables that become connectors: outputs, and the inputs that are connected.

    An input that is not connected needs no connector (SSP 2.0, section Connectors), and FMPy 0.3.32 cannot run a
    system in which one has a connector.
    """
    shown = [v for v in fmu.description.of("output") if v.type.value != "Clock" and not v.clocked]
    return [v for v in fmu.description.of("input") if (node, v.name) in driven] + shown


def _component(
    node: str, fmu: FMU, source: str, faces: list[FMUVariable], version: str, units: _Units,
    enumerations: dict[str, Enumeration],
) -> ComponentElement:  # fmt: skip
    connectors: list[Connector] = []
    for variable in faces:
        port = fmu.inputs.get(variable.name) or fmu.outputs.get(variable.name)
        unit = None if port is None else units.name_of(port.unit, variable.unit)
        connectors.append(Connector(
            name=variable.name, kind=ConnectorKind(variable.causality), dimensions=_dimensions(variable),
            type=_signal_type(node, variable, version, unit, enumerations),
        ))  # fmt: skip
    values = tuple(_parameter(fmu.description.variables[name], value) for name, value in _starts(fmu).items())
    inside = ParameterSet(version=version, name=f"{node} start values", parameters=values)
    return ComponentElement(
        name=node, source=source, implementation=_KINDS[fmu.kind], connectors=tuple(connectors),
        parameter_bindings=(ParameterBinding(parameter_sets=(inside,)),) if values else (),
    )  # fmt: skip


def _starts(fmu: FMU) -> dict[str, Any]:
    """Return the start values: those given, and those that inputs have other than the FMU's own."""
    found = dict(fmu.start)
    for name, port in fmu.inputs.items():
        own = fmu.description.variables[name].start
        if port.default is not None and not np.array_equal(port.default, own if own is not None else np.nan):
            found[name] = port.default
    return found


def _data_type(variable: FMUVariable, version: str) -> DataType:
    name = variable.type.value
    return _OLD_NAMES.get(name, DataType(name)) if version == "1.0" else DataType(name)


def _signal_type(
    node: str, variable: FMUVariable, version: str, unit: str | None, enumerations: dict[str, Enumeration]
) -> SignalType:
    kind = _data_type(variable, version)
    if kind is not DataType.ENUMERATION:
        return SignalType(kind=kind, unit=unit if kind.is_float else None)
    if not variable.items:
        return SignalType(kind=DataType.INTEGER)
    name = f"{node}.{variable.name}"
    items = tuple(EnumerationItem(name=text, value=number) for number, text in variable.items.items())
    enumerations[name] = Enumeration(name=name, items=items)
    return SignalType(kind=kind, enumeration=name)


def _dimensions(variable: FMUVariable) -> tuple[Dimension, ...]:
    return tuple(Dimension(size=size) for size in variable.shape)


def _parameter(variable: FMUVariable, value: Any) -> Parameter:
    kind = _OLD_NAMES.get(variable.type.value, DataType(variable.type.value))
    flat = list(value) if variable.shape else [value]
    if kind is DataType.ENUMERATION:
        texts = [variable.items.get(int(v), str(int(v))) for v in flat]
    elif kind is DataType.BINARY:
        texts = [bytes(v).hex() for v in flat]
    elif kind is DataType.STRING:
        texts = [str(v) for v in flat]
    elif kind is DataType.BOOLEAN:
        texts = ["true" if v else "false" for v in flat]
    else:
        texts = [repr(float(v)) if kind.is_float else str(int(v)) for v in flat]
    listed = variable.shape and kind in (DataType.STRING, DataType.ENUMERATION, DataType.BINARY)
    items = tuple(ValueItem(value=text) for text in texts) if listed else ()
    return Parameter(
        name=variable.name, dimensions=_dimensions(variable),
        value=ParameterValue(kind=kind, value=None if listed else " ".join(texts), items=items),
    )  # fmt: skip


# -- units and connections -------------------------------------------------------------------------------------
class _Units:
    """The units that connectors use, collected while they are made."""

    def __init__(self) -> None:
        self.found: dict[str, Unit] = {}

    def name_of(self, unit: str, own: str) -> str | None:
        """Return the name of a unit in the file: the FMU's own, where that is the same; None for no unit."""
        if not unit:
            return None
        base = base_unit(unit)
        if base is None:
            return None
        for name in dict.fromkeys((own or unit, unit)):
            known = self.found.setdefault(name, Unit(name=name, base_unit=base))
            if known.base_unit == base:
                return name
        return None


def base_unit(unit: str) -> BaseUnit | None:
    """Return a unit of twinkit in SI base units; None for one that these cannot say.

    Examples
    --------
    >>> found = base_unit("kN")
    >>> found.exponents["s"], found.factor
    (-2, 1000.0)
    """
    exponents: dict[str, Any] = {}
    dimensions: Any = registry().get_dimensionality(parse_unit(unit))
    for dimension, power in dimensions.items():
        if dimension not in _SI or int(power) != power:
            return None
        exponents[_SI[dimension]] = int(power)
    si = "*".join(f"{symbol}**{power}" for symbol, power in exponents.items())
    try:
        factor, offset = affine(unit, si)
    except UnitError:
        return None
    return BaseUnit(**exponents, factor=factor, offset=offset)


def _connection(edge: Edge) -> Connection:
    linear = edge.transformation if edge.convert_units else (edge.scale, edge.offset)
    return Connection(
        start_element=edge.source[0], start_connector=edge.source[1],
        end_element=edge.target[0], end_connector=edge.target[1],
        suppress_unit_conversion=not edge.convert_units,
        transformation=None if linear == (1.0, 0.0) else LinearTransformation(factor=linear[0], offset=linear[1]),
    )  # fmt: skip
