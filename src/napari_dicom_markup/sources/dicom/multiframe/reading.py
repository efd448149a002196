"""Read an image's header, quickly where it is written as usual, with pydicom elsewhere."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from napari_dicom_markup.errors import DecodeError
from napari_dicom_markup.sources.dicom.multiframe.fallback import read_with_pydicom
from napari_dicom_markup.sources.dicom.multiframe.header import HeaderReader, UnusualHeaderError
from napari_dicom_markup.standard.transfer_syntax import DEFLATED_LE, EXPLICIT_BE, IMPLICIT_LE

if TYPE_CHECKING:
    from napari_dicom_markup.model.stack import Instance
    from napari_dicom_markup.sources.dicom.multiframe.header import Item

_PREFIX, _PREFIX_END = b"DICM", 132
_META_GROUP = b"\2\0"
_META_ELEMENT = struct.Struct("<HH2sH")
_WIDE = frozenset({b"OB", b"UN"})
_WIDE_LENGTH = struct.Struct("<L")


def read_header(instance: Instance, raw: bytes | memoryview | None) -> Item:
    """Return the data set of an image's file up to its pixels.

    Raises
    ------
    DecodeError
        The file cannot be opened, or its header is absurd.
    NotDicomError
        The header cannot be read.

    """
    head = _head_of(instance, raw)
    if instance.transfer_syntax_uid != DEFLATED_LE:
        try:
            return _read_usual(head, instance.transfer_syntax_uid)
        except UnusualHeaderError:
            pass
    return read_with_pydicom(head)


def _head_of(instance: Instance, raw: bytes | memoryview | None) -> bytes:
    """Return the bytes before the pixels' value; the whole file where that has no place."""
    offset = -1 if instance.element is None else instance.element.offset
    count = offset if offset >= 0 else None
    if raw is not None:
        return bytes(raw[:count])
    try:
        with instance.file.path.open("rb") as file:
            return file.read() if count is None else file.read(count)
    except OSError:
        message = "the file cannot be opened"
        raise DecodeError(message) from None


def _read_usual(head: bytes, syntax: str) -> Item:
    """Return the data set behind file meta information."""
    if head[_PREFIX_END - len(_PREFIX) : _PREFIX_END] != _PREFIX:
        raise UnusualHeaderError
    reader = HeaderReader(head, explicit=syntax != IMPLICIT_LE, big=syntax == EXPLICIT_BE)
    return reader.read(_end_of_meta(head))


def _end_of_meta(head: bytes) -> int:
    """Return where the elements of group 2 end, which are explicit and little endian."""
    position = _PREFIX_END
    while head[position : position + 2] == _META_GROUP and position + 12 <= len(head):
        _, _, vr, length = _META_ELEMENT.unpack_from(head, position)
        if vr in _WIDE:
            (length,) = _WIDE_LENGTH.unpack_from(head, position + 8)
            position += 4
        position += 8 + length
    return position
