"""Read a bundle's OME-TIFFs: labels as they were saved, or as another program left them.

Nothing that a file says is believed before it is compared with the sidecar's record. A file
that lost its bytes is refused; one that another program saved again is read in (T, C, Z) order,
wherever its pages fit.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import xml.etree.ElementTree as ET
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicom_markup.errors import DamagedError, LabelsError, MarkupError
from napari_dicom_markup.model.sidecar import LINK_NAMESPACE, TIFF_SOFTWARE
from napari_dicom_markup.sources.quiet import quiet_log

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_dicom_markup.model.sidecar import LabelsLayer, TiffRecord

AHEAD = 4
"""Pages that are decoded at once."""

LARGEST_TILE = 1 << 24
"""Most pixels of a tile that is decoded: a tile's size is a claim, and is allocated."""

IMAGEJ_AXES = {"T": "frames", "Z": "slices", "C": "channels"}
"""ImageJ's hyperstack order, slowest first, and its names for the lengths of the axes."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelsReading:
    """Labels by layer; ``edited`` says that another program changed the file since."""

    arrays: tuple[NDArray[Any], ...]
    edited: bool


class TiffState(StrEnum):
    """What became of a TIFF since its record was written."""

    EXACT = "exact"
    EDITED = "edited"
    DAMAGED = "damaged"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class TiffReport:
    """A TIFF's state, and what is wrong with it in words (empty when exact)."""

    state: TiffState
    message: str = ""


def read_labels(path: Path, record: TiffRecord, layers: Sequence[LabelsLayer]) -> LabelsReading:
    """Return each layer's labels, in its own dtype and shape, contiguous and writable.

    Where another program changed the file, values that a layer's dtype cannot hold widen it,
    and a layer of (slices, rows, columns) whose volumes now differ becomes (T, slices, rows,
    columns).

    Raises
    ------
    DamagedError
        The file is missing or its bytes are damaged.
    LabelsError
        The file was saved by another program in a form that is no labels of this stack.
    """
    _check_layers(path, record, layers)
    with _opened(path) as tiff:
        pages = _Pages(tiff, path, record)
        canvases = [_Canvas(layer, record.shape[0]) for layer in layers]
        places = np.ndindex(*record.shape[:3])
        for (volume, channel, number), plane in zip(places, pages.planes(), strict=True):
            canvases[channel].put(volume, number, plane)
        edited = pages.is_edited()
    return LabelsReading(tuple(canvas.finished() for canvas in canvases), edited)


def verify_tiff(path: Path, record: TiffRecord) -> TiffReport:
    """Compare a labels or image TIFF with its record, one page in memory at a time."""
    if not path.is_file():
        return TiffReport(TiffState.MISSING, f"{path.name} is missing")
    try:
        with _opened(path) as tiff:
            pages = _Pages(tiff, path, record)
            for _ in pages.planes():
                pass
            edited = pages.is_edited()
    except (DamagedError, LabelsError) as error:
        return TiffReport(TiffState.DAMAGED, str(error))
    if edited:
        return TiffReport(TiffState.EDITED, f"{path.name} was changed by another program")
    return TiffReport(TiffState.EXACT)


def bundle_of(path: Path) -> str | None:
    """Return the id of the bundle that an OME-TIFF says it belongs to, or None."""
    try:
        with _opened(path) as tiff:
            root = _ome_root(tiff.pages.first.description)
            if root is None:
                return None
            for annotation in root.iter():
                if annotation.get("Namespace") == LINK_NAMESPACE:
                    return _mapped(annotation, "bundle")
    except DamagedError:
        return None
    return None


def _check_layers(path: Path, record: TiffRecord, layers: Sequence[LabelsLayer]) -> None:
    """Refuse a record that contradicts its own layers: then the sidecar is damaged."""
    fits = len(record.shape) == 5 and len(layers) == record.shape[1]
    if not fits or not all(_fits(layer.shape, record.shape) for layer in layers):
        message = f"the sidecar's record of {path.name} does not fit its labels layers"
        raise DamagedError(message, part=path.name)


def _fits(shape: tuple[int, ...], record: tuple[int, ...]) -> bool:
    """Say whether a layer is one volume of a record, (T, C, Z, Y, X), or all along its axes."""
    volumes = math.prod(shape[:-3])
    return shape[-3:] == record[2:] and (len(shape) == 3 or volumes == record[0])


