"""Whole slide images through wsidicom: what an image is, and its tiles when they are asked for.

wsidicom knows where a tile stands (TILED_FULL, TILED_SPARSE, concatenations) and decodes it. The
sizes that it would believe are checked before it sees a file.
"""

from __future__ import annotations

import importlib.util
import math
import weakref
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_dicom_markup.errors import DecodeError, MarkupError, SourceChangedError
from napari_dicom_markup.model.slide import Flavour, SlideImage, SlidePlane
from napari_dicom_markup.sources.dicom import codestreams
from napari_dicom_markup.sources.dicom.lenient import (
    functional_group,
    items,
    number,
    numbers,
    pydicom_errors,
    text,
    texts,
)
from napari_dicom_markup.sources.quiet import quiet_log, quiet_pydicom
from napari_dicom_markup.standard import transfer_syntax as ts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydicom import Dataset

    from napari_dicom_markup.model.stack import Instance, SourceFile

Array: TypeAlias = NDArray[Any]

_PER_FRAME = 0x52009230
"""PerFrameFunctionalGroupsSequence (PS3.6): all that is read here stands before it."""

MOST_TILE_BYTES = 1 << 28
"""A tile of 256 MiB: those of slides have 256² to 4096² pixels."""

MOST_TILES = 1 << 22
"""wsidicom keeps 8 bytes for each place of a sparse image, filled or not: 32 MiB."""

MOST_PLANES = 1 << 10
"""Optical paths by heights of one image."""

KEPT_BYTES = 32 << 20
"""Tiles kept of each image: those of a screen or two, for napari asks for them again and again."""

LEAST_FRAME = 8
"""Bytes of an encapsulated frame that is empty: its item's header (PS3.5 A.4)."""

_COLOURS = {
    "MONOCHROME2": None,
    "RGB": None,
    "YBR_FULL": frozenset({ts.JPEG_BASELINE}),
    "YBR_FULL_422": frozenset({ts.JPEG_BASELINE}),
    "YBR_ICT": frozenset({ts.JPEG_2000, ts.HTJ2K}),
    "YBR_RCT": frozenset(
        {ts.JPEG_2000_LOSSLESS, ts.JPEG_2000, ts.HTJ2K, ts.HTJ2K_LOSSLESS, ts.HTJ2K_LOSSLESS_RPCL}
    ),
}
"""Photometric interpretations, and the syntaxes whose decoders make RGB of them (None: any)."""

_SHOWS_NAMES = ("SpecimenLabelInImage", "BurnedInAnnotation")

_SUBJECT = ("FrameOfReferenceUID", "ContainerIdentifier", "PyramidUID", "ExtendedDepthOfField")

_REFUSED = "wsidicom cannot read it: its tiles, or what describes them, are missing or damaged"


def can_read_slides() -> bool:
    """Say whether wsidicom is installed."""
    return importlib.util.find_spec("wsidicom") is not None


@dataclass(frozen=True, slots=True)
class SlideHeader:
    """What a whole slide file says before its tiles; ``whole`` names its concatenation, or it."""

    instance: Instance
    flavour: Flavour
    whole: str = field(repr=False)
    labelled: bool
    heights: int
    image: SlideImage


@quiet_pydicom()
def read_slide_header(instance: Instance) -> SlideHeader:
    """Read what a whole slide file is of; ``image.planes`` are not known yet.

    Raises
    ------
    DecodeError
        Where the header cannot be read.
    OSError
        Where the file cannot.
    """
    from pydicom.filereader import read_partial

    try:
        with instance.file.path.open("rb") as file:
            header = read_partial(file, lambda tag, _vr, _length: tag >= _PER_FRAME, force=True)
    except pydicom_errors():
        header = None
    if header is None:
        raise _failure(instance.file, "its header cannot be read")
    kind = ([*texts(header, "ImageType"), "", "", ""])[2]
    flavour = next((one for one in Flavour if one == kind), Flavour.OTHER)
    whole = text(header, "SOPInstanceUIDOfConcatenationSource") or instance.sop_instance_uid
    labelled = "YES" in {text(header, key) for key in _SHOWS_NAMES}
    heights = int(number(header, "TotalPixelMatrixFocalPlanes") or 1)
    image = _described(header, instance)
    return SlideHeader(instance, flavour, whole, labelled, heights, image)


def _described(header: Dataset, instance: Instance) -> SlideImage:
    rows, columns = (
        int(number(header, f"TotalPixelMatrix{axis}") or 0) for axis in ("Rows", "Columns")
    )
    pixels = instance.pixels
    measures = functional_group(header, "PixelMeasuresSequence")[:1]
    spacing = [value for item in measures for value in numbers(item, "PixelSpacing")]
    orientation = tuple(numbers(header, "ImageOrientationSlide"))
    is_frame = len(orientation) == 6 and all(map(math.isfinite, orientation))
    return SlideImage(
        files=(instance.file,),
        subject=tuple(text(header, key) for key in _SUBJECT),
        rows=rows,
        columns=columns,
        tile=(0, 0) if pixels is None else (pixels.rows, pixels.columns),
        samples=0 if pixels is None else pixels.samples,
        peak=0 if pixels is None else 2 ** min(pixels.bits_stored, 16) - 1,
        spacing_mm=(spacing[0], spacing[1]) if _is_spacing(spacing) else None,
        origin_mm=_origin(header),
        orientation=orientation if is_frame else None,
        planes=(),
    )


