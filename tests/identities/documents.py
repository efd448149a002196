# ruff: noqa: E501  (tables of attributes read better in one line)
"""Objects that are no images: radiotherapy, documents, waveforms, raw data, registrations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydicom.sequence import Sequence

from napari_dicom_markup.core.anonymizing.tokens import Role
from tests.identities.building import base, code, item, pixels, plane
from tests.identities.planting import Planted, Planter

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from tests.identities.people import Person

CT = "1.2.840.10008.5.1.4.1.1.2"


def _planter(person: Person, data: Dataset) -> Planter:
    planter = Planter(person, data)
    planter.common()
    return planter


def _refer(keyword_class: str, uid: str) -> Dataset:
    return item(ReferencedSOPClassUID=keyword_class, ReferencedSOPInstanceUID=uid)


def _refer_to_ct(data: Dataset, person: Person) -> None:
    series = item(SeriesInstanceUID=person.uid(1, 3))
    series.ReferencedInstanceSequence = Sequence([_refer(CT, person.uid(1, 3, 1))])
    data.ReferencedSeriesSequence = Sequence([series])


def rt_dose(person: Person) -> Planted:
    """Return a dose with a volume histogram."""
    data = plane(pixels(base(person, "481.2", "RTDOSE", 31), frames=2), person)
    data.FrameIncrementPointer, data.GridFrameOffsetVector = 0x3004000C, [0.0, 2.5]
    data.DoseUnits, data.DoseType, data.DoseSummationType = "GY", "PHYSICAL", "PLAN"
    data.DoseGridScaling, data.TissueHeterogeneityCorrection = 0.001, "IMAGE"
    plan = _refer("1.2.840.10008.5.1.4.1.1.481.5", person.uid(1, 33, 1))
    data.ReferencedRTPlanSequence = Sequence([plan])
    planter = _planter(person, data)
    planter.note("(300C,0002)[1].(0008,1155)", Role.UID, person.uid(1, 33, 1))
    planter.put("DoseComment", f"Plan of {person.said}", Role.NAME, person.said)
    return planter.file("rt-dose")


def rt_structures(person: Person) -> Planted:
    """Return structures whose names, descriptions and interpreters tell."""
    data = base(person, "481.3", "RTSTRUCT", 32)
    data.FrameOfReferenceUID, data.PositionReferenceIndicator = person.uid(2, 1), ""
    data.StructureSetLabel, data.StructureSetDate, data.StructureSetTime = (
        "SET",
        person.study_date,
        "101112",
    )
    contour = item(
        ContourImageSequence=[_refer(CT, person.uid(1, 3, 1))], ContourGeometricType="CLOSED_PLANAR",
        NumberOfContourPoints=3, ContourData=[-5, -10, 2.5, 0, -10, 2.5, 0, -5, 2.5],
    )  # fmt: skip
    data.ROIContourSequence = Sequence(
        [item(ReferencedROINumber=1, ROIDisplayColor=[255, 0, 0], ContourSequence=[contour])]
    )
    series = item(
        SeriesInstanceUID=person.uid(1, 3), ContourImageSequence=[_refer(CT, person.uid(1, 3, 1))]
    )
    study = _refer("1.2.840.10008.3.1.2.3.1", person.uid(1))
    study.RTReferencedSeriesSequence = Sequence([series])
    frame = item(FrameOfReferenceUID=person.uid(2, 1), RTReferencedStudySequence=[study])
    data.ReferencedFrameOfReferenceSequence = Sequence([frame])
    roi = item(
        ROINumber=1, ReferencedFrameOfReferenceUID=person.uid(2, 1), ROIGenerationAlgorithm="MANUAL"
    )
    data.StructureSetROISequence = Sequence([roi])
    data.RTROIObservationsSequence = Sequence(
        [item(ObservationNumber=1, ReferencedROINumber=1, RTROIInterpretedType="GTV")]
    )
    planter = _planter(person, data)
    planter.put("StructureSetROISequence[0].ROIName", f"GTV {person.said}", Role.NAME, person.said)
    planter.put("StructureSetROISequence[0].ROIDescription", person.extra(3), Role.ID)
    planter.put("RTROIObservationsSequence[0].ROIInterpreter", person.physician, Role.NAME)
    planter.put("StructureSetName", person.patient_id, Role.ID)
    planter.note("(3006,0010)[1].(0020,0052)", Role.UID, person.uid(2, 1))
    planter.note(
        "(3006,0039)[1].(3006,0040)[1].(3006,0016)[1].(0008,1155)", Role.UID, person.uid(1, 3, 1)
    )
    return planter.file("rt-structures")


def rt_plan(person: Person) -> Planted:
    """Return a plan with a prescription."""
    data = base(person, "481.5", "RTPLAN", 33)
    data.RTPlanLabel, data.RTPlanDate, data.RTPlanTime = "PLAN1", person.study_date, "101112"
    data.RTPlanGeometry, data.FrameOfReferenceUID = "PATIENT", person.uid(2, 1)
    data.PositionReferenceIndicator = ""
    data.DoseReferenceSequence = Sequence([item(
        DoseReferenceNumber=1, DoseReferenceStructureType="SITE", DoseReferenceType="TARGET",
        TargetPrescriptionDose=60.0, DoseReferenceDescription="PTV",
    )])  # fmt: skip
    data.FractionGroupSequence = Sequence([item(
        FractionGroupNumber=1, NumberOfFractionsPlanned=30, NumberOfBeams=0, NumberOfBrachyApplicationSetups=0,
    )])  # fmt: skip
    data.ReferencedStructureSetSequence = Sequence(
        [_refer("1.2.840.10008.5.1.4.1.1.481.3", person.uid(1, 32, 1))]
    )
    data.PatientSetupSequence = Sequence([item(PatientSetupNumber=1, PatientPosition="HFS")])
    planter = _planter(person, data)
    planter.put("RTPlanName", person.said, Role.NAME)
    planter.put("PrescriptionDescription", f"by {person.physician}", Role.NAME, person.physician)
    planter.put("ApprovalStatus", "APPROVED", Role.NAME, "")
    planter.plants.pop()
    planter.put("ReviewDate", person.study_date, Role.DATE)
    planter.put("ReviewTime", "101112", Role.NAME)
    planter.plants.pop()
    planter.put("ReviewerName", person.physician, Role.NAME)
    return planter.file("rt-plan")


def pdf(person: Person) -> Planted:
    """Return a PDF whose page and title tell."""
    data = base(person, "104.1", "DOC", 34)
    data.ConversionType, data.BurnedInAnnotation, data.ConceptNameCodeSequence = (
        "SD",
        "YES",
        Sequence(),
    )
    data.MIMETypeOfEncapsulatedDocument, data.AcquisitionDateTime = "application/pdf", ""
    page = (
        b"%PDF-1.4\n1 0 obj<</Title ("
        + person.extra(3).encode()
        + b")>>endobj\ntrailer<<>>\n%%EOF\n"
    )
    data.add_new("EncapsulatedDocument", "OB", page + b"\x00" * (len(page) % 2))
    planter = _planter(person, data)
    planter.note("bytes: PDF", Role.ID, person.extra(3))
    planter.put("DocumentTitle", f"Report on {person.patient_id}", Role.ID, person.patient_id)
    return planter.file("pdf")


def ecg(person: Person) -> Planted:
    """Return a 12-lead ECG of one second."""
    data = base(person, "9.1.1", "ECG", 35)
    data.AcquisitionDateTime, data.AcquisitionContextSequence = (
        person.study_date + "101300",
        Sequence(),
    )
    leads = [
        item(
            ChannelSourceSequence=[code(f"2:{k + 1}", "MDC", f"Lead {k + 1}")], ChannelSensitivity=1.25,
            ChannelSensitivityUnitsSequence=[code("uV", "UCUM", "microvolt")], ChannelBaseline=0,
            ChannelSensitivityCorrectionFactor=1, ChannelSampleSkew=0, WaveformBitsStored=16,
        )
        for k in range(12)
    ]  # fmt: skip
    group = item(
        WaveformOriginality="ORIGINAL", NumberOfWaveformChannels=12, NumberOfWaveformSamples=250,
        SamplingFrequency=250, ChannelDefinitionSequence=leads, WaveformBitsAllocated=16,
        WaveformSampleInterpretation="SS",
    )  # fmt: skip
    values = np.random.default_rng(9).integers(-400, 400, (250, 12)).astype("<i2")
    group.add_new("WaveformData", "OW", values.tobytes())
    data.WaveformSequence = Sequence([group])
    planter = _planter(person, data)
    note = "WaveformAnnotationSequence[0]"
    planter.put(f"{note}.UnformattedTextValue", f"Rhythm of {person.said}", Role.NAME, person.said)
    data.WaveformAnnotationSequence[0].ReferencedWaveformChannels = [1, 0]
    return planter.file("ecg")


def raw_data(person: Person) -> Planted:
    """Return raw data: a private block that spells a name in the middle of values."""
    data = base(person, "66", "MR", 36)
    data.CreatorVersionUID, data.AcquisitionContextSequence = person.uid(11), Sequence()
    data.ImageLaterality = "U"
    block = data.private_block(0x00D3, "NDM RAW 1", create=True)
    noise = np.random.default_rng(8).integers(0, 256, 4096).astype("u1").tobytes()
    block.add_new(
        0x10, "OB", noise + person.extra(3).encode() + noise + b"\x00" * (len(person.extra(3)) % 2)
    )
    planter = _planter(person, data)
    planter.note("bytes: private OB among noise", Role.ID, person.extra(3))
    return planter.file("raw-data")


def registration(person: Person) -> Planted:
    """Return a spatial registration of two frames of reference."""
    data = base(person, "66.1", "REG", 37)
    _refer_to_ct(data, person)
    data.ContentLabel, data.FrameOfReferenceUID = "REG", person.uid(2, 1)
    data.PositionReferenceIndicator = ""
    matrix = item(
        FrameOfReferenceTransformationMatrix=[1, 0, 0, 2.5, 0, 1, 0, -4, 0, 0, 1, 0.5, 0, 0, 0, 1],
        FrameOfReferenceTransformationMatrixType="RIGID",
    )
    steps = item(MatrixSequence=[matrix])
    steps.FrameOfReferenceTransformationComment, steps.RegistrationTypeCodeSequence = "", Sequence()
    data.RegistrationSequence = Sequence([item(
        FrameOfReferenceUID=person.uid(2, 2), ReferencedImageSequence=[_refer(CT, person.uid(1, 3, 1))],
        MatrixRegistrationSequence=[steps],
    )])  # fmt: skip
    planter = _planter(person, data)
    planter.put("ContentCreatorName", person.operator, Role.NAME)
    planter.put("ContentDescription", f"{person.said} to atlas", Role.NAME, person.said)
    at = "RegistrationSequence[0].MatrixRegistrationSequence[0].FrameOfReferenceTransformationComment"
    planter.put(at, person.patient_id, Role.ID)
    planter.note("(0070,0308)[1].(0020,0052)", Role.UID, person.uid(2, 2))
    return planter.file("registration")


def real_world_values(person: Person) -> Planted:
    """Return a mapping to real world values."""
    data = base(person, "67", "RWV", 38)
    mapping = item(
        RealWorldValueFirstValueMapped=0, RealWorldValueLastValueMapped=255, RealWorldValueIntercept=0.0,
        RealWorldValueSlope=0.01, LUTLabel="SUV", LUTExplanation="SUVbw",
        MeasurementUnitsCodeSequence=[code("g/ml{SUVbw}", "UCUM", "SUVbw")],
    )  # fmt: skip
    mapping["RealWorldValueFirstValueMapped"].VR = mapping["RealWorldValueLastValueMapped"].VR = (
        "US"
    )
    data.ReferencedImageRealWorldValueMappingSequence = Sequence([item(
        ReferencedImageSequence=[_refer(CT, person.uid(1, 3, 1))], RealWorldValueMappingSequence=[mapping],
    )])  # fmt: skip
    data.ContentLabel = "RWV"
    _refer_to_ct(data, person)
    planter = _planter(person, data)
    planter.put("ContentCreatorName", person.physician, Role.NAME)
    planter.put("ContentDescription", person.accession, Role.ID)
    return planter.file("real-world-values")


def fiducials(person: Person) -> Planted:
    """Return spatial fiducials with a description that tells."""
    data = base(person, "66.2", "FID", 39)
    data.ContentLabel = "FID"
    point = item(
        ShapeType="POINT", FiducialIdentifier="F1",
        ContourData=[1.0, 2.0, 3.0], NumberOfContourPoints=1,
    )  # fmt: skip
    data.FiducialSetSequence = Sequence(
        [item(FrameOfReferenceUID=person.uid(2, 1), FiducialSequence=[point])]
    )
    planter = _planter(person, data)
    planter.put("ContentDescription", person.said, Role.NAME)
    planter.put("ContentCreatorName", person.physician, Role.NAME)
    at = "FiducialSetSequence[0].FiducialSequence[0].FiducialDescription"
    planter.put(at, f"marker of {person.patient_id}", Role.ID, person.patient_id)
    planter.note("(0070,031C)[1].(0020,0052)", Role.UID, person.uid(2, 1))
    return planter.file("fiducials")


DOCUMENTS = (
    rt_dose, rt_structures, rt_plan, pdf, ecg, raw_data, registration, real_world_values, fiducials,
)  # fmt: skip
