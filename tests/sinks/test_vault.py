"""A vault on the disk: named when it is proven, and never half written."""

from __future__ import annotations

import logging
import os
import stat
import sys
import tracemalloc
import warnings

import pytest
from tests.vaults import IDENTITY, PASSPHRASE, PROJECT_KEY, originals, x25519_pair

from napari_dicom_markup.api.vaulting import (
    VaultReader,
    change_recipients,
    revoke_steps,
    write_vault_steps,
)
from napari_dicom_markup.errors import DamagedError, MarkupError, SaveError
from napari_dicom_markup.model.progress import Steps
from napari_dicom_markup.model.vault import (
    Passphrase,
    SlotKind,
    VaultKeyError,
    VaultOriginal,
    WeakPassphraseError,
)
from napari_dicom_markup.sinks.vault import write_vault

FILES = originals(3)
PUBLIC, PRIVATE = x25519_pair(1)


def written(path, files=FILES, recipients=(PUBLIC,)):
    return Steps(write_vault_steps(path, iter(files), recipients, identity=IDENTITY)).result()


def test_originals_come_back_byte_for_byte(tmp_path):
    path = written(tmp_path / "case.dcm-vault", recipients=[PASSPHRASE, PUBLIC])
    for opener in (PASSPHRASE, PRIVATE):
        with VaultReader(path, opener) as reader:
            for file in FILES:
                assert reader.original(file.new_uid, file.exported) == file.raw
            assert [reader.relative(e) for e in reader.vault.originals] == [f.path for f in FILES]
            assert reader.vault.identity() == IDENTITY
            assert reader.vault.project_key() is None
            assert [slot.kind for slot in reader.slots] == [SlotKind.PASSPHRASE, SlotKind.X25519]


def test_the_project_key_is_kept_when_it_is_given(tmp_path):
    steps = write_vault_steps(tmp_path / "v.dcm-vault", [], [PUBLIC], project_key=PROJECT_KEY)
    with VaultReader(Steps(steps).result(), PRIVATE) as reader:
        assert reader.vault.project_key() == PROJECT_KEY


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_only_the_owner_may_read_the_file_while_it_is_written_and_after(tmp_path):
    path = tmp_path / "case.dcm-vault"
    steps = write_vault_steps(path, iter(FILES), [PUBLIC])
    next(steps)
    (folder,) = tmp_path.iterdir()
    assert folder.name.startswith(".")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / path.name).stat().st_mode) == 0o600
    steps.close()
    assert list(tmp_path.iterdir()) == []
    assert stat.S_IMODE(written(path).stat().st_mode) == 0o600


def test_a_source_that_fails_leaves_nothing(tmp_path):
    def failing():
        yield FILES[0]
        raise DamagedError("no")  # noqa: EM101

    with pytest.raises(DamagedError):
        written(tmp_path / "case.dcm-vault", failing())
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_read_back_gets_no_name(tmp_path):
    def not_proven(read, size):
        assert read(0, size) == b"bytes"
        raise DamagedError("no")  # noqa: EM101
        yield

    with pytest.raises(DamagedError):
        Steps(write_vault(tmp_path / "v.dcm-vault", [b"bytes"], not_proven)).result()
    assert list(tmp_path.iterdir()) == []


def test_a_vault_is_never_written_over(tmp_path):
    path = written(tmp_path / "case.dcm-vault")
    before = path.read_bytes()
    with pytest.raises(SaveError, match="exists already"):
        written(path)
    assert path.read_bytes() == before


def test_a_weak_passphrase_leaves_nothing(tmp_path):
    with pytest.raises(WeakPassphraseError):
        written(tmp_path / "case.dcm-vault", recipients=[Passphrase("")])
    assert list(tmp_path.iterdir()) == []


