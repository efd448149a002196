"""A DICOMDIR (PS3.10 section 8): the files that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dicom_markup.errors import BROKEN
from napari_dicom_markup.sources.dicom.bounded import check_size
from napari_dicom_markup.sources.quiet import quiet_pydicom
from napari_dicom_markup.standard.sop_classes import DICOMDIR

if TYPE_CHECKING:
    from pathlib import Path

_HEAD = 1024


def is_directory(path: Path) -> bool:
    """Say whether a file is a DICOMDIR, by the SOP class in its File Meta Information."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError:
        return False
    return head[128:132] == b"DICM" and any(
        DICOMDIR.encode() + end in head for end in (b"\0", b"\2\0")
    )


def named_files(path: Path) -> list[tuple[Path, str]]:
    """Return (path, relative POSIX name) of each file that a DICOMDIR names.

    Names lead from the DICOMDIR's own folder, never out of it; where the medium was copied to a
    file system that tells cases apart, a name is found in lower case too. A DICOMDIR that cannot
    be read names no files.
    """
    from pydicom import dcmread
    from pydicom.errors import BytesLengthException, InvalidDicomError

    try:
        with quiet_pydicom(), path.open("rb") as stream:
            check_size(stream)
            stream.seek(0)
            records = dcmread(stream).get("DirectoryRecordSequence") or []
            identifiers = [record.get("ReferencedFileID") for record in records]
    except (BytesLengthException, InvalidDicomError, *BROKEN):
        return []
    parts = [[one] if isinstance(one, str) else list(one) for one in identifiers if one]
    return [_find(path.parent, [str(part) for part in each]) for each in parts if _inside(each)]


def _inside(parts: list[str]) -> bool:
    return all(part not in {"", ".", ".."} and not set(part) & set("/\\\0") for part in parts)


def _find(folder: Path, parts: list[str]) -> tuple[Path, str]:
    relative = "/".join(parts)
    lower = folder / relative.lower()
    if not (folder / relative).exists() and lower.exists():
        return lower, relative.lower()
    return folder / relative, relative
