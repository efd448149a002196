"""Order a group of comparable instances by position, and fold what repeats into volumes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_dicom_markup.core.stacking.partition import group_by, is_length
from napari_dicom_markup.model.stack import LeadingAxis

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_dicom_markup.model.geometry import FloatArray, Vector
    from napari_dicom_markup.model.stack import Acquisition, Instance

POSITION_TOLERANCE_MM = 0.01
"""Positions along the normal that differ by less are one position.

Where slices lie closer than 1 mm the tolerance is 1 % of their nominal distance.
"""

_ORIGIN = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Folded:
    """Instances as (volume, slice), with the axis that tells the volumes apart.

    ``incomplete`` says, for a single volume that was kept apart, why.
    """

    volumes: tuple[tuple[Instance, ...], ...]
    leading: LeadingAxis | None
    incomplete: str = ""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An attribute that may tell apart what lies at one position.

    A time of day is the patient's: its axis counts from the first volume.
    """

    axis: str
    unit: str
    read: Callable[[Acquisition], float | None]
    is_time: bool = False
    is_time_of_day: bool = False


_CANDIDATES = (
    _Candidate("t", "", lambda a: a.temporal_position),
    _Candidate("echo", "ms", lambda a: a.echo_time),
    _Candidate("b", "s/mm²", lambda a: a.b_value),
    _Candidate("trigger", "ms", lambda a: a.trigger_time, is_time=True),
    _Candidate("acquisition", "", lambda a: a.number),
    _Candidate("t", "s", lambda a: a.acquisition_time, is_time=True, is_time_of_day=True),
    _Candidate("t", "s", lambda a: a.content_time, is_time=True, is_time_of_day=True),
)


def unit_normal(instance: Instance) -> FloatArray:
    """Return row × column of an instance that has a patient plane."""
    orientation = np.array(instance.grid.orientation, dtype=np.float64)
    normal = np.cross(orientation[:3], orientation[3:])
    unit: FloatArray = normal / np.linalg.norm(normal)
    return unit


def order_by_position(instances: Sequence[Instance]) -> list[list[Instance]]:
    """Group instances that lie in one plane; planes in descending order along the normal."""
    normal = unit_normal(instances[0]).tolist()
    along = {id(i): _dot(normal, i.position or _ORIGIN) for i in instances}
    tolerance = _position_tolerance(instances[0])
    planes: list[list[Instance]] = []
    last = np.inf
    for instance in sorted(instances, key=lambda i: -along[id(i)]):
        if last - along[id(instance)] > tolerance:
            planes.append([])
        planes[-1].append(instance)
        last = along[id(instance)]
    return planes


