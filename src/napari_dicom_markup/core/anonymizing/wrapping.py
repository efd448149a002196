"""The boxes that JPEG 2000 and JPEG XL files come in (ITU-T T.800 annex I, ISO/IEC 18181-2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dicom_markup.core.anonymizing.jpeg_2000 import clean_jpeg_2000
from napari_dicom_markup.core.anonymizing.unreadable import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

JP2_START = b"\0\0\0\x0cjP  \r\n\x87\n"
JXL_START = b"\0\0\0\x0cJXL \r\n\x87\n"

_PIXELS = frozenset({b"jP  ", b"JXL ", b"ftyp", b"jp2h", b"jxlc", b"jxlp", b"jxll"})
"""Boxes that a decoder needs; all others hold metadata."""

_LONG_HEADER = 16


def clean_boxes(stream: bytes) -> bytes:
    """Return a file of boxes with those only that a decoder needs, comments in them removed.

    Raises
    ------
    DecodeError
        A box runs past the end.
    """
    return b"".join(_kept(name, content) for name, content in _boxes(stream))


def _boxes(stream: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while position < len(stream) and stream[position:].strip(b"\0"):
        size, head = int.from_bytes(stream[position : position + 4], "big"), 8
        if size == 1:
            size, head = int.from_bytes(stream[position + 8 : position + 16], "big"), _LONG_HEADER
        if size == 0:  # this box goes to the end of the file
            size = len(stream) - position
        if size < head or position + size > len(stream):
            raise unreadable(position, "box")
        yield stream[position + 4 : position + 8], stream[position + head : position + size]
        position += size


def _kept(name: bytes, content: bytes) -> bytes:
    if name == b"jp2c":
        content = clean_jpeg_2000(content)
    elif name not in _PIXELS:
        return b""
    return (len(content) + 8).to_bytes(4, "big") + name + content
