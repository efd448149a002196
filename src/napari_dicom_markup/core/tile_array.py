"""An image of tiles that are read when they are asked for, for napari and numpy alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicom_markup.core.on_demand import Array, OnDemandArray

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import DTypeLike


class TileArray(OnDemandArray):
    """A read-only array (rows, columns), with a last axis of 3 for colour.

    Indexing reads the tiles that it needs and gives what numpy would; arrays as indices read
    the whole image. Nothing is kept.

    Parameters
    ----------
    shape : tuple of int
        (rows, columns) or (rows, columns, 3).
    dtype : DTypeLike
        The type of all tiles.
    tile : tuple of int
        (rows, columns) of a tile; those at the end may reach beyond the image.
    read : callable
        Returns the tile of a row and a column of tiles, (rows, columns) or (rows, columns, 3).
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: DTypeLike,
        tile: tuple[int, int],
        read: Callable[[int, int], Array],
    ) -> None:
        super().__init__(shape, dtype)
        self._tile, self._read = tile, read

    def _full(self) -> Array:
        return self[...]

    def __getitem__(self, key: Any) -> Array:
        parts = key if isinstance(key, tuple) else (key,)
        if not all(
            part is Ellipsis or isinstance(part, int | np.integer | slice) for part in parts
        ):
            return np.asarray(self[...][key])
        keys = self._per_axis(parts)
        rows, columns = (_span(keys[axis], self._shape[axis]) for axis in (0, 1))
        block = self._block(rows, columns)
        within = (_within(keys[0], rows), _within(keys[1], columns), *keys[2:])
        return block[within]

    def _per_axis(self, parts: tuple[Any, ...]) -> list[int | slice]:
        """Return one index an axis, within the axis."""
        at = next((i for i, part in enumerate(parts) if part is Ellipsis), len(parts))
        before, after = list(parts[:at]), list(parts[at + 1 :])
        missing = self.ndim - len(before) - len(after)
        if missing < 0 or Ellipsis in after:
            message = f"the array has {self.ndim} axes and one ellipsis at most"
            raise IndexError(message)
        keys = [*before, *[slice(None)] * missing, *after]
        return [_checked(part, length) for part, length in zip(keys, self._shape, strict=True)]

    def _block(self, rows: range, columns: range) -> Array:
        """Return the pixels from the first to the last of rows and columns."""
        out = np.empty((len(rows), len(columns), *self._shape[2:]), self._dtype)
        for tile_row, into_rows, from_rows in _pieces(rows, self._tile[0]):
            for tile_column, into_columns, from_columns in _pieces(columns, self._tile[1]):
                tile = self._read(tile_row, tile_column)
                out[into_rows, into_columns] = tile[from_rows, from_columns]
        return out


def _checked(part: Any, length: int) -> int | slice:
    if isinstance(part, slice):
        return part
    index = int(part)
    if not -length <= index < length:
        message = f"index {index} is out of bounds for an axis of {length}"
        raise IndexError(message)
    return index % length


def _span(key: int | slice, length: int) -> range:
    """Return the run of indices, without steps, that holds all that a key asks for."""
    if isinstance(key, int):
        return range(key, key + 1)
    chosen = range(length)[key]
    return range(min(chosen), max(chosen) + 1) if chosen else range(0)


def _within(key: int | slice, span: range) -> int | slice:
    """Return the index within a span that is the key's on the axis."""
    if isinstance(key, int):
        return 0
    step = 1 if key.step is None else int(key.step)
    return slice(None, None, step)


def _pieces(span: range, length: int) -> Iterator[tuple[int, slice, slice]]:
    """Yield each tile that a span meets: its number, its place in the span, and its own part."""
    if not span:
        return
    for number in range(span.start // length, (span.stop - 1) // length + 1):
        begin, end = max(span.start, number * length), min(span.stop, (number + 1) * length)
        into = slice(begin - span.start, end - span.start)
        yield number, into, slice(begin - number * length, end - number * length)
