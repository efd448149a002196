"""Values of a pydicom data set that may be broken: what cannot be read counts as missing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from napari_dicom_markup.errors import BROKEN, DecodeError
from napari_dicom_markup.sources.dicom.bounded import read_bounded
from napari_dicom_markup.sources.dicom.codestreams import CODEC_ERRORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom import Dataset

    from napari_dicom_markup.model.stack import Instance


def pydicom_errors() -> tuple[type[Exception], ...]:
    """Return what pydicom raises at a data set that it does not understand."""
    from pydicom.errors import BytesLengthException, InvalidDicomError

    return (*CODEC_ERRORS, *BROKEN, BytesLengthException, InvalidDicomError)


def read_elements(
    instance: Instance, raw: bytes | memoryview | None, keywords: Sequence[str] | None = None
) -> Dataset:
    """Return the data set before the pixels, of the given top-level elements or of all.

    Call it, and whatever reads from the result, within `quiet_pydicom`.

    Raises
    ------
    DecodeError
        Where pydicom cannot read it.
    """
    # The pixel representation decides how pydicom reads some elements.
    tags = None if keywords is None else ["PixelRepresentation", *keywords]
    try:
        return read_bounded(instance, raw, tags)
    except pydicom_errors():
        message = f"{instance.file.relative}: its header cannot be read"
        raise DecodeError(message) from None


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


def texts_in(value: Any) -> list[str]:
    """Return the values of an element as stripped texts; of unknown VR they are taken as text."""
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace").split("\\")
    if value is None or isinstance(value, str) or not hasattr(value, "__iter__"):
        value = [] if value is None else [value]
    return [str(part).strip(" \0") for part in value]


def texts(data_set: Dataset | None, keyword: str) -> list[str]:
    """Return an element's values as stripped texts."""
    return texts_in(get(data_set, keyword))


def text(data_set: Dataset | None, keyword: str) -> str:
    """Return an element's first value as a stripped text, empty where there is none."""
    return next(iter(texts(data_set, keyword)), "")


def numbers_in(value: Any) -> list[float]:
    """Return the values of an element as floats, NaN where one is no finite number."""
    if isinstance(value, bytes | str):
        value = texts_in(value)
    elif value is not None and not hasattr(value, "__iter__"):
        value = [value]
    return [_number(part) for part in ([] if value is None else value)]


def _number(part: Any) -> float:
    try:
        number = float(part)
    except (ArithmeticError, TypeError, ValueError):
        return math.nan
    return number if math.isfinite(number) else math.nan


def numbers(data_set: Dataset | None, keyword: str) -> list[float]:
    """Return an element's values as floats, NaN where one is no finite number."""
    return numbers_in(get(data_set, keyword))


def number(data_set: Dataset | None, keyword: str) -> float | None:
    """Return an element's first value where it is a finite number."""
    first = next(iter(numbers(data_set, keyword)), math.nan)
    return first if math.isfinite(first) else None


def vector(data_set: Dataset | None, keyword: str, count: int) -> tuple[float, ...] | None:
    """Return exactly ``count`` finite numbers."""
    found = tuple(numbers(data_set, keyword))
    return found if len(found) == count and all(map(math.isfinite, found)) else None


def integers(data_set: Dataset, keyword: str) -> list[int]:
    """Return an element's values, none where one is no number."""
    found = numbers(data_set, keyword)
    return list(map(int, found)) if all(map(math.isfinite, found)) else []


def integer(data_set: Dataset, keyword: str) -> int | None:
    """Return an element's only value."""
    values = integers(data_set, keyword)
    return values[0] if len(values) == 1 else None


def functional_group(data_set: Dataset, keyword: str) -> list[Dataset]:
    """Return the items of a functional group, shared or of the first frame (PS3.3 C.7.6.16)."""
    for holder in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in items(data_set, holder)[:1]:
            found = items(group, keyword)
            if found:
                return found
    return []
