"""Frames by functional groups (PS3.3 C.7.6.16), shared ones and those of each frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dicom_markup.errors import DecodeError
from napari_dicom_markup.model.stack import Frame
from napari_dicom_markup.sources.dicom.multiframe.acquisitions import acquisitions
from napari_dicom_markup.sources.dicom.multiframe.groups import Groups
from napari_dicom_markup.sources.dicom.multiframe.mappings import mappings
from napari_dicom_markup.sources.dicom.multiframe.planes import planes

if TYPE_CHECKING:
    from napari_dicom_markup.model.stack import Instance, PixelFormat
    from napari_dicom_markup.sources.dicom.multiframe.header import Item

_SHARED, _PER_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"


def has_groups(header: Item) -> bool:
    """Tell whether a data set has functional groups at all."""
    return _SHARED in header.sequences or _PER_FRAME in header.sequences


def functional_frames(instance: Instance, pixels: PixelFormat, header: Item) -> tuple[Frame, ...]:
    """Return the frames that functional groups describe.

    What they lack is taken from the top level. Without groups of each frame (PS3.3 C.7.6.17.3,
    TILED_FULL) the shared ones hold for all.

    Raises
    ------
    DecodeError
        There are not as many groups as frames: which is whose cannot be told.

    """
    each = header.sequences.get(_PER_FRAME, ())
    if each and len(each) != pixels.frames:
        message = (
            "the functional groups and the number of frames contradict each other: "
            "which frame lies where cannot be told"
        )
        raise DecodeError(message)
    groups = Groups(header, header.only(_SHARED), each or (header.only("-"),) * pixels.frames)
    places = planes(instance, groups)
    rows = zip(
        places, acquisitions(instance, groups, places), mappings(instance, groups), strict=True
    )
    return tuple(
        Frame(instance, n, position, grid, acquisition, values, pixels)
        for n, ((position, grid), acquisition, values) in enumerate(rows)
    )
