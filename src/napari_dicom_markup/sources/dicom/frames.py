"""Frames of files: native pixels read straight into arrays, all others decoded in threads.

Stored values are what pydicom's ``pixel_array`` gives: unused high bits masked and the sign
extended, one bit pixels unpacked, colour as RGB whatever the photometric interpretation.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import FileIO
from itertools import groupby
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_dicom_markup.model.stack import Frame
from napari_dicom_markup.sources.dicom import native
from napari_dicom_markup.sources.dicom.decoding import (
    CUT_OFF,
    Disk,
    KnownFrames,
    Memory,
    check_claim,
    decode,
    described,
    failure,
    read_into,
)
from napari_dicom_markup.standard import transfer_syntax as ts

Array: TypeAlias = NDArray[Any]
Convert: TypeAlias = Callable[[Array, Frame, Array], None]
"""Turns stored values into a plane of physical ones: (stored, frame, plane to fill).

``stored`` may lie in the very memory of the plane, element over element.
"""

_RUN_BYTES = 4 << 20
"""Bytes of the planes that a thread loads in one go: enough to keep the pool's own work small."""

_ALONE_BYTES = 1 << 16
"""Native planes of fewer bytes are loaded by one thread.

To hand Python's lock over takes longer than to read them: 4,000 of 8 KB take two threads 1.6
times as long as one.
"""


def decode_frame(raw: bytes | memoryview, frame: Frame, known: KnownFrames | None = None) -> Array:
    """Return a frame's stored values from its file's bytes.

    Parameters
    ----------
    raw : bytes-like
        The whole file; a mapped file is copied from, not kept.
    frame : Frame
        Which of the file's frames.
    known : KnownFrames, optional
        Keep one for many frames of one object: where they stand is then found once.

    Returns
    -------
    NDArray
        Grey or palette indices (rows, columns), colour (rows, columns, 3); writable.

    Raises
    ------
    DecodeError
        Where the pixels are missing, cut off, of an absurd size, or no codec decodes them.
    """
    return _tile(decode(Memory(memoryview(raw)), frame, known or KnownFrames()), frame)


def read_frame(frame: Frame, known: KnownFrames | None = None) -> Array:
    """Return a frame's stored values, as `decode_frame` does, reading no more than it needs.

    Raises
    ------
    DecodeError
        As `decode_frame`.
    OSError
        Where the file is gone or cannot be read.
    """
    with FileIO(frame.file.location) as file:
        return _tile(decode(Disk(file), frame, known or KnownFrames()), frame)


def _tile(matrix: Array, frame: Frame) -> Array:
    """Return the part of the file's matrix that the frame is."""
    tile = frame.tile
    if tile is None:
        return matrix
    part = matrix[tile.row : tile.row + tile.rows, tile.column : tile.column + tile.columns]
    if part.shape[:2] != (tile.rows, tile.columns):
        raise failure(frame, "its tiles are larger than its matrix")
    return part


class _Worker:
    """What a thread keeps from plane to plane: memory, and the matrix whose tiles it takes."""

    def __init__(self, size: int, convert: Convert, known: KnownFrames) -> None:
        self._scratch = np.empty(size, np.uint8)
        self._convert, self._known = convert, known
        self._matrix: tuple[tuple[str, int], Array] | None = None

    def load(self, file: FileIO, frame: Frame, plane: Array) -> None:
        """Fill a plane; stored values are made in its memory, or in the thread's where they fit."""
        room = _room(frame, plane, self._scratch)
        if room is None or not _is_plain(frame):
            stored = self._decoded(file, frame, room)
        else:
            stored = _read_plain(file, frame, room)
        self._convert(stored, frame, plane)

    def _decoded(self, file: FileIO, frame: Frame, room: Array | None) -> Array:
        """Return a frame's stored values; tiles of one matrix decode it once."""
        if frame.tile is None:
            return decode(Disk(file), frame, self._known, room)
        key = (frame.file.location, frame.number)
        if self._matrix is None or self._matrix[0] != key:
            self._matrix = (key, decode(Disk(file), frame, self._known))
        return _tile(self._matrix[1], frame)


