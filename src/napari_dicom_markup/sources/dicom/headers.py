"""From raw header values to an ``Instance``, for one file or thousands.

Parsing is tolerant: a value that is padded is stripped; one that is empty or malformed counts
as absent. Nothing here raises for what a header says, and nothing quotes it.
"""

from __future__ import annotations

import io
from contextlib import suppress
from typing import TYPE_CHECKING

from napari_dicom_markup.errors import NotDicomError
from napari_dicom_markup.model.stack import (
    Instance,
    Leftover,
    PixelFormat,
    PlaneGrid,
    SourceFile,
    ValueMapping,
    VoiFunction,
    Window,
)
from napari_dicom_markup.sources.dicom.acquisition import read_acquisition
from napari_dicom_markup.sources.dicom.hop import UnusualError, begin, resume
from napari_dicom_markup.sources.dicom.raw_values import (
    Key,
    Raw,
    Shared,
    as_integer,
    as_number,
    as_text,
    as_vector,
    as_word,
)
from napari_dicom_markup.sources.dicom.unusual import read_unusual
from napari_dicom_markup.sources.dicom.walk import HEAD, PREFIX, PREFIX_END, Header, walk
from napari_dicom_markup.standard.attributes import INDEX, picker
from napari_dicom_markup.standard.modalities import known_modality
from napari_dicom_markup.standard.sop_classes import DICOMDIR, describe_sop_class
from napari_dicom_markup.standard.units import readable_unit

if TYPE_CHECKING:
    from napari_dicom_markup.model.geometry import Vector
    from napari_dicom_markup.sources.dicom.walk import Cut

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
    "EstimatedRadiographicMagnificationFactor", "SequenceOfUltrasoundRegions",
)  # fmt: skip
_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
_VALUES = picker(
    "RescaleSlope", "RescaleIntercept", "DoseGridScaling", "ModalityLUTSequence",
    "RedPaletteColorLookupTableDescriptor", "PixelPaddingValue", "PixelRepresentation",
    "PixelPaddingRangeLimit", "RealWorldValueMappingSequence", "WindowCenter", "WindowWidth",
    "VOILUTFunction", "Modality", "RescaleType", "Units", "DoseUnits",
)  # fmt: skip
_POSITION = INDEX["ImagePositionPatient"]


def _classes(key: Key) -> tuple[str, str, str]:
    modality, sop_class, media_class, syntax = map(as_text, key)
    return known_modality(modality) if modality else "", sop_class or media_class, syntax


def _pixel_format(key: Key) -> PixelFormat | None:
    rows, columns, samples, photometric, planar, allocated, stored, signed, frames = key
    size, bits = (as_word(rows) or 0, as_word(columns) or 0), as_word(allocated) or 0
    if not all(size) or not bits:
        return None
    count = as_integer(frames)
    return PixelFormat(
        rows=size[0],
        columns=size[1],
        samples=as_word(samples) or 1,
        photometric=as_text(photometric),
        planar=as_word(planar) or 0,
        bits_allocated=bits,
        bits_stored=as_word(stored) or bits,
        signed=as_word(signed) == 1,
        frames=count if count and count > 0 else 1,
    )


def _plane_grid(key: Key) -> PlaneGrid:
    frame, orientation, *spacings, thickness, between, magnification, regions = key
    spacing: tuple[float, float] | None = None
    keyword = ""
    for name, raw in zip(_SPACINGS, spacings, strict=True):
        found = as_vector(raw, 2)
        if found is not None and min(found) > 0:
            spacing, keyword = (found[0], found[1]), name
            break
    if keyword == "PixelSpacing" and orientation is None and spacing == as_vector(spacings[1], 2):
        keyword = "ImagerPixelSpacing"  # equal: not calibrated (PS3.3 10.7.1.3)
    return PlaneGrid(
        frame_of_reference_uid=as_text(frame),
        orientation=as_vector(orientation, 6),
        pixel_spacing=spacing,
        pixel_spacing_keyword=keyword,
        slice_thickness=as_number(thickness),
        spacing_between_slices=as_number(between),
        magnification=as_number(magnification),
        regions=regions is not None,
    )


def _unit(modality: str, rescale_type: str, units: str, *, rescaled: bool) -> str:
    """Return the unit of rescaled values (PS3.3 C.11.1.1.2, C.8.2.1, C.8.9.1)."""
    if modality == "PT" and units:
        return units
    if rescale_type:
        return "" if rescale_type in {"US", "UNSPECIFIED"} else rescale_type
    return "HU" if modality == "CT" and rescaled else ""


def _value_mapping(key: Key) -> ValueMapping:
    slope, intercept, dose, lut, palette, padding, signed, limit, real_world, *voi_and_naming = key
    center, width, function, *naming = voi_and_naming
    modality, *terms = map(as_text, naming)
    rescale_type, units, dose_units = map(readable_unit, terms)
    scaling = as_number(dose)
    if scaling:
        factor, unit = scaling, dose_units or "Gy"
    else:
        factor = as_number(slope) or 1.0
        unit = _unit(modality, rescale_type, units, rescaled=intercept is not None)
    return ValueMapping(
        slope=factor,
        intercept=0.0 if scaling else as_number(intercept) or 0.0,
        unit=unit,
        lut=lut is not None,
        palette=palette is not None,
        padding=as_word(padding, signed=as_word(signed) == 1),
        padding_limit=as_word(limit, signed=as_word(signed) == 1),
        real_world=real_world is not None,
        windows=_windows(center, width, as_text(function)),
    )


def _windows(center: Raw, width: Raw, function: str) -> tuple[Window, ...]:
    centers = map(as_number, (center or b"").split(b"\\"))
    widths = map(as_number, (width or b"").split(b"\\"))
    pairs = zip(centers, widths, strict=False)
    kind = VoiFunction(function) if function in _VOI_FUNCTIONS else VoiFunction.LINEAR
    return tuple(
        Window(c, w, function=kind) for c, w in pairs if c is not None and w is not None and w > 0
    )


_VOI_FUNCTIONS = frozenset(VoiFunction)


def instance_from_header(header: Header, file: SourceFile, shared: Shared) -> Instance | Leftover:
    """Return what a header says, as an ``Instance``.

    What has neither a series nor pixels is a ``Leftover``; an image without a series is an
    instance whose ``series_uid`` is empty.
    """
    raw = header.values
    modality, sop_class, syntax = shared.part(_classes, _CLASSES(raw))
    own, media, series, study = _IDENTITY(raw)
    series_uid = shared.part(as_text, series)
    pixels = shared.part(_pixel_format, _PIXELS(raw))
    if not series_uid and pixels is None:
        return Leftover(file, _of_no_series(sop_class), is_dicom=True)
    where = as_vector(raw[_POSITION], 3)
    position: Vector | None = None if where is None else (where[0], where[1], where[2])
    return Instance(
        file,
        sop_class,
        as_text(own) or as_text(media),
        series_uid,
        shared.part(as_text, study),
        modality,
        syntax,
        position,
        shared.part(_plane_grid, _GRID(raw)),
        read_acquisition(raw, shared),
        shared.part(_value_mapping, _VALUES(raw)),
        pixels,
        header.element,
    )


def _of_no_series(sop_class: str) -> str:
    if sop_class == DICOMDIR:
        return "DICOMDIR: an index of other files"
    kind = describe_sop_class(sop_class)
    return f"{kind}: no image, and of no series" if kind else "DICOM of no series"


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
