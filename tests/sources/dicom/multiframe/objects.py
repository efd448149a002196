"""Multi-frame objects of every kind, as pydicom data sets that can be written as whole files.

A frame's pixels all hold the frame's number, so that a test sees which frame it got.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID

from napari_dicom_markup.model.stack import Instance, SourceFile
from napari_dicom_markup.sources.dicom.headers import instance_from_bytes
from napari_dicom_markup.standard import transfer_syntax as ts

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Sequence as Values
    from pathlib import Path

ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
LEGACY_MR = "1.2.840.10008.5.1.4.1.1.4.4"
ENHANCED_US_VOLUME = "1.2.840.10008.5.1.4.1.1.6.2"
ENHANCED_XA = "1.2.840.10008.5.1.4.1.1.12.1.1"
ENHANCED_PET = "1.2.840.10008.5.1.4.1.1.130"
TOMOSYNTHESIS = "1.2.840.10008.5.1.4.1.1.13.1.3"
OPHTHALMIC_TOMOGRAPHY = "1.2.840.10008.5.1.4.1.1.77.1.5.4"
PARAMETRIC_MAP = "1.2.840.10008.5.1.4.1.1.30"
NUCLEAR = "1.2.840.10008.5.1.4.1.1.20"
RT_DOSE = "1.2.840.10008.5.1.4.1.1.481.2"
US_CINE = "1.2.840.10008.5.1.4.1.1.3.1"
XA_CINE = "1.2.840.10008.5.1.4.1.1.12.1"

AXIAL = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
CORONAL = [1.0, 0.0, 0.0, 0.0, 0.0, -1.0]

GROUPS = {
    "TemporalPositionTimeOffset": "TemporalPositionSequence",
    "ImagePositionVolume": "PlanePositionVolumeSequence",
    "ContrastBolusAgentNumber": "ContrastBolusUsageSequence",
}
"""The functional groups of dimensions that are not in the frame content."""


def item(**values: object) -> Dataset:
    """Return a sequence's item; a Dataset among the values is the one item of its sequence."""
    data_set = Dataset()
    for keyword, value in values.items():
        one = Sequence([value]) if isinstance(value, Dataset) else value
        setattr(data_set, keyword, one)
    return data_set


def image(sop_class: str, modality: str, frames: int, **values: object) -> Dataset:
    """Return an image of 4 × 6 pixels a frame, 16 bits; ``values`` are added or replace."""
    data_set = Dataset()
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = UID(ts.EXPLICIT_LE)
    data_set.file_meta.MediaStorageSOPClassUID = UID(sop_class)
    data_set.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3.4")
    data_set.SOPClassUID, data_set.Modality = sop_class, modality
    data_set.SOPInstanceUID, data_set.SeriesInstanceUID = "1.2.3.4", "1.2.3"
    data_set.StudyInstanceUID, data_set.FrameOfReferenceUID = "1.2", "1.2.9"
    data_set.Rows, data_set.Columns, data_set.NumberOfFrames = 4, 6, frames
    data_set.SamplesPerPixel, data_set.PhotometricInterpretation = 1, "MONOCHROME2"
    data_set.BitsAllocated = data_set.BitsStored = 16
    data_set.HighBit, data_set.PixelRepresentation = 15, 0
    for keyword, value in values.items():
        setattr(data_set, keyword, Sequence([value]) if isinstance(value, Dataset) else value)
    return data_set


def enhanced(
    sop_class: str, modality: str, shared: Dataset, each: Iterable[Dataset], **values: object
) -> Dataset:
    """Return an object with functional groups (PS3.3 C.7.6.16)."""
    groups = list(each)
    data_set = image(sop_class, modality, len(groups), **values)
    data_set.SharedFunctionalGroupsSequence = Sequence([shared])
    data_set.PerFrameFunctionalGroupsSequence = Sequence(groups)
    return data_set


