"""Find the wanted elements in the bytes of many DICOM files at once.

``walk`` steps through the beginnings of many files in lockstep: one numpy operation a step for
all of them. It knows two encodings only, explicit and implicit VR little endian (PS3.5 A.1, A.2),
and says "not for me" at anything unusual: such a file is then read by pydicom. Where a beginning
was too short, the module ``hop`` goes on in that one file.

Nesting is a counter (PS3.5 7.5): a sequence of undefined length raises it, and so does an item
of undefined length; their delimiters lower it. It is even in a data set, odd between the items
of a sequence, and zero at the top level, where alone elements are recorded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_dicom_markup.model.stack import PixelElement
from napari_dicom_markup.sources.dicom.heads import Room
from napari_dicom_markup.standard.attributes import ATTRIBUTES, INDEX, PIXEL_ELEMENTS
from napari_dicom_markup.standard.transfer_syntax import (
    EXPLICIT_LE,
    IMPLICIT_LE,
    RLE,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

Ints: TypeAlias = NDArray[np.int64]
Values: TypeAlias = list[bytes | None]

HEAD = 16 * 1024
"""Bytes of a file's beginning that ``walk`` is best given: most headers end before."""

PREFIX = b"DICM"
PREFIX_END = 132
"""The File Meta Information follows the 128 bytes preamble and "DICM" (PS3.10 7.1)."""

UNDEFINED = 0xFFFF_FFFF
DELIMITERS, ITEM, ITEM_END, SEQUENCE_END = 0xFFFE, 0xE000, 0xE00D, 0xE0DD
_ENCAPSULATED = ("1.2.840.10008.1.2.4.", "1.2.840.10008.1.2.7.", "1.2.840.10008.1.2.8.")
"""Families of transfer syntaxes in explicit VR little endian with encapsulated pixels."""

_PIXEL_GROUP = 0x7FE0

_COMPARED = 64
"""Bytes of the longest value compared between neighbours: a UID's greatest length."""

ODD, PLAIN, WIDE, WIDE_SEQUENCE, DELIMITER, SEQUENCE, UNBOUNDED = range(7)
"""Kinds of elements. WIDE ones have a 32 bit length; the last two an undefined one."""

_SHORT_VRS = "AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US"
_WIDE_VRS = "OB OD OF OL OV OW SV UC UN UR UT UV"
"""The VRs of PS3.5 7.1.2 (edition 2026d) by the size of their length; SQ is a wide one."""

_ACTIVE, _DONE, _CUT, _STRANGE = range(4)
"""Where a file's walk stands; CUT: the bytes at hand end before the header does."""


@dataclass(frozen=True, slots=True)
class Header:
    """Raw little-endian values in the order of ``ATTRIBUTES``, None where absent."""

    values: Sequence[bytes | None] = field(repr=False)
    element: PixelElement | None


@dataclass(frozen=True, slots=True)
class Cut:
    """A walk to be resumed: the next element's ``position`` in the file, and its nesting."""

    values: Values = field(repr=False)
    position: int
    depth: int
    explicit: bool


def _vr_kinds() -> NDArray[np.uint8]:
    kinds = np.full(1 << 16, ODD, np.uint8)
    for names, kind in ((_SHORT_VRS, PLAIN), (_WIDE_VRS, WIDE), ("SQ", WIDE_SEQUENCE)):
        for name in names.split():
            kinds[int.from_bytes(name.encode(), "little")] = kind
    return kinds


_MIX = 40503
"""An odd multiplier that sends the wanted groups and elements to different 16 bit keys."""


def _slots() -> tuple[NDArray[np.int8], Ints]:
    slots = np.full(1 << 16, -1, np.int8)
    tags = np.array([a.tag for a in ATTRIBUTES], np.int64)
    for slot, tag in enumerate(tags.tolist()):
        slots[((tag >> 16) * _MIX & 0xFFFF) ^ (tag & 0xFFFF)] = slot
    return slots, tags


VR_KINDS = _vr_kinds()
_SLOTS, _TAGS = _slots()
_PRESENCE = np.array([a.presence for a in ATTRIBUTES])
_PIXEL_MARKS = np.array([a.tag & 0xFFFF for a in PIXEL_ELEMENTS], np.uint16)
PIXEL_KEYWORDS = {a.tag: a.keyword for a in PIXEL_ELEMENTS}
TRANSFER_SYNTAX = INDEX["TransferSyntaxUID"]


