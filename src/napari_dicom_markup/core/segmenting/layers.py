"""Fill as few labels layers as needed with segments that may overlap."""

from __future__ import annotations

import colorsys
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from napari_dicom_markup.errors import LabelsError
from napari_dicom_markup.model.markup import FeatureColumn, LabelColors, Labels, LabelsStyle
from napari_dicom_markup.model.segmentation import Segment, SegmentationKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from napari_dicom_markup.model.code import Code
    from napari_dicom_markup.model.markup import Cell, Rgba
    from napari_dicom_markup.model.segmentation import Segmentation

Box: TypeAlias = tuple[slice, slice, slice]
Region: TypeAlias = tuple[int, int, int, int, int, int, int]

MOST_LAYERS = 64
"""As many segments may lie over each other at a voxel; each layer takes the memory of a stack."""

_NUMBERS = 1 << 16
"""Segment numbers are 16 bits (US)."""

_GOLDEN = 0.618033988749895
"""Turns of the hue from one segment to the next, which keeps neighbours apart."""


class _Layers:
    """Layers (volumes, slices, rows, columns), and which segments each holds."""

    def __init__(self, segmentation: Segmentation, shape: Sequence[int], largest: int) -> None:
        self._segmentation = segmentation
        self._shape = tuple(shape)
        self._dtype = np.min_scalar_type(largest)
        self._layers: list[NDArray[Any]] = []
        self._held: list[NDArray[np.bool_]] = []

    def _layer(self, number: int) -> NDArray[Any]:
        """Return a layer by its number; the next one is made."""
        if number == MOST_LAYERS:
            name = self._segmentation.relative
            message = f"{name}: more than {MOST_LAYERS} segments overlap: too many layers"
            raise LabelsError(message)
        if number == len(self._layers):
            self._layers.append(np.zeros(self._shape, self._dtype))
            self._held.append(np.zeros(_NUMBERS, np.bool_))
        return self._layers[number]

    def labels(self, shape: Sequence[int]) -> tuple[Labels, ...]:
        """Return the layers in a shape that has as many voxels, each with its segments' names."""
        if not self._layers:
            self._layer(0)
        return tuple(
            Labels(style, _narrowed(layer).reshape(shape))
            for style, layer in zip(self._styles(), self._layers, strict=True)
        )

    def _styles(self) -> list[LabelsStyle]:
        """Return the layers' looks; the first one also names the segments without voxels."""
        described = {segment.number: segment for segment in self._segmentation.segments}
        described.pop(0, None)
        placed = np.flatnonzero(np.any(self._held, axis=0)).tolist()
        empty = described.keys() - set(placed)
        styles = []
        for n, held in enumerate(self._held):
            numbers = sorted({*np.flatnonzero(held).tolist(), *(empty if n == 0 else ())})
            segments = [described.get(number) or Segment(number) for number in numbers]
            styles.append(_style(f"SEG {n + 1}", segments))
        return styles

    def notes(self) -> list[str]:
        """Return what has to be said about segments."""
        described = {segment.number for segment in self._segmentation.segments}
        placed = np.flatnonzero(np.any(self._held, axis=0)) if self._held else np.zeros(0)
        unknown = [number for number in placed.tolist() if number not in described]
        notes = []
        if len(self._layers) > 1:
            notes.append(f"its segments overlap: {len(self._layers)} layers hold them")
        if unknown:
            numbers = ", ".join(map(str, unknown[:8])) + (", …" if len(unknown) > 8 else "")
            notes.append(f"it does not describe {len(unknown)} of its segments: {numbers}")
        if self._loses_zero() and 0 in described:
            notes.append("its segment 0 is shown as background")
        return notes

    def _loses_zero(self) -> bool:
        is_map = self._segmentation.kind is SegmentationKind.LABELMAP
        return is_map and self._segmentation.background != 0


