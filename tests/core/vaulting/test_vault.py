"""A vault's bytes: what was sealed comes out exactly, or nothing does."""

from __future__ import annotations

import hashlib
import hmac
import json
import struct
import zlib
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from tests.vaults import (
    GOLDEN,
    IDENTITY,
    PASSPHRASE,
    PROJECT_KEY,
    all_of,
    certificate,
    counted_random,
    open_bytes,
    originals,
    private_key,
    rsa_pair,
    vault_bytes,
    x25519_pair,
)

from napari_dicom_markup.core.vaulting.layout import (
    CHUNK,
    FOOTER_SIZE,
    Binding,
    bucket,
    chunk_count,
    header_copies,
    sealed_size,
)
from napari_dicom_markup.core.vaulting.reading import relative_path, slots_of, unlock
from napari_dicom_markup.core.vaulting.sealing import nonce, seal, unseal, vault_keys
from napari_dicom_markup.core.vaulting.writing import Assembly, changed_header
from napari_dicom_markup.errors import DamagedError, MarkupError, UnsafeNameError, VersionError
from napari_dicom_markup.model.vault import (
    IdentityMap,
    PublicKey,
    RecipientError,
    RecordKind,
    SlotKind,
    VaultKeyError,
    VaultOriginal,
)

FILES = originals()
PUBLIC, PRIVATE = x25519_pair(1)
SMALL = vault_bytes(FILES, [PUBLIC])
EXPECTED = all_of(open_bytes(SMALL, PRIVATE), FILES)
KEYS = vault_keys(b"k" * 32, b"v" * 16, b"pref")


def reader_of(data: bytes):
    return lambda offset, size: data[offset : offset + size]


def attempt(data: bytes) -> None:
    """Open everything: the exact result, or one of our errors, and never anything else."""
    try:
        assert all_of(open_bytes(data, PRIVATE), FILES) == EXPECTED
    except (DamagedError, VersionError, VaultKeyError) as error:
        assert "CANARY" not in str(error)  # noqa: PT017


def refused(data: bytes) -> None:
    with pytest.raises((DamagedError, VersionError, VaultKeyError)):
        all_of(open_bytes(data, PRIVATE), FILES)


def test_every_original_comes_back_with_identity_map_and_project_key():
    vault = open_bytes(SMALL, PRIVATE)
    assert [vault.original(e, f.exported) for e, f in zip(vault.originals, FILES, strict=True)] == [
        file.raw for file in FILES
    ]
    assert (vault.identity(), vault.project_key()) == (IDENTITY, PROJECT_KEY)
    assert vault.find("2.25.2")[0].old_uid == "1.2.3.1"
    assert relative_path(vault.originals[0]) == "CANARY/IM0"


def test_nothing_of_a_patient_is_readable_in_the_file_or_shown():
    for word in (b"CANARY", b"Canary", b"1.2.3", b"2.25", b"ANON1"):
        assert word not in SMALL
    assert "CANARY" not in repr(open_bytes(SMALL, PRIVATE).index.entries)


def test_every_flipped_byte_gives_an_error_or_the_exact_result():
    for at in range(len(SMALL)):
        attempt(SMALL[:at] + bytes([SMALL[at] ^ 0x01]) + SMALL[at + 1 :])


def test_every_flipped_byte_behind_the_headers_is_an_error():
    for at in range(2048, len(SMALL)):
        refused(SMALL[:at] + bytes([SMALL[at] ^ 0x80]) + SMALL[at + 1 :])


def test_every_byte_flipped_in_both_headers_is_an_error():
    for at in range(1024):
        data = bytearray(SMALL)
        data[at] ^= 0x10
        data[at + 1024] ^= 0x10
        refused(bytes(data))


def test_a_vault_cut_anywhere_is_an_error():
    vault = open_bytes(SMALL, PRIVATE)
    ends = {e.offset + sealed_size(e.stored) for e in vault.index.entries}
    ends |= {e.offset for e in vault.index.entries}
    for size in sorted(ends | set(range(0, len(SMALL), 61)) | {len(SMALL) - 1}):
        refused(SMALL[:size])
        refused(SMALL[:size] + bytes(len(SMALL) - size))
    refused(SMALL + b"\0")


def test_records_that_changed_places_are_an_error():
    one, two = open_bytes(SMALL, PRIVATE).originals
    size = sealed_size(one.stored)
    assert size == sealed_size(two.stored)
    data = bytearray(SMALL)
    first, second = (SMALL[e.offset : e.offset + size] for e in (one, two))
    data[one.offset : one.offset + size], data[two.offset : two.offset + size] = second, first
    refused(bytes(data))


