"""Whole slide images: from the files of a scan to pyramids, and these as napari layers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_dicom_markup.core.naming import series_name
from napari_dicom_markup.core.tile_array import TileArray
from napari_dicom_markup.errors import DecodeError, MarkupError, SourceChangedError
from napari_dicom_markup.model.progress import Step
from napari_dicom_markup.model.slide import Flavour, Slide, SlideLevel
from napari_dicom_markup.sinks.slide_layers import slide_layer
from napari_dicom_markup.sources.dicom.slides import TiledFile, can_read_slides, read_slide_header
from napari_dicom_markup.standard.sop_classes import WHOLE_SLIDE, describe_sop_class

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from napari_dicom_markup.model.slide import SlideImage, SlidePlane
    from napari_dicom_markup.model.stack import Instance, Scan, Series, SourceFile
    from napari_dicom_markup.sources.dicom.slides import SlideHeader
    from napari_dicom_markup.sources.layers import Layer

MOST_OVERVIEW = 1 << 26
"""napari reads the smallest level whole: it may have as many pixels as 8192²."""

MOST_SLIDES = 64
"""More layers of one series no viewer can bear; slides have up to 20 heights or optical paths."""

_EXTENT, _ORIGIN_MM, _PIXELS = 0.02, 0.02, 2
"""Levels show the same part of a slide: their sides in mm agree to 2 %, their origins to 20 µm
(as wsidicom has it), each and two pixels of the coarser level, which ends at whole pixels."""

_SAMPLE = 1024
"""The contrast of grey slides is taken from so many rows and columns of the smallest level."""

_ASIDE = {
    Flavour.LABEL: "label image is not opened: it often shows the patient's name",
    Flavour.OVERVIEW: "overview image is no level of the pyramid and is not opened",
    Flavour.THUMBNAIL: "thumbnail is no level of the pyramid and is not opened",
    Flavour.OTHER: "image of another kind than VOLUME is not opened",
}


@dataclass(slots=True)
class _Heap:
    """What was read of one series so far: images, and what is to be said about the others."""

    parts: dict[str, list[SlideHeader]] = field(default_factory=dict)
    images: list[tuple[SlideImage, TiledFile]] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    files: list[SourceFile] = field(default_factory=list)

    def put_aside(self, reason: str, *files: SourceFile) -> None:
        self.notes[reason] += 1
        self.files += files


def open_slides_steps(found: Scan) -> Generator[Step, None, tuple[Slide, ...]]:
    """Open the whole slide images of a scan: one slide a pyramid, optical path and height.

    Levels are the VOLUME images of one series with equal Frame of Reference, container, optical
    path and height that show the same part of the slide. Nothing is returned where wsidicom is
    not installed; the leftovers' reasons say so.
    """
    slides: list[Slide] = []
    if not can_read_slides():
        return ()
    for series in found.series:
        files = [one.instance for one in series.leftovers if one.instance is not None]
        files = [one for one in files if describe_sop_class(one.sop_class_uid) == WHOLE_SLIDE]
        if files:
            slides += yield from _series_steps(series, files)
    return tuple(slides)


def slide_layers(slides: Iterable[Slide]) -> tuple[list[Layer], list[str]]:
    """Return the pyramids as layer tuples, and what their reader should know."""
    tuples: list[Layer] = []
    notes: list[str] = []
    for slide in slides:
        notes += [f"{slide.name}: {note}" for note in slide.notes]
        if not slide.levels:
            continue
        last = slide.levels[-1].image
        if last.rows * last.columns > MOST_OVERVIEW:
            size = f"{last.rows} × {last.columns} pixels"
            notes.append(
                f"{slide.name}: its smallest level has {size}, too many to be shown at once: "
                "open the files of its smaller levels together with it"
            )
            continue
        tuples.append(slide_layer(slide, _limits(slide)))
    return tuples, notes


def _limits(slide: Slide) -> tuple[float, float]:
    """Return contrast limits: all of 8 bits, else the spread of the smallest level's middle."""
    level = slide.levels[-1]
    whole = (0.0, float(level.image.peak))
    if level.image.samples != 1 or level.image.peak <= 255:
        return whole
    rows, columns = (
        slice(max(0, n // 2 - _SAMPLE // 2), n // 2 + _SAMPLE // 2 + 1)
        for n in level.array.shape[:2]
    )
    try:
        low, high = np.percentile(level.array[rows, columns], (0.5, 99.5))
    except (DecodeError, SourceChangedError):
        return whole
    return float(low), float(max(high, low + 1))


def _series_steps(series: Series, files: list[Instance]) -> Generator[Step, None, list[Slide]]:
    heap = _Heap()
    for done, instance in enumerate(files, start=1):
        _try(heap, (instance.file,), partial(_sort_in, heap, instance))
        yield Step(done, len(files), "reading slides")
    for done, headers in enumerate(heap.parts.values(), start=1):
        whole = tuple(header.instance.file for header in headers)
        _try(heap, whole, partial(_describe, heap, headers))
        yield Step(done, len(heap.parts), "opening slides")
    return _slides(series, heap)


def _try(heap: _Heap, files: tuple[SourceFile, ...], work: Callable[[], None]) -> None:
    try:
        work()
    except MarkupError as error:
        reason = str(error)
        for file in files:
            reason = reason.removeprefix(f"{file.relative}: ")
        heap.put_aside(f"image cannot be opened: {reason}", *files)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        heap.put_aside(f"image cannot be read: {reason}", *files)


def _describe(heap: _Heap, headers: list[SlideHeader]) -> None:
    tiled = TiledFile(headers)
    heap.images.append((tiled.describe(), tiled))


def _sort_in(heap: _Heap, instance: Instance) -> None:
    """Put a file to the others of its image, or aside where it is no level."""
    header, file = read_slide_header(instance), instance.file
    if header.flavour is not Flavour.VOLUME:
        heap.put_aside(_ASIDE[header.flavour], file)
        return
    part = heap.parts.setdefault(header.whole, [])
    if header.instance.sop_instance_uid in {one.instance.sop_instance_uid for one in part}:
        heap.put_aside("file repeats an image that is there already", file)
        return
    part.append(header)
    if header.labelled:
        heap.notes["image says that it shows the slide's label or burned in text"] += 1


def _slides(series: Series, heap: _Heap) -> list[Slide]:
    """Return the slides of a series; what is to be said of the series stands in the first."""
    pyramids = _pyramids(heap)
    paths = list(dict.fromkeys(plane.path for plane, _ in pyramids))
    heights = {plane.z_um for plane, _ in pyramids}
    name = series_name(series.modality, series.uid)
    if len(pyramids) > MOST_SLIDES:
        heap.notes["pyramid has more optical paths and heights than can be opened at once"] += 1
    slides: list[Slide] = []
    used: Counter[str] = Counter()
    for plane, levels in pyramids[:MOST_SLIDES]:
        number = paths.index(plane.path) + 1
        full = name + (f" path {number}" if len(paths) > 1 else "")
        full += f" z {plane.z_um:g} µm" if len(heights) > 1 else ""
        used[full] += 1
        full += f" ({used[full]})" if used[full] > 1 else ""
        unscaled = levels[0].image.spacing_mm is None
        notes = ("its pixel size is not stated: it is shown in pixels",) if unscaled else ()
        held = tuple(file for level in levels for file in level.image.files)
        slides.append(Slide(series, full, number, plane.z_um, levels, notes, held))
    said = tuple(f"{count} {reason}" for reason, count in heap.notes.items())
    first = slides[0] if slides else Slide(series, name)
    first = replace(first, notes=(*first.notes, *said), files=(*first.files, *heap.files))
    return [first, *slides[1:]]


def _pyramids(heap: _Heap) -> list[tuple[SlidePlane, tuple[SlideLevel, ...]]]:
    """Return the levels of each plane, from large to small."""
    found: list[tuple[SlidePlane, list[SlideLevel]]] = []
    images = sorted(heap.images, key=lambda one: -one[0].rows * one[0].columns)
    for image, tiled in images:
        for plane in image.planes:
            level = SlideLevel(image, _array(image, plane, tiled))
            fitting = (on for at, on in found if at == plane and _fits(on[0].image, image))
            levels = next(fitting, None)
            if levels is None:
                found.append((plane, [level]))
            elif _is_smaller(image, levels[-1].image):
                levels.append(level)
            else:
                heap.put_aside("image has the size of a level that is there already", *image.files)
    return [(plane, tuple(levels)) for plane, levels in found]


def _is_smaller(image: SlideImage, other: SlideImage) -> bool:
    return image.rows < other.rows and image.columns < other.columns


def _fits(base: SlideImage, image: SlideImage) -> bool:
    """Say whether an image shows the part of the slide that a larger one shows."""
    if _kind(base) != _kind(image):
        return False
    if base.spacing_mm is None or image.spacing_mm is None:
        # Without sizes in mm, both sides must have shrunk alike.
        shrunk = abs(image.rows / base.rows - image.columns / base.columns)
        return shrunk <= _EXTENT * image.rows / base.rows + _PIXELS / min(base.shape[:2])
    coarse = _PIXELS * max(image.spacing_mm)
    sides = [
        (n * mm, m * step)
        for n, mm, m, step in zip(
            base.shape[:2], base.spacing_mm, image.shape[:2], image.spacing_mm, strict=True
        )
    ]
    origins = zip(base.origin_mm or (), image.origin_mm or (), strict=False)
    return all(abs(a - b) <= _EXTENT * a + coarse for a, b in sides) and all(
        abs(a - b) <= _ORIGIN_MM + coarse for a, b in origins
    )


def _kind(image: SlideImage) -> tuple[object, ...]:
    return image.subject, image.samples, image.peak, image.orientation


def _array(image: SlideImage, plane: SlidePlane, tiled: TiledFile) -> TileArray:
    dtype = np.uint8 if image.peak <= 255 else np.uint16
    return TileArray(
        image.shape, dtype, image.tile, lambda row, column: tiled.tile(row, column, plane)
    )
