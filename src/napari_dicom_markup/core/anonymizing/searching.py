"""The bytes of a file that can hold text, and the search for many words in them."""

from __future__ import annotations

import re
import zlib
from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from napari_dicom_markup.core.anonymizing.tokens import Reach, Role, Token, glued, spaced
from napari_dicom_markup.standard import transfer_syntax as ts

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from pydicom.dataset import Dataset

INFLATED_LIMIT = 1 << 30
"""Bytes of a deflated data set that are searched; ours are far below."""

_PREAMBLE = 128
_TAGS = (
    (0x7FE00010, "PixelData"),
    (0x7FE00008, "FloatPixelData"),
    (0x7FE00009, "DoubleFloatPixelData"),
)
_ITEM = b"\xfe\xff\x00\xe0"


class Region(NamedTuple):
    """Bytes to search: their kind, where they start in the file, and the starts of their parts.

    ``parts`` holds (offset in ``raw``, offset in the file) of each piece of a joined region.
    """

    name: str
    start: int
    raw: bytes
    parts: tuple[tuple[int, int], ...] = ()

    def at(self, offset: int) -> int:
        """Return where a byte of the region stands in the file."""
        if not self.parts:
            return self.start + offset
        inside, outside = self.parts[bisect_right(self.parts, (offset, 1 << 62)) - 1]
        return outside + offset - inside


def regions(raw: bytes, data_set: Dataset) -> Iterator[Region]:
    """Return the runs of a file's bytes that can hold text: all but pixel values."""
    yield Region("preamble", 0, raw[:_PREAMBLE])
    meta = getattr(data_set, "file_meta", None)
    if meta is not None and meta.get("TransferSyntaxUID") == ts.DEFLATED_LE:
        yield from _inflated(raw, data_set)
        return
    yield from _around_pixels(raw, _PREAMBLE, data_set)


def _inflated(raw: bytes, data_set: Dataset) -> Iterator[Region]:
    """Return the file meta and the inflated data set; group length tells where it starts."""
    length = int(data_set.file_meta.get("FileMetaInformationGroupLength", 0) or 0)
    start = _PREAMBLE + 4 + 12 + length
    yield Region("file meta", _PREAMBLE, raw[_PREAMBLE:start])
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        body = stream.decompress(raw[start:], INFLATED_LIMIT)
    except zlib.error:
        body = b""
    yield from _around_pixels(body, 0, data_set)
    yield Region("trailing", start, stream.unused_data)


def _around_pixels(raw: bytes, start: int, data_set: Dataset) -> Iterator[Region]:
    span = _pixel_span(raw, data_set)
    if span is None:
        yield Region("data set", start, raw[start:])
        return
    first, last, encapsulated = span
    yield Region("data set", start, raw[start:first])
    if encapsulated:
        last = yield from _fragments(raw, first)
    yield Region("after pixels", last, raw[last:])


def _pixel_span(raw: bytes, data_set: Dataset) -> tuple[int, int, bool] | None:
    """Return where the pixel values of the top level start and end, and whether in fragments.

    The element is found by its header and proven by its first bytes.
    """
    for tag, keyword in _TAGS:
        value = getattr(data_set.get(keyword), "value", data_set.get(keyword))
        if not isinstance(value, bytes) or not value:
            continue
        little = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little")
        for head in (little, tag.to_bytes(4, "big")):
            found = _value_start(raw, head, value)
            if found is not None:
                return (*found, value[:4] == _ITEM)
    return None


def _value_start(raw: bytes, head: bytes, value: bytes) -> tuple[int, int] | None:
    at = raw.rfind(head)
    while at >= 0:
        for gap in (8, 12):
            start = at + gap
            if (
                raw[start : start + 64] == value[:64]
                and raw[start + len(value) - 1 : start + len(value)]
            ):
                return start, start + len(value)
        at = raw.rfind(head, 0, at)
    return None


def _fragments(raw: bytes, start: int) -> Generator[Region, None, int]:
    """Return the headers of all fragments; the value is where the fragments end."""
    at, found, size = start, [], 0
    while raw[at : at + 4] == _ITEM:
        end = min(at + 8 + int.from_bytes(raw[at + 4 : at + 8], "little"), len(raw))
        for part in _codestream(raw, at + 8, end):
            found.append(part)
            size += len(part.raw)
        at = end
        if size > _BATCH:
            yield _joined(found)
            found, size = [], 0
    if found:
        yield _joined(found)
    return at


_BATCH = 1 << 20
"""Bytes of headers that are searched at once: a slide has ten thousands of frames."""


def _joined(found: list[Region]) -> Region:
    parts, at = [], 0
    for part in found:
        parts.append((at, part.start))
        at += len(part.raw) + 1
    raw = b"\n".join(part.raw for part in found)
    return Region("codestream", found[0].start, raw, tuple(parts))


_JPEG_SEGMENT = re.compile(rb"\xff[\xe0-\xef\xfe]")
_SHORT = 4096


def _codestream(raw: bytes, start: int, end: int) -> Iterator[Region]:
    """Return the parts of one fragment that are no entropy-coded data.

    A fragment that is short, or of no known kind, is searched whole up to 64 KiB.
    """
    head = raw[start : start + 12]
    if end - start <= _SHORT:
        yield Region("fragment", start, raw[start:end])
    elif head[:3] == b"\xff\xd8\xff":
        yield from _jpeg(raw, start, end)
    elif head[:4] == b"\xff\x4f\xff\x51" or head[4:8] == b"jP  ":
        yield from _jpeg_2000(raw, start, end)
    elif head[:3] in (b"\x00\x00\x01", b"\x00\x00\x00") or head[4:8] == b"ftyp":
        yield Region("fragment", start, raw[start : min(end, start + 65536)])
        yield Region("fragment", end - _SHORT, raw[end - _SHORT : end])
    else:  # RLE, or the rest of a frame: no headers that could hold text
        yield Region("fragment", end - 64, raw[end - 64 : end])


