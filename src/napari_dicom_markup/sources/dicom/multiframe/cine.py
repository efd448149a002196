"""Frames of a run in time: ultrasound, angiography, fluoroscopy, secondary capture, endoscopy.

PS3.3 C.7.6.5 (Cine) and C.7.6.6 (Multi-frame).
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING

from napari_dicom_markup.model.stack import Frame
from napari_dicom_markup.sources.dicom.multiframe.attributes import KEYWORDS
from napari_dicom_markup.sources.dicom.multiframe.values import decimals, tags
from napari_dicom_markup.sources.dicom.raw_values import as_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicom_markup.model.stack import Instance, PixelFormat
    from napari_dicom_markup.sources.dicom.multiframe.header import Item

_TIMED = frozenset({"FrameTime", "FrameTimeVector"})


def pointed(header: Item) -> tuple[str, ...]:
    """Return the keywords that FrameIncrementPointer names, of those that are read."""
    found = (KEYWORDS.get(tag) for tag in tags(header.values.get("FrameIncrementPointer")))
    return tuple(keyword for keyword in found if keyword is not None)


def cine_frames(instance: Instance, pixels: PixelFormat, header: Item) -> tuple[Frame, ...]:
    """Return frames in time; a run in time stays at the top level's position.

    Frames that nothing else is known of have no position, unless there is only one.
    """
    stays = pixels.frames == 1 or any(keyword in _TIMED for keyword in pointed(header))
    place = instance.position if stays else None
    plain = instance.acquisition
    return tuple(
        Frame(
            instance,
            number,
            place,
            instance.grid,
            plain if time is None else replace(plain, frame_time=time),
            instance.values,
            pixels,
        )
        for number, time in enumerate(cine_times(header, pixels.frames))
    )


def cine_times(header: Item, count: int) -> Sequence[float | None]:
    """Return each frame's time in seconds since the first, None for all where none is stated.

    FrameTimeVector counts where FrameIncrementPointer names it or FrameTime lacks; without both
    the frames come at RecommendedDisplayFrameRate or CineRate.
    """
    times = _stated_times(header, count) if count > 1 else ()
    return times if times and math.isfinite(times[-1]) else (None,) * count


def _stated_times(header: Item, count: int) -> Sequence[float]:
    values = header.values
    step = as_number(values.get("FrameTime"))
    if step is None or "FrameTimeVector" in pointed(header):
        increments = decimals(values.get("FrameTimeVector"))
        if len(increments) == count and min(increments) >= 0 and any(increments[1:]):
            passed = accumulate(increments[1:], initial=0.0)
            return [round(time / 1000, 9) for time in passed]
    if step is not None and step > 0:
        return [round(n * step / 1000, 9) for n in range(count)]
    for keyword in ("RecommendedDisplayFrameRate", "CineRate"):
        rate = as_number(values.get(keyword))
        if rate is not None and rate > 0:
            return [round(n / rate, 9) for n in range(count)]
    return ()
