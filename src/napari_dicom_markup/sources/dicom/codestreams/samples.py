"""From a codestream to samples, by imagecodecs or by a plug-in of pydicom."""

from __future__ import annotations

import struct
import subprocess
import zlib
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from napari_dicom_markup.sources.dicom import rescue
from napari_dicom_markup.sources.dicom.codestreams.headers import (
    Codestream,
    colour_space,
    jpeg_2000_header,
    jpeg_header,
    jpeg_xl_header,
)
from napari_dicom_markup.sources.quiet import quiet_pydicom
from napari_dicom_markup.standard import transfer_syntax as ts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_dicom_markup.model.stack import PixelFormat

LOSSY_JPEG = ts.JPEG_RETIRED | {ts.JPEG_BASELINE, ts.JPEG_EXTENDED}
JPEG = LOSSY_JPEG | {ts.JPEG_LOSSLESS, ts.JPEG_LOSSLESS_SV1}
JPEG_LS = frozenset({ts.JPEG_LS_LOSSLESS, ts.JPEG_LS_NEAR})
HTJ2K = frozenset({ts.HTJ2K_LOSSLESS, ts.HTJ2K_LOSSLESS_RPCL, ts.HTJ2K})
JPEG_2000 = frozenset({ts.JPEG_2000_LOSSLESS, ts.JPEG_2000}) | HTJ2K
JPEG_XL = frozenset({ts.JPEG_XL_LOSSLESS, ts.JPEG_XL_RECOMPRESSION, ts.JPEG_XL})

PYDICOM_SYNTAXES = (JPEG - ts.JPEG_RETIRED) | JPEG_LS | JPEG_2000 | {ts.RLE}
"""What pydicom 3.0 has plug-ins for."""

Codec: TypeAlias = Callable[..., Any]

CODEC_ERRORS = (
    RuntimeError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, MemoryError,
    ImportError, OSError, EOFError, struct.error, subprocess.SubprocessError, zlib.error,
)  # fmt: skip
"""What imagecodecs, pydicom's decoders and zlib raise at a codestream they cannot decode."""

SAFE_BYTES = 1 << 28
"""Decoded sizes up to here (256 MiB) are believed; larger ones must be borne by the codestream."""

LARGEST_RATIO = 1000
"""The highest compression believed above SAFE_BYTES; a real image seldom reaches 100."""

MOST_SCANS = 500
"""JPEG with more scans, each over the whole image, is taken for a bomb; libjpeg writes 10."""


def check_ratio(compressed: int, decoded: int) -> None:
    """Refuse a decoded size in bytes that the compressed one cannot bear.

    Raises
    ------
    ValueError
        Where the claim is both large and out of proportion.
    """
    if decoded > max(SAFE_BYTES, compressed * LARGEST_RATIO):
        message = "the claimed size is out of proportion to the data"
        raise ValueError(message)


def decode(
    data: memoryview, syntax: str, pixels: PixelFormat, out: NDArray[Any] | None = None
) -> tuple[NDArray[Any], int, bool]:
    """Return a codestream's samples, how many low bits of them count, and whether they are YBR.

    Samples are (rows, columns) or (rows, columns, samples), of the codec's integer type; in
    ``out``, an array of that shape, where the codec can write there and its type is as wide.

    Raises
    ------
    CODEC_ERRORS
        What the codecs raise; NotImplementedError where there is none for the syntax.
    """
    ybr = "YBR_FULL" in pixels.photometric and pixels.samples > 1
    if syntax == ts.RLE:
        return _decode_rle(data, pixels, out), pixels.bits_stored, ybr
    if syntax == ts.ENCAPSULATED_UNCOMPRESSED:
        return _samples(data, pixels, planar=bool(pixels.planar)), pixels.bits_stored, ybr
    if syntax in JPEG_XL:
        return _decode_jpeg_xl(data, syntax, pixels)
    if syntax in JPEG_2000:
        header = jpeg_2000_header(data)
        _check_size(header, pixels, len(data))
        return _first(data, _jpeg_2000_codecs(syntax)), header.precision, ybr
    if syntax in JPEG | JPEG_LS:
        header = jpeg_header(data)
        _check_size(header, pixels, len(data))
        return _decode_jpeg(data, syntax, header, pixels, out)
    message = "no codec for the transfer syntax"
    raise NotImplementedError(message)


