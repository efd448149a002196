"""Write a sidecar: one ZIP with the document, and the originals in blocks of capsules."""

from __future__ import annotations

import hashlib
import lzma
import zipfile
import zlib
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Self

from pydantic import TypeAdapter

from napari_dicom_markup.model.sidecar import (
    INFLATED_FREELY,
    INFLATED_LIMIT,
    Block,
    Capsule,
    Sidecar,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from types import TracebackType

FILES_A_BLOCK = 64
"""Headers of 64 files share an xz stream: 54 kB for 500 CT headers, and damage stays local."""

BYTES_A_BLOCK = 32 << 20
"""A block ends when it holds this much, so that memory does not grow with the files' size."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNIX = 3


class SidecarWriter:
    """A sidecar being written; leave it as a context manager to close its file."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path, "x", zipfile.ZIP_STORED)
        self._blocks: list[Block] = []
        self._capsules: list[Capsule] = []
        self._literals: list[bytes] = []
        self._payload: IO[bytes] | None = None
        self._hash = hashlib.sha256()
        self._stored = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self._zip.close()
            return
        with suppress(OSError, ValueError):  # a full disk fails again: the first error counts
            if self._payload is not None:
                self._payload.close()
        with suppress(OSError, ValueError):
            self._zip.close()

    def add(self, capsule: Capsule, literal: bytes, payload: Iterable[bytes]) -> None:
        """Add an original: its capsule with the bytes that it needs."""
        if self._payload is None:
            self._payload = self._zip.open(_entry(f"{self._name}.bin"), "w", force_zip64=True)
        for piece in payload:
            self._payload.write(piece)
            self._hash.update(piece)
            self._stored += len(piece)
        self._capsules.append(capsule)
        self._literals.append(literal)
        full = self._stored + sum(map(len, self._literals)) >= BYTES_A_BLOCK
        if full or len(self._capsules) >= FILES_A_BLOCK:
            self._end_block()

    @property
    def _name(self) -> str:
        return f"originals/{len(self._blocks):04d}"

    def _end_block(self) -> None:
        if self._payload is None:
            return
        self._payload.close()
        literal = b"".join(self._literals)
        packed = lzma.compress(literal, preset=6)
        document = TypeAdapter(list[Capsule]).dump_json(self._capsules, exclude_defaults=True)
        self._zip.writestr(_entry(f"{self._name}.xz"), packed)
        self._write_json(f"{self._name}.json", document)
        block = Block(
            name=self._name,
            files=len(self._capsules),
            literal=len(literal),
            payload=self._stored,
            sha256={
                "bin": self._hash.hexdigest(),
                "json": hashlib.sha256(document).hexdigest(),
                "xz": hashlib.sha256(packed).hexdigest(),
            },
        )
        self._blocks.append(block)
        self._capsules, self._literals, self._payload = [], [], None
        self._hash, self._stored = hashlib.sha256(), 0

    def copy_block(self, block: Block, read: Callable[[str], Iterable[bytes]]) -> None:
        """Copy a block of another sidecar, whose entries ``read`` yields by name."""
        payload = f"{block.name}.bin"
        with self._zip.open(_entry(payload), "w", force_zip64=True) as target:
            for chunk in read(payload):
                target.write(chunk)
        packed, document = f"{block.name}.xz", f"{block.name}.json"
        self._zip.writestr(_entry(packed), b"".join(read(packed)))
        self._write_json(document, b"".join(read(document)))
        self._blocks.append(block)

    def end_originals(self) -> tuple[Block, ...]:
        """End the last block and return all of them, for the document."""
        self._end_block()
        return tuple(self._blocks)

    def write_document(self, sidecar: Sidecar) -> None:
        """Write ``sidecar.json``; nothing follows it."""
        self._write_json("sidecar.json", TypeAdapter(Sidecar).dump_json(sidecar, indent=1))

    def _write_json(self, name: str, document: bytes) -> None:
        """Write a document deflated, unless a reader would take it for a bomb."""
        small = len(document) <= INFLATED_FREELY
        deflated = small or len(zlib.compress(document)) * INFLATED_LIMIT >= len(document)
        self._zip.writestr(_entry(name, deflated=deflated), document)


def _entry(name: str, *, deflated: bool = False) -> zipfile.ZipInfo:
    """Return a ZIP entry without clock or system, so that equal input gives equal bytes."""
    info = zipfile.ZipInfo(name, _EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
    info.create_system = _UNIX
    info.external_attr = 0o600 << 16
    return info
