"""The law of exact restoration: ``rebuild(encapsulate(raw, claims)) == raw``.

An original file is a run of bytes. *Claims* say where in it pixels lie; a claim may be wrong.
:func:`encapsulate` stores each claimed plane as JPEG-LS and each claimed fragment as it is, and
keeps every byte that no claim covers, or whose claim does not hold, as a literal. So a capsule
is always true, and at worst large.
"""

from __future__ import annotations

import lzma
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_dicom_markup.errors import DamagedError
from napari_dicom_markup.model.claim import Claim, PlaneLayout
from napari_dicom_markup.model.sidecar import Part, PartKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

Take = Callable[[int], bytes]
"""Returns the next n bytes of a stream, or fewer at its end."""

PACK_FROM = 1 << 20
"""Longer literal runs (a waveform, a dose grid) are packed on their own, off the header block."""

PACK_CHUNK = 16 << 20
"""Bytes that are packed, and so unpacked, at once."""

PLANE_LIMIT = 1 << 27
"""Larger planes (8192 × 8192 words) are packed in chunks: no small part may fill the memory."""

LARGE_PLANE = 1 << 17
"""Numbers from which a plane goes to imagecodecs, which encodes outside Python's lock.

It codes 16 bit numbers with a precision of 16 bits whatever their range: some 2 kB more a plane
than pyjpegls takes, which counts in small planes and is 1 % of a CT's 512 × 512.
"""

XZ_PRESET = 6
"""notes on formats: concatenated headers gain nothing from a higher preset."""


@dataclass(frozen=True, slots=True)
class Encapsulated:
    """The parts of one file, with the bytes that they need: header bytes and payload."""

    parts: tuple[Part, ...]
    literal: bytes
    payload: tuple[bytes, ...]


def encapsulate(
    raw: bytes | memoryview, claims: Iterable[Claim], *, checked: bool = True
) -> Encapsulated:
    """Take a file apart into parts from which :func:`rebuild` makes it again.

    Claims that overlap, run past the end or do not hold are kept as literal bytes. Unless
    ``checked``, codecs are believed to be lossless: that is for who proves the capsule later, and
    has it made again, checked, where the proof fails.
    """
    view = memoryview(raw)
    pieces: list[tuple[Part, bytes]] = []
    at = 0
    for claim in sorted(claims, key=lambda claim: claim.offset):
        end = claim.offset + claim.length
        if claim.offset < at or claim.length <= 0 or end > len(view):
            continue
        pieces += _literal(view[at : claim.offset])
        pieces += _claimed(view[claim.offset : end], claim.layout, checked=checked)
        at = end
    pieces += _literal(view[at:])
    return _join(pieces)


def _join(pieces: list[tuple[Part, bytes]]) -> Encapsulated:
    """Merge neighbouring literals, and sort the bytes into header bytes and payload."""
    parts: list[Part] = []
    literal, payload = [], []
    for part, stored in pieces:
        if part.kind is not PartKind.LITERAL:
            parts.append(part)
            payload.append(stored)
            continue
        literal.append(stored)
        if parts and parts[-1].kind is PartKind.LITERAL:
            parts[-1] = Part(PartKind.LITERAL, parts[-1].length + part.length)
        else:
            parts.append(part)
    return Encapsulated(tuple(parts), b"".join(literal), tuple(payload))


def _literal(run: memoryview) -> list[tuple[Part, bytes]]:
    if not len(run):
        return []
    if len(run) < PACK_FROM:
        return [(Part(PartKind.LITERAL, len(run)), bytes(run))]
    chunks = (run[at : at + PACK_CHUNK] for at in range(0, len(run), PACK_CHUNK))
    return [_pack(bytes(chunk)) for chunk in chunks]


def _pack(chunk: bytes) -> tuple[Part, bytes]:
    packed = lzma.compress(chunk, preset=XZ_PRESET)
    if len(packed) >= len(chunk):
        return Part(PartKind.VERBATIM, len(chunk), len(chunk)), chunk
    return Part(PartKind.PACKED, len(chunk), len(packed)), packed


def _claimed(
    run: memoryview, layout: PlaneLayout | None, *, checked: bool
) -> list[tuple[Part, bytes]]:
    if layout is None:
        return [(Part(PartKind.VERBATIM, len(run), len(run)), bytes(run))]
    if not 0 < layout.size <= PLANE_LIMIT or layout.width not in {1, 2}:
        return _literal(run)
    pieces = []
    whole = len(run) - len(run) % layout.size
    for at in range(0, whole, layout.size):
        plane = run[at : at + layout.size]
        coded = _encode_plane(plane, layout)
        holds = coded is not None and (not checked or _comes_back(*coded, plane))
        pieces += [coded] if coded is not None and holds else _literal(plane)
    return pieces + _literal(run[whole:])


def _encode_plane(plane: memoryview, layout: PlaneLayout) -> tuple[Part, bytes] | None:
    """Return a plane as JPEG-LS, or None where that cannot hold it or is not smaller."""
    numbers = np.frombuffer(plane, dtype=_dtype(layout.width, big_endian=layout.big_endian))
    native = numbers.astype(f"=u{layout.width}", copy=False)
    base = _base(native)
    shifted = native - native.dtype.type(base)
    if layout.width > 1 and int(shifted.max()) < 256:
        # pyjpegls takes 16-bit arrays of 8 bits or fewer for bytes
        shifted = shifted.astype(np.uint8)
    shape = (layout.rows, layout.columns, layout.samples)
    try:
        coded = _encode_image(shifted.reshape(shape[: 2 if layout.samples == 1 else 3]))
    except (RuntimeError, ValueError, TypeError):  # a matrix that JPEG-LS cannot hold
        return None
    if len(coded) >= len(plane):
        return None
    part = Part(
        PartKind.PLANE,
        length=len(plane),
        stored=len(coded),
        rows=layout.rows,
        columns=layout.columns,
        samples=layout.samples,
        width=layout.width,
        base=base,
        big_endian=layout.big_endian,
    )
    return part, coded


