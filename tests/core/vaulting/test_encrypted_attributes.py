"""The standard's own way back, for programs that know it."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import warnings

import pydicom
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from tests.data import PYDICOM_FILES
from tests.vaults import certificate, private_key, rsa_pair, x25519_pair

from napari_dicom_markup.core.vaulting.encrypted_attributes import (
    decrypt_attributes,
    encrypt_attributes,
    trim_der,
)
from napari_dicom_markup.errors import DamagedError
from napari_dicom_markup.model.vault import Certificate, RecipientError, VaultKeyError

GDCMANON = os.environ.get("NDM_GDCMANON") or shutil.which("gdcmanon")
RESTORED = ("PatientName", "PatientID", "StudyInstanceUID", "SOPInstanceUID")


def invented() -> Dataset:
    originals = Dataset()
    originals.PatientName = "Canary^Invented"
    originals.PatientID = "CANARY-77"
    originals.SOPInstanceUID = "1.2.3.4"
    originals.StudyInstanceUID = "1.2.3"
    return originals


def key_files(folder):
    made, key = rsa_pair()
    (folder / "cert.pem").write_bytes(made.public_bytes(Encoding.PEM))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    (folder / "key.pem").write_bytes(pem)
    return str(folder / "cert.pem"), str(folder / "key.pem")


@pytest.mark.parametrize("name", ["A^B", "A^BC", "A^BCD^E", "A^BCDEFGHIJKLMNOPQR"])
def test_the_owner_of_the_certificate_reads_the_originals(name):
    originals = invented()
    originals.PatientName = name
    item = encrypt_attributes(originals, [certificate()])
    assert b"CANARY" not in item.EncryptedContent
    assert len(item.EncryptedContent) % 2 == 0
    assert item.EncryptedContentTransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert decrypt_attributes(item, certificate(), private_key(rsa_pair()[1])) == originals


def test_a_wrong_key_or_an_altered_envelope_is_one_error_without_values():
    item = encrypt_attributes(invented(), [certificate()])
    with pytest.raises(VaultKeyError, match="do not open"):
        decrypt_attributes(item, certificate(), x25519_pair(1)[1])
    item.EncryptedContent = item.EncryptedContent[:300]
    with pytest.raises(DamagedError, match="cut"):
        decrypt_attributes(item, certificate(), private_key(rsa_pair()[1]))
    for nothing in (Dataset(), encrypt_attributes(Dataset(), [certificate()])):
        if "EncryptedContent" not in nothing:
            with pytest.raises(DamagedError):
                decrypt_attributes(nothing, certificate(), private_key(rsa_pair()[1]))


def test_certificates_that_cannot_be_are_refused():
    for certificates in ([], [Certificate(b"")]):
        with pytest.raises(RecipientError):
            encrypt_attributes(invented(), certificates)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40))
def test_bytes_that_are_no_envelope_are_refused(data):
    item = Dataset()
    item.EncryptedContent = b"\x30" + data
    with pytest.raises((DamagedError, VaultKeyError)):
        decrypt_attributes(item, certificate(), private_key(rsa_pair()[1]))


def test_the_byte_that_pads_is_trimmed_by_the_length():
    assert trim_der(b"\x30\x81\x02ab\0") == b"\x30\x81\x02ab"
    assert trim_der(b"\x30\x03abc\0") == b"\x30\x03abc"
    for wrong in (b"", b"\x30", b"\x30\x80ab\0\0", b"\x31\x01a", b"\x30\x82\xff\xffab"):
        with pytest.raises(DamagedError):
            trim_der(wrong)


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl")
def test_openssl_reads_the_envelope(tmp_path):
    cert, key = key_files(tmp_path)
    item = encrypt_attributes(invented(), [certificate()])
    (tmp_path / "cms").write_bytes(trim_der(item.EncryptedContent))
    command = ["openssl", "cms", "-decrypt", "-binary", "-inform", "DER", "-recip", cert]
    command += ["-inkey", key, "-in", str(tmp_path / "cms")]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    assert data[:4] == bytes.fromhex("00045005")
    assert b"CANARY-77" in data


@pytest.mark.skipif(not GDCMANON, reason="no gdcmanon (Debian libgdcm-tools): set NDM_GDCMANON")
def test_gdcm_restores_the_originals(tmp_path):
    cert, key = key_files(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data_set = pydicom.dcmread(PYDICOM_FILES / "CT_small.dcm")
    before = copy.deepcopy(data_set)
    originals = Dataset()
    for keyword in RESTORED:
        originals[keyword] = copy.deepcopy(data_set[keyword])
    data_set.PatientName = data_set.PatientID = "ANON"
    data_set.SOPInstanceUID = data_set.file_meta.MediaStorageSOPInstanceUID = "2.25.1"
    data_set.StudyInstanceUID = "2.25.2"
    data_set.PatientIdentityRemoved = "YES"
    data_set.EncryptedAttributesSequence = [encrypt_attributes(originals, [certificate()])]
    data_set.save_as(tmp_path / "shared.dcm")
    again = tmp_path / "again.dcm"
    command = [GDCMANON, "--re-identify", "-k", key, "-c", cert]
    subprocess.run([*command, str(tmp_path / "shared.dcm"), str(again)], check=True)
    restored = pydicom.dcmread(again)
    assert [restored[k] for k in RESTORED] == [before[k] for k in RESTORED]
