"""The verbs, each the same for napari, the command line and Python.

A verb returns :class:`Steps`: iterate it for progress, call ``result()`` to run it to the end,
``close()`` to cancel. Nothing here needs napari or a screen.

Examples
--------
Open a folder, pack it with labels, and restore the originals elsewhere::

    from napari_dicom_markup import open, pack, restore

    volumes = open("scan").result()
    voxels = numpy.asarray(volumes[0].array)  # (slices, rows, columns), HU for CT
    packed = pack(["scan"], "out").result()
    restore([bundle.sidecar for bundle in packed.bundles], "again").result()
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_dicom_markup.api.contours import contour_layers_steps
from napari_dicom_markup.api.inspecting import (
    Fact,
    Inspection,
    Look,
    SegmentRow,
    ValueKind,
    inspect_volume,
    list_segments,
    locate_slice,
    revalue_steps,
    volume_behind,
)
from napari_dicom_markup.api.layers import (
    open_layers_steps,
    reopen_layers_steps,
    save_layers_steps,
)
from napari_dicom_markup.api.marking import Markup, open_markup_steps
from napari_dicom_markup.api.opening import open_steps, scan_steps, value_domain
from napari_dicom_markup.api.packing import Bundle
from napari_dicom_markup.api.packing_paths import Packed, pack_steps
from napari_dicom_markup.api.phantom import Demo, demo_steps, phantom_layers_steps
from napari_dicom_markup.api.reopening import Reopened, find_sidecar, reopen_steps
from napari_dicom_markup.api.restoring import (
    FileReport,
    Outcome,
    Report,
    restore_steps,
    verify_steps,
)
from napari_dicom_markup.api.slides import open_slides_steps
from napari_dicom_markup.api.values import suv_steps, voi_of
from napari_dicom_markup.model.pet import SuvKind
from napari_dicom_markup.model.progress import Step, Steps

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from numpy.typing import NDArray

    from napari_dicom_markup.api.layers import Layers
    from napari_dicom_markup.model.sidecar import ValueDomain
    from napari_dicom_markup.model.slide import Slide
    from napari_dicom_markup.model.stack import Scan, Stack, Volume
    from napari_dicom_markup.model.voi import VoiChoice
    from napari_dicom_markup.sources.dicom.codecs import Codec
    from napari_dicom_markup.sources.layers import Layer

    PathLike = str | os.PathLike[str]

__all__ = [
    "Bundle",
    "Demo",
    "Fact",
    "FileReport",
    "Inspection",
    "Look",
    "Markup",
    "Outcome",
    "Packed",
    "Reopened",
    "Report",
    "SegmentRow",
    "Step",
    "Steps",
    "SuvKind",
    "ValueKind",
    "codecs",
    "contour_layers",
    "demo",
    "describe_values",
    "find_sidecar",
    "inspect",
    "list_segments",
    "locate",
    "open",
    "open_layers",
    "open_markup",
    "open_slides",
    "pack",
    "phantom_layers",
    "reopen",
    "reopen_layers",
    "restore",
    "revalue",
    "save_layers",
    "scan",
    "to_suv",
    "verify",
    "voi_choices",
    "volume_behind",
]


def _paths(paths: PathLike | Iterable[PathLike]) -> list[Path]:
    return [Path(paths)] if isinstance(paths, str | os.PathLike) else list(map(Path, paths))


def scan(paths: PathLike | Iterable[PathLike]) -> Steps[Scan]:
    """Find all DICOM under files and folders; result: series of stacks, and what was left over."""
    return Steps(scan_steps(_paths(paths)))


def open(paths: PathLike | Iterable[PathLike]) -> Steps[tuple[Volume, ...]]:  # noqa: A001 - the verb
    """Open every stack under files and folders; result: volumes whose arrays read on demand.

    Raises
    ------
    NothingToOpenError
        No image can be opened; the text says what was found instead.
    """
    return Steps(open_steps(_paths(paths)))


def open_markup(
    paths: PathLike | Iterable[PathLike], *, contours: bool = False
) -> Steps[tuple[Markup, ...]]:
    """Open segmentations (SEG) and structure sets (RTSTRUCT) as labels on their images.

    Parameters
    ----------
    paths
        Files and folders that hold them together with the images that they refer to.
    contours
        Whether a structure set's contours are returned as polygons too.
    """
    return Steps(open_markup_steps(_paths(paths), contours=contours))


def open_slides(paths: PathLike | Iterable[PathLike]) -> Steps[tuple[Slide, ...]]:
    """Open whole slide images; result: pyramids whose levels read the tiles that are asked for.

    Without the extra ``wsi`` there are none; ``Slide.notes`` say what was not opened, and why.
    """
    return Steps(_open_slides(_paths(paths)))


def _open_slides(paths: list[Path]) -> Generator[Step, None, tuple[Slide, ...]]:
    found = yield from scan_steps(paths)
    return (yield from open_slides_steps(found))


def describe_values(stack: Stack) -> ValueDomain:
    """Return the type and unit of a stack's physical values, without reading its pixels."""
    return value_domain(stack)


