"""The contours of a structure set as polygons, paths and points in a stack's voxels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_dicom_markup.core.contouring.placing import (
    Fate,
    Grid,
    grid_of,
    place,
    voxel_coordinates,
)
from napari_dicom_markup.core.contouring.referring import lies_in
from napari_dicom_markup.core.contouring.styling import color_of
from napari_dicom_markup.model.contours import Contour, GeometricType, Polygons

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_dicom_markup.model.contours import Roi, StructureSet
    from napari_dicom_markup.model.geometry import FloatArray
    from napari_dicom_markup.model.stack import Stack

Kind = Literal["polygon", "path", "points"]


def to_polygons(structure_set: StructureSet, stack: Stack) -> tuple[Polygons, ...]:
    """Return the contours in voxels (slice, row, column), one value an ROI and kind.

    Closed contours are polygons, open ones paths (PS3.3 C.8.8.6.1); those of one point are
    points. A planar contour that a slice holds has that slice's whole number; any other contour
    keeps its place, with parts of a slice and out of the volume. ROIs of another frame of
    reference are left out: ``rasterize`` names them.

    Raises
    ------
    LabelsError
        The stack has no place in a patient.
    """
    grid = grid_of(stack)
    rois = sorted(structure_set.rois, key=lambda roi: roi.number)
    return tuple(one for roi in rois if lies_in(roi, stack) for one in _traced(roi, grid))


def _traced(roi: Roi, grid: Grid) -> Iterator[Polygons]:
    by_kind: dict[Kind, list[Contour]] = {"polygon": [], "path": [], "points": []}
    for contour in roi.contours:
        by_kind[_kind(contour)].append(contour)
    for kind, contours in by_kind.items():
        if contours:
            data = _voxels(contours, grid)
            data = (np.concatenate(data),) if kind == "points" else data
            yield Polygons(roi.number, kind, data, color_of(roi), roi.name)


def _kind(contour: Contour) -> Kind:
    if contour.kind is GeometricType.POINT or len(contour.points) == 1:
        return "points"
    is_polygon = contour.kind.is_closed and len(contour.points) > 2
    return "polygon" if is_polygon else "path"


def _voxels(contours: Sequence[Contour], grid: Grid) -> tuple[FloatArray, ...]:
    placement = place(contours, grid)
    held = np.isin(placement.fates, (Fate.ON_SLICE, Fate.NEAR_SLICE))
    return tuple(
        np.column_stack([np.full(len(outline), float(number)), outline])
        if is_held and contour.kind is not GeometricType.OPEN_NONPLANAR
        else voxel_coordinates(contour.points, grid)
        for contour, outline, number, is_held in zip(
            contours, placement.outlines, placement.slices.tolist(), held.tolist(), strict=True
        )
    )
