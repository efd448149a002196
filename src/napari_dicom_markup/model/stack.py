"""From files to stacks: Instance, Frame, Stack, Series, and what was left over."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_dicom_markup.model.geometry import GeometryReport, StackGeometry, Vector
from napari_dicom_markup.model.voi import RealWorld


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file as it was when it was scanned.

    ``location`` is where it lies; a string, for ten thousand Path objects cost a scan a seventh
    of its time. ``relative`` is its POSIX path under the folder that was given (its bare name when
    the file itself was given); size in bytes and modification time tell later whether it changed.
    """

    location: str = field(repr=False)
    relative: str = field(repr=False)
    size: int
    mtime_ns: int

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return Path(self.location)


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """The Image Pixel module (PS3.3 C.7.6.3) as far as it is needed to decode a frame."""

    rows: int
    columns: int
    samples: int
    photometric: str
    planar: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    frames: int


@dataclass(frozen=True, slots=True)
class PixelElement:
    """The top-level pixel element: which one it is, and where its value lies in the file.

    ``keyword`` is PixelData, FloatPixelData or DoubleFloatPixelData; ``offset`` the first byte
    of its value; ``length`` its value length, None when undefined (encapsulated).
    In a deflated data set (PS3.5 A.5) there is no place in the file: ``offset`` is -1.
    """

    keyword: str
    offset: int
    length: int | None


class VoiFunction(StrEnum):
    """How a window maps values to grey (VOILUTFunction, PS3.3 C.11.2.1.3)."""

    LINEAR = "LINEAR"
    LINEAR_EXACT = "LINEAR_EXACT"
    SIGMOID = "SIGMOID"


@dataclass(frozen=True, slots=True)
class Window:
    """A VOI window (PS3.3 C.11.2) in physical values; ``name`` is its explanation, free text."""

    center: float
    width: float
    name: str = field(default="", repr=False)
    function: VoiFunction = VoiFunction.LINEAR


@dataclass(frozen=True, slots=True)
class ValueMapping:
    """How stored values become physical ones (Modality LUT, PS3.3 C.11.1), and how to show them.

    ``lut``, ``palette`` and ``real_world`` say that the object carries a Modality LUT Sequence, a
    palette or a Real World Value Mapping Sequence, which are read when a frame is decoded.
    ``padding`` is PixelPaddingValue, and ``padding_limit`` PixelPaddingRangeLimit: stored values
    between them are no image. ``measured`` is the real world value mapping where that is applied,
    instead of slope and intercept.
    """

    slope: float = 1.0
    intercept: float = 0.0
    unit: str = ""
    lut: bool = False
    palette: bool = False
    padding: int | None = None
    padding_limit: int | None = None
    real_world: bool = False
    measured: RealWorld | None = None
    windows: tuple[Window, ...] = ()


@dataclass(frozen=True, slots=True)
class PlaneGrid:
    """What is equal in all planes of a volume (Image Plane module, PS3.3 C.7.6.2).

    ``pixel_spacing`` is (between rows, between columns) in mm with its attribute's keyword;
    ``magnification`` is EstimatedRadiographicMagnificationFactor of a projection image,
    ``regions`` says that the object has a Sequence of Ultrasound Regions.
    """

    frame_of_reference_uid: str = field(default="", repr=False)
    orientation: tuple[float, ...] | None = None
    pixel_spacing: tuple[float, float] | None = None
    pixel_spacing_keyword: str = ""
    slice_thickness: float | None = None
    spacing_between_slices: float | None = None
    magnification: float | None = None
    regions: bool = False


@dataclass(frozen=True, slots=True)
class Counter:
    """A number by which an object counts its frames: an axis' name, its unit and the value."""

    name: str
    unit: str
    value: float


@dataclass(frozen=True, slots=True)
class Acquisition:
    """What tells images at one position apart; times in seconds, of the day or since day 1.

    Echo times are in ms. ``frame_time`` is in seconds since the first frame of its object,
    ``frame_moment`` in seconds on a clock that all objects of a series share. ``component`` is
    ComplexImageComponent (PS3.3 C.8.13.3.1.2), ``counters`` whatever else an object counts its
    frames by (the vectors of NM, dimension indices), in the order that it states.
    ``temporal_positions`` is NumberOfTemporalPositions.
    """

    image_type: tuple[str, ...] = ()
    number: int | None = None
    instance_number: int | None = None
    temporal_position: int | None = None
    echo_time: float | None = None
    b_value: float | None = None
    trigger_time: float | None = None
    acquisition_time: float | None = None
    content_time: float | None = None
    frame_time: float | None = None
    b_direction: Vector | None = None
    component: str = ""
    stack_id: str = ""
    counters: tuple[Counter, ...] = ()
    temporal_positions: int | None = None
    frame_moment: float | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Instance:
    """One DICOM file's data set, as far as order, geometry and decoding need it.

    ``position``, ``grid``, ``acquisition`` and ``values`` are what the data set's top level says;
    in a multi-frame object each :class:`Frame` has its own.
    """

    file: SourceFile
    sop_class_uid: str
    sop_instance_uid: str = field(repr=False)
    series_uid: str = field(repr=False)
    study_uid: str = field(repr=False)
    modality: str
    transfer_syntax_uid: str
    position: Vector | None = field(repr=False)
    grid: PlaneGrid = field(repr=False)
    acquisition: Acquisition = field(repr=False)
    values: ValueMapping = field(repr=False)
    pixels: PixelFormat | None
    element: PixelElement | None


