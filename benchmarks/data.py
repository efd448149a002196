"""Make the CT that is measured, like those of a scanner, from code alone; and others' headers.

The same call writes the same bytes. No patient is in it: anatomy is ellipsoids, the header is
what scanners write in number, order and size of elements.
"""

from __future__ import annotations

import io
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

Jobs = list[tuple[int, int]]
"""Number of a file's name, and number of the slice in it."""

SEED = 20261122
ROOT = "1.2.826.0.1.3680043.8.498.20261122.7"
"""pydicom's UID root, with a suffix of these data."""

INTERCEPT = -1024
PADDING = -2000
"""Stored outside the scanner's circle, as some makers do (HU: -3024)."""

NOISES = 8
"""Noise fields that are drawn; each slice takes one, shifted and mirrored its own way."""

SPACING_MM = (1.25, 0.74, 0.74)

TR_S, MR_STEP_MM = 2.0, 3.5
"""Seconds from volume to volume, and millimetres from slice to slice."""


@dataclass(frozen=True, slots=True)
class Series:
    """One CT series: ``size`` rows and columns, ``private`` elements beside some 145 public."""

    number: int
    slices: int
    size: int
    private: int

    @property
    def uid(self) -> str:
        """Series Instance UID."""
        return f"{ROOT}.2.{self.number}"


def make_ct(folder: Path, slices: int = 500, size: int = 512) -> None:
    """Write one CT series in shuffled names: with 500 slices 262 MB, "CT500"."""
    _write(Series(1, slices, size, 40), folder)


