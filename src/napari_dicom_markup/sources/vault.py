"""Read what a vault needs: its file at any place, passphrases, public and private keys."""

from __future__ import annotations

import threading
from typing import IO, TYPE_CHECKING, Self

from napari_dicom_markup.errors import DamagedError
from napari_dicom_markup.model.vault import (
    Certificate,
    Passphrase,
    PrivateKey,
    PublicKey,
    RecipientError,
    VaultKeyError,
    WeakPassphraseError,
)

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

KEY_FILE_LIMIT = 64 << 10
"""A longer file is no key, certificate or passphrase."""

_X25519_SIZE = 32


class VaultFile:
    """A vault's file, opened for reading at any place; threads may share it.

    Raises
    ------
    DamagedError
        It cannot be opened or read.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.name
        try:
            self._file: IO[bytes] = path.open("rb")
        except (OSError, ValueError):
            message = f"{path.name} cannot be opened: check that it is there and may be read"
            raise DamagedError(message, path.name) from None
        self._lock = threading.Lock()
        self.size = self._file.seek(0, 2)

    def read_at(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``, or fewer at the file's end."""
        with self._lock:
            try:
                self._file.seek(min(offset, self.size))
                return self._file.read(min(size, self.size))
            except (OSError, ValueError):
                message = f"{self.name} cannot be read: check the disk"
                raise DamagedError(message, self.name) from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def read_passphrase(path: Path) -> Passphrase:
    """Return the first line of a file as a passphrase, its end of line left out.

    Raises
    ------
    WeakPassphraseError
        There is none.
    """
    try:
        text = _content(path).decode("utf-8-sig").splitlines()[0]
    except (OSError, ValueError, IndexError):
        message = f"{path.name} holds no passphrase: write it as the first line, in UTF-8"
        raise WeakPassphraseError(message) from None
    return Passphrase(text)


def read_recipient(path: Path) -> PublicKey | Certificate:
    """Return the recipient in a file: an X25519 key (32 bytes, PEM, DER) or a certificate.

    Raises
    ------
    RecipientError
        The file holds none.
    """
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        data = _content(path)
        return PublicKey(data) if len(data) == _X25519_SIZE else _parsed_recipient(data)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        message = f"{path.name} holds no X25519 public key and no X.509 certificate"
        raise RecipientError(message) from None


def read_private_key(path: Path, password: Passphrase | None = None) -> PrivateKey:
    """Return the private key in a file: X25519 (32 bytes) or PKCS #8, as PEM or DER.

    Raises
    ------
    VaultKeyError
        The file holds none that can be read.
    """
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return _parsed_private(_content(path), password)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        message = f"{path.name} holds no private key that can be read, or needs its password"
        raise VaultKeyError(message) from None


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(KEY_FILE_LIMIT + 1)
    if len(data) > KEY_FILE_LIMIT:
        raise ValueError
    return data


def _parsed_recipient(data: bytes) -> PublicKey | Certificate:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        load_der_public_key,
        load_pem_public_key,
    )
    from cryptography.x509 import load_der_x509_certificate, load_pem_x509_certificate

    if b"-----BEGIN CERTIFICATE" in data:
        return Certificate(load_pem_x509_certificate(data).public_bytes(Encoding.DER))
    try:
        is_pem = b"-----BEGIN" in data
        key = load_pem_public_key(data) if is_pem else load_der_public_key(data)
    except ValueError:
        return Certificate(load_der_x509_certificate(data).public_bytes(Encoding.DER))
    if not isinstance(key, X25519PublicKey):
        raise TypeError
    return PublicKey(key.public_bytes_raw())


def _parsed_private(data: bytes, password: Passphrase | None) -> PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_der_private_key,
        load_pem_private_key,
    )

    if len(data) == _X25519_SIZE:
        own = X25519PrivateKey.from_private_bytes(data)
        return PrivateKey(own.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    load = load_pem_private_key if b"-----BEGIN" in data else load_der_private_key
    key = load(data, None if password is None else password.text.encode())
    if not isinstance(key, RSAPrivateKey | X25519PrivateKey):
        raise TypeError
    return PrivateKey(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