def _comes_back(part: Part, coded: bytes, plane: memoryview) -> bool:
    try:
        return _decode_plane(part, coded) == plane
    except DamagedError:
        return False


def _encode_image(image: NDArray[np.unsignedinteger]) -> bytes:
    """Return a JPEG-LS image whose first marker is its frame header, by either codec."""
    if image.size >= LARGE_PLANE:
        import imagecodecs

        return _without_spiff(bytes(imagecodecs.jpegls_encode(image)))
    import jpeg_ls  # of pyjpegls: unlike imagecodecs it writes the precision that is needed

    return bytes(jpeg_ls.encode_array(image, interleave_mode=None if image.ndim == 2 else 2))


def _without_spiff(coded: bytes) -> bytes:
    """Leave out the segments APP8 of a SPIFF header (ISO 14495-1 annex F), which says no more."""
    at = 2
    while coded[at : at + 2] == b"\xff\xe8":
        at += 2 + int.from_bytes(coded[at + 2 : at + 4], "big")
    return coded[:2] + coded[at:]


def _dtype(width: int, *, big_endian: bool) -> np.dtype[np.unsignedinteger]:
    return np.dtype(f"{'>' if big_endian else '<'}u{width}")


def _base(numbers: NDArray[np.unsignedinteger]) -> int:
    """Return the number to subtract, modulo 2^bits, so that the smallest range is left.

    Example, 16 bits: signed -1000…3000 read as unsigned spans 0…65535; from base 0xFC18
    (-1000) it spans 0…4000.
    """
    signed = numbers.view(numbers.dtype.str.replace("u", "i"))
    low, high = int(numbers.min()), int(numbers.max())
    below, above = int(signed.min()), int(signed.max())
    mask = (1 << (8 * numbers.itemsize)) - 1
    return (below & mask) if above - below < high - low else low


def rebuild(parts: Sequence[Part], literal: Take, payload: Take) -> Iterator[bytes]:
    """Make an original's bytes again, run by run.

    ``literal`` and ``payload`` give the file's own header bytes and payload, in order.

    Raises
    ------
    DamagedError
        Where a part's bytes are missing, do not decode, or do not have the declared size.
    """
    for part in parts:
        if part.kind is PartKind.LITERAL:
            yield _whole(literal(part.length), part.length)
        else:
            yield _unpack(part, _whole(payload(part.stored), part.stored))


def _whole(taken: bytes, length: int) -> bytes:
    if len(taken) != length:
        message = "the sidecar ends before the bytes that its capsule names"
        raise DamagedError(message)
    return taken


def _unpack(part: Part, stored: bytes) -> bytes:
    if part.kind is PartKind.VERBATIM:
        return _whole(stored, part.length)
    if part.kind is PartKind.PACKED:
        return _whole(_unpack_xz(stored, part.length), part.length)
    return _decode_plane(part, stored)


def _unpack_xz(stored: bytes, length: int) -> bytes:
    """Decompress at most ``length`` bytes: what a part declares, and a chunk at most."""
    if length > PACK_CHUNK:
        message = "a packed part declares more bytes than any packed part holds"
        raise DamagedError(message)
    try:
        return lzma.LZMADecompressor(memlimit=256 << 20).decompress(stored, length)
    except (lzma.LZMAError, MemoryError):
        message = "a packed part does not decompress"
        raise DamagedError(message) from None


def _decode_plane(part: Part, stored: bytes) -> bytes:
    import imagecodecs

    layout = PlaneLayout(part.rows, part.columns, part.samples, part.width, part.big_endian)
    declared = (part.rows, part.columns, part.samples)
    fits = layout.size == part.length and 0 < layout.size <= PLANE_LIMIT
    fits = fits and layout.width in {1, 2}
    if not fits or _jpegls_shape(stored) != declared:
        message = "a plane's JPEG-LS image does not have the declared size"
        raise DamagedError(message)
    try:
        image = imagecodecs.jpegls_decode(stored)
    except (imagecodecs.JpeglsError, ValueError, RuntimeError, MemoryError):
        message = "a plane's JPEG-LS image does not decode"
        raise DamagedError(message) from None
    numbers = image.astype(f"=u{part.width}", copy=False)
    base = numbers.dtype.type(part.base & ((1 << (8 * part.width)) - 1))
    np.add(numbers, base, out=numbers)
    return _whole(
        numbers.astype(_dtype(part.width, big_endian=part.big_endian), copy=False).tobytes(),
        part.length,
    )


def _jpegls_shape(stored: bytes) -> tuple[int, int, int] | None:
    """Return (rows, columns, components) that a JPEG-LS frame header states (ISO 14495-1 C.2.2).

    It is the first marker, as the encoder here writes it: FFD8 FFF7, length, precision, rows,
    columns, components.
    """
    if len(stored) < 12 or stored[:4] != b"\xff\xd8\xff\xf7":
        return None
    rows, columns = int.from_bytes(stored[7:9], "big"), int.from_bytes(stored[9:11], "big")
    return rows, columns, stored[11]
