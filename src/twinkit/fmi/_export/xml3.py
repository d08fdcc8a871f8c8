"""``modelDescription.xml`` and ``buildDescription.xml`` of FMI 3.0."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from twinkit.fmi._export import xml_parts as parts
from twinkit.fmi._export.table import dependencies
from twinkit.fmi._export.tables import Content
from twinkit.fmi.description import Kind

_STRUCTURE = {
    "Output": "outputs", "ContinuousStateDerivative": "derivatives", "InitialUnknown": "initial",
    "EventIndicator": "indicators",
}  # fmt: skip


def description_3(content: Content, header: parts.Header, token: str) -> str:
    """Return the description as text."""
    root = parts.root_of(content, header, instantiationToken=token)
    if Kind.MODEL_EXCHANGE in content.kinds:
        _interface(root, "ModelExchange", header, needsCompletedIntegratorStep=bool(content.events))
    if Kind.CO_SIMULATION in content.kinds:
        _interface(root, "CoSimulation", header, canHandleVariableCommunicationStepSize=True)
    parts.add_units(root, content.rows)
    parts.add_log_categories(root)
    parts.add_experiment(root, content, header)
    _variables(root, content)
    _structure(root, content)
    annotation = ET.SubElement(ET.SubElement(root, "Annotations"), "Annotation", {"type": "twinkit"})
    annotation.append(parts.provenance_of(header))
    return parts.text_of(root)


def build_description(identifier: str) -> str:
    """Return how the sources are compiled."""
    root = ET.Element("fmiBuildDescription", {"fmiVersion": "3.0"})
    configuration = ET.SubElement(root, "BuildConfiguration", {"modelIdentifier": identifier})
    files = ET.SubElement(configuration, "SourceFileSet", {"language": "C99"})
    ET.SubElement(files, "SourceFile", {"name": parts.SOURCE})
    return parts.text_of(root)


def _interface(root: ET.Element, name: str, header: parts.Header, **own: bool) -> None:
    given = parts.attributes(
        modelIdentifier=header.identifier, canGetAndSetFMUState=True, canSerializeFMUState=True,
        providesDirectionalDerivatives=True, providesAdjointDerivatives=True, **own,
    )  # fmt: skip
    ET.SubElement(root, name, given)


def _variables(root: ET.Element, content: Content) -> None:
    variables = ET.SubElement(root, "ModelVariables")
    for i, row in enumerate(content.rows):
        given = parts.attributes(
            name=row.name, valueReference=i, description=row.description or None, causality=row.causality,
            variability=row.variability, initial=row.initial,
        )  # fmt: skip
        given |= parts.numeric_attributes(row) | parts.attributes(derivative=row.state)
        variable = ET.SubElement(variables, "Float64", given)
        if row.size is not None:
            ET.SubElement(variable, "Dimension", {"start": str(row.size)})


def _structure(root: ET.Element, content: Content) -> None:
    structure = ET.SubElement(root, "ModelStructure")
    used, at_start = (dependencies(content.reading, content.rows, initial=initial) for initial in (False, True))
    lists = parts.unknowns(content)
    for name, key in _STRUCTURE.items():
        for i in lists[key]:
            known = (at_start if key == "initial" else used)[i]
            ET.SubElement(structure, name, parts.attributes(valueReference=i, dependencies=known))
