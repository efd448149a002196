"""One case on its way into a bundle, and its stacks as TIFFs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

import numpy as np

from napari_dicom_markup.api.parallel import in_order
from napari_dicom_markup.core.naming import stack_name, tiff_suffix
from napari_dicom_markup.errors import MarkupError, SaveError
from napari_dicom_markup.sinks.tiff import TiffLink, write_image, write_labels

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_dicom_markup.api.document import Written
    from napari_dicom_markup.model.markup import Labels
    from napari_dicom_markup.model.progress import Step
    from napari_dicom_markup.model.stack import Series, Stack, Volume


@dataclass(frozen=True, slots=True)
class Case:
    """What goes into one bundle: a series, the labels of its stacks and their images, by index.

    ``images`` are the volumes whose image is written as a TIFF too; ``sidecar`` is where the
    originals are when they are no files. ``replaces_labels`` says that these labels may take the
    place of those that a bundle of the name holds of the same stacks.
    """

    series: Series
    labels: dict[int, list[Labels]] = field(default_factory=dict)
    images: dict[int, Volume] = field(default_factory=dict)
    sidecar: Path | None = None
    replaces_labels: bool = True


_IMAGE_FAILURES = (
    MarkupError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What a header that lies makes of decoding; the disk's OSError, which costs all, is not in it."""


def stage_stack(
    case: Case, stack: Stack, stem: Path, written: Written
) -> Generator[Step, None, None]:
    """Write the TIFFs of one stack."""
    name = stack_name(case.series, stack)
    labels = case.labels.get(stack.index, [])
    if labels:
        suffix = tiff_suffix(stack.index)
        link = _link(written, f"labels {stack.index} {_digest(labels)}", name)
        path = stem.with_name(stem.name + suffix)
        record = yield from write_labels(path, labels, stack, link, suffix=suffix)
        written.labels[stack.index] = (record, labels)
    if stack.index in case.images:
        suffix = tiff_suffix(stack.index, "image")
        path = stem.with_name(stem.name + suffix)
        link = _link(written, f"image {stack.index}", name)
        volume = case.images[stack.index]
        try:
            dtype = _narrowest(volume)
            planes = (plane.astype(dtype, copy=False) for plane in _planes(volume))
            record = yield from write_image(path, stack, planes, dtype, link, suffix=suffix)
        except SaveError:
            raise
        except _IMAGE_FAILURES as error:
            path.unlink(missing_ok=True)
            reason = str(error) if isinstance(error, MarkupError) else type(error).__name__
            written.notes.append(f"no image TIFF for stack {stack.index}: {reason}")
            return
        written.images[stack.index] = record


def _link(written: Written, content: str, name: str) -> TiffLink:
    return TiffLink(str(uuid5(UUID(written.bundle), content)), name, written.bundle)


def _digest(labels: Sequence[Labels]) -> str:
    """Return a hash of labels and their looks, plane by plane so that nothing is copied whole."""
    digest = hashlib.blake2b(digest_size=16)
    for layer in labels:
        digest.update(repr((layer.style, layer.data.shape, layer.data.dtype.str)).encode())
        for plane in layer.data:
            digest.update(np.ascontiguousarray(plane).data)
    return digest.hexdigest()


def _planes(volume: Volume) -> Iterator[NDArray[Any]]:
    """Yield a volume's planes in (leading, slice) order, a few decoded ahead in threads."""
    leading = np.ndindex(*volume.array.shape[: len(volume.stack.shape) - 2])
    return in_order(volume.array.__getitem__, leading)


def _narrowest(volume: Volume) -> np.dtype[Any]:
    """Return the smallest type that holds a volume's values, where its headers allow for int32.

    A CT that declares 16 signed bits and an intercept of -1024 needs int32 by its header, and
    int16 by what it holds: half the size, and read by more programs.
    """
    if volume.array.dtype != np.int32:
        return volume.array.dtype
    low, high = 0, 0
    for plane in _planes(volume):
        low, high = min(low, int(plane.min())), max(high, int(plane.max()))
    kinds = (np.dtype(kind) for kind in ("int16", "uint16", "int32"))
    return next(k for k in kinds if np.iinfo(k).min <= low and high <= np.iinfo(k).max)