@dataclass(slots=True, eq=False)
class _Elements:
    """One element of each file: ``value`` is where its value begins in the joined bytes."""

    group: NDArray[np.uint16]
    element: NDArray[np.uint16]
    kind: NDArray[np.uint8]
    value: Ints
    length: Ints

    def take(self, index: NDArray[np.intp]) -> _Elements:
        """Return the elements of some files."""
        return _Elements(
            self.group[index],
            self.element[index],
            self.kind[index],
            self.value[index],
            self.length[index],
        )


def _word32(words: NDArray[np.uint16], index: Ints) -> Ints:
    return words.take(index).astype(np.int64) | words.take(index + 1).astype(np.int64) << 16


def _explicit(words: NDArray[np.uint16], position: Ints) -> _Elements:
    """Read element headers in explicit VR (PS3.5 7.1.2)."""
    index = position >> 1
    group, vr, short = words.take(index), words.take(index + 2), words.take(index + 3)
    kind = VR_KINDS.take(vr)
    kind[group == DELIMITERS] = DELIMITER
    value, length = position + 8, short.astype(np.int64)
    wide = np.flatnonzero(kind > PLAIN)
    if wide.size:
        bounded = kind[wide] == DELIMITER
        long = _word32(words, index[wide] + np.where(bounded, 2, 4))
        sequence = np.where(kind[wide] == WIDE_SEQUENCE, SEQUENCE, UNBOUNDED)
        plain = np.where(long == UNDEFINED, sequence, PLAIN)
        kind[wide] = np.where(bounded, DELIMITER, plain)
        value[wide] += np.where(bounded, 0, 4)
        length[wide] = long
    return _Elements(group, words.take(index + 1), kind, value, length)


def _implicit(words: NDArray[np.uint16], position: Ints) -> _Elements:
    """Read element headers in implicit VR (PS3.5 7.1.3); what begins with an item is a sequence."""
    index = position >> 1
    group, length = words.take(index), _word32(words, index + 2)
    kind = np.full(index.size, PLAIN, np.uint8)
    endless = np.flatnonzero(length == UNDEFINED)
    if endless.size:
        following = index[endless] + 4
        mark = words.take(following + 1)
        nested = (words.take(following) == DELIMITERS) & ((mark == ITEM) | (mark == SEQUENCE_END))
        kind[endless] = np.where(nested, SEQUENCE, UNBOUNDED)
    kind[group == DELIMITERS] = DELIMITER
    return _Elements(group, words.take(index + 1), kind, position + 8, length)


def _behind_meta(found: _Elements) -> NDArray[np.bool_]:
    behind: NDArray[np.bool_] = found.group != 2
    return behind


def _at_pixels(found: _Elements) -> NDArray[np.bool_]:
    at: NDArray[np.bool_] = found.group == _PIXEL_GROUP
    return at & np.isin(found.element, _PIXEL_MARKS) if at.any() else at


