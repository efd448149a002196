"""Instances without files, for tests of order and geometry: planes on a grid in the patient."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicom_markup.core.stacking import stack_frames
from napari_dicom_markup.core.stacking.eligible import why_no_frame
from napari_dicom_markup.model.stack import (
    Acquisition,
    Instance,
    Leftover,
    PixelElement,
    PixelFormat,
    PlaneGrid,
    SourceFile,
    ValueMapping,
    only_frame,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_dicom_markup.model.stack import Stack

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"

ORIENTATIONS: dict[str, tuple[float, ...]] = {
    "axial": (1, 0, 0, 0, 1, 0),
    "sagittal": (0, 1, 0, 0, 0, -1),
    "coronal": (1, 0, 0, 0, 0, -1),
    "oblique": (0.8, 0.6, 0.0, -0.36, 0.48, 0.8),
}


def make_instance(
    position: tuple[float, ...] | None,
    orientation: tuple[float, ...] | None = ORIENTATIONS["axial"],
    number: int = 1,
    **changes: Any,
) -> Instance:
    """Return a 16-bit 4 × 5 CT image; ``changes`` go to the part that has such a field."""
    grid = PlaneGrid("1.9", orientation, (0.7, 0.5), "PixelSpacing", 2.0, None)
    acquisition = Acquisition(image_type=("ORIGINAL", "PRIMARY", "AXIAL"), instance_number=number)
    pixels = PixelFormat(4, 5, 1, "MONOCHROME2", 0, 16, 12, signed=False, frames=1)
    parts: dict[str, Any] = {"grid": grid, "acquisition": acquisition, "pixels": pixels}
    for name, part in parts.items():
        fields = {key: changes.pop(key) for key in list(changes) if hasattr(part, key)}
        parts[name] = replace(part, **fields)
    made = Instance(
        file=SourceFile(f"/nowhere/{number}", f"IM{number}", 1000, 0),
        sop_class_uid=CT_IMAGE,
        sop_instance_uid=f"1.2.{number}",
        series_uid="1.2.3",
        study_uid="1.2",
        modality="CT",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        position=None if position is None else (position[0], position[1], position[2]),
        values=ValueMapping(),
        element=PixelElement("PixelData", 900, 40),
        **parts,
    )
    return replace(made, **changes)


def stack_images(images: Iterable[Instance]) -> tuple[tuple[Stack, ...], tuple[Leftover, ...]]:
    """Stack single-frame images, those that can stand in a stack."""
    found = list(images)
    reasons = [(image, why_no_frame(image)) for image in found]
    left = [Leftover(i.file, why, is_dicom=True, instance=i) for i, why in reasons if why]
    stacks, repeated = stack_frames(only_frame(i) for i, why in reasons if not why)
    return stacks, (*left, *repeated)


def make_planes(
    count: int,
    step: float = 2.0,
    orientation: tuple[float, ...] = ORIENTATIONS["axial"],
    shear: float = 0.0,
) -> list[Instance]:
    """Return planes in ascending order along the normal, each sheared along the columns."""
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    along = np.cross(row, column) * step + column * shear
    start = np.array((10.0, -20.0, 30.0))
    return [
        make_instance(tuple((start + k * along).tolist()), orientation, number=k + 1)
        for k in range(count)
    ]
