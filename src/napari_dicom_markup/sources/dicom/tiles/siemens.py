"""Siemens mosaics: the slices of a volume beside each other in one square of square tiles.

ImagePositionPatient is wrong in them: it is the corner of a slice as large as the whole matrix,
around the same centre as the first slice (nibabel, "DICOM mosaic"; dcm2niix corrects it
alike). The slices go along SliceNormalVector of the CSA header, which may be opposite to
row × column; the first of them is the first tile.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_dicom_markup.sources.dicom.tiles.csa import csa_numbers, read_csa
from napari_dicom_markup.sources.dicom.tiles.laying import (
    MOST_TILES,
    axes,
    count_of,
    cut,
    lay,
    refuse,
    unit,
    vector,
    with_diffusion,
)
from napari_dicom_markup.sources.dicom.tiles.protocol import SliceArray, read_slice_array

if TYPE_CHECKING:
    from napari_dicom_markup.model.geometry import FloatArray
    from napari_dicom_markup.model.stack import Acquisition, Frame, Instance, Tile
    from napari_dicom_markup.sources.dicom.tiles.csa import CsaHeader
    from napari_dicom_markup.sources.dicom.tiles.elements import PrivateElements
    from napari_dicom_markup.sources.dicom.tiles.laying import Numbers

_CSA = (0x0029, "SIEMENS CSA HEADER")
_MR = (0x0019, "SIEMENS MR HEADER")
_IMAGE = (0x0021, "SIEMENS MR SDI 02")
_SERIES = (0x0021, "SIEMENS MR SDS 01")
"""Of XA software; element names as in dcm4che's private dictionaries."""

_CSA_IMAGE, _CSA_SERIES, _PHOENIX = 0x10, 0x20, 0x19
_PARALLEL = 0.99
"""Cosine from which on two normals mean the same slices."""


class _Mosaic:
    """What the private elements of a mosaic say, the CSA header first."""

    def __init__(self, private: PrivateElements) -> None:
        self._private = private
        self._csa: CsaHeader = read_csa(private.value(*_CSA, _CSA_IMAGE) or b"")

    def slice_array(self) -> SliceArray | None:
        for where in ((*_CSA, _CSA_SERIES), (*_SERIES, _PHOENIX)):
            found = read_slice_array(self._private.value(*where) or b"", MOST_TILES)
            if found is not None:
                return found
        return None

    def count(self) -> int | None:
        """Return how many tiles are slices."""
        stated = (
            count_of(csa_numbers(self._csa, "NumberOfImagesInMosaic", 1))
            or count_of(self._private.numbers(*_MR, 0x0A, "US", 1))
            or count_of(self._private.numbers(*_IMAGE, 0x01, "US", 1))
        )
        array = None if stated else self.slice_array()
        return stated if array is None else len(array.centres)

    def normal(self) -> FloatArray | None:
        """Return SliceNormalVector: where the slices go."""
        return unit(
            csa_numbers(self._csa, "SliceNormalVector", 3)
            or self._private.numbers(*_IMAGE, 0x02, "FD", 3)
        )

    def b_value(self) -> Numbers:
        return (
            csa_numbers(self._csa, "B_value", 1)
            or self._private.numbers(*_MR, 0x0C, "IS", 1)
            or self._private.numbers(*_IMAGE, 0x05, "IS", 1)
        )

    def b_direction(self) -> FloatArray | None:
        """Return the direction of the gradient, LPS."""
        return unit(
            csa_numbers(self._csa, "DiffusionGradientDirection", 3)
            or self._private.numbers(*_MR, 0x0E, "FD", 3)
            or self._private.numbers(*_IMAGE, 0x46, "FD", 3)
        )


def unpack_mosaic(instance: Instance, private: PrivateElements) -> tuple[Frame, ...]:
    """Return the slices of a Siemens mosaic, the first tile's first.

    Raises
    ------
    DecodeError
        Where it is not stated how many slices there are, or where they lie.
    """
    mosaic = _Mosaic(private)
    count = mosaic.count()
    if count is None:
        reason = "Siemens mosaic without its private header: its slices cannot be told apart"
        raise refuse(instance, reason)
    side = math.isqrt(count - 1) + 1
    tiles = cut(instance, count, side, side)
    frame_axes = axes(instance)
    first = _first_corner(instance, tiles[0], frame_axes)
    step = _step(instance, mosaic, count, first) if count > 1 else np.zeros(3)
    origins = first + np.arange(count)[:, None] * step
    grid = instance.grid
    if count > 1:
        grid = replace(grid, spacing_between_slices=float(np.linalg.norm(step)))
    return lay(instance, tiles, origins, grid, _acquisition(instance, mosaic))


def _acquisition(instance: Instance, mosaic: _Mosaic) -> Acquisition:
    direction = mosaic.b_direction()
    found = None if direction is None else vector(direction)
    return with_diffusion(instance.acquisition, mosaic.b_value(), found)


def _first_corner(instance: Instance, tile: Tile, frame_axes: FloatArray) -> FloatArray:
    """Return the place of the first tile's first pixel.

    In a mosaic of 640 rows with tiles of 80, the stated corner lies (640 - 80) / 2 = 280 rows
    before it.
    """
    whole, spacing = instance.pixels, instance.grid.pixel_spacing
    if instance.position is None or spacing is None or whole is None:
        reason = "Siemens mosaic without position or pixel spacing: its slices have no place"
        raise refuse(instance, reason)
    row, column, _ = frame_axes
    across = (whole.columns - tile.columns) / 2 * spacing[1] * row
    down = (whole.rows - tile.rows) / 2 * spacing[0] * column
    corner: FloatArray = np.array(instance.position) + across + down
    return corner


def _step(instance: Instance, mosaic: _Mosaic, count: int, first: FloatArray) -> FloatArray:
    """Return the vector from one slice to the next."""
    normal = axes(instance)[2]
    stated = mosaic.normal()
    between = instance.grid.spacing_between_slices
    spacing = between if between is not None and between > 0 else None
    signed = None
    if stated is None or spacing is None:
        signed = _protocol_step(mosaic.slice_array(), count, float(first @ normal), normal)
        spacing = spacing or (None if signed is None else abs(signed))
    along = signed if stated is None else float(stated @ normal)
    if along is None or spacing is None:
        reason = "Siemens mosaic whose headers do not say where its slices go"
        raise refuse(instance, reason)
    if stated is not None and abs(along) < _PARALLEL:
        raise refuse(instance, "Siemens mosaic whose headers contradict each other: slice normal")
    step: FloatArray = math.copysign(spacing, along) * normal
    return step


def _protocol_step(
    array: SliceArray | None, count: int, first: float, normal: FloatArray
) -> float | None:
    """Return the step along the normal that the protocol's slices show; None if they do not.

    The protocol does not say which of its slices is the first tile (that depends on
    ucImageNumbTra and its kin): the first tile's own place does.
    """
    places = None if array is None or len(array.centres) != count else array.places(normal)
    if places is None:
        return None
    step = float(places[-1] - places[0]) / (count - 1)
    for end, sign in ((places[0], 1), (places[-1], -1)):
        if abs(first - end) < abs(step) / 2:
            return sign * step
    return None
