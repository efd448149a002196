"""Burning into stored values: constant inside, bit-identical outside, whatever the type."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_dicom_markup.core.redacting.burning import (
    black,
    burn,
    header_changes,
    icon_boxes,
    is_proven,
    mask_of,
    method_codes,
    scaled_area,
)
from napari_dicom_markup.model.redaction import Area, Box, Burning
from napari_dicom_markup.model.stack import PixelFormat, ValueMapping

PLAIN = ValueMapping()
DTYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8")


def make_format(photometric="MONOCHROME2", bits=16, signed=False, samples=1, planar=0):
    return PixelFormat(8, 6, samples, photometric, planar, 16 if bits > 8 else 8, bits, signed, 1)


areas = st.builds(Area, *[st.integers(-20, 20)] * 2, *[st.integers(-3, 30)] * 2)
boxes = st.lists(
    st.builds(Box, areas, st.integers(-2, 5), st.none() | st.integers(-2, 6)), max_size=4
)


@st.composite
def grey_frames(draw):
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 12), st.integers(1, 12)))
    return draw(hnp.arrays(dtype, shape))


@given(grey_frames(), boxes)
def test_outside_is_bit_identical_and_inside_constant(frames, boxes):
    mask = mask_of(boxes, frames.shape)
    fill = frames.reshape(-1)[0].item()
    burnt = burn(frames, mask, fill)
    bits = f"u{frames.itemsize}"
    assert np.array_equal(burnt.frames.view(bits)[~mask], frames.view(bits)[~mask])
    assert len(np.unique(burnt.frames[mask].view(bits))) <= 1
    assert is_proven(frames, burnt, fill)


@given(grey_frames(), boxes)
def test_burning_twice_is_burning_once(frames, boxes):
    mask = mask_of(boxes, frames.shape)
    once = burn(frames, mask, 1)
    assert burn(once.frames, mask, 1).frames.tobytes() == once.frames.tobytes()


@given(
    hnp.arrays(np.uint8, st.tuples(st.just(2), st.integers(1, 9), st.integers(1, 9), st.just(3))),
    boxes,
)
def test_pairs_that_share_their_colour_are_burnt_whole(frames, boxes):
    mask = mask_of(boxes, frames.shape[:3])
    burnt = burn(frames, mask, (0, 128, 128), "YBR_FULL_422")
    even = mask.shape[2] // 2 * 2
    assert (burnt.mask | mask == burnt.mask).all()
    assert np.array_equal(burnt.mask[:, :, 0:even:2], burnt.mask[:, :, 1:even:2])
    assert is_proven(frames, burnt, (0, 128, 128))


@given(boxes, st.integers(0, 5), st.integers(0, 20), st.integers(0, 20))
def test_boxes_are_clipped_to_frames_and_matrix(boxes, frames, rows, columns):
    mask = mask_of(boxes, (frames, rows, columns))
    for f, row, column in np.ndindex(*mask.shape):
        inside = any(
            b.first <= f
            and (b.stop is None or f < b.stop)
            and b.area.row <= row < b.area.row + b.area.rows
            and b.area.column <= column < b.area.column + b.area.columns
            for b in boxes
        )
        assert mask[f, row, column] == inside


def test_a_changed_pixel_outside_is_found():
    frames = np.zeros((1, 4, 4), np.uint8)
    burnt = burn(frames, mask_of([Box(Area(0, 0, 2, 2))], frames.shape), 9)
    burnt.frames[0, 3, 3] = 1
    assert not is_proven(frames, burnt, 9)


def test_a_pixel_left_inside_is_found():
    frames = np.zeros((1, 4, 4), np.uint8)
    burnt = burn(frames, mask_of([Box(Area(0, 0, 2, 2))], frames.shape), 9)
    burnt.frames[0, 1, 1] = 8
    assert not is_proven(frames, burnt, 9)


def test_not_a_number_outside_counts_as_itself():
    frames = np.full((1, 4, 4), np.nan, np.float32)
    burnt = burn(frames, mask_of([Box(Area(0, 0, 2, 2))], frames.shape), 0.0)
    assert is_proven(frames, burnt, 0.0)


def test_the_given_frames_are_not_changed():
    frames = np.ones((1, 4, 4), np.uint8)
    burn(frames, np.ones((4, 4), bool), 0)
    assert frames.all()


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(ValueError, match="another size"):
        burn(np.zeros((1, 4, 4), np.uint8), np.ones((4, 5), bool), 0)


CT = np.array([[[-1024, 300]]], np.int16)


@pytest.mark.parametrize(
    ("pixels", "values", "frames", "expected"),
    [
        (make_format(bits=12), PLAIN, CT.view("u2"), 0),
        (make_format("MONOCHROME1", 12), PLAIN, CT.view("u2"), 4095),
        (make_format(bits=12), ValueMapping(slope=-1.0), CT.view("u2"), 4095),
        (make_format(signed=True), PLAIN, CT, -1024),
        (make_format("MONOCHROME1", signed=True), PLAIN, CT, 300),
        (make_format(bits=1), PLAIN, np.ones((1, 1, 1), "u1"), 0),
        (make_format("MONOCHROME1", bits=1), PLAIN, np.ones((1, 1, 1), "u1"), 1),
        (make_format(), PLAIN, np.array([[[np.nan, 2.5]]], np.float32), 2.5),
        (make_format("RGB", 8, samples=3), PLAIN, np.ones((1, 1, 1, 3), "u1"), (0, 0, 0)),
        (make_format("YBR_RCT", 8, samples=3), PLAIN, np.ones((1, 1, 1, 3), "u1"), (0, 0, 0)),
        (make_format("YBR_FULL", 8, samples=3), PLAIN, np.ones((1, 1, 1, 3), "u1"), (0, 128, 128)),
        (
            make_format("YBR_PARTIAL_422", 8, samples=3),
            PLAIN,
            np.ones((1, 1, 1, 3), "u1"),
            (16, 128, 128),
        ),
    ],
)
def test_black_is_what_shows_as_black(pixels, values, frames, expected):
    assert black(pixels, values, frames) == expected


def test_black_of_a_palette_is_its_darkest_entry():
    entries = np.array([[200, 0, 0], [9, 9, 9], [1, 2, 3]], np.uint16)
    found = black(make_format("PALETTE COLOR", 8), PLAIN, np.zeros((1, 1, 1), "u1"), (10, entries))
    assert found == 12


@given(
    st.tuples(st.integers(1, 3000), st.integers(1, 3000)),
    st.tuples(st.integers(1, 128), st.integers(1, 128)),
    st.data(),
)
def test_an_icon_is_covered_wherever_it_shows_the_area(source, target, data):
    row = data.draw(st.integers(0, source[0] - 1))
    column = data.draw(st.integers(0, source[1] - 1))
    area = Area(
        row,
        column,
        data.draw(st.integers(1, source[0] - row)),
        data.draw(st.integers(1, source[1] - column)),
    )
    icon = scaled_area(area, source, target)
    for first, count, start, length, of, to in (
        (row, area.rows, icon.row, icon.rows, source[0], target[0]),
        (column, area.columns, icon.column, icon.columns, source[1], target[1]),
    ):
        assert 0 <= start <= start + length <= to
        assert start * of <= first * to
        assert (start + length) * of >= (first + count) * to


def test_an_icon_gets_the_boxes_of_all_frames():
    (box,) = icon_boxes([Box(Area(0, 0, 10, 10), 3, 4)], (100, 100), (10, 10))
    assert (box.first, box.stop, box.area) == (0, None, Area(0, 0, 2, 2))


def make_burning():
    frames = np.arange(16, dtype=np.uint16).reshape(1, 4, 4)
    return burn(frames, mask_of([Box(Area(3, 0, 1, 4))], frames.shape), 0)


def test_only_a_confirmed_instance_says_that_it_is_clean():
    changes = dict(header_changes(make_burning(), make_format(), confirmed=False))
    assert "BurnedInAnnotation" not in changes
    assert dict(header_changes(make_burning(), make_format(), confirmed=True))[
        "BurnedInAnnotation"
    ] == ("NO")
    assert method_codes(confirmed=False) == ()
    assert method_codes(confirmed=True) == ("113101",)


def test_the_header_gets_the_ends_of_the_burnt_values():
    changes = dict(header_changes(make_burning(), make_format(), confirmed=False))
    assert (changes["SmallestImagePixelValue"], changes["LargestImagePixelValue"]) == (0, 11)
    assert "DerivationDescription" in changes
    assert "LossyImageCompression" not in changes


def test_nothing_is_derived_where_nothing_was_burnt():
    frames = np.zeros((1, 2, 2, 3), np.uint8)
    nothing = Burning(frames, np.zeros((1, 2, 2), bool))
    assert header_changes(nothing, make_format("RGB", 8, samples=3), confirmed=False) == []
