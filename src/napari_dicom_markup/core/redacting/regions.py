"""Boxes that need no look at the pixels: outside ultrasound regions, and remembered templates."""

from __future__ import annotations

import hashlib
import hmac
from itertools import pairwise
from typing import TYPE_CHECKING

from napari_dicom_markup.model.redaction import Area, Box, BoxSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from napari_dicom_markup.model.redaction import RiskFacts

_MOST_REGIONS = 64
"""More ultrasound regions than any device writes: of more, none is believed."""


def clipped(area: Area, rows: int, columns: int) -> Area | None:
    """Return the part of an area that lies in a matrix, None where there is none."""
    top, left = max(area.row, 0), max(area.column, 0)
    bottom = min(area.row + area.rows, rows)
    right = min(area.column + area.columns, columns)
    if top >= bottom or left >= right:
        return None
    return Area(top, left, bottom - top, right - left)


def outside_regions(facts: RiskFacts) -> list[Box]:
    """Return boxes that together cover all that is in no ultrasound region (PS3.3 C.8.5.5).

    They do not overlap. Without regions there is nothing to go by: no boxes.
    """
    known = [clipped(area, facts.rows, facts.columns) for area in facts.regions[:_MOST_REGIONS]]
    areas = [area for area in known if area is not None]
    if not areas or len(facts.regions) > _MOST_REGIONS:
        return []
    boxes = (Box(area, source=BoxSource.REGIONS) for area in _complement(areas, facts))
    return list(boxes)


def _complement(areas: list[Area], facts: RiskFacts) -> list[Area]:
    """Return bands between the areas' edges, cut by the areas; equal cuts of bands are joined."""
    edges = {0, facts.rows, *(a.row for a in areas), *(a.row + a.rows for a in areas)}
    rows = sorted(edges)
    found: list[Area] = []
    for top, bottom in pairwise(rows):
        across = [a for a in areas if a.row <= top and a.row + a.rows >= bottom]
        found += [
            Area(top, first, bottom - top, count) for first, count in _gaps(across, facts.columns)
        ]
    return _joined(found)


def _gaps(areas: list[Area], columns: int) -> list[tuple[int, int]]:
    """Return (first column, number of columns) of what no area covers."""
    gaps, at = [], 0
    for area in sorted(areas, key=lambda one: one.column):
        if area.column > at:
            gaps.append((at, area.column - at))
        at = max(at, area.column + area.columns)
    return [*gaps, (at, columns - at)] if at < columns else gaps


def _joined(areas: list[Area]) -> list[Area]:
    """Return areas with those under one another, of the same columns, as one."""
    joined: list[Area] = []
    for area in sorted(areas, key=lambda one: (one.column, one.columns, one.row)):
        last = joined[-1] if joined else None
        if (
            last is not None
            and (last.column, last.columns) == (area.column, area.columns)
            and last.row + last.rows == area.row
        ):
            joined[-1] = Area(last.row, last.column, last.rows + area.rows, last.columns)
        else:
            joined.append(area)
    return sorted(joined, key=lambda one: (one.row, one.column))


def template_key(facts: RiskFacts, secret: bytes) -> str:
    """Return what the images of one device, matrix and class have in common, as a keyed digest.

    Who has not the secret can neither read nor guess the device; no patient's data go in.
    """
    parts = (*facts.device, str(facts.rows), str(facts.columns), facts.sop_class_uid)
    text = "\0".join(" ".join(part.split()).casefold() for part in parts)
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


def remembered(
    facts: RiskFacts, secret: bytes, templates: Mapping[str, Iterable[Area]]
) -> list[Box]:
    """Return the boxes that a person once confirmed for this device and matrix."""
    areas = templates.get(template_key(facts, secret), ())
    inside = (clipped(area, facts.rows, facts.columns) for area in areas)
    return [Box(area, source=BoxSource.TEMPLATE) for area in inside if area is not None]
