"""Read Segmentation objects (PS3.3 A.51 and A.86, edition 2026d): header now, frames on demand."""

from __future__ import annotations

import zlib
from io import BytesIO, FileIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_dicom_markup.errors import DecodeError, NotDicomError
from napari_dicom_markup.model.code import Code
from napari_dicom_markup.model.segmentation import (
    FractionalKind,
    FrameReference,
    Segment,
    Segmentation,
    SegmentationKind,
    SegmentedImages,
    SegmentFrame,
)
from napari_dicom_markup.sources.dicom import lenient
from napari_dicom_markup.sources.dicom.cielab import cielab_to_rgb
from napari_dicom_markup.sources.dicom.codestreams import SAFE_BYTES
from napari_dicom_markup.sources.dicom.segmentation_planes import (
    FrameFormat,
    InMemory,
    NativePlanes,
    OnDisk,
    ValuePlace,
    encapsulated_planes,
)
from napari_dicom_markup.sources.quiet import quiet_pydicom
from napari_dicom_markup.standard import transfer_syntax as ts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom import Dataset

    from napari_dicom_markup.model.segmentation import FrameReader, Rgb
    from napari_dicom_markup.model.stack import Instance

SEGMENTATION_CLASSES = frozenset({"1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"})
"""Segmentation Storage and Label Map Segmentation Storage (PS3.4 B.5)."""

MOST_ITEMS = 1 << 20
"""Sequence items that a header may hold: 100 segments on 400 slices have about 400 000."""

MOST_HEADER = 1 << 28
"""Bytes that a header may take (256 MiB); pydicom takes a multiple of them as memory."""

LEAST_ITEM = 24
"""Bytes of a real item with its share of a sequence: two headers of 8 and one element."""

_LOSSY = ts.LOSSY - {ts.JPEG_2000, ts.HTJ2K, ts.JPEG_XL}
"""Syntaxes that always lose something; those left out may be lossless."""

