"""Windows and VOI LUTs as contrast limits and a ramp show what the standard's formulas say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_dicom_markup.core.voi import (
    RAMP,
    lut_choice,
    lut_limits,
    voi_choices,
    window_choice,
    window_limits,
)
from napari_dicom_markup.model.stack import VoiFunction, Window
from napari_dicom_markup.model.voi import VoiChoice, VoiLut


def shown(choice: VoiChoice, values: np.ndarray) -> np.ndarray:
    """Return the grey that a viewer shows: linear between the limits, then its colour map."""
    low, high = choice.limits
    at = np.clip((values - low) / (high - low), 0, 1)
    ramp = np.linspace(0, 1, RAMP) if choice.ramp is None else np.array(choice.ramp)
    return np.interp(at, np.linspace(0, 1, RAMP), ramp)


@pytest.mark.parametrize(
    ("window", "limits"),
    [
        (Window(2048, 4096), (0, 4095)),
        (Window(40, 400), (-160, 239)),
        (Window(100, 1), (99, 100)),
        (Window(128, 256, function=VoiFunction.LINEAR_EXACT), (0, 256)),
        (Window(0.5, 0.2, function=VoiFunction.LINEAR_EXACT), (0.4, 0.6)),
        (Window(50, 20, function=VoiFunction.SIGMOID), (40, 60)),
    ],
    ids=["12 bits", "CT", "threshold", "exact", "exact below 1", "sigmoid's tangent"],
)
def test_limits_are_those_of_the_standard(window, limits):
    assert window_limits(window) == pytest.approx(limits)


@pytest.mark.parametrize("function", VoiFunction)
@pytest.mark.parametrize(
    ("center", "width"),
    [(0, 0), (0, -5), (math.nan, 10), (0, math.nan), (0, math.inf), (1.7e308, 1.7e308), (1e300, 1)],
)
def test_a_window_without_width_is_none(function, center, width):
    assert window_limits(Window(center, width, function=function)) is None
    assert window_choice(Window(center, width, function=function)) is None


def test_a_linear_window_below_one_is_none():
    assert window_limits(Window(0.5, 0.5)) is None


def test_a_sigmoid_is_shown_to_half_a_grey_level():
    window = Window(100, 80, "lung", VoiFunction.SIGMOID)
    choice = window_choice(window)
    assert choice is not None
    assert choice.name == "lung"
    values = np.linspace(-400, 600, 5001)
    exact = 1 / (1 + np.exp(-4 * (values - 100) / 80))
    assert np.abs(shown(choice, values) - exact).max() < 1 / 511 + 1e-6


def test_a_lut_is_shown_as_its_entries():
    entries = np.concatenate([np.zeros(40), np.linspace(0, 255, 256) ** 2 / 255, np.full(60, 255)])
    entries = entries.round().astype(np.uint16)
    lut = VoiLut(-100, entries, 8, "bone")
    choice = lut_choice(lut)
    assert choice is not None
    values = np.arange(-200, 400)
    exact = entries[np.clip(values + 100, 0, entries.size - 1)] / 255
    assert np.abs(shown(choice, values) - exact).max() < 1 / 255
    assert choice.limits == (-100 + 40 + 11, -100 + 40 + 255)  # 12² / 255 is the first to round up


def test_a_falling_lut_falls():
    choice = lut_choice(VoiLut(0, np.arange(255, -1, -1, dtype=np.uint8), 8))
    assert choice is not None
    assert choice.ramp is not None
    assert (choice.ramp[0], choice.ramp[-1]) == (1.0, 0.0)


def test_entries_above_their_bits_are_still_grey():
    choice = lut_choice(VoiLut(0, np.array([0, 4095], np.uint16), 8))
    assert choice is not None
    assert choice.ramp is not None
    assert choice.ramp[-1] == 1.0


@pytest.mark.parametrize("size", [0, 1, 5])
def test_a_flat_lut_shows_nothing(size):
    flat = VoiLut(3, np.full(size, 7, np.uint16), 16)
    assert lut_limits(flat) is None
    assert lut_choice(flat) is None


def test_what_shows_nothing_is_no_choice():
    offered = (Window(0, 0), Window(40, 400, "a"), VoiLut(0, np.array([1, 2], np.uint8), 8, "b"))
    assert [choice.name for choice in voi_choices(offered)] == ["a", "b"]


def test_names_are_in_no_representation():
    assert "Doe" not in repr(VoiChoice((0, 1), "Doe")) + repr(VoiLut(0, np.zeros(2), 8, "Doe"))


@given(
    st.lists(st.integers(0, 65535), max_size=300),
    st.integers(-32768, 65535),
    st.integers(-70000, 140000),
)
def test_a_ramp_is_the_lut_wherever_it_has_no_more_entries(entries, first, value):
    lut = VoiLut(first, np.array(entries[:RAMP], np.uint16), 16)
    choice = lut_choice(lut)
    if choice is None:
        assert len(set(entries[:RAMP])) <= 1
        return
    exact = lut.entries[min(max(value - first, 0), lut.entries.size - 1)] / 65535
    assert min(choice.ramp) >= 0
    assert max(choice.ramp) <= 1
    # At 256 steps over at most 255 entries, an entry's grey lies between two neighbours' samples.
    low, high = np.min(lut.entries) / 65535, np.max(lut.entries) / 65535
    assert low - 1e-9 <= shown(choice, np.array([value]))[0] <= high + 1e-9
    outside = value < choice.limits[0] or value > choice.limits[1]
    assert not outside or shown(choice, np.array([value]))[0] == pytest.approx(exact)


@given(st.floats(), st.floats(), st.sampled_from(VoiFunction))
def test_any_window_gives_rising_finite_limits_or_none(center, width, function):
    choice = window_choice(Window(center, width, "", function))
    if choice is not None:
        assert -math.inf < choice.limits[0] < choice.limits[1] < math.inf
