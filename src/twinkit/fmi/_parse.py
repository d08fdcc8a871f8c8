"""`modelDescription.xml` of FMI 1.0, 2.0 and 3.0, read into an `FMUDescription`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import prod
from typing import Any
from xml.etree.ElementTree import Element

from twinkit.fmi._errors import FMUFileError, UnsupportedFMUError
from twinkit.fmi._xml import parse_xml
from twinkit.fmi.description import BaseUnit, FMUDescription, FMUVariable, Interface
from twinkit.fmi.description import VariableType as Type

MAX_ELEMENTS = 10_000_000  # of one array
_BASE = ("kg", "m", "s", "A", "K", "mol", "cd", "rad")
_OLD_TYPES = {
    "Real": Type.FLOAT64, "Integer": Type.INT32, "Boolean": Type.BOOLEAN, "String": Type.STRING,
    "Enumeration": Type.ENUMERATION,
}  # fmt: skip
_NEW_TYPES = {kind.value: kind for kind in Type}
_IDENTIFIER = re.compile(r"^[A-Za-z_][A-Za-z_0-9]*$")


def parse_description(data: bytes) -> FMUDescription:
    """Return the content of a `modelDescription.xml`.

    Raises
    ------
    FMUFileError
        If it cannot be understood.
    UnsupportedFMUError
        For a version of FMI that does not exist here.
    """
    root = parse_xml(data, "modelDescription.xml")
    if root.tag != "fmiModelDescription":
        raise FMUFileError(f"modelDescription.xml begins with <{root.tag[:80]}>, not <fmiModelDescription>")
    version = root.get("fmiVersion", "")
    major = next((known for known in ("1.0", "2.0", "3.0") if version == known or version.startswith("3.")), "")
    major = "3.0" if version.startswith("3.") else major
    if not major:
        raise UnsupportedFMUError(f"FMI version {version[:40]!r} is not supported; there is 1.0, 2.0 and 3.0")
    return _Reader(root, major).description()


class _Reader:
    """Reads one document; `v3` and `v1` say which rules apply."""

    def __init__(self, root: Element, version: str) -> None:
        self.root = root
        self.version = version
        self.v3, self.v1 = version == "3.0", version == "1.0"
        self.types = {name: e for e in root.findall("TypeDefinitions/*") if (name := e.get("name"))}

    def description(self) -> FMUDescription:
        root = self.root
        variables = self._variables()
        ordered = list(variables.values())
        by_reference = {v.reference: v for v in ordered}
        experiment = root.find("DefaultExperiment")
        times = {} if experiment is None else experiment.attrib
        states, indicators = self._sizes(ordered, by_reference)
        return FMUDescription(
            fmi_version=self.version,
            model_name=root.get("modelName", ""),
            token=root.get("instantiationToken" if self.v3 else "guid", ""),
            variables=variables,
            co_simulation=self._interface("CoSimulation"),
            model_exchange=self._interface("ModelExchange"),
            description=root.get("description", ""),
            generation_tool=root.get("generationTool", ""),
            units=self._units(),
            state_count=states,
            indicator_count=indicators,
            start_time=_float(times.get("startTime")),
            stop_time=_float(times.get("stopTime")),
            tolerance=_float(times.get("tolerance")),
            step_size=_float(times.get("stepSize")),
            dependencies=self._dependencies(ordered, by_reference),
        )

    # -- what it can do ----------------------------------------------------------------------------------------
    def _interface(self, kind: str) -> Interface | None:
        if self.v1:
            element = self._interface_1(kind)
        else:
            element = self.root.find(kind)
        if element is None:
            return None
        identifier = (self.root if self.v1 else element).get("modelIdentifier", "")
        if not _IDENTIFIER.match(identifier) or len(identifier) > 200:
            raise FMUFileError(f"the model identifier {identifier[:80]!r} is not a C identifier")
        state = "State" if self.v3 else "state"
        return Interface(
            identifier=identifier,
            needs_tool=_flag(element, "needsExecutionTool"),
            can_save_state=_flag(element, f"canGetAndSetFMU{state}"),
            can_serialize_state=_flag(element, f"canSerializeFMU{state}"),
            directional_derivatives=_flag(element, f"providesDirectionalDerivative{'s' if self.v3 else ''}"),
            variable_step=_flag(element, "canHandleVariableCommunicationStepSize"),
            has_event_mode=_flag(element, "hasEventMode"),
            needs_completed_step=_flag(element, "needsCompletedIntegratorStep")
            if self.v3
            else not _flag(element, "completedIntegratorStepNotNeeded"),
            once_per_process=_flag(element, "canBeInstantiatedOnlyOncePerProcess"),
        )

    def _interface_1(self, kind: str) -> Element | None:
        implementation = self.root.find("Implementation")
        if (implementation is not None) != (kind == "CoSimulation"):
            return None
        if implementation is None:
            return self.root
        capabilities = implementation.find(".//Capabilities")
        return implementation if capabilities is None else capabilities

    # -- variables ---------------------------------------------------------------------------------------------
    def _variables(self) -> dict[str, FMUVariable]:
        container = self.root.find("ModelVariables")
        found: dict[str, FMUVariable] = {}
        elements = [] if container is None else list(container)
        starts = {e.get("valueReference"): e.get("start") for e in elements} if self.v3 else {}
        names = [e.get("name", "") for e in elements]
        references = {e.get("valueReference"): e.get("name", "") for e in elements}
        for element in elements:
            variable = self._variable(element, starts, names, references)
            if not variable.name:
                raise FMUFileError("a variable has no name")
            if variable.name in found:
                raise FMUFileError(f"two variables are named {variable.name!r}")
            found[variable.name] = variable
        return found

    def _variable(
        self, element: Element, starts: dict[Any, Any], names: list[str], references: dict[Any, str]
    ) -> FMUVariable:
        name = element.get("name", "")
        typed = element if self.v3 else next((c for c in element if c.tag in _OLD_TYPES), None)
        kind = None if typed is None else (_NEW_TYPES if self.v3 else _OLD_TYPES).get(typed.tag)
        if typed is None or kind is None:
            raise FMUFileError(f"variable {name!r} has no known type")
        declared = self.types.get(typed.get("declaredType", ""))
        shape = self._shape(element, starts, name) if self.v3 else ()
        causality, variability = self._roles(element, kind)
        derivative = typed.get("derivative")
        return FMUVariable(
            name=name,
            reference=_reference(element.get("valueReference"), name),
            type=kind,
            causality=causality,
            variability=variability,
            initial=element.get("initial", ""),
            unit=_inherited(typed, declared, "unit") or "",
            start=_start_value(typed, kind, shape, name),
            shape=shape,
            minimum=_float(_inherited(typed, declared, "min")) if kind.is_number else None,
            maximum=_float(_inherited(typed, declared, "max")) if kind.is_number else None,
            nominal=_float(_inherited(typed, declared, "nominal")) if kind.is_float else None,
            description=element.get("description", ""),
            items=_items(declared) if kind is Type.ENUMERATION else {},
            derivative_of=self._state_of(derivative, names, references),
            clocked=element.get("clocks") is not None,
        )

    def _roles(self, element: Element, kind: Type) -> tuple[str, str]:
        """Return causality and variability with the defaults of FMI."""
        if self.v1:
            causality = element.get("causality", "internal")
            variability = element.get("variability", "continuous" if kind.is_float else "discrete")
            if variability == "parameter":
                return "parameter", "fixed"
            return {"internal": "local", "none": "local"}.get(causality, causality), variability
        return element.get("causality", "local"), element.get(
            "variability", "continuous" if kind.is_float else "discrete"
        )

    def _state_of(self, derivative: str | None, names: list[str], references: dict[Any, str]) -> str:
        if derivative is None or self.v1:
            return ""
        if self.v3:
            return references.get(derivative, "")
        index = _integer(derivative, "derivative")
        return names[index - 1] if 0 < index <= len(names) else ""

    def _shape(self, element: Element, starts: dict[Any, Any], name: str) -> tuple[int, ...]:
        sizes: list[int] = []
        for dimension in element.findall("Dimension"):
            fixed, reference = dimension.get("start"), dimension.get("valueReference")
            text = fixed if fixed is not None else starts.get(reference)
            sizes.append(_integer(text, f"a dimension of {name!r}"))
        if any(size < 0 for size in sizes) or prod(sizes) > MAX_ELEMENTS:
            raise FMUFileError(f"variable {name!r} has {sizes} elements; at most {MAX_ELEMENTS} are accepted")
        return tuple(sizes)

    # -- structure ---------------------------------------------------------------------------------------------
    def _sizes(self, ordered: list[FMUVariable], by_reference: dict[int, FMUVariable]) -> tuple[int, int]:
        root = self.root
        if self.v1:
            states, indicators = root.get("numberOfContinuousStates"), root.get("numberOfEventIndicators")
            return _count(states), _count(indicators)
        if not self.v3:
            derivatives = root.findall("ModelStructure/Derivatives/Unknown")
            return len(derivatives), _count(root.get("numberOfEventIndicators"))
        total = [0, 0]
        for i, tag in enumerate(("ContinuousStateDerivative", "EventIndicator")):
            for unknown in root.findall(f"ModelStructure/{tag}"):
                variable = by_reference.get(_reference(unknown.get("valueReference"), tag))
                if variable is None:
                    raise FMUFileError(f"the model structure names a {tag} that is no variable")
                total[i] += variable.width
        return total[0], total[1]

    def _dependencies(
        self, ordered: list[FMUVariable], by_reference: dict[int, FMUVariable]
    ) -> dict[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        path = "ModelStructure/Output" if self.v3 else "ModelStructure/Outputs/Unknown"
        for unknown in [] if self.v1 else self.root.findall(path):
            listed = unknown.get("dependencies")
            if listed is None:
                continue
            me = self._pointed(unknown.get("valueReference" if self.v3 else "index"), ordered, by_reference)
            others = [self._pointed(text, ordered, by_reference) for text in listed.split()]
            found[me.name] = frozenset(v.name for v in others)
        return found

    def _pointed(
        self, text: str | None, ordered: list[FMUVariable], by_reference: dict[int, FMUVariable]
    ) -> FMUVariable:
        number = _integer(text, "the model structure")
        if self.v3 and number in by_reference:
            return by_reference[number]
        if not self.v3 and 0 < number <= len(ordered):
            return ordered[number - 1]
        raise FMUFileError(f"the model structure names variable {number}, which does not exist")

    def _units(self) -> dict[str, BaseUnit | None]:
        found: dict[str, BaseUnit | None] = {}
        for element in self.root.findall("UnitDefinitions/Unit"):
            base = element.find("BaseUnit")
            found[element.get("name", "")] = (
                None
                if base is None
                else BaseUnit(
                    {symbol: _integer(base.get(symbol, "0"), "a unit") for symbol in _BASE},
                    _float(base.get("factor")) or 1.0,
                    _float(base.get("offset")) or 0.0,
                )
            )
        return found


def _inherited(element: Element, declared: Element | None, name: str) -> str | None:
    """Return an attribute of a variable, or of its declared type (FMI 1 and 2 keep it one level deeper)."""
    text = element.get(name)
    if text is None and declared is not None:
        text = declared.get(name) or next((c.get(name) for c in declared if c.get(name)), None)
    return text


def _items(declared: Element | None) -> dict[int, str]:
    items: Iterator[Element] = iter(()) if declared is None else declared.iter("Item")
    return {
        _integer(item.get("value", str(i)), "an enumeration"): item.get("name", "") for i, item in enumerate(items, 1)
    }


def _start_value(element: Element, kind: Type, shape: tuple[int, ...], name: str) -> Any:
    if kind in (Type.STRING, Type.BINARY):
        nested = [child.get("value", "") for child in element.findall("Start")]
        if element.get("start") is not None:
            nested = [element.get("start", "")]
        if kind is Type.BINARY:
            try:
                values: list[Any] = [bytes.fromhex(text) for text in nested]
            except ValueError:
                raise FMUFileError(f"variable {name!r}: a binary start value is not hexadecimal") from None
        else:
            values = list(nested)
        return (tuple(values) if shape else values[0]) if values else None
    text = element.get("start")
    if text is None:
        return None
    read = (
        _float
        if kind.is_float
        else _bool
        if kind is Type.BOOLEAN
        else lambda part: _integer(part, f"start of {name!r}")
    )
    numbers = [read(part) for part in text.split()]
    width = prod(shape)
    if not shape and len(numbers) == 1:
        return numbers[0]
    if shape and len(numbers) in (1, width):
        return tuple(numbers * width if len(numbers) == 1 else numbers)
    raise FMUFileError(f"variable {name!r} has {width} values, but {len(numbers)} start values")


def _flag(element: Element, name: str) -> bool:
    return element.get(name, "false").strip() in ("true", "1")


def _bool(text: str) -> bool:
    if text not in ("true", "false", "1", "0"):
        raise FMUFileError(f"{text[:40]!r} is not a boolean")
    return text in ("true", "1")


def _float(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        raise FMUFileError(f"{text[:40]!r} is not a number") from None


def _integer(text: str | None, what: str) -> int:
    try:
        return int(text or "")
    except ValueError:
        raise FMUFileError(f"{what}: {str(text)[:40]!r} is not an integer") from None


def _count(text: str | None) -> int:
    number = _integer(text or "0", "a number of states or event indicators")
    if not 0 <= number <= MAX_ELEMENTS:
        raise FMUFileError(f"{number} states or event indicators are not possible")
    return number


def _reference(text: str | None, what: str) -> int:
    number = _integer(text, f"value reference of {what!r}")
    if not 0 <= number < 2**32:
        raise FMUFileError(f"value reference {number} of {what!r} is not a 32-bit number")
    return number
