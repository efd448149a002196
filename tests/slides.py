"""Whole slide images on disk, made with pydicom from a few lines: a pyramid of three levels."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    VLWholeSlideMicroscopyImageStorage,
)

from tests.series import CANARY

if TYPE_CHECKING:
    from pathlib import Path

TILE, SPACING = 16, 0.0005
SIZES = ((100, 75), (50, 38), (25, 19))
"""Rows and columns of the levels; none is a multiple of a tile."""


def picture(rows: int, columns: int, samples: int = 3, seed: int = 1) -> np.ndarray:
    """Return an image that is smooth enough for JPEG and different everywhere."""
    y, x = np.mgrid[:rows, :columns]
    parts = [2 * x + y, 255 - x - y, 3 * y + seed * 20][:samples]
    image = (np.stack(parts, axis=-1) % 256).astype(np.uint8)
    return image if samples == 3 else image[..., 0]


def tiles_of(image: np.ndarray) -> list[np.ndarray]:
    """Return the tiles row by row, those at the end filled with 255."""
    rows, columns = (-(-n // TILE) * TILE for n in image.shape[:2])
    whole = np.full((rows, columns, *image.shape[2:]), 255, image.dtype)
    whole[: image.shape[0], : image.shape[1]] = image
    return [
        whole[y : y + TILE, x : x + TILE]
        for y in range(0, rows, TILE)
        for x in range(0, columns, TILE)
    ]


def jpeg(tile: np.ndarray) -> bytes:
    """Return a tile as baseline JPEG, YBR_FULL_422 for colour."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(tile).save(buffer, "JPEG", quality=90, subsampling="4:2:2")
    return buffer.getvalue()


def make_slide(
    image: np.ndarray,
    number: int = 1,
    *,
    kind: str = "VOLUME",
    scale: float = 1.0,
    syntax: str = ExplicitVRLittleEndian,
    tiles: list[np.ndarray] | None = None,
    **changes: Any,
) -> FileDataset:
    """Return a TILED_FULL image, native or JPEG; ``changes`` are elements set last."""
    data = _whose(number, kind, syntax)
    _describe(data, image)
    measures, shared = Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [SPACING * scale] * 2, 0.001
    shared.PixelMeasuresSequence = [measures]
    data.SharedFunctionalGroupsSequence = [shared]
    _fill(data, tiles_of(image) if tiles is None else tiles)
    for keyword, value in changes.items():
        setattr(data, keyword, value)
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    return data


def _whose(number: int, kind: str, syntax: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = VLWholeSlideMicroscopyImageStorage
    data = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    data.SOPClassUID, data.Modality = VLWholeSlideMicroscopyImageStorage, "SM"
    data.SOPInstanceUID, data.SeriesInstanceUID = f"1.2.7.{number}", "1.2.7"
    data.StudyInstanceUID, data.FrameOfReferenceUID = "1.2.6", "1.2.8"
    data.PatientName, data.PatientID, data.ContainerIdentifier = CANARY, CANARY, CANARY
    data.ImageType = ["ORIGINAL", "PRIMARY", kind, "NONE" if number == 1 else "RESAMPLED"]
    data.InstanceNumber = number
    return data


def _describe(data: Dataset, image: np.ndarray) -> None:
    data.TotalPixelMatrixRows, data.TotalPixelMatrixColumns = image.shape[:2]
    data.Rows = data.Columns = TILE
    data.SamplesPerPixel = 3 if image.ndim == 3 else 1
    data.PhotometricInterpretation = "RGB" if image.ndim == 3 else "MONOCHROME2"
    if image.ndim == 3:
        data.PlanarConfiguration = 0
    data.BitsAllocated = data.BitsStored = 8 * image.dtype.itemsize
    data.HighBit, data.PixelRepresentation = data.BitsStored - 1, 0
    data.ImageOrientationSlide = [0, -1, 0, -1, 0, 0]
    data.DimensionOrganizationType, data.VolumetricProperties = "TILED_FULL", "VOLUME"
    data.BurnedInAnnotation = data.SpecimenLabelInImage = data.ExtendedDepthOfField = "NO"
    data.FocusMethod, data.LossyImageCompression = "AUTO", "00"
    data.TotalPixelMatrixFocalPlanes = data.NumberOfOpticalPaths = 1
    data.ImagedVolumeWidth, data.ImagedVolumeHeight, data.ImagedVolumeDepth = 1.0, 1.0, 0.001
    origin, path = Dataset(), Dataset()
    origin.XOffsetInSlideCoordinateSystem, origin.YOffsetInSlideCoordinateSystem = 20.5, 30.25
    data.TotalPixelMatrixOriginSequence = [origin]
    path.OpticalPathIdentifier = "1"
    data.OpticalPathSequence = [path]


def _fill(data: Dataset, frames: list[np.ndarray]) -> None:
    data.NumberOfFrames = len(frames)
    if data.file_meta.TransferSyntaxUID == JPEGBaseline8Bit:
        data.PixelData = encapsulate([jpeg(frame) for frame in frames])
        data["PixelData"].is_undefined_length = True
        if data.SamplesPerPixel == 3:
            data.PhotometricInterpretation = "YBR_FULL_422"
    else:
        data.PixelData = b"".join(frame.tobytes() for frame in frames)
        data.PixelData += b"\0" * (len(data.PixelData) % 2)
    data["PixelData"].VR = "OB" if data.BitsAllocated == 8 else "OW"


def make_sparse(data: FileDataset, places: list[tuple[int, int]], **frame: Any) -> FileDataset:
    """Turn an image into TILED_SPARSE, with the (row, column) of each tile, counted from 1."""
    data.DimensionOrganizationType = "TILED_SPARSE"
    data.PerFrameFunctionalGroupsSequence = []
    for row, column in places:
        group, position, path = Dataset(), Dataset(), Dataset()
        position.RowPositionInTotalImagePixelMatrix = row
        position.ColumnPositionInTotalImagePixelMatrix = column
        position.ZOffsetInSlideCoordinateSystem = frame.get("z", 0.0)
        position.XOffsetInSlideCoordinateSystem = position.YOffsetInSlideCoordinateSystem = 0.0
        path.OpticalPathIdentifier = "1"
        group.PlanePositionSlideSequence, group.OpticalPathIdentificationSequence = (
            [position],
            [path],
        )
        data.PerFrameFunctionalGroupsSequence.append(group)
    data.NumberOfFrames = len(places)
    return data


def save(data: FileDataset, path: Path) -> Path:
    """Write a file and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)
    return path


def write_pyramid(folder: Path, syntax: str = ExplicitVRLittleEndian) -> list[np.ndarray]:
    """Write three levels in no order, with a label, an overview and a thumbnail; return them."""
    images = [picture(*size, seed=number) for number, size in enumerate(SIZES, start=1)]
    for number, image in enumerate(images, start=1):
        data = make_slide(image, number, scale=2 ** (number - 1), syntax=syntax)
        save(data, folder / f"{'bca'[number - 1]}.dcm")
    for number, kind in enumerate(("LABEL", "OVERVIEW", "THUMBNAIL"), start=4):
        small = picture(TILE, TILE, seed=number)
        save(make_slide(small, number, kind=kind, syntax=syntax), folder / f"{kind}.dcm")
    return images
