"""From raw header values to an ``Instance``, for one file or thousands.

Parsing is tolerant: a value that is padded is stripped; one that is empty or malformed counts
as absent. Nothing here raises for what a header says, and nothing quotes it.
"""

from __future__ import annotations

import io
import math
import re
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from napari_dicom_markup.errors import NotDicomError
from napari_dicom_markup.model.stack import (
    Acquisition,
    Instance,
    Leftover,
    PixelFormat,
    PlaneGrid,
    SourceFile,
    ValueMapping,
    Window,
)
from napari_dicom_markup.sources.dicom.hop import UnusualError, begin, resume
from napari_dicom_markup.sources.dicom.unusual import read_unusual
from napari_dicom_markup.sources.dicom.walk import HEAD, PREFIX, PREFIX_END, Header, walk
from napari_dicom_markup.standard.attributes import INDEX, picker
from napari_dicom_markup.standard.modalities import known_modality
from napari_dicom_markup.standard.sop_classes import DICOMDIR

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_dicom_markup.model.geometry import Vector
    from napari_dicom_markup.sources.dicom.walk import Cut

T = TypeVar("T")
Raw: TypeAlias = bytes | None
Key: TypeAlias = tuple[Raw, ...]


class Shared:
    """Parts that many instances of one scan have in common, by their raw bytes."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: dict[tuple[Any, Any], Any] = {}

    def part(self, parse: Callable[[Any], T], raw: Key | Raw) -> T:
        """Return ``parse(raw)``, the same object for the same bytes."""
        key = (parse, raw)
        try:
            known: T = self._parts[key]
        except KeyError:
            known = self._parts[key] = parse(raw)
        return known


_CLASSES = picker("Modality", "SOPClassUID", "MediaStorageSOPClassUID", "TransferSyntaxUID")
_IDENTITY = picker(
    "SOPInstanceUID", "MediaStorageSOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"
)
_PIXELS = picker(
    "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration",
    "BitsAllocated", "BitsStored", "PixelRepresentation", "NumberOfFrames",
)  # fmt: skip
_GRID = picker(
    "FrameOfReferenceUID", "ImageOrientationPatient", "PixelSpacing", "ImagerPixelSpacing",
    "NominalScannedPixelSpacing", "SliceThickness", "SpacingBetweenSlices",
)  # fmt: skip
_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
_VALUES = picker(
    "RescaleSlope", "RescaleIntercept", "DoseGridScaling", "ModalityLUTSequence",
    "RedPaletteColorLookupTableDescriptor", "PixelPaddingValue", "PixelRepresentation",
    "WindowCenter", "WindowWidth", "Modality", "RescaleType", "Units", "DoseUnits",
)  # fmt: skip
_ACQUISITION = picker(
    "ImageType", "AcquisitionNumber", "InstanceNumber", "TemporalPositionIdentifier", "EchoTime",
    "DiffusionBValue", "TriggerTime", "AcquisitionTime", "ContentTime",
)  # fmt: skip
_POSITION = INDEX["ImagePositionPatient"]


def _text(raw: Raw) -> str:
    return (raw or b"").strip(b" \0").decode("ascii", "replace")


def _number(raw: Raw) -> float | None:
    """Return the first value of a DS or IS."""
    if not raw:
        return None
    try:
        number = float(raw.split(b"\\", 1)[0].strip(b" \0"))
    except ValueError:
        return None
    return number if math.isfinite(number) and b"_" not in raw else None


def _integer(raw: Raw) -> int | None:
    number = _number(raw)
    return int(number) if number is not None and number.is_integer() else None


def _vector(raw: Raw, count: int) -> tuple[float, ...] | None:
    """Return exactly ``count`` finite numbers."""
    parts = (raw or b"").split(b"\\")
    numbers = [n for n in map(_number, parts) if n is not None]
    return tuple(numbers) if len(parts) == len(numbers) == count else None


def _word(raw: Raw, *, signed: bool = False) -> int | None:
    """Return the first value of a US or SS."""
    return int.from_bytes(raw[:2], "little", signed=signed) if raw and len(raw) > 1 else None


def _double(raw: Raw) -> float | None:
    number = struct.unpack_from("<d", raw)[0] if raw and len(raw) >= 8 else math.nan
    return float(number) if math.isfinite(number) else None


_TIME = re.compile(rb"(\d\d)(?::?(\d\d)(?::?(\d\d(?:\.\d{0,6})?))?)?")


def _seconds(raw: Raw) -> float | None:
    """Return a TM (PS3.5 6.2, and its old form with colons) in seconds of the day."""
    match = _TIME.fullmatch((raw or b"").split(b"\\", 1)[0].strip(b" \0"))
    if match is None:
        return None
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    if hours >= 24 or minutes >= 60 or seconds >= 61:
        return None
    return hours * 3600 + minutes * 60 + seconds


def _classes(key: Key) -> tuple[str, str, str]:
    modality, sop_class, media_class, syntax = map(_text, key)
    return known_modality(modality) if modality else "", sop_class or media_class, syntax


def _image_type(raw: Raw) -> tuple[str, ...]:
    return tuple(_text(part) for part in raw.split(b"\\")) if raw else ()


def _pixel_format(key: Key) -> PixelFormat | None:
    rows, columns, samples, photometric, planar, allocated, stored, signed, frames = key
    size, bits = (_word(rows) or 0, _word(columns) or 0), _word(allocated) or 0
    if not all(size) or not bits:
        return None
    count = _integer(frames)
    return PixelFormat(
        rows=size[0],
        columns=size[1],
        samples=_word(samples) or 1,
        photometric=_text(photometric),
        planar=_word(planar) or 0,
        bits_allocated=bits,
        bits_stored=_word(stored) or bits,
        signed=_word(signed) == 1,
        frames=count if count and count > 0 else 1,
    )


def _plane_grid(key: Key) -> PlaneGrid:
    frame, orientation, *spacings, thickness, between = key
    spacing: tuple[float, float] | None = None
    keyword = ""
    for name, raw in zip(_SPACINGS, spacings, strict=True):
        found = _vector(raw, 2)
        if found is not None and min(found) > 0:
            spacing, keyword = (found[0], found[1]), name
            break
    return PlaneGrid(
        frame_of_reference_uid=_text(frame),
        orientation=_vector(orientation, 6),
        pixel_spacing=spacing,
        pixel_spacing_keyword=keyword,
        slice_thickness=_number(thickness),
        spacing_between_slices=_number(between),
    )


def _unit(modality: str, rescale_type: str, units: str, *, rescaled: bool) -> str:
    """Return the unit of rescaled values (PS3.3 C.11.1.1.2, C.8.2.1, C.8.9.1)."""
    if modality == "PT" and units:
        return units
    if rescale_type:
        return "" if rescale_type in {"US", "UNSPECIFIED"} else rescale_type
    return "HU" if modality == "CT" and rescaled else ""


_DOSE_UNITS = {"": "Gy", "GY": "Gy", "RELATIVE": "relative"}
"""DoseUnits (PS3.3 C.8.8.3) as they are written."""


def _value_mapping(key: Key) -> ValueMapping:
    slope, intercept, dose, lut, palette, padding, signed, center, width, *naming = key
    modality, rescale_type, units, dose_units = map(_text, naming)
    scaling = _number(dose)
    if scaling:
        factor, unit = scaling, _DOSE_UNITS.get(dose_units, dose_units)
    else:
        factor = _number(slope) or 1.0
        unit = _unit(modality, rescale_type, units, rescaled=intercept is not None)
    return ValueMapping(
        slope=factor,
        intercept=0.0 if scaling else _number(intercept) or 0.0,
        unit=unit,
        lut=lut is not None,
        palette=palette is not None,
        padding=_word(padding, signed=_word(signed) == 1),
        windows=_windows(center, width),
    )


def _windows(center: Raw, width: Raw) -> tuple[Window, ...]:
    centers = map(_number, (center or b"").split(b"\\"))
    widths = map(_number, (width or b"").split(b"\\"))
    pairs = zip(centers, widths, strict=False)
    return tuple(Window(c, w) for c, w in pairs if c is not None and w is not None and w > 0)


def _acquisition(key: Key, shared: Shared) -> Acquisition:
    image_type, number, instance, temporal, echo, b, trigger, acquired, content = key
    return Acquisition(
        shared.part(_image_type, image_type),
        shared.part(_integer, number),
        _integer(instance),
        shared.part(_integer, temporal),
        shared.part(_number, echo),
        shared.part(_double, b),
        shared.part(_number, trigger),
        shared.part(_seconds, acquired),
        shared.part(_seconds, content),
    )


def instance_from_header(header: Header, file: SourceFile, shared: Shared) -> Instance | Leftover:
    """Return what a header says, as an ``Instance``.

    What has neither a series nor pixels is a ``Leftover``; an image without a series is an
    instance whose ``series_uid`` is empty.
    """
    raw = header.values
    modality, sop_class, syntax = shared.part(_classes, _CLASSES(raw))
    own, media, series, study = _IDENTITY(raw)
    series_uid = shared.part(_text, series)
    pixels = shared.part(_pixel_format, _PIXELS(raw))
    if not series_uid and pixels is None:
        directory = sop_class == DICOMDIR
        reason = "DICOMDIR: an index of other files" if directory else "DICOM of no series"
        return Leftover(file, reason, is_dicom=True)
    where = _vector(raw[_POSITION], 3)
    position: Vector | None = None if where is None else (where[0], where[1], where[2])
    return Instance(
        file,
        sop_class,
        _text(own) or _text(media),
        series_uid,
        shared.part(_text, study),
        modality,
        syntax,
        position,
        shared.part(_plane_grid, _GRID(raw)),
        _acquisition(_ACQUISITION(raw), shared),
        shared.part(_value_mapping, _VALUES(raw)),
        pixels,
        header.element,
    )


class BytesReader:
    """A file's bytes that are in memory, for ``hop``."""

    __slots__ = ("_raw",)

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    @property
    def size(self) -> int:
        """The number of bytes."""
        return len(self._raw)

    def read(self, position: int, count: int) -> bytes:
        """Return ``count`` bytes from ``position``, fewer at the end."""
        return self._raw[position : position + count]


def instance_from_bytes(raw: bytes, file: SourceFile) -> Instance | Leftover:
    """Return the instance of a data set in memory; its pixels may be cut off.

    ``file`` is what the result says about itself: nothing is read from it.
    """
    reader = BytesReader(raw)
    with suppress(UnusualError):
        header = resume(reader, begin(reader))
        if header.element is not None:
            return instance_from_header(header, file, Shared())
    try:  # what is out of order, a scan reads in lockstep first
        (walked,) = walk([raw[:HEAD]], [len(raw)])
        header = walked if isinstance(walked, Header) else _read_rest(raw, walked)
    except NotDicomError as error:
        return Leftover(file, str(error), is_dicom=raw[:PREFIX_END].endswith(PREFIX))
    return instance_from_header(header, file, Shared())


def _read_rest(raw: bytes, cut: Cut | None) -> Header:
    if cut is not None:
        with suppress(UnusualError):
            return resume(BytesReader(raw), cut)
    return read_unusual(io.BytesIO(raw))
