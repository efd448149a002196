"""napari layers, both ways: what the plug-in's reader returns, and what its writer is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicom_markup.api.case import Case
from napari_dicom_markup.api.marking import Markup, markup_steps
from napari_dicom_markup.api.opening import scan_steps, volumes_of, why_nothing
from napari_dicom_markup.api.packing import Bundle, pack_case
from napari_dicom_markup.api.reopening import reopen_steps
from napari_dicom_markup.api.slides import open_slides_steps, slide_layers
from napari_dicom_markup.core.naming import stack_name
from napari_dicom_markup.core.pixels import padding_range, value_range
from napari_dicom_markup.core.voi import window_limits
from napari_dicom_markup.errors import DamagedError, DecodeError, NothingToOpenError
from napari_dicom_markup.model.geometry import ReportKind
from napari_dicom_markup.model.sidecar import SIDECAR_SUFFIX
from napari_dicom_markup.sinks.layers import Display, image_layer, labels_layer
from napari_dicom_markup.sources.layers import read_selection, volume_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from pathlib import Path

    from napari_dicom_markup.model.progress import Step
    from napari_dicom_markup.model.slide import Slide
    from napari_dicom_markup.model.stack import Volume
    from napari_dicom_markup.sources.layers import Layer

_TIFF_SUFFIXES = (".ome.tiff", ".ome.tif", ".tiff", ".tif")

WIDE_RANGE = 1 << 13
"""Declared ranges above this leave a contrast slider no room: 16 bits that hold a CT's 4,000."""

_NOTED = frozenset(ReportKind) - {ReportKind.THICKNESS, ReportKind.UNSCALED}
"""What is worth a notification; that slices overlap is said by ``info`` and the panel only."""


@dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """Layer tuples for napari, and one text on what their reader should know, or none."""

    tuples: list[Layer]
    notice: str


def open_layers_steps(
    paths: Iterable[Path], around: Iterable[Any] = ()
) -> Generator[Step, None, Layers]:
    """Open every stack under paths as an image layer, and what marks them as labels layers.

    Whole slide images become multiscale image layers.
    Segmentations and structure sets may refer to volumes of the layers ``around`` too.
    """
    found = yield from scan_steps(paths)
    volumes = volumes_of(found)
    others = [volume for layer in around if (volume := volume_of(layer)) is not None]
    marked = yield from markup_steps(found, [*volumes, *others])
    slides = yield from open_slides_steps(found)
    pyramids, said = slide_layers(slides)
    if not volumes and not pyramids and not any(markup.labels for markup in marked):
        why = f"no image can be opened here ({'; '.join(said[:3])})" if said else None
        raise NothingToOpenError(why or why_nothing(found, marked))
    tuples = [image_layer(v, display_of(v)) for v in volumes]
    for markup in marked:
        if markup.volume is not None:
            tuples += [labels_layer(labels, markup.volume) for labels in markup.labels]
    notice = _notice(volumes, marked, slides)
    return Layers([*tuples, *pyramids], "\n".join([*filter(None, [notice]), *said]))


def reopen_layers_steps(path: Path) -> Generator[Step, None, Layers]:
    """Open a bundle as its image layers, then its labels layers."""
    case = yield from reopen_steps(path)
    tuples = [image_layer(volume, display_of(volume)) for volume in case.volumes]
    for volume in case.volumes:
        labels = case.labels.get(volume.stack.index, ())
        tuples += [labels_layer(layer, volume) for layer in labels]
    return Layers(tuples, "\n".join(case.notes))


def save_layers_steps(
    path: Path, layers: Sequence[Layer], others: Iterable[Any]
) -> Generator[Step, None, Bundle]:
    """Save selected layers as one bundle beside ``path``, whose suffix does not matter."""
    selection = read_selection(layers, others)
    case = Case(
        series=selection.volume.series,
        labels=selection.labels,
        images=selection.images,
        sidecar=selection.volume.sidecar,
    )
    return (yield from pack_case(case, path.parent, bundle_stem(path)))


def bundle_stem(path: Path) -> str:
    """Return the stem of the bundle that a path names.

    Examples
    --------
    >>> from pathlib import Path
    >>> bundle_stem(Path("out/case.ome.tif")), bundle_stem(Path("case.dcm-markup"))
    ('case', 'case')
    """
    name = path.name
    for suffix in (SIDECAR_SUFFIX, *_TIFF_SUFFIXES):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


def display_of(volume: Volume) -> Display:
    """Return how a volume is first shown: its VOI window, or the spread of its middle plane."""
    name = stack_name(volume.series, volume.stack)
    stack, array = volume.stack, volume.array
    if array.ndim > len(stack.shape):
        return Display(name, (0.0, 255.0), (0.0, 255.0))
    windows = stack.frames[len(stack.frames) // 2].values.windows
    limits = window_limits(windows[0]) if windows else None
    whole = value_range(stack.frames, array.dtype)
    if limits is None or whole is None or whole[1] - whole[0] > WIDE_RANGE:
        spread, around = _spread(volume)
        limits = limits or spread
        whole = around if whole is None else (max(whole[0], around[0]), min(whole[1], around[1]))
    return Display(name, limits, (min(whole[0], limits[0]), max(whole[1], limits[1])))


def _spread(volume: Volume) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the middle plane's 0.5 and 99.5 percentiles, and thrice the range of its values.

    A plane that cannot be decoded costs the others nothing: napari says so when it comes to it.
    """
    index = tuple(length // 2 for length in volume.array.shape[:-2])
    try:
        plane = volume.array[index]
    except (DecodeError, DamagedError):
        return (0.0, 1.0), (0.0, 1.0)
    finite = plane[np.isfinite(plane)]
    padding = padding_range(volume.stack.frames[len(volume.stack.frames) // 2])
    if padding is not None:
        image = finite[(finite < padding[0]) | (finite > padding[1])]
        finite = image if image.size else finite
    if not finite.size:
        return (0.0, 1.0), (0.0, 1.0)
    low, high = (float(value) for value in np.percentile(finite, (0.5, 99.5)))
    least, most = float(finite.min()), float(finite.max())
    width = max(most - least, 1.0)
    return (low, max(high, low + 1e-6 * max(abs(low), 1.0))), (least - width, most + width)


def _notice(volumes: Sequence[Volume], marked: Sequence[Markup], slides: Sequence[Slide]) -> str:
    """Return one short text about geometry and leftovers; it names no file and no patient."""
    lines = [
        f"{stack_name(volume.series, volume.stack)}: {report.message}"
        for volume in volumes
        for report in volume.stack.reports
        if report.kind in _NOTED
    ]
    series = {volume.series.uid: volume.series for volume in volumes}.values()
    lines += [f"{markup.kind}: {note}" for markup in marked for note in markup.notes]
    shown = {markup.file for markup in marked}
    shown |= {file.relative for slide in slides for file in slide.files}
    left = sum(one.file.relative not in shown for each in series for one in each.leftovers)
    if left:
        lines.append(f"{left} files of these series are in no stack: see dicom-markup info")
    return "\n".join(lines)
