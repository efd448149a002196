# ruff: noqa: E501  (tables of attributes read better in one line)
"""Planting: each secret is written down with the place where it was put."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian

from napari_dicom_markup.core.anonymizing.tokens import Role
from napari_dicom_markup.model.deid import Place

if TYPE_CHECKING:
    from tests.identities.people import Person

PRIVATE = "NDM TEST BLOCK 1"
"""Creator of the private block that every object gets."""


@dataclass(frozen=True)
class Plant:
    """A secret in an object: what it is, its text, and where: a place, or a kind of bytes."""

    role: Role
    text: str = field(repr=False)
    where: str


@dataclass(frozen=True)
class Planted:
    """An object full of secrets: a name that tells too much, its bytes, what was planted."""

    key: str
    sop_class: str
    file_name: str
    raw: bytes = field(repr=False)
    plants: tuple[Plant, ...]
    person: Person = field(repr=False)

    def data_set(self) -> Dataset:
        """Return pydicom's reading."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pydicom.dcmread(io.BytesIO(self.raw), force=True)


class Planter:
    """Puts a person's secrets into a data set and remembers each place."""

    def __init__(self, person: Person, data_set: Dataset) -> None:
        self.person, self.data_set = person, data_set
        self.plants: list[Plant] = []

    def put(self, path: str, value: Any, role: Role, secret: str = "") -> None:
        """Set an attribute by a path of keywords, Keyword[0].Keyword; missing items are made."""
        *parents, last = path.split(".")
        item, items = self.data_set, []
        for parent in parents:
            keyword, _, number = parent.rstrip("]").partition("[")
            index = int(number or 0)
            sequence = item[keyword].value if keyword in item else Sequence()
            while len(sequence) <= index:
                sequence.append(Dataset())
            if keyword not in item:
                setattr(item, keyword, sequence)
            items.append((int(item[keyword].tag), index))
            item = item[keyword].value[index]
        setattr(item, last, value)
        self.note(str(Place(int(item[last].tag), tuple(items))), role, secret or str(value))

    def note(self, where: str, role: Role, text: str) -> None:
        """Remember a secret that was put somewhere by other means."""
        self.plants.append(Plant(role, text, where))

    def common(self) -> None:
        """Plant at the top level, in nested sequences, in free text and in a private block."""
        person = self.person
        self.data_set.SpecificCharacterSet = person.charset
        for path, value, role in _patient(person):
            self.put(path, value, role)
        original = self.data_set.OriginalAttributesSequence[0]
        original.AttributeModificationDateTime = person.study_date + "101010"
        original.ModifyingSystem = person.station
        original.ReasonForTheAttributeModification = "CORRECT"
        self.data_set.OtherPatientIDsSequence[0].TypeOfPatientID = "TEXT"
        born = person.spelled_birth()
        full = ", ".join(person.name.split("=")[0].split("^")[:2])
        self.put("StudyDescription", f"Ctrl {full}", Role.NAME, full)
        self.put("SeriesDescription", f"b. {born[2]}", Role.DATE, born[2])
        self.put("PatientComments", f"Lives {person.address}", Role.ADDRESS, person.address)
        self.put("ImageComments" if "Rows" in self.data_set else "AdditionalPatientHistory",
                 f"DOB {born[4]}, tel {person.phone}", Role.DATE, born[4])  # fmt: skip
        self._private()

    def _private(self) -> None:
        """Plant in a private block: text, a name, nested, and bytes without a meaning."""
        person = self.person
        block = self.data_set.private_block(0x00D1, PRIVATE, create=True)
        block.add_new(0x01, "LO", person.patient_id)
        block.add_new(0x02, "PN", person.name)
        nested = Dataset()
        nested.private_block(0x00D1, PRIVATE, create=True).add_new(0x05, "LO", person.accession)
        nested.private_block(0x00D1, PRIVATE).add_new(0x06, "UI", person.uid(1))
        block.add_new(0x03, "SQ", Sequence([nested]))
        block.add_new(0x04, "UN", _even(b"\x01\x02" + person.extra(0).encode() + b"\x00\xff"))
        block.add_new(0x07, "OB", _even(person.extra(1).encode("utf-16-le")))
        top = 0x00D11000
        self.note(str(Place(top + 1)), Role.ID, person.patient_id)
        self.note(str(Place(top + 2)), Role.NAME, person.name)
        inside = ((top + 3, 0),)
        self.note(str(Place(top + 5, inside)), Role.ID, person.accession)
        self.note(str(Place(top + 6, inside)), Role.UID, person.uid(1))
        self.note("bytes: private UN", Role.ID, person.extra(0))
        self.note("bytes: private OB in UTF-16", Role.ID, person.extra(1))

    def file(
        self, key: str, syntax: str = ExplicitVRLittleEndian, *, hostile: bool = False
    ) -> Planted:
        """Return the object as a file; a hostile one has secrets around the data set as well."""
        person, data = self.person, self.data_set
        data.file_meta = self._meta(syntax)
        if hostile:
            self._hostile()
        stream = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data.save_as(stream, enforce_file_format=True)
        raw = stream.getvalue()
        preamble = b"\x00" * 128
        if hostile:
            preamble = person.extra(4).encode().ljust(128, b"\x00")
            self.note("bytes: preamble", Role.ID, person.extra(4))
            raw += b"\x00" * 8 + person.extra(5).encode()
            self.note("bytes: trailing", Role.ID, person.extra(5))
        name = f"{'_'.join(person.words[:2])}/{person.patient_id}/{key}_{person.study_date}.dcm"
        self.note("name", Role.ID, person.patient_id)
        self.note("name", Role.DATE, person.study_date)
        sop_class = UID(data.SOPClassUID).name
        return Planted(key, sop_class, name, preamble + raw[128:], tuple(self.plants), person)

    def _meta(self, syntax: str) -> FileMetaDataset:
        person, meta = self.person, FileMetaDataset()
        meta.MediaStorageSOPClassUID = self.data_set.SOPClassUID
        meta.MediaStorageSOPInstanceUID = self.data_set.SOPInstanceUID
        meta.TransferSyntaxUID = syntax
        meta.ImplementationClassUID = "1.2.276.0.99.1"
        meta.SourceApplicationEntityTitle = person.station
        meta.PrivateInformationCreatorUID = "1.2.276.0.99.2"
        meta.PrivateInformation = _even(person.extra(2).encode())
        self.note("(0002,0016)", Role.DEVICE, person.station)
        self.note("(0002,0003)", Role.UID, str(self.data_set.SOPInstanceUID))
        self.note("bytes: (0002,0102)", Role.ID, person.extra(2))
        return meta

    def _hostile(self) -> None:
        """Plant where readers do not look: UN and wrong VRs, padding, an overlay, curves."""
        person, data = self.person, self.data_set
        data.add_new(0x00101005, "UN", _even(person.extra(3).encode()))  # Patient's Birth Name
        self.note("bytes: standard attribute as UN", Role.ID, person.extra(3))
        data.add_new(0x00102154, "LT", person.phone)  # Patient's Telephone Numbers, SH
        self.note("(0010,2154)", Role.PHONE, person.phone)
        data.add_new(0x00402001, "OB", _even(person.extra(6).encode()))  # retired Reason, LO
        self.note("bytes: text attribute as OB", Role.ID, person.extra(6))
        data.add_new(0xFFFCFFFC, "OB", _even(person.extra(7).encode()))
        self.note("bytes: (FFFC,FFFC)", Role.ID, person.extra(7))
        data.add_new(0x00330010, "LO", "ORPHANS")
        data.add_new(0x00331101, "LO", person.address)  # a block without its creator
        self.note("(0033,1101)", Role.ADDRESS, person.address)


