"""The vault, from originals to a file and back; the floors below are joined here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from napari_dicom_markup.core.vaulting.layout import header_copies
from napari_dicom_markup.core.vaulting.reading import (
    Unlocked,
    Vault,
    check_header,
    relative_path,
    slots_of,
    unlock,
)
from napari_dicom_markup.core.vaulting.writing import Assembly, changed_header
from napari_dicom_markup.model.progress import Step
from napari_dicom_markup.sinks.vault import random_bytes, replace_header, write_vault
from napari_dicom_markup.sources.vault import VaultFile

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterable, Iterator
    from pathlib import Path
    from types import TracebackType

    from napari_dicom_markup.core.vaulting.layout import ReadAt
    from napari_dicom_markup.core.vaulting.sealing import VaultKeys
    from napari_dicom_markup.model.deid import ProjectKey
    from napari_dicom_markup.model.vault import (
        Entry,
        IdentityMap,
        Opener,
        Recipient,
        Slot,
        VaultOriginal,
    )


class VaultReader:
    """An open vault's file: its index, its originals, its identity map.

    Raises
    ------
    VaultKeyError
        The key is wrong; nothing was read.
    DamagedError, VersionError
        The vault was cut or altered, or is of a newer version.
    """

    def __init__(self, path: Path, opener: Opener) -> None:
        self._file = VaultFile(path)
        try:
            self.unlocked: Unlocked = unlock(self._file.read_at, opener)
            self.vault = Vault(self._file.read_at, self._file.size, self.unlocked.keys)
        except BaseException:
            self._file.close()
            raise

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Who may open the vault, in the order of the slots' numbers."""
        return slots_of(self.unlocked.header)

    def original(self, new_uid: str, exported: bytes) -> bytes:
        """Return the original of an exported file, proven by its SHA-256.

        Raises
        ------
        DamagedError
            The vault has none, or the exported file was changed.
        """
        return self.vault.original(self.vault.entry_of(new_uid, exported), exported)

    def relative(self, entry: Entry) -> str:
        """Return the safe relative path that an original had."""
        return relative_path(entry)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def write_vault_steps(
    path: Path,
    originals: Iterable[VaultOriginal],
    recipients: Iterable[Recipient],
    *,
    identity: IdentityMap | None = None,
    project_key: ProjectKey | None = None,
) -> Generator[Step, None, Path]:
    """Write a vault, one original after the other in memory; the verb's result is its path.

    Raises
    ------
    RecipientError, WeakPassphraseError, SaveError
        Nothing was written.
    """
    assembly = Assembly(recipients, random_bytes)
    pieces = _pieces(assembly, originals, identity, project_key)
    return (yield from write_vault(path, pieces, _proof(assembly.keys)))


def change_recipients(
    path: Path,
    opener: Opener,
    *,
    add: Iterable[Recipient] = (),
    remove: Collection[int] = (),
) -> tuple[Slot, ...]:
    """Rewrite a vault's key slots in place and return them; the records are not touched.

    ``remove`` are numbers of slots. Who had the key before may have kept it: see
    :func:`revoke_steps`.
    """
    with VaultReader(path, opener) as reader:
        unlocked = reader.unlocked
    copy = changed_header(unlocked, add=add, remove=remove, random=random_bytes)
    replace_header(path, copy)
    with VaultFile(path) as file:
        check_header(file.read_at, unlocked.keys)
        return slots_of(header_copies(file.read_at)[0][0])


def revoke_steps(
    path: Path, opener: Opener, recipients: Iterable[Recipient]
) -> Generator[Step, None, Path]:
    """Encrypt a vault anew under a new vault key, for these recipients and nobody else."""
    with VaultReader(path, opener) as reader:
        assembly = Assembly(recipients, random_bytes)
        pieces = _copied(assembly, reader)
        return (yield from write_vault(path, pieces, _proof(assembly.keys), replace=True))


def _pieces(
    assembly: Assembly,
    originals: Iterable[VaultOriginal],
    identity: IdentityMap | None,
    project_key: ProjectKey | None,
) -> Iterator[bytes | Step]:
    yield from assembly.begin()
    for done, original in enumerate(originals, 1):
        yield from assembly.add(original)
        yield Step(done, 0, "writing the vault")
    if identity is not None:
        yield from assembly.add_identity(identity)
    if project_key is not None:
        yield from assembly.add_project_key(project_key)
    yield from assembly.end()


def _copied(assembly: Assembly, reader: VaultReader) -> Iterator[bytes | Step]:
    yield from assembly.begin()
    yield from assembly.copy(reader.vault)
    yield from assembly.end()
    reader.close()  # Windows names no file over an open one


def _proof(keys: VaultKeys) -> Callable[[ReadAt, int], Iterator[Step]]:
    """Return what reads a written vault back: its header and every record must hold."""

    def prove(read: ReadAt, size: int) -> Iterator[Step]:
        check_header(read, keys)
        vault = Vault(read, size, keys)
        total = len(vault.index.entries)
        for done, _ in enumerate(vault.prove(), 1):
            yield Step(done, total, "proving the vault")

    return prove
