"""``modelDescription.xml`` of FMI 2.0."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from twinkit.fmi._export import xml_parts as parts
from twinkit.fmi._export.table import dependencies
from twinkit.fmi._export.tables import Content
from twinkit.fmi.description import Kind


def description_2(content: Content, header: parts.Header, token: str) -> str:
    """Return the description as text."""
    root = parts.root_of(content, header, guid=token)
    if Kind.MODEL_EXCHANGE in content.kinds:
        root.set("numberOfEventIndicators", str(len(content.events)))
        _interface(root, "ModelExchange", header, completedIntegratorStepNotNeeded=not content.events)
    if Kind.CO_SIMULATION in content.kinds:
        _interface(root, "CoSimulation", header, canHandleVariableCommunicationStepSize=True)
    parts.add_units(root, content.rows)
    parts.add_log_categories(root)
    parts.add_experiment(root, content, header)
    tool = ET.SubElement(ET.SubElement(root, "VendorAnnotations"), "Tool", {"name": "twinkit"})
    tool.append(parts.provenance_of(header))
    _variables(root, content)
    _structure(root, content)
    return parts.text_of(root)


def _interface(root: ET.Element, name: str, header: parts.Header, **own: bool) -> None:
    # The memory functions of the environment are not used: they are optional, and often missing.
    given = parts.attributes(
        modelIdentifier=header.identifier, canNotUseMemoryManagementFunctions=True, canGetAndSetFMUstate=True,
        canSerializeFMUstate=True, providesDirectionalDerivative=True, **own,
    )  # fmt: skip
    sources = ET.SubElement(ET.SubElement(root, name, given), "SourceFiles")
    ET.SubElement(sources, "File", {"name": parts.SOURCE})


def _variables(root: ET.Element, content: Content) -> None:
    variables = ET.SubElement(root, "ModelVariables")
    for i, row in enumerate(content.rows):
        given = parts.attributes(
            name=row.name, valueReference=i, description=row.description or None, causality=row.causality,
            variability=row.variability, initial=row.initial,
        )  # fmt: skip
        variable = ET.SubElement(variables, "ScalarVariable", given)
        state = None if row.state is None else row.state + 1  # FMI 2 counts variables from 1
        ET.SubElement(variable, "Real", parts.numeric_attributes(row) | parts.attributes(derivative=state))


def _structure(root: ET.Element, content: Content) -> None:
    structure = ET.SubElement(root, "ModelStructure")
    used, at_start = (dependencies(content.reading, content.rows, initial=initial) for initial in (False, True))
    lists = parts.unknowns(content)
    for name, key in (("Outputs", "outputs"), ("Derivatives", "derivatives"), ("InitialUnknowns", "initial")):
        if not lists[key]:
            continue
        element = ET.SubElement(structure, name)
        for i in lists[key]:
            known = [j + 1 for j in (at_start if key == "initial" else used)[i]]
            ET.SubElement(element, "Unknown", parts.attributes(index=i + 1, dependencies=known))
