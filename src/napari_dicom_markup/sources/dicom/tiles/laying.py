"""From a matrix of tiles to frames: what Siemens' mosaics and UIH's grids have in common."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from napari_dicom_markup.errors import DecodeError
from napari_dicom_markup.model.stack import Frame, Tile

if TYPE_CHECKING:
    from napari_dicom_markup.model.geometry import FloatArray, Vector
    from napari_dicom_markup.model.stack import Acquisition, Instance, PixelFormat, PlaneGrid

Numbers: TypeAlias = "tuple[float, ...] | None"

MOST_TILES = 1024
"""As dcm2niix allows (kMaxEPI3D); a number beyond it is damage, and would cost memory."""

_UNIT = 0.01
"""How far the direction cosines may be from orthogonal unit vectors."""


def refuse(instance: Instance, reason: str) -> DecodeError:
    """Return the error that says why an instance's tiles stay together."""
    return DecodeError(f"{instance.file.relative}: {reason}")


def pixel_format(instance: Instance) -> PixelFormat:
    """Return the format of the whole matrix, which has to be the only frame."""
    if instance.pixels is None:
        raise refuse(instance, "tiles without pixels: there is nothing to unpack")
    if instance.pixels.frames != 1:
        raise refuse(instance, "its image type speaks of tiles, but it has frames of their own")
    return instance.pixels


def count_of(numbers: Numbers) -> int | None:
    """Return a number of slices, if it is one that a matrix of tiles can have."""
    if numbers is None or not numbers[0].is_integer() or not 1 <= numbers[0] <= MOST_TILES:
        return None
    return int(numbers[0])


def cut(instance: Instance, count: int, down: int, across: int) -> list[Tile]:
    """Return the first ``count`` of ``down`` × ``across`` equal tiles, row by row."""
    whole = pixel_format(instance)
    if whole.rows % down or whole.columns % across:
        reason = f"{count} slices do not fit its matrix: they cannot be told apart"
        raise refuse(instance, reason)
    rows, columns = whole.rows // down, whole.columns // across
    places = (divmod(index, across) for index in range(count))
    return [Tile(row * rows, column * columns, rows, columns) for row, column in places]


def axes(instance: Instance) -> FloatArray:
    """Return row, column and normal as the rows of a matrix: unit vectors, LPS."""
    orientation = instance.grid.orientation
    if orientation is None:
        raise refuse(instance, "tiles without an orientation: their slices have no place")
    pair = np.array(orientation).reshape(2, 3)
    if not np.allclose(pair @ pair.T, np.eye(2), rtol=0, atol=_UNIT):
        raise refuse(instance, "tiles without a sound orientation: their slices have no place")
    pair /= np.linalg.norm(pair, axis=1, keepdims=True)
    normal = np.cross(pair[0], pair[1])
    return np.vstack([pair, normal / np.linalg.norm(normal)])


def lay(
    instance: Instance,
    tiles: list[Tile],
    origins: FloatArray,
    grid: PlaneGrid,
    acquisition: Acquisition,
) -> tuple[Frame, ...]:
    """Return a frame a tile; ``origins`` is (tiles, 3) in LPS mm. All else they share."""
    if not np.isfinite(origins).all():
        raise refuse(instance, "tiles with positions beyond measure")
    pixels = replace(pixel_format(instance), rows=tiles[0].rows, columns=tiles[0].columns)
    return tuple(
        Frame(instance, 0, vector(origin), grid, acquisition, instance.values, pixels, tile)
        for tile, origin in zip(tiles, origins, strict=True)
    )


def vector(numbers: FloatArray) -> Vector:
    """Return three numbers as plain floats."""
    x, y, z = numbers.tolist()
    return (x, y, z)


def with_diffusion(acquisition: Acquisition, b: Numbers, direction: Vector | None) -> Acquisition:
    """Return the acquisition with what private elements add; public ones come first."""
    stated = b[0] if b is not None and b[0] >= 0 else None
    return replace(
        acquisition,
        b_value=stated if acquisition.b_value is None else acquisition.b_value,
        b_direction=acquisition.b_direction or direction,
    )


def unit(numbers: Numbers) -> FloatArray | None:
    """Return a direction as a unit vector; None where none is stated."""
    length = 0.0 if numbers is None else float(np.linalg.norm(numbers))
    return np.array(numbers) / length if abs(length - 1) < 0.1 else None
