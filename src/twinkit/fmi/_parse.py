"""`modelDescription.xml` of FMI 1.0, 2.0 and 3.0, read into an `FMUDescription`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from math import isfinite, prod
from typing import Any
from xml.etree.ElementTree import Element

from twinkit.fmi._errors import FMUFileError, UnsupportedFMUError
from twinkit.fmi._xml import parse_xml
from twinkit.fmi.description import MAX_ELEMENTS, BaseUnit, Clock, FMUDescription, FMUVariable, Interface, Interval
from twinkit.fmi.description import VariableType as Type

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
        by_reference = {v.reference: v for v in reversed(ordered)}  # of aliases, the variable itself
        experiment = root.find("DefaultExperiment")
        times = {} if experiment is None else experiment.attrib
        states, indicators = self._structure(ordered, by_reference)
        counts = self._counts(states, indicators, variables)
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
            state_count=counts[0],
            indicator_count=counts[1],
            start_time=_float(times.get("startTime")),
            stop_time=_float(times.get("stopTime")),
            tolerance=_float(times.get("tolerance")),
            step_size=_float(times.get("stepSize")),
            dependencies=self._dependencies_1() if self.v1 else self._dependencies(ordered, by_reference),
            scheduled_execution=self.v3 and root.find("ScheduledExecution") is not None,
            derivatives=states,
            indicators=indicators,
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
            adjoint_derivatives=self.v3 and _flag(element, "providesAdjointDerivatives"),
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
        references = {e.get("valueReference"): e for e in elements} if self.v3 else {}
        names = [e.get("name", "") for e in elements]
        for element in elements:
            variable = self._variable(element, names, references)
            aliases = element.findall("Alias") if self.v3 else []
            for one in (variable, *(replace(variable, name=a.get("name", ""), causality="local") for a in aliases)):
                if not one.name:
                    raise FMUFileError("a variable has no name")
                if one.name in found:
                    raise FMUFileError(f"two variables are named {one.name!r}")
                found[one.name] = one
        return found

    def _variable(self, element: Element, names: list[str], references: dict[Any, Element]) -> FMUVariable:
        name = element.get("name", "")
        typed = element if self.v3 else next((c for c in element if c.tag in _OLD_TYPES), None)
        kind = None if typed is None else (_NEW_TYPES if self.v3 else _OLD_TYPES).get(typed.tag)
        if typed is None or kind is None:
            raise FMUFileError(f"variable {name!r} has no known type")
        declared = self.types.get(typed.get("declaredType", ""))
        dimensions, shape = self._shape(element, references, name) if self.v3 else ((), ())
        causality, variability = self._roles(element, kind)
        start = _start_value(typed, kind, shape, name)
        return FMUVariable(
            name=name,
            reference=_reference(element.get("valueReference"), name),
            type=kind,
            causality=causality,
            variability=variability,
            initial=_initial_1(typed, start) if self.v1 else element.get("initial", ""),
            unit=_inherited(typed, declared, "unit") or "",
            start=start,
            shape=shape,
            dimensions=dimensions,
            minimum=_float(_inherited(typed, declared, "min")) if kind.is_number else None,
            maximum=_float(_inherited(typed, declared, "max")) if kind.is_number else None,
            nominal=_float(_inherited(typed, declared, "nominal")) if kind.is_float else None,
            description=element.get("description", ""),
            items=_items(declared) if kind is Type.ENUMERATION else {},
            derivative_of=self._state_of(typed.get("derivative"), names, references),
            clocks=tuple(_named(text, references, name) for text in element.get("clocks", "").split()),
            clock=_clock(element, declared, name) if kind is Type.CLOCK else None,
            negated=self.v1 and element.get("alias") == "negatedAlias",
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

    def _state_of(self, derivative: str | None, names: list[str], references: dict[Any, Element]) -> str:
        if derivative is None or self.v1:
            return ""
        if self.v3:
            return references[derivative].get("name", "") if derivative in references else ""
        index = _integer(derivative, "derivative")
        return names[index - 1] if 0 < index <= len(names) else ""

    def _shape(
        self, element: Element, references: dict[Any, Element], name: str
    ) -> tuple[tuple[int | str, ...], tuple[int, ...]]:
        """Return the dimensions (sizes, or names of structural parameters) and the shape at their start values."""
        dimensions: list[int | str] = []
        shape: list[int] = []
        for dimension in element.findall("Dimension"):
            fixed, what = dimension.get("start"), f"a dimension of {name!r}"
            if fixed is None:
                source = _named(dimension.get("valueReference"), references, name)
                fixed = references[dimension.get("valueReference")].get("start")
                if references[dimension.get("valueReference")].get("causality") != "structuralParameter":
                    raise FMUFileError(f"{what}, {source!r}, is no structural parameter")
                dimensions.append(source)
            else:
                dimensions.append(_integer(fixed, what))
            shape.append(_integer(fixed, what))
        if any(size < 0 for size in shape) or prod(shape) > MAX_ELEMENTS:
            raise FMUFileError(f"variable {name!r} has {shape} elements; at most {MAX_ELEMENTS} are accepted")
        return tuple(dimensions), tuple(shape)

    # -- structure ---------------------------------------------------------------------------------------------
    def _structure(
        self, ordered: list[FMUVariable], by_reference: dict[int, FMUVariable]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the names of the state derivatives and of the event indicators, where they are variables."""
        if self.v1:
            return (), ()
        if not self.v3:
            unknowns = self.root.findall("ModelStructure/Derivatives/Unknown")
            return tuple(self._pointed(u.get("index"), ordered, by_reference).name for u in unknowns), ()
        found: list[tuple[str, ...]] = []
        for tag in ("ContinuousStateDerivative", "EventIndicator"):
            unknowns = self.root.findall(f"ModelStructure/{tag}")
            found.append(tuple(self._pointed(u.get("valueReference"), ordered, by_reference).name for u in unknowns))
        return found[0], found[1]

    def _counts(
        self, states: tuple[str, ...], indicators: tuple[str, ...], variables: dict[str, FMUVariable]
    ) -> tuple[int, int]:
        if self.v3:
            widths = [sum(variables[name].width for name in names) for names in (states, indicators)]
            return _count(str(widths[0])), _count(str(widths[1]))
        declared = _count(self.root.get("numberOfEventIndicators"))
        return _count(self.root.get("numberOfContinuousStates")) if self.v1 else len(states), declared

    def _dependencies_1(self) -> dict[str, frozenset[str]]:
        """Return what outputs depend on directly, where FMI 1 says so."""
        found: dict[str, frozenset[str]] = {}
        for element in self.root.findall("ModelVariables/ScalarVariable"):
            listed = element.find("DirectDependency")
            if listed is not None:
                found[element.get("name", "")] = frozenset((name.text or "").strip() for name in listed.findall("Name"))
        return found

    def _dependencies(
        self, ordered: list[FMUVariable], by_reference: dict[int, FMUVariable]
    ) -> dict[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        path = "ModelStructure/Output" if self.v3 else "ModelStructure/Outputs/Unknown"
        for unknown in self.root.findall(path):
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


def _named(text: str | None, references: dict[Any, Element], name: str) -> str:
    """Return the name of the variable with a value reference."""
    if text not in references:
        raise FMUFileError(f"variable {name!r} names value reference {str(text)[:40]!r}, which does not exist")
    return references[text].get("name", "")


def _initial_1(typed: Element, start: Any) -> str:
    """Return how a variable of FMI 1 starts, in the words of FMI 2: what has no start value is calculated."""
    if start is None:
        return "calculated"
    return "exact" if typed.get("fixed", "true").strip() in ("true", "1") else "approx"


def _clock(element: Element, declared: Element | None, name: str) -> Clock:
    """Return when a clock ticks; counters are counted in units of one over the resolution."""
    text = _inherited(element, declared, "intervalVariability")
    try:
        variability = Interval(text)
    except ValueError:
        raise FMUFileError(f"clock {name!r}: {str(text)[:40]!r} is no interval variability") from None
    times: list[float | None] = []
    for what in ("interval", "shift"):
        time = _float(_inherited(element, declared, f"{what}Decimal"))
        counter = _inherited(element, declared, f"{what}Counter")
        if time is None and counter is not None:
            resolution = _integer(_inherited(element, declared, "resolution"), f"the resolution of clock {name!r}")
            ticks = _integer(counter, f"clock {name!r}")
            time = ticks / resolution if 0 < resolution < 2**64 and 0 <= ticks < 2**64 else -1.0
        if time is not None and not (isfinite(time) and time >= 0 and (time > 0 or what == "shift")):
            raise FMUFileError(f"clock {name!r} has the impossible {what} {time}")
        times.append(time)
    return Clock(variability, times[0], times[1])


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
