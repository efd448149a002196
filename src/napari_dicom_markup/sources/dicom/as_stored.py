"""Frames as they are stored: decoded, with no conversion of colours that the codec does not do."""

from __future__ import annotations

from dataclasses import replace
from io import FileIO
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_dicom_markup.sources.dicom import codestreams
from napari_dicom_markup.sources.dicom.decoding import Disk, KnownFrames, described
from napari_dicom_markup.sources.dicom.frames import read_frame
from napari_dicom_markup.sources.dicom.native import HALVED, frame_shape, keep_low_bits
from napari_dicom_markup.standard import transfer_syntax as ts

if TYPE_CHECKING:
    from napari_dicom_markup.model.stack import Frame, Instance, PixelFormat

Array: TypeAlias = NDArray[Any]

_CONVERTED = ts.LOSSY - {ts.JPEG_2000, ts.HTJ2K, ts.JPEG_LS_NEAR}
"""Syntaxes whose decoders give RGB; what was YBR in them is stored as RGB afterwards."""

_MARKED = frozenset({ts.JPEG_LOSSLESS, ts.JPEG_LOSSLESS_SV1, ts.JPEG_LS_LOSSLESS, ts.JPEG_LS_NEAR})
"""Lossless syntaxes whose codestreams may say another colour space than the data set does."""


def read_as_stored(frame: Frame, known: KnownFrames | None = None) -> tuple[Array, PixelFormat]:
    """Return a frame's whole matrix as it is stored, YBR as YBR, and what it is.

    The matrix is (rows, columns), or (rows, columns, 3) in the format's colour space: RGB where
    the codec of a lossy syntax converts. Where two pixels share their colour (YBR_FULL_422) each
    has a copy. Bits above those stored are lost, and overlays of the retired kind with them.

    Raises
    ------
    DecodeError, OSError
        As `read_frame`.
    """
    pixels, _ = described(frame)
    syntax = frame.instance.transfer_syntax_uid
    frame, known = replace(frame, tile=None), known or KnownFrames()
    if pixels.samples == 1:
        return read_frame(frame, known), pixels
    rgb = replace(pixels, photometric="RGB", planar=0)
    if syntax in _CONVERTED:
        return read_frame(frame, known), rgb
    if _is_halved(frame.instance):
        return _whole(read_frame(_as(frame, _pairs(pixels)), known)), pixels
    if syntax in _MARKED:
        return _read_marked(frame, known)
    planar = 0 if pixels.photometric in HALVED else pixels.planar
    return read_frame(_as(frame, replace(rgb, planar=planar)), known), pixels


def _as(frame: Frame, pixels: PixelFormat) -> Frame:
    return replace(frame, instance=replace(frame.instance, pixels=pixels))


def _read_marked(frame: Frame, known: KnownFrames) -> tuple[Array, PixelFormat]:
    """Return the codec's samples in the colour space that the codestream says."""
    pixels, element = described(frame)
    rgb = replace(pixels, photometric="RGB", planar=0)
    try:
        with FileIO(frame.file.location) as file:
            source = Disk(file)
            pieces = [source.read(*span) for span in known.spans(frame, source, element)]
        stream = codestreams.joined(pieces)
        found = codestreams.decode(stream, frame.instance.transfer_syntax_uid, pixels)
        samples, bits, is_ybr = found
        stored = _in_type(samples, pixels, bits)
    except codestreams.CODEC_ERRORS:
        return read_frame(frame, known), rgb
    return stored, replace(rgb, photometric="YBR_FULL") if is_ybr else rgb


def _in_type(samples: Array, pixels: PixelFormat, bits: int) -> Array:
    """Return unsigned samples, of which so many low bits count, in the stored type."""
    if samples.shape != frame_shape(pixels) or 8 * samples.dtype.itemsize > pixels.bits_allocated:
        message = "the codec gave another shape or more bits than the data set says"
        raise ValueError(message)
    dtype = np.dtype(f"{'i' if pixels.signed else 'u'}{pixels.bits_allocated // 8}")
    plain = np.ascontiguousarray(samples).view(f"u{samples.dtype.itemsize}")
    stored: Array = plain.astype(f"u{dtype.itemsize}").view(dtype)
    keep_low_bits(stored, bits)
    return stored


def _is_halved(instance: Instance) -> bool:
    """Return whether native pairs of pixels share their colour; some only say so."""
    pixels, element = instance.pixels, instance.element
    if pixels is None or element is None or instance.transfer_syntax_uid not in ts.NATIVE:
        return False
    full = pixels.rows * pixels.columns * 3 * pixels.frames * (pixels.bits_allocated // 8)
    even = pixels.columns % 2 == 0
    return pixels.photometric in HALVED and even and (element.length or 0) < full


def _pairs(pixels: PixelFormat) -> PixelFormat:
    """Return the format of Y Y B R pairs as grey values, four for every two pixels."""
    return replace(
        pixels, photometric="MONOCHROME2", samples=1, columns=2 * pixels.columns, planar=0
    )


def _whole(pairs: Array) -> Array:
    """Return (rows, columns, 3) of rows of Y Y B R."""
    four = pairs.reshape(pairs.shape[0], -1, 4)
    return np.ascontiguousarray(four[..., [0, 2, 3, 1, 2, 3]].reshape(pairs.shape[0], -1, 3))
