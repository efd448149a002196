"""Write a bundle's OME-TIFFs: what was painted, and what it was painted on.

Each file is one OME Image in strips that every reader knows. The same input gives the same
bytes: no clock, no host and no identifier of the patient is written.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from napari_dicom_markup.errors import LabelsError, SaveError
from napari_dicom_markup.model.geometry import ReportKind
from napari_dicom_markup.model.progress import Step
from napari_dicom_markup.model.sidecar import LINK_NAMESPACE, TIFF_SOFTWARE, TiffRecord

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_dicom_markup.model.markup import Labels, LabelsStyle
    from napari_dicom_markup.model.stack import Stack

GEOMETRY_NAMESPACE = "napari-dicom-markup/geometry/1"
LABELS_NAMESPACE = "napari-dicom-markup/labels/1"

OME_NAMESPACE = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
"""The schema that tifffile, ome-types and Bio-Formats read; it names, nothing is fetched."""

OME_TYPES = {
    **{f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32)},
    "float32": "float",
    "float64": "double",
}
"""numpy's dtype names and the OME pixel types that hold them (OME 2016-06, PixelType)."""

BIGTIFF_BYTES = 3_500_000_000
"""Raw size above which BigTIFF is written: classic TIFF's offsets end at 4 GiB."""

STRIP_BYTES = 1 << 20
"""Largest strip, uncompressed: a 512 × 512 plane of 32 bits is one strip."""

BATCH_BYTES = 16 << 20
"""Uncompressed bytes of the planes that are handed to the compressors at once."""

NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold (Char, section 2.2)."""

ZLIB: dict[str, Any] = {"compression": "zlib", "compressionargs": {"level": 6}, "predictor": False}
"""Labels and floats: a predictor makes labels larger, and float predictors are not read by all."""

LZW: dict[str, Any] = {"compression": "lzw", "predictor": True}
"""Integer images: zlib with a predictor is misread by ImageJ before 1.53v, LZW by none."""

Pairs: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TiffLink:
    """What ties a TIFF to its bundle.

    ``uuid`` is the file's OME UUID (version 5, made from content), ``name`` the OME Image's
    name, without patient data, ``bundle`` the bundle's id.
    """

    uuid: str
    name: str
    bundle: str


@dataclass(frozen=True, slots=True)
class _Layout:
    """Shape (T, C, Z, Y, X), with 3 appended for colour, and the little-endian dtype."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def page(self) -> tuple[int, ...]:
        return self.shape[3:]

    @property
    def pages(self) -> int:
        return math.prod(self.shape[:3])

    @property
    def page_bytes(self) -> int:
        return math.prod(self.page) * self.dtype.itemsize

    @property
    def tags(self) -> dict[str, Any]:
        """How tifffile stores a page of this layout."""
        row_bytes = self.page_bytes // self.page[0]
        return {
            "photometric": "rgb" if len(self.page) == 3 else "minisblack",
            "planarconfig": "contig" if len(self.page) == 3 else None,
            "rowsperstrip": max(1, min(self.page[0], STRIP_BYTES // row_bytes)),
            "dtype": self.dtype,
            "metadata": None,
            "contiguous": False,
        }


def write_labels(
    path: Path, labels: Sequence[Labels], stack: Stack, link: TiffLink, *, suffix: str
) -> Generator[Step, None, TiffRecord]:
    """Write labels layers as the channels of one OME-TIFF, and return its record.

    Each layer has ``stack.shape`` or its last three axes (slices, rows, columns), and integers
    or booleans; it may be memory-mapped or a dask array. The smaller are repeated over T. After
    an exception the file is the caller's to remove.

    Raises
    ------
    LabelsError
        No layer; a layer of another shape, of no integers, or with values that none of uint8,
        uint16 and uint32 holds.
    """
    _check_layers(labels, stack)
    dtype = yield from _smallest_dtype(labels)
    layout = _Layout((_volumes(stack), len(labels), *stack.shape[-3:]), dtype)
    channels = [_Channel(layer.style.name, label_names(layer.style)) for layer in labels]
    tags = _geometry_tags(stack) | ZLIB
    tags["description"] = _ome_xml(stack, link, layout, channels, "labels")
    digest = yield from _write_pages(path, layout, _label_planes(labels, layout), tags)
    return _record(path, layout, digest, link.uuid, suffix)


def write_image(
    path: Path,
    stack: Stack,
    planes: Iterable[NDArray[Any]],
    dtype: np.dtype[Any],
    link: TiffLink,
    *,
    suffix: str,
) -> Generator[Step, None, TiffRecord]:
    """Write a stack's physical values as one OME-TIFF, and return its record.

    ``planes`` has one array a frame, in (leading, slice) order, of shape (rows, columns) or
    (rows, columns, 3); ``dtype`` is theirs: integers of at most 32 bits, float32 or float64.

    Raises
    ------
    SaveError
        The dtype has no OME type, or the planes are not those of the stack.
    """
    dtype = np.dtype(dtype).newbyteorder("<")
    if dtype.name not in OME_TYPES:
        message = f"OME-TIFF has no pixel type for {dtype.name}; save the image as float32"
        raise SaveError(message)
    remaining = iter(planes)
    head = list(islice(remaining, 1))
    colour = head[0].shape[2:] if head else ()
    layout = _Layout((_volumes(stack), 1, *stack.shape[-3:], *colour), dtype)
    channels = [_Channel(stack.frames[0].modality)]
    tags = _geometry_tags(stack) | (ZLIB if dtype.kind == "f" else LZW)
    tags["description"] = _ome_xml(stack, link, layout, channels, "image")
    digest = yield from _write_pages(path, layout, chain(head, remaining), tags)
    return _record(path, layout, digest, link.uuid, suffix)


def _volumes(stack: Stack) -> int:
    return math.prod(stack.shape[:-3])


def _record(path: Path, layout: _Layout, digest: str, uuid: str, suffix: str) -> TiffRecord:
    return TiffRecord(suffix, uuid, layout.dtype.name, layout.shape, digest, path.stat().st_size)


def _check_layers(labels: Sequence[Labels], stack: Stack) -> None:
    problems = [] if labels else ["there is no labels layer to save"]
    for number, layer in enumerate(labels, 1):
        shape, dtype = tuple(layer.data.shape), np.dtype(layer.data.dtype)
        place = f"labels layer {number} of {len(labels)}"
        if shape not in (stack.shape, stack.shape[-3:]):
            problems.append(f"{place} has shape {shape}, its image {stack.shape}")
        if dtype.kind not in "biu":
            problems.append(f"{place} holds {dtype.name}, not integers: convert it to labels")
    if problems:
        raise LabelsError("; ".join(problems))


def _smallest_dtype(labels: Sequence[Labels]) -> Generator[Step, None, np.dtype[Any]]:
    """Return the smallest of uint8, uint16 and uint32 that holds every value of all layers."""
    limit = int(np.iinfo(np.uint32).max)
    highest = 0
    for number, layer in enumerate(labels, 1):
        if np.dtype(layer.data.dtype).itemsize > 1 or np.dtype(layer.data.dtype).kind == "i":
            low, high = _extent(layer.data)
            if low < 0 or high > limit:
                message = (
                    f"labels layer {number} of {len(labels)} holds values from {low} to {high}, "
                    f"but only 0 to {limit} can be stored: renumber its labels"
                )
                raise LabelsError(message)
            highest = max(highest, high)
        yield Step(number, len(labels), "measuring labels")
    return np.min_scalar_type(highest).newbyteorder("<")


def _extent(data: NDArray[Any]) -> tuple[int, int]:
    """Return the smallest and the largest of the values and 0."""
    low = high = 0
    for slab in _slabs(data):
        low, high = min(low, int(slab.min())), max(high, int(slab.max()))
    return low, high


def _slabs(data: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield runs of slices, (n, rows, columns), of a volume or of each volume in turn."""
    if data.ndim > 3:
        for volume in data:
            yield from _slabs(volume)
        return
    count = max(1, BATCH_BYTES // (math.prod(data.shape[1:]) * data.dtype.itemsize))
    for start in range(0, data.shape[0], count):
        yield np.asarray(data[start : start + count])


def _label_planes(labels: Sequence[Labels], layout: _Layout) -> Iterator[NDArray[Any]]:
    """Yield the planes of all layers in (T, C, Z) order."""
    for volume in range(layout.shape[0]):
        for layer in labels:
            leading = np.unravel_index(volume, layer.data.shape[:-3]) if layer.data.ndim > 3 else ()
            for slab in _slabs(layer.data[tuple(map(int, leading))]):
                yield from slab.astype(layout.dtype, copy=False)


def _write_pages(
    path: Path, layout: _Layout, planes: Iterator[NDArray[Any]], tags: dict[str, Any]
) -> Generator[Step, None, str]:
    """Write one page a plane in (T, C, Z) order, and return the SHA-256 of all of them."""
    from tifffile import TIFF, TiffWriter

    digest = hashlib.sha256()
    # Two at least: then hashing one strip overlaps compressing another.
    tags = tags | layout.tags | {"maxworkers": max(2, TIFF.MAXWORKERS)}
    big = layout.pages * layout.page_bytes > BIGTIFF_BYTES
    batch = max(1, BATCH_BYTES // layout.page_bytes)
    with TiffWriter(path, bigtiff=big, byteorder="<", ome=False, shaped=False) as tiff:
        for start in range(0, layout.pages, batch):
            count = min(batch, layout.pages - start)
            fed = _hashed(islice(planes, count), count, layout, digest)
            tiff.write(fed, shape=(count, *layout.page), **tags)
            tags |= {"description": None, "software": False}
            yield Step(start + count, layout.pages, "writing OME-TIFF")
    if next(planes, None) is not None:
        message = f"the image has more than the {layout.pages} planes of its stack"
        raise SaveError(message)
    return digest.hexdigest()


def _hashed(
    planes: Iterator[NDArray[Any]], count: int, layout: _Layout, digest: hashlib._Hash
) -> Iterator[NDArray[Any]]:
    """Pass ``count`` planes on, each checked and added to the digest."""
    done = 0
    for plane in planes:
        if plane.shape != layout.page or plane.dtype.name != layout.dtype.name:
            message = (
                f"a plane of the image is {plane.dtype.name} {plane.shape}, "
                f"not {layout.dtype.name} {layout.page}"
            )
            raise SaveError(message)
        stored = np.ascontiguousarray(plane, layout.dtype)
        digest.update(stored.data)
        done += 1
        yield stored
    if done < count:
        message = f"the image has fewer than the {layout.pages} planes of its stack"
        raise SaveError(message)


def _geometry_tags(stack: Stack) -> dict[str, Any]:
    """Return the resolution in pixels a centimetre: what ITK and ImageJ read spacing from."""
    if not stack.geometry.in_mm:
        return {"software": TIFF_SOFTWARE}
    _, rows, columns = stack.geometry.spacing
    resolution = (10 / columns, 10 / rows)
    return {"software": TIFF_SOFTWARE, "resolution": resolution, "resolutionunit": "centimeter"}


@dataclass(frozen=True, slots=True)
class _Channel:
    """A channel's name, and the names of its labels by number."""

    name: str
    labels: Pairs = ()


def label_names(style: LabelsStyle) -> Pairs:
    """Return (number, name) of the labels that column "name" or "label" of the features names."""
    columns = {column.name.lower(): column.cells for column in style.features}
    names = columns.get("name", columns.get("label", ()))
    return tuple(
        (f"{number:.0f}", str(name))
        for number, name in zip(columns.get("index", ()), names, strict=False)
        if isinstance(number, int | float) and math.isfinite(number) and name is not None
    )


def _ome_xml(
    stack: Stack, link: TiffLink, layout: _Layout, channels: Sequence[_Channel], kind: str
) -> bytes:
    """Return the OME-XML document, in ASCII: other characters are written as references."""
    ome = ET.Element("OME", {"xmlns": OME_NAMESPACE, "Creator": TIFF_SOFTWARE})
    ome.set("UUID", f"urn:uuid:{link.uuid}")
    image = ET.SubElement(ome, "Image", {"ID": "Image:0", "Name": _clean(link.name)})
    pixels = ET.SubElement(image, "Pixels", _pixels(stack, layout, kind))
    annotations = ET.Element("StructuredAnnotations")
    samples = str(layout.page[2] if len(layout.page) == 3 else 1)
    for number, channel in enumerate(channels):
        attributes = {"ID": f"Channel:0:{number}", "Name": _clean(channel.name)}
        element = ET.SubElement(pixels, "Channel", attributes | {"SamplesPerPixel": samples})
        if channel.labels:
            _annotate(annotations, element, LABELS_NAMESPACE, channel.labels)
    ET.SubElement(pixels, "TiffData", {"IFD": "0", "PlaneCount": str(layout.pages)})
    _annotate(annotations, image, GEOMETRY_NAMESPACE, _geometry(stack))
    _annotate(annotations, image, LINK_NAMESPACE, (("bundle", link.bundle), ("kind", kind)))
    ome.append(annotations)
    return b'<?xml version="1.0" encoding="UTF-8"?>' + ET.tostring(ome)


def _pixels(stack: Stack, layout: _Layout, kind: str) -> dict[str, str]:
    """Return the attributes of Pixels; lengths in µm, which readers that drop units assume."""
    volumes, channels, slices, rows, columns = layout.shape[:5]
    attributes = {
        "ID": "Pixels:0",
        "DimensionOrder": "XYZCT",
        "Type": OME_TYPES[layout.dtype.name],
        "SizeX": str(columns),
        "SizeY": str(rows),
        "SizeZ": str(slices),
        "SizeC": str(channels * math.prod(layout.shape[5:])),
        "SizeT": str(volumes),
    }
    values = stack.frames[0].values
    if kind == "image" and (values.slope, values.intercept) == (1, 0) and layout.dtype.kind == "u":
        bits = min(stack.pixels.bits_stored, 8 * layout.dtype.itemsize)
        attributes["SignificantBits"] = str(bits)
    if stack.geometry.in_mm:
        for axis, spacing in zip("ZYX", stack.geometry.spacing, strict=True):
            attributes[f"PhysicalSize{axis}"] = f"{spacing * 1000:.10g}"
            attributes[f"PhysicalSize{axis}Unit"] = "µm"
    return attributes


def _geometry(stack: Stack) -> Pairs:
    """Return what OME has no element for: the place in the patient, and what T stands for."""
    geometry = stack.geometry
    kinds = {report.kind for report in stack.reports}
    pairs = {
        "axes": json.dumps(stack.axes),
        "spacing": json.dumps(geometry.spacing),
        "spacing_unit": "mm" if geometry.in_mm else "pixel",
        "spacing_source": geometry.spacing_source.value,
        "slice_spacing_source": geometry.slice_spacing_source.value,
        "tilted": json.dumps(ReportKind.TILT in kinds),
        "uneven": json.dumps(bool(kinds & {ReportKind.UNEVEN, ReportKind.GAP})),
    }
    affine = geometry.affine_lps()
    if affine is not None:
        pairs["affine_lps"] = json.dumps((affine + 0.0).tolist())
    for number, axis in enumerate(stack.leading):
        prefix = f"leading{number + 1 if number else ''}"
        pairs[f"{prefix}_name"] = axis.name
        pairs[f"{prefix}_unit"] = axis.unit
        pairs[f"{prefix}_values"] = json.dumps(axis.values)
        for one in axis.coordinates:
            name = f"{prefix}_{one.name}"
            name += f" in {one.unit}" if one.unit else ""
            pairs[name] = json.dumps(one.values)
    return tuple(pairs.items())


def _annotate(annotations: ET.Element, owner: ET.Element, namespace: str, pairs: Pairs) -> None:
    """Add a MapAnnotation, and the owner's reference to it."""
    attributes = {"ID": f"Annotation:{len(annotations)}", "Namespace": namespace}
    ET.SubElement(owner, "AnnotationRef", {"ID": attributes["ID"]})
    value = ET.SubElement(ET.SubElement(annotations, "MapAnnotation", attributes), "Value")
    for key, text in pairs:
        ET.SubElement(value, "M", {"K": _clean(key)}).text = _clean(text)


def _clean(text: str) -> str:
    """Replace what XML cannot hold by U+FFFD."""
    return NOT_XML.sub("\ufffd", text)