class SegmentLayers(_Layers):
    """Masks of one segment after another: each goes whole to the first layer that is free there."""

    def __init__(self, segmentation: Segmentation, shape: Sequence[int]) -> None:
        numbers = [frame.segment or 0 for frame in segmentation.frames]
        super().__init__(segmentation, shape, max(numbers, default=0))
        self._mask = np.zeros(self._shape, np.bool_)
        self._regions: set[Region] = set()

    def add(self, mask: NDArray[np.bool_], box: Box, volumes: Iterable[int]) -> None:
        """Add a part of the segment that is being gathered: a mask in the shape of the box."""
        tight = _tight(mask)
        if tight is None:
            return
        z, y, x = (
            (edge.start + part.start, edge.start + part.stop)
            for edge, part in zip(box, tight, strict=True)
        )
        for volume in volumes:
            region = (volume, *z, *y, *x)
            self._mask[_indexing(region)] |= mask[tight]
            self._regions.add(region)

    def close(self, number: int) -> None:
        """Give all that was added since the last call to a layer, as a segment."""
        if not self._regions:
            return
        regions = [_indexing(region) for region in sorted(self._regions)]
        chosen = 0
        while any(self._layer(chosen)[region][self._mask[region]].any() for region in regions):
            chosen += 1
        layer = self._layers[chosen]
        for region in regions:
            np.copyto(layer[region], layer.dtype.type(number), where=self._mask[region])
        for region in regions:
            self._mask[region] = False
        self._held[chosen][number] = True
        self._regions.clear()


class LabelmapLayers(_Layers):
    """Planes of segment numbers: each goes whole to the first layer that is free there."""

    def __init__(self, segmentation: Segmentation, shape: Sequence[int]) -> None:
        super().__init__(segmentation, shape, _NUMBERS - 1)
        self._planes: list[tuple[NDArray[Any], Box, tuple[int, ...]]] = []

    def add(self, plane: NDArray[Any], box: Box, volumes: Iterable[int]) -> None:
        """Add a plane in the shape of the box."""
        self._planes.append((plane, box, tuple(volumes)))

    def close(self, _number: int) -> None:
        """Give the planes that were added since the last call to layers."""
        for plane, box, volumes in self._planes:
            mask = plane != 0
            chosen = 0
            while any((self._layer(chosen)[v, *box][mask] != 0).any() for v in volumes):
                chosen += 1
            layer = self._layer(chosen)
            for volume in volumes:
                np.copyto(layer[volume, *box], plane, where=mask)
            self._held[chosen][plane] = True
            self._held[chosen][0] = False
        self._planes.clear()


def _indexing(region: Region) -> tuple[int, slice, slice, slice]:
    volume, top, bottom, first, last, left, right = region
    return volume, slice(top, bottom), slice(first, last), slice(left, right)


def _tight(mask: NDArray[np.bool_]) -> Box | None:
    """Return the smallest box around what is set, None where nothing is."""
    edges = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        held = np.flatnonzero(mask.any(axis=others))
        if not held.size:
            return None
        edges.append(slice(int(held[0]), int(held[-1]) + 1))
    return edges[0], edges[1], edges[2]


def _narrowed(layer: NDArray[Any]) -> NDArray[Any]:
    """Return labels in the smallest unsigned type that holds them."""
    dtype = np.min_scalar_type(int(layer.max(initial=0)))
    return layer.astype(dtype, copy=False)


def _style(name: str, segments: Sequence[Segment]) -> LabelsStyle:
    """Return the look of a layer: each segment's own colour, or one of an even round of hues."""
    colors = tuple(_color(segment) for segment in segments)
    numbers = tuple(segment.number for segment in segments)
    columns: dict[str, tuple[Cell, ...]] = {
        "index": numbers,
        "name": tuple(segment.label for segment in segments),
        **_code_columns("category", [segment.category for segment in segments]),
        **_code_columns("type", [segment.property_type for segment in segments]),
        "algorithm": tuple(_algorithm(segment) for segment in segments),
    }
    features = tuple(FeatureColumn(title, cells) for title, cells in columns.items())
    return LabelsStyle(name, LabelColors("direct", colors, numbers), features)


def _code_columns(what: str, codes: Sequence[Code | None]) -> dict[str, tuple[Cell, ...]]:
    return {
        f"{what}_value": tuple(code.value if code else "" for code in codes),
        f"{what}_scheme": tuple(code.scheme if code else "" for code in codes),
        f"{what}_meaning": tuple(code.meaning if code else "" for code in codes),
    }


def _algorithm(segment: Segment) -> str:
    return ": ".join(part for part in (segment.algorithm_type, segment.algorithm) if part)


def _color(segment: Segment) -> Rgba:
    if segment.color is not None:
        return (*segment.color, 1.0)
    return (*colorsys.hsv_to_rgb(segment.number * _GOLDEN % 1.0, 0.7, 0.95), 1.0)
