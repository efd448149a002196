"""What an image's header and pixels say, read by pydicom, nibabel and the standard's formulas.

Nothing here is of the package under test, so that agreement proves something.
"""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from pydicom import Dataset

PLACE_MM = 1e-4
"""How far a place may lie from the formula's; positions are written to 10⁻⁶ mm at best."""

MOSAIC_MM = 1e-2
"""How far a mosaic's slice may lie from nibabel's place, which the maker's rounding reaches."""

NUCLEAR = "1.2.840.10008.5.1.4.1.1.20"
DOSE = "1.2.840.10008.5.1.4.1.1.481.2"


@contextmanager
def silence() -> Iterator[None]:
    """Keep warnings and log records, which quote headers, from the output."""
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def stored_values(data: Dataset) -> NDArray[Any] | None:
    """Return pydicom's stored values, (frames, rows, columns) or (…, 3); None where it cannot."""
    import pydicom

    with silence():
        try:
            pixels = pydicom.pixels.pixel_array(data, raw=False)
        except (RuntimeError, ValueError, AttributeError, TypeError, OSError):
            return None
    single = pixels.ndim == 2 + (data.get("SamplesPerPixel", 1) == 3)
    return pixels[None] if single else pixels


def groups(data: Dataset, number: int) -> list[Dataset]:
    """Return where a frame's attributes may be: its own groups, the shared ones, the top level."""
    own = data.get("PerFrameFunctionalGroupsSequence") or ()
    shared = data.get("SharedFunctionalGroupsSequence") or ()
    return [*own[number : number + 1], *shared[:1], data]


def stated(data: Dataset, number: int, sequence: str, keyword: str) -> Any:
    """Return an attribute of a functional group's first item, or else of the top level."""
    for group in groups(data, number):
        holder = (group.get(sequence) or [None])[0] if group is not data else data
        if holder is not None and holder.get(keyword) not in (None, ""):
            return holder.get(keyword)
    return None


def physical_values(data: Dataset, stored: NDArray[Any], number: int) -> NDArray[Any]:
    """Return what one frame's stored values mean, as float64, or colour as uint8.

    Colour: the upper 8 of the bits stored. Palette: pydicom's. Otherwise DoseGridScaling, the
    functional groups' rescale, pydicom's modality LUT, or the real world value mapping alone.
    """
    import pydicom

    plane: NDArray[Any] = stored[number]
    if data.PhotometricInterpretation == "PALETTE COLOR":
        with silence():
            return _eight_bits(pydicom.pixels.apply_color_lut(plane, data))
    if plane.ndim == 3:
        return (plane >> max(int(data.BitsStored) - 8, 0)).astype(np.uint8)
    if data.get("DoseGridScaling"):
        return plane.astype(np.float64) * float(data.DoseGridScaling)
    slope = stated(data, number, "PixelValueTransformationSequence", "RescaleSlope")
    intercept = stated(data, number, "PixelValueTransformationSequence", "RescaleIntercept")
    if data.get("ModalityLUTSequence"):
        with silence():
            return pydicom.pixels.apply_modality_lut(plane, data).astype(np.float64)
    if (float(slope or 1), float(intercept or 0)) != (1.0, 0.0):
        return plane.astype(np.float64) * float(slope or 1) + float(intercept or 0)
    return _real_world(data, plane, number)


def _eight_bits(colour: NDArray[Any]) -> NDArray[Any]:
    return (colour >> 8 if colour.max() > 255 else colour).astype(np.uint8)[..., :3]


def _real_world(data: Dataset, plane: NDArray[Any], number: int) -> NDArray[Any]:
    """Return real world values of the first mapping (PS3.3 C.7.6.16.2.11); NaN outside it."""
    values = plane.astype(np.float64)
    found = [g.RealWorldValueMappingSequence for g in groups(data, number) if _maps(g)]
    if not found:
        return values
    mapping = found[0][0]
    if "RealWorldValueSlope" in mapping:
        return values * mapping.RealWorldValueSlope + mapping.RealWorldValueIntercept
    first, table = mapping.RealWorldValueFirstValueMapped, mapping.RealWorldValueLUTData
    inside = (plane >= first) & (plane < first + len(table))
    taken = np.array(table, float)[np.clip(plane.astype(int) - first, 0, len(table) - 1)]
    return np.where(inside, taken, np.nan)


