"""New UIDs, pseudonyms and day offsets from a project's key: the same wherever they are made.

Each is an HMAC-SHA256 of what it stands for and what kind of thing that is: nothing is kept, so
order, run and machine change nothing, and without the key nobody can tell or try what was there.
"""

from __future__ import annotations

import base64
import hmac
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from napari_dicom_markup.errors import MarkupError

if TYPE_CHECKING:
    from napari_dicom_markup.model.deid import ProjectKey

KEY_LENGTH = 32

LONGEST_OFFSET = 3650
"""Days: ten years, so that a date tells neither the year nor its season."""

_CODE_LENGTH = 12
"""Characters of five bits each: of a million persons two share one with probability 4e-7."""

_NAME_COMPONENTS = 3
"""Family, given and middle name; prefix and suffix are written or not (PS3.5 6.2.1.2)."""


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """What a project's key makes of UIDs, persons and identifiers.

    Raises
    ------
    MarkupError
        The key has not 32 bytes.
    """

    key: ProjectKey

    def __post_init__(self) -> None:
        if len(self.key.secret) != KEY_LENGTH:
            text = f"a project's key has {KEY_LENGTH} bytes: make a new one, or give the right file"
            raise MarkupError(text)

    def new_uid(self, uid: str) -> str:
        """Return the UID that takes a UID's place (PS3.5 B.2: 2.25 and a number of 128 bits).

        UIDs that PS3.6 registers and no value at all are returned as they are; what is no valid
        UID gets a new one all the same.
        """
        bare = _bare(uid)
        if not bare or bare in registered_uids():
            return bare
        return f"2.25.{int.from_bytes(self._digest('uid', bare)[:16], 'big')}"

    def patient_pseudonym(self, patient_id: str) -> str:
        """Return the pseudonym of a patient by ID, valid as LO, SH and as a component of a name.

        The issuer of the ID is left out: derived objects often do not name it.
        """
        bare = _bare(patient_id)
        return f"P{self._code('patient', bare)}" if bare else ""

    def person_pseudonym(self, name: str) -> str:
        """Return the pseudonym of a person by name, the same however the name is formatted."""
        same = same_name(name)
        return f"N{self._code('person', same)}" if same else ""

    def identifier(self, role: str, value: str) -> str:
        """Return the pseudonym of another identifier (of a study, a device), at most 16 characters.

        ``role`` is what it identifies: one value in two roles has two pseudonyms.
        """
        bare = _bare(value)
        return f"I{self._code('identifier', role, bare)}" if bare else ""

    def day_offset(self, patient: str) -> int:
        """Return by how many days, 1 to 3650, all dates of a patient go back.

        ``patient`` is any text that is the same for all of a patient's objects, empty for those
        that name none.
        """
        number = int.from_bytes(self._digest("days", _bare(patient))[:8], "big")
        return 1 + number % LONGEST_OFFSET

    def _code(self, *parts: str) -> str:
        return base64.b32encode(self._digest(*parts)).decode("ascii")[:_CODE_LENGTH]

    def _digest(self, *parts: str) -> bytes:
        # NUL separates: it is stripped from values, and so no part can hold another's end.
        message = b"\0".join(part.encode("utf-8", "surrogatepass") for part in parts)
        return hmac.digest(self.key.secret, message, "sha256")


@cache
def registered_uids() -> frozenset[str]:
    """Return the UIDs of PS3.6 annex A: of classes, transfer syntaxes, atlases, schemes."""
    from pydicom._uid_dict import UID_dictionary

    return frozenset(UID_dictionary)


def same_name(name: str) -> str:
    """Return a person's name without what differs between spellings: case, order and separators.

    Its first component group that is not empty counts, and of this family, given and middle name.

    Examples
    --------
    >>> same_name("DOE^Jane^^Dr.") == same_name("Doe, Jane") == same_name("Jane Doe=")
    True
    """
    groups = (group for group in name.replace("\0", " ").split("=") if group.strip(" ^"))
    first = unicodedata.normalize("NFKC", next(groups, "")).casefold()
    words = "^".join(first.split("^")[:_NAME_COMPONENTS])
    for separator in "^,;._-":
        words = words.replace(separator, " ")
    return " ".join(sorted(words.split()))


def _bare(text: str) -> str:
    return text.replace("\0", " ").strip()
