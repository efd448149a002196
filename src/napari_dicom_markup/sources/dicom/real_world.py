"""Real World Value Mappings of an object, and the tolerant reading of data sets below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_dicom_markup.model.voi import RealWorld
from napari_dicom_markup.sources.dicom.lenient import (
    items,
    number,
    numbers,
    read_elements,
    text,
)
from napari_dicom_markup.sources.quiet import quiet_pydicom
from napari_dicom_markup.standard.units import known_unit

if TYPE_CHECKING:
    from pydicom import Dataset

    from napari_dicom_markup.model.stack import Instance


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
        return known_unit(unit)
    return ""