def _check_size(header: Codestream, pixels: PixelFormat, compressed: int) -> None:
    """Refuse a codestream of another size than the data set's before anything is allocated."""
    shape = (pixels.rows, pixels.columns, pixels.samples)
    if (header.rows, header.columns, len(header.components)) != shape:
        message = "the codestream has another size than the data set says"
        raise ValueError(message)
    if not 0 < header.precision <= pixels.bits_allocated:
        message = "the codestream has more bits than the data set allocates"
        raise ValueError(message)
    check_ratio(compressed, header.rows * header.columns * pixels.samples * 4)


def _decode_rle(data: memoryview, pixels: PixelFormat, out: NDArray[Any] | None) -> NDArray[Any]:
    """Return RLE (PS3.5 annex G); a byte pair makes at most 128 bytes, so 64 bounds the ratio."""
    from imagecodecs import dicomrle_decode

    decoder: Codec = dicomrle_decode
    segments = pixels.samples * max(1, pixels.bits_allocated // 8)
    if _frame_bytes(pixels) > 64 * len(data) or not _has_segments(data, segments):
        message = "the RLE segments cannot hold a frame of the claimed size"
        raise ValueError(message)
    room = None
    if out is not None and pixels.samples == 1 and out.nbytes == _frame_bytes(pixels):
        room = out.reshape(-1).view(np.uint8)
    decoded = decoder(data, _sample_type(pixels), out=room)
    return _samples(memoryview(decoded), pixels, planar=True)


def _frame_bytes(pixels: PixelFormat) -> int:
    """Return how long a frame is without compression: whole bytes, or single bits packed."""
    return -(-pixels.rows * pixels.columns * pixels.samples * pixels.bits_allocated // 8)


def _sample_type(pixels: PixelFormat) -> np.dtype[Any]:
    """Return the unsigned type of a sample; single bits lie in bytes."""
    if pixels.bits_allocated != 1 and pixels.bits_allocated % 8:
        message = "its samples are no whole bytes"
        raise ValueError(message)
    return np.dtype(f"<u{max(1, pixels.bits_allocated // 8)}")


def _samples(data: memoryview, pixels: PixelFormat, *, planar: bool) -> NDArray[Any]:
    """Return a frame's bytes as samples (PS3.5 8.1.1); a byte may pad them to an even number."""
    size, dtype = _frame_bytes(pixels), _sample_type(pixels)
    if not size <= len(data) <= size + 1:
        message = "the frame has another length than the data set says"
        raise ValueError(message)
    values = np.frombuffer(data[:size], dtype)
    if pixels.bits_allocated == 1:
        values = np.unpackbits(values, bitorder="little")
        values = values[: pixels.rows * pixels.columns * pixels.samples]
    if pixels.samples == 1:
        return values.reshape(pixels.rows, pixels.columns)
    if planar:
        return np.moveaxis(values.reshape(pixels.samples, pixels.rows, pixels.columns), 0, -1)
    return values.reshape(pixels.rows, pixels.columns, pixels.samples)


def _has_segments(data: memoryview, count: int) -> bool:
    """Return whether the RLE header's offsets are sound: imagecodecs follows any that it finds."""
    header = np.frombuffer(data[:64], "<u4") if len(data) > 64 else np.zeros(16, "<u4")
    if header[0] != count or not 0 < count < 16:
        return False
    offsets = [*header[1 : count + 1].tolist(), len(data)]
    return offsets[0] >= 64 and all(start < end for start, end in pairwise(offsets))


def _decode_jpeg(
    data: memoryview,
    syntax: str,
    header: Codestream,
    pixels: PixelFormat,
    out: NDArray[Any] | None,
) -> tuple[NDArray[Any], int, bool]:
    """Return what `decode` does; only the DCT processes convert colours in the codec.

    imagecodecs' other codecs of lossless JPEG are not tried: damaged streams crash them.
    """
    import imagecodecs

    space = colour_space(header, pixels.photometric) if pixels.samples == 3 else ""
    if syntax in JPEG_LS:
        jpeg_ls: Codec = imagecodecs.jpegls_decode
        return jpeg_ls(_ended(data)), header.precision, space == "YCBCR"
    lossy = syntax in LOSSY_JPEG
    if bytes(data).count(b"\xff\xda") > MOST_SCANS:
        message = "the JPEG codestream has more scans than can be believed"
        raise ValueError(message)
    coded = space if lossy or not space else "RGB"
    jpeg: Codec = imagecodecs.jpeg8_decode
    wide = 1 if header.precision <= 8 else 2
    samples = jpeg(
        data,
        colorspace=coded or None,
        outcolorspace="RGB" if coded else None,
        out=out if out is not None and out.itemsize == wide else None,
    )
    return samples, pixels.bits_stored, space == "YCBCR" and not lossy


def _decode_jpeg_xl(
    data: memoryview, syntax: str, pixels: PixelFormat
) -> tuple[NDArray[Any], int, bool]:
    """Return what `decode` does; colours come as RGB but for lossless ones of YBR_FULL.

    Such a codestream holds the data set's samples as they are.
    """
    from imagecodecs import jpegxl_decode

    header = jpeg_xl_header(data)
    _check_size(header, pixels, len(data))
    decoder: Codec = jpegxl_decode
    lossless = syntax == ts.JPEG_XL_LOSSLESS and pixels.samples > 1
    return decoder(data), header.precision, lossless and pixels.photometric == "YBR_FULL"


def _ended(data: memoryview) -> bytes | memoryview:
    """Return a codestream with its end marker: CharLS takes seconds to find that none comes."""
    return data if b"\xff\xd9" in bytes(data[-16:]) else bytes(data) + b"\xff\xd9"


def _jpeg_2000_codecs(syntax: str) -> list[Codec]:
    """Return the codecs to try. OpenJPEG before OpenJPH, which lets lossy colours wrap around."""
    from imagecodecs import htj2k_decode, jpeg2k_decode

    lossless = syntax in {ts.HTJ2K_LOSSLESS, ts.HTJ2K_LOSSLESS_RPCL}
    return [jpeg2k_decode, htj2k_decode] if lossless else [jpeg2k_decode]


def _first(data: memoryview, codecs: list[Codec]) -> NDArray[Any]:
    """Return what the first codec that succeeds makes of the data."""
    for codec in codecs[:-1]:
        try:
            return np.asarray(codec(data))
        except CODEC_ERRORS:
            continue
    return np.asarray(codecs[-1](data))


def decode_with_pydicom(data: memoryview, syntax: str, pixels: PixelFormat) -> NDArray[Any]:
    """Return a codestream's stored values, colour as RGB, by one of pydicom's plug-ins.

    Only its own RLE decoder, which is Python, runs in this process. Codestreams of the retired
    JPEG processes are passed on as JPEG Extended: their own headers say what they are.

    Raises
    ------
    CODEC_ERRORS
        Where no installed plug-in can.
    """
    known = ts.JPEG_EXTENDED if syntax in ts.JPEG_RETIRED else syntax
    if known not in PYDICOM_SYNTAXES:
        message = "pydicom has no plug-in for the transfer syntax"
        raise NotImplementedError(message)
    dtype = np.dtype(f"{'i' if pixels.signed else 'u'}{max(1, pixels.bits_allocated // 8)}")
    count = pixels.rows * pixels.columns * pixels.samples
    check_ratio(len(data), count * dtype.itemsize)
    options = pydicom_options(data, known, pixels)
    if known == ts.RLE:
        values = _decode_rle_with_pydicom(data, options)
    else:
        values = rescue.decode_apart(data, known, options)
    shape = (pixels.rows, pixels.columns, pixels.samples)
    return np.frombuffer(bytearray(values), dtype).reshape(shape[: 2 if shape[2] == 1 else 3])


def pydicom_options(data: memoryview, syntax: str, pixels: PixelFormat) -> dict[str, Any]:
    """Return what pydicom's decoders want to know of a frame."""
    photometric = pixels.photometric
    if syntax in JPEG | JPEG_LS and pixels.samples == 3:
        space = colour_space(jpeg_header(data), photometric)
        photometric = "RGB" if space == "RGB" else "YBR_FULL"
    return {
        "rows": pixels.rows,
        "columns": pixels.columns,
        "samples_per_pixel": pixels.samples,
        "photometric_interpretation": photometric,
        "planar_configuration": pixels.planar,
        "bits_allocated": pixels.bits_allocated,
        "bits_stored": pixels.bits_stored,
        "pixel_representation": int(pixels.signed),
        "number_of_frames": 1,
        "pixel_keyword": "PixelData",
    }


def _decode_rle_with_pydicom(data: memoryview, options: dict[str, Any]) -> bytes:
    import pydicom.pixels.decoders.base  # noqa: F401 - its logger is to be known

    with quiet_pydicom():
        return rescue.decode(bytes(data), ts.RLE, options | {"decoding_plugin": "pydicom"})
