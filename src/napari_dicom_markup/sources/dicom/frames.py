"""Stored values of frames: native pixels read straight into arrays, encapsulated ones decoded.

Stored values are what pydicom's ``pixel_array`` gives: unused high bits masked and the sign
extended, one bit pixels unpacked, colour as RGB whatever the photometric interpretation.
"""

from __future__ import annotations

import os
import sys
import threading
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from io import FileIO
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_dicom_markup.errors import DecodeError
from napari_dicom_markup.model.stack import Instance, PixelElement, PixelFormat
from napari_dicom_markup.sources.dicom import codestreams, native
from napari_dicom_markup.standard import transfer_syntax as ts

Array: TypeAlias = NDArray[Any]
Convert: TypeAlias = Callable[[Array, Instance, Array], None]
"""Turns stored values into a plane of physical ones: (stored, instance, plane to fill).

``stored`` may lie in the very memory of the plane, element over element.
"""

_CUT_OFF = "its pixel data are cut off; get the complete file"

_RUN = 8
"""Planes a thread loads in one go: enough to keep the pool's own work small."""

_STANDARD_SYNTAXES = "1.2.840.10008.1.2."
"""Only such UIDs are quoted: what else stands in the element may be anything."""

_HEADER = 12
"""Bytes of an explicit element header with a 32 bit length (PS3.5 7.1.2)."""

_BIG_ENDIAN_TAGS = (b"\x7f\xe0\x00\x10", b"\x7f\xe0\x00\x08", b"\x7f\xe0\x00\x09")

_INFLATED_REST = 1 << 26
"""What a deflated data set may hold besides its pixels before it is taken for a bomb: 64 MiB."""


class _Source(Protocol):
    """Bytes at offsets, with their number known before they are read."""

    @property
    def size(self) -> int: ...
    def read(self, offset: int, length: int) -> memoryview: ...


@dataclass(frozen=True, slots=True)
class _Memory:
    """Bytes at hand."""

    view: memoryview = field(repr=False)

    @property
    def size(self) -> int:
        return self.view.nbytes

    def read(self, offset: int, length: int) -> memoryview:
        return self.view[offset : offset + length]


@dataclass(frozen=True, slots=True)
class _Disk:
    """An open file; read with seek and readinto, which every system has (preadv has not)."""

    file: FileIO

    @property
    def size(self) -> int:
        return os.fstat(self.file.fileno()).st_size

    def read(self, offset: int, length: int) -> memoryview:
        buffer = np.empty(max(0, min(length, self.size - offset)), np.uint8)
        return buffer.data[: _read_into(self.file, offset, buffer.data)]


def _read_into(file: FileIO, offset: int, buffer: memoryview) -> int:
    """Fill the buffer from the file and return how many bytes there were to fill it with."""
    file.seek(offset)
    done = 0
    while done < buffer.nbytes:
        count = file.readinto(buffer[done:])
        if not count:
            break
        done += count
    return done


def decode_frame(raw: bytes | memoryview, instance: Instance) -> Array:
    """Return an instance's stored values from its file's bytes.

    Parameters
    ----------
    raw : bytes-like
        The whole file; a mapped file is copied from, not kept.

    Returns
    -------
    NDArray
        Grey or palette indices (rows, columns), colour (rows, columns, 3); writable.

    Raises
    ------
    DecodeError
        Where the pixels are missing, cut off, of an absurd size, or no codec decodes them.
    """
    return _decode(_Memory(memoryview(raw)), instance)


def read_frame(instance: Instance) -> Array:
    """Return an instance's stored values, as `decode_frame` does, reading no more than it needs.

    Raises
    ------
    DecodeError
        As `decode_frame`.
    OSError
        Where the file is gone or cannot be read.
    """
    with FileIO(instance.file.path) as file:
        return _decode(_Disk(file), instance)


