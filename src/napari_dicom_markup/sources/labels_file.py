"""Read labels that another program made: an integer TIFF, or a NumPy file."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicom_markup.errors import LabelsError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def read_labels_file(path: Path) -> NDArray[Any]:
    """Return the integer array in a ``.npy`` or TIFF file, slices first.

    Raises
    ------
    LabelsError
        The file is missing, damaged, or holds no integers.
    """
    try:
        array = _read(path)
    except FileNotFoundError:
        message = f"{path.name}: there is no such labels file"
        raise LabelsError(message) from None
    except (OSError, ValueError, RuntimeError, IndexError, struct.error, zlib.error, MemoryError):
        message = f"{path.name} cannot be read as labels: give an integer TIFF or a .npy file"
        raise LabelsError(message) from None
    if array.dtype.kind not in "iub":
        message = f"{path.name} holds {array.dtype.name}, but labels are integers"
        raise LabelsError(message)
    return array


def _read(path: Path) -> NDArray[Any]:
    if path.suffix.lower() == ".npy":
        loaded: NDArray[Any] = np.load(path, allow_pickle=False)
        return loaded
    import tifffile

    return np.asarray(tifffile.imread(path))