@dataclass(frozen=True, slots=True)
class Tile:
    """The part of a file's matrix that is one slice: Siemens mosaics and UIH grids have many."""

    row: int
    column: int
    rows: int
    columns: int


@dataclass(frozen=True, slots=True)
class Frame:
    """One plane of an instance: what stands at one place of a stack.

    ``number`` counts the instance's frames from 0. ``pixels`` is the format of this plane: of
    the ``tile`` where the instance's matrix holds several slices beside each other.
    """

    instance: Instance
    number: int
    position: Vector | None = field(repr=False)
    grid: PlaneGrid = field(repr=False)
    acquisition: Acquisition = field(repr=False)
    values: ValueMapping = field(repr=False)
    pixels: PixelFormat
    tile: Tile | None = None

    @property
    def file(self) -> SourceFile:
        """The file that the frame is in."""
        return self.instance.file

    @property
    def sop_instance_uid(self) -> str:
        """UID of the instance that the frame is of."""
        return self.instance.sop_instance_uid

    @property
    def modality(self) -> str:
        """Modality of the instance."""
        return self.instance.modality

    @property
    def element(self) -> PixelElement | None:
        """The pixel element that the frame is in."""
        return self.instance.element


def only_frame(instance: Instance) -> Frame:
    """Return the one frame of a single-frame image; its top level says all of it."""
    if instance.pixels is None:
        message = "only images have frames"
        raise TypeError(message)
    return Frame(
        instance,
        0,
        instance.position,
        instance.grid,
        instance.acquisition,
        instance.values,
        instance.pixels,
    )


@dataclass(frozen=True, slots=True)
class Coordinate:
    """What else goes along an axis: a gradient direction beside b, say.

    ``values`` has one entry a volume: as many numbers as it takes, none where nothing is stated.
    """

    name: str
    unit: str
    values: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class LeadingAxis:
    """An axis of what repeats over the same positions: its name, unit and values.

    ``name`` is one of t, echo, b, instance…; ``values`` has one entry a volume.
    """

    name: str
    unit: str
    values: tuple[float, ...]
    coordinates: tuple[Coordinate, ...] = ()


@dataclass(frozen=True, slots=True)
class Stack:
    """Frames in spatial order, with their geometry.

    ``frames`` runs over (leading axes, slice): all slices of the first volume, then the next's.
    """

    index: int
    frames: tuple[Frame, ...] = field(repr=False)
    slices: int
    leading: tuple[LeadingAxis, ...]
    geometry: StackGeometry
    reports: tuple[GeometryReport, ...] = ()

    @property
    def pixels(self) -> PixelFormat:
        """The pixel format that all frames share."""
        return self.frames[0].pixels

    @property
    def shape(self) -> tuple[int, ...]:
        """(slices, rows, columns), with the lengths of the leading axes before them."""
        leading = (len(axis.values) for axis in self.leading)
        return (*leading, self.slices, self.pixels.rows, self.pixels.columns)

    @property
    def axes(self) -> tuple[str, ...]:
        """Axis names: z, y, x with the leading axes' names before them."""
        return (*(axis.name for axis in self.leading), "z", "y", "x")


@dataclass(frozen=True, slots=True)
class Leftover:
    """A file that is in no stack, and why; ``instance`` where it is DICOM of a series.

    ``is_unreadable`` says that the system refused to read it: it may be anything.
    """

    file: SourceFile
    reason: str
    is_dicom: bool
    instance: Instance | None = field(default=None, repr=False)
    is_unreadable: bool = False


@dataclass(frozen=True, slots=True)
class Series:
    """One DICOM series: its stacks, and every file of it that is in none, with the reason."""

    uid: str = field(repr=False)
    modality: str
    stacks: tuple[Stack, ...]
    leftovers: tuple[Leftover, ...]

    @property
    def files(self) -> tuple[SourceFile, ...]:
        """Every file of the series once, by relative path."""
        files = {f.file.relative: f.file for stack in self.stacks for f in stack.frames}
        files |= {leftover.file.relative: leftover.file for leftover in self.leftovers}
        return tuple(files[relative] for relative in sorted(files))


@dataclass(frozen=True, slots=True)
class Scan:
    """All that was found under the given paths; ``leftovers`` are files of no series."""

    series: tuple[Series, ...]
    leftovers: tuple[Leftover, ...]


class LazyArray(Protocol):
    """An array that reads its planes when they are asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        ...

    @property
    def ndim(self) -> int:
        """Number of axes."""
        ...

    def __getitem__(self, key: Any) -> NDArray[Any]: ...

    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[Any]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """A stack with its physical values: ``array`` has the stack's shape, plus (3,) for colour.

    Indexing ``array`` reads the planes asked for; ``numpy.asarray`` reads them all.
    ``sidecar`` is the sidecar that the originals are in, None where they are files.
    """

    series: Series = field(repr=False)
    stack: Stack
    array: LazyArray = field(repr=False)
    sidecar: Path | None = field(default=None, repr=False)
