"""What a PET image says is read from the standard's and the makers' elements."""

from __future__ import annotations

import io
import math
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence
from tests.data import CORPUS, build_image, image_of, needs_corpus, read_quietly

from napari_dicom_markup.core.suv import suv_factor
from napari_dicom_markup.errors import DecodeError
from napari_dicom_markup.model.pet import PetFacts, SuvFactor, SuvKind
from napari_dicom_markup.sources.dicom.pet import read_pet_facts
from napari_dicom_markup.standard import transfer_syntax as ts

PIXELS = np.zeros((2, 2), np.uint16)
ENHANCED = "1.2.840.10008.5.1.4.1.1.130"
REAL = sorted((CORPUS / "suyashkumar+dicom" / "testdata").glob("[12].dcm"))


def dose(**elements: object) -> Sequence:
    item = Dataset()
    item.RadionuclideTotalDose, item.RadionuclideHalfLife = "400000000", "6586.2"
    item.RadiopharmaceuticalStartTime = "100000.000000"
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return Sequence([item])


def image(syntax: str = ts.EXPLICIT_LE, **elements: object) -> bytes:
    stated: dict[str, object] = {
        "Modality": "PT", "Units": "BQML", "DecayCorrection": "START",
        "CorrectedImage": ["DECY", "ATTN"], "PatientWeight": "80", "PatientSize": "1.8",
        "PatientSex": "M", "SeriesDate": "20200101", "SeriesTime": "114946.2",
        "AcquisitionDate": "20200101", "AcquisitionTime": "115000", "FrameReferenceTime": "13800",
        "ActualFrameDuration": "120000", "RadiopharmaceuticalInformationSequence": dose(),
    }  # fmt: skip
    return build_image(PIXELS, syntax, **(stated | elements))


def facts(raw: bytes) -> PetFacts:
    return read_pet_facts(image_of(raw), raw)


