"""Where each frame's fragments stand in encapsulated pixel data (PS3.5 A.4, edition 2026d)."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

Span: TypeAlias = tuple[int, int]
"""Offset in the source and length of one fragment, in bytes, without its item header."""

MOST_FRAGMENTS = 1 << 21
"""More are not believed: the largest slides have fewer than 10^6 frames of one fragment each."""

_ITEM = b"\xfe\xff\x00\xe0"
_SEQUENCE_DELIMITER = b"\xfe\xff\xdd\xe0"
_CHUNK = 1 << 16
"""Bytes read at once where items are short."""
_NEAR = 1 << 12
"""Items up to this many bytes apart are read by chunks, longer ones header by header."""
_JPEG = b"\xff\xd8\xff"
_JPEG_2000 = b"\xff\x4f\xff\x51"
_JP2 = b"\x00\x00\x00\x0cjP  "
_JPEG_XL = b"\xff\x0a"
_JPEG_XL_BOXES = b"\x00\x00\x00\x0cJXL "
_RLE = b"\0\0\0\x40\0\0\0"
"""An RLE header (PS3.5 G.5) from the second byte on: below 256 segments, the first at 64."""
_STARTS = (_JPEG, _JPEG_2000, _JP2, _JPEG_XL, _JPEG_XL_BOXES)
"""How codestreams begin; JPEG-LS begins like JPEG, HTJ2K like JPEG 2000."""


class Source(Protocol):
    """Bytes that can be read at any place: a file or a memory map."""

    @property
    def size(self) -> int:
        """How many bytes there are."""

    def read(self, offset: int, length: int) -> memoryview:
        """Return the bytes from ``offset`` on, fewer than ``length`` at the end."""


@dataclass(frozen=True, slots=True, eq=False)
class _Fragments:
    """Items one behind the other: ``bounds[i]`` is where item i starts, the last where all end.

    ``closed``: a sequence delimiter follows. ``cut``: an item follows that the source does not
    hold whole.
    """

    bounds: NDArray[np.int64]
    closed: bool
    cut: bool

    @property
    def count(self) -> int:
        return len(self.bounds) - 1

    @property
    def end(self) -> int:
        return int(self.bounds[-1])


def frame_spans(
    source: Source,
    offset: int,
    frames: int,
    extended: tuple[Sequence[int], Sequence[int]] | None = None,
) -> list[tuple[Span, ...]]:
    """Return for each frame where its fragments are, without reading them.

    1. One frame has all fragments. 2. The Extended Offset Table, then the Basic Offset Table
    count where every entry is the start of an item. 3. As many fragments as frames: one each.
    4. Otherwise a frame starts where a codestream starts (JPEG, JPEG-LS, JPEG 2000, JPEG XL).

    Parameters
    ----------
    source : Source
        What holds the encapsulated element.
    offset : int
        Where the first item, that of the Basic Offset Table, starts.
    frames : int
        The number of frames that the data set claims; no more are returned.
    extended : tuple of sequences, optional
        The offsets and lengths of the Extended Offset Table (PS3.3 C.7.6.3.1.8).

    Returns
    -------
    list of tuple of Span
        One entry a frame. Of a file that breaks off, frames it does not hold whole have none.

    Raises
    ------
    ValueError
        Where frames cannot be told apart; the text is the reason.
    """
    if not 0 < frames <= MOST_FRAGMENTS:
        message = "its number of frames cannot be believed"
        raise ValueError(message)
    headers = _Headers(source)
    start, table = _basic_offset_table(headers, offset, frames)
    found = _walk(headers, start)
    _check(found, frames)
    if frames == 1:
        return [tuple(_spans(found, int(found.bounds[0]), found.end))]
    tables = [_table(extended[0][: frames + 1]), table] if extended is not None else [table]
    firsts = _by_tables(found, frames, tables)
    if firsts is None:
        firsts = _by_codestreams(headers, found, frames)
    spans = _grouped(found, firsts, frames)
    return _trimmed(spans, extended[1]) if extended is not None else spans


def _check(found: _Fragments, frames: int) -> None:
    if found.end - found.bounds[0] <= 8 * found.count:
        message = "it holds no fragment"
    elif frames == 1 and found.cut:
        message = "an item is cut off or damaged"
    else:
        return
    raise ValueError(message)


def _basic_offset_table(
    headers: _Headers, offset: int, frames: int
) -> tuple[int, NDArray[np.int64]]:
    """Return where the first fragment's item starts, and the table's entries.

    Writers are known that leave the table's item out: a codestream is no table.
    """
    length = headers.item_length(offset)
    if length is None:
        message = "the item of the Basic Offset Table is cut off or damaged"
        raise ValueError(message)
    if headers.bytes_at(offset + 8, min(length, 8)).startswith((_JPEG, _JPEG_2000)):
        return offset, _table(())
    used = 4 * (frames + 1) if length // 4 > frames else length - length % 4
    entries = np.frombuffer(headers.source.read(offset + 8, used), "<u4")
    return offset + 8 + length, entries.astype(np.int64)


def _table(entries: Sequence[int]) -> NDArray[np.int64]:
    """Return entries of 64 bits, those that no file can have as -1."""
    return np.array([entry if 0 <= entry < 1 << 62 else -1 for entry in entries], np.int64)


class _Headers:
    """Reads a few bytes here and there, from one chunk as long as they stand close together."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._size = source.size
        self._chunk = b""
        self._start = 0

    def bytes_at(self, offset: int, length: int) -> bytes:
        """Return at most ``length`` bytes, fewer where the source ends."""
        at = offset - self._start
        if not 0 <= at <= len(self._chunk) - length:
            near = 0 <= at <= len(self._chunk) + _NEAR
            wanted = min(max(_CHUNK if near else 0, length), self._size - offset)
            self._chunk = bytes(self.source.read(offset, wanted)) if wanted > 0 else b""
            self._start, at = offset, 0
        return self._chunk[at : at + length]

    def item_length(self, offset: int) -> int | None:
        """Return how long the item at an offset is; None where none is or it is cut off."""
        head = self.bytes_at(offset, 8)
        length = int.from_bytes(head[4:], "little")
        whole = len(head) == 8 and offset + 8 + length <= self._size
        return length if whole and head.startswith(_ITEM) else None


