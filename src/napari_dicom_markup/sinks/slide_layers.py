"""Whole slide images as multiscale napari layer tuples, with axes (y, x) of the first level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_dicom_markup.sinks.layers import LINK

if TYPE_CHECKING:
    from napari_dicom_markup.model.slide import Slide, SlideImage


def slide_layer(slide: Slide, limits: tuple[float, float]) -> tuple[list[Any], dict[str, Any], str]:
    """Return a pyramid as an image layer tuple; grey values are shown between ``limits``.

    The first pixel stands at (0, 0): where it lies on the glass is in the metadata, for a layer
    on glass axes would be turned, and napari paints on unturned layers only.
    """
    first = slide.levels[0].image
    in_mm = first.spacing_mm is not None
    link: dict[str, Any] = {"slide": _describe(slide)}
    meta: dict[str, Any] = {
        "name": slide.name,
        "multiscale": True,
        "rgb": first.samples == 3,
        "scale": first.spacing_mm or (1.0, 1.0),
        "units": ("mm", "mm") if in_mm else ("pixel", "pixel"),
        "axis_labels": ("y", "x"),
        "metadata": {LINK: link},
    }
    if first.samples == 1:
        meta |= {"contrast_limits": limits, "colormap": "gray"}
        link["contrast_limits_range"] = [0.0, float(first.peak)]
    return [level.array for level in slide.levels], meta, "image"


def _describe(slide: Slide) -> dict[str, Any]:
    """Return what a pyramid is, as plain values that any program can store as JSON."""
    first = slide.levels[0].image
    return {
        "optical_path": slide.path,
        "z_um": slide.z_um,
        "origin_mm": None if first.origin_mm is None else list(first.origin_mm),
        "orientation": None if first.orientation is None else list(first.orientation),
        "levels": [_describe_level(level.image) for level in slide.levels],
        "notes": list(slide.notes),
    }


def _describe_level(image: SlideImage) -> dict[str, Any]:
    spacing = image.spacing_mm
    return {
        "rows": image.rows,
        "columns": image.columns,
        "tile": list(image.tile),
        "spacing_mm": None if spacing is None else list(spacing),
        "origin_mm": None if image.origin_mm is None else list(image.origin_mm),
    }
