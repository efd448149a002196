"""Times of day of a scan that goes on past midnight."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_dicom_markup.model.stack import Frame

_DAY = 86_400.0

_LONGEST = _DAY / 2
"""No series takes longer; times without a date that lie further apart are of two days."""


def times_going_on(frames: Iterable[Frame]) -> list[Frame]:
    """Return a series' frames, times after midnight a day later where no date says so."""
    found = list(frames)
    for name in ("acquisition_time", "content_time"):
        times = [getattr(frame.acquisition, name) for frame in found]
        stated = [time for time in times if time is not None]
        if not stated or max(stated) >= _DAY or max(stated) - min(stated) <= _LONGEST:
            continue
        found = [
            frame if time is None or time >= _LONGEST else _later(frame, name, time + _DAY)
            for frame, time in zip(found, times, strict=True)
        ]
    return found


def _later(frame: Frame, name: str, time: float) -> Frame:
    change: dict[str, Any] = {name: time}
    return replace(frame, acquisition=replace(frame.acquisition, **change))
