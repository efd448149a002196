"""Frames of nuclear medicine: the indexing vectors (PS3.3 C.8.4.8) and what they stand for."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from napari_dicom_markup.model.stack import Counter, Frame, PlaneGrid
from napari_dicom_markup.sources.dicom.multiframe.cine import cine_times, pointed
from napari_dicom_markup.sources.dicom.multiframe.header import EMPTY, Item
from napari_dicom_markup.sources.dicom.multiframe.placing import along_normal
from napari_dicom_markup.sources.dicom.multiframe.values import (
    decimals,
    short,
    shorts,
    text,
    vector,
)
from napari_dicom_markup.sources.dicom.raw_values import as_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_dicom_markup.model.geometry import Vector
    from napari_dicom_markup.model.stack import Instance, PixelFormat

Vectors: TypeAlias = "dict[str, tuple[int, ...]]"
Column: TypeAlias = "tuple[str, str, Sequence[float]]"

_NAMES = {
    "EnergyWindowVector": "energy window",
    "DetectorVector": "detector",
    "PhaseVector": "phase",
    "RotationVector": "rotation",
    "RRIntervalVector": "rr interval",
    "TimeSlotVector": "time slot",
    "SliceVector": "slice",
    "AngularViewVector": "angular view",
    "TimeSliceVector": "time slice",
}
"""The indexing vectors of NM, and what their axes are called."""

_RECONSTRUCTED = frozenset({"RECON TOMO", "RECON GATED TOMO"})
"""ImageType, value 3 (PS3.3 C.8.4.9.1.1), of frames that are slices of a volume."""


def nuclear_frames(instance: Instance, pixels: PixelFormat, header: Item) -> tuple[Frame, ...]:
    """Return frames counted by the vectors that FrameIncrementPointer names, in its order.

    Values are indices from 1, but degrees for angular views, ms for time slots and seconds for
    time slices where the object states these. A vector without an entry a frame is left out,
    and so is one that is the same all over. Slices of a reconstruction have positions.
    """
    count = pixels.frames
    vectors = _vectors(header, count)
    slabs = _slabs(instance, header, vectors, count)
    places = _places(header, slabs, vectors, count)
    if any(place is not None for place in places):
        vectors.pop("SliceVector", None)
    elapsed = _slice_times(header, vectors)
    columns = list(_columns(header, vectors, elapsed))
    times = elapsed or cine_times(header, count)
    return tuple(
        Frame(
            instance,
            n,
            place,
            slab.grid,
            replace(
                instance.acquisition,
                frame_time=times[n],
                counters=tuple(Counter(name, unit, values[n]) for name, unit, values in columns),
            ),
            instance.values,
            pixels,
        )
        for n, (place, slab) in enumerate(zip(places, slabs, strict=True))
    )


def _vectors(header: Item, count: int) -> Vectors:
    """Return the vectors with an entry a frame, in the order of FrameIncrementPointer."""
    found = {
        keyword: shorts(header.values.get(keyword))
        for keyword in pointed(header) or _NAMES
        if keyword in _NAMES
    }
    return {k: vector for k, vector in found.items() if len(vector) == count and min(vector) > 0}


def _item_of_each(
    items: tuple[Item, ...], vector: tuple[int, ...] | None, count: int
) -> list[Item]:
    """Return the item that describes each frame: the vector's, the first without a vector."""
    numbers = vector or (1,) * count
    return [items[number - 1] if number <= len(items) else EMPTY for number in numbers]


@dataclass(frozen=True, slots=True)
class _Slab:
    """Where the first slice of a reconstruction lies, and the grid of all."""

    origin: Vector | None
    grid: PlaneGrid


def _slabs(instance: Instance, header: Item, vectors: Vectors, count: int) -> list[_Slab]:
    """Return each frame's slab; frames that are no slices have the top level's grid alone."""
    plain = _Slab(None, instance.grid)
    if not _RECONSTRUCTED.intersection(instance.acquisition.image_type[2:3]):
        return [plain] * count
    detectors = header.sequences.get("DetectorInformationSequence", ())
    known = [_slab(instance, detector) for detector in detectors or (EMPTY,)]
    numbers = vectors.get("DetectorVector") or (1,) * count
    return [known[number - 1] if number <= len(known) else plain for number in numbers]


def _slab(instance: Instance, detector: Item) -> _Slab:
    origin = vector(decimals(detector.values.get("ImagePositionPatient")))
    orientation = decimals(detector.values.get("ImageOrientationPatient"))
    step = instance.grid.spacing_between_slices
    grid = replace(
        instance.grid,
        orientation=orientation if len(orientation) == 6 else instance.grid.orientation,
        spacing_between_slices=None if step is None else abs(step),
    )
    return _Slab(origin or instance.position, grid)


