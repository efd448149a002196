"""From encapsulated pixel data (PS3.5 A.4) to samples: fragments, their headers, and the codecs.

imagecodecs decodes; what it refuses goes to pydicom with whatever plug-ins are installed.
"""

from __future__ import annotations

import struct
import subprocess
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from napari_dicom_markup.sources.dicom import rescue
from napari_dicom_markup.sources.quiet import quiet_pydicom
from napari_dicom_markup.standard import transfer_syntax as ts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_dicom_markup.model.stack import PixelFormat

JPEG = frozenset({ts.JPEG_BASELINE, ts.JPEG_EXTENDED, ts.JPEG_LOSSLESS, ts.JPEG_LOSSLESS_SV1})
JPEG_LS = frozenset({ts.JPEG_LS_LOSSLESS, ts.JPEG_LS_NEAR})
HTJ2K = frozenset({ts.HTJ2K_LOSSLESS, ts.HTJ2K_LOSSLESS_RPCL, ts.HTJ2K})
JPEG_2000 = frozenset({ts.JPEG_2000_LOSSLESS, ts.JPEG_2000}) | HTJ2K

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

_ITEM = b"\xfe\xff\x00\xe0"
_SEQUENCE_DELIMITER = b"\xfe\xff\xdd\xe0"
_JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  "
_RGB_COMPONENTS = ((0x52, 0x47, 0x42), (0x72, 0x67, 0x62))
_FRAME_MARKERS = frozenset({0xF7, *range(0xC0, 0xD0)}) - {0xC4, 0xC8, 0xCC}
"""SOF0 to SOF15 of JPEG without DHT, JPG and DAC, and SOF55 of JPEG-LS."""


@dataclass(frozen=True, slots=True)
class Codestream:
    """What a codestream's own header says; ``jfif`` marks YCbCr, ``components`` are the IDs."""

    rows: int
    columns: int
    precision: int
    components: tuple[int, ...]
    jfif: bool = False


def fragments(data: memoryview) -> list[memoryview]:
    """Return the fragments of a frame, without the Basic Offset Table.

    Parameters
    ----------
    data : memoryview
        The value of the encapsulated element from the item of its Basic Offset Table on; it may
        go on behind the sequence delimiter.

    Raises
    ------
    ValueError
        Where an item is cut off or is none.
    """
    found = list(_items(data))
    if len(found) < 2:
        message = "it holds no fragment"
        raise ValueError(message)
    return found[1:]


def _items(data: memoryview) -> Iterator[memoryview]:
    at = 0
    while at + 8 <= len(data):
        tag = bytes(data[at : at + 4])
        if tag == _SEQUENCE_DELIMITER:
            return
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8
        if tag != _ITEM or at + length > len(data):
            message = "an item is cut off or damaged"
            raise ValueError(message)
        yield data[at : at + length]
        at += length


def joined(pieces: list[memoryview]) -> memoryview:
    """Return one frame's codestream: its fragments one after the other."""
    return pieces[0] if len(pieces) == 1 else memoryview(b"".join(pieces))


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


def jpeg_header(data: memoryview) -> Codestream:
    """Return what stands before the first scan of a JPEG or JPEG-LS codestream.

    Raises
    ------
    ValueError
        Where the bytes are no such codestream.
    """
    jfif = False
    at = 2 if bytes(data[:2]) == b"\xff\xd8" else len(data)
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        body = bytes(data[at + 4 : at + 2 + length])
        if marker in _FRAME_MARKERS:
            return _frame_header(body, jfif=jfif)
        jfif |= 0xE0 <= marker <= 0xEF and body.startswith(b"JFIF")
        at += 2 + length
    message = "it is no JPEG codestream"
    raise ValueError(message)


def _frame_header(body: bytes, *, jfif: bool) -> Codestream:
    """Return the frame header's content (ISO/IEC 10918-1 B.2.2)."""
    if len(body) < 6 or len(body) < 6 + 3 * body[5]:
        message = "the JPEG frame header is cut off"
        raise ValueError(message)
    rows, columns = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    return Codestream(rows, columns, body[0], tuple(body[6 : 6 + 3 * body[5] : 3]), jfif)


def jpeg_2000_header(data: memoryview) -> Codestream:
    """Return the SIZ marker segment (ISO/IEC 15444-1 A.5.1) of a codestream or a JP2 file.

    Raises
    ------
    ValueError
        Where the bytes are no JPEG 2000.
    """
    at = _codestream_offset(data)
    head = bytes(data[at : at + 43])
    if len(head) < 43 or head[:4] != b"\xff\x4f\xff\x51":
        message = "it is no JPEG 2000 codestream"
        raise ValueError(message)
    right, bottom, left, top = (int.from_bytes(head[i : i + 4], "big") for i in (8, 12, 16, 20))
    components = tuple(range(int.from_bytes(head[40:42], "big")))
    return Codestream(bottom - top, right - left, (head[42] & 0x7F) + 1, components)


def _codestream_offset(data: memoryview) -> int:
    """Return where the contiguous codestream box's content starts (0 without JP2 boxes)."""
    if bytes(data[:8]) != _JP2_SIGNATURE:
        return 0
    at = 12
    while at + 8 <= len(data):
        if bytes(data[at + 4 : at + 8]) == b"jp2c":
            return at + 8
        at += max(int.from_bytes(data[at : at + 4], "big"), 8)
    return len(data)


