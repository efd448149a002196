"""Stored values back into bytes without loss: in their own syntax where an encoder is known.

What was lossy is stored losslessly, JPEG-LS where that can hold it. Every codestream is decoded
again and compared; one that differs sends all frames to native Explicit VR Little Endian.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_dicom_markup.model.redaction import EncodedPixels
from napari_dicom_markup.standard import transfer_syntax as ts

if TYPE_CHECKING:
    from napari_dicom_markup.model.stack import PixelFormat

Array: TypeAlias = NDArray[Any]
Encoder: TypeAlias = Callable[[Array, "PixelFormat"], bytes]
Decoder: TypeAlias = Callable[[bytes, Array], Array]

_HALVED = frozenset({"YBR_FULL_422", "YBR_PARTIAL_422"})

_CODEC_ERRORS = (
    RuntimeError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError,
    ImportError, OSError, struct.error,
)  # fmt: skip


def encode_frames(stored: Array, pixels: PixelFormat, transfer_syntax_uid: str) -> EncodedPixels:
    """Return frames' bytes in the source's syntax, or in the best lossless one that there is.

    Parameters
    ----------
    stored : NDArray
        (frames, rows, columns) or (frames, rows, columns, 3): what the decoder gave, without any
        conversion of colours. Of YBR_RCT and YBR_ICT that is RGB.
    pixels : PixelFormat
        What they are: RGB where a lossy codec has converted them.
    transfer_syntax_uid : str
        The source's.

    Raises
    ------
    ValueError
        The array is no such frames.
    """
    shape = (pixels.rows, pixels.columns) + ((3,) if pixels.samples == 3 else ())
    if stored.shape[1:] != shape or not len(stored):
        message = "the frames are of another size than their format says"
        raise ValueError(message)
    pixels = replace(pixels, frames=len(stored))
    target = _target(transfer_syntax_uid)
    if target in ts.NATIVE:
        return _native(stored, pixels, target)
    return _encapsulated(stored, pixels, target) or _native(stored, pixels, ts.EXPLICIT_LE)


def _target(syntax: str) -> str:
    """Return the syntax to write: big-endian and unnamed ones as Explicit VR Little Endian."""
    if syntax in {"", ts.EXPLICIT_BE}:
        return ts.EXPLICIT_LE
    if syntax in ts.NATIVE or syntax in _CODECS:
        return syntax
    return ts.HTJ2K_LOSSLESS if syntax == ts.HTJ2K else ts.JPEG_LS_LOSSLESS


def _native(stored: Array, pixels: PixelFormat, syntax: str) -> EncodedPixels:
    """Return native frames as one run: those of one bit follow one another without padding."""
    pixels = _native_format(stored, pixels)
    values = _native_bytes(stored, pixels)
    return EncodedPixels(
        syntax,
        is_encapsulated=False,
        pixels=pixels,
        parts=(values + b"\0" * (len(values) % 2),),
    )


def _native_format(stored: Array, pixels: PixelFormat) -> PixelFormat:
    """Return what native bytes will be: of RGB, not what a codestream had made of it."""
    if pixels.bits_allocated % 8 and pixels.bits_allocated > 1:
        pixels = replace(pixels, bits_allocated=8 * stored.dtype.itemsize)  # packed 12 bits
    if pixels.photometric in {"YBR_RCT", "YBR_ICT"}:
        return replace(pixels, photometric="RGB", planar=0)
    if pixels.photometric in _HALVED and not _has_pairs(stored):
        return replace(pixels, photometric="YBR_FULL", planar=0)
    return pixels


def _has_pairs(stored: Array) -> bool:
    """Return whether every two pixels share their colour, as YBR_FULL_422 has them."""
    even = stored.shape[2] % 2 == 0
    return even and np.array_equal(stored[:, :, ::2, 1:], stored[:, :, 1::2, 1:])


def _native_bytes(stored: Array, pixels: PixelFormat) -> bytes:
    """Return little-endian bytes (PS3.5 8.1.1) of frames, one after the other."""
    if pixels.bits_allocated == 1:
        return np.packbits(stored.astype(np.uint8).reshape(-1), bitorder="little").tobytes()
    if pixels.samples == 3 and pixels.photometric in _HALVED:
        pairs = stored.reshape(-1, 6)[:, [0, 3, 1, 2]]  # Y B R Y B R as Y Y B R
        return pairs.tobytes()
    if pixels.samples == 3 and pixels.planar == 1:
        stored = np.moveaxis(stored, -1, 1)
    return np.ascontiguousarray(stored, stored.dtype.newbyteorder("<")).tobytes()


def _encapsulated(stored: Array, pixels: PixelFormat, syntax: str) -> EncodedPixels | None:
    """Return a codestream a frame, None where one does not give back its frame."""
    if stored.dtype.kind not in "iu" or pixels.bits_allocated % 8:
        return None
    pixels = _coded_format(stored, pixels, syntax)
    encode, decode = _CODECS[syntax]
    parts = []
    for frame in stored:
        try:
            part = encode(np.ascontiguousarray(frame), pixels)
            again = np.asarray(decode(part, frame))
        except _CODEC_ERRORS:
            return None
        if not _is_same(again, frame, pixels):
            return None
        parts.append(part)
    return EncodedPixels(syntax, is_encapsulated=True, pixels=pixels, parts=tuple(parts))


def _coded_format(stored: Array, pixels: PixelFormat, syntax: str) -> PixelFormat:
    """Return the format with a photometric interpretation that the syntax can have."""
    if pixels.photometric in _HALVED:
        pixels = replace(pixels, photometric="YBR_FULL")
    has_transform = syntax in _JPEG_2000
    if pixels.photometric in {"YBR_RCT", "YBR_ICT"} and not has_transform:
        pixels = replace(pixels, photometric="RGB")
    if pixels.photometric == "YBR_ICT" or (pixels.samples == 3 and syntax in _HTJ2K):
        pixels = replace(pixels, photometric="YBR_RCT")
    return pixels if syntax == ts.RLE else replace(pixels, planar=0)


def _is_same(again: Array, frame: Array, pixels: PixelFormat) -> bool:
    """Return whether the stored bits are equal: codecs do not know the sign, or the width."""
    if again.shape != frame.shape:
        return False
    low = (1 << pixels.bits_stored) - 1
    return np.array_equal(again.astype(np.int64) & low, frame.astype(np.int64) & low)


def _unsigned(frame: Array, pixels: PixelFormat) -> Array:
    """Return a frame's stored bits as unsigned values: -2 of 12 bits as 4094."""
    plain = frame.view(f"u{frame.dtype.itemsize}")
    low: Array = plain & plain.dtype.type((1 << pixels.bits_stored) - 1)
    return low