def _places(
    header: Item, slabs: Sequence[_Slab], vectors: Vectors, count: int
) -> list[Vector | None]:
    """Return each slice's position: behind the first along row × column (PS3.3 C.8.4.15).

    A negative SpacingBetweenSlices stacks them in front of it. Without one, and without a
    SliceVector, only a single slice has a place.
    """
    step = as_number(header.values.get("SpacingBetweenSlices"))
    numbers = vectors.get("SliceVector", (1,) if count == 1 else ())
    if not numbers or (not step and len(set(numbers)) > 1):
        return [None] * count
    return [
        along_normal(slab.origin, slab.grid.orientation, (number - 1) * (step or 0.0))
        for slab, number in zip(slabs, numbers, strict=True)
    ]


def _columns(header: Item, vectors: Vectors, elapsed: Sequence[float] | None) -> Iterator[Column]:
    """Yield name, unit and values of what differs from frame to frame."""
    for keyword, numbers in vectors.items():
        if len(set(numbers)) == 1 or (keyword == "PhaseVector" and elapsed):
            continue
        unit, values = "", tuple(map(float, numbers))
        if keyword == "TimeSliceVector" and elapsed:
            unit, values = "s", tuple(elapsed)
        elif keyword == "AngularViewVector":
            unit, values = _angles(header, vectors) or (unit, values)
        elif keyword == "TimeSlotVector":
            unit, values = _slot_times(header, numbers) or (unit, values)
        yield _NAMES[keyword], unit, values


def _slice_times(header: Item, vectors: Vectors) -> tuple[float, ...] | None:
    """Return when each frame of a dynamic study begins, in s (PS3.3 C.8.4.14), where stated."""
    slices = vectors.get("TimeSliceVector")
    starts: list[float] = []
    steps: list[float] = []
    end = 0.0
    for phase in header.sequences.get("PhaseInformationSequence", ()):
        duration = as_number(phase.values.get("ActualFrameDuration"))
        frames = short(phase.values.get("NumberOfFramesInPhase"))
        if not duration or duration < 0 or not frames:
            return None
        pause = max(as_number(phase.values.get("PauseBetweenFrames")) or 0.0, 0.0)
        delay = max(as_number(phase.values.get("PhaseDelay")) or 0.0, 0.0)
        starts.append(end + delay if starts else 0.0)
        steps.append(duration + pause)
        end = starts[-1] + frames * steps[-1] - pause
    if slices is None:
        return None
    phases = vectors.get("PhaseVector") or (1,) * len(slices)
    if max(phases) > len(starts):
        return None
    times = tuple(
        (starts[phase - 1] + (number - 1) * steps[phase - 1]) / 1000
        for phase, number in zip(phases, slices, strict=True)
    )
    return times if all(map(math.isfinite, times)) else None


def _angles(header: Item, vectors: Vectors) -> tuple[str, tuple[float, ...]] | None:
    """Return each view's angle in degrees (PS3.3 C.8.4.12), where it goes with its number.

    It increases counter-clockwise. Several detectors or rotations see from other angles under
    the same numbers: there these say more.
    """
    views = vectors["AngularViewVector"]
    rotations = _item_of_each(
        header.sequences.get("RotationInformationSequence", ()),
        vectors.get("RotationVector"),
        len(views),
    )
    several = any(len(set(vectors.get(k, ()))) > 1 for k in ("DetectorVector", "RotationVector"))
    values = rotations[0].values
    start, step = as_number(values.get("StartAngle")), as_number(values.get("AngularStep"))
    sign = {"CC": 1.0, "CW": -1.0}.get(text(values.get("RotationDirection")))
    if several or start is None or not step or sign is None:
        return None
    angles = tuple(round(start + sign * (view - 1) * step, 6) for view in views)
    return ("deg", angles) if all(map(math.isfinite, angles)) else None


def _slot_times(header: Item, numbers: tuple[int, ...]) -> tuple[str, tuple[float, ...]] | None:
    """Return when each time slot begins after the R wave in ms (PS3.3 C.8.4.13), where stated."""
    intervals = header.only("GatedInformationSequence").sequences.get("DataInformationSequence", ())
    steps = {as_number(one.values.get("FrameTime")) for one in intervals}
    step = steps.pop() if len(steps) == 1 else None
    if step is None or step <= 0:
        return None
    times = tuple((number - 1) * step for number in numbers)
    return ("ms", times) if all(map(math.isfinite, times)) else None
