"""Files that get their final names together, or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from napari_dicom_markup.errors import MarkupError, SaveError
from napari_dicom_markup.model.sidecar import STAGING_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

_REASONS = {
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "the disk quota is used up: free some space",
    errno.EFBIG: "a file would be larger than is allowed here",
    errno.EROFS: "the folder is read-only: choose another",
    errno.EACCES: "the folder may not be written to: choose another",
    errno.EPERM: "the folder may not be written to: choose another",
    errno.EEXIST: "a file has the folder's name: choose another",
    errno.ENOENT: "the folder does not exist: make it first",
    errno.ENOTDIR: "the folder is a file: choose another",
    errno.ENAMETOOLONG: "the name is too long: choose a shorter one",
}


@contextmanager
def writing(what: str) -> Iterator[None]:
    """Turn an error of the file system into a SaveError that says what to do."""
    try:
        yield
    except MarkupError:  # some of ours are OSErrors, and say more
        raise
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, os.strerror(error.errno or errno.EIO))
        message = f"{what} was not written: {reason}"
        raise SaveError(message) from None


class Staging:
    """A private folder beside the final place; leaving it without ``commit`` removes it.

    What a killed process left behind is removed by the next save of the same name, which knows
    by a lock that nobody writes there any more.
    """

    def __init__(self, folder: Path, stem: str) -> None:
        self._final = folder
        self._stem = stem
        with writing(stem):
            self._remove_abandoned()
            self.folder = Path(
                tempfile.mkdtemp(prefix=f".{stem}.", suffix=STAGING_SUFFIX, dir=folder)
            )
            try:
                self._lock = os.open(self.folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
            except OSError:
                self.folder.rmdir()
                raise
            _try_lock(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._lock)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _remove_abandoned(self) -> None:
        for folder in self._final.iterdir():
            if not (
                folder.name.startswith(f".{self._stem}.") and folder.name.endswith(STAGING_SUFFIX)
            ):
                continue
            with suppress(OSError):
                folder.rmdir()  # killed before there was a lock; it fails where there is one
            with suppress(OSError):
                lock = os.open(folder / "lock", os.O_RDWR)
                abandoned = _try_lock(lock)
                os.close(lock)
                if abandoned:
                    shutil.rmtree(folder, ignore_errors=True)

    def commit(self, names: Sequence[str]) -> list[Path]:
        """Give the staged files their final names, in this order; the last one counts."""
        finals = [self._final / name for name in names]
        with writing(self._stem):
            for name in names:
                staged = self.folder / name
                staged.chmod(0o600)
                _sync(staged)
            for name, final in zip(names, finals, strict=True):
                (self.folder / name).replace(final)
        with suppress(OSError):  # the names are given; some file systems sync no folders
            _sync(self._final)
        return finals


def _try_lock(descriptor: int) -> bool:
    """Take the lock of a staging folder; False where someone has it or locks are unknown."""
    try:
        import fcntl
    except ImportError:  # Windows: an abandoned folder stays until its user removes it
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _sync(path: Path) -> None:
    """Bring a file's or folder's bytes to the disk, where the system can."""
    with suppress(PermissionError):  # Windows opens no folders
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