def read_frames_into(
    instances: Sequence[Instance], out: Array, convert: Convert, workers: int | None = None
) -> None:
    """Fill ``out[i]`` with the converted frame of ``instances[i]``.

    Native little-endian pixels whose size equals that of ``out`` are read into their place and
    converted there; all others pass through the memory of one plane a thread. The codecs and the
    reads let go of Python's lock, so threads help.

    Parameters
    ----------
    instances : sequence of Instance
        One file a plane.
    out : NDArray
        (planes, rows, columns) or (planes, rows, columns, 3), of the physical type.
    convert : Convert
        Fills a plane from stored values.
    workers : int, optional
        Threads; by default as many as there are cores.

    Raises
    ------
    DecodeError, OSError
        The first that a plane raised; ``out`` is then partly filled.
    """
    own = threading.local()

    def load(start: int) -> None:
        if not hasattr(own, "scratch"):
            own.scratch = np.empty(out[0].nbytes, np.uint8)
        for i in range(start, min(start + _RUN, len(instances))):
            _load(instances[i], out[i], convert, own.scratch)

    with ThreadPoolExecutor(workers or _cores()) as pool:
        runs = [pool.submit(load, start) for start in range(0, len(instances), _RUN)]
        try:
            for run in runs:
                run.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _cores() -> int:
    """Return the cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    return (len(affinity(0)) if affinity else os.cpu_count()) or 1


def _load(instance: Instance, plane: Array, convert: Convert, scratch: NDArray[np.uint8]) -> None:
    """Fill one plane: plain stored values are read into it, or into memory that is used again."""
    stored = _memory_for_stored(instance, plane, scratch)
    if stored is None:
        convert(read_frame(instance), instance, plane)
        return
    pixels, element = _described(instance)
    with FileIO(instance.file.path) as file:
        _check_claim(instance, native.frame_bytes(pixels, element), element, None)
        flat = stored.reshape(-1).view(np.uint8)
        if _read_into(file, element.offset, flat.data) < flat.size:
            raise _error(instance, _CUT_OFF)
    if element.keyword == "PixelData":
        native.keep_low_bits(stored, pixels.bits_stored)
    convert(stored, instance, plane)


def _memory_for_stored(
    instance: Instance, plane: Array, scratch: NDArray[np.uint8]
) -> Array | None:
    """Return the plane, or scratch, as stored values; None where the file's bytes are others."""
    pixels, element = _described(instance)
    plain = (
        instance.transfer_syntax_uid in {ts.IMPLICIT_LE, ts.EXPLICIT_LE}
        and element.length is not None
        and sys.byteorder == "little"
        and pixels.bits_allocated in {8, 16, 32, 64}
        and (pixels.samples == 1 or (pixels.photometric == "RGB" and pixels.planar == 0))
    )
    if not plain or not plane.flags.c_contiguous or plane.shape != native.frame_shape(pixels):
        return None
    dtype = native.stored_dtype(pixels, element)
    if plane.dtype.itemsize == dtype.itemsize:
        return plane.view(dtype)
    needed = plane.size * dtype.itemsize
    if needed > scratch.size:
        return None
    return scratch[:needed].view(dtype).reshape(plane.shape)


def _decode(source: _Source, instance: Instance) -> Array:
    """Return stored values, whatever the transfer syntax."""
    _, element = _described(instance)
    if instance.transfer_syntax_uid == ts.DEFLATED_LE:
        source = _Memory(_inflate_data_set(source, instance))
        element = PixelElement(element.keyword, 0, source.size)
    elif not 0 <= element.offset <= source.size:
        raise _error(instance, _CUT_OFF)
    if instance.transfer_syntax_uid in ts.NATIVE:
        return _decode_native(source, instance, element)
    if element.length is not None:
        raise _error(instance, "its pixel data are not encapsulated as the syntax demands")
    return _decode_encapsulated(source, instance)


def _described(instance: Instance) -> tuple[PixelFormat, PixelElement]:
    """Return the pixels' format and place, once they are known to make sense."""
    pixels, element = instance.pixels, instance.element
    if pixels is None or element is None:
        raise _error(instance, "it holds no pixel data")
    if pixels.frames != 1:
        raise _error(instance, "it holds several frames, which this version does not open")
    if pixels.rows < 1 or pixels.columns < 1 or pixels.samples not in {1, 3}:
        raise _error(instance, "its image size or samples per pixel are invalid")
    if pixels.bits_allocated not in {1, 8, 16, 32, 64}:
        raise _error(instance, "its number of bits allocated is not supported")
    if element.keyword == "PixelData" and not 1 <= pixels.bits_stored <= pixels.bits_allocated:
        raise _error(instance, "its number of bits stored is invalid")
    if pixels.samples > 1 and pixels.photometric not in _COLOURS:
        raise _error(instance, "its photometric interpretation is not supported")
    return pixels, element


_COLOURS = frozenset({"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"})
"""Photometric interpretations of three samples that are not retired (PS3.3 C.7.6.3.1.2)."""


def _error(instance: Instance, reason: str) -> DecodeError:
    return DecodeError(f"{instance.file.relative}: {reason}")


def _check_claim(
    instance: Instance, size: int, element: PixelElement, available: int | None
) -> None:
    """Refuse a frame that its element or its file cannot hold, before memory is asked for."""
    if element.length is None:
        raise _error(instance, "its pixel data are encapsulated, which the syntax does not allow")
    if size > element.length or (available is not None and element.offset + size > available):
        raise _error(instance, _CUT_OFF)