def _encode_jpeg_ls(frame: Array, pixels: PixelFormat) -> bytes:
    from imagecodecs import jpegls_encode
    from jpeg_ls import encode_buffer

    plain = _unsigned(frame, pixels)
    if plain.dtype.itemsize > 2 or pixels.bits_stored < 2:
        message = "JPEG-LS holds 2 to 16 bits"
        raise ValueError(message)
    if pixels.bits_stored == 8 * plain.dtype.itemsize:
        return bytes(jpegls_encode(plain))  # pyjpegls' buffer is too small for noise of 8 bits
    wide = plain if (pixels.bits_stored > 8) == (plain.dtype.itemsize > 1) else plain.astype("u1")
    code = encode_buffer(
        wide.astype(wide.dtype.newbyteorder("<"), copy=False).tobytes(),
        pixels.rows,
        pixels.columns,
        pixels.samples,
        pixels.bits_stored,
        interleave_mode=0 if pixels.samples == 1 else 2,
    )
    return bytes(code)


def _decode_jpeg_ls(code: bytes, _: Array) -> Array:
    from imagecodecs import jpegls_decode

    return np.asarray(jpegls_decode(code))


def _encode_jpeg(frame: Array, pixels: PixelFormat) -> bytes:
    """Return lossless JPEG with first-order prediction, which both processes may be."""
    from imagecodecs import jpeg8_encode

    space = None
    if pixels.samples == 3:
        # Without a marker of its own the photometric interpretation says what it is.
        space = "UNKNOWN" if "YBR" in pixels.photometric else "RGB"
    code = jpeg8_encode(
        _unsigned(frame, pixels),
        lossless=True,
        predictor=1,
        bitspersample=max(pixels.bits_stored, 2),
        colorspace=space,
        outcolorspace=space,
    )
    return bytes(code)


