"""One frame's stored values, whatever the transfer syntax: from bytes at offsets to an array."""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_dicom_markup.errors import DecodeError
from napari_dicom_markup.model.stack import Frame, PixelElement, PixelFormat
from napari_dicom_markup.sources.dicom import codestreams, native
from napari_dicom_markup.sources.dicom.encapsulation import Span, frame_spans
from napari_dicom_markup.standard import transfer_syntax as ts

if TYPE_CHECKING:
    from io import FileIO

Array: TypeAlias = NDArray[Any]

CUT_OFF = "its pixel data are cut off; get the complete file"

_STANDARD_SYNTAXES = "1.2.840.10008.1.2."
"""Only such UIDs are quoted: what else stands in the element may be anything."""

_HEADER = 12
"""Bytes of an explicit element header with a 32 bit length (PS3.5 7.1.2)."""

_BIG_ENDIAN_TAGS = (b"\x7f\xe0\x00\x10", b"\x7f\xe0\x00\x08", b"\x7f\xe0\x00\x09")

_INFLATED_REST = 1 << 26
"""What a deflated data set may hold besides its pixels before it is taken for a bomb: 64 MiB."""


class Source(Protocol):
    """Bytes at offsets, with their number known before they are read."""

    @property
    def size(self) -> int:
        """How many bytes there are."""

    def read(self, offset: int, length: int) -> memoryview:
        """Return the bytes from ``offset`` on, fewer than ``length`` at the end."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes at hand."""

    view: memoryview = field(repr=False)

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return self.view.nbytes

    def read(self, offset: int, length: int) -> memoryview:
        """Return the bytes from ``offset`` on."""
        return self.view[offset : offset + length]


@dataclass(frozen=True, slots=True)
class Disk:
    """An open file; read with seek and readinto, which every system has (preadv has not)."""

    file: FileIO

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return os.fstat(self.file.fileno()).st_size

    def read(self, offset: int, length: int) -> memoryview:
        """Return the bytes from ``offset`` on."""
        buffer = np.empty(max(0, min(length, self.size - offset)), np.uint8)
        return buffer.data[: read_into(self.file, offset, buffer.data)]


def read_into(file: FileIO, offset: int, buffer: memoryview) -> int:
    """Fill the buffer from the file and return how many bytes there were to fill it with."""
    file.seek(offset)
    done = 0
    while done < buffer.nbytes:
        count = file.readinto(buffer[done:])
        if not count:
            break
        done += count
    return done


class KnownFrames:
    """What was found out about multi-frame objects, so that it is found out once for each.

    That is where the frames of encapsulated ones stand, and what the last deflated data set
    inflates to.
    """

    def __init__(self) -> None:
        self._spans: dict[tuple[object, ...], list[tuple[Span, ...]]] = {}
        self._inflated: tuple[tuple[object, ...], memoryview] | None = None
        self._lock = Lock()

    def spans(self, frame: Frame, source: Source, element: PixelElement) -> tuple[Span, ...]:
        """Return the fragments of one frame.

        Raises
        ------
        ValueError
            Where the object's frames cannot be told apart, or the file does not hold this one.
        """
        frames = described(frame)[0].frames
        if frames == 1:
            return frame_spans(source, element.offset, 1)[0]
        key = _key(frame)
        with self._lock:
            if key not in self._spans:
                self._spans[key] = frame_spans(source, element.offset, frames)
            spans = self._spans[key][frame.number]
        if not spans:
            message = "the frame is cut off"
            raise ValueError(message)
        return spans

    def inflated(self, frame: Frame, source: Source) -> memoryview:
        """Return the pixel element's value of a deflated data set (PS3.5 A.5).

        Raises
        ------
        DecodeError
            Where it is damaged.
        """
        if described(frame)[0].frames == 1:
            return _inflate_data_set(source, frame)
        key = _key(frame)
        with self._lock:
            if self._inflated is None or self._inflated[0] != key:
                self._inflated = (key, _inflate_data_set(source, frame))
            return self._inflated[1]


def _key(frame: Frame) -> tuple[object, ...]:
    file, element = frame.file, frame.instance.element
    return file.location, file.relative, file.mtime_ns, element


