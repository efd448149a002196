"""From stored to physical values: rescale, Modality LUT and palette, without wrap-around."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_dicom_markup.core.real_world import real_world_ends, real_world_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari_dicom_markup.model.stack import Frame, PixelFormat, ValueMapping

Array: TypeAlias = NDArray[Any]
Table: TypeAlias = tuple[int, Array]
"""First stored value mapped, and the entries from there on."""

_INTEGERS = (np.uint8, np.uint16, np.int16, np.int32, np.uint32)
"""Types of exact physical values, smallest first; napari and TIFF readers know them all."""


def physical_dtype(frames: Iterable[Frame]) -> np.dtype[Any]:
    """Return the smallest type that holds every physical value the frames declare.

    Parameters
    ----------
    frames : iterable of Frame
        The images of one stack.

    Returns
    -------
    np.dtype
        uint8, uint16, int16, int32 or uint32 where all values are integers, float64 for wider
        ones, float32 otherwise; uint8 for colour and palettes, float64 for Double Float Pixel Data.
    """
    low, high = 0, 0
    for frame in _distinct(frames):
        if _is_colour(frame):
            return np.dtype(np.uint8)
        if frame.element is not None and frame.element.keyword == "DoubleFloatPixelData":
            return np.dtype(np.float64)
        ends = _integer_ends(frame)
        if ends is None:
            return np.dtype(np.float32)
        low, high = min(low, ends[0]), max(high, ends[1])
    fitting = (t for t in _INTEGERS if np.iinfo(t).min <= low and high <= np.iinfo(t).max)
    return np.dtype(next(fitting, np.float64))


def _distinct(frames: Iterable[Frame]) -> Iterator[Frame]:
    """Yield frames of different formats or mappings: thousands share theirs."""
    seen = set()
    for frame in frames:
        key = (id(frame.pixels), id(frame.values), _is_float(frame))
        if key not in seen:
            seen.add(key)
            yield frame


def is_palette(frame: Frame) -> bool:
    """Return whether stored values are palette indices.

    A Supplemental Palette (PS3.3 C.7.6.19) colours a part of a grey image: that stays grey.
    """
    pixels = frame.pixels
    return frame.values.palette and pixels.photometric == _PALETTE


_PALETTE = "PALETTE COLOR"


def _is_colour(frame: Frame) -> bool:
    return frame.pixels.samples > 1 or is_palette(frame)


def _is_float(frame: Frame) -> bool:
    return frame.element is not None and frame.element.keyword != "PixelData"


def _integer_ends(frame: Frame) -> tuple[int, int] | None:
    """Return the least and greatest physical value declared, None where one is no integer."""
    values = frame.values
    if values.measured is not None:
        return real_world_ends(
            values.measured, None if _is_float(frame) else stored_range(frame.pixels)
        )
    if values.lut:
        return 0, np.iinfo(np.uint16).max  # its entries have 16 bits at most (PS3.3 C.11.1)
    if _is_float(frame) or not _is_shift(values):
        return None
    low, high = stored_range(frame.pixels)
    return low + int(values.intercept), high + int(values.intercept)


def _is_shift(values: ValueMapping) -> bool:
    """Return whether the rescale only adds an integer."""
    return values.slope == 1 and float(values.intercept).is_integer()


def stored_range(pixels: PixelFormat) -> tuple[int, int]:
    """Return the least and greatest stored value that the bits stored can say."""
    if pixels.signed:
        return -(1 << (pixels.bits_stored - 1)), (1 << (pixels.bits_stored - 1)) - 1
    return 0, (1 << pixels.bits_stored) - 1


def physical_plane(
    stored: Array,
    frame: Frame,
    dtype: DTypeLike,
    table: Table | None = None,
    out: Array | None = None,
) -> Array:
    """Return a frame's stored values as physical ones, by whatever mapping it has.

    Parameters
    ----------
    stored : NDArray
        (rows, columns), or (rows, columns, 3) RGB.
    frame : Frame
        The frame the values are of.
    dtype : DTypeLike
        The stack's `physical_dtype`.
    table : Table, optional
        The palette or Modality LUT, which a frame that says it has one needs.
    out : NDArray, optional
        The plane to fill; it may be the memory of ``stored``.

    Raises
    ------
    ValueError
        Where a table is needed and not given.
    """
    padded = _padded(stored, frame)
    plane = _mapped(stored, frame, dtype, table, out)
    if padded is not None:
        _fill_background(plane, padded, frame)
    return plane


def _mapped(
    stored: Array, frame: Frame, dtype: DTypeLike, table: Table | None, out: Array | None
) -> Array:
    palette = is_palette(frame)
    if palette or (frame.values.lut and stored.ndim == 2):
        if table is None:
            message = "the frame's lookup table is needed"
            raise ValueError(message)
        apply = apply_palette if palette else apply_modality_lut
        return _filled(apply(stored, table), dtype, out)
    if stored.ndim > 2:
        return to_rgb8(stored, frame.pixels.bits_stored, out)
    if frame.values.measured is not None:
        measured = real_world_values(stored, frame.values.measured, np.dtype(dtype))
        return _filled(measured, dtype, out)
    return to_physical(stored, frame.values, dtype, out)


def is_padding(stored: Array, values: ValueMapping) -> NDArray[np.bool_]:
    """Return where stored values are padding (PS3.3 C.7.5.1.1.2): one value, or a range of them."""
    if values.padding is None:
        return np.zeros(stored.shape, np.bool_)
    limit = values.padding if values.padding_limit is None else values.padding_limit
    ends = (values.padding, limit)
    found: NDArray[np.bool_] = (stored >= min(ends)) & (stored <= max(ends))
    return found


def padding_range(frame: Frame) -> tuple[float, float] | None:
    """Return the least and greatest physical value of padding, None where it has none."""
    values = frame.values
    if values.padding is None or values.lut or values.measured or _is_colour(frame):
        return None
    limit = values.padding if values.padding_limit is None else values.padding_limit
    ends = [end * values.slope + values.intercept for end in (values.padding, limit)]
    return min(ends), max(ends)


def _padded(stored: Array, frame: Frame) -> NDArray[np.bool_] | None:
    """Return where padding would be shown bright, None where there is none.

    Padding that is the least that the bits can say, or below 0, is dark already: it stays. In a
    MONOCHROME1 image the greatest is dark.
    """
    padding, inverted = frame.values.padding, frame.pixels.photometric == "MONOCHROME1"
    if padding is None or stored.ndim > 2 or stored.dtype.kind not in "iu" or _is_colour(frame):
        return None
    ends = {padding, frame.values.padding_limit or padding}
    dark = min(ends) >= stored_range(frame.pixels)[1] if inverted else max(ends) <= 0
    if dark:
        return None
    found = is_padding(stored, frame.values)
    return found if found.any() and not found.all() else None


def _fill_background(plane: Array, padded: NDArray[np.bool_], frame: Frame) -> None:
    """Give padding the darkest value of the image beside it, in place."""
    image = plane[~padded]
    inverted = frame.pixels.photometric == "MONOCHROME1"
    plane[padded] = image.max() if inverted else image.min()


def to_physical(
    stored: Array, values: ValueMapping, dtype: DTypeLike, out: Array | None = None
) -> Array:
    """Return stored × slope + intercept in the given type.

    Integers are shifted by modular arithmetic, in place where ``out`` is the memory of
    ``stored``: as int16, the stored uint16 65000 plus -64536 is 464, whatever overflows on the
    way. Values beyond the type, which contradict the declared bits, saturate.

    Parameters
    ----------
    stored : NDArray
        Any shape, integer or float.
    values : ValueMapping
        Slope and intercept.
    dtype : DTypeLike
        The type to return, as `physical_dtype` says.
    out : NDArray, optional
        The array of that type and shape to fill.
    """
    target = np.empty(stored.shape, dtype) if out is None else out
    if stored.dtype.kind in "iu" and target.dtype.kind in "iu" and _is_shift(values):
        _shift(stored, int(values.intercept), target)
        return target
    if values.slope == 1 and values.intercept == 0:
        return _filled(stored, target.dtype, target)
    physical = stored.astype(np.float64)
    physical *= values.slope
    physical += values.intercept
    return _filled(physical, target.dtype, target)


def _shift(stored: Array, offset: int, target: Array) -> None:
    """Add an integer into the target; modular where that is exact, saturating otherwise."""
    if not offset and stored.dtype == target.dtype:
        _filled(stored, target.dtype, target)
        return
    limits, kind = np.iinfo(target.dtype), np.iinfo(stored.dtype)
    always = limits.min <= kind.min + offset and kind.max + offset <= limits.max
    if (
        always
        or stored.size == 0
        or (limits.min <= int(stored.min()) + offset and int(stored.max()) + offset <= limits.max)
    ):
        modular = np.dtype(f"u{target.dtype.itemsize}")
        if stored.dtype.itemsize == target.dtype.itemsize:
            stored = stored.view(modular)
        summand = modular.type(offset % (1 << 8 * modular.itemsize))
        if summand or stored.dtype != modular or not np.shares_memory(stored, target):
            np.add(stored, summand, out=target.view(modular), dtype=modular, casting="unsafe")
        return
    wide = stored.astype(object if stored.dtype.itemsize == 8 else np.int64) + offset
    np.copyto(target, np.clip(wide, limits.min, limits.max), casting="unsafe")


def _filled(physical: Array, dtype: DTypeLike, out: Array | None) -> Array:
    """Return values in the given type, in ``out`` where given; integers rounded and clipped."""
    target = np.empty(physical.shape, dtype) if out is None else out
    if target.dtype.kind in "iu" and physical.dtype.kind == "f":
        limits = np.iinfo(target.dtype)
        physical = np.clip(np.rint(physical), limits.min, limits.max)
    if physical.dtype != target.dtype or not np.shares_memory(physical, target):
        np.copyto(target, physical, casting="unsafe")
    return target


def to_rgb8(stored: Array, bits_stored: int, out: Array | None = None) -> Array:
    """Return colour of any depth as uint8: the upper 8 of the bits stored."""
    shift = bits_stored - 8
    scaled = stored >> shift if shift > 0 else stored << -shift if shift < 0 else stored
    return _filled(scaled, np.uint8, out)


def apply_modality_lut(stored: Array, table: Table) -> Array:
    """Return the table's entries for stored values; those outside it take the end's entry.

    The type is that of the entries, uint8 or uint16 (PS3.3 C.11.1.1).
    """
    first, entries = table
    return np.take(entries, _index(stored, first), axis=0, mode="clip")


def apply_palette(stored: Array, table: Table) -> Array:
    """Return RGB as uint8, (rows, columns, 3), for palette indices (rows, columns).

    Entries of 16 bits give their upper 8; those that never exceed 255 were written with 8 bits
    in 16, and stay.
    """
    first, entries = table
    if entries.dtype.itemsize > 1:
        entries = (entries >> 8 if entries.max(initial=0) > 255 else entries).astype(np.uint8)
    return np.take(entries, _index(stored, first), axis=0, mode="clip")


def _index(stored: Array, first: int) -> Array:
    return stored.astype(np.int64 if stored.dtype.itemsize > 2 else np.int32) - first


def value_range(frames: Iterable[Frame], dtype: DTypeLike) -> tuple[float, float] | None:
    """Return the declared physical range over all frames, None where there is none.

    Float pixels declare no range, nor does a rescale that leads beyond the type; a Modality LUT's
    is that of its type, colour's 0 to 255.
    """
    low, high = math.inf, -math.inf
    for frame in _distinct(frames):
        ends = _declared_ends(frame, np.dtype(dtype))
        if ends is None:
            return None
        low, high = min(low, *ends), max(high, *ends)
    return (low, high) if low < high else None


def _declared_ends(frame: Frame, dtype: np.dtype[Any]) -> tuple[float, float] | None:
    if _is_colour(frame):
        return 0.0, 255.0
    if frame.values.measured is not None:
        return None
    if frame.values.lut:
        return 0.0, float(np.iinfo(dtype if dtype.kind in "iu" else np.uint16).max)
    if _is_float(frame):
        return None
    low, high = stored_range(frame.pixels)
    slope, intercept = frame.values.slope, frame.values.intercept
    ends = low * slope + intercept, high * slope + intercept
    most = float(np.finfo(dtype).max) if dtype.kind == "f" else math.inf
    return ends if max(map(abs, ends)) <= most else None