def shared_plane(
    spacing: Values[float] = (0.5, 0.75), between: float = 2.0, orientation: Values[float] = AXIAL
) -> Dataset:
    """Return the groups of pixel measures and orientation."""
    return item(
        PixelMeasuresSequence=item(
            PixelSpacing=list(spacing), SliceThickness=between, SpacingBetweenSlices=between
        ),
        PlaneOrientationSequence=item(ImageOrientationPatient=list(orientation)),
    )


def at(position: Values[float], **content: object) -> Dataset:
    """Return a frame's groups of position and frame content."""
    place = item(ImagePositionPatient=list(position))
    return item(PlanePositionSequence=place, FrameContentSequence=item(**content))


def dimensions(data_set: Dataset, *keywords: str | int) -> Dataset:
    """Add the dimension index of these keywords (or tags), and return the data set."""
    pointers = []
    for keyword in keywords:
        tag = tag_for_keyword(keyword) if isinstance(keyword, str) else keyword
        pointers.append(item(DimensionIndexPointer=tag, DimensionOrganizationUID="1.2.55"))
        if isinstance(keyword, str):
            group = GROUPS.get(keyword, "FrameContentSequence")
            pointers[-1].FunctionalGroupPointer = tag_for_keyword(group)
    data_set.DimensionIndexSequence = Sequence(pointers)
    data_set.DimensionOrganizationSequence = Sequence([item(DimensionOrganizationUID="1.2.55")])
    return data_set


