"""The tables of PS3.15 Annex E and PS3.16 CID 7050, as data with edition and digest.

``tools/confidentiality_tables.py`` writes the files of ``standard/data``; nothing there is typed.
Each is checked against its digest when it is first asked for. Actions are the codes of PS3.15
table E.1-1a, options carry the values of ``model.deid.Option``. DICOM PS3.15, (c) NEMA.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from napari_dicom_markup.errors import DamagedError

if TYPE_CHECKING:
    from collections.abc import Mapping

ACTIONS = frozenset(("D", "Z", "X", "K", "C", "U", "Z/D", "X/Z", "X/D", "X/Z/D", "X/Z/U*"))
"""The action codes of PS3.15 table E.1-1a, edition 2026d; C and K stand in the options."""

TABLES = (
    "attributes.json",
    "attribute_types.json",
    "codes.json",
    "content_concepts.json",
    "safe_private.json",
)
"""The files of ``standard/data``."""


@dataclass(frozen=True, slots=True)
class AttributeRow:
    """A row of table E.1-1: it stands for each tag that is ``tag`` where ``mask`` has ones."""

    tag: int
    mask: int
    name: str
    action: str
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PrivateRow:
    """A row of table E.3.10-1: a private attribute that is safe, by creator; group and low byte."""

    creator: str
    group: int
    element: int
    vr: str
    meaning: str


@dataclass(frozen=True, slots=True)
class ConceptRow:
    """A row of table E.3.4-1: what becomes of a content item with this concept name."""

    scheme: str
    code: str
    value_type: str
    meaning: str
    action: str
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class OptionCode:
    """A code of CID 7050 (DCM): the profile's own with an empty ``option``, else an option's."""

    option: str
    value: str
    meaning: str


@cache
def attribute_rows() -> tuple[AttributeRow, ...]:
    """Return table E.1-1, its four rows for groups of tags included."""
    return tuple(
        AttributeRow(int(tag, 16), int(mask, 16), name, action, MappingProxyType(options))
        for tag, mask, name, action, options in _rows("attributes.json")
    )


@cache
def safe_private_rows() -> tuple[PrivateRow, ...]:
    """Return table E.3.10-1."""
    return tuple(
        PrivateRow(creator, int(tag[:4], 16), int(tag[4:], 16), vr, meaning)
        for creator, tag, vr, meaning in _rows("safe_private.json")
    )


@cache
def concept_rows() -> tuple[ConceptRow, ...]:
    """Return table E.3.4-1."""
    return tuple(
        ConceptRow(scheme, code, kind, meaning, action, MappingProxyType(options))
        for scheme, code, kind, meaning, action, options in _rows("content_concepts.json")
    )


@cache
def option_codes() -> tuple[OptionCode, ...]:
    """Return the codes of CID 7050 in ascending order."""
    return tuple(OptionCode(*row) for row in _rows("codes.json")["options"])


@cache
def public_schemes() -> frozenset[str]:
    """Return coding scheme designators (PS3.16 section 8) whose codes anyone can look up."""
    return frozenset(_rows("codes.json")["schemes"])


@cache
def types_in(sop_class: str) -> Mapping[tuple[int, ...], int]:
    """Return the types (1, 2, 3) in a SOP class's IOD that table E.1-1 has to be fitted to.

    Attributes with a compound action have one, and those with action X of type 1 or 2.

    The key is the path of tags; a type is the strictest one of all modules, conditional ones
    count as met. An unknown SOP class has none.
    """
    rows = _rows("attribute_types.json")
    types = rows["iods"].get(rows["classes"].get(sop_class), {})
    return MappingProxyType({_path(key): int(kind) for key, kind in types.items()})


def known_sop_class(uid: str) -> bool:
    """Return whether the IOD of a SOP class is known."""
    return uid in _rows("attribute_types.json")["classes"]


@cache
def strictest_types() -> Mapping[int, int]:
    """Return the strictest type (1 or 2) of text, dates and bytes by tag; the others are type 3."""
    types = _rows("attribute_types.json")["strictest"]
    return MappingProxyType({int(tag, 16): int(kind) for tag, kind in types.items()})


def editions() -> Mapping[str, str]:
    """Return the edition of each table by its title."""
    heads = (_document(name) for name in TABLES)
    return MappingProxyType({head["table"]: head["edition"] for head in heads})


def acknowledgements() -> tuple[str, ...]:
    """Return what NEMA asks to be said where its tables are reproduced."""
    return tuple(sorted({_document(name)["acknowledgement"] for name in TABLES}))


def _path(key: str) -> tuple[int, ...]:
    return tuple(int(tag, 16) for tag in key.split("."))


def _rows(name: str) -> Any:
    return _document(name)["rows"]


@cache
def _document(name: str) -> Any:
    return checked_document(name, (files(__package__) / "data" / name).read_text("utf-8"))


def checked_document(name: str, text: str) -> Any:
    """Return a table's document whose rows are what its digest says.

    Raises
    ------
    DamagedError
        If they are not: nothing may be de-identified by an altered table.

    """
    try:
        document = json.loads(text)
        said, found = document["digest"], digest(document["rows"])
    except (ValueError, KeyError, TypeError):
        said, found = "", None
    if said != found:
        message = f"The table {name} of this package is damaged; reinstall napari-dicom-markup."
        raise DamagedError(message, name)
    return document


def digest(rows: Any) -> str:
    """Return the SHA-256 of a table's rows in canonical JSON."""
    text = json.dumps(rows, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