def to_suv(volume: Volume, kind: SuvKind = SuvKind.BODY_WEIGHT) -> Steps[Volume]:
    """Return a PET volume whose values are SUV; the volume given keeps its own.

    Raises
    ------
    ValuesError
        It is no PET, or its headers do not say what SUV needs; the text is the reason.
    """
    return Steps(suv_steps(volume, kind))


def voi_choices(volume: Volume) -> tuple[VoiChoice, ...]:
    """Return the VOI windows and LUTs that a volume's middle image offers, as contrast limits."""
    return voi_of(volume)


def inspect(volume: Volume) -> Inspection:
    """Return what there is to show of a volume: geometry, values, reports, looks."""
    return inspect_volume(volume)


def locate(volume: Volume, index: Sequence[int | None]) -> tuple[Fact, ...]:
    """Return what differs from slice to slice, at a place on (leading axes, slice).

    None stands for an axis that is shown whole.
    """
    return locate_slice(volume, index)


def revalue(volume: Volume, kind: SuvKind | None) -> Steps[Layer]:
    """Return a volume as an image layer tuple, in SUV of a kind or in the values that it states.

    Raises
    ------
    ValuesError
        Its headers do not say what SUV needs; the text is the reason.
    """
    return Steps(revalue_steps(volume, kind))


def codecs(*, thorough: bool = False) -> tuple[Codec, ...]:
    """Return for each transfer syntax which installed decoders decode it; each is tried.

    ``thorough`` tries those too that run in a process of their own, which takes seconds.
    """
    from napari_dicom_markup.sources.dicom.codecs import codec_report

    return codec_report(thorough=thorough)


def pack(
    paths: PathLike | Iterable[PathLike],
    out: PathLike,
    *,
    labels: PathLike | NDArray[Any] | None = None,
    image: bool = True,
) -> Steps[Packed]:
    """Pack everything under files and folders into bundles, one a series.

    Parameters
    ----------
    paths
        Files and folders.
    out
        A folder for bundles named by modality and a hash of the series; or the name of one
        bundle (``CASE.dcm-markup`` or ``CASE.ome.tif``) where the paths hold one series.
    labels
        An integer array, TIFF or ``.npy`` file on the grid of one stack, slices in its order.
    image
        Whether each stack's physical values are written as an OME-TIFF too.
    """
    given = Path(labels) if isinstance(labels, str | os.PathLike) else labels
    return Steps(pack_steps(_paths(paths), Path(out), given, image=image))


def reopen(path: PathLike) -> Steps[Reopened]:
    """Open a bundle from its sidecar or one of its TIFFs; result: its volumes and labels."""
    return Steps(reopen_steps(Path(path)))


def restore(sidecars: PathLike | Sequence[PathLike], out: PathLike) -> Steps[tuple[Report, ...]]:
    """Restore every original of the sidecars under ``out``, byte for byte; a report a sidecar."""
    return Steps(restore_steps(_paths(sidecars), Path(out)))


def verify(sidecar: PathLike, against: PathLike | None = None) -> Steps[Report]:
    """Rebuild every original in memory and compare it; with ``against``, with its file too."""
    return Steps(verify_steps(Path(sidecar), None if against is None else Path(against)))


def open_layers(paths: PathLike | Iterable[PathLike], around: Iterable[Any] = ()) -> Steps[Layers]:
    """Open as napari layer tuples, with what a reader of the images should be told.

    ``around`` are layer tuples that are open already: a segmentation may refer to their images.
    """
    return Steps(open_layers_steps(_paths(paths), around))


def contour_layers(
    paths: PathLike | Iterable[PathLike], around: Iterable[Any] = ()
) -> Steps[Layers]:
    """Open the contours of structure sets as layer tuples of shapes and points.

    ``around`` are layer tuples that are open already: contours lie on their images.

    Raises
    ------
    NothingToOpenError
        There are none, or the images that they refer to are not there; the text says which.
    """
    return Steps(contour_layers_steps(_paths(paths), around))


def reopen_layers(path: PathLike) -> Steps[Layers]:
    """Open a bundle as napari layer tuples: images, then labels."""
    return Steps(reopen_layers_steps(Path(path)))


def save_layers(
    path: PathLike, layers: Sequence[Layer], others: Iterable[Any] = ()
) -> Steps[Bundle]:
    """Save napari layers as a bundle; ``others`` are the viewer's further layers."""
    return Steps(save_layers_steps(Path(path), layers, others))


def phantom_layers() -> Steps[Layers]:
    """Open the synthetic phantom CT as napari layer tuples."""
    return Steps(phantom_layers_steps())


def demo(folder: PathLike) -> Steps[Demo]:
    """Run the main job on the phantom below ``folder``: write, open, paint, pack, restore."""
    return Steps(demo_steps(Path(folder)))