def test_a_record_of_another_vault_is_an_error():
    other = vault_bytes(FILES, [PUBLIC], random=counted_random("other"))
    entry = open_bytes(SMALL, PRIVATE).originals[0]
    end = entry.offset + sealed_size(entry.stored)
    refused(SMALL[: entry.offset] + other[entry.offset : end] + SMALL[end:])
    refused(SMALL[:2048] + other[2048:])
    refused(other[:2048] + SMALL[2048:])


def test_chunks_that_changed_places_or_are_missing_are_an_error():
    content = hashlib.shake_256(b"x").digest(int(2.2 * CHUNK))
    binding = Binding(RecordKind.ORIGINAL, 3, "2.25.1", b"h" * 32)
    chunks = list(seal(KEYS, binding, content, 40))
    stored = bucket(len(content) + 8)
    place = (0, stored, 40)
    assert len(chunks) == chunk_count(stored) == 3
    assert unseal(KEYS, binding, reader_of(b"".join(chunks)), place) == content
    swapped = b"".join([chunks[1], chunks[0], chunks[2]])
    shorter = (0, 2 * CHUNK, 40)
    for data, where in ((swapped, place), (b"".join(chunks[:2]), place), (swapped, shorter)):
        with pytest.raises(DamagedError):
            unseal(KEYS, binding, reader_of(data), where)
    with pytest.raises(DamagedError):  # the last flag: two whole chunks are not all
        unseal(KEYS, binding, reader_of(b"".join(chunks[:2])), shorter)


def test_a_record_is_bound_to_all_that_it_belongs_to():
    binding = Binding(RecordKind.ORIGINAL, 3, "2.25.1", b"h" * 32)
    data = b"".join(seal(KEYS, binding, b"content", 0))
    place = (0, 512, 0)
    others = [
        replace(binding, kind=RecordKind.INDEX),
        replace(binding, number=4),
        replace(binding, new_uid="2.25.2"),
        replace(binding, exported_sha256=b"i" * 32),
    ]
    assert unseal(KEYS, binding, reader_of(data), place) == b"content"
    for other in others:
        with pytest.raises(DamagedError):
            unseal(KEYS, other, reader_of(data), place)
    for keys in (replace(KEYS, vault_id=b"w" * 16), replace(KEYS, prefix=b"othr")):
        with pytest.raises(DamagedError):
            unseal(keys, binding, reader_of(data), place)


def test_no_nonce_is_used_twice_under_a_key():
    large = VaultOriginal("large", hashlib.shake_256(b"l").digest(3 * CHUNK), new_uid="2.25.9")
    data = vault_bytes([*FILES, large, *FILES], [PUBLIC])
    entries = open_bytes(data, PRIVATE).index.entries
    index = struct.unpack(">8s16sQQQQ", data[-FOOTER_SIZE:-32])
    places = [(e.counter, e.stored) for e in entries] + [(index[5], index[4])]
    used = [nonce(KEYS, c + k) for c, stored in places for k in range(chunk_count(stored))]
    assert len(used) == len(set(used)) == len(entries) + 1 + 3


def test_slots_and_vaults_share_no_random_bytes():
    asked: list[bytes] = []
    random = counted_random()

    def recorded(size: int) -> bytes:
        asked.append(random(size))
        return asked[-1]

    first = Assembly([PUBLIC, PUBLIC], recorded)
    second = Assembly([PUBLIC], recorded)
    assert first.vault_id != second.vault_id
    assert len(asked) == len(set(asked)) == 3 + 4 + 3 + 2


def test_sizes_are_padded_to_few_buckets():
    sizes = {bucket(length) for length in range(1, 1 << 16)}
    assert len(sizes) <= 4 * 7 + 1
    assert all(length <= bucket(length) <= max(512, length * 1.25 + 1) for length in range(1, 9999))


def test_two_recipients_and_a_passphrase_open_the_same_vault():
    other, other_private = x25519_pair(2)
    data = vault_bytes(FILES, [PUBLIC, PASSPHRASE, other, certificate()])
    for opener in (PRIVATE, PASSPHRASE, other_private, private_key(rsa_pair()[1])):
        assert [e.path for e in open_bytes(data, opener).originals] == ["CANARY/IM0", "CANARY/IM1"]


def test_the_wrong_key_gives_one_error_that_says_nothing_more():
    altered = bytearray(SMALL)
    altered[1000] ^= 1
    altered[2024] ^= 1
    said = set()
    for data, opener in ((SMALL, x25519_pair(3)[1]), (SMALL, PASSPHRASE), (altered, PRIVATE)):
        with pytest.raises(VaultKeyError) as refusal:
            open_bytes(bytes(data), opener)
        said.add(str(refusal.value))
    assert len(said) == 1


