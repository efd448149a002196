# ruff: noqa: E501  (tables of attributes read better in one line)
"""Images of volumes: CT, MR, PET, nuclear medicine, enhanced ones, with what is measured on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from napari_dicom_markup.core.anonymizing.tokens import Role
from tests.identities.building import SIZE, base, code, ct_slice, done, item, pixels, plane
from tests.identities.planting import Planted, Planter

if TYPE_CHECKING:
    from tests.identities.people import Person


def ct(person: Person) -> Planted:
    """Return a CT with an icon and an overlay, and secrets around the data set."""
    planter = Planter(person, ct_slice(person))
    planter.common()
    icon = pixels(Dataset(), bits=8)
    icon.PixelData = person.extra(11).encode().ljust(SIZE * SIZE, b"\x00")
    planter.data_set.IconImageSequence = Sequence([icon])
    planter.note("bytes: icon", Role.ID, person.extra(11))
    _overlay(planter)
    return planter.file("ct", hostile=True)


def _overlay(planter: Planter) -> None:
    data, person = planter.data_set, planter.person
    for element, vr, value in (
        (0x10, "US", SIZE), (0x11, "US", SIZE), (0x22, "LO", person.said), (0x40, "CS", "G"),
        (0x50, "SS", [1, 1]), (0x100, "US", 1), (0x102, "US", 0), (0x1500, "LO", person.said),
        (0x3000, "OW", b"\x0f" * 32),
    ):  # fmt: skip
        data.add_new(0x60000000 + element, vr, value)
    planter.note("(6000,0022)", Role.NAME, person.said)
    planter.note("(6000,1500)", Role.NAME, person.said)


def ct_deflated(person: Person) -> Planted:
    """Return a CT in the deflated transfer syntax: its bytes spell nothing."""
    return done(person, ct_slice(person, 2), "ct-deflated", DeflatedExplicitVRLittleEndian)


def mr(person: Person) -> Planted:
    """Return an MR image, implicit VR."""
    data = plane(pixels(base(person, "4", "MR", 4)), person)
    data.ImageType, data.ScanningSequence, data.SequenceVariant = (
        ["ORIGINAL", "PRIMARY", "M"],
        "SE",
        "NONE",
    )
    data.PatientPosition = "HFS"
    data.ScanOptions, data.MRAcquisitionType, data.RepetitionTime, data.EchoTime = "", "2D", 500, 15
    data.EchoTrainLength, data.FlipAngle, data.MagneticFieldStrength = 1, 90, 3
    data.ProtocolName = "t1"
    return done(person, data, "mr", ImplicitVRLittleEndian)


def _functional_groups(data: Dataset, person: Person, frames: int) -> None:
    now = person.study_date + "101300"
    data.SharedFunctionalGroupsSequence = Sequence([item(
        PixelMeasuresSequence=[item(PixelSpacing=[0.75, 0.8], SliceThickness=2.5)],
        PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
    )])  # fmt: skip
    data.PerFrameFunctionalGroupsSequence = Sequence([
        item(
            PlanePositionSequence=[item(ImagePositionPatient=[-10, -20, 2.5 * k])],
            FrameContentSequence=[item(
                StackID="1", InStackPositionNumber=k + 1, DimensionIndexValues=[1, k + 1],
                FrameAcquisitionDateTime=now, FrameReferenceDateTime=now, FrameAcquisitionDuration=12.5,
            )],
        )
        for k in range(frames)
    ])  # fmt: skip
    data.DimensionOrganizationSequence = Sequence([item(DimensionOrganizationUID=person.uid(7))])
    data.DimensionIndexSequence = Sequence([
        item(DimensionOrganizationUID=person.uid(7), DimensionIndexPointer=tag, FunctionalGroupPointer=0x00209111)
        for tag in (0x00209056, 0x00209057)
    ])  # fmt: skip
    data.AcquisitionDateTime, data.AcquisitionDuration = now, 30.0
    data.FrameOfReferenceUID, data.PositionReferenceIndicator = person.uid(2, 1), ""


def _frame_types(data: Dataset, modality: str) -> None:
    shared = data.SharedFunctionalGroupsSequence[0]
    kind = item(
        FrameType=["DERIVED", "PRIMARY", "VOLUME", "NONE"], PixelPresentation="MONOCHROME",
        VolumetricProperties="VOLUME", VolumeBasedCalculationTechnique="NONE",
    )  # fmt: skip
    if modality == "MR":
        kind.ComplexImageComponent, kind.AcquisitionContrast = "MAGNITUDE", "T1"
        data.ComplexImageComponent, data.AcquisitionContrast = "MAGNITUDE", "T1"
        data.MagneticFieldStrength, data.ResonantNucleus = 3.0, "1H"
        data.ApplicableSafetyStandardAgency = "IEC"
    setattr(shared, f"{modality}ImageFrameTypeSequence", Sequence([kind]))
    region = code("69536005", "SCT", "Head")
    anatomy = item(FrameLaterality="U", AnatomicRegionSequence=[region])
    shared.FrameAnatomySequence = Sequence([anatomy])
    event = item(IrradiationEventUID=str(data.SOPInstanceUID) + ".5")
    if modality == "CT":
        shared.IrradiationEventIdentificationSequence = Sequence([event])
    kind = "HU" if modality == "CT" else "US"
    mapping = item(RescaleIntercept=0, RescaleSlope=1, RescaleType=kind)
    shared.PixelValueTransformationSequence = Sequence([mapping])


def _enhanced(person: Person, sop_class: str, modality: str, number: int) -> Planted:
    data = pixels(base(person, sop_class, modality, number), frames=3)
    _functional_groups(data, person, 3)
    data.ImageType = ["DERIVED", "PRIMARY", "VOLUME", "NONE"]
    data.PatientPosition, data.AcquisitionContextSequence = "HFS", Sequence()
    _frame_types(data, modality)
    data.ContentQualification, data.PixelPresentation = "RESEARCH", "MONOCHROME"
    data.VolumetricProperties, data.VolumeBasedCalculationTechnique = "VOLUME", "NONE"
    data.BurnedInAnnotation, data.LossyImageCompression = "NO", "00"
    data.PresentationLUTShape = "IDENTITY"
    planter = Planter(person, data)
    planter.common()
    comment = "PerFrameFunctionalGroupsSequence[1].FrameContentSequence[0].FrameComments"
    planter.put(comment, f"see {person.patient_id}", Role.ID, person.patient_id)
    label = "PerFrameFunctionalGroupsSequence[2].FrameContentSequence[0].FrameLabel"
    planter.put(label, person.said, Role.NAME)
    return planter.file(f"enhanced-{modality.lower()}")


def enhanced_ct(person: Person) -> Planted:
    """Return an enhanced CT with comments in a frame's functional groups."""
    return _enhanced(person, "2.1", "CT", 5)


