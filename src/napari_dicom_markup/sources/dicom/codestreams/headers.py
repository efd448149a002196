"""What the headers of codestreams say, read before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass

_JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  "
_JPEG_XL_SIGNATURE = b"\x00\x00\x00\x0cJXL "
_RGB_COMPONENTS = ((0x52, 0x47, 0x42), (0x72, 0x67, 0x62))
_FRAME_MARKERS = frozenset({0xF7, *range(0xC0, 0xD0)}) - {0xC4, 0xC8, 0xCC}
"""SOF0 to SOF15 of JPEG without DHT, JPG and DAC, and SOF55 of JPEG-LS."""


@dataclass(frozen=True, slots=True)
class Codestream:
    """What a codestream's own header says; ``jfif`` marks YCbCr, ``components`` are the IDs."""

    rows: int
    columns: int
    precision: int
    components: tuple[int, ...]
    jfif: bool = False


def jpeg_header(data: memoryview) -> Codestream:
    """Return what stands before the first scan of a JPEG or JPEG-LS codestream.

    Raises
    ------
    ValueError
        Where the bytes are no such codestream.
    """
    jfif = False
    at = 2 if bytes(data[:2]) == b"\xff\xd8" else len(data)
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        body = bytes(data[at + 4 : at + 2 + length])
        if marker in _FRAME_MARKERS:
            return _frame_header(body, jfif=jfif)
        jfif |= 0xE0 <= marker <= 0xEF and body.startswith(b"JFIF")
        at += 2 + length
    message = "it is no JPEG codestream"
    raise ValueError(message)


def _frame_header(body: bytes, *, jfif: bool) -> Codestream:
    """Return the frame header's content (ISO/IEC 10918-1 B.2.2)."""
    if len(body) < 6 or len(body) < 6 + 3 * body[5]:
        message = "the JPEG frame header is cut off"
        raise ValueError(message)
    rows, columns = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    return Codestream(rows, columns, body[0], tuple(body[6 : 6 + 3 * body[5] : 3]), jfif)


def jpeg_2000_header(data: memoryview) -> Codestream:
    """Return the SIZ marker segment (ISO/IEC 15444-1 A.5.1) of a codestream or a JP2 file.

    Raises
    ------
    ValueError
        Where the bytes are no JPEG 2000.
    """
    at = _codestream_offset(data)
    head = bytes(data[at : at + 43])
    if len(head) < 43 or head[:4] != b"\xff\x4f\xff\x51":
        message = "it is no JPEG 2000 codestream"
        raise ValueError(message)
    right, bottom, left, top = (int.from_bytes(head[i : i + 4], "big") for i in (8, 12, 16, 20))
    components = tuple(range(int.from_bytes(head[40:42], "big")))
    return Codestream(bottom - top, right - left, (head[42] & 0x7F) + 1, components)


def _codestream_offset(data: memoryview) -> int:
    """Return where the contiguous codestream box's content starts (0 without JP2 boxes)."""
    return _box(data, {b"jp2c": 0}) if bytes(data[:8]) == _JP2_SIGNATURE else 0


def _box(data: memoryview, kinds: dict[bytes, int]) -> int:
    """Return where the content of the first box of a kind starts, behind so many bytes of it."""
    at = 12
    while at + 8 <= len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), bytes(data[at + 4 : at + 8])
        head = 16 if size == 1 else 8
        if kind in kinds:
            return at + head + kinds[kind]
        at += max(int.from_bytes(data[at + 8 : at + 16], "big") if size == 1 else size, 8)
    return len(data)


class _Bits:
    """Bits of a JPEG XL codestream, the lowest of a byte first (ISO/IEC 18181-1 annex B)."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        taken = self._value & ((1 << count) - 1)
        self._value >>= count
        return taken

    def choice(self, *choices: tuple[int, int]) -> int:
        """Return U32: two bits choose (what to add, how many bits to read)."""
        start, count = choices[self.take(2)]
        return start + self.take(count)


_LENGTHS = ((1, 9), (1, 13), (1, 18), (1, 30))
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_JPEG_XL_HEADER = 40
"""Bytes that hold what is read of a header: its fields take at most 200 bits."""


def jpeg_xl_header(data: memoryview) -> Codestream:
    """Return the size and format that a JPEG XL codestream or file (ISO/IEC 18181) announces.

    Raises
    ------
    ValueError
        Where the bytes are no JPEG XL, or no single plain image.
    """
    boxes = bytes(data[:8]) == _JPEG_XL_SIGNATURE
    at = _box(data, {b"jxlc": 0, b"jxlp": 4}) if boxes else 0
    head = bytes(data[at : at + _JPEG_XL_HEADER])
    if not head.startswith(b"\xff\x0a"):
        message = "it is no JPEG XL codestream"
        raise ValueError(message)
    bits = _Bits(head[2:])
    rows, columns = _jpeg_xl_size(bits)
    if bits.take(1):
        return Codestream(rows, columns, 8, (0, 1, 2))
    precision = _jpeg_xl_precision(bits)
    components = _jpeg_xl_components(bits)
    return Codestream(rows, columns, precision, tuple(range(components)))


def _jpeg_xl_size(bits: _Bits) -> tuple[int, int]:
    """Return rows and columns (SizeHeader)."""
    small = bits.take(1)
    rows = 8 * (bits.take(5) + 1) if small else bits.choice(*_LENGTHS)
    ratio = bits.take(3)
    if ratio:
        wide, high = _RATIOS[ratio - 1]
        return rows, rows * wide // high
    return rows, 8 * (bits.take(5) + 1) if small else bits.choice(*_LENGTHS)


def _jpeg_xl_precision(bits: _Bits) -> int:
    """Return the bits of a sample (ImageMetadata up to BitDepth)."""
    if bits.take(1):
        bits.take(3)
        if bits.take(1):
            _jpeg_xl_size(bits)
        if bits.take(2):
            message = "it has a preview or is animated"
            raise ValueError(message)
    if bits.take(1):
        message = "its samples are floating-point numbers"
        raise ValueError(message)
    return bits.choice((8, 0), (10, 0), (12, 0), (1, 6))


def _jpeg_xl_components(bits: _Bits) -> int:
    """Return how many samples a pixel has (ImageMetadata from BitDepth to ColourEncoding)."""
    bits.take(1)
    if bits.choice((0, 0), (1, 0), (2, 4), (1, 12)):
        message = "it has more channels than its colours"
        raise ValueError(message)
    bits.take(1)
    if bits.take(1):
        return 3
    bits.take(1)
    return 1 if bits.choice((0, 0), (1, 0), (2, 4), (18, 6)) == 1 else 3


def colour_space(header: Codestream, photometric: str) -> str:
    """Return RGB or YCBCR: how a JPEG or JPEG-LS codestream's three components are to be read.

    1. Components named R, G and B are RGB. 2. A JFIF marker means YCbCr. 3. Otherwise the
    photometric interpretation counts. These are pydicom 3's rules; like DCMTK it does not let
    Adobe's APP14 marker overrule the data set.
    """
    if header.components in _RGB_COMPONENTS:
        return "RGB"
    return "YCBCR" if header.jfif or "YBR" in photometric else "RGB"
