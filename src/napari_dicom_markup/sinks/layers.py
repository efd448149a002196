"""Volumes and labels as napari layer tuples, in the slice-aligned frame (DESIGN: order, geometry).

napari shows oblique affines wrongly and paints by ``scale`` alone. So a layer gets a scale and a
translate, in the frame whose axes are (-normal, column, row), and never an affine: stacks of one
orientation and Frame of Reference overlay exactly. The patient affine travels in the metadata.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari_dicom_markup.model.markup import LabelColors, Labels
    from napari_dicom_markup.model.stack import LeadingAxis, Stack, Volume

LINK = "dicom_markup"
"""Key of this package's entry in a layer's metadata."""

_DYADIC = 2.0**30
"""napari 0.9 loses the last slice where (n - 1) × step / step rounds below n - 1; on a grid of
2⁻³⁰ mm that arithmetic is exact."""

_EVEN = 0.05
"""Steps of a leading axis that differ by a smaller share are even."""

_AXIS_UNITS = frozenset({"s", "ms"})
"""Units of a leading axis that napari knows; the others stand in the metadata only."""


@dataclass(frozen=True, slots=True)
class Display:
    """How an image is first shown: contrast limits, and how far they can be moved."""

    name: str
    limits: tuple[float, float]
    limits_range: tuple[float, float]


def image_layer(volume: Volume, display: Display) -> tuple[Any, dict[str, Any], str]:
    """Return a volume as an image layer tuple; ``rgb`` for colour, gray_r for MONOCHROME1."""
    stack = volume.stack
    meta = _grid(stack) | {
        "name": display.name,
        "metadata": {LINK: _link(volume, display)},
    }
    if volume.array.ndim > len(stack.shape):
        meta["rgb"] = True
    else:
        inverted = stack.pixels.photometric == "MONOCHROME1"
        meta |= {
            "rgb": False,
            "contrast_limits": display.limits,
            "colormap": "gray_r" if inverted else "gray",
        }
    return volume.array, meta, "image"


def labels_layer(labels: Labels, volume: Volume) -> tuple[Any, dict[str, Any], str]:
    """Return labels of a volume as a labels layer tuple, ready to go on painting."""
    style = labels.style
    meta = _grid(volume.stack) | {
        "name": style.name,
        "metadata": {LINK: _link(volume)},
        "opacity": style.opacity,
        "visible": style.visible,
    }
    leading = len(volume.stack.shape) - labels.data.ndim
    for key in ("scale", "translate", "units", "axis_labels"):
        meta[key] = meta[key][leading:]
    if style.features:
        meta["features"] = {column.name: list(column.cells) for column in style.features}
    if style.colors.colors:
        meta["colormap"] = _colormap(style.colors)
    return labels.data, meta, "labels"


def _colormap(colors: LabelColors) -> Any:
    """Return what napari makes a labels colormap of: a table for a cycle, a dict for numbers."""
    if colors.kind == "cyclic":
        return np.array(colors.colors, dtype=np.float32)
    table: dict[int | None, Any] = {
        number: np.array(color, dtype=np.float32)
        for number, color in zip(colors.numbers, colors.colors, strict=True)
    }
    table[None] = np.array(colors.default, dtype=np.float32)
    return table


def _grid(stack: Stack) -> dict[str, Any]:
    """Return scale, translate, units and axis labels of a stack's grid."""
    geometry = stack.geometry
    scale = [_dyadic(value) for value in geometry.spacing]
    translate = [0.0, 0.0, 0.0]
    if geometry.patient is not None:
        frame, origin = geometry.patient, np.array(geometry.patient.origins[0])
        axes = (-frame.normal, np.array(frame.column), np.array(frame.row))
        translate = [_dyadic(float(axis @ origin)) for axis in axes]
    units = ["mm" if geometry.in_mm else "pixel"] * 3
    leading = [_leading_scale(axis) for axis in stack.leading]
    return {
        "scale": (*(step for step, _, _ in leading), *scale),
        "translate": (*(start for _, start, _ in leading), *translate),
        "units": (*(unit for _, _, unit in leading), *units),
        "axis_labels": stack.axes,
    }


def _leading_scale(leading: LeadingAxis) -> tuple[float, float, str]:
    """Return step, start and unit of an axis of even times; 1, 0 and pixel for any other.

    napari knows one step an axis: uneven values stand in the metadata only.
    """
    if leading.unit not in _AXIS_UNITS or len(leading.values) < 2:
        return 1.0, 0.0, "pixel"
    steps = np.diff(leading.values)
    step = float(np.median(steps))
    even = step > 0 and bool((np.abs(steps - step) <= _EVEN * step).all())
    return (
        (_dyadic(step), _dyadic(leading.values[0]), leading.unit) if even else (1.0, 0.0, "pixel")
    )


def _dyadic(value: float) -> float:
    """Round to the grid of 2⁻³⁰; a spacing below it keeps its value, for 0 is no scale."""
    return round(value * _DYADIC) / _DYADIC or value


def _link(volume: Volume, display: Display | None = None) -> dict[str, Any]:
    """Return the exact geometry, as plain values that any program can store as JSON."""
    stack, geometry = volume.stack, volume.stack.geometry
    affine = geometry.affine_lps()
    patient = geometry.patient
    link: dict[str, Any] = {
        "stack": stack.index,
        "modality": stack.frames[0].modality,
        "unit": stack.frames[0].values.unit,
        "spacing_mm": list(geometry.spacing) if geometry.in_mm else None,
        "affine_lps": None if affine is None else affine.tolist(),
        "slice_origins_lps": None if patient is None else [list(o) for o in patient.origins],
        "reports": [f"{report.kind}: {report.message}" for report in stack.reports],
    }
    if stack.leading:
        link["leading"] = [_describe_axis(axis) for axis in stack.leading]
    if display is not None:
        link["contrast_limits_range"] = list(display.limits_range)
    return link


def _describe_axis(axis: LeadingAxis) -> dict[str, Any]:
    """Return a leading axis with its values, and what else goes along it."""
    return {
        "name": axis.name,
        "unit": axis.unit,
        "values": list(axis.values),
        "coordinates": [
            {"name": one.name, "unit": one.unit, "values": list(map(list, one.values))}
            for one in axis.coordinates
        ],
    }
