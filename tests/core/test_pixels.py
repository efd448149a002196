"""Physical values: exact where they are integers, and equal to pydicom's on real files."""

from __future__ import annotations

import dataclasses
import logging
import warnings

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.data import (
    CORPUS,
    PYDICOM_FILES,
    build_image,
    files_under,
    image_in,
    image_of,
    needs_corpus,
    read_quietly,
)

from napari_dicom_markup.core.pixels import (
    apply_modality_lut,
    apply_palette,
    is_palette,
    padding_range,
    physical_dtype,
    physical_plane,
    to_physical,
    to_rgb8,
    value_range,
)
from napari_dicom_markup.errors import DecodeError
from napari_dicom_markup.model.stack import ValueMapping, only_frame
from napari_dicom_markup.sources.dicom.frames import decode_frame
from napari_dicom_markup.sources.dicom.lookup_tables import read_modality_lut, read_palette

BUILT = image_of(build_image(np.zeros((2, 2), np.uint16)))


def declared(bits=12, *, signed=False, keyword="PixelData", samples=1, **values):
    """Return a frame that declares so many bits and such a value mapping."""
    assert BUILT.pixels is not None
    assert BUILT.element is not None
    allocated = next(size for size in (8, 16, 32, 64) if size >= bits)
    pixels = dataclasses.replace(
        BUILT.pixels, bits_stored=bits, bits_allocated=allocated, signed=signed, samples=samples
    )
    element = dataclasses.replace(BUILT.element, keyword=keyword)
    values = ValueMapping(**values)
    return only_frame(dataclasses.replace(BUILT, pixels=pixels, element=element, values=values))


# --- which type ---


@pytest.mark.parametrize(
    ("instance", "expected"),
    [
        (declared(8), np.uint8),
        (declared(1), np.uint8),
        (declared(8, signed=True), np.int16),
        (declared(12), np.uint16),
        (declared(16), np.uint16),
        (declared(12, intercept=-1024.0), np.int16),
        (declared(16, signed=True), np.int16),
        (declared(12, signed=True, intercept=-1024.0), np.int16),
        (declared(16, intercept=-1024.0), np.int32),
        (declared(16, signed=True, intercept=-1024.0), np.int32),
        (declared(32, signed=True), np.int32),
        (declared(32), np.uint32),
        (declared(32, intercept=-1.0), np.float64),
        (declared(12, intercept=0.5), np.float32),
        (declared(12, slope=0.5), np.float32),
        (declared(12, slope=2.0), np.float32),
        (declared(8, lut=True), np.uint16),
        (declared(32, keyword="FloatPixelData"), np.float32),
        (declared(64, keyword="DoubleFloatPixelData"), np.float64),
        (declared(16, samples=3), np.uint8),
    ],
    ids=lambda value: "" if isinstance(value, type) else repr(value.values)[13:40],
)
def test_the_physical_type_is_the_smallest_that_holds_the_declared_range(instance, expected):
    assert physical_dtype([instance]) == expected


def test_the_physical_type_holds_every_instance_of_a_stack():
    assert physical_dtype([declared(12), declared(12, intercept=-5.0)]) == np.int16
    assert physical_dtype([declared(12), declared(12, slope=1.5)]) == np.float32
    assert physical_dtype([]) == np.uint8


def test_a_supplemental_palette_leaves_a_grey_image_grey():
    instance = declared(12, palette=True)
    assert not is_palette(instance)
    assert physical_dtype([instance]) == np.uint16


# --- rescaling ---

INTEGERS = [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32]
stored_values = st.sampled_from(INTEGERS).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=1, max_dims=2, max_side=8))
)


@given(
    stored=stored_values,
    intercept=st.integers(-70000, 70000),
    dtype=st.sampled_from([np.uint8, np.uint16, np.int16, np.int32]),
)
def test_integers_are_shifted_exactly_and_saturate_where_they_do_not_fit(stored, intercept, dtype):
    limits = np.iinfo(dtype)
    expected = np.clip(stored.astype(np.int64) + intercept, limits.min, limits.max)
    found = to_physical(stored, ValueMapping(intercept=float(intercept)), dtype)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, expected)


