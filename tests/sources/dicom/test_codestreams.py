"""Codestreams that are odd, retired, new or damaged become the right samples or a refusal."""

from __future__ import annotations

import contextlib
import itertools
import time
from dataclasses import replace

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.encaps import generate_frames
from tests.data import CORPUS, needs_corpus, read_quietly

from napari_dicom_markup.model.stack import PixelFormat
from napari_dicom_markup.sources.dicom.codec_samples import colours, ramp, samples_of
from napari_dicom_markup.sources.dicom.codestreams import (
    CODEC_ERRORS,
    HTJ2K,
    decode,
    decode_with_pydicom,
    fragments,
    joined,
    jpeg_xl_header,
)
from napari_dicom_markup.standard import transfer_syntax as ts

ALL = [(row.uid, sample) for row in ts.TABLE for sample in samples_of(row.uid)]
ODD = [(uid, sample) for uid, sample in ALL if uid in ts.JPEG_RETIRED or ".4.11" in uid]
DAMAGED = [  # OpenJPH's errors reach sys.unraisablehook before they are raised
    (uid, sample) for uid, sample in ALL if uid not in ts.NATIVE | HTJ2K | {ts.DEFLATED_FRAME}
]
PYDICOM = CORPUS / "pydicom+pydicom" / "src" / "pydicom" / "data" / "test_files"


def grey(rows: int, columns: int, bits: int) -> PixelFormat:
    wide = 16 if bits > 8 else 8
    return PixelFormat(rows, columns, 1, "MONOCHROME2", 0, wide, bits, signed=False, frames=1)


@pytest.mark.parametrize(
    ("syntax", "sample"), ODD, ids=[f"{uid[20:]} {sample.label}" for uid, sample in ODD]
)
def test_retired_and_new_codestreams_are_decoded(syntax: str, sample: object) -> None:
    samples, bits, ybr = decode(memoryview(sample.stream), syntax, sample.pixels)  # type: ignore[attr-defined]
    assert sample.agrees(samples)  # type: ignore[attr-defined]
    assert bits == sample.bits  # type: ignore[attr-defined]
    assert not ybr


@pytest.mark.parametrize("syntax", [ts.JPEG_SPECTRAL, ts.JPEG_PROGRESSIVE])
def test_retired_huffman_processes_have_a_second_decoder(syntax: str) -> None:
    sample = samples_of(syntax)[0]
    values = decode_with_pydicom(memoryview(sample.stream), syntax, sample.pixels)
    assert sample.agrees(values)


def test_pydicom_is_not_asked_for_what_it_has_no_plug_in_for() -> None:
    sample = samples_of(ts.JPEG_XL)[0]
    with pytest.raises(NotImplementedError):
        decode_with_pydicom(memoryview(sample.stream), ts.JPEG_XL, sample.pixels)


@needs_corpus
@pytest.mark.parametrize("name", ["JPGExtended.dcm", "JPEG-lossy.dcm"])
def test_jpeg_extended_of_12_bits_with_an_odd_scan_header(name: str) -> None:
    """The second claims a scan of DC coefficients only; values are those of pydicom's tests."""
    dataset = read_quietly(PYDICOM / name)
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
    samples, bits, _ = decode(memoryview(frame), ts.JPEG_EXTENDED, grey(1024, 256, 12))
    assert samples.dtype == np.uint16
    assert bits == 12
    assert (int(samples[420, 140]), int(samples[230, 120])) == (244, 95)


@needs_corpus
@pytest.mark.parametrize("kind", ["liver", "liver_nonbyte_aligned"])
def test_rle_of_single_bits(kind: str) -> None:
    native, rle = (read_quietly(next(CORPUS.rglob(f"{kind}{end}.dcm"))) for end in ("", "_rle"))
    pixels = replace(grey(rle.Rows, rle.Columns, 1), bits_allocated=1)
    frames = generate_frames(rle.PixelData, number_of_frames=rle.NumberOfFrames)
    for expected, frame in zip(native.pixel_array, frames, strict=True):
        np.testing.assert_array_equal(decode(memoryview(frame), ts.RLE, pixels)[0], expected)


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 8, 16, 32]), st.booleans())
def test_uncompressed_frames_are_read_as_they_are(
    rows: int, columns: int, bits: int, colour: bool
) -> None:
    count = 3 if colour else 1
    generator = np.random.default_rng(rows * columns)
    dtype = np.dtype(f"<u{max(1, bits // 8)}")
    for planar in (0, 1):
        frame = generator.integers(0, 1 << bits, (rows, columns, count), dtype, endpoint=False)
        stored = np.moveaxis(frame, -1, 0) if planar else frame
        value = (
            np.packbits(stored, axis=None, bitorder="little").tobytes()
            if bits == 1
            else stored.tobytes()
        )
        pixels = PixelFormat(
            rows, columns, count, "RGB" if colour else "MONOCHROME2", planar,
            bits, bits, signed=False, frames=1,
        )  # fmt: skip
        for padded in (value, value + b"\0"):
            samples = decode(memoryview(padded), ts.ENCAPSULATED_UNCOMPRESSED, pixels)[0]
            np.testing.assert_array_equal(samples.reshape(frame.shape), frame)
        with pytest.raises(ValueError, match="length"):
            decode(memoryview(value[:-1]), ts.ENCAPSULATED_UNCOMPRESSED, pixels)


