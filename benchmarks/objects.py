"""Make the other objects that are measured: compressed CT, 4D MR, Enhanced CT and a US cine.

As in ``data``: the same call writes the same bytes, from code alone, of no patient. All but the
cine have 12 bits in 16, unsigned, as most scanners write them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    EnhancedCTImageStorage,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    MRImageStorage,
    RLELossless,
    UltrasoundMultiFrameImageStorage,
)

from data import (
    INTERCEPT,
    MR,
    MR_STEP_MM,
    ROOT,
    SEED,
    SPACING_MM,
    TR_S,
    US,
    US_REGION,
    Anatomy,
    Series,
    ct_header,
    file_bytes,
    other_kind,
    place_ct,
    write_shuffled,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom.dataset import FileDataset

    from data import Jobs

TILT_DEG, MR_SIZE = 15.0, 64
CINE_ROWS, CINE_COLUMNS = 600, 800
SPECKLES = 8
"""Speckle fields that are drawn; each frame takes one, shifted its own way."""


# CT, compressed


def make_compressed(syntax: str, folder: Path, slices: int = 100, size: int = 512) -> None:
    """Write a CT series of one file a slice; ``syntax`` is rle, jpegls or jpeg2000."""
    series = Series(100 + list(_ENCODERS).index(syntax), slices, size, 40)
    write_shuffled(partial(_write_compressed, series, syntax, folder), folder, slices, 1)


def _write_compressed(series: Series, syntax: str, folder: Path, jobs: Jobs) -> None:
    uid, encode = _ENCODERS[syntax]
    anatomy, header = Anatomy(series), _twelve_bits(ct_header(series))
    header.file_meta.TransferSyntaxUID = uid
    for name, k in jobs:
        place_ct(header, series, k)
        stream = encode(_unsigned(anatomy, k))
        (folder / f"IM{name:06d}").write_bytes(file_bytes(header, encapsulate([stream])))


def _twelve_bits(header: FileDataset) -> FileDataset:
    """Say 12 unsigned bits, and no padding."""
    header.BitsStored, header.HighBit, header.PixelRepresentation = 12, 11, 0
    del header.PixelPaddingValue
    return header


def _unsigned(anatomy: Anatomy, k: int) -> NDArray[np.uint16]:
    """Return slice k in 12 bits; air outside the scanner's circle."""
    return np.clip(anatomy.stored(k), 0, 4095).astype(np.uint16)


def _rle(plane: NDArray[np.uint16]) -> bytes:
    """Return RLE (PS3.5 annex G): a segment a byte, the upper first; rows stand for themselves."""
    from imagecodecs import packbits_encode

    segments = []
    for half in (plane >> 8, plane & 0xFF):
        segment = b"".join(map(packbits_encode, half.astype(np.uint8)))
        segments.append(segment + bytes(len(segment) % 2))
    offsets = [len(segments), 64, 64 + len(segments[0])]
    return np.array(offsets + [0] * 13, "<u4").tobytes() + b"".join(segments)


def _jpeg_ls(plane: NDArray[np.uint16]) -> bytes:
    """Return JPEG-LS that says its 12 bits, which imagecodecs' encoder does not."""
    from jpeg_ls import encode_pixel_data

    rows, columns = plane.shape
    size = {"rows": rows, "columns": columns, "samples_per_pixel": 1, "bits_stored": 12}
    return bytes(encode_pixel_data(plane.tobytes(), **size))


def _jpeg_2000(plane: NDArray[np.uint16]) -> bytes:
    from imagecodecs import jpeg2k_encode

    options = {"codecformat": "j2k", "reversible": True, "bitspersample": 12, "numthreads": 1}
    return bytes(jpeg2k_encode(plane, level=0, **options))


_ENCODERS: dict[str, tuple[UID, Callable[[NDArray[np.uint16]], bytes]]] = {
    "rle": (RLELossless, _rle),
    "jpegls": (JPEGLSLossless, _jpeg_ls),
    "jpeg2000": (JPEG2000Lossless, _jpeg_2000),
}


# MR in time