def colour_space(header: Codestream, photometric: str) -> str:
    """Return RGB or YCBCR: how a JPEG or JPEG-LS codestream's three components are to be read.

    1. Components named R, G and B are RGB. 2. A JFIF marker means YCbCr. 3. Otherwise the
    photometric interpretation counts. These are pydicom 3's rules; like DCMTK it does not let
    Adobe's APP14 marker overrule the data set.
    """
    if header.components in _RGB_COMPONENTS:
        return "RGB"
    return "YCBCR" if header.jfif or "YBR" in photometric else "RGB"


def decode(data: memoryview, syntax: str, pixels: PixelFormat) -> tuple[NDArray[Any], int, bool]:
    """Return a codestream's samples, how many low bits of them count, and whether they are YBR.

    Samples are (rows, columns) or (rows, columns, samples), of the codec's integer type.

    Raises
    ------
    CODEC_ERRORS
        What the codecs raise; NotImplementedError where there is none for the syntax.
    """
    ybr = "YBR_FULL" in pixels.photometric and pixels.samples > 1
    if syntax == ts.RLE:
        return _decode_rle(data, pixels), pixels.bits_stored, ybr
    if syntax in JPEG_2000:
        header = jpeg_2000_header(data)
        _check_size(header, pixels, len(data))
        return _first(data, _jpeg_2000_codecs(syntax)), header.precision, ybr
    if syntax in JPEG | JPEG_LS:
        header = jpeg_header(data)
        _check_size(header, pixels, len(data))
        return _decode_jpeg(data, syntax, header, pixels)
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


def _decode_rle(data: memoryview, pixels: PixelFormat) -> NDArray[Any]:
    """Return RLE (PS3.5 annex G); a byte pair makes at most 128 bytes, so 64 bounds the ratio."""
    from imagecodecs import dicomrle_decode

    decoder: Codec = dicomrle_decode
    size = pixels.rows * pixels.columns * pixels.samples * (pixels.bits_allocated // 8)
    fits = pixels.bits_allocated % 8 == 0 and size <= 64 * len(data)
    if not fits or not _has_segments(data, pixels.samples * (pixels.bits_allocated // 8)):
        message = "the RLE segments cannot hold a frame of the claimed size"
        raise ValueError(message)
    dtype = np.dtype(f"<u{pixels.bits_allocated // 8}")
    decoded = np.frombuffer(decoder(data, dtype), dtype)
    if pixels.samples == 1:
        return decoded.reshape(pixels.rows, pixels.columns)
    return np.moveaxis(decoded.reshape(pixels.samples, pixels.rows, pixels.columns), 0, -1)


def _has_segments(data: memoryview, count: int) -> bool:
    """Return whether the RLE header's offsets are sound: imagecodecs follows any that it finds."""
    header = np.frombuffer(data[:64], "<u4") if len(data) > 64 else np.zeros(16, "<u4")
    if header[0] != count or not 0 < count < 16:
        return False
    offsets = [*header[1 : count + 1].tolist(), len(data)]
    return offsets[0] >= 64 and all(start < end for start, end in pairwise(offsets))


def _decode_jpeg(
    data: memoryview, syntax: str, header: Codestream, pixels: PixelFormat
) -> tuple[NDArray[Any], int, bool]:
    """Return what `decode` does; only the DCT processes convert colours in the codec.

    imagecodecs' other codecs of lossless JPEG are not tried: damaged streams crash them.
    """
    import imagecodecs

    space = colour_space(header, pixels.photometric) if pixels.samples == 3 else ""
    if syntax in JPEG_LS:
        jpeg_ls: Codec = imagecodecs.jpegls_decode
        return jpeg_ls(data), header.precision, space == "YCBCR"
    lossy = syntax in {ts.JPEG_BASELINE, ts.JPEG_EXTENDED}
    coded = space if lossy or not space else "RGB"
    jpeg: Codec = imagecodecs.jpeg8_decode
    samples = jpeg(data, colorspace=coded or None, outcolorspace="RGB" if coded else None)
    return samples, pixels.bits_stored, space == "YCBCR" and not lossy


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

    Only its own RLE decoder, which is Python, runs in this process.

    Raises
    ------
    CODEC_ERRORS
        Where no installed plug-in can.
    """
    dtype = np.dtype(f"{'i' if pixels.signed else 'u'}{max(1, pixels.bits_allocated // 8)}")
    count = pixels.rows * pixels.columns * pixels.samples
    check_ratio(len(data), count * dtype.itemsize)
    photometric = pixels.photometric
    if syntax in JPEG | JPEG_LS and pixels.samples == 3:
        space = colour_space(jpeg_header(data), photometric)
        photometric = "RGB" if space == "RGB" else "YBR_FULL"
    options: dict[str, Any] = {
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
    if syntax == ts.RLE:
        import pydicom.pixels.decoders.base  # noqa: F401 - its logger is to be known

        with quiet_pydicom():
            values = rescue.decode(bytes(data), syntax, options | {"decoding_plugin": "pydicom"})
    else:
        values = rescue.decode_apart(data, syntax, options)
    shape = (pixels.rows, pixels.columns, pixels.samples)
    return np.frombuffer(bytearray(values), dtype).reshape(shape[: 2 if shape[2] == 1 else 3])
