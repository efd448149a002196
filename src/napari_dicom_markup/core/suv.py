"""Standardized uptake values: the factor by which a PET image's values become SUV.

It follows QIBA's vendor-neutral pseudo-code (FDG-PET/CT profile 1.13, appendix G), with these
differences: the moment that an object itself names as that of its decay correction goes first
(QIBA: only where SeriesTime is after AcquisitionTime); ADMIN and NONE have their plain meaning;
and what does not fit together is refused instead of computed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_dicom_markup.model.pet import PetFacts, SuvFactor, SuvKind, SuvRefusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicom_markup.model.pet import SuvResult

_DAY = 86400.0

_EARLIEST_S = -600.0
"""A dynamic scan begins some minutes before the injection; more is a wrong clock."""

_MOST_HALF_LIVES = 10.0
"""After these a thousandth of the dose is left: nobody scans then, so times are wrong."""

_ONE_DAY_HALF_LIFE_S = 41_400.0
"""From a half-life of 11.5 h on, a time without its date may be of any day (as IBSI has it)."""

_DOSES_BQ = (1e5, 1e11)
"""Doses outside are not in the unit that PS3.3 says: 370 is megabecquerels, 370e6 becquerels."""

_WEIGHTS_KG = (0.005, 700.0)
"""From a mouse upwards; outside, another unit was written."""

_HEIGHTS_M = (0.2, 2.8)
"""Outside, another unit was written: 175 is centimetres."""


class _RefusedError(Exception):
    """Carries a reason from where it is found to the result."""


def suv_factor(facts: PetFacts, kind: SuvKind) -> SuvResult:
    """Return the factor for one image, or the reason why there is none.

    Rescaled values (stored × slope + intercept) times the factor are SUV in ``kind.unit``.
    Where a whole series is at hand, ask `suv_factors`: the SeriesTime of a series made in the
    middle of a scan is before a late bed position, and only the earliest shows that.
    """
    return suv_factors((facts,), kind)[0]


def suv_factors(series: Sequence[PetFacts], kind: SuvKind) -> tuple[SuvResult, ...]:
    """Return a factor for each image of one series, or the reason why it has none.

    Parameters
    ----------
    series : sequence of PetFacts
        All images of a series: the earliest acquisition among them decides whether SeriesTime
        can be the start of the scan.
    kind : SuvKind
        The SUV that is wanted.
    """
    acquired = [facts.acquired_at for facts in series if facts.acquired_at is not None]
    earliest = min(acquired, default=None)
    return tuple(_result(facts, kind, earliest, is_series=len(series) > 1) for facts in series)


def _result(
    facts: PetFacts, kind: SuvKind, earliest: float | None, *, is_series: bool
) -> SuvResult:
    try:
        value = _value(facts, kind, earliest, is_series=is_series)
    except _RefusedError as refused:
        return SuvRefusal(str(refused))
    except ArithmeticError:
        value = math.inf
    if math.isfinite(value) and value > 0:
        return SuvFactor(value, kind)
    return SuvRefusal("the attributes lead to no finite factor")


def _value(facts: PetFacts, kind: SuvKind, earliest: float | None, *, is_series: bool) -> float:
    if facts.units in {"GML", "CM2ML"}:
        return _converted(facts, _stated_kind(facts), kind)
    if facts.units not in {"BQML", "CNTS"}:
        _refuse_units(facts.units)
    _check_corrections(facts)
    if facts.units == "CNTS" and facts.philips_suv:
        return facts.philips_suv * _converted(facts, SuvKind.BODY_WEIGHT, kind)
    activity = 1.0 if facts.units == "BQML" else facts.philips_activity
    if not activity:
        message = "Units are counts, and Philips' private scale factors (7053,xx00) are missing"
        raise _RefusedError(message)
    return activity * _body(facts, kind) / _decayed_dose(facts, earliest, is_series=is_series)


def _refuse_units(units: str) -> None:
    if not units:
        message = "Units is missing"
    elif units in {"PROPCPS", "PROPCNTS", "CPS"}:
        message = "Units are counts that are not calibrated to activity"
    else:
        message = "Units are no activity concentration"
    raise _RefusedError(message)


def _stated_kind(facts: PetFacts) -> SuvKind:
    """Return the SUV that values are already; g/ml without SUVType is body weight (C.8.9.1)."""
    surface = facts.units == "CM2ML"
    term = facts.suv_type or ("BSA" if surface else "BW")
    known = {kind.value: kind for kind in SuvKind}.get(term)
    if known is None or (known is SuvKind.BODY_SURFACE) != surface:
        message = "SUVType is unknown or contradicts Units"
        raise _RefusedError(message)
    return known


def _converted(facts: PetFacts, stated: SuvKind, kind: SuvKind) -> float:
    return 1.0 if stated is kind else _body(facts, kind) / _body(facts, stated)


def _check_corrections(facts: PetFacts) -> None:
    if not facts.corrections:
        message = "CorrectedImage is missing"
    elif "ATTN" not in facts.corrections:
        message = "CorrectedImage does not name attenuation (ATTN)"
    elif ("DECY" in facts.corrections) == (facts.decay_correction == "NONE"):
        message = "CorrectedImage and DecayCorrection contradict each other about decay"
    else:
        return
    raise _RefusedError(message)


def _body(facts: PetFacts, kind: SuvKind) -> float:
    """Return what the dose is divided by, in g, or in cm² for the body surface."""
    if kind is SuvKind.BODY_WEIGHT:
        return 1000 * _weight(facts)
    if kind is SuvKind.BODY_SURFACE:
        return 71.84 * math.pow(_weight(facts), 0.425) * math.pow(100 * _height(facts), 0.725)
    if kind is SuvKind.IDEAL_WEIGHT:
        base, rise = (48.0, 1.06) if _is_male(facts) else (45.5, 0.91)
        mass = base + rise * (100 * _height(facts) - 152)
    else:
        mass = _lean_mass(_weight(facts), _height(facts), kind, is_male=_is_male(facts))
    if mass <= 0:
        message = "PatientWeight and PatientSize are outside the range of the formula"
        raise _RefusedError(message)
    return 1000 * mass


def _lean_mass(weight: float, height: float, kind: SuvKind, *, is_male: bool) -> float:
    """Return lean body mass in kg."""
    index = weight / height**2
    if kind is SuvKind.LEAN_JANMAHASATIAN:
        return 9270 * weight / ((6680 + 216 * index) if is_male else (8780 + 244 * index))
    if not is_male:
        return 1.07 * weight - 0.0148 * weight * index
    return 1.10 * weight - (0.0128 if kind is SuvKind.LEAN_JAMES else 0.0120) * weight * index


def _weight(facts: PetFacts) -> float:
    return _within(facts.weight_kg, _WEIGHTS_KG, "PatientWeight", "kg")


def _height(facts: PetFacts) -> float:
    return _within(facts.height_m, _HEIGHTS_M, "PatientSize", "m")


def _is_male(facts: PetFacts) -> bool:
    if facts.sex not in {"M", "F"}:
        message = "PatientSex is missing or neither M nor F"
        raise _RefusedError(message)
    return facts.sex == "M"


def _within(value: float | None, limits: tuple[float, float], keyword: str, unit: str) -> float:
    if not value:
        message = f"{keyword} is missing"
        raise _RefusedError(message)
    if not limits[0] <= value <= limits[1]:
        message = f"{keyword} cannot be in {unit}"
        raise _RefusedError(message)
    return value


def _decayed_dose(facts: PetFacts, earliest: float | None, *, is_series: bool) -> float:
    """Return the dose in Bq at the moment that the values are corrected to."""
    if facts.administrations > 1:
        message = "RadiopharmaceuticalInformationSequence has several items"
        raise _RefusedError(message)
    dose = _within(facts.dose_bq, _DOSES_BQ, "RadionuclideTotalDose", "its unit")
    if facts.decay_correction == "ADMIN":
        return dose
    if not facts.half_life_s or facts.half_life_s < 0:
        message = "RadionuclideHalfLife is missing"
        raise _RefusedError(message)
    reference = _reference(facts, facts.half_life_s, earliest, is_series=is_series)
    decay = _decay_time(facts, facts.half_life_s, reference)
    return dose * math.exp2(-decay / facts.half_life_s)


def _reference(
    facts: PetFacts, half_life: float, earliest: float | None, *, is_series: bool
) -> float:
    """Return the moment that the values are corrected to, or that of uncorrected ones."""
    if facts.decay_correction == "NONE":
        return _mid_frame(facts, half_life)
    if facts.decay_correction != "START":
        message = "DecayCorrection is missing or unknown"
        raise _RefusedError(message)
    stated = facts.decay_reference_at
    # A date that is days from the acquisition's was left behind when the others were shifted.
    if stated is not None and (earliest is None or abs(stated - earliest) < _DAY):
        return stated
    if facts.series_at is not None and earliest is not None and facts.series_at <= earliest:
        return facts.series_at
    computed = _computed_start(facts, half_life)
    if computed is None and is_series:
        computed = earliest
    if computed is None:
        message = "no attribute tells which moment DecayCorrection START means"
        raise _RefusedError(message)
    return computed


def _computed_start(facts: PetFacts, half_life: float) -> float | None:
    """Return the start of the scan, back from a frame's acquisition and reference time.

    FrameReferenceTime leads to the moment of the frame's average count rate (PS3.3 C.8.9.4),
    GE's to the beginning of the frame.
    """
    if facts.acquired_at is None or facts.frame_reference_s is None:
        return None
    if facts.manufacturer.upper().split()[:1] == ["GE"]:
        known = facts.frame_reference_s >= 0
        return facts.acquired_at - facts.frame_reference_s if known else None
    if facts.frame_reference_s <= 0 or not facts.frame_duration_s or facts.frame_duration_s < 0:
        return None
    return _mid_frame(facts, half_life) - facts.frame_reference_s


def _mid_frame(facts: PetFacts, half_life: float) -> float:
    """Return when the activity is the average of the frame: ln(x / (1 - e^-x)) / λ after it began.

    x is λ × duration; for x towards 0 the middle.
    """
    if facts.acquired_at is None:
        message = "AcquisitionDate or AcquisitionTime is missing"
        raise _RefusedError(message)
    if not facts.frame_duration_s or facts.frame_duration_s < 0:
        message = "ActualFrameDuration is missing"
        raise _RefusedError(message)
    rate = math.log(2) / half_life
    x = rate * facts.frame_duration_s
    if x < 1e-6:
        return facts.acquired_at + facts.frame_duration_s / 2
    return facts.acquired_at + math.log(x / -math.expm1(-x)) / rate


def _decay_time(facts: PetFacts, half_life: float, reference: float) -> float:
    """Return the seconds from the injection to the reference.

    A time without date is of the reference's day, or the day before where it is later.
    """
    if facts.injected_at is not None:
        decay = reference - facts.injected_at
    elif facts.injection_time is None:
        message = "RadiopharmaceuticalStartTime is missing"
        raise _RefusedError(message)
    elif half_life >= _ONE_DAY_HALF_LIFE_S:
        message = "RadiopharmaceuticalStartDateTime is missing: the injection may be of any day"
        raise _RefusedError(message)
    else:
        decay = (reference - facts.injection_time - _EARLIEST_S) % _DAY + _EARLIEST_S
    rolled = facts.injected_at is None and decay > _DAY / 2
    if rolled or not _EARLIEST_S <= decay <= _MOST_HALF_LIVES * half_life:
        message = "the times of injection and scan do not fit together"
        raise _RefusedError(message)
    return decay