def test_rotation_rewrites_the_slots_and_no_record():
    other, other_private = x25519_pair(2)
    unlocked = unlock(reader_of(SMALL), PRIVATE)
    copy = changed_header(unlocked, add=[other], remove=[0], random=counted_random("new"))
    rotated = copy + copy + SMALL[2048:]
    assert len(copy) == 1024
    assert all_of(open_bytes(rotated, other_private), FILES) == EXPECTED
    with pytest.raises(VaultKeyError):
        open_bytes(rotated, PRIVATE)
    assert header_copies(reader_of(rotated))[0][0].revision == 2


def test_a_rotation_that_was_interrupted_leaves_a_vault_that_opens():
    other, other_private = x25519_pair(2)
    unlocked = unlock(reader_of(SMALL), PRIVATE)
    copy = changed_header(unlocked, add=[other], random=counted_random("new"))
    second_written = SMALL[:1024] + copy + SMALL[2048:]
    for half in (0, 7, 500, 1023):
        torn_second = SMALL[:1024] + copy[:half] + SMALL[1024 + half :]
        torn_first = copy[:half] + SMALL[half:1024] + copy + SMALL[2048:]
        for data in (torn_second, torn_first):
            assert all_of(open_bytes(data, PRIVATE), FILES) == EXPECTED
        assert all_of(open_bytes(torn_first, other_private), FILES) == EXPECTED
    assert len(slots_of(unlock(reader_of(second_written), PRIVATE).header)) == 2


def test_a_vault_keeps_at_least_one_key_and_has_room_for_few_when_small():
    unlocked = unlock(reader_of(SMALL), PRIVATE)
    with pytest.raises(RecipientError, match="at least one"):
        changed_header(unlocked, remove=[0], random=counted_random())
    with pytest.raises(RecipientError, match="no room"):
        changed_header(unlocked, add=[PUBLIC] * 9, random=counted_random())
    with pytest.raises(RecipientError):
        Assembly([], counted_random())


def test_no_passphrase_is_added_that_would_not_be_tried():
    unlocked = unlock(reader_of(SMALL), PRIVATE)
    slot = replace(unlocked.header.slots[0], kind=SlotKind.PASSPHRASE)
    crowded = replace(unlocked.header, slots=(slot,) * 9, capacity=8192)
    with pytest.raises(RecipientError, match="at most 8"):
        changed_header(replace(unlocked, header=crowded), random=counted_random())


def test_revoking_gives_a_vault_of_another_key_with_the_same_contents():
    other, other_private = x25519_pair(2)
    assembly = Assembly([other], counted_random("again"), 1024)
    pieces = [*assembly.begin(), *assembly.copy(open_bytes(SMALL, PRIVATE)), *assembly.end()]
    data = b"".join(pieces)
    assert all_of(open_bytes(data, other_private), FILES)[:-1] == EXPECTED[:-1]
    assert data[2048:2560] != SMALL[2048:2560]
    with pytest.raises(VaultKeyError):
        open_bytes(data, PRIVATE)


def test_an_exported_file_that_changed_is_said_to_have_changed():
    vault = open_bytes(SMALL, PRIVATE)
    with pytest.raises(DamagedError, match="changed since the export"):
        vault.original(vault.originals[0], FILES[0].exported + b"\0")
    with pytest.raises(DamagedError, match="belongs to another"):
        vault.entry_of("2.25.404", b"")


def test_a_file_without_an_export_comes_back_too():
    lone = VaultOriginal("DICOMDIR", b"directory" * 50)
    vault = open_bytes(vault_bytes([lone], [PUBLIC]), PRIVATE)
    assert vault.original(vault.originals[0]) == lone.raw


def test_copies_of_a_file_keep_their_own_names():
    copies = [FILES[0], replace(FILES[0], path="CANARY/copy")]
    vault = open_bytes(vault_bytes(copies, [PUBLIC]), PRIVATE)
    assert [relative_path(e) for e in vault.find("2.25.1")] == ["CANARY/IM0", "CANARY/copy"]


