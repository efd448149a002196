"""Sub-keys of a vault key, and records sealed under them."""

from __future__ import annotations

import hmac
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_dicom_markup.core.vaulting.layout import (
    CHUNK,
    KEY_SIZE,
    MAC_SIZE,
    TAG_SIZE,
    Binding,
    ReadAt,
    additional_data,
    bucket,
    chunk_count,
    damaged,
    sealed_size,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_LENGTH = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class VaultKeys:
    """The keys made of a vault key: one for records, one for header and footer."""

    vault_id: bytes
    prefix: bytes
    records: bytes = field(repr=False)
    header: bytes = field(repr=False)


def derive(secret: bytes, salt: bytes, purpose: str) -> bytes:
    """Return 32 bytes by HKDF-SHA256 (RFC 5869) for one purpose."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    info = f"dcm-vault/1/{purpose}".encode()
    return HKDF(algorithm=SHA256(), length=KEY_SIZE, salt=salt, info=info).derive(secret)


def vault_keys(vault_key: bytes, vault_id: bytes, prefix: bytes) -> VaultKeys:
    """Return the keys of a vault. ``prefix`` begins every nonce of its records."""
    records = derive(vault_key, vault_id, "records")
    return VaultKeys(vault_id, prefix, records, derive(vault_key, vault_id, "header"))


def sign(keys: VaultKeys, data: bytes) -> bytes:
    """Return header or footer bytes with their HMAC-SHA256 behind them."""
    return data + hmac.digest(keys.header, data, "sha256")


def is_signed(keys: VaultKeys, data: bytes) -> bool:
    """Say whether ``data`` ends with the HMAC of what stands before it."""
    expected = hmac.digest(keys.header, data[:-MAC_SIZE], "sha256")
    return hmac.compare_digest(expected, data[-MAC_SIZE:])


def nonce(keys: VaultKeys, counter: int) -> bytes:
    """Return a chunk's nonce: 32 random bits of the vault, and a counter that never repeats."""
    return keys.prefix + counter.to_bytes(8, "big")


def seal(keys: VaultKeys, binding: Binding, content: bytes, counter: int) -> Iterator[bytes]:
    """Yield a record's encrypted chunks; their nonces count on from ``counter``."""
    length = _LENGTH.size + len(content)
    stored = bucket(length)
    last = chunk_count(stored) - 1
    cipher = _cipher(keys.records)
    padded = memoryview(b"".join((_LENGTH.pack(len(content)), content, bytes(stored - length))))
    for chunk in range(last + 1):
        data = additional_data(keys.vault_id, binding, chunk, last=chunk == last)
        piece = padded[chunk * CHUNK : (chunk + 1) * CHUNK]
        yield cipher.encrypt(nonce(keys, counter + chunk), piece, data)


def stored_size(content: bytes) -> int:
    """Return the padded size of a record with this content."""
    return bucket(_LENGTH.size + len(content))


def unseal(keys: VaultKeys, binding: Binding, read: ReadAt, place: tuple[int, int, int]) -> bytes:
    """Return a record's content; ``place`` is its (offset, padded size, first counter).

    Raises
    ------
    DamagedError
        Any of it is not what was sealed, here and for this. Nothing of it is given then.
    """
    from cryptography.exceptions import InvalidTag

    offset, stored, counter = place
    part = binding.number
    last = chunk_count(stored) - 1
    _check_there(read, offset + sealed_size(stored), part)
    cipher, pieces = _cipher(keys.records), []
    for chunk in range(last + 1):
        size = min(CHUNK, stored - chunk * CHUNK) + TAG_SIZE
        sealed = read(offset, size)
        offset += size
        data = additional_data(keys.vault_id, binding, chunk, last=chunk == last)
        try:
            pieces.append(cipher.decrypt(nonce(keys, counter + chunk), sealed, data))
        except (InvalidTag, ValueError):
            raise damaged(part) from None
    return _unpad(b"".join(pieces), part)


def _check_there(read: ReadAt, end: int, part: int) -> None:
    """Check that a record's last byte is in the file, before its size is believed."""
    if not read(end - 1, 1):
        raise damaged(part)


def _unpad(padded: bytes, part: int) -> bytes:
    (length,) = _LENGTH.unpack_from(padded) if len(padded) >= _LENGTH.size else (len(padded) + 1,)
    end = _LENGTH.size + length
    if end > len(padded) or padded.count(0, end) != len(padded) - end:
        raise damaged(part)
    return padded[_LENGTH.size : end]


def _cipher(key: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)
