"""Pack: originals into a sidecar, labels and images into OME-TIFFs, proven, then named."""

from __future__ import annotations

import hashlib
import mmap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from napari_dicom_markup.api.case import Case, stage_stack
from napari_dicom_markup.api.document import Kept, Written, describe, provenance
from napari_dicom_markup.api.opening import value_domain
from napari_dicom_markup.api.parallel import in_order
from napari_dicom_markup.core.capsule import encapsulate, rebuild
from napari_dicom_markup.errors import DamagedError, MarkupError, SaveError, SourceChangedError
from napari_dicom_markup.model.progress import Step
from napari_dicom_markup.model.sidecar import SIDECAR_SUFFIX, Capsule, store_path
from napari_dicom_markup.sinks.bundle import SidecarWriter
from napari_dicom_markup.sinks.staging import Staging, writing
from napari_dicom_markup.sources.bundle import SidecarReader
from napari_dicom_markup.sources.dicom.payload import claim_pixels
from napari_dicom_markup.sources.tiff import TiffState, bundle_of, verify_tiff

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from napari_dicom_markup.core.capsule import Encapsulated
    from napari_dicom_markup.model.sidecar import StackRecord, TiffRecord
    from napari_dicom_markup.model.stack import Instance, Series, SourceFile, Stack
    from napari_dicom_markup.sources.bundle import Original

NAMESPACE = UUID("8d3a6f4e-6c0b-5f6e-9a53-0f6a2d1c7b11")
"""Namespace of the version 5 UUIDs of bundles; it was drawn once and never changes."""

