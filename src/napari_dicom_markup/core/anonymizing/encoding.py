"""A data set as the bytes of a file, in chunks: pixel bytes pass through as they are."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from napari_dicom_markup.core.anonymizing.file_meta import ApplyError
from napari_dicom_markup.core.anonymizing.items import pydicom_errors
from napari_dicom_markup.standard import transfer_syntax as ts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydicom.dataset import Dataset
    from pydicom.tag import BaseTag

_PIXEL_DATA = 0x7FE00010
_UNDEFINED = 0xFFFFFFFF
_DELIMITER = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def to_bytes(data_set: Dataset) -> Iterator[bytes]:
    """Yield a file, from preamble and file meta to its last element: nothing follows that.

    Parameters
    ----------
    data_set
        With its file meta (``Applied.data_set``).

    Raises
    ------
    ApplyError
        An element cannot be written.
    """
    syntax = str(data_set.file_meta.TransferSyntaxUID)
    yield b"\0" * 128 + b"DICM" + _meta(data_set)
    if syntax == ts.DEFLATED_LE:
        yield from _deflated(_body(data_set, syntax))
    else:
        yield from _body(data_set, syntax)


def _body(data_set: Dataset, syntax: str) -> Iterator[bytes]:
    from pydicom.tag import Tag

    tags = sorted(data_set.keys())
    pixels = Tag(_PIXEL_DATA)
    yield _elements(data_set, [tag for tag in tags if tag < pixels], syntax)
    if pixels in data_set:
        yield from _pixel_data(data_set, syntax)
        yield _elements(data_set, [tag for tag in tags if tag > pixels], syntax)


def _elements(data_set: Dataset, tags: Iterable[BaseTag], syntax: str) -> bytes:
    """Return some elements, encoded; those never decoded are written as they were read."""
    from pydicom.dataset import Dataset
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_dataset

    part = Dataset({tag: data_set.get_item(tag) for tag in tags})
    part._parent_encoding = data_set._character_set
    implicit, little = data_set.original_encoding
    part.set_original_encoding(implicit, little, data_set.original_character_set)
    written = DicomBytesIO()
    written.is_implicit_VR = syntax == ts.IMPLICIT_LE
    written.is_little_endian = syntax != ts.EXPLICIT_BE
    try:
        write_dataset(written, part, data_set._character_set)
    except pydicom_errors():
        text = "an attribute cannot be written as its VR asks: leave the file out"
        raise ApplyError(text) from None
    return bytes(written.getvalue())


def _pixel_data(data_set: Dataset, syntax: str) -> Iterator[bytes]:
    from pydicom.tag import Tag

    element = data_set.get_item(Tag(_PIXEL_DATA))
    value = element.value or b""
    native = syntax in ts.NATIVE
    if native and len(value) >= _UNDEFINED:
        text = "pixel data of 4 GiB have no place in an uncompressed file: leave the file out"
        raise ApplyError(text)
    length = len(value) + len(value) % 2 if native else _UNDEFINED
    order = ">" if syntax == ts.EXPLICIT_BE else "<"
    head = struct.pack(f"{order}HH", _PIXEL_DATA >> 16, _PIXEL_DATA & 0xFFFF)
    if syntax != ts.IMPLICIT_LE:
        head += _pixel_vr(data_set, element.VR, native=native) + b"\0\0"
    yield head + struct.pack(f"{order}I", length)
    yield value
    if len(value) % 2:
        yield b"\0"
    if not native:
        yield _DELIMITER


def _pixel_vr(data_set: Dataset, vr: str | None, *, native: bool) -> bytes:
    """Return OB for compressed pixels and those of 8 bits, else OW (PS3.5 A.2, A.4)."""
    if not native:
        return b"OB"
    if vr in ("OB", "OW"):
        return str(vr).encode("ascii")
    return b"OW" if int(data_set.get("BitsAllocated", 8) or 8) > 8 else b"OB"


def _meta(data_set: Dataset) -> bytes:
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_file_meta_info

    written = DicomBytesIO()
    write_file_meta_info(written, data_set.file_meta, enforce_standard=True)
    return bytes(written.getvalue())


def _deflated(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield chunks compressed (PS3.5 A.5: raw deflate, padded to even length)."""
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    count = 0
    for chunk in chunks:
        piece = compressor.compress(chunk)
        count += len(piece)
        yield piece
    last = compressor.flush()
    yield last + b"\0" * ((count + len(last)) % 2)
