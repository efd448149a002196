"""Volumes whose slices lie a little beside each other's: a patient moved, or numbers were rounded.

Positions alone would make one volume of all of them, with slices between slices. What names
volumes tells that they are several.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_dicom_markup.core.stacking.axes import NAMED, TIMES_OF_DAY
from napari_dicom_markup.core.stacking.ordering import order_by_position, unit_normal
from napari_dicom_markup.core.stacking.partition import group_by
from napari_dicom_markup.core.stacking.stepping import STEP_TOLERANCE, take_steps

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_dicom_markup.core.stacking.axes import Key, Part
    from napari_dicom_markup.model.geometry import FloatArray
    from napari_dicom_markup.model.stack import Frame

    Planes = list[list[Frame]]

_NEAR = 0.25
"""Slices of two volumes that lie apart by a smaller share of the step are at one position."""

_LEAST_SLICES = 3
"""Volumes of fewer slices are not told to move: two of two may be a volume of four."""


class _Volume(NamedTuple):
    """Frames in descending order along the normal, and where each lies in mm."""

    frames: list[Frame]
    along: FloatArray


def separate_volumes(planes: Planes) -> list[Planes]:
    """Return planes whose volumes are those that attributes name, though their positions differ.

    Where the positions of volumes differ by less than a quarter of the step, a plane holds one
    frame of each. Where they differ by more, each volume is returned by itself. Interleaved
    packages, whose slices fill each other's gaps evenly, stay as they are.
    """
    for part in (*NAMED, *TIMES_OF_DAY):
        volumes = _volumes(planes, part)
        if volumes is None or _fill_evenly(planes, volumes):
            continue
        aligned = _aligned(volumes)
        if aligned is not None:
            return [aligned]
        if _are_alike(volumes):
            return [order_by_position(volume.frames) for volume in volumes]
    return [planes]


def _volumes(planes: Planes, part: Part) -> list[_Volume] | None:
    """Return the volumes that an attribute names, where positions alone tell of more slices."""
    sets: dict[Key | None, list[Frame]]
    sets = group_by((f for plane in planes for f in plane), lambda f: part.read(f.acquisition))
    sizes = sorted(map(len, sets.values()))
    largest = sizes[-1]
    if None in sets or len(sets) < 2 or not _LEAST_SLICES <= largest < len(planes):
        return None
    if 2 * sizes[len(sizes) // 2] <= largest:
        return None
    normal = unit_normal(planes[0][0])
    volumes = [_sorted(sets[key], normal) for key in sorted(key for key in sets if key is not None)]
    overlap = all(_overlap(volume, volumes[0]) for volume in volumes)
    distinct = all((-np.diff(volume.along) > 0).all() for volume in volumes)
    return volumes if overlap and distinct else None


def _sorted(frames: Iterable[Frame], normal: FloatArray) -> _Volume:
    placed = [(float(np.dot(frame.position or (0, 0, 0), normal)), frame) for frame in frames]
    placed.sort(key=lambda one: -one[0])
    return _Volume([frame for _, frame in placed], np.array([along for along, _ in placed]))


def _overlap(a: _Volume, b: _Volume) -> bool:
    """Say whether volumes share more than half of the shorter one's extent."""
    shared = min(a.along[0], b.along[0]) - max(a.along[-1], b.along[-1])
    extent = min(a.along[0] - a.along[-1], b.along[0] - b.along[-1])
    return bool(2 * shared > extent)


def _step(volume: _Volume) -> float:
    return float(np.median(-np.diff(volume.along))) if len(volume.frames) > 1 else 0.0


def _fill_evenly(planes: Planes, volumes: Sequence[_Volume]) -> bool:
    """Say whether the slices of all together are evenly spaced, as those of packages are."""
    normal = unit_normal(planes[0][0])
    positions = np.array([plane[0].position for plane in planes], dtype=np.float64)
    steps = take_steps(positions, normal)
    whole = max(map(_step, volumes)) / len(volumes)
    return steps.is_even and steps.step > (1 - 10 * STEP_TOLERANCE) * whole


def _aligned(volumes: Sequence[_Volume]) -> Planes | None:
    """Return a plane for each slice of the fullest volume, with the nearest of each other one."""
    fullest = max(volumes, key=lambda volume: len(volume.frames))
    limit = _NEAR * _step(fullest)
    planes: Planes = [[] for _ in fullest.frames]
    for volume in volumes:
        apart = np.abs(volume.along[:, None] - fullest.along[None])
        nearest = apart.argmin(axis=1)
        if len(set(nearest.tolist())) < len(nearest) or apart.min(axis=1).max() > limit:
            return None
        for frame, place in zip(volume.frames, nearest.tolist(), strict=True):
            planes[place].append(frame)
    return planes


def _are_alike(volumes: Sequence[_Volume]) -> bool:
    """Say whether volumes have equally many slices, each evenly spaced, by the same step."""
    if len({len(volume.frames) for volume in volumes}) > 1:
        return False
    gaps = np.array([-np.diff(volume.along) for volume in volumes])
    middle = float(np.median(gaps))
    return bool((np.abs(gaps - middle) <= STEP_TOLERANCE * middle + 1e-9).all())
