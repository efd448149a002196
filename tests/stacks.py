"""Stacks of the model without any file: the grid, geometry and values that sinks ask for."""

from __future__ import annotations

import math

import numpy as np

from napari_dicom_markup.model.geometry import (
    GeometryReport,
    PatientFrame,
    SliceSpacingSource,
    SpacingSource,
    StackGeometry,
)
from napari_dicom_markup.model.stack import (
    Acquisition,
    Instance,
    LeadingAxis,
    PixelFormat,
    PlaneGrid,
    SourceFile,
    Stack,
    ValueMapping,
    only_frame,
)

PATIENT_UID = "1.2.826.0.1.3680043.8.498.314159"
"""Stands for every identifier of the patient in these stacks: no output may hold it."""


def make_stack(
    slices: int = 3,
    rows: int = 4,
    columns: int = 5,
    leading: LeadingAxis | tuple[LeadingAxis, ...] | int | None = None,
    samples: int = 1,
    spacing: tuple[float, float, float] | None = (2.5, 0.75, 0.5),
    reports: tuple[GeometryReport, ...] = (),
) -> Stack:
    """Return an oblique CT stack; a number as ``leading`` means so many volumes over t.

    ``spacing`` is (slice, row, column) in mm; None makes a stack in pixels, in no patient.
    """
    if isinstance(leading, int):
        leading = LeadingAxis("t", "s", tuple(1.5 * n for n in range(leading)))
    axes = () if leading is None else (leading,) if isinstance(leading, LeadingAxis) else leading
    pixels = PixelFormat(
        rows,
        columns,
        samples,
        "RGB" if samples == 3 else "MONOCHROME2",
        planar=0,
        bits_allocated=8 if samples == 3 else 16,
        bits_stored=8 if samples == 3 else 12,
        signed=False,
        frames=1,
    )
    volumes = math.prod(len(axis.values) for axis in axes)
    frames = tuple(only_frame(_instance(n, pixels)) for n in range(volumes * slices))
    return Stack(0, frames, slices, axes, _geometry(slices, spacing), reports)


def _instance(number: int, pixels: PixelFormat) -> Instance:
    return Instance(
        file=SourceFile(f"DOE^JANE/{number}", f"DOE^JANE/{number}", 1, 1),
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        sop_instance_uid=f"{PATIENT_UID}.{number}",
        series_uid=PATIENT_UID,
        study_uid=PATIENT_UID,
        modality="CT",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        position=None,
        grid=PlaneGrid(),
        acquisition=Acquisition(),
        values=ValueMapping(),
        pixels=pixels,
        element=None,
    )


def _geometry(slices: int, spacing: tuple[float, float, float] | None) -> StackGeometry:
    if spacing is None:
        return StackGeometry(
            (1.0, 1.0, 1.0), False, SpacingSource.NONE, SliceSpacingSource.ASSUMED, None
        )
    row = np.array([0.8, 0.6, 0.0])
    step = np.array([0.0, 0.0, -spacing[0]])
    origins = [np.array([-10.0, 20.0, 30.0]) + n * step for n in range(slices)]
    frame = PatientFrame(
        PATIENT_UID,
        row=tuple(row.tolist()),
        column=(-0.6, 0.8, 0.0),
        step=tuple(step.tolist()),
        origins=tuple(tuple(origin.tolist()) for origin in origins),
    )
    return StackGeometry(
        spacing, True, SpacingSource.PIXEL_SPACING, SliceSpacingSource.POSITIONS, frame
    )
