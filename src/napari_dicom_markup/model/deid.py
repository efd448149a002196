"""De-identification by PS3.15 Annex E: profile and options, the plan for a data set, what was done.

Nothing here holds a value of a header but the fields that are hidden from ``repr``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Option(StrEnum):
    """The options of the Basic Application Level Confidentiality Profile (PS3.15 E.3)."""

    CLEAN_PIXELS = "clean-pixels"
    CLEAN_VISUAL_FEATURES = "clean-visual-features"
    CLEAN_GRAPHICS = "clean-graphics"
    CLEAN_STRUCTURED_CONTENT = "clean-structured-content"
    CLEAN_DESCRIPTORS = "clean-descriptors"
    RETAIN_FULL_DATES = "retain-full-dates"
    RETAIN_MODIFIED_DATES = "retain-modified-dates"
    RETAIN_PATIENT_CHARACTERISTICS = "retain-patient-characteristics"
    RETAIN_DEVICE_IDENTITY = "retain-device-identity"
    RETAIN_UIDS = "retain-uids"
    RETAIN_SAFE_PRIVATE = "retain-safe-private"
    RETAIN_INSTITUTION_IDENTITY = "retain-institution-identity"


class Action(StrEnum):
    """What becomes of an attribute (PS3.15 table E.1-1a), compound codes resolved."""

    DUMMY = "D"  # a value of the same kind that is not empty
    EMPTY = "Z"  # no value
    REMOVE = "X"
    KEEP = "K"
    CLEAN = "C"  # a value of similar meaning that is known to be safe
    UID = "U"  # a new UID, the same one wherever the old one stood


@dataclass(frozen=True, slots=True)
class Profile:
    """The Basic Profile with options; ``core.anonymizing`` refuses those that conflict."""

    options: frozenset[Option] = frozenset()


@dataclass(frozen=True, slots=True)
class Place:
    """Where an attribute stands: its tag below items of sequences, each (tag, item number).

    ``creator`` is the private creator of a private attribute's block.
    """

    tag: int
    items: tuple[tuple[int, int], ...] = ()
    creator: str = field(default="", repr=False)

    def __str__(self) -> str:
        """Return the path as PS3.15 tables write tags: (0008,1140)[1].(0008,1155)."""
        path = [f"{_tag(tag)}[{number + 1}]" for tag, number in self.items]
        return ".".join((*path, _tag(self.tag)))


def _tag(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one attribute, and by which rule: a table's row or a rule's name."""

    place: Place
    action: Action
    rule: str


@dataclass(frozen=True, slots=True)
class Plan:
    """All changes to one data set, those that keep it included, in the order of its elements."""

    profile: Profile
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class ProjectKey:
    """The secret that new UIDs, pseudonyms and day offsets are made of: 32 bytes."""

    secret: bytes = field(repr=False)
