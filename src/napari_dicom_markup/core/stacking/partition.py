"""Split a series into groups of frames that can stand in one stack."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from napari_dicom_markup.model.stack import Frame

K = TypeVar("K", bound="Hashable")
V = TypeVar("V")

ORIENTATION_TOLERANCE = 1e-3
"""Direction cosines that differ by less are one orientation (0.06°).

Makers write cosines with 6 digits or so; planes that are meant to differ do so by more.
"""

SPACING_TOLERANCE = 1e-3
"""Pixel spacings that differ by a smaller share are one spacing."""

LENGTHS_MM = (1e-6, 1e6)
"""The least and greatest length that is taken as stated: a nanometre and a kilometre.

Every image of a patient, a cell or a film lies well within. What lies outside was written by
mistake; as a number it makes affines that no reader can invert, and sizes that no file can hold.
A position may lie ten times the greatest length from the origin.
"""


def group_by(items: Iterable[V], key: Callable[[V], K]) -> dict[K, list[V]]:
    """Group items by key, in the order of first appearance."""
    groups: dict[K, list[V]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def is_length(value: float) -> bool:
    """Say whether a number of millimetres can be a length: not 0, infinite, NaN or absurd."""
    return LENGTHS_MM[0] <= value <= LENGTHS_MM[1]


def _is_place(position: Sequence[float]) -> bool:
    return all(abs(value) <= 10 * LENGTHS_MM[1] for value in position)


def has_patient_plane(frame: Frame) -> bool:
    """Say whether the frame states a usable plane in the patient, with its spacing."""
    grid = frame.grid
    if frame.position is None or grid.orientation is None or grid.pixel_spacing is None:
        return False
    if grid.pixel_spacing_keyword != "PixelSpacing" or not all(map(is_length, grid.pixel_spacing)):
        return False
    if not _is_place(frame.position) or not all(map(math.isfinite, grid.orientation)):
        return False
    a, b, c, d, e, f = grid.orientation  # floats: numpy would take ten times as long
    return (
        abs(math.hypot(a, b, c) - 1) < 0.01
        and abs(math.hypot(d, e, f) - 1) < 0.01
        and abs(a * d + b * e + c * f) < 0.01
    )


def partition(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Split frames, given in a fixed order, into groups that are comparable.

    Comparable means: same matrix, samples, kind of photometric interpretation, bits allocated,
    sign, Frame of Reference, image flavour (values 3 to 5 of ImageType), complex component, stack
    ID, orientation and pixel spacing. The transfer syntax does not matter. A multi-frame object
    without a place in the patient (a cine loop, say) is comparable with itself only.
    """
    alike = group_by(frames, _exact_key).values()
    return [group for one in alike for group in _near(one)]


def _exact_key(frame: Frame) -> tuple[object, ...]:
    pixels, placed = frame.pixels, has_patient_plane(frame)
    grey = pixels.photometric if pixels.samples == 1 else "colour"
    return (
        placed,
        "" if placed or pixels.frames == 1 else frame.sop_instance_uid,
        pixels.rows,
        pixels.columns,
        pixels.samples,
        grey,
        pixels.bits_allocated,
        pixels.signed,
        frame.grid.frame_of_reference_uid,
        frame.acquisition.image_type[2:5],
        frame.acquisition.component,
        frame.acquisition.stack_id,
        frame.grid.pixel_spacing_keyword,
    )


def _plane_vector(frame: Frame) -> tuple[float, ...]:
    """Return the orientation and spacing, scaled so that 1 is the tolerance."""
    spacing = frame.grid.pixel_spacing or (1.0, 1.0)
    usable = (value if is_length(value) else 1e-9 for value in spacing)
    scaled = tuple(math.log(value) / SPACING_TOLERANCE for value in usable)
    if not has_patient_plane(frame) or frame.grid.orientation is None:
        return scaled
    return (*scaled, *(value / ORIENTATION_TOLERANCE for value in frame.grid.orientation))


def _near(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Cluster frames around leaders, taken in sorted order so that file order is no matter."""
    one_a_grid = {id(frame.grid): frame for frame in frames}
    vectors = {grid: _plane_vector(frame) for grid, frame in one_a_grid.items()}
    values = sorted(set(vectors.values()))
    leaders = np.empty((len(values), len(values[0])))
    count = 0
    member: dict[tuple[float, ...], int] = {}
    for value in values:  # in numpy, for thousands of planes may each have their own orientation
        near = np.flatnonzero(np.abs(leaders[:count] - value).max(axis=1) <= 1.0)
        member[value] = int(near[0]) if near.size else count
        if not near.size:
            leaders[count] = value
            count += 1
    return list(group_by(frames, lambda i: member[vectors[id(i.grid)]]).values())
