"""Put a vault together: its bytes in the order of the file, from originals and random bytes."""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from napari_dicom_markup.core.vaulting.delta import decode_delta, encode_delta, make_delta, rebuild
from napari_dicom_markup.core.vaulting.layout import (
    CAPACITY,
    KEY_SIZE,
    Footer,
    Header,
    Random,
    Where,
    binding_of,
    chunk_count,
    damaged,
    encode_footer,
    encode_header,
    fits,
    sealed_size,
)
from napari_dicom_markup.core.vaulting.sealing import (
    VaultKeys,
    seal,
    sign,
    stored_size,
    vault_keys,
)
from napari_dicom_markup.core.vaulting.slots import MOST_PASSPHRASES, make_slot
from napari_dicom_markup.model.sidecar import store_path
from napari_dicom_markup.model.vault import Entry, Index, RecipientError, RecordKind, SlotKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from napari_dicom_markup.core.vaulting.reading import Unlocked, Vault
    from napari_dicom_markup.model.deid import ProjectKey
    from napari_dicom_markup.model.vault import IdentityMap, Recipient, VaultOriginal


class Assembly:
    """A vault being put together. Write what each method yields, in the order of the calls.

    ``random`` gives the vault key, the vault's id and all that the slots need.

    Raises
    ------
    RecipientError, WeakPassphraseError
    """

    def __init__(
        self, recipients: Iterable[Recipient], random: Random, capacity: int = CAPACITY
    ) -> None:
        self._key, vault_id, prefix = random(KEY_SIZE), random(16), random(4)
        slots = tuple(make_slot(one, self._key, vault_id, random) for one in recipients)
        self._header = _checked(Header(vault_id, prefix, capacity, 1, slots))
        self._keys = vault_keys(self._key, vault_id, prefix)
        self._entries: list[Entry] = []
        self._offset, self._counter = 2 * capacity, 0

    @property
    def vault_id(self) -> bytes:
        """The vault's random name, which a public document may hold."""
        return self._header.vault_id

    @property
    def keys(self) -> VaultKeys:
        """The keys that prove what was written."""
        return self._keys

    def begin(self) -> Iterator[bytes]:
        """Yield the header, twice."""
        copy = sign(self._keys, encode_header(self._header))
        yield copy
        yield copy

    def add(self, original: VaultOriginal) -> Iterator[bytes]:
        """Yield the record of an original, which was proven to come back from it.

        Raises
        ------
        DamagedError
            It did not: a fault of this package or of the machine.
        """
        content = encode_delta(make_delta(original.raw, original.exported, original.runs))
        delta = decode_delta(content)
        if rebuild(delta, original.exported) != original.raw:
            raise damaged(Where.ORIGINAL)
        path, escaped = store_path(original.path)
        entry = replace(
            self._entry(RecordKind.ORIGINAL, content),
            new_uid=original.new_uid,
            exported_sha256=hashlib.sha256(original.exported).hexdigest(),
            path=path,
            escaped=escaped,
            old_uid=_storable(original.old_uid),
            size=delta.size,
            sha256=delta.sha256.hex(),
            whole=delta.whole,
        )
        yield from self._record(entry, content)

    def copy(self, source: Vault) -> Iterator[bytes]:
        """Yield all records of another vault, sealed anew."""
        for entry in source.index.entries:
            content = source.content(entry)
            place = self._entry(entry.kind, content)
            moved = replace(entry, offset=place.offset, counter=place.counter)
            yield from self._record(moved, content)

    def add_identity(self, identity: IdentityMap) -> Iterator[bytes]:
        """Yield the record of the identity map."""
        content = zlib.compress(_json(asdict(_cleaned(identity))), 9)
        yield from self._record(self._entry(RecordKind.IDENTITY, content), content)

    def add_project_key(self, key: ProjectKey) -> Iterator[bytes]:
        """Yield the record of the project key."""
        yield from self._record(self._entry(RecordKind.PROJECT_KEY, key.secret), key.secret)

    def end(self) -> Iterator[bytes]:
        """Yield the index and the footer; nothing follows."""
        index = Index(entries=tuple(self._entries))
        content = zlib.compress(_json(asdict(index)), 9)
        entry = self._entry(RecordKind.INDEX, content)
        yield from self._record(entry, content)
        footer = Footer(entry.number, entry.offset, entry.stored, entry.counter)
        yield sign(self._keys, encode_footer(footer, self.vault_id))

    def _entry(self, kind: RecordKind, content: bytes) -> Entry:
        """Return the next record's place."""
        number, stored = len(self._entries), stored_size(content)
        return Entry(kind, number, self._offset, stored, self._counter)

    def _record(self, entry: Entry, content: bytes) -> Iterator[bytes]:
        self._entries.append(entry)
        self._offset += sealed_size(entry.stored)
        self._counter += chunk_count(entry.stored)
        yield from seal(self._keys, binding_of(entry), content, entry.counter)


def changed_header(
    unlocked: Unlocked,
    *,
    add: Iterable[Recipient] = (),
    remove: Collection[int] = (),
    random: Random,
) -> bytes:
    """Return the header with other slots; the records stay, and so does the vault key.

    ``remove`` are numbers of slots. Whoever had the key once still has it: see ``Assembly.copy``.

    Raises
    ------
    RecipientError, WeakPassphraseError
        A recipient cannot be, none would be left, or there is no room.
    """
    old = unlocked.header
    kept = [slot for number, slot in enumerate(old.slots) if number not in remove]
    new = [make_slot(one, unlocked.vault_key, old.vault_id, random) for one in add]
    header = _checked(replace(old, revision=old.revision + 1, slots=(*kept, *new)))
    return sign(unlocked.keys, encode_header(header))


def _checked(header: Header) -> Header:
    if not header.slots:
        message = "a vault needs at least one passphrase, public key or certificate"
        raise RecipientError(message)
    passphrases = sum(slot.kind == SlotKind.PASSPHRASE for slot in header.slots)
    if passphrases > MOST_PASSPHRASES:
        message = f"a vault takes at most {MOST_PASSPHRASES} passphrases: remove some"
        raise RecipientError(message)
    if not fits(header):
        message = "the vault's header has no room for so many keys: remove some"
        raise RecipientError(message)
    return header


def _cleaned(identity: IdentityMap) -> IdentityMap:
    return replace(
        identity,
        uids={_storable(old): _storable(new) for old, new in identity.uids.items()},
        ids={_storable(old): _storable(new) for old, new in identity.ids.items()},
        day_offsets={_storable(new): days for new, days in identity.day_offsets.items()},
    )


def _storable(text: str) -> str:
    """Return text that JSON can hold: half a surrogate pair, from bytes of any kind, is escaped."""
    return text.encode("utf-8", "backslashreplace").decode()


def _json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
