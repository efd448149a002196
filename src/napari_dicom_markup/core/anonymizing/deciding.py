"""What becomes of an attribute by its tag, its VR and where it stands: table E.1-1 and its gaps.

Decisions know no values; those that need a look at one carry the shape it must have to be
kept, and what happens otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cache, lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from napari_dicom_markup.core.anonymizing import text
from napari_dicom_markup.core.anonymizing.iod import resolve
from napari_dicom_markup.core.anonymizing.profile import PRECEDENCE
from napari_dicom_markup.core.anonymizing.shapes import BY_VR, Shape
from napari_dicom_markup.model.deid import Action, Option
from napari_dicom_markup.standard.confidentiality import (
    AttributeRow,
    attribute_rows,
    strictest_types,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

TABLE = "E.1-1"
"""The rule of a change that table E.1-1 of PS3.15 asks for without an option."""


class Setting(Enum):
    """What holds for the items of a sequence."""

    PLAIN = "plain"  # the tables and rules
    DUMMIES = "dummies"  # the sequence is a dummy: texts and codes too
    RETAINED = "retained"  # an option keeps the sequence: texts of no table too
    CAPPED = "capped"  # the number inside is an age


@dataclass(frozen=True, slots=True)
class Context:
    """Where elements stand: options in force, SOP class (a known one or ""), path of tags."""

    options: frozenset[Option]
    sop_class: str
    path: tuple[int, ...] = ()
    setting: Setting = Setting.PLAIN
    reason: str = ""  # the option by which ``setting`` is RETAINED


@dataclass(frozen=True, slots=True)
class Decision:
    """An action by a rule; if a ``shape`` is given and a value has another one, ``otherwise``."""

    action: Action
    rule: str
    shape: Shape | None = None
    otherwise: Decision | None = None


CONTENT_SEQUENCE = 0x0040_A730
GRAPHIC_ANNOTATION_SEQUENCE = 0x0070_0001
MEASURED_VALUE_SEQUENCE = 0x0040_A300
CHARACTER_SET = 0x0008_0005
TIMEZONE = 0x0008_0201
CODE_MEANING = 0x0008_0104
CODE_PARTS = frozenset((0x0008_0100, 0x0008_0102, 0x0008_0103, 0x0008_0119, 0x0008_0120))
"""Code Value, Coding Scheme Designator and Version, Long and URN Code Value (PS3.3 8.8)."""

PSEUDONYMS = frozenset((0x0010_0010, 0x0010_0020))
"""Patient's Name and ID: where "Z" leaves the choice they get a dummy, so patients stay apart."""

_GONE = MappingProxyType(
    {
        0x0008_0001: "group length",  # Length to End
        0x0008_0300: "private data",  # Private Data Element Characteristics Sequence
        0x0400_0500: "encrypted attributes",
        0x4FFE_0001: "signature",  # MAC Parameters Sequence
        0x0012_0062: "marker",
        0x0012_0063: "marker",
        0x0012_0064: "marker",
        0x0028_0303: "marker",
        0xFFFC_FFFC: "padding",
    }
)
"""What goes though table E.1-1 does not list it; markers are written anew."""

_NUMBER_VRS = "AT CS DS FD FL IS OD OF OL OV OW SL SS SV UL US UV"
_NUMBERS = frozenset(_NUMBER_VRS.split())
"""VRs of numbers and terms: what is in no table and of none of these (OB, UN) is denied."""

_RETAINING = frozenset(
    (
        Option.RETAIN_DEVICE_IDENTITY,
        Option.RETAIN_INSTITUTION_IDENTITY,
        Option.RETAIN_PATIENT_CHARACTERISTICS,
    )
)
_BY_TYPE = (Action.REMOVE, Action.DUMMY, Action.EMPTY)


@lru_cache(maxsize=1 << 16)
def decide(tag: int, vr: str, context: Context) -> Decision:
    """Return what becomes of a standard attribute with a VR at a place."""
    gone = _always_gone(tag)
    if gone:
        return Decision(Action.REMOVE, gone)
    row = row_of(tag)
    if row is not None:
        return _by_table(row, tag, vr, context)
    if not known(tag):
        return Decision(Action.REMOVE, "unknown")
    return _by_vr(tag, vr, context)


def _always_gone(tag: int) -> str:
    """Return the rule by which a tag goes whatever the options, "" if there is none."""
    group, element = tag >> 16, tag & 0xFFFF
    if element == 0:
        return "group length"
    if group < 8:
        return "file meta"
    if group & 0xFF00 == 0x5000:
        return "curve"
    if group & 0xFF00 == 0x6000:
        return "overlay"
    return _GONE.get(tag, "")


