"""Pack what lies under paths: one bundle a series, and one for DICOM of no series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_dicom_markup.api.case import Case
from napari_dicom_markup.api.layers import bundle_stem
from napari_dicom_markup.api.opening import DiskFrames, make_volume, scan_steps
from napari_dicom_markup.api.packing import Bundle, pack_case
from napari_dicom_markup.core.naming import series_name
from napari_dicom_markup.errors import (
    LabelsError,
    MarkupError,
    NothingToOpenError,
    PartlyPackedError,
    SaveError,
)
from napari_dicom_markup.model.markup import Labels, LabelsStyle
from napari_dicom_markup.model.sidecar import SIDECAR_SUFFIX
from napari_dicom_markup.model.stack import Series
from napari_dicom_markup.sinks.dicom import make_folder
from napari_dicom_markup.sources.labels_file import read_labels_file

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from pathlib import Path

    from napari_dicom_markup.model.progress import Step
    from napari_dicom_markup.model.stack import Leftover, Scan, Stack, Volume

_NAMED = (SIDECAR_SUFFIX, ".ome.tif", ".ome.tiff")
"""Endings by which ``out`` names one bundle rather than a folder."""


@dataclass(frozen=True, slots=True)
class Packed:
    """The bundles that were written, and the files that are no DICOM, with their reasons."""

    bundles: tuple[Bundle, ...]
    leftovers: tuple[Leftover, ...]


def pack_steps(
    paths: Iterable[Path], out: Path, labels: Path | None, *, image: bool
) -> Generator[Step, None, Packed]:
    """Pack everything that is DICOM under ``paths``."""
    found = yield from scan_steps(paths)
    series = _all_series(found)
    if not series:
        message = "there is no DICOM under the given paths"
        raise NothingToOpenError(message)
    named = out.name.lower().endswith(_NAMED)
    if named and len(series) > 1:
        message = f"{len(series)} series do not fit into one bundle: give a folder instead"
        raise SaveError(message)
    painted = _assign(labels, series) if labels is not None else {}
    folder = out.parent if named else out
    make_folder(folder)
    bundles, failures = [], []
    for one in series:
        stem = bundle_stem(out) if named else series_name(one.modality, one.uid)
        case = Case(
            series=one,
            labels=painted.get(one.uid, {}),
            images=_images(one) if image else {},
        )
        try:
            bundles.append((yield from pack_case(case, folder, stem)))
        except MarkupError as error:
            if len(series) == 1:
                raise
            failures.append(f"{stem}: {error}")
    if failures:
        message = f"{len(failures)} of {len(series)} series were not packed; the others are whole"
        raise PartlyPackedError(message, tuple(failures))
    others = tuple(leftover for leftover in found.leftovers if not leftover.is_dicom)
    _refuse_unreadable(others)
    return Packed(tuple(bundles), others)


def _images(series: Series) -> dict[int, Volume]:
    return {stack.index: make_volume(series, stack, DiskFrames()) for stack in series.stacks}


def _refuse_unreadable(leftovers: Sequence[Leftover]) -> None:
    """Say that files could not be read: they may be originals, and are in no bundle."""
    names = tuple(f"{one.file.relative}: {one.reason}" for one in leftovers if one.is_unreadable)
    if names:
        message = f"{len(names)} files could not be read and are in no bundle; the others are"
        raise PartlyPackedError(message, names)


def _all_series(found: Scan) -> list[Series]:
    """Return all series; DICOM files of no series make one of their own, with an empty UID."""
    alone = tuple(leftover for leftover in found.leftovers if leftover.is_dicom)
    with_uid = [one for one in found.series if one.uid]
    without = [one for one in found.series if not one.uid]
    if not alone:
        return with_uid + without
    stacks = without[0].stacks if without else ()
    left = (without[0].leftovers if without else ()) + alone
    return [*with_uid, Series("", "OT", stacks, left)]


def _assign(path: Path, series: Sequence[Series]) -> dict[str, dict[int, list[Labels]]]:
    """Read labels and find the one stack whose shape they have."""
    array = read_labels_file(path)
    fitting = [
        (one, stack) for one in series for stack in one.stacks if array.shape in _accepted(stack)
    ]
    if len(fitting) != 1:
        word = "no stack has" if not fitting else f"{len(fitting)} stacks have"
        message = (
            f"{path.name}: {word} the shape {array.shape} of the labels; pack the one series "
            "that they belong to, slices in the order of dicom-markup info"
        )
        raise LabelsError(message)
    one, stack = fitting[0]
    shaped = array.reshape(stack.shape if array.size == _size(stack) else stack.shape[-3:])
    return {one.uid: {stack.index: [Labels(LabelsStyle("labels"), shaped)]}}


def _size(stack: Stack) -> int:
    size = 1
    for length in stack.shape:
        size *= length
    return size


def _accepted(stack: Stack) -> set[tuple[int, ...]]:
    """Return the shapes of labels that fit a stack; axes of length 1 may be missing."""
    shapes = {stack.shape, stack.shape[-3:]}
    return shapes | {tuple(length for length in shape if length > 1) for shape in shapes}
