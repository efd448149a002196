"""The marks of a data set that was de-identified (PS3.15 E.1.1, PS3.3 C.7.1.1, C.12.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from napari_dicom_markup.model.deid import Option

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from napari_dicom_markup.model.deid import Profile

Code: TypeAlias = tuple[str, str, str]
"""Value, scheme designator and meaning."""

METHOD = "napari-dicom-markup, PS3.15 Annex E"


@dataclass(frozen=True, slots=True)
class Marks:
    """What the marks say beyond the profile.

    ``codes`` of CID 7050 name the profile and its options, as far as they were really done.
    ``text_is_gone`` is for pixels that a human confirmed to show no text of identity.
    """

    codes: tuple[Code, ...]
    methods: tuple[str, ...] = (METHOD,)
    text_is_gone: bool = False


def set_markers(data_set: Dataset, profile: Profile, marks: Marks) -> None:
    """Mark a new data set as de-identified; marks of an earlier de-identification are replaced."""
    data_set.PatientIdentityRemoved = "YES"
    data_set.DeidentificationMethod = list(marks.methods)
    data_set.DeidentificationMethodCodeSequence = [_code_item(code) for code in marks.codes]
    data_set.LongitudinalTemporalInformationModified = temporal_information(profile)
    if marks.text_is_gone:
        data_set.BurnedInAnnotation = "NO"


def temporal_information(profile: Profile) -> str:
    """Return what became of dates: UNMODIFIED, MODIFIED or REMOVED (0028,0303)."""
    if Option.RETAIN_FULL_DATES in profile.options:
        return "UNMODIFIED"
    return "MODIFIED" if Option.RETAIN_MODIFIED_DATES in profile.options else "REMOVED"


def _code_item(code: Code) -> Dataset:
    from pydicom.dataset import Dataset

    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code
    return item
