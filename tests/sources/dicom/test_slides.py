"""Whole slide images through wsidicom: its pixels, and files that claim too much or are damaged."""

from __future__ import annotations

import gc
import tracemalloc
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)
from tests.data import CORPUS, needs_corpus
from tests.series import CANARY
from tests.slides import TILE, make_slide, make_sparse, picture, save, tiles_of

from napari_dicom_markup.core.tile_array import TileArray
from napari_dicom_markup.errors import DecodeError, MarkupError, SourceChangedError
from napari_dicom_markup.model.slide import Flavour
from napari_dicom_markup.model.stack import Instance
from napari_dicom_markup.sources.dicom.scan import find_files, read_instances
from napari_dicom_markup.sources.dicom.slides import TiledFile, read_slide_header

if TYPE_CHECKING:
    from napari_dicom_markup.model.slide import SlideImage, SlidePlane

pytest.importorskip("wsidicom", reason="wsidicom is not installed")

SYNTAXES = {"native": ExplicitVRLittleEndian, "JPEG": JPEGBaseline8Bit}


def scanned(*paths: Path) -> list:
    steps = read_instances(find_files(paths))
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def tiled(*paths: Path) -> TiledFile:
    return TiledFile([read_slide_header(instance) for instance in scanned(*paths)])


def array_of(file: TiledFile, image: SlideImage, plane: SlidePlane) -> TileArray:
    dtype = np.uint8 if image.peak <= 255 else np.uint16
    return TileArray(image.shape, dtype, image.tile, lambda y, x: file.tile(y, x, plane))


def opened(*paths: Path) -> TileArray:
    file = tiled(*paths)
    image = file.describe()
    return array_of(file, image, image.planes[0])


def by_wsidicom(path: Path) -> np.ndarray:
    """Return what wsidicom's own reader of regions gives for the whole first level."""
    from wsidicom import WsiDicom

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with WsiDicom.open(path) as slide:
            size = (slide.size.width, slide.size.height)
            return np.asarray(slide.read_region((0, 0), 0, size, as_array=True))


