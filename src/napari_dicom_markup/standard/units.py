"""Units that values can have: what else stands where a unit should may be anything, a name too.

Defined terms of Rescale Type, Units and Dose Units (PS3.3 C.11.1.1.2, C.8.9.1.1.3, C.8.8.3,
edition 2026d) and codes built of UCUM's atoms (PS3.16 CID 7180 to 7182 and 84).
"""

from __future__ import annotations

import re

_TERMS = """
OD HU US MGML Z_EFF ED EDW HU_MOD PCT UNSPECIFIED
CNTS NONE CM2 CM2ML PCNT CPS BQML MGMINML UMOLMINML MLMING MLG 1CM UMOLML PROPCNTS PROPCPS
MLMINML MLML GML STDDEV GY RELATIVE normalized
"""

TERMS = frozenset(_TERMS.split())
"""Defined terms, and "normalized", which Philips writes for magnitudes of MR."""

_PREFIXES = ("", *"Y Z E P T G M k h da d c m u n p f a z y".split())  # noqa: SIM905 - a table
_METRIC = """
m s g l L Bq Gy Sv Hz T V A W J N Pa K mol C F Ohm S Wb H lm lx rad eV bar t cd kat
"""
_OTHERS = "min h d wk mo a deg Cel % cal [in_i] [hnsf'U] [ppth] [ppm] dB B px"
_ATOMS = frozenset(
    [*_OTHERS.split(), *(prefix + atom for prefix in _PREFIXES for atom in _METRIC.split())]
)

_BRACED = """
SUVbw SUVlbm SUVbsa SUVibw SUVlbm(James128) SUVlbm(Janma) counts count cnt ratio normalized
propcounts relative cells events pixels fraction
"""
_NOTES = frozenset(_BRACED.split())
"""What stands between braces, which UCUM leaves free."""

_TOKEN = re.compile(r"\{([^{}]*)\}|(\[[^\[\]]*\]|%|[A-Za-z]+)|(10[*^]|[-+]?\d+|[./*^()'-])")
_LONGEST = 24


READABLE = {
    "1CM": "1/cm",
    "BQML": "Bq/ml",
    "CM2ML": "cm2/ml",
    "CNTS": "counts",
    "CPS": "counts/s",
    "GML": "g/ml",
    "GY": "Gy",
    "MGML": "mg/ml",
    "MLG": "ml/g",
    "NONE": "",
    "PCNT": "%",
    "PCT": "%",
    "RELATIVE": "relative",
    "UMOLML": "umol/ml",
}
"""Defined terms as people write them."""


def readable_unit(text: str) -> str:
    """Return a known unit as people write it, nothing for any other text.

    Examples
    --------
    >>> readable_unit("BQML"), readable_unit("HU"), readable_unit("DOE^JANE")
    ('Bq/ml', 'HU', '')
    """
    known = known_unit(text)
    return READABLE.get(known, known)


def known_unit(text: str) -> str:
    """Return a unit that is one, and nothing for any other text.

    Examples
    --------
    >>> [known_unit(text) for text in ("HU", "um2/s", "10*-6.mm2/s", "{SUVbw}g/ml", "DOE^JANE")]
    ['HU', 'um2/s', '10*-6.mm2/s', '{SUVbw}g/ml', '']
    """
    if text in TERMS:
        return text
    return text if len(text) <= _LONGEST and _is_ucum(text) else ""


def _is_ucum(text: str) -> bool:
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            return False
        note, atom, _ = match.groups()
        if (note is not None and note not in _NOTES) or (atom is not None and atom not in _ATOMS):
            return False
        at = match.end()
    return bool(text)