def _maps(group: Dataset) -> bool:
    return bool(group.get("RealWorldValueMappingSequence"))


def is_background(data: Dataset, plane: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where stored values are padding, which is shown as background."""
    padding = data.get("PixelPaddingValue")
    if padding is None or plane.ndim > 2:
        return np.zeros(plane.shape[:2], np.bool_)
    limit = data.get("PixelPaddingRangeLimit", padding)
    return (plane >= min(padding, limit)) & (plane <= max(padding, limit))


def corners(data: Dataset, number: int) -> NDArray[np.float64] | None:
    """Return three corner voxels of a frame in LPS mm by PS3.3 C.7.6.2.1.1, None without a plane.

    The rows are the first voxel, the last of the first row, and the last of the first column.
    """
    position, orientation = _plane(data, number)
    spacing = stated(data, number, "PixelMeasuresSequence", "PixelSpacing")
    if position is None or orientation is None or spacing is None or min(spacing) <= 0:
        return None
    along = np.array(orientation, float).reshape(2, 3)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    first = np.array(position, float)
    across = along[0] * float(spacing[1]) * (int(data.Columns) - 1)
    down = along[1] * float(spacing[0]) * (int(data.Rows) - 1)
    return np.stack([first, first + across, first + down])


def _plane(data: Dataset, number: int) -> tuple[Any, Any]:
    """Return position and orientation, from wherever the object's module has them."""
    if data.get("SOPClassUID") == NUCLEAR:
        return _nuclear_plane(data, number)
    position = stated(data, number, "PlanePositionSequence", "ImagePositionPatient")
    orientation = stated(data, number, "PlaneOrientationSequence", "ImageOrientationPatient")
    if position is None:  # a volume's own coordinates (PS3.3 C.8.24.2)
        position = stated(data, number, "PlanePositionVolumeSequence", "ImagePositionVolume")
        own = stated(data, number, "PlaneOrientationVolumeSequence", "ImageOrientationVolume")
        return position, own
    if data.get("SOPClassUID") == DOSE and position is not None and orientation is not None:
        position = _dose_position(data, number, position, orientation)
    return position, orientation


def _nuclear_plane(data: Dataset, number: int) -> tuple[Any, Any]:
    """Return the plane of a slice of a reconstruction (PS3.3 C.8.4.11): the first, and steps."""
    if "RECON" not in "".join(data.ImageType[2:3]) or not data.get("DetectorInformationSequence"):
        return None, None
    detector = data.DetectorInformationSequence[0]
    step = np.cross(*np.array(detector.ImageOrientationPatient, float).reshape(2, 3))
    vector = np.atleast_1d(data.SliceVector)
    gone = (int(vector[number]) - 1) * float(data.get("SpacingBetweenSlices") or 0)
    return np.array(detector.ImagePositionPatient, float) + gone * step, (
        detector.ImageOrientationPatient
    )


def _dose_position(data: Dataset, number: int, first: Any, orientation: Any) -> Any:
    """Return where a dose plane is (PS3.3 C.8.8.3.2): offsets relative, or z where absolute."""
    offsets = data.get("GridFrameOffsetVector")
    if offsets is None:
        return first
    values = np.atleast_1d(np.array(offsets, float))
    start = values[0] if values[0] and values[0] == float(first[2]) else 0.0
    normal = np.cross(*np.array(orientation, float).reshape(2, 3))
    return np.array(first, float) + (values[number] - start) * normal


def mosaic_corners(data: Dataset) -> NDArray[np.float64] | None:
    """Return the first voxel of every slice of a Siemens mosaic, by nibabel; None without CSA."""
    from nibabel.nicom.dicomwrappers import WrapperError, wrapper_from_data

    with silence():
        try:
            mosaic = wrapper_from_data(data)
            if not getattr(mosaic, "is_mosaic", False):
                return None
            step = mosaic.slice_normal * mosaic.voxel_sizes[2]
            count = int(mosaic.n_mosaic)
            return mosaic.image_position + np.arange(count)[:, None] * step
        except (WrapperError, KeyError, TypeError, ValueError, AttributeError):
            return None
