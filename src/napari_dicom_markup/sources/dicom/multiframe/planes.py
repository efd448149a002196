"""Where each frame lies, by functional groups (PS3.3 C.7.6.16.2.1, .3 and .4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from napari_dicom_markup.model.geometry import Vector
from napari_dicom_markup.model.stack import PlaneGrid
from napari_dicom_markup.sources.dicom.multiframe.values import decimals, doubles, text, vector
from napari_dicom_markup.sources.dicom.raw_values import as_number

if TYPE_CHECKING:
    from napari_dicom_markup.model.stack import Instance
    from napari_dicom_markup.sources.dicom.multiframe.groups import Groups
    from napari_dicom_markup.sources.dicom.multiframe.values import Numbers
    from napari_dicom_markup.sources.dicom.raw_values import Raw

Place: TypeAlias = tuple[Vector | None, PlaneGrid]

_SPACINGS = (
    ("PixelMeasuresSequence", "PixelSpacing"),
    ("FramePixelDataPropertiesSequence", "ImagerPixelSpacing"),
)


def planes(instance: Instance, groups: Groups) -> list[Place]:
    """Return each frame's position and grid.

    Positions in a volume's own coordinates (PS3.3 C.8.24.2) come with its frame of reference.
    """
    position = groups.column(_position, "PlanePositionSequence", "ImagePositionPatient")
    orientation = groups.column(decimals, "PlaneOrientationSequence", "ImageOrientationPatient")
    frame_of_reference = instance.grid.frame_of_reference_uid
    if groups.has("PlanePositionVolumeSequence") and not any(position):
        position = groups.column(
            _volume_position, "PlanePositionVolumeSequence", "ImagePositionVolume"
        )
        orientation = groups.column(
            doubles, "PlaneOrientationVolumeSequence", "ImageOrientationVolume"
        )
        own = text(groups.top.values.get("VolumeFrameOfReferenceUID"))
        frame_of_reference = own or frame_of_reference
    if len(position) == 1 and position[0] is None:
        position = [instance.position]
    rows = zip(
        orientation,
        *(groups.raw(*path) for path in _SPACINGS),
        groups.raw("PixelMeasuresSequence", "SliceThickness"),
        groups.raw("PixelMeasuresSequence", "SpacingBetweenSlices"),
        strict=True,
    )

    def grid(row: tuple[Numbers, Raw, Raw, Raw, Raw]) -> PlaneGrid:
        return _grid(instance, frame_of_reference, row)

    return [
        (where, groups.parts.part(grid, row)) for where, row in zip(position, rows, strict=True)
    ]


def _position(raw: Raw) -> Vector | None:
    return vector(decimals(raw))


def _volume_position(raw: Raw) -> Vector | None:
    return vector(doubles(raw))


def _grid(
    instance: Instance, frame_of_reference: str, row: tuple[Numbers, Raw, Raw, Raw, Raw]
) -> PlaneGrid:
    """Return a frame's grid; what its groups lack is what the top level says."""
    top = instance.grid
    orientation, *spacings, thickness, between = row
    spacing, keyword = top.pixel_spacing, top.pixel_spacing_keyword
    for (_, name), raw in zip(_SPACINGS, spacings, strict=True):
        found = decimals(raw)
        if len(found) == 2 and min(found) > 0:
            spacing, keyword = (found[0], found[1]), name
            break
    own_thickness, own_between = as_number(thickness), as_number(between)
    return PlaneGrid(
        frame_of_reference_uid=frame_of_reference,
        orientation=orientation if len(orientation) == 6 else top.orientation,
        pixel_spacing=spacing,
        pixel_spacing_keyword=keyword,
        slice_thickness=top.slice_thickness if own_thickness is None else own_thickness,
        spacing_between_slices=(top.spacing_between_slices if own_between is None else own_between),
    )
