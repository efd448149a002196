"""Segmentations and structure sets as labels on the volumes that they refer to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from napari_dicom_markup.api.opening import scan_steps, volumes_of
from napari_dicom_markup.core import contouring, segmenting
from napari_dicom_markup.errors import MarkupError
from napari_dicom_markup.model.progress import Step
from napari_dicom_markup.sources.dicom.segmentation import read_segmentation
from napari_dicom_markup.sources.dicom.structure_set import read_structure_set
from napari_dicom_markup.standard.sop_classes import MARKUP, RT_STRUCTURE_SET, describe_sop_class

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_dicom_markup.model.contours import Polygons, StructureSet
    from napari_dicom_markup.model.markup import Labels
    from napari_dicom_markup.model.segmentation import Segmentation, SegmentFrame
    from napari_dicom_markup.model.stack import Instance, Scan, Volume


@dataclass(frozen=True, slots=True, eq=False)
class Markup:
    """What one segmentation or structure set marks on a volume.

    A file whose images make several stacks has one for each stack that something lies on.

    ``volume`` is None where the images that it refers to are not there, or nothing of it could
    be placed: ``notes`` say why. They hold no patient data and no file name. ``polygons`` are a
    structure set's contours, where they were asked for.
    """

    file: str = field(repr=False)
    kind: str
    volume: Volume | None
    labels: tuple[Labels, ...] = ()
    notes: tuple[str, ...] = ()
    polygons: tuple[Polygons, ...] = ()


def open_markup_steps(
    paths: Iterable[Path], *, contours: bool = False
) -> Generator[Step, None, tuple[Markup, ...]]:
    """Place what marks the images under ``paths`` on them."""
    found = yield from scan_steps(paths)
    return (yield from markup_steps(found, volumes_of(found), contours=contours))


def markup_steps(
    found: Scan, volumes: Sequence[Volume], *, contours: bool = False
) -> Generator[Step, None, tuple[Markup, ...]]:
    """Place every segmentation and structure set of a scan; ``contours``: polygons too."""
    instances = list(_marking(found))
    placed: list[Markup] = []
    for done, instance in enumerate(instances, start=1):
        placed += _place(instance, volumes, contours=contours)
        yield Step(done, len(instances), "placing labels")
    return tuple(_numbered(placed))


def _marking(found: Scan) -> Iterable[Instance]:
    for series in found.series:
        for left in series.leftovers:
            instance = left.instance
            if instance is not None and describe_sop_class(instance.sop_class_uid) in MARKUP:
                yield instance


def _place(instance: Instance, volumes: Sequence[Volume], *, contours: bool) -> list[Markup]:
    kind = describe_sop_class(instance.sop_class_uid) or ""
    empty = Markup(instance.file.relative, kind, None)
    try:
        if kind == RT_STRUCTURE_SET:
            structures = read_structure_set(instance)
            return list(_place_contours(structures, volumes, empty, contours=contours))
        return list(_place_segments(read_segmentation(instance), volumes, empty))
    except MarkupError as error:
        return [replace(empty, notes=(str(error).removeprefix(f"{instance.file.relative}: "),))]
    except OSError as error:
        return [replace(empty, notes=((error.strerror or type(error).__name__).lower(),))]


_ABSENT = "the images that it refers to are not here: open them together with it"

_BY_FRAME = "it names none of these images: it was placed on them by its Frame of Reference"

MOST_TRIED = 8
"""Volumes of a Frame of Reference that a segmentation is tried on, the likeliest first."""


def _step_and_name(volume: Volume) -> tuple[float, str, int]:
    """Return what orders volumes that are alike otherwise: thin slices first, then by name."""
    return volume.stack.geometry.spacing[0], volume.series.uid, volume.stack.index


def _place_segments(
    segmentation: Segmentation, volumes: Sequence[Volume], empty: Markup
) -> Iterator[Markup]:
    """Yield a segmentation's labels on each volume of the closest tie that takes new frames."""
    ties = [(segmenting.reference_of(segmentation, volume.stack), volume) for volume in volumes]
    bond = max((tie.bond for tie, _ in ties), default=segmenting.Bond.NONE)
    if bond is segmenting.Bond.NONE:
        yield replace(empty, notes=(_ABSENT,))
        return
    by_frame = bond is segmenting.Bond.FRAME_OF_REFERENCE
    tied = [(tie.images, volume) for tie, volume in ties if tie.bond is bond]
    trials = _tried(segmentation, tied, MOST_TRIED if by_frame else None)
    if by_frame:
        best = trials[0].volume.series.uid
        trials = [trial for trial in trials if trial.volume.series.uid == best]
    shares = _shared_frames(segmentation, trials)
    said = (_BY_FRAME,) if by_frame else ()
    for volume, part in shares:
        placed = segmenting.place(part, volume.stack)
        split = _split_note(len(part.frames), len(segmentation.frames), "frames", shares)
        notes = (*said, *split, *placed.notes)
        yield replace(empty, volume=volume, labels=placed.labels, notes=notes)


