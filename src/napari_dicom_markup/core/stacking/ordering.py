"""Order frames by their position along the normal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_dicom_markup.core.stacking.partition import is_length

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicom_markup.model.geometry import FloatArray, Vector
    from napari_dicom_markup.model.stack import Frame

POSITION_TOLERANCE_MM = 0.01
"""Positions along the normal that differ by less are one position.

Where slices lie closer than 1 mm the tolerance is 1 % of their nominal distance.
"""

_ORIGIN = (0.0, 0.0, 0.0)


def unit_normal(frame: Frame) -> FloatArray:
    """Return row × column of a frame that has a patient plane."""
    orientation = np.array(frame.grid.orientation, dtype=np.float64)
    normal = np.cross(orientation[:3], orientation[3:])
    unit: FloatArray = normal / np.linalg.norm(normal)
    return unit


def order_by_position(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Group frames that lie in one plane; planes in descending order along the normal."""
    normal = unit_normal(frames[0]).tolist()
    along = {id(f): _dot(normal, f.position or _ORIGIN) for f in frames}
    tolerance = _position_tolerance(frames[0])
    planes: list[list[Frame]] = []
    last = np.inf
    for frame in sorted(frames, key=lambda f: -along[id(f)]):
        if last - along[id(frame)] > tolerance:
            planes.append([])
        planes[-1].append(frame)
        last = along[id(frame)]
    return planes


def _dot(a: Sequence[float], b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _position_tolerance(frame: Frame) -> float:
    grid = frame.grid
    own = grid.pixel_spacing or ()  # slices of some micrometres, of pixels as small
    stated: tuple[float | None, ...]
    stated = (grid.spacing_between_slices, grid.slice_thickness, *own, 1.0)
    nominal = next(abs(value) for value in stated if value and is_length(abs(value)))
    return POSITION_TOLERANCE_MM * min(max(nominal, 0.01), 1.0)
