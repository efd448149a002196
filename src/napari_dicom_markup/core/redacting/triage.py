"""How likely an instance's pixels show who the patient is: traffic lights with their reasons.

BurnedInAnnotation NO makes no image greener: text was found in images that say so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dicom_markup.model.redaction import (
    Assessment,
    Declared,
    HeadEvidence,
    Risk,
    RiskFacts,
    RiskReason,
)
from napari_dicom_markup.standard.modalities import MODALITIES

if TYPE_CHECKING:
    from collections.abc import Iterator

DRAWING = frozenset({
    "BDUS", "BMD", "CF", "DM", "DOC", "EC", "ECG", "EEG", "EMG", "EOG", "EPS", "ES", "FD", "FS",
    "GM", "HC", "HD", "IVOCT", "IVUS", "LP", "OCT", "OT", "POS", "RESP", "RG", "TG", "US", "XC",
})  # fmt: skip
"""Modalities whose devices write into their images as a rule, or photograph and capture."""

QUIET = frozenset({"CT", "MR", "NM", "PT", "RTDOSE", "SEG"})
"""Modalities whose acquired images carry no text; what was derived from them may."""

VOLUMES = frozenset({"CT", "MR", "PT"})
"""Modalities whose volumes a face can be rendered from."""

SCREENS = frozenset({
    "SCREEN SAVE", "SCREEN_SAVE", "SCREENSAVE", "SCREEN", "CAPTURE", "DOSE", "DOSE INFO",
    "DOSE_INFO", "PROTOCOL", "REPORT", "CSA REPORT", "SUMMARY", "PHOTO", "PATIENT", "RESULT",
    "GRAPH", "CURVE", "TABLE", "PRINT", "SCANNED",
})  # fmt: skip
"""Terms of ImageType for pages, screens and photographs."""

LABELS = frozenset({"LABEL", "OVERVIEW", "THUMBNAIL"})
"""Terms of ImageType (PS3.3 C.8.12.4.1.1) for images that show a slide's label."""

DERIVED = frozenset({"SECONDARY"})

KNOWN_TERMS = SCREENS | LABELS | DERIVED
"""The terms of ImageType that triage asks for; what else stands there may be anything."""

_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_DOCUMENTS = "1.2.840.10008.5.1.4.1.1.104."
_PRESENTATIONS = "1.2.840.10008.5.1.4.1.1.11."
_VIDEO = "1.2.840.10008.1.2.4.10"
"""The beginnings of the transfer syntaxes of MPEG-2, MPEG-4 and HEVC (4.100 to 4.108)."""

_VIDEOS = frozenset(f"{_VIDEO}{n}{e}" for n in range(9) for e in ("", ".1"))

_RISKS = {
    RiskReason.DECLARED: Risk.RED,
    RiskReason.RECOGNIZABLE: Risk.RED,
    RiskReason.DEVICE_DRAWS_TEXT: Risk.RED,
    RiskReason.SECONDARY_CAPTURE: Risk.RED,
    RiskReason.SCREEN: Risk.RED,
    RiskReason.LABEL: Risk.RED,
    RiskReason.COLOUR: Risk.RED,
    RiskReason.DOCUMENT: Risk.RED,
    RiskReason.VIDEO: Risk.RED,
}
"""The reasons that make an instance red; all others make it amber."""

LEAST_FACE_MM = 60.0
"""A volume that measures less along an axis is taken to hold no face that can be recognized.

Eyes, nose and mouth take about 100 mm from brow to chin; 60 mm keep partial faces in.
"""

COARSEST_FACE_MM = 8.0
"""Volumes sampled more coarsely along an axis are taken to show no face; published matches were
made at 1 to 1.5 mm, so this is generous."""


