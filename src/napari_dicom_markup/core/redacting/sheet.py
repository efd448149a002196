"""A contact sheet: what any frame shows, and what changes over frames, in three small images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_dicom_markup.core.redacting.regions import clipped
from napari_dicom_markup.model.redaction import Area, Box, ContactSheet

if TYPE_CHECKING:
    from collections.abc import Iterable

Array: TypeAlias = NDArray[Any]

LARGEST_SIDE = 512
"""Rows and columns of a sheet's image at most, unless the caller says otherwise."""


def make_sheet(
    frames: Iterable[Array], boxes: Iterable[Box] = (), largest: int = LARGEST_SIDE
) -> ContactSheet:
    """Return greatest, least and standard deviation over frames, reduced by a whole factor.

    The greatest is reduced by its greatest, the least by its least, so that thin bright and dark
    strokes stay. Frames are taken one at a time: memory is that of a few.

    Parameters
    ----------
    frames : iterable of NDArray
        Each (rows, columns) or (rows, columns, 3), all of one shape and type.
    boxes : iterable of Box
        Whose outlines to draw, whatever frames they are in.
    largest : int
        Rows and columns of the reduced images at most.

    Raises
    ------
    ValueError
        There is no frame, or one of another shape.
    """
    over = _Over()
    for frame in frames:
        over.take(frame)
    if over.greatest is None or over.least is None:
        message = "there is no frame to show"
        raise ValueError(message)
    shape = over.greatest.shape
    step = max(1, -(-max(shape[:2]) // max(1, largest)))
    return ContactSheet(
        step,
        _reduced(over.greatest, step, np.maximum),
        _reduced(over.least, step, np.minimum),
        _reduced(over.deviation(), step, np.maximum).astype(np.float32),
        outlines(boxes, (shape[0], shape[1]), step),
    )


class _Over:
    """Greatest, least and (by Welford) variance of frames so far."""

    def __init__(self) -> None:
        self.greatest: Array | None = None
        self.least: Array | None = None
        self._mean: Array = np.zeros(())
        self._squares: Array = np.zeros(())
        self._count = 0

    def take(self, frame: Array) -> None:
        if self.greatest is None or self.least is None:
            self.greatest, self.least = frame.copy(), frame.copy()
            self._mean = np.zeros(frame.shape)
            self._squares = np.zeros(frame.shape)
        elif frame.shape != self.greatest.shape:
            message = "the frames are of different sizes"
            raise ValueError(message)
        np.maximum(self.greatest, frame, out=self.greatest)
        np.minimum(self.least, frame, out=self.least)
        self._count += 1
        delta = frame - self._mean
        self._mean += delta / self._count
        self._squares += delta * (frame - self._mean)

    def deviation(self) -> Array:
        deviation: Array = np.sqrt(self._squares / max(self._count, 1))
        return deviation


def _reduced(image: Array, step: int, reduce: np.ufunc) -> Array:
    """Return an image with every block of step × step pixels as one; cut blocks count too."""
    if step == 1:
        return image
    rows = reduce.reduceat(image, np.arange(0, image.shape[0], step), axis=0)
    reduced: Array = reduce.reduceat(rows, np.arange(0, image.shape[1], step), axis=1)
    return reduced


def outlines(boxes: Iterable[Box], shape: tuple[int, int], step: int = 1) -> NDArray[np.uint8]:
    """Return uint8 (rows, columns) of the reduced size, 1 on the edges of boxes."""
    drawn = np.zeros((-(-shape[0] // step), -(-shape[1] // step)), np.uint8)
    for box in boxes:
        area = clipped(box.area, *shape)
        if area is not None:
            _draw(drawn, area, step)
    return drawn


def _draw(drawn: NDArray[np.uint8], area: Area, step: int) -> None:
    top, left = area.row // step, area.column // step
    bottom = (area.row + area.rows - 1) // step
    right = (area.column + area.columns - 1) // step
    drawn[[top, bottom], left : right + 1] = 1
    drawn[top : bottom + 1, [left, right]] = 1
