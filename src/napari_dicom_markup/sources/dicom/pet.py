"""What a PET image says about dose, decay and body (PS3.3 C.8.9 and, enhanced, C.8.22)."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any

from napari_dicom_markup.model.pet import PetFacts
from napari_dicom_markup.sources.dicom.lenient import (
    functional_group,
    get,
    items,
    number,
    numbers_in,
    pydicom_errors,
    read_elements,
    text,
    texts,
    texts_in,
)
from napari_dicom_markup.sources.dicom.real_world import measured_in
from napari_dicom_markup.sources.quiet import quiet_pydicom

if TYPE_CHECKING:
    from pydicom import Dataset

    from napari_dicom_markup.model.stack import Instance

_ENHANCED_PET = "1.2.840.10008.5.1.4.1.1.130"
"""Enhanced PET Image Storage (PS3.4 B.5): its dose is in MBq (PS3.3 C.8.22.4), others' in Bq."""

_UNITS = {
    "Bq/ml": "BQML", "{counts}": "CNTS", "{counts}/s": "CPS", "{propcounts}": "PROPCNTS",
    "{propcounts}/s": "PROPCPS", "g/ml": "GML", "{SUVbw}g/ml": "GML", "cm2/ml": "CM2ML",
}  # fmt: skip
"""UCUM codes of CID 84 (PS3.16) by the terms of Units (PS3.3 C.8.9.1.1.3)."""

_STATED_REFERENCES = (
    (0x0071, "SIEMENS MED PT", 0x22),
    (0x0009, "GEMS_PETD_01", 0x0D),
)
"""Decay Correction DateTime of Siemens, scan_datetime of GE (their conformance statements)."""

_PHILIPS = (0x7053, "Philips PET Private Group")
"""Its elements 00 and 09 are the scale factors to SUV and to Bq/ml."""

_DATE = re.compile(r"(\d{4})[.]?(\d\d)[.]?(\d\d)")
_TIME = re.compile(r"(\d\d)(?::?(\d\d)(?::?(\d\d(?:\.\d{0,6})?))?)?")
_DATE_TIME = re.compile(r"(\d{8})(\d{2,6}(?:\.\d{0,6})?)([+-]\d{4})?")
_OFFSET = re.compile(r"([+-])(\d\d)(\d\d)")


@quiet_pydicom()
def read_pet_facts(instance: Instance, raw: bytes | memoryview | None = None) -> PetFacts:
    """Return what a PET image says that its SUV depend on; what is malformed counts as absent.

    Parameters
    ----------
    instance : Instance
        The instance to read.
    raw : bytes-like, optional
        The whole file; read from disk where not given.

    Raises
    ------
    DecodeError
        Where the header cannot be read.
    """
    from pydicom import Dataset

    data_set = read_elements(instance, raw)
    enhanced = instance.sop_class_uid == _ENHANCED_PET
    doses = items(data_set, "RadiopharmaceuticalInformationSequence")
    dose, zone = doses[0] if doses else Dataset(), _zone(data_set)
    activity = number(dose, "RadionuclideTotalDose")
    return PetFacts(
        units=text(data_set, "Units") or _units_of_groups(data_set),
        suv_type=text(data_set, "SUVType"),
        decay_correction=_decay_correction(data_set),
        corrections=_corrections(data_set),
        manufacturer=text(data_set, "Manufacturer"),
        administrations=len(doses),
        half_life_s=number(dose, "RadionuclideHalfLife"),
        dose_bq=activity * 1e6 if enhanced and activity else activity,
        injected_at=_moment(get(dose, "RadiopharmaceuticalStartDateTime"), zone),
        injection_time=_seconds(text(dose, "RadiopharmaceuticalStartTime")),
        series_at=_joined(data_set, "Series"),
        acquired_at=_acquired(data_set, zone),
        decay_reference_at=_stated_reference(data_set, zone),
        frame_reference_s=_from_ms(number(data_set, "FrameReferenceTime")),
        frame_duration_s=_from_ms(number(data_set, "ActualFrameDuration")),
        philips_suv=_philips(data_set, 0x00),
        philips_activity=_philips(data_set, 0x09),
        weight_kg=number(data_set, "PatientWeight"),
        height_m=number(data_set, "PatientSize"),
        sex=text(data_set, "PatientSex"),
    )


