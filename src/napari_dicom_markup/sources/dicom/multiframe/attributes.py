"""The attributes that describe frames (PS3.6 chapter 6, edition 2026d): tag, VR, keyword."""

from __future__ import annotations

from types import MappingProxyType

_TABLE = """
0008002A DT AcquisitionDateTime
00080032 TM AcquisitionTime
00080033 TM ContentTime
00080100 SH CodeValue
00080102 SH CodingSchemeDesignator
00082144 IS RecommendedDisplayFrameRate
00089007 CS FrameType
00089208 CS ComplexImageComponent
00180040 IS CineRate
00180050 DS SliceThickness
00180060 DS KVP
00180080 DS RepetitionTime
00180081 DS EchoTime
00180088 DS SpacingBetweenSlices
00181060 DS TriggerTime
00181063 DS FrameTime
00181065 DS FrameTimeVector
00181140 CS RotationDirection
00181144 DS AngularStep
00181164 DS ImagerPixelSpacing
00181242 IS ActualFrameDuration
00181314 DS FlipAngle
00181510 DS PositionerPrimaryAngle
00181511 DS PositionerSecondaryAngle
00189074 DT FrameAcquisitionDateTime
00189075 CS DiffusionDirectionality
00189076 SQ DiffusionGradientDirectionSequence
00189079 FD InversionTimes
00189082 FD EffectiveEchoTime
00189087 FD DiffusionBValue
00189089 FD DiffusionGradientOrientation
00189112 SQ MRTimingAndRelatedParametersSequence
00189114 SQ MREchoSequence
00189115 SQ MRModifierSequence
00189117 SQ MRDiffusionSequence
00189118 SQ CardiacSynchronizationSequence
00189151 DT FrameReferenceDateTime
00189214 CS RespiratoryCyclePosition
00189226 SQ MRImageFrameTypeSequence
00189227 SQ MRSpectroscopyFrameTypeSequence
00189236 CS CardiacCyclePosition
00189325 SQ CTXRayDetailsSequence
00189329 SQ CTImageFrameTypeSequence
00189341 SQ ContrastBolusUsageSequence
00189344 CS ContrastBolusAgentPhase
00189405 SQ PositionerPositionSequence
00189504 SQ XRay3DFrameTypeSequence
00189751 SQ PETFrameTypeSequence
00189806 SQ USImageDescriptionSequence
00189835 SQ PhotoacousticImageFrameTypeSequence
00200012 IS AcquisitionNumber
00200013 IS InstanceNumber
00200032 DS ImagePositionPatient
00200037 DS ImageOrientationPatient
00200100 IS TemporalPositionIdentifier
00209056 SH StackID
00209057 UL InStackPositionNumber
00209111 SQ FrameContentSequence
00209113 SQ PlanePositionSequence
00209116 SQ PlaneOrientationSequence
00209128 UL TemporalPositionIndex
00209153 FD NominalCardiacTriggerDelayTime
00209156 US FrameAcquisitionNumber
00209157 UL DimensionIndexValues
00209161 UI ConcatenationUID
00209162 US InConcatenationNumber
00209165 AT DimensionIndexPointer
00209170 SQ UnassignedSharedConvertedAttributesSequence
00209171 SQ UnassignedPerFrameConvertedAttributesSequence
00209222 SQ DimensionIndexSequence
00209241 FL NominalPercentageOfCardiacPhase
00209245 FL NominalPercentageOfRespiratoryPhase
00209253 SQ RespiratorySynchronizationSequence
00209255 FD NominalRespiratoryTriggerDelayTime
00209301 FD ImagePositionVolume
00209302 FD ImageOrientationVolume
0020930D FD TemporalPositionTimeOffset
0020930E SQ PlanePositionVolumeSequence
0020930F SQ PlaneOrientationVolumeSequence
00209310 SQ TemporalPositionSequence
00209312 UI VolumeFrameOfReferenceUID
00280009 AT FrameIncrementPointer
00280030 DS PixelSpacing
00281050 DS WindowCenter
00281051 DS WindowWidth
00281052 DS RescaleIntercept
00281053 DS RescaleSlope
00281054 LO RescaleType
00281055 LO WindowCenterWidthExplanation
00281056 CS VOILUTFunction
00289110 SQ PixelMeasuresSequence
00289132 SQ FrameVOILUTSequence
00289145 SQ PixelValueTransformationSequence
00289443 SQ FramePixelDataPropertiesSequence
00400710 SQ WholeSlideMicroscopyImageFrameTypeSequence
004008EA SQ MeasurementUnitsCodeSequence
00409092 SQ ParametricMapFrameTypeSequence
00409096 SQ RealWorldValueMappingSequence
00409211 US RealWorldValueLastValueMapped
00409213 FD DoubleFloatRealWorldValueLastValueMapped
00409214 FD DoubleFloatRealWorldValueFirstValueMapped
00409216 US RealWorldValueFirstValueMapped
00409224 FD RealWorldValueIntercept
00409225 FD RealWorldValueSlope
00480116 SQ ConfocalMicroscopyImageFrameTypeSequence
00520025 SQ IntravascularOCTFrameTypeSequence
00540010 US EnergyWindowVector
00540020 US DetectorVector
00540022 SQ DetectorInformationSequence
00540030 US PhaseVector
00540032 SQ PhaseInformationSequence
00540033 US NumberOfFramesInPhase
00540036 IS PhaseDelay
00540038 IS PauseBetweenFrames
00540050 US RotationVector
00540052 SQ RotationInformationSequence
00540060 US RRIntervalVector
00540062 SQ GatedInformationSequence
00540063 SQ DataInformationSequence
00540070 US TimeSlotVector
00540080 US SliceVector
00540090 US AngularViewVector
00540100 US TimeSliceVector
00540200 DS StartAngle
0062000A SQ SegmentIdentificationSequence
0062000B US ReferencedSegmentNumber
3004000C DS GridFrameOffsetVector
52009229 SQ SharedFunctionalGroupsSequence
52009230 SQ PerFrameFunctionalGroupsSequence
"""

_ROWS = [line.split() for line in _TABLE.split("\n") if line]

ATTRIBUTES = MappingProxyType({int(tag, 16): (keyword, vr) for tag, vr, keyword in _ROWS})
"""Tag (group in the upper 16 bits) to keyword and VR of what is read from a header."""

KEYWORDS = MappingProxyType({tag: keyword for tag, (keyword, _) in ATTRIBUTES.items()})
"""Tag to keyword, for the attributes that point to others."""

FRAME_TYPES = (
    *(k for k in KEYWORDS.values() if k.endswith("FrameTypeSequence")),
    "USImageDescriptionSequence",
)
"""The functional groups that hold a frame's FrameType, one a modality."""