def _patient(person: Person) -> list[tuple[str, Any, Role]]:
    request = "RequestAttributesSequence[0]"
    return [
        ("PatientName", person.name, Role.NAME),
        ("PatientID", person.patient_id, Role.ID),
        ("PatientBirthDate", person.birth, Role.DATE),
        ("PatientAddress", person.address, Role.ADDRESS),
        ("PatientTelephoneNumbers", person.phone, Role.PHONE),
        ("OtherPatientIDsSequence[0].PatientID", person.extra(8), Role.ID),
        ("AccessionNumber", person.accession, Role.ID),
        ("StudyDate", person.study_date, Role.DATE),
        ("InstitutionName", person.institution, Role.INSTITUTION),
        ("ReferringPhysicianName", person.physician, Role.NAME),
        ("OperatorsName", person.operator, Role.NAME),
        ("DeviceSerialNumber", person.serial, Role.DEVICE),
        ("StationName", person.station, Role.DEVICE),
        ("StudyInstanceUID", person.uid(1), Role.UID),
        (f"{request}.RequestedProcedureDescription", f"For {person.physician}", Role.NAME),
        (f"{request}.ScheduledProcedureStepID", person.extra(9), Role.ID),
        ("OriginalAttributesSequence[0].SourceOfPreviousValues", person.institution, Role.INSTITUTION),
        ("OriginalAttributesSequence[0].ModifiedAttributesSequence[0].PatientID", person.extra(10), Role.ID),
    ]  # fmt: skip


def _even(raw: bytes) -> bytes:
    return raw + b"\x00" * (len(raw) % 2)