def _walk(headers: _Headers, start: int) -> _Fragments:
    """Return the items from one on, up to a delimiter, the end or anything else."""
    bounds = array("q", [start])
    at = start
    while (length := headers.item_length(at)) is not None:
        at += 8 + length
        bounds.append(at)
        if len(bounds) > MOST_FRAGMENTS:
            message = "it has more fragments than can be believed"
            raise ValueError(message)
    after = headers.bytes_at(at, 4)
    found = np.frombuffer(bounds, np.int64)
    return _Fragments(found, after == _SEQUENCE_DELIMITER, after == _ITEM)


def _by_tables(
    found: _Fragments, frames: int, tables: list[NDArray[np.int64]]
) -> NDArray[np.int64] | None:
    """Return where frames start, by the first table that fits the items; None where none does.

    Entries count from the first fragment's item. Some writers count from elsewhere, hence the
    first entry is taken for that item.
    """
    for table in tables:
        if len(table) < frames or table.min() < 0 or (np.diff(table) <= 0).any():
            continue
        firsts: NDArray[np.int64] = table - table[0] + found.bounds[0]
        held = firsts[firsts < found.end]
        lacking = len(held) < frames
        if np.isin(held, found.bounds).all() and not (lacking and found.closed):
            return firsts
    return None


def _without_empty(found: _Fragments, frames: int) -> NDArray[np.int64]:
    """Return where fragments start; empty ones count only where that makes one a frame."""
    firsts = found.bounds[:-1]
    return firsts if len(firsts) == frames else firsts[np.diff(found.bounds) > 8]


def _by_codestreams(headers: _Headers, found: _Fragments, frames: int) -> NDArray[np.int64]:
    """Return where frames start, by the number of fragments or else by their first bytes.

    The number alone counts only where no more fragments can have been cut off.

    Raises
    ------
    ValueError
        Where neither tells.
    """
    fragments = _without_empty(found, frames)
    agree = len(fragments) == frames
    if agree and found.closed:
        return fragments
    kinds = [_kind(headers.bytes_at(int(first) + 8, 8)) for first in fragments]
    if kinds and kinds[0]:
        firsts = fragments[[kind == kinds[0] for kind in kinds]]
        another = _breaks_off_at_a_start(headers, found, kinds[0])
        return np.append(firsts, found.end) if another else firsts
    if agree and not found.cut:
        return fragments
    message = "its fragments cannot be told apart by frames"
    raise ValueError(message)


def _breaks_off_at_a_start(headers: _Headers, found: _Fragments, kind: bytes) -> bool:
    """Return whether what follows the whole items is known to be of another frame.

    A frame of RLE has one fragment (PS3.5 A.4.2), so whatever follows it is.
    """
    if found.closed:
        return False
    return kind == _RLE or (found.cut and _kind(headers.bytes_at(found.end + 8, 8)) == kind)


def _kind(head: bytes) -> bytes:
    """Return what sort of codestream starts here; empty where none does."""
    if head[1:] == _RLE and 0 < head[0] < 16:
        return _RLE
    return next((start for start in _STARTS if head.startswith(start)), b"")


def _grouped(found: _Fragments, firsts: NDArray[np.int64], frames: int) -> list[tuple[Span, ...]]:
    """Return the fragments of each frame; a frame that breaks off has none.

    Raises
    ------
    ValueError
        Where there are fewer starts than frames though the data are whole.
    """
    if len(firsts) < frames and found.closed:
        message = "it holds fewer frames than the data set says"
        raise ValueError(message)
    limits = [*firsts[: frames + 1].tolist()]
    if len(limits) <= frames:
        limits.append(found.end + (found.cut or len(firsts) < frames))
    spans = [
        tuple(_spans(found, first, limit)) if limit <= found.end else ()
        for first, limit in pairwise(limits)
    ]
    return spans + [()] * (frames - len(spans))


def _spans(found: _Fragments, first: int, limit: int) -> Iterator[Span]:
    """Yield the fragments between two starts of items; empty ones are left out."""
    low, high = np.searchsorted(found.bounds, (first, limit))
    for start, end in pairwise(found.bounds[low : high + 1].tolist()):
        if end - start > 8:
            yield start + 8, end - start - 8


def _trimmed(spans: list[tuple[Span, ...]], lengths: Sequence[int]) -> list[tuple[Span, ...]]:
    """Return the frames without a padding byte that the Extended Offset Table does not count."""
    if len(lengths) < len(spans):
        return spans
    return [
        ((frame[0][0], length),) if len(frame) == 1 and frame[0][1] - length == 1 else frame
        for frame, length in zip(spans, lengths, strict=False)
    ]
