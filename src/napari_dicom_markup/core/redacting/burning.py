"""Boxes burnt into stored values: constant inside, bit-identical outside."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_dicom_markup.core.pixels import stored_range
from napari_dicom_markup.core.redacting.regions import clipped
from napari_dicom_markup.model.redaction import Area, Box, Burning

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_dicom_markup.core.pixels import Table
    from napari_dicom_markup.model.stack import PixelFormat, ValueMapping

Array: TypeAlias = NDArray[Any]
Fill: TypeAlias = int | float | tuple[int, int, int]
"""One stored value, or one of each sample."""

_HALVED = frozenset({"YBR_FULL_422", "YBR_PARTIAL_422"})

DERIVATION = "Burned-in text removed: areas replaced by a constant"
"""What DerivationDescription is to say; it holds nothing of the source."""

CLEAN_PIXEL_DATA = "113101"
"""Clean Pixel Data Option (PS3.16 CID 7050)."""


def black(
    pixels: PixelFormat, values: ValueMapping, frames: Array, table: Table | None = None
) -> Fill:
    """Return the stored value that shows as black.

    Unsigned values have their least (MONOCHROME1 or a falling rescale: greatest) one that the
    bits stored can say. Of signed and float ones, where that would be far from every value of an
    image (-32768 in CT), the frames' own least one.

    Parameters
    ----------
    pixels : PixelFormat
        What the stored values are; YBR ones as they are stored.
    values : ValueMapping
        The rescale.
    frames : NDArray
        All frames, before they are burnt.
    table : Table, optional
        The palette, where there is one; without it index 0 is taken.
    """
    if pixels.samples > 1:
        return _black_colour(pixels)
    if pixels.photometric == "PALETTE COLOR":
        return _darkest_entry(pixels, table)
    is_greatest = (pixels.photometric == "MONOCHROME1") != (values.slope < 0)
    if frames.dtype.kind == "u":
        return min(stored_range(pixels)[is_greatest], int(np.iinfo(frames.dtype).max))
    known = frames[np.isfinite(frames)] if frames.dtype.kind == "f" else frames
    if not known.size:
        return 0
    end = known.max() if is_greatest else known.min()
    return float(end) if frames.dtype.kind == "f" else int(end)


def _black_colour(pixels: PixelFormat) -> Fill:
    half = 1 << (pixels.bits_stored - 1)
    if pixels.photometric == "YBR_PARTIAL_422":
        return half // 8, half, half
    return (0, half, half) if "YBR_FULL" in pixels.photometric else (0, 0, 0)


def _darkest_entry(pixels: PixelFormat, table: Table | None) -> int:
    """Return the index of the darkest colour, the first of several."""
    if table is None:
        return 0
    first, entries = table
    index = first + int(np.argmin(entries.astype(np.int64).reshape(len(entries), -1).sum(axis=1)))
    low, high = stored_range(pixels)
    return min(max(index, low), high)


def mask_of(boxes: Iterable[Box], shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Return where boxes are, (frames, rows, columns); what reaches beyond is clipped."""
    mask = np.zeros(shape, np.bool_)
    for box in boxes:
        area = clipped(box.area, *shape[1:])
        stop = shape[0] if box.stop is None else box.stop
        if area is not None:
            rows = slice(area.row, area.row + area.rows)
            columns = slice(area.column, area.column + area.columns)
            mask[max(box.first, 0) : max(stop, 0), rows, columns] = True
    return mask


def burn(frames: Array, mask: NDArray[np.bool_], fill: Fill, photometric: str = "") -> Burning:
    """Return a copy of frames with the fill where the mask is.

    Parameters
    ----------
    frames : NDArray
        Stored values: (rows, columns), (frames, rows, columns), or these with (3,) for colour.
    mask : NDArray
        (rows, columns) for every frame, or (frames, rows, columns); see `mask_of`.
    fill : int, float or three int
        What `black` returns.
    photometric : str
        Where two pixels share their colour (YBR_FULL_422) whole pairs are burnt.

    Raises
    ------
    ValueError
        The mask is of another size.
    """
    grid = _grid(frames, fill)
    if mask.shape not in {grid, grid[-2:]}:
        message = "the mask is of another size than the frames"
        raise ValueError(message)
    where = np.broadcast_to(mask, grid)
    if photometric in _HALVED:
        where = _whole_pairs(where)
    burnt = frames.copy()
    burnt[where] = np.asarray(fill, frames.dtype)
    return Burning(burnt, where)


