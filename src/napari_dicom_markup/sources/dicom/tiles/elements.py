"""Private elements by their creator, decoded by ourselves: what pydicom makes of them varies."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

from napari_dicom_markup.sources.dicom.tiles.csa import finite_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom import Dataset

_BINARY = {"US": "H", "UL": "I", "SL": "i", "FD": "d", "FL": "f"}
_BLOCKS = range(0x10, 0x100)
"""The elements that reserve a block of private ones (PS3.5 7.8.1)."""

_FIRST_BLOCK = 0x10


class PrivateElements:
    """The private elements of a data set, by group, creator and place in the creator's block.

    The first block of a group counts as any creator's where the element that would name its
    creator has been taken away: de-identification leaves such files.
    """

    def __init__(self, data_set: Dataset) -> None:
        self._data_set = data_set

    def value(self, group: int, creator: str, element: int) -> bytes | None:
        """Return an element's bytes as they stand in the file; None where it is missing."""
        tag = self._tag(group, creator, element)
        value = None if tag is None else self._data_set.get_item(tag).value
        return value if isinstance(value, bytes) else None

    def items(self, group: int, creator: str, element: int) -> list[Dataset]:
        """Return the items of a sequence, none where it is missing."""
        tag = self._tag(group, creator, element)
        found = None if tag is None else self._data_set[tag]
        return list(found.value) if found is not None and found.VR == "SQ" else []

    def numbers(
        self, group: int, creator: str, element: int, vr: str, count: int
    ) -> tuple[float, ...] | None:
        """Return exactly ``count`` finite numbers; ``vr`` counts where the file states none."""
        tag = self._tag(group, creator, element)
        return None if tag is None else element_numbers(self._data_set, tag, vr, count)

    def _tag(self, group: int, creator: str, element: int) -> int | None:
        """Return the tag of an element that is there."""
        for block in self._blocks(group, creator):
            tag = group << 16 | block << 8 | element
            if tag in self._data_set:
                return tag
        return None

    def _blocks(self, group: int, creator: str) -> Iterator[int]:
        for block in _BLOCKS:
            tag = group << 16 | block
            if tag not in self._data_set:
                if block == _FIRST_BLOCK:
                    yield block
                continue
            value = self._data_set.get_item(tag).value
            text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
            if text.strip("\0 ") == creator:
                yield block


def element_numbers(data_set: Dataset, tag: int, vr: str, count: int) -> tuple[float, ...] | None:
    """Return an element's value, if it is exactly ``count`` finite numbers.

    ``vr`` counts where the file states none (PS3.5 A.1, and UN).
    """
    item = data_set.get_item(tag) if tag in data_set else None
    if item is None or not isinstance(item.value, bytes):
        return None
    stated = str(item.VR or "UN")
    vr = vr if stated == "UN" else stated
    if vr in _BINARY:
        big = data_set.original_encoding[1] is False
        return _binary(item.value, _BINARY[vr], count, order=">" if big else "<")
    return finite_numbers(item.value.decode("latin-1").strip("\0 ").split("\\"), count)


def _binary(raw: bytes, code: str, count: int, order: str) -> tuple[float, ...] | None:
    form = struct.Struct(f"{order}{count}{code}")
    if len(raw) != form.size:
        return None
    numbers = tuple(float(number) for number in form.unpack(raw))
    return numbers if all(map(math.isfinite, numbers)) else None
