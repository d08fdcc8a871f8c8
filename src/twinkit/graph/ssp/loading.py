"""An SSP file as a graph that runs: FMUs as components, nested systems flattened, parameters as start values."""

from __future__ import annotations

import keyword
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

import numpy as np

from twinkit.core.component import Causality, Component, Port
from twinkit.core.errors import InvalidValueError, unknown_name
from twinkit.core.units import affine
from twinkit.fmi import FMU, FMUDescription, FMUFileError, read_description
from twinkit.fmi.foreign import ArchiveLimits, extract
from twinkit.graph.blocks import Block
from twinkit.graph.ports import Node, Plug
from twinkit.graph.ssp._faces import Faces
from twinkit.graph.ssp._graph import SSPGraph
from twinkit.graph.ssp._parameters import Assigned, Sources, Values, collect, start_value, variable_unit
from twinkit.graph.ssp._transform import (
    Affine,
    FileUnit,
    Step,
    apply,
)
from twinkit.graph.ssp._wiring import End, Path, Wire, Wiring, label
from twinkit.graph.ssp.errors import SSPFileError, UnsupportedSSPError
from twinkit.graph.ssp.package import SSP_LAYOUT, STRUCTURE, PathLike, choose, member_name, read_document
from twinkit.graph.ssp.structure import (
    FMU_TYPE,
    ComponentElement,
    Implementation,
    SystemStructure,
)
from twinkit.graph.ssp.structure import ConnectorKind as Kind

_KINDS = {Implementation.ANY: None, Implementation.CO_SIMULATION: "cs", Implementation.MODEL_EXCHANGE: "me"}


def load(
    path: PathLike, *, inputs: Mapping[str, Any] | None = None, variant: str | None = None,
    limits: ArchiveLimits | None = None, **options: Any,
) -> SSPGraph:  # fmt: skip
    """Return an SSP file as a graph.

    Parameters
    ----------
    path
        The ``.ssp`` file.
    inputs
        Input of the whole system -> a number or a text with a unit, or a component that drives it (its output of the
        same name, or its only one): a `Replay`, for example. Inputs without a value leave their FMUs' start values.
    variant
        Which of several system structures in the file; None: ``SystemStructure.ssd``.
    limits
        For the archive.
    **options
        For every FMU, as for `twinkit.FMU`: ``backend``, ``isolate``, ``integration``.

    Raises
    ------
    SSPFileError
        If the file is damaged or dangerous, or contradicts itself or its FMUs.
    UnsupportedSSPError
        For what cannot be run: components that are no FMUs, signal dictionaries, connected texts and binaries,
        parameters that one FMU calculates for another, single elements of arrays.

    Examples
    --------
    ::

        with tk.graph.ssp.load("plant.ssp") as graph:
            solution = tk.simulate(graph, until=graph.stop_time, master=tk.graph.Jacobi(0.01))
    """
    folder = FilePath(tempfile.mkdtemp(prefix="twinkit-ssp-"))
    try:
        extract(path, folder, limits or ArchiveLimits(), SSP_LAYOUT)
        loader = _Loader(folder, _structure(folder, variant), options)
        graph = loader.graph
        loader.add_components()
        loader.connect_all(inputs or {})
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return graph


def _structure(folder: FilePath, variant: str | None) -> SystemStructure:
    files = [folder / STRUCTURE] if variant is None else sorted(folder.glob("*.ssd"))
    return choose({file.name: read_document(SystemStructure, file.read_bytes(), file.name) for file in files}, variant)