def assess(facts: RiskFacts) -> Assessment:
    """Return an instance's risk with every reason for it.

    ``face`` says that its header names a head, or does not exclude one, in a modality whose
    volumes can be rendered; `may_show_face` tells more once the volume's extent is known.
    """
    reasons = tuple(dict.fromkeys((*_of_header(facts), *_of_pixels(facts))))
    face = _face(facts)
    if face and facts.head is HeadEvidence.STATED:
        reasons = (*reasons, RiskReason.HEAD)
    risks = {_RISKS.get(reason, Risk.AMBER) for reason in reasons}
    risk = Risk.RED if Risk.RED in risks else Risk.AMBER if risks else Risk.GREEN
    return Assessment(risk, reasons, face)


def _of_header(facts: RiskFacts) -> Iterator[RiskReason]:
    """Yield the reasons that hold with or without pixels."""
    if facts.burned_in is Declared.YES:
        yield RiskReason.DECLARED
    if facts.recognizable is Declared.YES:
        yield RiskReason.RECOGNIZABLE
    if facts.sop_class_uid.startswith(_DOCUMENTS):
        yield RiskReason.DOCUMENT
    if facts.sop_class_uid.startswith(_PRESENTATIONS) or facts.has_graphics:
        yield RiskReason.GRAPHICS
    if facts.has_overlays:
        yield RiskReason.OVERLAY
    if facts.has_icon:
        yield RiskReason.ICON


def _of_pixels(facts: RiskFacts) -> Iterator[RiskReason]:
    if not facts.has_pixels:
        return
    yield from _of_modality(facts)
    if facts.was_converted or _is_class(facts.sop_class_uid, _SECONDARY_CAPTURE):
        yield RiskReason.SECONDARY_CAPTURE
    if facts.image_type & SCREENS:
        yield RiskReason.SCREEN
    if facts.image_type & LABELS:
        yield RiskReason.LABEL
    if facts.image_type & DERIVED:
        yield RiskReason.DERIVED
    if facts.regions and not _covers(facts):
        yield RiskReason.OUTSIDE_REGIONS
    if facts.transfer_syntax_uid in _VIDEOS:
        yield RiskReason.VIDEO


def _of_modality(facts: RiskFacts) -> Iterator[RiskReason]:
    if facts.modality in DRAWING:
        yield RiskReason.DEVICE_DRAWS_TEXT
    elif facts.modality not in MODALITIES:
        yield RiskReason.UNKNOWN_MODALITY
    elif facts.modality not in QUIET:
        yield RiskReason.TEXT_IS_COMMON
    elif facts.samples > 1:
        yield RiskReason.COLOUR


def _is_class(uid: str, root: str) -> bool:
    return uid == root or uid.startswith(f"{root}.")


def _covers(facts: RiskFacts) -> bool:
    """Return whether one region is the whole image."""
    return any(
        area.row <= 0
        and area.column <= 0
        and area.row + area.rows >= facts.rows
        and area.column + area.columns >= facts.columns
        for area in facts.regions
    )


def _face(facts: RiskFacts) -> bool:
    if facts.modality not in VOLUMES or not facts.has_pixels:
        return False
    is_stated = facts.head is HeadEvidence.STATED
    return is_stated or (facts.head is HeadEvidence.NOT_SAID and _is_large(facts.extent_mm))


def _is_large(extent_mm: tuple[float, ...] | None) -> bool:
    return extent_mm is None or min(extent_mm) >= LEAST_FACE_MM


def may_show_face(
    facts: RiskFacts, extent_mm: tuple[float, float, float], spacing_mm: tuple[float, float, float]
) -> bool:
    """Return whether a CT, MR or PET volume may show a face that can be recognized.

    A rule to warn by, not to clear by: a head that the header states is always warned of, and
    one that nothing excludes wherever the volume is large and fine enough to hold a face.

    Parameters
    ----------
    facts : RiskFacts
        Of any of the volume's instances.
    extent_mm, spacing_mm : (float, float, float)
        What the volume measures, and its sampling, along (slices, rows, columns).
    """
    if facts.modality not in VOLUMES:
        return False
    if facts.head is HeadEvidence.STATED:
        return True
    fine = max(spacing_mm) <= COARSEST_FACE_MM
    return facts.head is not HeadEvidence.EXCLUDED and fine and _is_large(extent_mm)
