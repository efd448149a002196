"""The step between slices that their positions show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_dicom_markup.model.geometry import FloatArray

STEP_TOLERANCE = 0.02
"""A step that differs from whole multiples of the stack's step by a smaller share is even."""

_DECIMALS = (1, 2, 3, 4)
"""Decimals with which positions are written, where rounding matters.

Whole millimetres are no sign of rounding to whole millimetres: 5, 5, 6, 5 is uneven.
"""

_ROUNDING_LIMIT = 1 / 3
"""The greatest share of a step that passes as rounding: 0.6 and 0.7 mm may be 0.625 mm.

Beyond it a missing slice could no longer be told from rounding.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """The distances between neighbouring slices along the normal, and what they are steps of.

    ``step`` is the stack's step in mm, ``counts`` how many of it each distance is nearest to,
    ``is_even`` whether all are whole steps but for rounding.
    """

    distances: FloatArray
    step: float
    counts: FloatArray
    rounding_mm: float
    is_even: bool

    @property
    def is_whole(self) -> list[bool]:
        """Say of each distance whether it is a whole number of steps."""
        return _is_whole(self.distances, self.counts, self.step, self.rounding_mm)

    @property
    def drift_mm(self) -> float:
        """The most that a slice lies off its place by index: the first, and a step for each."""
        index = np.arange(1, len(self.distances) + 1)
        return float(np.abs(np.cumsum(self.distances) - index * self.step).max())


def take_steps(positions: FloatArray, normal: FloatArray) -> Steps:
    """Return the steps of slices, two or more, in descending order along the normal.

    Where all distances are whole multiples of one step, it is the span over the number of
    steps, gaps counted: it puts the last slice in its place. A rounded step times 500 does not.
    Where they are uneven, it is the lower median: a step that occurs, so that 5 and 10 mm are
    5 mm with a gap.

    Parameters
    ----------
    positions : FloatArray
        (slices, 3), LPS mm.
    normal : FloatArray
        (3,), the unit normal of the planes.
    """
    distances = -np.diff(positions @ normal)
    median = float(np.sort(distances)[(len(distances) - 1) // 2])
    rounding = _rounding(positions, normal)
    rounding = rounding if rounding <= _ROUNDING_LIMIT * median else 0.0
    step = median
    for _ in range(2):  # the median may be rounded: a long gap is counted anew by the mean
        counts = _count(distances, step)
        step = float(distances.sum() / counts.sum())
    whole = all(_is_whole(distances, counts, step, rounding))
    drift = np.abs(np.cumsum(distances - counts * step)).max()
    if whole and drift <= step / 2:
        return Steps(distances, step, counts, rounding, is_even=True)
    return Steps(distances, median, _count(distances, median), rounding, is_even=False)


def _count(distances: FloatArray, step: float) -> FloatArray:
    counts: FloatArray = np.maximum(1.0, np.round(distances / step))
    return counts


def _is_whole(
    distances: FloatArray, counts: FloatArray, step: float, rounding: float
) -> list[bool]:
    tolerance = np.maximum(STEP_TOLERANCE * step * counts, rounding)
    whole: list[bool] = (np.abs(distances - counts * step) <= tolerance + 1e-9).tolist()
    return whole


def _rounding(positions: FloatArray, normal: FloatArray) -> float:
    """Return how much of a distance may be rounding, in mm.

    Either end of a distance is off by up to half a unit of the last decimal written, in each
    coordinate: together a unit, by as much as the normal points along that coordinate.
    """
    units = np.array([_last_unit(coordinate) for coordinate in positions.T])
    return float(np.abs(normal) @ units)


def _last_unit(values: FloatArray) -> float:
    """Return the unit of the last decimal that the values are written with, 0 where too fine."""
    for decimals in _DECIMALS:
        if np.abs(values - np.round(values, decimals)).max() < 1e-7:
            return float(10.0**-decimals)
    return 0.0
