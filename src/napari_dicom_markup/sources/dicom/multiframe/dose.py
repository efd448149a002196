"""Frames of RT dose grids (PS3.3 C.8.8.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dicom_markup.model.stack import Frame
from napari_dicom_markup.sources.dicom.multiframe.placing import along_normal
from napari_dicom_markup.sources.dicom.multiframe.values import decimals

if TYPE_CHECKING:
    from napari_dicom_markup.model.stack import Instance, PixelFormat
    from napari_dicom_markup.sources.dicom.multiframe.header import Item

_SAME_PLACE_MM = 1e-3
"""An absolute vector begins at the z of ImagePositionPatient, as far as both are rounded."""

_TRANSVERSE = ((1.0, 0.0, 0.0, 0.0, 1.0, 0.0), (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0))
"""Planes whose axes are parallel to x and y, stacked along z: supine and prone."""


def dose_frames(instance: Instance, pixels: PixelFormat, header: Item) -> tuple[Frame, ...]:
    """Return the planes of a dose grid, placed by GridFrameOffsetVector (PS3.3 C.8.8.3.2).

    A vector that begins with 0 is relative to ImagePositionPatient, along row × column; in a
    grid of transverse planes (rows parallel to x, columns to y) one that begins with its z holds
    absolute coordinates. Without a vector, with one of another length, or one that is neither,
    the planes of a grid of several have no position.
    """
    offsets = _offsets(instance, decimals(header.values.get("GridFrameOffsetVector")))
    if pixels.frames == 1:
        offsets = (0.0,)
    if offsets is None or len(offsets) != pixels.frames:
        offsets = (None,) * pixels.frames
    return tuple(
        Frame(
            instance,
            number,
            along_normal(instance.position, instance.grid.orientation, offset),
            instance.grid,
            instance.acquisition,
            instance.values,
            pixels,
        )
        for number, offset in enumerate(offsets)
    )


def _offsets(instance: Instance, vector: tuple[float, ...]) -> tuple[float | None, ...] | None:
    """Return each plane's distance from the first in mm, None where the vector tells none."""
    if not vector:
        return None
    if vector[0] == 0:
        return vector
    if instance.position is None or not _is_transverse(instance.grid.orientation):
        return None
    z = instance.position[2]
    if abs(vector[0] - z) > _SAME_PLACE_MM:
        return None
    return tuple(offset - z for offset in vector)


def _is_transverse(orientation: tuple[float, ...] | None) -> bool:
    return orientation is not None and any(
        all(abs(a - b) < 1e-4 for a, b in zip(orientation, one, strict=True)) for one in _TRANSVERSE
    )