def _grid(frames: Array, fill: Fill) -> tuple[int, ...]:
    """Return the frames' shape without that of samples."""
    return frames.shape[:-1] if isinstance(fill, tuple) else frames.shape


def _whole_pairs(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask that takes both pixels of every pair that it touches."""
    wide = mask.copy()
    even = mask.shape[-1] // 2 * 2
    pairs = mask[..., 0:even:2] | mask[..., 1:even:2]
    wide[..., 0:even:2] = pairs
    wide[..., 1:even:2] = pairs
    return wide


def is_proven(before: Array, after: Burning, fill: Fill) -> bool:
    """Return whether all outside the mask is bit-identical, and all inside is the fill."""
    frames, mask = after.frames, after.mask
    if before.shape != frames.shape or before.dtype != frames.dtype:
        return False
    if mask.shape != _grid(frames, fill):
        return False
    inside = np.asarray(fill, frames.dtype)
    outside = _bits(before[~mask]) == _bits(frames[~mask])
    return bool(outside.all() and (_bits(frames[mask]) == _bits(inside)).all())


def _bits(values: Array) -> Array:
    """Return values as their bits: NaN equals itself, and -0 is not 0."""
    return np.ascontiguousarray(values).view(f"u{values.dtype.itemsize}").reshape(values.shape)


def scaled_area(area: Area, source: tuple[int, int], target: tuple[int, int]) -> Area:
    """Return the area of an icon that shows anything of an image's area, rounded outwards.

    A pixel more on every side is taken for what the icon's filter has spread.

    Parameters
    ----------
    area : Area
        Of the image.
    source, target : (int, int)
        (rows, columns) of the image and of the icon.
    """
    row, row_stop = _scaled(area.row, area.rows, source[0], target[0])
    column, column_stop = _scaled(area.column, area.columns, source[1], target[1])
    return Area(row, column, row_stop - row, column_stop - column)


def _scaled(first: int, count: int, source: int, target: int) -> tuple[int, int]:
    start = first * target // source - 1
    stop = -(-(first + count) * target // source) + 1
    return min(max(start, 0), target), min(max(stop, 0), target)


def icon_boxes(boxes: Iterable[Box], source: tuple[int, int], target: tuple[int, int]) -> list[Box]:
    """Return the boxes of an icon: it shows one frame, nobody knows which, so those of all."""
    return [
        replace(box, area=scaled_area(box.area, source, target), first=0, stop=None)
        for box in boxes
    ]  # fmt: skip


def header_changes(
    burning: Burning, pixels: PixelFormat, *, confirmed: bool
) -> list[tuple[str, int | str]]:
    """Return (keyword, value) of what the header has to say of burnt frames.

    LossyImageCompression and its ratio and method are not among them: what was lossy stays so.
    ImageType's first value becomes DERIVED, which the caller sets, as it sets new UIDs.

    Smallest and largest pixel value are for data sets that have them, in whatever group.

    Parameters
    ----------
    burning : Burning
        What was burnt.
    pixels : PixelFormat
        What the frames are.
    confirmed : bool
        A person has seen the whole instance: only then it may say that no text is left.
    """
    changes: list[tuple[str, int | str]] = []
    if burning.mask.any():
        changes.append(("DerivationDescription", DERIVATION))
    if pixels.samples == 1 and burning.frames.dtype.kind in "iu" and burning.frames.size:
        changes.append(("SmallestImagePixelValue", int(burning.frames.min())))
        changes.append(("LargestImagePixelValue", int(burning.frames.max())))
    if confirmed:
        changes.append(("BurnedInAnnotation", "NO"))
    return changes


def method_codes(*, confirmed: bool) -> tuple[str, ...]:
    """Return the codes of CID 7050 that the instance has earned for its pixels."""
    return (CLEAN_PIXEL_DATA,) if confirmed else ()
