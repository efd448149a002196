"""Private attributes: gone, unless Retain Safe Private keeps those of table E.3.10-1.

A block's creator stays if something of the block does (PS3.5 7.8.1).
"""

from __future__ import annotations

from functools import cache, lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from napari_dicom_markup.core.anonymizing.deciding import Decision, guarded
from napari_dicom_markup.core.anonymizing.elements import element_at
from napari_dicom_markup.core.anonymizing.shapes import Shape, text_of
from napari_dicom_markup.model.deid import Action, Option
from napari_dicom_markup.standard.confidentiality import safe_private_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydicom import Dataset

    from napari_dicom_markup.core.anonymizing.deciding import Context

GONE = Decision(Action.REMOVE, "private")
SAFE = Decision(Action.KEEP, Option.RETAIN_SAFE_PRIVATE.value)

_NO_BLOCKS: Mapping[int, str] = MappingProxyType({})


def blocks_of(data_set: Dataset, context: Context) -> Mapping[int, str]:
    """Return the creators of a data set's blocks of which something may stay, by block.

    A block is its tag's upper 24 bits. Creators that table E.3.10-1 does not name are left out.
    """
    if Option.RETAIN_SAFE_PRIVATE not in context.options:
        return _NO_BLOCKS
    tags = [int(tag) for tag in data_set.keys() if int(tag) & 0x1_0000]  # noqa: SIM118 (iterating sorts and converts)
    named = {_block(tag): _creator(data_set, tag) for tag in tags if _is_creator(tag)}
    return {
        block: creator
        for block, creator in named.items()
        if any(_row_vr(creator, tag) is not None for tag in tags if tag >> 8 == block)
    }


def decide_private(tag: int, vr: str, blocks: Mapping[int, str]) -> Decision:
    """Return what becomes of a private element, a creator included."""
    if not blocks:
        return GONE
    if _is_creator(tag):
        return SAFE if _block(tag) in blocks else GONE
    creator = blocks.get(tag >> 8)
    return GONE if creator is None else _safe(creator, tag, vr)


@lru_cache(maxsize=1 << 12)
def _safe(creator: str, tag: int, vr: str) -> Decision:
    listed = _row_vr(creator, tag)
    if listed is None or (vr not in listed.split("/") and listed and vr != "UN"):
        return GONE
    real = vr if vr != "UN" or not listed else listed[:2]
    if real in {"UI", "DA", "DT", "AS", "PN"}:
        return _identifying(real)
    kept = guarded(SAFE, tag, real)
    return kept if kept.otherwise is None else Decision(kept.action, kept.rule, kept.shape, GONE)


def _identifying(vr: str) -> Decision:
    """Return what becomes of safe private elements whose values follow other rules."""
    if vr != "UI":
        return GONE
    return Decision(Action.KEEP, "registered UID", Shape.REGISTERED, Decision(Action.UID, "UID"))


def safe_vr(tag: int, blocks: Mapping[int, str]) -> str:
    """Return the VR that table E.3.10-1 has for a private element, "UN" if it has none."""
    creator = blocks.get(tag >> 8)
    return (_row_vr(creator, tag) or "UN")[:2] if creator is not None else "UN"


def _row_vr(creator: str, tag: int) -> str | None:
    return _rows().get((creator, tag >> 16, tag & 0xFF))


def _is_creator(tag: int) -> bool:
    return 0x10 <= tag & 0xFFFF <= 0xFF


def _block(tag: int) -> int:
    """Return the block that a creator element names: (gggg,00bb) names (gggg,bb00-bbFF)."""
    return (tag >> 16) << 8 | tag & 0xFF


def _creator(data_set: Dataset, tag: int) -> str:
    """Return a creator as table E.3.10-1 has it, "" for any other."""
    element = element_at(data_set, tag)
    value = None if element is None else element.value
    found = "" if value is None else text_of(value)[:64].strip(" \0")
    return found if found in _creators() else ""


@cache
def _rows() -> Mapping[tuple[str, int, int], str]:
    return MappingProxyType({(r.creator, r.group, r.element): r.vr for r in safe_private_rows()})


@cache
def _creators() -> frozenset[str]:
    return frozenset(row.creator for row in safe_private_rows())
