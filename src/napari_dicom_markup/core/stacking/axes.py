"""The attributes that tell volumes apart, and the axes that come of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, TypeAlias

from napari_dicom_markup.model.stack import Coordinate, LeadingAxis

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_dicom_markup.model.stack import Acquisition, Frame

    Volumes = Sequence[Sequence[Frame]]

Key: TypeAlias = tuple[float, ...]
"""What an attribute says of a frame: a number, and what goes with it (b, and its direction)."""


@dataclass(frozen=True, slots=True)
class Part:
    """An attribute that may tell apart what lies at one position.

    ``axis`` and ``unit`` are those of a key's first number, ``rest`` names its other numbers.
    Times differ from slice to slice; a time of day is the patient's: its axis counts from the
    first volume.
    """

    axis: str
    unit: str
    read: Callable[[Acquisition], Key | None]
    rest: str = ""
    is_time: bool = False
    is_time_of_day: bool = False

    def describe(self, key: Key) -> str:
        """Return a key's number with its axis and unit."""
        return f"{self.axis} = {key[0]:g}{' ' if self.unit else ''}{self.unit}"


def _number(value: float | None) -> Key | None:
    return None if value is None else (float(value),)


def _diffusion(acquisition: Acquisition) -> Key | None:
    if acquisition.b_value is None:
        return None
    return (acquisition.b_value, *(acquisition.b_direction or ()))


NAMED = (
    Part("t", "", lambda a: _number(a.temporal_position)),
    Part("echo", "ms", lambda a: _number(a.echo_time)),
    Part("b", "s/mm²", _diffusion, rest="direction"),
    Part("trigger", "ms", lambda a: _number(a.trigger_time), is_time=True),
    Part("acquisition", "", lambda a: _number(a.number)),
)
"""Attributes that name volumes, those first that say most about the physics."""

OWN_TIME = Part("t", "s", lambda a: _number(a.frame_time), is_time=True)
"""Time since the first frame of the own object: other objects' start again."""

OBJECT = Part("volume", "", lambda a: _number(a.instance_number))
"""The objects themselves, where each is a volume."""

TIMES_OF_DAY = (
    Part("t", "s", lambda a: _number(a.frame_moment), is_time=True, is_time_of_day=True),
    Part("t", "s", lambda a: _number(a.acquisition_time), is_time=True, is_time_of_day=True),
    Part("t", "s", lambda a: _number(a.content_time), is_time=True, is_time_of_day=True),
)


def counter_parts(frame: Frame) -> tuple[Part, ...]:
    """Return what the frame's object counts its frames by, besides the named attributes."""
    return tuple(
        Part(counter.name, counter.unit, partial(_counted, counter.name))
        for counter in frame.acquisition.counters
    )


def _counted(name: str, acquisition: Acquisition) -> Key | None:
    values = (counter.value for counter in acquisition.counters if counter.name == name)
    return _number(next(values, None))


def product_axes(
    keys: Sequence[tuple[Key, ...]], parts: Sequence[Part], volumes: Volumes
) -> tuple[LeadingAxis, ...]:
    """Return an axis a part where the keys fill the product of all; else one.

    Keys of several parts come sorted, those of one part in whatever order.

    The one axis is the first part's; what the others say stands beside it.
    """
    values = [sorted({key[n] for key in keys}) for n in range(len(parts))]
    if len(parts) == 1:
        values = [[key for (key,) in keys]]
    if len(keys) == math.prod(map(len, values)):
        axes = (
            LeadingAxis(
                part.axis,
                part.unit,
                tuple(key[0] for key in own),
                _rest(part, own) + beside(_along(n, own, keys, volumes), *parts),
            )
            for n, (part, own) in enumerate(zip(parts, values, strict=True))
        )
        return tuple(map(_in_seconds, axes))
    first = [key[0] for key in keys]
    others = tuple(
        Coordinate(part.axis, part.unit, tuple(key[n] for key in keys))
        for n, part in enumerate(parts)
        if n > 0
    )
    numbers = tuple(key[0] for key in first)
    return (LeadingAxis(parts[0].axis, parts[0].unit, numbers, _rest(parts[0], first) + others),)


def _along(
    n: int, own: Sequence[Key], keys: Sequence[tuple[Key, ...]], volumes: Volumes
) -> list[list[Frame]]:
    """Return for each value of part ``n`` the frames of all volumes that have it."""
    if not volumes:
        return []
    frames: dict[Key, list[Frame]] = {key: [] for key in own}
    for key, volume in zip(keys, volumes, strict=True):
        frames[key[n]] += volume
    return list(frames.values())