def _jpeg(raw: bytes, start: int, end: int) -> Iterator[Region]:
    """Return the segments before the first scan, later APPn and COM, and what follows EOI.

    Entropy-coded data stuffs FF, so that FFE0 to FFEF and FFFE are markers (T.81 B.1.1.5).
    """
    scan = raw.find(b"\xff\xda", start, end)
    first = scan if scan >= 0 else min(end, start + 65536)
    yield Region("codestream", start, raw[start:first])
    for match in _JPEG_SEGMENT.finditer(raw, first, end):
        size = int.from_bytes(raw[match.end() : match.end() + 2], "big")
        yield Region("codestream", match.start(), raw[match.start() : min(end, match.end() + size)])
    tail = max(raw.rfind(b"\xff\xd9", start, end), end - _SHORT)
    yield Region("codestream", tail, raw[tail:end])


def _jpeg_2000(raw: bytes, start: int, end: int) -> Iterator[Region]:
    """Return boxes, the main header and those of tile-parts, and what follows EOC.

    Packets hold no FF90 to FFFF, so that every FF90 (SOT) is one (T.800 A.3).
    """
    tile = raw.find(b"\xff\x90", start, end)
    first = tile if tile >= 0 else min(end, start + 65536)
    yield Region("codestream", start, raw[start:first])
    while tile >= 0:
        data = raw.find(b"\xff\x93", tile, end)
        yield Region("codestream", tile, raw[tile : data if data >= 0 else end])
        tile = raw.find(b"\xff\x90", data, end) if data >= 0 else -1
    tail = max(raw.rfind(b"\xff\xd9", start, end), end - _SHORT)
    yield Region("codestream", tail, raw[tail:end])


_PRINTED = re.compile(rb"[\x20-\x7e]{4,}")
_WIDE = re.compile(rb"(?:[\x20-\x7e]\x00){4,}")


def printed(raw: bytes) -> bytes:
    """Return the runs of four and more printable ASCII characters, those of UTF-16LE narrowed."""
    narrow = _PRINTED.findall(raw)
    return b"\n".join((*narrow, *(run[::2] for run in _WIDE.findall(raw))))


def codecs_of(data_set: Dataset) -> set[str]:
    """Return Python's names of the character sets that a data set uses (PS3.3 C.12.1.1.2)."""
    from pydicom.charset import python_encoding

    terms = data_set.get("SpecificCharacterSet") or ()
    names = (terms,) if isinstance(terms, str) else tuple(terms)
    return {codec for term in names if (codec := python_encoding.get(str(term)))}


class BytePatterns:
    """Spellings of tokens to find in bytes, ASCII letters of either case."""

    __slots__ = ("_foreign", "_plain")

    def __init__(self, spelled: Iterable[tuple[bytes, Token]]) -> None:
        plain: dict[bytes, tuple[Role, bool]] = {}
        foreign: dict[bytes, Role] = {}
        for raw, token in spelled:
            if raw.isascii() and b"\x00" not in raw:
                plain[raw] = (token.role, token.reach is Reach.ANYWHERE and len(raw) >= 8)
            else:
                foreign[raw] = token.role
        self._plain = tuple((raw, *rest) for raw, rest in plain.items())
        self._foreign = tuple(foreign.items())

    def find(self, raw: bytes, runs: bytes) -> Iterator[tuple[Role, int]]:
        """Return the role of each token that is there, and where its first one stands.

        ``runs`` is what is printable in ``raw``: ASCII spellings are looked for in it alone.
        """
        low = runs.lower()
        for needle, role, anywhere in self._plain:
            if _whole(low, needle, anywhere=anywhere) >= 0:
                yield role, max(raw.lower().find(needle), 0)
        low = raw.lower() if self._foreign else b""
        for needle, role in self._foreign:
            at = low.find(needle)
            if at >= 0:
                yield role, at


def _whole(low: bytes, needle: bytes, *, anywhere: bool) -> int:
    """Return where a word stands, not as a part of a longer one unless it may; -1 for nowhere."""
    at = low.find(needle)
    while at >= 0 and not anywhere:
        before, after = (
            low[at - 1 : at] if at else b"",
            low[at + len(needle) : at + len(needle) + 1],
        )
        if not _joins(before, needle[:1]) and not _joins(needle[-1:], after):
            break
        at = low.find(needle, at + 1)
    return at


def _joins(left: bytes, right: bytes) -> bool:
    """Tell whether two bytes are of one word: both letters, or both digits."""
    return (left.isalpha() and right.isalpha()) or (left.isdigit() and right.isdigit())


class TextPatterns:
    """Tokens to find in decoded text, folded: words and phrases, glued ones of eight letters."""

    __slots__ = ("_needles",)

    def __init__(self, tokens: Iterable[Token]) -> None:
        found: set[tuple[str, str, Role]] = set()
        for token in tokens:
            run = glued(token.text)
            anywhere = run if token.reach is Reach.ANYWHERE else ""
            found |= {(f" {token.text} ", anywhere, token.role), (f" {run} ", anywhere, token.role)}
        self._needles = tuple(found)

    def find(self, text: str) -> set[Role]:
        """Return the roles of the tokens that are in a text."""
        words, run = spaced(text), glued(text)
        return {
            role
            for word, anywhere, role in self._needles
            if word in words or (anywhere and anywhere in run)
        }
