"""Elements that a plan keeps: as they are but for UIDs in their text, if they are what they say.

A raw element stays raw: it is written as it was read, without decoding.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from napari_dicom_markup.core.anonymizing.dates import cap_age
from napari_dicom_markup.core.anonymizing.elements import VRS, element_at, texts_of, vr_of
from napari_dicom_markup.core.anonymizing.items import pydicom_errors
from napari_dicom_markup.core.anonymizing.substitutes import LONGEST
from napari_dicom_markup.core.anonymizing.uid_texts import replace_uids
from napari_dicom_markup.core.anonymizing.wording import REMOVED

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydicom.dataset import Dataset

    from napari_dicom_markup.core.anonymizing.elements import Element
    from napari_dicom_markup.core.anonymizing.patients import Patient

_ALPHABETS = {
    vr: re.compile(rf"[{letters}\0 ]*", re.ASCII)
    for vr, letters in {
        "AS": r"\dDWMY",
        "DA": r"\d.",
        "DS": r"\d+\-.eE",
        "DT": r"\d+\-.",
        "IS": r"\d+\-",
        "TM": r"\d:.",
        "UI": r"\d.",
    }.items()
}
"""What values of these VRs are written with; a word among them was never one of theirs."""

_WITH_UIDS = frozenset({"LO", "LT", "SH", "ST", "UC", "UR", "UT", "OB", "UN"})

SIZES = {"AT": 4, "FD": 8, "FL": 4, "SL": 4, "SS": 2, "SV": 8, "UL": 4, "US": 2, "UV": 8}
"""Bytes of a binary number."""

PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
"""Float, Double Float and Pixel Data: never searched, never copied."""


def kept(data_set: Dataset, tag: int, patient: Patient, *, replace: bool) -> Element | None:
    """Return an element to keep, None if its value is none of its VR.

    Parameters
    ----------
    replace
        Whether UIDs in texts and bytes lose their place to new ones.
    """
    element = element_at(data_set, tag)
    if element is not None and not element.VR and not data_set.original_encoding[0]:
        element = _explicit(data_set, tag)
    if element is None or (tag in PIXELS and element.value is not None):
        return element
    vr = vr_of(element)
    if not _is_of(vr, element, data_set):
        return None
    if vr == "AS":
        return _capped(data_set, tag)
    if not replace or vr not in _WITH_UIDS:
        return element
    return _without_uids(element, vr, patient)


def _explicit(data_set: Dataset, tag: int) -> Element | None:
    """Return an element that came without VR in an explicit file, with that of PS3.6.

    None means that it has no value that can be read.
    """
    from pydicom.filewriter import correct_ambiguous_vr_element
    from pydicom.tag import Tag

    little = data_set.original_encoding[1] is not False
    try:
        return correct_ambiguous_vr_element(data_set[Tag(tag)], data_set, little)
    except pydicom_errors():
        return None


def _is_of(vr: str, element: Element, data_set: Dataset) -> bool:
    """Return whether an element holds what its VR says, as far as that can be told."""
    if element.VR and str(element.VR)[:2] not in VRS:
        return False
    if element.is_raw and len(element.value or b"") % SIZES.get(vr, 1):
        return False
    return vr not in _ALPHABETS or _is_written_with(data_set, element, vr)


def _is_written_with(data_set: Dataset, element: Element, vr: str) -> bool:
    if element.is_raw:
        texts = (element.value or b"").decode("latin-1").split("\\")
    else:
        texts = texts_of(data_set, int(element.tag))
    return all(_ALPHABETS[vr].fullmatch(text) for text in texts)


def _capped(data_set: Dataset, tag: int) -> Element | None:
    ages = [cap_age(text) for text in texts_of(data_set, tag) if text.strip(" \0")]
    return None if None in ages else new_element(tag, "AS", ages or "")


def _without_uids(element: Element, vr: str, patient: Patient) -> Element:
    new_uid = patient.pseudonyms.new_uid

    def replaced(value: bytes) -> bytes:
        return replace_uids(value, patient.own_uids, new_uid)

    if element.is_raw:
        return _raw_without(element, vr, replaced)
    value = _mapped(element.value, vr, replaced)
    return element if value == element.value else new_element(int(element.tag), vr, value)


def _raw_without(element: Any, vr: str, replaced: Callable[[bytes], bytes]) -> Element:
    """Return a raw element with another value, itself if that changes nothing."""
    before: bytes = element.value or b""
    value = replaced(before)
    if value == before:
        return element  # type: ignore[no-any-return]
    if vr in LONGEST:
        value = b"\\".join(_short(one, vr) for one in value.split(b"\\"))
    if len(value) % 2:
        value += b"\0" if vr in ("OB", "UN") else b" "
    return element._replace(value=value, length=len(value))  # type: ignore[no-any-return]


def _mapped(value: Any, vr: str, replaced: Callable[[bytes], bytes]) -> Any:
    if isinstance(value, bytes):
        return replaced(value)
    if isinstance(value, str):
        text = replaced(value.encode("utf-8", "surrogateescape"))
        return _short(text, vr).decode("utf-8", "surrogateescape") if text else value
    if isinstance(value, list) or type(value).__name__ == "MultiValue":
        return [_mapped(one, vr, replaced) for one in value]
    return value


def _short(value: bytes, vr: str) -> bytes:
    """Return a value that a longer UID did not make too long for its VR."""
    return value if len(value.strip()) <= LONGEST.get(vr, len(value)) else REMOVED.encode()


def new_element(tag: int, vr: str, value: Any) -> Element:
    """Return an element without pydicom's validation, whose warnings quote values."""
    from pydicom.config import IGNORE
    from pydicom.dataelem import DataElement

    return DataElement(tag, vr, value, validation_mode=IGNORE)