MAP_FROM = 64 << 20
"""Larger files are mapped instead of read."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that was written: its files, its sizes in bytes, and what could not be added."""

    sidecar: Path
    tiffs: tuple[Path, ...]
    files: int
    original_bytes: int
    sidecar_bytes: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Sealed:
    """One original taken apart, on its way into the sidecar."""

    capsule: Capsule
    encapsulated: Encapsulated


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a bundle goes, and what the sidecar of its name holds that it would replace."""

    folder: Path
    stem: str
    originals: frozenset[tuple[str, str]] = field(default=frozenset(), repr=False)
    stacks: tuple[StackRecord, ...] = ()

    def path(self, suffix: str) -> Path:
        return self.folder / f"{self.stem}{suffix}"

    @property
    def records(self) -> set[TiffRecord]:
        """Records of the TIFFs of the sidecar that is there."""
        return {one for stack in self.stacks for one in (stack.image, stack.labels) if one}


def pack_case(case: Case, folder: Path, stem: str) -> Generator[Step, None, Bundle]:
    """Write one bundle whole, or nothing.

    Where a bundle of the name holds the same originals, its TIFFs that are not written anew stay.

    Raises
    ------
    SourceChangedError
        Originals moved or changed since they were opened.
    SaveError
        The disk or the folder said no, the proof failed, or the name belongs to other originals
        or labels.
    LabelsError
        Labels that cannot be stored.
    """
    _check_unchanged(case)
    with Staging(folder, stem) as staging, writing(stem):
        target = _read_target(folder, stem)
        _check_labels(case, target)
        written = yield from _stage_proven(case, staging.folder, target)
        _check_unchanged(case)
        _check_meanwhile(case, target, written)
        suffixes = [record.suffix for record in written.tiffs]
        for suffix in suffixes:
            _check_tiff_target(target, suffix, written.bundle)
        finals = staging.commit([f"{stem}{suffix}" for suffix in (*suffixes, SIDECAR_SUFFIX)])
    return Bundle(
        sidecar=finals[-1],
        tiffs=tuple(finals[:-1]),
        files=len(written.sha256),
        original_bytes=written.size,
        sidecar_bytes=finals[-1].stat().st_size,
        notes=tuple(written.notes),
    )


def _check_unchanged(case: Case) -> None:
    """Stop where an original file is not as it was when it was opened."""
    if case.sidecar is not None:
        return
    changed = tuple(file.relative for file in case.series.files if not _is_unchanged(file))
    if changed:
        message = (
            f"{len(changed)} original files moved or changed since they were opened: "
            "open the folder again, then save"
        )
        raise SourceChangedError(message, changed)


def _is_unchanged(file: SourceFile) -> bool:
    try:
        status = file.path.stat()
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (file.size, file.mtime_ns)


def _stage_proven(case: Case, folder: Path, target: _Target) -> Generator[Step, None, Written]:
    """Write all parts and prove them from the disk.

    Where the proof of an original fails, a codec lost something: then all is written again, each
    plane decoded as soon as it is encoded, and kept as it was where it does not come back.
    """
    stem = target.stem
    for checked in (False, True):
        written = yield from _stage(case, folder, target, checked=checked)
        if (yield from _prove_originals(folder / f"{stem}{SIDECAR_SUFFIX}")):
            return written
        for name in (SIDECAR_SUFFIX, *(record.suffix for record in written.tiffs)):
            (folder / f"{stem}{name}").unlink()
    message = f"{stem} was not written: the proof of an original failed"
    raise SaveError(message)


def _stage(
    case: Case, folder: Path, target: _Target, *, checked: bool
) -> Generator[Step, None, Written]:
    written = Written()
    with SidecarWriter(folder / f"{target.stem}{SIDECAR_SUFFIX}") as writer:
        if case.sidecar is None:
            yield from _seal_files(case.series, writer, written, checked=checked)
        else:
            yield from _copy_originals(case.sidecar, case.series, writer, written)
        if not target.originals <= written.originals:
            raise _refusal(target.path(SIDECAR_SUFFIX))
        written.blocks = writer.end_originals()
        written.bundle = str(uuid5(NAMESPACE, "\n".join(sorted(written.sha256))))
        for stack in case.series.stacks:
            yield from stage_stack(case, stack, folder / target.stem, written)
            if stack.index in written.images:  # they may be SUV
                written.values[stack.index] = value_domain(case.images[stack.index].stack)
        yield from _prove_tiffs(folder / target.stem, written)
        kept = yield from _keep(case.series, target, written)
        writer.write_document(describe(case.series, written, kept, provenance()))
    return written


def _instances(series: Series) -> dict[str, Instance]:
    """Return the instances of a series by relative path, those in no stack included."""
    stacked = [frame.instance for stack in series.stacks for frame in stack.frames]
    left = [one.instance for one in series.leftovers if one.instance is not None]
    return {i.file.relative: i for i in (*stacked, *left)}


def _seal_files(
    series: Series, writer: SidecarWriter, written: Written, *, checked: bool
) -> Generator[Step, None, None]:
    files, instances = series.files, _instances(series)

    def seal(file: SourceFile) -> _Sealed:
        return _seal(file, instances.get(file.relative), checked=checked)

    for number, (file, sealed) in enumerate(zip(files, in_order(seal, files), strict=True)):
        written.note_original(number, file.relative, sealed.capsule)
        writer.add(sealed.capsule, sealed.encapsulated.literal, sealed.encapsulated.payload)
        yield Step(number + 1, len(files), "packing originals")


def _seal(file: SourceFile, instance: Instance | None, *, checked: bool) -> _Sealed:
    """Take one file apart; it must still be what was scanned."""
    try:
        raw = _read(file)
    except (OSError, ValueError):  # ValueError: an empty file cannot be mapped
        raise _changed(file) from None
    if len(raw) != file.size:
        raise _changed(file)
    claims = claim_pixels(raw, instance) if instance is not None else []
    encapsulated = encapsulate(raw, claims, checked=checked)
    path, escaped = store_path(file.relative)
    digest = hashlib.sha256(raw).hexdigest()
    return _Sealed(Capsule(path, len(raw), digest, encapsulated.parts, escaped), encapsulated)


def _read(file: SourceFile) -> bytes | memoryview:
    if file.size < MAP_FROM:
        return file.path.read_bytes()
    with file.path.open("rb") as stream:
        return memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))


def _changed(file: SourceFile) -> SourceChangedError:
    message = "an original file moved or changed while it was packed: open the folder again"
    return SourceChangedError(message, (file.relative,))


def _copy_originals(
    sidecar: Path, series: Series, writer: SidecarWriter, written: Written
) -> Generator[Step, None, None]:
    """Copy the originals of a sidecar block by block, without taking them apart again."""
    with SidecarReader(sidecar) as reader:
        _check_same_originals(reader, series)
        number, total = 0, reader.sidecar.files
        for block in reader.sidecar.blocks:
            for original in reader.originals(block, number):
                relative = original.relative
                written.note_original(original.number, relative, original.capsule)
            number += block.files
            writer.copy_block(block, reader.read_entry)
            yield Step(number, total, "copying originals")


def _check_same_originals(reader: SidecarReader, series: Series) -> None:
    """Stop where another sidecar took the place of the one that the series was opened from."""
    found = {(one.relative, one.capsule.size) for one in originals_of(reader)}
    opened = {(file.relative, file.size) for file in series.files}
    if reader.sidecar.series_uid != series.uid or found != opened:
        name = reader.path.name
        message = f"{name} is not the sidecar that was opened: open it again, then save"
        raise SourceChangedError(message, (name,))


def _prove_originals(sidecar: Path) -> Generator[Step, None, bool]:
    """Read the sidecar back and say whether every original is rebuilt from it."""
    with SidecarReader(sidecar) as reader:
        total = reader.sidecar.files
        for done, exact in enumerate(in_order(is_exact, originals_of(reader)), start=1):
            if not exact:
                return False
            yield Step(done, total, "proving originals")
    return True


def _prove_tiffs(stem: Path, written: Written) -> Generator[Step, None, None]:
    """Read the TIFFs back and decode every plane; an image that fails is left out, and noted."""
    for record, _ in written.labels.values():
        proof = verify_tiff(stem.with_name(f"{stem.name}{record.suffix}"), record)
        if proof.state is not TiffState.EXACT:
            message = f"{stem.name} was not written: the proof of a TIFF failed ({proof.message})"
            raise SaveError(message)
        yield Step(1, 1, "proving TIFFs")
    for index, record in list(written.images.items()):
        path = stem.with_name(f"{stem.name}{record.suffix}")
        proof = verify_tiff(path, record)
        if proof.state is not TiffState.EXACT:
            path.unlink(missing_ok=True)
            del written.images[index], written.values[index]
            written.notes.append(f"no image TIFF for stack {index}: its proof failed")
        yield Step(1, 1, "proving TIFFs")


def originals_of(reader: SidecarReader) -> Iterator[Original]:
    """Yield all originals of a sidecar; a damaged block raises where it begins."""
    first = 0
    for block in reader.sidecar.blocks:
        yield from reader.originals(block, first)
        first += block.files


def is_exact(original: Original) -> bool:
    """Say whether an original is rebuilt to the bytes that it had."""
    digest = hashlib.sha256()
    try:
        for chunk in rebuild(original.capsule.parts, original.literal(), original.payload()):
            digest.update(chunk)
    except DamagedError:
        return False
    return digest.hexdigest() == original.capsule.sha256


def _read_target(folder: Path, stem: str) -> _Target:
    """Read what the sidecar of a name holds, before anything is written in its place."""
    final = folder / f"{stem}{SIDECAR_SUFFIX}"
    if not final.exists():
        return _Target(folder, stem)
    try:
        with SidecarReader(final) as reader:
            capsules = [original.capsule for original in originals_of(reader)]
            originals = frozenset((capsule.path, capsule.sha256) for capsule in capsules)
            return _Target(folder, stem, originals, reader.sidecar.stacks)
    except MarkupError:
        raise _refusal(final) from None


def _refusal(final: Path) -> SaveError:
    message = (
        f"{final.name} exists and holds other originals, or cannot be read: "
        "it was left as it is; choose another name"
    )
    return SaveError(message)


def _check_labels(case: Case, target: _Target) -> None:
    """Refuse to replace labels, unless someone who sees them asks for it."""
    held = {
        stack.index
        for stack in target.stacks
        if stack.labels is not None and target.path(stack.labels.suffix).exists()
    }
    if held & set(case.labels) and not case.replaces_labels:
        name = target.path(SIDECAR_SUFFIX).name
        message = f"{name} holds labels already: save to another name, or open it in napari"
        raise SaveError(message)


def _check_meanwhile(case: Case, target: _Target, written: Written) -> None:
    """Stop where the name was saved to meanwhile, and this save would lose some of that."""
    now = _read_target(target.folder, target.stem)
    if not now.originals <= written.originals:
        raise _refusal(target.path(SIDECAR_SUFFIX))
    _check_labels(case, now)
    replaced = {record.suffix for record in written.tiffs}
    if any(record.suffix not in replaced for record in now.records - target.records):
        message = f"{target.stem} was saved by someone else meanwhile: save again"
        raise SaveError(message)


def _keep(series: Series, target: _Target, written: Written) -> Generator[Step, None, Kept]:
    """Return the sound TIFFs of the sidecar that is there which are not written anew."""
    stacks = {stack.index: stack for stack in series.stacks}
    kept = Kept()
    for record in target.stacks:
        index, same = record.index, _is_same(stacks.get(record.index), record)
        if record.image is not None and index not in written.images:
            yield Step(index, len(target.stacks), "checking the image that is kept")
            if _is_kept(record.image, target, written, same=same):
                kept.images[index], kept.values[index] = record.image, record.values
        if record.labels is not None and not (same and index in written.labels):
            yield Step(index, len(target.stacks), "checking the labels that are kept")
            if not same and target.path(record.labels.suffix).is_file():
                message = (
                    f"{target.stem}{record.labels.suffix} holds labels of a stack that is another "
                    "now: it was left as it is; choose another name"
                )
                raise SaveError(message)
            if _is_kept(record.labels, target, written, same=same):
                kept.labels[index] = (record.labels, record.layers)
    return kept


def _is_same(stack: Stack | None, record: StackRecord) -> bool:
    """Say whether a stack has the frames of a record, in their order."""
    frames = [(frame.sop_instance_uid, frame.number) for frame in record.frames]
    return (
        stack is not None
        and stack.shape == record.shape
        and [(frame.sop_instance_uid, frame.number) for frame in stack.frames] == frames
    )


def _is_kept(record: TiffRecord, target: _Target, written: Written, *, same: bool) -> bool:
    """Say whether a TIFF goes on being a part of the bundle; where not, note why."""
    path = target.path(record.suffix)
    found = verify_tiff(path, record)
    reason = found.message if same else f"{path.name} is of a stack that is another now"
    if same and found.state in {TiffState.EXACT, TiffState.EDITED}:
        return True
    written.notes.append(f"no longer a part of the bundle: {reason}")
    return False


def _check_tiff_target(target: _Target, suffix: str, bundle: str) -> None:
    """Refuse to replace a file that is no TIFF of these originals."""
    final = target.path(suffix)
    recorded = any(record.suffix == suffix for record in target.records)
    ours = final.is_file() and (recorded or bundle_of(final) == bundle)
    if final.exists() and not ours:
        message = (
            f"{final.name} exists and belongs to no bundle of these originals: "
            "it was left as it is; choose another name"
        )
        raise SaveError(message)