def with_private(group: int, creator: str, element: int, vr: str, value: object) -> bytes:
    data_set = read_quietly(io.BytesIO(image()))
    data_set.private_block(group, creator, create=True).add_new(element, vr, value)
    buffer = io.BytesIO()
    data_set.save_as(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("syntax", [ts.EXPLICIT_LE, ts.IMPLICIT_LE, ts.EXPLICIT_BE])
def test_all_that_matters_is_read(syntax):
    read = facts(image(syntax))
    assert (read.units, read.decay_correction) == ("BQML", "START")
    assert read.corrections == ("DECY", "ATTN")
    assert (read.weight_kg, read.height_m, read.sex) == (80, 1.8, "M")
    assert (read.dose_bq, read.half_life_s, read.administrations) == (400e6, 6586.2, 1)
    assert (read.injection_time, read.injected_at) == (36000, None)
    assert (read.frame_reference_s, read.frame_duration_s) == (13.8, 120)
    assert read.acquired_at - read.series_at == pytest.approx(13.8)


def test_the_old_form_of_times_is_read():
    raw = image(AcquisitionTime="115000")
    assert facts(raw.replace(b"115000", b"11:50 ")) == facts(raw)


def test_the_factor_follows_from_a_file():
    result = suv_factor(facts(image()), SuvKind.BODY_WEIGHT)
    assert isinstance(result, SuvFactor)
    assert result.value == pytest.approx(80_000 / 200e6)


def test_a_date_time_is_on_the_same_clock():
    read = facts(
        image(
            RadiopharmaceuticalInformationSequence=dose(
                RadiopharmaceuticalStartDateTime="20200101100000.000000"
            )
        )
    )
    assert read.series_at - read.injected_at == pytest.approx(6586.2)


@pytest.mark.parametrize(
    ("zone", "stated", "hours"),
    [("+0100", "+0000", 1), ("-0500", "+0100", -6), (None, "+0700", 0), ("+0100", "", 0)],
)
def test_an_offset_from_utc_counts_where_both_have_one(zone, stated, hours):
    start = f"20200101100000{stated}"
    elements = {} if zone is None else {"TimezoneOffsetFromUTC": zone}
    read = facts(
        image(
            RadiopharmaceuticalInformationSequence=dose(RadiopharmaceuticalStartDateTime=start),
            **elements,
        )
    )
    assert read.series_at - read.injected_at == pytest.approx(6586.2 - hours * 3600)


@pytest.mark.parametrize("vr", ["DT", "UN"])
@pytest.mark.parametrize(
    ("group", "creator", "element"),
    [(0x0071, "SIEMENS MED PT", 0x22), (0x0009, "GEMS_PETD_01", 0x0D)],
    ids=["Siemens", "GE"],
)
def test_makers_name_the_moment_of_decay_correction(group, creator, element, vr):
    value = "20200101120000.00 "
    read = facts(with_private(group, creator, element, vr, value.encode() if vr == "UN" else value))
    assert read.decay_reference_at - read.series_at == pytest.approx(613.8)
    other = facts(with_private(group, "SOMEBODY", element, vr, value.encode()))
    assert other.decay_reference_at is None


@pytest.mark.parametrize("vr", ["DS", "UN"])
def test_factors_of_philips_are_read(vr):
    for element, field in ((0x00, "philips_suv"), (0x09, "philips_activity")):
        value = "0.000551 "
        raw = with_private(
            0x7053,
            "Philips PET Private Group",
            element,
            vr,
            value.encode() if vr == "UN" else value,
        )
        assert getattr(facts(raw), field) == 0.000551


def test_an_enhanced_image_says_it_in_its_own_way():
    code, mapping, group = Dataset(), Dataset(), Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "Bq/ml", "UCUM", "activity"
    mapping.MeasurementUnitsCodeSequence = Sequence([code])
    group.RealWorldValueMappingSequence = Sequence([mapping])
    item = dose(RadionuclideTotalDose="400", RadiopharmaceuticalStartDateTime="20200101100000")
    raw = build_image(
        PIXELS, SOPClassUID=ENHANCED, DecayCorrected="YES", AttenuationCorrected="YES",
        DecayCorrectionDateTime="20200101114946.2", AcquisitionDateTime="20200101115000",
        RadiopharmaceuticalInformationSequence=item, PatientWeight="80",
        SharedFunctionalGroupsSequence=Sequence([group]),
    )  # fmt: skip
    read = facts(raw)
    assert (read.units, read.dose_bq, read.decay_correction) == ("BQML", 400e6, "START")
    result = suv_factor(read, SuvKind.BODY_WEIGHT)
    assert isinstance(result, SuvFactor)
    assert result.value == pytest.approx(80_000 / 200e6)


@pytest.mark.parametrize(
    ("keyword", "good", "bad", "field"),
    [
        ("SeriesDate", b"20200101", b"20201341", "series_at"),
        ("SeriesTime", b"114946.2", b"254946.2", "series_at"),
        ("SeriesTime", b"114946.2", b"11a946.2", "series_at"),
        ("PatientWeight", b"8080", b"8x80", "weight_kg"),
        ("PatientSize", b"1.81", b"-inf", "height_m"),
    ],
)
def test_what_is_malformed_counts_as_absent(keyword, good, bad, field):
    raw = image(**{keyword: good.decode()})
    assert getattr(facts(raw), field) is not None
    assert getattr(facts(raw.replace(good, bad)), field) is None


def test_an_empty_object_has_no_facts():
    raw = build_image(PIXELS)
    assert facts(raw) == PetFacts()


@pytest.mark.parametrize("length", [0, 1, 131, 140, 200, 300, 400, 500, 600, 700])
def test_a_header_that_is_cut_off_never_raises_anything_else(length):
    raw = image()
    instance = image_of(raw)
    with suppress(DecodeError):
        assert isinstance(read_pet_facts(instance, raw[:length]), PetFacts)


def test_a_file_that_is_gone_is_an_error_of_ours():
    with pytest.raises(DecodeError, match=r"built\.dcm"):
        read_pet_facts(image_of(image()))


@needs_corpus
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_real_images_agree_with_their_own_decay_factor(path: Path):
    """DecayFactor tells independently from which moment the frame was corrected."""
    raw = path.read_bytes()
    read = read_pet_facts(image_of(raw, Path(path.name)), raw)
    factor = float(read_quietly(path).DecayFactor)
    assert read.series_at <= read.acquired_at
    into = read.frame_reference_s - (read.acquired_at - read.series_at)
    rate = math.log(2) / read.half_life_s
    corrected = math.exp(rate * read.frame_reference_s)
    assert corrected == pytest.approx(factor, rel=2e-4)
    assert 0 < into < read.frame_duration_s
    result = suv_factor(read, SuvKind.BODY_WEIGHT)
    assert isinstance(result, SuvFactor)
    decay = (read.series_at - read.injection_time) % 86400
    by_hand = 1000 * read.weight_kg / (read.dose_bq * 0.5 ** (decay / read.half_life_s))
    assert result.value == pytest.approx(by_hand)
