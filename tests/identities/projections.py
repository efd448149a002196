# ruff: noqa: E501  (tables of attributes read better in one line)
"""Images of ultrasound, X-ray and visible light, with what is measured on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGBaseline8Bit,
)

from napari_dicom_markup.core.anonymizing.tokens import Role
from tests.identities.building import SIZE, base, code, done, item, pixels
from tests.identities.planting import Planted, Planter

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from tests.identities.people import Person


def _ultrasound(person: Person, sop_class: str, number: int, frames: int) -> Dataset:
    data = pixels(base(person, sop_class, "US", number), bits=8, frames=frames, color=True)
    data.ImageType, data.LossyImageCompression = ["ORIGINAL", "PRIMARY", "ABDOMINAL"], "00"
    data.SequenceOfUltrasoundRegions = Sequence([item(
        RegionLocationMinX0=0, RegionLocationMinY0=4, RegionLocationMaxX1=15, RegionLocationMaxY1=15,
        PhysicalUnitsXDirection=3, PhysicalUnitsYDirection=3, PhysicalDeltaX=0.01, PhysicalDeltaY=0.01,
        RegionSpatialFormat=1, RegionDataType=1, RegionFlags=0,
    )])  # fmt: skip
    data.TransducerData, data.PatientOrientation = "C5-1", ""
    return data


def us(person: Person) -> Planted:
    """Return an ultrasound image with a region."""
    return done(person, _ultrasound(person, "6.1", 9, 1), "us")


def us_multiframe(person: Person) -> Planted:
    """Return an ultrasound film."""
    data = _ultrasound(person, "3.1", 10, 3)
    data.FrameTime, data.FrameIncrementPointer, data.CineRate = 40, 0x00181063, 25
    return done(person, data, "us-film")


def _x_ray(person: Person, sop_class: str, modality: str, number: int) -> Planted:
    data = pixels(base(person, sop_class, modality, number), frames=2)
    data.ImageType, data.PixelIntensityRelationship = ["ORIGINAL", "PRIMARY", "SINGLE PLANE"], "LIN"
    data.KVP, data.RadiationSetting, data.FrameTime, data.FrameIncrementPointer = (
        80,
        "GR",
        66,
        0x00181063,
    )
    data.PositionerPrimaryAngle, data.PositionerSecondaryAngle, data.ImagerPixelSpacing = (
        12,
        -5,
        [0.2, 0.2],
    )
    data.DistanceSourceToDetector, data.DistanceSourceToPatient, data.XRayTubeCurrent = (
        1000,
        700,
        400,
    )
    data.PatientOrientation, data.PositionerMotion = "", "STATIC"
    data.ImageAndFluoroscopyAreaDoseProduct, data.ExposureTime, data.LossyImageCompression = (
        12.5,
        8,
        "00",
    )
    return done(person, data, modality.lower())


def xa(person: Person) -> Planted:
    """Return an X-ray angiogram of two frames."""
    return _x_ray(person, "12.1", "XA", 11)


def rf(person: Person) -> Planted:
    """Return a fluoroscopy of two frames."""
    return _x_ray(person, "12.2", "RF", 12)


def jpeg(values: np.ndarray, secret: bytes, second: bytes) -> bytes:
    """Return a baseline JPEG with a comment and an APP1 segment."""
    raw = imagecodecs.jpeg8_encode(values, level=90)
    comment = b"\xff\xfe" + (len(secret) + 2).to_bytes(2, "big") + secret
    exif = b"Exif\x00\x00" + second
    return raw[:2] + comment + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + raw[2:]


def cr(person: Person) -> Planted:
    """Return a computed radiograph in JPEG with a comment and APP1."""
    data = pixels(base(person, "1", "CR", 13), bits=8)
    data.ImageType, data.BodyPartExamined, data.ViewPosition = (
        ["ORIGINAL", "PRIMARY"],
        "CHEST",
        "PA",
    )
    data.ImagerPixelSpacing, data.KVP, data.PatientOrientation = [0.14, 0.14], 110, ["L", "F"]
    values = np.frombuffer(data.PixelData, "u1").reshape(SIZE, SIZE)
    frame = jpeg(values, person.extra(3).encode(), person.extra(4).encode())
    data.add_new("PixelData", "OB", encapsulate([frame]))
    data["PixelData"].is_undefined_length = True
    data.LossyImageCompression, data.LossyImageCompressionRatio = "01", 2
    data.LossyImageCompressionMethod = "ISO_10918_1"
    planter = Planter(person, data)
    planter.common()
    planter.note("bytes: JPEG COM", Role.ID, person.extra(3))
    planter.note("bytes: JPEG APP1", Role.ID, person.extra(4))
    return planter.file("cr", JPEGBaseline8Bit)


def _digital(person: Person, sop_class: str, modality: str, number: int) -> Dataset:
    data = pixels(base(person, sop_class, modality, number))
    data.ImageType, data.PresentationIntentType = ["ORIGINAL", "PRIMARY", ""], "FOR PRESENTATION"
    (
        data.ImagerPixelSpacing,
        data.PixelIntensityRelationship,
        data.PixelIntensityRelationshipSign,
    ) = [0.1, 0.1], "LOG", -1
    data.RescaleIntercept, data.RescaleSlope, data.RescaleType = 0, 1, "US"
    data.PresentationLUTShape, data.LossyImageCompression, data.BurnedInAnnotation = (
        "IDENTITY",
        "00",
        "NO",
    )
    data.WindowCenter, data.WindowWidth, data.ImageLaterality, data.DetectorType = (
        100,
        200,
        "L",
        "DIRECT",
    )
    data.PatientOrientation, data.AcquisitionContextSequence = ["L", "F"], Sequence()
    data.AnatomicRegionSequence = Sequence([code("51185008", "SCT", "Chest")])
    data.ViewCodeSequence = Sequence([code("399348003", "SCT", "antero-posterior")])
    data.PositionerType = "NONE"
    data.KVP, data.EntranceDoseInmGy, data.DetectorID = 70, 1.25, f"DET{person.number}90177"
    return data


def dx(person: Person) -> Planted:
    """Return a digital X-ray in JPEG 2000 with a comment."""
    data = _digital(person, "1.1", "DX", 14)
    secret = person.extra(5).encode()
    raw = imagecodecs.jpeg2k_encode(
        np.frombuffer(data.PixelData, "<u2").reshape(SIZE, SIZE), level=0, codecformat="J2K"
    )
    comment = b"\xff\x64" + (len(secret) + 4).to_bytes(2, "big") + b"\x00\x01" + secret
    first = raw.index(b"\xff\x90")
    data.add_new("PixelData", "OB", encapsulate([raw[:first] + comment + raw[first:]]))
    data["PixelData"].is_undefined_length = True
    planter = Planter(person, data)
    planter.common()
    planter.note("bytes: JPEG 2000 COM", Role.ID, person.extra(5))
    return planter.file("dx", JPEG2000Lossless)


def mg(person: Person) -> Planted:
    """Return a mammogram."""
    data = _digital(person, "1.2", "MG", 15)
    data.AnatomicRegionSequence = Sequence([code("76752008", "SCT", "Breast")])
    data.ViewCodeSequence = Sequence(
        [
            item(
                CodeValue="399162004",
                CodingSchemeDesignator="SCT",
                CodeMeaning="cranio-caudal",
                ViewModifierCodeSequence=[],
            )
        ]
    )
    data.ViewCodeSequence[0].ViewModifierCodeSequence = Sequence()
    data.PositionerType, data.OrganExposed, data.BreastImplantPresent, data.PartialView = (
        "MAMMOGRAPHIC",
        "BREAST",
        "NO",
        "NO",
    )
    data.CompressionForce, data.BodyPartThickness, data.OrganDose = 90, 52, 0.012
    return done(person, data, "mg")


def sc(person: Person) -> Planted:
    """Return a secondary capture."""
    data = pixels(base(person, "7", "OT", 16), bits=8, color=True)
    data.ConversionType, data.ImageType = "WSD", ["DERIVED", "SECONDARY"]
    data.PatientOrientation = ""
    planter = Planter(person, data)
    planter.common()
    planter.put("SecondaryCaptureDeviceID", person.station, Role.DEVICE)
    planter.put("DateOfSecondaryCapture", person.study_date, Role.DATE)
    return planter.file("sc")


def sc_multiframe(person: Person) -> Planted:
    """Return a multi-frame grayscale byte secondary capture."""
    data = pixels(base(person, "7.2", "OT", 17), bits=8, frames=2)
    data.ConversionType, data.ImageType, data.BurnedInAnnotation = (
        "SD",
        ["DERIVED", "SECONDARY"],
        "YES",
    )
    data.FrameIncrementPointer, data.PageNumberVector = 0x00182001, [1, 2]
    data.PresentationLUTShape, data.RescaleIntercept, data.RescaleSlope, data.RescaleType = (
        "IDENTITY",
        0,
        1,
        "US",
    )
    data.PatientOrientation = ""
    return done(person, data, "sc-multiframe")


def _visible(person: Person, sop_class: str, modality: str, number: int) -> Dataset:
    data = pixels(base(person, sop_class, modality, number), bits=8, color=True)
    data.ImageType, data.LossyImageCompression, data.BurnedInAnnotation = (
        ["ORIGINAL", "PRIMARY"],
        "00",
        "NO",
    )
    data.PatientOrientation, data.AcquisitionContextSequence = ["L", "F"], Sequence()
    data.AnatomicRegionSequence = Sequence([code("81745001", "SCT", "Eye")])
    return data


def photograph(person: Person) -> Planted:
    """Return a photograph by visible light."""
    return done(person, _visible(person, "77.1.4", "XC", 18), "photograph")


def ophthalmic(person: Person) -> Planted:
    """Return an ophthalmic photograph."""
    data = _visible(person, "77.1.5.1", "OP", 19)
    data.NumberOfFrames, data.FrameIncrementPointer, data.ImageLaterality = 1, 0x00181063, "L"
    data.FrameTime, data.PixelSpacing, data.PupilDilated = 1, [0.01, 0.01], "NO"
    data.AcquisitionDateTime = person.study_date + "101300"
    data.AcquisitionDeviceTypeCodeSequence = Sequence([code("409898007", "SCT", "Fundus Camera")])
    data.IlluminationTypeCodeSequence = Sequence(
        [code("111741", "DCM", "Transmission illumination")]
    )
    data.LightPathFilterTypeStackCodeSequence = data.ImagePathFilterTypeStackCodeSequence = (
        Sequence()
    )
    data.LensesCodeSequence = Sequence()
    data.HorizontalFieldOfView, data.RefractiveStateSequence, data.EmmetropicMagnification = (
        45.0,
        Sequence(),
        2.5,
    )
    data.IntraOcularPressure, data.DetectorType, data.PatientEyeMovementCommanded = (
        14.5,
        "CCD",
        "NO",
    )
    data.SynchronizationFrameOfReferenceUID, data.SynchronizationTrigger = (
        person.uid(2, 8),
        "NO TRIGGER",
    )
    data.AcquisitionTimeSynchronized = "N"
    return done(person, data, "ophthalmic")


def slide(person: Person) -> Planted:
    """Return a whole slide image of four tiles, its barcode and label text planted."""
    data = pixels(base(person, "77.1.6", "SM", 20), bits=8, frames=4, color=True)
    data.ImageType, data.BurnedInAnnotation = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"], "NO"
    data.TotalPixelMatrixColumns = data.TotalPixelMatrixRows = 2 * SIZE
    data.DimensionOrganizationType, data.VolumetricProperties = "TILED_FULL", "VOLUME"
    data.ImagedVolumeWidth, data.ImagedVolumeHeight, data.ImagedVolumeDepth = 1.0, 1.0, 1.0
    data.ImageOrientationSlide, data.FocusMethod, data.ExtendedDepthOfField = (
        [0, -1, 0, -1, 0, 0],
        "AUTO",
        "NO",
    )
    data.SpecimenLabelInImage, data.LossyImageCompression = "NO", "00"
    data.TotalPixelMatrixOriginSequence = Sequence(
        [item(XOffsetInSlideCoordinateSystem=20.0, YOffsetInSlideCoordinateSystem=40.0)]
    )
    data.AcquisitionDateTime, data.FrameOfReferenceUID = (
        person.study_date + "101300",
        person.uid(2, 9),
    )
    data.PositionReferenceIndicator, data.AcquisitionContextSequence = "SLIDE_CORNER", Sequence()
    data.NumberOfOpticalPaths, data.TotalPixelMatrixFocalPlanes = 1, 1
    data.SharedFunctionalGroupsSequence = Sequence([item(
        PixelMeasuresSequence=[item(PixelSpacing=[0.0005, 0.0005], SliceThickness=0.001, SpacingBetweenSlices=0.001)],
        WholeSlideMicroscopyImageFrameTypeSequence=[item(FrameType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"])],
        OpticalPathIdentificationSequence=[item(OpticalPathIdentifier="1")],
    )])  # fmt: skip
    data.OpticalPathSequence = Sequence([item(
        OpticalPathIdentifier="1", IlluminationTypeCodeSequence=[code("111744", "DCM", "Brightfield illumination")],
        IlluminationColorCodeSequence=[code("11744", "DCM", "Full Spectrum")],
    )])  # fmt: skip
    data.DimensionOrganizationSequence = Sequence([item(DimensionOrganizationUID=person.uid(7, 2))])
    data.IssuerOfTheContainerIdentifierSequence = Sequence()
    data.ContainerTypeCodeSequence = Sequence([code("433466003", "SCT", "Microscope slide")])
    planter = Planter(person, data)
    planter.common()
    planter.put("ContainerIdentifier", person.extra(3), Role.ID)
    specimen = "SpecimenDescriptionSequence[0]"
    planter.put(f"{specimen}.SpecimenIdentifier", person.extra(4), Role.ID)
    planter.put(
        f"{specimen}.SpecimenDetailedDescription", f"of {person.said}", Role.NAME, person.said
    )
    described = data.SpecimenDescriptionSequence[0]
    described.SpecimenUID, described.SpecimenPreparationSequence = person.uid(8), Sequence()
    described.IssuerOfTheSpecimenIdentifierSequence = Sequence()
    planter.put("BarcodeValue", person.extra(5), Role.ID)
    planter.put("LabelText", f"{person.said} {person.patient_id}", Role.ID, person.patient_id)
    return planter.file("slide")


PROJECTIONS = (
    us,
    us_multiframe,
    xa,
    rf,
    cr,
    dx,
    mg,
    sc,
    sc_multiframe,
    photograph,
    ophthalmic,
    slide,
)
