"""The jobs as this package does them.

A job is a function of paths that imports what it needs and returns what is to be measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray


def scan(tree: Path) -> Callable[[], int]:
    """Read all headers and group them."""
    from napari_dicom_markup import api

    return lambda: len(api.scan(tree).result().series)


def first(ct: Path) -> Callable[[], NDArray[Any]]:
    """Find, order and read the middle slice."""
    from napari_dicom_markup import api

    def read() -> NDArray[Any]:
        (volume,) = api.open(ct).result()
        return volume.array[volume.array.shape[0] // 2]

    return read


def load(folder: Path) -> Callable[[], NDArray[Any]]:
    """Read a series into one array of physical values."""
    import numpy as np

    from napari_dicom_markup import api

    def read() -> NDArray[Any]:
        (volume,) = api.open(folder).result()
        return np.asarray(volume.array)

    return read


def pack(ct: Path, out: Path) -> Callable[[], int]:
    """Write the sidecar, proven from the disk."""
    from napari_dicom_markup import api

    return lambda: api.pack(ct, out, image=False).result().bundles[0].sidecar_bytes


def pack_with_image(ct: Path, out: Path) -> Callable[[], int]:
    """Write the sidecar and the image as an OME-TIFF, both proven from the disk."""
    from napari_dicom_markup import api

    return lambda: api.pack(ct, out).result().bundles[0].sidecar_bytes


def restore(packed: Path, out: Path) -> Callable[[], bool]:
    """Restore every original, proven."""
    from napari_dicom_markup import api

    return lambda: all(report.ok for report in api.restore(packed, out).result())


def labels(array: Path, ct: Path, out: Path) -> Callable[[], int]:
    """Write labels as an OME-TIFF on the grid of a CT."""
    import numpy as np

    from napari_dicom_markup import api
    from napari_dicom_markup.model.markup import Labels, LabelsStyle
    from napari_dicom_markup.model.progress import Steps
    from napari_dicom_markup.sinks.tiff import TiffLink, write_labels

    (volume,) = api.open(ct).result()
    layer = Labels(LabelsStyle("labels"), np.load(array))
    link = TiffLink("00000000-0000-5000-8000-000000000000", "benchmark", "benchmark")

    def write() -> int:
        steps = write_labels(out, [layer], volume.stack, link, suffix=".ome.tif")
        return Steps(steps).result().size

    return write
