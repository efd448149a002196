"""All ways to show its values that an object offers: windows and VOI LUTs (PS3.3 C.11.2)."""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from napari_dicom_markup.model.stack import VoiFunction, Window
from napari_dicom_markup.model.voi import VoiLut
from napari_dicom_markup.sources.dicom.lenient import (
    functional_group,
    get,
    items,
    numbers,
    read_elements,
    text,
    texts,
)
from napari_dicom_markup.sources.dicom.lookup_tables import (
    is_big_endian,
    read_descriptor,
    read_entries,
)
from napari_dicom_markup.sources.quiet import quiet_pydicom

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom import Dataset

    from napari_dicom_markup.model.stack import Instance

VoiOffer: TypeAlias = Window | VoiLut

_MOST_OFFERS = 64
"""Nobody chooses among more; a hostile file can hold any number."""

_NAME_LENGTH = 64
"""What an LO may hold (PS3.5 6.2)."""

_ELEMENTS = (
    "WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction",
    "VOILUTSequence", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
)  # fmt: skip


@quiet_pydicom()
def read_voi(instance: Instance, raw: bytes | memoryview | None = None) -> tuple[VoiOffer, ...]:
    """Return an object's windows, then its VOI LUTs, in their order; ``core.voi`` shows them.

    They are those of the top level, else of the shared functional groups, else of the first
    frame's. What is malformed or cut off is left out.

    Parameters
    ----------
    instance : Instance
        The instance to read.
    raw : bytes-like, optional
        The whole file; read from disk where not given.

    Raises
    ------
    DecodeError
        Where the header cannot be read.
    """
    data_set = read_elements(instance, raw, _ELEMENTS)
    big_endian = is_big_endian(data_set)
    for holder in (data_set, *functional_group(data_set, "FrameVOILUTSequence")[:1]):
        luts = _luts(holder, instance, big_endian=big_endian)
        offers: tuple[VoiOffer, ...] = (*_windows(holder), *luts)
        if offers:
            return offers
    return ()


def _windows(holder: Dataset) -> tuple[Window, ...]:
    centers, widths = numbers(holder, "WindowCenter"), numbers(holder, "WindowWidth")
    names = [*texts(holder, "WindowCenterWidthExplanation"), *[""] * len(centers)]
    term = text(holder, "VOILUTFunction")
    function = VoiFunction(term) if term in set(VoiFunction) else VoiFunction.LINEAR
    windows = (
        Window(center, width, _name(name), function)
        for center, width, name in zip(centers, widths, names, strict=False)
        if width > 0 and not math.isnan(center)
    )
    return tuple(islice(windows, _MOST_OFFERS))


def _name(explanation: str) -> str:
    return "".join(c for c in explanation[:_NAME_LENGTH] if c.isprintable())


def _luts(holder: Dataset, instance: Instance, *, big_endian: bool) -> Iterator[VoiLut]:
    for item in items(holder, "VOILUTSequence")[:_MOST_OFFERS]:
        try:
            descriptor = get(item, "LUTDescriptor")
            count, _, bits = read_descriptor(descriptor, instance)
            first = _first_mapped(int(descriptor[1]), instance)
            data = get(item, "LUTData")
            if not 0 < bits <= 16:
                continue
            entries = read_entries(data, count, bits, big_endian=big_endian)
        except (ArithmeticError, LookupError, TypeError, ValueError):
            continue
        yield VoiLut(first, entries, bits, _name(text(item, "LUTExplanation")))


def _first_mapped(stated: int, instance: Instance) -> int:
    """Return the first input value: negative where it says so, or where inputs can be negative.

    It stands in 16 bits, SS where the rescale's output may be signed, as Hounsfield units always
    are (PS3.3 C.11.2.1.1). Implicit VR does not tell: 64512 is -1024 in a CT.
    """
    if stated < 0 and not (instance.pixels is not None and instance.pixels.signed):
        return stated  # nothing but an explicit SS reads so
    word = stated % (1 << 16)
    return word - (1 << 16) if word >= 1 << 15 and _may_be_negative(instance) else word


def _may_be_negative(instance: Instance) -> bool:
    values, pixels = instance.values, instance.pixels
    if values.lut or pixels is None:
        return False
    if values.unit == "HU":
        return True
    bits = min(max(pixels.bits_stored, 1), 32) - pixels.signed
    low, high = -(1 << bits) if pixels.signed else 0, (1 << bits) - 1
    return min(low * values.slope, high * values.slope) + values.intercept < 0