def test_recipients_come_and_go_in_place(tmp_path):
    path = written(tmp_path / "case.dcm-vault")
    records = path.read_bytes()[2 * 8192 :]
    other, other_private = x25519_pair(2)
    slots = change_recipients(path, PRIVATE, add=[other])
    assert [slot.kind for slot in slots] == [SlotKind.X25519] * 2
    assert change_recipients(path, other_private, remove=[0]) == slots[1:]
    with pytest.raises(VaultKeyError):
        VaultReader(path, PRIVATE)
    with VaultReader(path, other_private) as reader:
        assert reader.original(FILES[0].new_uid, FILES[0].exported) == FILES[0].raw
    assert path.read_bytes()[2 * 8192 :] == records
    assert path.read_bytes()[:8192] == path.read_bytes()[8192 : 2 * 8192]


def test_revoking_shuts_out_who_kept_the_old_vault_key(tmp_path):
    path = written(tmp_path / "case.dcm-vault")
    with VaultReader(path, PRIVATE) as reader:
        old_keys, vault = reader.unlocked.keys, type(reader.vault)
    other, other_private = x25519_pair(2)
    Steps(revoke_steps(path, PRIVATE, [other])).result()
    with VaultReader(path, other_private) as reader:
        assert reader.original(FILES[1].new_uid, FILES[1].exported) == FILES[1].raw
        assert reader.vault.identity() == IDENTITY
        with pytest.raises(DamagedError):
            vault(reader._file.read_at, reader._file.size, old_keys)
    assert [child.name for child in tmp_path.iterdir()] == [path.name]


def test_a_revocation_that_is_cancelled_leaves_the_vault_as_it_was(tmp_path):
    path = written(tmp_path / "case.dcm-vault")
    before = path.read_bytes()
    steps = revoke_steps(path, PRIVATE, [PUBLIC])
    next(steps)
    steps.close()
    assert path.read_bytes() == before
    assert [child.name for child in tmp_path.iterdir()] == [path.name]


def test_a_damaged_record_spoils_no_other(tmp_path):
    path = written(tmp_path / "case.dcm-vault")
    data = bytearray(path.read_bytes())
    with VaultReader(path, PRIVATE) as reader:
        data[reader.vault.originals[1].offset + 5] ^= 1
    path.write_bytes(data)
    with VaultReader(path, PRIVATE) as reader:
        for number, file in enumerate(FILES):
            if number != 1:
                assert reader.original(file.new_uid, file.exported) == file.raw
        with pytest.raises(DamagedError, match="record 1"):
            reader.original(FILES[1].new_uid, FILES[1].exported)


def test_memory_does_not_grow_with_the_number_of_files(tmp_path):
    def many(count):
        for number in range(count):
            exported = os.urandom(300_000)
            raw = b"Canary^Name" + exported
            yield VaultOriginal(f"a/{number}", raw, exported, new_uid=f"2.25.{number + 1}")

    peaks = []
    for count in (4, 4, 60):
        tracemalloc.start()
        written(tmp_path / f"{count}-{len(peaks)}.dcm-vault", many(count))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < peaks[1] + 300_000


def test_nothing_of_a_patient_or_a_key_reaches_the_file_log_warnings_or_errors(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        path = written(tmp_path / "case.dcm-vault", recipients=[PASSPHRASE, PUBLIC])
        for opener in (x25519_pair(5)[1], Passphrase("Canary wrong lantern 5")):
            with pytest.raises(VaultKeyError) as refused:
                VaultReader(path, opener)
            said.append(str(refused.value))
        with VaultReader(path, PRIVATE) as reader, pytest.raises(MarkupError) as refused:
            reader.original(FILES[0].new_uid, b"")
        said.append(f"{refused.value} {reader.vault.index!r} {reader.unlocked!r}")
    text = caplog.text + "".join(said) + "".join(str(w.message) for w in warned)
    for word in ("canary", "1.2.3.", "lantern", "id-canary"):
        assert word not in text.lower()
        assert word.encode() not in path.read_bytes().lower()