def _dot(a: Sequence[float], b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _position_tolerance(instance: Instance) -> float:
    grid = instance.grid
    stated = (grid.spacing_between_slices, grid.slice_thickness, 1.0)
    nominal = next(abs(value) for value in stated if value and is_length(abs(value)))
    return POSITION_TOLERANCE_MM * min(max(nominal, 0.01), 1.0)


def fold(planes: Sequence[Sequence[Instance]]) -> list[Folded]:
    """Fold planes that hold one instance or several into volumes of one instance a plane.

    Where every plane holds the same number, the volumes form one stack with a leading axis.
    Else the complete volumes do, and each incomplete one is kept apart with its reason. Where
    nothing tells which volume lacks slices, all are kept apart.
    """
    counts = {len(plane) for plane in planes}
    if counts == {1}:
        return [Folded((tuple(plane[0] for plane in planes),), None)]
    ways = (_fold_equal,) if len(counts) == 1 else (_fold_exactly, _fold_unequal)
    for way in ways:
        for candidate in _CANDIDATES:
            folded = way(planes, candidate) if _separates(planes, candidate) else None
            if folded is not None:
                return folded
    return _fold_by_rank(planes)


def _separates(planes: Sequence[Sequence[Instance]], candidate: _Candidate) -> bool:
    """Say whether an attribute differs between all instances of each plane."""
    values = ([candidate.read(i.acquisition) for i in plane] for plane in planes)
    return all(None not in plane and len(set(plane)) == len(plane) for plane in values)


def _fold_equal(planes: Sequence[Sequence[Instance]], candidate: _Candidate) -> list[Folded] | None:
    """Fold planes of one size by an attribute's values, or by the order of times that differ."""
    sets = {frozenset(candidate.read(i.acquisition) for i in plane) for plane in planes}
    if len(sets) == 1:
        return _fold_by_value(planes, candidate)
    return _fold_by_time(planes, candidate) if candidate.is_time else None


def _fold_exactly(
    planes: Sequence[Sequence[Instance]], candidate: _Candidate
) -> list[Folded] | None:
    """Fold by an attribute that has no more values than the fullest plane has instances."""
    values = {candidate.read(i.acquisition) for plane in planes for i in plane}
    exact = len(values) == max(map(len, planes))
    return _fold_by_value(planes, candidate) if exact else None


def _fold_unequal(
    planes: Sequence[Sequence[Instance]], candidate: _Candidate
) -> list[Folded] | None:
    """Fold by an attribute that names volumes, though no plane has all; times name none."""
    return None if candidate.is_time else _fold_by_value(planes, candidate)


def _fold_by_value(planes: Sequence[Sequence[Instance]], candidate: _Candidate) -> list[Folded]:
    volumes = group_by(
        (i for plane in planes for i in plane), lambda i: candidate.read(i.acquisition) or 0.0
    )
    ordered = [(value, tuple(volumes[value])) for value in sorted(volumes)]
    if candidate.is_time_of_day:
        ordered = [(round(value - ordered[0][0], 6), members) for value, members in ordered]
    axis = LeadingAxis(candidate.axis, candidate.unit, ())
    return _complete_and_rest(ordered, len(planes), axis)


def _fold_by_time(planes: Sequence[Sequence[Instance]], candidate: _Candidate) -> list[Folded]:
    """Fold by the order of times within each plane; the axis counts from the first volume."""

    def when(instance: Instance) -> float:
        return candidate.read(instance.acquisition) or 0.0

    ordered = [sorted(plane, key=when) for plane in planes]
    volumes = tuple(zip(*ordered, strict=True))
    starts = [min(map(when, volume)) for volume in volumes]
    values = tuple(round(start - starts[0], 6) for start in starts)
    return [Folded(volumes, LeadingAxis(candidate.axis, candidate.unit, values))]


def _fold_by_rank(planes: Sequence[Sequence[Instance]]) -> list[Folded]:
    """Fold by InstanceNumber where nothing else tells the instances of a plane apart.

    Where planes hold different numbers, a rank may mix volumes: each is kept apart.
    """
    ordered = [sorted(plane, key=_rank) for plane in planes]
    counts = [len(plane) for plane in ordered]
    ranks = [tuple(plane[k] for plane in ordered if k < len(plane)) for k in range(max(counts))]
    if min(counts) == max(counts):
        values = tuple(float(k) for k in range(len(ranks)))
        return [Folded(tuple(ranks), LeadingAxis("repeat", "", values))]
    place = "positions in the order of InstanceNumber: which volume lacks slices cannot be told"
    return [Folded((rank,), None, f"{len(rank)} of {len(planes)} {place}") for rank in ranks]


def _rank(instance: Instance) -> tuple[float, str]:
    number = instance.acquisition.instance_number
    return (float("inf") if number is None else number, instance.sop_instance_uid)


def _complete_and_rest(
    volumes: list[tuple[float, tuple[Instance, ...]]], planes: int, axis: LeadingAxis
) -> list[Folded]:
    complete = [(value, members) for value, members in volumes if len(members) == planes]
    folded = []
    if complete:
        leading = LeadingAxis(axis.name, axis.unit, tuple(value for value, _ in complete))
        whole = tuple(members for _, members in complete)
        folded.append(Folded(whole, leading if len(complete) > 1 else None))
    for value, members in volumes:
        if len(members) < planes:
            unit = f" {axis.unit}" if axis.unit else ""
            why = f"{len(members)} of {planes} positions at {axis.name} = {value:g}{unit}"
            folded.append(Folded((members,), None, why))
    return folded


def fold_without_plane(instances: Sequence[Instance]) -> list[Folded]:
    """Fold images that state no plane in the patient: each is an image of its own in a row."""
    ordered = tuple((i,) for i in sorted(instances, key=_rank))
    if len(ordered) == 1:
        return [Folded(ordered, None)]
    values = tuple(float(k) for k in range(len(ordered)))
    return [Folded(ordered, LeadingAxis("instance", "", values))]
