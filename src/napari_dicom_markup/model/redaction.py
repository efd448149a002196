"""Identity in pixels: how likely it is, where it is proposed to be, and what to burn.

Nothing here holds a value of a header but the fields that are hidden from ``repr``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dicom_markup.model.stack import PixelFormat


class Risk(StrEnum):
    """How likely the pixels show who the patient is, as far as the header tells."""

    GREEN = "green"  # nothing speaks for it
    AMBER = "amber"  # seen to happen in such images
    RED = "red"  # to be expected


class RiskReason(StrEnum):
    """Why an instance is not green; a code that holds no value of its header."""

    DECLARED = "BurnedInAnnotation says YES"
    RECOGNIZABLE = "RecognizableVisualFeatures says YES"
    DEVICE_DRAWS_TEXT = "devices of this modality write names into the image"
    TEXT_IS_COMMON = "images of this modality now and then carry text"
    UNKNOWN_MODALITY = "the modality is none that is known"
    SECONDARY_CAPTURE = "the image was captured or scanned, not acquired"
    SCREEN = "ImageType says that it is a screen, a report or a photograph"
    LABEL = "ImageType says that it shows the label or the overview of a slide"
    DERIVED = "ImageType says SECONDARY"
    COLOUR = "a grey modality's image in colour is a rendering"
    OUTSIDE_REGIONS = "a part of the image is in no ultrasound region"
    OVERLAY = "it has overlay planes (60xx)"
    GRAPHICS = "it carries drawn text"
    DOCUMENT = "it is an encapsulated document"
    VIDEO = "it is a video"
    ICON = "it has an icon of an image"
    HEAD = "it may show a face in three dimensions"


class Declared(StrEnum):
    """What BurnedInAnnotation or RecognizableVisualFeatures says."""

    YES = "yes"
    NO = "no"
    NOT_SAID = ""


class HeadEvidence(StrEnum):
    """What the header says of a head in the image."""

    STATED = "stated"
    EXCLUDED = "excluded"
    NOT_SAID = ""


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle of pixels: its first row and column from 0, and how many of each."""

    row: int
    column: int
    rows: int
    columns: int


@dataclass(frozen=True, slots=True)
class RiskFacts:
    """What triage and templates need of a header: terms of the standard, and whom to compare with.

    ``image_type`` holds only the terms that triage knows, ``modality`` and ``photometric`` only
    defined ones; ``device`` is manufacturer and model, for `core.redacting.regions.template_key`.
    ``regions`` is the Sequence of Ultrasound Regions (PS3.3 C.8.5.5), ``extent_mm`` what one
    plane measures, (rows, columns).
    """

    sop_class_uid: str = ""
    modality: str = ""
    transfer_syntax_uid: str = ""
    has_pixels: bool = False
    rows: int = 0
    columns: int = 0
    frames: int = 1
    samples: int = 1
    image_type: frozenset[str] = frozenset()
    was_converted: bool = False
    burned_in: Declared = Declared.NOT_SAID
    recognizable: Declared = Declared.NOT_SAID
    regions: tuple[Area, ...] = ()
    has_overlays: bool = False
    has_icon: bool = False
    has_graphics: bool = False
    head: HeadEvidence = HeadEvidence.NOT_SAID
    extent_mm: tuple[float, float] | None = None
    device: tuple[str, str] = field(default=("", ""), repr=False)


@dataclass(frozen=True, slots=True)
class Assessment:
    """An instance's risk and every reason for it; ``face`` warns of a head beside that."""

    risk: Risk
    reasons: tuple[RiskReason, ...]
    face: bool = False


class BoxSource(StrEnum):
    """Who proposed a box."""

    REGIONS = "ultrasound regions"
    TEXT = "text-like structure"
    OCR = "read text"
    TEMPLATE = "same device and matrix"
    PERSON = "a person"


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle to burn, in the frames from ``first`` up to but not ``stop`` (None: the rest).

    ``score`` is from 0 to 1: how sure its source is.
    """

    area: Area
    first: int = 0
    stop: int | None = None
    score: float = 1.0
    source: BoxSource = BoxSource.PERSON


@dataclass(frozen=True, slots=True, eq=False)
class Burning:
    """Frames with boxes burnt in: ``frames`` as given, ``mask`` (frames, rows, columns) where."""

    frames: NDArray[Any] = field(repr=False)
    mask: NDArray[np.bool_] = field(repr=False)


@dataclass(frozen=True, slots=True)
class EncodedPixels:
    """Frames ready for a data set: native ones are one run of bytes, others a codestream each.

    ``parts`` is then one, or as many as there are frames (to be encapsulated, PS3.5 A.4);
    ``pixels`` is what the Image Pixel module has to say of them.
    """

    transfer_syntax_uid: str
    is_encapsulated: bool
    pixels: PixelFormat
    parts: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class ContactSheet:
    """All frames at one glance, reduced by ``step`` in both directions.

    Each image is (rows, columns) or (rows, columns, 3); ``outlines`` is uint8, 1 where a box's
    edge runs.
    """

    step: int
    greatest: NDArray[Any] = field(repr=False)
    least: NDArray[Any] = field(repr=False)
    deviation: NDArray[np.float32] = field(repr=False)
    outlines: NDArray[np.uint8] = field(repr=False)
