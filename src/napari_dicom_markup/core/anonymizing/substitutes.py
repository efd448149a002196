"""What takes a value's place, by action and VR; sequences are walked elsewhere."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from napari_dicom_markup.core.anonymizing import dates
from napari_dicom_markup.core.anonymizing.code_meanings import code_meaning
from napari_dicom_markup.core.anonymizing.dummies import dummy_value
from napari_dicom_markup.core.anonymizing.elements import first_text, keyword_of, texts_of
from napari_dicom_markup.core.anonymizing.wording import REMOVED, clean_text
from napari_dicom_markup.model.deid import Action

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydicom.dataset import Dataset

    from napari_dicom_markup.core.anonymizing.patients import Patient

LONGEST = {"LO": 64, "SH": 16, "CS": 16, "AE": 16}
"""Characters of a value (PS3.5 table 6.2-1)."""

_CODE_MEANING = 0x00080104
_ZONE = 0x00080201
_CODE_VALUES = (0x00080100, 0x00080119, 0x00080120)
_SCHEME = 0x00080102

_TEXT = frozenset({"LO", "LT", "SH", "ST", "UC", "UT"})
_NUMBERS = frozenset({"DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV", "AT"})

_PATIENT_IDS = frozenset({"PatientID", "OtherPatientIDs"})
_IDENTIFIER = re.compile(r".*(?:IDs?|Number|Identifier)")
_CODE_STRING = re.compile(r"[A-Z0-9_ ]{0,16}", re.ASCII)


def substitute(data_set: Dataset, tag: int, vr: str, action: Action, patient: Patient) -> Any:
    """Return the value that an action other than keep or remove puts in an element's place.

    None means that there is no such value: what stands there cannot be made safe.

    Parameters
    ----------
    data_set
        The source; neighbours in it say what a code means.
    vr
        Any but SQ.
    """
    if action is Action.EMPTY:
        return ""
    texts = texts_of(data_set, tag)
    if action is Action.UID or vr == "UI":
        return [patient.pseudonyms.new_uid(one) for one in texts] or ""
    if action is Action.DUMMY:
        return _dummy(tag, vr, texts, patient)
    if not texts:
        return ""
    return _cleaned(data_set, tag, vr, patient)


def _dummy(tag: int, vr: str, texts: list[str], patient: Patient) -> Any:
    if texts and vr == "PN":
        return [patient.person(one) or REMOVED for one in texts]
    if texts and vr in ("LO", "SH"):
        named = _identifier(tag, patient)
        if named:
            return [named(one) or REMOVED for one in texts]
    return dummy_value(vr, tag)


def _identifier(tag: int, patient: Patient) -> Callable[[str], str] | None:
    """Return what makes pseudonyms for an attribute that identifies something, else None."""
    keyword = keyword_of(tag)
    if keyword in _PATIENT_IDS:
        return patient.pseudonyms.patient_pseudonym
    if _IDENTIFIER.fullmatch(keyword):
        return partial(patient.pseudonyms.identifier, keyword)
    return None


_NUMERIC_VALUE = 0x0040_A30A
_AGES = {"a": 90, "mo": 1080, "wk": 4695, "d": 32_873}
"""Ninety years in the units of an age (UCUM): older people are few, and so known by it."""


def _cleaned(data_set: Dataset, tag: int, vr: str, patient: Patient) -> Any:
    texts = texts_of(data_set, tag)
    if vr == "PN":
        return [patient.person(one) or REMOVED for one in texts]
    if vr in _TEXT:
        return _cleaned_texts(data_set, tag, vr, patient)
    if tag == _NUMERIC_VALUE:
        return _capped_age(data_set, texts)
    if vr in _NUMBERS:
        return data_set[tag].value if all(map(_is_number, texts)) else None
    clean = _cleaners(patient).get(vr)
    if clean is None:  # bytes, AE and UR: nothing in them is known to be safe
        return None
    cleaned = [clean(one) if one.strip(" \0") else "" for one in texts]
    if vr == "CS" and any(cleaned):  # ImageType: a component that may name someone goes alone
        return ["" if one is None else one for one in cleaned]
    return None if None in cleaned else cleaned


def _capped_age(data_set: Dataset, texts: list[str]) -> list[str] | None:
    """Return a subject's age in a report, 90 years at most; None of an unknown unit."""
    units = data_set.get("MeasurementUnitsCodeSequence")
    limit = _AGES.get(first_text(units[0], _CODE_VALUES[0])) if units else None
    if limit is None or not all(map(_is_number, texts)):
        return None
    return [one if float(one) <= limit else str(limit) for one in texts]


def _cleaners(patient: Patient) -> dict[str, Callable[[str], str | None]]:
    return {
        "AS": dates.cap_age,
        "CS": partial(_code_string, patient.own_words),
        "DA": partial(dates.shift_date, days=patient.days),
        "DT": partial(dates.shift_date_time, days=patient.days),
        "TM": dates.keep_time,
    }


def _cleaned_texts(data_set: Dataset, tag: int, vr: str, patient: Patient) -> list[str] | None:
    texts = texts_of(data_set, tag)
    if tag == _CODE_MEANING:
        return [known_meaning(data_set) or REMOVED]
    if tag == _ZONE:
        return None if dates.keep_zone(texts[0]) is None else texts[:1]
    named = _identifier(tag, patient) if vr in ("LO", "SH") else None
    if named:
        return [named(one) or REMOVED for one in texts]
    words = (clean_text(one, patient.own_words) or REMOVED for one in texts)
    return [one[: LONGEST.get(vr)].strip() for one in words]


def known_meaning(item: Dataset) -> str | None:
    """Return the standard's own meaning of the code in an item, None if it knows no such code."""
    value = next(filter(None, (first_text(item, tag) for tag in _CODE_VALUES)), "")
    meaning = code_meaning(first_text(item, _SCHEME), value)
    return meaning and meaning[: LONGEST["LO"]].strip()


def _code_string(own_words: frozenset[str], text: str) -> str | None:
    words = set(re.split(r"[^a-z]+", text.lower()))
    return text if _CODE_STRING.fullmatch(text) and not words & own_words - {""} else None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        # AT prints as (gggg,eeee)
        return re.fullmatch(r"\([0-9a-f]{4},[0-9a-f]{4}\)", text, re.IGNORECASE) is not None
    return True
