"""The geometry of a stack, and what is wrong with it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import numpy as np

from napari_dicom_markup.core.stacking.folding import unit_normal
from napari_dicom_markup.core.stacking.partition import has_patient_plane, is_length
from napari_dicom_markup.core.stacking.stepping import Steps, take_steps
from napari_dicom_markup.model.geometry import (
    GeometryReport,
    PatientFrame,
    ReportKind,
    SliceSpacingSource,
    SpacingSource,
    StackGeometry,
    Vector,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicom_markup.model.geometry import FloatArray
    from napari_dicom_markup.model.stack import Instance

TILT_TOLERANCE_DEGREES = 0.1
"""A stack whose slices shift by less is not tilted: positions are written with few decimals."""

_SOURCES = {
    "PixelSpacing": SpacingSource.PIXEL_SPACING,
    "ImagerPixelSpacing": SpacingSource.IMAGER,
    "NominalScannedPixelSpacing": SpacingSource.NOMINAL,
}


def measure(slices: Sequence[Instance]) -> StackGeometry:
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


def _measure_flat(instance: Instance) -> StackGeometry:
    """Return the geometry of an image outside a patient: its own spacing where it states one."""
    spacing = instance.grid.pixel_spacing
    known = spacing is not None and all(map(is_length, spacing))
    down, across = spacing if known and spacing is not None else (1.0, 1.0)
    source = _SOURCES.get(instance.grid.pixel_spacing_keyword) if known else None
    return StackGeometry(
        spacing=(1.0, down, across),
        in_mm=known,
        spacing_source=source or SpacingSource.NONE,
        slice_spacing_source=SliceSpacingSource.ASSUMED,
        patient=None,
    )


def _orthonormal(instance: Instance) -> tuple[Vector, Vector]:
    """Return the two direction cosines as unit vectors."""
    orientation = np.array(instance.grid.orientation, dtype=np.float64)
    row, column = orientation[:3], orientation[3:]
    return _vector(row / np.linalg.norm(row)), _vector(column / np.linalg.norm(column))


def _slice_step(
    positions: FloatArray, instance: Instance
) -> tuple[FloatArray, float, SliceSpacingSource]:
    """Return the LPS vector between slices, its length along the normal, and its source."""
    normal = unit_normal(instance)
    if len(positions) > 1:
        distance = take_steps(positions, normal).step
        whole = positions[-1] - positions[0]
        return whole * (distance / -(whole @ normal)), distance, SliceSpacingSource.POSITIONS
    grid = instance.grid
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


def report(geometry: StackGeometry, slices: Sequence[Instance]) -> list[GeometryReport]:
    """Return what a reader of this stack should know about its geometry."""
    if geometry.patient is None:
        return _report_flat(geometry, slices[0])
    reports = []
    if len(slices) > 1:
        steps = take_steps(np.array(geometry.patient.origins), geometry.patient.normal)
        reports += _report_gaps(steps, slices)
        reports += _report_uneven(steps, slices)
        reports += _report_tilt(geometry.patient, geometry.spacing)
        reports += _report_shift(geometry.patient, geometry.spacing, slices)
        reports += _report_thickness(geometry.spacing[0], slices[0])
    elif geometry.slice_spacing_source is not SliceSpacingSource.SPACING_BETWEEN_SLICES:
        source = geometry.slice_spacing_source
        text = f"single slice: {geometry.spacing[0]:g} mm between slices from {source}"
        reports.append(GeometryReport(ReportKind.THICKNESS, text))
    return reports


def _report_flat(geometry: StackGeometry, instance: Instance) -> list[GeometryReport]:
    if instance.position is not None and instance.grid.orientation is not None:
        text = (
            "PixelSpacing or the plane's position or orientation is missing or not valid: "
            "no patient geometry"
        )
        return [GeometryReport(ReportKind.SPACING, text)]
    if geometry.spacing_source in {SpacingSource.IMAGER, SpacingSource.NOMINAL}:
        text = f"in-plane spacing is {geometry.spacing_source}"
        return [GeometryReport(ReportKind.SPACING, text)]
    return []


def _report_gaps(steps: Steps, slices: Sequence[Instance]) -> list[GeometryReport]:
    """Report missing slices: distances of two steps or more."""
    counts = [round(count) for count in steps.counts.tolist()]
    gaps = [k for k, whole in enumerate(steps.is_whole) if whole and counts[k] > 1]
    if not gaps:
        return []
    missing = sum(counts[k] - 1 for k in gaps)
    places = ", ".join(f"{k + 1} and {k + 2}" for k in gaps[:5])
    more = f" and {len(gaps) - 5} more gaps" if len(gaps) > 5 else ""
    text = f"{missing} slices of {steps.step:g} mm are missing, between slices {places}{more}"
    return [GeometryReport(ReportKind.GAP, text, _names(slices, gaps))]


def _report_uneven(steps: Steps, slices: Sequence[Instance]) -> list[GeometryReport]:
    """Report distances that are no whole steps, and how far the affine is off where it matters."""
    if steps.is_even:
        return []
    uneven = [k for k, whole in enumerate(steps.is_whole) if not whole]
    low, high = float(steps.distances.min()), float(steps.distances.max())
    text = f"steps between slices are uneven: {low:g} to {high:g} mm, median {steps.step:g} mm"
    if steps.drift_mm > steps.step / 2:
        text += f"; the affine puts slices up to {steps.drift_mm:.3g} mm beside their own positions"
    return [GeometryReport(ReportKind.UNEVEN, text, _names(slices, uneven))]


def _names(slices: Sequence[Instance], after: Sequence[int]) -> tuple[str, ...]:
    both = sorted({k for start in after for k in (start, start + 1)})
    return tuple(slices[k].file.relative for k in both)


def _report_tilt(frame: PatientFrame, spacing: Vector) -> list[GeometryReport]:
    """Report a gantry tilt, seen in the positions alone: slices shift along the rows or columns."""
    down = float(np.dot(frame.step, frame.column))
    across = float(np.dot(frame.step, frame.row))
    angle = math.degrees(math.atan2(math.hypot(down, across), spacing[0]))
    if angle < TILT_TOLERANCE_DEGREES:
        return []
    along = "columns" if abs(down) >= abs(across) else "rows"
    text = f"tilted by {angle:.1f}°: each slice is shifted by {math.hypot(down, across):.3g} mm"
    text += f" along the {along}; napari shows the slices unshifted, the affine has the shift"
    return [GeometryReport(ReportKind.TILT, text)]


def _report_shift(
    frame: PatientFrame, spacing: Vector, slices: Sequence[Instance]
) -> list[GeometryReport]:
    """Report slices whose in-plane origin is off the line through the stack by half a pixel."""
    origins = np.array(frame.origins)
    along = (origins[0] - origins) @ frame.normal
    off = origins - origins[0] - np.outer(along / spacing[0], frame.step)
    down, across = np.abs(off @ np.array(frame.column)), np.abs(off @ np.array(frame.row))
    wrong = np.flatnonzero((down > spacing[1] / 2) | (across > spacing[2] / 2))
    if not wrong.size:
        return []
    most = float(max(down.max(), across.max()))
    text = f"{wrong.size} slices lie up to {most:.3g} mm beside the others in their plane"
    files = tuple(slices[k].file.relative for k in wrong.tolist())
    return [GeometryReport(ReportKind.SHIFT, text, files)]


def _report_thickness(distance: float, instance: Instance) -> list[GeometryReport]:
    thickness = instance.grid.slice_thickness
    if (
        thickness is None
        or not is_length(thickness)
        or abs(thickness - distance) <= 0.05 * distance
    ):
        return []
    word = "overlap" if thickness > distance else "leave gaps"
    text = f"slices of {thickness:g} mm every {distance:g} mm: they {word}"
    return [GeometryReport(ReportKind.THICKNESS, text)]
