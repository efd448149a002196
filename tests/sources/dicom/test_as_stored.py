"""Frames as they are stored: YBR stays YBR."""

import numpy as np
import pytest
from tests.data import build_image, image_of

from napari_dicom_markup.model.stack import only_frame
from napari_dicom_markup.sources.dicom.as_stored import read_as_stored
from napari_dicom_markup.sources.dicom.frames import read_frame
from napari_dicom_markup.standard import transfer_syntax as ts

COLOUR = np.random.default_rng(3).integers(0, 256, (6, 8, 3)).astype(np.uint8)


def frame_of(raw, tmp_path):
    return only_frame(image_of(raw, tmp_path / "built.dcm"))


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL"])
def test_native_colour_is_as_stored(photometric, planar, tmp_path):
    stored = np.moveaxis(COLOUR, -1, 0) if planar else COLOUR
    raw = build_image(
        stored.tobytes(),
        Rows=6,
        Columns=8,
        SamplesPerPixel=3,
        PhotometricInterpretation=photometric,
        PlanarConfiguration=planar,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        PixelRepresentation=0,
    )
    found, pixels = read_as_stored(frame_of(raw, tmp_path))
    assert np.array_equal(found, COLOUR)
    assert pixels.photometric == photometric


def test_shared_colour_is_copied_to_both_pixels(tmp_path):
    pairs = np.arange(6 * 4 * 4, dtype=np.uint8).reshape(6, 4, 4)
    raw = build_image(
        pairs.tobytes(),
        Rows=6,
        Columns=8,
        SamplesPerPixel=3,
        PhotometricInterpretation="YBR_FULL_422",
        PlanarConfiguration=0,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        PixelRepresentation=0,
    )
    found, pixels = read_as_stored(frame_of(raw, tmp_path))
    assert pixels.photometric == "YBR_FULL_422"
    assert np.array_equal(found[:, ::2, 0], pairs[..., 0])
    assert np.array_equal(found[:, 1::2, 0], pairs[..., 1])
    for i in (0, 1):
        assert np.array_equal(found[:, i::2, 1:], pairs[..., 2:])


def jfif(stream: bytes) -> bytes:
    """Return a JPEG codestream with a JFIF marker, which says that it is YCbCr."""
    return stream[:2] + b"\xff\xe0\x00\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0" + stream[2:]


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL"])
@pytest.mark.parametrize("marker", [True, False], ids=["JFIF", "plain"])
def test_lossless_jpeg_is_in_the_colours_that_the_codestream_says(photometric, marker, tmp_path):
    from imagecodecs import jpeg8_encode

    stream = bytes(
        jpeg8_encode(
            COLOUR, lossless=True, predictor=1, colorspace="UNKNOWN", outcolorspace="UNKNOWN"
        )
    )
    raw = build_image(
        jfif(stream) if marker else stream,
        ts.JPEG_LOSSLESS_SV1,
        Rows=6,
        Columns=8,
        SamplesPerPixel=3,
        PhotometricInterpretation=photometric,
        PlanarConfiguration=0,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        PixelRepresentation=0,
    )
    found, pixels = read_as_stored(frame_of(raw, tmp_path))
    assert np.array_equal(found, COLOUR)
    assert pixels.photometric == ("YBR_FULL" if marker else photometric)


def test_lossy_colour_comes_as_the_decoder_gives_it(tmp_path):
    from imagecodecs import jpeg8_encode

    raw = build_image(
        bytes(jpeg8_encode(COLOUR, level=90)),
        ts.JPEG_BASELINE,
        Rows=6,
        Columns=8,
        SamplesPerPixel=3,
        PhotometricInterpretation="YBR_FULL_422",
        PlanarConfiguration=0,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        PixelRepresentation=0,
    )
    frame = frame_of(raw, tmp_path)
    found, pixels = read_as_stored(frame)
    assert pixels.photometric == "RGB"
    assert np.array_equal(found, read_frame(frame))


def test_grey_is_what_it_always_is(tmp_path):
    values = np.arange(48, dtype=np.int16).reshape(6, 8) - 20
    frame = frame_of(build_image(values), tmp_path)
    assert np.array_equal(read_as_stored(frame)[0], values)
