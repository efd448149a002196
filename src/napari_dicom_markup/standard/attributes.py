"""The attributes that a scan reads from every file (PS3.6 chapters 6 and 7, edition 2026d).

They are what order, geometry, values and decoding need: everything else stays in the file.
Makers' private elements are as their conformance statements and dcm2niix (nii_dicom.cpp) have
them, each with the element that names its block's creator; they count at the usual block only.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

EDITION = "2026d"
"""The edition of PS3.6 from which keyword, tag and VR are taken."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """A data element's keyword, tag (group in the upper 16 bits) and VR.

    Of an attribute with ``presence`` only its being there is read: its raw value is empty.
    """

    keyword: str
    tag: int
    vr: str
    presence: bool = False


ATTRIBUTES = (
    Attribute("MediaStorageSOPClassUID", 0x0002_0002, "UI"),
    Attribute("MediaStorageSOPInstanceUID", 0x0002_0003, "UI"),
    Attribute("TransferSyntaxUID", 0x0002_0010, "UI"),
    Attribute("ImageType", 0x0008_0008, "CS"),
    Attribute("SOPClassUID", 0x0008_0016, "UI"),
    Attribute("SOPInstanceUID", 0x0008_0018, "UI"),
    Attribute("AcquisitionDate", 0x0008_0022, "DA"),
    Attribute("ContentDate", 0x0008_0023, "DA"),
    Attribute("AcquisitionTime", 0x0008_0032, "TM"),
    Attribute("ContentTime", 0x0008_0033, "TM"),
    Attribute("Modality", 0x0008_0060, "CS"),
    Attribute("ComplexImageComponent", 0x0008_9208, "CS"),
    Attribute("SliceThickness", 0x0018_0050, "DS"),
    Attribute("EchoTime", 0x0018_0081, "DS"),
    Attribute("SpacingBetweenSlices", 0x0018_0088, "DS"),
    Attribute("TriggerTime", 0x0018_1060, "DS"),
    Attribute("EstimatedRadiographicMagnificationFactor", 0x0018_1114, "DS"),
    Attribute("ImagerPixelSpacing", 0x0018_1164, "DS"),
    Attribute("NominalScannedPixelSpacing", 0x0018_2010, "DS"),
    Attribute("SequenceOfUltrasoundRegions", 0x0018_6011, "SQ", presence=True),
    Attribute("DiffusionBValue", 0x0018_9087, "FD"),
    Attribute("DiffusionGradientOrientation", 0x0018_9089, "FD"),
    Attribute("SiemensMrCreator", 0x0019_0010, "LO"),
    Attribute("SiemensBValue", 0x0019_100C, "IS"),
    Attribute("SiemensGradientDirection", 0x0019_100E, "FD"),
    Attribute("StudyInstanceUID", 0x0020_000D, "UI"),
    Attribute("SeriesInstanceUID", 0x0020_000E, "UI"),
    Attribute("AcquisitionNumber", 0x0020_0012, "IS"),
    Attribute("InstanceNumber", 0x0020_0013, "IS"),
    Attribute("ImagePositionPatient", 0x0020_0032, "DS"),
    Attribute("ImageOrientationPatient", 0x0020_0037, "DS"),
    Attribute("FrameOfReferenceUID", 0x0020_0052, "UI"),
    Attribute("TemporalPositionIdentifier", 0x0020_0100, "IS"),
    Attribute("NumberOfTemporalPositions", 0x0020_0105, "IS"),
    Attribute("NominalPercentageOfCardiacPhase", 0x0020_9241, "FL"),
    Attribute("SamplesPerPixel", 0x0028_0002, "US"),
    Attribute("PhotometricInterpretation", 0x0028_0004, "CS"),
    Attribute("PlanarConfiguration", 0x0028_0006, "US"),
    Attribute("NumberOfFrames", 0x0028_0008, "IS"),
    Attribute("Rows", 0x0028_0010, "US"),
    Attribute("Columns", 0x0028_0011, "US"),
    Attribute("PixelSpacing", 0x0028_0030, "DS"),
    Attribute("BitsAllocated", 0x0028_0100, "US"),
    Attribute("BitsStored", 0x0028_0101, "US"),
    Attribute("HighBit", 0x0028_0102, "US"),
    Attribute("PixelRepresentation", 0x0028_0103, "US"),
    Attribute("PixelPaddingValue", 0x0028_0120, "US or SS"),
    Attribute("PixelPaddingRangeLimit", 0x0028_0121, "US or SS"),
    Attribute("WindowCenter", 0x0028_1050, "DS"),
    Attribute("WindowWidth", 0x0028_1051, "DS"),
    Attribute("RescaleIntercept", 0x0028_1052, "DS"),
    Attribute("RescaleSlope", 0x0028_1053, "DS"),
    Attribute("RescaleType", 0x0028_1054, "LO"),
    Attribute("VOILUTFunction", 0x0028_1056, "CS"),
    Attribute("RedPaletteColorLookupTableDescriptor", 0x0028_1101, "US or SS", presence=True),
    Attribute("ModalityLUTSequence", 0x0028_3000, "SQ", presence=True),
    Attribute("RealWorldValueMappingSequence", 0x0040_9096, "SQ", presence=True),
    Attribute("GeParametersCreator", 0x0043_0010, "LO"),
    Attribute("GeImageComponent", 0x0043_102F, "SS"),
    Attribute("GeBValue", 0x0043_1039, "IS"),
    Attribute("Units", 0x0054_1001, "CS"),
    Attribute("UihCreator", 0x0065_0010, "LO"),
    Attribute("UihBValue", 0x0065_1009, "FD"),
    Attribute("UihGradientDirection", 0x0065_1037, "FD"),
    Attribute("PhilipsImagingCreator", 0x2001_0010, "LO"),
    Attribute("PhilipsBValue", 0x2001_1003, "FL"),
    Attribute("PhilipsGradientRight", 0x2005_10B0, "FL"),
    Attribute("PhilipsGradientAnterior", 0x2005_10B1, "FL"),
    Attribute("PhilipsGradientFeet", 0x2005_10B2, "FL"),
    Attribute("DoseUnits", 0x3004_0002, "CS"),
    Attribute("DoseGridScaling", 0x3004_000E, "DS"),
)
"""What a scan reads, in ascending order of tags: a header's raw values stand in this order."""

PIXEL_ELEMENTS = (
    Attribute("FloatPixelData", 0x7FE0_0008, "OF"),
    Attribute("DoubleFloatPixelData", 0x7FE0_0009, "OD"),
    Attribute("PixelData", 0x7FE0_0010, "OB or OW"),
)
"""The elements that hold an image's pixels; a data set has at most one of them."""

INDEX = MappingProxyType({a.keyword: i for i, a in enumerate(ATTRIBUTES)})
"""A keyword's place in ``ATTRIBUTES``."""

VALUE_BYTES = MappingProxyType({"US": 2, "US or SS": 2, "SS": 2, "FL": 4, "FD": 8})
"""Bytes a value of the binary VRs among ``ATTRIBUTES``: what big-endian files have reversed."""


def picker(
    *keywords: str,
) -> Callable[[Sequence[bytes | None]], tuple[bytes | None, ...]]:
    """Return a function that picks the raw values of two or more ``keywords`` from a header.

    Examples
    --------
    >>> size = picker("Rows", "Columns")
    >>> size([attribute.keyword.encode() for attribute in ATTRIBUTES])
    (b'Rows', b'Columns')

    """
    pick: Callable[[Sequence[bytes | None]], tuple[bytes | None, ...]]
    pick = itemgetter(*(INDEX[keyword] for keyword in keywords))
    return pick
