"""UIH grids: the slices of a volume beside each other, with a place for each in a sequence.

As United Imaging told the authors of dcm2niix (issue 225 of rordenlab/dcm2niix, UIH/README.md):
``VFRAME`` in the image type marks a grid; (0065,1050) counts its slices, in ceil(√n) columns and
as many rows as these need; (0065,1051) holds an item with ImagePositionPatient for each.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_dicom_markup.sources.dicom.tiles.elements import element_numbers
from napari_dicom_markup.sources.dicom.tiles.laying import (
    axes,
    count_of,
    cut,
    lay,
    refuse,
    unit,
    vector,
    with_diffusion,
)

if TYPE_CHECKING:
    from napari_dicom_markup.model.geometry import FloatArray
    from napari_dicom_markup.model.stack import Acquisition, Frame, Instance, PlaneGrid
    from napari_dicom_markup.sources.dicom.tiles.elements import PrivateElements

_UIH = (0x0065, "Image Private Header")
_SLICES, _FRAMES = 0x50, 0x51
_B_VALUE, _B_DIRECTION = 0x09, 0x37
_POSITION = 0x00200032
"""ImagePositionPatient."""

_EVEN_MM = 0.01


def unpack_grid(instance: Instance, private: PrivateElements) -> tuple[Frame, ...]:
    """Return the slices of a UIH grid in the order of its tiles.

    Raises
    ------
    DecodeError
        Where it is not stated how many slices there are, or where each of them lies.
    """
    image_axes = axes(instance)
    items = private.items(*_UIH, _FRAMES)
    count = count_of(private.numbers(*_UIH, _SLICES, "DS", 1))
    if count is None or len(items) != count:
        reason = "UIH grid without a sound frame sequence: its slices cannot be told apart"
        raise refuse(instance, reason)
    across = math.isqrt(count - 1) + 1
    tiles = cut(instance, count, -(-count // across), across)
    places = [element_numbers(item, _POSITION, "DS", 3) for item in items]
    if None in places:
        raise refuse(instance, "UIH grid with frames without position: its slices have no place")
    origins = np.array(places, dtype=np.float64)
    grid = _with_spacing(instance.grid, origins)
    return lay(instance, tiles, origins, grid, _acquisition(instance, private, image_axes))


def _with_spacing(grid: PlaneGrid, origins: FloatArray) -> PlaneGrid:
    """Return the grid with the spacing that the positions show, where it states none."""
    steps = np.linalg.norm(np.diff(origins, axis=0), axis=1)
    if grid.spacing_between_slices is not None or not steps.size or np.ptp(steps) > _EVEN_MM:
        return grid
    return replace(grid, spacing_between_slices=float(np.median(steps)))


def _acquisition(
    instance: Instance, private: PrivateElements, image_axes: FloatArray
) -> Acquisition:
    """Return the acquisition with UIH's diffusion elements.

    The direction is given along the image's rows, columns and normal (dcm2niix takes it for a
    b-vector as it is, but for the sign of y), so it is turned, whatever a header's reader took.
    """
    direction = unit(private.numbers(*_UIH, _B_DIRECTION, "FD", 3))
    b_value = private.numbers(*_UIH, _B_VALUE, "FD", 1)
    known = with_diffusion(instance.acquisition, b_value, None)
    return (
        known if direction is None else replace(known, b_direction=vector(direction @ image_axes))
    )