def by_hand(path: Path) -> np.ndarray:
    """Return pydicom's decoded frames put together by their positions, or row by row."""
    data = pydicom.dcmread(path)
    frames = data.pixel_array.reshape(
        -1, *data.pixel_array.shape[1 if data.NumberOfFrames > 1 else 0 :]
    )
    rows, columns = data.TotalPixelMatrixRows, data.TotalPixelMatrixColumns
    blank = 255 if data.SamplesPerPixel == 3 else 0
    whole = np.full(
        (rows + data.Rows, columns + data.Columns, *frames.shape[3:]), blank, frames.dtype
    )
    across = -(-columns // data.Columns)
    for number, frame in enumerate(frames):
        y, x = number // across * data.Rows, number % across * data.Columns
        for group in data.get("PerFrameFunctionalGroupsSequence", [])[number : number + 1]:
            place = group.PlanePositionSlideSequence[0]
            y = place.RowPositionInTotalImagePixelMatrix - 1
            x = place.ColumnPositionInTotalImagePixelMatrix - 1
        whole[y : y + data.Rows, x : x + data.Columns] = frame
    return whole[:rows, :columns]


def sparse(image: np.ndarray, syntax: str = ExplicitVRLittleEndian) -> pydicom.Dataset:
    """Return every other tile of an image, from the last to the first."""
    rows, columns = (-(-n // TILE) for n in image.shape[:2])
    places = [(y * TILE + 1, x * TILE + 1) for y in range(rows) for x in range(columns)]
    tiles = tiles_of(image)[::-2]
    return make_sparse(make_slide(image, 1, syntax=syntax, tiles=tiles), places[::-2])


@pytest.mark.parametrize("syntax", SYNTAXES.values(), ids=SYNTAXES)
@pytest.mark.parametrize("samples", [1, 3], ids=["grey", "colour"])
@pytest.mark.parametrize("tiling", ["full", "sparse"])
def test_pixels_are_those_of_wsidicom_and_of_pydicom_put_together(
    tmp_path, syntax, samples, tiling
):
    image = picture(100, 75, samples)
    data = sparse(image, syntax) if tiling == "sparse" else make_slide(image, 1, syntax=syntax)
    path = save(data, tmp_path / "1.dcm")
    array = np.asarray(opened(path))
    np.testing.assert_array_equal(array, by_wsidicom(path))
    # pydicom's own way from YBR_FULL_422 to RGB rounds otherwise than libjpeg's.
    rounding = 1 if syntax == JPEGBaseline8Bit and samples == 3 else 0
    np.testing.assert_allclose(array.astype(int), by_hand(path).astype(int), rtol=0, atol=rounding)
    if (syntax, tiling) == (ExplicitVRLittleEndian, "full"):
        np.testing.assert_array_equal(array, image)


J2K = {"codecformat": "j2k", "resolutions": 2, "reversible": True, "mct": True}


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
@pytest.mark.parametrize("samples", [1, 3], ids=["grey", "colour"])
def test_lossless_syntaxes_give_the_pixels_that_were_written(tmp_path, syntax, samples):
    image = picture(40, 33, samples)
    data = make_slide(image, 1)
    if syntax == JPEG2000Lossless:  # openjpeg by pydicom refuses tiles as small as these
        frames = [imagecodecs.jpeg2k_encode(one, level=0, **J2K) for one in tiles_of(image)]
        data.PixelData, data.file_meta.TransferSyntaxUID = encapsulate(frames), syntax
        data["PixelData"].is_undefined_length = True
        data.PhotometricInterpretation = "YBR_RCT" if samples == 3 else "MONOCHROME2"
    else:
        data.compress(syntax, generate_instance_uid=False)
        data.PlanarConfiguration = 0
    path = save(data, tmp_path / "1.dcm")
    np.testing.assert_array_equal(np.asarray(opened(path)), image)


@needs_corpus
@pytest.mark.parametrize(
    "name", sorted(p.name for p in CORPUS.rglob("sm_image*.dcm")) if CORPUS.is_dir() else []
)
def test_corpus_slides_have_the_pixels_of_wsidicom_and_pydicom(name):
    (path,) = CORPUS.rglob(name)
    array = np.asarray(opened(path))
    np.testing.assert_array_equal(array, by_wsidicom(path))
    np.testing.assert_array_equal(array, by_hand(path))


def test_the_parts_of_a_concatenation_are_one_image(tmp_path):
    image = picture(64, 64)
    frames = tiles_of(image)
    for number, (begin, end) in enumerate(((0, 7), (7, 16)), start=1):
        part = make_slide(
            image,
            number,
            tiles=frames[begin:end],
            ConcatenationUID="1.2.9",
            SOPInstanceUIDOfConcatenationSource="1.2.7.99",
            ConcatenationFrameOffsetNumber=begin,
            InConcatenationNumber=number,
            InConcatenationTotalNumber=2,
        )
        save(part, tmp_path / f"{number}.dcm")
    headers = [read_slide_header(one) for one in scanned(tmp_path)]
    assert {header.whole for header in headers} == {"1.2.7.99"}
    np.testing.assert_array_equal(np.asarray(opened(tmp_path)), image)


IMAGE = picture(37, 50)
KEYS = st.one_of(
    st.integers(-37, 36),
    st.slices(37),
)


@given(KEYS, st.one_of(st.integers(-50, 49), st.slices(50)), st.booleans())
@settings(max_examples=200, deadline=None)
def test_indexing_gives_what_numpy_gives(rows, columns, dots):
    tiles = tiles_of(IMAGE)
    array = TileArray(IMAGE.shape, np.uint8, (TILE, TILE), lambda y, x: tiles[4 * y + x])
    key = (rows, columns, ...) if dots else (rows, columns)
    np.testing.assert_array_equal(array[key], IMAGE[key])
    np.testing.assert_array_equal(array[rows], IMAGE[rows])
    np.testing.assert_array_equal(array[..., 1], IMAGE[..., 1])


def test_a_region_reads_its_tiles_only():
    asked = []

    def read(y: int, x: int) -> np.ndarray:
        asked.append((y, x))
        return np.zeros((TILE, TILE), np.uint8)

    array = TileArray((1_000_000, 1_000_000), np.uint8, (TILE, TILE), read)
    assert array[500_000:500_020, 16:32].shape == (20, 16)
    assert asked == [(31250, 1), (31251, 1)]
    with pytest.raises(IndexError, match="out of bounds"):
        array[1_000_000]
    with pytest.raises(IndexError, match="2 axes"):
        array[0, 0, 0]


def absurd(path: Path, **changes: object) -> Path:
    image = picture(32, 32)
    return save(make_slide(image, 1, **changes), path)


CLAIMS = {
    "matrix": {"TotalPixelMatrixRows": 2**32 - 1, "TotalPixelMatrixColumns": 2**32 - 1},
    "no matrix": {"TotalPixelMatrixRows": 0},
    "wide tiles": {"Rows": 65535, "Columns": 65535},
    "frames": {"NumberOfFrames": 2**31 - 1},
    "no frames": {"NumberOfFrames": 0},
    "negative frames": {"NumberOfFrames": -4},
    "heights": {"TotalPixelMatrixFocalPlanes": 2**32 - 1},
    "optical paths": {"NumberOfOpticalPaths": 2**32 - 1},
    "12 bits": {"BitsStored": 12, "BitsAllocated": 16, "HighBit": 11},
    "palette": {"PhotometricInterpretation": "PALETTE COLOR"},
    "YBR native": {"PhotometricInterpretation": "YBR_FULL"},
    "two samples": {"SamplesPerPixel": 2},
    "no tiling": {"DimensionOrganizationType": "3D"},
}


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_absurd_claims_are_refused_before_anything_is_allocated(tmp_path, claim):
    path = absurd(tmp_path / "1.dcm", **claim)
    opened_once = opened(absurd(tmp_path / "good.dcm"))  # wsidicom's import allocates too
    assert opened_once.shape == (32, 32, 3)
    tracemalloc.start()
    with pytest.raises(MarkupError) as caught:
        tiled(path).describe()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20
    assert CANARY not in str(caught.value)
    assert str(path.parent) not in str(caught.value)


def test_sparse_claims_of_size_are_refused_before_anything_is_allocated(tmp_path):
    data = make_sparse(make_slide(picture(16, 16), 1), [(1, 1)])
    data.TotalPixelMatrixRows = data.TotalPixelMatrixColumns = 2**31
    with pytest.raises(DecodeError, match="more tiles"):
        tiled(save(data, tmp_path / "1.dcm")).describe()


def test_sparse_planes_without_end_are_refused(tmp_path):
    frames = tiles_of(picture(16, 16)) * 20
    data = make_sparse(make_slide(picture(16, 16), 1, tiles=frames), [(1, 1)] * 20)
    for number, group in enumerate(data.PerFrameFunctionalGroupsSequence):
        group.PlanePositionSlideSequence[0].ZOffsetInSlideCoordinateSystem = float(number)
    data.TotalPixelMatrixRows = data.TotalPixelMatrixColumns = 16 * 1024
    with pytest.raises(DecodeError, match="20 planes"):
        tiled(save(data, tmp_path / "1.dcm")).describe()


def test_sparse_tiles_beside_the_grid_are_refused_instead_of_moved(tmp_path):
    frames = tiles_of(picture(16, 16)) * 2
    data = make_sparse(make_slide(picture(40, 40), 1, tiles=frames), [(1, 1), (9, 17)])
    with pytest.raises(DecodeError, match="grid"):
        tiled(save(data, tmp_path / "1.dcm")).describe()


def test_a_codestream_that_claims_a_larger_tile_is_refused_before_it_is_decoded(tmp_path):
    data = make_slide(picture(32, 32), 1, syntax=JPEGBaseline8Bit)
    raw = save(data, tmp_path / "1.dcm").read_bytes()
    size = bytes([0, TILE, 0, TILE])
    at = raw.index(b"\xff\xc0") + 5
    assert raw[at : at + 4] == size
    path = tmp_path / "2.dcm"
    path.write_bytes(raw[:at] + bytes([0x30, 0, 0x30, 0]) + raw[at + 4 :])
    array = opened(path)
    assert array[TILE:].shape == (TILE, 32, 3)
    tracemalloc.start()
    with pytest.raises(DecodeError, match="row 0, column 0"):
        array[0, 0]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def test_a_changed_file_is_said(tmp_path):
    path = absurd(tmp_path / "1.dcm")
    array = opened(path)
    path.write_bytes(path.read_bytes() + b"\0\0")
    with pytest.raises(SourceChangedError):
        array[0]


def test_nothing_stays_open_once_the_arrays_are_gone(tmp_path):
    path = absurd(tmp_path / "1.dcm")
    held = Path("/proc/self/fd")
    if not held.is_dir():
        pytest.skip("no /proc")

    def is_open() -> bool:
        return any(one.exists() and one.resolve() == path for one in held.iterdir())

    array = opened(path)
    assert not is_open()
    assert array[0].shape == (32, 3)
    assert is_open()
    del array
    gc.collect()
    assert not is_open()


@pytest.mark.parametrize("kind", ["LABEL", "OVERVIEW", "THUMBNAIL", "VOLUME", "", "SELFIE"])
def test_the_flavour_is_the_third_value_of_the_image_type(tmp_path, kind):
    (instance,) = scanned(absurd(tmp_path / "1.dcm", kind=kind))
    expected = kind if kind in set(Flavour) else "OTHER"
    assert read_slide_header(instance).flavour == expected


def said_of(instance: Instance) -> str:
    """Read the beginning of all planes, and return the error's text where that fails."""
    try:
        file = TiledFile([read_slide_header(instance)])
        image = file.describe()
        for plane in image.planes:
            array_of(file, image, plane)[:40, :40]
    except MarkupError as error:
        return str(error)
    return ""


GOOD = {}


@pytest.mark.parametrize("syntax", SYNTAXES.values(), ids=SYNTAXES)
@given(st.data())
@settings(max_examples=60, deadline=None)
def test_mutated_files_raise_nothing_but_our_errors(tmp_path_factory, syntax, data):
    if syntax not in GOOD:
        folder = tmp_path_factory.mktemp("fuzz")
        GOOD[syntax] = folder, save(sparse(IMAGE, syntax), folder / "good.dcm").read_bytes()
    folder, good = GOOD[syntax]
    raw = bytearray(good)
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(132, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = folder / "bad.dcm"
    path.write_bytes(bytes(raw[: data.draw(st.integers(200, len(raw)))]))
    for instance in scanned(path):
        if isinstance(instance, Instance):
            assert CANARY not in said_of(instance)