@pytest.mark.parametrize("container", [False, True])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_a_jpeg_xl_header_tells_what_was_encoded(bits: int, container: bool) -> None:
    for rows, columns, count in itertools.product((1, 8, 16, 100, 600), (1, 24, 100, 520), (1, 3)):
        shape = (rows, columns, count) if count > 1 else (rows, columns)
        image = np.zeros(shape, np.uint8 if bits == 8 else np.uint16)
        stream = imagecodecs.jpegxl_encode(
            image, lossless=True, bitspersample=bits, usecontainer=container, effort=1
        )
        header = jpeg_xl_header(memoryview(stream))
        assert (header.rows, header.columns, header.precision) == (rows, columns, bits)
        assert len(header.components) == count


def test_jpeg_xl_lossless_keeps_the_data_sets_own_colours() -> None:
    stream = imagecodecs.jpegxl_encode(colours(), lossless=True)
    for photometric, ybr in (("RGB", False), ("YBR_FULL", True)):
        pixels = replace(samples_of(ts.JPEG_XL)[-1].pixels, photometric=photometric)
        samples, bits, found = decode(memoryview(stream), ts.JPEG_XL_LOSSLESS, pixels)
        np.testing.assert_array_equal(samples, colours())
        assert (bits, found) == (8, ybr)


def test_jpeg_xl_of_another_size_is_refused_before_it_is_decoded() -> None:
    stream = memoryview(imagecodecs.jpegxl_encode(ramp(8), lossless=True))
    with pytest.raises(ValueError, match="another size"):
        decode(stream, ts.JPEG_XL, grey(16, 17, 8))
    with_alpha = imagecodecs.jpegxl_encode(np.zeros((16, 16, 4), np.uint8), lossless=True)
    with pytest.raises(ValueError, match="channels"):
        jpeg_xl_header(memoryview(with_alpha))
    with pytest.raises(ValueError, match="no JPEG XL"):
        jpeg_xl_header(memoryview(b"\x00\x00\x00\x0cJXL \r\n\x87\n"))


def test_jpeg_of_thousands_of_scans_is_taken_for_a_bomb() -> None:
    stream = samples_of(ts.JPEG_PROGRESSIVE)[0].stream
    scan = stream.index(b"\xff\xda")
    bomb = stream[:scan] + stream[scan:-2] * 600 + stream[-2:]
    with pytest.raises(ValueError, match="scans"):
        decode(memoryview(bomb), ts.JPEG_PROGRESSIVE, grey(16, 16, 8))


@given(st.sampled_from(DAMAGED), st.data())
def test_damaged_codestreams_raise_nothing_unexpected(
    pair: tuple[str, object], data: st.DataObject
) -> None:
    syntax, sample = pair
    stream = bytearray(sample.stream)  # type: ignore[attr-defined]
    for _ in range(data.draw(st.integers(1, 4))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(stream)))
    try:
        decode(memoryview(bytes(stream)), syntax, sample.pixels)  # type: ignore[attr-defined]
        decode(memoryview(bytes(stream[:cut])), syntax, sample.pixels)  # type: ignore[attr-defined]
    except CODEC_ERRORS:
        pass


def test_fragments_are_joined_without_the_offset_table() -> None:
    item = b"\xfe\xff\0\xe0\x02\0\0\0"
    data = memoryview(item + b"\0\0" + item + b"ab" + item + b"cd" + b"\xfe\xff\xdd\xe0\0\0\0\0")
    assert bytes(joined(fragments(data))) == b"abcd"
    with pytest.raises(ValueError, match="cut off"):
        fragments(data[:29])


def test_jpeg_ls_without_its_end_marker_is_refused_at_once() -> None:
    """CharLS took 4 seconds for these 116 bytes."""
    sample = next(s for s in samples_of(ts.JPEG_LS_NEAR) if s.label == "8 bits")
    damaged = bytearray(sample.stream)
    damaged[102], damaged[-2] = 191, 233
    begin = time.perf_counter()
    with contextlib.suppress(*CODEC_ERRORS):
        decode(memoryview(bytes(damaged)), ts.JPEG_LS_NEAR, sample.pixels)
    assert time.perf_counter() - begin < 1