def _in_seconds(axis: LeadingAxis) -> LeadingAxis:
    """Return an axis that counts volumes in time as seconds, where these are known."""
    counts = {"t": "temporal position", "acquisition": "acquisition", OBJECT.axis: OBJECT.axis}
    times = [one for one in axis.coordinates if (one.name, one.unit) == ("t", "s")]
    if axis.unit or axis.name not in counts or not times:
        return axis
    counted = Coordinate(counts[axis.name], "", tuple((value,) for value in axis.values))
    others = tuple(one for one in axis.coordinates if one is not times[0])
    values = tuple(value for (value,) in times[0].values)
    return LeadingAxis("t", "s", values, (counted, *others))


def _rest(part: Part, keys: Sequence[Key]) -> tuple[Coordinate, ...]:
    """Return what goes with the first numbers of keys, where anything does."""
    if not any(len(key) > 1 for key in keys):
        return ()
    return (Coordinate(part.rest, "", tuple(key[1:] for key in keys)),)


def beside(volumes: Volumes, *used: Part) -> tuple[Coordinate, ...]:
    """Return what else differs from volume to volume, and is the same all over each.

    Times are those of each volume's first slice in time, from the first volume on.
    """
    if not volumes:
        return ()
    known = {(part.axis, part.unit) for part in used}
    objects = {id(frame.instance) for volume in volumes for frame in volume}
    own = (OWN_TIME,) if len(objects) == 1 else ()
    parts = (*NAMED, *own, *counter_parts(volumes[0][0]), *TIMES_OF_DAY)
    found = (_coordinate(volumes, part) for part in parts if (part.axis, part.unit) not in known)
    unique: dict[str, Coordinate] = {}
    for coordinate in found:
        if coordinate is not None:
            unique.setdefault(f"{coordinate.name} {coordinate.unit}", coordinate)
    return tuple(unique.values())


def _coordinate(volumes: Volumes, part: Part) -> Coordinate | None:
    values = tuple(part.read(volume[0].acquisition) or () for volume in volumes)
    if part.is_time:
        return _since_first(volumes, part) if all(values) else None
    if len(set(values)) == 1:
        return None
    for volume, value in zip(volumes, values, strict=True):
        if any((part.read(frame.acquisition) or ()) != value for frame in volume):
            return None
    return Coordinate(part.axis, part.unit, values)


def _since_first(volumes: Volumes, part: Part) -> Coordinate | None:
    """Return volumes' times since the first, where all frames state one and they go on."""
    starts = []
    for volume in volumes:
        keys = [part.read(frame.acquisition) for frame in volume]
        stated = [key for key in keys if key is not None]
        if len(stated) < len(keys):
            return None
        starts.append(min(stated)[0])
    if starts != sorted(set(starts)):
        return None
    since = tuple((round(start - starts[0], 6),) for start in starts)
    return Coordinate(part.axis, part.unit, since)


def flat_axes(frames: Sequence[Frame]) -> tuple[LeadingAxis, ...]:
    """Return the axes of an object's frames, in their order, that state no place in a patient.

    What it counts them by, where that fills a grid in this very order; the time, where it rises;
    else the frames' number.
    """
    axes = _counted_axes(frames)
    if axes:
        return axes
    times = [frame.acquisition.frame_time for frame in frames]
    stated = [time for time in times if time is not None]
    volumes = [(frame,) for frame in frames]
    if len(stated) == len(times) and stated == sorted(set(stated)):
        return (LeadingAxis("t", "s", tuple(stated), beside(volumes, OWN_TIME)),)
    numbers = tuple(float(k) for k in range(len(frames)))
    return (LeadingAxis("frame", "", numbers, beside(volumes)),)


def _counted_axes(frames: Sequence[Frame]) -> tuple[LeadingAxis, ...]:
    """Return an axis a counter where they fill a grid in the frames' order; else none.

    Their values stand in the order in which they appear: a detector may turn backwards.
    """
    parts = counter_parts(frames[0])
    read = [[part.read(frame.acquisition) for frame in frames] for part in parts]
    varied = [n for n, keys in enumerate(read) if len(set(keys)) > 1]
    if not varied or any(None in read[n] for n in varied):
        return ()
    values = [list(dict.fromkeys(read[n])) for n in varied]
    places = [[own.index(key) for key in read[n]] for n, own in zip(varied, values, strict=True)]
    if list(zip(*places, strict=True)) != list(product(*(range(len(own)) for own in values))):
        return ()
    return tuple(
        LeadingAxis(parts[n].axis, parts[n].unit, tuple(key[0] for key in own if key))
        for n, own in zip(varied, values, strict=True)
    )