def _decode_native(source: _Source, instance: Instance, element: PixelElement) -> Array:
    pixels = _described(instance)[0]
    size = native.frame_bytes(pixels, element)
    _check_claim(instance, size, element, source.size)
    big_endian, words = _byte_order(source, instance, element)
    swapped = big_endian and words and pixels.bits_allocated == 8
    buffer = np.array(source.read(element.offset, size + size % 2 if swapped else size))
    buffer = native.swapped_pairs(buffer)[:size] if swapped else buffer
    if buffer.size < size:
        raise _error(instance, _CUT_OFF)
    return native.decode_native(buffer, pixels, element, big_endian=big_endian)


def _byte_order(source: _Source, instance: Instance, element: PixelElement) -> tuple[bool, bool]:
    """Return whether values are big-endian, and whether the element is of words (VR OW).

    A file without a transfer syntax says it by the tag before its pixels.
    """
    if instance.transfer_syntax_uid not in {"", ts.EXPLICIT_BE} or element.offset < _HEADER:
        return False, False
    header = bytes(source.read(element.offset - _HEADER, _HEADER))
    big_endian = instance.transfer_syntax_uid == ts.EXPLICIT_BE or header[:4] in _BIG_ENDIAN_TAGS
    return big_endian, header[4:6] == b"OW"


def _decode_encapsulated(source: _Source, instance: Instance) -> Array:
    pixels, element = _described(instance)
    try:
        data = source.read(element.offset, source.size - element.offset)
        stream = codestreams.joined(codestreams.fragments(data))
    except ValueError as error:
        raise _error(instance, f"its pixel data are damaged: {error}") from None
    if instance.transfer_syntax_uid == ts.DEFLATED_FRAME:
        return _decode_deflated_frame(stream, instance)
    try:
        samples, bits, ybr = codestreams.decode(stream, instance.transfer_syntax_uid, pixels)
        stored = _as_stored(samples, pixels, bits)
    except codestreams.CODEC_ERRORS:
        return _decode_otherwise(stream, instance)
    return native.ybr_to_rgb(stored, pixels.bits_stored) if ybr else stored


def _as_stored(samples: Array, pixels: PixelFormat, bits: int) -> Array:
    """Return the codec's samples in the stored type: their low bits, signed as the data set says.

    Codecs do not know the sign (JPEG-LS), or writers get it wrong (JPEG 2000): of 13 bits,
    the unsigned 1 1000 0011 0000 is the signed -2000.
    """
    dtype = np.dtype(f"{'i' if pixels.signed else 'u'}{max(1, pixels.bits_allocated // 8)}")
    plain = np.ascontiguousarray(samples).view(f"u{samples.dtype.itemsize}")
    if samples.shape != native.frame_shape(pixels) or plain.dtype.itemsize > dtype.itemsize:
        message = "the codec gave another shape or more bits than the data set says"
        raise ValueError(message)
    stored = plain.astype(f"u{dtype.itemsize}").view(dtype)
    native.keep_low_bits(stored, bits)
    return stored


def _decode_deflated_frame(stream: memoryview, instance: Instance) -> Array:
    """Return a frame whose native bytes were deflated (PS3.5 A.4.13)."""
    pixels, element = _described(instance)
    size = native.frame_bytes(pixels, element)
    try:
        codestreams.check_ratio(len(stream), size)
        inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(stream, size + size % 2)
    except codestreams.CODEC_ERRORS:
        raise _error(instance, "its deflated frame is damaged") from None
    element = PixelElement(element.keyword, 0, len(inflated))
    return _decode_native(_Memory(memoryview(inflated)), instance, element)


def _decode_otherwise(stream: memoryview, instance: Instance) -> Array:
    """Return what one of pydicom's plug-ins makes of a codestream that imagecodecs refuses."""
    pixels = _described(instance)[0]
    syntax = instance.transfer_syntax_uid
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
    raise _error(instance, reason)


def _inflate_data_set(source: _Source, instance: Instance) -> memoryview:
    """Return the pixel element's value from a deflated data set (PS3.5 A.5)."""
    from io import BytesIO

    from pydicom.filereader import read_dataset
    from pydicom.tag import Tag

    pixels, element = _described(instance)
    size = native.frame_bytes(pixels, element)
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
        raise _error(instance, "its deflated data set is damaged") from None


def _data_set_offset(raw: memoryview) -> int:
    """Return where the File Meta Information (group 0002, PS3.10 7.1) ends."""
    at = 132
    while bytes(raw[at : at + 2]) == b"\x02\x00":
        if bytes(raw[at + 4 : at + 6]) in {b"OB", b"UN"}:
            at += _HEADER + int.from_bytes(raw[at + 8 : at + 12], "little")
        else:
            at += 8 + int.from_bytes(raw[at + 6 : at + 8], "little")
    return at
