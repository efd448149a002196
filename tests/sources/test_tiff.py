from __future__ import annotations

import logging
import warnings
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from tests.stacks import make_stack

from napari_dicom_markup.errors import DamagedError, LabelsError
from napari_dicom_markup.model.markup import Labels, LabelsStyle
from napari_dicom_markup.model.progress import Steps
from napari_dicom_markup.model.sidecar import LabelsLayer
from napari_dicom_markup.sinks.tiff import TiffLink, write_image, write_labels
from napari_dicom_markup.sources.tiff import (
    TiffState,
    bundle_of,
    page_order,
    read_labels,
    verify_tiff,
)

LINK = TiffLink("5f0c8a3e-1111-5222-8333-444455556666", "CT stack 0", "b1")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "case.ome.tif"


def save(path, *arrays, leading=None):
    *_, slices, rows, columns = arrays[0].shape
    stack = make_stack(slices, rows, columns, leading=leading)
    labels = [Labels(LabelsStyle(f"layer {n}"), data) for n, data in enumerate(arrays)]
    record = Steps(write_labels(path, labels, stack, LINK, suffix=".ome.tif")).result()
    layers = [LabelsLayer(d.dtype.name, d.shape, LabelsStyle("x"), ()) for d in arrays]
    return record, layers


def random_labels(shape, dtype="uint8", highest=12, seed=0):
    return np.random.default_rng(seed).integers(0, highest + 1, shape).astype(dtype)


def assert_same(reading, *arrays, edited):
    assert reading.edited is edited
    for read, saved in zip(reading.arrays, arrays, strict=True):
        assert read.dtype == saved.dtype
        assert np.array_equal(read, saved)
        assert read.flags.c_contiguous
        assert read.flags.writeable


@st.composite
def layers_of_a_stack(draw):
    volume = draw(st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9)))
    leading = draw(st.one_of(st.none(), st.integers(1, 3)))
    arrays = []
    for _ in range(draw(st.integers(1, 3))):
        dtype = np.dtype(draw(st.sampled_from(["?", "u1", "i1", "u2", "i2", "u4", "i8", "u8"])))
        elements = None
        if dtype.kind != "b":
            elements = st.integers(0, min(np.iinfo(dtype).max, 2**32 - 1))
        whole = leading is not None and draw(st.booleans())
        shape = (leading, *volume) if whole else volume
        arrays.append(draw(st_numpy.arrays(dtype, shape, elements=elements)))
    return leading, arrays


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(case=layers_of_a_stack())
def test_any_labels_come_back_in_their_own_dtype_and_shape(path, case):
    leading, arrays = case
    record, layers = save(path, *arrays, leading=leading)
    assert_same(read_labels(path, record, layers), *arrays, edited=False)
    assert verify_tiff(path, record).state is TiffState.EXACT


