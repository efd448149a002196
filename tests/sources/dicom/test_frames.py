"""Stored values against pydicom's, file by file, and against arrays that were encoded here."""

from __future__ import annotations

import dataclasses
import logging
import mmap
import tracemalloc
import warnings
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pydicom
import pytest
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

from napari_dicom_markup.errors import DecodeError
from napari_dicom_markup.model.stack import Frame, Instance, PixelElement, only_frame
from napari_dicom_markup.sources.dicom import codestreams, decoding
from napari_dicom_markup.sources.dicom.frames import decode_frame, read_frame, read_frames_into
from napari_dicom_markup.sources.dicom.lookup_tables import read_modality_lut, read_palette
from napari_dicom_markup.sources.dicom.native import ybr_to_rgb
from napari_dicom_markup.standard import transfer_syntax as ts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def decode_only(raw: bytes, instance: Instance) -> np.ndarray:
    """Decode the one frame of a single-frame image."""
    return decode_frame(raw, only_frame(instance))


def read_only(instance: Instance) -> np.ndarray:
    """Read the one frame of a single-frame image."""
    return read_frame(only_frame(instance))


# --- every real file, against pydicom ---

REFUSED_BY_PYDICOM = {
    "JPEG-lossy.dcm": "12 bit JPEG: pydicom lets neither gdcm nor Pillow decode it",
    "JPGExtended.dcm": "12 bit JPEG: pydicom lets neither gdcm nor Pillow decode it",
    "emri_small_jpeg_2k_lossless_too_short.dcm": "8 bytes are missing: those of its delimiter",
    "liver_rle.dcm": "pydicom 3.0 knows no RLE of single bits",
    "liver_nonbyte_aligned_rle.dcm": "pydicom 3.0 knows no RLE of single bits",
    "liver_deflate.dcm": "pydicom 3.0 knows no deflated frames",
    "liver_nonbyte_aligned_deflate.dcm": "pydicom 3.0 knows no deflated frames",
    "badVR.dcm": "NumberOfFrames is no number; the header reader takes it for one frame",
}
REFUSED_BY_BOTH = {
    "JPEG2000-embedded-sequence-delimiter.dcm": "a delimiter was written over its codestream",
    "MR_truncated.dcm": "62 bytes of its pixels are missing",
}


@dataclass(frozen=True)
class Comparison:
    path: Path
    syntax: str
    refused: tuple[bool, bool]  # by pydicom, by us
    same_type: bool
    difference: float


def expected_frame(path: Path, number: int) -> np.ndarray | None:
    """Return one frame of pydicom's, colour as RGB, None where it cannot."""
    data_set = read_quietly(path)
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pydicom.pixels.pixel_array(data_set, raw=False, index=number)
    except (RuntimeError, ValueError, AttributeError):
        return None
    finally:
        logging.disable(logging.NOTSET)


def our_frame(raw: bytes, frame: Frame) -> np.ndarray | None:
    try:
        return decode_frame(raw, frame)
    except DecodeError:
        return None


