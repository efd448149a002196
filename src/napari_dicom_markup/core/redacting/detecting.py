"""Text-like structure in one frame: boxes around rows of thin strokes of one extreme value.

No text is read. Strokes are what an opening takes away (brighter, or darker, than all that is
around them and thinner than a letter is wide); text is where many of them stand side by side, cross
their row often, and share one value, which anatomy, noise and speckle seldom do.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_dicom_markup.core.redacting.regions import clipped
from napari_dicom_markup.model.redaction import Area, Box, BoxSource

if TYPE_CHECKING:
    from collections.abc import Iterable

Array: TypeAlias = NDArray[Any]
Bytes: TypeAlias = NDArray[np.uint8]

OCTAVES = 3
"""Sizes are searched at full, half and quarter resolution: letters about 5 to 90 pixels high."""

STROKE = 7
"""Strokes thinner than this many pixels are seen at each resolution."""

CONTRAST, STRONG = 40, 100
"""A stroke differs from what is around it by the first of 255, a clear one by the second."""

PLATEAU, NEAR_PLATEAU = 10, 26
"""Values within these of 255 of a letter's extreme one are its plateau, and near it."""

BLOCK = 4
"""Counts are made in blocks of so many pixels, and over windows of several blocks."""

WINDOW = (3, 8)
"""Blocks (rows, columns) of a window: 12 × 32 pixels, about four letters of one line."""

LEAST_SIDE = 96
"""Smaller images are not searched at half and quarter size: such letters would fill them."""

LEAST_INK = 0.03
"""Windows of which strokes take a smaller share are too empty to tell."""


class Weights(NamedTuple):
    """What speaks for text in a window, as a linear score: odds are its exponential.

    Fitted by logistic regression to windows of planted text (9 to 60 pixels, five fonts, smoothed
    and not) against windows of clean CT, MR, PET, DX images, of a photograph and of simulated
    speckle. ``ink`` is the share of strokes; ``strong``, ``plateau``, ``near`` and ``sharp`` those
    strokes' shares that are strong, on or near the plateau, or beside a drop of half their height;
    ``across`` and ``down`` how often a row or a column runs into a stroke, a pixel.
    """

    ink: float
    strong: float
    plateau: float
    near: float
    across: float
    down: float
    sharp: float
    bias: float


WEIGHTS = Weights(-9.6, 3.8, 19.6, -21.8, 79.6, 16.0, 4.1, -3.6)


class Thresholds(NamedTuple):
    """Scores of text: the least of a line's best window, and of all windows that belong to it."""

    seed: float = 2.0
    grow: float = 0.5
    least_windows: int = 2


USUAL = Thresholds()


def find_text(frame: Array, thresholds: Thresholds = USUAL) -> list[Box]:
    """Return boxes of text-like structure, the surest first.

    Parameters
    ----------
    frame : NDArray
        Stored values: (rows, columns), or (rows, columns, 3); any bits, either polarity.
    thresholds : Thresholds
        What counts as text.
    """
    found: list[tuple[Area, float]] = []
    for image in _planes(frame) if frame.size else []:
        for polarity in (image, 255 - image):
            found += _at_all_sizes(polarity, thresholds)
    merged = _merged(found, frame.shape[:2])
    boxes = [Box(area, score=score, source=BoxSource.TEXT) for area, score in merged]
    return sorted(boxes, key=lambda box: -box.score)


def find_constant_text(frames: Iterable[Array], thresholds: Thresholds = USUAL) -> list[Box]:
    """Return boxes of text-like structure in what every frame of a cine shows alike.

    Moving tissue changes from frame to frame, text does not: the least over the frames has the
    bright text, the greatest the dark one.
    """
    least: Array | None = None
    greatest: Array | None = None
    for frame in frames:
        least = frame.copy() if least is None else np.minimum(least, frame)
        greatest = frame.copy() if greatest is None else np.maximum(greatest, frame)
    if least is None or greatest is None:
        return []
    both = [*find_text(least, thresholds), *find_text(greatest, thresholds)]
    merged = _merged([(box.area, box.score) for box in both], least.shape[:2])
    return [Box(area, score=score, source=BoxSource.TEXT) for area, score in merged]


