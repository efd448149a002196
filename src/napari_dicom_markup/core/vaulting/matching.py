"""Runs of bytes that an original and its export share."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_dicom_markup.model.vault import Run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

BLOCK = 256
"""Where a claim does not hold, its bytes are compared in blocks of this size."""

SHORTEST_RUN = 64
"""A shorter run costs about as much to name as its compressed bytes."""

SEARCHED_GAP = 32 << 10
"""Bytes from which a search pays: deflate finds what smaller gaps share with the export."""

_WINDOW = 8
_PIECE = 4 << 20
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_FLIP = np.uint64(0x5851F42D4C957F2D)
_ANCHOR_SHIFT = np.uint64(64 - 11)
"""One window of 8 bytes in 2048 is an anchor, chosen by its content and so alike on both sides."""


def shared_runs(original: bytes, exported: bytes, claims: Iterable[Run]) -> list[Run]:
    """Return the runs that both files share: what holds of the claims, and what is found beside.

    Gaps between the claims are searched where they are long enough to hide a run.
    """
    runs: list[Run] = []
    at = 0
    for run in (*proven_runs(original, exported, claims), Run(len(original), 0, 0)):
        if run.start - at >= SEARCHED_GAP or (not runs and run.start == len(original)):
            found = found_runs(original[at : run.start], exported)
            runs += [replace(one, start=one.start + at) for one in found]
        if run.length:
            runs.append(run)
        at = run.start + run.length
    return runs


def proven_runs(original: bytes, exported: bytes, claims: Iterable[Run]) -> list[Run]:
    """Return what holds of the claims, in order and without overlap."""
    runs: list[Run] = []
    at = 0
    for claim in sorted(claims, key=lambda claim: (claim.start, claim.length)):
        fits = claim.start + claim.length <= len(original) and claim.exported >= 0
        if claim.start < at or not fits or claim.exported + claim.length > len(exported):
            continue
        held = list(_held(original, exported, claim))
        runs += held
        at = held[-1].start + held[-1].length if held else at
    return runs


def found_runs(original: bytes, exported: bytes) -> list[Run]:
    """Return runs of some kB and more that both files share, wherever they stand."""
    if not original or not exported:
        return []
    words, places = _sorted_anchors(exported)
    runs: list[Run] = []
    at = 0
    for place, word in _anchors(original):
        if place < at or not len(words):
            continue
        index = int(np.searchsorted(words, word))
        if index == len(words) or words[index] != word:
            continue
        run = _grown(original, exported, Run(place, int(places[index]), 0), at)
        if run.length >= SHORTEST_RUN:
            runs.append(run)
            at = run.start + run.length
    return runs


def _held(original: bytes, exported: bytes, claim: Run) -> Iterator[Run]:
    ours = memoryview(original)[claim.start : claim.start + claim.length]
    theirs = memoryview(exported)[claim.exported : claim.exported + claim.length]
    if claim.length >= SHORTEST_RUN and bytes(ours) == bytes(theirs):
        yield claim
        return
    for at in range(0, claim.length, _PIECE):
        for first, length in _equal_blocks(ours[at : at + _PIECE], theirs[at : at + _PIECE]):
            yield Run(claim.start + at + first, claim.exported + at + first, length)


def _equal_blocks(ours: memoryview, theirs: memoryview) -> Iterator[tuple[int, int]]:
    """Yield (start, length) of the rows of equal blocks; a last part of a block is left out."""
    whole = len(ours) // BLOCK * BLOCK
    pair = [np.frombuffer(side[:whole], np.uint8).reshape(-1, BLOCK) for side in (ours, theirs)]
    equal = np.concatenate(([False], (pair[0] == pair[1]).all(axis=1), [False]))
    edges = np.flatnonzero(equal[1:] != equal[:-1])
    for first, end in edges.reshape(-1, 2).tolist():
        yield first * BLOCK, (end - first) * BLOCK


def _anchors(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield (place, word) of the windows that are anchors, in order."""
    for start in range(0, len(data) - _WINDOW + 1, _PIECE):
        places, words = _piece_anchors(data, start)
        yield from zip(places.tolist(), words.tolist(), strict=True)


def _piece_anchors(data: bytes, start: int) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    count = min(_PIECE, len(data) - _WINDOW + 1 - start)
    words = np.ndarray((count,), "<u8", data, start, (1,))
    mixed = (words ^ _FLIP) * _MULTIPLIER
    chosen = np.flatnonzero((mixed >> _ANCHOR_SHIFT) == 0)
    return chosen + start, words[chosen].astype(np.uint64)


def _sorted_anchors(data: bytes) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return the different words of all anchors, sorted, and where each stands first."""
    pieces = [_piece_anchors(data, at) for at in range(0, len(data) - _WINDOW + 1, _PIECE)]
    if not pieces:
        return np.empty(0, np.uint64), np.empty(0, np.int64)
    words, first = np.unique(np.concatenate([words for _, words in pieces]), return_index=True)
    return words, np.concatenate([places for places, _ in pieces])[first]


def _grown(original: bytes, exported: bytes, seed: Run, floor: int) -> Run:
    """Return the longest run through a seed that begins at ``floor`` or later."""
    forward = _common(memoryview(original)[seed.start :], memoryview(exported)[seed.exported :])
    before = memoryview(original)[floor : seed.start]
    backward = _common_end(before, memoryview(exported)[: seed.exported])
    return Run(seed.start - backward, seed.exported - backward, forward + backward)


def _common(ours: memoryview, theirs: memoryview) -> int:
    """Return how many bytes both begin with alike."""
    limit, at, size = min(len(ours), len(theirs)), 0, BLOCK
    while at < limit:
        end = min(at + size, limit)
        if bytes(ours[at:end]) != bytes(theirs[at:end]):
            pair = [np.frombuffer(side[at:end], np.uint8) for side in (ours, theirs)]
            return at + int(np.argmax(pair[0] != pair[1]))
        at, size = end, min(size * 4, _PIECE)
    return limit


def _common_end(ours: memoryview, theirs: memoryview) -> int:
    """Return how many bytes both end with alike."""
    limit, at, size = min(len(ours), len(theirs)), 0, BLOCK
    while at < limit:
        end = min(at + size, limit)
        ends = [side[len(side) - end : len(side) - at] for side in (ours, theirs)]
        if bytes(ends[0]) != bytes(ends[1]):
            pair = [np.frombuffer(side, np.uint8)[::-1] for side in ends]
            return at + int(np.argmax(pair[0] != pair[1]))
        at, size = end, min(size * 4, _PIECE)
    return limit