class _Lockstep:
    """The walk of many files through their joined beginnings, and what it has found."""

    def __init__(self, heads: Iterable[bytes], sizes: Sequence[int], room: Room) -> None:
        count = len(sizes)
        joined, self.starts, lengths = room.join(heads)
        self.flat, self.words = joined.data, joined.view("<u2")
        self.ends = self.starts + lengths
        self.file_ends = self.starts + np.maximum(np.array(sizes, np.int64), lengths)
        self.offsets = np.zeros((count, len(ATTRIBUTES)), np.int64)
        self.lengths = np.full((count, len(ATTRIBUTES)), -1, np.int64)
        self.position = self.starts + PREFIX_END
        self.depth = np.zeros(count, np.int64)
        self.state = np.full(count, _STRANGE, np.uint8)
        self.pixels = np.full((count, 3), -1, np.int64)

    def run(
        self,
        rows: Ints,
        read: Callable[[NDArray[np.uint16], Ints], _Elements],
        leave: Callable[[_Elements], NDArray[np.bool_]],
    ) -> None:
        """Walk the files ``rows`` until each leaves, ends, is cut or looks strange."""
        position, depth, ends = self.position[rows], self.depth[rows], self.ends[rows]
        while rows.size:
            found = read(self.words, position)
            following = found.value + found.length
            plain = (found.kind == PLAIN) & (following <= ends) & (following & 1 == 0)
            plain &= (depth & 1 == 0) & ~leave(found)
            self._record(rows, found, plain & (depth == 0))
            turn = np.flatnonzero(~plain)
            if not turn.size:
                position = following
                continue
            at, self.depth[rows[turn]] = position[turn], depth[turn]
            self.position[rows[turn]] = at
            stay = found.take(turn)
            self._turn(rows[turn], stay, leave(stay))
            following[turn], depth[turn] = self.position[rows[turn]], self.depth[rows[turn]]
            active = self.state[rows] == _ACTIVE
            rows, position = rows[active], following[active]
            depth, ends = depth[active], ends[active]

    def _record(self, rows: Ints, found: _Elements, here: NDArray[np.bool_]) -> None:
        slots = _SLOTS.take((found.group * np.uint16(_MIX)) ^ found.element)
        hits = np.flatnonzero((slots >= 0) & here)
        slot = slots[hits]
        tag = found.group[hits].astype(np.int64) << 16 | found.element[hits]
        true = tag == _TAGS[slot]
        hits, slot = hits[true], slot[true]
        self.offsets[rows[hits], slot] = found.value[hits]
        self.lengths[rows[hits], slot] = np.where(_PRESENCE[slot], 0, found.length[hits])

    def _turn(self, rows: Ints, found: _Elements, leave: NDArray[np.bool_]) -> None:
        """Take the steps that are no plain step: nesting, the end, and what is strange."""
        depth, ends, file_ends = self.depth[rows], self.ends[rows], self.file_ends[rows]
        between, undefined = depth & 1 == 1, found.length == UNDEFINED
        mark = np.where(found.kind == DELIMITER, found.element, 0)
        item = (mark == ITEM) & between
        down = (item & undefined) | ((found.kind == SEQUENCE) & ~between)
        up = ((mark == ITEM_END) & ~between & (depth > 0)) | ((mark == SEQUENCE_END) & between)
        up &= found.length == 0
        over = ((found.kind == PLAIN) & ~between) | (item & ~undefined)
        following = found.value + np.where(over, found.length, 0)
        even = following & 1 == 0
        inside = following <= ends
        self._record(rows, found, (found.kind == SEQUENCE) & (depth == 0))
        go = (down | up | over) & even & inside
        done = leave & (depth == 0)
        state = np.where(go, _ACTIVE, _STRANGE)
        state[(down | up | over) & ~inside & (following <= file_ends)] = _CUT
        state[done] = _DONE
        short = found.value > ends
        state[short & (ends < file_ends)] = _CUT
        finished = (self.position[rows] == file_ends) & (ends == file_ends) & (depth == 0)
        state[short & (ends == file_ends)] = _STRANGE
        state[finished] = _DONE
        go = state == _ACTIVE
        self.position[rows] = np.where(go, following, self.position[rows])
        self.depth[rows] = depth + np.where(go, down.astype(np.int64) - up, 0)
        self.state[rows] = state
        self._note_pixels(rows, found, done & ~short)

    def _note_pixels(self, rows: Ints, found: _Elements, done: NDArray[np.bool_]) -> None:
        at = np.flatnonzero(done & (found.group == _PIXEL_GROUP))
        offset = found.value[at] - self.starts[rows[at]]
        self.pixels[rows[at]] = np.stack((found.element[at], offset, found.length[at]), axis=1)


def is_explicit(syntax: bytes | None) -> bool | None:
    """Tell whether a raw transfer syntax is explicit or implicit VR little endian, or neither."""
    uid = (syntax or b"").rstrip(b"\0 ").decode("ascii", "replace")
    if uid == IMPLICIT_LE:
        return False
    if uid in {EXPLICIT_LE, RLE} or uid.startswith(_ENCAPSULATED):
        return True
    return None


def walk(
    heads: Iterable[bytes], sizes: Sequence[int], room: Room | None = None
) -> list[Header | Cut | None]:
    """Read the wanted elements from the beginnings of files of the given sizes.

    A beginning that is longer than its size says that the file has grown.

    A ``Cut`` is to be resumed with the file itself; None is "not for me". It takes no more steps
    than the longest header has elements, each at about the price of one for all files.
    """
    pack = _Lockstep(heads, sizes, room or Room(len(sizes) * HEAD))
    long = np.flatnonzero(pack.ends - pack.starts >= PREFIX_END)
    middle = (pack.starts[long] + PREFIX_END - len(PREFIX)) >> 1
    rows = long[_word32(pack.words, middle) == int.from_bytes(PREFIX, "little")]
    pack.state[rows] = _ACTIVE
    pack.run(rows, _explicit, _behind_meta)
    pack.state[pack.state == _CUT] = _STRANGE
    rows = np.flatnonzero(pack.state == _DONE)
    explicit = _encodings(pack, rows)
    pack.state[rows] = _STRANGE
    for flag, read in ((1, _explicit), (0, _implicit)):
        some = rows[explicit[rows] == flag]
        pack.state[some] = _ACTIVE
        pack.run(some, read, _at_pixels)
    pack.state[(pack.lengths == UNDEFINED).any(axis=1)] = _STRANGE
    return _collect(pack, explicit)


