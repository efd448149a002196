"""How grey values can be shown, and which real world values stored ones stand for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class VoiChoice:
    """One way to show an image that its object offers (PS3.3 C.11.2).

    ``limits`` are the physical values (those after the Modality LUT) that get the lowest and the
    highest entry; ``ramp`` is the grey in between, 256 entries of 0 to 1 at even steps, or None
    where it rises evenly. ``name`` is its explanation, free text.
    """

    limits: tuple[float, float]
    name: str = field(default="", repr=False)
    ramp: tuple[float, ...] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class VoiLut:
    """A VOI LUT (PS3.3 C.11.2.1.1): grey for each physical value from ``first`` on.

    ``entries`` is uint8 or uint16 of shape (n,), ``bits`` what its descriptor says an entry has.
    ``name`` is its explanation, free text.
    """

    first: int
    entries: NDArray[Any] = field(repr=False)
    bits: int
    name: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class RealWorld:
    """A Real World Value Mapping (PS3.3 C.7.6.16.2.11): stored to measured values.

    ``first`` and ``last`` are the stored values that it maps, both included. ``table`` holds the
    value of each of them, float64 of shape (last - first + 1,), or None where the mapping is
    value × ``slope`` + ``intercept``. ``unit`` is a UCUM code, empty where none is stated;
    ``offered`` how many mappings the object has, of which this is the first.
    """

    first: float
    last: float
    slope: float = 1.0
    intercept: float = 0.0
    table: FloatArray | None = None
    unit: str = ""
    offered: int = 1
