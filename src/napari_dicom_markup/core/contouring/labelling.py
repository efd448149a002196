"""An RT Structure Set as labels on a stack's grid; ROIs that overlap go to layers of their own."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicom_markup.core.contouring.nesting import cover
from napari_dicom_markup.core.contouring.placing import Fate, Grid, Placement, grid_of, place
from napari_dicom_markup.core.contouring.referring import lies_in
from napari_dicom_markup.core.contouring.styling import style_of
from napari_dicom_markup.model.contours import Contour, GeometricType, Roi
from napari_dicom_markup.model.markup import Labels

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_dicom_markup.core.contouring.filling import Patch
    from napari_dicom_markup.model.contours import StructureSet
    from napari_dicom_markup.model.geometry import FloatArray
    from napari_dicom_markup.model.stack import Stack

LARGEST_NUMBER = 65535
"""ROI numbers up to this one are label values themselves; uint16 is enough for them."""

MOST_LAYERS = 64
"""ROIs of a patient overlap a dozen deep; a file that asks for more volumes gets no more."""

FATES = {
    Fate.NEAR_SLICE: "lie off the slices, and are drawn on the nearest one",
    Fate.BETWEEN: "lie between slices, and are not drawn",
    Fate.OUTSIDE: "lie out of the volume, and are not drawn",
    Fate.NOT_PARALLEL: "are not parallel to the slices, and are not drawn",
}
OTHER_FRAME = "lie in another frame of reference, and are not drawn"
OPEN = "are open or points: they have no area, and can be shown as shapes"
TOO_FEW = "are closed, but have fewer than three points: they have no area"
BEYOND = "reach beyond the image, and are cut off"
JOINED = "overlap others in part or are there twice: each such group is one area"
SUBPIXEL = "hold no pixel's centre"
CROWDED = "lie on slices with too many others to compare: they are combined by exclusive or"
EDGE = 0.01
"""Pixels that an outline along the image's edge may lie outside: the rounding of its text."""

FULL = "are not drawn: the ROI overlaps others in every layer there may be"
MISNAMED = "name another image than that whose plane they lie on"


@dataclass(frozen=True, slots=True, eq=False)
class RasterizedContours:
    """Labels on the (slices, rows, columns) of a stack, and what could not be drawn as stated.

    A note names an ROI by its number, and holds no text of the file.
    """

    labels: tuple[Labels, ...]
    notes: tuple[str, ...]


@dataclass(slots=True, eq=False)
class _Layer:
    data: NDArray[Any]
    rois: list[Roi] = field(default_factory=list)


def rasterize(structure_set: StructureSet, stack: Stack) -> RasterizedContours:
    """Return closed contours as labels: a pixel is inside where its centre is.

    ROIs go in order of their numbers, each to the first layer where its voxels are free. A
    label's value is the ROI number where all fit into 1…65535, else 1, 2, 3… in that order.

    Raises
    ------
    LabelsError
        The stack has no place in a patient.
    """
    grid = grid_of(stack)
    rois = sorted(structure_set.rois, key=lambda roi: roi.number)
    values = label_values(rois)
    images = _slices_of_images(stack)
    layers: list[_Layer] = []
    notes = [problem.text for problem in structure_set.problems]
    for roi, value in zip(rois, values, strict=True):
        counts: Counter[str] = Counter()
        regions = list(_regions(roi, stack, grid, images, counts))
        if regions:
            shape = (grid.slices, grid.rows, grid.columns)
            layer = _free_layer(layers, regions, shape, max(values))
            _paint(layer, roi, value, regions)
            counts[FULL] += len(roi.contours) * (layer is None)
        notes += _told(roi, counts)
    numbers = {id(roi): value for roi, value in zip(rois, values, strict=True)}
    labels = tuple(
        Labels(style_of(n, [(numbers[id(roi)], roi) for roi in layer.rois]), layer.data)
        for n, layer in enumerate(layers, start=1)
    )
    return RasterizedContours(labels, tuple(notes))


