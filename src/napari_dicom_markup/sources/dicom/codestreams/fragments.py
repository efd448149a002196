"""The fragments of one frame (PS3.5 A.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ITEM = b"\xfe\xff\x00\xe0"
_SEQUENCE_DELIMITER = b"\xfe\xff\xdd\xe0"


def fragments(data: memoryview) -> list[memoryview]:
    """Return the fragments of a frame, without the Basic Offset Table.

    Parameters
    ----------
    data : memoryview
        The value of the encapsulated element from the item of its Basic Offset Table on; it may
        go on behind the sequence delimiter.

    Raises
    ------
    ValueError
        Where an item is cut off or is none.
    """
    found = list(_items(data))
    if len(found) < 2:
        message = "it holds no fragment"
        raise ValueError(message)
    return found[1:]


def _items(data: memoryview) -> Iterator[memoryview]:
    at = 0
    while at + 8 <= len(data):
        tag = bytes(data[at : at + 4])
        if tag == _SEQUENCE_DELIMITER:
            return
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8
        if tag != _ITEM or at + length > len(data):
            message = "an item is cut off or damaged"
            raise ValueError(message)
        yield data[at : at + length]
        at += length


def joined(pieces: list[memoryview]) -> memoryview:
    """Return one frame's codestream: its fragments one after the other."""
    return pieces[0] if len(pieces) == 1 else memoryview(b"".join(pieces))