@dataclass(frozen=True, slots=True, eq=False)
class _Trial:
    """A segmentation tried on a volume: the frames that lie on it, and the voxels they fill."""

    volume: Volume
    images: int
    frames: frozenset[int] = frozenset()
    voxels: int = 0


def _tried(
    segmentation: Segmentation, tied: Sequence[tuple[int, Volume]], most: int | None
) -> list[_Trial]:
    """Return volumes that take frames, the best first; the first error where none does."""
    size = (segmentation.rows, segmentation.columns)
    ordered = sorted(
        tied, key=lambda one: (-one[0], one[1].stack.shape[-2:] != size, _step_and_name(one[1]))
    )[:most]
    if len(ordered) == 1:
        return [_Trial(ordered[0][1], ordered[0][0])]
    trials, errors = [], []
    for images, volume in ordered:
        try:
            trials.append(_try(segmentation, volume, images))
        except MarkupError as error:
            errors.append(error)
    if not trials:
        raise errors[0]
    return sorted(trials, key=lambda one: (one.images, len(one.frames), one.voxels), reverse=True)


def _try(segmentation: Segmentation, volume: Volume, images: int) -> _Trial:
    seen: set[int] = set()

    def read(number: int) -> NDArray[Any]:
        seen.add(number)
        return segmentation.read(number)

    placed = segmenting.place(replace(segmentation, read=read), volume.stack)
    voxels = sum(int(np.count_nonzero(labels.data)) for labels in placed.labels)
    return _Trial(volume, images, frozenset(seen), voxels)


def _shared_frames(
    segmentation: Segmentation, trials: Sequence[_Trial]
) -> list[tuple[Volume, Segmentation]]:
    """Share frames out: to each volume those that none before it takes, the rest to the first."""
    if len(trials) == 1:
        return [(trials[0].volume, segmentation)]
    taken: set[int] = set()
    new = []
    for trial in trials:
        if trial.frames - taken:
            new.append((trial.volume, trial.frames - taken))
            taken |= trial.frames
    others = frozenset[int]().union(*(frames for _, frames in new[1:]))
    first = frozenset(frame.number for frame in segmentation.frames) - others
    return [
        (volume, replace(segmentation, frames=_of(segmentation, frames)))
        for volume, frames in [(new[0][0], first), *new[1:]]
    ]


def _of(segmentation: Segmentation, numbers: frozenset[int]) -> tuple[SegmentFrame, ...]:
    return tuple(frame for frame in segmentation.frames if frame.number in numbers)


def _split_note(part: int, whole: int, what: str, shares: Sequence[object]) -> tuple[str, ...]:
    if len(shares) == 1:
        return ()
    rest = "the others belong to other stacks, with labels of their own"
    return (f"{part} of {whole} {what} are for this stack; {rest}",)


