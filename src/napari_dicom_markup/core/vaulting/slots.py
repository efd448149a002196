"""Key slots: the vault key, wrapped once for each passphrase, X25519 key and certificate."""

from __future__ import annotations

import hashlib
import struct
import unicodedata
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from napari_dicom_markup.core.vaulting.layout import KEY_SIZE, MAGIC, VERSION, SealedSlot
from napari_dicom_markup.core.vaulting.sealing import derive
from napari_dicom_markup.model.vault import (
    Certificate,
    KdfCost,
    Opener,
    Passphrase,
    PrivateKey,
    PublicKey,
    Recipient,
    RecipientError,
    SlotKind,
    VaultKeyError,
    WeakPassphraseError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    from napari_dicom_markup.core.vaulting.layout import Random

LOWEST_COST = KdfCost(64 << 10, 3, 1)
"""RFC 9106's second recommended option: 64 MiB, 3 passes. Slots below it are refused."""

HIGHEST_COST = KdfCost(1 << 20, 64, 64)
"""A vault may not ask for more than 1 GiB of memory: it may come from anybody."""

HIGHEST_WORK = 4 << 20
"""KiB of memory times passes that one slot may ask for: some seconds."""

MOST_PASSPHRASES = 8
"""Passphrase slots that are tried: each costs time and memory."""

SMALLEST_RSA = 2048
SHORTEST_PASSPHRASE = 12
FEWEST_CHARACTERS = 6
SHORTEST_NUMBER = 20

_COST = struct.Struct(">IIB16s")


def check_passphrase(text: str) -> None:
    """Refuse an empty or plainly weak passphrase. It is a floor, not a measure of strength.

    At least 12 characters, 6 of them different; at least 20 where all are digits; no piece that
    is repeated, no row such as ``abcdefghijkl``.

    Raises
    ------
    WeakPassphraseError
    """
    text = _normal(text).strip()
    letters = "".join(text.split())
    steps = {ord(b) - ord(a) for a, b in pairwise(letters)}
    weak = (
        len(text) < SHORTEST_PASSPHRASE
        or len(set(text)) < FEWEST_CHARACTERS
        or (letters.isdigit() and len(text) < SHORTEST_NUMBER)
        or letters in (letters + letters)[1:-1]
        or len(steps) < 3
    )
    if weak:
        message = (
            "the passphrase is too weak: take at least 12 characters, 6 of them different, "
            "not digits alone and no repetition; five words drawn by chance are good"
        )
        raise WeakPassphraseError(message)


def is_fair(cost: KdfCost) -> bool:
    """Say whether a cost is neither below the floor (a downgrade) nor absurd (an attack)."""
    low, high = LOWEST_COST, HIGHEST_COST
    return (
        low.memory_kib <= cost.memory_kib <= high.memory_kib
        and low.passes <= cost.passes <= high.passes
        and low.lanes <= cost.lanes <= high.lanes
        and cost.memory_kib * cost.passes <= HIGHEST_WORK
    )


def make_slot(
    recipient: Recipient, vault_key: bytes, vault_id: bytes, random: Random
) -> SealedSlot:
    """Return a slot from which only ``recipient`` takes the vault key.

    Raises
    ------
    RecipientError, WeakPassphraseError
    """
    if isinstance(recipient, Passphrase):
        kind, fingerprint = SlotKind.PASSPHRASE, bytes(32)
        kek, params = _passphrase_kek(recipient, random)
    elif isinstance(recipient, PublicKey):
        kind, fingerprint = SlotKind.X25519, bytes.fromhex(recipient_fingerprint(recipient))
        kek, params = _x25519_kek(recipient, random)
    else:
        kind, fingerprint = SlotKind.CERTIFICATE, bytes.fromhex(recipient_fingerprint(recipient))
        kek, params = _certificate_kek(recipient, random)
    nonce = random(12)
    slot = SealedSlot(kind, fingerprint, nonce, b"", params)
    wrapped = _aes(kek).encrypt(nonce, vault_key, _slot_data(slot, vault_id))
    return SealedSlot(kind, fingerprint, nonce, wrapped, params)


def open_slots(slots: Iterable[SealedSlot], opener: Opener, vault_id: bytes) -> Iterator[bytes]:
    """Yield the vault key of every slot that ``opener`` opens; who takes it checks the header."""
    from cryptography.exceptions import InvalidTag

    for slot in _within_reason(slots, opener):
        with suppress(InvalidTag, ValueError, MemoryError):
            kek = (
                _stretch(opener.text, slot.params)
                if isinstance(opener, Passphrase)
                else _private_kek(opener, slot)
            )
            yield _aes(kek).decrypt(slot.nonce, slot.wrapped, _slot_data(slot, vault_id))


def no_key() -> VaultKeyError:
    """Return the one error for a vault that does not open."""
    return VaultKeyError(
        "the vault does not open: the key is none of its keys, or its header was altered"
    )


def recipient_fingerprint(recipient: PublicKey | Certificate) -> str:
    """Return the SHA-256 of a recipient's SubjectPublicKeyInfo in hexadecimal.

    Raises
    ------
    RecipientError
    """
    key = _public(recipient) if isinstance(recipient, PublicKey) else rsa_key(recipient)
    return _fingerprint(key).hex()


def rsa_key(certificate: Certificate) -> RSAPublicKey:
    """Return a certificate's RSA key; its dates and issuer are not judged.

    Raises
    ------
    RecipientError
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.x509 import load_der_x509_certificate

    try:
        key = load_der_x509_certificate(certificate.der).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        message = "the certificate cannot be read: give X.509 as PEM or DER"
        raise RecipientError(message) from None
    if not isinstance(key, RSAPublicKey) or key.key_size < SMALLEST_RSA:
        message = "the certificate has no RSA key of at least 2048 bits: give another"
        raise RecipientError(message)
    return key


def _within_reason(slots: Iterable[SealedSlot], opener: Opener) -> Iterator[SealedSlot]:
    """Yield the slots that an opener may try, those that ask for absurd work left out."""
    tried = 0
    for slot in slots:
        if isinstance(opener, PrivateKey):
            if slot.kind != SlotKind.PASSPHRASE:
                yield slot
        elif slot.kind == SlotKind.PASSPHRASE and tried < MOST_PASSPHRASES:
            tried += 1
            yield slot


def _slot_data(slot: SealedSlot, vault_id: bytes) -> bytes:
    """Return what a wrapped key is authenticated with: all of its slot."""
    version = VERSION.to_bytes(2, "big")
    return MAGIC + version + vault_id + bytes([slot.kind]) + slot.fingerprint + slot.params


def _aes(key: bytes) -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


def _normal(text: str) -> str:
    """Return a passphrase in Unicode's form C: an umlaut is one, whatever the keyboard gave."""
    return unicodedata.normalize("NFC", text)


def _passphrase_kek(passphrase: Passphrase, random: Random) -> tuple[bytes, bytes]:
    check_passphrase(passphrase.text)
    cost = passphrase.cost
    if not is_fair(cost):
        message = "the passphrase's cost is out of bounds: 64 MiB to 1 GiB, at least 3 passes"
        raise RecipientError(message)
    params = _COST.pack(cost.memory_kib, cost.passes, cost.lanes, random(16))
    return _stretch(passphrase.text, params), params


def _stretch(text: str, params: bytes) -> bytes:
    """Return the key of a passphrase; costs below the floor or above the ceiling are refused."""
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    if len(params) != _COST.size:
        raise ValueError
    memory, passes, lanes, salt = _COST.unpack(params)
    if not is_fair(KdfCost(memory, passes, lanes)):
        raise ValueError
    kdf = Argon2id(salt=salt, length=KEY_SIZE, iterations=passes, lanes=lanes, memory_cost=memory)
    return kdf.derive(_normal(text).encode("utf-8", "surrogatepass"))


def _x25519_kek(recipient: PublicKey, random: Random) -> tuple[bytes, bytes]:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    ephemeral = X25519PrivateKey.from_private_bytes(random(32))
    own = ephemeral.public_key().public_bytes_raw()
    try:
        shared = ephemeral.exchange(_public(recipient))
    except ValueError:  # a point of low order: everybody knows the result
        message = "the X25519 public key is none that is safe: give another"
        raise RecipientError(message) from None
    return derive(shared, own + recipient.raw, "x25519"), own


def _public(recipient: PublicKey) -> Any:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    try:
        return X25519PublicKey.from_public_bytes(recipient.raw)
    except ValueError:
        message = "an X25519 public key has 32 bytes: give it raw, or as PEM"
        raise RecipientError(message) from None


def _certificate_kek(recipient: Certificate, random: Random) -> tuple[bytes, bytes]:
    """Return a random key and its RSA-OAEP encryption (whose seed is the library's)."""
    kek = random(KEY_SIZE)
    return kek, rsa_key(recipient).encrypt(kek, _oaep())


def _oaep() -> Any:
    from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
    from cryptography.hazmat.primitives.hashes import SHA256

    return OAEP(mgf=MGF1(SHA256()), algorithm=SHA256(), label=None)


def _private_kek(opener: PrivateKey, slot: SealedSlot) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

    key = _load_private(opener)
    if _fingerprint(key.public_key()) != slot.fingerprint:
        raise ValueError
    if isinstance(key, RSAPrivateKey) and slot.kind == SlotKind.CERTIFICATE:
        return key.decrypt(slot.params, _oaep())
    if not isinstance(key, X25519PrivateKey) or slot.kind != SlotKind.X25519:
        raise ValueError
    shared = key.exchange(X25519PublicKey.from_public_bytes(slot.params))
    return derive(shared, slot.params + key.public_key().public_bytes_raw(), "x25519")


def _load_private(opener: PrivateKey) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    try:
        return load_der_private_key(opener.der, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise no_key() from None


def _fingerprint(key: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest()
