"""The bytes of a vault file: header, footer, additional data of chunks, padding.

All numbers are big-endian. ``docs/vault.md`` has the same as tables.

======================  =========================================================
0                       header, ``capacity`` bytes, ends with its HMAC-SHA256
``capacity``            the header again: one of both is whole at any moment
2 × ``capacity``        records, chunk after chunk; the index is the last
the last 88 bytes       footer, ends with its HMAC-SHA256
======================  =========================================================
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from napari_dicom_markup.errors import DamagedError, VersionError
from napari_dicom_markup.model.vault import Entry, RecordKind, SlotKind

ReadAt = Callable[[int, int], bytes]
"""Returns ``size`` bytes of a file from ``offset``, or fewer at its end."""

Random = Callable[[int], bytes]
"""Returns n random bytes."""

MAGIC = b"DCMVAULT"
END_MAGIC = b"DCMVEND1"
VERSION = 1

KEY_SIZE = 32
TAG_SIZE = 16
MAC_SIZE = 32
CHUNK = 1 << 20
"""Bytes of a record that are encrypted at once."""

CAPACITIES = tuple(1 << power for power in range(10, 21))
"""Sizes that a header may have. It is rewritten in place, so it has room from the start."""

CAPACITY = 8192
"""Room for about 12 certificates of 4096 bits, or 57 X25519 keys."""

SMALLEST_BUCKET = 512
"""Padded size of the smallest records: the delta of a CT image's header fits."""

_HEADER = struct.Struct(">8sHIIB16s4s")
_SLOT = struct.Struct(">BH32s12s48s")
_FOOTER = struct.Struct(">8s16sQQQQ")
FOOTER_SIZE = _FOOTER.size + MAC_SIZE
_RECORD = struct.Struct(">8sH16sBQQBH")


@dataclass(frozen=True, slots=True)
class SealedSlot:
    """A key slot: the vault key under a key of its own, and what makes that key again."""

    kind: int
    fingerprint: bytes
    nonce: bytes = field(repr=False)
    wrapped: bytes = field(repr=False)
    params: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Header:
    """What stands in front of the records; ``revision`` counts the rewritings of the slots."""

    vault_id: bytes
    prefix: bytes
    capacity: int
    revision: int
    slots: tuple[SealedSlot, ...]


@dataclass(frozen=True, slots=True)
class Footer:
    """Where the index is: its number, offset, padded size, and its first nonce's counter."""

    number: int
    offset: int
    stored: int
    counter: int


@dataclass(frozen=True, slots=True)
class Binding:
    """What a record is bound to: nothing else of the same vault can take its place."""

    kind: RecordKind
    number: int
    new_uid: str = ""
    exported_sha256: bytes = bytes(32)


class Where(StrEnum):
    """The parts of a vault that an error names; records have their number."""

    HEADER = "header"
    END = "end"
    INDEX = "index"
    IDENTITY = "identity map"
    ORIGINAL = "original"


def damaged(part: Where | int) -> DamagedError:
    """Return the one error for a vault that was cut, altered or put together anew."""
    name = f"record {part}" if isinstance(part, int) else part.value
    message = f"the vault is damaged, cut short or altered ({name}): use another copy of it"
    return DamagedError(message, name)


def encode_header(header: Header) -> bytes:
    """Return a header without its HMAC: ``capacity`` − 32 bytes."""
    data = _HEADER.pack(
        MAGIC,
        VERSION,
        header.capacity,
        header.revision,
        len(header.slots),
        header.vault_id,
        header.prefix,
    )
    for slot in header.slots:
        fixed = _SLOT.pack(slot.kind, len(slot.params), slot.fingerprint, slot.nonce, slot.wrapped)
        data += fixed + slot.params
    return data.ljust(header.capacity - MAC_SIZE, b"\0")


def fits(header: Header) -> bool:
    """Say whether a header's slots fit its room."""
    room = header.capacity - MAC_SIZE
    return len(header.slots) < 256 and len(encode_header(header)) <= room


