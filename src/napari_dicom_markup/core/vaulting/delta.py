"""The law of the way back: ``rebuild(make_delta(original, exported), exported) == original``.

A delta is what an original has and its export lacks: runs of literal bytes, compressed, between
runs that are copied from the export. Runs are proven before they are used, so a delta is always
true, at worst as large as the original compressed.
"""

from __future__ import annotations

import hashlib
import lzma
import struct
import zlib
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from napari_dicom_markup.core.vaulting.layout import Where, damaged
from napari_dicom_markup.core.vaulting.matching import shared_runs
from napari_dicom_markup.errors import DamagedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicom_markup.model.vault import Run

DICTIONARY = 24 << 10
"""Bytes of the export's header that literals are compressed against; deflate looks back 32 KiB."""

DEFLATE_ONLY = 32 << 10
"""Literals up to this length are deflated; of longer ones, xz is tried too."""

MOST_STEPS = 344
"""Steps that a compressed byte of them can hold: deflate packs at most 1032 bytes into one."""

_HEAD = struct.Struct(">BBQ32sQQ")
_VERSION = 1


class Packing(IntEnum):
    """How a delta's literal bytes are stored."""

    PLAIN = 0
    DEFLATE = 1  # raw, with the dictionary of the export's header
    XZ = 2


@dataclass(frozen=True, slots=True)
class Delta:
    """``steps`` are (literal bytes, where in the export, bytes from there), in order."""

    size: int
    sha256: bytes = field(repr=False)
    steps: tuple[tuple[int, int, int], ...]
    packing: Packing
    packed: bytes = field(repr=False)

    @property
    def whole(self) -> bool:
        """Whether the original is rebuilt without the export."""
        copied = any(length for _, _, length in self.steps)
        return not copied and self.packing is not Packing.DEFLATE


def make_delta(original: bytes, exported: bytes, runs: Sequence[Run] = ()) -> Delta:
    """Return what makes ``original`` again from ``exported``, any bytes both.

    ``runs`` are claims of equal bytes, the pixels say; what they leave is searched. The original
    is kept whole where the delta is not smaller.
    """
    held = shared_runs(original, exported, runs)
    delta = _delta(original, exported, held)
    # A whole one needs no export, and so survives the loss of it.
    if not held or len(encode_delta(delta)) * 4 > len(original):
        whole = _delta(original, b"", ())
        if len(encode_delta(whole)) <= len(encode_delta(delta)):
            return whole
    return delta


def rebuild(delta: Delta, exported: bytes) -> bytes:
    """Return the original.

    Raises
    ------
    DamagedError
        The export is not the one that the delta was made with, or the delta is damaged.
    """
    literal_size = sum(literal for literal, _, _ in delta.steps)
    literals = _unpack(delta, literal_size, _dictionary(delta.steps, exported))
    export, at = memoryview(exported), 0
    pieces: list[bytes | memoryview] = []
    for literal, start, length in delta.steps:
        pieces.append(literals[at : at + literal])
        pieces.append(export[start : start + length])
        at += literal
    original = b"".join(pieces)
    if len(original) != delta.size or hashlib.sha256(original).digest() != delta.sha256:
        raise damaged(Where.ORIGINAL)
    return original


def encode_delta(delta: Delta) -> bytes:
    """Return a delta as bytes."""
    steps = zlib.compress(b"".join(_varint(n) for step in delta.steps for n in step), 9)
    head = _HEAD.pack(
        _VERSION, delta.packing, delta.size, delta.sha256, len(delta.steps), len(steps)
    )
    return head + steps + delta.packed


def decode_delta(data: bytes) -> Delta:
    """Return the delta in some bytes.

    Raises
    ------
    DamagedError
        The bytes are no delta, or its steps do not make up its size.
    """
    try:
        version, packing, size, sha256, count, length = _HEAD.unpack_from(data)
        if count > MOST_STEPS * length:
            raise damaged(Where.ORIGINAL)
        numbers = _numbers(data[_HEAD.size : _HEAD.size + length], count * 3)
        steps = tuple(zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True))
        delta = Delta(size, sha256, steps, Packing(packing), data[_HEAD.size + length :])
    except (struct.error, zlib.error, ValueError, IndexError, DamagedError):
        raise damaged(Where.ORIGINAL) from None
    if version != _VERSION or sum(a + c for a, _, c in steps) != size:
        raise damaged(Where.ORIGINAL)
    return delta


def _delta(original: bytes, exported: bytes, runs: Sequence[Run]) -> Delta:
    view, literals, at = memoryview(original), [], 0
    steps: list[tuple[int, int, int]] = []
    for run in runs:
        literals.append(view[at : run.start])
        steps.append((run.start - at, run.exported, run.length))
        at = run.start + run.length
    literals.append(view[at:])
    steps.append((len(original) - at, 0, 0))
    packing, packed = _pack(b"".join(literals), _dictionary(steps, exported))
    return Delta(len(original), hashlib.sha256(original).digest(), tuple(steps), packing, packed)


def _dictionary(steps: Sequence[tuple[int, int, int]], exported: bytes) -> bytes:
    """Return the export's bytes in front of the longest run: its header, in front of its pixels.

    Without a run, it is what the export begins with.
    """
    _, start, length = max(steps, key=lambda step: step[2], default=(0, 0, 0))
    end = start if length else DICTIONARY
    return exported[max(end - DICTIONARY, 0) : end]


def _pack(literals: bytes, dictionary: bytes) -> tuple[Packing, bytes]:
    choices = [(Packing.PLAIN, literals)]
    if dictionary:
        deflater = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zdict=dictionary)
        choices.append((Packing.DEFLATE, deflater.compress(literals) + deflater.flush()))
    if len(literals) > DEFLATE_ONLY or not dictionary:
        choices.append((Packing.XZ, _xz(literals)))
    return min(choices, key=lambda choice: len(choice[1]))


def _xz(literals: bytes) -> bytes:
    """Return xz with a window no larger than the bytes: else setting it up takes 40 ms."""
    window = min(max(len(literals), 1 << 12), 8 << 20)
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": window}]
    return lzma.compress(literals, check=lzma.CHECK_NONE, filters=filters)


def _unpack(delta: Delta, size: int, dictionary: bytes) -> bytes:
    """Return the literal bytes, of which there are ``size``; no more is inflated."""
    try:
        if delta.packing is Packing.PLAIN:
            literals = delta.packed
        elif delta.packing is Packing.XZ:
            literals = lzma.LZMADecompressor(memlimit=256 << 20).decompress(delta.packed, size + 1)
        else:
            inflater = zlib.decompressobj(-15, zdict=dictionary)
            literals = inflater.decompress(delta.packed, size + 1)
    except (zlib.error, lzma.LZMAError, EOFError, ValueError):
        raise damaged(Where.ORIGINAL) from None
    if len(literals) != size:
        raise damaged(Where.ORIGINAL)
    return literals


def _varint(number: int) -> bytes:
    """Return a number in base 128, least first, with the top bit set on all bytes but the last."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _numbers(packed: bytes, count: int) -> list[int]:
    """Return ``count`` numbers; their bytes may inflate to ten a number, no more."""
    inflater = zlib.decompressobj()
    data = inflater.decompress(packed, count * 10 + 1)
    numbers, at = [], 0
    for _ in range(count):
        number = shift = 0
        while data[at] & 0x80:
            number |= (data[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if shift > 63:
                raise ValueError
        numbers.append(number | data[at] << shift)
        at += 1
    if at != len(data):
        raise ValueError
    return numbers