def make_mr(folder: Path, volumes: int = 100, slices: int = 40) -> None:
    """Write a time series of MR, as for the function of a brain: a file a slice and volume."""
    write = partial(_write_mr, volumes, slices, folder)
    write_shuffled(write, folder, volumes * slices, 2)


def _write_mr(volumes: int, slices: int, folder: Path, jobs: Jobs) -> None:
    header = _mr_header(volumes, slices)
    random = np.random.default_rng(SEED)
    noises = random.normal(0, 18, (64, MR_SIZE, MR_SIZE))
    brains = [_brain(2 * k / max(1, slices - 1) - 1) for k in range(slices)]
    for name, number in jobs:
        t, k = divmod(number, slices)
        _place_mr(header, t, k, slices)
        beat = 1 + 0.02 * np.sin(t / 5 + k)
        noise = np.roll(noises[number % 64], (5 * t, 11 * k), (0, 1))
        stored = np.clip(np.rint(brains[k] * beat + np.abs(noise)), 0, 4095)
        (folder / f"MR{name:06d}").write_bytes(file_bytes(header, stored.astype("<u2").tobytes()))


def _brain(t: float) -> NDArray[np.float64]:
    """Return a slice at height t, from -1 to 1."""
    axis = np.linspace(-1, 1, MR_SIZE)
    y, x = axis[:, None], axis[None, :]
    wide = np.sqrt(1.05 - t * t)
    brain = np.zeros((MR_SIZE, MR_SIZE))
    for height, width, value in ((0.85, 0.7, 350), (0.78, 0.63, 1100), (0.55, 0.42, 850)):
        brain[(y / height) ** 2 + (x / width) ** 2 < wide**2] = value
    for side in (-1, 1):
        ventricle = ((y + 0.05) / 0.28) ** 2 + ((x - 0.12 * side) / 0.07) ** 2 < wide**2
        brain[ventricle] = 1900
    return brain


def _mr_header(volumes: int, slices: int) -> FileDataset:
    header = other_kind(Series(201, slices, MR_SIZE, 12), MRImageStorage, MR)
    tilt = np.radians(TILT_DEG)
    column = [0, round(float(np.cos(tilt)), 9), round(-float(np.sin(tilt)), 9)]
    header.ImageOrientationPatient = [1, 0, 0, *column]
    header.NumberOfTemporalPositions = volumes
    header.ImagesInAcquisition = volumes * slices
    return _twelve_bits(header)


def _place_mr(data: FileDataset, t: int, k: int, slices: int) -> None:
    """Write what differs between files: slices of a volume are measured odd ones first."""
    number = t * slices + k + 1
    uid = UID(f"{ROOT}.3.201.{number}")
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = uid
    data.InstanceNumber, data.AcquisitionNumber = number, t + 1
    data.TemporalPositionIdentifier = t + 1
    data.InStackPositionNumber = k + 1
    tilt, at = np.radians(TILT_DEG), (k - slices / 2) * MR_STEP_MM
    along = (-112.0, -105.0 + at * np.sin(tilt), 38.5 + at * np.cos(tilt))
    data.ImagePositionPatient = [round(float(part), 6) for part in along]
    data.SliceLocation = round(at, 4)
    turn = k // 2 + (k % 2) * ((slices + 1) // 2)
    data.AcquisitionTime = _time(t * TR_S + turn * TR_S / slices)
    data.ContentTime = data.InstanceCreationTime = _time(300 + t * TR_S)
    data.LargestImagePixelValue = 1950 + number % 90


def _time(seconds: float) -> str:
    """Return a TM of so many seconds after ten."""
    minutes, rest = divmod(seconds, 60)
    return f"10{int(minutes):02d}{rest:09.6f}"


# Enhanced CT


