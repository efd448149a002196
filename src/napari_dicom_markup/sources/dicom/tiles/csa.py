"""Siemens' CSA headers: named values in a private element, in two binary forms.

Siemens does not publish them; they are read as SPM (``spm_dicom_headers``) and nibabel
(``nicom.csareader``) found them to be.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

CsaHeader: TypeAlias = "Mapping[str, tuple[str, ...]]"
"""A tag's name to the texts of its items; empty ones are left out."""

_SIGNATURE = b"SV10"
"""Begins the newer form (CSA2); the older one (CSA1) begins with the number of tags."""

_COUNTS = struct.Struct("<II")
_TAG = struct.Struct("<64si4siii")
"""Name, multiplicity, VR, syngo type, number of items, and 77 or 205."""

_ITEM = struct.Struct("<iiii")
"""Four numbers: one tells the length of the value behind them, the third is 77 or 205."""

_MARKS = (77, 205)
_TAG_MARK, _ITEM_MARK = 80, 8
"""Where the 77 or 205 stands in a tag and in an item."""


def read_csa(raw: bytes) -> CsaHeader:
    """Return the values of a CSA header, as far as the bytes hold together.

    Each step goes forward by the size of an item at least, and no length is believed beyond the
    end of the bytes: damaged headers cost no more than whole ones.
    """
    newer = raw.startswith(_SIGNATURE)
    at = 2 * len(_SIGNATURE) if newer else 0
    found: dict[str, tuple[str, ...]] = {}
    if len(raw) < at + _COUNTS.size:
        return found
    count, _ = _COUNTS.unpack_from(raw, at)
    at += _COUNTS.size
    excess: int | None = None
    for _ in range(count):
        at = at if excess is None else _padded(raw, at, _TAG_MARK)
        if len(raw) < at + _TAG.size:
            break
        name, multiplicity, _, _, items, _ = _TAG.unpack_from(raw, at)
        if not newer and excess is None:
            excess = items
        values, at = _items(raw, at + _TAG.size, items, excess)
        found.setdefault(_text(name), tuple(values[: multiplicity if multiplicity > 0 else None]))
    return found


def _items(raw: bytes, at: int, count: int, excess: int | None) -> tuple[list[str], int]:
    """Return the texts of a tag's items, and where the next tag begins.

    In the older form the first of an item's numbers is its length plus the number of items that
    the header's first tag has (``excess``); in the newer one the second is its length.
    """
    values: list[str] = []
    for _ in range(max(count, 0)):
        at = at if excess is None else _padded(raw, at, _ITEM_MARK)
        if len(raw) < at + _ITEM.size:
            return values, len(raw)
        first, second, _, _ = _ITEM.unpack_from(raw, at)
        at += _ITEM.size
        length = second if excess is None else first - excess
        if length < 0 or at + length > len(raw):
            # In the older form a tag's items may end so; the newer one is damaged.
            return values, len(raw) if excess is None else at
        text = _text(raw[at : at + length])
        if text:
            values.append(text)
        at += length + -length % 4
    return values, at


def _padded(raw: bytes, at: int, mark: int) -> int:
    """Return where a tag or an item of the older form begins: at its mark.

    SPM skips four bytes behind a value whose length is a multiple of four, nibabel none.
    """
    for place in (at, at + 4):
        if int.from_bytes(raw[place + mark : place + mark + 4], "little") in _MARKS:
            return place
    return at


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("latin-1").strip()


def csa_numbers(header: CsaHeader, name: str, count: int) -> tuple[float, ...] | None:
    """Return a tag's values, if they are exactly ``count`` finite numbers."""
    return finite_numbers(header.get(name, ()), count)


def finite_numbers(texts: tuple[str, ...] | list[str], count: int) -> tuple[float, ...] | None:
    """Return what the texts say, if they are exactly ``count`` finite numbers."""
    if len(texts) != count or any("_" in text for text in texts):
        return None
    try:
        numbers = tuple(float(text) for text in texts)
    except ValueError:
        return None
    return numbers if all(map(math.isfinite, numbers)) else None
