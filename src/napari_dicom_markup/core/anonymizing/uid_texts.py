"""UIDs where none is declared: in texts, private values and unknown ones."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_dicom_markup.core.anonymizing.pseudonyms import registered_uids

if TYPE_CHECKING:
    from collections.abc import Callable

_CANDIDATE = re.compile(rb"(?<![\d.])[0-2](?:\.\d{1,39}){2,}(?!\d)")

_SURE_LENGTH = 20
_SURE_COMPONENTS = 6
"""What is shorter is a UID only if the data set uses it as one: it may be a version's number."""


def replace_uids(value: bytes, own: frozenset[str], new_uid: Callable[[str], str]) -> bytes:
    """Return a value with the UIDs in it replaced.

    Parameters
    ----------
    value
        A text in any of DICOM's character sets (all write digits as ASCII does), or other bytes.
    own
        The UIDs that the data set's UI attributes lose.
    new_uid
        What takes a UID's place. In bytes that are no text lengths must stay: a new UID is
        padded with NUL there, and one that is too long is left out: NULs take its place.
    """
    if b"." not in value:
        return value
    is_text = not re.search(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]", value.rstrip(b"\0"))

    def replaced(match: re.Match[bytes]) -> bytes:
        old = match[0].decode("ascii")
        if not _is_uid(old, own):
            return match[0]
        new = new_uid(old).encode("ascii")
        if is_text:
            return new
        return (new if len(new) <= len(old) else b"").ljust(len(old), b"\0")

    return _CANDIDATE.sub(replaced, value)


def _is_uid(text: str, own: frozenset[str]) -> bool:
    if text in own:
        return True
    sure = len(text) >= _SURE_LENGTH and text.count(".") + 1 >= _SURE_COMPONENTS
    return sure and text not in registered_uids()