_INFLATED_RATIO = 100
_ITEM = b"\xfe\xff\x00\xe0"
_PIXEL_DATA = (b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10")
_UNDEFINED = 0xFFFF_FFFF
_META_START = 144
_LARGEST_NUMBER = 0xFFFF


def read_segmentation(instance: Instance) -> Segmentation:
    """Return an instance that is a Segmentation; its frames are decoded when they are asked for.

    Raises
    ------
    NotDicomError
        Where the file is no Segmentation, or cannot be understood as one.
    DecodeError
        Where its pixel data cannot be those that its header claims.
    OSError
        Where the file is gone or cannot be read.
    """
    with FileIO(instance.file.location) as file, quiet_pydicom():
        try:
            data_set, source, at = _header(file, instance)
            return _segmentation(data_set, source, at, instance)
        except (NotDicomError, DecodeError):
            raise
        except lenient.pydicom_errors():
            reason = "its header is damaged; get the complete file"
            raise _not_dicom(instance, reason) from None


def _header(file: FileIO, instance: Instance) -> tuple[Dataset, OnDisk | InMemory, int]:
    """Return the data set before its pixels, what holds them, and where their element starts."""
    from pydicom import dcmread
    from pydicom.filereader import read_dataset

    if instance.transfer_syntax_uid == ts.DEFLATED_LE:
        inflated = _inflated(file, instance)
        _check_items(inflated, instance)
        buffer = BytesIO(inflated)
        data_set = read_dataset(buffer, False, True, stop_when=_is_pixels)  # noqa: FBT003
        return data_set, InMemory(inflated), buffer.tell()
    _check_items(_before_pixels(file, instance), instance)
    file.seek(0)
    data_set = dcmread(file, stop_before_pixels=True, force=True)
    return data_set, OnDisk(instance.file.location), file.tell()


def _is_pixels(tag: int, vr: str | None, length: int) -> bool:
    return int(tag) in {0x7FE0_0008, 0x7FE0_0009, 0x7FE0_0010}


def _before_pixels(file: FileIO, instance: Instance) -> bytes:
    """Return the bytes in which sequences may stand; a scan knows where pixels start.

    Raises
    ------
    NotDicomError
        Where the header is larger than any that is believed.
    """
    at = instance.element.offset if instance.element else -1
    if at > MOST_HEADER:
        raise _too_large(instance)
    file.seek(0)
    size = Path(instance.file.location).stat().st_size  # what is read is allocated first
    return file.read(min(size, MOST_HEADER if at < 0 else at))


def _check_items(raw: bytes, instance: Instance) -> None:
    """Refuse more items than real headers have, before pydicom makes an object of each."""
    if raw.count(_ITEM) > min(MOST_ITEMS, len(raw) // LEAST_ITEM):
        raise _too_large(instance)


def _too_large(instance: Instance) -> NotDicomError:
    return _not_dicom(instance, "its header is larger than any that is believed")


def _not_dicom(instance: Instance, reason: str) -> NotDicomError:
    return NotDicomError(f"{instance.file.relative}: {reason}")


def _undecodable(instance: Instance, reason: str) -> DecodeError:
    return DecodeError(f"{instance.file.relative}: {reason}")


def _inflated(file: FileIO, instance: Instance) -> bytes:
    """Return a deflated data set (PS3.5 A.5), unless it grows like a bomb.

    It begins behind group 2, whose first element says how long the rest of it is (PS3.10 7.1).
    """
    head = file.read(_META_START)
    file.seek(_META_START + int.from_bytes(head[-4:], "little"))
    raw = file.read()
    limit = max(SAFE_BYTES, len(raw) * _INFLATED_RATIO)
    inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(raw, limit + 1)
    if len(inflated) > limit:
        raise _too_large(instance)
    return inflated


def _segmentation(
    data_set: Dataset, source: OnDisk | InMemory, at: int, instance: Instance
) -> Segmentation:
    if lenient.text(data_set, "SOPClassUID") not in SEGMENTATION_CLASSES:
        raise _not_dicom(instance, "it is no segmentation")
    form = _format(data_set, instance)
    kind = _kind(data_set, instance)
    frames, notes = _frames(data_set, form.frames, kind)
    maximum = lenient.integer(data_set, "MaximumFractionalValue") or 0
    if kind is SegmentationKind.FRACTIONAL and not 0 < maximum < 1 << form.bits:
        maximum = (1 << form.bits) - 1
        notes = (*notes, f"it states no valid maximum of its fractions: {maximum} was taken")
    return Segmentation(
        relative=instance.file.relative,
        kind=kind,
        rows=form.rows,
        columns=form.columns,
        segments=_segments(data_set),
        frames=frames,
        images=_images(data_set, frames),
        read=_planes(data_set, source, at, form, instance),
        fractional=_fractional(data_set),
        maximum=maximum if kind is SegmentationKind.FRACTIONAL else 1,
        background=lenient.integer(data_set, "PixelPaddingValue") or 0,
        notes=notes,
    )


def _kind(data_set: Dataset, instance: Instance) -> SegmentationKind:
    text = lenient.text(data_set, "SegmentationType")
    if text not in set(SegmentationKind):
        raise _not_dicom(instance, "its type of segmentation is not known")
    kind = SegmentationKind(text)
    if kind is not SegmentationKind.FRACTIONAL and instance.transfer_syntax_uid in _LOSSY:
        reason = "its segments were compressed with loss: what they were is not known"
        raise _undecodable(instance, reason)
    return kind


def _fractional(data_set: Dataset) -> FractionalKind:
    text = lenient.text(data_set, "SegmentationFractionalType")
    return FractionalKind(text) if text in set(FractionalKind) else FractionalKind.UNKNOWN


def _format(data_set: Dataset, instance: Instance) -> FrameFormat:
    keywords = ("Rows", "Columns", "BitsAllocated")
    rows, columns, bits = (lenient.integer(data_set, keyword) or 0 for keyword in keywords)
    frames = lenient.integer(data_set, "NumberOfFrames")
    frames = 1 if frames is None else frames
    samples = lenient.integer(data_set, "SamplesPerPixel")
    if min(rows, columns, frames) < 1 or bits not in {1, 8, 16} or samples not in {None, 1}:
        reason = "its image size, frames or bits are invalid or not supported"
        raise _undecodable(instance, reason)
    return FrameFormat(rows, columns, bits, frames)


def _planes(
    data_set: Dataset,
    source: OnDisk | InMemory,
    at: int,
    form: FrameFormat,
    instance: Instance,
) -> FrameReader:
    """Return what reads the frames of the pixel element that starts at an offset."""
    head = bytes(source.read(at, 12))
    if head[:4] not in _PIXEL_DATA:
        raise _undecodable(instance, "it holds no pixel data")
    big_endian = head[:4] == _PIXEL_DATA[1]
    explicit = head[4:6] in {b"OB", b"OW", b"UN"}
    length = int.from_bytes(head[8:] if explicit else head[4:8], "big" if big_endian else "little")
    native = instance.transfer_syntax_uid in ts.NATIVE
    words = head[4:6] == b"OW" or form.bits == 16
    place = ValuePlace(
        at + (12 if explicit else 8),
        None if length == _UNDEFINED else length,
        swapped=big_endian and words,
    )
    if native != (place.length is not None):
        reason = "its pixel data are not encapsulated as its transfer syntax demands"
        raise _undecodable(instance, reason)
    name = instance.file.relative
    if native:
        return NativePlanes(name, source, form, place)
    extended = _extended_offsets(data_set)
    return encapsulated_planes(name, source, form, instance.transfer_syntax_uid, place, extended)


def _extended_offsets(data_set: Dataset) -> tuple[list[int], list[int]] | None:
    """Return the Extended Offset Table and its lengths (PS3.3 C.7.6.3.1.8)."""
    raws = [lenient.get(data_set, f"ExtendedOffsetTable{end}") for end in ("", "Lengths")]
    tables = [np.frombuffer(raw[: len(raw) // 8 * 8], "<u8").tolist() for raw in raws if raw]
    return (tables[0], tables[1]) if len(tables) == 2 else None


def _frames(
    data_set: Dataset, count: int, kind: SegmentationKind
) -> tuple[tuple[SegmentFrame, ...], tuple[str, ...]]:
    """Return the frames that functional groups describe (PS3.3 C.7.6.16), and what is odd."""
    shared = lenient.first(data_set, "SharedFunctionalGroupsSequence")
    groups = lenient.items(data_set, "PerFrameFunctionalGroupsSequence")
    found = tuple(
        _frame(number, group, shared, kind) for number, group in enumerate(groups[:count])
    )
    if not groups and count == 1 and shared is not None:
        found = (_frame(0, shared, None, kind),)
    if not groups and lenient.text(data_set, "DimensionOrganizationType") == "TILED_FULL":
        odd = f"its {count} frames are the tiles of a slide, which this version does not place"
    elif len(groups) > count:
        odd = f"it describes {len(groups)} frames, of which its pixel data hold {count}"
    elif len(found) < count:
        odd = f"{count - len(found)} of its {count} frames are not described and were left out"
    else:
        return found, ()
    return found, (odd,)


def _frame(
    number: int, group: Dataset, shared: Dataset | None, kind: SegmentationKind
) -> SegmentFrame:
    """Return one frame; what its own group does not hold, the shared one may."""

    def macro(keyword: str) -> Dataset | None:
        return lenient.first(group, keyword) or (
            lenient.first(shared, keyword) if shared is not None else None
        )

    segment = macro("SegmentIdentificationSequence")
    spacing = lenient.vector(macro("PixelMeasuresSequence"), "PixelSpacing", 2)
    position = lenient.vector(macro("PlanePositionSequence"), "ImagePositionPatient", 3)
    return SegmentFrame(
        number=number,
        segment=(
            None
            if segment is None or kind is SegmentationKind.LABELMAP
            else _segment_number(segment, "ReferencedSegmentNumber")
        ),
        position=None if position is None else (position[0], position[1], position[2]),
        orientation=lenient.vector(macro("PlaneOrientationSequence"), "ImageOrientationPatient", 6),
        spacing=(spacing[0], spacing[1]) if spacing and min(spacing) > 0 else None,
        references=tuple(_references(group)) or tuple(_references(shared)),
    )


def _references(group: Dataset | None) -> Iterator[FrameReference]:
    """Yield the images that a frame was derived from (PS3.3 C.7.6.16.2.6)."""
    for derivation in lenient.items(group, "DerivationImageSequence"):
        for source in lenient.items(derivation, "SourceImageSequence"):
            uid = lenient.text(source, "ReferencedSOPInstanceUID")
            numbers = lenient.integers(source, "ReferencedFrameNumber")
            if uid and numbers:
                yield from (FrameReference(uid, number - 1) for number in numbers)
            elif uid:
                yield FrameReference(uid)


def _images(data_set: Dataset, frames: tuple[SegmentFrame, ...]) -> SegmentedImages:
    """Return what the segmentation says it belongs to (PS3.3 C.12.2, C.7.4.1)."""
    series = lenient.items(data_set, "ReferencedSeriesSequence")
    for study in lenient.items(data_set, "StudiesContainingOtherReferencedInstancesSequence"):
        series = [*series, *lenient.items(study, "ReferencedSeriesSequence")]
    instances = {
        lenient.text(instance, "ReferencedSOPInstanceUID")
        for one in series
        for instance in lenient.items(one, "ReferencedInstanceSequence")
    }
    instances |= {reference.sop_instance_uid for f in frames for reference in f.references}
    return SegmentedImages(
        lenient.text(data_set, "FrameOfReferenceUID"),
        frozenset(lenient.text(one, "SeriesInstanceUID") for one in series) - {""},
        frozenset(instances) - {""},
    )


def _segments(data_set: Dataset) -> tuple[Segment, ...]:
    """Return the segments that have a number, the first of those that share one."""
    palette = _palette(data_set)
    found: dict[int, Segment] = {}
    for item in lenient.items(data_set, "SegmentSequence"):
        number = _segment_number(item, "SegmentNumber")
        if number is not None and number not in found:
            found[number] = _segment(number, item, palette.get(number))
    return tuple(found[number] for number in sorted(found))


def _segment(number: int, item: Dataset, color: Rgb | None) -> Segment:
    lab = lenient.integers(item, "RecommendedDisplayCIELabValue")
    if len(lab) == 3 and all(0 <= part <= 0xFFFF for part in lab):
        color = cielab_to_rgb((lab[0], lab[1], lab[2]))
    return Segment(
        number=number,
        label=lenient.text(item, "SegmentLabel"),
        algorithm_type=lenient.text(item, "SegmentAlgorithmType"),
        algorithm=lenient.text(item, "SegmentAlgorithmName"),
        category=_code(item, "SegmentedPropertyCategoryCodeSequence"),
        property_type=_code(item, "SegmentedPropertyTypeCodeSequence"),
        color=color,
    )


def _palette(data_set: Dataset) -> dict[int, Rgb]:
    """Return the colours of a LABELMAP's palette (PS3.3 C.7.6.3.1.5) by stored value."""
    channels: list[list[float]] = []
    firsts = set()
    for name in ("Red", "Green", "Blue"):
        descriptor = lenient.integers(data_set, f"{name}PaletteColorLookupTableDescriptor")
        raw = lenient.get(data_set, f"{name}PaletteColorLookupTableData")
        if len(descriptor) != 3 or descriptor[2] not in {8, 16} or not isinstance(raw, bytes):
            return {}
        dtype = np.dtype(f"<u{descriptor[2] // 8}")
        entries = np.frombuffer(raw[: len(raw) // dtype.itemsize * dtype.itemsize], dtype)
        firsts.add(descriptor[1])
        channels.append((entries / np.iinfo(dtype).max).tolist())
    first = firsts.pop()
    return dict(enumerate(zip(*channels, strict=False), first)) if not firsts else {}


def _code(item: Dataset, keyword: str) -> Code | None:
    """Return a coded concept; its value may be long or a URN (PS3.3 table 8.8-1)."""
    code = lenient.first(item, keyword)
    if code is None:
        return None
    values = (lenient.text(code, name) for name in ("CodeValue", "LongCodeValue", "URNCodeValue"))
    value = next((value for value in values if value), "")
    return Code(
        value, lenient.text(code, "CodingSchemeDesignator"), lenient.text(code, "CodeMeaning")
    )


def _segment_number(item: Dataset, keyword: str) -> int | None:
    number = lenient.integer(item, keyword)
    return number if number is not None and 0 <= number <= _LARGEST_NUMBER else None
