"""Polygons to pixels: a pixel belongs to a polygon where its centre lies inside (even-odd).

Exactly on an edge the rule is half-open: a centre on a left or upper edge is inside, on a right
or lower edge outside. So polygons that share an edge share no pixel and lose none, and areas are
right on average. (PS3.3 C.8.8.6.3 counts the path itself to the ROI: taken literally, outlines
drawn through pixel centres, as many systems draw them, would grow by half a pixel all around.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_dicom_markup.model.geometry import FloatArray

SUBPIXELS = 256
"""Corners are rounded to 1/256 of a pixel, so that all crossings are decided exactly.

Files state two or three decimals of a millimetre, which is no better; and corners meant to lie
on pixel centres do.
"""

CROSSINGS_AT_ONCE = 1 << 20
"""So many crossings of edges and rows are held at a time, whatever a file holds."""


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """Some pixels of a slice: a boolean ``mask`` (rows, columns), and where its corner lies."""

    row: int
    column: int
    mask: NDArray[np.bool_]

    @property
    def place(self) -> tuple[slice, slice]:
        """Where the patch lies in its slice."""
        height, width = self.mask.shape
        return slice(self.row, self.row + height), slice(self.column, self.column + width)


def snap(outline: FloatArray) -> FloatArray:
    """Return an outline with its corners rounded to the sub-pixel grid."""
    snapped: FloatArray = np.rint(outline * SUBPIXELS) / SUBPIXELS
    return snapped


def fill(outline: FloatArray, rows: int, columns: int) -> Patch | None:
    """Return the pixels of an image whose centres lie inside a closed outline, None where none.

    Parameters
    ----------
    outline : (n, 2) float64
        Row and column of each corner; whole numbers are pixel centres. A channel to an inner
        outline (keyhole) is run through twice, and so encloses nothing.
    """
    corners = snap(outline)
    first, left = np.maximum(np.ceil(corners.min(axis=0)), 0).astype(np.int64).tolist()
    stop, right = np.ceil(corners.max(axis=0)).astype(np.int64).tolist()
    height, width = min(stop, rows) - first, min(right, columns) - left
    if height <= 0 or width <= 0:
        return None
    toggles = np.zeros((height, width), np.bool_)
    for row, column in _crossings(corners, first, height):
        at = np.clip(np.ceil(column) - left, 0, width).astype(np.int64)
        counts = np.bincount(row * (width + 1) + at, minlength=height * (width + 1))
        toggles ^= (counts.reshape(height, width + 1)[:, :width] & 1).astype(np.bool_)
    return _trimmed(first, left, np.logical_xor.accumulate(toggles, axis=1))


def _crossings(
    corners: FloatArray, first: int, height: int
) -> Iterator[tuple[NDArray[np.int64], FloatArray]]:
    """Yield rows (from ``first``) and the columns where edges cross them.

    An edge crosses the rows from its upper end, included, to its lower end, left out. It is
    followed downwards whichever way it was drawn: two polygons that share it agree.
    """
    follow = np.roll(corners, -1, axis=0)
    is_down = (corners[:, 0] < follow[:, 0])[:, None]
    upper, lower = np.where(is_down, corners, follow), np.where(is_down, follow, corners)
    begin = np.maximum(np.ceil(upper[:, 0]) - first, 0).astype(np.int64)
    end = np.minimum(np.ceil(lower[:, 0]) - first, height).astype(np.int64)
    counts = np.maximum(end - begin, 0)
    for block in _blocks(counts):
        each = np.repeat(np.arange(block.start, block.stop), counts[block])
        before = np.repeat(np.cumsum(counts[block]) - counts[block], counts[block])
        row = begin[each] + np.arange(len(each)) - before
        (y0, x0), (y1, x1) = upper[each].T, lower[each].T
        yield row, x0 + (row + first - y0) * (x1 - x0) / (y1 - y0)


def _blocks(counts: NDArray[np.int64]) -> Iterator[slice]:
    """Yield runs of edges with few enough crossings."""
    total = np.cumsum(counts)
    start = 0
    while start < len(counts):
        base = total[start - 1] if start else 0
        stop = int(np.searchsorted(total, base + CROSSINGS_AT_ONCE, side="right"))
        stop = max(stop, start + 1)
        yield slice(start, stop)
        start = stop


def _trimmed(row: int, column: int, mask: NDArray[np.bool_]) -> Patch | None:
    """Return a patch of these pixels, None where there are none."""
    return Patch(row, column, mask) if mask.any() else None


def combine(patches: Sequence[Patch], ufunc: np.ufunc) -> Patch | None:
    """Return one patch of several by a logical function; None where it is empty."""
    if len(patches) == 1:
        return patches[0]
    if not patches:
        return None
    tops, lefts = [p.place[0].start for p in patches], [p.place[1].start for p in patches]
    bottoms, rights = [p.place[0].stop for p in patches], [p.place[1].stop for p in patches]
    row, column = min(tops), min(lefts)
    mask = np.zeros((max(bottoms) - row, max(rights) - column), np.bool_)
    for patch, top, left in zip(patches, tops, lefts, strict=True):
        height, width = patch.mask.shape
        part = mask[top - row : top - row + height, left - column : left - column + width]
        ufunc(part, patch.mask, out=part)
    return _trimmed(row, column, mask)
