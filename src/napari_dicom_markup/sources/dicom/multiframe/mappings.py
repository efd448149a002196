"""How each frame's stored values become physical ones, by functional groups.

Pixel Value Transformation (PS3.3 C.7.6.16.2.9), Frame VOI LUT (C.7.6.16.2.10) and Real World
Value Mapping (C.7.6.16.2.11).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from napari_dicom_markup.model.stack import VoiFunction, Window
from napari_dicom_markup.model.voi import RealWorld
from napari_dicom_markup.sources.dicom.multiframe.values import decimals, double, text, words
from napari_dicom_markup.sources.dicom.raw_values import as_number, as_word
from napari_dicom_markup.standard.units import known_unit, readable_unit

if TYPE_CHECKING:
    from napari_dicom_markup.model.stack import Instance, PixelFormat, ValueMapping
    from napari_dicom_markup.sources.dicom.multiframe.groups import Groups
    from napari_dicom_markup.sources.dicom.multiframe.header import Item
    from napari_dicom_markup.sources.dicom.raw_values import Raw

_TRANSFORMATION, _VOI = "PixelValueTransformationSequence", "FrameVOILUTSequence"
_UNSPECIFIED = frozenset({"", "US", "UNSPECIFIED"})
"""Rescale types (PS3.3 C.11.1.1.2) that say nothing about what the values are."""


class _Scale(NamedTuple):
    """A linear mapping, with its unit; ``meant`` says that this is what the values are.

    ``ends`` are the least and greatest stored value that it maps, None where it maps all.
    """

    slope: float
    intercept: float
    unit: str
    meant: bool = True
    ends: tuple[float, float] | None = None


def mappings(instance: Instance, groups: Groups) -> list[ValueMapping]:
    """Return each frame's mapping; what its groups lack is what the top level says."""
    scales = zip(
        *(
            groups.raw(_TRANSFORMATION, keyword)
            for keyword in ("RescaleSlope", "RescaleIntercept", "RescaleType")
        ),
        (_real_world(instance, items) for items in _real_world_items(groups)),
        strict=True,
    )
    windows = zip(
        *(
            groups.raw(_VOI, keyword)
            for keyword in (
                "WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction",
            )
        ),
        strict=True,
    )  # fmt: skip

    def mapping(row: tuple[tuple[Raw, Raw, Raw, _Scale | None], tuple[Raw, ...]]) -> ValueMapping:
        (slope, intercept, kind, real), voi = row
        own = _rescale(instance, slope, intercept, readable_unit(text(kind)))
        return _mapping(instance, own, real, groups.parts.part(_windows, voi))

    return [groups.parts.part(mapping, row) for row in zip(scales, windows, strict=True)]


def _rescale(instance: Instance, slope: Raw, intercept: Raw, kind: str) -> _Scale:
    top = instance.values
    if slope is None and intercept is None:
        return _Scale(top.slope, top.intercept, top.unit, meant=bool(top.unit) or top.lut)
    if instance.modality == "PT" and top.unit and kind in _UNSPECIFIED:
        unit = top.unit
    elif kind:
        unit = "" if kind in _UNSPECIFIED else kind
    else:
        unit = "HU" if instance.modality == "CT" else ""
    return _Scale(as_number(slope) or 1.0, as_number(intercept) or 0.0, unit, meant=bool(unit))


def _mapping(
    instance: Instance, own: _Scale, real: _Scale | None, windows: tuple[Window, ...]
) -> ValueMapping:
    """Return the mapping; windows are given in rescaled values, and change with them."""
    shown = windows or instance.values.windows
    chosen = own
    if real is not None and (not own.meant or own[:2] == (1.0, 0.0)):
        chosen = real
        moved = [_moved(window, own, real) for window in shown]
        shown = tuple(one for one in moved if math.isfinite(one.center + one.width))
    if chosen.ends is not None:
        measured = RealWorld(*chosen.ends, chosen.slope, chosen.intercept, unit=chosen.unit)
        plain = replace(instance.values, slope=1.0, intercept=0.0, windows=shown)
        return replace(plain, unit=chosen.unit, measured=measured)
    return replace(
        instance.values,
        slope=chosen.slope,
        intercept=chosen.intercept,
        unit=chosen.unit,
        windows=shown,
    )


def _moved(window: Window, old: _Scale, new: _Scale) -> Window:
    if old[:2] == new[:2]:
        return window
    factor = new.slope / old.slope
    center = (window.center - old.intercept) * factor + new.intercept
    return replace(window, center=center, width=abs(window.width * factor))


def _windows(raw: tuple[Raw, ...]) -> tuple[Window, ...]:
    """Return the windows of a frame; widths that are none are left out with their centre."""
    center, width, naming, function = raw
    names = words(naming)
    known = text(function)
    how = VoiFunction(known) if known in VoiFunction.__members__ else VoiFunction.LINEAR
    pairs = zip(decimals(center), decimals(width), strict=False)
    return tuple(
        Window(c, w, names[n] if n < len(names) else "", how)
        for n, (c, w) in enumerate(pairs)
        if w > 0
    )


def _real_world_items(groups: Groups) -> list[tuple[Item, ...]]:
    name = "RealWorldValueMappingSequence"
    top = groups.top.sequences.get(name, ())
    return [items or top for items in groups.nested(name)]


def _real_world(instance: Instance, items: tuple[Item, ...]) -> _Scale | None:
    """Return the linear mapping to the first unit; None if tables or several lines make it."""
    scales = [scale for item in items if (scale := _linear(instance, item)) is not None]
    if not scales:
        return None
    same_unit = {scale for scale in scales if scale.unit == scales[0].unit}
    return scales[0] if len(same_unit) == 1 else None


def _linear(instance: Instance, item: Item) -> _Scale | None:
    slope = double(item.values.get("RealWorldValueSlope"))
    intercept = double(item.values.get("RealWorldValueIntercept"))
    if not slope or intercept is None:
        return None
    code = item.only("MeasurementUnitsCodeSequence").values
    unit = known_unit(text(code.get("CodeValue")))
    is_unit = text(code.get("CodingSchemeDesignator")) == "UCUM" and unit != "1"
    ends = _ends(instance, item)
    if ends is not None and ends[0] > ends[1]:
        return None
    return _Scale(slope, intercept, unit if is_unit else "", ends=ends)


_ROUNDED = 2.0**-23
"""What an end and a value differ by at most if one of them was rounded to single precision."""


def _ends(instance: Instance, item: Item) -> tuple[float, float] | None:
    """Return the least and greatest stored value mapped; None where that is all, or not stated.

    Ends of floats are widened by what single precision may round.
    """
    pixels, element = instance.pixels, instance.element
    if pixels is None or element is None:
        return None
    names = ("RealWorldValueFirstValueMapped", "RealWorldValueLastValueMapped")
    if element.keyword != "PixelData":
        ends = [double(item.values.get(f"DoubleFloat{name}")) for name in names]
        if ends[0] is None or ends[1] is None:
            return None
        return ends[0] - abs(ends[0]) * _ROUNDED, ends[1] + abs(ends[1]) * _ROUNDED
    first, last = (as_word(item.values.get(name), signed=pixels.signed) for name in names)
    if first is None or last is None:
        return None
    lowest, highest = _stored_range(pixels)
    return None if first <= lowest and last >= highest else (first, last)


def _stored_range(pixels: PixelFormat) -> tuple[int, int]:
    """Return the least and greatest stored value that the bits stored can say."""
    if pixels.signed:
        return -(1 << (pixels.bits_stored - 1)), (1 << (pixels.bits_stored - 1)) - 1
    return 0, (1 << pixels.bits_stored) - 1
