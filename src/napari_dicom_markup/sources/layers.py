"""Read napari layer tuples: which volumes and labels they are, and to what they belong."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicom_markup.errors import LabelsError, SelectionError
from napari_dicom_markup.model.markup import FeatureColumn, LabelColors, Labels, LabelsStyle
from napari_dicom_markup.model.stack import SourceFile, Volume

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from napari_dicom_markup.model.markup import Cell, Rgba

Layer = tuple[Any, dict[str, Any], str]
"""What napari hands to a writer: (data, attributes, type)."""

_GRID_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """What selected layers are: images to save and labels, by stack index, of one series.

    ``volume`` is one of the series' volumes, selected or found for the labels.
    """

    volume: Volume
    images: dict[int, Volume]
    labels: dict[int, list[Labels]]


def read_selection(selected: Sequence[Layer], others: Iterable[Layer] = ()) -> Selection:
    """Find the series that the selected layers belong to.

    A labels layer belongs to the one image of ours with the same grid: among the selected
    layers, or else among ``others``, the rest of the viewer.

    Raises
    ------
    SelectionError
        The layers belong to no DICOM series or to several; the text says what to select.
    LabelsError
        A labels layer holds something else than integers.
    """
    images = [volume for layer in selected if (volume := volume_of(layer)) is not None]
    foreign = [layer for layer in selected if layer[2] == "image" and volume_of(layer) is None]
    if any(map(_is_slide, foreign)):
        raise SelectionError(_SLIDE)
    if foreign:
        message = (
            f"{len(foreign)} of the selected image layers were not opened from DICOM: "
            "select only images opened by DICOM markup, and labels painted on them"
        )
        raise SelectionError(message)
    rest = list(others)
    around = [layer for layer in rest if volume_of(layer) is not None]
    labels: dict[int, list[Labels]] = {}
    found = list(images)
    for layer in selected:
        if layer[2] == "labels":
            if getattr(layer[0], "ndim", 2) == 2 and any(map(_is_slide, rest)):
                raise SelectionError(_SLIDE)
            volume = _find_image(layer, [one for one in selected if volume_of(one)], around)
            labels.setdefault(volume.stack.index, []).append(_read_labels(layer))
            found.append(volume)
    _check_one_series(found)
    return Selection(found[0], {volume.stack.index: volume for volume in images}, labels)


_SLIDE = (
    "whole slide images and labels painted on them cannot be saved in a bundle yet; "
    "dicom-markup pack keeps the slide's files, and napari itself saves the labels as TIFF"
)


def _is_slide(layer: Layer) -> bool:
    """Say whether a layer was opened as a pyramid of ours."""
    return "slide" in (layer[1].get("metadata") or {}).get("dicom_markup", {})


def volume_of(layer: Layer) -> Volume | None:
    """Return the volume of a layer whose data are still the array that it was opened with."""
    volume = getattr(layer[0], "volume", None)
    return volume if isinstance(volume, Volume) else None


def _check_one_series(volumes: Sequence[Volume]) -> None:
    if not volumes:
        message = "select the labels you painted, or the DICOM image to save"
        raise SelectionError(message)
    if len({_origin(volume) for volume in volumes}) > 1:
        message = (
            "the selected layers belong to several series, or to one that was opened twice from "
            "different files: a bundle holds one; select one image and the labels painted on it"
        )
        raise SelectionError(message)


def _origin(volume: Volume) -> tuple[Path | None, tuple[SourceFile, ...]]:
    """Return what a volume's series was opened from: stacks are counted within it."""
    return volume.sidecar, volume.series.files


def _find_image(labels: Layer, selected: Sequence[Layer], around: Sequence[Layer]) -> Volume:
    for layers in (selected, around):
        volumes = [v for layer in layers if (v := volume_of(layer)) and _same_grid(labels, layer)]
        distinct = {(_origin(v), v.stack.index): v for v in volumes}
        if len(distinct) > 1:
            message = (
                "several DICOM images have the grid of a labels layer: "
                "select the labels together with the image that they belong to"
            )
            raise SelectionError(message)
        if distinct:
            return next(iter(distinct.values()))
    message = (
        "a labels layer has the grid of no open DICOM image: open the DICOM it was painted on, "
        "then select both (labels made with napari's own button while the image is selected fit)"
    )
    raise SelectionError(message)


def _same_grid(labels: Layer, image: Layer) -> bool:
    """Say whether labels lie on an image's voxels, with or without its leading axis."""
    volume = volume_of(image)
    if volume is None:
        return False
    shape = tuple(labels[0].shape)
    if shape not in {volume.stack.shape, volume.stack.shape[-3:]}:
        return False
    return _is_plain(labels[1]) and all(
        _close(labels[1].get(key), image[1].get(key), len(shape)) for key in ("scale", "translate")
    )


def _is_plain(meta: Mapping[str, Any]) -> bool:
    """Say whether a layer is only scaled and moved: not turned, sheared or transformed."""
    keys = ("affine", "rotate", "shear")
    given = [np.asarray(meta[key]) for key in keys if meta.get(key) is not None]
    return all(np.allclose(one, 0 if one.ndim < 2 else np.eye(len(one))) for one in given)


def _close(a: Any, b: Any, axes: int) -> bool:
    if a is None or b is None:
        return a is b
    return bool(
        np.allclose(np.asarray(a)[-axes:], np.asarray(b)[-axes:], rtol=0, atol=_GRID_TOLERANCE)
    )


def _read_labels(layer: Layer) -> Labels:
    data, meta, _ = layer
    if not hasattr(data, "dtype") or data.dtype.kind not in "iub":
        message = "a labels layer holds no integers (multiscale labels cannot be saved)"
        raise LabelsError(message)
    style = LabelsStyle(
        name=str(meta.get("name", "Labels")),
        colors=_read_colors(meta.get("colormap")),
        features=_read_features(meta.get("features")),
        opacity=float(meta.get("opacity", 0.7)),
        visible=bool(meta.get("visible", True)),
    )
    return Labels(style, data)


def _read_colors(colormap: Any) -> LabelColors:
    """Read napari's two kinds of labels colormap, by what they have: a dict, or a table."""
    table: Mapping[int | None, Any] | None = getattr(colormap, "color_dict", None)
    if table is not None:
        numbers = sorted(number for number in table if number is not None)
        colors = tuple(_rgba(table[number]) for number in numbers)
        default = _rgba(table[None]) if None in table else (0.0, 0.0, 0.0, 0.0)
        return LabelColors("direct", colors, tuple(map(int, numbers)), default)
    cycle = getattr(colormap, "colors", None)
    if cycle is None:
        return LabelColors()
    return LabelColors("cyclic", tuple(map(_rgba, cycle)))


def _rgba(color: Any) -> Rgba:
    red, green, blue, *alpha = (float(value) for value in color)
    return (red, green, blue, alpha[0] if alpha else 1.0)


def _read_features(table: Any) -> tuple[FeatureColumn, ...]:
    """Read a features table: a pandas DataFrame, or anything with columns by name."""
    if table is None or not len(table):
        return ()
    return tuple(
        FeatureColumn(str(name), tuple(map(_cell, table[name])))
        for name in table.keys()  # noqa: SIM118 - a DataFrame
    )


def _cell(value: Any) -> Cell:
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, float) and not math.isfinite(plain):
        return None
    return plain if isinstance(plain, str | int | float | bool | None) else str(plain)