def _place_contours(
    structures: StructureSet, volumes: Sequence[Volume], empty: Markup, *, contours: bool
) -> Iterator[Markup]:
    """Yield a structure set's labels on each stack of its series that holds contours."""
    bond, shares = _shared_contours(structures, volumes)
    said = (_BY_FRAME,) if bond is contouring.Bond.FRAME_OF_REFERENCE else ()
    if not shares:
        yield replace(empty, notes=(_ABSENT,))
    whole = _contours_in(structures)
    for number, (volume, part) in enumerate(shares):
        told = part if number == 0 else replace(part, problems=())
        drawn = contouring.rasterize(told, volume.stack)
        polygons = contouring.to_polygons(told, volume.stack) if contours else ()
        split = _split_note(_contours_in(part), whole, "contours", shares)
        notes = (*said, *split, *drawn.notes)
        yield replace(empty, volume=volume, labels=drawn.labels, notes=notes, polygons=polygons)


def _contours_in(structures: StructureSet) -> int:
    return sum(len(roi.contours) for roi in structures.rois)


_Shares: TypeAlias = "list[tuple[Volume, StructureSet]]"


def _shared_contours(
    structures: StructureSet, volumes: Sequence[Volume]
) -> tuple[contouring.Bond, _Shares]:
    """Share contours out over the stacks of the series that is tied closest and holds any.

    Where none holds any, all go to the best stack of the closest tie.
    """
    ties = [(contouring.reference_of(structures, volume.stack), volume) for volume in volumes]
    last: tuple[contouring.Bond, _Shares] = (contouring.Bond.NONE, [])
    for bond in sorted({tie.bond for tie, _ in ties} - {contouring.Bond.NONE}, reverse=True):
        tied = [(tie.images, volume) for tie, volume in ties if tie.bond is bond]
        ranked = _ranked(structures, tied)
        shares = _divide(structures, ranked)
        if shares:
            return bond, shares
        if not last[1]:
            last = bond, [(ranked[0][0], structures)]
    return last


_Held: TypeAlias = "tuple[Volume, NDArray[np.int_]]"


def _ranked(structures: StructureSet, tied: Sequence[tuple[int, Volume]]) -> list[_Held]:
    """Return the stacks of the series of which most images are named, the best first.

    Among equals it is the stack that holds most contours, then the one with the thinner slices.
    """
    named = _named_images(structures, [volume for _, volume in tied])

    def rank(one: tuple[int, _Held]) -> tuple[Any, ...]:
        images, (volume, held) = one
        on, near = (int((held == how).sum()) for how in (contouring.Hold.ON, contouring.Hold.NEAR))
        return -named[volume.series.uid], -images, -on, -near, _step_and_name(volume)

    found = [(n, (volume, contouring.holds(structures, volume.stack))) for n, volume in tied]
    ranked = [one for _, one in sorted(found, key=rank)]
    series = ranked[0][0].series.uid
    return [(volume, held) for volume, held in ranked if volume.series.uid == series]


def _named_images(structures: StructureSet, volumes: Iterable[Volume]) -> dict[str, int]:
    """Return how many images of each series a structure set names."""
    named: dict[str, set[tuple[str, int]]] = {volume.series.uid: set() for volume in volumes}
    for volume in volumes:
        frames = ((frame.sop_instance_uid, frame.number) for frame in volume.stack.frames)
        named[volume.series.uid].update(one for one in frames if one[0] in structures.image_uids)
    return {uid: len(images) for uid, images in named.items()}


def _divide(structures: StructureSet, ranked: Sequence[_Held]) -> _Shares:
    """Give each contour to the first stack that holds it best, the rest to the first of these."""
    holds = np.stack([held for _, held in ranked])
    if not holds.any():
        return []
    owners = holds.argmax(axis=0)
    least = int(owners[holds.any(axis=0)].min())
    owners[~holds.any(axis=0)] = least
    return [
        (ranked[owner][0], contouring.part_of(structures, owners == owner))
        for owner in np.unique(owners).tolist()
    ]


def _numbered(placed: Iterable[Markup]) -> Iterable[Markup]:
    """Count layers through all objects of a kind: SEG 1, SEG 2, RTSTRUCT 1."""
    counts: dict[str, int] = {}
    for markup in placed:
        short = "RTSTRUCT" if markup.kind == RT_STRUCTURE_SET else "SEG"
        labels = []
        for one in markup.labels:
            counts[short] = counts.get(short, 0) + 1
            labels.append(replace(one, style=replace(one.style, name=f"{short} {counts[short]}")))
        yield replace(markup, labels=tuple(labels))
