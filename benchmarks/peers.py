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


def simpleitk_time_series(mr: Path) -> Callable[[], NDArray[Any]]:
    """Sort the files by time and place, which SimpleITK does not, and load them as one image."""
    import SimpleITK as sitk

    def place(path: Path) -> tuple[int, float]:
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        return int(reader.GetMetaData("0020|0100")), reader.GetOrigin()[2]

    def read() -> NDArray[Any]:
        places = {path: place(path) for path in _files(mr)}
        volumes = len({time for time, _ in places.values()})
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames([str(path) for path in sorted(places, key=places.__getitem__)])
        slices = sitk.GetArrayFromImage(reader.Execute())
        return slices.reshape(volumes, -1, *slices.shape[1:])

    return read


def simpleitk_file(folder: Path) -> Callable[[], NDArray[Any]]:
    """Load a multi-frame file."""
    import SimpleITK as sitk

    (path,) = _files(folder)
    return lambda: sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


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


def pydicom_time_series(mr: Path) -> Callable[[], NDArray[Any]]:
    """Read, sort by time and place, and rescale in a loop."""
    import numpy as np
    from pydicom import dcmread
    from pydicom.pixels import apply_rescale

    def read() -> NDArray[Any]:
        slices = [dcmread(path) for path in _files(mr)]
        slices.sort(key=lambda s: (s.TemporalPositionIdentifier, s.ImagePositionPatient[2]))
        volumes = len({one.TemporalPositionIdentifier for one in slices})
        planes = np.stack([apply_rescale(one.pixel_array, one) for one in slices])
        return planes.reshape(volumes, -1, *planes.shape[1:])

    return read


def pydicom_enhanced(folder: Path) -> Callable[[], NDArray[Any]]:
    """Read, rescale, and sort the frames by what each says of its place."""
    import numpy as np
    from pydicom import dcmread
    from pydicom.pixels import apply_rescale

    (path,) = _files(folder)

    def read() -> NDArray[Any]:
        whole = dcmread(path)
        shared = whole.SharedFunctionalGroupsSequence[0]
        frames = whole.PerFrameFunctionalGroupsSequence
        z = [-one.PlanePositionSequence[0].ImagePositionPatient[2] for one in frames]
        values = apply_rescale(whole.pixel_array, shared.PixelValueTransformationSequence[0])
        return values if z == sorted(z) else values[np.argsort(z)]

    return read


def pydicom_file(folder: Path) -> Callable[[], NDArray[Any]]:
    """Read a multi-frame file's pixels, colours as RGB."""
    from pydicom import dcmread

    (path,) = _files(folder)
    return lambda: dcmread(path).pixel_array


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


def dicomsdl_cine(folder: Path) -> Callable[[], NDArray[Any]]:
    """Decode frame after frame into one array."""
    import dicomsdl
    import numpy as np

    (path,) = _files(folder)

    def read() -> NDArray[Any]:
        whole = dicomsdl.open(str(path))
        shape = whole.NumberOfFrames, whole.Rows, whole.Columns, whole.SamplesPerPixel
        array = np.empty(shape, np.uint8)
        for k, frame in enumerate(array):
            whole.copyFrameData(k, frame)
        return array

    return read


def dicomsdl_enhanced(folder: Path) -> Callable[[], NDArray[Any]]:
    """Read and rescale frame after frame; frames come in the order of the file."""
    import dicomsdl
    import numpy as np

    (path,) = _files(folder)

    def read() -> NDArray[Any]:
        whole = dicomsdl.open(str(path))
        frames = range(whole.NumberOfFrames)
        return np.stack([whole.pixelData(k, storedvalue=False) for k in frames])

    return read


# highdicom and nibabel


def highdicom_enhanced(folder: Path) -> Callable[[], NDArray[Any]]:
    """Read a multi-frame file as a volume."""
    from highdicom import imread

    (path,) = _files(folder)
    return lambda: imread(path).get_volume().array


def nibabel_enhanced(folder: Path) -> Callable[[], NDArray[Any]]:
    """Read a multi-frame file by nibabel's wrapper, which takes it as it does Enhanced MR."""
    import warnings

    with warnings.catch_warnings(action="ignore"):  # it calls itself experimental
        from nibabel.nicom.dicomwrappers import MultiframeWrapper
    from pydicom import dcmread

    (path,) = _files(folder)

    def read() -> NDArray[Any]:
        wrapper = MultiframeWrapper(dcmread(path))
        wrapper.affine  # noqa: B018 - made when it is asked for
        return wrapper.get_data()

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
            image = nibabel.load(next(Path(out).glob("*.nii")), mmap=False)
            return np.asarray(image.dataobj)

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
