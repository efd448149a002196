"""Stored values back into bytes: what is written is decoded by this package to the same."""

from dataclasses import replace

import numpy as np
import pytest
from tests.data import build_image, image_of

from napari_dicom_markup.core.redacting.encoding import encode_frames
from napari_dicom_markup.model.stack import PixelFormat, only_frame
from napari_dicom_markup.sources.dicom.as_stored import read_as_stored
from napari_dicom_markup.standard import transfer_syntax as ts

LOSSLESS = {
    "native": ts.EXPLICIT_LE,
    "implicit": ts.IMPLICIT_LE,
    "deflated": ts.DEFLATED_LE,
    "JPEG lossless": ts.JPEG_LOSSLESS,
    "JPEG lossless SV1": ts.JPEG_LOSSLESS_SV1,
    "JPEG-LS": ts.JPEG_LS_LOSSLESS,
    "JPEG 2000": ts.JPEG_2000_LOSSLESS,
    "HTJ2K": ts.HTJ2K_LOSSLESS,
    "RLE": ts.RLE,
    "encapsulated native": ts.ENCAPSULATED_UNCOMPRESSED,
}

FORMATS = {
    "8 bits": PixelFormat(9, 14, 1, "MONOCHROME2", 0, 8, 8, signed=False, frames=1),
    "12 bits": PixelFormat(9, 14, 1, "MONOCHROME1", 0, 16, 12, signed=False, frames=1),
    "12 bits signed": PixelFormat(9, 14, 1, "MONOCHROME2", 0, 16, 12, signed=True, frames=1),
    "16 bits": PixelFormat(9, 14, 1, "MONOCHROME2", 0, 16, 16, signed=False, frames=1),
    "16 bits signed": PixelFormat(9, 14, 1, "MONOCHROME2", 0, 16, 16, signed=True, frames=1),
    "palette": PixelFormat(9, 14, 1, "PALETTE COLOR", 0, 8, 8, signed=False, frames=1),
    "RGB": PixelFormat(9, 14, 3, "RGB", 0, 8, 8, signed=False, frames=1),
    "YBR": PixelFormat(9, 14, 3, "YBR_FULL", 0, 8, 8, signed=False, frames=1),
}


def make_frames(pixels: PixelFormat, frames: int = 1) -> np.ndarray:
    shape = (frames, pixels.rows, pixels.columns) + ((3,) if pixels.samples == 3 else ())
    dtype = f"{'i' if pixels.signed else 'u'}{pixels.bits_allocated // 8}"
    low = -(1 << pixels.bits_stored - 1) if pixels.signed else 0
    values = np.random.default_rng(7).integers(low, low + (1 << pixels.bits_stored), shape)
    return values.astype(dtype)


def read_again(encoded, tmp_path):
    pixels = encoded.pixels
    raw = build_image(
        encoded.parts[0],
        encoded.transfer_syntax_uid,
        Rows=pixels.rows,
        Columns=pixels.columns,
        SamplesPerPixel=pixels.samples,
        PhotometricInterpretation=pixels.photometric,
        BitsAllocated=pixels.bits_allocated,
        BitsStored=pixels.bits_stored,
        HighBit=pixels.bits_stored - 1,
        PixelRepresentation=int(pixels.signed),
        NumberOfFrames=pixels.frames,
        **({"PlanarConfiguration": pixels.planar} if pixels.samples == 3 else {}),
    )
    frame = only_frame(image_of(raw, tmp_path / "built.dcm"))
    known = [read_as_stored(replace(frame, number=n)) for n in range(pixels.frames)]
    return np.stack([stored for stored, _ in known]), known[0][1]


