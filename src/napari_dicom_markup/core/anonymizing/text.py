"""Attributes that table E.1-1 of PS3.15 does not list and that may keep text or bytes.

They were reviewed one by one. Everything else of a free text VR is denied: the standard says
nothing about it.
"""

from __future__ import annotations

from functools import cache

FREE_TEXT = frozenset(("LO", "SH", "ST", "LT", "UT", "UC", "UR", "AE", "PN"))
"""VRs that may hold anything a person typed (PS3.5 6.2)."""

_KEPT_TEXT = """
ASLBolusCutoffTechnique ASLCrusherDescription ASLTechniqueDescription
AcquisitionDeviceProcessingCode AcquisitionMode AlgorithmName AlgorithmSource AlgorithmVersion
ApplicationManufacturer ApplicationName ApplicationVersion AttenuationCorrectionMethod
CardiacFramingType CodingSchemeName CodingSchemeRegistry CollimatorGridName ContrastBolusRoute
ConvolutionKernel DetectorLinesOfResponseUsed DetectorManufacturerModelName
DetectorManufacturerName DigitalImageFormatAcquired DimensionDescriptionLabel
DimensionIndexPrivateCreator EnergyWindowName FilterType FunctionalGroupPrivateCreator
HistogramExplanation ImagedNucleus InterventionDrugName LUTExplanation LUTLabel ListOfMIMETypes
MIMETypeOfEncapsulatedDocument Manufacturer ManufacturerModelName ManufacturerModelVersion
ManufacturerRelatedModelGroup MappingResourceName MetaboliteMapDescription ModalityLUTType
MultiCoilConfiguration MultiCoilElementName OpticalPathIdentifier PVCRejection PhosphorType
PixelSpacingCalibrationDescription PlateType PositionReferenceIndicator ProcessingFunction
PulseSequenceName Radiopharmaceutical RadiopharmaceuticalRoute ReceiveCoilManufacturerName
ReceiveCoilName ReconstructionMethod ReferencedOpticalPathIdentifier RequestedProcedurePriority
RescaleType ScatterCorrectionMethod SecondaryCaptureDeviceManufacturer
SecondaryCaptureDeviceManufacturerModelName SecondaryCaptureDeviceSoftwareVersions
SegmentAlgorithmName SelectorAttributeKeyword SelectorAttributeName SequenceName
SoftwareVersions SourceIsotopeName StackID StageName TargetPositionReferenceIndicator
TransducerData TransmitCoilManufacturerName TransmitCoilName TypeOfFilters
VideoImageFormatAcquired ViewName WindowCenterWidthExplanation
"""

KEPT_TEXT = frozenset(_KEPT_TEXT.split())
"""Text that devices and algorithms write and that says how an image was made."""

_LABELS = """
BeamName ContentDescription ContentLabel DocumentTitle FiducialDescription FiducialIdentifier
GraphicGroupDescription GraphicGroupLabel GraphicLayerDescription RTImageDescription
RTImageLabel RTImageName ReconstructionDescription SegmentDescription SegmentLabel
SegmentationCreationTemplateLabel SurfaceModelLabel TextValue TrackSetDescription TrackSetLabel
TrackingID
"""

LABELS = frozenset(_LABELS.split())
"""What users call their work: cleaned with Clean Descriptors, a dummy without.

ContentLabel is a code string that people type (PS3.3 C.10.9.1).
"""

_KEPT_BYTES = """
ChannelMaximumValue ChannelMinimumValue EXIFVersion FillPattern ICCProfile
InteroperabilityVersion LUTData PixelData SegmentedBluePaletteColorLookupTableData
SegmentedGreenPaletteColorLookupTableData SegmentedRedPaletteColorLookupTableData WaveformData
WaveformPaddingValue
"""

KEPT_BYTES = frozenset(_KEPT_BYTES.split())
"""Attributes whose bytes (OB) are samples, tables or profiles; their content is proven later."""


@cache
def kept_text() -> frozenset[int]:
    """Return the tags of ``KEPT_TEXT``."""
    return _tags(KEPT_TEXT)


@cache
def labels() -> frozenset[int]:
    """Return the tags of ``LABELS``."""
    return _tags(LABELS)


@cache
def kept_bytes() -> frozenset[int]:
    """Return the tags of ``KEPT_BYTES``."""
    return _tags(KEPT_BYTES)


def _tags(keywords: frozenset[str]) -> frozenset[int]:
    from pydicom.datadict import tag_for_keyword

    found = (tag_for_keyword(keyword) for keyword in keywords)
    return frozenset(int(tag) for tag in found if tag is not None)
