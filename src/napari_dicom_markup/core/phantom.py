"""A synthetic CT series, made in code: no patient, but a header full of odd elements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from pydicom import Dataset

SLICES, ROWS, COLUMNS = 40, 128, 128
SPACING_MM = (2.5, 0.8, 0.8)
"""Between slices, rows and columns."""

_ROOT = "1.2.826.0.1.3680043.8.498.20261122"
"""pydicom's UID root, with a suffix of this phantom."""


def phantom_values() -> NDArray[np.int16]:
    """Return the phantom's HU, (slices, rows, columns), head first: a head-like ellipsoid."""
    z, y, x = np.mgrid[-1 : 1 : SLICES * 1j, -1 : 1 : ROWS * 1j, -1 : 1 : COLUMNS * 1j]
    radius = np.sqrt((z / 0.95) ** 2 + (y / 0.85) ** 2 + (x / 0.7) ** 2)
    values = np.full(radius.shape, -1000.0)
    values[radius < 1] = 900
    values[radius < 0.9] = 35
    for centre, size, hu in _LESIONS:
        inside = sum(((a - c) / size) ** 2 for a, c in zip((z, y, x), centre, strict=True)) < 1
        values[inside] = hu
    noise = np.random.default_rng(20261122).normal(0, 6, values.shape)
    return np.clip(values + noise, -1024, 3071).astype(np.int16)


_LESIONS = (
    ((0.1, -0.2, 0.25), 0.2, 60),
    ((-0.2, 0.3, -0.2), 0.15, 5),
    ((0.0, -0.1, -0.3), 0.08, 300),
)
"""Centre (z, y, x) from -1 to 1, radius, and HU."""


def phantom_series() -> Iterator[tuple[str, Dataset]]:
    """Yield (file name, data set) of each slice; names do not sort in spatial order."""
    values = phantom_values()
    for k in range(SLICES):
        number = (k * 7) % SLICES
        yield f"IM{number:05d}", _slice(values[k], k)


def _slice(plane: NDArray[np.int16], k: int) -> Dataset:
    from pydicom import Dataset
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = UID(f"{_ROOT}.3.{k + 1}")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(f"{_ROOT}.9")
    data = FileDataset("", {}, file_meta=meta, preamble=b"II*\0" + b"\xa5" * 124)
    _identify(data, k)
    _place(data, k)
    _add_pixels(data, plane)
    _add_odd_elements(data, Dataset(), k)
    return data


def _identify(data: Dataset, k: int) -> None:
    data.SOPClassUID, data.SOPInstanceUID = (
        data.file_meta.MediaStorageSOPClassUID,
        f"{_ROOT}.3.{k + 1}",
    )
    data.StudyInstanceUID, data.SeriesInstanceUID = f"{_ROOT}.1", f"{_ROOT}.2"
    data.Modality, data.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.PatientName, data.PatientID = "Phantom^Synthetic", "PHANTOM"
    data.InstanceNumber = k + 1


def _place(data: Dataset, k: int) -> None:
    """Place slice k, head first, with the phantom's centre at the origin."""
    down, across = (ROWS - 1) / 2 * SPACING_MM[1], (COLUMNS - 1) / 2 * SPACING_MM[2]
    data.ImagePositionPatient = [-across, -down, ((SLICES - 1) / 2 - k) * SPACING_MM[0]]
    data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    data.PixelSpacing, data.SliceThickness = list(SPACING_MM[1:]), SPACING_MM[0]
    data.FrameOfReferenceUID = f"{_ROOT}.4"


def _add_pixels(data: Dataset, plane: NDArray[np.int16]) -> None:
    data.Rows, data.Columns, data.SamplesPerPixel = *plane.shape, 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.RescaleIntercept, data.RescaleSlope, data.RescaleType = -1024, 1, "HU"
    data.WindowCenter, data.WindowWidth = [40, 300], [80, 1500]
    data.PixelData = (plane.astype(np.int32) + 1024).astype("<u2").tobytes()


def _add_odd_elements(data: Dataset, item: Dataset, k: int) -> None:
    """Add what conversions lose: private blocks, odd padding, nesting, group lengths, trailers."""
    block = data.private_block(0x0029, "NAPARI DICOM MARKUP PHANTOM", create=True)
    block.add_new(0x10, "OB", bytes((k * 31 + n) % 256 for n in range(200)))
    block.add_new(0x11, "UN", b"\0\1 unknown \xff")
    item.add_new(0x00080100, "SH", "odd   ")
    item.add_new(0x00080104, "LO", "nested")
    data.add_new(0x00081140, "SQ", [item])
    data["ReferencedImageSequence"].is_undefined_length = k % 2 == 0
    data.add_new(0x00080000, "UL", 12345)
    data.add_new(0x00181151, "IS", " 0120 ")
    data.add_new(0xFFFCFFFC, "OB", b"\0" * (k % 7 * 2))
