"""Content items of structured reports and the like, by their concept name: table E.3.4-1.

An item that table E.3.4-1 removes keeps its place with a dummy for its value: references
inside a report count items (PS3.3 C.17.3.2.5), a removed one would turn them to others.
"""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from napari_dicom_markup.core.anonymizing.deciding import (
    CODE_PARTS,
    MEASURED_VALUE_SEQUENCE,
    Decision,
    Setting,
    guarded,
    moved,
    overriding,
)
from napari_dicom_markup.core.anonymizing.items import items_of
from napari_dicom_markup.core.anonymizing.shapes import Shape, text_of
from napari_dicom_markup.model.deid import Action, Option
from napari_dicom_markup.standard.confidentiality import concept_rows, public_schemes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydicom import Dataset

    from napari_dicom_markup.core.anonymizing.deciding import Context
    from napari_dicom_markup.standard.confidentiality import ConceptRow

CONCEPTS = "E.3.4-1"
"""The rule of a change that table E.3.4-1 of PS3.15 asks for without a further option."""

CONCEPT_NAME = 0x0040_A043
CODE_VALUE = 0x0008_0100
SCHEME = 0x0008_0102
TEXT_VALUE = 0x0040_A160
NUMERIC_VALUE = 0x0040_A30A
CONCEPT_CODE = 0x0040_A168
UID_VALUE = 0x0040_A124

_VALUES: Mapping[str, tuple[tuple[int, str], ...]] = MappingProxyType(
    {
        "TEXT": ((TEXT_VALUE, "UT"),),
        "PNAME": ((0x0040_A123, "PN"),),
        "DATE": ((0x0040_A121, "DA"),),
        "TIME": ((0x0040_A122, "TM"),),
        "DATETIME": ((0x0040_A120, "DT"),),
        "UIDREF": ((UID_VALUE, "UI"),),
        "NUM": ((MEASURED_VALUE_SEQUENCE, "SQ"), (NUMERIC_VALUE, "DS")),
        "CODE": ((CONCEPT_CODE, "SQ"),),
        "CONTAINER": ((0x0040_A730, "SQ"),),
    }
)
"""Where an item's value stands, by value type; references (IMAGE …) follow their UIDs' rules."""

_NOTHING: Mapping[int, Decision] = MappingProxyType({})
_AGE = Option.RETAIN_PATIENT_CHARACTERISTICS.value
_CAPPED: Mapping[int, Decision] = MappingProxyType(
    {
        NUMERIC_VALUE: guarded(Decision(Action.CLEAN, _AGE), NUMERIC_VALUE, "DS"),
        0x0040_A161: Decision(Action.REMOVE, _AGE),  # Floating Point Value
        0x0040_A162: Decision(Action.REMOVE, _AGE),  # Rational Numerator Value
        0x0040_A163: Decision(Action.REMOVE, _AGE),  # Rational Denominator Value
    }
)
"""An age as a number is capped; its other spellings go."""

_PUBLIC: Mapping[int, Decision] = MappingProxyType(
    {tag: Decision(Action.KEEP, "public code") for tag in CODE_PARTS}
)


def by_values(item: Dataset, context: Context) -> Mapping[int, Decision]:
    """Return the decisions for elements of an item that its codes make, by tag."""
    if context.setting is Setting.DUMMIES:
        return _NOTHING
    if context.setting is Setting.CAPPED and NUMERIC_VALUE in item:
        return _CAPPED
    if SCHEME in item:
        return _PUBLIC if _text(item, SCHEME) in public_schemes() else _NOTHING
    if CONCEPT_NAME not in item:
        return _NOTHING
    return _listed(*_concept(item), context.options)


def _concept(item: Dataset) -> tuple[str, str]:
    """Return (scheme, code) of an item's concept name if table E.3.4-1 lists it, else blanks."""
    names = items_of(item, CONCEPT_NAME)
    if not names:
        return "", ""
    found = _text(names[0], SCHEME), _text(names[0], CODE_VALUE)
    return found if found in _by_concept() else ("", "")


def _text(item: Dataset, tag: int) -> str:
    """Return an element's text without padding; of an absent one, "" ."""
    element = item.get_item(tag) if tag in item else None
    value = None if element is None else element.value
    return "" if value is None else text_of(value)[:64].strip(" \0")


@lru_cache(maxsize=1)
def _by_concept() -> Mapping[tuple[str, str], tuple[ConceptRow, ...]]:
    found: dict[tuple[str, str], tuple[ConceptRow, ...]] = {}
    for row in concept_rows():
        key = (row.scheme, row.code)
        found[key] = (*found.get(key, ()), row)
    return MappingProxyType(found)


@lru_cache(maxsize=1 << 12)
def _listed(scheme: str, code: str, options: frozenset[Option]) -> Mapping[int, Decision]:
    found: dict[int, Decision] = {}
    if Option.CLEAN_STRUCTURED_CONTENT in options:
        rule = Option.CLEAN_STRUCTURED_CONTENT.value
        found[TEXT_VALUE] = Decision(Action.CLEAN, rule)
    for row in _by_concept().get((scheme, code), ()):
        for tag, vr in _VALUES.get(row.value_type, ()):
            found[tag] = _decision(row, tag, vr, options)
    return MappingProxyType(found)


def _decision(row: ConceptRow, tag: int, vr: str, options: frozenset[Option]) -> Decision:
    option = overriding(row.options, options)
    base = _replaced(row, tag, vr)
    if option is None:
        return base
    if option is Option.RETAIN_MODIFIED_DATES:
        return moved(tag, vr, base)
    action = Action(row.options[option])
    if row.value_type == "NUM" and action is Action.KEEP:
        action = Action.CLEAN  # the one such concept is an age, which is capped
    return guarded(Decision(action, option.value), tag, vr)


def _replaced(row: ConceptRow, tag: int, vr: str) -> Decision:
    """Return what a concept's value becomes where its row says X, D or X/D."""
    if vr == "UI":
        mapped = Decision(Action.UID, CONCEPTS)
        return Decision(Action.KEEP, "registered UID", Shape.REGISTERED, mapped)
    if tag == MEASURED_VALUE_SEQUENCE:
        return Decision(Action.EMPTY, CONCEPTS)
    if row.value_type == "CONTAINER":
        return Decision(Action.REMOVE, CONCEPTS)
    return Decision(Action.DUMMY, CONCEPTS)
