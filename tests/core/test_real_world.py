"""Stored values become real world values, and what is not mapped becomes NaN."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_dicom_markup.core.real_world import real_world_ends, real_world_values
from napari_dicom_markup.model.voi import RealWorld


def applied(stored: np.ndarray, mapping: RealWorld, ends: tuple[int, int] | None) -> np.ndarray:
    whole = real_world_ends(mapping, ends) is not None
    return real_world_values(stored, mapping, np.dtype(np.float64 if whole else np.float32))


def test_a_slope_and_intercept_are_applied():
    values = applied(np.array([0, 100, 4095], np.uint16), RealWorld(0, 4095, 0.5, -10.0), (0, 4095))
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, [-10, 40, 2037.5])


@pytest.mark.parametrize(
    ("slope", "intercept", "expected"),
    [(1, 0, (0, 4095)), (1, -1024, (-1024, 3071)), (-2, 0, (-8190, 0)), (0.5, 0, None)],
)
def test_whole_values_stay_integers(slope, intercept, expected):
    mapping = RealWorld(0, 4095, float(slope), float(intercept))
    assert real_world_ends(mapping, (0, 4095)) == expected
    exact = [end * slope + intercept for end in (0, 4095)]
    assert applied(np.array([0, 4095], np.int32), mapping, (0, 4095)).tolist() == exact


@pytest.mark.parametrize("ends", [None, (-1, 4095), (0, 4096)], ids=["float", "below", "above"])
def test_what_is_mapped_in_part_needs_fractions(ends):
    assert real_world_ends(RealWorld(0, 4095), ends) is None


def test_what_is_not_mapped_is_nan():
    stored = np.array([[0, 9], [10, 21]], np.int16)
    values = applied(stored, RealWorld(5, 20, 2.0, 1.0), (-32768, 32767))
    np.testing.assert_array_equal(values, np.float32([[math.nan, 19], [21, math.nan]]))


def test_a_table_holds_the_values():
    mapping = RealWorld(-1, 2, table=np.array([0.5, 1e3, -2.0, math.nan]))
    values = applied(np.array([-2, -1, 0, 1, 2, 3], np.int16), mapping, (-32768, 32767))
    np.testing.assert_array_equal(values, np.float32([math.nan, 0.5, 1e3, -2, math.nan, math.nan]))


def test_float_pixels_with_nan_and_infinity_stay_apart():
    stored = np.array([math.nan, math.inf, -math.inf, 0.25])
    values = applied(stored, RealWorld(0, 1, 4.0, 0.0), None)
    np.testing.assert_array_equal(values, np.float32([math.nan, math.nan, math.nan, 1]))


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.integers(-32768, 32767)), finite, finite, finite, finite)
def test_any_mapping_gives_finite_values_or_nan(stored, first, last, slope, intercept):
    mapping = RealWorld(first, last, slope, intercept)
    values = applied(np.array(stored, np.int16), mapping, (-32768, 32767))
    assert not np.isinf(values).any()
    assert values.shape == (len(stored),)
