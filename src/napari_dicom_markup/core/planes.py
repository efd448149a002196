"""An array whose planes are read when they are asked for, for napari and numpy alike."""

from __future__ import annotations

import math
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from napari_dicom_markup.core.on_demand import Array, OnDemandArray

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import EllipsisType

    from numpy.typing import DTypeLike

Basic: TypeAlias = int | slice

KEPT_PLANES = 8
"""As many planes are kept: napari asks for the same plane several times a step."""

KEPT_BYTES = 64 << 20
"""Planes kept may take 64 MiB; one is kept whatever its size."""


class PlaneArray(OnDemandArray):
    """A read-only array (leading…, z, y, x), with a last axis of 3 for colour.

    Indexing reads the planes it needs and gives what numpy would; single planes come as
    read-only views. ``numpy.asarray`` reads everything and keeps nothing.

    Parameters
    ----------
    shape : tuple of int
        (leading…, z, y, x), or (leading…, z, y, x, 3).
    dtype : DTypeLike
        The type of all planes.
    read : callable
        Returns the plane of a number that counts over the axes before y.
    read_all : callable, optional
        Fills a C-contiguous array of the whole shape faster than plane by plane.
    colour : bool
        Whether the last axis holds red, green and blue.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: DTypeLike,
        read: Callable[[int], Array],
        read_all: Callable[[Array], None] | None = None,
        *,
        colour: bool = False,
    ) -> None:
        super().__init__(shape, dtype)
        self._read, self._read_all = read, read_all
        self._plane_ndim = 3 if colour else 2
        if self.ndim <= self._plane_ndim:
            message = "a PlaneArray needs an axis before its planes"
            raise ValueError(message)
        self._numbers = np.arange(math.prod(self._leading)).reshape(self._leading)
        self._kept: OrderedDict[int, Array] = OrderedDict()
        self._lock = Lock()

    @property
    def _leading(self) -> tuple[int, ...]:
        return self._shape[: -self._plane_ndim]

    def _full(self) -> Array:
        full = np.empty(self._shape, self._dtype)
        if self._read_all is None:
            self._gather(self._numbers.reshape(-1), (), full.reshape(-1, *self._plane_shape))
        else:
            self._read_all(full)
        return full

    def __getitem__(self, key: Any) -> Array:
        parts = key if isinstance(key, tuple) else (key,)
        keys = self._per_axis(parts)
        if keys is None:
            return np.asarray(self._full()[key])
        if all(isinstance(part, int | slice) for part in keys):
            # Numpy checks the key and says the shape; a broadcast value takes no memory.
            shape = np.broadcast_to(np.zeros((), self._dtype), self._shape)[tuple(keys)].shape
            if math.prod(shape) == 0:
                return np.empty(shape, self._dtype)
        numbers = self._numbers[tuple(keys[: len(self._leading)])]
        within = tuple(keys[len(self._leading) :])
        if np.ndim(numbers) == 0:
            plane: Array = self._plane(int(numbers))[within]
            # An ellipsis makes an array of numpy's scalar.
            return np.asarray(plane) if any(part is Ellipsis for part in parts) else plane
        return self._planes(np.asarray(numbers), within)

    def _per_axis(self, key: tuple[Any, ...]) -> list[Any] | None:
        """Return one index an axis, None where only numpy itself can tell what the key means.

        Arrays of integers are known on the axes before y; with several such axes only beside
        slices, since numpy moves the axes of arrays and integers that stand apart to the front.
        """
        keys = [_plain(part) for part in key]
        if any(part is None for part in keys):
            return None
        dots = [i for i, part in enumerate(keys) if part is Ellipsis]
        missing = self.ndim - (len(keys) - len(dots))
        if len(dots) > 1 or missing < 0:
            message = f"the array has {self.ndim} axes and one ellipsis at most"
            raise IndexError(message)
        at = dots[0] if dots else len(keys)
        keys[at : at + 1] = [slice(None)] * missing
        count = len(self._leading)
        within_basic = all(isinstance(part, int | slice) for part in keys[count:])
        arrays = any(isinstance(part, np.ndarray) for part in keys[:count])
        if not within_basic or (arrays and count > 1 and any(isinstance(k, int) for k in keys)):
            return None
        return keys

    @property
    def _plane_shape(self) -> tuple[int, ...]:
        return self._shape[-self._plane_ndim :]

    def _planes(self, numbers: Array, within: tuple[Basic, ...]) -> Array:
        """Return the chosen part of the planes, in the shape of their numbers."""
        whole = all(part == slice(None) for part in within)
        if whole and self._read_all is not None and np.array_equal(numbers, self._numbers):
            return self._full()
        part = np.broadcast_to(np.zeros((), self._dtype), self._plane_shape)[within].shape
        out = np.empty((numbers.size, *part), self._dtype)
        self._gather(numbers.reshape(-1), within, out)
        return out.reshape(*numbers.shape, *part)

    def _gather(self, numbers: Array, within: tuple[Basic, ...], out: Array) -> None:
        for i, number in enumerate(numbers.tolist()):
            out[i] = self._plane(number)[within]

    def _plane(self, number: int) -> Array:
        """Return a plane read-only, from the few that are kept or newly read."""
        with self._lock:
            if number in self._kept:
                self._kept.move_to_end(number)
                return self._kept[number]
        plane = np.asarray(self._read(number), self._dtype).view()
        if plane.shape != self._plane_shape:
            message = "a plane of another shape than the array's was read"
            raise ValueError(message)
        plane.flags.writeable = False
        with self._lock:
            self._kept[number] = plane
            while len(self._kept) > max(1, min(KEPT_PLANES, KEPT_BYTES // max(1, plane.nbytes))):
                self._kept.popitem(last=False)
        return plane


def _plain(part: Any) -> int | slice | EllipsisType | Array | None:
    """Return an index as int, slice, ellipsis or integer array; None for all that is neither."""
    if isinstance(part, slice) or part is Ellipsis:
        return part
    if isinstance(part, bool | np.bool_):
        return None
    if isinstance(part, int | np.integer):
        return int(part)
    if isinstance(part, list | np.ndarray):
        array = np.asarray(part)
        return array if array.dtype.kind in "iu" else None
    return None
