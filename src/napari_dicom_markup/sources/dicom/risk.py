"""What triage and templates need of a header, and no free text of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_dicom_markup.model.redaction import Area, Declared, HeadEvidence, RiskFacts
from napari_dicom_markup.sources.dicom.lenient import (
    functional_group,
    integer,
    items,
    pydicom_errors,
    read_elements,
    text,
    texts,
)
from napari_dicom_markup.sources.quiet import quiet_pydicom
from napari_dicom_markup.standard.modalities import MODALITIES

if TYPE_CHECKING:
    from pydicom import Dataset

    from napari_dicom_markup.model.stack import Instance

_LARGEST = 1 << 16
"""Coordinates of ultrasound regions beyond this are no pixels."""

HEAD_CODES = frozenset({
    "69536005", "T-D1100", "12738006", "T-A0100", "89546000", "T-11100", "89545001", "T-D1200",
    "774007", "T-D1000", "45048000", "T-D1600", "363654007", "T-D1480", "81745001", "T-AA000",
    "39607008", "T-D0010", "38266002", "2095001", "T-22000",
})  # fmt: skip
"""Codes of head, brain, skull, face, head and neck, neck, orbit, eye, whole body and sinuses."""

_HEAD = re.compile(
    r"HEAD|BRAIN|SKULL|\bFACE|FACIAL|NECK|ORBIT|SINUS|CRANI|CEREB|NEURO|\bEYE|\bEAR|\bIAC|PITUIT"
    r"|\bJAW|TMJ|MANDIB|MAXIL|DENTAL|TEETH|NASO|NOSE|WHOLE ?BODY|CAROTID|WILLIS"
    r"|KOPF|SCHAEDEL|SCHÄDEL|HIRN"
    r"|GEHIRN|HALS|TETE|TÊTE|CRANE|CRÂNE|CERV|CABEZA|CEREBRO|CRANEO|CRÁNEO|TESTA|CERVELLO"
    r"|ENCEF|CSPINE|C.SPINE",
)
"""Words of BodyPartExamined (PS3.16 annex L) and of descriptions that tell of a head, also in a
few other languages; the cervical spine's images show the lower face."""

_ELSEWHERE = frozenset({
    "ABDOMEN", "ABDOMENPELVIS", "ANKLE", "ARM", "BLADDER", "BREAST", "CALCANEUS", "CHESTABDOMEN",
    "COLON", "ELBOW", "EXTREMITY", "FEMUR", "FINGER", "FOOT", "FOREARM", "HAND", "HEART", "HIP",
    "HUMERUS", "KIDNEY", "KNEE", "LEG", "LIVER", "LSPINE", "LUMBAR", "PANCREAS", "PELVIS",
    "PROSTATE", "RECTUM", "SACRUM", "SHOULDER", "SSPINE", "THIGH", "THUMB", "TIBIA", "TOE",
    "UTERUS", "WRIST", "SPLEEN", "LOWER LIMB", "UPPER LIMB", "HIPJOINT", "KNEEJOINT",
})  # fmt: skip
"""Body parts whose images show no face; the chest is none of them: the chin is often in it."""

_DESCRIPTIONS = (
    "StudyDescription", "SeriesDescription", "ProtocolName", "RequestedProcedureDescription",
    "PerformedProcedureStepDescription",
)  # fmt: skip


