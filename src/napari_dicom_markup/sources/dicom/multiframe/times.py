"""When each frame was taken, by functional groups: within its object, and on a common clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dicom_markup.sources.dicom.multiframe.cine import cine_times
from napari_dicom_markup.sources.dicom.multiframe.values import double, moment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_dicom_markup.sources.dicom.multiframe.groups import Groups
    from napari_dicom_markup.sources.dicom.multiframe.planes import Place
    from napari_dicom_markup.sources.dicom.raw_values import Raw

_OFFSET = (double, "TemporalPositionSequence", "TemporalPositionTimeOffset")
_DATE_TIMES = (
    (moment, "FrameContentSequence", "FrameAcquisitionDateTime"),
    (moment, "FrameContentSequence", "FrameReferenceDateTime"),
)
_FLUOROSCOPY = frozenset({"XA", "RF"})


def frame_times(modality: str, groups: Groups, places: Sequence[Place]) -> list[float | None]:
    """Return each frame's time in seconds since the earliest, None for all where none goes on.

    Rates and frame times of the top level say how to show volumes, not when they were taken:
    they count only in a run of projections, which neither places nor dimensions tell apart.
    """
    for times in _clocks(groups, _OFFSET, *_DATE_TIMES):
        if len(set(times)) > 1:
            start = min(times)
            return [round(time - start, 6) for time in times]
    count = len(groups.each)
    is_run = modality in _FLUOROSCOPY and not any(position for position, _ in places)
    if is_run and not any(groups.raw("FrameContentSequence", "DimensionIndexValues")):
        return list(cine_times(groups.top, count))
    return [None] * count


def frame_moments(groups: Groups, places: Sequence[Place]) -> list[float | None]:
    """Return each frame's time in seconds on a clock that a series' objects share.

    It is its date and time since 1970, else the offset of its temporal position. The date and
    time of the whole object counts where its frames are one volume: each lies elsewhere.
    """
    clocks = _clocks(groups, *_DATE_TIMES) or _clocks(groups, _OFFSET)
    if clocks:
        return list(next((times for times in clocks if len(set(times)) > 1), clocks[0]))
    positions = {position for position, _ in places}
    count = len(groups.each)
    is_volume = None not in positions and len(positions) == count
    whole = moment(groups.top.values.get("AcquisitionDateTime")) if is_volume else None
    return [whole] * count


def _clocks(
    groups: Groups, *sources: tuple[Callable[[Raw], float | None], str, str]
) -> list[list[float]]:
    """Return the times of each source that all frames state."""
    columns = [groups.column(*source) for source in sources]
    stated = [[time for time in column if time is not None] for column in columns]
    return [times for times in stated if len(times) == len(groups.each)]
