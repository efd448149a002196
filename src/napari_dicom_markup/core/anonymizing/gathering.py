"""Which attributes of a source tell who somebody is, and the tokens of their values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_dicom_markup.core.anonymizing import tokens
from napari_dicom_markup.core.anonymizing.items import pydicom_errors
from napari_dicom_markup.core.anonymizing.tokens import DUMMY_DATES, Role, Token
from napari_dicom_markup.model.deid import Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

_IDS_WORDS = """
    AccessionNumber AdmissionID ClinicalTrialSubjectID ClinicalTrialSubjectReadingID
    ContainerIdentifier FillerOrderNumberImagingServiceRequest InsurancePlanIdentification
    MedicalRecordLocator OtherPatientIDs PatientID PerformedProcedureStepID
    PlacerOrderNumberImagingServiceRequest RequestedProcedureID ScheduledProcedureStepID
    ServiceEpisodeID SpecimenIdentifier StudyID ClinicalTrialProtocolID DonorIdentificationNumber
    FillerOrderNumberProcedure PlacerOrderNumberProcedure ScheduledStudyID ImagingServiceRequestID
    PersonIdentificationCodeSequence PatientBarcode AlternateContainerIdentifier
    """
IDS = frozenset(_IDS_WORDS.split())
"""Attributes that number a person, a visit, an order or a specimen."""

_DEVICES_WORDS = """
    DeviceSerialNumber StationName PerformedStationName ScheduledStationName DetectorID PlateID
    GantryID CassetteID GeneratorID UniqueDeviceIdentifier XRaySourceID SourceSerialNumber
    TransducerID LensID ScannerSerialNumber DigitizingDeviceID TreatmentMachineName
    DeviceAlternateIdentifier
    """
DEVICES = frozenset(_DEVICES_WORDS.split())
"""Attributes that name one machine; AE titles count with them (VR AE)."""

_INSTITUTIONS_WORDS = """
    InstitutionName InstitutionalDepartmentName IssuerOfPatientID ClinicalTrialSiteName
    ClinicalTrialSponsorName CurrentPatientLocation PatientInstitutionResidence RequestingService
    PerformedLocation ClinicalTrialCoordinatingCenterName VerifyingOrganization
    """
INSTITUTIONS = frozenset(_INSTITUTIONS_WORDS.split())
_ADDRESSES_WORDS = """
    InstitutionAddress PatientAddress PersonAddress ReferringPhysicianAddress RegionOfResidence
    PhysicianAddress EmailAddress
    """
ADDRESSES = frozenset(_ADDRESSES_WORDS.split())
_PHONES_WORDS = """
    OrderCallbackPhoneNumber PatientTelephoneNumbers PersonTelephoneNumbers
    ReferringPhysicianTelephoneNumbers PatientTelecomInformation PersonTelecomInformation
    OrderCallbackTelecomInformation
    """
PHONES = frozenset(_PHONES_WORDS.split())

_NOT_OF_A_PERSON_WORDS = """
    CodingSchemeUID ContextUID MappingResourceUID ContextGroupVersion ContextGroupLocalVersion
    ImplementationClassUID PrivateInformationCreatorUID
    """
_NOT_OF_A_PERSON = frozenset(_NOT_OF_A_PERSON_WORDS.split())
_REGISTRY = "1.2.840.10008."
_DATES = frozenset({"DA", "DT"})


def walk(
    data_set: Dataset, items: tuple[tuple[int, int], ...] = ()
) -> Iterator[tuple[Place, DataElement]]:
    """Return every element that can be read, with its place, items of sequences included."""
    for tag in sorted(data_set.keys()):
        try:
            element = data_set[tag]
            creator = data_set.get((tag.group, tag.element >> 8)) if tag.is_private else None
        except pydicom_errors():
            continue
        owner = str(creator.value) if creator is not None and tag.element > 0xFF else ""
        yield Place(int(tag), items, owner), element
        if element.VR == "SQ":
            for number, item in enumerate(element.value or ()):
                yield from walk(item, (*items, (int(tag), number)))


def texts_of(element: DataElement) -> tuple[str, ...]:
    """Return the values of an element of text as they stand, none where it holds none.

    Bytes count as text where all of them are printable: text of an unknown VR.
    """
    value = element.value
    if isinstance(value, bytes):
        return (_printed(value),) if _PRINTABLE.fullmatch(value) else ()
    if value is None or isinstance(value, (int, float)) or element.VR == "SQ":
        return ()
    single = isinstance(value, str) or hasattr(value, "components")  # a PersonName iterates
    if single or not hasattr(value, "__iter__"):
        return (str(value),)
    return tuple(str(part) for part in value)


_PRINTABLE = re.compile(rb"[\x20-\x7e\x80-\xff\t\r\n]{2,65536}\x00?")


def _printed(raw: bytes) -> str:
    text = raw.rstrip(b"\x00")
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")


def role_of(element: DataElement) -> Role | None:
    """Return what an element tells of a person, None where it tells nothing by itself."""
    vr, keyword = element.VR, element.keyword
    if keyword in _NOT_OF_A_PERSON:
        return None
    by_vr = {"PN": Role.NAME, "AE": Role.DEVICE, "DA": Role.DATE, "DT": Role.DATE, "UI": Role.UID}
    if vr in by_vr:
        return by_vr[vr]
    kinds = (
        (IDS, Role.ID),
        (DEVICES, Role.DEVICE),
        (INSTITUTIONS, Role.INSTITUTION),
        (ADDRESSES, Role.ADDRESS),
        (PHONES, Role.PHONE),
    )
    return next((role for keywords, role in kinds if keyword in keywords), None)


def tokens_of(role: Role, text: str) -> Iterator[Token]:
    """Return the tokens of one value; dates and UIDs have none, they are compared whole."""
    if role is Role.NAME:
        yield from tokens.name_tokens(text)
    elif role in (Role.ID, Role.DEVICE):
        yield from tokens.id_tokens(text, role)
    elif role in (Role.ADDRESS, Role.INSTITUTION):
        yield from tokens.phrase_tokens(text, role)
    elif role is Role.PHONE:
        yield from tokens.phone_tokens(text)


def own_uid(element: DataElement, text: str) -> bool:
    """Tell whether a UID is one of the source's own and not one of a class or a registry."""
    roles = ("ClassUID", "TransferSyntax", "Classes")
    named = any(role in element.keyword for role in roles)
    return not named and len(text) >= 8 and text.count(".") > 1 and not text.startswith(_REGISTRY)


def date_of(text: str) -> str | None:
    """Return the day of a DA or DT value as yyyymmdd, None where it names none or a dummy."""
    day = text.replace(".", "")[:8] if text[4:5] == "." else text[:8]
    usual = len(day) == 8 and day.isdecimal() and "1800" < day[:4] < "2200"
    return day if usual and day not in DUMMY_DATES else None
