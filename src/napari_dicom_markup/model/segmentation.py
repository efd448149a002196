"""A DICOM Segmentation as it is read: its segments, and frames that are decoded when asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from numpy.typing import NDArray

from napari_dicom_markup.model.code import Code
from napari_dicom_markup.model.geometry import Vector

Rgb: TypeAlias = tuple[float, float, float]
FrameReader: TypeAlias = Callable[[int], NDArray[Any]]
"""Returns the stored values (rows, columns) of a frame, counted from 0."""


class SegmentationKind(StrEnum):
    """How frames say what is in a segment (SegmentationType, PS3.3 C.8.20.2)."""

    BINARY = "BINARY"
    FRACTIONAL = "FRACTIONAL"
    LABELMAP = "LABELMAP"


class FractionalKind(StrEnum):
    """What a fraction is (SegmentationFractionalType, PS3.3 C.8.20.2.3)."""

    PROBABILITY = "PROBABILITY"
    OCCUPANCY = "OCCUPANCY"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Segment:
    """What a segment number stands for (Segment Description macro, PS3.3 table C.8.20-4).

    ``color`` is red, green and blue from 0 to 1 (sRGB), None where the object states none.
    ``label`` and ``algorithm`` are free text.
    """

    number: int
    label: str = field(default="", repr=False)
    algorithm_type: str = ""
    algorithm: str = field(default="", repr=False)
    category: Code | None = None
    property_type: Code | None = None
    color: Rgb | None = None


@dataclass(frozen=True, slots=True)
class FrameReference:
    """An image that a frame was derived from; ``frame`` counts from 0, None means all of it."""

    sop_instance_uid: str = field(repr=False)
    frame: int | None = None


@dataclass(frozen=True, slots=True)
class SegmentFrame:
    """Where one frame lies: LPS mm as in the Image Plane module (PS3.3 C.7.6.2).

    ``segment`` is None where the frame names none, and in a LABELMAP, whose values name them.
    ``spacing`` is (between rows, between columns).
    """

    number: int
    segment: int | None
    position: Vector | None = field(repr=False)
    orientation: tuple[float, ...] | None = field(repr=False)
    spacing: tuple[float, float] | None
    references: tuple[FrameReference, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class SegmentedImages:
    """The images that a segmentation says it belongs to."""

    frame_of_reference_uid: str = field(default="", repr=False)
    series_uids: frozenset[str] = field(default=frozenset(), repr=False)
    instance_uids: frozenset[str] = field(default=frozenset(), repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """A Segmentation object (PS3.3 A.51 and A.86) without its pixels, which ``read`` decodes.

    ``relative`` names its file. ``maximum`` is the stored value of the fraction 1.
    ``background`` is the value of a LABELMAP that is no segment. ``notes`` say what is odd.
    """

    relative: str = field(repr=False)
    kind: SegmentationKind
    rows: int
    columns: int
    segments: tuple[Segment, ...]
    frames: tuple[SegmentFrame, ...]
    images: SegmentedImages
    read: FrameReader = field(repr=False)
    fractional: FractionalKind = FractionalKind.UNKNOWN
    maximum: int = 1
    background: int = 0
    notes: tuple[str, ...] = ()
