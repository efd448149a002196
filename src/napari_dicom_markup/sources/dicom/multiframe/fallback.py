"""pydicom's reading of headers that are written in unusual ways, as the same nested items."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from napari_dicom_markup.errors import BROKEN, NotDicomError
from napari_dicom_markup.sources.dicom.bounded import check_size
from napari_dicom_markup.sources.dicom.multiframe.attributes import ATTRIBUTES
from napari_dicom_markup.sources.dicom.multiframe.header import EMPTY, Item, little_endian
from napari_dicom_markup.sources.quiet import quiet_pydicom

if TYPE_CHECKING:
    from pydicom import Dataset

_DEEPEST = 24


def read_with_pydicom(raw: bytes) -> Item:
    """Return the data set of a file whose end with the pixels may be missing.

    Raises
    ------
    NotDicomError
        pydicom cannot read it, or would need far more memory than it has bytes.

    """
    check_size(io.BytesIO(raw))
    from pydicom import dcmread
    from pydicom.errors import BytesLengthException, InvalidDicomError

    try:
        with quiet_pydicom():
            data_set = dcmread(io.BytesIO(raw), stop_before_pixels=True, force=True)
            return _item(data_set, 0)
    except (BytesLengthException, InvalidDicomError, *BROKEN) as error:
        message = f"its functional groups cannot be read ({type(error).__name__})"
        raise NotDicomError(message) from None


def _item(data_set: Dataset, depth: int) -> Item:
    item = Item()
    big = data_set.original_encoding[1] is False
    for tag, (keyword, vr) in ATTRIBUTES.items():
        if tag not in data_set:
            continue
        if vr == "SQ":
            item.sequences.update(_items(data_set, tag, keyword, depth + 1))
        else:
            value = data_set.get_item(tag).value
            item.values[keyword] = _raw(value, vr, big=big)
    return item


def _items(data_set: Dataset, tag: int, keyword: str, depth: int) -> dict[str, tuple[Item, ...]]:
    value = data_set[tag].value
    if depth > _DEEPEST or isinstance(value, (bytes, str)) or not value:
        return {}
    return {keyword: tuple(_item(one, depth) if len(one) else EMPTY for one in value)}


def _raw(value: Any, vr: str, *, big: bool) -> bytes:
    if isinstance(value, bytes):
        return little_endian(value, vr) if big else value
    return b""
