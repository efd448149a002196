"""Whole slide images: pyramids of tiled images of one specimen (PS3.3 C.8.12.4)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from napari_dicom_markup.model.stack import LazyArray, Series, SourceFile


class Flavour(StrEnum):
    """What a whole slide image shows: the third value of ImageType (PS3.3 C.8.12.4.1.1)."""

    VOLUME = "VOLUME"
    THUMBNAIL = "THUMBNAIL"
    LABEL = "LABEL"
    OVERVIEW = "OVERVIEW"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True)
class SlidePlane:
    """One plane of an image: its optical path's identifier, and its height on the slide in µm."""

    path: str = field(repr=False)
    z_um: float


@dataclass(frozen=True, slots=True)
class SlideImage:
    """One image of a pyramid, in one file or in the several of a concatenation.

    ``tile`` and ``spacing_mm`` are (between rows, between columns), in pixels and in mm a pixel;
    ``origin_mm`` is (x, y) of the first pixel in the slide's coordinates, and ``orientation``
    the directions of a row and of a column there (TotalPixelMatrixOriginSequence and
    ImageOrientationSlide, PS3.3 C.8.12.4.1.4). ``subject`` tells pyramids apart: Frame of
    Reference, container, PyramidUID and whether heights are merged (ExtendedDepthOfField).
    ``peak`` is the largest value that can be stored.
    """

    files: tuple[SourceFile, ...] = field(repr=False)
    subject: tuple[str, ...] = field(repr=False)
    rows: int
    columns: int
    tile: tuple[int, int]
    samples: int
    peak: int
    spacing_mm: tuple[float, float] | None
    origin_mm: tuple[float, float] | None
    orientation: tuple[float, ...] | None
    planes: tuple[SlidePlane, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns), and 3 for colour."""
        size = (self.rows, self.columns)
        return size if self.samples == 1 else (*size, self.samples)

    @property
    def tile_shape(self) -> tuple[int, ...]:
        """(rows, columns) of a tile, and 3 for colour."""
        return self.tile if self.samples == 1 else (*self.tile, self.samples)


@dataclass(frozen=True, slots=True, eq=False)
class SlideLevel:
    """One level of a pyramid; indexing ``array`` reads the tiles asked for."""

    image: SlideImage
    array: LazyArray = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Slide:
    """One pyramid of one optical path at one height; ``levels`` go from large to small.

    Optical paths are counted from 1 in the order of the files; their identifiers are free text.
    Without ``levels`` it is what was not opened of a series: ``notes`` say why. Notes hold no
    patient data and no file name. ``files`` are all files that levels or notes are about.
    """

    series: Series = field(repr=False)
    name: str
    path: int = 1
    z_um: float = 0.0
    levels: tuple[SlideLevel, ...] = ()
    notes: tuple[str, ...] = ()
    files: tuple[SourceFile, ...] = field(default=(), repr=False)
