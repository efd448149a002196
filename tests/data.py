"""Files for tests: the corpus and pydicom's own, and small DICOM files built from a few lines."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from napari_dicom_markup.model.stack import Instance, SourceFile
from napari_dicom_markup.sources.dicom.headers import instance_from_header
from napari_dicom_markup.sources.dicom.raw_values import Shared
from napari_dicom_markup.sources.dicom.unusual import read_unusual
from napari_dicom_markup.standard import transfer_syntax as ts

REPOSITORY = Path(__file__).parents[1]
CORPUS = Path(os.environ.get("NDM_CORPUS", REPOSITORY.parent / "shared" / "corpus"))
PYDICOM_FILES = Path(pydicom.__file__).parent / "data" / "test_files"

needs_corpus = pytest.mark.skipif(
    not CORPUS.is_dir(), reason="no corpus of real files: set NDM_CORPUS to its folder"
)


def files_under(root: Path) -> list[Path]:
    """Return all files under a folder, in the order of their names."""
    return sorted(path for path in root.rglob("*") if path.is_file())


def read_quietly(path: Path | io.BytesIO) -> Dataset:
    """Return pydicom's reading without its warnings; a missing transfer syntax is filled in."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data_set = pydicom.dcmread(path, force=True)
    meta = getattr(data_set, "file_meta", None) or FileMetaDataset()
    if "TransferSyntaxUID" not in meta:
        implicit, little = data_set.original_encoding
        explicit = ts.EXPLICIT_LE if little else ts.EXPLICIT_BE
        meta.TransferSyntaxUID = UID(ts.IMPLICIT_LE if implicit else explicit)
    data_set.file_meta = meta
    return data_set


def image_in(raw: bytes, path: Path) -> Instance | None:
    """Return the instance of a file's bytes, None where it is no image.

    Files without a series, of which pydicom has some, get one here.
    """
    from napari_dicom_markup.errors import NotDicomError
    from napari_dicom_markup.standard.attributes import INDEX

    try:
        header = read_unusual(io.BytesIO(raw))
    except NotDicomError:
        return None
    values = list(header.values)
    values[INDEX["SeriesInstanceUID"]] = b"1.2.3"
    header = type(header)(values, header.element)
    found = instance_from_header(header, SourceFile(str(path), path.name, len(raw), 0), Shared())
    is_image = isinstance(found, Instance) and found.pixels is not None
    return found if is_image and found.element is not None else None


def build_image(
    pixels: np.ndarray | bytes, syntax: str = ts.EXPLICIT_LE, **elements: object
) -> bytes:
    """Return a file with one image.

    An array gives rows, columns, samples, bits and sign; of ``bytes`` the ``elements`` have to
    say these. In encapsulated syntaxes the bytes are one frame's codestream.
    """
    data_set = Dataset()
    data_set.file_meta = FileMetaDataset()
    known = ts.JPEG_BASELINE if syntax == ts.DEFLATED_FRAME else syntax
    data_set.file_meta.TransferSyntaxUID = UID(known)
    data_set.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    data_set.SOPInstanceUID, data_set.SeriesInstanceUID = "1.2.3.4", "1.2.3"
    data_set.StudyInstanceUID, data_set.Modality = "1.2", "OT"
    data_set.SamplesPerPixel, data_set.PhotometricInterpretation = 1, "MONOCHROME2"
    little = syntax != ts.EXPLICIT_BE
    if isinstance(pixels, np.ndarray):
        describe(data_set, pixels)
        pixels = pixels.astype(pixels.dtype.newbyteorder("<" if little else ">")).tobytes()
    for keyword, value in elements.items():
        setattr(data_set, keyword, value)
    native = syntax in ts.NATIVE
    data_set.PixelData = pixels + b"\0" * (len(pixels) % 2) if native else encapsulate([pixels])
    data_set["PixelData"].VR = "OW" if native and data_set.BitsAllocated > 8 else "OB"
    data_set["PixelData"].is_undefined_length = not native
    buffer = io.BytesIO()
    data_set.save_as(
        buffer,
        implicit_vr=syntax == ts.IMPLICIT_LE,
        little_endian=little,
        enforce_file_format=True,
    )
    # pydicom 3 does not know deflated frames: the UID is written in the place of another.
    return buffer.getvalue().replace(known.encode(), syntax.encode().ljust(len(known), b"\0"), 1)


def describe(data_set: Dataset, pixels: np.ndarray) -> None:
    """Set the Image Pixel module to what an array is."""
    data_set.Rows, data_set.Columns = pixels.shape[:2]
    data_set.BitsAllocated = data_set.BitsStored = 8 * pixels.dtype.itemsize
    data_set.HighBit = data_set.BitsStored - 1
    data_set.PixelRepresentation = int(pixels.dtype.kind == "i")
    if pixels.ndim == 3:
        data_set.SamplesPerPixel, data_set.PlanarConfiguration = 3, 0
        data_set.PhotometricInterpretation = "RGB"


def image_of(raw: bytes, path: Path = Path("built.dcm")) -> Instance:
    """Return the instance of a built file, written to ``path`` first where that is absolute."""
    if path.is_absolute():
        path.write_bytes(raw)
    instance = image_in(raw, path)
    assert instance is not None
    return instance
