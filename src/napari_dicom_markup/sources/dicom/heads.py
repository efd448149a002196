"""The beginnings of many files in one piece of memory."""

from __future__ import annotations

from mmap import mmap
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterable

Ints: TypeAlias = NDArray[np.int64]

_END = 16
"""Zeros behind the last head, so that the element header that begins there can be read."""


class Room:
    """Memory for heads, used again from one batch of files to the next.

    An iterator's heads are not kept, and the memory is the system's, which gets it back at the
    end: a thousand heads and their copy would be 32 MB, and stay with Python.

    Parameters
    ----------
    size : int
        How many bytes the heads of a batch are expected to take.
    """

    def __init__(self, size: int) -> None:
        self._bytes = _memory(size + _END)

    def join(self, heads: Iterable[bytes]) -> tuple[NDArray[np.uint8], Ints, Ints]:
        """Return heads one behind the other, where each begins, and its length.

        Each begins at an even place. They stand there until the next are joined.
        """
        starts: list[int] = []
        lengths: list[int] = []
        at = 0
        for head in heads:
            end = at + len(head)
            even = end + (end & 1)
            if even + _END > self._bytes.size:
                full, self._bytes = self._bytes, _memory(2 * even + _END)
                self._bytes[:at] = full[:at]
            self._bytes.data[at:end] = head
            if even > end:
                self._bytes[end] = 0
            starts.append(at)
            lengths.append(len(head))
            at = even
        self._bytes[at : at + _END] = 0
        return self._bytes[: at + _END], np.array(starts, np.int64), np.array(lengths, np.int64)


def _memory(size: int) -> NDArray[np.uint8]:
    return np.frombuffer(mmap(-1, size), np.uint8)
