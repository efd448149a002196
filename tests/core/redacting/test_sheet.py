"""The contact sheet."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_dicom_markup.core.redacting.sheet import make_sheet
from napari_dicom_markup.model.redaction import Area, Box


@given(
    hnp.arrays(np.int16, st.tuples(st.integers(1, 4), st.integers(1, 20), st.integers(1, 20))),
    st.integers(1, 24),
)
def test_each_block_shows_its_extremes_over_all_frames(frames, largest):
    sheet = make_sheet(iter(frames), largest=largest)
    assert max(sheet.greatest.shape) <= largest
    for row, column in np.ndindex(*sheet.greatest.shape):
        at = np.s_[
            :,
            row * sheet.step : (row + 1) * sheet.step,
            column * sheet.step : (column + 1) * sheet.step,
        ]
        assert sheet.greatest[row, column] == frames[at].max()
        assert sheet.least[row, column] == frames[at].min()
        deviation = frames[at].astype(float).std(axis=0).max()
        assert sheet.deviation[row, column] == pytest.approx(deviation, rel=1e-5, abs=1e-3)


def test_colour_stays_colour():
    sheet = make_sheet(np.zeros((2, 10, 20, 3), np.uint8), largest=10)
    assert sheet.greatest.shape == (5, 10, 3)
    assert sheet.outlines.shape == (5, 10)


def test_outlines_run_around_boxes():
    sheet = make_sheet(np.zeros((1, 8, 8), np.uint8), [Box(Area(2, 2, 4, 5))])
    expected = np.zeros((8, 8), np.uint8)
    expected[2:6, 2:7] = 1
    expected[3:5, 3:6] = 0
    assert np.array_equal(sheet.outlines, expected)


def test_boxes_beyond_the_image_are_clipped():
    boxes = [Box(Area(-5, -5, 100, 100)), Box(Area(90, 0, 5, 5))]
    sheet = make_sheet(np.zeros((1, 20, 30), np.uint8), boxes, largest=10)
    assert sheet.outlines[0].all()
    assert sheet.outlines[-1].all()


@pytest.mark.parametrize("frames", [[], [np.zeros((2, 2)), np.zeros((2, 3))]])
def test_no_frames_or_unequal_ones_are_refused(frames):
    with pytest.raises(ValueError, match="frame"):
        make_sheet(frames)
