"""Find files, and read what each says about itself: an Instance, or why it is none."""

from __future__ import annotations

import gc
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from napari_dicom_markup.errors import NotDicomError, NothingToOpenError
from napari_dicom_markup.model.progress import Step
from napari_dicom_markup.model.sidecar import STAGING_SUFFIX
from napari_dicom_markup.model.stack import Instance, Leftover, SourceFile
from napari_dicom_markup.sources.dicom.directory import is_directory, named_files
from napari_dicom_markup.sources.dicom.headers import instance_from_header
from napari_dicom_markup.sources.dicom.heads import Room
from napari_dicom_markup.sources.dicom.hop import UnusualError, resume
from napari_dicom_markup.sources.dicom.raw_values import Shared
from napari_dicom_markup.sources.dicom.unusual import read_unusual
from napari_dicom_markup.sources.dicom.walk import HEAD, PREFIX, PREFIX_END, Cut, Header, walk

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

BATCH = 1024
"""Files that are walked together: enough to share numpy's cost a step, 16 MB of beginnings."""

_WINDOW = 8 * 1024
"""Bytes that a hop reads ahead."""

_OPEN_FLAGS = os.O_RDONLY
for _flag in ("O_BINARY", "O_CLOEXEC", "O_NONBLOCK"):  # the last: a link may lead to a pipe
    _OPEN_FLAGS |= getattr(os, _flag, 0)

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"%PDF-", "a PDF document"),
    (b"GIF8", "a GIF picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"II+\0", "a TIFF picture"),
    (b"version https://git-lfs.github.com/", "a git-lfs pointer: the file itself was not fetched"),
)
"""What a file without the DICM prefix is, by its first bytes."""

_FOREIGN_BYTES = 512
"""Bytes by which a file without the DICM prefix is recognised."""

_CONTROLS = bytes(c for c in range(32) if c not in b"\t\n\r\f\x1b") + b"\x7f"


def find_files(paths: Iterable[str | os.PathLike[str]]) -> list[SourceFile]:
    """Return every file under ``paths`` once, in a fixed order: folder by folder, by name.

    A DICOMDIR that is given itself stands for the files that it names.

    Folders are searched to the bottom, but symbolic links to folders are not followed. What is
    there but cannot be examined is returned too, for ``read_instances`` to say why.

    Raises
    ------
    NothingToOpenError
        One of the paths does not exist.

    """
    found: dict[str, SourceFile] = {}
    for typed in paths:
        given = os.path.abspath(typed)  # noqa: PTH100 - resolve() would follow links
        if not os.path.lexists(given):
            message = f"{os.fspath(typed)}: there is no such file or folder; check the path"
            raise NothingToOpenError(message)
        if os.path.isdir(given):  # noqa: PTH112 - thousands of Path objects cost too much
            for file in _files_below(given, ""):
                found.setdefault(file.location, file)
        else:
            for file in _given_file(Path(given)):
                found.setdefault(file.location, file)
    return list(found.values())


def _given_file(path: Path) -> Iterator[SourceFile]:
    """Yield a file that was given itself, and with a DICOMDIR the files that it names."""
    yield _source_file(str(path), path.name)
    if is_directory(path):
        for named, relative in named_files(path):
            yield _source_file(str(named), relative)


def _files_below(folder: str, prefix: str) -> Iterator[SourceFile]:
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError:
        yield SourceFile(folder, prefix.rstrip("/") or ".", 0, 0)
        return
    for entry in entries:
        relative = prefix + entry.name
        if entry.is_dir(follow_symlinks=False):
            if not (entry.name.startswith(".") and entry.name.endswith(STAGING_SUFFIX)):
                yield from _files_below(entry.path, relative + "/")
        elif _may_be_file(entry):
            yield _source_file(entry.path, relative)


def _may_be_file(entry: os.DirEntry[str]) -> bool:
    """Say whether an entry is a file, or a link wherever it leads: it is at least named."""
    return entry.is_symlink() or entry.is_file()


def _source_file(path: str, relative: str) -> SourceFile:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return SourceFile(path, relative, 0, 0)
    return SourceFile(path, relative, status.st_size, status.st_mtime_ns)


