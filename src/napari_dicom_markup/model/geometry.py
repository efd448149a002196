"""Where a stack lies: DICOM's patient coordinates, LPS, in millimetres.

A stack's voxels are indexed (slice, row, column). Slices run in descending order along the
normal n = row × column (PS3.3 C.7.6.2.1.1), so an axial stack begins at the head.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Vector: TypeAlias = tuple[float, float, float]
FloatArray: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PatientFrame:
    """A stack's place in the patient (PS3.3 C.7.6.2, Image Plane).

    ``row`` is the direction in which the column index grows, ``column`` the direction in which
    the row index grows: the two triples of ImageOrientationPatient, as unit vectors.
    ``origins`` holds each slice's ImagePositionPatient, ``step`` the LPS vector from one slice
    to the next: the step that the positions show, sheared where the stack is tilted.
    """

    frame_of_reference_uid: str = field(repr=False)
    row: Vector
    column: Vector
    step: Vector
    origins: tuple[Vector, ...]

    @property
    def normal(self) -> FloatArray:
        """Unit normal of the planes, row × column."""
        n = np.cross(np.array(self.row), np.array(self.column))
        unit: FloatArray = n / np.linalg.norm(n)
        return unit


class SpacingSource(StrEnum):
    """Which attribute the in-plane spacing comes from, and so what it means."""

    PIXEL_SPACING = "PixelSpacing"
    IMAGER = "ImagerPixelSpacing (at the detector, not in the patient)"
    MAGNIFIED = (
        "ImagerPixelSpacing / EstimatedRadiographicMagnificationFactor (estimated for the patient)"
    )
    REGION = "PhysicalDelta of the ultrasound region (in the patient)"
    NOMINAL = "NominalScannedPixelSpacing (of the scanned film)"
    NONE = "none (pixels)"


class SliceSpacingSource(StrEnum):
    """Where the distance between slices comes from."""

    POSITIONS = "positions"
    SPACING_BETWEEN_SLICES = "SpacingBetweenSlices"
    SLICE_THICKNESS = "SliceThickness"
    ASSUMED = "assumed 1 mm"


@dataclass(frozen=True, slots=True)
class StackGeometry:
    """Spacing of a stack, and its place in the patient where the object states one.

    ``spacing`` is (slice, row, column) in millimetres, or in pixels when ``in_mm`` is false.
    The slice spacing of several slices is the step along the normal that the positions show, and
    the lower median where their steps are uneven.
    """

    spacing: Vector
    in_mm: bool
    spacing_source: SpacingSource
    slice_spacing_source: SliceSpacingSource
    patient: PatientFrame | None

    def affine_lps(self) -> FloatArray | None:
        """Return the 4 × 4 matrix from (slice, row, column) to LPS mm, or None outside a patient.

        For slice s, row r, column c: origin + s·step + r·Δr·column + c·Δc·row
        (PS3.3 C.7.6.2.1.1, extended by the slice step).
        """
        if self.patient is None:
            return None
        affine = np.eye(4)
        affine[:3, 0] = self.patient.step
        affine[:3, 1] = np.array(self.patient.column) * self.spacing[1]
        affine[:3, 2] = np.array(self.patient.row) * self.spacing[2]
        affine[:3, 3] = self.patient.origins[0]
        return affine


class ReportKind(StrEnum):
    """What a GeometryReport is about."""

    TILT = "tilt"
    SHIFT = "in-plane shift"
    GAP = "missing slices"
    UNEVEN = "uneven steps"
    THICKNESS = "thickness differs from step"
    SPACING = "spacing"
    INCOMPLETE = "incomplete volume"
    REPEATED = "repeated positions"
    UNSCALED = "no spacing"


@dataclass(frozen=True, slots=True)
class GeometryReport:
    """One thing about a stack's geometry that a reader of the images should know.

    ``message`` holds no patient data and no file name; ``files`` names the files concerned,
    relative to the folder that was opened. ``positions`` are those of missing slices, in mm
    along the stack's normal.
    """

    kind: ReportKind
    message: str
    files: tuple[str, ...] = field(default=(), repr=False)
    positions: tuple[float, ...] = field(default=(), repr=False)
