"""Restore and verify: every original byte for byte, or a word on why not."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from napari_dicom_markup.api.packing import is_exact
from napari_dicom_markup.api.parallel import in_order
from napari_dicom_markup.core.capsule import rebuild
from napari_dicom_markup.errors import DamagedError, SaveError, UnsafeNameError, VersionError
from napari_dicom_markup.model.progress import Step
from napari_dicom_markup.model.sidecar import SIDECAR_SUFFIX
from napari_dicom_markup.sinks.dicom import hash_file, make_folder, place, write_original
from napari_dicom_markup.sinks.staging import Staging
from napari_dicom_markup.sources.bundle import SidecarReader
from napari_dicom_markup.sources.tiff import TiffState, verify_tiff

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from pathlib import Path

    from napari_dicom_markup.sources.bundle import Original


class Outcome(StrEnum):
    """What became of one file."""

    EXACT = "exact"
    PRESENT = "exact, and already there"
    EDITED = "saved again by another program"
    DAMAGED = "damaged"
    MISSING = "missing"
    DIFFERENT = "another file has the name"
    FAILED = "not written"


_OUTCOMES = {
    TiffState.EXACT: Outcome.EXACT,
    TiffState.EDITED: Outcome.EDITED,
    TiffState.DAMAGED: Outcome.DAMAGED,
    TiffState.MISSING: Outcome.MISSING,
}

GOOD = frozenset({Outcome.EXACT, Outcome.PRESENT, Outcome.EDITED})


@dataclass(frozen=True, slots=True)
class FileReport:
    """What became of one original (by its relative path) or one part of a bundle."""

    path: str = field(repr=False)
    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a sidecar's originals and, when they were looked at, its TIFFs."""

    sidecar: Path
    files: tuple[FileReport, ...]
    tiffs: tuple[FileReport, ...] = ()

    @property
    def ok(self) -> bool:
        """Say whether every file is as it was."""
        return all(report.outcome in GOOD for report in (*self.files, *self.tiffs))

    def count(self, outcome: Outcome) -> int:
        """Return how many originals had this outcome."""
        return sum(report.outcome is outcome for report in self.files)


def restore_steps(
    sidecars: Sequence[Path], folder: Path
) -> Generator[Step, None, tuple[Report, ...]]:
    """Restore the originals of each sidecar under ``folder``.

    Of several sidecars, one that cannot be read costs the others nothing: it is reported.

    Raises
    ------
    DamagedError, VersionError
        The one sidecar given cannot be read or holds an unsafe name; nothing is written.
    SaveError
        The folder cannot be written to.
    """
    refused = [report for sidecar in sidecars if (report := _refuse(sidecar, len(sidecars)))]
    make_folder(folder)
    reports = []
    with Staging(folder, "restore") as staging:
        handle = partial(_restore, folder, staging.folder)
        for sidecar in sidecars:
            if any(report.sidecar == sidecar for report in refused):
                continue
            files = yield from _each(sidecar, handle, "restoring")
            reports.append(Report(sidecar, tuple(files)))
    return (*reports, *refused)


def _refuse(sidecar: Path, given: int) -> Report | None:
    """Return a report on a sidecar of which nothing shall be written; raise if it is the only."""
    try:
        with SidecarReader(sidecar) as reader:
            _check_names(reader)
    except (DamagedError, VersionError) as error:
        if given == 1:
            raise
        return Report(sidecar, (FileReport(sidecar.name, Outcome.DAMAGED, str(error)),))
    return None


def _check_names(reader: SidecarReader) -> None:
    """Refuse a whole sidecar that holds an unsafe name: it is not what this package wrote."""
    first = 0
    for block in reader.sidecar.blocks:
        try:
            reader.originals(block, first)
        except UnsafeNameError:
            raise
        except DamagedError:
            pass  # reported for the block's files when it is restored
        first += block.files


def _each(
    sidecar: Path, handle: Callable[[Original], FileReport], what: str
) -> Generator[Step, None, list[FileReport]]:
    """Handle every original of a sidecar in threads; a damaged block costs its own files only."""
    reports: list[FileReport] = []
    with SidecarReader(sidecar) as reader:

        def originals() -> Iterator[Original]:
            first = 0
            for block in reader.sidecar.blocks:
                try:
                    yield from reader.originals(block, first)
                except DamagedError as error:
                    lost = f"files {first + 1} to {first + block.files} of the sidecar"
                    reports.append(FileReport(lost, Outcome.DAMAGED, str(error)))
                first += block.files

        for done, report in enumerate(in_order(handle, originals()), start=1):
            reports.append(report)
            yield Step(done, reader.sidecar.files, what)
    return reports


def _restore(folder: Path, staging: Path, original: Original) -> FileReport:
    capsule = original.capsule
    chunks = rebuild(capsule.parts, original.literal(), original.payload())
    try:
        target = place(folder, original.relative)
        new = write_original(target, chunks, capsule.sha256, staging)
    except FileExistsError as error:
        return FileReport(original.relative, Outcome.DIFFERENT, str(error))
    except DamagedError as error:
        return FileReport(original.relative, Outcome.DAMAGED, str(error))
    except SaveError as error:
        return FileReport(original.relative, Outcome.FAILED, str(error))
    return FileReport(original.relative, Outcome.EXACT if new else Outcome.PRESENT)


def verify_steps(sidecar: Path, against: Path | None = None) -> Generator[Step, None, Report]:
    """Rebuild every original in memory, compare it, and check the bundle's TIFFs."""
    handle = _verify if against is None else partial(_compare, against)
    files = yield from _each(sidecar, handle, "verifying")
    return Report(sidecar, tuple(files), tuple(_verify_tiffs(sidecar)))


def _verify(original: Original) -> FileReport:
    if is_exact(original):
        return FileReport(original.relative, Outcome.EXACT)
    detail = "its bytes are damaged in the sidecar"
    return FileReport(original.relative, Outcome.DAMAGED, detail)


def _compare(folder: Path, original: Original) -> FileReport:
    """Verify an original, and compare it with the file of its name under ``folder``."""
    report = _verify(original)
    if report.outcome is not Outcome.EXACT:
        return report
    path = folder / original.relative if folder.is_dir() else folder
    try:
        same = hash_file(path) == original.capsule.sha256
    except OSError:
        return FileReport(original.relative, Outcome.MISSING, "not found in the folder compared")
    if same:
        return report
    return FileReport(original.relative, Outcome.DIFFERENT, "its bytes differ")


def _verify_tiffs(sidecar: Path) -> list[FileReport]:
    with SidecarReader(sidecar) as reader:
        stacks = reader.sidecar.stacks
    stem = sidecar.name.removesuffix(SIDECAR_SUFFIX)
    records = [record for stack in stacks for record in (stack.image, stack.labels) if record]
    reports = []
    for record in records:
        name = f"{stem}{record.suffix}"
        found = verify_tiff(sidecar.with_name(name), record)
        reports.append(FileReport(name, _OUTCOMES[found.state], found.message))
    return reports
