"""Where a plane lies on a stack's grid, if its pixels are voxels of it: nothing is resampled."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_dicom_markup.model.geometry import FloatArray, Vector
    from napari_dicom_markup.model.stack import Stack

Indices: TypeAlias = "NDArray[np.int64]"

TOLERANCE_VOXELS = 0.05
"""A pixel within 5 % of a voxel's size of a voxel's centre is that voxel.

Positions and spacings are decimal strings (DS) that writers round: at 512 columns a spacing
rounded to 4 decimals (0.7031 for 0.703125) ends 0.02 pixels off. A grid of another spacing, or
one shifted by half a voxel, is beyond it.
"""

TOLERANCE_MM = 0.01
"""Along the normal at least so much is allowed, as for the positions of a stack's own slices."""

_FAR = 1e9
"""Indices are clipped to this before they become integers."""

_NOWHERE = -1


class Misfit(StrEnum):
    """Why a plane has no place on a stack; each completes "n frames …"."""

    ELSEWHERE = "lie in none of the planes of these images"
    OTHER_GRID = (
        "are on another grid (spacing, orientation or a shift by part of a pixel); "
        "nothing is resampled"
    )
    NO_PLACE = "say neither where they lie nor to which single image they belong"
    OTHER_FRAME = "are in another Frame of Reference than these images"
    OTHER_SIZE = "have another size than the image that they refer to, and no position"
    NO_SEGMENT = "name no segment"


@dataclass(frozen=True, slots=True)
class Plane:
    """A plane of ``rows`` × ``columns`` pixels in the patient (PS3.3 C.7.6.2), LPS mm.

    ``orientation`` and ``spacing`` are as in the Image Plane module.
    """

    rows: int
    columns: int
    position: Vector
    orientation: tuple[float, ...]
    spacing: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Spot:
    """The voxels (slices, rows, columns) that a plane covers, and how its pixels go there.

    ``cut`` takes the part of the plane that the stack has, turned to ascending indices;
    ``transposed`` says that its rows then run along the later axis of the box.
    """

    box: tuple[slice, slice, slice]
    cut: tuple[slice, slice]
    transposed: bool = False

    def arranged(self, plane: NDArray[Any]) -> NDArray[Any]:
        """Return a plane's pixels in the shape of the box."""
        part = plane[self.cut]
        part = part.T if self.transposed else part
        return part.reshape([edge.stop - edge.start for edge in self.box])