def _planes(frame: Array) -> list[Bytes]:
    """Return what to search, as 0…255: grey, or each extreme of colour's samples."""
    if frame.ndim == 2:
        return [_as_bytes(frame)]
    greatest, least = frame.max(axis=2), frame.min(axis=2)
    planes = [_as_bytes(greatest)]
    if not np.array_equal(greatest, least):
        planes.append(_as_bytes(least))
    return planes


_FEW = 30
"""Fewer pixels than the shortest text has: so many extreme ones do not stretch the range."""


def _as_bytes(image: Array) -> Bytes:
    """Return values as 0…255, from the darkest to the brightest that at least a few pixels have."""
    finite = np.nan_to_num(image) if image.dtype.kind == "f" else image
    flat = finite.reshape(-1)
    few = min(_FEW, max(flat.size // 4, 0))
    if not flat.size:
        return np.zeros(image.shape, np.uint8)
    ends = np.partition(flat, (few, flat.size - 1 - few))
    low, high = float(ends[few]), float(ends[flat.size - 1 - few])
    if high <= low:
        low, high = float(flat.min()), float(flat.max())
    if high <= low:
        return np.zeros(image.shape, np.uint8)
    scaled = (finite.astype(np.float32) - np.float32(low)) * np.float32(255 / (high - low))
    grey: Bytes = np.clip(scaled, 0, 255).astype(np.uint8)
    return grey


def _at_all_sizes(image: Bytes, thresholds: Thresholds) -> list[tuple[Area, float]]:
    """Return areas found in an image, its half, and its quarter."""
    found: list[tuple[Area, float]] = []
    for octave in range(OCTAVES):
        scale = 1 << octave
        if octave == 0 or min(image.shape) >= LEAST_SIDE:
            found += [(_times(area, scale), score) for area, score in _lines(image, thresholds)]
        image = _halved(image)
    return found


def _times(area: Area, scale: int) -> Area:
    return Area(area.row * scale, area.column * scale, area.rows * scale, area.columns * scale)


def _halved(image: Bytes) -> Bytes:
    """Return the mean of every 2 × 2 pixels."""
    rows, columns = (length // 2 * 2 for length in image.shape)
    even = image[:rows, :columns].astype(np.uint16)
    four = even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]
    return (four >> 2).astype(np.uint8)


def _lines(image: Bytes, thresholds: Thresholds) -> list[tuple[Area, float]]:
    """Return areas of text brighter than what is around it, with their scores."""
    masks = _masks(image)
    if not masks[0].any():
        return []
    features = window_features(masks)
    score = features @ np.asarray(WEIGHTS[:-1], np.float32) + WEIGHTS.bias
    score[features[..., 0] < LEAST_INK] = -np.inf
    return list(_areas(score, masks[0], thresholds))


def _masks(image: Bytes) -> list[NDArray[np.bool_]]:
    """Return where strokes are, strong ones, plateaus, almost plateaus, starts, sharp ones."""
    opened = _extreme(_extreme(image, (STROKE, STROKE), np.minimum), (STROKE, STROKE), np.maximum)
    hat = image - opened
    strokes = hat >= CONTRAST
    around = _extreme(np.where(strokes, image, 0).astype(np.uint8), (9, 17), np.maximum)
    plateau, near = (
        strokes & (image >= around - np.minimum(around, within))
        for within in (PLATEAU, NEAR_PLATEAU)
    )
    across, down = np.zeros_like(strokes), np.zeros_like(strokes)
    across[:, 1:] = near[:, 1:] & ~near[:, :-1]
    down[1:] = near[1:] & ~near[:-1]
    drop = image - _extreme(image, (3, 1), np.minimum), image - _extreme(image, (1, 3), np.minimum)
    sharp = strokes & (np.maximum(*drop) >= hat // 2)
    return [strokes, strokes & (hat >= STRONG), plateau, near, across, down, sharp]


def window_features(masks: list[NDArray[np.bool_]]) -> NDArray[np.float32]:
    """Return (block rows, block columns, features) in the order of `Weights`."""
    ink, strong, plateau, near, across, down, sharp = (_in_windows(mask) for mask in masks)
    some = np.maximum(ink, np.float32(1e-6))
    shares = (ink, strong / some, plateau / some, near / some, across, down, sharp / some)
    return np.stack(shares, axis=-1)


def _extreme(image: Bytes, size: tuple[int, int], ufunc: np.ufunc) -> Bytes:
    """Return the least or greatest value in a window around each pixel, by doubling shifts."""
    for axis, length in enumerate(size):
        image = _extreme_along(image, axis, length, ufunc)
    return image


def _extreme_along(image: Bytes, axis: int, length: int, ufunc: np.ufunc) -> Bytes:
    pad = [(0, 0), (0, 0)]
    pad[axis] = (length // 2, length - 1 - length // 2)
    run = np.pad(image, pad, mode="edge")
    width = 1
    while width < length:
        shift = min(width, length - width)
        ahead = [slice(None), slice(None)]
        behind = [slice(None), slice(None)]
        ahead[axis], behind[axis] = slice(shift, None), slice(None, -shift)
        run = ufunc(run[tuple(ahead)], run[tuple(behind)])
        width += shift
    return run


def _in_windows(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the share of true pixels in a window around each block."""
    rows, columns = (-(-length // BLOCK) for length in mask.shape)
    padded = np.zeros((rows * BLOCK, columns * BLOCK), np.uint8)
    padded[: mask.shape[0], : mask.shape[1]] = mask
    blocks = padded.reshape(rows, BLOCK, columns, BLOCK).sum(axis=(1, 3), dtype=np.uint16)
    counts = _window_sums(blocks.astype(np.int64))
    shares: NDArray[np.float32] = (counts / float(BLOCK * BLOCK * WINDOW[0] * WINDOW[1])).astype(
        np.float32
    )
    return shares


def _window_sums(blocks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return sums over the window around each block; beyond the edge there is nothing."""
    for axis, length in enumerate(WINDOW):
        pad = [(0, 0), (0, 0)]
        pad[axis] = (length // 2 + 1, length - 1 - length // 2)
        sums = np.cumsum(np.pad(blocks, pad), axis=axis)
        stop = sums.shape[axis]
        last = np.take(sums, range(length, stop), axis)
        first = np.take(sums, range(stop - length), axis)
        blocks = last - first
    return blocks


def _areas(
    score: NDArray[np.float32], strokes: NDArray[np.bool_], thresholds: Thresholds
) -> Iterable[tuple[Area, float]]:
    """Yield pixel areas around connected windows of text, shrunk to their strokes."""
    for blocks in components(score >= thresholds.grow):
        best = float(score[tuple(blocks.T)].max())
        if best < thresholds.seed or len(blocks) < thresholds.least_windows:
            continue
        for part in _parts(blocks):
            area = _shrunk(_around(part, strokes.shape), strokes)
            if area is not None:
                yield area, 1 / (1 + math.exp(-min(best, 30.0)))


_SAVED = 0.7
"""A group of blocks is cut in two where its parts' boxes take at most this share of its own."""


def _parts(blocks: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Return a group of blocks cut so that boxes around the parts hold little else."""
    left, done = [blocks], []
    while left:
        group = left.pop()
        size, first, second = min(_cuts(group), key=lambda cut: cut[0], default=(math.inf, 0, 0))
        if size > _SAVED * _box_size(group):
            done.append(group)
            continue
        is_first = group[:, first] < second
        left += [group[is_first], group[~is_first]]
    return done


def _cuts(group: NDArray[np.intp]) -> Iterable[tuple[float, int, int]]:
    """Yield what boxes of both parts take, the axis and the place, for each way to cut."""
    for axis in (0, 1):
        order = group[np.argsort(group[:, axis], kind="stable")]
        before = _running_size(order)
        after = _running_size(order[::-1])[::-1]
        places = np.flatnonzero(np.diff(order[:, axis])) + 1
        for place in places.tolist():
            yield float(before[place - 1] + after[place]), axis, int(order[place, axis])


def _running_size(order: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return what the box around the first 1, 2, 3… blocks takes, in windows."""
    least = np.minimum.accumulate(order, axis=0)
    most = np.maximum.accumulate(order, axis=0)
    sides = most - least + np.asarray(WINDOW)
    sizes: NDArray[np.intp] = sides[:, 0] * sides[:, 1]
    return sizes


def _box_size(group: NDArray[np.intp]) -> int:
    sides = group.max(axis=0) - group.min(axis=0) + np.asarray(WINDOW)
    return int(sides[0] * sides[1])


def _around(blocks: NDArray[np.intp], shape: tuple[int, ...]) -> Area | None:
    """Return the pixels that the windows of these blocks reach."""
    top, left = blocks.min(axis=0)
    bottom, right = blocks.max(axis=0) + 1
    above, beside = WINDOW[0] // 2, WINDOW[1] // 2
    around = Area(
        int(top - above) * BLOCK,
        int(left - beside) * BLOCK,
        int(bottom - top + 2 * above) * BLOCK,
        int(right - left + 2 * beside) * BLOCK,
    )
    return clipped(around, shape[0], shape[1])


def _shrunk(area: Area | None, ink: NDArray[np.bool_], margin: int = 3) -> Area | None:
    """Return the area around what is inked in an area, and a margin."""
    if area is None:
        return None
    part = ink[area.row : area.row + area.rows, area.column : area.column + area.columns]
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    if not rows.size:
        return None
    tight = Area(
        area.row + int(rows[0]) - margin,
        area.column + int(columns[0]) - margin,
        int(rows[-1] - rows[0]) + 1 + 2 * margin,
        int(columns[-1] - columns[0]) + 1 + 2 * margin,
    )
    return clipped(tight, *ink.shape)


def components(mask: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
    """Return the (row, column) of each group of true cells that touch, corners included."""
    labels = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    while True:
        spread = _extreme(labels, (3, 3), np.maximum)
        spread = np.where(mask, spread, 0)
        if np.array_equal(spread, labels):
            break
        # A label names a cell of the same group: whatever that has learnt is passed on.
        flat = np.concatenate([[0], spread.reshape(-1)])
        labels = np.where(mask, np.maximum(spread, flat[spread]), 0)
    places = np.argwhere(mask)
    names = labels[mask]
    order = np.argsort(names, kind="stable")
    cuts = np.flatnonzero(np.diff(names[order])) + 1
    return [group for group in np.split(places[order], cuts) if group.size]


def _merged(found: list[tuple[Area, float]], shape: tuple[int, ...]) -> list[tuple[Area, float]]:
    """Return areas without those that lie (nearly) in another, to which their score goes."""
    known = [(clipped(area, *shape[:2]), score) for area, score in found]
    left = sorted(
        ((area, score) for area, score in known if area is not None),
        key=lambda one: -one[0].rows * one[0].columns,
    )
    kept: list[tuple[Area, float]] = []
    for area, score in left:
        for i, (other, best) in enumerate(kept):
            if _shared(area, other) >= _NEARLY * area.rows * area.columns:
                kept[i] = (_both(area, other), max(score, best))
                break
        else:
            kept.append((area, score))
    return kept


_NEARLY = 0.85
"""An area of which another holds this share is no area of its own."""


def _shared(a: Area, b: Area) -> int:
    rows = min(a.row + a.rows, b.row + b.rows) - max(a.row, b.row)
    columns = min(a.column + a.columns, b.column + b.columns) - max(a.column, b.column)
    return max(rows, 0) * max(columns, 0)


def _both(a: Area, b: Area) -> Area:
    row, column = min(a.row, b.row), min(a.column, b.column)
    bottom = max(a.row + a.rows, b.row + b.rows)
    right = max(a.column + a.columns, b.column + b.columns)
    return Area(row, column, bottom - row, right - column)
