"""The words an identity is made of: how they are folded, spelled, and how far each one counts.

A name such as *May* or *Head* must not hold back every file of a head scan, and a long number
must be found wherever it stands. ``Reach`` is that rule; it depends on length and commonness.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Role(StrEnum):
    """What a token is of its person: a report tells this, never the token."""

    NAME = "name"
    ID = "id"
    DATE = "date"
    ADDRESS = "address"
    PHONE = "phone"
    INSTITUTION = "institution"
    UID = "uid"
    DEVICE = "device"


class Reach(StrEnum):
    """Where a token counts as found.

    ANYWHERE: also inside longer words, in bytes, values and names (8 letters or digits, or two
    ideographs). WORD: as a whole word in bytes, values and names (names of 4 letters, ids of 5
    characters with a letter or of 7 digits). TEXT: as a whole word in text values and names,
    not in raw bytes, where short numbers stand by chance (ids of 5 or 6 digits). FIELD: as a
    whole word in attributes of the same kind only: common words and what is shorter (names of
    2 letters or one ideograph, ids of 3 characters). What is shorter still is no token.
    """

    ANYWHERE = "anywhere"
    WORD = "word"
    TEXT = "text"
    FIELD = "field"


@dataclass(frozen=True, slots=True)
class Token:
    """One word or phrase, folded, its original spelling, and how far it counts."""

    role: Role
    reach: Reach
    text: str = field(repr=False)
    spelling: str = field(repr=False)


_COMMON_WORDS = """
    abdomen ablation acute adult after angle angio ankle anon anonymized anonymous anterior aorta
    april arm arms artery august axial axis back banks bell black blue body bone bones born bottom
    bowel bowen boy brain breast bridge bright brook brooks brown bush care carotid case cervical
    chamber chest child church city clinic clinical coil colon common company complex contrast
    control cook cord coronal cross data day days december default delay department device dixon
    doctor doe dose down dummy east elbow emergency empty error europe face family february female
    field film finger fish fixed flash flow foot forest fox frame france friday front full gates
    general german girl gold grace grand grant gray great green group hall hand hands head heart
    help high hill hip hold home hope hospital human image image1 imaging index inferior institute
    instance iris january joint joy july june junior king knee knight lake lane lateral left leg
    level lines liver long lord love lower lumbar lung major male march mark marks martial mass
    master match maximum may mean medical medicine medium middle mild model monday moon morning
    mouth muscle name neck none normal north november number oblique october office open operator
    orbit other page park patient patients pelvis peak person phantom phase physician pierce place
    plane point pool posterior post power practice price private probe processing protocol public
    pulse quality quick radiology random range read reader ready real recon red reference region
    report research rest rich right ring rivers road rock room root rose routine sagittal sample
    saturday scan scanner school screen senior september sequence series sharp shoulder side signal
    silver simple single skull slice slim small smooth snow soft source south spine spring standard
    star station steel stein stern stone street strong study subject summer summit sunday superior
    surgery swift table target technician temple test thorax thursday time title tone top total
    track train trial tube tuesday uncle unit university unknown upper value vein venous verse view
    volume walker wall ward water week west white whole wild will winter wood woods work wrist
    wednesday yellow young zero
    agfa anyscp aetitle canon carestream dcmtk elekta esaote fuji fujifilm gdcm healthcare hologic
    highdicom hitachi kodak konica medtronic mindray minolta offis orthanc osirix pacs philips
    pydicom pynetdicom samsung scp scu shimadzu siemens store storescp storescu system systems
    technologies toshiba varian
    """
COMMON = frozenset(_COMMON_WORDS.split())
"""Words that stand in headers for their own sake: anatomy, protocol, calendar, makers, English."""

_PARTICLES_WORDS = "da de del der des di dos du el ibn la le los mac ten ter van von y zu"
PARTICLES = frozenset(_PARTICLES_WORDS.split())
"""Words of names that belong to thousands of people; they count in names only."""

DUMMY_DATES = frozenset(
    {"00010101", "19000101", "19700101", "18000101", "19600101", "19000102", "99991231"}
)
"""Dates that stand for none."""

_GERMANIC = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "æ": "ae", "œ": "oe"}
)
_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "ı": "i"})
_MARKS = re.compile(r"[\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u064b-\u065f\u0670]")
_SEAM = re.compile(r"(?<=[a-zà-öø-ÿ])(?=[A-ZÀ-ÖØ-Þ])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
_BETWEEN = re.compile(r"[\W_]+")
_IDEOGRAPHS = re.compile(r"[\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u3400-\u9fff\uac00-\ud7af]")


def fold(text: str) -> str:
    """Return a text without case, accents and compatibility forms (NFKC of what is left)."""
    if text.isascii():
        return text.lower()
    bare = _MARKS.sub("", unicodedata.normalize("NFKD", text.casefold()))
    return unicodedata.normalize("NFKC", bare).translate(_PLAIN)


def spaced(text: str) -> str:
    """Return the folded words of a text, one space before, between and after them.

    Words end where case rises (JohnPaul) and between letters and digits (doe2).

    >>> spaced("DOE^JohnPaul_2")
    ' doe john paul 2 '
    """
    return f" {_BETWEEN.sub(' ', fold(_SEAM.sub(' ', text))).strip()} "


def glued(text: str) -> str:
    """Return the folded letters and digits of a text with nothing between them."""
    return _BETWEEN.sub("", fold(text))


def name_tokens(name: str) -> Iterator[Token]:
    """Return the tokens of a person name in all its component groups (PS3.5 6.2.1.2).

    The parts, their words where a part has several, and any two parts together.
    """
    for group in name.split("="):
        parts = [part.strip() for part in group.split("^")][:3] or [""]
        words = [word for part in parts for word in spaced(part).split()]
        for spelling in {*words, *parts, *(w for p in parts for w in re.split(r"[\s\-']+", p))}:
            yield from _name_token(spelling)
        yield from _pairs(parts)


def _name_token(spelling: str) -> Iterator[Token]:
    text = spaced(spelling).strip()
    reach = _name_reach(text)
    if reach is None:
        return
    yield Token(Role.NAME, reach, text, spelling)
    other = spaced(unicodedata.normalize("NFC", spelling).lower().translate(_GERMANIC)).strip()
    if other != text:
        yield Token(Role.NAME, _name_reach(other) or reach, other, other)


def _name_reach(text: str) -> Reach | None:
    letters = text.replace(" ", "")
    if _IDEOGRAPHS.search(letters):
        return Reach.ANYWHERE if len(letters) > 1 else Reach.FIELD
    if len(letters) < 2 or letters.isdigit():
        return None
    if all(word in COMMON or word in PARTICLES or len(word) < 2 for word in text.split()):
        return Reach.FIELD if " " not in text else Reach.WORD
    if len(letters) < 4:
        return Reach.FIELD
    return Reach.ANYWHERE if len(letters) >= 8 else Reach.WORD


def _pairs(parts: list[str]) -> Iterator[Token]:
    """Return the full name in both orders: *Head^May* counts where *Head* alone does not.

    Initials make none: two parts of four letters in all.
    """
    words = [spaced(part).strip() for part in parts[:2]]
    if len(words) < 2 or not all(words) or len("".join(words)) < 2:
        return
    for first, second in (words, reversed(words)):
        text = f"{first} {second}"
        if _IDEOGRAPHS.search(text) or len(text) > 4:
            reach = Reach.ANYWHERE if len(text) > 8 or _IDEOGRAPHS.search(text) else Reach.WORD
            yield Token(Role.NAME, reach, text, text)


def id_tokens(value: str, role: Role) -> Iterator[Token]:
    """Return the token of an identifier, a serial number, a station or an AE title."""
    text = spaced(value).strip()
    size = len(text.replace(" ", ""))
    if size < 3 or not any(character.isalnum() for character in text):
        return
    yield Token(role, _id_reach(text, size), text, value.strip())


def _id_reach(text: str, size: int) -> Reach:
    digits = text.replace(" ", "").isdigit()
    if all(word in COMMON for word in text.split()) or size < 5:
        return Reach.FIELD
    if digits and size < 7:
        return Reach.TEXT
    return Reach.ANYWHERE if size >= 8 else Reach.WORD


def phrase_tokens(value: str, role: Role) -> Iterator[Token]:
    """Return the tokens of an address or an institution: the whole, and its parts at commas."""
    for spelling in {value, *re.split(r"[,;\r\n^\\]+", value)}:
        text = spaced(spelling).strip()
        size = len(text.replace(" ", ""))
        words = text.split()
        if size < 5 or text.isdigit():
            continue
        common = all(word in COMMON or len(word) < 3 for word in words)
        reach = Reach.ANYWHERE if size >= 8 else Reach.WORD
        yield Token(role, Reach.FIELD if common else reach, text, spelling.strip())


def phone_tokens(value: str) -> Iterator[Token]:
    """Return the tokens of a telephone number: its digits, with and without the first ones."""
    digits = "".join(character for character in value if character.isdecimal())
    if len(digits) < 7:
        yield from phrase_tokens(value, Role.PHONE)
        return
    yield Token(Role.PHONE, Reach.ANYWHERE, spaced(value).strip(), value.strip())
    for text in {digits, digits[-8:]}:
        yield Token(Role.PHONE, Reach.ANYWHERE if len(text) > 7 else Reach.WORD, text, text)


def spellings(token: Token, codecs: Iterable[str]) -> Iterator[bytes]:
    """Return a token's spellings as bytes, ASCII lower-cased, for a search in lower-cased bytes.

    Folded, and as it was spelled in lower, upper and title case, in UTF-8, Latin 1, UTF-16LE
    and the source's own character sets without their escape sequences.
    """
    words = token.text
    forms = {words, token.spelling}
    forms |= {glued(words)} if len(words) > 6 or " " not in words else set()
    if " " in words:
        forms |= {words.replace(" ", mark) for mark in ("^", "_", "-", ", ", ",", ".", "=")}
    if not token.spelling.isascii():
        nfc = unicodedata.normalize("NFC", token.spelling)
        forms |= {nfc, nfc.lower(), nfc.upper(), nfc.title(), nfc.replace(" ", "")}
        forms.add(unicodedata.normalize("NFD", nfc))
    found = {raw for form in forms for raw in _encoded(form, codecs)}
    yield from found


_ESCAPES = re.compile(rb"\x1b[$()\-.][()\-.]?[@A-Z]|\x1b\([A-Z]")


def _encoded(form: str, codecs: Iterable[str]) -> Iterator[bytes]:
    if form.isascii():
        yield form.lower().encode("ascii")
        return
    for codec in {"utf-8", "latin-1", "utf-16-le", *codecs}:
        try:
            raw = _ESCAPES.sub(b"", form.encode(codec)).lower()
        except (UnicodeEncodeError, LookupError):
            continue
        if len(raw) >= (6 if raw.isascii() else 4):
            yield raw


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = rf"({'|'.join(_MONTHS)})[a-z]{{0,6}}\.?"
_GAP = r"[-/., ]{1,2}"
_PACKED = re.compile(r"(?<!\d)(?<!\d\.)(?:\d{8})(?=\D|$|[0-2]\d[0-5]\d)(?!\.\d)")
_TRIPLE = re.compile(r"(?<!\d)(?<!\d\.)(\d{1,4})[-/. _](\d{1,2})[-/. _](\d{1,4})(?![\d]|\.\d)")
_DAY_FIRST = re.compile(
    rf"(?<!\d)(\d{{1,2}})(?:st|nd|rd|th)?(?:{_GAP})?{_MONTH}(?:{_GAP})?(\d{{4}})(?!\d)"
)
_MONTH_FIRST = re.compile(rf"{_MONTH}{_GAP}(\d{{1,2}})(?:st|nd|rd|th)?{_GAP}(\d{{4}})(?!\d)")
_EAST_ASIAN = re.compile(r"(\d{4})\s?[年년]\s?(\d{1,2})\s?[月월]\s?(\d{1,2})\s?[日일]")


def dates_in(text: str) -> Iterator[str]:
    """Return the dates a text spells, as yyyymmdd; ambiguous ones in each reading.

    yyyymmdd (a time may follow), yyyy-mm-dd, dd.mm.yyyy, mm/dd/yyyy, dd-MON-yyyy, d month yyyy,
    month d, yyyy, each with - / . _ or space, and East Asian ones. Years have four digits.

    >>> sorted(dates_in("on 3/4/2011, 5-MAY-2012, and May 6, 2013"))
    ['20110304', '20110403', '20120505', '20130506']
    """
    yield from (match.group() for match in _PACKED.finditer(text))
    for first, second, third in _TRIPLE.findall(text):
        if len(first) == 4:
            yield first + second.zfill(2) + third.zfill(2)
        elif len(third) == 4:
            yield from {
                third + second.zfill(2) + first.zfill(2),
                third + first.zfill(2) + second.zfill(2),
            }
    lower = text.lower()
    for day, month, year in _DAY_FIRST.findall(lower):
        yield f"{year}{_MONTHS.index(month) + 1:02}{day:0>2}"
    for month, day, year in _MONTH_FIRST.findall(lower):
        yield f"{year}{_MONTHS.index(month) + 1:02}{day:0>2}"
    for year, month, day in _EAST_ASIAN.findall(text):
        yield year + month.zfill(2) + day.zfill(2)


_UID = re.compile(r"(?<![0-9.])[0-9]{1,20}(?:\.[0-9]{1,40}){2,40}")


_ROOT = 20
"""Characters from which a UID is taken for more than a maker's root."""


def uids_in(text: str) -> Iterator[str]:
    """Return the UIDs that a text holds (PS3.5 section 9), and the longer ones they begin with."""
    for found in set(_UID.findall(text)):
        yield found
        uid = found.rpartition(".")[0]
        while len(uid) >= _ROOT:
            yield uid
            uid = uid.rpartition(".")[0]