def test_labels_saved_again_by_tifffile_without_ome_are_read_as_edited(path):
    data = random_labels((3, 4, 5))
    record, layers = save(path, data, data // 2)
    changed = np.stack([data // 3, data])
    tifffile.imwrite(path, changed, ome=False, photometric="minisblack")
    assert_same(read_labels(path, record, layers), data // 3, data, edited=True)
    assert verify_tiff(path, record).state is TiffState.EDITED


def test_labels_saved_again_as_an_imagej_hyperstack_are_put_in_order(path):
    data = random_labels((2, 3, 4, 5))
    record, layers = save(path, data, data // 2, leading=2)
    changed = np.stack([data // 3, data], axis=2)
    tifffile.imwrite(path, changed, imagej=True, metadata={"axes": "TZCYX"})
    assert_same(read_labels(path, record, layers), data // 3, data, edited=True)


@pytest.mark.parametrize("axes", ["TZCYX", "ZCTYX", "CTZYX", "TCZYX"])
def test_labels_saved_again_as_ome_tiff_of_other_axis_order_are_put_in_order(path, axes):
    data = random_labels((2, 3, 4, 5))
    record, layers = save(path, data, data // 2, leading=2)
    changed = np.stack([data // 3, data], axis=1).transpose(["TCZYX".index(a) for a in axes])
    if axes in ("TZCYX", "TCZYX", "CTZYX"):
        tifffile.imwrite(path, changed, ome=True, metadata={"axes": axes}, photometric="minisblack")
    else:
        tifffile.imwrite(path, changed, ome=False, metadata={"axes": axes})
    assert_same(read_labels(path, record, layers), data // 3, data, edited=True)


def test_labels_saved_again_by_simpleitk_are_read_as_edited(path):
    sitk = pytest.importorskip("SimpleITK")
    data = random_labels((3, 4, 5), "uint16", 700)
    record, layers = save(path, data)
    image = sitk.ReadImage(str(path))
    image[0, 0, 0] = 9
    sitk.WriteImage(image, str(path))
    data[0, 0, 0] = 9
    assert_same(read_labels(path, record, layers), data, edited=True)


@pytest.mark.parametrize("mode", ["uint8", "uint16", "bool"])
def test_labels_saved_again_by_pillow_are_read_as_edited(path, mode):
    pil = pytest.importorskip("PIL.Image")
    data = random_labels((3, 4, 5), "uint16", 1 if mode == "bool" else 200)
    record, layers = save(path, data)
    first, *others = [pil.fromarray(plane.astype(mode)) for plane in data[::-1]]
    first.save(path, save_all=True, append_images=others)
    assert_same(read_labels(path, record, layers), data[::-1], edited=True)


def test_larger_values_of_another_program_widen_the_dtype(path):
    data = random_labels((3, 4, 5))
    record, layers = save(path, data, data > 3)
    changed = np.stack([data.astype("int32"), data.astype("int32")])
    changed[0, 1, 2, 3] = 70_000
    changed[1, 1, 2, 3] = -7
    tifffile.imwrite(path, changed, ome=False, photometric="minisblack")
    reading = read_labels(path, record, layers)
    assert reading.arrays[0][1, 2, 3] == 70_000
    assert reading.arrays[1][1, 2, 3] == -7
    assert np.array_equal(np.stack(reading.arrays), changed)


def test_a_repeated_volume_that_was_edited_in_one_gets_the_leading_axis(path):
    data = random_labels((3, 4, 5))
    record, layers = save(path, data, leading=3)
    changed = np.stack([data] * 3)
    changed[1, 2] += 1
    tifffile.imwrite(path, changed, ome=False, photometric="minisblack")
    assert_same(read_labels(path, record, layers), changed, edited=True)


REFUSED = {
    "colour": (np.zeros((3, 4, 5, 3), "uint8"), "rgb", r"a page of it is \(4, 5, 3\)"),
    "float": (np.zeros((3, 4, 5), "float32"), "minisblack", "holds float32, not integers"),
    "rows": (np.zeros((3, 5, 5), "uint8"), "minisblack", r"\(5, 5\), not \(4, 5\)"),
    "fewer": (np.zeros((2, 4, 5), "uint8"), "minisblack", "fewer than 3 pages"),
    "more": (np.zeros((4, 4, 5), "uint8"), "minisblack", "more than 3 pages"),
}


@pytest.mark.parametrize(("array", "photometric", "reason"), REFUSED.values(), ids=list(REFUSED))
def test_what_is_no_labels_of_the_stack_is_refused_with_the_reason(
    path, array, photometric, reason
):
    record, layers = save(path, random_labels((3, 4, 5)))
    tifffile.imwrite(path, array, photometric=photometric, ome=False)
    with pytest.raises(LabelsError, match=reason):
        read_labels(path, record, layers)
    report = verify_tiff(path, record)
    assert report.state is TiffState.DAMAGED
    assert path.name in report.message


def test_axes_that_contradict_the_record_are_refused(path):
    data = random_labels((2, 3, 4, 5))
    record, layers = save(path, data, data, leading=2)
    other = np.zeros((3, 2, 2, 4, 5), "uint8")
    tifffile.imwrite(path, other, imagej=True, metadata={"axes": "TZCYX"})
    with pytest.raises(LabelsError, match="other axes"):
        read_labels(path, record, layers)


def test_a_missing_file_is_named(path):
    record, layers = save(path, random_labels((3, 4, 5)))
    path.unlink()
    with pytest.raises(DamagedError, match=r"case\.ome\.tif is missing"):
        read_labels(path, record, layers)
    assert verify_tiff(path, record).state is TiffState.MISSING
    assert bundle_of(path) is None


@pytest.mark.parametrize(
    "content", [b"", b"II*\0", b"not a tiff at all", b"II*\0\x08\0\0\0\xff\xff"]
)
def test_what_is_no_tiff_is_damage(path, content):
    record, layers = save(path, random_labels((3, 4, 5)))
    path.write_bytes(content)
    with pytest.raises(DamagedError, match=r"case\.ome\.tif cannot be read as TIFF"):
        read_labels(path, record, layers)
    assert verify_tiff(path, record).state is TiffState.DAMAGED
    assert bundle_of(path) is None


def test_an_error_names_the_file_only(tmp_path):
    folder = tmp_path / "DOE^JANE"
    folder.mkdir()
    record, layers = save(folder / "case.ome.tif", random_labels((3, 4, 5)))
    (folder / "case.ome.tif").write_bytes(b"II*\0")
    with pytest.raises(DamagedError) as caught:
        read_labels(folder / "case.ome.tif", record, layers)
    assert "DOE" not in str(caught.value)
    assert caught.value.part == "case.ome.tif"
    assert caught.value.__suppress_context__


def test_a_record_that_contradicts_its_layers_is_damage_of_the_sidecar(path):
    record, layers = save(path, random_labels((3, 4, 5)))
    for wrong in ([], layers * 2, [replace(layers[0], shape=(4, 3, 5))]):
        with pytest.raises(DamagedError, match="sidecar"):
            read_labels(path, record, wrong)
    with pytest.raises(DamagedError):
        read_labels(path, record, [replace(layers[0], dtype="no dtype")])


def test_absurd_sizes_in_the_record_are_refused_before_memory_is_taken(path):
    record, layers = save(path, random_labels((3, 4, 5)))
    shape = (1, 1, 2**40, 4, 5)
    with pytest.raises(DamagedError, match="fewer than"):
        read_labels(path, replace(record, shape=shape), [replace(layers[0], shape=shape[2:])])


@pytest.mark.parametrize("kind", ["one layer", "two layers over time", "one page"])
def test_one_flipped_byte_never_gives_other_labels(path, kind):
    shape = {"one layer": (3, 8, 9), "one page": (1, 8, 9)}.get(kind, (2, 2, 8, 9))
    data = random_labels(shape, "uint16", 500)
    arrays = (data, data[0] // 2) if len(shape) == 4 else (data,)
    record, layers = save(path, *arrays, leading=2 if len(shape) == 4 else None)
    whole = path.read_bytes()
    offsets = {*range(0, len(whole), 7), *range(10), *sorted(pages_bytes(path))[:500]}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for offset in sorted(offsets):
            for mask in (0x01, 0xFF):
                flipped = bytearray(whole)
                flipped[offset] ^= mask
                path.write_bytes(flipped)
                try:
                    reading = read_labels(path, record, layers)
                except DamagedError:
                    assert verify_tiff(path, record).state is TiffState.DAMAGED
                    continue
                assert_same(reading, *arrays, edited=False)
    assert caught == []


def pages_bytes(path):
    """The offsets of every byte of the pages' tag tables."""
    with tifffile.TiffFile(path) as tif:
        tags = [tag for page in tif.pages for tag in page.tags]
    return {tag.offset + n for tag in tags for n in range(12)}


def test_a_truncated_file_never_gives_other_labels(path):
    data = random_labels((3, 8, 9), "uint16", 500)
    record, layers = save(path, data)
    whole = path.read_bytes()
    for length in range(0, len(whole), 5):
        path.write_bytes(whole[:length])
        with pytest.raises((DamagedError, LabelsError)):
            read_labels(path, record, layers)


def test_a_file_that_grew_and_lost_a_strip_is_damage(path):
    record, layers = save(path, random_labels((3, 8, 9)))
    raw = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        tag = tif.pages[1].tags["StripByteCounts"]
    raw[tag.valueoffset : tag.valueoffset + 2] = b"\0\0"
    path.write_bytes(raw + bytes(100))
    with pytest.raises(DamagedError, match="damaged"):
        read_labels(path, record, layers)


def test_a_ring_of_pages_ends(path):
    data = random_labels((150, 2, 2))
    record, layers = save(path, data)
    with tifffile.TiffFile(path) as tif:
        tif.pages.cache = True
        offsets = [page.offset for page in tif.pages]
    raw = bytearray(path.read_bytes())
    count = int.from_bytes(raw[offsets[-1] : offsets[-1] + 2], "little")
    end = offsets[-1] + 2 + 12 * count
    raw[end : end + 4] = offsets[120].to_bytes(4, "little")
    path.write_bytes(raw)
    with pytest.raises(DamagedError, match="more than 150 pages"):
        read_labels(path, record, layers)


def test_other_values_under_the_same_size_and_uuid_are_damage(path):
    record, layers = save(path, random_labels((3, 4, 5)))
    with pytest.raises(DamagedError, match="replace it by a copy"):
        read_labels(path, replace(record, array_sha256="0" * 64), layers)
    other = replace(record, array_sha256="0" * 64, uuid="5f0c8a3e-1111-5222-8333-444455556667")
    assert read_labels(path, other, layers).edited


def test_nothing_is_logged_for_a_damaged_file_and_other_threads_still_log(path, caplog):
    record, layers = save(path, random_labels((3, 4, 5)))
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])
    with caplog.at_level(logging.DEBUG), pytest.raises((DamagedError, LabelsError)):
        read_labels(path, record, layers)
    assert caplog.records == []
    assert logging.getLogger("tifffile").filters == []


@pytest.mark.parametrize("dtype", ["int16", "float32", "uint8"])
def test_image_tiffs_are_verified(path, dtype):
    samples = 3 if dtype == "uint8" else 1
    stack = make_stack(leading=2, samples=samples)
    planes = np.random.default_rng(2).standard_normal((6, 4, 5, 3)[: 3 + (samples == 3)]) * 50
    planes = planes.astype(dtype)
    steps = write_image(path, stack, iter(planes), np.dtype(dtype), LINK, suffix="")
    record = Steps(steps).result()
    assert verify_tiff(path, record).state is TiffState.EXACT
    raw = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        raw[tif.pages[3].dataoffsets[0] + 3] ^= 0x10
    path.write_bytes(raw)
    assert verify_tiff(path, record).state is TiffState.DAMAGED
    photometric = "rgb" if samples == 3 else "minisblack"
    tifffile.imwrite(path, planes + 1, photometric=photometric, ome=False)
    assert verify_tiff(path, record).state is TiffState.EDITED


def test_a_tiff_names_its_bundle(path, tmp_path):
    save(path, random_labels((3, 4, 5)))
    assert bundle_of(path) == "b1"
    tifffile.imwrite(tmp_path / "other.ome.tif", np.zeros((3, 4), "uint8"))
    assert bundle_of(tmp_path / "other.ome.tif") is None
    tifffile.imwrite(tmp_path / "plain.tif", np.zeros((3, 4), "uint8"))
    assert bundle_of(tmp_path / "plain.tif") is None


def test_xml_that_declares_entities_is_not_parsed(path):
    bomb = '<!DOCTYPE O [<!ENTITY a "aaaa">]><OME UUID="&a;"><M K="bundle">&a;</M></OME>'
    tifffile.imwrite(path, np.zeros((3, 4), "uint8"), description=bomb, metadata=None)
    assert bundle_of(path) is None


@pytest.mark.parametrize(
    "description",
    [
        "",
        "ImageJ=1.53t\nimages=12\nslices=99\n",
        '{"shape": [1]}',
        '{"shape": "x"}',
        '{"shape"',
        "<OME/>",
        '<OME><Pixels DimensionOrder="XYZ"/></OME>',
        '{"shape": [12, 4, 5], "axes": "QYX"}',
    ],
)
def test_a_description_that_says_nothing_means_pages_in_order(description):
    assert list(page_order(description, (2, 2, 3))) == list(range(12))


def ome(tiff_data):
    sizes = 'SizeX="5" SizeY="4" SizeZ="2" SizeC="1" SizeT="2"'
    return f'<OME><Image><Pixels DimensionOrder="XYCZT" {sizes}>{tiff_data}</Pixels></Image></OME>'


def test_pages_that_ome_assigns_one_by_one_are_put_in_order():
    one = '<TiffData IFD="{}" FirstZ="{}" FirstT="{}"/>'
    pages = [one.format(*page) for page in [(0, 1, 0), (1, 0, 0), (2, 1, 1), (3, 0, 1)]]
    assert page_order(ome("".join(pages)), (2, 1, 2)) == [1, 0, 3, 2]
    assert page_order(ome("".join(pages[:3])), (2, 1, 2)) is None
    assert page_order(ome('<TiffData IFD="0" PlaneCount="9"/>'), (2, 1, 2)) is None
    assert page_order(ome("<TiffData/>"), (2, 1, 2)) == [0, 1, 2, 3]
