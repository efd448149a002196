"""Values of a pydicom data set that may be broken: what cannot be read counts as missing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from napari_dicom_markup.sources.dicom.codestreams import CODEC_ERRORS

if TYPE_CHECKING:
    from pydicom import Dataset


def pydicom_errors() -> tuple[type[Exception], ...]:
    """Return what pydicom raises at a data set that it does not understand."""
    from pydicom.errors import BytesLengthException, InvalidDicomError

    own = (BytesLengthException, InvalidDicomError)
    return (*CODEC_ERRORS, *own, AssertionError, RecursionError)


def get(data_set: Dataset | None, keyword: str) -> Any:
    """Return an attribute's value, None where it is missing or broken."""
    try:
        return None if data_set is None else data_set.get(keyword)
    except pydicom_errors():
        return None


def items(data_set: Dataset | None, keyword: str) -> list[Dataset]:
    """Return a sequence's items, none where it is missing or broken."""
    from pydicom import Sequence

    value = get(data_set, keyword)
    return list(value) if isinstance(value, Sequence) else []


def first(data_set: Dataset | None, keyword: str) -> Dataset | None:
    """Return a sequence's first item."""
    return next(iter(items(data_set, keyword)), None)


def text(data_set: Dataset, keyword: str) -> str:
    """Return an attribute's only text, empty where there is none."""
    value = get(data_set, keyword)
    return value.strip(" \0") if isinstance(value, str) else ""


def _values(data_set: Dataset | None, keyword: str) -> list[Any]:
    value = get(data_set, keyword)
    if value is None or isinstance(value, str | bytes):
        return []
    return list(value) if hasattr(value, "__iter__") else [value]


def numbers(data_set: Dataset | None, keyword: str, count: int) -> tuple[float, ...] | None:
    """Return exactly ``count`` finite numbers."""
    try:
        numbers = tuple(float(value) for value in _values(data_set, keyword))
    except (TypeError, ValueError, OverflowError):
        return None
    return numbers if len(numbers) == count and all(map(math.isfinite, numbers)) else None


def integers(data_set: Dataset, keyword: str) -> list[int]:
    """Return an attribute's values, none where one is no number."""
    try:
        return [int(value) for value in _values(data_set, keyword)]
    except (TypeError, ValueError, OverflowError):
        return []


def integer(data_set: Dataset, keyword: str) -> int | None:
    """Return an attribute's only value."""
    values = integers(data_set, keyword)
    return values[0] if len(values) == 1 else None