def make_tree(folder: Path, files: int = 10_000, a_series: int = 500) -> None:
    """Write an archive: many CT series in folders a study, their pixels holes in the files.

    A hole is read as zeros, from memory: that is for readers which read pixels when they need
    not, and cheaper for them than real files.
    """
    for number in range(1, files // a_series + 1):
        series = Series(number, a_series, 512, 4 + (number * 7) % 50)
        path = folder / f"study{(number + 3) // 4:03d}" / f"series{number:03d}"
        _write(series, path, hollow=True)


def make_labels(slices: int = 500, size: int = 512) -> NDArray[np.uint8]:
    """Return labels of (slices, rows, columns): blobs as of painted organs and lesions."""
    random = np.random.default_rng(SEED)
    labels = np.zeros((slices, size, size), np.uint8)
    for number in range(60):
        centre = random.uniform(0.15, 0.85, 3) * labels.shape
        radius = random.uniform(0.03, 0.12, 3) * labels.shape
        low = np.maximum(centre - radius, 0).astype(int)
        high = np.minimum(centre + radius + 1, labels.shape).astype(int)
        box = tuple(map(slice, low, high))
        ends = zip(low, high, centre, radius, strict=True)
        z, y, x = (((np.arange(a, b) - c) / r) ** 2 for a, b, c, r in ends)
        wavy = 1 + 0.15 * np.sin(np.arange(low[2], high[2]) / 3)
        labels[box][z[:, None, None] + y[:, None] * wavy + x < 1] = number % 12 + 1
    return labels


def _write(series: Series, folder: Path, *, hollow: bool = False) -> None:
    write = _write_hollow if hollow else _write_slices
    write_shuffled(partial(write, series, folder), folder, series.slices, series.number)


def write_shuffled(write: Callable[[Jobs], None], folder: Path, files: int, number: int) -> None:
    """Let ``write`` write all files of a folder, in names of no order; in processes."""
    folder.mkdir(parents=True)
    order = np.random.default_rng(SEED + number).permutation(files)
    jobs = list(enumerate(order.tolist()))
    with ProcessPoolExecutor() as pool:
        list(pool.map(write, (jobs[n::4] for n in range(4))))


def _write_slices(series: Series, folder: Path, jobs: Jobs) -> None:
    anatomy = Anatomy(series)
    header = ct_header(series)
    for name, k in jobs:
        place_ct(header, series, k)
        raw = file_bytes(header, anatomy.stored(k).astype("<i2").tobytes())
        (folder / f"IM{name:06d}").write_bytes(raw)


def _write_hollow(series: Series, folder: Path, jobs: Jobs) -> None:
    header, pixels = ct_header(series), bytes(2 * series.size**2)
    for name, k in jobs:
        place_ct(header, series, k)
        raw = file_bytes(header, pixels)
        with (folder / f"IM{name:06d}").open("wb") as stream:
            stream.write(raw[: -len(pixels)])
            stream.truncate(len(raw))


def file_bytes(header: FileDataset, pixels: bytes) -> memoryview:
    """Return a file whose last element is the pixels."""
    header.PixelData = pixels
    buffer = io.BytesIO()
    header.save_as(buffer, enforce_file_format=True)
    return buffer.getbuffer()


class Anatomy:
    """A trunk of ellipses with noise as of a reconstruction: correlated, about 15 HU."""

    def __init__(self, series: Series) -> None:
        self._slices = series.slices
        axis = np.linspace(-1, 1, series.size, dtype=np.float32)
        self._y, self._x = axis[:, None], axis[None, :]
        random = np.random.default_rng(SEED)
        fields = random.normal(0, 15, (NOISES, series.size, series.size)).astype(np.float32)
        soft = sum(np.roll(fields, shift, (1, 2)) for shift in ((0, 0), (0, 1), (1, 0), (1, 1)))
        self._noise = np.asarray(soft) / 2

    def stored(self, k: int) -> NDArray[np.int16]:
        """Return slice k's stored values."""
        t = 2 * k / max(1, self._slices - 1) - 1
        values = np.full((self._y.size, self._x.size), -1000, np.float32)
        for y, x, height, width, hu in _organs(t):
            inside = ((self._y - y) / height) ** 2 + ((self._x - x) / width) ** 2 < 1
            values[inside] = hu
        noise = np.roll(self._noise[k % NOISES], (37 * k, 91 * k), (0, 1))[:: -1 if k % 3 else 1]
        stored = np.rint(values + noise) - INTERCEPT
        stored = np.clip(stored, 0, 4095)
        stored[self._y**2 + self._x**2 > 1] = PADDING
        return stored.astype(np.int16)


def _organs(t: float) -> Iterator[tuple[float, float, float, float, float]]:
    """Yield (y, x, height, width, HU) of ellipses at height t, from -1 to 1."""
    wide = 1 - 0.25 * t * t
    yield 0, 0, 0.62 * wide, 0.85 * wide, -95  # fat
    yield 0, 0, 0.56 * wide, 0.78 * wide, 55  # muscle
    yield 0, 0, 0.48 * wide, 0.70 * wide, 20
    for side in (-1, 1):
        yield -0.05, 0.35 * side, 0.36 * wide * (1.1 - t) / 2, 0.27 * wide, -840  # lungs
    yield -0.1, 0.15, 0.2 * wide, 0.25 * wide, 140 if t < 0 else 90  # heart, liver
    yield 0.38 * wide, 0, 0.09, 0.11, 420  # spine
    yield 0.38 * wide, 0, 0.03, 0.04, 30
    for rib in range(14):
        angle = 0.45 * rib + 3 * t
        yield 0.5 * np.sin(angle) * wide, 0.7 * np.cos(angle) * wide, 0.03, 0.03, 700
    yield 0.7, 0, 0.02, 0.8, -300  # the table


def ct_header(series: Series) -> FileDataset:
    """Return what all slices of a CT series say."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(f"{ROOT}.9")
    meta.ImplementationVersionName = "BENCHMARK_1"
    meta.SourceApplicationEntityTitle = "CTSCANNER01"
    data = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    for keyword, value in PUBLIC.items():
        setattr(data, keyword, value)
    data.StudyInstanceUID = f"{ROOT}.1.{(series.number + 3) // 4}"
    data.SeriesInstanceUID = series.uid
    data.FrameOfReferenceUID, data.SeriesNumber = f"{ROOT}.4.{series.number}", series.number
    data.Rows = data.Columns = series.size
    data.ReferencedStudySequence = [reference("1.2.840.10008.3.1.2.3.1", f"{ROOT}.5.1")]
    data.ReferencedImageSequence = [reference(CTImageStorage, f"{ROOT}.5.{n}") for n in (2, 3)]
    data.ProcedureCodeSequence = [code("CTTRUNK", "CT of the trunk")]
    data.RequestAttributesSequence = [_request()]
    block = data.private_block(0x0043, "BENCHMARK PRIVATE 01", create=True)
    for n in range(series.private):
        vr = ("LO", "DS", "SH", "US", "FD", "SL")[n % 6]
        block.add_new(0x10 + n, vr, f"{series.number * 31 + n}.5" if n % 6 < 3 else n * 7)
    return data


def other_kind(series: Series, sop_class: UID, own: dict[str, object]) -> FileDataset:
    """Return the header of a CT without what only a CT says, and with what this kind does."""
    header = ct_header(series)
    for keyword in _CT_ONLY:
        delattr(header, keyword)
    header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = sop_class
    header.ReferencedImageSequence = [reference(sop_class, f"{ROOT}.5.{n}") for n in (2, 3)]
    header.ProcedureCodeSequence = [code("OTHER", "another examination")]
    for keyword, value in own.items():
        if value is None:
            delattr(header, keyword)
        else:
            setattr(header, keyword, value)
    return header


def reference(sop_class: str, uid: str) -> Dataset:
    """Return an item that refers to an instance."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
    return item


def code(value: str, meaning: str) -> Dataset:
    """Return an item that is a code."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "99BENCH", meaning
    return item


def _request() -> Dataset:
    item = Dataset()
    item.RequestedProcedureDescription = "CT trunk with contrast"
    item.ScheduledProcedureStepDescription = "CT trunk venous phase"
    item.ScheduledProcedureStepID, item.RequestedProcedureID = "SPS1001", "RP1001"
    item.ScheduledProtocolCodeSequence = [code("TRUNK", "Trunk, venous phase")]
    return item


def place_ct(data: FileDataset, series: Series, k: int) -> None:
    """Write what differs between slices: identity, position, times and the tube current."""
    uid = UID(f"{ROOT}.3.{series.number}.{k + 1}")
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = uid
    data.InstanceNumber, data.AcquisitionNumber = k + 1, 1
    edge = -(series.size - 1) / 2 * SPACING_MM[1]
    z = round(611.25 - k * SPACING_MM[0], 3)
    data.ImagePositionPatient, data.SliceLocation = [edge, edge, z], z
    data.TablePosition = -z
    data.ContentTime = data.AcquisitionTime = f"1015{k // 10 % 60:02d}.{k % 10}00000"
    data.InstanceCreationTime = f"10{20 + k // 60 % 40:02d}{k % 60:02d}.250000"
    data.XRayTubeCurrent = 180 + k * 37 % 211
    data.Exposure = 90 + k * 37 % 105
    data.CTDIvol = 7.5 + k * 37 % 211 / 100
    data.SmallestImagePixelValue = PADDING if data.PixelRepresentation else 0
    data.LargestImagePixelValue = 1400 + k * 13 % 500


PUBLIC: dict[str, object] = {
    "SpecificCharacterSet": "ISO_IR 100", "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL", "HELIX"],
    "InstanceCreationDate": "20200102", "SOPClassUID": CTImageStorage, "StudyDate": "20200102",
    "SeriesDate": "20200102", "AcquisitionDate": "20200102", "ContentDate": "20200102",
    "StudyTime": "100102.000000", "SeriesTime": "101301.250000", "AccessionNumber": "A1001001",
    "Modality": "CT", "Manufacturer": "BENCHMARK MEDICAL SYSTEMS",
    "InstitutionName": "Synthetic Hospital", "InstitutionAddress": "1 Nowhere Road, Nowhere",
    "ReferringPhysicianName": "Synthetic^Referrer", "StationName": "CT01",
    "StudyDescription": "CT TRUNK WITH CONTRAST", "SeriesDescription": "Trunk 1.25 mm venous",
    "InstitutionalDepartmentName": "Radiology", "PhysiciansOfRecord": "Synthetic^Physician",
    "PerformingPhysicianName": "Synthetic^Performer", "OperatorsName": "Synthetic^Operator",
    "NameOfPhysiciansReadingStudy": "Synthetic^Reader", "ManufacturerModelName": "Bench CT 64",
    "AdmittingDiagnosesDescription": "none", "IrradiationEventUID": f"{ROOT}.6.1",
    "DerivationDescription": "none", "PatientName": "Phantom^Synthetic", "PatientID": "BENCH0001",
    "IssuerOfPatientID": "BENCH", "PatientBirthDate": "19500101", "PatientBirthTime": "000000",
    "PatientSex": "O", "OtherPatientIDs": ["B1", "B2"], "PatientAge": "070Y", "PatientSize": 1.72,
    "PatientWeight": 74, "PatientAddress": "Nowhere", "MedicalAlerts": "none",
    "Allergies": "none", "EthnicGroup": "none", "Occupation": "phantom", "SmokingStatus": "NO",
    "AdditionalPatientHistory": "a phantom has no history", "PregnancyStatus": 1,
    "PatientComments": "made by benchmarks/data.py", "ClinicalTrialSponsorName": "none",
    "ClinicalTrialProtocolID": "none", "ClinicalTrialSubjectID": "none",
    "PatientIdentityRemoved": "YES", "DeidentificationMethod": "synthetic",
    "ContrastBolusAgent": "350 mg/ml", "BodyPartExamined": "TRUNK", "ScanOptions": "HELICAL MODE",
    "SliceThickness": SPACING_MM[0], "KVP": 120, "DataCollectionDiameter": 500,
    "DeviceSerialNumber": "12345", "SoftwareVersions": ["07MW18.4", "syn2020"],
    "ProtocolName": "5.1 Trunk venous", "ContrastBolusRoute": "IV", "ContrastBolusVolume": 100,
    "ContrastFlowRate": 3, "ContrastBolusIngredientConcentration": 350,
    "ReconstructionDiameter": 380, "DistanceSourceToDetector": 949.147,
    "DistanceSourceToPatient": 541, "GantryDetectorTilt": 0, "TableHeight": 151.5,
    "RotationDirection": "CW", "ExposureTime": 500, "FilterType": "BODY FILTER",
    "GeneratorPower": 48000, "FocalSpots": 1.2, "DateOfLastCalibration": "20200101",
    "TimeOfLastCalibration": "060000", "ConvolutionKernel": "STANDARD", "PatientPosition": "FFS",
    "RevolutionTime": 0.5, "SingleCollimationWidth": 0.625, "TotalCollimationWidth": 40,
    "TableSpeed": 110, "TableFeedPerRotation": 55, "SpiralPitchFactor": 1.375,
    "DataCollectionCenterPatient": [0, -151.5, 600], "ExposureModulationType": "XYZ_EC",
    "EstimatedDoseSaving": 0, "ReconstructionTargetCenterPatient": [0, -151.5, 600],
    "StudyID": "1001", "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    "PositionReferenceIndicator": "XY", "ImagesInAcquisition": 500, "TemporalPositionIndex": 1,
    "StackID": "1", "InStackPositionNumber": 1, "ImageComments": "synthetic",
    "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2",
    "PixelSpacing": list(SPACING_MM[1:]), "BitsAllocated": 16, "BitsStored": 16, "HighBit": 15,
    "PixelRepresentation": 1, "PixelPaddingValue": PADDING, "BurnedInAnnotation": "NO",
    "WindowCenter": [40, -600], "WindowWidth": [400, 1500], "RescaleIntercept": INTERCEPT,
    "RescaleSlope": 1, "RescaleType": "HU", "WindowCenterWidthExplanation": ["BODY", "LUNG"],
    "LossyImageCompression": "00", "RequestingPhysician": "Synthetic^Requester",
    "RequestedProcedureDescription": "CT trunk with contrast",
    "PerformedProcedureStepStartDate": "20200102", "PerformedProcedureStepStartTime": "100102",
    "PerformedProcedureStepID": "PPS1001", "PerformedProcedureStepDescription": "CT trunk",
    "CommentsOnThePerformedProcedureStep": "none", "ConfidentialityCode": "NONE",
}  # fmt: skip
"""What all slices say; keywords of PS3.6, values as scanners write them, of nobody."""

_CT_ONLY = (
    "KVP", "DataCollectionDiameter", "ReconstructionDiameter", "DistanceSourceToDetector",
    "DistanceSourceToPatient", "GantryDetectorTilt", "TableHeight", "RotationDirection",
    "ExposureTime", "FilterType", "GeneratorPower", "FocalSpots", "ConvolutionKernel",
    "RevolutionTime", "SingleCollimationWidth", "TotalCollimationWidth", "TableSpeed",
    "TableFeedPerRotation", "SpiralPitchFactor", "DataCollectionCenterPatient",
    "ExposureModulationType", "EstimatedDoseSaving", "ReconstructionTargetCenterPatient",
    "IrradiationEventUID", "RescaleIntercept", "RescaleSlope", "RescaleType",
    "TemporalPositionIndex", "WindowCenterWidthExplanation",
)  # fmt: skip

MR: dict[str, object] = {
    "ImageType": ["ORIGINAL", "PRIMARY", "M", "FFE", "M", "FFE"], "Modality": "MR",
    "StationName": "MR01", "StudyDescription": "MR BRAIN", "SeriesDescription": "fMRI rest",
    "BodyPartExamined": "BRAIN", "ProtocolName": "fMRI rest", "ManufacturerModelName": "Bench MR",
    "ScanOptions": "FS", "ScanningSequence": "EP", "SequenceVariant": "SK",
    "MRAcquisitionType": "2D", "SequenceName": "epfid2d1_64", "SliceThickness": 3,
    "SpacingBetweenSlices": MR_STEP_MM, "RepetitionTime": 1000 * TR_S, "EchoTime": 30,
    "NumberOfAverages": 1, "ImagingFrequency": 127.74, "ImagedNucleus": "1H", "EchoNumbers": 1,
    "MagneticFieldStrength": 3, "NumberOfPhaseEncodingSteps": 64, "EchoTrainLength": 33,
    "PercentSampling": 100, "PercentPhaseFieldOfView": 100, "PixelBandwidth": 2368,
    "ReceiveCoilName": "HEAD 32", "TransmitCoilName": "BODY", "AcquisitionMatrix": [64, 0, 0, 64],
    "InPlanePhaseEncodingDirection": "COL", "FlipAngle": 77, "VariableFlipAngleFlag": "N",
    "SAR": 0.06, "dBdt": 0, "LowRRValue": 0, "HighRRValue": 0, "IntervalsAcquired": 0,
    "IntervalsRejected": 0, "HeartRate": 0, "ReconstructionDiameter": 224,
    "TemporalResolution": 1000 * TR_S, "PixelSpacing": [3.5, 3.5], "PatientPosition": "HFS",
    "WindowCenter": 900, "WindowWidth": 1800, "SmallestImagePixelValue": 0,
    "RescaleIntercept": 0, "RescaleSlope": 1, "RescaleType": "US",
}  # fmt: skip
"""What an MR scanner says beside the elements of any series."""

US: dict[str, object] = {
    "ImageType": ["ORIGINAL", "PRIMARY", "CARDIAC", "0011"], "Modality": "US",
    "StationName": "US01", "StudyDescription": "ECHO", "SeriesDescription": "4 chambers, colour",
    "BodyPartExamined": "HEART", "ProtocolName": "Adult echo", "ManufacturerModelName": "Bench US",
    "InstanceNumber": 1, "AcquisitionNumber": 1, "ContentTime": "101500.000000",
    "AcquisitionTime": "101500.000000", "InstanceCreationTime": "101500.000000",
    "FrameTime": 33.333, "CineRate": 30, "RecommendedDisplayFrameRate": 30,
    "ActualFrameDuration": 33, "EffectiveDuration": 6.7, "PreferredPlaybackSequencing": 0,
    "StartTrim": 1, "HeartRate": 72, "TransducerData": "S5-1", "ProcessingFunction": "HEART",
    "DepthOfScanField": 160, "TransducerType": "SECTOR_PHASED", "MechanicalIndex": 1.2,
    "SamplesPerPixel": 3, "PhotometricInterpretation": "YBR_FULL_422", "PlanarConfiguration": 0,
    "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0,
    "UltrasoundColorDataPresent": 1, "LossyImageCompression": "01",
    "LossyImageCompressionMethod": "ISO_10918_1", "PixelPaddingValue": None,
    "ImageOrientationPatient": None, "FrameOfReferenceUID": None,
    "PositionReferenceIndicator": None, "PixelSpacing": None, "SliceThickness": None,
    "WindowCenter": None, "WindowWidth": None, "StackID": None, "InStackPositionNumber": None,
    "PatientPosition": None,
}  # fmt: skip
"""What a US scanner says; None is what it has no word for."""

US_REGION: dict[str, object] = {
    "RegionSpatialFormat": 1, "RegionDataType": 1, "RegionFlags": 2, "RegionLocationMinX0": 0,
    "RegionLocationMinY0": 20, "RegionLocationMaxX1": 779, "RegionLocationMaxY1": 560,
    "ReferencePixelX0": 400, "ReferencePixelY0": 0, "PhysicalUnitsXDirection": 3,
    "PhysicalUnitsYDirection": 3, "ReferencePixelPhysicalValueX": 0.0,
    "ReferencePixelPhysicalValueY": 0.0, "PhysicalDeltaX": 0.0296, "PhysicalDeltaY": 0.0296,
    "TransducerFrequency": 3200,
}  # fmt: skip
"""One region of the picture, in centimetres."""
