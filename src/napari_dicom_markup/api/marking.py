"""Segmentations and structure sets as labels on the volumes that they refer to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from napari_dicom_markup.api.opening import scan_steps, volumes_of
from napari_dicom_markup.core import contouring, segmenting
from napari_dicom_markup.errors import MarkupError
from napari_dicom_markup.model.progress import Step
from napari_dicom_markup.sources.dicom.segmentation import read_segmentation
from napari_dicom_markup.sources.dicom.structure_set import read_structure_set
from napari_dicom_markup.standard.sop_classes import MARKUP, RT_STRUCTURE_SET, describe_sop_class

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from pathlib import Path

    from napari_dicom_markup.model.contours import Polygons, StructureSet
    from napari_dicom_markup.model.markup import Labels
    from napari_dicom_markup.model.stack import Instance, Scan, Stack, Volume


@dataclass(frozen=True, slots=True, eq=False)
class Markup:
    """What one segmentation or structure set marks on a volume.

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
    placed = []
    for done, instance in enumerate(instances, start=1):
        placed.append(_place(instance, volumes, contours=contours))
        yield Step(done, len(instances), "placing labels")
    return tuple(_numbered(placed))


def _marking(found: Scan) -> Iterable[Instance]:
    for series in found.series:
        for left in series.leftovers:
            instance = left.instance
            if instance is not None and describe_sop_class(instance.sop_class_uid) in MARKUP:
                yield instance


def _place(instance: Instance, volumes: Sequence[Volume], *, contours: bool) -> Markup:
    kind = describe_sop_class(instance.sop_class_uid) or ""
    place = _place_contours if kind == RT_STRUCTURE_SET else _place_segments
    empty = Markup(instance.file.relative, kind, None)
    try:
        return place(instance, volumes, empty, contours=contours)
    except MarkupError as error:
        return replace(empty, notes=(str(error).removeprefix(f"{instance.file.relative}: "),))
    except OSError as error:
        return replace(empty, notes=((error.strerror or type(error).__name__).lower(),))


_ABSENT = "the images that it refers to are not here: open them together with it"


def _place_segments(
    instance: Instance, volumes: Sequence[Volume], empty: Markup, *, contours: bool
) -> Markup:
    del contours  # a segmentation has none
    segmentation = read_segmentation(instance)
    ties = [(segmenting.reference_of(segmentation, volume.stack), volume) for volume in volumes]
    tie, volume = max(ties, key=lambda one: one[0], default=(None, None))
    if tie is None or volume is None or tie.bond is segmenting.Bond.NONE:
        return replace(empty, notes=(_ABSENT,))
    placed = segmenting.place(segmentation, volume.stack)
    return replace(empty, volume=volume, labels=placed.labels, notes=placed.notes)


def _place_contours(
    instance: Instance, volumes: Sequence[Volume], empty: Markup, *, contours: bool
) -> Markup:
    structures = read_structure_set(instance)
    volume = _volume_of(structures, volumes)
    if volume is None:
        return replace(empty, notes=(_ABSENT,))
    drawn = contouring.rasterize(structures, volume.stack)
    polygons = contouring.to_polygons(structures, volume.stack) if contours else ()
    return replace(empty, volume=volume, labels=drawn.labels, notes=drawn.notes, polygons=polygons)


def _volume_of(structures: StructureSet, volumes: Sequence[Volume]) -> Volume | None:
    """Return the largest volume that a structure set names, or else one of its space."""
    ways: tuple[Callable[[StructureSet, Stack], bool], ...]
    ways = (contouring.refers_to, contouring.shares_frame)
    for way in ways:
        fitting = [volume for volume in volumes if way(structures, volume.stack)]
        if fitting:
            return max(fitting, key=lambda volume: volume.stack.slices)
    return None


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