class _Pages:
    """The pages of a TIFF in (T, C, Z) order, checked and hashed as they are read.

    ``_intact`` says that the file still looks as it was written, by its OME UUID and its size or
    Software tag (which other programs replace): then other values in it are damage, not work.
    """

    def __init__(self, tiff: Any, path: Path, record: TiffRecord) -> None:
        description = tiff.pages.first.description
        self._tiff, self._name, self._record = tiff, path.name, record
        self._digest = hashlib.sha256()
        self._same_dtype = True
        ours = tiff.pages.first.software == TIFF_SOFTWARE or path.stat().st_size == record.size
        self._intact = ours and _uuid_of(description) in (_bare(record.uuid), None)
        self._check_page(tiff.pages.first)
        self._check_count()
        count = math.prod(record.shape[:3])
        self._order: Iterable[int] = range(count)
        if not self._intact:
            order = page_order(description, record.shape[:3])
            if order is None:
                msg = "its pages are of other axes"
                raise self._refusal(msg)
            self._order = order

    def planes(self) -> Iterator[NDArray[Any]]:
        """Yield every plane, (rows, columns) or (rows, columns, 3)."""
        dtype = np.dtype(self._record.dtype)
        for plane in self._decoded():
            self._same_dtype &= plane.dtype.name == dtype.name
            self._digest.update(np.ascontiguousarray(plane, plane.dtype.newbyteorder("<")).data)
            yield plane

    def _decoded(self) -> Iterator[NDArray[Any]]:
        """Yield the pages' arrays, a few of them decoded ahead: the codecs need no Python."""
        pages = [self._tiff.pages[number] for number in self._order]
        for page in pages:
            self._check_page(page)
        self._tiff.filehandle.set_lock(True)
        pending: deque[Future[NDArray[Any]]] = deque()
        with ThreadPoolExecutor(AHEAD) as pool:
            for page in pages:
                pending.append(pool.submit(page.asarray))
                if len(pending) > AHEAD:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()

    def is_edited(self) -> bool:
        """Say whether the planes, all read, are other than the record's."""
        if self._same_dtype and self._digest.hexdigest() == self._record.array_sha256:
            return False
        if self._intact:
            msg = "its values are not those that were saved"
            raise self._refusal(msg)
        return True

    def _refusal(self, reason: str) -> MarkupError:
        if self._intact:
            message = f"{self._name} is damaged: {reason}; replace it by a copy"
            return DamagedError(message, part=self._name)
        return LabelsError(f"{self._name} was saved by another program, and {reason}")

    def _check_page(self, page: Any) -> None:
        expected = self._record.shape[3:]
        if tuple(page.shape) != expected:
            msg = f"a page of it is {tuple(page.shape)}, not {expected}"
            raise self._refusal(msg)
        if page.dtype is None or (page.dtype.kind not in "biu" and self._is_integer()):
            msg = f"it holds {page.dtype}, not integers"
            raise self._refusal(msg)
        if page.is_tiled and page.tilelength * page.tilewidth > LARGEST_TILE:
            msg = "its tiles are too large to be true"
            raise self._refusal(msg)

    def _is_integer(self) -> bool:
        return np.dtype(self._record.dtype).kind in "iu"

    def _check_count(self) -> None:
        """Refuse too few or too many pages; pages are asked for one by one, for rings of them."""
        count = math.prod(self._record.shape[:3])
        try:
            self._tiff.pages[count - 1]
        except IndexError:
            reason = f"it has fewer than {count} pages"
            raise self._refusal(reason) from None
        try:
            self._tiff.pages[count]
        except IndexError:
            return
        msg = f"it has more than {count} pages"
        raise self._refusal(msg)


class _Canvas:
    """The labels of one layer as they are filled, plane by plane."""

    def __init__(self, layer: LabelsLayer, volumes: int) -> None:
        leading = (volumes,) if len(layer.shape) > 3 else ()
        shape = (*leading, *layer.shape[-3:])
        self.data: NDArray[Any] = np.zeros(shape, np.dtype(layer.dtype))
        self._volumes, self._shape = volumes, layer.shape

    def finished(self) -> NDArray[Any]:
        """Return the labels in the layer's shape, or (T, slices, rows, columns) if it grew."""
        return self.data.reshape(self._shape) if len(self._shape) > 3 else self.data

    def put(self, volume: int, number: int, plane: NDArray[Any]) -> None:
        """Set slice ``number`` of a volume; the first volume that differs adds the axis."""
        if self.data.ndim == 3:
            if volume and np.array_equal(self.data[number], plane):
                return
            if volume:
                self.data = np.repeat(self.data[np.newaxis], self._volumes, axis=0)
        self._widen(plane)
        target = self.data if self.data.ndim == 3 else self.data[volume]
        target[number] = plane

    def _widen(self, plane: NDArray[Any]) -> None:
        """Change the dtype where it cannot hold the plane's values."""
        own = self.data.dtype
        if np.can_cast(plane.dtype, own, "safe"):
            return
        low, high = int(plane.min()), int(plane.max())
        if _holds(own, low, high):
            return
        wider = np.promote_types(own, plane.dtype)
        if wider.kind == "f":  # no integers hold both uint64 and int64: take what fits
            wider = np.dtype(np.int64)
        if not _holds(wider, low, max(high, int(self.data.max()))):
            message = f"labels up to {high} are too large to be read with negative ones"
            raise LabelsError(message)
        self.data = self.data.astype(wider)


