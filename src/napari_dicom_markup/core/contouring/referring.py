"""Which stack a structure set was drawn on, and which of its contours lie there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from napari_dicom_markup.core.contouring.placing import Fate, Grid, grid_of, place

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_dicom_markup.model.contours import Roi, StructureSet
    from napari_dicom_markup.model.geometry import FloatArray
    from napari_dicom_markup.model.stack import Stack


class Bond(IntEnum):
    """How closely a structure set is tied to a stack, the closest last."""

    NONE = 0
    FRAME_OF_REFERENCE = 1
    SERIES = 2
    IMAGES = 3


class Hold(IntEnum):
    """How well a stack holds a contour, the best last: not at all, near a slice, on one."""

    NOT = 0
    NEAR = 1
    ON = 2


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """A structure set's tie to a stack; the greatest of several belongs to the right stack.

    ``images`` counts the images of the stack that the structure set names.
    """

    bond: Bond
    images: int = 0


def reference_of(structure_set: StructureSet, stack: Stack) -> Reference:
    """Return how closely a structure set is tied to a stack."""
    names = structure_set.image_uids
    images = sum(frame.sop_instance_uid in names for frame in stack.frames)
    if images:
        return Reference(Bond.IMAGES, images)
    if any(frame.instance.series_uid in structure_set.series_uids for frame in stack.frames):
        return Reference(Bond.SERIES)
    is_near = shares_frame(structure_set, stack)
    return Reference(Bond.FRAME_OF_REFERENCE if is_near else Bond.NONE)


def holds(structure_set: StructureSet, stack: Stack) -> NDArray[np.int_]:
    """Return how well a stack holds each contour, ROI after ROI, as numbers of `Hold`.

    A stack without a place in a patient holds none.
    """
    counts = [len(roi.contours) for roi in structure_set.rois]
    held = np.zeros(sum(counts), np.int_)
    if stack.geometry.patient is None or not stack.geometry.in_mm:
        return held
    grid = grid_of(stack)
    start = 0
    for roi, count in zip(structure_set.rois, counts, strict=True):
        if lies_in(roi, stack):
            held[start : start + count] = _holds_of(roi, grid)
        start += count
    return held


def _holds_of(roi: Roi, grid: Grid) -> list[Hold]:
    filled = [number for number, one in enumerate(roi.contours) if len(one.points)]
    placement = place([roi.contours[number] for number in filled], grid)
    found = [Hold.NOT] * len(roi.contours)
    for number, fate, outline in zip(filled, placement.fates, placement.outlines, strict=True):
        if fate in _HOLDS and _is_seen(outline, grid):
            found[number] = _HOLDS[fate]
    return found


_HOLDS: dict[int, Hold] = {Fate.ON_SLICE: Hold.ON, Fate.NEAR_SLICE: Hold.NEAR}


def _is_seen(outline: FloatArray, grid: Grid) -> bool:
    """Say whether the box around an outline and the image have a part in common."""
    last = np.array([grid.rows, grid.columns]) - 0.5
    return bool((outline.max(axis=0) >= -0.5).all() and (outline.min(axis=0) <= last).all())


def part_of(structure_set: StructureSet, kept: NDArray[np.bool_]) -> StructureSet:
    """Return a structure set with some contours only, ROI after ROI as in `holds`.

    ROIs without contours stay, so the values of labels do too.
    """
    rois, start = [], 0
    for roi in structure_set.rois:
        own = kept[start : start + len(roi.contours)]
        contours = tuple(one for one, keep in zip(roi.contours, own, strict=True) if keep)
        rois.append(replace(roi, contours=contours))
        start += len(own)
    return replace(structure_set, rois=tuple(rois))


def refers_to(structure_set: StructureSet, stack: Stack) -> bool:
    """Say whether the structure set was drawn on this stack.

    The images that it names decide; where it names none, the series; where it names none
    either, the frame of reference. So a localizer in the series of the volume is not meant.
    """
    if structure_set.image_uids:
        return any(frame.sop_instance_uid in structure_set.image_uids for frame in stack.frames)
    if structure_set.series_uids:
        return any(frame.instance.series_uid in structure_set.series_uids for frame in stack.frames)
    return shares_frame(structure_set, stack)


def shares_frame(structure_set: StructureSet, stack: Stack) -> bool:
    """Say whether both lie in one frame of reference, so that contours may be laid on the stack.

    This holds for images that it was not drawn on too: the MR beside its CT, or images that
    were sent again under new UIDs.
    """
    return _frame_uid(stack) in structure_set.frame_of_reference_uids


def lies_in(roi: Roi, stack: Stack) -> bool:
    """Say whether an ROI's coordinates are the stack's.

    They are where it states the same frame of reference or none, or names one of the images.
    """
    if roi.frame_of_reference_uid in {"", _frame_uid(stack)}:
        return True
    named = {uid for contour in roi.contours for uid in contour.image_uids}
    return any(frame.sop_instance_uid in named for frame in stack.frames)


def _frame_uid(stack: Stack) -> str:
    patient = stack.geometry.patient
    return "" if patient is None else patient.frame_of_reference_uid
