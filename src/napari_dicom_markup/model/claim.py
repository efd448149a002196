"""Where in a file pixels are said to lie. A claim may be wrong: whoever uses it proves it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PlaneLayout:
    """Planes of ``rows`` × ``columns`` × ``samples`` numbers of ``width`` (1 or 2) bytes."""

    rows: int
    columns: int
    samples: int
    width: int
    big_endian: bool = False

    @property
    def size(self) -> int:
        """Bytes of one plane."""
        return self.rows * self.columns * self.samples * self.width


@dataclass(frozen=True, slots=True)
class Claim:
    """A run of bytes said to be planes (``layout``), or compressed already (None)."""

    offset: int
    length: int
    layout: PlaneLayout | None = None