def _by_table(row: AttributeRow, tag: int, vr: str, context: Context) -> Decision:
    """Return the decision of a row of table E.1-1, with the options that override it."""
    option = overriding(row.options, context.options)
    action = resolve(row.action, context.sop_class, (*context.path, tag))
    fitted = row.action == "X" and action is not Action.REMOVE
    base = Decision(action, f"{TABLE}, required" if fitted else TABLE)
    if option is None:
        return _of_kind(base, tag, vr)
    decision = Decision(Action(row.options[option]), option.value)
    if option is Option.RETAIN_MODIFIED_DATES:
        return moved(tag, vr, base)
    return _of_kind(decision, tag, vr)


def overriding(actions: Mapping[str, str], options: frozenset[Option]) -> Option | None:
    """Return the option in force that decides a row, None if the profile itself does."""
    return next((o for o in PRECEDENCE if o in options and o.value in actions), None)


def moved(tag: int, vr: str, base: Decision) -> Decision:
    """Return the decision for a date or time of the modified dates option.

    Days move, times of day and their offset from UTC stay; dates in other forms than DA and DT
    cannot be moved.
    """
    rule = Option.RETAIN_MODIFIED_DATES.value
    if vr in {"DA", "DT"}:
        return guarded(Decision(Action.CLEAN, rule), tag, vr)
    if vr == "TM" or tag == TIMEZONE:
        return guarded(Decision(Action.KEEP, rule), tag, vr)
    return _of_kind(base, tag, vr)


def _of_kind(decision: Decision, tag: int, vr: str) -> Decision:
    """Return a decision fitted to a VR: UIDs are mapped, ages capped, values looked at."""
    action, rule = decision.action, decision.rule
    if vr == "UI" and action in {Action.DUMMY, Action.UID}:
        mapped = Decision(Action.UID, rule)
        return Decision(Action.KEEP, "registered UID", Shape.REGISTERED, mapped)
    if action is Action.EMPTY and tag in PSEUDONYMS:
        return Decision(Action.DUMMY, rule)
    if vr == "AS" and action is Action.KEEP:
        return guarded(Decision(Action.CLEAN, rule), tag, vr)
    if action is Action.KEEP:
        return guarded(decision, tag, vr)
    return decision


def guarded(decision: Decision, tag: int, vr: str) -> Decision:
    """Return a decision that holds for values with the shape of their VR only.

    Where a file has text in place of a number or date, the shape is that of the VR in PS3.6.
    """
    if tag == TIMEZONE:
        shape: Shape | None = Shape.OFFSET
    else:
        loose = vr in text.FREE_TEXT or vr == "UN"
        shape = BY_VR.get(vr_of(tag) if loose else vr)
        shape = Shape.CHARACTER_SET if tag == CHARACTER_SET else shape
    if shape is None:
        return decision
    if vr == "CS":
        return Decision(
            decision.action, decision.rule, shape, Decision(Action.CLEAN, "code string")
        )
    return Decision(decision.action, decision.rule, shape, denied(tag, "not of its VR"))


def denied(tag: int, rule: str) -> Decision:
    """Return how an attribute goes so that any IOD stays valid: dummy, empty or removed."""
    return Decision(_BY_TYPE[strictest_types().get(tag, 0)], rule)


def _by_vr(tag: int, vr: str, context: Context) -> Decision:
    """Return the decision for a standard attribute that table E.1-1 does not list."""
    if vr == "SQ":
        return Decision(Action.KEEP, "sequence")
    if vr == "UI":
        return _uid(tag, context)
    if tag in CODE_PARTS or tag == CODE_MEANING:
        return _code(tag, context)
    if tag in text.labels():
        return _label(vr, context)
    if vr in text.FREE_TEXT:
        return _text(tag, vr, context)
    if vr in {"DA", "DT", "TM", "AS"}:
        return _date(tag, vr, context)
    if vr not in _NUMBERS and tag not in text.kept_bytes():
        return denied(tag, "bytes")
    return guarded(Decision(Action.KEEP, "not identifying"), tag, vr)


def _uid(tag: int, context: Context) -> Decision:
    if tag in class_roles():
        return Decision(Action.KEEP, "class UID", Shape.UID, Decision(Action.UID, "UID"))
    if Option.RETAIN_UIDS in context.options:
        rule = Option.RETAIN_UIDS.value
        return Decision(Action.KEEP, rule, Shape.UID, Decision(Action.UID, "UID"))
    return _of_kind(Decision(Action.UID, "UID"), tag, "UI")