def decode(source: Source, frame: Frame, known: KnownFrames, out: Array | None = None) -> Array:
    """Return the stored values of a frame's whole matrix, whatever the transfer syntax.

    Parameters
    ----------
    source : Source
        The bytes of the frame's file.
    frame : Frame
        Which frame; its tile is not cut out.
    known : KnownFrames
        What is known already of the objects that frames are of.
    out : NDArray, optional
        Memory of the matrix' shape and stored type, for a codec that can write there: what is
        returned lies in it or not.

    Raises
    ------
    DecodeError
        Where the pixels are missing, cut off, of an absurd size, or no codec decodes them.
    """
    _, element = described(frame)
    syntax = frame.instance.transfer_syntax_uid
    if syntax == ts.DEFLATED_LE:
        source = Memory(known.inflated(frame, source))
        element = PixelElement(element.keyword, 0, source.size)
    elif not 0 <= element.offset <= source.size:
        raise failure(frame, CUT_OFF)
    if syntax in ts.NATIVE:
        return _decode_native(source, frame, element, frame.number)
    if element.length is not None:
        raise failure(frame, "its pixel data are not encapsulated as the syntax demands")
    return _decode_encapsulated(source, frame, known, out)


def described(frame: Frame) -> tuple[PixelFormat, PixelElement]:
    """Return the format and the place of the file's pixels, once they are known to make sense.

    Raises
    ------
    DecodeError
        Where they do not.
    """
    pixels, element = frame.instance.pixels, frame.instance.element
    if pixels is None or element is None:
        raise failure(frame, "it holds no pixel data")
    if not 0 <= frame.number < pixels.frames:
        raise failure(frame, "it has no such frame")
    if pixels.rows < 1 or pixels.columns < 1 or pixels.samples not in {1, 3}:
        raise failure(frame, "its image size or samples per pixel are invalid")
    if pixels.bits_allocated not in native.BITS_ALLOCATED:
        raise failure(frame, "its number of bits allocated is not supported")
    if element.keyword == "PixelData" and not 1 <= pixels.bits_stored <= pixels.bits_allocated:
        raise failure(frame, "its number of bits stored is invalid")
    if pixels.samples > 1 and pixels.photometric not in _COLOURS:
        raise failure(frame, "its photometric interpretation is not supported")
    return pixels, element


_COLOURS = native.HALVED | {"RGB", "YBR_FULL", "YBR_ICT", "YBR_RCT"}
"""Photometric interpretations of three samples (PS3.3 C.7.6.3.1.2), one of them retired."""


_PARTIAL = "YBR_PARTIAL_422"


def failure(frame: Frame, reason: str) -> DecodeError:
    """Return the error that says of a frame's file, by name, why it is not decoded."""
    return DecodeError(f"{frame.file.relative}: {reason}")


def check_claim(frame: Frame, end: int, element: PixelElement, available: int | None) -> None:
    """Refuse a frame that its element or its file cannot hold, before memory is asked for.

    ``end`` is where in the element the frame ends, in bytes.
    """
    if element.length is None:
        raise failure(frame, "its pixel data are encapsulated, which the syntax does not allow")
    if end > element.length or (available is not None and element.offset + end > available):
        raise failure(frame, CUT_OFF)


def _decode_native(source: Source, frame: Frame, element: PixelElement, number: int) -> Array:
    """Return frame ``number`` of the native frames that an element holds one after the other."""
    pixels = described(frame)[0]
    run = native.frame_run(pixels, element, number)
    check_claim(frame, run.end, element, source.size)
    big_endian, words = _byte_order(source, frame, element)
    swapped = big_endian and words and pixels.bits_allocated == 8
    begin, end = (run.begin - run.begin % 2, run.end + run.end % 2) if swapped else run[:2]
    buffer = np.array(source.read(element.offset + begin, end - begin))
    if swapped:
        buffer = native.swapped_pairs(buffer)[run.begin - begin :][: run.end - run.begin]
    if buffer.size < run.end - run.begin:
        raise failure(frame, CUT_OFF)
    return native.decode_native(buffer, pixels, element, run.skipped, big_endian=big_endian)


def _byte_order(source: Source, frame: Frame, element: PixelElement) -> tuple[bool, bool]:
    """Return whether values are big-endian, and whether the element is of words (VR OW).

    A file without a transfer syntax says it by the tag before its pixels.
    """
    syntax = frame.instance.transfer_syntax_uid
    if syntax not in {"", ts.EXPLICIT_BE} or element.offset < _HEADER:
        return False, False
    header = bytes(source.read(element.offset - _HEADER, _HEADER))
    big_endian = syntax == ts.EXPLICIT_BE or header[:4] in _BIG_ENDIAN_TAGS
    return big_endian, header[4:6] == b"OW"


