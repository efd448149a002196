"""Contours in the patient: the ROIs of an RT Structure Set (PS3.3 A.19, C.8.8.5, C.8.8.6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, TypeAlias

from napari_dicom_markup.model.code import Code
from napari_dicom_markup.model.geometry import FloatArray

Rgb: TypeAlias = tuple[int, int, int]


class GeometricType(StrEnum):
    """What the points of a contour make (Contour Geometric Type, PS3.3 C.8.8.6.1)."""

    POINT = "POINT"
    OPEN_PLANAR = "OPEN_PLANAR"
    OPEN_NONPLANAR = "OPEN_NONPLANAR"
    CLOSED_PLANAR = "CLOSED_PLANAR"
    CLOSEDPLANAR_XOR = "CLOSEDPLANAR_XOR"

    @property
    def is_closed(self) -> bool:
        """Whether the contour bounds an area."""
        return self in {GeometricType.CLOSED_PLANAR, GeometricType.CLOSEDPLANAR_XOR}


@dataclass(frozen=True, slots=True, eq=False)
class Contour:
    """Points in the patient, (n, 3) float64 in LPS mm, and the images that they were drawn on.

    A closed contour's last point is joined to its first.
    """

    kind: GeometricType
    points: FloatArray = field(repr=False)
    image_uids: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class ContourProblem:
    """What is wrong with a contour of an ROI, ``count`` times, and what was done about it.

    ``roi`` is the ROI number, None where there is none. The reason holds no value of the file.
    """

    roi: int | None
    reason: str
    count: int = 1

    @property
    def text(self) -> str:
        """The problem as a line to show."""
        where = "no ROI" if self.roi is None else f"ROI {self.roi}"
        return f"{where}: {self.reason}" + (f" ({self.count} times)" if self.count > 1 else "")


@dataclass(frozen=True, slots=True, eq=False)
class Roi:
    """A region of interest: what it is, and its contours.

    ``interpreted_type`` is RTROIInterpretedType (PTV, ORGAN, EXTERNAL…), ``algorithm`` how it
    was generated, ``codes`` RTROIIdentificationCodeSequence, ``roles`` the codes of its
    therapeutic role (PS3.3 C.8.8.8). ``name`` is free text.
    """

    number: int
    name: str = field(default="", repr=False)
    color: Rgb | None = None
    interpreted_type: str = ""
    algorithm: str = ""
    codes: tuple[Code, ...] = ()
    roles: tuple[Code, ...] = ()
    frame_of_reference_uid: str = field(default="", repr=False)
    contours: tuple[Contour, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class StructureSet:
    """The ROIs of one RT Structure Set, and the frames, series and images that it refers to.

    ``problems`` names every contour that could not be read.
    """

    sop_instance_uid: str = field(repr=False)
    rois: tuple[Roi, ...]
    frame_of_reference_uids: frozenset[str] = field(default=frozenset(), repr=False)
    series_uids: frozenset[str] = field(default=frozenset(), repr=False)
    image_uids: frozenset[str] = field(default=frozenset(), repr=False)
    problems: tuple[ContourProblem, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Polygons:
    """One ROI's contours of one kind in a stack's voxels, as napari's Shapes and Points take them.

    Each array of ``data`` is (n, 3) float64: slice, row, column, whole numbers at centres of
    pixels; for ``points`` there is one array. ``name`` is free text.
    """

    roi: int
    kind: Literal["polygon", "path", "points"]
    data: tuple[FloatArray, ...] = field(repr=False)
    color: Rgb
    name: str = field(default="", repr=False)