def compare(path: Path) -> Iterator[Comparison]:
    """Compare the first, the middle and the last frame of an image."""
    raw = path.read_bytes()
    instance = image_in(raw, path)
    if instance is None:
        return
    frames = instance.pixels.frames
    for number in sorted({0, frames // 2, frames - 1}):
        frame = dataclasses.replace(only_frame(instance), number=number)
        yield compare_frame(path, raw, frame)


def compare_frame(path: Path, raw: bytes, frame: Frame) -> Comparison:
    expected, found = expected_frame(path, frame.number), our_frame(raw, frame)
    syntax = frame.instance.transfer_syntax_uid
    if expected is None or found is None:
        return Comparison(path, syntax, (expected is None, found is None), True, 0.0)
    same_type = expected.dtype.newbyteorder("=") == found.dtype and expected.shape == found.shape
    wide = np.float64 if found.dtype.kind == "f" else np.int64
    difference = abs(expected.astype(wide) - found.astype(wide)).max() if same_type else np.inf
    return Comparison(path, syntax, (False, False), same_type, float(difference))


@pytest.fixture(
    scope="module", params=[pytest.param(CORPUS, marks=needs_corpus, id="corpus"), PYDICOM_FILES]
)
def comparisons(request):
    return [comparison for path in files_under(request.param) for comparison in compare(path)]


def test_every_frame_has_the_type_and_shape_of_pydicoms(comparisons):
    assert len(comparisons) > 80
    assert [c.path.name for c in comparisons if not c.same_type] == []


def test_every_frame_equals_pydicoms_and_lossy_ones_to_a_grey_level(comparisons):
    allowed = {True: 1.0, False: 0.0}
    far = [c.path.name for c in comparisons if c.difference > allowed[c.syntax in ts.LOSSY]]
    assert far == []


def test_frames_that_one_side_refuses_are_the_explained_ones(comparisons):
    refused = {c.path.name: c.refused for c in comparisons if any(c.refused)}
    explained = dict.fromkeys(REFUSED_BY_PYDICOM, (True, False))
    explained |= dict.fromkeys(REFUSED_BY_BOTH, (True, True))
    there = {c.path.name for c in comparisons}
    assert refused == {name: both for name, both in explained.items() if name in there}


@pytest.mark.parametrize("name", ["JPEG-lossy.dcm", "JPGExtended.dcm"])
def test_12_bit_jpeg_has_the_values_that_pydicoms_tests_expect_of_it(name):
    path = PYDICOM_FILES / name
    found = decode_only(path.read_bytes(), image_in(path.read_bytes(), path))
    assert found.dtype == np.uint16
    assert (found[420, 140], found[230, 120]) == (244, 95)  # pydicom's pixels_reference.py


def test_an_image_with_a_malformed_number_of_frames_is_its_first_frame():
    path = PYDICOM_FILES / "badVR.dcm"
    data_set = read_quietly(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        del data_set.NumberOfFrames
        expected = pydicom.pixels.pixel_array(data_set, index=0)
    found = decode_only(path.read_bytes(), image_in(path.read_bytes(), path))
    np.testing.assert_array_equal(found, expected)


# --- what was encoded here ---

GREY_TYPES = [np.uint8, np.int8, np.uint16, np.int16]


def noise(dtype, shape=(19, 22), seed=1) -> np.ndarray:
    limits = np.iinfo(dtype)
    values = np.random.default_rng(seed).integers(limits.min, limits.max + 1, shape, np.int64)
    return values.astype(dtype)


def unsigned(array: np.ndarray) -> np.ndarray:
    return array.view(f"u{array.itemsize}")


def deflated(array: np.ndarray) -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(array.tobytes()) + deflater.flush()


def run_length(array: np.ndarray) -> bytes:
    """Return RLE (PS3.5 annex G) of literal runs, most significant bytes first."""
    planes = np.moveaxis(array, -1, 0) if array.ndim == 3 else array[None]
    segments = []
    for plane in planes:
        words = plane.reshape(-1, 1).view(np.uint8)
        for byte in reversed(range(array.itemsize)):
            column = words[:, byte].tobytes()
            runs = (column[i : i + 128] for i in range(0, len(column), 128))
            segment = b"".join(bytes([len(run) - 1]) + run for run in runs)
            segments.append(segment + b"\x80" * (len(segment) % 2))
    offsets = 64 + np.cumsum([0, *map(len, segments[:-1])])
    header = np.zeros(16, "<u4")
    header[0], header[1 : len(segments) + 1] = len(segments), offsets
    return header.tobytes() + b"".join(segments)


def encoded(array: np.ndarray, syntax: str) -> bytes:
    if syntax == ts.RLE:
        return run_length(array)
    if syntax == ts.DEFLATED_FRAME:
        return deflated(array)
    if syntax in {ts.JPEG_LOSSLESS, ts.JPEG_LOSSLESS_SV1}:
        colours = {"colorspace": "RGB", "outcolorspace": "RGB"} if array.ndim == 3 else {}
        predictor = 1 if syntax == ts.JPEG_LOSSLESS_SV1 else 4
        return imagecodecs.jpeg8_encode(
            unsigned(array), lossless=True, predictor=predictor, **colours
        )
    if syntax == ts.JPEG_LS_LOSSLESS:
        return imagecodecs.jpegls_encode(unsigned(array))
    if syntax == ts.JPEG_2000_LOSSLESS:
        return imagecodecs.jpeg2k_encode(array, level=0, reversible=True, codecformat="J2K")
    return imagecodecs.htj2k_encode(array, reversible=True)


LOSSLESS = [
    ts.RLE,
    ts.DEFLATED_FRAME,
    ts.JPEG_LOSSLESS,
    ts.JPEG_LOSSLESS_SV1,
    ts.JPEG_LS_LOSSLESS,
    ts.JPEG_2000_LOSSLESS,
    ts.HTJ2K_LOSSLESS,
    ts.HTJ2K_LOSSLESS_RPCL,
]
NATIVE = [ts.IMPLICIT_LE, ts.EXPLICIT_LE, ts.DEFLATED_LE, ts.EXPLICIT_BE]


def build(array: np.ndarray, syntax: str, **elements: object) -> bytes:
    if syntax in ts.NATIVE:
        return build_image(array, syntax, **elements)
    described = {
        "Rows": array.shape[0],
        "Columns": array.shape[1],
        "BitsAllocated": 8 * array.itemsize,
        "BitsStored": 8 * array.itemsize,
        "HighBit": 8 * array.itemsize - 1,
        "PixelRepresentation": int(array.dtype.kind == "i"),
    }
    if array.ndim == 3:
        described |= {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}
        described |= {"PlanarConfiguration": 0}
    return build_image(encoded(array, syntax), syntax, **(described | elements))


@pytest.mark.parametrize("dtype", GREY_TYPES, ids=lambda t: t.__name__)
@pytest.mark.parametrize("syntax", NATIVE + LOSSLESS)
def test_grey_values_come_back_from_every_lossless_syntax(syntax, dtype, tmp_path):
    array = noise(dtype)
    raw = build(array, syntax)
    instance = image_of(raw, tmp_path / "image.dcm")
    for found in (decode_only(raw, instance), read_only(instance)):
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("syntax", NATIVE + LOSSLESS)
def test_colours_come_back_from_every_lossless_syntax(syntax):
    array = noise(np.uint8, (8, 9, 3))
    raw = build(array, syntax)
    np.testing.assert_array_equal(decode_only(raw, image_of(raw)), array)


@pytest.mark.parametrize("syntax", [ts.RLE, ts.DEFLATED_FRAME, *NATIVE])
@pytest.mark.parametrize("dtype", [np.uint32, np.int32], ids=lambda t: t.__name__)
def test_32_bits_come_back_where_the_syntax_has_them(syntax, dtype):
    array = noise(dtype)
    raw = build(array, syntax)
    np.testing.assert_array_equal(decode_only(raw, image_of(raw)), array)


@pytest.mark.parametrize("syntax", [*NATIVE, ts.RLE, ts.JPEG_LOSSLESS_SV1, ts.DEFLATED_FRAME])
def test_unused_high_bits_are_cleared_and_the_sign_is_extended(syntax):
    overlaid = np.array([[0x1901, 0xF123], [0x0FFF, 0x07FF]], np.uint16)
    for dtype, expected in (
        (np.uint16, [[0x901, 0x123], [0xFFF, 0x7FF]]),
        (np.int16, [[0x901 - 0x1000, 0x123], [-1, 0x7FF]]),
    ):
        raw = build(overlaid.view(dtype), syntax, BitsStored=12, HighBit=11)
        found = decode_only(raw, image_of(raw))
        assert found.dtype == dtype
        assert found.tolist() == expected


@pytest.mark.parametrize("syntax", [ts.EXPLICIT_LE, ts.EXPLICIT_BE, ts.DEFLATED_FRAME])
def test_one_bit_pixels_are_unpacked_lowest_bit_first(syntax):
    bits = np.random.default_rng(0).integers(0, 2, (5, 7), np.uint8)
    packed = np.packbits(bits, bitorder="little")
    pixels = packed.tobytes() if syntax in ts.NATIVE else deflated(packed)
    raw = build_image(
        pixels, syntax, Rows=5, Columns=7, BitsAllocated=1, BitsStored=1, HighBit=0,
        PixelRepresentation=0,
    )  # fmt: skip
    np.testing.assert_array_equal(decode_only(raw, image_of(raw)), bits)


@pytest.mark.parametrize("syntax", [ts.JPEG_LS_LOSSLESS, ts.JPEG_2000_LOSSLESS])
def test_a_codestream_that_is_wrong_about_the_sign_is_read_as_the_data_set_says(syntax):
    signed = noise(np.int16)
    raw = build(unsigned(signed), syntax, PixelRepresentation=1)
    np.testing.assert_array_equal(decode_only(raw, image_of(raw)), signed)


def test_8_bit_codestreams_are_widened_to_the_bits_allocated():
    array = noise(np.uint8)
    raw = build(array, ts.JPEG_LOSSLESS_SV1, BitsAllocated=16, BitsStored=8, HighBit=7)
    found = decode_only(raw, image_of(raw))
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, array)


def test_planar_colour_becomes_colour_by_pixel():
    array = noise(np.uint8, (6, 5, 3))
    planes = np.ascontiguousarray(np.moveaxis(array, -1, 0))
    raw = build_image(
        planes.tobytes(), Rows=6, Columns=5, SamplesPerPixel=3, PlanarConfiguration=1,
        PhotometricInterpretation="RGB", BitsAllocated=8, BitsStored=8, HighBit=7,
        PixelRepresentation=0,
    )  # fmt: skip
    np.testing.assert_array_equal(decode_only(raw, image_of(raw)), array)


def test_ybr_becomes_the_rgb_of_pydicom_for_any_colour():
    ybr = noise(np.uint8, (300, 300, 3))
    expected = pydicom.pixels.convert_color_space(ybr, "YBR_FULL", "RGB")
    np.testing.assert_array_equal(ybr_to_rgb(ybr, 8), expected)


def test_16_bit_ybr_greys_are_grey():
    grey = np.full((2, 2, 3), 1 << 15, np.uint16)
    grey[..., 0] = 54321
    assert (ybr_to_rgb(grey, 16) == 54321).all()


def test_ybr_422_that_holds_all_samples_is_taken_as_ybr_full():
    ybr = noise(np.uint8, (4, 6, 3))
    raw = build_image(ybr, PhotometricInterpretation="YBR_FULL_422")
    np.testing.assert_array_equal(decode_only(raw, image_of(raw)), ybr_to_rgb(ybr, 8))


def test_partial_ybr_goes_from_16_to_235():
    pairs = np.array([[16, 235, 128, 128], [82, 82, 90, 240]], np.uint8)  # black, white; red, red
    raw = build_image(
        pairs.tobytes(), Rows=1, Columns=4, SamplesPerPixel=3, PlanarConfiguration=0,
        PhotometricInterpretation="YBR_PARTIAL_422", BitsAllocated=8, BitsStored=8, HighBit=7,
        PixelRepresentation=0,
    )  # fmt: skip
    found = decode_only(raw, image_of(raw)).astype(int)
    expected = [[0, 0, 0], [255, 255, 255], [255, 0, 0], [255, 0, 0]]
    assert np.abs(found[0] - expected).max() <= 2


def test_a_deflated_object_is_inflated_once_for_all_its_frames(monkeypatch, tmp_path):
    frames = noise(np.uint16, (5, 4, 6))
    raw = build_image(
        frames.tobytes(), ts.DEFLATED_LE, Rows=4, Columns=6, NumberOfFrames=5, BitsAllocated=16,
        BitsStored=16, HighBit=15, PixelRepresentation=0,
    )  # fmt: skip
    image = only_frame(image_of(raw, tmp_path / "deflated.dcm"))
    calls = []
    inflate = decoding._inflate_data_set
    monkeypatch.setattr(
        decoding, "_inflate_data_set", lambda *given: (calls.append(1), inflate(*given))[1]
    )
    out = np.empty_like(frames)
    every = [dataclasses.replace(image, number=n) for n in range(5)]
    read_frames_into(every, out, copy)
    np.testing.assert_array_equal(out, frames)
    assert len(calls) == 1


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL_422"])
@pytest.mark.parametrize("syntax", [ts.JPEG_BASELINE, ts.JPEG_EXTENDED])
def test_jpeg_colour_follows_the_photometric_interpretation(syntax, photometric):
    rgb = np.zeros((16, 16, 3), np.uint8)
    rgb[:] = (200, 60, 20)
    space = "RGB" if photometric == "RGB" else "YCBCR"
    stream = imagecodecs.jpeg8_encode(rgb, level=95, colorspace="RGB", outcolorspace=space)
    if space == "YCBCR":
        stream = stream[:2] + stream[4 + int.from_bytes(stream[4:6], "big") :]  # without JFIF
    raw = build_image(
        stream, syntax, Rows=16, Columns=16, SamplesPerPixel=3, PlanarConfiguration=0,
        PhotometricInterpretation=photometric, BitsAllocated=8, BitsStored=8, HighBit=7,
        PixelRepresentation=0,
    )  # fmt: skip
    found = decode_only(raw, image_of(raw)).astype(int)
    assert abs(found - rgb).max() <= 2


@pytest.mark.parametrize("syntax", [ts.IMPLICIT_LE, ts.EXPLICIT_LE, ts.EXPLICIT_BE])
def test_the_byte_order_is_found_without_a_transfer_syntax(syntax):
    array = noise(np.int16)
    raw = build(array, syntax)
    instance = image_of(raw)
    start = raw.index(b"\x00\x08" if syntax == ts.EXPLICIT_BE else b"\x08\x00", 140)
    element = dataclasses.replace(instance.element, offset=instance.element.offset - start)
    bare = dataclasses.replace(instance, transfer_syntax_uid="", element=element)
    np.testing.assert_array_equal(decode_only(raw[start:], bare), array)


def test_what_imagecodecs_refuses_is_left_to_pydicoms_plugins(monkeypatch):
    def refuse(*_):
        raise ValueError

    array = noise(np.int16)
    for syntax in (ts.RLE, ts.JPEG_2000_LOSSLESS, ts.JPEG_LS_LOSSLESS):
        raw = build(array, syntax)
        with monkeypatch.context() as patch:
            patch.setattr(codestreams, "decode", refuse)
            np.testing.assert_array_equal(decode_only(raw, image_of(raw)), array)


# --- what cannot be decoded ---


@pytest.mark.parametrize("syntax", [ts.IMPLICIT_LE, ts.EXPLICIT_BE, ts.RLE, ts.DEFLATED_LE])
def test_truncated_files_are_refused_with_their_name(syntax, tmp_path):
    raw = build(noise(np.uint16), syntax)
    instance = image_of(raw, tmp_path / "cut.dcm")
    cut = raw[: len(raw) - len(raw) // 4]
    (tmp_path / "cut.dcm").write_bytes(cut)
    with pytest.raises(DecodeError, match=r"^cut\.dcm: its .*(cut off|damaged)"):
        decode_only(cut, instance)
    with pytest.raises(DecodeError, match=r"^cut\.dcm: "):
        read_only(instance)


@pytest.mark.parametrize("syntax", [ts.EXPLICIT_LE, ts.DEFLATED_LE, *LOSSLESS])
def test_gigantic_claims_are_refused_without_allocating(syntax):
    raw = build(noise(np.uint16), syntax)
    instance = image_of(raw)
    claimed = dataclasses.replace(instance.pixels, rows=65535, columns=65535)
    length = None if instance.element.length is None else 2**40
    element = PixelElement("PixelData", instance.element.offset, length)
    instance = dataclasses.replace(instance, pixels=claimed, element=element)
    tracemalloc.start()
    with pytest.raises(DecodeError):
        decode_only(raw, instance)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 << 20


def test_the_error_of_an_unknown_syntax_says_what_to_install():
    raw = build(noise(np.uint8), ts.RLE)
    instance = dataclasses.replace(image_of(raw), transfer_syntax_uid="1.2.840.10008.1.2.4.102")
    with pytest.raises(DecodeError, match=r"napari-dicom-markup\[gdcm\]") as caught:
        decode_only(raw, instance)
    assert "1.2.840.10008.1.2.4.102" in str(caught.value)
    private = dataclasses.replace(instance, transfer_syntax_uid="Doe^Jane")
    with pytest.raises(DecodeError) as caught:
        decode_only(raw, private)
    assert "Doe" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [{"frames": 0}, {"samples": 4}, {"bits_allocated": 24}, {"bits_stored": 17}, {"rows": 0}],
    ids=str,
)
def test_pixel_formats_that_make_no_sense_are_refused(change):
    raw = build(noise(np.uint16), ts.EXPLICIT_LE)
    instance = image_of(raw)
    changed = dataclasses.replace(instance, pixels=dataclasses.replace(instance.pixels, **change))
    with pytest.raises(DecodeError):
        decode_only(raw, changed)


def test_files_without_pixels_are_refused():
    raw = build(noise(np.uint16), ts.EXPLICIT_LE)
    with pytest.raises(DecodeError, match="no pixel data"):
        decode_only(raw, dataclasses.replace(image_of(raw), element=None))


@pytest.mark.parametrize("segment", [0, 1])
def test_rle_segments_that_lie_outside_of_the_frame_are_refused(segment):
    raw = build(noise(np.uint16), ts.RLE)
    instance = image_of(raw)
    start = raw.index(run_length(noise(np.uint16))[:64]) + 4 + 4 * segment
    damaged = raw[:start] + (2**31).to_bytes(4, "little") + raw[start + 4 :]
    with pytest.raises(DecodeError, match="no installed codec"):
        decode_only(damaged, instance)


def test_damaged_codestreams_end_in_an_error_and_not_in_a_crash():
    """The header of a JPEG-LS frame is cut to pieces: GDCM aborts its process at some of them."""
    raw = build(noise(np.uint16), ts.JPEG_LS_LOSSLESS)
    instance = image_of(raw)
    start = raw.index(b"\xff\xd8\xff\xf7")
    for at, value in ((start + 6, 17), (start + 28, 255)):
        damaged = raw[:at] + bytes([value]) + raw[at + 1 :]
        with pytest.raises(DecodeError):
            decode_only(damaged, instance)


# --- whole stacks ---


def written_stack(folder: Path, syntaxes: list[str], dtype=np.int16):
    arrays = [noise(dtype, seed=i) for i in range(len(syntaxes))]
    instances = [
        image_of(build(array, syntax), folder / f"{i}.dcm")
        for i, (array, syntax) in enumerate(zip(arrays, syntaxes, strict=True))
    ]
    return np.stack(arrays), instances


def copy(stored, instance, plane):
    plane[...] = stored


@pytest.mark.parametrize("workers", [None, 1])
def test_a_stack_of_mixed_syntaxes_is_filled_plane_by_plane(tmp_path, workers):
    expected, instances = written_stack(tmp_path, (NATIVE + LOSSLESS) * 2)
    out = np.zeros_like(expected)
    read_frames_into(list(map(only_frame, instances)), out, copy, workers=workers)
    np.testing.assert_array_equal(out, expected)


def test_stored_values_of_equal_size_are_converted_in_their_place(tmp_path):
    expected, instances = written_stack(tmp_path, [ts.EXPLICIT_LE] * 3, np.uint16)
    out = np.empty(expected.shape, np.int16)

    def convert(stored, instance, plane):
        assert np.shares_memory(stored, plane)
        assert stored.dtype == np.uint16
        np.subtract(stored, 32768, out=plane, casting="unsafe", dtype=np.int32)

    read_frames_into(list(map(only_frame, instances)), out, convert)
    np.testing.assert_array_equal(out, expected.astype(int) - 32768)


def test_unused_bits_are_cleared_in_stacks_too(tmp_path):
    raw = build(np.full((4, 4), 0xF801, np.uint16), ts.EXPLICIT_LE, BitsStored=12, HighBit=11)
    out = np.empty((1, 4, 4), np.int16)
    read_frames_into([only_frame(image_of(raw, tmp_path / "0.dcm"))], out, copy)
    assert (out == 0x801).all()


def test_wider_planes_are_converted_from_a_frame_of_their_own(tmp_path):
    expected, instances = written_stack(tmp_path, [ts.EXPLICIT_LE, ts.RLE])
    out = np.empty(expected.shape, np.float32)
    read_frames_into(list(map(only_frame, instances)), out, copy)
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize(
    "folder", [pytest.param(CORPUS, marks=needs_corpus, id="corpus"), PYDICOM_FILES]
)
def test_frames_loaded_into_their_place_are_those_that_are_decoded_alone(folder):
    """In the memory of the plane, in a thread's own for wider planes, and in the codec's."""
    for path in files_under(folder):
        raw = path.read_bytes()
        instance = image_in(raw, path)
        if instance is None or instance.pixels.frames > 20:
            continue
        frames = [
            dataclasses.replace(only_frame(instance), number=number)
            for number in range(instance.pixels.frames)
        ]
        alone = [our_frame(raw, frame) for frame in frames]
        if any(array is None for array in alone):
            continue
        expected = np.stack(alone)
        for dtype in (expected.dtype, np.dtype(np.float64)):
            out = np.empty(expected.shape, dtype)
            read_frames_into(frames, out, copy)
            np.testing.assert_array_equal(out, expected, err_msg=path.name)


def test_run_lengths_that_do_not_fill_a_plane_are_refused(tmp_path):
    """Of a literal run of 128 zeros, a no-operation makes 64 of a byte each."""
    whole, rest = build(np.zeros((64, 64), np.uint16), ts.RLE).rsplit(b"\x7f" + bytes(128), 1)
    raw = whole + b"\x80" + bytes(128) + rest
    image = only_frame(image_of(raw, tmp_path / "0.dcm"))
    with pytest.raises(DecodeError):
        read_frames_into([image], np.empty((1, 64, 64), np.uint16), copy)


def test_no_frames_are_loaded_at_once():
    read_frames_into([], np.empty((0, 4, 4), np.uint16), copy)


def test_a_cut_file_in_a_stack_stops_the_load_with_its_name(tmp_path):
    expected, instances = written_stack(tmp_path, [ts.EXPLICIT_LE] * 20)
    cut = instances[11].file.path
    cut.write_bytes(cut.read_bytes()[:-10])
    with pytest.raises(DecodeError, match=r"^11\.dcm: "):
        read_frames_into(list(map(only_frame, instances)), np.empty_like(expected), copy)


# --- lookup tables ---


def build_palette(bits: int, syntax: str = ts.EXPLICIT_LE) -> tuple[bytes, np.ndarray]:
    entries = np.random.default_rng(0).integers(0, 1 << bits, (3, 256))
    order = ">u2" if syntax == ts.EXPLICIT_BE else "<u2"
    words = entries.astype("<u2") if bits > 8 else entries.astype("u1").view("<u2").reshape(3, -1)
    elements: dict[str, object] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name, channel in zip(("Red", "Green", "Blue"), words, strict=True):
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, bits]
        elements[f"{name}PaletteColorLookupTableData"] = channel.astype(order).tobytes()
    return build_image(noise(np.uint8), syntax, **elements), entries.T


@pytest.mark.parametrize("syntax", NATIVE)
@pytest.mark.parametrize("bits", [8, 16])
def test_palettes_are_read_in_every_encoding(bits, syntax, tmp_path):
    raw, entries = build_palette(bits, syntax)
    instance = image_of(raw, tmp_path / "palette.dcm")
    assert instance.values.palette
    for first, found in (read_palette(instance), read_palette(instance, raw)):
        assert first == 0
        assert found.dtype == (np.uint8 if bits == 8 else np.uint16)
        np.testing.assert_array_equal(found, entries)


def test_segmented_palettes_are_expanded():
    segments = np.array([0, 1, 10, 1, 255, 10 + 255 * 3], "<u2").tobytes()
    elements: dict[str, object] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name in ("Red", "Green", "Blue"):
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        elements[f"Segmented{name}PaletteColorLookupTableData"] = segments
    raw = build_image(noise(np.uint8), **elements)
    first, entries = read_palette(image_of(raw), raw)
    assert first == 0
    np.testing.assert_array_equal(entries[:, 1], 10 + 3 * np.arange(256))


def test_a_missing_palette_is_a_decode_error():
    raw = build_image(noise(np.uint8))
    with pytest.raises(DecodeError, match="palette"):
        read_palette(image_of(raw), raw)


@pytest.mark.parametrize("syntax", NATIVE)
def test_modality_luts_start_at_a_signed_value_where_pixels_are_signed(syntax):
    item = pydicom.Dataset()
    item.LUTDescriptor = [4, -2, 16]
    item["LUTDescriptor"].VR = "SS"
    item.LUTData = [0, 1000, 40000, 65535]
    item["LUTData"].VR = "US"
    raw = build_image(noise(np.int16), syntax, ModalityLUTSequence=[item])
    instance = image_of(raw)
    assert instance.values.lut
    first, entries = read_modality_lut(instance, raw)
    assert first == -2
    assert entries.dtype == np.uint16
    assert entries.tolist() == [0, 1000, 40000, 65535]


def test_a_cut_modality_lut_is_a_decode_error():
    item = pydicom.Dataset()
    item.LUTDescriptor = [5, 0, 16]
    item["LUTDescriptor"].VR = "US"
    item.LUTData = [1, 2]
    item["LUTData"].VR = "US"
    raw = build_image(noise(np.uint16), ModalityLUTSequence=[item])
    with pytest.raises(DecodeError, match="Modality LUT"):
        read_modality_lut(image_of(raw), raw)


def test_memory_that_is_mapped_can_be_closed_after_decoding(tmp_path):
    path = tmp_path / "image.dcm"
    array = noise(np.uint16)
    instance = image_of(build(array, ts.EXPLICIT_LE), path)
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as view,
    ):
        found = decode_only(view, instance)
    np.testing.assert_array_equal(found, array)
