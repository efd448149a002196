"""What arrays have in common that read their values when they are asked for."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array: TypeAlias = NDArray[Any]


class OnDemandArray(ABC):
    """A read-only array that looks like numpy's to napari; indexing reads what it needs."""

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self._shape = tuple(int(length) for length in shape)
        self._dtype: np.dtype[Any] = np.dtype(dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of all axes."""
        return self._shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the values."""
        return self._dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self._shape)

    @property
    def size(self) -> int:
        """The number of values."""
        return math.prod(self._shape)

    @property
    def nbytes(self) -> int:
        """The bytes that all values would take."""
        return self.size * self._dtype.itemsize

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return the array itself: it is only read, and napari copies layers with their data."""
        return self

    def __len__(self) -> int:
        return self._shape[0]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} shape={self._shape} dtype={self._dtype}>"

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:  # noqa: FBT001 - numpy's protocol
        if copy is False:
            message = "the values have to be read into a new array"
            raise ValueError(message)
        full = self._full()
        return full if dtype is None else full.astype(dtype, copy=False)

    def astype(self, dtype: DTypeLike) -> Array:
        """Return all values, read and converted."""
        return self.__array__(dtype)

    @abstractmethod
    def _full(self) -> Array:
        """Return all values in a new array."""

    @abstractmethod
    def __getitem__(self, key: Any) -> Array: ...