def decode_header(data: bytes) -> Header:
    """Return the header in ``data``, which begins at a copy; its HMAC is not looked at.

    Raises
    ------
    DamagedError, VersionError
    """
    if len(data) < _HEADER.size or data[: len(MAGIC)] != MAGIC:
        raise damaged(Where.HEADER)
    _, version, capacity, revision, count, vault_id, prefix = _HEADER.unpack_from(data)
    if version > VERSION:
        message = "the vault was written by a newer version of this package: update it"
        raise VersionError(message)
    if version != VERSION or capacity not in CAPACITIES or len(data) < capacity or not count:
        raise damaged(Where.HEADER)
    at, slots = _HEADER.size, []
    for _ in range(count):
        slot, at = _decode_slot(data, at, capacity - MAC_SIZE)
        slots.append(slot)
    return Header(vault_id, prefix, capacity, revision, tuple(slots))


def _decode_slot(data: bytes, at: int, end: int) -> tuple[SealedSlot, int]:
    if at + _SLOT.size > end:
        raise damaged(Where.HEADER)
    kind, size, fingerprint, nonce, wrapped = _SLOT.unpack_from(data, at)
    start = at + _SLOT.size
    if kind not in set(SlotKind) or start + size > end:
        raise damaged(Where.HEADER)
    params = data[start : start + size]
    return SealedSlot(kind, fingerprint, nonce, wrapped, params), start + size


def header_copies(read: ReadAt) -> tuple[tuple[Header, bytes], ...]:
    """Return the copies of the header that can be read, with their bytes, newest first.

    Raises
    ------
    DamagedError, VersionError
        There is none.
    """
    found: dict[bytes, Header] = {}
    problems: list[DamagedError | VersionError] = []
    for offset in (0, *CAPACITIES):
        if read(offset, len(MAGIC)) != MAGIC:
            continue
        data = read(offset, CAPACITIES[-1])
        try:
            header = decode_header(data)
        except (DamagedError, VersionError) as problem:
            problems.append(problem)
            continue
        if offset in {0, header.capacity}:
            found[data[: header.capacity]] = header
    if not found:
        raise next((p for p in problems if isinstance(p, VersionError)), damaged(Where.HEADER))
    newest = sorted(found.items(), key=lambda item: -item[1].revision)
    return tuple((header, data) for data, header in newest)


def encode_footer(footer: Footer, vault_id: bytes) -> bytes:
    """Return a footer without its HMAC."""
    numbers = (footer.number, footer.offset, footer.stored, footer.counter)
    return _FOOTER.pack(END_MAGIC, vault_id, *numbers)


def decode_footer(data: bytes) -> Footer:
    """Return a footer, whose HMAC was checked before."""
    _, _, *numbers = _FOOTER.unpack_from(data)
    return Footer(*numbers)


def binding_of(entry: Entry) -> Binding:
    """Return what an entry's record is bound to."""
    exported = bytes.fromhex(entry.exported_sha256) or bytes(32)
    return Binding(entry.kind, entry.number, entry.new_uid, exported)


def additional_data(vault_id: bytes, binding: Binding, chunk: int, *, last: bool) -> bytes:
    """Return what a chunk is authenticated with: nothing else fits in its place."""
    uid = binding.new_uid.encode()
    fixed = _RECORD.pack(
        MAGIC, VERSION, vault_id, binding.kind, binding.number, chunk, last, len(uid)
    )
    return fixed + uid + binding.exported_sha256


def bucket(length: int) -> int:
    """Return the padded size of ``length`` bytes: four sizes between a power of two and the next.

    Examples
    --------
    >>> bucket(1), bucket(513), bucket(1000), bucket(1025)
    (512, 640, 1024, 1280)
    """
    if length <= SMALLEST_BUCKET:
        return SMALLEST_BUCKET
    step = 1 << ((length - 1).bit_length() - 3)
    return -(-length // step) * step


def chunk_count(stored: int) -> int:
    """Return how many chunks a record of ``stored`` padded bytes has."""
    return -(-stored // CHUNK)


def sealed_size(stored: int) -> int:
    """Return how many bytes of the file such a record takes."""
    return stored + chunk_count(stored) * TAG_SIZE
