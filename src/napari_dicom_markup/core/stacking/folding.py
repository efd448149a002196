"""Fold frames that repeat over the same positions into volumes, one behind the other."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from operator import itemgetter
from typing import TYPE_CHECKING

from napari_dicom_markup.core.stacking.axes import (
    NAMED,
    OBJECT,
    OWN_TIME,
    TIMES_OF_DAY,
    Key,
    Part,
    beside,
    counter_parts,
    flat_axes,
    product_axes,
)
from napari_dicom_markup.core.stacking.turns import volumes_in_turn
from napari_dicom_markup.model.stack import LeadingAxis

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from napari_dicom_markup.model.stack import Frame

    Planes = Sequence[Sequence[Frame]]
    Parts = tuple[Part, ...]
    Column = list[list[Key]]
    Volumes = list[tuple[tuple[Key, ...], tuple[Frame, ...]]]

REPEAT = "repeat"
"""The axis of images at one position that only their InstanceNumber tells apart."""

MOST_TOGETHER = 3
"""Attributes that are tried together: echo × time × direction, say."""

MOST_TRIED = 12
"""Attributes that are tried at all: an object may count its frames by hundreds of numbers."""


@dataclass(frozen=True, slots=True)
class Folded:
    """Frames as (volume, slice), with the axes that tell the volumes apart.

    ``incomplete`` says, for a single volume that was kept apart, why.
    """

    volumes: tuple[tuple[Frame, ...], ...]
    leading: tuple[LeadingAxis, ...]
    incomplete: str = ""


def fold(planes: Planes) -> list[Folded]:
    """Fold planes that hold one frame or several into volumes of one frame a plane.

    Where every plane holds the same number, the volumes form one stack with leading axes. Else
    the complete volumes do, and each incomplete one is kept apart with its reason. Where nothing
    tells which volume lacks slices, all are kept apart.
    """
    counts = {len(plane) for plane in planes}
    if counts == {1}:
        return [Folded((tuple(plane[0] for plane in planes),), ())]
    first = _fold_equal if len(counts) == 1 else _fold_exactly
    candidates = list(_candidates(planes))
    for way in (first, _fold_with_holes, _fold_in_turn, _fold_by_time):
        for candidate in candidates:
            folded = way(planes, candidate)
            if folded is not None:
                return folded
    return _fold_by_rank(planes)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Attributes that together tell the frames of every plane apart, and what each frame says.

    ``keys`` are arranged as the planes are.
    """

    parts: Parts
    keys: list[list[tuple[Key, ...]]]


def _candidates(planes: Planes) -> Iterator[_Candidate]:
    """Yield what tells the frames of every plane apart: an attribute, or several together.

    What names volumes comes before the times of day, which tell nearly all frames apart. Only
    attributes that differ within a plane, and that all frames state, are tried.
    """
    telling: list[tuple[Part, Column]] = []
    objects = {id(frame.instance) for plane in planes for frame in plane}
    own = (OWN_TIME,) if len(objects) == 1 else ()
    for part in (*NAMED, *own, *counter_parts(planes[0][0])):
        column = _column(planes, part)
        if column is not None and any(len(set(keys)) > 1 for keys in column):
            telling.append((part, column))
    for count in range(1, MOST_TOGETHER + 1):
        for group in combinations(telling[:MOST_TRIED], count):
            yield from _separating(group)
    yield from _objects(planes)
    for time in TIMES_OF_DAY:
        column = _column(planes, time)
        if column is not None:
            yield from _separating(((time, column),))


def _objects(planes: Planes) -> Iterator[_Candidate]:
    """Yield the objects as a candidate, where each has several slices and is one volume."""
    frames = [frame for plane in planes for frame in plane]
    if all(frame.pixels.frames == 1 and frame.tile is None for frame in frames):
        return
    first: dict[int, tuple[float, ...]] = {}
    for frame in frames:
        first[id(frame.instance)] = min(first.get(id(frame.instance), _LATE), _begins(frame))
    number = {one: (float(n),) for n, one in enumerate(sorted(first, key=lambda i: first[i]))}
    keys: list[list[tuple[Key, ...]]]
    keys = [[(number[id(frame.instance)],) for frame in plane] for plane in planes]
    if len(number) > 1 and all(len(set(plane)) == len(plane) for plane in keys):
        yield _Candidate((OBJECT,), keys)