def enhanced_mr(person: Person) -> Planted:
    """Return an enhanced MR with comments in a frame's functional groups."""
    return _enhanced(person, "4.1", "MR", 6)


def pet(person: Person) -> Planted:
    """Return a PET image with all that an SUV is computed from."""
    data = plane(pixels(base(person, "128", "PT", 7)), person)
    data.ImageType, data.SeriesType, data.Units, data.CountsSource = (
        ["ORIGINAL", "PRIMARY"],
        ["WHOLE BODY", "IMAGE"],
        "BQML",
        "EMISSION",
    )
    data.DecayCorrection, data.CorrectedImage, data.NumberOfSlices = "START", ["ATTN", "DECY"], 1
    data.CollimatorType, data.RescaleIntercept, data.RescaleSlope = "NONE", 0, 1.25
    data.FrameReferenceTime, data.ImageIndex, data.ActualFrameDuration = 1000, 1, 120000
    data.RandomsCorrectionMethod, data.DecayFactor = "DLYD", 1.01
    dose = item(
        RadiopharmaceuticalStartTime="090000", RadionuclideTotalDose=370000000, RadionuclideHalfLife=6586.2,
        RadionuclidePositronFraction=0.97, RadionuclideCodeSequence=[code("C-111A1", "SRT", "^18^Fluorine")],
    )  # fmt: skip
    data.RadiopharmaceuticalInformationSequence = Sequence([dose])
    data.PatientOrientationCodeSequence = Sequence([code("102538003", "SCT", "recumbent")])
    data.PatientGantryRelationshipCodeSequence = Sequence([code("102540008", "SCT", "headfirst")])
    planter = Planter(person, data)
    planter.common()
    start = "RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartDateTime"
    planter.put(start, person.study_date + "090000", Role.DATE, person.study_date)
    return planter.file("pet")


def nm(person: Person) -> Planted:
    """Return a nuclear medicine image of two frames."""
    data = pixels(base(person, "20", "NM", 8), frames=2)
    data.ImageType, data.PixelSpacing = ["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"], [4.8, 4.8]
    data.FrameIncrementPointer = [0x00540010, 0x00540020]
    data.EnergyWindowVector, data.DetectorVector = [1, 2], [1, 1]
    data.NumberOfEnergyWindows, data.NumberOfDetectors = 2, 1
    data.EnergyWindowInformationSequence = Sequence(
        [item(EnergyWindowName="Tc99m"), item(EnergyWindowName="Sc")]
    )
    data.DetectorInformationSequence = Sequence(
        [item(CollimatorType="PARA", ImagePositionPatient="", ImageOrientationPatient="")]
    )
    data.RadiopharmaceuticalInformationSequence = Sequence(
        [item(RadionuclideCodeSequence=[code("C-163A8", "SRT", "^99m^Technetium")])]
    )
    data.PatientOrientationCodeSequence = Sequence([code("102538003", "SCT", "recumbent")])
    data.PatientGantryRelationshipCodeSequence = Sequence([code("102540008", "SCT", "headfirst")])
    data.AcquisitionTerminationCondition, data.ActualFrameDuration, data.CountsAccumulated = (
        "TIME",
        60000,
        123456,
    )
    return done(person, data, "nm")


VOLUMES = (ct, ct_deflated, mr, enhanced_ct, enhanced_mr, pet, nm)
