"""Read a sidecar, trusting nothing that it says about names and sizes."""

from __future__ import annotations

import hashlib
import io
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate
from typing import IO, TYPE_CHECKING, Any, Self

from pydantic import TypeAdapter, ValidationError
from pydantic_core import SchemaValidator

from napari_dicom_markup.errors import DamagedError, UnsafeNameError, VersionError
from napari_dicom_markup.model.sidecar import (
    CAPSULE_FEATURE,
    FRAMES_FEATURE,
    INFLATED_FREELY,
    INFLATED_LIMIT,
    SCHEMA,
    VERSION,
    Block,
    Capsule,
    PartKind,
    Sidecar,
    StackRecord,
    is_safe_relative,
    original_path,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from napari_dicom_markup.model.geometry import PatientFrame

DOCUMENT = "sidecar.json"

DOCUMENT_LIMIT = 256 << 20
"""A larger document is no sidecar of ours: ten thousand frames take about 3 MB."""

LITERAL_LIMIT = 128 << 20
"""The writer ends a block at 32 MB and packs literals above 1 MB apart."""

LENGTH_LIMIT = 1e9
"""Millimetres: greater ones are damage. Stacking takes positions up to 1e7, a hundredth of it."""

_TIFF_SUFFIX = re.compile(r"(\.s\d{1,6})?(\.image)?\.ome\.tif")
_CHUNK = 1 << 20
_LOCAL_HEADER = struct.Struct("<26xHH")
_SIGNATURE = b"PK\x03\x04"


Take = Callable[[int], bytes]
"""Returns the next n bytes of a stream, or fewer at its end."""


@dataclass(frozen=True, slots=True)
class Original:
    """One original in a sidecar: its capsule, and where its own bytes are.

    It can be read after the reader is closed: the sidecar's file is opened for each read.
    """

    number: int
    capsule: Capsule
    _sidecar: Path = field(repr=False)
    _literal: bytes = field(repr=False)
    _literal_at: int
    _payload_at: int

    def literal(self) -> Take:
        """Return a reader of the file's header bytes, from their start."""
        return io.BytesIO(
            self._literal[self._literal_at : self._literal_at + self.capsule.size]
        ).read

    def payload(self) -> Take:
        """Return a reader of the file's payload, from its start."""
        position = self._payload_at

        def take(size: int) -> bytes:
            nonlocal position
            with _reading(self._sidecar.name), self._sidecar.open("rb") as stream:
                stream.seek(position)
                data = stream.read(size)
            position += len(data)
            return data

        return take

    @property
    def relative(self) -> str:
        """The relative path that the file had."""
        return original_path(self.capsule)


@dataclass(frozen=True, slots=True)
class _OpenBlock:
    capsules: tuple[Capsule, ...]
    literal: bytes
    literal_at: tuple[int, ...]
    payload_at: tuple[int, ...]
    payload_end: int


@contextmanager
def _reading(part: str) -> Iterator[None]:
    """Turn whatever damaged bytes raise into a DamagedError that names the part."""
    try:
        yield
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        zlib.error,
        lzma.LZMAError,
        struct.error,
        ValidationError,
        EOFError,
        KeyError,
        MemoryError,
        NotImplementedError,
        OSError,
        OverflowError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        if isinstance(error, DamagedError | VersionError):
            raise
        message = f"{part} is damaged or missing"
        raise DamagedError(message, part) from None


class SidecarReader:
    """A sidecar opened for reading; its document is checked before anything else is used.

    Raises
    ------
    DamagedError
        The file is no sidecar, or its document is damaged.
    VersionError
        It needs a newer version of this package.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = _open(path)
        try:
            with _reading(path.name):
                self._zip = zipfile.ZipFile(self._file)
            with _reading(DOCUMENT):
                self.sidecar = _read_document(self._entry_bytes(DOCUMENT, DOCUMENT_LIMIT))
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._zip.close()
        self._file.close()

    def _entry_bytes(self, name: str, limit: int) -> bytes:
        info = self._zip.getinfo(name)
        stored = min(info.compress_size, self.path.stat().st_size)
        if info.file_size > min(limit, max(INFLATED_FREELY, INFLATED_LIMIT * stored)):
            message = f"{name} is larger than any that this package writes"
            raise DamagedError(message, name)
        return self._zip.read(info)  # no more than the declared size

    def read_entry(self, name: str) -> Iterator[bytes]:
        """Yield an entry's bytes, for copying; its CRC is checked at the end."""
        with _reading(name), self._zip.open(name) as entry:
            while chunk := entry.read(_CHUNK):
                yield chunk

    def originals(self, block: Block, first: int) -> list[Original]:
        """Return a block's originals, numbered from ``first``; each can be read on its own."""
        opened = self._open_block(block)
        start = self._data_offset(f"{block.name}.bin", opened.payload_end)
        return [
            Original(
                number=first + k,
                capsule=capsule,
                _sidecar=self.path,
                _literal=opened.literal,
                _literal_at=opened.literal_at[k],
                _payload_at=start + opened.payload_at[k],
            )
            for k, capsule in enumerate(opened.capsules)
        ]

    def _open_block(self, block: Block) -> _OpenBlock:
        document = f"{block.name}.json"
        with _reading(document):
            data = self._entry_bytes(document, DOCUMENT_LIMIT)
            _check_hash(data, block.sha256.get("json"), document)
            capsules: tuple[Capsule, ...] = _validator(tuple[Capsule, ...]).validate_json(data)
            _check_capsules(capsules, block)
        literals = [sum(p.length for p in c.parts if p.kind is PartKind.LITERAL) for c in capsules]
        payloads = [sum(p.stored for p in c.parts) for c in capsules]
        if sum(literals) != block.literal or sum(payloads) != block.payload:
            message = f"{document} does not fit its block"
            raise DamagedError(message, document)
        return _OpenBlock(
            capsules,
            self._literal(block),
            tuple(accumulate(literals, initial=0)),
            tuple(accumulate(payloads, initial=0)),
            sum(payloads),
        )

    def _literal(self, block: Block) -> bytes:
        name = f"{block.name}.xz"
        if not 0 <= block.literal <= LITERAL_LIMIT:
            message = f"{name} declares more header bytes than any block holds"
            raise DamagedError(message, name)
        with _reading(name):
            packed = self._entry_bytes(name, LITERAL_LIMIT)
            _check_hash(packed, block.sha256.get("xz"), name)
            decompressor = lzma.LZMADecompressor(memlimit=256 << 20)
            literal = decompressor.decompress(packed, block.literal + 1)
        if len(literal) != block.literal:
            message = f"{name} does not hold the declared header bytes"
            raise DamagedError(message, name)
        return literal

    def _data_offset(self, name: str, needed: int) -> int:
        """Return where a stored entry's bytes begin (APPNOTE.TXT 4.3.7)."""
        with _reading(name):
            info = self._zip.getinfo(name)
            self._file.seek(info.header_offset)
            header = self._file.read(30)
            stored = info.compress_type == zipfile.ZIP_STORED and info.file_size == needed
            if header[:4] != _SIGNATURE or not stored:
                message = f"{name} is damaged or missing"
                raise DamagedError(message, name)
            name_length, extra_length = _LOCAL_HEADER.unpack(header)
        return int(info.header_offset + 30 + name_length + extra_length)


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError:
        message = f"{path.name} cannot be opened: check that it is there and may be read"
        raise DamagedError(message, path.name) from None


def _check_hash(data: bytes, expected: str | None, part: str) -> None:
    if hashlib.sha256(data).hexdigest() != expected:
        message = f"{part} is damaged: its SHA-256 differs from the document's"
        raise DamagedError(message, part)


@cache
def _validator(kind: Any) -> SchemaValidator:
    """Return the validator of a type; a list ends at its first wrong item.

    Errors take far more memory than the items: millions of them would be a bomb.
    """
    return SchemaValidator(_fail_fast(TypeAdapter(kind).core_schema))


def _fail_fast(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_fail_fast(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    copy = {key: _fail_fast(value) for key, value in schema.items()}
    if copy.get("type") in {"tuple", "list"}:
        copy["fail_fast"] = True
    return copy


@dataclass(frozen=True, slots=True)
class _Head:
    """What a document of any version says first."""

    schema: str
    version: int
    requires: tuple[str, ...]


def _read_document(data: bytes) -> Sidecar:
    """Validate the document, its version first, so that a newer one is named as such."""
    head: _Head = _validator(_Head).validate_json(data)
    if head.schema != SCHEMA:
        message = f"{DOCUMENT} is no sidecar of this package"
        raise DamagedError(message, DOCUMENT)
    if head.version > VERSION or set(head.requires) - {CAPSULE_FEATURE, FRAMES_FEATURE}:
        number = head.version
        message = f"this sidecar is of version {number}: update napari-dicom-markup to read it"
        raise VersionError(message)
    sidecar: Sidecar = _validator(Sidecar).validate_json(data)
    _check_document(sidecar)
    return sidecar


def _check_document(sidecar: Sidecar) -> None:
    """Check what the types do not: counts, block names, and that frames name existing files."""
    expected = [f"originals/{k:04d}" for k in range(len(sidecar.blocks))]
    named = [frame.file for stack in sidecar.stacks for frame in stack.frames]
    named += [leftover.file for leftover in sidecar.leftovers]
    if (
        [block.name for block in sidecar.blocks] != expected
        or sum(block.files for block in sidecar.blocks) != sidecar.files
        or any(not 0 <= number < sidecar.files for number in named)
        or not all(map(_is_sound, sidecar.stacks))
    ):
        message = f"{DOCUMENT} contradicts itself"
        raise DamagedError(message, DOCUMENT)


def _is_sound(stack: StackRecord) -> bool:
    """Say whether a stack has frames, lengths that can be, and TIFFs beside the sidecar."""
    records = [record for record in (stack.image, stack.labels) if record is not None]
    geometry = stack.geometry
    return (
        len(stack.shape) == 3 + (stack.leading is not None) + len(stack.further_leading)
        and bool(stack.frames)
        and all(abs(length) < LENGTH_LIMIT for length in geometry.spacing)
        and (geometry.patient is None or _is_placed(geometry.patient))
        and all(len(record.shape) in {5, 6} for record in records)
        and all(_TIFF_SUFFIX.fullmatch(record.suffix) for record in records)
    )


def _is_placed(patient: PatientFrame) -> bool:
    """Say whether a place in the patient has slices, and a normal."""
    vectors = (patient.row, patient.column, patient.step, *patient.origins)
    if not all(abs(length) < LENGTH_LIMIT for vector in vectors for length in vector):
        return False
    (a, b, c), (d, e, f) = patient.row, patient.column
    return bool(patient.origins) and any((b * f - c * e, c * d - a * f, a * e - b * d))


def _check_capsules(capsules: tuple[Capsule, ...], block: Block) -> None:
    if len(capsules) != block.files:
        message = f"{block.name}.json does not hold the declared number of files"
        raise DamagedError(message, block.name)
    for capsule in capsules:
        if not is_safe_relative(original_path(capsule)):
            message = f"a name in {block.name}.json would leave the folder it is restored to"
            raise UnsafeNameError(message, block.name)
        if capsule.size != sum(part.length for part in capsule.parts) or any(
            part.length < 0 or part.stored < 0 for part in capsule.parts
        ):
            message = f"a capsule in {block.name}.json does not add up to its size"
            raise DamagedError(message, block.name)