def read_instances(
    files: Sequence[SourceFile],
) -> Generator[Step, None, list[Instance | Leftover]]:
    """Return what each of ``files`` is, in their order; a step a batch.

    An ``Instance`` for every DICOM file of a series, its pixels complete or not; for any other
    file a ``Leftover`` with the reason. No file makes it fail.
    """
    shared, room = Shared(), Room(min(len(files), BATCH) * HEAD)
    results: list[Instance | Leftover] = []
    yield Step(0, len(files), "reading headers")
    for first in range(0, len(files), BATCH):
        with _without_collection():
            results += _read_batch(files[first : first + BATCH], shared, room)
        yield Step(len(results), len(files), "reading headers")
    return results


@contextmanager
def _without_collection() -> Iterator[None]:
    """Keep the garbage collector from walking the growing results again and again.

    Nothing here is garbage, and it takes a seventh of a scan of ten thousand files.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _read_batch(
    files: Sequence[SourceFile], shared: Shared, room: Room
) -> list[Instance | Leftover]:
    refusals: dict[int, OSError] = {}
    strangers: dict[int, bytes] = {}
    heads = _read_heads(files, refusals, strangers)
    headers = walk(heads, [file.size for file in files], room)
    results: list[Instance | Leftover] = []
    for i, (file, header) in enumerate(zip(files, headers, strict=True)):
        if isinstance(header, Header):
            results.append(instance_from_header(header, file, shared))
        elif i in refusals:
            results.append(_refuse(file, refusals[i], is_dicom=False))
        else:
            results.append(_read_singly(file, strangers.get(i), header, shared))
    return results


def _read_heads(
    files: Sequence[SourceFile], refusals: dict[int, OSError], strangers: dict[int, bytes]
) -> Iterator[bytes]:
    """Yield the beginning of each file, and note why there is none, and what is not DICOM's."""
    for i, file in enumerate(files):
        head = b""
        try:
            descriptor = os.open(file.location, _OPEN_FLAGS)
            try:
                head = os.read(descriptor, HEAD)
            finally:
                os.close(descriptor)
        except OSError as error:
            refusals[i] = error
        if head[PREFIX_END - len(PREFIX) : PREFIX_END] != PREFIX:
            strangers[i] = head[:_FOREIGN_BYTES]
        yield head


def _refuse(file: SourceFile, error: OSError, *, is_dicom: bool) -> Leftover:
    """Return the system's reason without the path, which may name a patient."""
    if isinstance(error, IsADirectoryError):
        return Leftover(file, "a link to a folder: give that folder itself", is_dicom)
    reason = f"cannot be opened: {(error.strerror or type(error).__name__).lower()}"
    gone = isinstance(error, FileNotFoundError)
    return Leftover(file, reason, is_dicom, is_unreadable=not gone)


def _read_singly(
    file: SourceFile, stranger: bytes | None, cut: Cut | None, shared: Shared
) -> Instance | Leftover:
    """Read one file for which the lockstep was not enough; a stranger by its first bytes."""
    prefixed = stranger is None
    foreign = "" if stranger is None else _foreign(stranger)
    if foreign:
        return Leftover(file, foreign, is_dicom=False)
    try:
        return instance_from_header(_read_header(file, cut), file, shared)
    except NotDicomError as error:
        return Leftover(file, str(error), is_dicom=prefixed)
    except OSError as error:
        return _refuse(file, error, is_dicom=prefixed)


def _read_header(file: SourceFile, cut: Cut | None) -> Header:
    with file.path.open("rb") as stream:
        if cut is not None:
            try:
                return resume(_FileReader(stream.fileno(), file.size), cut)
            except UnusualError:
                pass
        return read_unusual(stream)


class _FileReader:
    """Reads an open file in windows, for ``hop``."""

    __slots__ = ("_base", "_descriptor", "_window", "size")

    def __init__(self, descriptor: int, size: int) -> None:
        self.size = size
        self._descriptor = descriptor
        self._base, self._window = 0, b""

    def read(self, position: int, count: int) -> bytes:
        begin = position - self._base
        if begin < 0 or begin + count > len(self._window):
            os.lseek(self._descriptor, position, os.SEEK_SET)
            self._window = os.read(self._descriptor, max(count, _WINDOW))
            self._base, begin = position, 0
        return self._window[begin : begin + count]


def _foreign(head: bytes) -> str:
    """Return what a file without the DICM prefix is; "" when it may yet be DICOM."""
    if not head:
        return "an empty file"
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return f"not DICOM: {name}"
    if _is_text(head):
        return "not DICOM: text"
    return ""


def _is_text(sample: bytes) -> bool:
    if sample.translate(None, _CONTROLS) != sample:
        return False
    try:
        sample.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= len(sample) - 3  # a character cut in two by the sample's end
    return True
