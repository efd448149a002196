"""The one error of compressed frames that cannot be followed."""

from __future__ import annotations

from napari_dicom_markup.errors import DecodeError


def unreadable(position: int, what: str) -> DecodeError:
    """Return the error for a part of a frame that cannot be parsed, by what and where it is."""
    text = f"a compressed frame cannot be parsed ({what}, byte {position})"
    return DecodeError(f"{text}: comments in it may name a person, the file is held back")
