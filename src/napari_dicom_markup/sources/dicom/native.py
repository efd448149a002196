"""From native bytes (PS3.5 section 8 and annex D) to stored values: one frame, no file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari_dicom_markup.model.stack import PixelElement, PixelFormat

Array = NDArray[Any]

BITS_ALLOCATED = frozenset({1, 8, 12, 16, 32, 64})
"""The sizes of a stored value that are decoded; 12 bits are packed, as ACR-NEMA had them."""


HALVED = frozenset({"YBR_FULL_422", "YBR_PARTIAL_422"})
"""Photometric interpretations in which two pixels share their colour."""


class Run(NamedTuple):
    """Where in its element a frame lies: bytes from ``begin`` to ``end``.

    Of the first byte ``skipped`` bits belong to the frame before: frames of packed bits follow
    one another without padding (PS3.5 8.1.1).
    """

    begin: int
    end: int
    skipped: int = 0


def sample_bytes(pixels: PixelFormat) -> int:
    """Return how many bytes a stored value takes in memory."""
    return (pixels.bits_allocated + 7) // 8


def _is_packed(pixels: PixelFormat) -> bool:
    return pixels.bits_allocated % 8 > 0


def stored_dtype(pixels: PixelFormat, element: PixelElement) -> np.dtype[Any]:
    """Return the type of stored values in the machine's byte order; one bit becomes uint8."""
    if element.keyword == "FloatPixelData":
        return np.dtype(np.float32)
    if element.keyword == "DoubleFloatPixelData":
        return np.dtype(np.float64)
    signed = pixels.signed and pixels.bits_allocated > 1
    return np.dtype(f"{'i' if signed else 'u'}{sample_bytes(pixels)}")


def frame_shape(pixels: PixelFormat) -> tuple[int, ...]:
    """Return (rows, columns), or (rows, columns, 3) for colour."""
    return (pixels.rows, pixels.columns, 3)[: 2 if pixels.samples == 1 else 3]


def frame_run(pixels: PixelFormat, element: PixelElement, number: int) -> Run:
    """Return where frame ``number`` lies in an element of native frames."""
    count = pixels.rows * pixels.columns * pixels.samples
    if _is_packed(pixels):
        first = number * count * pixels.bits_allocated
        last = first + count * pixels.bits_allocated
        return Run(first // 8, (last + 7) // 8, first % 8)
    size = count * stored_dtype(pixels, element).itemsize
    if _is_subsampled(pixels, element, size * pixels.frames):
        size = size // 3 * 2
    return Run(number * size, (number + 1) * size)


def _is_subsampled(pixels: PixelFormat, element: PixelElement, full: int) -> bool:
    """Return whether two pixels share Cb and Cr; some objects say so and have all samples."""
    return pixels.photometric in HALVED and (element.length or 0) < full


def decode_native(
    buffer: NDArray[np.uint8],
    pixels: PixelFormat,
    element: PixelElement,
    skipped: int = 0,
    *,
    big_endian: bool,
) -> Array:
    """Return stored values; the buffer may become their memory.

    Parameters
    ----------
    buffer : NDArray
        Exactly the bytes of the frame's run, writable.
    pixels, element : PixelFormat, PixelElement
        What the bytes are.
    skipped : int
        Bits of the first byte that are the frame's before.
    big_endian : bool
        The order of bytes in words.
    """
    dtype = stored_dtype(pixels, element)
    if _is_packed(pixels):
        stored = _unpacked(buffer, pixels, skipped).astype(dtype, copy=False)
        keep_low_bits(stored, pixels.bits_stored)
        return _arranged(stored, pixels)
    stored = buffer.view(dtype.newbyteorder(">" if big_endian else "<")).astype(dtype, copy=False)
    if element.keyword == "PixelData":
        keep_low_bits(stored, pixels.bits_stored)
    if stored.size < pixels.rows * pixels.columns * pixels.samples:
        return _arranged(_resampled(stored), pixels)
    return _arranged(stored, pixels)


def _unpacked(buffer: NDArray[np.uint8], pixels: PixelFormat, skipped: int) -> Array:
    """Return values of 1 or 12 bits that follow one another, lowest bits first (PS3.5 8.1.1).

    Three bytes of 12 bits, 34 12 56, are the values 0x234 and 0x561.
    """
    count = pixels.rows * pixels.columns * pixels.samples
    if pixels.bits_allocated == 1:
        bits: Array = np.unpackbits(buffer, count=skipped + count, bitorder="little")[skipped:]
        return bits
    nibbles = np.stack([buffer & 15, buffer >> 4], axis=-1).reshape(-1)[skipped // 4 :]
    low, middle, high = nibbles[: 3 * count].reshape(-1, 3).astype(np.uint16).T
    packed: Array = low | middle << 4 | high << 8
    return packed


def swapped_pairs(buffer: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return bytes that stand in big-endian words (PS3.5 A.3) in order: 1 0 3 2 as 0 1 2 3."""
    return np.ascontiguousarray(buffer[: buffer.size // 2 * 2].reshape(-1, 2)[:, ::-1]).reshape(-1)


def _resampled(stored: Array) -> Array:
    """Return Y B R a pixel from Y1 Y2 B R a pair of pixels (PS3.3 C.7.6.3.1.2)."""
    pairs = stored[: stored.size // 4 * 4].reshape(-1, 4)
    return pairs[:, [0, 2, 3, 1, 2, 3]].reshape(-1)


def _arranged(stored: Array, pixels: PixelFormat) -> Array:
    """Return flat values as rows and columns, colour as RGB by pixel."""
    if pixels.samples == 1:
        return stored.reshape(pixels.rows, pixels.columns)
    if pixels.planar == 1 and pixels.photometric not in HALVED:
        planes = stored.reshape(3, pixels.rows, pixels.columns)
        stored = np.ascontiguousarray(np.moveaxis(planes, 0, -1))
    stored = stored.reshape(pixels.rows, pixels.columns, 3)
    return as_rgb(stored, pixels)


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


def as_rgb(stored: Array, pixels: PixelFormat) -> Array:
    """Return native or RLE colour, (rows, columns, 3), as RGB."""
    if pixels.photometric == "YBR_PARTIAL_422":
        return partial_ybr_to_rgb(stored)
    return ybr_to_rgb(stored, pixels.bits_stored) if "YBR_FULL" in pixels.photometric else stored


def partial_ybr_to_rgb(ybr: Array) -> Array:
    """Return RGB from YBR_PARTIAL_422, now retired (PS3.3 2016 C.7.6.3.1.2).

    Black is Y = 16 and white 235; B and R lie from 16 to 240, 128 being none.
    """
    y, b, r = (ybr[..., i].astype(np.float32) - offset for i, offset in enumerate((16, 128, 128)))
    scales = ((1.1644, 0.0, 1.5960), (1.1644, -0.3917, -0.8130), (1.1644, 2.0173, 0.0))
    rgb = np.stack([y * a + b * c + r * d for a, c, d in scales], axis=-1)
    rgb8: Array = np.clip(np.floor(rgb + 0.5), 0, 255).astype(ybr.dtype)
    return rgb8


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
