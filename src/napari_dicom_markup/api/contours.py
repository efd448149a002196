"""Contours of structure sets as layers of shapes and points, over the images that are open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicom_markup.api.layers import Layers, display_of
from napari_dicom_markup.api.marking import markup_steps
from napari_dicom_markup.api.opening import scan_steps, volumes_of
from napari_dicom_markup.errors import NothingToOpenError
from napari_dicom_markup.sinks.layers import image_layer
from napari_dicom_markup.sources.layers import volume_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from pathlib import Path

    from napari_dicom_markup.api.marking import Markup
    from napari_dicom_markup.model.contours import Polygons
    from napari_dicom_markup.model.geometry import FloatArray
    from napari_dicom_markup.model.progress import Step
    from napari_dicom_markup.sources.layers import Layer

_GRID = ("scale", "translate", "units", "axis_labels")

_EDGE_MM = 0.7
"""Width of a contour's line: visible on a pixel of the usual size, and no wider than it."""

_POINT_MM = 3.0


def contour_layers_steps(
    paths: Iterable[Path], around: Iterable[Any] = ()
) -> Generator[Step, None, Layers]:
    """Open the contours under paths as shapes and points over the images of layers ``around``.

    Raises
    ------
    NothingToOpenError
        There are none, or the images that they refer to are not there; the text says which.
    """
    found = yield from scan_steps(paths)
    others = [volume for layer in around if (volume := volume_of(layer)) is not None]
    marked = yield from markup_steps(found, [*others, *volumes_of(found)], contours=True)
    tuples = [layer for markup in marked for layer in _layers(markup)]
    notes = list(dict.fromkeys(f"{one.kind}: {note}" for one in marked for note in one.notes))
    if not tuples:
        why = "; ".join(notes[:3]) or "no structure set is among these files"
        message = f"no contours can be opened here ({why})"
        raise NothingToOpenError(message)
    return Layers(tuples, "\n".join(notes))


def _layers(markup: Markup) -> list[Layer]:
    """Return a structure set's layers; they are named by its labels', for ROI names are free."""
    volume = markup.volume
    drawn = [one for one in markup.polygons if one.kind != "points"]
    points = [one for one in markup.polygons if one.kind == "points"]
    if volume is None:
        return []
    name = markup.labels[0].style.name if markup.labels else "RTSTRUCT"
    meta = image_layer(volume, display_of(volume))[1]
    grid = {key: meta[key][-3:] for key in _GRID}
    return [
        *([_shapes(drawn, f"{name} contours", grid)] if drawn else []),
        *([_points(points, f"{name} points", grid)] if points else []),
    ]


def _shapes(drawn: Sequence[Polygons], name: str, grid: dict[str, Any]) -> Layer:
    owners = [one for one in drawn for _ in one.data]
    meta = grid | {
        "name": name,
        "shape_type": "path",
        "edge_color": _colors(owners),
        "face_color": "transparent",
        "edge_width": _EDGE_MM / max(float(grid["scale"][-1]), 1e-6),
        "features": _features(owners),
        "opacity": 1.0,
    }
    return [_closed(one, outline) for one in drawn for outline in one.data], meta, "shapes"


def _closed(one: Polygons, outline: FloatArray) -> FloatArray:
    """Return a path around a polygon: of one that crosses itself napari fills no face, and raises.

    It also writes such polygons into the system's temporary folder, and they are a patient's.
    """
    return np.concatenate([outline, outline[:1]]) if one.kind == "polygon" else outline


def _points(points: Sequence[Polygons], name: str, grid: dict[str, Any]) -> Layer:
    owners = [one for one in points for outline in one.data for _ in outline]
    meta = grid | {
        "name": name,
        "face_color": _colors(owners),
        "size": _POINT_MM / max(float(grid["scale"][-1]), 1e-6),
        "features": _features(owners),
        "opacity": 1.0,
    }
    return np.concatenate([outline for one in points for outline in one.data]), meta, "points"


def _colors(owners: Sequence[Polygons]) -> Any:
    return np.array([(*one.color, 255) for one in owners], np.float32) / 255


def _features(owners: Sequence[Polygons]) -> dict[str, list[Any]]:
    return {"roi": [one.roi for one in owners], "name": [one.name for one in owners]}
