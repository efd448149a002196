"""Values that say nothing, valid for their VR and as many as an attribute must have (PS3.5 6.2)."""

from __future__ import annotations

from typing import Any

from napari_dicom_markup.core.anonymizing.wording import REMOVED

_TEXTS = {
    "AE": "REMOVED",
    "AS": "000Y",
    "CS": "REMOVED",
    "DA": "19000101",
    "DS": "0",
    "DT": "19000101000000",
    "IS": "0",
    "PN": "REMOVED",
    "TM": "000000",
    "UR": "urn:removed",
    **dict.fromkeys(("LO", "LT", "SH", "ST", "UC", "UT"), REMOVED),
}

_BYTES = {"OB": 2, "OW": 2, "UN": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
"""Length of one value, at least two: all values have an even length."""

_NUMBERS: dict[str, float] = {
    **dict.fromkeys(("SL", "SS", "SV", "UL", "US", "UV", "AT"), 0),
    **dict.fromkeys(("FD", "FL"), 0.0),
}

_ONE_VALUE = frozenset({"LT", "ST", "UR", "UT"})


def dummy_value(vr: str, tag: int) -> Any:
    """Return a value for a VR that is neither UI nor SQ; None for a VR that PS3.5 does not know."""
    if vr in _BYTES:
        return b"\0" * _BYTES[vr]
    one: str | float | None = _TEXTS.get(vr, _NUMBERS.get(vr))
    count = 1 if vr in _ONE_VALUE else fewest_values(tag)
    return one if count == 1 or one is None else [one] * count


def fewest_values(tag: int) -> int:
    """Return how many values an attribute has at least (PS3.6: VM 1, 2-n, 3-3n …).

    Examples
    --------
    >>> fewest_values(0x00200032), fewest_values(0x00080008), fewest_values(0x00091001)
    (3, 2, 1)
    """
    from pydicom.datadict import dictionary_VM

    try:
        return max(1, int(dictionary_VM(tag).split("-")[0]))
    except (KeyError, ValueError):
        return 1
