"""Factors to SUV: by hand, against a published implementation's numbers, and refusals."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_dicom_markup.core.suv import suv_factor, suv_factors
from napari_dicom_markup.model.pet import PetFacts, SuvFactor, SuvKind, SuvRefusal

DAY = 86400.0
F18 = 6586.2
BW = SuvKind.BODY_WEIGHT


def clock(hours: int, minutes: int = 0, seconds: float = 0.0) -> float:
    return hours * 3600 + minutes * 60 + seconds


def facts(**changes: object) -> PetFacts:
    """One half-life after the injection of 400 MBq, 80 kg and 1.8 m: BW factor 80000 / 200e6."""
    plain = PetFacts(
        units="BQML",
        decay_correction="START",
        corrections=("DECY", "ATTN", "SCAT"),
        administrations=1,
        half_life_s=F18,
        dose_bq=400e6,
        injected_at=700 * DAY + clock(10),
        series_at=700 * DAY + clock(10) + F18,
        acquired_at=700 * DAY + clock(10) + F18 + 600,
        weight_kg=80.0,
        height_m=1.8,
        sex="M",
    )
    return replace(plain, **changes)


def factor(given_facts: PetFacts, kind: SuvKind = BW) -> float:
    result = suv_factor(given_facts, kind)
    assert isinstance(result, SuvFactor), result
    return result.value


def reason(given_facts: PetFacts, kind: SuvKind = BW) -> str:
    result = suv_factor(given_facts, kind)
    assert isinstance(result, SuvRefusal), "a factor, where a refusal was due"
    return result.reason


def test_body_weight_is_grams_by_the_decayed_dose():
    assert factor(facts()) == pytest.approx(80_000 / 200e6)


@pytest.mark.parametrize(
    ("kind", "male", "female"),
    [
        # 80 kg, 1.8 m: index 24.691358; (80/180)^2 = 0.19753086
        (SuvKind.LEAN_JAMES, 88 - 128 * 0.19753086, 85.6 - 148 * 0.19753086),
        (SuvKind.LEAN_JAMES_120, 88 - 120 * 0.19753086, 85.6 - 148 * 0.19753086),
        (SuvKind.LEAN_JANMAHASATIAN, 741600 / 12013.333333, 741600 / 14804.691358),
        (SuvKind.IDEAL_WEIGHT, 48 + 1.06 * 28, 45.5 + 0.91 * 28),
    ],
    ids=lambda value: value.name if isinstance(value, SuvKind) else "",
)
def test_lean_and_ideal_masses_depend_on_sex_and_height(kind, male, female):
    assert factor(facts(), kind) == pytest.approx(1000 * male / 200e6)
    assert factor(facts(sex="F"), kind) == pytest.approx(1000 * female / 200e6)


def test_body_surface_is_square_centimetres():
    area = 0.007184 * 80**0.425 * 180**0.725  # 1.9964 m²
    assert factor(facts(), SuvKind.BODY_SURFACE) == pytest.approx(1e4 * area / 200e6)
    assert area == pytest.approx(1.9964, abs=1e-4)
    assert SuvKind.BODY_SURFACE.unit == "cm2/ml"


PUBLISHED = {
    # test/metadata/*.json and the factors of cornerstonejs/calculate-suv (MIT), version 1.1
    "Siemens": (0.00042748316187197236, 67, 374e6, 6586.2, (8, 30, 45), (10, 48, 29), (10, 48, 30)),
    "GE": (
        0.0005367387681819742, 52, 152022720, 6586.2001953125, (8, 45), (9, 56, 21), (9, 56, 21),
    ),
    "Philips": (
        0.0007463747013889488, 64, 126e6, 6586.199707, (10, 0, 58), (11, 1, 55), (11, 1, 56),
    ),
    "without a date": (
        0.0003721089202818729, 102, 412e6, 6586.2, (12, 50), (13, 54, 31.843), (14, 15, 55.687),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PUBLISHED.values(), ids=PUBLISHED)
def test_factors_are_those_of_another_program(case):
    expected, weight, dose, half_life, injected, series, acquired = case
    one = facts(
        weight_kg=weight,
        dose_bq=dose,
        half_life_s=half_life,
        injected_at=None,
        injection_time=clock(*injected),
        series_at=700 * DAY + clock(*series),
        acquired_at=700 * DAY + clock(*acquired),
    )
    assert factor(one) == pytest.approx(expected, rel=1e-9)


def siemens_series_after_acquisition() -> PetFacts:
    return facts(
        weight_kg=65,
        dose_bq=225e6,
        injected_at=None,
        injection_time=clock(11, 41),
        series_at=700 * DAY + clock(12, 35, 15),
        acquired_at=700 * DAY + clock(12, 35, 14.999995),
        frame_reference_s=59.936854672596,
        frame_duration_s=120.0,
    )


def test_the_start_is_computed_back_where_the_series_is_later():
    published = 0.0004069156854009332  # calculate-suv, from the earliest acquisition
    assert factor(siemens_series_after_acquisition()) == pytest.approx(published, rel=1e-6)


def test_every_bed_position_leads_back_to_the_same_start():
    first = siemens_series_after_acquisition()
    later = replace(
        first,
        acquired_at=first.acquired_at + 360,
        frame_reference_s=first.frame_reference_s + 360,
    )
    one, two = suv_factors((first, later), BW)
    assert two.value == pytest.approx(one.value, rel=1e-9)


def test_the_earliest_acquisition_counts_where_frames_have_no_reference():
    published = 0.00026503312764157046  # calculate-suv, CPS
    cps = facts(
        weight_kg=69,
        dose_bq=388e6,
        injected_at=None,
        injection_time=clock(12, 0, 37),
        series_at=700 * DAY + clock(13, 49, 18),
        acquired_at=700 * DAY + clock(13, 3, 48.234),
        frame_reference_s=0.0,
        frame_duration_s=180.0,
    )
    later = replace(cps, acquired_at=cps.acquired_at + 3000)
    for result in suv_factors((later, cps), BW):
        assert result.value == pytest.approx(published, rel=1e-9)
    assert "DecayCorrection START" in reason(cps)


def test_the_moment_that_the_object_names_goes_first():
    named = facts(decay_reference_at=700 * DAY + clock(10) + 2 * F18)
    assert factor(named) == pytest.approx(80_000 / 100e6)


def test_a_named_moment_of_another_day_is_left_aside():
    assert factor(facts(decay_reference_at=12 * DAY)) == pytest.approx(80_000 / 200e6)


def test_ge_refers_to_the_beginning_of_the_frame():
    ge = facts(
        manufacturer="GE MEDICAL SYSTEMS",
        series_at=701 * DAY,
        acquired_at=700 * DAY + clock(10) + F18 + 300,
        frame_reference_s=300.0,
    )
    assert factor(ge) == pytest.approx(80_000 / 200e6)


def test_a_dose_that_values_are_corrected_to_does_not_decay():
    assert factor(facts(decay_correction="ADMIN", half_life_s=None)) == pytest.approx(80e3 / 400e6)


def test_uncorrected_values_are_of_the_average_moment_of_their_frame():
    duration = F18
    into = F18 / math.log(2) * math.log(math.log(2) / 0.5)  # ln(x / (1 - e^-x)) / λ, x = ln 2
    one = facts(
        decay_correction="NONE",
        corrections=("ATTN",),
        acquired_at=700 * DAY + clock(10),
        frame_duration_s=duration,
    )
    assert factor(one) == pytest.approx(80_000 / (400e6 * 2 ** (-into / F18)))
    assert 0.47 * duration < into < 0.5 * duration


def test_an_injection_before_midnight_is_of_the_day_before():
    night = facts(
        injected_at=None,
        injection_time=clock(23, 30),
        series_at=701 * DAY + clock(23, 30) + F18 - DAY,
        acquired_at=701 * DAY + clock(2),
    )
    assert night.series_at < 701 * DAY + clock(2)
    assert factor(night) == pytest.approx(80_000 / 200e6)


def test_a_dynamic_scan_may_begin_before_the_injection():
    start = 700 * DAY + clock(10)
    early = facts(injected_at=start + 60, series_at=start, acquired_at=start)
    assert factor(early) == pytest.approx(80_000 / (400e6 * 2 ** (60 / F18)))
    timed = replace(early, injected_at=None, injection_time=clock(10, 1))
    assert factor(timed) == pytest.approx(factor(early))


def test_philips_counts_have_their_own_factor():
    counts = facts(units="CNTS", philips_suv=0.000728, weight_kg=None, dose_bq=None)
    assert factor(counts) == 0.000728
    lean = replace(counts, weight_kg=80.0)
    ratio = (88 - 128 * 0.19753086) / 80
    assert factor(lean, SuvKind.LEAN_JAMES) == pytest.approx(0.000728 * ratio)


def test_both_factors_of_philips_agree_in_a_real_header():
    # calculate-suv, PHILIPS_CNTS_AND_BQML_SUV: it has 0.000551 and 1.602563
    counts = facts(
        units="CNTS",
        philips_activity=1.602563,
        weight_kg=54.0,
        dose_bq=238e6,
        half_life_s=6588.0,
        injected_at=None,
        injection_time=clock(8, 30),
        series_at=700 * DAY + clock(9, 35, 56),
        acquired_at=700 * DAY + clock(9, 54, 39),
    )
    assert factor(counts) == pytest.approx(0.000551, abs=1e-6)
    assert "7053" in reason(replace(counts, philips_activity=None))


def test_values_that_are_suv_already_stay_or_change_their_kind():
    suv = facts(units="GML", corrections=(), dose_bq=None)
    assert factor(suv) == 1.0
    surface = 1e4 * 0.007184 * 80**0.425 * 180**0.725
    assert factor(suv, SuvKind.BODY_SURFACE) == pytest.approx(surface / 80_000)
    lean = replace(suv, suv_type="LBMJANMA")
    assert factor(lean, SuvKind.LEAN_JANMAHASATIAN) == 1.0
    assert factor(lean) == pytest.approx(80 * 12013.333333 / 741600)
    assert factor(replace(suv, units="CM2ML")) == pytest.approx(80_000 / surface)


REFUSALS = {
    "no units": ({"units": ""}, "Units is missing"),
    "PROPCPS": ({"units": "PROPCPS"}, "not calibrated"),
    "other units": ({"units": "MLML"}, "no activity"),
    "no weight": ({"weight_kg": None}, "PatientWeight is missing"),
    "weight in grams": ({"weight_kg": 80_000.0}, "PatientWeight cannot be in kg"),
    "dose in MBq": ({"dose_bq": 400.0}, "RadionuclideTotalDose cannot be"),
    "no dose": ({"dose_bq": None}, "RadionuclideTotalDose is missing"),
    "no half-life": ({"half_life_s": 0.0}, "RadionuclideHalfLife"),
    "negative half-life": ({"half_life_s": -3.0}, "RadionuclideHalfLife"),
    "two injections": ({"administrations": 2}, "several items"),
    "no corrections": ({"corrections": ()}, "CorrectedImage is missing"),
    "no attenuation": ({"corrections": ("DECY",)}, "ATTN"),
    "no decay": ({"corrections": ("ATTN",)}, "contradict"),
    "decay, and none": ({"decay_correction": "NONE"}, "contradict"),
    "unknown correction": ({"decay_correction": "HALF"}, "DecayCorrection"),
    "no injection": ({"injected_at": None}, "RadiopharmaceuticalStartTime is missing"),
    "injected later": ({"injected_at": 700 * DAY + clock(14)}, "do not fit"),
    "injected last week": ({"injected_at": 693 * DAY}, "do not fit"),
    "clock is ahead": ({"injected_at": None, "injection_time": clock(12, 5)}, "do not fit"),
    "day unknown": ({"injected_at": None, "injection_time": 0.0, "half_life_s": 3e5}, "any day"),
    "no times": ({"series_at": None, "acquired_at": None}, "which moment"),
    "unknown SUV type": ({"units": "GML", "suv_type": "HEART"}, "SUVType"),
    "surface in g/ml": ({"units": "GML", "suv_type": "BSA"}, "SUVType"),
}


@pytest.mark.parametrize(("changes", "text"), REFUSALS.values(), ids=REFUSALS)
def test_what_lacks_or_contradicts_is_named(changes, text):
    assert text in reason(facts(**changes))


@pytest.mark.parametrize(
    ("changes", "text"),
    [({"height_m": None}, "PatientSize is missing"), ({"height_m": 175.0}, "PatientSize cannot"),
     ({"sex": "O"}, "PatientSex"), ({"weight_kg": 300.0, "height_m": 0.5}, "range of the formula")],
    ids=["no height", "in centimetres", "no sex", "a negative mass"],
)  # fmt: skip
def test_lean_mass_needs_height_and_sex(changes, text):
    assert text in reason(facts(**changes), SuvKind.LEAN_JAMES)


def test_no_representation_shows_the_person():
    shown = repr(facts()) + repr(suv_factor(facts(), BW))
    for value in ("80.0", "1.8", "400000000", "'M'", "0.0004", "60480", "60516"):
        assert value not in shown


hostile = st.none() | st.floats() | st.sampled_from([0.0, 1e-320, 1e308, -1.0])
times = st.none() | st.floats(-1e12, 1e12)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "units": st.sampled_from(["", "BQML", "CNTS", "GML", "CM2ML", "PROPCPS"]),
            "decay_correction": st.sampled_from(["", "START", "ADMIN", "NONE"]),
            "corrections": st.sampled_from([(), ("ATTN",), ("ATTN", "DECY")]),
            "manufacturer": st.sampled_from(["", "GE"]),
            "injected_at": times, "injection_time": times, "series_at": times,
            "acquired_at": times, "decay_reference_at": times, "frame_reference_s": hostile,
            "frame_duration_s": hostile, "half_life_s": hostile, "dose_bq": hostile,
            "weight_kg": hostile, "height_m": hostile, "philips_suv": hostile,
            "philips_activity": hostile, "sex": st.sampled_from(["", "M", "F"]),
        },
    ),
    st.sampled_from(SuvKind),
)  # fmt: skip
def test_whatever_is_stated_gives_a_positive_factor_or_a_reason(changes, kind):
    result = suv_factor(facts(**changes), kind)
    if isinstance(result, SuvFactor):
        assert 0 < result.value < math.inf
        assert result.kind is kind
    else:
        assert result.reason
