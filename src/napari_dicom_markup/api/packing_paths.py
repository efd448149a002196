"""Pack what lies under paths: one bundle a series, and one for DICOM of no series."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicom_markup.api.case import Case
from napari_dicom_markup.api.layers import bundle_stem
from napari_dicom_markup.api.opening import DiskFrames, make_volume, scan_steps
from napari_dicom_markup.api.packing import Bundle, pack_case
from napari_dicom_markup.core.naming import NO_SERIES, series_name
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

    from numpy.typing import NDArray

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
    paths: Iterable[Path], out: Path, labels: Path | NDArray[Any] | None, *, image: bool
) -> Generator[Step, None, Packed]:
    """Pack everything that is DICOM under ``paths``.

    Raises
    ------
    PartlyPackedError
        Some series were not packed, or some files not read; all others are in whole bundles.
    """
    found = yield from scan_steps(paths)
    series = _all_series(found)
    if not series:
        message = "there is no DICOM under the given paths"
        raise NothingToOpenError(message)
    stems = _stems(out, series)
    painted = _assign(labels, series) if labels is not None else {}
    folder = out.parent if _is_named(out) else out
    make_folder(folder)
    bundles, failures = [], []
    for one, stem in zip(series, stems, strict=True):
        try:
            bundles.append((yield from _pack_one(one, painted, folder, stem, image=image)))
        except Exception as error:  # the other series are packed, and this one is told
            if len(series) == 1:
                raise
            failures.append(f"{stem}: {_reason(error)}")
    packed = Packed(tuple(bundles), _others(found))
    _refuse_partly(packed, failures, found)
    return packed


def _pack_one(
    one: Series,
    painted: dict[str, dict[int, list[Labels]]],
    folder: Path,
    stem: str,
    *,
    image: bool,
) -> Generator[Step, None, Bundle]:
    case = Case(
        series=one,
        labels=painted.get(one.uid, {}),
        images=_images(one) if image else {},
        replaces_labels=False,
    )
    return (yield from pack_case(case, folder, stem))


def _is_named(out: Path) -> bool:
    return out.name.lower().endswith(_NAMED)


def _stems(out: Path, series: Sequence[Series]) -> list[str]:
    """Return the stem of each series' bundle; files of no series go beside the one series."""
    if not _is_named(out):
        return [series_name(one.modality, one.uid) for one in series]
    stem = bundle_stem(out)
    if len(series) == 1:
        return [stem]
    if sum(bool(one.uid) for one in series) > 1:
        message = f"{len(series)} series do not fit into one bundle: give a folder instead"
        raise SaveError(message)
    return [stem if one.uid else f"{stem}.{NO_SERIES}" for one in series]


def _reason(error: Exception) -> str:
    """Return why a series failed; a text that is not ours may quote what a file holds."""
    if isinstance(error, MarkupError):
        return str(error)
    return f"unexpected failure ({type(error).__name__}); please report it"


def _images(series: Series) -> dict[int, Volume]:
    return {stack.index: make_volume(series, stack, DiskFrames()) for stack in series.stacks}


def _others(found: Scan) -> tuple[Leftover, ...]:
    """Return the files that were read, and are no DICOM."""
    return tuple(one for one in found.leftovers if not (one.is_dicom or one.is_unreadable))


def _refuse_partly(packed: Packed, failures: Sequence[str], found: Scan) -> None:
    """Say what is in no bundle: series that failed, and files that may be originals."""
    unread = [
        f"{one.file.relative}: {one.reason}"
        for one in found.leftovers
        if one.is_unreadable and not one.is_dicom
    ]
    messages = []
    if failures:
        count = len(failures) + len(packed.bundles)
        messages.append(f"{len(failures)} of {count} series were not packed; the others are whole")
    if unread:
        messages.append(f"{len(unread)} files could not be read and are in no bundle")
    if messages:
        raise PartlyPackedError("; ".join(messages), (*failures, *unread), packed)


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


def _assign(
    labels: Path | NDArray[Any], series: Sequence[Series]
) -> dict[str, dict[int, list[Labels]]]:
    """Find the one stack whose shape labels have; a path's are read first."""
    array = labels if isinstance(labels, np.ndarray) else read_labels_file(labels)
    name = "the labels" if isinstance(labels, np.ndarray) else labels.name
    fitting = [
        (one, stack) for one in series for stack in one.stacks if array.shape in _accepted(stack)
    ]
    if len(fitting) != 1:
        word = "no stack has" if not fitting else f"{len(fitting)} stacks have"
        message = (
            f"{name}: {word} the shape {array.shape} of the labels; pack the one series that "
            "they belong to, slices in the order of dicom-markup info"
        )
        raise LabelsError(message)
    one, stack = fitting[0]
    shaped = array.reshape(
        stack.shape if array.size == math.prod(stack.shape) else stack.shape[-3:]
    )
    return {one.uid: {stack.index: [Labels(LabelsStyle("labels"), shaped)]}}


def _accepted(stack: Stack) -> set[tuple[int, ...]]:
    """Return the shapes of labels that fit a stack; axes of length 1 may be missing."""
    shapes = {stack.shape, stack.shape[-3:]}
    return shapes | {tuple(length for length in shape if length > 1) for shape in shapes}
