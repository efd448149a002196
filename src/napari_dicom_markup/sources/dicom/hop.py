"""Find the wanted elements in one file, hopping over values by their lengths.

``begin`` starts at the file's first byte; ``resume`` goes on from there, or from where the
lockstep of ``walk`` ran out of bytes. The rules are those of ``walk``: anything unusual raises.
"""

from __future__ import annotations

import struct
from typing import Protocol

from napari_dicom_markup.sources.dicom.walk import (
    DELIMITER,
    DELIMITERS,
    ITEM,
    ITEM_END,
    PIXEL_KEYWORDS,
    PLAIN,
    PREFIX,
    PREFIX_END,
    SEQUENCE,
    SEQUENCE_END,
    TRANSFER_SYNTAX,
    UNBOUNDED,
    UNDEFINED,
    VR_KINDS,
    WIDE,
    WIDE_SEQUENCE,
    Cut,
    Header,
    Values,
    is_explicit,
    pixel_element,
)
from napari_dicom_markup.standard.attributes import ATTRIBUTES, INDEX

_NESTED = (b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0")
"""What a sequence of undefined length begins with: an item, or its own end."""

_HEADER = struct.Struct("<HHHH")
_IMAGE_GROUP = 0x0028
_SLOT_OF_TAG = {a.tag: slot for slot, a in enumerate(ATTRIBUTES)}
_ROWS = INDEX["Rows"]
_KINDS = VR_KINDS.tolist()


class UnusualError(ValueError):
    """The bytes are not written as nearly all DICOM files are: let pydicom read them."""


class Reader(Protocol):
    """Random access to the bytes of one file."""

    @property
    def size(self) -> int:
        """The file's length in bytes."""

    def read(self, position: int, count: int) -> bytes:
        """Return ``count`` bytes from ``position``, fewer at the end."""


def begin(reader: Reader) -> Cut:
    """Read the File Meta Information of one file; ``resume`` does the rest.

    Raises
    ------
    UnusualError
        The file does not begin as ``walk`` expects.

    """
    if reader.read(PREFIX_END - len(PREFIX), len(PREFIX)) != PREFIX:
        raise UnusualError
    values: Values = [None] * len(ATTRIBUTES)
    position = PREFIX_END
    while reader.read(position, 2) == b"\2\0":
        tag, kind, value, length = _measure(reader, position, explicit=True)
        if kind != PLAIN:
            raise UnusualError
        _note(reader, values, tag, value, length)
        position = value + length
    explicit = is_explicit(values[TRANSFER_SYNTAX])
    first = reader.read(position, 6)
    lettered = first[4:6].isalpha() and first[4:6].isupper()
    if explicit is None or (first and (int.from_bytes(first[:2], "little") < 8 or len(first) < 6)):
        raise UnusualError
    if lettered and not explicit:
        raise UnusualError
    return Cut(values, position, 0, explicit)


def resume(reader: Reader, cut: Cut) -> Header:
    """Go on where ``walk`` was cut, up to the pixels or, without Rows, behind group 0028.

    Raises
    ------
    UnusualError
        Something is not as nearly all files have it.

    """
    values, position, depth = list(cut.values), cut.position, cut.depth
    while position < reader.size:
        tag, kind, value, length = _measure(reader, position, explicit=cut.explicit)
        if depth == 0 and tag in PIXEL_KEYWORDS:
            return Header(values, pixel_element(tag & 0xFFFF, value, length))
        if depth == 0 and tag >> 16 > _IMAGE_GROUP and values[_ROWS] is None:
            return Header(values, None)
        if depth == 0:
            _note(reader, values, tag, value, length)
        position, depth = _advance(tag, kind, value, length, depth)
    if position != reader.size or depth:
        raise UnusualError
    return Header(values, None)


def _measure(reader: Reader, position: int, *, explicit: bool) -> tuple[int, int, int, int]:
    """Return tag, kind, where the value begins, and its length."""
    head = reader.read(position, 12)
    if len(head) < 8:
        raise UnusualError
    group, element, vr, short = _HEADER.unpack_from(head)
    tag, value, length = group << 16 | element, position + 8, vr | short << 16
    kind = PLAIN
    if group == DELIMITERS:
        return tag, DELIMITER, value, length
    if explicit:
        kind, length = _KINDS[vr], short
        if kind in {WIDE, WIDE_SEQUENCE}:
            value, length = position + 12, int.from_bytes(head[8:12], "little")
            unbounded = SEQUENCE if kind == WIDE_SEQUENCE else UNBOUNDED
            kind = unbounded if length == UNDEFINED else PLAIN
    elif length == UNDEFINED:
        kind = SEQUENCE if head[8:12] in _NESTED else UNBOUNDED
    if value > reader.size:
        raise UnusualError
    return tag, kind, value, length


def _note(reader: Reader, values: Values, tag: int, value: int, length: int) -> None:
    """Keep a wanted element's value."""
    slot = _SLOT_OF_TAG.get(tag)
    if slot is None:
        return
    if ATTRIBUTES[slot].presence:
        values[slot] = b""
        return
    raw = reader.read(value, length) if value + length <= reader.size else b""
    if len(raw) != length:
        raise UnusualError
    values[slot] = raw


def _advance(tag: int, kind: int, value: int, length: int, depth: int) -> tuple[int, int]:
    """Return the next position and nesting."""
    between, mark = depth & 1, tag & 0xFFFF if kind == DELIMITER else 0
    if (kind == PLAIN and not between) or (mark == ITEM and between and length != UNDEFINED):
        if length & 1:
            raise UnusualError
        return value + length, depth
    if (kind == SEQUENCE and not between) or (mark == ITEM and between):
        return value, depth + 1
    ends = (mark == ITEM_END and not between and depth) or (mark == SEQUENCE_END and between)
    if not ends or length:
        raise UnusualError
    return value, depth - 1