def _units_of_groups(data_set: Dataset) -> str:
    """Return the units of an enhanced object, which are those of its real world values."""
    keyword = "RealWorldValueMappingSequence"
    mappings = items(data_set, keyword) or functional_group(data_set, keyword)
    return next((_UNITS.get(measured_in(item), "") for item in mappings), "")


def _decay_correction(data_set: Dataset) -> str:
    """Return DecayCorrection; enhanced objects have a flag and the moment (C.8.22.6)."""
    corrected = {"YES": "START", "NO": "NONE"}.get(text(data_set, "DecayCorrected"), "")
    return text(data_set, "DecayCorrection") or corrected


def _corrections(data_set: Dataset) -> tuple[str, ...]:
    """Return the terms of CorrectedImage; enhanced objects have a flag for each instead."""
    flags = {"AttenuationCorrected": "ATTN", "DecayCorrected": "DECY", "ScatterCorrected": "SCAT"}
    flagged = [term for keyword, term in flags.items() if text(data_set, keyword) == "YES"]
    return tuple(texts(data_set, "CorrectedImage") or flagged)


def _acquired(data_set: Dataset, zone: float | None) -> float | None:
    joined = _joined(data_set, "Acquisition")
    whole = get(data_set, "AcquisitionDateTime")
    return _moment(whole, zone) if joined is None else joined


def _stated_reference(data_set: Dataset, zone: float | None) -> float | None:
    """Return the moment that values are said to be corrected to, by the first that says it."""
    values = [get(data_set, "DecayCorrectionDateTime")]
    values += [_private(data_set, *place) for place in _STATED_REFERENCES]
    moments = (_moment(value, zone) for value in values)
    return next((moment for moment in moments if moment is not None), None)


def _private(data_set: Dataset, group: int, creator: str, element: int) -> Any:
    """Return a private element's value, None where it is missing or malformed."""
    try:
        return data_set.private_block(group, creator)[element].value
    except pydicom_errors():
        return None


def _philips(data_set: Dataset, element: int) -> float | None:
    value = next(iter(numbers_in(_private(data_set, *_PHILIPS, element))), 0.0)
    return value if value > 0 else None


def _from_ms(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _days(value: str) -> float | None:
    """Return the seconds from day 0 to the beginning of a DA, None where it is none."""
    match = _DATE.fullmatch(value)
    if match is None:
        return None
    try:
        return date(*map(int, match.groups())).toordinal() * 86400.0
    except ValueError:
        return None


def _seconds(value: str) -> float | None:
    """Return a TM in seconds of its day, None where it is none."""
    match = _TIME.fullmatch(value)
    if match is None:
        return None
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    if hours >= 24 or minutes >= 60 or seconds >= 61:
        return None
    return hours * 3600 + minutes * 60 + seconds


def _joined(data_set: Dataset, what: str) -> float | None:
    """Return the moment that a pair of date and time attributes tells."""
    day, seconds = _days(text(data_set, f"{what}Date")), _seconds(text(data_set, f"{what}Time"))
    return None if day is None or seconds is None else day + seconds


def _moment(value: Any, zone: float | None) -> float | None:
    """Return a DT as a moment in the data set's time zone, None where it lacks the hour.

    Its own offset from UTC counts where the data set states one too (PS3.3 C.12.1.1.8); else all
    its times are of one place, whichever.
    """
    match = _DATE_TIME.fullmatch(next(iter(texts_in(value)), ""))
    if match is None:
        return None
    day, seconds, own = _days(match[1]), _seconds(match[2]), _offset(match[3] or "")
    if day is None or seconds is None:
        return None
    return day + seconds + (zone - own if zone is not None and own is not None else 0)


def _zone(data_set: Dataset) -> float | None:
    return _offset(text(data_set, "TimezoneOffsetFromUTC"))


def _offset(value: str) -> float | None:
    """Return an offset from UTC, &ZZXX, in seconds."""
    match = _OFFSET.fullmatch(value)
    if match is None:
        return None
    seconds = int(match[2]) * 3600.0 + int(match[3]) * 60.0
    return -seconds if match[1] == "-" else seconds
