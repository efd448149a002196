"""Write a vault's file: under a hidden name, read back and proven, then named."""

from __future__ import annotations

import os
import secrets
from typing import IO, TYPE_CHECKING

from napari_dicom_markup.errors import SaveError
from napari_dicom_markup.model.progress import Step
from napari_dicom_markup.sinks.staging import Staging, writing

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from pathlib import Path

    ReadAt = Callable[[int, int], bytes]
    Prove = Callable[[ReadAt, int], Iterable[Step]]

random_bytes = secrets.token_bytes
"""The only source of the vault's random bytes: the operating system's."""


def write_vault(
    path: Path, pieces: Iterable[bytes | Step], prove: Prove, *, replace: bool = False
) -> Generator[Step, None, Path]:
    """Write a vault from its bytes in order; steps among them are passed on.

    ``prove`` gets a reader of what was written (offset, size) and its size, and raises where it
    does not hold. Until then the file has a hidden name and mode 0600; on any exception, and
    when the generator is closed, nothing of it is left.

    Raises
    ------
    SaveError
        The file exists (unless ``replace``), or cannot be written.
    """
    if not replace:
        _refuse_existing(path)
    with Staging(path.parent, path.name) as staging:
        staged = staging.folder / path.name
        with writing(path.name), _create(staged) as file:
            for piece in pieces:
                if isinstance(piece, Step):
                    yield piece
                else:
                    file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        with writing(path.name), staged.open("rb") as file:
            yield from prove(_reader(file), staged.stat().st_size)
        if not replace:
            _refuse_existing(path)
        return staging.commit([path.name])[0]


def replace_header(path: Path, copy: bytes) -> None:
    """Write both copies of a vault's header in place; one of both is whole at any moment.

    Raises
    ------
    SaveError
    """
    with writing(path.name), path.open("r+b") as file:
        for offset in (len(copy), 0):
            file.seek(offset)
            file.write(copy)
            file.flush()
            os.fsync(file.fileno())


def _refuse_existing(path: Path) -> None:
    if path.exists() or path.is_symlink():
        message = f"{path.name} exists already: choose another name, no vault is written over"
        raise SaveError(message)


def _create(path: Path) -> IO[bytes]:
    """Create a file that nobody but its owner may read from its first byte on."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | _BINARY, 0o600)
    return os.fdopen(descriptor, "wb")


_BINARY = getattr(os, "O_BINARY", 0)


def _reader(file: IO[bytes]) -> ReadAt:
    def read(offset: int, size: int) -> bytes:
        file.seek(offset)
        return file.read(size)

    return read
