"""Items of sequences out of data sets that may hold anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dicom_markup.errors import BROKEN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom import Dataset


def pydicom_errors() -> tuple[type[Exception], ...]:
    """Return what pydicom raises at values that it does not understand."""
    from pydicom.errors import BytesLengthException, InvalidDicomError

    return (*BROKEN, BytesLengthException, InvalidDicomError)


def items_of(data_set: Dataset, tag: int) -> Sequence[Dataset] | None:
    """Return a sequence's items, None if the element is none or cannot be read as one."""
    from pydicom import Sequence as Items

    try:
        value = data_set[tag].value
    except pydicom_errors():
        return None
    return value if isinstance(value, Items) else None