@quiet_pydicom()
def read_risk_facts(
    instance: Instance,
    raw: bytes | memoryview | None = None,
    known_terms: frozenset[str] = frozenset(),
) -> RiskFacts:
    """Return what a header says of the risk that its pixels show who the patient is.

    Parameters
    ----------
    instance : Instance
        What a scan has found out about the file.
    raw : bytes-like, optional
        The file, at least up to its pixels; read from the disk where not given.
    known_terms : frozenset of str
        The terms of ImageType to keep: ``core.redacting.triage.KNOWN_TERMS``.

    Raises
    ------
    DecodeError
        Where the header cannot be read.
    """
    data_set = read_elements(instance, raw)
    pixels = instance.pixels
    return RiskFacts(
        sop_class_uid=instance.sop_class_uid,
        modality=_modality(data_set),
        transfer_syntax_uid=instance.transfer_syntax_uid,
        has_pixels=pixels is not None,
        rows=pixels.rows if pixels else 0,
        columns=pixels.columns if pixels else 0,
        frames=pixels.frames if pixels else 0,
        samples=pixels.samples if pixels else 0,
        image_type=_image_type(data_set, known_terms),
        was_converted=bool(text(data_set, "ConversionType")),
        burned_in=_declared(data_set, "BurnedInAnnotation"),
        recognizable=_declared(data_set, "RecognizableVisualFeatures"),
        regions=_regions(data_set),
        has_overlays=has_overlays(data_set),
        has_icon=bool(items(data_set, "IconImageSequence")),
        has_graphics=bool(items(data_set, "GraphicAnnotationSequence")),
        head=_head(data_set),
        extent_mm=_extent(instance),
        device=(text(data_set, "Manufacturer"), text(data_set, "ManufacturerModelName")),
    )


def _modality(data_set: Dataset) -> str:
    stated = text(data_set, "Modality").upper()
    return stated if stated in MODALITIES else ""


def _image_type(data_set: Dataset, known_terms: frozenset[str]) -> frozenset[str]:
    stated = {term.upper() for term in texts(data_set, "ImageType")}
    for group in functional_group(data_set, "CTImageFrameTypeSequence"):
        stated |= {term.upper() for term in texts(group, "FrameType")}
    return frozenset(stated & known_terms)


def _declared(data_set: Dataset, keyword: str) -> Declared:
    known = {"YES": Declared.YES, "NO": Declared.NO}
    return known.get(text(data_set, keyword).upper(), Declared.NOT_SAID)


def _regions(data_set: Dataset) -> tuple[Area, ...]:
    """Return ultrasound regions (PS3.3 C.8.5.5.1); their last row and column belong to them.

    One that is broken leaves none: what it would have covered is not known.
    """
    found = [_region(region) for region in items(data_set, "SequenceOfUltrasoundRegions")]
    return tuple(area for area in found if area is not None) if None not in found else ()


def _region(region: Dataset) -> Area | None:
    corners = [
        integer(region, f"RegionLocation{name}") for name in ("MinX0", "MinY0", "MaxX1", "MaxY1")
    ]
    left, top, right, bottom = (-1 if corner is None else corner for corner in corners)
    if not (0 <= left <= right < _LARGEST and 0 <= top <= bottom < _LARGEST):
        return None
    return Area(top, left, bottom - top + 1, right - left + 1)


def has_overlays(data_set: Dataset) -> bool:
    """Return whether the data set has an element of an overlay group, 6000 to 60FF."""
    try:
        return any(0x6000 <= tag >> 16 <= 0x60FF for tag in data_set.keys())  # noqa: SIM118
    except pydicom_errors():
        return True


def _head(data_set: Dataset) -> HeadEvidence:
    """Return what body part, anatomic region and descriptions say of a head; none is kept."""
    regions = [
        *items(data_set, "AnatomicRegionSequence"),
        *(
            region
            for group in functional_group(data_set, "FrameAnatomySequence")
            for region in items(group, "AnatomicRegionSequence")
        ),
    ]
    part = text(data_set, "BodyPartExamined").upper()
    words = [part, *(text(data_set, keyword).upper() for keyword in _DESCRIPTIONS)]
    if any(text(region, "CodeValue") in HEAD_CODES for region in regions):
        return HeadEvidence.STATED
    if any(_HEAD.search(word) for word in words):
        return HeadEvidence.STATED
    return HeadEvidence.EXCLUDED if part in _ELSEWHERE else HeadEvidence.NOT_SAID


def _extent(instance: Instance) -> tuple[float, float] | None:
    pixels, spacing = instance.pixels, instance.grid.pixel_spacing
    if pixels is None or spacing is None:
        return None
    return pixels.rows * spacing[0], pixels.columns * spacing[1]