_LATE = (float("inf"),)


def _begins(frame: Frame) -> tuple[float, ...]:
    """Return when an object's frame was taken, or else its object's number."""
    one = frame.acquisition
    times = (one.frame_moment, one.acquisition_time, one.content_time)
    number = float("inf") if one.instance_number is None else float(one.instance_number)
    return (next((time for time in times if time is not None), float("inf")), number)


def _column(planes: Planes, part: Part) -> Column | None:
    """Return what an attribute says of each frame, None where it says nothing of one of them."""
    column: Column = []
    for plane in planes:
        keys = [part.read(frame.acquisition) for frame in plane]
        stated = [key for key in keys if key is not None]
        if len(stated) < len(keys):
            return None
        column.append(stated)
    return column


def _separating(group: Sequence[tuple[Part, Column]]) -> Iterator[_Candidate]:
    """Yield attributes as a candidate where they differ between all frames of each plane."""
    parts = tuple(part for part, _ in group)
    columns = (column for _, column in group)
    keys = [list(zip(*plane, strict=True)) for plane in zip(*columns, strict=True)]
    if all(len(set(plane)) == len(plane) for plane in keys):
        yield _Candidate(parts, keys)


def _fold_equal(planes: Planes, candidate: _Candidate) -> list[Folded] | None:
    """Fold planes of one size by what has the same values in all of them."""
    same = len(set(map(frozenset, candidate.keys))) == 1
    return _fold_by_value(planes, candidate) if same else None


def _fold_exactly(planes: Planes, candidate: _Candidate) -> list[Folded] | None:
    """Fold by what has no more values than the fullest plane has frames."""
    exact = len(set().union(*candidate.keys)) == max(map(len, planes))
    return _fold_by_value(planes, candidate) if exact else None


def _fold_with_holes(planes: Planes, candidate: _Candidate) -> list[Folded] | None:
    """Fold by what names volumes though each lacks slices: most values are in most planes.

    A number that differs from image to image names none.
    """
    seen = Counter(key for keys in candidate.keys for key in keys)
    named = _are_most(seen.values(), len(planes) / 2)
    return _fold_by_value(planes, candidate) if named else None


def _are_most(sizes: Collection[int], least: float) -> bool:
    """Say whether more than half of the sizes are greater than the least."""
    return 2 * sum(size > least for size in sizes) > len(sizes)


def _fold_in_turn(planes: Planes, candidate: _Candidate) -> list[Folded] | None:
    """Fold by times where volumes were taken one after the other, each in the same slice order.

    A volume begins where the order goes back. Most lack less than a quarter of the slices, or
    the time is no sign of volumes: other scans take all times of one slice before the next
    slice's.
    """
    if not _is_time(candidate):
        return None
    timed = [
        (key[0][0], place, frame)
        for place, (plane, keys) in enumerate(zip(planes, candidate.keys, strict=True))
        for frame, key in zip(plane, keys, strict=True)
    ]
    timed.sort(key=itemgetter(0, 1))
    volume_of = volumes_in_turn(
        [place for _, place, _ in timed],
        [time for time, _, _ in timed],
        [frame.acquisition.instance_number for _, _, frame in timed],
    )
    if volume_of is None:
        return None
    runs: list[dict[int, Frame]] = [{} for _ in range(max(volume_of) + 1)]
    starts: list[float] = []
    for volume, (time, place, frame) in zip(volume_of, timed, strict=True):
        if not runs[volume]:
            starts.append(time)
        runs[volume][place] = frame
    if not _are_most(list(map(len, runs)), 0.75 * len(planes) - 0.5):
        return None
    since = starts[0] if candidate.parts[0].is_time_of_day else 0.0
    volumes: Volumes = [
        (((round(start - since, 6),),), tuple(run[place] for place in sorted(run)))
        for start, run in zip(starts, runs, strict=True)
    ]
    return _complete_and_rest(volumes, len(planes), candidate.parts)


def _is_time(candidate: _Candidate) -> bool:
    return len(candidate.parts) == 1 and candidate.parts[0].is_time


