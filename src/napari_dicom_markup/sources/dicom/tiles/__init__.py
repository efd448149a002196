"""Matrices that hold a volume's slices beside each other: Siemens mosaics and UIH grids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dicom_markup.errors import BROKEN, DecodeError
from napari_dicom_markup.sources.dicom.bounded import read_bounded
from napari_dicom_markup.sources.dicom.tiles.elements import PrivateElements
from napari_dicom_markup.sources.dicom.tiles.laying import pixel_format, refuse
from napari_dicom_markup.sources.dicom.tiles.siemens import unpack_mosaic
from napari_dicom_markup.sources.dicom.tiles.uih import unpack_grid
from napari_dicom_markup.sources.quiet import quiet_pydicom

if TYPE_CHECKING:
    from napari_dicom_markup.model.stack import Frame, Instance

_MOSAIC, _GRID = "MOSAIC", "VFRAME"
"""Siemens' and UIH's word in ImageType (0008,0008)."""


def is_tiled(image_type: tuple[str, ...]) -> bool:
    """Tell whether an image type is of a matrix of tiles: Siemens' MOSAIC, UIH's VFRAME.

    Siemens XA software leaves MOSAIC in multi-frame images whose slices it has set apart itself
    (rordenlab/dcm2niix, issue 553): only single-frame MR images have tiles.

    Examples
    --------
    >>> is_tiled(("ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"))
    True
    """
    return _MOSAIC in image_type or _GRID in image_type


def describe_tiles(instance: Instance, raw: bytes | memoryview | None = None) -> tuple[Frame, ...]:
    """Return a frame a slice of a tiled matrix, in the order of the tiles; padding is none.

    Parameters
    ----------
    instance : Instance
        A single-frame image whose type :func:`is_tiled`.
    raw : bytes-like, optional
        The file, whose end with the pixels may be missing; read from disk where not given.

    Raises
    ------
    DecodeError
        Where the private elements do not say how many slices there are and where each lies.
    """
    pixel_format(instance)
    unpack = unpack_grid if _GRID in instance.acquisition.image_type else unpack_mosaic
    try:
        with quiet_pydicom():
            return unpack(instance, _private(instance, raw))
    except DecodeError:
        raise
    except _broken() as error:
        reason = f"its header of tiles cannot be read ({type(error).__name__})"
        raise refuse(instance, reason) from None


def _broken() -> tuple[type[Exception], ...]:
    from pydicom.errors import BytesLengthException, InvalidDicomError

    return (BytesLengthException, InvalidDicomError, *BROKEN)


def _private(instance: Instance, raw: bytes | memoryview | None) -> PrivateElements:
    return PrivateElements(read_bounded(instance, raw))