def make_enhanced(folder: Path, frames: int = 500, size: int = 512) -> None:
    """Write one multi-frame file: with 500 frames 262 MB."""
    folder.mkdir(parents=True)
    series = Series(301, frames, size, 40)
    header = _twelve_bits(ct_header(series))
    place_ct(header, series, 0)
    for keyword in _STATED_BY_FRAMES:
        delattr(header, keyword)
    header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    header.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    header.NumberOfFrames = frames
    header.PixelPresentation, header.VolumetricProperties = "MONOCHROME", "VOLUME"
    header.VolumeBasedCalculationTechnique, header.PresentationLUTShape = "NONE", "IDENTITY"
    header.ContentQualification = "RESEARCH"
    organization = f"{ROOT}.7.1"
    header.DimensionOrganizationType = "3D"
    header.DimensionOrganizationSequence = [_item(DimensionOrganizationUID=organization)]
    header.DimensionIndexSequence = [
        _item(DimensionOrganizationUID=organization, DimensionIndexPointer=pointer,
              FunctionalGroupPointer=0x00209111)
        for pointer in (0x00209056, 0x00209057)
    ]  # fmt: skip
    header.SharedFunctionalGroupsSequence = [_shared_groups()]
    header.PerFrameFunctionalGroupsSequence = [_frame_groups(k, size) for k in range(frames)]
    anatomy = Anatomy(series)
    pixels = b"".join(_unsigned(anatomy, k).astype("<u2").tobytes() for k in range(frames))
    (folder / "IM000001").write_bytes(file_bytes(header, pixels))


_STATED_BY_FRAMES = (
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness",
    "RescaleIntercept", "RescaleSlope", "RescaleType", "WindowCenter", "WindowWidth",
    "WindowCenterWidthExplanation", "SliceLocation", "StackID", "InStackPositionNumber",
    "TemporalPositionIndex", "TablePosition", "XRayTubeCurrent", "Exposure", "CTDIvol", "KVP",
    "TableHeight", "TableSpeed", "TableFeedPerRotation", "SpiralPitchFactor", "FilterType",
    "ConvolutionKernel", "ReconstructionDiameter", "RevolutionTime", "SingleCollimationWidth",
    "TotalCollimationWidth", "DataCollectionDiameter", "DistanceSourceToDetector", "ExposureTime",
    "GantryDetectorTilt", "RotationDirection", "FocalSpots", "ScanOptions",
)  # fmt: skip


def _item(**elements: object) -> Dataset:
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item


def _shared_groups() -> Dataset:
    region = _item(CodeValue="22943007", CodingSchemeDesignator="SCT", CodeMeaning="Trunk")
    groups = {
        "PixelMeasuresSequence": _item(
            PixelSpacing=list(SPACING_MM[1:]), SliceThickness=SPACING_MM[0]),
        "PlaneOrientationSequence": _item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
        "PixelValueTransformationSequence": _item(
            RescaleIntercept=INTERCEPT, RescaleSlope=1, RescaleType="HU"),
        "FrameVOILUTSequence": _item(
            WindowCenter=[40, -600], WindowWidth=[400, 1500],
            WindowCenterWidthExplanation=["BODY", "LUNG"]),
        "FrameAnatomySequence": _item(FrameLaterality="U", AnatomicRegionSequence=[region]),
        "CTImageFrameTypeSequence": _item(
            FrameType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"], PixelPresentation="MONOCHROME",
            VolumetricProperties="VOLUME", VolumeBasedCalculationTechnique="NONE"),
        "CTAcquisitionTypeSequence": _item(
            AcquisitionType="SPIRAL", TubeAngle=0.0, ConstantVolumeFlag="NO",
            FluoroscopyFlag="NO"),
        "CTAcquisitionDetailsSequence": _item(
            RotationDirection="CW", RevolutionTime=0.5, SingleCollimationWidth=0.625,
            TotalCollimationWidth=40.0, TableHeight=151.5, GantryDetectorTilt=0.0,
            DataCollectionDiameter=500),
        "CTTableDynamicsSequence": _item(
            TableSpeed=110.0, TableFeedPerRotation=55.0, SpiralPitchFactor=1.375),
        "CTReconstructionSequence": _item(
            ReconstructionAlgorithm="FILTER_BACK_PROJ", ConvolutionKernel="STANDARD",
            ConvolutionKernelGroup="SOFT_TISSUE", ReconstructionDiameter=380,
            ReconstructionPixelSpacing=list(SPACING_MM[1:]), ReconstructionAngle=360.0,
            ImageFilter="NONE"),
        "CTXRayDetailsSequence": _item(
            KVP=120, FocalSpots=[1.2], FilterType="BODY FILTER", FilterMaterial="ALUMINUM"),
    }  # fmt: skip
    return _item(**{keyword: [group] for keyword, group in groups.items()})