class StackGrid:
    """The voxel centres of a stack that has a place in the patient."""

    def __init__(self, stack: Stack) -> None:
        patient = stack.geometry.patient
        if patient is None:
            message = "the stack has no place in a patient"
            raise ValueError(message)
        row, column = np.array(patient.row), np.array(patient.column)
        self._axes = np.stack([patient.normal, column, row])
        self._origins = np.array(patient.origins, dtype=np.float64).reshape(-1, 3)
        self._along = self._origins @ self._axes[0]
        self._spacing = np.array(stack.geometry.spacing)
        self._shape = (stack.slices, *stack.shape[-2:])
        steps = np.abs(np.diff(self._along))
        closest = float(steps.min()) if steps.size else float(self._spacing[0])
        self._tolerance_mm = max(TOLERANCE_MM, TOLERANCE_VOXELS * closest)

    def locate(self, plane: Plane) -> Spot | Misfit:
        """Return where a plane's pixels are voxels of the stack, else why they are none.

        The axes may be permuted and turned around, and the plane larger or smaller.
        """
        with np.errstate(all="ignore"):  # absurd numbers give nan, which is within no tolerance
            return self._locate(plane)

    def _locate(self, plane: Plane) -> Spot | Misfit:
        ways = (np.array(plane.orientation[3:]), np.array(plane.orientation[:3]))
        axes = [int(np.argmax(np.abs(self._axes @ way))) for way in ways]
        if axes[0] == axes[1]:
            return Misfit.OTHER_GRID
        steps = zip((plane.rows, plane.columns), plane.spacing, ways, strict=True)
        offsets = [np.outer(np.arange(count) * step, way) for count, step, way in steps]
        # The edge that may leave the slices goes first; the other one starts where it is on one.
        lead, follow = (1, 0) if axes[1] == 0 else (0, 1)
        edge = np.array(plane.position) + offsets[lead]
        on_slices = np.flatnonzero(self._slices(edge) >= 0)
        if not on_slices.size:
            return Misfit.ELSEWHERE
        first, last = on_slices[[0, -1]]
        corner = edge[last] + offsets[follow][-1]
        points = np.concatenate([edge, edge[first] + offsets[follow], corner[np.newaxis]])
        indices = self._indices(points)
        if indices is None:
            return Misfit.OTHER_GRID
        edges = [indices[: len(edge)], indices[len(edge) : -1]]
        if not _is_straight(edges, (axes[lead], axes[follow])):
            return Misfit.OTHER_GRID
        if (indices[-1] != edges[0][last] + edges[1][-1] - edges[0][first]).any():
            return Misfit.OTHER_GRID
        level = edges[1][0]
        return self._spot([edges[lead], edges[follow]], axes, level)

    def _slices(self, points: FloatArray) -> Indices:
        """Return the slice in which each point lies, -1 where in none."""
        along = points @ self._axes[0]
        # Slices are in descending order along the normal; searchsorted wants ascending ones.
        after = np.searchsorted(-self._along, -along)
        before = np.clip(after - 1, 0, len(self._along) - 1)
        after = np.clip(after, 0, len(self._along) - 1)
        closer = np.abs(self._along[before] - along) <= np.abs(self._along[after] - along)
        slices = np.where(closer, before, after)
        on_slice = np.abs(self._along[slices] - along) <= self._tolerance_mm
        return np.where(on_slice, slices, _NOWHERE)

    def _indices(self, points: FloatArray) -> Indices | None:
        """Return points as voxel indices (slice, row, column), None where they are off the grid.

        Points outside the matrix have the indices that they would have in a larger one, points
        in no slice have -1 as slice.
        """
        slices = self._slices(points)
        in_plane = (points - self._origins[slices]) @ self._axes[1:].T / self._spacing[1:]
        nearest = np.rint(np.clip(np.nan_to_num(in_plane, nan=_FAR), -_FAR, _FAR))
        near = (np.abs(in_plane - nearest) <= TOLERANCE_VOXELS).all(axis=1)
        if not near[slices >= 0].all():
            return None
        return np.column_stack([slices, nearest.astype(np.int64)])

    def _spot(self, edges: Sequence[Indices], axes: Sequence[int], level: Indices) -> Spot | Misfit:
        """Return the box of voxels, cut to the stack; ``level`` is one voxel of the plane."""
        other = 3 - sum(axes)
        at = int(level[other])
        if not 0 <= at < self._shape[other]:
            return Misfit.ELSEWHERE
        box = [slice(at, at + 1)] * 3
        cuts: list[slice] = []
        for axis, edge in zip(axes, edges, strict=True):
            run = _run(edge[:, axis], self._shape[axis])
            if isinstance(run, Misfit):
                return run
            box[axis], cut = run
            cuts.append(cut)
        return Spot((box[0], box[1], box[2]), (cuts[0], cuts[1]), transposed=axes[0] > axes[1])


def _is_straight(edges: Sequence[Indices], axes: Sequence[int]) -> bool:
    """Return whether each edge moves along its own axis only."""
    for edge, axis in zip(edges, axes, strict=True):
        held = edge if axis else edge[edge[:, 0] >= 0]
        still = np.delete(held, axis, axis=1)
        if (still != still[:1]).any():
            return False
    return True


def _run(indices: Indices, length: int) -> tuple[slice, slice] | Misfit:
    """Return the voxels along an axis, and the pixels that lie there in ascending order."""
    inside = np.flatnonzero((indices >= 0) & (indices < length))
    if not inside.size:
        return Misfit.ELSEWHERE
    first, last = int(inside[0]), int(inside[-1])
    held = indices[first : last + 1]
    steps = np.diff(held)
    way = int(steps[0]) if steps.size else 1
    if abs(way) != 1 or (steps != way).any():
        return Misfit.OTHER_GRID
    if way == 1:
        return slice(int(held[0]), int(held[-1]) + 1), slice(first, last + 1)
    before = None if first == 0 else first - 1
    return slice(int(held[-1]), int(held[0]) + 1), slice(last, before, -1)
