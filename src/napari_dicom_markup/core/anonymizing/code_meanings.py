"""The meanings of codes as the standard prints them (PS3.16), whatever a file wrote there."""

from __future__ import annotations

from functools import cache
from typing import Any


def code_meaning(scheme: str, value: str) -> str | None:
    """Return a code's meaning by its scheme's designator and its value, None if it is not known.

    SNOMED's older designators (SRT, SNM3, 99SDM) are looked up by the codes that replaced them.

    Examples
    --------
    >>> code_meaning("DCM", "113100")
    'Basic Application Confidentiality Profile'
    """
    from pydicom.sr._snomed_dict import mapping

    scheme, value = scheme.strip(" \0"), value.strip(" \0")
    if scheme in _SNOMED_OLD:
        scheme, value = "SCT", mapping["SRT"].get(value, "")
    return _meanings().get((scheme, value))


_SNOMED_OLD = frozenset({"SRT", "SNM3", "99SDM"})


@cache
def _meanings() -> dict[tuple[str, str], str]:
    """Return a meaning for each code, the shortest where the standard prints several."""
    from pydicom.sr._concepts_dict import concepts

    schemes: Any = concepts
    found: dict[tuple[str, str], str] = {}
    for scheme, words in schemes.items():
        for codes in words.values():
            for value, (meaning, _) in codes.items():
                known = found.setdefault((scheme, value), meaning)
                found[scheme, value] = min(known, meaning, key=lambda one: (len(one), one))
    return found