def _frame_groups(k: int, size: int) -> Dataset:
    edge = -(size - 1) / 2 * SPACING_MM[1]
    z = round(611.25 - k * SPACING_MM[0], 3)
    moment = f"20200102{_time(k / 44)}"
    groups = {
        "FrameContentSequence": _item(
            FrameAcquisitionNumber=1, FrameReferenceDateTime=moment,
            FrameAcquisitionDateTime=moment, FrameAcquisitionDuration=500.0,
            DimensionIndexValues=[1, k + 1], StackID="1", InStackPositionNumber=k + 1),
        "PlanePositionSequence": _item(ImagePositionPatient=[edge, edge, z]),
        "CTPositionSequence": _item(
            TablePosition=-z, DataCollectionCenterPatient=[0.0, -151.5, z],
            ReconstructionTargetCenterPatient=[0.0, -151.5, z]),
        "CTExposureSequence": _item(
            ExposureTimeInms=500.0, XRayTubeCurrentInmA=float(180 + k * 37 % 211),
            ExposureInmAs=float(90 + k * 37 % 105), ExposureModulationType="XYZ_EC",
            CTDIvol=7.5 + k * 37 % 211 / 100),
        "IrradiationEventIdentificationSequence": _item(IrradiationEventUID=f"{ROOT}.6.1"),
    }  # fmt: skip
    return _item(**{keyword: [group] for keyword, group in groups.items()})


# US cine


def make_cine(folder: Path, frames: int = 200) -> None:
    """Write one file of JPEG baseline frames, YBR_FULL_422, 600 × 800."""
    from imagecodecs import jpeg8_encode

    folder.mkdir(parents=True)
    series = Series(401, frames, CINE_ROWS, 20)
    header = other_kind(series, UltrasoundMultiFrameImageStorage, US)
    header.Rows, header.Columns, header.NumberOfFrames = CINE_ROWS, CINE_COLUMNS, frames
    header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = UID(f"{ROOT}.3.401.1")
    header.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    header.FrameIncrementPointer = 0x00181063
    header.SequenceOfUltrasoundRegions = [_item(**US_REGION)]
    options = {"colorspace": "RGB", "outcolorspace": "YCBCR", "subsampling": "422"}
    streams = [bytes(jpeg8_encode(one, level=90, **options)) for one in _scans(frames)]
    ratio = 3 * CINE_ROWS * CINE_COLUMNS * frames / sum(map(len, streams))
    header.LossyImageCompressionRatio = round(ratio, 2)
    (folder / "IM000001").write_bytes(file_bytes(header, encapsulate(streams)))


def _scans(frames: int) -> Iterator[NDArray[np.uint8]]:
    """Yield a sector of speckle in which a chamber beats, flow in colour, and a scale."""
    random = np.random.default_rng(SEED)
    speckle = random.rayleigh(1, (SPECKLES, CINE_ROWS, CINE_COLUMNS)).astype(np.float32)
    speckle = sum(np.roll(speckle, shift, (1, 2)) for shift in ((0, 0), (0, 1), (0, 2), (1, 1)))
    y, x = np.ogrid[:CINE_ROWS, :CINE_COLUMNS]
    depth = np.hypot(y - 20, x - CINE_COLUMNS / 2)
    sector = (depth < 540) & (np.abs(x - CINE_COLUMNS / 2) < 0.8 * (y - 20))
    for k in range(frames):
        beat = 1 + 0.2 * np.sin(k / 5)
        chamber = ((y - 300) / (120 * beat)) ** 2 + ((x - 400) / (80 * beat)) ** 2 < 1
        grey = 32 * np.roll(np.asarray(speckle)[k % SPECKLES], (3 * k, 7 * k), (0, 1))
        grey = np.where(sector, np.where(chamber, grey / 6, grey) * (1 - depth / 900), 0)
        frame = np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
        flow = chamber & (y > 260) & (y < 340)
        frame[flow] = (200, 60 + k % 60, 20)
        frame[50:550:50, 780:795] = 255  # the scale
        frame[5:15, 10 : 10 + 3 * (k % 100)] = 180  # how far the loop is
        yield frame
