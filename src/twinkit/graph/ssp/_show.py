"""A package in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinkit.graph.ssp.structure import ComponentElement, System

if TYPE_CHECKING:
    from twinkit.graph.ssp.package import Package


def lines(package: Package) -> list[str]:
    """Return what there is in a package, line by line."""
    structure = package.structure
    found = [f"{structure.name}: SSP {structure.version}"]
    experiment = structure.default_experiment
    if experiment is not None:
        found.append(f"  from {experiment.start_time or 0.0:g} to {experiment.stop_time}")
    found += _system(structure.system, "  ")
    found += [f"  variant {name}: {variant.name}" for name, variant in package.variants.items()]
    found += [f"  file {name} ({len(data)} bytes)" for name, data in package.files.items()]
    return found


def _system(system: System, indent: str) -> list[str]:
    found = [f"{indent}system {system.name}{_connectors(system)}"]
    for element in system.elements:
        if isinstance(element, System):
            found += _system(element, indent + "  ")
        else:
            of = element.source if isinstance(element, ComponentElement) else f"dictionary {element.dictionary}"
            found.append(f"{indent}  {element.name}: {of}{_connectors(element)}")
    found += [f"{indent}  {connection}" for connection in system.connections]
    return found


def _connectors(element: object) -> str:
    shown = [f"{c.name} ({c.kind.value})" for c in getattr(element, "connectors", ())]
    return f" [{', '.join(shown)}]" if shown else ""