def _fold_by_value(planes: Planes, candidate: _Candidate) -> list[Folded]:
    """Fold by the values of attributes, in their order; directions as they were acquired."""
    volumes: dict[tuple[Key, ...], list[Frame]] = {}
    for plane, keys in zip(planes, candidate.keys, strict=True):
        for frame, key in zip(plane, keys, strict=True):
            volumes.setdefault(key, []).append(frame)
    in_turn = len(candidate.parts) == 1 and any(len(key) > 1 for (key, *_) in volumes)
    order = sorted(volumes, key=lambda key: min(map(rank, volumes[key]))) if in_turn else None
    ordered = [(key, tuple(volumes[key])) for key in order or sorted(volumes)]
    if candidate.parts[0].is_time_of_day:
        first = ordered[0][0][0][0]
        ordered = [(((round(key[0][0] - first, 6),),), members) for key, members in ordered]
    return _complete_and_rest(ordered, len(planes), candidate.parts)


def _fold_by_time(planes: Planes, candidate: _Candidate) -> list[Folded] | None:
    """Fold planes of one size by the order of times in each; the axis counts from the first."""
    if not _is_time(candidate) or len(set(map(len, planes))) > 1:
        return None
    part = candidate.parts[0]
    rows = []
    for plane, keys in zip(planes, candidate.keys, strict=True):
        timed = zip((key[0][0] for key in keys), plane, strict=True)
        rows.append(sorted(timed, key=itemgetter(0)))
    volumes, starts = [], []
    for volume in zip(*rows, strict=True):
        volumes.append(tuple(frame for _, frame in volume))
        starts.append(min(time for time, _ in volume))
    values = tuple(round(start - starts[0], 6) for start in starts)
    axis = LeadingAxis(part.axis, part.unit, values, beside(volumes, part))
    return [Folded(tuple(volumes), (axis,))]


def _fold_by_rank(planes: Planes) -> list[Folded]:
    """Fold by InstanceNumber where nothing else tells the frames of a plane apart.

    They are volumes in time where they say that there are as many (NumberOfTemporalPositions).
    Where planes hold different numbers, a rank may mix volumes: each is kept apart.
    """
    ordered = [sorted(plane, key=rank) for plane in planes]
    counts = [len(plane) for plane in ordered]
    ranks = tuple(
        tuple(plane[k] for plane in ordered if k < len(plane)) for k in range(max(counts))
    )
    if min(counts) == max(counts):
        values = tuple(float(k) for k in range(len(ranks)))
        stated = {frame.acquisition.temporal_positions for plane in planes for frame in plane}
        name = "t" if stated == {len(ranks)} else REPEAT
        return [Folded(ranks, (LeadingAxis(name, "", values, beside(ranks)),))]
    place = "positions in the order of InstanceNumber: which volume lacks slices cannot be told"
    return [Folded((one,), (), f"{len(one)} of {len(planes)} {place}") for one in ranks]


def rank(frame: Frame) -> tuple[float, str, int]:
    """Return by what frames are ordered that nothing else tells apart."""
    number = frame.acquisition.instance_number
    return (float("inf") if number is None else number, frame.sop_instance_uid, frame.number)


def _complete_and_rest(volumes: Volumes, planes: int, parts: Parts) -> list[Folded]:
    complete = [(key, members) for key, members in volumes if len(members) == planes]
    folded = []
    if complete:
        whole = tuple(members for _, members in complete)
        axes = product_axes([key for key, _ in complete], parts, whole)
        folded.append(Folded(whole, axes if len(complete) > 1 else ()))
    for key, members in volumes:
        if len(members) < planes:
            where = ", ".join(part.describe(one) for part, one in zip(parts, key, strict=True))
            why = f"{len(members)} of {planes} positions at {where}"
            folded.append(Folded((members,), (), why))
    return folded


def fold_without_plane(frames: Sequence[Frame]) -> list[Folded]:
    """Fold frames that state no plane in the patient: each is an image of its own in a row.

    The frames of one object go along its own axes (detector, time…), single images along one of
    their numbers.
    """
    ordered = sorted(frames, key=rank)
    volumes = tuple((frame,) for frame in ordered)
    if len(ordered) == 1:
        return [Folded(volumes, ())]
    if ordered[0].pixels.frames == 1:
        values = tuple(float(k) for k in range(len(ordered)))
        return [Folded(volumes, (LeadingAxis("instance", "", values),))]
    return [Folded(volumes, flat_axes(ordered))]
