"""The geometry of a stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from napari_dicom_markup.core.stacking.ordering import unit_normal
from napari_dicom_markup.core.stacking.partition import has_patient_plane, is_length
from napari_dicom_markup.core.stacking.stepping import take_steps
from napari_dicom_markup.model.geometry import (
    PatientFrame,
    SliceSpacingSource,
    SpacingSource,
    StackGeometry,
    Vector,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicom_markup.model.geometry import FloatArray
    from napari_dicom_markup.model.stack import Frame

_SOURCES = {
    "PixelSpacing": SpacingSource.PIXEL_SPACING,
    "ImagerPixelSpacing": SpacingSource.IMAGER,
    "NominalScannedPixelSpacing": SpacingSource.NOMINAL,
    "PhysicalDelta": SpacingSource.REGION,
}

_MAGNIFICATIONS = (0.1, 100.0)
"""Magnifications that are believed; 1 to 2 is usual, and 0 is written where none is known."""


def measure(slices: Sequence[Frame]) -> StackGeometry:
    """Return the geometry of one volume's slices, in descending order along the normal."""
    first = slices[0]
    if not has_patient_plane(first):
        return _measure_flat(first)
    row, column = _orthonormal(first)
    positions = np.array([i.position for i in slices], dtype=np.float64)
    step, distance, source = _slice_step(positions, first)
    down, across = cast("tuple[float, float]", first.grid.pixel_spacing)
    return StackGeometry(
        spacing=(distance, down, across),
        in_mm=True,
        spacing_source=SpacingSource.PIXEL_SPACING,
        slice_spacing_source=source,
        patient=PatientFrame(
            frame_of_reference_uid=first.grid.frame_of_reference_uid,
            row=row,
            column=column,
            step=_vector(step),
            origins=tuple((x, y, z) for x, y, z in positions.tolist()),
        ),
    )


def _measure_flat(frame: Frame) -> StackGeometry:
    """Return the geometry of an image outside a patient: its own spacing where it states one."""
    spacing = frame.grid.pixel_spacing
    known = spacing is not None and all(map(is_length, spacing))
    down, across = spacing if known and spacing is not None else (1.0, 1.0)
    source = _SOURCES.get(frame.grid.pixel_spacing_keyword) if known else None
    factor = frame.grid.magnification
    if source is SpacingSource.IMAGER and factor is not None and _is_magnification(factor):
        down, across, source = down / factor, across / factor, SpacingSource.MAGNIFIED
    return StackGeometry(
        spacing=(1.0, down, across),
        in_mm=known,
        spacing_source=source or SpacingSource.NONE,
        slice_spacing_source=SliceSpacingSource.ASSUMED,
        patient=None,
    )


def _is_magnification(factor: float) -> bool:
    return _MAGNIFICATIONS[0] <= factor <= _MAGNIFICATIONS[1] and factor != 1


def _orthonormal(frame: Frame) -> tuple[Vector, Vector]:
    """Return the two direction cosines as unit vectors."""
    orientation = np.array(frame.grid.orientation, dtype=np.float64)
    row, column = orientation[:3], orientation[3:]
    return _vector(row / np.linalg.norm(row)), _vector(column / np.linalg.norm(column))


def _slice_step(
    positions: FloatArray, frame: Frame
) -> tuple[FloatArray, float, SliceSpacingSource]:
    """Return the LPS vector between slices, its length along the normal, and its source."""
    normal = unit_normal(frame)
    if len(positions) > 1:
        distance = take_steps(positions, normal).step
        whole = positions[-1] - positions[0]
        return whole * (distance / -(whole @ normal)), distance, SliceSpacingSource.POSITIONS
    grid = frame.grid
    for value, source in (
        (grid.spacing_between_slices, SliceSpacingSource.SPACING_BETWEEN_SLICES),
        (grid.slice_thickness, SliceSpacingSource.SLICE_THICKNESS),
    ):
        if value is not None and is_length(value):
            return -normal * value, value, source
    return -normal, 1.0, SliceSpacingSource.ASSUMED


def _vector(values: FloatArray) -> Vector:
    x, y, z = (float(value) for value in values)
    return (x, y, z)
