"""When each frame was taken, in seconds since the earliest, by functional groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dicom_markup.sources.dicom.multiframe.cine import cine_times
from napari_dicom_markup.sources.dicom.multiframe.values import double, moment

if TYPE_CHECKING:
    from napari_dicom_markup.sources.dicom.multiframe.groups import Groups

_CLOCKS = (
    (double, "TemporalPositionSequence", "TemporalPositionTimeOffset"),
    (moment, "FrameContentSequence", "FrameAcquisitionDateTime"),
    (moment, "FrameContentSequence", "FrameReferenceDateTime"),
)
"""What tells a frame's time; the first that all frames have and that goes on is the one."""


def frame_times(groups: Groups) -> list[float | None]:
    """Return each frame's time, or None for all where the object states none that goes on."""
    count = len(groups.each)
    for parse, *path in _CLOCKS:
        column = groups.column(parse, *path)
        times = [time for time in column if time is not None]
        if len(times) == count and len(set(times)) > 1:
            start = min(times)
            return [round(time - start, 6) for time in times]
    return list(cine_times(groups.top, count))
