"""Objects made of the phantom CT for what is looked at: tilted, diffusion, PET, SEG, RTSTRUCT."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from napari_dicom_markup.core.phantom import COLUMNS, ROWS, SLICES, SPACING_MM, phantom_series

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

CANARY = "Canary^Zebra"
TILT_DEGREES = 14.0
B_VALUES = ((0, None), (500, (1, 0, 0)), (500, (0, 1, 0)), (1000, (1, 0, 0)), (1000, (0, 1, 0)))
"""b in s/mm², and the direction of the gradient."""

BALLS = (
    ("left ball", (0.1, -0.2, 0.25), 0.2),
    ("right ball", (-0.2, 0.3, -0.2), 0.15),
    ("small ball", (0.0, -0.1, -0.3), 0.08),
)
"""The phantom's lesions: name, centre (z, y, x) and radius, in halves of the volume's sides."""

_MR, _PT = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.128"
_RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"


def slices(edit: Callable[[Dataset, int], None] | None = None) -> list[Dataset]:
    """Return the phantom's slices, head first, each edited."""
    made = []
    for k, (_, data) in enumerate(phantom_series()):
        data.PatientName = data.PatientID = data.SeriesDescription = CANARY
        if edit is not None:
            edit(data, k)
        made.append(data)
    return made


def write(images: Iterable[Dataset], folder: Path) -> Path:
    """Write data sets as IM000 and so on, and return their folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(images):
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
        data.save_as(folder / f"IM{number:03d}")
    return folder


def write_tilted(folder: Path) -> Path:
    """Write the phantom tilted; slices 12 and 13 are missing."""

    def edit(data: Dataset, k: int) -> None:
        x, y, z = data.ImagePositionPatient
        shift = (k - (SLICES - 1) / 2) * SPACING_MM[0] * math.tan(math.radians(TILT_DEGREES))
        data.ImagePositionPatient = [x, round(float(y) + shift, 4), z]

    return write([data for k, data in enumerate(slices(edit)) if k not in (11, 12)], folder)


def write_diffusion(folder: Path) -> Path:
    """Write every second slice as MR with several b values and directions."""
    made = []
    for volume, (b, direction) in enumerate(B_VALUES):
        for k, data in enumerate(slices()[::2]):
            data.SOPClassUID, data.Modality = _MR, "MR"
            data.SOPInstanceUID += f".{volume}"
            data.SeriesInstanceUID += ".7"
            data.InstanceNumber = volume * SLICES + k + 1
            stored = np.frombuffer(data.PixelData, "<u2").astype(float)
            decay = math.exp(-b / 1500) * (0.8 if direction == (0, 1, 0) else 1)
            data.PixelData = (stored * decay).astype("<u2").tobytes()
            data.DiffusionBValue = b
            if direction is not None:
                data.DiffusionGradientOrientation = list(map(float, direction))
            data.RescaleIntercept, data.WindowCenter, data.WindowWidth = 0, 700, 1400
            del data.RescaleType
            made.append(data)
    return write(made, folder)


def write_pet(folder: Path, **changes: Any) -> Path:
    """Write the phantom as PET, one half-life after 400 MBq: 80 kg give SUV = Bq/ml / 2500."""
    dose = Dataset()
    dose.RadionuclideTotalDose, dose.RadionuclideHalfLife = "400000000", "6586.2"
    dose.RadiopharmaceuticalStartDateTime = "20200101100000"

    def edit(data: Dataset, k: int) -> None:
        stated = {
            "SOPClassUID": _PT, "Modality": "PT", "Units": "BQML", "DecayCorrection": "START",
            "CorrectedImage": ["DECY", "ATTN"], "PatientWeight": "80", "PatientSize": "1.8",
            "PatientSex": "M", "SeriesDate": "20200101", "SeriesTime": "114946.2",
            "AcquisitionDate": "20200101", "AcquisitionTime": "115000",
            "RescaleSlope": 10, "RescaleIntercept": 0, "RescaleType": "BQML",
            "WindowCenter": 10000, "WindowWidth": 20000,
            "RadiopharmaceuticalInformationSequence": [dose],
        }  # fmt: skip
        data.SeriesInstanceUID += ".8"
        data.SOPInstanceUID += ".8"
        for keyword, value in (stated | changes).items():
            setattr(data, keyword, value)

    return write(slices(edit), folder)


def inside(centre: tuple[float, float, float], radius: float) -> np.ndarray:
    """Return the mask of a ball of the phantom, (slices, rows, columns)."""
    axes = np.mgrid[-1 : 1 : SLICES * 1j, -1 : 1 : ROWS * 1j, -1 : 1 : COLUMNS * 1j]
    return sum(((a - c) / radius) ** 2 for a, c in zip(axes, centre, strict=True)) < 1


def place_of(centre: tuple[float, float, float]) -> tuple[float, float, float]:
    """Return the middle of a ball in LPS mm: slices go down from the head."""
    halves = [(n - 1) / 2 * mm for n, mm in zip((SLICES, ROWS, COLUMNS), SPACING_MM, strict=True)]
    z, y, x = (a * half for a, half in zip(centre, halves, strict=True))
    return x, y, -z


def write_segmentation(path: Path, behind: str = f" {CANARY}") -> Path:
    """Write the balls as a binary SEG of the phantom, by highdicom; names end with ``behind``."""
    import highdicom as hd
    from pydicom.sr.codedict import codes

    sources = slices(_add_study)
    masks = np.stack([inside(centre, radius) for _, centre, radius in BALLS], axis=-1)
    described = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=f"{name}{behind}",
            segmented_property_category=codes.SCT.Organ,
            segmented_property_type=codes.SCT.Liver,
            algorithm_type="MANUAL",
        )
        for number, (name, _, _) in enumerate(BALLS, start=1)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = hd.seg.Segmentation(
            sources, masks.astype(np.uint8), "BINARY", described, "1.2.9", 9, "1.2.9.1", 1,
            "nobody", "none", "1", "1",
        )  # fmt: skip
        made.save_as(path)
    return path


def _add_study(data: Dataset, k: int) -> None:
    del k
    data.StudyDate = data.StudyTime = data.AccessionNumber = data.ReferringPhysicianName = ""
    data.PatientBirthDate = data.PatientSex = ""
    data.StudyID, data.SeriesNumber = "1", 1


def write_structures(path: Path, behind: str = f" {CANARY}") -> Path:
    """Write the balls' outlines as an RTSTRUCT of the phantom; names end with ``behind``."""
    source = slices()
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, _RTSTRUCT
    meta.MediaStorageSOPInstanceUID = "1.2.10.1"
    data = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    data.SOPClassUID, data.SOPInstanceUID, data.Modality = _RTSTRUCT, "1.2.10.1", "RTSTRUCT"
    data.StudyInstanceUID, data.SeriesInstanceUID = source[0].StudyInstanceUID, "1.2.10"
    data.PatientName = CANARY
    data.ReferencedFrameOfReferenceSequence = [_referenced(source[0])]
    data.StructureSetROISequence, data.ROIContourSequence = [], []
    for number, (name, centre, radius) in enumerate(BALLS, start=1):
        roi, drawn = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName, roi.ROIGenerationAlgorithm = number, f"{name}{behind}", ""
        roi.ReferencedFrameOfReferenceUID = source[0].FrameOfReferenceUID
        drawn.ReferencedROINumber = number
        drawn.ROIDisplayColor = [[255, 60, 60], [60, 220, 60], [80, 160, 255]][number - 1]
        drawn.ContourSequence = list(_outlines(source, centre, radius))
        data.StructureSetROISequence.append(roi)
        data.ROIContourSequence.append(drawn)
    data.save_as(path)
    return path


