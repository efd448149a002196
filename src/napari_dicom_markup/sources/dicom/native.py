"""From native bytes (PS3.5 section 8 and annex D) to stored values: one frame, no file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari_dicom_markup.model.stack import PixelElement, PixelFormat

Array = NDArray[Any]


def stored_dtype(pixels: PixelFormat, element: PixelElement) -> np.dtype[Any]:
    """Return the type of stored values in the machine's byte order; one bit becomes uint8."""
    if element.keyword == "FloatPixelData":
        return np.dtype(np.float32)
    if element.keyword == "DoubleFloatPixelData":
        return np.dtype(np.float64)
    signed = pixels.signed and pixels.bits_allocated > 1
    return np.dtype(f"{'i' if signed else 'u'}{max(1, pixels.bits_allocated // 8)}")


def frame_shape(pixels: PixelFormat) -> tuple[int, ...]:
    """Return (rows, columns), or (rows, columns, 3) for colour."""
    return (pixels.rows, pixels.columns, 3)[: 2 if pixels.samples == 1 else 3]


def frame_bytes(pixels: PixelFormat, element: PixelElement) -> int:
    """Return how many bytes hold the frame, without the pad byte."""
    count = pixels.rows * pixels.columns * pixels.samples
    if pixels.bits_allocated == 1:
        return (count + 7) // 8
    size = count * stored_dtype(pixels, element).itemsize
    return size // 3 * 2 if _is_subsampled(pixels, element, size) else size


def _is_subsampled(pixels: PixelFormat, element: PixelElement, full: int) -> bool:
    """Return whether two pixels share Cb and Cr; some objects say so and have all samples."""
    return pixels.photometric == "YBR_FULL_422" and (element.length or 0) < full


def decode_native(
    buffer: NDArray[np.uint8], pixels: PixelFormat, element: PixelElement, *, big_endian: bool
) -> Array:
    """Return stored values; the buffer may become their memory.

    Parameters
    ----------
    buffer : NDArray
        Exactly the `frame_bytes`, writable.
    pixels, element : PixelFormat, PixelElement
        What the bytes are.
    big_endian : bool
        The order of bytes in words.
    """
    if pixels.bits_allocated == 1:
        count = pixels.rows * pixels.columns * pixels.samples
        flat = np.unpackbits(buffer, count=count, bitorder="little")
        return _arranged(flat, pixels)
    dtype = stored_dtype(pixels, element)
    stored = buffer.view(dtype.newbyteorder(">" if big_endian else "<")).astype(dtype, copy=False)
    if element.keyword == "PixelData":
        keep_low_bits(stored, pixels.bits_stored)
    if stored.size < pixels.rows * pixels.columns * pixels.samples:
        return _arranged(_resampled(stored), pixels)
    return _arranged(stored, pixels)


def swapped_pairs(buffer: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return bytes that stand in big-endian words (PS3.5 A.3) in order: 1 0 3 2 as 0 1 2 3."""
    return np.ascontiguousarray(buffer[: buffer.size // 2 * 2].reshape(-1, 2)[:, ::-1]).reshape(-1)


def _resampled(stored: Array) -> Array:
    """Return Y B R a pixel from YBR_FULL_422's Y1 Y2 B R a pair of pixels (PS3.3 C.7.6.3.1.2)."""
    pairs = stored[: stored.size // 4 * 4].reshape(-1, 4)
    return pairs[:, [0, 2, 3, 1, 2, 3]].reshape(-1)


def _arranged(stored: Array, pixels: PixelFormat) -> Array:
    """Return flat values as rows and columns, colour as RGB by pixel."""
    if pixels.samples == 1:
        return stored.reshape(pixels.rows, pixels.columns)
    if pixels.planar == 1 and pixels.photometric != "YBR_FULL_422":
        planes = stored.reshape(3, pixels.rows, pixels.columns)
        stored = np.ascontiguousarray(np.moveaxis(planes, 0, -1))
    stored = stored.reshape(pixels.rows, pixels.columns, 3)
    is_ybr = pixels.photometric in {"YBR_FULL", "YBR_FULL_422"}
    return ybr_to_rgb(stored, pixels.bits_stored) if is_ybr else stored


def keep_low_bits(stored: Array, bits: int) -> None:
    """Clear or sign-extend, in place, what stands above the low bits (PS3.5 8.1.1).

    With 12 bits stored as signed 16: 0001 1001 0000 0001 is shifted to 1001 0000 0001 0000 and
    back to 1111 1001 0000 0001.
    """
    unused = 8 * stored.dtype.itemsize - bits
    if unused <= 0 or stored.dtype.kind not in "iu":
        return
    if stored.dtype.kind == "u":
        np.bitwise_and(stored, stored.dtype.type((1 << bits) - 1), out=stored)
        return
    np.left_shift(stored, unused, out=stored)
    np.right_shift(stored, unused, out=stored)


def ybr_to_rgb(ybr: Array, bits: int) -> Array:
    """Return RGB from YBR_FULL (PS3.3 C.7.6.3.1.2), rounded and clipped to the bits stored."""
    precise: type[np.floating[Any]] = np.float32 if bits <= 8 else np.float64
    half = 1 << (bits - 1)
    y, b, r = (
        ybr[..., i].astype(precise) - precise(offset) for i, offset in enumerate((0, half, half))
    )
    green = y - b * precise(0.114 * 1.772 / 0.587) - r * precise(0.299 * 1.402 / 0.587)
    rgb = np.stack([y + r * precise(1.402), green, y + b * precise(1.772)], axis=-1)
    np.floor(rgb + precise(0.5), out=rgb)
    rgb8: Array = np.clip(rgb, 0, (1 << bits) - 1).astype(ybr.dtype)
    return rgb8
