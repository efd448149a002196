"""The pixel spacing of ultrasound images, which their regions state (PS3.3 C.8.5.5)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_dicom_markup.sources.dicom.lenient import integer, items, number, read_elements
from napari_dicom_markup.sources.quiet import quiet_pydicom

if TYPE_CHECKING:
    from pydicom import Dataset

    from napari_dicom_markup.model.stack import Instance

_TWO_DIMENSIONAL, _CENTIMETRES = 1, 3
"""RegionSpatialFormat 2D, and PhysicalUnitsX/YDirection cm (PS3.3 C.8.5.5.1.1, C.8.5.5.1.15)."""

_EQUAL = 1e-6
"""Spacings of several regions that differ by a smaller share are one."""


@quiet_pydicom()
def read_region_spacing(
    instance: Instance, raw: bytes | memoryview | None = None
) -> tuple[float, float] | None:
    """Return (between rows, between columns) in mm, where all 2D regions agree on it.

    Parameters
    ----------
    instance : Instance
        An image whose ``grid.regions`` is set.
    raw : bytes-like, optional
        The file, at least up to its pixels; read from the disk where not given.

    Raises
    ------
    DecodeError
        Where the header cannot be read.
    """
    data_set = read_elements(instance, raw, ["SequenceOfUltrasoundRegions"])
    found = [_spacing(region) for region in items(data_set, "SequenceOfUltrasoundRegions")]
    stated = [spacing for spacing in found if spacing is not None]
    if not stated or any(not _agree(spacing, stated[0]) for spacing in stated):
        return None
    return stated[0]


def _spacing(region: Dataset) -> tuple[float, float] | None:
    if integer(region, "RegionSpatialFormat") != _TWO_DIMENSIONAL:
        return None
    units = {integer(region, f"PhysicalUnits{axis}Direction") for axis in "XY"}
    down, across = number(region, "PhysicalDeltaY"), number(region, "PhysicalDeltaX")
    if units != {_CENTIMETRES} or not down or not across:
        return None
    return abs(down) * 10, abs(across) * 10


def _agree(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return all(math.isclose(x, y, rel_tol=_EQUAL) for x, y in zip(a, b, strict=True))
