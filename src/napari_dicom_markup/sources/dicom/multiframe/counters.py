"""What else an object counts its frames by: physical numbers, and its dimension indices."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_dicom_markup.model.stack import Counter
from napari_dicom_markup.sources.dicom.multiframe.values import (
    double,
    longs,
    short,
    single,
    tags,
    text,
)
from napari_dicom_markup.sources.dicom.raw_values import as_number

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from napari_dicom_markup.sources.dicom.multiframe.groups import Groups
    from napari_dicom_markup.sources.dicom.raw_values import Raw

_CARDIAC, _RESPIRATORY = "CardiacSynchronizationSequence", "RespiratorySynchronizationSequence"
_TIMING, _CONTENT = "MRTimingAndRelatedParametersSequence", "FrameContentSequence"
_POSITIONER = "PositionerPositionSequence"

_NUMBERS: tuple[tuple[str, str, Callable[[Raw], float | None], str, str], ...] = (
    ("cardiac phase", "%", single, _CARDIAC, "NominalPercentageOfCardiacPhase"),
    ("respiratory phase", "%", single, _RESPIRATORY, "NominalPercentageOfRespiratoryPhase"),
    ("respiratory delay", "ms", double, _RESPIRATORY, "NominalRespiratoryTriggerDelayTime"),
    ("repetition time", "ms", as_number, _TIMING, "RepetitionTime"),
    ("flip angle", "deg", as_number, _TIMING, "FlipAngle"),
    ("inversion time", "ms", double, "MRModifierSequence", "InversionTimes"),
    ("tube voltage", "kV", as_number, "CTXRayDetailsSequence", "KVP"),
    ("primary angle", "deg", as_number, _POSITIONER, "PositionerPrimaryAngle"),
    ("secondary angle", "deg", as_number, _POSITIONER, "PositionerSecondaryAngle"),
    ("segment", "", short, "SegmentIdentificationSequence", "ReferencedSegmentNumber"),
)
"""Name, unit, parser, group and keyword of numbers that may differ from frame to frame."""

_TERMS = (
    ("contrast phase", "ContrastBolusUsageSequence", "ContrastBolusAgentPhase"),
    ("cardiac position", _CONTENT, "CardiacCyclePosition"),
    ("respiratory position", _CONTENT, "RespiratoryCyclePosition"),
)
"""Name, group and keyword of words: their values are the order in which they come, from 1."""

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z]+")


def counters(groups: Groups, said: Sequence[tuple[Hashable, ...]]) -> list[tuple[Counter, ...]]:
    """Return each frame's counters: what differs, and is not told by what is ``said`` already.

    ``said`` has a tuple a frame, its position and stack at both ends. A physical number goes
    that differs only from place to place; one that all frames share stays, for other objects of
    the series may have another. Words go where they are the same for all frames of a place: their
    order means nothing beside other objects. A dimension index (PS3.3 C.7.6.17) goes that all
    of the rest tells.
    """
    places = [(one[0], one[-1]) for one in said]
    kept = [row for row in _numbers(groups) if len(set(row[1])) == 1 or _adds(places, row[1])]
    kept += [row for row in _terms(groups) if _adds(places, row[1])]
    known = list(zip(said, *(values for _, values in kept), strict=True))
    for number, values in _dimensions(groups):
        if _adds(known, values):
            kept.append(((_dimension_name(groups, number), ""), values))
            known = list(zip(known, values, strict=True))
    columns = [
        [groups.parts.part(_counter, (*name, value)) for value in values] for name, values in kept
    ]
    return list(zip(*columns, strict=True)) if columns else [()] * len(said)


def _counter(raw: tuple[str, str, float]) -> Counter:
    return Counter(*raw)


def _adds(known: Sequence[Hashable], values: Sequence[float]) -> bool:
    """Tell whether two frames of which the same is known have different values."""
    first: dict[Hashable, float] = {}
    return any(
        first.setdefault(key, value) != value for key, value in zip(known, values, strict=True)
    )


def _numbers(groups: Groups) -> Iterator[tuple[tuple[str, str], list[float]]]:
    """Yield name, unit and values of the numbers that all frames have."""
    for name, unit, parse, sequence, keyword in _NUMBERS:
        if groups.has(sequence):
            numbers = [n for n in groups.column(parse, sequence, keyword) if n is not None]
            if len(numbers) == len(groups.each):
                yield (name, unit), numbers


def _terms(groups: Groups) -> Iterator[tuple[tuple[str, str], list[float]]]:
    """Yield name, unit and values of the words that all frames have."""
    for name, sequence, keyword in _TERMS:
        if groups.has(sequence):
            terms = groups.column(text, sequence, keyword)
            rank = {term: float(n) for n, term in enumerate(dict.fromkeys(terms), 1)}
            if all(terms):
                yield (name, ""), [rank[term] for term in terms]


def _dimensions(groups: Groups) -> Iterator[tuple[int, list[float]]]:
    """Yield number and values of the dimension indices that differ between frames."""
    indices = groups.column(longs, _CONTENT, "DimensionIndexValues")
    for n in range(min(map(len, indices), default=0)):
        values = [float(index[n]) for index in indices]
        if len(set(values)) > 1:
            yield n, values


def _dimension_name(groups: Groups, number: int) -> str:
    """Return the name of what a dimension points to in words; labels may hold anything."""
    items = groups.top.sequences.get("DimensionIndexSequence", ())
    raw = items[number].values.get("DimensionIndexPointer") if number < len(items) else None
    pointer = next(iter(tags(raw)), 0)
    if not pointer or pointer >> 16 & 1:
        return f"dimension {number + 1}"
    from pydicom.datadict import keyword_for_tag

    found = _WORD.findall(keyword_for_tag(pointer))
    return " ".join(found).lower() or f"dimension {number + 1}"