@pytest.mark.parametrize("pixels", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("syntax", LOSSLESS.values(), ids=LOSSLESS)
def test_frames_come_back_as_stored_in_their_own_syntax(syntax, pixels, tmp_path):
    frames = make_frames(pixels)
    encoded = encode_frames(frames, pixels, syntax)
    if not (syntax in {ts.HTJ2K_LOSSLESS, ts.JPEG_2000_LOSSLESS} and pixels.bits_stored == 12):
        assert encoded.transfer_syntax_uid == syntax
    again, found = read_again(encoded, tmp_path)
    assert again.dtype == frames.dtype
    assert np.array_equal(again, frames)
    if encoded.pixels.photometric not in {"YBR_RCT"}:
        assert found.photometric == pixels.photometric


@pytest.mark.parametrize("planar", [0, 1])
def test_native_colour_keeps_its_planar_configuration(planar, tmp_path):
    pixels = replace(FORMATS["YBR"], planar=planar)
    encoded = encode_frames(make_frames(pixels), pixels, ts.EXPLICIT_LE)
    assert encoded.pixels.planar == planar
    assert np.array_equal(read_again(encoded, tmp_path)[0], make_frames(pixels))


def test_pairs_that_share_their_colour_stay_pairs(tmp_path):
    pixels = replace(FORMATS["YBR"], photometric="YBR_FULL_422", frames=2)
    frames = make_frames(pixels, 2)
    frames[:, :, 1::2, 1:] = frames[:, :, ::2, 1:]
    encoded = encode_frames(frames, pixels, ts.EXPLICIT_LE)
    assert len(encoded.parts[0]) == 2 * 9 * 14 * 2
    again, found = read_again(encoded, tmp_path)
    assert found.photometric == "YBR_FULL_422"
    assert np.array_equal(again, frames)


def test_pairs_of_different_colours_become_whole_pixels(tmp_path):
    pixels = replace(FORMATS["YBR"], photometric="YBR_FULL_422")
    encoded = encode_frames(make_frames(pixels), pixels, ts.EXPLICIT_LE)
    assert encoded.pixels.photometric == "YBR_FULL"
    assert np.array_equal(read_again(encoded, tmp_path)[0], make_frames(pixels))


@pytest.mark.parametrize("syntax", [ts.EXPLICIT_LE, ts.RLE], ids=["native", "RLE"])
def test_single_bits_follow_one_another_without_padding(syntax, tmp_path):
    pixels = PixelFormat(3, 5, 1, "MONOCHROME2", 0, 1, 1, signed=False, frames=3)
    frames = np.random.default_rng(1).integers(0, 2, (3, 3, 5)).astype(np.uint8)
    encoded = encode_frames(frames, pixels, syntax)
    assert (encoded.transfer_syntax_uid, len(encoded.parts[0])) == (ts.EXPLICIT_LE, 6)
    assert np.array_equal(read_again(encoded, tmp_path)[0], frames)


@pytest.mark.parametrize(
    ("syntax", "target"),
    [
        (ts.EXPLICIT_BE, ts.EXPLICIT_LE),
        ("", ts.EXPLICIT_LE),
        (ts.JPEG_BASELINE, ts.JPEG_LS_LOSSLESS),
        (ts.JPEG_2000, ts.JPEG_LS_LOSSLESS),
        (ts.JPEG_LS_NEAR, ts.JPEG_LS_LOSSLESS),
        (ts.HTJ2K, ts.HTJ2K_LOSSLESS),
        (ts.HTJ2K_LOSSLESS_RPCL, ts.JPEG_LS_LOSSLESS),
        (ts.JPEG_XL_LOSSLESS, ts.JPEG_LS_LOSSLESS),
        (ts.DEFLATED_FRAME, ts.JPEG_LS_LOSSLESS),
    ],
)
def test_other_syntaxes_become_lossless_ones(syntax, target, tmp_path):
    pixels = FORMATS["RGB"]
    encoded = encode_frames(make_frames(pixels), pixels, syntax)
    assert encoded.transfer_syntax_uid == target
    assert np.array_equal(read_again(encoded, tmp_path)[0], make_frames(pixels))


def test_what_no_codec_holds_becomes_native(tmp_path):
    pixels = PixelFormat(9, 14, 1, "MONOCHROME2", 0, 32, 32, signed=False, frames=1)
    encoded = encode_frames(make_frames(pixels), pixels, ts.JPEG_LS_LOSSLESS)
    assert encoded.transfer_syntax_uid == ts.EXPLICIT_LE
    assert np.array_equal(read_again(encoded, tmp_path)[0], make_frames(pixels))


def test_colours_that_a_codec_transformed_are_named_by_what_is_written():
    pixels = replace(FORMATS["RGB"], photometric="YBR_ICT")
    frames = make_frames(pixels)
    assert encode_frames(frames, pixels, ts.JPEG_2000).pixels.photometric == "RGB"
    pixels = replace(pixels, photometric="YBR_RCT")
    assert encode_frames(frames, pixels, ts.JPEG_2000_LOSSLESS).pixels.photometric == "YBR_RCT"


def test_every_frame_gets_its_codestream():
    pixels = FORMATS["12 bits"]
    encoded = encode_frames(make_frames(pixels, 3), pixels, ts.RLE)
    assert (len(encoded.parts), encoded.pixels.frames, encoded.is_encapsulated) == (3, 3, True)


@pytest.mark.parametrize("shape", [(1, 9, 13), (0, 9, 14), (1, 9, 14, 3)])
def test_frames_of_another_size_are_refused(shape):
    with pytest.raises(ValueError, match="another size"):
        encode_frames(np.zeros(shape, np.uint8), FORMATS["8 bits"], ts.EXPLICIT_LE)
