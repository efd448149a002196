"""From the patient to voxels: which slice a contour lies on, and where on it.

Each slice's own origin is used, so tilted and uneven stacks are as right as any.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from napari_dicom_markup.errors import LabelsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_dicom_markup.model.contours import Contour
    from napari_dicom_markup.model.geometry import FloatArray
    from napari_dicom_markup.model.stack import Stack

ON_PLANE_MM = 0.05
"""A contour lies on a slice where its distance is no more: positions are often rounded to 0.1 mm.

In thin stacks it is a tenth of the step, if that is less.
"""

FLATNESS = 4.0
"""The points of a contour parallel to the slices spread over no more than 4 times that distance.

Rounding to 0.1 mm along three oblique axes moves a point by up to 0.087 mm either way.
"""

_HALF = 0.5 - 1e-6
"""Half of a step, less what arithmetic may err by: half-way is no slice's."""


class Fate(IntEnum):
    """What becomes of a contour."""

    ON_SLICE = 0
    NEAR_SLICE = 1
    BETWEEN = 2
    OUTSIDE = 3
    NOT_PARALLEL = 4


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """A stack's voxels in the patient, as arithmetic takes them.

    ``inverse`` (3, 3) turns LPS mm from a slice's origin into rows, columns and mm along the
    normal; ``origins`` (slices, 3) and ``heights`` (slices) are of the slices, LPS and along the
    normal; ``outward`` is the LPS vector of a step beyond the last slice.
    """

    slices: int
    rows: int
    columns: int
    step_mm: float
    normal: FloatArray
    inverse: FloatArray
    origins: FloatArray
    heights: FloatArray
    outward: FloatArray = field(repr=False)

    @property
    def tolerance_mm(self) -> float:
        """How far from a slice a contour still lies on it."""
        return min(ON_PLANE_MM, self.step_mm / 10)


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """Contours on slices: each one's fate, slice, and points (n, 2) as rows and columns.

    The slice of a contour that lies on none is the nearest, and its points mean nothing.
    """

    fates: NDArray[np.int_]
    slices: NDArray[np.int_]
    outlines: tuple[FloatArray, ...]


def grid_of(stack: Stack) -> Grid:
    """Return the grid of a stack.

    Raises
    ------
    LabelsError
        The stack has no place in a patient.
    """
    geometry, frame = stack.geometry, stack.geometry.patient
    if frame is None or not geometry.in_mm:
        message = (
            "contours in the patient cannot be laid on images without a place in the patient; "
            "open the series that they were drawn on"
        )
        raise LabelsError(message)
    step_mm, between_rows, between_columns = geometry.spacing
    normal = frame.normal
    axes = [np.array(frame.column) * between_rows, np.array(frame.row) * between_columns, normal]
    origins = np.array(frame.origins)
    outward = np.array(frame.step)
    return Grid(
        stack.slices,
        stack.pixels.rows,
        stack.pixels.columns,
        step_mm,
        normal,
        np.linalg.inv(np.column_stack(axes)),
        origins,
        origins @ normal,
        outward if abs(outward @ normal) > step_mm / 10 else -normal * step_mm,
    )


def place(contours: Sequence[Contour], grid: Grid) -> Placement:
    """Lay planar contours on the slices that hold them.

    A contour belongs to the nearest slice where it is nearer than half a step; if it is off
    that slice by more than the tolerance, its fate says so.
    """
    lengths = np.array([len(contour.points) for contour in contours], np.intp)
    if not lengths.size:
        nothing = np.zeros(0, np.int_)
        return Placement(nothing, nothing, ())
    points = np.concatenate([contour.points for contour in contours])
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    along = points @ grid.normal
    lowest, highest = np.minimum.reduceat(along, starts), np.maximum.reduceat(along, starts)
    slices = _nearest((lowest + highest) / 2, grid.heights)
    fates = _fates(lowest, highest, slices, grid)
    local = (points - np.repeat(grid.origins[slices], lengths, axis=0)) @ grid.inverse.T
    return Placement(fates, slices, tuple(np.split(local[:, :2], starts[1:])))


def voxel_coordinates(points: FloatArray, grid: Grid) -> FloatArray:
    """Return points (n, 3) in LPS mm as slice, row and column, with parts of a slice.

    Between two slices the origin runs straight from one's to the other's; beyond the stack it
    goes on by the step.
    """
    along = points @ grid.normal
    order = np.argsort(grid.heights, kind="stable")
    heights = grid.heights[order]
    slices = np.interp(along, heights, order.astype(np.float64))
    beyond = (along - np.clip(along, heights[0], heights[-1])) / (grid.outward @ grid.normal)
    below = np.floor(slices).astype(np.intp)
    above = np.minimum(below + 1, grid.slices - 1)
    part = (slices - below)[:, None]
    origins = grid.origins[below] * (1 - part) + grid.origins[above] * part
    origins = origins + beyond[:, None] * grid.outward
    local = (points - origins) @ grid.inverse.T
    return np.column_stack([slices + beyond, local[:, :2]])


def _nearest(along: FloatArray, heights: FloatArray) -> NDArray[np.int_]:
    """Return the number of the nearest slice, the earlier one half-way."""
    order = np.argsort(heights, kind="stable")
    ends = heights[order]
    after = np.searchsorted(ends, along).clip(0, len(ends) - 1)
    before = (after - 1).clip(0)
    nearer = np.abs(ends[after] - along) <= np.abs(ends[before] - along)
    found: NDArray[np.int_] = order[np.where(nearer, after, before)]
    return found


def _fates(
    lowest: FloatArray, highest: FloatArray, slices: NDArray[np.int_], grid: Grid
) -> NDArray[np.int_]:
    middle = (lowest + highest) / 2
    distance = np.abs(middle - grid.heights[slices])
    beyond = (middle < grid.heights.min()) | (middle > grid.heights.max())
    is_far = distance >= _HALF * grid.step_mm
    fates = np.where(distance > grid.tolerance_mm, Fate.NEAR_SLICE, Fate.ON_SLICE)
    fates = np.where(is_far, np.where(beyond, Fate.OUTSIDE, Fate.BETWEEN), fates)
    slanted = highest - lowest > FLATNESS * grid.tolerance_mm
    found: NDArray[np.int_] = np.where(slanted, Fate.NOT_PARALLEL, fates)
    return found
