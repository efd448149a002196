"""Lay a segmentation on the grid of the stack that it refers to, as labels; nothing is resampled.

A frame goes to the voxels at its own position in the patient (`core.segmenting.grid`). Where the
stack or the frame has none, it goes to the image that it was derived from.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicom_markup.core.segmenting.grid import Misfit, Plane, Spot, StackGrid
from napari_dicom_markup.core.segmenting.layers import LabelmapLayers, SegmentLayers
from napari_dicom_markup.errors import LabelsError
from napari_dicom_markup.model.segmentation import SegmentationKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from napari_dicom_markup.model.markup import Labels
    from napari_dicom_markup.model.segmentation import Segmentation, SegmentFrame
    from napari_dicom_markup.model.stack import Stack

HALF = 0.5
"""A FRACTIONAL voxel is in its segment from this fraction on."""


class Bond(IntEnum):
    """How closely a segmentation is tied to a stack, the closest last."""

    NONE = 0
    FRAME_OF_REFERENCE = 1
    SERIES = 2
    IMAGES = 3


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """A segmentation's tie to a stack; the greatest of several belongs to the right stack.

    ``images`` counts the images of the stack that the segmentation names.
    """

    bond: Bond
    images: int = 0


@dataclass(frozen=True, slots=True)
class Placed:
    """Labels on a stack's grid, and what has to be said about them (no patient data)."""

    labels: tuple[Labels, ...]
    notes: tuple[str, ...]


def reference_of(segmentation: Segmentation, stack: Stack) -> Reference:
    """Return how closely a segmentation is tied to a stack."""
    images = segmentation.images
    named = sum(frame.sop_instance_uid in images.instance_uids for frame in stack.frames)
    if named:
        return Reference(Bond.IMAGES, named)
    if stack.frames[0].instance.series_uid in images.series_uids:
        return Reference(Bond.SERIES)
    is_same = _frame_of_reference(stack) == images.frame_of_reference_uid != ""
    return Reference(Bond.FRAME_OF_REFERENCE if is_same else Bond.NONE)


def refers_to(segmentation: Segmentation, stack: Stack) -> bool:
    """Return whether a segmentation names images of the stack, or the series that it is of."""
    return reference_of(segmentation, stack).bond >= Bond.SERIES


def place(segmentation: Segmentation, stack: Stack, threshold: float = HALF) -> Placed:
    """Return a segmentation's labels on a stack's grid.

    Parameters
    ----------
    segmentation : Segmentation
        What was read; its frames are decoded here.
    stack : Stack
        The images. A stack with leading axes gets labels of its (slices, rows, columns), unless
        frames refer to several of its volumes.
    threshold : float
        The fraction, above 0, from which on a FRACTIONAL voxel is in its segment.

    Raises
    ------
    LabelsError
        Where no frame fits the stack, with the reasons; or too many segments overlap.
    DecodeError
        Where a frame cannot be decoded.
    """
    spots = _Spots(segmentation, stack)
    if not spots.found:
        message = f"{segmentation.relative}: {spots.refusal()}"
        raise LabelsError(message)
    volumes = _Volumes(spots.volumes, stack)
    grid = stack.shape[-3:]
    shape = (*stack.shape[:-3], *grid) if volumes.are_several else grid
    is_map = segmentation.kind is SegmentationKind.LABELMAP
    notes = [*segmentation.notes, *spots.notes(), *volumes.notes()]
    flat = (math.prod(shape[:-3]), *grid)
    cropped = 0
    layers = LabelmapLayers(segmentation, flat) if is_map else SegmentLayers(segmentation, flat)
    least = _least(segmentation, threshold)
    for segment, frames in _by_segment(spots.found, is_map=is_map):
        for frame, spot in frames:
            plane = segmentation.read(frame.number)
            pixels = _without_background(plane, segmentation) if is_map else plane >= least
            held = spot.arranged(pixels)
            cropped += bool(np.count_nonzero(pixels) > np.count_nonzero(held))
            layers.add(held, spot.box, volumes.of(frame))
        layers.close(segment)
    notes += layers.notes() + _cropped_note(cropped) + _threshold_note(segmentation, least)
    return Placed(layers.labels(shape), tuple(notes))


def _by_segment(
    found: Sequence[tuple[SegmentFrame, Spot]], *, is_map: bool
) -> Iterable[tuple[int, list[tuple[SegmentFrame, Spot]]]]:
    """Return frames by segment number, or each frame of a LABELMAP alone."""
    if is_map:
        return [(0, [one]) for one in found]
    groups: dict[int, list[tuple[SegmentFrame, Spot]]] = {}
    for frame, spot in found:
        groups.setdefault(frame.segment or 0, []).append((frame, spot))
    return sorted(groups.items())


def _least(segmentation: Segmentation, threshold: float) -> int:
    """Return the stored value from which on a voxel is in its segment."""
    if segmentation.kind is SegmentationKind.FRACTIONAL:
        return max(1, math.ceil(threshold * segmentation.maximum))
    return 1


def _without_background(plane: NDArray[Any], segmentation: Segmentation) -> NDArray[Any]:
    """Return a LABELMAP's plane with 0 for what is in no segment (PS3.3 C.8.20.2)."""
    if not segmentation.background:
        return plane
    return np.where(plane == segmentation.background, plane.dtype.type(0), plane)


def _threshold_note(segmentation: Segmentation, least: int) -> list[str]:
    if segmentation.kind is not SegmentationKind.FRACTIONAL:
        return []
    kind, maximum = segmentation.fractional.lower(), segmentation.maximum
    return [
        f"it is fractional ({kind}): voxels from {least} of {maximum} on are in their segment, "
        "the fractions are not shown"
    ]


