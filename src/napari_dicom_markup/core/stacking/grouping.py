"""Group instances into series, and each series into stacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dicom_markup.core.stacking.eligible import why_no_frame
from napari_dicom_markup.core.stacking.folding import (
    Folded,
    fold,
    fold_without_plane,
    order_by_position,
)
from napari_dicom_markup.core.stacking.measuring import measure, report
from napari_dicom_markup.core.stacking.partition import group_by, has_patient_plane, partition
from napari_dicom_markup.core.stacking.siding import split_sides
from napari_dicom_markup.model.geometry import GeometryReport, ReportKind
from napari_dicom_markup.model.stack import Instance, Leftover, Scan, Series, Stack

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def group_series(found: Iterable[Instance | Leftover]) -> Scan:
    """Group what a scan found into series of stacks, in an order that the files do not decide.

    Series come in the order of modality and UID; a series' stacks in the order of their first
    InstanceNumber.
    """
    entries = list(found)
    instances = [entry for entry in entries if isinstance(entry, Instance)]
    others = [entry for entry in entries if isinstance(entry, Leftover)]
    groups = group_by(instances, lambda instance: instance.series_uid)
    series = [_stack_series(uid, members) for uid, members in groups.items()]
    return Scan(
        series=tuple(sorted(series, key=lambda one: (one.modality, one.uid))),
        leftovers=tuple(sorted(others, key=_by_path)),
    )


def _by_path(leftover: Leftover) -> str:
    return leftover.file.relative


def _stack_series(uid: str, instances: Sequence[Instance]) -> Series:
    stacks, leftovers = stack_instances(instances)
    leading = min(instances, key=lambda i: (i.pixels is None, i.modality))
    return Series(uid=uid, modality=leading.modality or "OT", stacks=stacks, leftovers=leftovers)


def stack_instances(
    instances: Iterable[Instance],
) -> tuple[tuple[Stack, ...], tuple[Leftover, ...]]:
    """Order the instances of one series into stacks, and say why the rest is in none."""
    ordered = sorted(instances, key=lambda i: (i.sop_instance_uid, i.file.relative))
    leftovers = [
        Leftover(i.file, reason, is_dicom=True, instance=i)
        for i in ordered
        if (reason := why_no_frame(i)) is not None
    ]
    refused = {id(leftover.instance) for leftover in leftovers}
    kept, repeated = _split_duplicates([i for i in ordered if id(i) not in refused])
    leftovers += repeated
    folded = [one for part in partition(kept) for one in _fold_part(part)]
    folded.sort(key=_first_number)
    stacks = tuple(_build(index, one) for index, one in enumerate(folded, start=1))
    return stacks, tuple(sorted(leftovers, key=_by_path))


def _split_duplicates(ordered: Sequence[Instance]) -> tuple[list[Instance], list[Leftover]]:
    """Keep the first, by path, of the files that hold one SOP Instance."""
    kept: dict[str, Instance] = {}
    repeated = []
    for instance in ordered:
        uid = instance.sop_instance_uid or f"file {instance.file.relative}"
        if uid in kept:
            reason = f"the same SOP Instance as {kept[uid].file.relative}, which is shown"
            repeated.append(Leftover(instance.file, reason, is_dicom=True, instance=instance))
        else:
            kept[uid] = instance
    return list(kept.values()), repeated


def _fold_part(part: Sequence[Instance]) -> list[Folded]:
    if not has_patient_plane(part[0]):
        return fold_without_plane(part)
    planes = order_by_position(part)
    return [folded for side in split_sides(planes) for folded in fold(side)]


def _first_number(folded: Folded) -> tuple[float, str]:
    numbers = [i.acquisition.instance_number for volume in folded.volumes for i in volume]
    first = min((number for number in numbers if number is not None), default=float("inf"))
    return (first, min(i.sop_instance_uid for volume in folded.volumes for i in volume))


def _build(index: int, folded: Folded) -> Stack:
    slices = folded.volumes[0]
    geometry = measure(slices)
    reports = report(geometry, slices)
    if folded.incomplete:
        files = tuple(i.file.relative for i in slices)
        text = f"incomplete volume, kept apart: {folded.incomplete}"
        reports.append(GeometryReport(ReportKind.INCOMPLETE, text, files))
    return Stack(
        index=index,
        instances=tuple(i for volume in folded.volumes for i in volume),
        slices=len(slices),
        leading=folded.leading,
        geometry=geometry,
        reports=tuple(reports),
    )
