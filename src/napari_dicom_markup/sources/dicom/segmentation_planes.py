"""Stored values of a segmentation's frames: packed bits, bytes or words, native or encapsulated."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicom_markup.errors import DecodeError
from napari_dicom_markup.model.stack import PixelFormat
from napari_dicom_markup.sources.dicom import codestreams, native
from napari_dicom_markup.sources.dicom.encapsulation import frame_spans
from napari_dicom_markup.standard import transfer_syntax as ts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_dicom_markup.sources.dicom.encapsulation import Source, Span

_CUT_OFF = "its pixel data are cut off; get the complete file"


def _error(name: str, reason: str) -> DecodeError:
    return DecodeError(f"{name}: {reason}")


@dataclass(frozen=True, slots=True)
class OnDisk:
    """A file that is open only while it is read."""

    location: str = field(repr=False)

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return Path(self.location).stat().st_size

    def read(self, offset: int, length: int) -> memoryview:
        """Return the bytes from ``offset`` on, fewer than ``length`` at the end."""
        with FileIO(self.location) as file:
            file.seek(offset)
            return memoryview(file.read(max(0, min(length, self.size - offset))))


@dataclass(frozen=True, slots=True)
class InMemory:
    """Bytes at hand: a data set that was inflated."""

    data: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """Number of the bytes."""
        return len(self.data)

    def read(self, offset: int, length: int) -> memoryview:
        """Return the bytes from ``offset`` on, fewer than ``length`` at the end."""
        return memoryview(self.data)[offset : offset + length]


@dataclass(frozen=True, slots=True)
class FrameFormat:
    """Frames of ``rows`` × ``columns`` values of ``bits`` (1, 8 or 16) each, one behind another."""

    rows: int
    columns: int
    bits: int
    frames: int

    @property
    def values(self) -> int:
        """Values of a frame."""
        return self.rows * self.columns


@dataclass(frozen=True, slots=True)
class ValuePlace:
    """Where the value of the pixel element stands; ``length`` is None where it is encapsulated.

    ``swapped``: bytes stand in big-endian words (PS3.5 A.3), so the first is the second.
    """

    offset: int
    length: int | None
    swapped: bool = False


class NativePlanes:
    """Reads a frame of native pixel data by its number.

    Frames of single bits follow each other without padding (PS3.5 8.1.1): of 3 × 3 frames the
    second starts at bit 1 of byte 1.

    Raises
    ------
    DecodeError
        Where the file cannot hold the frames.
    """

    def __init__(self, name: str, source: Source, form: FrameFormat, place: ValuePlace) -> None:
        self._name, self._source, self._form, self._place = name, source, form, place
        needed = (form.frames * form.values * form.bits + 7) // 8
        if needed > min(place.length or 0, source.size - place.offset):
            raise _error(name, _CUT_OFF)

    def __call__(self, number: int) -> NDArray[Any]:
        """Return the stored values (rows, columns) of a frame, counted from 0."""
        form = self._form
        first = number * form.values * form.bits
        start, end = first // 8, (first + form.values * form.bits + 7) // 8
        data = self._bytes(start, end)
        if data.size < end - start:
            raise _error(self._name, _CUT_OFF)
        if form.bits == 1:
            bits = np.unpackbits(data, count=first % 8 + form.values, bitorder="little")
            return bits[first % 8 :].reshape(form.rows, form.columns)
        return data.view(f"<u{form.bits // 8}").reshape(form.rows, form.columns)

    def _bytes(self, start: int, end: int) -> NDArray[np.uint8]:
        offset = self._place.offset
        if not self._place.swapped:
            return np.frombuffer(self._source.read(offset + start, end - start), np.uint8)
        even = start - start % 2
        raw = self._source.read(offset + even, end + end % 2 - even)
        return native.swapped_pairs(np.frombuffer(raw, np.uint8))[start - even : end - even]


class EncapsulatedPlanes:
    """Reads a frame of encapsulated pixel data (PS3.5 A.4) by its number.

    Single bits are packed in bytes where the syntax knows no single bits (RLE, deflated frames).

    Raises
    ------
    DecodeError
        Where frames cannot be told apart or are cut off.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        form: FrameFormat,
        syntax: str,
        spans: Sequence[Sequence[Span]],
    ) -> None:
        self._name, self._source, self._form, self._syntax = name, source, form, syntax
        self._spans = spans
        if not all(spans):
            raise _error(name, _CUT_OFF)

    def __call__(self, number: int) -> NDArray[Any]:
        """Return the stored values (rows, columns) of a frame, counted from 0."""
        form = self._form
        pieces = [self._source.read(*span) for span in self._spans[number]]
        stream = codestreams.joined(pieces)
        packed = form.bits == 1 and self._syntax in {ts.RLE, ts.DEFLATED_FRAME}
        try:
            if not packed:
                return self._samples(stream, form.rows, form.columns)
            flat = self._samples(stream, 1, (form.values + 7) // 8)
            bits = np.unpackbits(flat.reshape(-1), count=form.values, bitorder="little")
            return bits.reshape(form.rows, form.columns)
        except codestreams.CODEC_ERRORS:
            reason = f"no installed codec decodes its frame {number + 1}; it is damaged, or try: "
            install = 'pip install "napari-dicom-markup[gdcm]"'
            raise _error(self._name, reason + install) from None

    def _samples(self, stream: memoryview, rows: int, columns: int) -> NDArray[Any]:
        """Return rows × columns of 8 or 16 bits."""
        bits = max(8, self._form.bits)
        dtype = np.dtype(f"<u{bits // 8}")
        if self._syntax == ts.DEFLATED_FRAME:
            codestreams.check_ratio(len(stream), rows * columns * dtype.itemsize)
            size = rows * columns * dtype.itemsize
            inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(stream, size)
            return np.frombuffer(inflated, dtype).reshape(rows, columns)
        pixels = PixelFormat(rows, columns, 1, "MONOCHROME2", 0, bits, bits, signed=False, frames=1)
        try:
            samples = codestreams.decode(stream, self._syntax, pixels)[0]
        except codestreams.CODEC_ERRORS:
            samples = codestreams.decode_with_pydicom(stream, self._syntax, pixels)
        return samples.reshape(rows, columns).view(f"u{samples.dtype.itemsize}")


def encapsulated_planes(
    name: str,
    source: Source,
    form: FrameFormat,
    syntax: str,
    place: ValuePlace,
    extended: tuple[Sequence[int], Sequence[int]] | None,
) -> EncapsulatedPlanes:
    """Return what reads encapsulated frames; ``extended`` is the Extended Offset Table.

    Raises
    ------
    DecodeError
        Where frames cannot be told apart or are cut off.
    """
    try:
        spans = frame_spans(source, place.offset, form.frames, extended)
    except ValueError as error:
        raise _error(name, str(error)) from None
    return EncapsulatedPlanes(name, source, form, syntax, spans)
