"""Source images, the stacks of them, and segmentations that highdicom makes of them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicom_markup.model.geometry import (
    PatientFrame,
    SliceSpacingSource,
    SpacingSource,
    StackGeometry,
)
from napari_dicom_markup.model.stack import (
    Acquisition,
    Instance,
    LeadingAxis,
    PixelFormat,
    PlaneGrid,
    SourceFile,
    Stack,
    ValueMapping,
    only_frame,
)
from tests.data import read_quietly
from tests.instances import ORIENTATIONS
from tests.series import make_data_set

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydicom import Dataset


def make_sources(
    slices: int = 5,
    rows: int = 6,
    columns: int = 7,
    orientation: str = "oblique",
    step: float = 2.5,
    **changes: Any,
) -> list[Dataset]:
    """Return CT slices in ascending order along the normal."""
    axes = np.array(ORIENTATIONS[orientation], dtype=float)
    normal = np.cross(axes[:3], axes[3:])
    made = []
    for k in range(slices):
        data = make_data_set(k, np.zeros((rows, columns), "u2"))
        data.ImageOrientationPatient = axes.tolist()
        data.ImagePositionPatient = np.round(normal * step * k + (-10, -20, 30), 6).tolist()
        data.PatientBirthDate, data.PatientSex, data.StudyID = "", "", "1"
        data.StudyDate = data.StudyTime = data.AccessionNumber = data.ReferringPhysicianName = ""
        data.SeriesNumber = 1
        for keyword, value in changes.items():
            setattr(data, keyword, value)
        made.append(data)
    return made


def stack_of(sources: Sequence[Dataset], leading: LeadingAxis | None = None) -> Stack:
    """Return the stack of single-frame images; volume after volume where there are several."""
    volumes = len(leading.values) if leading else 1
    count = len(sources) // volumes
    ordered: list[Dataset] = []
    for volume in range(volumes):
        part = sources[volume * count : (volume + 1) * count]
        ordered += sorted(part, key=_descending)
    frames = tuple(only_frame(_instance(data)) for data in ordered)
    leads = (leading,) if leading else ()
    return Stack(0, frames, count, leads, _geometry(ordered[:count]))


def _descending(data: Dataset) -> float:
    if "ImagePositionPatient" not in data:
        return 0.0
    axes = np.array(data.ImageOrientationPatient, float)
    return -float(np.cross(axes[:3], axes[3:]) @ np.array(data.ImagePositionPatient, float))


def _instance(data: Dataset) -> Instance:
    pixels = PixelFormat(data.Rows, data.Columns, 1, "MONOCHROME2", 0, 16, 12, False, 1)
    return Instance(
        file=SourceFile("/nowhere", "IM", 1, 1),
        sop_class_uid=data.SOPClassUID,
        sop_instance_uid=data.SOPInstanceUID,
        series_uid=data.SeriesInstanceUID,
        study_uid=data.StudyInstanceUID,
        modality="CT",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        position=None,
        grid=PlaneGrid(),
        acquisition=Acquisition(),
        values=ValueMapping(),
        pixels=pixels,
        element=None,
    )


def _geometry(ordered: Sequence[Dataset]) -> StackGeometry:
    first = ordered[0]
    if "ImagePositionPatient" not in first:
        return StackGeometry(
            (1.0, 1.0, 1.0), False, SpacingSource.NONE, SliceSpacingSource.ASSUMED, None
        )
    origins = [tuple(float(v) for v in data.ImagePositionPatient) for data in ordered]
    axes = [float(v) for v in first.ImageOrientationPatient]
    thickness = float(first.get("SliceThickness") or 1)
    normal = np.cross(axes[:3], axes[3:])
    step = np.subtract(origins[1], origins[0]) if len(origins) > 1 else -normal * thickness
    spacing = (abs(float(step @ normal)), *(float(v) for v in first.PixelSpacing))
    frame = PatientFrame(
        first.FrameOfReferenceUID,
        row=tuple(axes[:3]),
        column=tuple(axes[3:]),
        step=tuple(step.tolist()),
        origins=tuple(origins),
    )
    return StackGeometry(
        spacing, True, SpacingSource.PIXEL_SPACING, SliceSpacingSource.POSITIONS, frame
    )


def segmentation_instance(path: Path) -> Instance:
    """Return the instance of a file that holds a segmentation, as far as reading needs it."""
    data = read_quietly(path)
    return Instance(
        file=SourceFile(str(path), path.name, path.stat().st_size, 0),
        sop_class_uid=str(data.SOPClassUID),
        sop_instance_uid=str(data.SOPInstanceUID),
        series_uid="1.2.3",
        study_uid="1.2",
        modality="SEG",
        transfer_syntax_uid=str(data.file_meta.TransferSyntaxUID),
        position=None,
        grid=PlaneGrid(),
        acquisition=Acquisition(),
        values=ValueMapping(),
        pixels=None,
        element=None,
    )


def make_segmentation(
    sources: Sequence[Dataset], pixels: np.ndarray, kind: str = "BINARY", **options: Any
) -> Dataset:
    """Return highdicom's Segmentation of pixels in the order of the sources.

    ``pixels`` are segment numbers (slices, rows, columns), or one mask a segment in a last axis.
    """
    import highdicom as hd
    from pydicom.sr.codedict import codes

    count = pixels.shape[3] if pixels.ndim == 4 else max(1, int(pixels.max()))
    numbers = options.pop("numbers", range(1, count + 1))
    descriptions = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=f"organ {number}",
            segmented_property_category=codes.SCT.Organ,
            segmented_property_type=codes.SCT.Liver,
            algorithm_type="MANUAL",
            display_color=hd.color.CIELabColor.from_rgb(255, 40 * number % 256, 0),
        )
        for number in numbers
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return hd.seg.Segmentation(
            source_images=list(sources),
            pixel_array=pixels,
            segmentation_type=kind,
            segment_descriptions=descriptions,
            series_instance_uid="1.2.9",
            series_number=9,
            sop_instance_uid="1.2.9.1",
            instance_number=1,
            manufacturer="nobody",
            manufacturer_model_name="none",
            software_versions="1",
            device_serial_number="1",
            **options,
        )
