"""Small vaults for tests: fixed random bytes, invented contents, openers that cost no time."""

from __future__ import annotations

import hashlib
import itertools
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from napari_dicom_markup.core.vaulting.reading import Vault, unlock
from napari_dicom_markup.core.vaulting.writing import Assembly
from napari_dicom_markup.model.deid import ProjectKey
from napari_dicom_markup.model.vault import (
    Certificate,
    IdentityMap,
    Opener,
    Passphrase,
    PrivateKey,
    PublicKey,
    Recipient,
    VaultOriginal,
)

if TYPE_CHECKING:
    from napari_dicom_markup.core.vaulting.layout import Random

GOLDEN = Path(__file__).parent / "golden" / "vault" / "case.dcm-vault"
PASSPHRASE = Passphrase("lantern orbit cactus 7")
IDENTITY = IdentityMap({"1.2.3": "2.25.1"}, {"ID-CANARY": "ANON1"}, {"ANON1": -77})
PROJECT_KEY = ProjectKey(bytes(range(32)))


def counted_random(seed: str = "vault") -> Random:
    """Return random bytes that are always the same ones, none of them twice."""
    count = itertools.count()

    def random(size: int) -> bytes:
        return hashlib.shake_256(f"{seed}/{next(count)}".encode()).digest(size)

    return random


def x25519_pair(seed: int) -> tuple[PublicKey, PrivateKey]:
    """Return a recipient and what opens its slot."""
    key = X25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    return PublicKey(key.public_key().public_bytes_raw()), private_key(key)


def private_key(key: RSAPrivateKey | X25519PrivateKey) -> PrivateKey:
    return PrivateKey(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))


@cache
def rsa_pair() -> tuple[x509.Certificate, RSAPrivateKey]:
    """Return a certificate of an invented data steward, with its key."""
    import datetime

    key = generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Invented Steward")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(key.public_key()).serial_number(7)
    day = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    builder = builder.not_valid_before(day).not_valid_after(day.replace(year=2060))
    return builder.sign(key, SHA256()), key


def certificate() -> Certificate:
    return Certificate(rsa_pair()[0].public_bytes(Encoding.DER))


def originals(count: int = 2) -> list[VaultOriginal]:
    """Return originals whose headers differ from their exports', and whose pixels do not."""
    made = []
    for number in range(count):
        pixels = hashlib.shake_256(b"pixels%d" % number).digest(4000)
        made.append(
            VaultOriginal(
                path=f"CANARY/IM{number}",
                raw=b"Canary^Name 1950" + bytes([number]) * 40 + pixels,
                exported=b"Anon" + pixels,
                old_uid=f"1.2.3.{number}",
                new_uid=f"2.25.{number + 1}",
            )
        )
    return made


def vault_bytes(
    files: list[VaultOriginal],
    recipients: list[Recipient],
    *,
    random: Random | None = None,
    extras: bool = True,
) -> bytes:
    """Return a vault's bytes, its header as small as can be."""
    assembly = Assembly(recipients, random or counted_random(), 1024)
    pieces = [*assembly.begin()]
    for file in files:
        pieces += assembly.add(file)
    if extras:
        pieces += assembly.add_identity(IDENTITY)
        pieces += assembly.add_project_key(PROJECT_KEY)
    return b"".join([*pieces, *assembly.end()])


def open_bytes(data: bytes, opener: Opener) -> Vault:
    """Open a vault from its bytes."""

    def read(offset: int, size: int) -> bytes:
        return data[offset : offset + size]

    return Vault(read, len(data), unlock(read, opener).keys)


def all_of(vault: Vault, files: list[VaultOriginal]) -> list[object]:
    """Return all that a vault gives back."""
    exports = {file.new_uid: file.exported for file in files}
    given: list[object] = [vault.original(e, exports[e.new_uid]) for e in vault.originals]
    return [*given, vault.identity(), vault.project_key(), vault.index]
