"""The plan for a data set: each element at every level, with what becomes of it and why."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from napari_dicom_markup.core.anonymizing.content import by_values
from napari_dicom_markup.core.anonymizing.deciding import (
    Context,
    Decision,
    decide,
    inside,
    vr_of,
)
from napari_dicom_markup.core.anonymizing.items import items_of
from napari_dicom_markup.core.anonymizing.private import blocks_of, decide_private, safe_vr
from napari_dicom_markup.core.anonymizing.profile import check_profile
from napari_dicom_markup.core.anonymizing.shapes import fits, text_of
from napari_dicom_markup.model.deid import Action, Change, Place, Plan
from napari_dicom_markup.standard.confidentiality import known_sop_class

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydicom import Dataset

    from napari_dicom_markup.model.deid import Profile

DEPTH = 64
"""Sequences nested deeper than this are removed; real ones stay below 15."""

UNPARSED = Decision(Action.REMOVE, "unreadable sequence")
TOO_DEEP = Decision(Action.REMOVE, "nested too deep")
_SOP_CLASS_UID = 0x0008_0016
_GONE = frozenset((Action.REMOVE, Action.EMPTY))
_Items = tuple[tuple[int, int], ...]


def make_plan(data_set: Dataset, profile: Profile) -> Plan:
    """Return what becomes of each element of a data set under a profile.

    Elements stand in ascending order of tags, a sequence before its items. One change stands
    for a sequence that is removed or emptied, with all it holds. A sequence that is kept,
    cleaned or made a dummy keeps its items: their elements have changes of their own. File meta
    and preamble are not planned: they are written anew. No value is in the plan; values decide
    only where a rule asks for their form (``shapes.Shape``), for codes and for creators.

    Raises
    ------
    ProfileError
        If options of the profile exclude each other.

    """
    check_profile(profile)
    context = Context(profile.options, _sop_class(data_set))
    return Plan(profile, tuple(_changes(data_set, context, ())))


def plan_lines(plan: Plan) -> Iterator[str]:
    """Yield a plan as text: a line of place, action and rule for each change."""
    for change in plan.changes:
        yield f"{change.place} {change.action.value} {change.rule}"


@dataclass(frozen=True, slots=True)
class _Level:
    """What holds for all elements of one data set or item."""

    data_set: Dataset
    context: Context
    items: _Items
    blocks: Mapping[int, str]
    by_values: Mapping[int, Decision]


def _changes(data_set: Dataset, context: Context, items: _Items) -> Iterator[Change]:
    """Yield the changes to a data set or an item, those of nested items included."""
    blocks = blocks_of(data_set, context)
    level = _Level(data_set, context, items, blocks, by_values(data_set, context))
    for element in sorted(data_set.values(), key=_tag_of):
        tag = int(element.tag)
        vr = _vr(element, tag, blocks)
        decision = _decision(element, tag, vr, level)
        if vr != "SQ":
            yield _change(tag, items, level, decision)
            continue
        yield from _sequence(tag, decision, level)


def _tag_of(element: Any) -> int:
    return int(element.tag)


def _decision(element: Any, tag: int, vr: str, level: _Level) -> Decision:
    """Return the decision for an element, its value looked at where the rule asks for it."""
    if tag & 0x1_0000:
        decision = decide_private(tag, vr, level.blocks)
    else:
        decision = level.by_values.get(tag) or decide(tag, vr, level.context)
    if decision.shape is None or decision.otherwise is None or fits(decision.shape, element):
        return decision
    return decision.otherwise


def _sequence(tag: int, decision: Decision, level: _Level) -> Iterator[Change]:
    """Yield the change to a sequence and, where it stays, those to its items."""
    nested = None if decision.action in _GONE else items_of(level.data_set, tag)
    if decision.action not in _GONE:
        if nested is None:
            decision = UNPARSED
        elif len(level.items) >= DEPTH:
            decision, nested = TOO_DEEP, None
    yield _change(tag, level.items, level, decision)
    if not nested:
        return
    context = inside(tag, decision, level.context)
    for number, item in enumerate(nested):
        yield from _changes(item, context, (*level.items, (tag, number)))


def _vr(element: Any, tag: int, blocks: Mapping[int, str]) -> str:
    """Return an element's VR; of one without it, or UN, what PS3.6 or table E.3.10-1 says."""
    vr: str | None = element.VR
    if vr is None or vr == "UN":
        return safe_vr(tag, blocks) if tag & 0x1_0000 else vr_of(tag)
    return vr[:2]


def _change(tag: int, items: _Items, level: _Level, decision: Decision) -> Change:
    if tag & 0x1_0000 and level.blocks:
        creator = level.blocks.get(tag >> 8, "")
        return Change(Place(tag, items, creator), decision.action, decision.rule)
    if items:
        return Change(Place(tag, items), decision.action, decision.rule)
    return _at_top(tag, decision.action, decision.rule)


@lru_cache(maxsize=1 << 14)
def _at_top(tag: int, action: Action, rule: str) -> Change:
    return Change(Place(tag), action, rule)


def _sop_class(data_set: Dataset) -> str:
    """Return a data set's SOP Class UID if it is a known one, else ""."""
    element = data_set.get_item(_SOP_CLASS_UID) if _SOP_CLASS_UID in data_set else None
    value = None if element is None else element.value
    found = "" if value is None else text_of(value)[:64].strip(" \0")
    return found if known_sop_class(found) else ""
