"""Traffic lights by header."""

import pytest

from napari_dicom_markup.core.redacting.triage import assess, may_show_face
from napari_dicom_markup.model.redaction import (
    Area,
    Declared,
    HeadEvidence,
    Risk,
    RiskFacts,
    RiskReason,
)


def make_facts(**changes):
    known = {"modality": "CT", "has_pixels": True, "rows": 512, "columns": 512}
    return RiskFacts(**(known | {"head": HeadEvidence.EXCLUDED} | changes))


@pytest.mark.parametrize(
    ("changes", "risk", "reason"),
    [
        ({"burned_in": Declared.YES}, Risk.RED, RiskReason.DECLARED),
        ({"recognizable": Declared.YES}, Risk.RED, RiskReason.RECOGNIZABLE),
        ({"modality": "US"}, Risk.RED, RiskReason.DEVICE_DRAWS_TEXT),
        ({"modality": "ES"}, Risk.RED, RiskReason.DEVICE_DRAWS_TEXT),
        ({"modality": "XC"}, Risk.RED, RiskReason.DEVICE_DRAWS_TEXT),
        ({"modality": "OT"}, Risk.RED, RiskReason.DEVICE_DRAWS_TEXT),
        ({"modality": "CR"}, Risk.AMBER, RiskReason.TEXT_IS_COMMON),
        ({"modality": "MG"}, Risk.AMBER, RiskReason.TEXT_IS_COMMON),
        ({"modality": "SM"}, Risk.AMBER, RiskReason.TEXT_IS_COMMON),
        ({"modality": ""}, Risk.AMBER, RiskReason.UNKNOWN_MODALITY),
        ({"was_converted": True}, Risk.RED, RiskReason.SECONDARY_CAPTURE),
        (
            {"sop_class_uid": "1.2.840.10008.5.1.4.1.1.7.4"},
            Risk.RED,
            RiskReason.SECONDARY_CAPTURE,
        ),
        ({"image_type": frozenset({"SCREEN SAVE"})}, Risk.RED, RiskReason.SCREEN),
        ({"image_type": frozenset({"LABEL"})}, Risk.RED, RiskReason.LABEL),
        ({"image_type": frozenset({"SECONDARY"})}, Risk.AMBER, RiskReason.DERIVED),
        ({"samples": 3}, Risk.RED, RiskReason.COLOUR),
        ({"regions": (Area(0, 0, 400, 512),)}, Risk.AMBER, RiskReason.OUTSIDE_REGIONS),
        ({"has_overlays": True}, Risk.AMBER, RiskReason.OVERLAY),
        ({"has_icon": True}, Risk.AMBER, RiskReason.ICON),
        ({"has_graphics": True}, Risk.AMBER, RiskReason.GRAPHICS),
        (
            {"sop_class_uid": "1.2.840.10008.5.1.4.1.1.104.1", "has_pixels": False},
            Risk.RED,
            RiskReason.DOCUMENT,
        ),
        (
            {"sop_class_uid": "1.2.840.10008.5.1.4.1.1.11.1", "has_pixels": False},
            Risk.AMBER,
            RiskReason.GRAPHICS,
        ),
        ({"transfer_syntax_uid": "1.2.840.10008.1.2.4.102.1"}, Risk.RED, RiskReason.VIDEO),
        ({"head": HeadEvidence.STATED}, Risk.AMBER, RiskReason.HEAD),
    ],
)
def test_each_sign_gives_its_light_and_its_reason(changes, risk, reason):
    found = assess(make_facts(**changes))
    assert found.risk is risk
    assert reason in found.reasons


@pytest.mark.parametrize("modality", ["CT", "MR", "PT", "NM", "SEG", "RTDOSE"])
def test_an_acquired_grey_slice_is_green(modality):
    assert assess(make_facts(modality=modality)).risk is Risk.GREEN


def test_a_header_that_denies_text_makes_nothing_greener():
    red = assess(make_facts(modality="US", burned_in=Declared.NO))
    assert red.risk is Risk.RED


def test_a_region_that_is_the_whole_image_is_no_reason():
    found = assess(make_facts(modality="US", regions=(Area(0, 0, 512, 512),)))
    assert RiskReason.OUTSIDE_REGIONS not in found.reasons


def test_what_has_no_pixels_is_not_judged_by_its_modality():
    assert assess(make_facts(modality="US", has_pixels=False)).risk is Risk.GREEN


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"head": HeadEvidence.STATED}, True),
        ({"head": HeadEvidence.NOT_SAID}, True),
        ({"head": HeadEvidence.NOT_SAID, "extent_mm": (50.0, 200.0)}, False),
        ({"head": HeadEvidence.STATED, "extent_mm": (50.0, 200.0)}, True),
        ({"head": HeadEvidence.EXCLUDED}, False),
        ({"head": HeadEvidence.STATED, "modality": "US"}, False),
    ],
)
def test_a_face_is_warned_of_unless_excluded_or_too_small(changes, expected):
    assert assess(make_facts(**changes)).face is expected


@pytest.mark.parametrize(
    ("head", "extent", "spacing", "expected"),
    [
        (HeadEvidence.NOT_SAID, (200, 240, 240), (1, 1, 1), True),
        (HeadEvidence.NOT_SAID, (40, 240, 240), (1, 1, 1), False),
        (HeadEvidence.NOT_SAID, (200, 240, 240), (10, 1, 1), False),
        (HeadEvidence.STATED, (40, 240, 240), (10, 1, 1), True),
        (HeadEvidence.EXCLUDED, (400, 240, 240), (1, 1, 1), False),
    ],
)
def test_a_volume_is_warned_of_by_extent_and_sampling(head, extent, spacing, expected):
    assert may_show_face(make_facts(head=head), extent, spacing) is expected
