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
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_dicom_markup.model.stack import Frame
from napari_dicom_markup.sources.dicom import native
from napari_dicom_markup.sources.dicom.decoding import (
    CUT_OFF,
    Disk,
    Memory,
    SpansOfFrames,
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

_RUN = 8
"""Planes a thread loads in one go: enough to keep the pool's own work small."""


def decode_frame(
    raw: bytes | memoryview, frame: Frame, spans: SpansOfFrames | None = None
) -> Array:
    """Return a frame's stored values from its file's bytes.

    Parameters
    ----------
    raw : bytes-like
        The whole file; a mapped file is copied from, not kept.
    frame : Frame
        Which of the file's frames.
    spans : SpansOfFrames, optional
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
    return _tile(decode(Memory(memoryview(raw)), frame, spans or SpansOfFrames()), frame)


def read_frame(frame: Frame, spans: SpansOfFrames | None = None) -> Array:
    """Return a frame's stored values, as `decode_frame` does, reading no more than it needs.

    Raises
    ------
    DecodeError
        As `decode_frame`.
    OSError
        Where the file is gone or cannot be read.
    """
    return _tile(_read_matrix(frame, spans or SpansOfFrames()), frame)


def _read_matrix(frame: Frame, spans: SpansOfFrames) -> Array:
    with FileIO(frame.file.location) as file:
        return decode(Disk(file), frame, spans)


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

    def __init__(self, size: int, spans: SpansOfFrames) -> None:
        self.scratch = np.empty(size, np.uint8)
        self._spans = spans
        self._matrix: tuple[tuple[str, int], Array] | None = None

    def read(self, frame: Frame) -> Array:
        """Return a frame's stored values; tiles of one matrix decode it once."""
        if frame.tile is None:
            return _read_matrix(frame, self._spans)
        key = (frame.file.location, frame.number)
        if self._matrix is None or self._matrix[0] != key:
            self._matrix = (key, _read_matrix(frame, self._spans))
        return _tile(self._matrix[1], frame)


def read_frames_into(
    frames: Sequence[Frame],
    out: Array,
    convert: Convert,
    spans: SpansOfFrames | None = None,
    workers: int | None = None,
) -> None:
    """Fill ``out[i]`` with the converted values of ``frames[i]``.

    Native little-endian pixels whose size equals that of ``out`` are read into their place and
    converted there; all others pass through the memory of one plane a thread. The codecs and the
    reads let go of Python's lock, so threads help.

    Parameters
    ----------
    frames : sequence of Frame
        One a plane; those of one file stand together where that is to be fast.
    out : NDArray
        (planes, rows, columns) or (planes, rows, columns, 3), of the physical type.
    convert : Convert
        Fills a plane from stored values.
    spans : SpansOfFrames, optional
        Where frames of encapsulated objects stand, as far as that is known already.
    workers : int, optional
        Threads; by default as many as there are cores.

    Raises
    ------
    DecodeError, OSError
        The first that a plane raised; ``out`` is then partly filled.
    """
    own = threading.local()
    known = spans or SpansOfFrames()

    def load(start: int) -> None:
        if not hasattr(own, "worker"):
            own.worker = _Worker(out[0].nbytes, known)
        for i in range(start, min(start + _RUN, len(frames))):
            _load(frames[i], out[i], convert, own.worker)

    with ThreadPoolExecutor(workers or _cores()) as pool:
        runs = [pool.submit(load, start) for start in range(0, len(frames), _RUN)]
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


def _load(frame: Frame, plane: Array, convert: Convert, worker: _Worker) -> None:
    """Fill one plane: plain stored values are read into it, or into memory that is used again."""
    stored = _memory_for_stored(frame, plane, worker.scratch)
    if stored is None:
        convert(worker.read(frame), frame, plane)
        return
    pixels, element = described(frame)
    run = native.frame_run(pixels, element, frame.number)
    with FileIO(frame.file.location) as file:
        check_claim(frame, run.end, element, None)
        flat = stored.reshape(-1).view(np.uint8)
        if read_into(file, element.offset + run.begin, flat.data) < flat.size:
            raise failure(frame, CUT_OFF)
    if element.keyword == "PixelData":
        native.keep_low_bits(stored, pixels.bits_stored)
    convert(stored, frame, plane)


def _memory_for_stored(frame: Frame, plane: Array, scratch: NDArray[np.uint8]) -> Array | None:
    """Return the plane, or scratch, as stored values; None where the file's bytes are others."""
    pixels, element = described(frame)
    plain = (
        frame.instance.transfer_syntax_uid in {ts.IMPLICIT_LE, ts.EXPLICIT_LE}
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
