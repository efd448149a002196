"""pydicom's reading of unusual files: every encoding, and much that is wrong.

It gives the same raw little-endian values as ``walk``. pydicom is imported on use: it takes more
than a second, and most folders never need it here.
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, BinaryIO

from napari_dicom_markup.errors import BROKEN, NotDicomError
from napari_dicom_markup.model.stack import PixelElement
from napari_dicom_markup.sources.dicom.bounded import check_size
from napari_dicom_markup.sources.dicom.walk import (
    PIXEL_KEYWORDS,
    PREFIX,
    PREFIX_END,
    Header,
    pixel_element,
)
from napari_dicom_markup.sources.quiet import quiet_pydicom
from napari_dicom_markup.standard.attributes import ATTRIBUTES, INDEX, VALUE_BYTES, Attribute
from napari_dicom_markup.standard.transfer_syntax import DEFLATED_LE

if TYPE_CHECKING:
    from pydicom import Dataset

_PUBLIC_NEEDED = 3
"""Without prefix, Rows and SOPClassUID: so many public elements make a data set plausible."""

_IMPLAUSIBLE = "not DICOM: no DICM prefix and no plausible data set"

_WIDE_PIXEL_VRS = frozenset({b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"UN"})
"""Read as the low bytes of an implicit length, each would be an odd length: no confusion."""


def read_unusual(stream: BinaryIO) -> Header:
    """Read a header with pydicom, which knows every encoding and much that is wrong.

    Raises
    ------
    NotDicomError
        pydicom cannot read it, or what it reads without the prefix is no plausible data set.

    """
    from pydicom.errors import BytesLengthException, InvalidDicomError

    stream.seek(0)
    prefixed = stream.read(PREFIX_END).endswith(PREFIX)
    if not prefixed and not _may_be_dataset(stream):
        raise NotDicomError(_IMPLAUSIBLE)
    check_size(stream)
    stream.seek(0)
    try:
        with quiet_pydicom():
            header, plausible = _read_with_pydicom(stream, force=not prefixed)
    except (BytesLengthException, InvalidDicomError, *BROKEN) as error:
        reason = f"DICOM that cannot be read ({type(error).__name__})" if prefixed else _IMPLAUSIBLE
        raise NotDicomError(reason) from None
    if not prefixed and not plausible:
        raise NotDicomError(_IMPLAUSIBLE)
    return header


def _may_be_dataset(stream: BinaryIO) -> bool:
    """Tell whether the first element could begin a data set, before pydicom is asked."""
    stream.seek(0)
    head = stream.read(8)
    if len(head) < 8:
        return False
    lettered = head[4:6].isalpha() and head[4:6].isupper()
    little, big = int.from_bytes(head[:2], "little"), int.from_bytes(head[:2], "big")
    if lettered:
        return 0 < little <= 0x28 or 0 < big <= 0x28
    end = stream.seek(0, io.SEEK_END)
    return 0 < little <= 0x28 and int.from_bytes(head[4:8], "little") <= end


def _read_with_pydicom(stream: BinaryIO, *, force: bool) -> tuple[Header, bool]:
    """Return the header, and whether it is plausible as a data set without prefix."""
    from pydicom import dcmread
    from pydicom.datadict import dictionary_has_tag

    dataset = dcmread(stream, stop_before_pixels=True, force=force)
    big = dataset.original_encoding[1] is False
    values = [_raw_value(dataset, attribute, big=big) for attribute in ATTRIBUTES]
    syntax = values[INDEX["TransferSyntaxUID"]] or b""
    if syntax.rstrip(b" \0").decode("ascii", "replace") == DEFLATED_LE:
        stream.seek(0)
        element = _inflated_pixels(dcmread(stream, force=force))
    else:
        element = _pixels_at(stream, stream.tell(), big=big)
    public = sum(dictionary_has_tag(tag) for tag in dataset.keys())  # noqa: SIM118 - tags only
    strong = values[INDEX["Rows"]] is not None or values[INDEX["SOPClassUID"]] is not None
    return Header(values, element), strong or public >= _PUBLIC_NEEDED


def _raw_value(dataset: Dataset, attribute: Attribute, *, big: bool) -> bytes | None:
    """Return the little-endian bytes of an element's value as they stand in the file."""
    meta = attribute.tag >> 16 == 2
    holder = dataset.file_meta if meta else dataset
    if attribute.tag not in holder:
        return None
    value = holder.get_item(attribute.tag).value
    if attribute.presence or value is None:
        return b""
    if not isinstance(value, bytes):  # pydicom has parsed it already: file meta
        return str(value).encode("ascii", "replace")
    size = VALUE_BYTES.get(attribute.vr, 1) if big and not meta else 1
    return b"".join(value[i : i + size][::-1] for i in range(0, len(value), size))


def _inflated_pixels(dataset: Dataset) -> PixelElement | None:
    """Return the pixel element of a deflated data set, which has no place in the file."""
    for tag, keyword in PIXEL_KEYWORDS.items():
        if tag in dataset:
            value = dataset.get_item(tag).value
            return PixelElement(keyword, -1, len(value or b""))
    return None


def _pixels_at(stream: BinaryIO, position: int, *, big: bool) -> PixelElement | None:
    """Return the pixel element before whose header pydicom has stopped."""
    stream.seek(position)
    head = stream.read(12)
    if len(head) < 8:
        return None
    order = ">" if big else "<"
    group, element, length = struct.unpack_from(order + "HHL", head)
    if group << 16 | element not in PIXEL_KEYWORDS:
        return None
    if head[4:6] in _WIDE_PIXEL_VRS:
        if len(head) < 12:
            return None
        (length,) = struct.unpack_from(order + "L", head, 8)
        return pixel_element(element, position + 12, length)
    if head[4:6].isalpha() and head[4:6].isupper():
        (length,) = struct.unpack_from(order + "H", head, 6)
    return pixel_element(element, position + 8, length)