@given(
    stored=hnp.arrays(st.sampled_from([np.uint16, np.int16]), (3, 5)),
    intercept=st.integers(-40000, 40000),
)
def test_values_are_shifted_in_their_own_memory(stored, intercept):
    expected = np.clip(stored.astype(np.int64) + intercept, -32768, 32767)
    plane = stored.view(np.int16)
    to_physical(stored, ValueMapping(intercept=float(intercept)), np.int16, out=plane)
    np.testing.assert_array_equal(plane, expected)


def test_stored_65000_and_an_intercept_of_minus_64536_is_464_hounsfield_units():
    stored = np.array([65000], np.uint16)
    assert to_physical(stored, ValueMapping(intercept=-64536.0), np.int16).tolist() == [464]


@given(
    stored=stored_values,
    slope=st.floats(1e-6, 1e4),
    intercept=st.floats(-1e5, 1e5),
)
def test_other_slopes_give_the_nearest_float32(stored, slope, intercept):
    found = to_physical(stored, ValueMapping(slope, intercept), np.float32)
    assert found.dtype == np.float32
    expected = (stored.astype(np.float64) * slope + intercept).astype(np.float32)
    np.testing.assert_array_equal(found, expected)


def test_float_pixels_stay_as_they_are():
    stored = np.array([[0.1, np.nan, -np.inf]], np.float64)
    found = to_physical(stored, ValueMapping(), np.float64)
    np.testing.assert_array_equal(found, stored)


def test_64_bit_integers_saturate_too():
    stored = np.array([2**63, 5], np.uint64)
    found = to_physical(stored, ValueMapping(intercept=-1.0), np.int32)
    assert found.tolist() == [2**31 - 1, 4]


# --- tables and colour ---


def test_values_outside_a_modality_lut_take_the_entry_at_its_end():
    entries = np.array([100, 200, 65535], np.uint16)
    stored = np.array([-32768, -2, -1, 0, 1, 32767], np.int16)
    assert apply_modality_lut(stored, (-1, entries)).tolist() == [100, 100, 100, 200, 65535, 65535]


def test_palette_entries_of_16_bits_give_their_upper_8():
    entries = np.array([[0, 0x100, 0xFFFF], [0x1234, 0xFF, 0]], np.uint16)
    found = apply_palette(np.array([[0, 1, 2]], np.uint8), (0, entries))
    assert found.dtype == np.uint8
    assert found.tolist() == [[[0, 1, 255], [0x12, 0, 0], [0x12, 0, 0]]]


def test_palette_entries_of_8_bits_in_16_stay():
    entries = np.array([[0, 1, 255]], np.uint16)
    assert apply_palette(np.zeros((1, 1), np.uint8), (0, entries)).tolist() == [[[0, 1, 255]]]


def test_deep_colour_keeps_the_upper_8_of_the_bits_stored():
    assert to_rgb8(np.array([0xFFF, 0x800], np.uint16), 12).tolist() == [255, 128]
    assert to_rgb8(np.array([0xFFFFFFFF], np.uint32), 32).tolist() == [255]
    assert to_rgb8(np.array([255], np.uint8), 8).tolist() == [255]


def test_a_table_that_is_needed_and_missing_is_an_error():
    with pytest.raises(ValueError, match="lookup table"):
        physical_plane(np.zeros((2, 2), np.uint8), declared(8, lut=True), np.uint16)


# --- limits ---


@pytest.mark.parametrize("slope", [1e308, -1e308, 1e36])
def test_a_slope_that_leads_beyond_the_type_declares_no_range(slope):
    assert value_range([declared(12, slope=slope)], np.float32) is None


def test_the_value_range_covers_all_instances_and_negative_slopes():
    instances = [declared(12, intercept=-1024.0), declared(12, slope=-2.0)]
    assert value_range(instances, np.float32) == (-8190.0, 3071.0)


def test_float_pixels_declare_no_range():
    assert value_range([declared(32, keyword="FloatPixelData")], np.float32) is None
    assert value_range([], np.uint8) is None