def _code(tag: int, context: Context) -> Decision:
    """Return the decision for a part of a code whose scheme is not a public one."""
    if context.setting is Setting.DUMMIES:
        return Decision(Action.DUMMY, TABLE)
    if context.setting is Setting.RETAINED:
        return Decision(Action.KEEP, context.reason)
    if tag == CODE_MEANING:
        return Decision(Action.CLEAN, "code meaning")
    return Decision(Action.KEEP, "code", Shape.CODE, Decision(Action.DUMMY, "code"))


def _label(vr: str, context: Context) -> Decision:
    """Return the decision for what users call their work; code strings cannot be cleaned."""
    if Option.CLEAN_DESCRIPTORS in context.options and vr != "CS":
        return Decision(Action.CLEAN, Option.CLEAN_DESCRIPTORS.value)
    return Decision(Action.DUMMY, "label")


def _text(tag: int, vr: str, context: Context) -> Decision:
    if vr == "PN":
        return Decision(Action.DUMMY, "name")
    if context.setting is Setting.RETAINED:
        return Decision(Action.KEEP, context.reason)
    if context.setting is Setting.PLAIN and tag in text.kept_text():
        return Decision(Action.KEEP, "reviewed text")
    return denied(tag, "text")


def _date(tag: int, vr: str, context: Context) -> Decision:
    """Return the decision for a date, a time or an age of no table: by VR, as E.1.1 allows."""
    base = denied(tag, "date")
    if vr == "AS":
        option = Option.RETAIN_PATIENT_CHARACTERISTICS
        kept = guarded(Decision(Action.CLEAN, option.value), tag, vr)
        return kept if option in context.options else base
    if Option.RETAIN_MODIFIED_DATES in context.options:
        return moved(tag, vr, base)
    if Option.RETAIN_FULL_DATES in context.options:
        return guarded(Decision(Action.KEEP, Option.RETAIN_FULL_DATES.value), tag, vr)
    return base


def inside(tag: int, decision: Decision, context: Context) -> Context:
    """Return the context of a sequence's items; the sequence is kept, cleaned or a dummy.

    Options but Retain UIDs do not reach into a dummy: it is to hold nothing of the original.
    """
    path = (*context.path, tag)
    options, setting, reason = context.options, context.setting, context.reason
    if decision.action is Action.DUMMY:
        options = options & {Option.RETAIN_UIDS}
        content = tag in {CONTENT_SEQUENCE, GRAPHIC_ANNOTATION_SEQUENCE}
        setting = Setting.PLAIN if content else Setting.DUMMIES
    elif decision.action is Action.CLEAN and tag == MEASURED_VALUE_SEQUENCE:
        setting = Setting.CAPPED
    elif decision.action is Action.KEEP and decision.rule in _RETAINING:
        setting, reason = Setting.RETAINED, decision.rule
    return Context(options, context.sop_class, path, setting, reason)


@lru_cache(maxsize=1 << 14)
def row_of(tag: int) -> AttributeRow | None:
    """Return a standard attribute's row of table E.1-1, None if it has none."""
    row = _exact_rows().get(tag)
    return row or next((m for m in _mask_rows() if tag & m.mask == m.tag), None)


@cache
def _exact_rows() -> Mapping[int, AttributeRow]:
    return MappingProxyType({row.tag: row for row in attribute_rows() if row.mask == 0xFFFF_FFFF})


@cache
def _mask_rows() -> tuple[AttributeRow, ...]:
    return tuple(row for row in attribute_rows() if row.mask != 0xFFFF_FFFF)


@lru_cache(maxsize=1 << 14)
def known(tag: int) -> bool:
    """Return whether a tag is in PS3.6 as pydicom has it."""
    from pydicom.datadict import dictionary_has_tag, repeater_has_tag

    return dictionary_has_tag(tag) or repeater_has_tag(tag)


@lru_cache(maxsize=1 << 14)
def vr_of(tag: int) -> str:
    """Return the VR of a tag in PS3.6, the first one of several; UN for an unknown tag."""
    from pydicom.datadict import dictionary_VR

    return dictionary_VR(tag)[:2] if known(tag) else "UN"


@cache
def class_roles() -> frozenset[int]:
    """Return the tags of UIDs that name a kind of thing and not a thing (PS3.6 chapter 6)."""
    from pydicom._dicom_dict import DicomDictionary

    uids = {tag: entry[4] for tag, entry in DicomDictionary.items() if entry[0] == "UI"}
    return frozenset(tag for tag, keyword in uids.items() if _is_class_role(keyword))


def _is_class_role(keyword: str) -> bool:
    words = ("ClassUID", "SOPClasses", "TransferSyntaxUID")
    exact = {"CodingSchemeUID", "ContextUID", "MappingResourceUID"}
    return keyword in exact or any(word in keyword for word in words)
