"""Text in images read by tesseract, where it is installed: nothing touches the disk.

Tesseract gets the picture through its standard input and answers on its standard output. What
it reads is patient data: boxes leave here, and the words only where they are asked for.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_dicom_markup.errors import MarkupError
from napari_dicom_markup.model.redaction import Area, Box, BoxSource

Array: TypeAlias = NDArray[Any]

PAGE_MODE = 11
"""Tesseract's page segmentation for sparse text, wherever it stands in the image."""

ENLARGED = 2
"""Images are read at twice their size: letters of 10 pixels are too small for its model."""

LARGEST_SIDE = 6000
"""An image whose enlarged side would exceed this is read as it is."""

SECONDS = 60
"""An image that takes longer is given up."""

LEAST_CONFIDENCE, LEAST_LETTERS = 40.0, 2
"""Words below this confidence (0…100), or shorter, are left out: measured, most are noise."""

_MARGIN = 2
"""Pixels around a word that its smoothed edges may reach."""

_WORD = "5"
"""The level of words in tesseract's table."""


class OcrError(MarkupError, RuntimeError):
    """Tesseract is there, and failed; the text says how, and quotes nothing that it read."""


@dataclass(frozen=True, slots=True)
class ReadWord:
    """A word that was read, which may be a name, and its box."""

    box: Box
    text: str = field(repr=False)


def find_tesseract() -> str | None:
    """Return where tesseract is installed, None where it is not."""
    return shutil.which("tesseract")


def read_words(frame: Array, least_confidence: float = LEAST_CONFIDENCE) -> list[ReadWord]:
    """Return the words in a frame, read as it is and inverted; none without tesseract.

    Parameters
    ----------
    frame : NDArray
        Stored values: (rows, columns), or (rows, columns, 3).
    least_confidence : float
        Words that tesseract is less sure of, 0 to 100, are left out.

    Raises
    ------
    OcrError
        Tesseract failed, or took longer than a minute.
    """
    program = find_tesseract()
    if program is None or not frame.size:
        return []
    image, scale = _prepared(frame)
    words: list[ReadWord] = []
    for polarity in (image, 255 - image):
        table = _ask(program, _as_pgm(polarity))
        words += _words(table, scale, least_confidence, frame.shape)
    return words


def find_read_text(frame: Array, least_confidence: float = LEAST_CONFIDENCE) -> list[Box]:
    """Return boxes of what `read_words` reads, without the words.

    Raises
    ------
    OcrError
        As `read_words`.
    """
    return [word.box for word in read_words(frame, least_confidence)]


def _prepared(frame: Array) -> tuple[NDArray[np.uint8], int]:
    """Return a frame as 0…255 and enlarged, and how many times."""
    grey = frame.max(axis=2) if frame.ndim == 3 else frame
    grey = np.nan_to_num(grey.astype(np.float32))
    low, high = np.percentile(grey, (0.5, 99.95))
    if high <= low:
        low, high = float(grey.min()), float(grey.max())
    span = max(float(high - low), 1e-9)
    image = np.clip((grey - low) * (255 / span), 0, 255).astype(np.uint8)
    scale = ENLARGED if ENLARGED * max(image.shape) <= LARGEST_SIDE else 1
    return _enlarged(image) if scale > 1 else image, scale


def _enlarged(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image of twice the size, linear in between."""
    wide = image.astype(np.uint16)
    for axis in (0, 1):
        shifted = np.concatenate(
            [wide.take(range(1, wide.shape[axis]), axis), wide.take([-1], axis)], axis
        )
        pair = np.stack([wide, (wide + shifted) >> 1], axis=axis + 1)
        shape = list(wide.shape)
        shape[axis] *= 2
        wide = pair.reshape(shape)
    return wide.astype(np.uint8)


def _as_pgm(image: NDArray[np.uint8]) -> bytes:
    """Return a portable grey map, which every build of tesseract reads."""
    return b"P5 %d %d 255\n" % image.shape[::-1] + np.ascontiguousarray(image).tobytes()


def _ask(program: str, picture: bytes) -> str:
    command = [program, "stdin", "stdout", "--psm", str(PAGE_MODE), "-c", "tessedit_create_tsv=1"]
    try:
        done = subprocess.run(  # noqa: S603 - the installed tesseract, fixed arguments
            command, input=picture, capture_output=True, timeout=SECONDS, check=True
        )
    except subprocess.TimeoutExpired:
        message = "tesseract did not answer within a minute; go on without it"
        raise OcrError(message) from None
    except (OSError, subprocess.CalledProcessError):
        message = "tesseract failed; check its installation and language data, or go on without it"
        raise OcrError(message) from None
    return done.stdout.decode("utf-8", "replace")


def _words(
    table: str, scale: int, least_confidence: float, shape: tuple[int, ...]
) -> list[ReadWord]:
    words = []
    for line in table.splitlines():
        cells = line.split("\t")
        if len(cells) != 12 or cells[0] != _WORD:
            continue
        text, area = cells[11].strip(), _area(cells[6:10], scale, shape)
        confidence = _number(cells[10])
        letters = sum(letter.isalnum() for letter in text)
        if area is None or confidence < least_confidence or letters < LEAST_LETTERS:
            continue
        words.append(ReadWord(Box(area, score=confidence / 100, source=BoxSource.OCR), text))
    return words


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return -1.0


def _area(cells: list[str], scale: int, shape: tuple[int, ...]) -> Area | None:
    """Return (left, top, width, height) of the enlarged image as an area, rounded outwards."""
    left, top, width, height = (_number(cell) for cell in cells)
    row, column = (max(int(start // scale) - _MARGIN, 0) for start in (top, left))
    bottom = min(int(-(-(top + height) // scale)) + _MARGIN, shape[0])
    right = min(int(-(-(left + width) // scale)) + _MARGIN, shape[1])
    if bottom <= row or right <= column:
        return None
    return Area(row, column, bottom - row, right - column)