def _decode_jpeg(code: bytes, frame: Array) -> Array:
    from imagecodecs import jpeg8_decode

    space = "RGB" if frame.ndim == 3 else None  # both: no conversion
    return np.asarray(jpeg8_decode(code, colorspace=space, outcolorspace=space))


def _encode_jpeg_2000(frame: Array, pixels: PixelFormat) -> bytes:
    from imagecodecs import jpeg2k_encode

    code = jpeg2k_encode(
        frame,
        level=0,
        codecformat="j2k",
        reversible=True,
        mct=pixels.photometric == "YBR_RCT",
        bitspersample=pixels.bits_stored,
    )
    return bytes(code)


def _decode_jpeg_2000(code: bytes, _: Array) -> Array:
    from imagecodecs import jpeg2k_decode

    return np.asarray(jpeg2k_decode(code))


def _encode_htj2k(frame: Array, pixels: PixelFormat) -> bytes:
    from imagecodecs import htj2k_encode

    code = htj2k_encode(frame, reversible=True, rgb=pixels.photometric == "YBR_RCT")
    return bytes(code)


def _encode_rle(frame: Array, pixels: PixelFormat) -> bytes:
    """Return RLE (PS3.5 annex G): a segment a byte of a sample, the highest first."""
    from imagecodecs import packbits_encode

    big = frame.astype(frame.dtype.newbyteorder(">"), copy=False)
    planes = big.view(np.uint8).reshape(pixels.rows, pixels.columns, -1)
    segments = []
    for i in range(planes.shape[2]):
        plane = np.ascontiguousarray(planes[:, :, i])
        code = b"".join(bytes(packbits_encode(row)) for row in plane)
        segments.append(code + b"\0" * (len(code) % 2))
    offsets = np.cumsum([64, *map(len, segments)])[:-1].tolist()
    head = struct.pack("<16I", len(segments), *offsets, *[0] * (15 - len(segments)))
    return head + b"".join(segments)


def _decode_rle(code: bytes, frame: Array) -> Array:
    from imagecodecs import dicomrle_decode

    flat = np.frombuffer(dicomrle_decode(code, f"<u{frame.dtype.itemsize}"), frame.dtype)
    if frame.ndim == 2:
        return flat.reshape(frame.shape)
    return np.moveaxis(flat.reshape(3, *frame.shape[:2]), 0, -1)


def _encode_plain(frame: Array, pixels: PixelFormat) -> bytes:
    return _native_bytes(frame[None], pixels)


def _decode_plain(code: bytes, frame: Array) -> Array:
    return np.frombuffer(code, frame.dtype.newbyteorder("<")).reshape(frame.shape)


_HTJ2K = frozenset({ts.HTJ2K_LOSSLESS, ts.HTJ2K_LOSSLESS_RPCL})
_JPEG_2000 = _HTJ2K | {ts.JPEG_2000_LOSSLESS}

_CODECS: dict[str, tuple[Encoder, Decoder]] = {
    ts.JPEG_LS_LOSSLESS: (_encode_jpeg_ls, _decode_jpeg_ls),
    ts.JPEG_LOSSLESS: (_encode_jpeg, _decode_jpeg),
    ts.JPEG_LOSSLESS_SV1: (_encode_jpeg, _decode_jpeg),
    ts.JPEG_2000_LOSSLESS: (_encode_jpeg_2000, _decode_jpeg_2000),
    ts.HTJ2K_LOSSLESS: (_encode_htj2k, _decode_jpeg_2000),
    ts.RLE: (_encode_rle, _decode_rle),
    ts.ENCAPSULATED_UNCOMPRESSED: (_encode_plain, _decode_plain),
}
"""The lossless syntaxes that are written. HTJ2K RPCL, whose options the encoder does not promise,
JPEG XL and deflated frames, which pydicom 3 cannot write, and all lossy ones go to another."""
