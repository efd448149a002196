"""Keys and passphrases are read from files as people have them."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from tests.vaults import certificate, private_key, rsa_pair, x25519_pair

from napari_dicom_markup.errors import DamagedError
from napari_dicom_markup.model.vault import (
    Passphrase,
    RecipientError,
    VaultKeyError,
    WeakPassphraseError,
)
from napari_dicom_markup.sources.vault import (
    VaultFile,
    read_passphrase,
    read_private_key,
    read_recipient,
)

KEY = X25519PrivateKey.from_private_bytes(bytes([1]) * 32)
PUBLIC, PRIVATE = x25519_pair(1)


@pytest.fixture
def put(tmp_path):
    def write(data: bytes):
        path = tmp_path / "key"
        path.write_bytes(data)
        return path

    return write


def test_a_public_key_is_read_raw_as_pem_and_as_der(put):
    spki = [
        KEY.public_key().public_bytes(e, PublicFormat.SubjectPublicKeyInfo)
        for e in (Encoding.PEM, Encoding.DER)
    ]
    for data in (PUBLIC.raw, *spki):
        assert read_recipient(put(data)) == PUBLIC


def test_a_certificate_is_read_as_pem_and_as_der(put):
    for encoding in (Encoding.PEM, Encoding.DER):
        assert read_recipient(put(rsa_pair()[0].public_bytes(encoding))) == certificate()


def test_a_private_key_is_read_raw_as_pem_and_as_der(put):
    for encoding in (Encoding.PEM, Encoding.DER):
        data = KEY.private_bytes(encoding, PrivateFormat.PKCS8, NoEncryption())
        assert read_private_key(put(data)) == PRIVATE
    assert read_private_key(put(KEY.private_bytes_raw())) == PRIVATE
    rsa = rsa_pair()[1]
    pem = rsa.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    assert read_private_key(put(pem)) == private_key(rsa)


def test_a_private_key_under_a_password_needs_it(put):
    secret = BestAvailableEncryption(b"key file password")
    path = put(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secret))
    assert read_private_key(path, Passphrase("key file password")) == PRIVATE
    for wrong in (None, Passphrase("another password")):
        with pytest.raises(VaultKeyError, match="password"):
            read_private_key(path, wrong)


@pytest.mark.parametrize("text", ["a good passphrase 1", "Grüße aus Köln 42"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\nsecond line\n"])
def test_a_passphrase_is_the_first_line(put, text, end):
    assert read_passphrase(put((text + end).encode())) == Passphrase(text)


def test_files_that_hold_no_key_are_refused(put, tmp_path):
    ec = generate_private_key(SECP256R1())
    spki = ec.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for data in (b"", b"x" * 33, b"-----BEGIN CERTIFICATE-----\n", spki, bytes(70_000)):
        with pytest.raises(RecipientError):
            read_recipient(put(data))
    pem = ec.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for data in (b"", b"x" * 33, b"-----BEGIN PRIVATE KEY-----\n", pem):
        with pytest.raises(VaultKeyError):
            read_private_key(put(data))
    for data in (b"", b"\xff\xfe\xff", bytes(70_000)):
        with pytest.raises(WeakPassphraseError):
            read_passphrase(put(data))
    with pytest.raises(WeakPassphraseError):
        read_passphrase(tmp_path / "missing")


def test_a_vault_that_is_not_there_is_said_to_be_missing(tmp_path):
    with pytest.raises(DamagedError, match="cannot be opened"):
        VaultFile(tmp_path / "missing.dcm-vault")


def test_reading_past_the_end_gives_what_there_is(put):
    with VaultFile(put(b"0123456789")) as file:
        assert file.read_at(8, 1 << 60) == b"89"
        assert file.read_at(1 << 62, 5) == b""
