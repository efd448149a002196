"""Open a vault and take records from it. What is not authentic is not given, not in part either."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from napari_dicom_markup.core.vaulting.delta import decode_delta, rebuild
from napari_dicom_markup.core.vaulting.layout import (
    FOOTER_SIZE,
    Binding,
    Footer,
    Header,
    ReadAt,
    Where,
    binding_of,
    chunk_count,
    damaged,
    decode_footer,
    header_copies,
    sealed_size,
)
from napari_dicom_markup.core.vaulting.sealing import VaultKeys, is_signed, unseal, vault_keys
from napari_dicom_markup.core.vaulting.slots import no_key, open_slots
from napari_dicom_markup.errors import DamagedError, UnsafeNameError, VersionError
from napari_dicom_markup.model.deid import ProjectKey
from napari_dicom_markup.model.sidecar import Capsule, is_safe_relative, original_path
from napari_dicom_markup.model.vault import (
    INDEX_SCHEMA,
    INDEX_VERSION,
    Entry,
    IdentityMap,
    Index,
    Opener,
    RecordKind,
    Slot,
    SlotKind,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

T = TypeVar("T")

DOCUMENT_LIMIT = 1 << 30
"""A larger index is none of ours: a million files take about 500 MB."""


@dataclass(frozen=True, slots=True)
class Unlocked:
    """The header of a vault with its keys."""

    header: Header
    keys: VaultKeys
    vault_key: bytes = field(repr=False)


def unlock(read: ReadAt, opener: Opener) -> Unlocked:
    """Return the newest header that the opener opens and whose HMAC holds.

    Raises
    ------
    VaultKeyError
        There is none: the key is wrong, or both copies of the header were altered.
    DamagedError, VersionError
        There is no header at all, or only one of a newer version.
    """
    for header, data in header_copies(read):
        for vault_key in open_slots(header.slots, opener, header.vault_id):
            keys = vault_keys(vault_key, header.vault_id, header.prefix)
            if is_signed(keys, data):
                return Unlocked(header, keys, vault_key)
    raise no_key()


def check_header(read: ReadAt, keys: VaultKeys) -> None:
    """Check both copies of a header that was just written.

    Raises
    ------
    DamagedError
    """
    copies = header_copies(read)
    if len(copies) != 1 or not is_signed(keys, copies[0][1]):
        raise damaged(Where.HEADER)


def slots_of(header: Header) -> tuple[Slot, ...]:
    """Return a header's slots as anybody may see them, in their order."""
    return tuple(
        Slot(
            SlotKind(slot.kind),
            "" if slot.kind == SlotKind.PASSPHRASE else slot.fingerprint.hex(),
        )
        for slot in header.slots
    )


