"""What triage gets of headers, and what it does not get."""

import numpy as np
import pytest
from pydicom.dataset import Dataset
from tests.data import build_image, image_of

from napari_dicom_markup.core.redacting.triage import KNOWN_TERMS, assess
from napari_dicom_markup.model.redaction import Area, Declared, HeadEvidence, Risk
from napari_dicom_markup.sources.dicom.risk import read_risk_facts

PIXELS = np.zeros((8, 10), np.uint8)


def facts_of(**elements):
    raw = build_image(PIXELS, **elements)
    return read_risk_facts(image_of(raw), raw, KNOWN_TERMS)


def make_region(left, top, right, bottom):
    region = Dataset()
    region.RegionLocationMinX0, region.RegionLocationMinY0 = left, top
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = right, bottom
    return region


def make_code(value):
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "SCT", "a region"
    return code


def test_the_matrix_and_the_class_are_read():
    facts = facts_of(Modality="US")
    assert (facts.rows, facts.columns, facts.samples, facts.frames) == (8, 10, 1, 1)
    assert (facts.modality, facts.has_pixels) == ("US", True)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("YES", Declared.YES), ("NO", Declared.NO), ("", Declared.NOT_SAID), ("ROE", "")],
)
def test_what_a_header_declares_is_read(value, expected):
    facts = facts_of(BurnedInAnnotation=value, RecognizableVisualFeatures=value)
    assert (facts.burned_in, facts.recognizable) == (expected, expected)


def test_only_known_terms_leave_the_header():
    facts = facts_of(ImageType=["DERIVED", "SECONDARY", "ROE RICHARD"], Modality="ROE")
    assert facts.image_type == {"SECONDARY"}
    assert facts.modality == ""


def test_no_free_text_of_the_header_is_shown():
    facts = facts_of(
        Manufacturer="CANARYONE",
        ManufacturerModelName="CANARYTWO",
        StudyDescription="CANARY HEAD",
        BodyPartExamined="CANARY",
        ConversionType="CANARY",
        ImageType=["CANARY"],
        PatientName="CANARY^NAME",
    )
    assert facts.device == ("CANARYONE", "CANARYTWO")
    assert "CANARY" not in repr(facts)
    assert facts.was_converted


def test_ultrasound_regions_include_their_last_row_and_column():
    facts = facts_of(SequenceOfUltrasoundRegions=[make_region(1, 2, 5, 7)])
    assert facts.regions == (Area(2, 1, 6, 5),)


@pytest.mark.parametrize("broken", [(5, 2, 1, 7), (1, 2, 70000, 7), (4294967295, 0, 4294967295, 3)])
def test_a_broken_region_leaves_none(broken):
    facts = facts_of(SequenceOfUltrasoundRegions=[make_region(1, 2, 5, 7), make_region(*broken)])
    assert facts.regions == ()


@pytest.mark.parametrize("group", [0x6000, 0x60FE, 0x601E])
def test_overlays_of_any_group_are_seen(group):
    data_set = Dataset()
    data_set.add_new((group << 16) | 0x0010, "US", 8)
    raw = build_image(PIXELS)
    assert not facts_of().has_overlays
    element = group.to_bytes(2, "little") + b"\x10\x00US\x02\x00\x08\x00"
    with_overlay = raw.replace(b"\xe0\x7f\x10\x00", element + b"\xe0\x7f\x10\x00")
    assert read_risk_facts(image_of(with_overlay), with_overlay).has_overlays


def test_icons_and_graphics_are_seen():
    icon, graphic = Dataset(), Dataset()
    icon.Rows, graphic.GraphicLayer = 1, "A"
    facts = facts_of(IconImageSequence=[icon], GraphicAnnotationSequence=[graphic])
    assert facts.has_icon
    assert facts.has_graphics


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"BodyPartExamined": "HEAD"}, HeadEvidence.STATED),
        ({"BodyPartExamined": "KNEE"}, HeadEvidence.EXCLUDED),
        ({"BodyPartExamined": "CHEST"}, HeadEvidence.NOT_SAID),
        ({"BodyPartExamined": "KNEE", "ProtocolName": "Kopf nativ"}, HeadEvidence.STATED),
        ({"StudyDescription": "MRI cranial"}, HeadEvidence.STATED),
        ({"StudyDescription": "NUCLEAR LINEAR SURFACE"}, HeadEvidence.NOT_SAID),
        ({"AnatomicRegionSequence": [make_code("69536005")]}, HeadEvidence.STATED),
        ({}, HeadEvidence.NOT_SAID),
    ],
)
def test_a_head_is_told_by_part_region_and_description(elements, expected):
    assert facts_of(**elements).head is expected


def test_the_extent_is_that_of_the_plane():
    facts = facts_of(PixelSpacing=[2.0, 3.0], ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    assert facts.extent_mm == (16.0, 30.0)


def test_a_secondary_capture_is_red():
    assert assess(facts_of(Modality="CT")).risk is Risk.RED  # the builder makes that class


def test_a_file_on_disk_is_read_without_its_bytes(tmp_path):
    raw = build_image(PIXELS, Modality="ES")
    assert read_risk_facts(image_of(raw, tmp_path / "a.dcm")).modality == "ES"
