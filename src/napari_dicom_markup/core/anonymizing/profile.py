"""Profiles: which options go together, and the codes that name a profile in its output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dicom_markup.errors import MarkupError
from napari_dicom_markup.model.deid import Option
from napari_dicom_markup.standard.confidentiality import attribute_rows, option_codes

if TYPE_CHECKING:
    from napari_dicom_markup.model.deid import Profile

PRECEDENCE = (
    Option.RETAIN_MODIFIED_DATES,
    Option.RETAIN_FULL_DATES,
    Option.CLEAN_GRAPHICS,
    Option.CLEAN_STRUCTURED_CONTENT,
    Option.RETAIN_UIDS,
    Option.RETAIN_DEVICE_IDENTITY,
    Option.RETAIN_INSTITUTION_IDENTITY,
    Option.RETAIN_PATIENT_CHARACTERISTICS,
    Option.CLEAN_DESCRIPTORS,
    Option.RETAIN_SAFE_PRIVATE,
)
"""Which option decides where a row of table E.1-1 has several.

Dates go first: "modified" asks that *all* dates of a data set move by one offset (PS3.15
E.3.6.2), which one date left unmoved would give away, so it wins over Retain Device Identity
on the calibration dates and the like. Elsewhere options that keep win over those that clean.
"""

_EXCLUSIVE = (
    (
        Option.RETAIN_FULL_DATES,
        Option.RETAIN_MODIFIED_DATES,
        "dates are either kept or moved (PS3.15 E.3.6)",
    ),
)


class ProfileError(MarkupError, ValueError):
    """Options that exclude each other were asked for; ``conflicts`` holds the pairs."""

    def __init__(self, message: str, conflicts: tuple[tuple[Option, Option], ...]) -> None:
        super().__init__(message)
        self.conflicts = conflicts


def check_profile(profile: Profile) -> None:
    """Do nothing if the options of a profile go together.

    Modified dates and device identity do: see ``PRECEDENCE`` and ``contested``.

    Raises
    ------
    ProfileError
        If some exclude each other, all of these named at once, or something is no option.

    """
    if any(not isinstance(option, Option) for option in profile.options):
        message = "The profile holds something that is no option; take them from Option."
        raise ProfileError(message, ())
    found = [row for row in _EXCLUSIVE if {row[0], row[1]} <= profile.options]
    if found:
        texts = "; ".join(f"{one} with {other}: {why}" for one, other, why in found)
        message = f"Options exclude each other: {texts}. Choose one of each pair."
        raise ProfileError(message, tuple((one, other) for one, other, _ in found))


def contested(profile: Profile) -> tuple[str, ...]:
    """Return names of attributes that device identity would keep and modified dates move."""
    both = {Option.RETAIN_MODIFIED_DATES, Option.RETAIN_DEVICE_IDENTITY}
    if not both <= profile.options:
        return ()
    return tuple(row.name for row in attribute_rows() if both <= set(row.options))


def method_codes(profile: Profile) -> tuple[tuple[str, str, str], ...]:
    """Return (value, scheme, meaning) of CID 7050 for (0012,0064), the profile's own first.

    What an option promises must have been done: the codes of Clean Pixel Data and Clean
    Recognizable Visual Features belong only to instances that a human confirmed.
    """
    wanted = {"", *profile.options}
    return tuple((c.value, "DCM", c.meaning) for c in option_codes() if c.option in wanted)
