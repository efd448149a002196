"""What a value must look like to be kept: the few cases in which a value decides, not the tag.

Nothing of a value leaves this module but whether it fits.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement, RawDataElement


class Shape(Enum):
    """Forms of values, most of them of a VR (PS3.5 6.2), as regular expressions."""

    NUMBER = r"[0-9eE+\-. \\\0]*"
    DATE = r"[0-9.:\- \\\0]*"
    TIME = r"[0-9.:+\- \\\0]*"
    OFFSET = r"(?:[+-]?[0-9]{4})?[ \0]*"
    AGE = r"(?:[0-9]{1,3}[DWMY]?)?[ \0]*(?:\\(?:[0-9]{1,3}[DWMY]?)?[ \0]*)*"
    CODE_STRING = r"[A-Z0-9_ ]{0,16}(?:\\[A-Z0-9_ ]{0,16})*\0?"
    CHARACTER_SET = r"[A-Za-z0-9_\- ]{0,16}(?:\\[A-Za-z0-9_\- ]{0,16})*\0?"
    CODE = r"[A-Za-z0-9._\-]{0,16}[ \0]*"
    UID = r"[0-9.]{0,64}(?:\\[0-9.]{0,64})*[ \0]*"
    REGISTERED = ""  # a UID of PS3.6 annex A


BY_VR = MappingProxyType(
    {
        "DS": Shape.NUMBER,
        "IS": Shape.NUMBER,
        "DA": Shape.DATE,
        "DT": Shape.TIME,
        "TM": Shape.TIME,
        "AS": Shape.AGE,
        "CS": Shape.CODE_STRING,
    }
)
"""The shape without which a value of a VR is not kept: text hides in all of them."""

_PATTERNS = MappingProxyType({shape: re.compile(shape.value) for shape in Shape})


def fits(shape: Shape, element: DataElement | RawDataElement) -> bool:
    """Return whether an element's value, raw or converted, has a shape; an empty value has."""
    value = element.value
    if value is None or isinstance(value, (int, float)):
        return True
    text = text_of(value)
    if shape is Shape.REGISTERED:
        return all(part in _registered() for part in _parts(text)) and bool(text.strip(" \0"))
    return _PATTERNS[shape].fullmatch(text) is not None


def text_of(value: Any) -> str:
    r"""Return a value as the text of its bytes; several values with \ between them."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)) or hasattr(value, "__iter__"):
        return "\\".join(map(_one, value))
    return str(value)


def _one(value: Any) -> str:
    """Return one of several values; numbers as pydicom reads them had the shape of one."""
    return "0" if isinstance(value, float) else str(value)


def _parts(text: str) -> list[str]:
    return [part.strip(" \0") for part in text.split("\\")]


@cache
def _registered() -> frozenset[str]:
    from pydicom._uid_dict import UID_dictionary

    return frozenset(UID_dictionary)