def _decode_encapsulated(
    source: Source, frame: Frame, known: KnownFrames, out: Array | None
) -> Array:
    pixels, element = described(frame)
    syntax = frame.instance.transfer_syntax_uid
    if pixels.photometric == _PARTIAL:
        raise failure(frame, "its photometric interpretation is not supported when compressed")
    try:
        pieces = [source.read(*span) for span in known.spans(frame, source, element)]
        stream = codestreams.joined(pieces)
    except ValueError as error:
        raise failure(frame, f"its pixel data are damaged: {error}") from None
    if syntax == ts.DEFLATED_FRAME:
        return _decode_deflated_frame(stream, frame)
    try:
        samples, bits, ybr = codestreams.decode(stream, syntax, pixels, out)
        stored = _as_stored(samples, pixels, bits)
    except codestreams.CODEC_ERRORS:
        return _decode_otherwise(stream, frame)
    return native.ybr_to_rgb(stored, pixels.bits_stored) if ybr else stored


def _as_stored(samples: Array, pixels: PixelFormat, bits: int) -> Array:
    """Return the codec's samples in the stored type: their low bits, signed as the data set says.

    Codecs do not know the sign (JPEG-LS), or writers get it wrong (JPEG 2000): of 13 bits,
    the unsigned 1 1000 0011 0000 is the signed -2000.
    """
    dtype = np.dtype(f"{'i' if pixels.signed else 'u'}{native.sample_bytes(pixels)}")
    plain = np.ascontiguousarray(samples).view(f"u{samples.dtype.itemsize}")
    if samples.shape != native.frame_shape(pixels) or plain.dtype.itemsize > dtype.itemsize:
        message = "the codec gave another shape or more bits than the data set says"
        raise ValueError(message)
    stored = plain.astype(f"u{dtype.itemsize}", copy=not plain.flags.writeable).view(dtype)
    native.keep_low_bits(stored, bits)
    return stored


def _decode_deflated_frame(stream: memoryview, frame: Frame) -> Array:
    """Return a frame whose native bytes were deflated (PS3.5 A.4.13)."""
    pixels, element = described(frame)
    size = native.frame_run(pixels, element, 0).end
    try:
        codestreams.check_ratio(len(stream), size)
        inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(stream, size + size % 2)
    except codestreams.CODEC_ERRORS:
        raise failure(frame, "its deflated frame is damaged") from None
    element = PixelElement(element.keyword, 0, len(inflated))
    return _decode_native(Memory(memoryview(inflated)), frame, element, 0)


def _decode_otherwise(stream: memoryview, frame: Frame) -> Array:
    """Return what one of pydicom's plug-ins makes of a codestream that imagecodecs refuses."""
    pixels = described(frame)[0]
    syntax = frame.instance.transfer_syntax_uid
    standard = syntax.startswith(_STANDARD_SYNTAXES)
    try:
        if standard:
            return codestreams.decode_with_pydicom(stream, syntax, pixels)
    except codestreams.CODEC_ERRORS:
        pass
    named = syntax if standard else "unknown"
    reason = (
        f"no installed codec decodes its pixel data (transfer syntax {named}); "
        'they are damaged, or try: pip install "napari-dicom-markup[gdcm]"'
    )
    raise failure(frame, reason)


def _inflate_data_set(source: Source, frame: Frame) -> memoryview:
    """Return the pixel element's value from a deflated data set (PS3.5 A.5)."""
    from io import BytesIO

    from pydicom.filereader import read_dataset
    from pydicom.tag import Tag

    pixels, element = described(frame)
    size = native.frame_run(pixels, element, pixels.frames - 1).end
    raw = source.read(0, source.size)
    try:
        codestreams.check_ratio(len(raw), size)
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        inflated = inflater.decompress(raw[_data_set_offset(raw) :], size + _INFLATED_REST)
        data_set = read_dataset(
            BytesIO(inflated),
            is_implicit_VR=False,
            is_little_endian=True,
            specific_tags=[Tag(element.keyword)],
        )
        return memoryview(data_set[element.keyword].value)
    except codestreams.CODEC_ERRORS:
        raise failure(frame, "its deflated data set is damaged") from None


def _data_set_offset(raw: memoryview) -> int:
    """Return where the File Meta Information (group 0002, PS3.10 7.1) ends."""
    at = 132
    while bytes(raw[at : at + 2]) == b"\x02\x00":
        if bytes(raw[at + 4 : at + 6]) in {b"OB", b"UN"}:
            at += _HEADER + int.from_bytes(raw[at + 8 : at + 12], "little")
        else:
            at += 8 + int.from_bytes(raw[at + 6 : at + 8], "little")
    return at