def _referenced(source: Dataset) -> Dataset:
    frame, study, series = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID = source.SeriesInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame.FrameOfReferenceUID = source.FrameOfReferenceUID
    frame.RTReferencedStudySequence = [study]
    return frame


def _outlines(
    source: list[Dataset], centre: tuple[float, float, float], radius: float
) -> Iterable[Dataset]:
    """Yield an ellipse for each slice that a ball touches."""
    x, y, z = place_of(centre)
    halves = [
        (n - 1) / 2 * mm * radius for n, mm in zip((SLICES, ROWS, COLUMNS), SPACING_MM, strict=True)
    ]
    for image in source:
        height = float(image.ImagePositionPatient[2])
        share = 1 - ((height - z) / halves[0]) ** 2
        if share <= 0.01:
            continue
        turns = np.linspace(0, 2 * math.pi, 72, endpoint=False)
        across = x + halves[2] * math.sqrt(share) * np.cos(turns)
        down = y + halves[1] * math.sqrt(share) * np.sin(turns)
        item, refers = Dataset(), Dataset()
        points = np.column_stack([across, down, np.full(len(turns), height)])
        item.ContourGeometricType, item.NumberOfContourPoints = "CLOSED_PLANAR", len(turns)
        item.ContourData = np.round(points, 3).ravel().tolist()
        refers.ReferencedSOPClassUID = image.SOPClassUID
        refers.ReferencedSOPInstanceUID = image.SOPInstanceUID
        item.ContourImageSequence = [refers]
        yield item
