"""Find, group and open: from paths to series, and from stacks to arrays of physical values."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from napari_dicom_markup.api.parallel import in_order
from napari_dicom_markup.core.pixels import is_palette, physical_dtype, physical_plane
from napari_dicom_markup.core.planes import PlaneArray
from napari_dicom_markup.core.stacking import group_series
from napari_dicom_markup.errors import MarkupError, NothingToOpenError, SourceChangedError
from napari_dicom_markup.model.sidecar import ValueDomain
from napari_dicom_markup.model.stack import Instance, Volume
from napari_dicom_markup.sources.dicom.frames import decode_frame, read_frame, read_frames_into
from napari_dicom_markup.sources.dicom.lookup_tables import read_modality_lut, read_palette
from napari_dicom_markup.sources.dicom.scan import find_files, read_instances

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_dicom_markup.model.progress import Step
    from napari_dicom_markup.model.stack import Scan, Series, SourceFile, Stack

T = TypeVar("T")


class VolumeArray(PlaneArray):
    """The array of a volume; ``volume`` leads from a napari layer back to its originals."""

    volume: Volume


class Frames(Protocol):
    """Where a stack's stored values come from."""

    def read(self, instance: Instance) -> NDArray[Any]:
        """Return one instance's stored values."""

    def read_into(self, instances: Sequence[Instance], out: NDArray[Any], convert: Any) -> None:
        """Fill ``out[i]`` by ``convert(stored, instance, out[i])`` for every instance."""

    def read_table(self, instance: Instance) -> Any:
        """Return the palette or Modality LUT of an instance that has one."""


class DiskFrames:
    """Frames of files as they lie on the disk."""

    def read(self, instance: Instance) -> NDArray[Any]:
        """Return one instance's stored values."""
        try:
            return read_frame(instance)
        except OSError:
            raise _gone(instance) from None

    def read_into(self, instances: Sequence[Instance], out: NDArray[Any], convert: Any) -> None:
        """Fill ``out`` from all files, in threads."""
        try:
            read_frames_into(instances, out, convert)
        except OSError as error:
            if isinstance(error, SourceChangedError):
                raise
            raise _gone(instances[0]) from None

    def read_table(self, instance: Instance) -> Any:
        """Return the palette or Modality LUT of an instance that has one."""
        return read_palette(instance) if is_palette(instance) else read_modality_lut(instance)


def _gone(instance: Instance) -> SourceChangedError:
    message = "an original file cannot be read any more: was it moved? Open the folder again"
    return SourceChangedError(message, (instance.file.relative,))


class MemoryFrames:
    """Frames of originals that a function makes again, out of a sidecar for example."""

    def __init__(self, fetch: Callable[[Instance], bytes]) -> None:
        self._fetch = fetch

    def read(self, instance: Instance) -> NDArray[Any]:
        """Return one instance's stored values."""
        return decode_frame(self._fetch(instance), instance)

    def read_into(self, instances: Sequence[Instance], out: NDArray[Any], convert: Any) -> None:
        """Fill ``out`` from all originals, in threads."""

        def load(number: int) -> None:
            convert(self.read(instances[number]), instances[number], out[number])

        for _ in in_order(load, range(len(instances))):
            pass

    def read_table(self, instance: Instance) -> Any:
        """Return the palette or Modality LUT of an instance that has one."""
        raw = self._fetch(instance)
        table = read_palette if is_palette(instance) else read_modality_lut
        return table(instance, raw)


def scan_steps(paths: Iterable[str | os.PathLike[str]]) -> Generator[Step, None, Scan]:
    """Read the headers of all files under ``paths`` and group them into series."""
    given = list(paths)
    files = find_files(given)
    found = yield from read_instances(_with_unique_names(files) if len(given) > 1 else files)
    return group_series(found)


def _with_unique_names(files: Sequence[SourceFile]) -> list[SourceFile]:
    """Give each folder a number where names under one are names, or folders, under another."""
    names = {file.relative for file in files}
    folders = {name[:at] for name in names for at, sign in enumerate(name) if sign == "/"}
    if len(names) == len(files) and not names & folders:
        return list(files)
    numbers: dict[str, int] = {}
    unique = []
    for file in files:
        root = file.location[: -len(file.relative)]
        number = numbers.setdefault(root, len(numbers) + 1)
        unique.append(replace(file, relative=f"{number}/{file.relative}"))
    return unique


def open_steps(
    paths: Iterable[str | os.PathLike[str]],
) -> Generator[Step, None, tuple[Volume, ...]]:
    """Open every stack under ``paths``."""
    found = yield from scan_steps(paths)
    volumes = tuple(volumes_of(found))
    if not volumes:
        raise NothingToOpenError(_why_nothing(found))
    return volumes


def volumes_of(found: Scan) -> list[Volume]:
    """Return a volume for every stack of a scan; nothing is read yet."""
    return [
        make_volume(series, stack, DiskFrames())
        for series in found.series
        for stack in series.stacks
    ]


def _why_nothing(found: Scan) -> str:
    leftovers = [*found.leftovers, *(one for series in found.series for one in series.leftovers)]
    if not leftovers:
        return "there are no files here: choose a folder that holds DICOM files"
    reasons = Counter(leftover.reason for leftover in leftovers).most_common(3)
    listed = "; ".join(f"{count} × {reason}" for reason, count in reasons)
    return f"no image can be opened here ({listed})"


def make_volume(
    series: Series, stack: Stack, frames: Frames, sidecar: Path | None = None
) -> Volume:
    """Return a stack with the array that reads its physical values when they are asked for."""
    instances = stack.instances
    first = instances[0]
    tables: dict[int, Any] = {}

    def table_of(instance: Instance) -> Any:
        if not (instance.values.lut or is_palette(instance)):
            return None
        if id(instance) not in tables:
            tables[id(instance)] = _unframed(lambda: frames.read_table(instance))
        return tables[id(instance)]

    dtype = physical_dtype(instances)

    def convert(stored: NDArray[Any], instance: Instance, out: NDArray[Any]) -> None:
        physical_plane(stored, instance, dtype, table_of(instance), out)

    def read(number: int) -> NDArray[Any]:
        instance = instances[number]
        stored = _unframed(lambda: frames.read(instance))
        return physical_plane(stored, instance, dtype, table_of(instance))

    def read_all(out: NDArray[Any]) -> None:
        _unframed(lambda: frames.read_into(instances, out.reshape(-1, *plane), convert))

    colour = stack.pixels.samples == 3 or is_palette(first)
    plane = (*stack.shape[-2:], 3) if colour else stack.shape[-2:]
    shape = (*stack.shape, 3) if colour else stack.shape
    array = VolumeArray(shape, dtype, read, read_all, colour=colour)
    volume = Volume(series, stack, array, sidecar)
    array.volume = volume
    return volume


def _unframed(work: Callable[[], T]) -> T:
    """Do some work; raise its error anew, without the frames that it came through.

    napari shows a traceback with the values of all variables, an original's bytes among them.
    """
    try:
        return work()
    except MarkupError as error:
        failure = error.with_traceback(None)
        failure.__context__ = None
    raise failure


def value_domain(stack: Stack) -> ValueDomain:
    """Return what the numbers of a stack's volume are: their type and unit."""
    return ValueDomain(physical_dtype(stack.instances).name, stack.instances[0].values.unit)