def label_values(rois: Sequence[Roi]) -> list[int]:
    """Return each ROI's label value: its number where all fit, else a count from 1."""
    numbers = [roi.number for roi in rois]
    fit = all(0 < number <= LARGEST_NUMBER for number in numbers)
    return numbers if fit and len(set(numbers)) == len(numbers) else list(range(1, len(rois) + 1))


def _told(roi: Roi, counts: Counter[str]) -> list[str]:
    total = len(roi.contours)
    return [f"ROI {roi.number}: {n} of {total} contours {what}" for what, n in counts.items() if n]


def _slices_of_images(stack: Stack) -> dict[str, set[int]]:
    """Return the slices that each image of the stack is on."""
    slices: defaultdict[str, set[int]] = defaultdict(set)
    for number, frame in enumerate(stack.frames):
        slices[frame.sop_instance_uid].add(number % stack.slices)
    return slices


def _regions(
    roi: Roi, stack: Stack, grid: Grid, images: dict[str, set[int]], counts: Counter[str]
) -> Iterator[tuple[int, Patch]]:
    """Yield slices and what the ROI covers there; count what else is to be said."""
    if not lies_in(roi, stack):
        counts[OTHER_FRAME] += len(roi.contours)
        return
    areas = [contour for contour in roi.contours if contour.kind.is_closed]
    closed = [contour for contour in areas if len(contour.points) > 2]
    counts[OPEN] += len(roi.contours) - len(areas)
    counts[TOO_FEW] += len(areas) - len(closed)
    placement = place(closed, grid)
    drawn = _drawn(closed, placement, images, counts)
    for number, members in sorted(drawn.items()):
        outlines = [placement.outlines[member] for member in members]
        exclusive = any(closed[m].kind is GeometricType.CLOSEDPLANAR_XOR for m in members)
        region = cover(outlines, (grid.rows, grid.columns), exclusive=exclusive)
        counts[BEYOND] += sum(_is_beyond(outline, grid) for outline in outlines)
        counts[JOINED] += region.joined
        counts[SUBPIXEL] += region.empty
        counts[CROWDED] += len(outlines) * region.is_crowded
        if region.patch is not None:
            yield number, region.patch


def _drawn(
    closed: list[Contour],
    placement: Placement,
    images: dict[str, set[int]],
    counts: Counter[str],
) -> dict[int, list[int]]:
    """Return the contours to draw by slice, and count those that lie elsewhere."""
    drawn: defaultdict[int, list[int]] = defaultdict(list)
    fates, slices = placement.fates.tolist(), placement.slices.tolist()
    for member, (fate, number) in enumerate(zip(fates, slices, strict=True)):
        if fate != Fate.ON_SLICE:
            counts[FATES[Fate(fate)]] += 1
        if fate in {Fate.ON_SLICE, Fate.NEAR_SLICE}:
            drawn[number].append(member)
            named = [images[uid] for uid in closed[member].image_uids if uid in images]
            counts[MISNAMED] += bool(named) and not any(number in one for one in named)
    return drawn


def _is_beyond(outline: FloatArray, grid: Grid) -> bool:
    """Say whether an outline leaves the pixels; their edges are half a pixel from their centres."""
    last = np.array([grid.rows - 1, grid.columns - 1])
    outside = np.maximum(-outline.min(axis=0), outline.max(axis=0) - last)
    return bool(outside.max() > 0.5 + EDGE)


def _free_layer(
    layers: list[_Layer],
    regions: list[tuple[int, Patch]],
    shape: tuple[int, int, int],
    largest: int,
) -> _Layer | None:
    """Return the first layer where no voxel of the regions is taken, a new one where none is free.

    None where there are too many.
    """
    for layer in layers:
        if not any(layer.data[n][patch.place][patch.mask].any() for n, patch in regions):
            return layer
    if len(layers) == MOST_LAYERS:
        return None
    layers.append(_Layer(np.zeros(shape, np.min_scalar_type(largest))))
    return layers[-1]


def _paint(layer: _Layer | None, roi: Roi, value: int, regions: list[tuple[int, Patch]]) -> None:
    if layer is not None:
        layer.rois.append(roi)
        for number, patch in regions:
            layer.data[number][patch.place][patch.mask] = value
