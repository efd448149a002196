"""Key slots open for whom they were made, and for nobody else."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from tests.vaults import (
    PASSPHRASE,
    certificate,
    counted_random,
    private_key,
    rsa_pair,
    x25519_pair,
)

from napari_dicom_markup.core.vaulting.layout import SealedSlot
from napari_dicom_markup.core.vaulting.slots import (
    check_passphrase,
    is_fair,
    make_slot,
    open_slots,
    recipient_fingerprint,
)
from napari_dicom_markup.model.vault import (
    Certificate,
    KdfCost,
    Passphrase,
    PrivateKey,
    PublicKey,
    RecipientError,
    WeakPassphraseError,
)

KEY, VAULT = bytes(range(32)), b"v" * 16


def slot_for(recipient):
    return make_slot(recipient, KEY, VAULT, counted_random())


def opened(slot, opener):
    return list(open_slots([slot], opener, VAULT))


def test_every_kind_of_slot_opens_for_its_own_key_only():
    public, private = x25519_pair(1)
    pairs = [(PASSPHRASE, PASSPHRASE), (public, private)]
    pairs.append((certificate(), private_key(rsa_pair()[1])))
    for recipient, opener in pairs:
        slot = slot_for(recipient)
        assert opened(slot, opener) == [KEY]
        for _, other in pairs:
            assert opened(slot, other) == ([KEY] if other is opener else [])
    assert opened(slot_for(public), x25519_pair(2)[1]) == []
    assert opened(slot_for(PASSPHRASE), Passphrase("lantern orbit cactus 8")) == []


def test_a_slot_of_another_vault_does_not_open():
    public, private = x25519_pair(1)
    assert list(open_slots([slot_for(public)], private, b"w" * 16)) == []


def test_known_answers():
    public, _ = x25519_pair(1)
    slot = slot_for(public)
    assert slot.wrapped.hex() == KNOWN["x25519"]
    assert slot_for(PASSPHRASE).wrapped.hex() == KNOWN["passphrase"]
    assert slot.fingerprint.hex() == recipient_fingerprint(public)


KNOWN = {
    "x25519": (
        "632fd10708d96890bb200a8a4fa8a4fd29fa495046afabba2eaa8a43c6fc3668"
        "0ffa7e43cd3c4df7720f1d0c57063c3b"
    ),
    "passphrase": (
        "1589419949b5579c53b0e53af78a0c42bb75dd87c18322c1750d3d524f8689d8"
        "79c9ae24511b8e4f520f98d2906a9cca"
    ),
}


@pytest.mark.parametrize(
    "cost",
    [KdfCost(32 << 10, 3, 4), KdfCost(8, 1, 1), KdfCost(64 << 10, 2, 4), KdfCost(1 << 31, 3, 4),
     KdfCost(64 << 10, 1 << 30, 4), KdfCost(1 << 20, 60, 4), KdfCost(64 << 10, 3, 0)],
    ids=str,
)  # fmt: skip
def test_a_cost_below_the_floor_or_above_the_ceiling_is_not_worked_at(cost):
    assert not is_fair(cost)
    with pytest.raises(RecipientError, match="out of bounds"):
        slot_for(replace(PASSPHRASE, cost=cost))
    slot = slot_for(PASSPHRASE)
    salt = slot.params[-16:]
    params = struct.pack(">IIB16s", cost.memory_kib, cost.passes, cost.lanes, salt)
    assert opened(replace(slot, params=params), PASSPHRASE) == []


def test_a_slot_honestly_made_below_the_floor_is_refused_too(monkeypatch):
    cheap = replace(PASSPHRASE, cost=KdfCost(1024, 1, 1))
    with monkeypatch.context() as patch:
        patch.setattr("napari_dicom_markup.core.vaulting.slots.is_fair", lambda _: True)
        slot = slot_for(cheap)
        assert opened(slot, cheap) == [KEY]
    assert opened(slot, cheap) == []


def test_any_change_of_a_slot_keeps_it_shut():
    public, private = x25519_pair(1)
    slot = slot_for(public)
    for name in ("fingerprint", "nonce", "wrapped", "params"):
        field = getattr(slot, name)
        for at in range(len(field)):
            wrong = field[:at] + bytes([field[at] ^ 1]) + field[at + 1 :]
            assert opened(replace(slot, **{name: wrong}), private) == []


@pytest.mark.parametrize(
    "text",
    ["", " " * 20, "short", "aaaaaaaaaaaaaaaa", "abababababababab", "12345678901234",
     "abcdefghijklmnop", "hunter hunter ", "secretsecretsecret", "zyxwvutsrqponm"],
)  # fmt: skip
def test_weak_passphrases_are_refused(text):
    with pytest.raises(WeakPassphraseError) as refused:
        slot_for(Passphrase(text))
    assert not text.strip() or text not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["lantern orbit cactus 7", "Grüße-aus-Köln-42", "x7#kP2!mQ9zw", "31415926535897932384"]
)
def test_good_passphrases_are_taken(text):
    check_passphrase(text)


def test_a_passphrase_typed_with_combining_accents_is_the_same():
    slot = slot_for(Passphrase("Gr\u00fc\u00dfe aus K\u00f6ln 42"))
    assert opened(slot, Passphrase("Gru\u0308\u00dfe aus Ko\u0308ln 42")) == [KEY]


@pytest.mark.parametrize(
    "recipient",
    [PublicKey(b"short"), PublicKey(bytes(32)), Certificate(b""), Certificate(b"0\x03abc")],
    ids=["short", "low order", "empty", "no certificate"],
)
def test_recipients_that_cannot_be_are_refused(recipient):
    with pytest.raises(RecipientError):
        slot_for(recipient)


def test_secrets_are_in_no_repr():
    public, private = x25519_pair(1)
    shown = repr([PASSPHRASE, public, private, PrivateKey(b"canary"), slot_for(PASSPHRASE)])
    assert "lantern" not in shown
    assert "canary" not in shown
    assert isinstance(slot_for(public), SealedSlot)