class _Loader:
    """One file on its way to a graph."""

    def __init__(self, folder: FilePath, structure: SystemStructure, options: Mapping[str, Any]) -> None:
        self.folder, self.structure, self.options = folder, structure, options
        self.wiring = Wiring.of(structure.system)
        if not self.wiring.components:
            raise SSPFileError(f"{structure.name!r} has no components: there is nothing to run")
        self.fmu_files = {path: self._fmu_file(path, c) for path, c in self.wiring.components.items()}
        known = {file: self._described(file) for file in dict.fromkeys(self.fmu_files.values())}
        self.descriptions = {path: known[file] for path, file in self.fmu_files.items()}
        self.faces = Faces(structure, self.wiring, self.descriptions)
        self.values: Values = collect(self.wiring, self.descriptions, Sources(self._read, self.fmu_files))
        self.graph = SSPGraph(structure, _time_unit(known), folder)
        self.graph.notes += self.values.notes
        self.nodes: dict[Path, Node] = {}

    def _read(self, name: str, what: str) -> bytes:
        file = self.folder.joinpath(*name.split("/"))
        if not file.is_file():
            raise SSPFileError(f"{what}: there is no file {name!r} in the archive")
        return file.read_bytes()

    def _described(self, file: FilePath) -> FMUDescription:
        try:
            return read_description(file)
        except FMUFileError as error:
            name = file.relative_to(self.folder).as_posix()
            raise SSPFileError(f"{name}: {str(error).replace(str(file), name)}") from error

    def _fmu_file(self, path: Path, component: ComponentElement) -> FilePath:
        what = f"component {'.'.join(path)!r}"
        if component.type != FMU_TYPE:
            raise UnsupportedSSPError(f"{what} is of type {component.type!r}; only FMUs ({FMU_TYPE}) can be run")
        if component.implementation not in _KINDS:
            raise UnsupportedSSPError(f"{what} wants {component.implementation.value}, which is not offered")
        if component.source is None:
            raise UnsupportedSSPError(f"{what} has no source: it is a design without an FMU")
        name = member_name(component.source, what)
        file = self.folder.joinpath(*name.split("/"))
        if not file.is_file():
            raise SSPFileError(f"{what}: there is no file {name!r} in the archive")
        return file

    # -- components --------------------------------------------------------------------------------------------
    def add_components(self) -> None:
        """Add every FMU, with its start values."""
        starts: dict[Path, dict[str, Any]] = {path: {} for path in self.wiring.components}
        for end, (_, value) in self._assignments().items():
            path, name = end
            starts[path][name] = self._start(end, value)
        for path, component in self.wiring.components.items():
            options = {**self.options, "kind": _KINDS[component.implementation]}
            fmu = FMU(self.fmu_files[path], starts[path], **options)
            self._adapt(fmu, path)
            name = _node_name(path, self.graph.nodes)
            if ".".join(path) in self.graph.names:
                self.graph.notes.append(f"two components are named {'.'.join(path)!r}; {name} is the second one's node")
            self.graph.names.setdefault(".".join(path), name)
            self.graph.notes += [f"{name}: {note}" for note in fmu.notes]
            self.nodes[path] = self.graph.add(name, fmu)

    def _assignments(self) -> dict[End, tuple[int, Any]]:
        """Return ``(component, variable)`` -> ``(level, value, steps)``; the outermost binding prevails."""
        found: dict[End, tuple[int, Any]] = {
            end: (level, (value, None, ())) for end, (level, value) in self.values.variables.items()
        }
        for end in self.wiring.taking():
            wires = self.wiring.upstream(end)
            if not wires:
                continue
            source = wires[-1].source
            if source[0] in self.descriptions and self.wiring.connectors[end].kind in (
                Kind.PARAMETER, Kind.STRUCTURAL_PARAMETER,
            ):  # fmt: skip
                raise UnsupportedSSPError(
                    f"{label(source)} -> {label(end)}: a parameter that one FMU calculates for another is not supported"
                )
            for i, wire in enumerate(wires):
                bound = self.values.connectors.get(wire.source)
                if bound is not None and bound[0] < found.get(end, (len(end[0]) + 1, None))[0]:
                    found[end] = (bound[0], (bound[1], wire.source, tuple(self.faces.steps(wires[: i + 1]))))
        return found

    def _start(self, end: End, given: tuple[Assigned, End | None, Sequence[Step]]) -> Any:
        value, through, steps = given
        description = self.descriptions[end[0]]
        variable = description.variables[end[1]]
        if through is not None:
            unit = self.faces.outer_unit(through)
        else:
            unit = self.faces.unit(end) if end in self.wiring.connectors else variable_unit(variable, description)
        return start_value(value, variable, unit, steps, label(end))

    def _adapt(self, fmu: FMU, path: Path) -> None:
        """Give the ports of an FMU the units that only the file knows."""

        def adapted(port: Port) -> Port:
            if (path, port.name) in self.wiring.connectors and not fmu.description.variables[port.name].unit:
                unit = self.faces.unit((path, port.name))
                if unit is not None and unit.to == Affine():
                    port = replace(port, unit=unit.text)
            return port

        fmu.inputs = {name: adapted(port) for name, port in fmu.inputs.items()}
        fmu.outputs = {name: adapted(port) for name, port in fmu.outputs.items()}

    # -- connections -------------------------------------------------------------------------------------------
    def connect_all(self, inputs: Mapping[str, Any]) -> None:
        """Connect everything, the inputs of the whole system too."""
        faces = {c.name: c for c in self.structure.system.connectors}
        known = [name for name, c in faces.items() if c.kind in (Kind.INPUT, Kind.INOUT, Kind.UNSPECIFIED)]
        for name in inputs:
            if name not in known:
                raise unknown_name("input", name, known, f"the system {self.structure.name!r}")
        drivers = {name: self._driver(name, value) for name, value in inputs.items()}
        leads: dict[str, list[str]] = {name: [] for name in known}
        for end in self.wiring.taking():
            wires = self.wiring.upstream(end)
            if not wires:
                continue
            source = wires[-1].source
            if source[0] in self.descriptions:
                self._connect(self._plug(source, out=True), end, wires, None)
            elif source[0] == () and source[1] in leads:
                leads[source[1]].append(f"{self.nodes[end[0]].name}.{end[1]}")
                if source[1] in drivers:
                    self._connect(drivers[source[1]], end, wires, _port_unit(drivers[source[1]]))
        self.graph.system_inputs.update({name: tuple(ends) for name, ends in leads.items()})
        for name, connector in faces.items():
            if connector.kind is Kind.OUTPUT:
                self._show(name, drivers)

    def _plug(self, end: End, *, out: bool) -> Plug:
        node = self.nodes[end[0]]
        sockets = node.out if out else node.inp
        if end[1] in sockets:
            return sockets[end[1]]
        variable = self.descriptions[end[0]].variables[end[1]]
        if not variable.type.is_number:
            raise UnsupportedSSPError(f"{label(end)}: a {variable.type.value} cannot be connected")
        raise UnsupportedSSPError(f"{label(end)}: a {variable.causality} cannot be connected, only inputs and outputs")

    def _connect(self, plug: Plug, end: End, wires: Sequence[Wire], given: FileUnit | None) -> None:
        target, steps = self._plug(end, out=False), self.faces.steps(wires, given)
        if any(not isinstance(step, Affine) for step in steps):
            name = f"{plug.node}_{plug.name}_to_{target.node}_{target.name}"
            plug, steps = self._through(plug, steps, name, "value", ""), []
        total = next(iter(steps), Affine())
        assert isinstance(total, Affine)
        a, b = (next(iter(p.ports.values())).unit for p in (plug, target))
        try:
            plain = Affine(*affine(a, b))
        except ValueError:
            plain = None
        if plain == total:
            self.graph.connect(plug, target)
        elif plain is not None and not wires[0].connection.suppress_unit_conversion and plain.scale:
            factor = total.scale / plain.scale
            self.graph.connect(plug, target, factor=factor, offset=total.offset - factor * plain.offset)
        else:
            self.graph.connect(plug, target, factor=total.scale, offset=total.offset, convert_units=False)

    def _through(self, plug: Plug, steps: Sequence[Step], node: str, name: str, unit: str) -> Plug:
        """Return the output of a new node that applies steps to an output."""
        port = next(iter(plug.ports.values()))

        def transform(value: Any) -> Any:
            flat = [apply(steps, float(v)) for v in np.atleast_1d(value)]
            return np.array(flat) if port.shape else flat[0]

        given = Port("value", port.unit, Causality.INPUT, port.shape, variability=port.variability)
        made = Port(name, unit, Causality.OUTPUT, port.shape, variability=port.variability)
        block = Block(transform, inputs={"value": given}, outputs={name: made}, time_unit=self.graph.time_unit)
        added = self.graph.add(_node_name((node,), self.graph.nodes), block)
        self.graph.connect(plug, added.inp["value"])
        return added.out[name]

    # -- the outside of the system -----------------------------------------------------------------------------
    def _driver(self, name: str, value: Any) -> Plug:
        """Return the output that drives an input of the whole system."""
        if isinstance(value, Component) and not isinstance(value, type):
            node = self.graph.add(_node_name((name,), self.graph.nodes), value)
            if name not in node.out and len(node.component.outputs) != 1:
                raise InvalidValueError(f"input {name!r}: {value!r} has no output {name!r}, nor a single one")
            return node.out[name if name in node.out else next(iter(node.component.outputs))]
        unit = self.faces.outer_unit(((), name))
        if unit is not None and unit.to != Affine():
            raise InvalidValueError(f"input {name!r} is in a unit of the file's own: drive it with a component")
        port = Port(name, "" if unit is None else unit.text, Causality.OUTPUT)
        number = float(port.flat(value, f"input {name!r}")[0])

        def constant() -> float:
            return number

        block = Block(constant, inputs={}, outputs={name: port}, time_unit=self.graph.time_unit)
        return self.graph.add(_node_name((name,), self.graph.nodes), block).out[name]

    def _show(self, name: str, drivers: Mapping[str, Plug]) -> None:
        """Say which output is an output of the whole system; make one where a transformation lies between."""
        wires = self.wiring.upstream(((), name))
        if not wires:
            self.graph.notes.append(f"output {name!r} of the system is not connected")
            return
        source = wires[-1].source
        given = None
        if source[0] in self.descriptions:
            plug = self._plug(source, out=True)
        elif source[1] in drivers:
            plug = drivers[source[1]]
            given = _port_unit(plug)
        else:
            self.graph.notes.append(f"output {name!r} of the system shows input {source[1]!r}, which is not given")
            return
        steps = self.faces.steps(wires, given)
        if steps:
            unit = self.faces.unit(((), name))
            text = unit.text if unit is not None and unit.to == Affine() else ""
            plug = self._through(plug, steps, name, name, text)
        self.graph.system_outputs[name] = f"{plug.node}.{plug.name}"


def _port_unit(plug: Plug) -> FileUnit | None:
    """Return the unit of an output that comes from outside the file; None where it is dimensionless, or has none."""
    unit = next(iter(plug.ports.values())).unit
    return FileUnit(unit) if unit else None


def _time_unit(files: Iterable[FilePath]) -> str:
    """Return the time unit that all FMUs have; seconds where they differ."""
    found = {FMU(file).time_unit for file in files}
    return found.pop() if len(found) == 1 else "s"


def _node_name(path: Path, taken: Mapping[str, Any]) -> str:
    """Return an identifier for a path that no node has yet."""
    name = re.sub(r"\W", "_", "_".join(path))
    name = name if name.isidentifier() and not keyword.iskeyword(name) else f"_{name}"
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found
