"""JPEG 2000 and HTJ2K codestreams without comments (ITU-T T.800 annex A)."""

from __future__ import annotations

from dataclasses import dataclass

from napari_dicom_markup.core.anonymizing.unreadable import unreadable

_SOT, _SOD, _EOC, _COM, _TLM = 0xFF90, 0xFF93, 0xFFD9, 0xFF64, 0xFF55
_SOT_LENGTH = 12
"""Marker and segment of a tile-part's start: FF90, length, tile, Psot, part, parts."""


@dataclass(frozen=True, slots=True)
class _Segment:
    code: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _TilePart:
    """A tile-part as it is written: ``length`` stands in TLM, even where its own Psot is 0."""

    tile: int
    data: bytes

    @property
    def length(self) -> int:
        return len(self.data)


def clean_jpeg_2000(stream: bytes) -> bytes:
    """Return a codestream without comments; lengths of tile-parts say so, in TLM too.

    Packed packet headers and packet lengths (PPM, PPT, PLM, PLT) do not depend on comments.

    Raises
    ------
    DecodeError
        A segment or a tile-part runs past the end, or TLM does not fit the tile-parts.
    """
    main, position = _segments(stream, 2, _SOT)
    parts: list[_TilePart] = []
    while _code(stream, position) == _SOT:
        part, position = _tile_part(stream, position)
        parts.append(part)
    rest = stream[position:]
    ended = rest[:2] == b"\xff\xd9"
    if not ended and rest.strip(b"\0"):
        raise unreadable(position, "tile-part")
    header = _main_header(stream, main, parts)
    return b"".join((header, *(part.data for part in parts), b"\xff\xd9" if ended else b""))


def _code(stream: bytes, position: int) -> int:
    return int.from_bytes(stream[position : position + 2], "big")


def _segments(stream: bytes, position: int, stop: int) -> tuple[list[_Segment], int]:
    """Return a header's marker segments, and where the marker stands that ends it."""
    found: list[_Segment] = []
    while (code := _code(stream, position)) != stop:
        length = int.from_bytes(stream[position + 2 : position + 4], "big")
        end = position + 2 + length
        if code < 0xFF40 or 0xFF90 <= code < 0xFFA0 or length < 2 or end > len(stream):
            raise unreadable(position, "marker segment")
        found.append(_Segment(code, position, end))
        position = end
    return found, position


def _tile_part(stream: bytes, start: int) -> tuple[_TilePart, int]:
    """Return a tile-part without comments, and where it ended in the stream."""
    head = stream[start : start + _SOT_LENGTH]
    length = int.from_bytes(head[6:10], "big")
    end = start + length if length else _end_of_last(stream)
    segments, data = _segments(stream, start + _SOT_LENGTH, _SOD)
    if head[2:4] != b"\0\x0a" or end > len(stream) or end < data + 2:
        raise unreadable(start, "tile-part")
    kept = b"".join(stream[one.start : one.end] for one in segments if one.code != _COM)
    size = _SOT_LENGTH + len(kept) + end - data if length else 0
    whole = b"".join((head[:6], size.to_bytes(4, "big"), head[10:], kept, stream[data:end]))
    return _TilePart(int.from_bytes(head[4:6], "big"), whole), end


def _end_of_last(stream: bytes) -> int:
    """Return where a tile-part of unknown length ends: the codestream's last marker.

    No two bytes above FF8F stand in packet data (T.800 B.10.1), so the last EOC is the end.
    """
    found = stream.rfind(b"\xff\xd9")
    return found if found >= 0 else len(stream)


def _main_header(stream: bytes, segments: list[_Segment], parts: list[_TilePart]) -> bytes:
    tables = sorted(
        (one for one in segments if one.code == _TLM), key=lambda t: stream[t.start + 4]
    )
    rewritten: dict[int, bytes] = {}
    done = 0
    for table in tables:
        rewritten[table.start], count = _lengths(stream[table.start : table.end], parts[done:])
        done += count
    if tables and done != len(parts):
        raise unreadable(tables[0].start, "lengths of tile-parts")
    kept = (one for one in segments if one.code != _COM)
    return b"\xff\x4f" + b"".join(
        rewritten.get(one.start, stream[one.start : one.end]) for one in kept
    )


def _lengths(table: bytes, parts: list[_TilePart]) -> tuple[bytes, int]:
    """Return a TLM segment with the lengths of these tile-parts, and how many it names.

    Its byte 5 tells the sizes: bits 4-5 of the tile's number, bit 6 of the length (T.800 A.7.1).
    """
    if len(table) < 6:
        raise unreadable(0, "lengths of tile-parts")
    tile_size, length_size = (table[5] >> 4) & 3, 4 if table[5] & 0x40 else 2
    count, over = divmod(len(table) - 6, tile_size + length_size)
    if over or count > len(parts) or tile_size > 2:
        raise unreadable(0, "lengths of tile-parts")
    entries = [table[:6]]
    for n, part in enumerate(parts[:count]):
        at = 6 + n * (tile_size + length_size)
        entries += (table[at : at + tile_size], part.length.to_bytes(length_size, "big"))
    return b"".join(entries), count
