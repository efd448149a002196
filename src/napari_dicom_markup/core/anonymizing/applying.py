"""A plan applied: from a data set to one without its identity, at every level of nesting.

What a plan does not name is left out. The source is read only, and pixel bytes are not copied.
pydicom's warnings quote values: the caller keeps them silent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from napari_dicom_markup.core.anonymizing.elements import (
    dictionary_vr,
    element_at,
    items_in,
    texts_of,
    vr_of,
)
from napari_dicom_markup.core.anonymizing.file_meta import ApplyError, new_file_meta
from napari_dicom_markup.core.anonymizing.items import pydicom_errors
from napari_dicom_markup.core.anonymizing.keeping import kept, new_element
from napari_dicom_markup.core.anonymizing.marking import set_markers
from napari_dicom_markup.core.anonymizing.patients import read_patient
from napari_dicom_markup.core.anonymizing.substitutes import substitute
from napari_dicom_markup.model.deid import Action, Change, Option, Place

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from napari_dicom_markup.core.anonymizing.elements import Element
    from napari_dicom_markup.core.anonymizing.marking import Marks
    from napari_dicom_markup.core.anonymizing.patients import Patient
    from napari_dicom_markup.core.anonymizing.pseudonyms import Pseudonyms
    from napari_dicom_markup.model.deid import Plan

    Path: TypeAlias = tuple[tuple[int, int], ...]

DEEPEST = 100
"""Levels of sequences; no object of the standard has a tenth of them."""

_CHARACTER_SET = 0x00080005
_PADDING = 0xFFFCFFFC


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of a plan: the data set, its file meta included, and where it had to be stricter.

    ``stricter`` are the attributes that lost more than the plan says, each with the reason in
    ``rule``: their values were none of their VR, or cannot be made safe.
    """

    data_set: Dataset = field(repr=False)
    stricter: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class _Work:
    """What the walk needs; ``stricter`` is what it finds."""

    actions: dict[Path, dict[int, Action]]
    patient: Patient
    replace_uids: bool
    stricter: list[Change]


def apply_plan(data_set: Dataset, plan: Plan, pseudonyms: Pseudonyms, marks: Marks) -> Applied:
    """Return a new data set as the plan wants it, marked, with a new file meta and preamble.

    Raises
    ------
    ApplyError
        The data set names no SOP class or transfer syntax, or is nested beyond reason.
    """
    actions: dict[Path, dict[int, Action]] = {}
    for change in plan.changes:
        actions.setdefault(change.place.items, {})[change.place.tag] = change.action
    patient = read_patient(data_set, plan, pseudonyms)
    retain = Option.RETAIN_UIDS in plan.profile.options
    work = _Work(actions, patient, not retain, [])
    new = _item(data_set, (), work, None)
    set_markers(new, plan.profile, marks)
    meta = new_file_meta(new, data_set)
    new.file_meta = meta
    new.preamble = b"\0" * 128
    return Applied(new, tuple(work.stricter))


def _item(source: Dataset, path: Path, work: _Work, unplanned: Action | None) -> Dataset:
    """Return the new data set of an item, or of the whole.

    ``unplanned`` is what becomes of elements the plan does not name: they go if it is None.
    """
    from pydicom.dataset import Dataset
    from pydicom.tag import Tag

    if len(path) > DEEPEST:
        text = f"sequences are nested more than {DEEPEST} deep: leave the file out"
        raise ApplyError(text)
    actions = work.actions.get(path)
    elements: dict[int, Element] = {}
    for tag in sorted(source.keys()):
        action = unplanned if actions is None else actions.get(tag)
        if action is None or action is Action.REMOVE or _is_never_kept(tag):
            continue
        element = _element(source, tag, action, path, work)
        if element is not None:
            elements[tag] = element
    _add_creators(source, elements)
    _add_character_set(source, elements)
    tagged = {Tag(tag): elements[tag] for tag in sorted(elements)}
    new = Dataset(tagged, parent_encoding=source._parent_encoding)
    implicit, little = source.original_encoding
    new.set_original_encoding(implicit, little, source.original_character_set)
    return new


def _is_never_kept(tag: int) -> bool:
    """Return whether a tag is a group's length or padding: both are of the file that was read."""
    return tag & 0xFFFF == 0 or tag == _PADDING


def _element(source: Dataset, tag: int, action: Action, path: Path, work: _Work) -> Element | None:
    """Return what stands in an element's place; what cannot be made safe is emptied."""
    vr = _converted_vr(source, tag)
    if vr == "SQ":
        return _sequence(source, tag, action, path, work)
    element: Element | None
    if action is Action.KEEP:
        element = kept(source, tag, work.patient, replace=work.replace_uids)
    else:
        value = substitute(source, tag, vr, action, work.patient)
        element = None if value is None else new_element(tag, vr, value)
    if element is None:
        reason = "the value is none of its kind, or cannot be cleaned"
        work.stricter.append(Change(Place(tag, path), Action.EMPTY, reason))
        return new_element(tag, vr, "")
    return element


def _converted_vr(source: Dataset, tag: int) -> str:
    """Return an element's VR, SQ also where only conversion shows that it is one."""
    from pydicom.tag import Tag

    raw = element_at(source, tag)
    if raw is None:
        return "UN"
    if raw.is_raw and raw.VR in (None, "UN", "SQ") and dictionary_vr(tag) in ("", "SQ"):
        try:
            return vr_of(source[Tag(tag)])
        except pydicom_errors():
            return "UN"
    return vr_of(raw)


def _sequence(source: Dataset, tag: int, action: Action, path: Path, work: _Work) -> Element:
    """Return a sequence with its items walked; in the order of the source."""
    from pydicom.sequence import Sequence

    unplanned = action if action in (Action.DUMMY, Action.UID) else None
    items: list[Dataset] = []
    if action is not Action.EMPTY:
        found = enumerate(items_in(source, tag))
        items = [_item(item, (*path, (tag, n)), work, unplanned) for n, item in found]
    return new_element(tag, "SQ", Sequence(items))


def _add_creators(source: Dataset, elements: dict[int, Element]) -> None:
    """Add the private creators that kept private elements need."""
    from pydicom.tag import Tag

    for tag in list(elements):
        group, number = tag >> 16, tag & 0xFFFF
        creator = Tag(group, number >> 8)
        if group % 2 and number >= 0x1000 and creator not in elements and creator in source:
            element = element_at(source, creator)
            if element is not None and element.VR in (None, "LO"):
                elements[creator] = element


def _add_character_set(source: Dataset, elements: dict[int, Element]) -> None:
    """Keep the character set whatever the plan says: texts that are kept are written in it."""
    from pydicom.charset import python_encoding

    terms = [text.strip() for text in texts_of(source, _CHARACTER_SET)]
    elements.pop(_CHARACTER_SET, None)
    if terms and all(term in python_encoding for term in terms):
        elements[_CHARACTER_SET] = new_element(_CHARACTER_SET, "CS", terms)
