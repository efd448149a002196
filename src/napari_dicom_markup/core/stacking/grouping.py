"""Group frames into series, and each series into stacks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_dicom_markup.core.stacking.folding import REPEAT, Folded, fold, fold_without_plane, rank
from napari_dicom_markup.core.stacking.measuring import measure
from napari_dicom_markup.core.stacking.midnight import times_going_on
from napari_dicom_markup.core.stacking.moving import separate_volumes
from napari_dicom_markup.core.stacking.ordering import order_by_position
from napari_dicom_markup.core.stacking.partition import group_by, has_patient_plane, partition
from napari_dicom_markup.core.stacking.reporting import report, report_moves
from napari_dicom_markup.core.stacking.siding import split_sides
from napari_dicom_markup.model.geometry import GeometryReport, ReportKind
from napari_dicom_markup.model.stack import Frame, Leftover, Scan, Series, Stack

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def group_series(found: Iterable[Frame | Leftover]) -> Scan:
    """Group what a scan found into series of stacks, in an order that the files do not decide.

    Series come in the order of modality and UID; a series' stacks in the order of their first
    InstanceNumber. A leftover that is an instance belongs to the instance's series.
    """
    entries = list(found)
    groups = group_by(entries, _series_of)
    others = [entry for entry in groups.pop(None, []) if isinstance(entry, Leftover)]
    series = [_stack_series(uid or "", members) for uid, members in groups.items()]
    return Scan(
        series=tuple(sorted(series, key=lambda one: (one.modality, one.uid))),
        leftovers=tuple(sorted(others, key=_by_path)),
    )


def _series_of(entry: Frame | Leftover) -> str | None:
    return None if entry.instance is None else entry.instance.series_uid


def _by_path(leftover: Leftover) -> str:
    return leftover.file.relative


def _stack_series(uid: str, entries: Sequence[Frame | Leftover]) -> Series:
    frames = [entry for entry in entries if isinstance(entry, Frame)]
    refused = [entry for entry in entries if isinstance(entry, Leftover)]
    stacks, repeated = stack_frames(frames)
    instances = [entry.instance for entry in entries if entry.instance is not None]
    leading = min(instances, key=lambda i: (i.pixels is None, i.modality))
    leftovers = tuple(sorted((*refused, *repeated), key=_by_path))
    return Series(uid=uid, modality=leading.modality or "OT", stacks=stacks, leftovers=leftovers)


def stack_frames(frames: Iterable[Frame]) -> tuple[tuple[Stack, ...], tuple[Leftover, ...]]:
    """Order the frames of one series into stacks; leftovers hold an instance a second time."""
    going_on = times_going_on(frames)
    ordered = sorted(going_on, key=lambda f: (f.sop_instance_uid, f.file.relative, f.number))
    kept, repeated = _split_duplicates(ordered)
    folded = [one for part in partition(kept) for one in _fold_part(part)]
    folded.sort(key=_first_number)
    stacks = tuple(_build(index, one) for index, one in enumerate(folded, start=1))
    return stacks, tuple(repeated)


def _split_duplicates(ordered: Sequence[Frame]) -> tuple[list[Frame], list[Leftover]]:
    """Keep the first, by path, of the files that hold one SOP Instance."""
    first: dict[str, str] = {}
    kept: list[Frame] = []
    repeated: dict[str, Leftover] = {}
    for frame in ordered:
        relative = frame.file.relative
        shown = first.setdefault(frame.sop_instance_uid or f"file {relative}", relative)
        if shown == relative:
            kept.append(frame)
        else:
            reason = f"the same SOP Instance as {shown}, which is shown"
            left = Leftover(frame.file, reason, is_dicom=True, instance=frame.instance)
            repeated[relative] = left
    return kept, list(repeated.values())


def _fold_part(part: Sequence[Frame]) -> list[Folded]:
    if not has_patient_plane(part[0]):
        return fold_without_plane(part)
    groups = separate_volumes(order_by_position(part))
    folded = [one for planes in groups for side in split_sides(planes) for one in fold(side)]
    if len(groups) == 1:
        return folded
    why = "its slices lie between those of the other volumes"
    return [replace(one, incomplete=one.incomplete or why) for one in folded]


def _first_number(folded: Folded) -> tuple[float, str, int]:
    return min(rank(frame) for volume in folded.volumes for frame in volume)


def _build(index: int, folded: Folded) -> Stack:
    slices = folded.volumes[0]
    geometry = measure(slices)
    reports = [*report(geometry, slices), *report_moves(geometry, folded.volumes)]
    if folded.incomplete:
        files = tuple(dict.fromkeys(f.file.relative for f in slices))
        text = f"a volume kept apart: {folded.incomplete}"
        reports.append(GeometryReport(ReportKind.INCOMPLETE, text, files))
    if any(axis.name == REPEAT for axis in folded.leading):
        count = len(folded.volumes)
        text = (
            f"{count} images at each position that nothing but InstanceNumber tells apart: they "
            f"are shown along the axis {REPEAT}, and may be copies under new UIDs"
        )
        reports.append(GeometryReport(ReportKind.REPEATED, text))
    return Stack(
        index=index,
        frames=tuple(f for volume in folded.volumes for f in volume),
        slices=len(slices),
        leading=folded.leading,
        geometry=geometry,
        reports=tuple(reports),
    )
