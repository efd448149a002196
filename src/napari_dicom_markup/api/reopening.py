"""Open a bundle again: the same volumes, from the originals in its sidecar, and its labels."""

from __future__ import annotations

import hashlib
import math
import re
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from napari_dicom_markup.api.describing import frames_of, is_plain
from napari_dicom_markup.api.opening import MemoryFrames, make_volume
from napari_dicom_markup.api.packing import originals_of
from napari_dicom_markup.core.capsule import rebuild
from napari_dicom_markup.errors import DamagedError, VersionError
from napari_dicom_markup.model.markup import Labels
from napari_dicom_markup.model.progress import Step
from napari_dicom_markup.model.sidecar import SIDECAR_SUFFIX, PartKind
from napari_dicom_markup.model.stack import (
    Instance,
    Leftover,
    Series,
    SourceFile,
    Stack,
    only_frame,
)
from napari_dicom_markup.sources.bundle import SidecarReader
from napari_dicom_markup.sources.dicom.headers import instance_from_bytes
from napari_dicom_markup.sources.tiff import bundle_of, read_labels

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from napari_dicom_markup.model.sidecar import FrameRecord, Sidecar, StackRecord
    from napari_dicom_markup.model.stack import Frame, Tile, Volume
    from napari_dicom_markup.sources.bundle import Original

_TIFF_ENDING = re.compile(r"(\.s\d+)?(\.image)?(\.ome)?\.tiff?$", re.IGNORECASE)
"""What follows the stem in the name of a bundle's TIFF."""

_KEPT = 4
"""Rebuilt files kept in memory: neighbours of the slice in view."""

_KEPT_BYTES = 256 << 20
"""Size that several kept files may have together; one alone may be larger."""


@dataclass(frozen=True, slots=True, eq=False)
class Reopened:
    """A reopened bundle: volumes, labels by stack index, and what its reader should know."""

    sidecar: Path
    volumes: tuple[Volume, ...]
    labels: dict[int, tuple[Labels, ...]]
    notes: tuple[str, ...]


class _Originals:
    """The originals of a sidecar, made again when they are asked for, and proven each time."""

    def __init__(self, originals: list[Original]) -> None:
        self._originals = {original.relative: original for original in originals}
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._making: dict[str, Lock] = {}
        self._lock = Lock()

    def fetch(self, file: SourceFile) -> bytes:
        """Return the bytes of an original."""
        name = file.relative
        with self._lock:
            making = self._making.setdefault(name, Lock())
        with making:  # many threads ask for the frames of one file at once
            kept = self._find(name)
            if kept is not None:
                return kept
            raw = _rebuild(self._originals[name])
            self._keep(name, raw)
        return raw

    def header(self, instance: Instance) -> bytes:
        """Return an original's bytes, at least up to its pixels."""
        original = self._originals[instance.file.relative]
        first, *others = original.capsule.parts
        end = -1 if instance.element is None else instance.element.offset
        if others and first.kind is PartKind.LITERAL and 0 <= end <= first.length:
            return original.literal()(first.length)
        return self.fetch(instance.file)

    def _find(self, name: str) -> bytes | None:
        with self._lock:
            raw = self._kept.get(name)
            if raw is not None:
                self._kept.move_to_end(name)
            return raw

    def _keep(self, name: str, raw: bytes) -> None:
        """Keep the bytes of a file, and let go of those that were asked for longest ago."""
        with self._lock:
            self._kept[name] = raw
            while len(self._kept) > 1 and (
                len(self._kept) > _KEPT or sum(map(len, self._kept.values())) > _KEPT_BYTES
            ):
                self._kept.popitem(last=False)


def _rebuild(original: Original) -> bytes:
    capsule = original.capsule
    raw = b"".join(rebuild(capsule.parts, original.literal(), original.payload()))
    if hashlib.sha256(raw).hexdigest() != capsule.sha256:
        message = "an original in the sidecar is damaged: run dicom-markup verify on it"
        raise DamagedError(message)
    return raw


def find_sidecar(path: Path) -> Path:
    """Return the sidecar of a bundle, given it or one of the bundle's TIFFs.

    A TIFF that names its bundle belongs to the sidecar of that bundle in its folder; one that
    another program has saved, without the name, to the sidecar of its stem.

    Raises
    ------
    DamagedError
        There is none.
    """
    if path.name.lower().endswith(SIDECAR_SUFFIX):
        return path
    bundle = bundle_of(path)
    own = path.with_name(_TIFF_ENDING.sub("", path.name) + SIDECAR_SUFFIX)
    others = sorted(path.parent.glob(f"*{SIDECAR_SUFFIX}")) if bundle else []
    for sidecar in (own, *others):
        if sidecar.is_file() and (bundle is None or _bundle_in(sidecar) == bundle):
            return sidecar
    message = f"{path.name} has no sidecar (*{SIDECAR_SUFFIX}) beside it: put it there, then open"
    raise DamagedError(message, path.name)