def read_frames_into(
    frames: Sequence[Frame],
    out: Array,
    convert: Convert,
    known: KnownFrames | None = None,
    workers: int | None = None,
) -> None:
    """Fill ``out[i]`` with the converted values of ``frames[i]``.

    Native little-endian pixels, and those of codecs that can write there, whose size equals that
    of ``out`` are read into their place and converted there; others pass through the memory of
    one plane a thread. A file is opened once for a run of its planes. The codecs and the reads
    let go of Python's lock, so threads help.

    Parameters
    ----------
    frames : sequence of Frame
        One a plane; those of one file stand together where that is to be fast.
    out : NDArray
        (planes, rows, columns) or (planes, rows, columns, 3), of the physical type.
    convert : Convert
        Fills a plane from stored values.
    known : KnownFrames, optional
        Where frames of encapsulated objects stand, as far as that is known already.
    workers : int, optional
        Threads; by default as many as there are cores.

    Raises
    ------
    DecodeError, OSError
        The first that a plane raised; ``out`` is then partly filled.
    """
    if not frames:
        return
    own = threading.local()
    kept = known or KnownFrames()
    length = max(1, _RUN_BYTES // max(1, out[0].nbytes))

    def load(start: int) -> None:
        if not hasattr(own, "worker"):
            own.worker = _Worker(out[0].nbytes, convert, kept)
        run = range(start, min(start + length, len(frames)))
        for location, planes in groupby(run, lambda i: frames[i].file.location):
            with FileIO(location) as file:
                for i in planes:
                    own.worker.load(file, frames[i], out[i])

    with ThreadPoolExecutor(workers or _threads(frames[0], out[0])) as pool:
        runs = [pool.submit(load, start) for start in range(0, len(frames), length)]
        try:
            for run in runs:
                run.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _threads(frame: Frame, plane: Array) -> int:
    """Return how many threads load planes like this one fastest."""
    return 1 if plane.nbytes < _ALONE_BYTES and _is_plain(frame) else _cores()


def _cores() -> int:
    """Return the cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    return (len(affinity(0)) if affinity else os.cpu_count()) or 1


def _read_plain(file: FileIO, frame: Frame, room: Array) -> Array:
    """Return ``room``, filled with the stored values as they lie in the file."""
    pixels, element = described(frame)
    run = native.frame_run(pixels, element, frame.number)
    check_claim(frame, run.end, element, None)
    flat = room.reshape(-1).view(np.uint8)
    if read_into(file, element.offset + run.begin, flat.data) < flat.size:
        raise failure(frame, CUT_OFF)
    if element.keyword == "PixelData":
        native.keep_low_bits(room, pixels.bits_stored)
    return room


def _is_plain(frame: Frame) -> bool:
    """Return whether the file's bytes are the stored values as they lie in memory."""
    pixels, element = described(frame)
    return (
        frame.instance.transfer_syntax_uid in _LITTLE_ENDIAN
        and element.length is not None
        and sys.byteorder == "little"
        and pixels.bits_allocated in _WHOLE_BYTES
        and (pixels.samples == 1 or (pixels.photometric == "RGB" and pixels.planar == 0))
    )


_LITTLE_ENDIAN = frozenset({ts.IMPLICIT_LE, ts.EXPLICIT_LE})
_WHOLE_BYTES = frozenset({8, 16, 32, 64})


def _room(frame: Frame, plane: Array, scratch: NDArray[np.uint8]) -> Array | None:
    """Return the plane, or scratch, as memory for stored values; None where it is too small."""
    pixels, element = described(frame)
    if not plane.flags.c_contiguous or plane.shape != native.frame_shape(pixels):
        return None
    dtype = native.stored_dtype(pixels, element)
    if plane.dtype.itemsize == dtype.itemsize:
        return plane.view(dtype)
    needed = plane.size * dtype.itemsize
    if needed > scratch.size:
        return None
    return scratch[:needed].view(dtype).reshape(plane.shape)
