"""Order a group of comparable instances by position, and fold what repeats into volumes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_dicom_markup.core.stacking.partition import group_by
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
    """An attribute that may tell apart what lies at one position."""

    axis: str
    unit: str
    read: Callable[[Acquisition], float | None]
    is_time: bool = False


_CANDIDATES = (
    _Candidate("t", "", lambda a: a.temporal_position),
    _Candidate("echo", "ms", lambda a: a.echo_time),
    _Candidate("b", "s/mm²", lambda a: a.b_value),
    _Candidate("trigger", "ms", lambda a: a.trigger_time, is_time=True),
    _Candidate("acquisition", "", lambda a: a.number),
    _Candidate("t", "s", lambda a: a.acquisition_time, is_time=True),
    _Candidate("t", "s", lambda a: a.content_time, is_time=True),
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
    nominal = next(value for value in stated if value and np.isfinite(value))
    return POSITION_TOLERANCE_MM * min(max(abs(nominal), 0.01), 1.0)


def fold(planes: Sequence[Sequence[Instance]]) -> list[Folded]:
    """Fold planes that hold one instance or several into volumes of one instance a plane.

    Where every plane holds the same number, the volumes form one stack with a leading axis.
    Else the complete volumes do, and each incomplete one is kept apart with its reason.
    """
    counts = {len(plane) for plane in planes}
    if counts == {1}:
        return [Folded((tuple(plane[0] for plane in planes),), None)]
    for candidate in _CANDIDATES:
        folded = _fold_by(planes, candidate, equal=len(counts) == 1)
        if folded is not None:
            return folded
    return _fold_by_rank(planes)


def _fold_by(
    planes: Sequence[Sequence[Instance]], candidate: _Candidate, *, equal: bool
) -> list[Folded] | None:
    """Fold by an attribute that differs between all instances of each plane, or return None."""
    values = [[candidate.read(i.acquisition) for i in plane] for plane in planes]
    if any(None in plane or len(set(plane)) != len(plane) for plane in values):
        return None
    common = {frozenset(plane) for plane in values}
    if len(common) > 1 and candidate.is_time:
        return _fold_by_time(planes, candidate) if equal else None
    if len(common) > 1 and equal:
        return None
    volumes = group_by(
        (i for plane in planes for i in plane), lambda i: candidate.read(i.acquisition)
    )
    ordered = sorted((value or 0.0, tuple(volumes[value])) for value in volumes)
    axis = LeadingAxis(candidate.axis, candidate.unit, ())
    return _complete_and_rest([(v, members) for v, members in ordered], len(planes), axis)


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
    """Fold by InstanceNumber where nothing else tells the instances of a plane apart."""
    ordered = [sorted(plane, key=_rank) for plane in planes]
    most = max(map(len, ordered))
    volumes = [
        (float(k), tuple(plane[k] for plane in ordered if k < len(plane))) for k in range(most)
    ]
    return _complete_and_rest(volumes, len(planes), LeadingAxis("repeat", "", ()))


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