def _bundle_in(sidecar: Path) -> str | None:
    try:
        with SidecarReader(sidecar) as reader:
            return reader.sidecar.bundle
    except (DamagedError, VersionError):
        return None


def reopen_steps(path: Path) -> Generator[Step, None, Reopened]:
    """Open a bundle from its sidecar or one of its TIFFs.

    Raises
    ------
    DamagedError, VersionError
        A part is damaged, missing, or of a newer version.
    LabelsError
        Another program saved the labels in a form that is no labels of this stack.
    """
    sidecar = find_sidecar(path)
    with SidecarReader(sidecar) as reader:
        document = reader.sidecar
        originals, instances = [], []
        for original in originals_of(reader):
            originals.append(original)
            instances.append(_instance(original, sidecar))
            yield Step(len(originals), document.files, "reading the sidecar")
    kept = _Originals(originals)
    series = _series(document, _Frames(instances, kept))
    frames = MemoryFrames(kept.fetch)
    volumes = tuple(make_volume(series, stack, frames, sidecar) for stack in series.stacks)
    labels, notes = _read_labels(sidecar, document)
    return Reopened(sidecar, volumes, labels, tuple(notes))


def _instance(original: Original, sidecar: Path) -> Instance | Leftover:
    """Return what an original is, from its header bytes alone where these are in front."""
    capsule = original.capsule
    file = SourceFile(str(sidecar), original.relative, capsule.size, 0)
    if len(capsule.parts) > 1 and capsule.parts[0].kind is PartKind.LITERAL:
        found = instance_from_bytes(original.literal()(capsule.parts[0].length), file)
        if isinstance(found, Instance) and found.element is not None:
            return found
    return instance_from_bytes(_rebuild(original), file)


class _Frames:
    """The frames of a sidecar's instances, described when they are asked for."""

    def __init__(self, instances: list[Instance | Leftover], originals: _Originals) -> None:
        self.instances = instances
        self._originals = originals
        self._described: dict[int, dict[tuple[int, Tile | None], Frame]] = {}

    def frame(self, record: FrameRecord) -> Frame:
        """Return the frame that a record names."""
        instance = self.instances[record.file]
        if isinstance(instance, Instance) and instance.sop_instance_uid == record.sop_instance_uid:
            frame = self._frames(record.file, instance).get((record.number, record.tile))
            if frame is not None:
                return frame
        message = "the sidecar's frames do not fit its originals"
        raise DamagedError(message)

    def _frames(self, number: int, instance: Instance) -> dict[tuple[int, Tile | None], Frame]:
        if number not in self._described:
            if instance.pixels is None:
                return {}
            raw = None if is_plain(instance) else self._originals.header(instance)
            described = frames_of(instance, raw)
            found = {(f.number, f.tile): f for f in described}
            if instance.pixels.frames == 1:  # earlier bundles have a grid of slices as one
                found.setdefault((0, None), only_frame(instance))
            self._described[number] = found
        return self._described[number]


def _series(document: Sidecar, frames: _Frames) -> Series:
    """Return the series as it was stacked when the bundle was written."""
    stacks = tuple(_stack(record, frames) for record in document.stacks)
    leftovers = tuple(
        _leftover(frames.instances[record.file], record.reason) for record in document.leftovers
    )
    return Series(document.series_uid, document.modality, stacks, leftovers)


def _stack(record: StackRecord, frames: _Frames) -> Stack:
    found = tuple(map(frames.frame, record.frames))
    stack = Stack(
        index=record.index,
        frames=found,
        slices=record.shape[-3],
        leading=(() if record.leading is None else (record.leading, *record.further_leading)),
        geometry=record.geometry,
        reports=record.reports,
    )
    if stack.shape != record.shape or len(found) != math.prod(record.shape[:-2]):
        message = "the sidecar's frames do not fill its stack"
        raise DamagedError(message)
    return stack


def _leftover(entry: Instance | Leftover, reason: str) -> Leftover:
    instance = entry if isinstance(entry, Instance) else None
    return Leftover(entry.file, reason, is_dicom=True, instance=instance)


def _read_labels(
    sidecar: Path, document: Sidecar
) -> tuple[dict[int, tuple[Labels, ...]], list[str]]:
    stem = sidecar.name.removesuffix(SIDECAR_SUFFIX)
    labels, notes = {}, []
    for record in document.stacks:
        if record.labels is None:
            continue
        name = f"{stem}{record.labels.suffix}"
        reading = read_labels(sidecar.with_name(name), record.labels, record.layers)
        pairs = zip(record.layers, reading.arrays, strict=True)
        labels[record.index] = tuple(
            Labels(layer.style, array if array.ndim == 3 else array.reshape(record.shape))
            for layer, array in pairs
        )
        if reading.edited:
            notes.append(f"{name} was changed by another program since it was saved")
    return labels, notes
