"""Who a data set is about, and what of it must be replaced wherever it stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_dicom_markup.core.anonymizing.elements import (
    dictionary_vr,
    first_text,
    items_in,
    texts_of,
)
from napari_dicom_markup.core.anonymizing.pseudonyms import same_name
from napari_dicom_markup.model.deid import Action

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from napari_dicom_markup.core.anonymizing.pseudonyms import Pseudonyms
    from napari_dicom_markup.model.deid import Place, Plan

_PATIENT_NAME, _PATIENT_ID, _STUDY_UID = 0x00100010, 0x00100020, 0x0020000D


@dataclass(frozen=True, slots=True)
class Patient:
    """The patient of a data set, under the project's key.

    ``days`` is by how much dates go back, ``own_uids`` are the UIDs that are replaced,
    ``own_words`` the words of all persons' names.
    """

    pseudonyms: Pseudonyms
    days: int = field(repr=False)
    pseudonym: str
    name: str = field(repr=False)
    own_uids: frozenset[str] = field(repr=False)
    own_words: frozenset[str] = field(repr=False)

    def person(self, name: str) -> str:
        """Return the pseudonym, as PN, of the patient or of another person."""
        same = same_name(name)
        if not same:
            return ""
        if same == self.name:
            return f"ANON^{self.pseudonym}"
        return f"ANON^{self.pseudonyms.person_pseudonym(name)}"


def read_patient(data_set: Dataset, plan: Plan, pseudonyms: Pseudonyms) -> Patient:
    """Return the patient of a data set that has a plan.

    The ID decides who it is; without one the name does, and without both the study's UID.
    """
    number, name = first_text(data_set, _PATIENT_ID), same_name(first_text(data_set, _PATIENT_NAME))
    pseudonym = pseudonyms.patient_pseudonym(number) or pseudonyms.person_pseudonym(name)
    who = (number and f"id {number}") or (name and f"name {name}")
    uids, words = _own(data_set, plan)
    return Patient(
        pseudonyms=pseudonyms,
        days=pseudonyms.day_offset(who or f"study {first_text(data_set, _STUDY_UID)}"),
        pseudonym=pseudonym,
        name=name,
        own_uids=uids,
        own_words=words,
    )


def _own(data_set: Dataset, plan: Plan) -> tuple[frozenset[str], frozenset[str]]:
    uids: set[str] = set()
    words: set[str] = set()
    for change in plan.changes:
        if change.action is Action.UID:
            uids.update(one.strip(" \0") for one in _texts_at(data_set, change.place))
        elif dictionary_vr(change.place.tag) == "PN":
            for name in _texts_at(data_set, change.place):
                words.update(word for part in name.split("=") for word in same_name(part).split())
    return frozenset(uids - {""}), frozenset(words)


def _texts_at(data_set: Dataset, place: Place) -> list[str]:
    """Return the values at a place, none of them where the data set has no such item."""
    for tag, number in place.items:
        items = items_in(data_set, tag)
        if number >= len(items):
            return []
        data_set = items[number]
    if place.tag not in data_set or dictionary_vr(place.tag) == "SQ":
        return []
    return texts_of(data_set, place.tag)
