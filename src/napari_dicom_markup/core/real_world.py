"""From stored to real world values (PS3.3 C.7.6.16.2.11)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_dicom_markup.model.voi import RealWorld


def real_world_ends(mapping: RealWorld, stored: tuple[int, int] | None) -> tuple[int, int] | None:
    """Return the least and the greatest real world value, where all are integers.

    Parameters
    ----------
    mapping : RealWorld
        The mapping.
    stored : (int, int), optional
        The least and greatest stored value that the bits stored can say; None for float pixels.

    Returns
    -------
    (int, int), optional
        None where some stored value is mapped to a fraction, or not at all.
    """
    whole = mapping.slope.is_integer() and mapping.intercept.is_integer()
    if stored is None or mapping.table is not None or not whole:
        return None
    if stored[0] < mapping.first or mapping.last < stored[1]:
        return None
    ends = sorted(n * mapping.slope + mapping.intercept for n in stored)
    return (int(ends[0]), int(ends[1])) if math.isfinite(ends[1] - ends[0]) else None


def real_world_values(
    stored: NDArray[Any], mapping: RealWorld, dtype: np.dtype[Any]
) -> NDArray[Any]:
    """Return real world values of any shape of stored ones.

    Parameters
    ----------
    stored : NDArray
        Stored values, integer or float.
    mapping : RealWorld
        The mapping. In float types, what it does not map is NaN, and so is what overflows.
    dtype : np.dtype
        Integer where `real_world_ends` are, else a float type.
    """
    if dtype.kind in "iu":
        scaled = stored.astype(np.float64) * mapping.slope + mapping.intercept
        return np.clip(scaled, np.iinfo(dtype).min, np.iinfo(dtype).max).astype(dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        inside = (stored >= mapping.first) & (stored <= mapping.last)
        values = _mapped(stored, mapping, inside).astype(dtype)
    values[~(inside & np.isfinite(values))] = np.nan
    return values


def _mapped(
    stored: NDArray[Any], mapping: RealWorld, inside: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return values in float64; those outside the mapping's range mean nothing."""
    if mapping.table is None:
        return stored.astype(np.float64) * mapping.slope + mapping.intercept
    index = np.where(inside, stored, mapping.first).astype(np.float64) - mapping.first
    return np.take(mapping.table, index.astype(np.int64), mode="clip")