def _encodings(pack: _Lockstep, rows: Ints) -> NDArray[np.int8]:
    """Tell explicit (1) from implicit (0) files by file meta and first element; -1 is neither."""
    explicit = np.full(pack.state.size, -1, np.int8)
    codes = {True: 1, False: 0, None: -1}
    known: dict[bytes, int] = {}
    begins = pack.offsets[rows, TRANSFER_SYNTAX].tolist()
    lengths = pack.lengths[rows, TRANSFER_SYNTAX].tolist()
    for row, begin, length in zip(rows.tolist(), begins, lengths, strict=True):
        syntax = bytes(pack.flat[begin : begin + max(length, 0)])
        if syntax not in known:
            known[syntax] = codes[is_explicit(syntax)]
        explicit[row] = known[syntax]
    index = pack.position[rows] >> 1
    vr = pack.words.take(index + 2)
    low, high = vr & 0xFF, vr >> 8
    lettered = (low > 0x40) & (low < 0x5B) & (high > 0x40) & (high < 0x5B)
    empty = pack.position[rows] == pack.ends[rows]
    odd = (pack.words.take(index) < 8) | ((explicit[rows] == 0) & lettered)
    explicit[rows[odd & ~empty]] = -1
    return explicit


def _collect(pack: _Lockstep, explicit: NDArray[np.int8]) -> list[Header | Cut | None]:
    """Cut the values out of the heads."""
    found: list[Header | Cut | None] = [None] * pack.state.size
    pack.lengths[pack.state == _STRANGE] = -1
    rest = zip(
        _rows_of_values(pack), pack.state.tolist(), pack.pixels.tolist(),
        (pack.position - pack.starts).tolist(), pack.depth.tolist(), explicit.tolist(),
        strict=True,
    )  # fmt: skip
    for i, (values, state, pixels, position, depth, flag) in enumerate(rest):
        if state == _CUT:
            found[i] = Cut(list(values), position, depth, flag == 1)
        elif state != _STRANGE:
            found[i] = Header(values, pixel_element(*pixels))
    return found


def _rows_of_values(pack: _Lockstep) -> Iterator[tuple[bytes | None, ...]]:
    """Yield the values of each file; neighbours that say the same share the very object.

    Files of one series agree in most attributes: to find that out for all files at once is
    cheaper than to cut each value out of each file, and what is shared is hashed once.
    """
    columns: list[list[bytes | None]] = []
    for offsets, lengths in zip(pack.offsets.T, pack.lengths.T, strict=True):
        first = np.flatnonzero(_differ_from_previous(pack.words, offsets, lengths))
        begins, stops = offsets[first].tolist(), (offsets[first] + lengths[first]).tolist()
        values = [
            bytes(pack.flat[begin:stop]) if stop >= begin else None
            for begin, stop in zip(begins, stops, strict=True)
        ]
        if first.size < lengths.size:
            runs = np.diff(first, append=lengths.size).tolist()
            values = list(chain.from_iterable(map(repeat, values, runs)))
        columns.append(values)
    return zip(*columns, strict=True)


def _differ_from_previous(
    words: NDArray[np.uint16], offsets: Ints, lengths: Ints
) -> NDArray[np.bool_]:
    """Say for each file whether its value differs from that of the file before it.

    Long values are not compared but said to differ.
    """
    differ = np.ones(lengths.size, np.bool_)
    differ[1:] = (lengths[1:] != lengths[:-1]) | (lengths[1:] > _COMPARED)
    equal = np.flatnonzero(~differ)
    longest = int(lengths[equal].max(initial=0))
    if longest > 0:
        column = np.arange((longest + 1) >> 1)
        index = (offsets >> 1)[:, None] + column
        value = words.take(index, mode="clip")
        unlike = value[equal] != value[equal - 1]
        unlike &= column < ((lengths[equal] + 1) >> 1)[:, None]
        differ[equal] = unlike.any(axis=1)
    return differ


def pixel_element(element: int, offset: int, length: int) -> PixelElement | None:
    """Return the pixel element of a number in group 7FE0; None when the number is negative."""
    if element < 0:
        return None
    keyword = PIXEL_KEYWORDS[_PIXEL_GROUP << 16 | element]
    return PixelElement(keyword, offset, None if length == UNDEFINED else length)
