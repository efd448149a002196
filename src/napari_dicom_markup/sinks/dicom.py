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


def make_folder(folder: Path) -> None:
    """Make the folder that originals are restored to, where it is not there."""
    with writing("the folder to restore to"):
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
        target.parent.mkdir(parents=True, exist_ok=True)
        inside = target.parent.resolve().is_relative_to(folder.resolve())
    if not inside:
        message = "a link in the target folder leads out of it: nothing is written through it"
        raise UnsafeNameError(message)
    return target


def write_original(target: Path, chunks: Iterable[bytes], sha256: str) -> bool:
    """Write a restored file and return True, or False where the same file is there already.

    Raises
    ------
    DamagedError
        The bytes do not have the original's hash; nothing is left.
    SaveError
        The file cannot be written; nothing is left.
    FileExistsError
        Another file has the name; it stays as it is.
    """
    if target.exists() or target.is_symlink():
        if target.is_file() and hash_file(target) == sha256:
            return False
        message = "another file has this name: it was left as it is"
        raise FileExistsError(message)
    with writing("a restored file"):
        descriptor, name = tempfile.mkstemp(prefix=".restoring-", dir=target.parent)
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


def _name(staged: Path, target: Path) -> None:
    """Give a staged file its name; a link, unlike a rename, never replaces another file."""
    staged.chmod(0o600)
    try:
        os.link(staged, target)
    except FileExistsError:
        raise
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
