"""Real World Value Mappings of an object, and the tolerant reading of data sets below it."""

from __future__ import annotations

import math
import re
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicom_markup.errors import DecodeError
from napari_dicom_markup.model.voi import RealWorld
from napari_dicom_markup.sources.dicom.unusual import BROKEN
from napari_dicom_markup.sources.quiet import quiet_pydicom

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom import Dataset

    from napari_dicom_markup.model.stack import Instance

_UCUM = re.compile(r"[A-Za-z0-9{}\[\]/.*^%'\"-]{1,16}")
"""What a code of a unit consists of; anything else could be free text."""


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
    from pydicom import dcmread

    source = instance.file.path if raw is None else BytesIO(raw)
    # The pixel representation decides how pydicom reads some elements.
    tags = None if keywords is None else ["PixelRepresentation", *keywords]
    try:
        return dcmread(source, force=True, stop_before_pixels=True, specific_tags=tags)
    except broken():
        message = f"{instance.file.relative}: its header cannot be read"
        raise DecodeError(message) from None


def element_value(data_set: Dataset, keyword: str) -> Any:
    """Return an element's value, None where it is missing or malformed."""
    try:
        return data_set.get(keyword)
    except broken():
        return None


def broken() -> tuple[type[Exception], ...]:
    """Return what pydicom raises at a data set that it does not understand."""
    from pydicom.errors import BytesLengthException, InvalidDicomError

    return (BytesLengthException, InvalidDicomError, *BROKEN)


def items(data_set: Dataset, keyword: str) -> list[Dataset]:
    """Return the items of a sequence, none where it is missing or malformed."""
    from pydicom import Sequence as Items

    value = element_value(data_set, keyword)
    return list(value) if isinstance(value, Items) else []


def texts_in(value: Any) -> list[str]:
    """Return the values of an element as stripped texts; of unknown VR they are taken as text."""
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace").split("\\")
    if value is None or isinstance(value, str) or not hasattr(value, "__iter__"):
        value = [] if value is None else [value]
    return [str(part).strip(" \0") for part in value]


def texts(data_set: Dataset, keyword: str) -> list[str]:
    """Return an element's values as stripped texts."""
    return texts_in(element_value(data_set, keyword))


def text(data_set: Dataset, keyword: str) -> str:
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


def numbers(data_set: Dataset, keyword: str) -> list[float]:
    """Return an element's values as floats, NaN where one is no finite number."""
    return numbers_in(element_value(data_set, keyword))


def number(data_set: Dataset, keyword: str) -> float | None:
    """Return an element's first value where it is a finite number."""
    first = next(iter(numbers(data_set, keyword)), math.nan)
    return first if math.isfinite(first) else None


def functional_group(data_set: Dataset, keyword: str) -> list[Dataset]:
    """Return the items of a functional group, shared or of the first frame (PS3.3 C.7.6.16)."""
    for holder in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in items(data_set, holder)[:1]:
            found = items(group, keyword)
            if found:
                return found
    return []


@quiet_pydicom()
def read_real_world(instance: Instance, raw: bytes | memoryview | None = None) -> RealWorld | None:
    """Return the first usable mapping to real world values, None where there is none.

    It is that of the top level, else of the shared functional groups; a mapping that differs
    from frame to frame is not read here.

    Parameters
    ----------
    instance : Instance
        The instance to read.
    raw : bytes-like, optional
        The whole file; read from disk where not given.

    Raises
    ------
    DecodeError
        Where the header cannot be read.
    """
    keyword = "RealWorldValueMappingSequence"
    data_set = read_elements(instance, raw, [keyword, "SharedFunctionalGroupsSequence"])
    groups = items(data_set, "SharedFunctionalGroupsSequence")[:1]
    offers = items(data_set, keyword) or [
        item for group in groups for item in items(group, keyword)
    ]
    mappings = (_mapping(item, len(offers)) for item in offers)
    return next((mapping for mapping in mappings if mapping is not None), None)


def _mapping(item: Dataset, offered: int) -> RealWorld | None:
    first = _end(item, "First")
    last = _end(item, "Last")
    if first is None or last is None or first > last:
        return None
    unit = measured_in(item)
    slope, intercept = number(item, "RealWorldValueSlope"), number(item, "RealWorldValueIntercept")
    if slope:
        return RealWorld(first, last, slope, intercept or 0.0, unit=unit, offered=offered)
    table = np.array(numbers(item, "RealWorldValueLUTData"), np.float64)
    # A table that is cut off or too long has no known place for its values.
    if table.size == 0 or table.size != last - first + 1:
        return None
    return RealWorld(first, last, table=table, unit=unit, offered=offered)


def _end(item: Dataset, which: str) -> float | None:
    """Return the first or last value mapped: as a double where the pixels are floats."""
    double = number(item, f"DoubleFloatRealWorldValue{which}ValueMapped")
    return number(item, f"RealWorldValue{which}ValueMapped") if double is None else double


def measured_in(item: Dataset) -> str:
    """Return the UCUM code of a mapping's unit, empty where there is none that looks like one."""
    for code in items(item, "MeasurementUnitsCodeSequence")[:1]:
        unit = text(code, "CodeValue")
        return unit if _UCUM.fullmatch(unit) else ""
    return ""
