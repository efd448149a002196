"""From instances to frames: what of each file can stand in a stack, or why nothing can."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_dicom_markup.core.stacking.eligible import why_no_frame
from napari_dicom_markup.errors import MarkupError
from napari_dicom_markup.model.progress import Step
from napari_dicom_markup.model.stack import Instance, Leftover, only_frame
from napari_dicom_markup.sources.dicom.multiframe import describe_frames
from napari_dicom_markup.sources.dicom.real_world import read_real_world
from napari_dicom_markup.sources.dicom.slides import can_read_slides
from napari_dicom_markup.sources.dicom.tiles import describe_tiles, is_tiled
from napari_dicom_markup.sources.dicom.ultrasound import read_region_spacing
from napari_dicom_markup.standard.sop_classes import MULTI_FRAME, WHOLE_SLIDE, describe_sop_class

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from napari_dicom_markup.model.stack import Frame


def describe_steps(
    found: Sequence[Instance | Leftover],
) -> Generator[Step, None, list[Frame | Leftover]]:
    """Return the frames of all instances, and what has none with the reason.

    A single-frame image is described by what the scan has read; the headers of others are read
    whole, a step each.
    """
    entries: list[Frame | Leftover] = []
    for done, one in enumerate(found):
        if isinstance(one, Leftover):
            entries.append(one)
            continue
        if not is_plain(one):
            yield Step(done, len(found), "reading frames")
        entries += _describe(one)
    return entries


def _describe(instance: Instance) -> Sequence[Frame | Leftover]:
    reason = why_no_frame(instance)
    if describe_sop_class(instance.sop_class_uid) == WHOLE_SLIDE and not can_read_slides():
        reason = f'{WHOLE_SLIDE}: install "napari-dicom-markup[wsi]" to open it'
    if reason is None:
        try:
            return frames_of(instance)
        except MarkupError as error:
            reason = str(error).removeprefix(f"{instance.file.relative}: ")
        except OSError as error:
            reason = f"cannot be read: {(error.strerror or type(error).__name__).lower()}"
    return [Leftover(instance.file, reason, is_dicom=True, instance=instance)]


def is_single(instance: Instance) -> bool:
    """Say whether an instance is one frame, which its top level describes."""
    return (
        (instance.pixels is None or instance.pixels.frames == 1)
        and instance.sop_class_uid not in MULTI_FRAME
        and not _is_mosaic(instance)
    )


def is_plain(instance: Instance) -> bool:
    """Say whether what a scan has read describes the one frame of an instance."""
    return is_single(instance) and not instance.values.real_world and not _has_regions(instance)


def _is_mosaic(instance: Instance) -> bool:
    """Say whether an instance's one matrix holds several slices beside each other.

    Siemens XA leaves "MOSAIC" in images that it has split into frames already.
    """
    single = instance.pixels is not None and instance.pixels.frames == 1
    is_mr = instance.modality == "MR" and instance.sop_class_uid not in MULTI_FRAME
    return single and is_mr and is_tiled(instance.acquisition.image_type)


def frames_of(instance: Instance, raw: bytes | None = None) -> tuple[Frame, ...]:
    """Return the frames of an image, in the order of its file.

    Parameters
    ----------
    instance : Instance
        An image that can stand in a stack.
    raw : bytes, optional
        The file, at least up to its pixels; read from the disk where not given.

    Raises
    ------
    MarkupError
        Where its frames cannot be told apart or described; the text is the reason.
    """
    if _has_regions(instance):
        instance = _with_region_spacing(instance, raw)
    if is_single(instance):
        frame = only_frame(instance)
        return (_measured(frame, raw) if instance.values.real_world else frame,)
    if _is_mosaic(instance):
        return describe_tiles(instance, raw)
    return describe_frames(instance, raw)


def _has_regions(instance: Instance) -> bool:
    grid = instance.grid
    return grid.regions and grid.pixel_spacing is None and grid.orientation is None


def _with_region_spacing(instance: Instance, raw: bytes | None) -> Instance:
    """Return an ultrasound image with the spacing that its regions state."""
    spacing = read_region_spacing(instance, raw)
    if spacing is None:
        return instance
    grid = replace(instance.grid, pixel_spacing=spacing, pixel_spacing_keyword="PhysicalDelta")
    return replace(instance, grid=grid)


def _measured(frame: Frame, raw: bytes | None) -> Frame:
    """Return a frame with its real world values, unless its rescale gives physical ones already."""
    values = frame.values
    if values.lut or (values.slope, values.intercept) != (1.0, 0.0):
        return frame
    mapping = read_real_world(frame.instance, raw)
    if mapping is None:
        return frame
    # Windows are for values before the mapping (PS3.3 C.11.2).
    return replace(frame, values=replace(values, measured=mapping, unit=mapping.unit, windows=()))
