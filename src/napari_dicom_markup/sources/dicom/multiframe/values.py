"""Raw header values as numbers and words; what is empty or malformed counts as absent."""

from __future__ import annotations

import math
import re
import struct
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from napari_dicom_markup.sources.dicom.raw_values import Raw, first_of

if TYPE_CHECKING:
    from napari_dicom_markup.model.geometry import Vector

Numbers = tuple[float, ...]

_PADDING = b" \0"


def text(raw: Raw) -> str:
    """Return the first value of a text without its padding."""
    return words(raw)[0] if raw else ""


def words(raw: Raw) -> tuple[str, ...]:
    """Return the values of a text; other characters than UTF-8 has are replaced."""
    if not raw:
        return ()
    return tuple(part.strip(_PADDING).decode("utf-8", "replace") for part in raw.split(b"\\"))


def decimals(raw: Raw) -> Numbers:
    """Return the values of a DS or IS, none where one of them is no number."""
    if not raw or b"_" in raw:
        return ()
    try:
        numbers = tuple(map(float, raw.strip(_PADDING).split(b"\\")))
    except ValueError:
        return ()
    return numbers if all(map(math.isfinite, numbers)) else ()


def doubles(raw: Raw) -> Numbers:
    """Return the values of an FD."""
    return _unpacked("d", 8, raw)


def double(raw: Raw) -> float | None:
    """Return the first value of an FD."""
    return first_of(doubles(raw))


def single(raw: Raw) -> float | None:
    """Return the first value of an FL, as the decimal number that was meant."""
    number = first_of(_unpacked("f", 4, raw))
    return None if number is None else float(f"{number:.7g}")


def shorts(raw: Raw) -> tuple[int, ...]:
    """Return the values of a US."""
    return tuple(map(int, _unpacked("H", 2, raw)))


def longs(raw: Raw) -> tuple[int, ...]:
    """Return the values of a UL."""
    return tuple(map(int, _unpacked("L", 4, raw)))


def short(raw: Raw) -> int | None:
    """Return the first value of a US."""
    return next(iter(shorts(raw)), None)


def long(raw: Raw) -> int | None:
    """Return the first value of a UL."""
    return next(iter(longs(raw)), None)


def vector(numbers: Numbers) -> Vector | None:
    """Return three numbers as a vector, None for any other count."""
    return (numbers[0], numbers[1], numbers[2]) if len(numbers) == 3 else None


def tags(raw: Raw) -> tuple[int, ...]:
    """Return the values of an AT, the group in the upper 16 bits."""
    halves = shorts(raw)
    return tuple(g << 16 | e for g, e in zip(halves[::2], halves[1::2], strict=False))


def _unpacked(letter: str, size: int, raw: Raw) -> Numbers:
    count = len(raw) // size if raw else 0
    numbers: Numbers = struct.unpack_from(f"<{count}{letter}", raw or b"")
    return numbers if all(map(math.isfinite, numbers)) else ()


_MOMENT = re.compile(
    rb"(\d{4})(\d\d)(\d\d)(\d\d)(?:(\d\d)(?:(\d\d)(\.\d{1,6})?)?)?(?:([+-])(\d\d)(\d\d))?"
)


def moment(raw: Raw) -> float | None:
    """Return a DT (PS3.5 6.2), at least to the hour, in seconds since 1970.

    One without an offset is taken as UTC: only differences within one series mean anything.
    """
    match = _MOMENT.fullmatch((raw or b"").strip(_PADDING))
    if match is None:
        return None
    *date, hour, minute, second, fraction, sign, hours, minutes = match.groups()
    year, month, day = map(int, date)
    try:
        start = datetime(year, month, day)
    except ValueError:
        return None
    whole_days = (start - datetime(1970, 1, 1)) // timedelta(days=1)
    offset = int(hours or 0) * 3600 + int(minutes or 0) * 60
    clock = int(hour) * 3600 + int(minute or 0) * 60 + int(second or 0) + float(fraction or 0)
    return whole_days * 86400 + clock - (offset if sign == b"+" else -offset)
