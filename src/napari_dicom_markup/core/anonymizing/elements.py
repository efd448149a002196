"""Values and VRs of pydicom's elements, raw ones too, whatever they hold."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from napari_dicom_markup.core.anonymizing.items import pydicom_errors

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement, RawDataElement
    from pydicom.dataset import Dataset

    Element: TypeAlias = DataElement | RawDataElement


VRS = frozenset(
    """
    AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US
    UT UV
    """.split()  # noqa: SIM905 - a list of that length would be a column
)
"""All of PS3.5 table 6.2-1."""


def element_at(data_set: Dataset, tag: int) -> Element | None:
    """Return an element as it was read, raw or converted; None if it is missing."""
    from pydicom.tag import Tag

    try:
        return data_set.get_item(Tag(tag))
    except pydicom_errors():
        return data_set.get_item(Tag(tag), keep_deferred=True)


def vr_of(element: Element) -> str:
    """Return an element's VR, an explicit file's own, else that of PS3.6; UN if none is known.

    Where PS3.6 leaves a choice (US or SS, OB or OW) it is the first.
    """
    own = str(element.VR)[:2]
    if own in VRS and own != "UN":
        return own
    return dictionary_vr(int(element.tag)) or "UN"


@lru_cache(maxsize=1 << 14)
def dictionary_vr(tag: int) -> str:
    """Return the VR of PS3.6, empty for tags it does not know."""
    from pydicom.datadict import dictionary_VR

    try:
        return dictionary_VR(tag)[:2]
    except KeyError:
        return ""


@lru_cache(maxsize=1 << 14)
def keyword_of(tag: int) -> str:
    """Return the keyword of PS3.6, empty for tags it does not know."""
    from pydicom.datadict import keyword_for_tag

    return keyword_for_tag(tag)


def items_in(data_set: Dataset, tag: int) -> list[Dataset]:
    """Return a sequence's items, none of them where it cannot be read."""
    from pydicom.sequence import Sequence
    from pydicom.tag import Tag

    try:
        value = data_set[Tag(tag)].value
    except pydicom_errors():
        return []
    return list(value) if isinstance(value, Sequence) else []


def texts_of(data_set: Dataset, tag: int) -> list[str]:
    """Return an element's values as texts, none of them if it is missing or empty.

    What pydicom cannot convert is read as Latin-1.
    """
    from pydicom.multival import MultiValue
    from pydicom.tag import Tag

    if tag not in data_set:
        return []
    try:
        value = data_set[Tag(tag)].value
    except pydicom_errors():
        raw = element_at(data_set, tag)
        value = (raw.value if raw is not None else None) or b""
    if isinstance(value, bytes):
        value = value.decode("latin-1").rstrip(" \0")
    if value is None or value == "":
        return []
    many = isinstance(value, MultiValue | list | tuple)
    return [str(one) for one in value] if many else str(value).split("\\")


def first_text(data_set: Dataset, tag: int) -> str:
    """Return an element's first value as text, empty if there is none."""
    return next(iter(texts_of(data_set, tag)), "").strip(" \0")
