"""Raw little-endian values of elements as Python's: what is empty or malformed counts as absent."""

from __future__ import annotations

import math
import re
import struct
from datetime import date
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")
Raw: TypeAlias = bytes | None
Key: TypeAlias = tuple[Raw, ...]
"""Raw values of several elements."""


class Shared:
    """Parts that many instances or frames have in common, by their raw values."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: dict[tuple[Any, Any], Any] = {}

    def part(self, parse: Callable[[Any], T], raw: Hashable) -> T:
        """Return ``parse(raw)``, the same object for the same value."""
        key = (parse, raw)
        try:
            known: T = self._parts[key]
        except KeyError:
            known = self._parts[key] = parse(raw)
        return known


def as_text(raw: Raw) -> str:
    """Return a text without its padding; what is not ASCII is replaced."""
    return (raw or b"").strip(b" \0").decode("ascii", "replace")


def as_number(raw: Raw) -> float | None:
    """Return the first value of a DS or IS."""
    if not raw:
        return None
    try:
        number = float(raw.split(b"\\", 1)[0].strip(b" \0"))
    except ValueError:
        return None
    return number if math.isfinite(number) and b"_" not in raw else None


def as_integer(raw: Raw) -> int | None:
    """Return the first value of a DS or IS that is a whole number."""
    number = as_number(raw)
    return int(number) if number is not None and number.is_integer() else None


def as_vector(raw: Raw, count: int) -> tuple[float, ...] | None:
    """Return exactly ``count`` finite numbers."""
    parts = (raw or b"").split(b"\\")
    numbers = [n for n in map(as_number, parts) if n is not None]
    return tuple(numbers) if len(parts) == len(numbers) == count else None


def as_word(raw: Raw, *, signed: bool = False) -> int | None:
    """Return the first value of a US or SS."""
    return int.from_bytes(raw[:2], "little", signed=signed) if raw and len(raw) > 1 else None


def as_floats(raw: Raw, code: str) -> tuple[float, ...]:
    """Return the values of an FL or FD, none where one is not finite."""
    size = struct.calcsize(code)
    whole = (raw or b"")[: len(raw or b"") // size * size]
    values = tuple(float(value) for (value,) in struct.iter_unpack(code, whole))
    return values if all(map(math.isfinite, values)) else ()


def first_of(values: tuple[float, ...]) -> float | None:
    """Return the first of some numbers, None of none."""
    return values[0] if values else None


_DATE = re.compile(rb"(\d{4})\.?(\d\d)\.?(\d\d)")


def as_day(raw: Raw) -> int | None:
    """Return a DA (PS3.5 6.2, and its old form with points) as a number of days."""
    match = _DATE.fullmatch((raw or b"").split(b"\\", 1)[0].strip(b" \0"))
    if match is None:
        return None
    year, month, day = map(int, match.groups())
    try:
        return date(year, month, day).toordinal()
    except ValueError:
        return None


_TIME = re.compile(rb"(\d\d)(?::?(\d\d)(?::?(\d\d(?:\.\d{0,6})?))?)?")


def as_seconds(raw: Raw) -> float | None:
    """Return a TM (PS3.5 6.2, and its old form with colons) in seconds of the day."""
    match = _TIME.fullmatch((raw or b"").split(b"\\", 1)[0].strip(b" \0"))
    if match is None:
        return None
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    if hours >= 24 or minutes >= 60 or seconds >= 61:
        return None
    return hours * 3600 + minutes * 60 + seconds
