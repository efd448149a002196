"""How a layer of ROIs looks: colours of the file, and a table of what each label is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dicom_markup.model.markup import FeatureColumn, LabelColors, LabelsStyle, Rgba

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_dicom_markup.model.code import Code
    from napari_dicom_markup.model.contours import Rgb, Roi

SPARE_COLORS: tuple[Rgb, ...] = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66),
    (0, 114, 178), (213, 94, 0), (204, 121, 167),
)  # fmt: skip
"""For ROIs without ROIDisplayColor: Okabe and Ito's colours, which the colour-blind tell apart."""


def color_of(roi: Roi) -> Rgb:
    """Return the colour that an ROI states, else one by its number."""
    return roi.color or SPARE_COLORS[roi.number % len(SPARE_COLORS)]


def style_of(layer: int, rois: Sequence[tuple[int, Roi]]) -> LabelsStyle:
    """Return the style of a layer with these (label value, ROI); its name holds no free text."""
    numbers = tuple(value for value, _ in rois)
    colors = LabelColors("direct", tuple(_rgba(color_of(roi)) for _, roi in rois), numbers)
    return LabelsStyle(f"RTSTRUCT {layer}", colors, tuple(_features(rois)))


def _rgba(color: Rgb) -> Rgba:
    red, green, blue = color
    return (red / 255, green / 255, blue / 255, 1.0)


def _features(rois: Sequence[tuple[int, Roi]]) -> Iterator[FeatureColumn]:
    yield FeatureColumn("index", tuple(value for value, _ in rois))
    yield FeatureColumn("name", tuple(roi.name for _, roi in rois))
    yield FeatureColumn("type", tuple(roi.interpreted_type for _, roi in rois))
    coded = {"code": [roi.codes for _, roi in rois], "role": [roi.roles for _, roi in rois]}
    for name, codes in coded.items():
        if any(codes):
            yield FeatureColumn(name, tuple(_joined(one) for one in codes))
            yield FeatureColumn(f"{name} meaning", tuple(_meanings(one) for one in codes))


def _joined(codes: tuple[Code, ...]) -> str:
    return "; ".join(f"{code.scheme}:{code.value}" for code in codes)


def _meanings(codes: tuple[Code, ...]) -> str:
    return "; ".join(code.meaning for code in codes)
