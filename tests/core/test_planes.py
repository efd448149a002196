"""A PlaneArray does what the whole array would, and reads no more planes than it must."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_dicom_markup.core import planes
from napari_dicom_markup.core.planes import PlaneArray

SHAPES = [(5, 3, 4), (3, 2, 2, 3), (1, 1, 1), (4, 3, 2, 3)]


class Reads:
    """Serves the planes of an array and remembers which were asked for."""

    def __init__(self, full: np.ndarray, *, colour: bool = False) -> None:
        self.full = full
        self.plane_shape = full.shape[-3:] if colour else full.shape[-2:]
        self.flat = full.reshape(-1, *self.plane_shape)
        self.asked: list[int] = []

    def __call__(self, number: int) -> np.ndarray:
        self.asked.append(number)
        return self.flat[number].copy()


def counting(shape: tuple[int, ...], *, colour: bool = False) -> tuple[PlaneArray, Reads]:
    reads = Reads(np.arange(np.prod(shape), dtype=np.int16).reshape(shape), colour=colour)
    return PlaneArray(shape, np.int16, reads, colour=colour), reads


def check(array: PlaneArray, full: np.ndarray, key: object) -> None:
    """Compare indexing, errors included."""
    try:
        expected = full[key]
    except IndexError:
        with pytest.raises(IndexError):
            array[key]
        return
    found = array[key]
    assert type(found) is type(expected)
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found, expected)


shapes = st.sampled_from(SHAPES)
keys = shapes.flatmap(
    lambda shape: st.tuples(
        st.just(shape), hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True)
    )
)


@given(keys, st.booleans())
def test_basic_indexing_equals_numpys(shape_and_key, colour):
    shape, key = shape_and_key
    array, reads = counting(shape, colour=colour and len(shape) == 4)
    check(array, reads.full, key)


@given(
    shapes.flatmap(
        lambda shape: st.tuples(
            st.just(shape),
            hnp.arrays(np.int64, st.integers(0, 4), elements=st.integers(-6, 6)),
            st.tuples(*[st.one_of(st.integers(-4, 4), st.just(slice(None)))] * 2),
            st.booleans(),
        )
    )
)
def test_arrays_of_numbers_index_as_in_numpy(drawn):
    shape, numbers, rest, colour = drawn
    array, reads = counting(shape, colour=colour and len(shape) == 4)
    check(array, reads.full, numbers)
    check(array, reads.full, (numbers, *rest))
    check(array, reads.full, (slice(None), numbers, *rest))
    check(array, reads.full, (..., numbers))


@pytest.mark.parametrize(
    "key",
    [
        np.int64(2),
        (np.uint8(1), slice(None, None, -2)),
        [0, -1],
        True,
        (slice(None), None),
        (0, 0, 0, 0),
        (..., ...),
        7,
        (slice(5, 2),),
        np.array([True, False, True, False, True]),
        "x",
        1.5,
    ],
    ids=repr,
)
def test_odd_keys_do_what_numpy_does_with_them(key):
    array, reads = counting((5, 3, 4))
    try:
        check(array, reads.full, key)
    except IndexError:
        with pytest.raises(IndexError):
            reads.full[key]


def test_a_boolean_mask_of_the_whole_array_selects_as_in_numpy():
    array, reads = counting((5, 3, 4))
    check(array, reads.full, reads.full % 3 == 0)


def test_one_plane_is_read_for_one_slice_and_kept():
    array, reads = counting((5, 3, 4))
    for key in (2, (2, 0), (2, slice(None), slice(None)), np.int64(-3), (2, 1, 1)):
        array[key]
    assert reads.asked == [2]


def test_empty_selections_read_nothing():
    array, reads = counting((5, 3, 4))
    assert array[3:1].shape == (0, 3, 4)
    assert array[:, 3:].shape == (5, 0, 4)
    assert reads.asked == []


def test_only_so_many_planes_are_kept():
    array, reads = counting((20, 3, 4))
    for number in range(20):
        array[number]
    array[19], array[20 - planes.KEPT_PLANES]
    assert len(reads.asked) == 20
    array[0]
    assert reads.asked[20:] == [0]


def test_large_planes_are_kept_by_their_bytes(monkeypatch):
    monkeypatch.setattr(planes, "KEPT_BYTES", 50)
    array, reads = counting((5, 3, 4))
    for number in (0, 1, 2, 1, 0):
        array[number]
    assert reads.asked == [0, 1, 2, 0]  # planes are 24 bytes: two of them are kept


def test_planes_cannot_be_written_through():
    array, reads = counting((5, 3, 4))
    plane = array[1]
    with pytest.raises(ValueError, match="read-only"):
        plane[0, 0] = 7
    np.testing.assert_array_equal(array[1], reads.full[1])


def test_asarray_reads_everything_in_bulk():
    reads = Reads(np.arange(60, dtype=np.int16).reshape(5, 3, 4))

    def read_all(out: np.ndarray) -> None:
        assert out.flags.c_contiguous
        out[...] = reads.full

    array = PlaneArray((5, 3, 4), np.int16, reads, read_all)
    for found in (np.asarray(array), array[...], array[:], array.astype(np.int16), array[:, :]):
        np.testing.assert_array_equal(found, reads.full)
    assert reads.asked == []
    np.testing.assert_array_equal(array[::-1], reads.full[::-1])
    assert len(reads.asked) == 5


def test_asarray_converts_and_refuses_to_make_no_copy():
    array, reads = counting((5, 3, 4))
    assert np.asarray(array, np.float32).dtype == np.float32
    assert array.astype(float).dtype == np.float64
    np.testing.assert_array_equal(np.array(array), reads.full)
    with pytest.raises(ValueError, match="new array"):
        np.array(array, copy=False)


def test_numpy_functions_and_iteration_work():
    array, reads = counting((5, 3, 4))
    assert np.max(array) == reads.full.max()
    assert np.mean(array) == reads.full.mean()
    assert np.transpose(array).shape == (4, 3, 5)
    np.testing.assert_array_equal(np.add(array, 1), reads.full + 1)
    np.testing.assert_array_equal(np.stack(list(array)), reads.full)


def test_sizes_are_those_of_the_whole_array():
    array, reads = counting((3, 2, 2, 3))
    full = reads.full
    assert (array.shape, array.ndim, array.size, array.nbytes, len(array), array.dtype) == (
        full.shape,
        full.ndim,
        full.size,
        full.nbytes,
        len(full),
        full.dtype,
    )
    assert repr(array) == "<PlaneArray shape=(3, 2, 2, 3) dtype=int16>"


def test_a_plane_alone_is_no_plane_array():
    with pytest.raises(ValueError, match="axis"):
        PlaneArray((3, 4), np.int16, lambda _: np.zeros((3, 4)))


def test_a_plane_of_another_shape_is_refused():
    array = PlaneArray((2, 3, 4), np.int16, lambda _: np.zeros((4, 3), np.int16))
    with pytest.raises(ValueError, match="another shape"):
        array[0]


def test_threads_may_ask_at_once():
    array, reads = counting((20, 3, 4))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: array[i % 20], range(400)))
    for i, plane in enumerate(found):
        np.testing.assert_array_equal(plane, reads.full[i % 20])


def test_napari_shows_it_and_reads_one_plane_a_step():
    components = pytest.importorskip("napari.components")
    array, reads = counting((10, 6, 5))
    viewer = components.ViewerModel()
    layer = viewer.add_image(array, contrast_limits=(0, 300))
    assert layer.data is array
    reads.asked.clear()
    for number in (9, 0, 3, 4):
        viewer.dims.set_point(0, number)
    assert reads.asked == [number for number in (9, 0, 3, 4) if number in reads.asked]
    assert len(reads.asked) <= 4
    np.testing.assert_array_equal(np.asarray(layer._slice.image.raw), reads.full[4])


def test_napari_shows_colour():
    components = pytest.importorskip("napari.components")
    reads = Reads(np.zeros((4, 6, 5, 3), np.uint8), colour=True)
    array = PlaneArray((4, 6, 5, 3), np.uint8, reads, colour=True)
    layer = components.ViewerModel().add_image(array, rgb=True)
    assert layer.rgb
    assert len(set(reads.asked)) <= 2  # the first, and the one in the middle
