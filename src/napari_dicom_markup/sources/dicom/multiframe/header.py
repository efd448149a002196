"""A header as nested items of raw values: what is written as nearly all DICOM files are.

Functional groups make long headers: 4,000 frames have a quarter of a million elements, for which
pydicom takes many seconds. This keeps the wanted ones and hops over the others.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from napari_dicom_markup.errors import DecodeError
from napari_dicom_markup.sources.dicom.multiframe.attributes import ATTRIBUTES

BYTES = {"US": 2, "AT": 2, "UL": 4, "FL": 4, "FD": 8}
"""Bytes that big-endian files have reversed, of the binary VRs among ``ATTRIBUTES``."""

ITEM_LIMIT = 1 << 21
"""Items with content that a header may have: forty for each of fifty thousand frames."""

_DEEPEST = 24
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFE_E000, 0xFFFE_E00D, 0xFFFE_E0DD
_FIRST_PIXELS = 0x7FE0_0008
_UNDEFINED = 0xFFFF_FFFF
_SHORT = frozenset(
    b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split(),
)
_OPAQUE = frozenset({b"UN", b"OB", b"OW"})
_UNWANTED = ("", "")
_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())


class UnusualHeaderError(ValueError):
    """The bytes are not written as nearly all DICOM files are: let pydicom read them."""


@dataclass(slots=True)
class Item:
    """The wanted elements of a data set or a sequence's item, little endian, by keyword."""

    values: dict[str, bytes] = field(default_factory=dict)
    sequences: dict[str, tuple[Item, ...]] = field(default_factory=dict)

    def only(self, sequence: str) -> Item:
        """Return the first item of a sequence, an empty one where there is none."""
        return self.sequences.get(sequence, _NO_ITEMS)[0]


EMPTY = Item()
"""An item that says nothing; never to be changed."""

_NO_ITEMS = (EMPTY,)


def little_endian(value: bytes, vr: str) -> bytes:
    """Return a big-endian value's bytes as little-endian ones."""
    size = BYTES.get(vr, 1)
    if size == 1:
        return value
    return b"".join(value[i : i + size][::-1] for i in range(0, len(value), size))


class HeaderReader:
    """Reads the elements of a header in memory, from a position on."""

    def __init__(self, raw: bytes, *, explicit: bool, big: bool = False) -> None:
        order = ">" if big else "<"
        self._raw = raw
        self._explicit = explicit
        self._big = big
        self._lettered = struct.Struct(order + "HH2sH").unpack_from
        self._plain = struct.Struct(order + "HHL").unpack_from
        self._long = struct.Struct(order + "L").unpack_from
        self._items = 0

    def read(self, position: int) -> Item:
        """Return the data set from ``position`` on, as far as the pixels.

        Raises
        ------
        UnusualHeaderError
            The bytes are not written in this encoding.
        DecodeError
            There are more items than any image has.

        """
        item = Item()
        try:
            self._elements(position, len(self._raw), item, 0)
        except struct.error:
            raise UnusualHeaderError from None
        return item

    def _elements(self, position: int, end: int, item: Item | None, depth: int) -> int:
        """Read elements into ``item`` up to ``end`` or a delimiter; return where the next begins.

        Without ``item`` they are only hopped over.
        """
        while position + 8 <= end:
            tag, vr, length, start = self._head(position)
            if depth and tag == _ITEM_END:
                return start
            if not depth and tag >= _FIRST_PIXELS:
                return self._pixels(tag, start)
            keyword, known = _UNWANTED if item is None else ATTRIBUTES.get(tag, _UNWANTED)
            if length == _UNDEFINED or known == "SQ":
                if vr in _OPAQUE or (known and known != "SQ"):
                    raise UnusualHeaderError
                into = item if known else None
                position, items = self._sequence(start, length, end, into, depth + 1)
                if into is not None and items:
                    into.sequences[keyword] = tuple(items)
                continue
            position = start + length
            if position > end:
                raise UnusualHeaderError
            if known and item is not None:
                value = self._raw[start:position]
                item.values[keyword] = little_endian(value, known) if self._big else value
        if depth and position != end:
            raise UnusualHeaderError
        return position

    def _pixels(self, tag: int, start: int) -> int:
        if tag >> 16 != _FIRST_PIXELS >> 16:
            raise UnusualHeaderError
        return start

    def _sequence(
        self, position: int, length: int, end: int, holder: Item | None, depth: int
    ) -> tuple[int, list[Item]]:
        """Return where the next element begins, and the items where ``holder`` wants them."""
        limited = length != _UNDEFINED
        stop = position + length if limited else end
        if stop > end or depth > _DEEPEST:
            raise UnusualHeaderError
        items: list[Item] = []
        while position < stop:
            group, element, size = self._plain(self._raw, position)
            tag, position = group << 16 | element, position + 8
            if tag == _SEQUENCE_END and not limited:
                return position, items
            if tag != _ITEM:
                raise UnusualHeaderError
            item = self._new_item(size) if holder is not None else None
            last = stop if size == _UNDEFINED else position + size
            if last > stop:
                raise UnusualHeaderError
            position = self._item(position, last, item, depth, closed=size != _UNDEFINED)
            if item is not None:
                items.append(item)
        if not limited:
            raise UnusualHeaderError
        return position, items

    def _item(
        self, position: int, last: int, item: Item | None, depth: int, *, closed: bool
    ) -> int:
        if closed and item is None:
            return last
        position = self._elements(position, last, item, depth)
        if closed and position != last:
            raise UnusualHeaderError
        return position

    def _new_item(self, size: int) -> Item:
        """Return an item to fill; those without content are one, for they may be millions."""
        if not size:
            return EMPTY
        self._items += 1
        if self._items > ITEM_LIMIT:
            message = "its header has more items than any image: not read"
            raise DecodeError(message)
        return Item()

    def _head(self, position: int) -> tuple[int, bytes, int, int]:
        """Return an element's tag, VR, length and the position of its value."""
        if not self._explicit:
            group, element, length = self._plain(self._raw, position)
            return group << 16 | element, b"", length, position + 8
        group, element, vr, length = self._lettered(self._raw, position)
        tag = group << 16 | element
        if vr in _SHORT:
            return tag, vr, length, position + 8
        if vr in _LONG:
            return tag, vr, self._long(self._raw, position + 8)[0], position + 12
        if tag == _ITEM_END or tag >= _FIRST_PIXELS:
            return tag, b"", 0, position + 8
        raise UnusualHeaderError
