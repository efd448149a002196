"""Comments leave compressed frames, pixels stay; checked with the codecs' own decoders."""

from __future__ import annotations

import io

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames

from napari_dicom_markup.core.anonymizing.codestreams import (
    Encapsulated,
    clean_codestream,
    clean_pixel_data,
)
from napari_dicom_markup.errors import DecodeError
from napari_dicom_markup.standard import transfer_syntax as ts

TOKEN = b"Zzyzx^Canary"


def _gray(kind: str = "u1", top: int = 255) -> np.ndarray:
    values = np.random.default_rng(7).integers(0, top + 1, (48, 40))
    return (values // 4 + np.arange(40) * (top // 80)).clip(0, top).astype(kind)


def _color() -> np.ndarray:
    return np.random.default_rng(8).integers(0, 256, (48, 40, 3)).astype("u1")


def _segment(code: int, payload: bytes) -> bytes:
    return b"\xff" + bytes([code]) + (len(payload) + 2).to_bytes(2, "big") + payload


def _planted_jpeg(stream: bytes) -> bytes:
    """Return a JPEG with the token in every segment that can hold text, and behind its end."""
    codes = [0xFE, *range(0xE1, 0xEE), 0xEF]
    first = b"".join(_segment(code, TOKEN) for code in codes)
    jfxx = _segment(0xE0, b"JFXX\0\x10" + TOKEN)
    scan = stream.index(b"\xff\xda")
    second = _segment(0xFE, TOKEN * 3)
    body = stream[2:scan] + second + b"\xff" + stream[scan:]
    return b"\xff\xd8" + first + jfxx + body + TOKEN


def _pil(image: np.ndarray, **options: object) -> bytes:
    written = io.BytesIO()
    Image.fromarray(image).save(written, "JPEG", **options)
    return written.getvalue()


JPEGS = {
    "baseline": (ts.JPEG_BASELINE, imagecodecs.jpeg8_encode(_gray()), imagecodecs.jpeg8_decode),
    "colour": (ts.JPEG_BASELINE, imagecodecs.jpeg8_encode(_color()), imagecodecs.jpeg8_decode),
    "extended 12 bit": (
        ts.JPEG_EXTENDED,
        imagecodecs.jpeg8_encode(_gray("u2", 4095), bitspersample=12),
        imagecodecs.jpeg8_decode,
    ),
    "progressive": (
        ts.JPEG_PROGRESSIVE,
        _pil(_color(), progressive=True, quality=90),
        imagecodecs.jpeg8_decode,
    ),
    "restarts": (
        ts.JPEG_BASELINE,
        _pil(_color(), restart_marker_rows=1),
        imagecodecs.jpeg8_decode,
    ),
    "lossless": (
        ts.JPEG_LOSSLESS_SV1,
        imagecodecs.ljpeg_encode(_gray("u2", 4095), bitspersample=12),
        imagecodecs.ljpeg_decode,
    ),
    "JPEG-LS": (
        ts.JPEG_LS_LOSSLESS,
        imagecodecs.jpegls_encode(_gray("u2", 65535)),
        imagecodecs.jpegls_decode,
    ),
    "JPEG-LS near": (
        ts.JPEG_LS_NEAR,
        imagecodecs.jpegls_encode(_color(), level=3),
        imagecodecs.jpegls_decode,
    ),
}


@pytest.mark.parametrize("name", JPEGS)
def test_jpeg_loses_its_comments_and_keeps_its_pixels(name):
    syntax, stream, decode = JPEGS[name]
    cleaned = clean_codestream(_planted_jpeg(stream), syntax)
    assert TOKEN not in cleaned
    assert len(cleaned) % 2 == 0
    np.testing.assert_array_equal(decode(cleaned), decode(stream))
    assert clean_codestream(cleaned, syntax) == cleaned


def test_jfif_thumbnail_goes_and_its_density_stays():
    stream = imagecodecs.jpeg8_encode(_gray())
    assert stream[6:11] == b"JFIF\0"
    thumbnail = b"JFIF\0\x01\x02\x01\x00\x48\x00\x48\x02\x02" + TOKEN
    planted = b"\xff\xd8" + _segment(0xE0, thumbnail) + stream[20:]
    cleaned = clean_codestream(planted, ts.JPEG_BASELINE)
    assert cleaned[6:20] == b"JFIF\0\x01\x02\x01\x00\x48\x00\x48\0\0"
    assert TOKEN not in cleaned


def test_adobe_segment_stays_for_its_colour_transform_without_what_follows():
    stream = imagecodecs.jpeg8_encode(_color(), colorspace="RGB", outcolorspace="RGB")
    adobe = b"Adobe\0\x64\0\0\0\0\0"
    planted = b"\xff\xd8" + _segment(0xEE, adobe + TOKEN) + stream[2:]
    cleaned = clean_codestream(planted, ts.JPEG_BASELINE)
    assert adobe in cleaned
    assert TOKEN not in cleaned


def test_hp_colour_transform_stays_and_spiff_goes():
    stream = imagecodecs.jpegls_encode(_color())
    spiff = _segment(0xE8, b"SPIFF\0" + TOKEN)
    planted = b"\xff\xd8" + spiff + _segment(0xE8, b"mrfx\x01") + stream[2:]
    cleaned = clean_codestream(planted, ts.JPEG_LS_LOSSLESS)
    assert b"mrfx\x01" in cleaned
    assert b"SPIFF" not in cleaned


def _comment_2000() -> bytes:
    return b"\xff\x64" + (len(TOKEN) + 4).to_bytes(2, "big") + b"\0\x01" + TOKEN


def _planted_2000(stream: bytes) -> bytes:
    """Return a codestream with a comment in the main header and in each tile-part's."""
    first = stream.index(b"\xff\x90\x00\x0a")
    planted, position = stream[:first] + _comment_2000(), first
    lengths = []
    while stream[position : position + 2] == b"\xff\x90":
        length = int.from_bytes(stream[position + 6 : position + 10], "big")
        part = stream[position : position + length]
        longer = length + len(_comment_2000())
        planted += part[:6] + longer.to_bytes(4, "big") + part[10:12] + _comment_2000() + part[12:]
        lengths.append((length, longer))
        position += length
    return planted + stream[position:] + TOKEN


def _with_lengths(stream: bytes, *, tiles: bool = True) -> bytes:
    """Return a codestream with a TLM segment that names its tile-parts."""
    start = position = stream.index(b"\xff\x90\x00\x0a")
    entries = b""
    while stream[position : position + 2] == b"\xff\x90":
        length = int.from_bytes(stream[position + 6 : position + 10], "big")
        tile = stream[position + 5 : position + 6] if tiles else b""
        entries += tile + length.to_bytes(4, "big")
        position += length
    kinds = 0x50 if tiles else 0x40
    table = b"\xff\x55" + (len(entries) + 4).to_bytes(2, "big") + bytes([0, kinds]) + entries
    return stream[:start] + table + stream[start:]


def _told_lengths(stream: bytes) -> list[int]:
    at = stream.index(b"\xff\x55")
    size = 1 + 4 if stream[at + 5] & 0x10 else 4
    count = (int.from_bytes(stream[at + 2 : at + 4], "big") - 4) // size
    ends = (at + 6 + size * (n + 1) for n in range(count))
    return [int.from_bytes(stream[end - 4 : end], "big") for end in ends]


def _true_lengths(stream: bytes) -> list[int]:
    position, lengths = stream.index(b"\xff\x90\x00\x0a"), []
    while stream[position : position + 2] == b"\xff\x90":
        lengths.append(int.from_bytes(stream[position + 6 : position + 10], "big"))
        position += lengths[-1]
    assert stream[position : position + 2] == b"\xff\xd9"
    return lengths


JPEG_2000S = {
    "lossless": (
        ts.JPEG_2000_LOSSLESS,
        imagecodecs.jpeg2k_encode(_gray("u2", 4095), codecformat="j2k", reversible=True),
        imagecodecs.jpeg2k_decode,
    ),
    "lossy colour": (
        ts.JPEG_2000,
        imagecodecs.jpeg2k_encode(_color(), level=40, codecformat="j2k"),
        imagecodecs.jpeg2k_decode,
    ),
    "HTJ2K": (
        ts.HTJ2K_LOSSLESS,
        imagecodecs.htj2k_encode(_gray("u2", 4095), reversible=True),
        imagecodecs.htj2k_decode,
    ),
    "HTJ2K tiles": (
        ts.HTJ2K_LOSSLESS_RPCL,
        imagecodecs.htj2k_encode(_gray("u2", 4095), reversible=True, tile=(16, 16)),
        imagecodecs.htj2k_decode,
    ),
}


@pytest.mark.parametrize("name", JPEG_2000S)
def test_jpeg_2000_loses_its_comments_and_keeps_its_pixels(name):
    syntax, stream, decode = JPEG_2000S[name]
    planted = _planted_2000(stream)
    np.testing.assert_array_equal(decode(planted), decode(stream))
    cleaned = clean_codestream(planted, syntax)
    assert TOKEN not in cleaned
    assert b"\xff\x64" not in cleaned[: cleaned.index(b"\xff\x90")]
    np.testing.assert_array_equal(decode(cleaned), decode(stream))
    assert clean_codestream(cleaned, syntax) == cleaned


@pytest.mark.parametrize("tiles", [True, False])
def test_lengths_of_tile_parts_are_told_anew(tiles):
    stream = _planted_2000(JPEG_2000S["HTJ2K tiles"][1])
    cleaned = clean_codestream(_with_lengths(stream, tiles=tiles), ts.HTJ2K_LOSSLESS_RPCL)
    assert len(_true_lengths(cleaned)) > 1
    assert _told_lengths(cleaned) == _true_lengths(cleaned)
    decode = imagecodecs.htj2k_decode
    np.testing.assert_array_equal(decode(cleaned), decode(JPEG_2000S["HTJ2K tiles"][1]))


def test_encoder_s_own_lengths_of_tile_parts_stay_true():
    stream = imagecodecs.htj2k_encode(_gray("u2", 4095), reversible=True, tile=(16, 16), tlm=True)
    cleaned = clean_codestream(_planted_2000(stream), ts.HTJ2K_LOSSLESS_RPCL)
    assert b"\xff\x55" in cleaned
    np.testing.assert_array_equal(
        imagecodecs.htj2k_decode(cleaned), imagecodecs.htj2k_decode(stream)
    )


def test_tile_part_that_goes_to_the_end_stays_so():
    stream = JPEG_2000S["lossless"][1]
    at = stream.index(b"\xff\x90\x00\x0a")
    open_ended = stream[: at + 6] + bytes(4) + stream[at + 10 :]
    cleaned = clean_codestream(open_ended, ts.JPEG_2000_LOSSLESS)
    np.testing.assert_array_equal(
        imagecodecs.jpeg2k_decode(cleaned), imagecodecs.jpeg2k_decode(stream)
    )


def test_jp2_file_loses_its_boxes_of_metadata():
    image = _gray("u2", 4095)
    stream = imagecodecs.jpeg2k_encode(image, codecformat="jp2", reversible=True)
    box = (len(TOKEN) + 8).to_bytes(4, "big") + b"xml " + TOKEN
    code = stream.index(b"jp2c") - 4
    cleaned = clean_codestream(stream[:code] + box + stream[code:], ts.JPEG_2000_LOSSLESS)
    assert TOKEN not in cleaned
    np.testing.assert_array_equal(imagecodecs.jpeg2k_decode(cleaned), image)


@pytest.mark.parametrize("box", [b"Exif", b"xml ", b"jumb", b"brob", b"jbrd", b"free"])
def test_jpeg_xl_loses_its_boxes_of_metadata(box):
    image = _gray("u2", 65535)
    stream = imagecodecs.jpegxl_encode(image, lossless=True, usecontainer=True)
    planted = stream + (len(TOKEN) + 8).to_bytes(4, "big") + box + TOKEN
    cleaned = clean_codestream(planted, ts.JPEG_XL_LOSSLESS)
    assert TOKEN not in cleaned
    np.testing.assert_array_equal(imagecodecs.jpegxl_decode(cleaned), image)


def test_recompressed_jpeg_loses_what_would_rebuild_its_comments():
    jpeg = _planted_jpeg(imagecodecs.jpeg8_encode(_gray()))[: -len(TOKEN)]
    stream = imagecodecs.jpegxl_encode_jpeg(jpeg, usecontainer=True)
    assert b"jbrd" in stream
    cleaned = clean_codestream(stream, ts.JPEG_XL_RECOMPRESSION)
    assert b"jbrd" not in cleaned
    np.testing.assert_array_equal(
        imagecodecs.jpegxl_decode(cleaned), imagecodecs.jpegxl_decode(stream)
    )


def test_bare_jpeg_xl_and_rle_are_passed_on():
    stream = imagecodecs.jpegxl_encode(_gray(), lossless=True, usecontainer=False)
    assert clean_codestream(stream, ts.JPEG_XL_LOSSLESS)[: len(stream)] == stream
    assert clean_codestream(b"\1\2\3", ts.RLE) == b"\1\2\3\0"


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.102", "1.2.3"])
def test_transfer_syntax_that_is_not_known_is_an_error(syntax):
    with pytest.raises(DecodeError, match="transfer syntax"):
        clean_codestream(b"\0\0", syntax)


STREAMS = {
    **{name: one[:2] for name, one in JPEGS.items()},
    **{name: (one[0], _planted_2000(one[1])) for name, one in JPEG_2000S.items()},
    "JPEG XL": (
        ts.JPEG_XL,
        imagecodecs.jpegxl_encode(_gray(), lossless=True, usecontainer=True),
    ),
}


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damage_is_an_error_or_harmless(data):
    syntax, stream = STREAMS[data.draw(st.sampled_from(sorted(STREAMS)))]
    damaged = bytearray(stream[: data.draw(st.integers(0, len(stream)))])
    for _ in range(data.draw(st.integers(0, 4))):
        if damaged:
            at = data.draw(st.integers(0, min(len(damaged), 300) - 1))
            damaged[at] = data.draw(st.integers(0, 255))
    try:
        cleaned = clean_codestream(bytes(damaged), syntax)
    except DecodeError:
        return
    assert len(cleaned) <= len(damaged) + 2


def _frames_of(pixels: Encapsulated, count: int) -> list[bytes]:
    extended = None
    if pixels.extended_offsets and pixels.extended_lengths:
        extended = (pixels.extended_offsets, pixels.extended_lengths)
    found = generate_frames(pixels.value, number_of_frames=count, extended_offsets=extended)
    return list(found)


@pytest.mark.parametrize("fragments", [1, 3])
@pytest.mark.parametrize("table", [True, False])
def test_every_frame_of_pixel_data_is_cleaned(fragments, table):
    images = [_gray(), _gray()[::-1].copy(), _gray().T.copy()]
    streams = [imagecodecs.jpeg8_encode(image) for image in images]
    planted = [_planted_jpeg(stream) for stream in streams[:2]] + [streams[2]]
    value = encapsulate(planted, fragments_per_frame=fragments, has_bot=table)
    if fragments > 1 and not table:
        planted = planted[:1]
        value = encapsulate(planted, fragments_per_frame=fragments, has_bot=table)
    cleaned = clean_pixel_data(Encapsulated(value), ts.JPEG_BASELINE, len(planted))
    assert TOKEN not in cleaned.value
    frames = _frames_of(cleaned, len(planted))
    for frame, stream in zip(frames, streams, strict=False):
        decoded = imagecodecs.jpeg8_decode(frame)
        np.testing.assert_array_equal(decoded, imagecodecs.jpeg8_decode(stream))


def test_extended_offsets_fit_the_cleaned_frames():
    streams = [imagecodecs.jpeg8_encode(_gray()), imagecodecs.jpeg8_encode(_gray()[::-1].copy())]
    before = Encapsulated(*encapsulate_extended([_planted_jpeg(stream) for stream in streams]))
    cleaned = clean_pixel_data(before, ts.JPEG_BASELINE, 2)
    assert cleaned.extended_offsets != before.extended_offsets
    for frame, stream in zip(_frames_of(cleaned, 2), streams, strict=True):
        assert frame[: len(stream)] == stream


def test_pixel_data_without_comments_are_the_same_object():
    stream = imagecodecs.jpeg8_encode(_gray())
    before = Encapsulated(encapsulate([stream, stream]))
    assert clean_pixel_data(before, ts.JPEG_BASELINE, 2) is before


@pytest.mark.parametrize("frames", [0, 1, 3, 2**31])
def test_number_of_frames_that_does_not_fit_is_an_error(frames):
    stream = imagecodecs.jpegls_encode(_gray())
    before = Encapsulated(encapsulate([stream, stream]))
    with pytest.raises(DecodeError):
        clean_pixel_data(before, ts.JPEG_LS_LOSSLESS, frames)


@pytest.mark.parametrize("value", [b"", b"\0", b"\xfe\xff\x00\xe0\xff\xff\xff\x7f", bytes(64)])
def test_damaged_items_are_an_error(value):
    with pytest.raises(DecodeError):
        clean_pixel_data(Encapsulated(value), ts.JPEG_BASELINE, 1)
