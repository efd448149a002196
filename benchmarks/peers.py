"""The jobs as other programs do them, each in the way its users would.

A job is a function of paths that imports what it needs and returns what is to be measured. One
whose program is not installed raises ImportError or FileNotFoundError, and is skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_TAGS = ["SeriesInstanceUID", "ImagePositionPatient", "ImageOrientationPatient", "InstanceNumber",
         "Rows", "Columns", "PixelSpacing", "RescaleSlope", "RescaleIntercept"]  # fmt: skip


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


# SimpleITK


def simpleitk_scan(tree: Path) -> Callable[[], int]:
    """Ask each folder for its series: SimpleITK does not look into folders below."""
    from SimpleITK import ImageSeriesReader

    folders = sorted({path.parent for path in _files(tree)})
    return lambda: sum(len(ImageSeriesReader.GetGDCMSeriesIDs(str(one))) for one in folders)


def simpleitk_load(ct: Path) -> Callable[[], NDArray[Any]]:
    """Load a series."""
    import SimpleITK as sitk

    def read() -> NDArray[Any]:
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(ct)))
        return sitk.GetArrayFromImage(reader.Execute())

    return read


def simpleitk_first(ct: Path) -> Callable[[], NDArray[Any]]:
    """Load a series and take its middle slice: there is no shorter way to the right one."""
    read = simpleitk_load(ct)

    def middle() -> NDArray[Any]:
        array = read()
        return array[len(array) // 2]

    return middle


# pydicom


def pydicom_scan(tree: Path) -> Callable[[], int]:
    """Read the headers, and of them only what grouping needs."""
    from pydicom import dcmread

    def group() -> int:
        series = defaultdict(list)
        for path in _files(tree):
            header = dcmread(path, stop_before_pixels=True, specific_tags=_TAGS)
            series[header.SeriesInstanceUID].append(header)
        return len(series)

    return group


def pydicom_load(ct: Path) -> Callable[[], NDArray[Any]]:
    """Read, sort and rescale in a loop, as in pydicom's examples."""
    import numpy as np
    from pydicom import dcmread
    from pydicom.pixels import apply_rescale

    def read() -> NDArray[Any]:
        slices = [dcmread(path) for path in _files(ct)]
        slices.sort(key=lambda one: -one.ImagePositionPatient[2])
        return np.stack([apply_rescale(one.pixel_array, one) for one in slices])

    return read


def pydicom_first(ct: Path) -> Callable[[], NDArray[Any]]:
    """Read the headers, sort, and read the middle slice."""
    from pydicom import dcmread
    from pydicom.pixels import apply_rescale

    def middle() -> NDArray[Any]:
        files = _files(ct)
        headers = [dcmread(p, stop_before_pixels=True, specific_tags=_TAGS) for p in files]
        order = sorted(range(len(files)), key=lambda k: -headers[k].ImagePositionPatient[2])
        whole = dcmread(files[order[len(order) // 2]])
        return apply_rescale(whole.pixel_array, whole)

    return middle


# dicomsdl


def dicomsdl_scan(tree: Path) -> Callable[[], int]:
    """Read the headers up to group 0028."""
    import dicomsdl

    def group() -> int:
        series = defaultdict(list)
        for path in _files(tree):
            header = dicomsdl.open(str(path), 0x00290000)
            series[header.SeriesInstanceUID].append([getattr(header, tag) for tag in _TAGS])
        return len(series)

    return group


def dicomsdl_load(ct: Path) -> Callable[[], NDArray[Any]]:
    """Read, sort and rescale in a loop."""
    import dicomsdl
    import numpy as np

    def read() -> NDArray[Any]:
        slices = [dicomsdl.open(str(path)) for path in _files(ct)]
        slices.sort(key=lambda one: -one.ImagePositionPatient[2])
        return np.stack([one.pixelData(storedvalue=False) for one in slices])

    return read


# dcm2niix


def _convert(ct: Path, *options: str) -> Callable[[Path], None]:
    import dcm2niix

    def run(out: Path) -> None:
        command = [dcm2niix.bin, *options, "-o", str(out), str(ct)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    return run


def dcm2niix_scan(tree: Path) -> Callable[[], None]:
    """List the series, converting none."""
    run = _convert(tree, "-n", "-1", "-d", "9")
    return lambda: run(Path(tempfile.gettempdir()))


def dcm2niix_load(ct: Path) -> Callable[[], NDArray[Any]]:
    """Convert to NIfTI without compression, and load that with nibabel."""
    import nibabel
    import numpy as np

    run = _convert(ct, "-z", "n", "-b", "n")

    def read() -> NDArray[Any]:
        with tempfile.TemporaryDirectory(dir=ct.parent) as out:
            run(Path(out))
            return np.asarray(nibabel.load(next(Path(out).glob("*.nii"))).dataobj)

    return read


def dcm2niix_first(ct: Path) -> Callable[[], NDArray[Any]]:
    """Convert to NIfTI without compression, and read the middle slice with nibabel."""
    import nibabel

    run = _convert(ct, "-z", "n", "-b", "n")

    def middle() -> NDArray[Any]:
        with tempfile.TemporaryDirectory(dir=ct.parent) as out:
            run(Path(out))
            image = nibabel.load(next(Path(out).glob("*.nii")))
            return image.dataobj[..., image.shape[2] // 2]

    return middle


# copies


def cp(folder: Path, out: Path) -> Callable[[], None]:
    """Copy the files; the system writes them to the disk later."""
    command = shutil.which("cp")
    if command is None:
        message = "no cp here"
        raise FileNotFoundError(message)

    def copy() -> None:
        subprocess.run([command, "-r", str(folder), str(out)], check=True)

    return copy


def cp_to_disk(folder: Path, out: Path) -> Callable[[], None]:
    """Copy the files, and wait until they are on the disk."""
    copy = cp(folder, out)

    def copy_and_sync() -> None:
        copy()
        for path in _files(out):
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)

    return copy_and_sync


# tifffile


def tifffile_labels(array: Path, _: Path, out: Path) -> Callable[[], None]:
    """Write labels as a bare TIFF, compressed as this package does."""
    import numpy as np
    from tifffile import imwrite

    data = np.load(array)
    tags = {"compression": "zlib", "compressionargs": {"level": 6}, "photometric": "minisblack"}
    return lambda: imwrite(out, data, **tags)
