"""Tell apart images that lie beside each other in one plane, in tilted stacks too."""

from __future__ import annotations

import itertools
import math
import statistics
from typing import TYPE_CHECKING, NamedTuple

from napari_dicom_markup.core.stacking.ordering import order_by_position, unit_normal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicom_markup.model.stack import Frame


class _Place(NamedTuple):
    """Where an image begins, in mm: along the normal, and in its plane in pixels."""

    along: float
    across: float
    down: float


_Shear = tuple[float, float]
"""Pixels across and down for each mm along the normal."""

_UPRIGHT: _Shear = (0.0, 0.0)

_HALF_A_PIXEL = 0.5
"""Images of one plane that begin further apart, in either direction, lie beside each other."""


def split_sides(planes: list[list[Frame]]) -> list[list[list[Frame]]]:
    """Split planes that hold images beside each other, more than half a pixel apart.

    Images of one plane that do not cover each other cannot be one stack's volumes: they are
    grouped by where in the plane they begin, compared with the nearest image along the normal.
    A tilt shifts them from plane to plane: it is taken off where fewer sides come of it.
    """
    places = _places(planes)
    if all(_coincide(plane[0], other) for plane in places for other in plane[1:]):
        return [planes]
    sides = min(_chain(places, _UPRIGHT), _chain(places, _common_shear(places)), key=max)
    members: list[list[Frame]] = [[] for _ in range(max(sides) + 1)]
    for frame, side in zip((i for plane in planes for i in plane), sides, strict=True):
        members[side].append(frame)
    return [order_by_position(side) for side in members]


def _places(planes: Sequence[Sequence[Frame]]) -> list[list[_Place]]:
    """Return where each image begins; floats, for numpy would take ten times as long."""
    first = planes[0][0]
    normal = unit_normal(first).tolist()
    a, b, c, d, e, f = first.grid.orientation or (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    height, width = first.grid.pixel_spacing or (1.0, 1.0)
    x0, y0, z0 = first.position or (0.0, 0.0, 0.0)

    def place(frame: Frame) -> _Place:
        x, y, z = frame.position or (x0, y0, z0)
        x, y, z = x - x0, y - y0, z - z0
        along = normal[0] * x + normal[1] * y + normal[2] * z
        return _Place(along, (a * x + b * y + c * z) / width, (d * x + e * y + f * z) / height)

    return [[place(frame) for frame in plane] for plane in planes]


def _coincide(a: _Place, b: _Place) -> bool:
    """Say whether two images of one plane begin at the same place, to half a pixel."""
    return max(abs(b.across - a.across), abs(b.down - a.down)) <= _HALF_A_PIXEL


def _common_shear(places: Sequence[Sequence[_Place]]) -> _Shear:
    """Return the median shift between neighbouring planes that hold the same number of images."""
    across, down = [], []
    for a, b in itertools.pairwise(places):
        along = sum(p.along for p in b) / len(b) - sum(p.along for p in a) / len(a)
        if len(a) == len(b) and along:
            across.append((sum(p.across for p in b) - sum(p.across for p in a)) / len(a) / along)
            down.append((sum(p.down for p in b) - sum(p.down for p in a)) / len(a) / along)
    return (statistics.median(across), statistics.median(down)) if across else _UPRIGHT


def _chain(places: Sequence[Sequence[_Place]], shear: _Shear) -> list[int]:
    """Return the side of each image, by the last image of each side before it.

    The last places lie in cells of one pixel, so that each image looks at nine cells only.
    """
    cells: dict[tuple[int, int], dict[int, tuple[float, float]]] = {}
    where: list[tuple[int, int]] = []
    chosen = []
    for along, across, down in itertools.chain.from_iterable(places):
        x, y = across - shear[0] * along, down - shear[1] * along
        column, row = math.floor(x), math.floor(y)
        near = [
            (apart, side)
            for cell in itertools.product(range(column - 1, column + 2), range(row - 1, row + 2))
            for side, (other_x, other_y) in cells.get(cell, {}).items()
            if (apart := max(abs(x - other_x), abs(y - other_y))) <= _HALF_A_PIXEL
        ]
        side = min(near)[1] if near else len(where)
        if near:
            del cells[where[side]][side]
            where[side] = (column, row)
        else:
            where.append((column, row))
        cells.setdefault((column, row), {})[side] = (x, y)
        chosen.append(side)
    return chosen
