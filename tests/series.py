"""Small DICOM series on disk, made with pydicom from a few lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from tests.instances import ORIENTATIONS

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom import Dataset

CANARY = "Canary^Zebra"
"""A patient's name that no output may hold."""


def make_data_set(k: int, plane: np.ndarray, **changes: Any) -> Dataset:
    """Return slice k of an axial CT series: 2.5 mm apart, 12 bits stored, intercept -1024."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = CTImageStorage
    data = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, f"1.2.3.4.{k + 1}"
    data.StudyInstanceUID, data.SeriesInstanceUID = "1.2.3.1", "1.2.3.2"
    data.FrameOfReferenceUID, data.Modality = "1.2.3.3", "CT"
    data.PatientName, data.PatientID = CANARY, CANARY
    data.SeriesDescription = CANARY
    data.ImageType, data.InstanceNumber = ["ORIGINAL", "PRIMARY", "AXIAL"], k + 1
    data.ImageOrientationPatient = list(ORIENTATIONS["axial"])
    data.ImagePositionPatient, data.PixelSpacing = [-10, -20, 2.5 * k], [0.8, 0.7]
    data.SliceThickness = 2.5
    data.Rows, data.Columns, data.SamplesPerPixel = *plane.shape[:2], 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.RescaleIntercept, data.RescaleSlope, data.RescaleType = -1024, 1, "HU"
    data.WindowCenter, data.WindowWidth = 40, 400
    data.PixelData = plane.astype("<u2").tobytes()
    for keyword, value in changes.items():
        setattr(data, keyword, value)
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    return data


def stored_values(slices: int = 5, rows: int = 12, columns: int = 10) -> np.ndarray:
    """Return stored values, (slices, rows, columns); plane k holds k × 100 at its corner."""
    values = np.random.default_rng(7).integers(900, 1300, (slices, rows, columns))
    values[:, 0, 0] = np.arange(slices) * 100
    return values


def write_series(folder: Path, slices: int = 5, **changes: Any) -> Path:
    """Write a series whose file names do not sort in spatial order, and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, plane in enumerate(stored_values(slices)):
        name = f"IM{(k * 3) % slices:03d}.dcm"
        make_data_set(k, plane, **changes).save_as(folder / name, enforce_file_format=True)
    return folder