def _cropped_note(cropped: int) -> list[str]:
    reason = "reach beyond the images; what lies outside is left out"
    return [f"{cropped} frames {reason}"] if cropped else []


def _frame_of_reference(stack: Stack) -> str:
    patient = stack.geometry.patient
    return patient.frame_of_reference_uid if patient else ""


class _Spots:
    """Where each frame of a segmentation goes, and how many go nowhere, by reason."""

    def __init__(self, segmentation: Segmentation, stack: Stack) -> None:
        self._segmentation, self._stack = segmentation, stack
        self._grid = StackGrid(stack) if stack.geometry.patient else None
        self._images = _by_image(stack)
        theirs, ours = segmentation.images.frame_of_reference_uid, _frame_of_reference(stack)
        self._is_same_frame = theirs == ours != ""
        self._known: dict[Plane, Spot | Misfit] = {}
        self._misfits: Counter[Misfit] = Counter()
        self._disagreeing = self._by_image_only = 0
        self.found: list[tuple[SegmentFrame, Spot]] = []
        self.volumes: dict[int, frozenset[int]] = {}
        for frame in segmentation.frames:
            self._add(frame)

    def _add(self, frame: SegmentFrame) -> None:
        images = self._referenced(frame)
        is_map = self._segmentation.kind is SegmentationKind.LABELMAP
        spot = self._spot(frame, images) if is_map or frame.segment else Misfit.NO_SEGMENT
        if isinstance(spot, Misfit):
            self._misfits[spot] += 1
            return
        slices = {image % self._stack.slices for image in images}
        covered = range(spot.box[0].start, spot.box[0].stop)
        self._disagreeing += bool(slices) and slices.isdisjoint(covered)
        self.found.append((frame, spot))
        self.volumes[frame.number] = frozenset(image // self._stack.slices for image in images)

    def _referenced(self, frame: SegmentFrame) -> set[int]:
        """Return the numbers of the stack's frames that a segmentation's frame refers to."""
        found: set[int] = set()
        for reference in frame.references:
            numbers = self._images.get(reference.sop_instance_uid, {})
            wanted = numbers.values() if reference.frame is None else [numbers.get(reference.frame)]
            found.update(number for number in wanted if number is not None)
        return found

    def _spot(self, frame: SegmentFrame, images: set[int]) -> Spot | Misfit:
        if self._grid is None or not (frame.position and frame.orientation and frame.spacing):
            return self._spot_of_image(images)
        if not self._is_same_frame and not images:
            return Misfit.OTHER_FRAME
        rows, columns = self._segmentation.rows, self._segmentation.columns
        plane = Plane(rows, columns, frame.position, frame.orientation, frame.spacing)
        if plane not in self._known:
            self._known[plane] = self._grid.locate(plane)
        return self._known[plane]

    def _spot_of_image(self, images: set[int]) -> Spot | Misfit:
        """Return the whole of the one slice that is referred to."""
        slices = {image % self._stack.slices for image in images}
        rows, columns = self._stack.shape[-2:]
        if len(slices) != 1:
            return Misfit.NO_PLACE
        if (rows, columns) != (self._segmentation.rows, self._segmentation.columns):
            return Misfit.OTHER_SIZE
        self._by_image_only += 1
        at = slices.pop()
        plane = (slice(0, rows), slice(0, columns))
        return Spot((slice(at, at + 1), *plane), plane)

    def refusal(self) -> str:
        """Return why no frame has a place."""
        reasons = [*self._segmentation.notes, *self._counted()] or ["it has no frames"]
        return f"it does not fit these images: {'; '.join(reasons)}"

    def _counted(self) -> list[str]:
        return [f"{count} frames {why}" for why, count in sorted(self._misfits.items())]

    def notes(self) -> list[str]:
        """Return what has to be said about places."""
        total = len(self._segmentation.frames)
        notes = [f"left out: {part} (of {total})" for part in self._counted()]
        if self._disagreeing:
            odd = "lie elsewhere than the images that they refer to; their positions were followed"
            notes.append(f"{self._disagreeing} frames {odd}")
        if self._by_image_only:
            how = "were placed on the image that they refer to, for want of positions"
            notes.append(f"{self._by_image_only} frames {how}")
        if self._grid is not None and not self._is_same_frame:
            notes.append("it refers to these images, but states another Frame of Reference or none")
        return notes


def _by_image(stack: Stack) -> dict[str, dict[int, int]]:
    """Return the place of each frame in the stack, by SOP Instance UID and frame number."""
    found: dict[str, dict[int, int]] = {}
    for place_, frame in enumerate(stack.frames):
        found.setdefault(frame.sop_instance_uid, {})[frame.number] = place_
    return found


class _Volumes:
    """Which of a stack's volumes each frame belongs to, where frames differ in that.

    A frame that refers to none of them, or to all, belongs to all.
    """

    def __init__(self, volumes: dict[int, frozenset[int]], stack: Stack) -> None:
        count = math.prod(stack.shape[:-3])
        self._volumes = {frame: of for frame, of in volumes.items() if of and len(of) < count}
        self._all = frozenset(range(count))
        kinds = set(self._volumes.values())
        only = next(iter(kinds)) if len(kinds) == 1 else frozenset[int]()
        self._one = only if len(only) == 1 else None
        self.are_several = bool(kinds) and self._one is None

    def of(self, frame: SegmentFrame) -> tuple[int, ...]:
        """Return the indices of a frame's volumes in the labels."""
        if not self.are_several:
            return (0,)
        return tuple(sorted(self._volumes.get(frame.number, self._all)))

    def notes(self) -> list[str]:
        """Return to which volume all frames refer, where it is one of several."""
        if self._one is None:
            return []
        (number,) = self._one
        return [f"it refers to volume {number + 1} of {len(self._all)}; its labels lie on all"]