def test_text_that_no_json_holds_is_escaped():
    odd = replace(FILES[0], path="CANARY/" + chr(0xDCFF))
    half = chr(0xDC80)
    assembly = Assembly([PUBLIC], counted_random(), 1024)
    pieces = [*assembly.begin(), *assembly.add(replace(odd, old_uid="1.2" + half))]
    pieces += assembly.add_identity(IdentityMap(ids={"ID" + half: "ANON"}))
    vault = open_bytes(b"".join([*pieces, *assembly.end()]), PRIVATE)
    assert relative_path(vault.originals[0]) == odd.path
    assert vault.originals[0].old_uid.isascii()
    assert vault.identity() == IdentityMap(ids={"ID" + chr(92) + "udc80": "ANON"})


def test_a_name_that_leaves_the_folder_is_refused():
    vault = open_bytes(vault_bytes([replace(FILES[0], path="../x")], [PUBLIC]), PRIVATE)
    with pytest.raises(UnsafeNameError):
        relative_path(vault.originals[0])


def test_newer_and_older_versions_are_refused():
    for version, error in ((2, VersionError), (0xFFFF, VersionError), (0, DamagedError)):
        data = bytearray(SMALL)
        for at in (8, 1032):
            data[at : at + 2] = version.to_bytes(2, "big")
        with pytest.raises(error):
            open_bytes(bytes(data), PRIVATE)


@pytest.mark.parametrize("data", [b"", b"DCMVAULT", b"PK\x03\x04" + bytes(9000), bytes(5000)])
def test_what_is_no_vault_is_refused(data):
    with pytest.raises(MarkupError):
        open_bytes(data, PRIVATE)


def test_a_vault_without_originals_opens():
    assert open_bytes(vault_bytes([], [PUBLIC], extras=False), PRIVATE).index.entries == ()


def test_public_keys_of_low_order_are_refused():
    with pytest.raises(RecipientError):
        vault_bytes([], [PublicKey(bytes(32))])


def test_the_golden_vault_still_opens():
    data = GOLDEN.read_bytes()
    assert len(data) < 5000
    for opener in (PASSPHRASE, PRIVATE):
        vault = open_bytes(data, opener)
        assert vault.original(vault.originals[0], FILES[0].exported) == FILES[0].raw
        assert (vault.identity(), vault.project_key()) == (IDENTITY, PROJECT_KEY)


def test_the_same_random_bytes_give_the_golden_vaults_bytes():
    golden = GOLDEN.read_bytes()
    made = vault_bytes(FILES[:1], [PASSPHRASE, PUBLIC])
    key = open_bytes(golden, PRIVATE).index.entries[2]
    end = key.offset + sealed_size(key.stored)
    assert made[:2048] == golden[:2048]
    assert made[key.offset : end] == golden[key.offset : end]  # others depend on zlib's version
    assert len(made) == len(golden)


def test_the_golden_vault_opens_by_the_document_alone():
    """What docs/vault.md says, in few lines and with no code of this package."""
    data = GOLDEN.read_bytes()
    magic, version, capacity, _, count, vault, prefix = struct.unpack_from(">8sHIIB16s4s", data)
    assert (magic, version, count) == (b"DCMVAULT", 1, 2)
    kind, size, fingerprint, slot_nonce, wrapped = struct.unpack_from(">BH32s12s48s", data, 39)
    params = data[134 : 134 + size]
    memory, passes, lanes, salt = struct.unpack(">IIB16s", params)
    kdf = Argon2id(salt=salt, length=32, iterations=passes, lanes=lanes, memory_cost=memory)
    about = magic + b"\0\1" + vault + bytes([kind]) + fingerprint + params
    kek = AESGCM(kdf.derive(PASSPHRASE.text.encode()))
    vault_key = kek.decrypt(slot_nonce, wrapped, about)

    def sub_key(purpose: bytes) -> bytes:
        info = b"dcm-vault/1/" + purpose
        return HKDF(algorithm=SHA256(), length=32, salt=vault, info=info).derive(vault_key)

    mac = hmac.digest(sub_key(b"header"), data[: capacity - 32], "sha256")
    assert mac == data[capacity - 32 : capacity]
    end = data[-88:]
    assert hmac.digest(sub_key(b"header"), end[:-32], "sha256") == end[-32:]
    _, _, number, offset, stored, counter = struct.unpack(">8s16sQQQQ", end[:-32])
    bound = struct.pack(">8sH16sBQQBH", magic, 1, vault, 4, number, 0, 1, 0) + bytes(32)
    sealed = data[offset : offset + stored + 16]
    cipher = AESGCM(sub_key(b"records"))
    padded = cipher.decrypt(prefix + counter.to_bytes(8, "big"), sealed, bound)
    (length,) = struct.unpack_from(">Q", padded)
    index = json.loads(zlib.decompress(padded[8 : 8 + length]))
    assert index["entries"][0]["path"] == "CANARY/IM0"
