"""The vault: what it is told, who may open it, and what its index says.

Everything that identifies a patient, and every secret, is hidden from ``repr``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from napari_dicom_markup.errors import MarkupError

VAULT_SUFFIX = ".dcm-vault"
"""End of a vault's name."""

INDEX_SCHEMA = "napari-dicom-markup/vault-index"
"""Name of the encrypted index's document type."""

INDEX_VERSION = 1
"""Version of the index that this package writes."""


class VaultKeyError(MarkupError, ValueError):
    """The key does not open the vault. The text is the same whatever the reason is."""


class WeakPassphraseError(MarkupError, ValueError):
    """A passphrase is too easy to guess; the text says the rule."""


class RecipientError(MarkupError, ValueError):
    """A public key or certificate cannot be a vault's recipient; the text says why."""


class RecordKind(IntEnum):
    """What a record holds."""

    ORIGINAL = 1
    IDENTITY = 2
    PROJECT_KEY = 3
    INDEX = 4


class SlotKind(IntEnum):
    """How a key slot hides the vault key."""

    PASSPHRASE = 1  # Argon2id
    X25519 = 2
    CERTIFICATE = 3  # RSA-OAEP


@dataclass(frozen=True, slots=True)
class KdfCost:
    """The cost of one guess at a passphrase: Argon2id (RFC 9106) with these parameters."""

    memory_kib: int = 64 << 10
    passes: int = 3
    lanes: int = 4


@dataclass(frozen=True, slots=True)
class Passphrase:
    """A passphrase, to make a slot or to open a vault."""

    text: str = field(repr=False)
    cost: KdfCost = KdfCost()


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A recipient's X25519 public key: 32 bytes."""

    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A recipient's X.509 certificate with an RSA key, as DER."""

    der: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A private key that opens its slots: PKCS #8 as DER without password (X25519 or RSA)."""

    der: bytes = field(repr=False)


Recipient = Passphrase | PublicKey | Certificate
"""Whoever gets a key slot."""

Opener = Passphrase | PrivateKey
"""What opens a key slot."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A key slot as anybody sees it: its kind, and the fingerprint of a recipient's public key.

    The fingerprint is the SHA-256 of the SubjectPublicKeyInfo in hexadecimal, "" for passphrases.
    """

    kind: SlotKind
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """``length`` bytes of an original from ``start`` said to be the export's from ``exported``."""

    start: int
    exported: int
    length: int


@dataclass(frozen=True, slots=True)
class VaultOriginal:
    """One original file for the vault, with the exported file that stands for it.

    ``exported`` is empty, and so is ``new_uid``, for a file that has no export.
    ``runs`` are claims: each is proven before it is used; without any they are looked for.
    """

    path: str = field(repr=False)
    raw: bytes = field(repr=False)
    exported: bytes = field(default=b"", repr=False)
    old_uid: str = field(default="", repr=False)
    new_uid: str = ""
    runs: tuple[Run, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class IdentityMap:
    """Who is who: old to new UIDs, old to new ids, and days added to a new patient id's dates."""

    uids: dict[str, str] = field(default_factory=dict, repr=False)
    ids: dict[str, str] = field(default_factory=dict, repr=False)
    day_offsets: dict[str, int] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """A record as the encrypted index describes it.

    ``offset`` is where it begins in the file, ``stored`` its padded length before encryption,
    ``counter`` is the nonce counter of its first chunk. ``size`` and
    ``sha256`` are the original's, ``exported_sha256`` is of the exported file; ``whole`` says
    that the original is rebuilt without the export.
    """

    kind: RecordKind
    number: int
    offset: int
    stored: int
    counter: int
    new_uid: str = ""
    exported_sha256: str = ""
    path: str = field(default="", repr=False)
    escaped: bool = False
    old_uid: str = field(default="", repr=False)
    size: int = field(default=0, repr=False)
    sha256: str = field(default="", repr=False)
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    """The vault's encrypted index: all records but itself, in the order of the file."""

    schema: str = INDEX_SCHEMA
    version: int = INDEX_VERSION
    entries: tuple[Entry, ...] = field(default=(), repr=False)
