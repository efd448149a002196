"""Claims about a DICOM file: which of its bytes are pixels (PS3.5 sections 8 and A.4)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from napari_dicom_markup.model.claim import Claim, PlaneLayout
from napari_dicom_markup.sources.dicom.native import HALVED
from napari_dicom_markup.standard import transfer_syntax as ts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicom_markup.model.stack import Instance, PixelElement, PixelFormat

SMALLEST = 256
"""Shorter runs are not worth a part of their own: they stay with the header bytes."""

_ITEM = (0xFFFE, 0xE000)


def claim_pixels(raw: bytes | memoryview, instance: Instance) -> list[Claim]:
    """Return what of a file's bytes is planes or compressed fragments.

    A data set that is deflated as a whole (PS3.5 A.5) is one compressed run; an object without
    pixels has no claims.
    """
    if instance.transfer_syntax_uid == ts.DEFLATED_LE:
        return [Claim(SMALLEST, len(raw) - SMALLEST)] if len(raw) > 2 * SMALLEST else []
    element = instance.element
    if element is None or instance.pixels is None or element.offset < 0:
        return []
    if element.length is None:
        return list(_fragments(memoryview(raw), element.offset))
    layout = _layout(instance.pixels, instance.transfer_syntax_uid)
    if layout is None or element.keyword != "PixelData":
        return []
    return list(_native(len(raw), element, layout))


def _native(size: int, element: PixelElement, layout: PlaneLayout) -> Iterator[Claim]:
    length = min(element.length or 0, size - element.offset)
    if length >= max(layout.size, SMALLEST):
        yield Claim(element.offset, length, layout)


def _layout(pixels: PixelFormat, syntax: str) -> PlaneLayout | None:
    """Return how a native plane lies in the file, or None where JPEG-LS has no mode for it."""
    if pixels.bits_allocated not in {8, 16} or pixels.samples not in {1, 3}:
        return None
    width = pixels.bits_allocated // 8
    columns, samples = pixels.columns, pixels.samples
    if pixels.photometric in HALVED:
        columns, samples = 2 * columns, 1
    elif samples == 3 and pixels.planar == 1:
        samples = 1  # three planes, one after the other
    return PlaneLayout(pixels.rows, columns, samples, width, big_endian=syntax == ts.EXPLICIT_BE)


def _fragments(raw: memoryview, at: int) -> Iterator[Claim]:
    """Yield the fragments of encapsulated pixel data, as far as the items hold together."""
    while at + 8 <= len(raw):
        group, element, length = struct.unpack_from("<HHI", raw, at)
        at += 8
        if (group, element) != _ITEM or at + length > len(raw):
            return
        if length >= SMALLEST:
            yield Claim(at, length)
        at += length