def test_the_range_of_colour_and_of_tables_is_that_of_their_type():
    assert value_range([declared(16, samples=3)], np.uint8) == (0, 255)
    assert value_range([declared(8, lut=True)], np.uint16) == (0, 65535)


# --- padding ---


def padded_frame(bits, padding, *, photometric="MONOCHROME2", signed=False, limit=None, **values):
    frame = declared(bits, signed=signed, padding=padding, padding_limit=limit, **values)
    return dataclasses.replace(
        frame, pixels=dataclasses.replace(frame.pixels, photometric=photometric)
    )


def shown(stored, frame):
    return physical_plane(stored.copy(), frame, physical_dtype([frame])).tolist()


def test_padding_that_is_bright_is_shown_as_the_darkest_value_of_the_image():
    frame = padded_frame(16, 65535, intercept=-1024.0)
    stored = np.array([[65535, 1000], [1100, 65535]], np.uint16)
    assert shown(stored, frame) == [[-24, -24], [76, -24]]


def test_padding_in_an_inverted_image_is_shown_as_its_greatest_value():
    frame = padded_frame(12, 0, photometric="MONOCHROME1")
    assert shown(np.array([[0, 7], [9, 0]], np.uint16), frame) == [[9, 7], [9, 9]]


def test_padding_may_be_a_range():
    frame = padded_frame(12, 4000, limit=4095)
    assert shown(np.array([[4000, 4050, 4095, 3999, 5]], np.uint16), frame) == [[5, 5, 5, 3999, 5]]


@pytest.mark.parametrize(("padding", "signed"), [(-2000, True), (0, False)])
def test_padding_that_is_dark_keeps_its_value(padding, signed):
    frame = padded_frame(16, padding, signed=signed, intercept=-1024.0)
    stored = np.array([[padding, 50]], np.int16 if signed else np.uint16)
    assert shown(stored, frame) == [[padding - 1024, -974]]
    assert padding_range(frame) == (padding - 1024, padding - 1024)


def test_an_image_of_nothing_but_padding_keeps_its_values():
    frame = padded_frame(16, 65535)
    assert shown(np.full((2, 2), 65535, np.uint16), frame) == [[65535, 65535]] * 2


# --- every real file, against pydicom ---


def expected_values(stored, data_set, instance):
    if is_palette(instance):
        found = pydicom.pixels.apply_color_lut(stored, data_set)
        return found if found.dtype == np.uint8 else found >> 8
    if stored.ndim == 3:
        return stored >> (instance.pixels.bits_stored - 8)
    if "DoseGridScaling" in data_set:
        return stored * float(data_set.DoseGridScaling)
    return pydicom.pixels.apply_modality_lut(stored, data_set)


def is_right(path) -> bool:
    raw = path.read_bytes()
    instance = image_in(raw, path)
    if instance is None or instance.pixels.frames != 1:
        return True
    frame = only_frame(instance)
    try:
        stored = decode_frame(raw, frame)
    except DecodeError:
        return True
    table = read_palette(instance, raw) if is_palette(frame) else None
    table = read_modality_lut(instance, raw) if instance.values.lut else table
    dtype = physical_dtype([frame])
    expected = expected_values(stored, read_quietly(path), frame)
    found = physical_plane(stored.copy(), frame, dtype, table)
    in_range = value_range([frame], dtype)
    low, high = in_range or (-np.inf, np.inf)
    return (
        found.dtype == dtype
        and np.array_equal(found, expected.astype(dtype), equal_nan=dtype.kind == "f")
        and (in_range is None or low <= found.min() <= found.max() <= high)
    )


@pytest.mark.parametrize(
    "root", [pytest.param(CORPUS, marks=needs_corpus, id="corpus"), PYDICOM_FILES]
)
def test_physical_values_of_real_files_equal_pydicoms_and_lie_in_the_declared_range(root):
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wrong = [path.name for path in files_under(root) if not is_right(path)]
    finally:
        logging.disable(logging.NOTSET)
    assert wrong == []
