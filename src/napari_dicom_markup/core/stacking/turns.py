"""The order in which a scan takes its slices, learned from what it took."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


_JITTER = 0.2
"""The most that an image may be off the beat of the scan, in beats."""


def volumes_in_turn(
    places: Sequence[int], times: Sequence[float], numbers: Sequence[int | None]
) -> list[int] | None:
    """Return each image's volume, counted from 0, None where that cannot be told.

    Where images were taken at an even beat, holes and all, the beat tells. Else each place is
    followed by the one that follows it most often; where that makes a ring of all places, a
    volume begins where the ring does. It begins where the fewest volumes lack slices; of
    several such places, where images have the numbers that begin volumes, and else where the
    scan pauses longest before.

    Parameters
    ----------
    places : sequence of int
        The place of each image in its stack, in the order of time.
    times : sequence of float
        When each was taken.
    numbers : sequence of int
        Each one's InstanceNumber, None where it has none.

    Examples
    --------
    >>> volumes_in_turn([0, 2, 1, 0, 2, 1, 0, 1], [0, 1, 2, 5, 6, 7, 10, 12], [None] * 8)
    [0, 0, 0, 1, 1, 1, 2, 2]
    """
    count = len(set(places))
    beginnings = {
        place
        for place, number in zip(places, numbers, strict=True)
        if number is not None and (number - 1) % count == 0
    }
    beats = _beats(places, times, count)
    if beats is not None:
        return _by_beats(places, beats, beginnings)
    ring = _ring(places, times)
    return None if ring is None else _by_ring(places, ring, beginnings, _pauses(places, times))


def _beats(places: Sequence[int], times: Sequence[float], count: int) -> list[int] | None:
    """Return each image's beat, where a place has every ``count``-th."""
    gaps = sorted(b - a for a, b in pairwise(times))
    beat = gaps[len(gaps) // 2] if gaps else 0.0
    if beat <= 0:
        return None
    exact = [(time - times[0]) / beat for time in times]
    beats = [round(one) for one in exact]
    residues = {(place, one % count) for place, one in zip(places, beats, strict=True)}
    even = all(abs(a - b) <= _JITTER for a, b in zip(exact, beats, strict=True))
    return beats if even and len(residues) == count else None


def _by_beats(places: Sequence[int], beats: Sequence[int], begin: set[int]) -> list[int] | None:
    count = len(set(places))
    place_at = {beat % count: place for place, beat in zip(places, beats, strict=True)}

    def fitness(offset: int) -> tuple[int, bool]:
        volumes = len({(beat - offset) // count for beat in beats})
        return volumes, begin != {place_at[offset]}

    offsets = sorted(range(count), key=fitness)
    if count > 1 and fitness(offsets[0]) == fitness(offsets[1]):
        return None
    return _counted([(beat - offsets[0]) // count for beat in beats])


def _counted(volumes: Sequence[int]) -> list[int]:
    number = {volume: n for n, volume in enumerate(sorted(set(volumes)))}
    return [number[volume] for volume in volumes]


def _by_ring(
    places: Sequence[int], ring: list[int], begin: set[int], pauses: dict[int, float]
) -> list[int] | None:
    def fitness(order: list[int]) -> tuple[int, bool, float]:
        return _split(places, order)[-1], begin != {order[0]}, -pauses[order[0]]

    orders = sorted((ring[n:] + ring[:n] for n in range(len(ring))), key=fitness)
    if len(orders) > 1 and fitness(orders[0]) == fitness(orders[1]):
        return None
    return _split(places, orders[0])


def _split(places: Sequence[int], order: Sequence[int]) -> list[int]:
    """Return each image's volume: one begins where the order goes back."""
    turns = {place: turn for turn, place in enumerate(order)}
    volumes = [0]
    for a, b in pairwise(places):
        volumes.append(volumes[-1] + (turns[b] <= turns[a]))
    return volumes


def _ring(places: Sequence[int], times: Sequence[float]) -> list[int] | None:
    """Return all places in the order in which each most often, and soonest, follows another."""
    after: dict[int, dict[int, list[float]]] = {}
    for (one, begin), (following, end) in pairwise(zip(places, times, strict=True)):
        after.setdefault(one, {}).setdefault(following, []).append(end - begin)
    ring = [places[0]]
    while len(ring) < len(set(places)):
        choices = after.get(ring[-1])
        if not choices:
            return None
        following = min(choices, key=lambda place: (-len(choices[place]), min(choices[place])))
        if following in ring:
            return None
        ring.append(following)
    return ring


def _pauses(places: Sequence[int], times: Sequence[float]) -> dict[int, float]:
    """Return the median time before each place, rounded so that jitter decides nothing."""
    gaps: dict[int, list[float]] = {place: [] for place in places}
    for (one, place), previous in zip(
        zip(times[1:], places[1:], strict=True), times[:-1], strict=True
    ):
        gaps[place].append(one - previous)
    middle = {place: sorted(own)[len(own) // 2] if own else 0.0 for place, own in gaps.items()}
    unit = sorted(middle.values())[len(middle) // 2] or 1.0
    return {place: float(round(gap / unit)) for place, gap in middle.items()}