def enhanced_ct(slices: int = 5, **values: object) -> Dataset:
    """Return axial slices 2 mm apart, upwards, in HU."""
    shared = shared_plane()
    shared.PixelValueTransformationSequence = Sequence(
        [item(RescaleSlope=1, RescaleIntercept=-1024, RescaleType="HU")]
    )
    shared.CTImageFrameTypeSequence = Sequence(
        [item(FrameType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"])]
    )
    each = []
    for n in range(slices):
        content = {
            "StackID": "1",
            "InStackPositionNumber": n + 1,
            "DimensionIndexValues": [1, n + 1],
        }
        frame = at((-10.0, -20.0, 2.0 * n), **content)
        frame.FrameVOILUTSequence = Sequence(
            [item(WindowCenter=[40, 600], WindowWidth=[400, 2000])]
        )
        frame.CTXRayDetailsSequence = Sequence([item(KVP=120)])
        frame.CTExposureSequence = Sequence([item(ExposureTimeInms=500.0)])
        frame.CTPositionSequence = Sequence([item(TablePosition=2.0 * n)])
        each.append(frame)
    return dimensions(
        enhanced(ENHANCED_CT, "CT", shared, each, **values), "StackID", "InStackPositionNumber"
    )


def enhanced_mr(slices: int = 3, volumes: int = 2, **values: object) -> Dataset:
    """Return volumes in time, interleaved as scanners do: all times of a slice, then the next."""
    shared = shared_plane(orientation=CORONAL)
    each = []
    for z in range(slices):
        for t in range(volumes):
            frame = at(
                (-10.0, 3.0 * z, 50.0),
                StackID="1",
                InStackPositionNumber=z + 1,
                TemporalPositionIndex=t + 1,
                FrameAcquisitionDateTime=f"2020010110{t // 60:02}{t % 60:02}.5",
                DimensionIndexValues=[1, z + 1, t + 1],
            )
            frame.MREchoSequence = Sequence([item(EffectiveEchoTime=30.0)])
            frame.MRImageFrameTypeSequence = Sequence(
                [
                    item(
                        FrameType=["ORIGINAL", "PRIMARY", "M", "NONE"],
                        ComplexImageComponent="MAGNITUDE",
                    )
                ]
            )
            frame.PixelValueTransformationSequence = Sequence(
                [item(RescaleSlope=2, RescaleIntercept=0, RescaleType="US")]
            )
            frame.MRAveragesSequence = Sequence([item(NumberOfAverages=1)])
            each.append(frame)
    return dimensions(
        enhanced(ENHANCED_MR, "MR", shared, each, **values),
        "StackID",
        "InStackPositionNumber",
        "TemporalPositionIndex",
    )


def legacy_converted_mr(echo_times: Values[float] = (10.0, 20.0)) -> Dataset:
    """Return two slices of each echo, whose time is among the unassigned attributes."""
    each = []
    for echo in echo_times:
        for z in range(2):
            frame = at((0.0, 0.0, 3.0 * z))
            frame.UnassignedPerFrameConvertedAttributesSequence = Sequence(
                [item(EchoTime=echo, InstanceNumber=len(each) + 1, AcquisitionTime="101500")]
            )
            each.append(frame)
    return enhanced(LEGACY_MR, "MR", shared_plane(), each)


def enhanced_pet(slices: int = 3) -> Dataset:
    """Return slices in Bq/ml with a slope each."""
    each = []
    for z in range(slices):
        frame = at((0.0, 0.0, -4.0 * z))
        frame.PixelValueTransformationSequence = Sequence(
            [item(RescaleSlope=1.5 + z, RescaleIntercept=0, RescaleType="US")]
        )
        each.append(frame)
    return enhanced(ENHANCED_PET, "PT", shared_plane(between=4.0), each, Units="BQML")


def enhanced_us_volume(planes: int = 3, times: int = 2) -> Dataset:
    """Return planes in a volume's own coordinates, repeated in time (PS3.3 A.59)."""
    shared = item(
        PixelMeasuresSequence=item(PixelSpacing=[0.3, 0.3], SpacingBetweenSlices=0.6),
        PlaneOrientationVolumeSequence=item(ImageOrientationVolume=AXIAL),
        USImageDescriptionSequence=item(FrameType=["ORIGINAL", "PRIMARY", "GSCALE"]),
    )
    each = [
        item(
            PlanePositionVolumeSequence=item(ImagePositionVolume=[0.0, 0.0, 0.6 * z]),
            TemporalPositionSequence=item(TemporalPositionTimeOffset=1.0 + 0.25 * t),
            FrameContentSequence=item(DimensionIndexValues=[t + 1, z + 1]),
        )
        for t in range(times)
        for z in range(planes)
    ]
    data_set = enhanced(ENHANCED_US_VOLUME, "US", shared, each, VolumeFrameOfReferenceUID="1.2.77")
    return dimensions(data_set, "TemporalPositionTimeOffset", "ImagePositionVolume")


def tomosynthesis(slices: int = 4) -> Dataset:
    """Return sagittal slices, the object's orientation at its top level only."""
    shared = item(
        PixelMeasuresSequence=item(PixelSpacing=[0.1, 0.1], SliceThickness=1.0),
        XRay3DFrameTypeSequence=item(FrameType=["DERIVED", "PRIMARY", "TOMOSYNTHESIS", "NONE"]),
    )
    each = [at((5.0 + n, 0.0, 0.0)) for n in range(slices)]
    sagittal = [0.0, 1.0, 0.0, 0.0, 0.0, -1.0]
    return enhanced(TOMOSYNTHESIS, "MG", shared, each, ImageOrientationPatient=sagittal)


def ophthalmic_tomography(scans: int = 4) -> Dataset:
    """Return B-scans behind each other (PS3.3 C.8.17)."""
    each = [at((0.0, 0.0, 0.05 * n), FrameAcquisitionNumber=n + 1) for n in range(scans)]
    return enhanced(OPHTHALMIC_TOMOGRAPHY, "OPT", shared_plane((0.004, 0.01), 0.05), each)


def enhanced_xa(angles: Values[float] = (-30.0, 0.0, 30.0)) -> Dataset:
    """Return projections of a rotational run, spacing at the detector only (PS3.3 A.47)."""
    each = [
        item(
            PositionerPositionSequence=item(
                PositionerPrimaryAngle=angle, PositionerSecondaryAngle=0
            ),
            FrameContentSequence=item(FrameAcquisitionDateTime=f"2020010110000{n}.25+0100"),
        )
        for n, angle in enumerate(angles)
    ]
    shared = item(FramePixelDataPropertiesSequence=item(ImagerPixelSpacing=[0.2, 0.2]))
    return enhanced(ENHANCED_XA, "XA", shared, each)


def parametric_map(unit: str = "um2/s", slope: float = 0.5) -> Dataset:
    """Return two slices that a Real World Value Mapping gives their meaning."""
    shared = shared_plane()
    code = item(CodeValue=unit, CodingSchemeDesignator="UCUM", CodeMeaning="something")
    shared.RealWorldValueMappingSequence = Sequence(
        [
            item(
                RealWorldValueSlope=slope,
                RealWorldValueIntercept=1.0,
                MeasurementUnitsCodeSequence=code,
            )
        ]
    )
    shared.FrameVOILUTSequence = Sequence([item(WindowCenter=100, WindowWidth=40)])
    each = [at((0.0, 0.0, 2.0 * n)) for n in range(2)]
    return enhanced(PARAMETRIC_MAP, "MR", shared, each)


def nuclear(image_type: str, vectors: dict[str, Values[int]], **values: object) -> Dataset:
    """Return an NM object counted by ``vectors``, in their order (PS3.3 C.8.4.8)."""
    kind = ["ORIGINAL", "PRIMARY", image_type, "EMISSION"]
    count = len(next(iter(vectors.values())))
    pointer = [tag_for_keyword(keyword) for keyword in vectors]
    data_set = image(NUCLEAR, "NM", count, ImageType=kind, **values)
    data_set.FrameIncrementPointer = pointer
    for keyword, numbers in vectors.items():
        setattr(data_set, keyword, list(numbers))
    return data_set


def nuclear_reconstruction(
    slices: int = 4, step: float | None = 3.0, slots: int = 1, orientation: Values[float] = AXIAL
) -> Dataset:
    """Return the slices of a reconstruction, gated where it has several time slots."""
    numbers = [(t + 1, z + 1) for t in range(slots) for z in range(slices)]
    vectors: dict[str, Values[int]] = {"SliceVector": [z for _, z in numbers]}
    if slots > 1:
        vectors = {"TimeSlotVector": [t for t, _ in numbers], **vectors}
    detector = item(
        ImagePositionPatient=[-30.0, -40.0, 100.0], ImageOrientationPatient=list(orientation)
    )
    gating = item(DataInformationSequence=item(FrameTime=50.0))
    return nuclear(
        "RECON GATED TOMO" if slots > 1 else "RECON TOMO",
        vectors,
        SpacingBetweenSlices=step,
        SliceThickness=3.0,
        PixelSpacing=[4.0, 4.0],
        DetectorInformationSequence=detector,
        GatedInformationSequence=gating,
    )


def nuclear_dynamic() -> Dataset:
    """Return two phases (5 and 2 frames) seen by two detectors: the example of PS3.3 C.8.4.8."""
    rows = [
        (d, p, k) for d in (1, 2) for p, frames in ((1, 5), (2, 2)) for k in range(1, frames + 1)
    ]
    data_set = nuclear(
        "DYNAMIC",
        {
            "EnergyWindowVector": [1] * len(rows),
            "DetectorVector": [d for d, _, _ in rows],
            "PhaseVector": [p for _, p, _ in rows],
            "TimeSliceVector": [k for _, _, k in rows],
        },
    )
    data_set.PhaseInformationSequence = Sequence(
        [
            item(
                PhaseDelay=0,
                ActualFrameDuration=1000,
                PauseBetweenFrames=500,
                NumberOfFramesInPhase=5,
            ),
            item(
                PhaseDelay=3000,
                ActualFrameDuration=10000,
                PauseBetweenFrames=0,
                NumberOfFramesInPhase=2,
            ),
        ]
    )
    return data_set


def nuclear_tomography(views: int = 4, direction: str = "CC", detectors: int = 1) -> Dataset:
    """Return projections of a rotation, 90° apart from 180° on."""
    rows = [(d + 1, v + 1) for d in range(detectors) for v in range(views)]
    rotation = item(StartAngle=180, AngularStep=90, RotationDirection=direction, ScanArc=360)
    return nuclear(
        "TOMO",
        {"DetectorVector": [d for d, _ in rows], "AngularViewVector": [v for _, v in rows]},
        RotationInformationSequence=rotation,
    )


def rt_dose(
    offsets: Values[float] | None,
    planes: int = 4,
    position: Values[float] = (-50.0, -60.0, 70.0),
    orientation: Values[float] = AXIAL,
) -> Dataset:
    """Return a dose grid whose GridFrameOffsetVector is ``offsets``, None for none."""
    data_set = image(
        RT_DOSE,
        "RTDOSE",
        planes,
        ImagePositionPatient=list(position),
        ImageOrientationPatient=list(orientation),
        PixelSpacing=[2.5, 2.5],
        DoseGridScaling=0.001,
        DoseUnits="GY",
    )
    if offsets is not None:
        data_set.FrameIncrementPointer = tag_for_keyword("GridFrameOffsetVector")
        data_set.GridFrameOffsetVector = list(offsets)
    return data_set


def cine(
    frames: int = 4, sop_class: str = US_CINE, modality: str = "US", **values: object
) -> Dataset:
    """Return a run; FrameIncrementPointer names FrameTimeVector or FrameTime where given."""
    data_set = image(sop_class, modality, frames, **values)
    for keyword in ("FrameTimeVector", "FrameTime"):
        if keyword in values:
            data_set.FrameIncrementPointer = tag_for_keyword(keyword)
            break
    return data_set


KINDS = {
    "Enhanced CT": enhanced_ct,
    "Enhanced MR": enhanced_mr,
    "Legacy Converted MR": legacy_converted_mr,
    "Enhanced PET": enhanced_pet,
    "Enhanced US volume": enhanced_us_volume,
    "tomosynthesis": tomosynthesis,
    "ophthalmic tomography": ophthalmic_tomography,
    "Enhanced XA": enhanced_xa,
    "parametric map": parametric_map,
    "NM reconstruction": nuclear_reconstruction,
    "NM gated": lambda: nuclear_reconstruction(slots=3),
    "NM dynamic": nuclear_dynamic,
    "NM tomography": nuclear_tomography,
    "RT dose": lambda: rt_dose([0, 2, 4, 6]),
    "US cine": lambda: cine(FrameTime=40),
    "XA cine": lambda: cine(sop_class=XA_CINE, modality="XA", FrameTimeVector=[0, 50, 50, 100]),
}
"""One object of each kind, to be made."""


def written(data_set: Dataset, syntax: str = ts.EXPLICIT_LE, *, undefined: bool = False) -> bytes:
    """Return the file of an object in one of the native syntaxes.

    ``undefined`` gives all sequences and items an undefined length.
    """
    little = syntax != ts.EXPLICIT_BE
    frames, rows, columns = (data_set.NumberOfFrames, data_set.Rows, data_set.Columns)
    numbers = np.arange(int(frames), dtype="<u2" if little else ">u2")
    data_set.file_meta.TransferSyntaxUID = UID(syntax)
    data_set.PixelData = np.repeat(numbers, rows * columns).tobytes()
    data_set["PixelData"].VR = "OW"
    if undefined:
        _open_ended(data_set)
    buffer = io.BytesIO()
    implicit = syntax == ts.IMPLICIT_LE
    data_set.save_as(buffer, implicit_vr=implicit, little_endian=little, enforce_file_format=True)
    return buffer.getvalue()


def _open_ended(data_set: Dataset) -> None:
    for element in data_set:
        if element.VR == "SQ":
            element.is_undefined_length = True
            for one in element.value:
                one.is_undefined_length_sequence_item = True
                _open_ended(one)


def instance_in(raw: bytes, path: Path | None = None) -> Instance:
    """Return the instance of a file's bytes, written to ``path`` first where one is given."""
    if path is not None:
        path.write_bytes(raw)
    location = "a.dcm" if path is None else str(path)
    found = instance_from_bytes(raw, SourceFile(location, "a.dcm", len(raw), 0))
    assert isinstance(found, Instance)
    return found
