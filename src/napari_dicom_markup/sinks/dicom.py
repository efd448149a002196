"""Write restored originals: whole, proven, and never over another file."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from napari_dicom_markup.errors import DamagedError, UnsafeNameError
from napari_dicom_markup.sinks.staging import writing

if TYPE_CHECKING:
    from collections.abc import Iterable

_CHUNK = 1 << 20
_TAKEN = "another file has this name: it was left as it is"


def make_folder(folder: Path) -> None:
    """Make the folder that files are written to, where it is not there."""
    with writing("the target folder"):
        folder.mkdir(parents=True, exist_ok=True)


def place(folder: Path, relative: str) -> Path:
    """Return where a restored file goes, and make its folder.

    Raises
    ------
    UnsafeNameError
        Where the name, or a link on its way, would leave ``folder``.
    """
    pure = PurePath(relative)
    if pure.is_absolute() or pure.drive or ".." in pure.parts or not pure.parts:
        message = "a name in the sidecar would leave the folder it is restored to"
        raise UnsafeNameError(message)
    target = folder / pure
    with writing("a restored file"):
        if not _is_inside(target.parent, folder):
            message = "a link in the target folder leads out of it: nothing is written through it"
            raise UnsafeNameError(message)
        target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _is_inside(path: Path, folder: Path) -> bool:
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except RuntimeError:  # links in a ring
        return False


def write_original(target: Path, chunks: Iterable[bytes], sha256: str, staging: Path) -> bool:
    """Write a restored file and return True, or False where the same file is there already.

    It is written in the folder ``staging``, of the same file system, and named when it is proven.

    Raises
    ------
    DamagedError
        The bytes do not have the original's hash; nothing is left.
    SaveError
        The file cannot be written; nothing is left.
    FileExistsError
        Another file has the name; it stays as it is.
    """
    if os.path.lexists(target):
        if _is_same(target, sha256):
            return False
        raise FileExistsError(_TAKEN)
    with writing("a restored file"):
        descriptor, name = tempfile.mkstemp(dir=staging)
    staged = Path(name)
    try:
        with writing("a restored file"), os.fdopen(descriptor, "wb") as stream:
            digest = hashlib.sha256()
            for chunk in chunks:
                digest.update(chunk)
                stream.write(chunk)
        if digest.hexdigest() != sha256:
            message = "the rebuilt bytes differ from the original's SHA-256"
            raise DamagedError(message)
        _name(staged, target)
    finally:
        with suppress(FileNotFoundError):
            staged.unlink()
    return True


def _is_same(path: Path, sha256: str) -> bool:
    try:
        return path.is_file() and hash_file(path) == sha256
    except OSError:  # it may not be read: then it is not known to be the same
        return False


def _name(staged: Path, target: Path) -> None:
    """Give a staged file its name; a link, unlike a rename, never replaces another file."""
    try:
        os.link(staged, target)
    except FileExistsError:  # its text would name the folders
        raise FileExistsError(_TAKEN) from None
    except OSError:  # a file system without hard links
        with writing("a restored file"):
            staged.rename(target)


def hash_file(path: Path) -> str:
    """Return a file's SHA-256 as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
