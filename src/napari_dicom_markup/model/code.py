"""Coded concepts, which name anatomy, kinds of tissue and units."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept (PS3.3 table 8.8-1): value, coding scheme, and what it means in words."""

    value: str
    scheme: str
    meaning: str = field(repr=False)
