"""Functional groups: what is said of each frame, by itself or for all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from napari_dicom_markup.sources.dicom.raw_values import Shared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_dicom_markup.sources.dicom.multiframe.header import Item
    from napari_dicom_markup.sources.dicom.raw_values import Raw

T = TypeVar("T")

UNASSIGNED = "Unassigned"
"""Stands for the groups that hold what a conversion found no better place for, shared or not."""

_UNASSIGNED_SHARED = "UnassignedSharedConvertedAttributesSequence"
_UNASSIGNED_EACH = "UnassignedPerFrameConvertedAttributesSequence"


@dataclass(frozen=True, slots=True)
class Groups:
    """The functional groups of an object: ``shared`` ones, and those of ``each`` frame.

    ``top`` is the object's data set. A group stands in one of both; where it is in both, the
    frame's own counts, value by value.
    """

    top: Item
    shared: Item
    each: Sequence[Item]
    parts: Shared = field(default_factory=Shared)

    def has(self, sequence: str) -> bool:
        """Tell whether any frame has a group."""
        return sequence in self.shared.sequences or any(sequence in i.sequences for i in self.each)

    def items(self, *path: str) -> Iterator[tuple[Item, Item]]:
        """Yield for each frame its own group, and the shared one, down a path of sequences."""
        shared, each = self.shared, self.each
        if path[0] == UNASSIGNED:
            own = [item.only(_UNASSIGNED_EACH) for item in each]
            common = shared.only(_UNASSIGNED_SHARED)
        else:
            own = [item.only(path[0]) for item in each]
            common = shared.only(path[0])
        for name in path[1:]:
            own = [item.only(name) for item in own]
            common = common.only(name)
        return ((item, common) for item in own)

    def raw(self, *path: str) -> list[Raw]:
        """Return each frame's raw value: ``path`` is the group's name, …, and the keyword."""
        *sequences, keyword = path
        return [
            own.values[keyword] if keyword in own.values else common.values.get(keyword)
            for own, common in self.items(*sequences)
        ]

    def column(self, parse: Callable[[Raw], T], *path: str) -> list[T]:
        """Return each frame's parsed value, the same object for the same raw one."""
        return [self.parts.part(parse, raw) for raw in self.raw(*path)]

    def nested(self, sequence: str) -> list[tuple[Item, ...]]:
        """Return all items of each frame's group."""
        common = self.shared.sequences.get(sequence, ())
        return [item.sequences.get(sequence, common) for item in self.each]