class Vault:
    """An open vault of ``size`` bytes; its index was checked.

    Raises
    ------
    DamagedError, VersionError
        The vault was cut or altered, or its index is of a newer version.
    """

    def __init__(self, read: ReadAt, size: int, keys: VaultKeys) -> None:
        self._read = read
        self._keys = keys
        self.index = self._read_index(size)
        self._numbers: dict[str, list[int]] = {}
        for entry in self.index.entries:
            if entry.kind is RecordKind.ORIGINAL:
                self._numbers.setdefault(entry.new_uid, []).append(entry.number)

    @property
    def originals(self) -> tuple[Entry, ...]:
        """The entries of the original files, in the order in which they were added."""
        return tuple(e for e in self.index.entries if e.kind is RecordKind.ORIGINAL)

    def find(self, new_uid: str) -> tuple[Entry, ...]:
        """Return the originals behind an exported file: more than one where it had copies."""
        return tuple(self.index.entries[n] for n in self._numbers.get(new_uid, ()))

    def entry_of(self, new_uid: str, exported: bytes) -> Entry:
        """Return the entry of an exported file; the first one where the file had copies.

        Raises
        ------
        DamagedError
            The vault holds no original of it.
        """
        found = self.find(new_uid)
        if not found:
            message = "the vault holds no original of this file: it belongs to another"
            raise DamagedError(message)
        digest = hashlib.sha256(exported).hexdigest()
        return next((entry for entry in found if entry.exported_sha256 == digest), found[0])

    def original(self, entry: Entry, exported: bytes = b"") -> bytes:
        """Return an original file, rebuilt from its export and proven by its SHA-256.

        Raises
        ------
        DamagedError
            The record is damaged, or ``exported`` is not the file that it belongs to.
        """
        delta = decode_delta(self.content(entry))
        if not entry.whole and hashlib.sha256(exported).hexdigest() != entry.exported_sha256:
            message = (
                "the exported file is missing or was changed since the export: "
                "the original comes back only from the very file that was written"
            )
            raise DamagedError(message, f"record {entry.number}")
        if (delta.size, delta.sha256.hex()) != (entry.size, entry.sha256):
            raise damaged(entry.number)
        return rebuild(delta, exported)

    def content(self, entry: Entry) -> bytes:
        """Return the bytes of a record."""
        place = (entry.offset, entry.stored, entry.counter)
        return unseal(self._keys, binding_of(entry), self._read, place)

    def identity(self) -> IdentityMap | None:
        """Return the identity map, None where the vault has none."""
        content = self._only(RecordKind.IDENTITY)
        return None if content is None else _document(content, IdentityMap, Where.IDENTITY)

    def project_key(self) -> ProjectKey | None:
        """Return the project key, None where the vault has none."""
        content = self._only(RecordKind.PROJECT_KEY)
        return None if content is None else ProjectKey(content)

    def prove(self) -> Iterator[Entry]:
        """Yield each entry once its record was found to be what was sealed."""
        for entry in self.index.entries:
            self.content(entry)
            yield entry

    def _only(self, kind: RecordKind) -> bytes | None:
        found = [entry for entry in self.index.entries if entry.kind is kind]
        return self.content(found[0]) if found else None

    def _read_index(self, size: int) -> Index:
        data = self._read(max(size - FOOTER_SIZE, 0), FOOTER_SIZE)
        if len(data) != FOOTER_SIZE or not is_signed(self._keys, data):
            raise damaged(Where.END)
        footer = decode_footer(data)
        if footer.offset + sealed_size(footer.stored) + FOOTER_SIZE != size:
            raise damaged(Where.END)
        place = (footer.offset, footer.stored, footer.counter)
        binding = Binding(RecordKind.INDEX, footer.number)
        content = unseal(self._keys, binding, self._read, place)
        index = _document(content, Index, Where.INDEX)
        _check_index(index, footer)
        return index


def relative_path(entry: Entry) -> str:
    """Return the relative path that an original had, with any byte a name can have.

    Raises
    ------
    UnsafeNameError
        It would leave the folder that it is restored to.
    """
    relative = original_path(Capsule(entry.path, 0, "", (), entry.escaped))
    if not is_safe_relative(relative):
        message = "a name in the vault would leave the folder: that file is not restored"
        raise UnsafeNameError(message, f"record {entry.number}")
    return relative


def _check_index(index: Index, footer: Footer) -> None:
    """Check that the entries are those in front of the index, side by side."""
    if index.schema != INDEX_SCHEMA or index.version > INDEX_VERSION:
        message = "the vault's index is of a newer version of this package: update it"
        raise VersionError(message)
    entries = index.entries
    at, counter = entries[0].offset if entries else footer.offset, 0
    for number, entry in enumerate(entries):
        place = (entry.number, entry.offset, entry.counter)
        if place != (number, at, counter) or entry.stored <= 0 or not _is_hex(entry):
            raise damaged(Where.INDEX)
        at += sealed_size(entry.stored)
        counter += chunk_count(entry.stored)
    if (len(entries), at, counter) != (footer.number, footer.offset, footer.counter):
        raise damaged(Where.INDEX)


def _is_hex(entry: Entry) -> bool:
    """Say whether an entry's hash of its export can be one."""
    text = entry.exported_sha256
    return len(text) in {0, 64} and set(text) <= set("0123456789abcdef")


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _document(content: bytes, kind: type[T], part: Where) -> T:
    """Return a compressed JSON document, which is authentic but may be of another version."""
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(content, DOCUMENT_LIMIT)
        document: T = _adapter(cast("Hashable", kind)).validate_json(data)
    except (zlib.error, ValidationError, ValueError):
        raise damaged(part) from None
    return document