def _holds(dtype: np.dtype[Any], low: int, high: int) -> bool:
    if dtype.kind == "b":
        return low >= 0 and high <= 1
    limits = np.iinfo(dtype)
    return limits.min <= low and high <= limits.max


def page_order(description: str, shape: tuple[int, ...]) -> Sequence[int] | None:
    r"""Return the page of each plane in (T, C, Z) order, or None where the axes do not fit.

    ``description`` is the first page's ImageDescription: OME-XML, ImageJ's or tifffile's. A file
    without one that fits the number of pages is taken to be in (T, C, Z) order.

    Examples
    --------
    >>> page_order("ImageJ=1.54f\nimages=4\nchannels=2\nslices=2\n", (1, 2, 2))
    [0, 2, 1, 3]
    """
    count = math.prod(shape)
    root = _ome_root(description)
    axes = _text_axes(description) if root is None else _ome_axes(root)
    found = {axis: size for axis, size in axes.items() if size > 1}
    wanted = {axis: size for axis, size in zip("TCZ", shape, strict=True) if size > 1}
    if math.prod(found.values()) != count:
        return range(count)
    pages = np.arange(count) if root is None else _ome_pages(root, axes, count)
    if pages is None:
        return None
    grid = pages.reshape(list(found.values()))
    if found == wanted:
        letters = list(found)
        grid = grid.transpose([letters.index(axis) for axis in wanted])
    elif len(found) > 1 and list(found.values()) != list(wanted.values()):
        return None
    order: list[int] = grid.ravel().tolist()
    return order


def _text_axes(description: str) -> dict[str, int]:
    """Return the axes before (rows, columns), slowest first, of ImageJ's or tifffile's text."""
    if description.startswith("ImageJ="):
        found = dict(re.findall(r"^(frames|slices|channels)=(\d{1,9})\s*$", description, re.M))
        return {axis: int(found.get(key, 1)) for axis, key in IMAGEJ_AXES.items()}
    if not description.startswith('{"shape"'):
        return {}
    try:
        shaped = json.loads(description)
        sizes = [int(size) for size in shaped["shape"]]
        letters = str(shaped.get("axes", "")).upper()
    except (ValueError, TypeError, KeyError):
        return {}
    named = letters if len(letters) == len(sizes) else range(len(sizes))
    return {str(axis): size for axis, size in zip(named, sizes[:-2], strict=False)}


def _ome_root(description: str) -> ET.Element | None:
    """Return the root of OME-XML, or None; XML that declares entities is not parsed."""
    if "<!" in re.sub("<!--.*?-->", "", description, flags=re.S) or "OME" not in description:
        return None
    try:
        return ET.fromstring(description.encode())  # noqa: S314 - it declares no entity
    except (ET.ParseError, UnicodeError, ValueError):
        return None


def _uuid_of(description: str) -> str | None:
    root = _ome_root(description)
    return None if root is None else _bare(root.get("UUID", "")) or None


def _bare(uuid: str) -> str:
    return uuid.lower().removeprefix("urn:uuid:")


def _ome_axes(root: ET.Element) -> dict[str, int]:
    """Return the axes before (rows, columns), slowest first, of the first image."""
    pixels = root.find(".//{*}Pixels")
    order = "" if pixels is None else pixels.get("DimensionOrder", "")[:1:-1]
    if pixels is None or sorted(order) != ["C", "T", "Z"]:
        return {}
    return {axis: int(pixels.get(f"Size{axis}", 1)) for axis in order}


def _ome_pages(root: ET.Element, axes: dict[str, int], count: int) -> NDArray[np.int64] | None:
    """Return the page of each plane in the order of the axes, or None for an odd assignment."""
    pages = np.full(count, -1)
    for data in root.iterfind(".//{*}TiffData"):
        place = tuple(int(data.get(f"First{axis}", 0)) for axis in axes)
        start = int(np.ravel_multi_index(place, tuple(axes.values())))
        first = int(data.get("IFD", 0))
        length = int(data.get("PlaneCount", 1 if "IFD" in data.attrib else count))
        if not 0 < length <= count - start:
            return None
        pages[start : start + length] = np.arange(first, first + length)
    return pages if np.array_equal(np.sort(pages), np.arange(count)) else None


def _mapped(annotation: ET.Element, key: str) -> str | None:
    return next((m.text for m in annotation.iter() if m.get("K") == key), None)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a TIFF; all that its bytes may break becomes DamagedError, with the file's name only."""
    from tifffile import TiffFile

    try:
        with quiet_log("tifffile"), TiffFile(path) as tiff:
            yield tiff
    except MarkupError:
        raise
    except FileNotFoundError:
        msg = f"{path.name} is missing"
        raise DamagedError(msg, part=path.name) from None
    except Exception as error:  # noqa: BLE001 - damaged bytes raise anything in a decoder
        message = f"{path.name} cannot be read as TIFF ({type(error).__name__})"
        raise DamagedError(message, part=path.name) from None
