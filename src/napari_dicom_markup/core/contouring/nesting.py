"""Several closed contours of one ROI on one slice: parts, holes, islands in holes.

CLOSEDPLANAR_XOR says that contours are combined by exclusive or (PS3.3 C.8.8.6.3, not in 2018e).
CLOSED_PLANAR says nothing about holes but by the keyhole technique; yet most systems write an
outline inside another for a hole, and rt-utils, dcmrtstruct2nii and platipy read all contours by
exclusive or, while others join them all and so fill holes. Exclusive or is right for parts that
lie apart and for holes at any depth, and wrong for outlines that overlap in part or are there
twice: it would cut out what both enclose. So:

- outlines that overlap in part, and outlines that are there twice, are one outline: their union;
- these outlines are combined by exclusive or.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_dicom_markup.core.contouring.filling import Patch, combine, fill, snap

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_dicom_markup.model.geometry import FloatArray

NESTED_PART = 0.9
"""An outline lies inside another where so much of its pixels does; a hole may touch the border."""

MOST_COMPARED = 500
"""More outlines of one ROI on one slice are not compared but combined by exclusive or at once."""

MOST_PIXELS = 1 << 27
"""Nor are outlines that would take more pixels together (128 MiB)."""


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """What an ROI covers of a slice (None where nothing), and how its outlines came together.

    ``joined`` outlines overlap others in part, ``empty`` ones hold no pixel centre; ``crowded``
    says that there were too many outlines to compare.
    """

    patch: Patch | None
    joined: int = 0
    empty: int = 0
    is_crowded: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Outline:
    corners: FloatArray
    patch: Patch
    area: int


def cover(
    outlines: Sequence[FloatArray], shape: tuple[int, int], *, exclusive: bool = False
) -> Region:
    """Return the pixels that an ROI's closed outlines (n, 2) on one slice cover together.

    ``exclusive`` is for CLOSEDPLANAR_XOR; where one contour of the slice is of that type, all
    are taken so. ``shape`` is (rows, columns).
    """
    if len(outlines) == 1:
        patch = fill(outlines[0], *shape)
        return Region(patch, empty=int(patch is None))
    if exclusive:
        return _exclude(outlines, shape, is_crowded=False)
    if len(outlines) > MOST_COMPARED or sum(_pixels(o, shape) for o in outlines) > MOST_PIXELS:
        return _exclude(outlines, shape, is_crowded=True)
    filled = [(outline, fill(outline, *shape)) for outline in outlines]
    found = [_Outline(o, patch, int(patch.mask.sum())) for o, patch in filled if patch is not None]
    groups = _groups(found)
    joined = [combine([one.patch for one in group], np.logical_or) for group in groups]
    patch = combine([one for one in joined if one is not None], np.logical_xor)
    crossing = sum(len(group) for group in groups if len(group) > 1)
    return Region(patch, crossing, len(outlines) - len(found))


def _exclude(outlines: Sequence[FloatArray], shape: tuple[int, int], *, is_crowded: bool) -> Region:
    """Combine by exclusive or, holding one outline's pixels at a time."""
    top, left, bottom, right = _box(outlines, shape)
    if top >= bottom or left >= right:
        return Region(None, 0, len(outlines), is_crowded)
    mask = np.zeros((bottom - top, right - left), np.bool_)
    empty = 0
    for outline in outlines:
        if (patch := fill(outline, *shape)) is None:
            empty += 1
            continue
        row, column = patch.row - top, patch.column - left
        height, width = patch.mask.shape
        mask[row : row + height, column : column + width] ^= patch.mask
    patch = Patch(top, left, mask) if mask.any() else None
    return Region(patch, 0, empty, is_crowded)


def _box(outlines: Sequence[FloatArray], shape: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the part of the image that outlines may cover: top, left, bottom, right."""
    lowest = np.min([outline.min(axis=0) for outline in outlines], axis=0)
    highest = np.max([outline.max(axis=0) for outline in outlines], axis=0)
    top, left = np.clip(np.floor(lowest), 0, shape).astype(np.int64).tolist()
    bottom, right = np.clip(np.ceil(highest) + 1, 0, shape).astype(np.int64).tolist()
    return top, left, bottom, right


def _pixels(outline: FloatArray, shape: tuple[int, int]) -> int:
    """Return how many pixels an outline's box has in the image."""
    top, left, bottom, right = _box([outline], shape)
    return (bottom - top) * (right - left)


def _groups(outlines: list[_Outline]) -> list[list[_Outline]]:
    """Return the outlines in groups that overlap in part, directly or through others."""
    parents = list(range(len(outlines)))

    def root(number: int) -> int:
        while parents[number] != number:
            parents[number] = number = parents[parents[number]]
        return number

    for i, j in _neighbours(outlines):
        if root(i) != root(j) and _overlap_in_part(outlines[i], outlines[j]):
            parents[root(j)] = root(i)
    groups: dict[int, list[_Outline]] = {}
    for number, outline in enumerate(outlines):
        groups.setdefault(root(number), []).append(outline)
    return list(groups.values())


def _neighbours(outlines: list[_Outline]) -> Iterator[tuple[int, int]]:
    """Yield pairs whose boxes meet."""
    if len(outlines) < 2:
        return
    places = [outline.patch.place for outline in outlines]
    box = np.array([(r.start, r.stop, c.start, c.stop) for r, c in places])
    top, bottom, left, right = box.T
    meet = (top[:, None] < bottom) & (top < bottom[:, None])
    meet &= (left[:, None] < right) & (left < right[:, None])
    first, second = np.nonzero(np.triu(meet, 1))
    yield from zip(first.tolist(), second.tolist(), strict=True)


def _overlap_in_part(one: _Outline, other: _Outline) -> bool:
    """Say whether two outlines share pixels and neither lies inside the other, or are the same."""
    shared = _shared(one.patch, other.patch)
    if shared == one.area == other.area:
        return _is_same(one.corners, other.corners)
    return 0 < shared < NESTED_PART * min(one.area, other.area)


def _shared(one: Patch, other: Patch) -> int:
    top, left = max(one.row, other.row), max(one.column, other.column)
    bottom = min(one.place[0].stop, other.place[0].stop)
    right = min(one.place[1].stop, other.place[1].stop)
    first, second = (
        p.mask[top - p.row : bottom - p.row, left - p.column : right - p.column]
        for p in (one, other)
    )
    return int(np.count_nonzero(first & second))


def _is_same(one: FloatArray, other: FloatArray) -> bool:
    """Say whether two outlines have the same corners, wherever they begin and whichever way."""
    return np.array_equal(np.unique(snap(one), axis=0), np.unique(snap(other), axis=0))
