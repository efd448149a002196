"""Planes that lie behind each other along the normal of the first."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_dicom_markup.model.geometry import Vector


def along_normal(
    origin: Vector | None, orientation: tuple[float, ...] | None, distance: float | None
) -> Vector | None:
    """Return the point ``distance`` mm from ``origin`` along row × column, None if one lacks.

    Examples
    --------
    >>> along_normal((0.0, 0.0, 5.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), -2.0)
    (0.0, 0.0, 3.0)
    """
    if origin is None or distance is None:
        return None
    if distance == 0:
        return origin
    normal = _normal(orientation)
    if normal is None:
        return None
    x, y, z = (o + distance * n for o, n in zip(origin, normal, strict=True))
    return (x, y, z) if math.isfinite(x + y + z) else None


def _normal(orientation: tuple[float, ...] | None) -> Vector | None:
    if orientation is None or len(orientation) != 6:
        return None
    a, b, c, d, e, f = orientation
    normal = (b * f - c * e, c * d - a * f, a * e - b * d)
    length = math.hypot(*normal)
    if not 0 < length < math.inf:
        return None
    return normal[0] / length, normal[1] / length, normal[2] / length
