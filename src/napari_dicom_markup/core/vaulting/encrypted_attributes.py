"""Encrypted Attributes (0400,0500) of PS3.15 E.1.1 and PS3.3 C.12.1.1.4.1, for other programs.

The standard's own way back, which GDCM reads: original attributes in a CMS envelope inside the
shared file. It is confidentiality only (RSA PKCS #1 v1.5, AES-CBC, no authentication) and never
the only copy: the vault is that. pydicom's warnings quote values: call within ``quiet_pydicom``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, cast

from napari_dicom_markup.core.vaulting.slots import rsa_key
from napari_dicom_markup.errors import DamagedError
from napari_dicom_markup.model.vault import RecipientError, VaultKeyError
from napari_dicom_markup.standard.transfer_syntax import EXPLICIT_LE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom import Dataset

    from napari_dicom_markup.model.vault import Certificate, PrivateKey


def encrypt_attributes(originals: Dataset, certificates: Sequence[Certificate]) -> Dataset:
    """Return an item of Encrypted Attributes Sequence that holds ``originals``.

    ``originals`` has the attributes as they were before they were replaced or removed. Every
    certificate's owner can read the item.

    Raises
    ------
    RecipientError
        There is no certificate, or one has no RSA key.
    """
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.hazmat.primitives.serialization.pkcs7 import (
        PKCS7EnvelopeBuilder,
        PKCS7Options,
    )
    from cryptography.x509 import load_der_x509_certificate
    from pydicom import Dataset

    if not certificates:
        message = "encrypted attributes need at least one certificate"
        raise RecipientError(message)
    builder = PKCS7EnvelopeBuilder().set_data(_encoded(originals))
    for certificate in certificates:
        rsa_key(certificate)
        builder = builder.add_recipient(load_der_x509_certificate(certificate.der))
    envelope = builder.encrypt(Encoding.DER, [PKCS7Options.Binary])
    item = Dataset()
    item.EncryptedContentTransferSyntaxUID = EXPLICIT_LE
    item.EncryptedContent = envelope + bytes(len(envelope) % 2)
    return item


def decrypt_attributes(item: Dataset, certificate: Certificate, key: PrivateKey) -> Dataset:
    """Return the original attributes in an item of Encrypted Attributes Sequence.

    Raises
    ------
    VaultKeyError
        The key is not its recipient's, or the envelope was altered.
    DamagedError
        It is no envelope, or what is in it is no data set.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_private_key
    from cryptography.hazmat.primitives.serialization.pkcs7 import pkcs7_decrypt_der
    from cryptography.x509 import load_der_x509_certificate

    content = item.get("EncryptedContent")
    envelope = trim_der(content if isinstance(content, bytes) else b"")
    rsa_key(certificate)
    try:
        private = load_der_private_key(key.der, password=None)
        data = pkcs7_decrypt_der(
            envelope,
            load_der_x509_certificate(certificate.der),
            private,  # type: ignore[arg-type]  # another kind of key raises TypeError
            [],
        )
    except (ValueError, TypeError, UnsupportedAlgorithm):
        message = "the encrypted attributes do not open: the key is wrong, or they were altered"
        raise VaultKeyError(message) from None
    return _decoded(data, item.get("EncryptedContentTransferSyntaxUID"))


def trim_der(data: bytes) -> bytes:
    """Return a DER value without what stands behind it: the byte that pads OB to even length.

    Examples
    --------
    >>> trim_der(bytes.fromhex("3003020101" "00")).hex()
    '3003020101'

    Raises
    ------
    DamagedError
    """
    size = 2 + data[1] if len(data) > 1 and data[1] < 0x80 else 0
    if len(data) > 1 and 0x80 < data[1] <= 0x84:
        count = data[1] & 0x7F
        size = 2 + count + int.from_bytes(data[2 : 2 + count], "big")
    if data[:1] != b"\x30" or not 2 <= size <= len(data):
        message = "the encrypted attributes are no CMS envelope in DER, or were cut"
        raise DamagedError(message)
    return data[:size]


def _encoded(originals: Dataset) -> bytes:
    """Return a data set with ``originals`` as the item of Modified Attributes Sequence."""
    from pydicom import Dataset
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_dataset

    whole = Dataset()
    whole.ModifiedAttributesSequence = [originals]
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, whole)
    return buffer.getvalue()


def _decoded(data: bytes, syntax: str | None) -> Dataset:
    from pydicom.filebase import DicomBytesIO
    from pydicom.filereader import read_dataset
    from pydicom.uid import UID

    message = "the encrypted attributes hold no data set that can be read"
    try:
        known = UID(syntax or EXPLICIT_LE)
        implicit, little = known.is_implicit_VR, known.is_little_endian
        stream = cast("BinaryIO", DicomBytesIO(data))
        whole = read_dataset(stream, implicit, little)
        originals: Dataset = whole.ModifiedAttributesSequence[0]
    except Exception:  # noqa: BLE001  # pydicom raises anything on bytes of anybody
        raise DamagedError(message) from None
    return originals
