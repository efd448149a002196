"""Find, group and open: from paths to series, and from stacks to arrays of physical values."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from napari_dicom_markup.api.describing import describe_steps
from napari_dicom_markup.api.parallel import in_order
from napari_dicom_markup.core.pixels import is_palette, physical_dtype, physical_plane
from napari_dicom_markup.core.planes import PlaneArray
from napari_dicom_markup.core.stacking import group_series
from napari_dicom_markup.errors import MarkupError, NothingToOpenError, SourceChangedError
from napari_dicom_markup.model.sidecar import ValueDomain
from napari_dicom_markup.model.stack import Frame, Volume
from napari_dicom_markup.sources.dicom.decoding import KnownFrames
from napari_dicom_markup.sources.dicom.frames import decode_frame, read_frame, read_frames_into
from napari_dicom_markup.sources.dicom.lookup_tables import read_modality_lut, read_palette
from napari_dicom_markup.sources.dicom.scan import find_files, read_instances

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_dicom_markup.api.marking import Markup
    from napari_dicom_markup.model.progress import Step
    from napari_dicom_markup.model.stack import Scan, Series, SourceFile, Stack

T = TypeVar("T")


class VolumeArray(PlaneArray):
    """The array of a volume; ``volume`` leads from a napari layer back to its originals.

    ``frames`` is where its stored values come from.
    """

    volume: Volume
    frames: Frames


class Frames(Protocol):
    """Where a stack's stored values come from."""

    def read(self, frame: Frame) -> NDArray[Any]:
        """Return one frame's stored values."""

    def read_into(self, frames: Sequence[Frame], out: NDArray[Any], convert: Any) -> None:
        """Fill ``out[i]`` by ``convert(stored, frame, out[i])`` for every frame."""

    def read_table(self, frame: Frame) -> Any:
        """Return the palette or Modality LUT of a frame that has one."""

    def raw(self, file: SourceFile) -> bytes | None:
        """Return a file's bytes, or None where it is a file that can be read."""


class DiskFrames:
    """Frames of files as they lie on the disk."""

    def __init__(self) -> None:
        self._known = KnownFrames()

    def read(self, frame: Frame) -> NDArray[Any]:
        """Return one frame's stored values."""
        try:
            return read_frame(frame, self._known)
        except OSError:
            raise _gone(frame) from None

    def read_into(self, frames: Sequence[Frame], out: NDArray[Any], convert: Any) -> None:
        """Fill ``out`` from all files, in threads."""
        try:
            read_frames_into(frames, out, convert, self._known)
        except OSError as error:
            if isinstance(error, SourceChangedError):
                raise
            gone = (f for f in frames if f.file.location == str(error.filename))
            raise _gone(next(gone, frames[0])) from None

    def read_table(self, frame: Frame) -> Any:
        """Return the palette or Modality LUT of a frame that has one."""
        read = read_palette if is_palette(frame) else read_modality_lut
        return read(frame.instance)

    def raw(self, file: SourceFile) -> bytes | None:
        """Return None: the file can be read where it lies."""
        return None


def _gone(frame: Frame) -> SourceChangedError:
    message = "an original file cannot be read any more: was it moved? Open the folder again"
    return SourceChangedError(message, (frame.file.relative,))


class MemoryFrames:
    """Frames of originals that a function makes again, out of a sidecar for example."""

    def __init__(self, fetch: Callable[[SourceFile], bytes]) -> None:
        self._fetch = fetch
        self._known = KnownFrames()

    def read(self, frame: Frame) -> NDArray[Any]:
        """Return one frame's stored values."""
        return decode_frame(self._fetch(frame.file), frame, self._known)

    def read_into(self, frames: Sequence[Frame], out: NDArray[Any], convert: Any) -> None:
        """Fill ``out`` from all originals, in threads."""

        def load(number: int) -> None:
            convert(self.read(frames[number]), frames[number], out[number])

        for _ in in_order(load, range(len(frames))):
            pass

    def read_table(self, frame: Frame) -> Any:
        """Return the palette or Modality LUT of a frame that has one."""
        read = read_palette if is_palette(frame) else read_modality_lut
        return read(frame.instance, self._fetch(frame.file))

    def raw(self, file: SourceFile) -> bytes | None:
        """Return the bytes of an original."""
        return self._fetch(file)


def scan_steps(paths: Iterable[str | os.PathLike[str]]) -> Generator[Step, None, Scan]:
    """Read the headers of all files under ``paths`` and group them into series."""
    given = list(paths)
    files = find_files(given)
    found = yield from read_instances(_with_unique_names(files) if len(given) > 1 else files)
    return group_series((yield from describe_steps(found)))


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
        raise NothingToOpenError(why_nothing(found))
    return volumes


def volumes_of(found: Scan) -> list[Volume]:
    """Return a volume for every stack of a scan; nothing is read yet."""
    return [
        make_volume(series, stack, DiskFrames())
        for series in found.series
        for stack in series.stacks
    ]


def why_nothing(found: Scan, marked: Sequence[Markup] = ()) -> str:
    """Return what was found where nothing can be opened."""
    notes = [f"{markup.kind}: {note}" for markup in marked for note in markup.notes]
    if notes:
        return f"no image can be opened here ({'; '.join(notes[:3])})"
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
    planes = stack.frames
    tables: dict[tuple[str, str], Any] = {}

    def table_of(frame: Frame) -> Any:
        if not (frame.values.lut or is_palette(frame)):
            return None
        key = (frame.file.location, frame.file.relative)
        if key not in tables:
            tables[key] = _unframed(lambda: frames.read_table(frame))
        return tables[key]

    dtype = physical_dtype(planes)

    def convert(stored: NDArray[Any], frame: Frame, out: NDArray[Any]) -> None:
        physical_plane(stored, frame, dtype, table_of(frame), out)

    def read(number: int) -> NDArray[Any]:
        stored = _unframed(lambda: frames.read(planes[number]))
        return physical_plane(stored, planes[number], dtype, table_of(planes[number]))

    def read_all(out: NDArray[Any]) -> None:
        _unframed(lambda: frames.read_into(planes, out.reshape(-1, *plane), convert))

    colour = stack.pixels.samples == 3 or is_palette(planes[0])
    plane = (*stack.shape[-2:], 3) if colour else stack.shape[-2:]
    shape = (*stack.shape, 3) if colour else stack.shape
    array = VolumeArray(shape, dtype, read, read_all, colour=colour)
    volume = Volume(series, stack, array, sidecar)
    array.volume, array.frames = volume, frames
    return volume


def frames_behind(volume: Volume) -> Frames:
    """Return where the stored values of an opened volume come from.

    Raises
    ------
    TypeError
        The volume was made by something else than this package's verbs.
    """
    if not isinstance(volume.array, VolumeArray):
        message = "only volumes that were opened have frames behind them"
        raise TypeError(message)
    return volume.array.frames


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
    return ValueDomain(physical_dtype(stack.frames).name, stack.frames[0].values.unit)
