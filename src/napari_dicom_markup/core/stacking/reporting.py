"""What a reader of a stack should know about its geometry."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_dicom_markup.core.stacking.partition import is_length
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
    from collections.abc import Iterator, Sequence

    from napari_dicom_markup.model.stack import Frame

TILT_TOLERANCE_DEGREES = 0.1
"""A stack whose slices shift by less is not tilted: positions are written with few decimals."""

MOVE_TOLERANCE = 0.005
"""Volumes whose slices move by a smaller share of the step count as lying at one place."""

_POSITIONS_SAID = 8
"""Positions of missing slices that a text holds; the report has all of them."""


def report(geometry: StackGeometry, slices: Sequence[Frame]) -> list[GeometryReport]:
    """Return what a reader of this stack should know about its geometry."""
    if geometry.patient is None:
        return _report_flat(geometry, slices[0])
    reports = []
    if len(slices) > 1:
        steps = take_steps(np.array(geometry.patient.origins), geometry.patient.normal)
        first = float(np.array(geometry.patient.origins[0]) @ geometry.patient.normal)
        reports += _report_gaps(steps, first, slices)
        reports += _report_uneven(steps, slices)
        reports += _report_tilt(geometry.patient, geometry.spacing)
        reports += _report_shift(geometry.patient, geometry.spacing, slices)
        reports += _report_thickness(geometry.spacing[0], slices[0])
    elif geometry.slice_spacing_source is not SliceSpacingSource.SPACING_BETWEEN_SLICES:
        source = geometry.slice_spacing_source
        text = f"single slice: {geometry.spacing[0]:g} mm between slices from {source}"
        reports.append(GeometryReport(ReportKind.THICKNESS, text))
    return reports


def _report_flat(geometry: StackGeometry, frame: Frame) -> list[GeometryReport]:
    if frame.position is not None or frame.grid.orientation is not None:
        text = (
            "PixelSpacing or the plane's position or orientation is missing or not valid: "
            "no patient geometry"
        )
        return [GeometryReport(ReportKind.SPACING, text)]
    if geometry.spacing_source is SpacingSource.NONE:
        text = "no pixel spacing is stated: lengths are in pixels"
        return [GeometryReport(ReportKind.UNSCALED, text)]
    if geometry.spacing_source is not SpacingSource.PIXEL_SPACING:
        text = f"in-plane spacing is {geometry.spacing_source}"
        return [GeometryReport(ReportKind.SPACING, text)]
    return []


def report_moves(
    geometry: StackGeometry, volumes: Sequence[Sequence[Frame]]
) -> list[GeometryReport]:
    """Return how far the slices of further volumes lie beside those of the first."""
    if geometry.patient is None or len(volumes) < 2:
        return []
    positions = np.array([[f.position for f in volume] for volume in volumes], dtype=np.float64)
    most = float(np.abs((positions - positions[0]) @ geometry.patient.normal).max())
    if most <= MOVE_TOLERANCE * geometry.spacing[0]:
        return []
    text = f"slices of other volumes lie up to {most:.3g} mm beside the first volume's, along the "
    text += "normal: all are shown where those of the first lie"
    return [GeometryReport(ReportKind.SHIFT, text)]


def _report_gaps(steps: Steps, first: float, slices: Sequence[Frame]) -> list[GeometryReport]:
    """Report missing slices: distances of two steps or more.

    Their positions are in mm along the normal, as position · normal of the other slices.
    """
    counts = [round(count) for count in steps.counts.tolist()]
    gaps = [k for k, whole in enumerate(steps.is_whole) if whole and counts[k] > 1]
    if not gaps:
        return []
    missing = sum(counts[k] - 1 for k in gaps)
    places = ", ".join(f"{k + 1} and {k + 2}" for k in gaps[:5])
    more = f" and {len(gaps) - 5} more gaps" if len(gaps) > 5 else ""
    noun = "slice of" if missing == 1 else "slices of"
    verb = "is" if missing == 1 else "are"
    text = f"{missing} {noun} {steps.step:g} mm {verb} missing, between slices {places}{more}"
    lacking = tuple(_lacking(steps, first, gaps, counts))
    said = ", ".join(f"{position:.4g}" for position in lacking[:_POSITIONS_SAID])
    text += f"; at {said}{', …' if len(lacking) > _POSITIONS_SAID else ''} mm along the normal"
    return [GeometryReport(ReportKind.GAP, text, _names(slices, gaps), lacking)]


def _lacking(
    steps: Steps, first: float, gaps: Sequence[int], counts: Sequence[int]
) -> Iterator[float]:
    """Yield where along the normal slices are missing, the first 10,000 of them."""
    before = np.concatenate(([0.0], np.cumsum(steps.distances)))
    left = _MOST_LACKING
    for gap in gaps:
        lacking = min(counts[gap] - 1, left)
        for n in range(1, lacking + 1):
            yield round(first - float(before[gap]) - n * steps.step, 6)
        left -= lacking


_MOST_LACKING = 10_000
"""Slices that a stack is believed to lack; positions of other scans make longer gaps."""


def _report_uneven(steps: Steps, slices: Sequence[Frame]) -> list[GeometryReport]:
    """Report distances that are no whole steps, and how far the affine is off where it matters."""
    if steps.is_even:
        return []
    uneven = [k for k, whole in enumerate(steps.is_whole) if not whole]
    low, high = float(steps.distances.min()), float(steps.distances.max())
    text = f"steps between slices are uneven: {low:g} to {high:g} mm, median {steps.step:g} mm"
    if steps.drift_mm > steps.step / 2:
        text += f"; the affine puts slices up to {steps.drift_mm:.3g} mm beside their own positions"
    return [GeometryReport(ReportKind.UNEVEN, text, _names(slices, uneven))]


def _names(slices: Sequence[Frame], after: Sequence[int]) -> tuple[str, ...]:
    both = sorted({k for start in after for k in (start, start + 1)})
    return tuple(dict.fromkeys(slices[k].file.relative for k in both))


def _report_tilt(frame: PatientFrame, spacing: Vector) -> list[GeometryReport]:
    """Report a gantry tilt, seen in the positions alone: slices shift along the rows or columns."""
    down = float(np.dot(frame.step, frame.column))
    across = float(np.dot(frame.step, frame.row))
    angle = math.degrees(math.atan2(math.hypot(down, across), spacing[0]))
    if angle < TILT_TOLERANCE_DEGREES:
        return []
    along, shift = ("columns", down) if abs(down) >= abs(across) else ("rows", across)
    onward = "down" if along == "columns" else "right"
    towards = onward if shift > 0 else {"down": "up", "right": "left"}[onward]
    text = f"tilted by {angle:.1f}°: each slice is shifted by {math.hypot(down, across):.3g} mm"
    text += f" along the {along} ({towards} in the image) from the one before; "
    text += "napari shows the slices unshifted, the affine has the shift"
    return [GeometryReport(ReportKind.TILT, text)]


def _report_shift(
    frame: PatientFrame, spacing: Vector, slices: Sequence[Frame]
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
    files = tuple(dict.fromkeys(slices[k].file.relative for k in wrong.tolist()))
    return [GeometryReport(ReportKind.SHIFT, text, files)]


def _report_thickness(distance: float, frame: Frame) -> list[GeometryReport]:
    thickness = frame.grid.slice_thickness
    if (
        thickness is None
        or not is_length(thickness)
        or abs(thickness - distance) <= 0.05 * distance
    ):
        return []
    word = "overlap" if thickness > distance else "leave gaps"
    text = f"slices of {thickness:g} mm every {distance:g} mm: they {word}"
    return [GeometryReport(ReportKind.THICKNESS, text)]