def _is_spacing(spacing: Sequence[float]) -> bool:
    return len(spacing) == 2 and all(0 < value < math.inf for value in spacing)


def _origin(header: Dataset) -> tuple[float, float] | None:
    for item in items(header, "TotalPixelMatrixOriginSequence")[:1]:
        x, y = (number(item, f"{axis}OffsetInSlideCoordinateSystem") for axis in "XY")
        return None if x is None or y is None else (x, y)
    return None


class TiledFile:
    """The tiles of one whole slide image, out of one file or those of a concatenation.

    Its files are opened when a tile is read, and closed with the last array of it.
    """

    def __init__(self, headers: Sequence[SlideHeader]) -> None:
        self._headers = tuple(headers)
        self._lock = Lock()
        self._data: Any = None
        self._kept: OrderedDict[tuple[int, int, SlidePlane], Array] = OrderedDict()

    def describe(self) -> SlideImage:
        """Return what the image is, with its planes; nothing is open afterwards.

        Raises
        ------
        DecodeError
            It is no image that can be read, or its sizes are absurd; the text says why.
        """
        _check(self._headers)
        first = self._headers[0].image
        source, instance = self._open()
        try:
            with quiet_pydicom(), quiet_log("wsidicom"):
                image: SlideImage = self._attempt(lambda: self._image(first, instance), _REFUSED)
                return image
        finally:
            source.close()

    def tile(self, row: int, column: int, plane: SlidePlane) -> Array:
        """Return one tile, its part beyond the image included; blank where the file has none.

        Raises
        ------
        DecodeError
            The tile is damaged.
        SourceChangedError
            A file is not what it was when it was found.
        """
        with self._lock:  # wsidicom's decoder by pydicom is not for threads
            if (row, column, plane) not in self._kept:
                place = f"the tile at row {row}, column {column} cannot be decoded"
                tile = self._attempt(lambda: self._decoded(row, column, plane), place)
                self._kept[row, column, plane] = tile
                while len(self._kept) > max(1, KEPT_BYTES // max(1, tile.nbytes)):
                    self._kept.popitem(last=False)
            self._kept.move_to_end((row, column, plane))
            return self._kept[row, column, plane]

    def _decoded(self, row: int, column: int, plane: SlidePlane) -> Array:
        from wsidicom.geometry import Point

        if self._data is None:
            source, instance = self._open()
            weakref.finalize(self, source.close)
            self._data = instance.image_data
        at = (Point(column, row), plane.z_um, plane.path)
        if self._data.tiles.get_frame_index(*at) < 0:
            tile = np.asarray(self._data.blank_tile)
        else:
            stream = self._data.get_encoded_tile(*at)
            _check_stream(stream, self._headers[0].instance)
            tile = np.asarray(self._data.decoder.decode(stream))
        image = self._headers[0].image
        if tile.shape != image.tile_shape or tile.dtype.kind != "u":
            raise ValueError
        return tile

    def _open(self) -> tuple[Any, Any]:
        """Return wsidicom's source of the files, to be closed, and its one instance."""
        from wsidicom.config import Settings, use_settings
        from wsidicom.file import WsiDicomFileSource

        for header in self._headers:
            _check_unchanged(header.instance.file)
        paths = [header.instance.file.path for header in self._headers]
        # Its caches may take 200 MB each image.
        own = Settings(decoded_frame_cache_size=0, encoded_frame_cache_size=0)
        with quiet_pydicom(), quiet_log("wsidicom"), use_settings(own):
            source: Any = self._attempt(lambda: WsiDicomFileSource.open(paths), _REFUSED)
            try:
                return source, self._attempt(lambda: _only(source), _REFUSED)
            except MarkupError:
                source.close()
                raise

    def _image(self, first: SlideImage, instance: Any) -> SlideImage:
        size = instance.image_data.image_size
        if (size.height, size.width) != (first.rows, first.columns):
            raise ValueError  # fewer frames than the matrix has tiles
        if not all(one.states_tiled_full for one in instance.datasets):
            _check_positions(instance.datasets, first)
        files = tuple(header.instance.file for header in self._headers)
        return replace(first, files=files, planes=_planes(instance.image_data))

    def _attempt(self, work: Callable[[], Any], reason: str) -> Any:
        """Do what may raise anything, for the bytes are anybody's; only a text leaves it."""
        try:
            return work()
        except MarkupError:
            raise
        except Exception:  # noqa: BLE001 - the door to wsidicom, whose errors quote values
            failure = _failure(self._headers[0].instance.file, reason)
        raise failure


def _only(source: Any) -> Any:
    """Return the one instance that the files make."""
    (instance,) = source.level_instances
    return instance


def _planes(data: Any) -> tuple[SlidePlane, ...]:
    """Return the planes that the image has tiles of, by optical path and height."""
    pairs = [(path, z) for path in data.optical_paths for z in data.focal_planes]
    sparse = getattr(data.tiles, "planes", None)
    there = pairs if sparse is None else [pair for pair in pairs if pair[::-1] in sparse]
    return tuple(SlidePlane(str(path), float(z)) for path, z in there)


def _check_stream(stream: bytes, instance: Instance) -> None:
    """Refuse a codestream of another size than the tile's before anything is allocated."""
    pixels, syntax = instance.pixels, instance.transfer_syntax_uid
    header = next((read for syntaxes, read in _HEADERS if syntax in syntaxes), None)
    if pixels is None or header is None:
        return
    said = header(memoryview(stream))
    if (said.rows, said.columns) != (pixels.rows, pixels.columns):
        raise ValueError
    codestreams.check_ratio(len(stream), pixels.rows * pixels.columns * pixels.samples)


_HEADERS = (
    (codestreams.JPEG | codestreams.JPEG_LS, codestreams.jpeg_header),
    (codestreams.JPEG_2000, codestreams.jpeg_2000_header),
    (codestreams.JPEG_XL, codestreams.jpeg_xl_header),
)
"""Syntaxes, and what reads the headers of their codestreams."""


def _check_positions(data_sets: Sequence[Any], image: SlideImage) -> None:
    """Refuse tiles beside the grid, which wsidicom would put on it, and planes without end."""
    planes: set[tuple[float, str]] = set()
    for one in data_sets:
        at = one.frame_positions
        if ((at.rows - 1) % image.tile[0]).any() or ((at.columns - 1) % image.tile[1]).any():
            message = "its tiles do not lie on a grid: that is not supported"
            raise _failure(image.files[0], message)
        none = np.zeros(len(at.rows))
        heights = none if at.z_offsets is None else at.z_offsets
        paths = none if at.optical_path_identifiers is None else at.optical_path_identifiers
        planes |= set(zip(heights.tolist(), map(str, paths.tolist()), strict=True))
    if len(planes) > MOST_PLANES or len(planes) * _places(image) > MOST_TILES:
        raise _failure(image.files[0], f"it claims {len(planes)} planes of many tiles")


def _places(image: SlideImage) -> int:
    """Return how many tiles cover the image."""
    return math.ceil(image.rows / image.tile[0]) * math.ceil(image.columns / image.tile[1])


def _check(headers: Sequence[SlideHeader]) -> None:
    """Refuse sizes that the files cannot hold, before anything is allocated for them."""
    image = headers[0].image
    for header in headers:
        reason = _why_unfit(header)
        if reason:
            raise _failure(header.instance.file, reason)
        if (header.image.shape, header.image.tile) != (image.shape, image.tile):
            raise _failure(header.instance.file, "its parts differ in size")
    if image.rows < 1 or image.columns < 1:
        raise _failure(image.files[0], "the size of its pixel matrix is missing")
    if _places(image) > MOST_TILES or not 1 <= headers[0].heights <= MOST_PLANES:
        raise _failure(image.files[0], "it claims more tiles or heights than a slide can have")


def _why_unfit(header: SlideHeader) -> str | None:
    pixels, element = header.instance.pixels, header.instance.element
    if pixels is None or element is None:
        return "no pixel data in the file"
    if pixels.rows < 1 or pixels.columns < 1 or pixels.samples not in {1, 3}:
        return "its image size or samples per pixel are invalid"
    if pixels.bits_allocated not in {8, 16} or pixels.bits_stored != pixels.bits_allocated:
        return f"{pixels.bits_stored} of {pixels.bits_allocated} bits: only whole 8 and 16 are read"
    syntaxes = _COLOURS.get(pixels.photometric, frozenset[str]())
    if syntaxes is not None and header.instance.transfer_syntax_uid not in syntaxes:
        return "its photometric interpretation is not supported in a whole slide image"
    tile = pixels.rows * pixels.columns * pixels.samples * pixels.bits_allocated // 8
    if tile > MOST_TILE_BYTES:
        return f"a tile of {tile} bytes is too large"
    held = header.instance.file.size - max(element.offset, 0)
    least = tile if header.instance.transfer_syntax_uid in ts.NATIVE else LEAST_FRAME
    if not pixels.frames >= 1 or pixels.frames * least > held:
        return f"{pixels.frames} tiles are not in the file: get the complete file"
    return None


def _check_unchanged(file: SourceFile) -> None:
    try:
        stat = file.path.stat()
    except OSError:
        stat = None
    if stat is None or (stat.st_size, stat.st_mtime_ns) != (file.size, file.mtime_ns):
        message = "an original file moved or changed: open the folder again"
        raise SourceChangedError(message, (file.relative,))


def _failure(file: SourceFile, reason: str) -> DecodeError:
    return DecodeError(f"{file.relative}: {reason}")
