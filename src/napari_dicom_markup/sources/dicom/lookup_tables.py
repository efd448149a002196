"""Palettes and Modality LUTs of single objects, read through pydicom.

A table is a pair: the first stored value mapped, and the entries from there on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_dicom_markup.errors import DecodeError
from napari_dicom_markup.sources.dicom.bounded import read_bounded
from napari_dicom_markup.sources.quiet import quiet_pydicom

if TYPE_CHECKING:
    from pydicom import Dataset

    from napari_dicom_markup.model.stack import Instance

Table: TypeAlias = tuple[int, NDArray[Any]]
"""First stored value mapped, and uint8 or uint16 entries: (n,) of a LUT, (n, 3) of a palette."""

_COLOURS = ("Red", "Green", "Blue")
_ENTRIES = 1 << 16


@quiet_pydicom()
def read_palette(instance: Instance, raw: bytes | memoryview | None = None) -> Table:
    """Return the palette (PS3.3 C.7.9): RGB entries as they stand, segmented ones expanded.

    Parameters
    ----------
    instance : Instance
        One whose ``values.palette`` is set.
    raw : bytes-like, optional
        The whole file; read from disk where not given.

    Raises
    ------
    DecodeError
        Where the palette is missing or damaged.
    """
    names = [f"{colour}PaletteColorLookupTableDescriptor" for colour in _COLOURS]
    names += [f"{colour}PaletteColorLookupTableData" for colour in _COLOURS]
    names += [f"Segmented{colour}PaletteColorLookupTableData" for colour in _COLOURS]
    data_set = _read(instance, raw, names)
    try:
        channels = [_palette_channel(data_set, instance, colour) for colour in _COLOURS]
        return channels[0][0], np.stack([entries for _, entries in channels], axis=-1)
    except (AttributeError, LookupError, TypeError, ValueError):
        message = f"{instance.file.relative}: its colour palette is missing or damaged"
        raise DecodeError(message) from None


@quiet_pydicom()
def read_modality_lut(instance: Instance, raw: bytes | memoryview | None = None) -> Table:
    """Return the Modality LUT (PS3.3 C.11.1) of an instance whose ``values.lut`` is set.

    Parameters
    ----------
    instance : Instance
        The instance that the table belongs to.
    raw : bytes-like, optional
        The whole file; read from disk where not given.

    Raises
    ------
    DecodeError
        Where the table is missing or damaged.
    """
    data_set = _read(instance, raw, ["ModalityLUTSequence"])
    try:
        item = data_set.ModalityLUTSequence[0]
        count, first, bits = read_descriptor(item.LUTDescriptor, instance)
        return first, read_entries(item.LUTData, count, bits, big_endian=is_big_endian(data_set))
    except (AttributeError, LookupError, TypeError, ValueError):
        message = f"{instance.file.relative}: its Modality LUT is missing or damaged"
        raise DecodeError(message) from None


def _read(instance: Instance, raw: bytes | memoryview | None, names: list[str]) -> Dataset:
    """Return the named elements; the pixel representation decides how pydicom reads some."""
    return read_bounded(instance, raw, ["PixelRepresentation", *names])


def is_big_endian(data_set: Dataset) -> bool:
    """Say whether a data set that was read was written in big-endian order."""
    return data_set.original_encoding[1] is False


def read_descriptor(value: Any, instance: Instance) -> tuple[int, int, int]:
    """Return (number of entries, first value mapped, bits an entry), all of them unambiguous.

    A count of 0 means 65536, and the VR of count and first value may be US or SS.
    """
    count, first, bits = (int(number) for number in value)
    first %= _ENTRIES
    signed = instance.pixels is not None and instance.pixels.signed
    first = first - _ENTRIES if signed and first >= _ENTRIES // 2 else first
    return count % _ENTRIES or _ENTRIES, first, bits


def read_entries(value: Any, count: int, bits: int, *, big_endian: bool) -> NDArray[Any]:
    """Return the entries; of 8 bits each they may be packed two a word, or stand one a word."""
    if not isinstance(value, bytes):
        words = np.asarray(value, dtype=np.int64).reshape(-1) % _ENTRIES
        return _checked(words.astype(np.uint8 if bits <= 8 else np.uint16), count)
    word = np.dtype(">u2" if big_endian else "<u2")
    if len(value) >= 2 * count:
        return _checked(np.frombuffer(value, word, count).astype(np.uint16), count)
    if bits > 8 and len(value) - count not in {0, 1}:
        message = "the table is cut off"
        raise ValueError(message)
    packed = np.frombuffer(value[: len(value) // 2 * 2], word).astype("<u2").view(np.uint8)
    return _checked(packed, count)


def _checked(entries: NDArray[Any], count: int) -> NDArray[Any]:
    """Return as many entries as the descriptor says.

    Raises
    ------
    ValueError
        Where there are fewer.
    """
    if entries.size < count:
        message = "the table is cut off"
        raise ValueError(message)
    return entries[:count]


def _palette_channel(data_set: Dataset, instance: Instance, colour: str) -> Table:
    name = f"{colour}PaletteColorLookupTable"
    count, first, bits = read_descriptor(data_set[f"{name}Descriptor"].value, instance)
    big_endian = is_big_endian(data_set)
    if f"{name}Data" in data_set:
        value = data_set[f"{name}Data"].value
        return first, read_entries(value, count, bits, big_endian=big_endian)
    value = data_set[f"Segmented{name}Data"].value
    return first, _checked(_expanded(value, bits, big_endian=big_endian), count)


def _expanded(value: bytes, bits: int, *, big_endian: bool) -> NDArray[Any]:
    """Return a segmented table's entries (PS3.3 C.7.9.2)."""
    from pydicom.pixels.processing import _expand_segmented_lut

    size, code = (1, "B") if bits <= 8 else (2, "H")
    order = ">" if big_endian else "<"
    segments = np.frombuffer(value[: len(value) // size * size], f"{order}u{size}")
    expanded = _expand_segmented_lut(tuple(segments.tolist()), f"{order}{code}")
    return np.asarray(expanded, dtype=f"u{size}")
