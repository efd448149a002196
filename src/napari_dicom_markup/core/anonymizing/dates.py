"""Dates moved by whole days, ages capped (PS3.15 E.3.6, PS3.5 6.2): times of day stay.

What is not a date as PS3.5 writes it gives None: it may be anything, a name too, and is never
passed on.
"""

from __future__ import annotations

import re

_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)|(\d{4})\.(\d\d)\.(\d\d)", re.ASCII)
"""The second form is that of ACR-NEMA, still to be read (PS3.5 table 6.2-1, note of DA)."""

_TIME = r"(?:[01]\d|2[0-3])(?:[0-5]\d(?:(?:[0-5]\d|60)(?:\.\d{1,6})?)?)?"
_DATE_TIME = re.compile(
    rf"(\d{{4}})(?:(\d\d)(?:(\d\d)({_TIME})?)?)?([+-](?:0\d|1[0-4])[0-5]\d)?", re.ASCII
)
_TIME_OF_DAY = re.compile(_TIME, re.ASCII)
_OLD_TIME_OF_DAY = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d(?::(?:[0-5]\d|60)(?:\.\d{1,6})?)?")
_ZONE = re.compile(r"[+-](?:0\d|1[0-4])[0-5]\d", re.ASCII)
_AGE = re.compile(r"(\d{1,3})([DWMY])", re.ASCII)
"""PS3.5 asks for three digits; many files have fewer."""

OLDEST = 90
"""Years: from here on ages are one class (45 CFR 164.514(b)(2)(i)(C): 90 or older)."""

_A_YEAR = {"D": 366, "W": 53, "M": 12, "Y": 1}


def shift_date(text: str, days: int) -> str | None:
    """Return a DA value so many days earlier (negative: later), None if it is no date.

    Examples
    --------
    >>> shift_date("20240301", 1)
    '20240229'
    >>> shift_date("1999.01.01", 1)
    '19981231'
    >>> shift_date("Doe^Jane", 1) is None
    True
    """
    found = _DATE.fullmatch(_bare(text))
    if not found:
        return None
    year, month, day = (int(part) for part in found.groups() if part is not None)
    moved = _moved(year, month, day, days)
    return moved and _written(moved)


def shift_date_time(text: str, days: int) -> str | None:
    """Return a DT value so many days earlier, with its precision, time of day and UTC offset.

    A year or a month alone is moved from its middle.

    Examples
    --------
    >>> shift_date_time("20240301235959.5+0100", 1)
    '20240229235959.5+0100'
    >>> shift_date_time("202403", 31)
    '202402'
    """
    found = _DATE_TIME.fullmatch(_bare(text))
    if not found:
        return None
    year, month, day, time, zone = found.groups()
    moved = _moved(int(year), int(month or 7), int(day or (15 if month else 1)), days)
    if not moved:
        return None
    precision = 8 if day else 6 if month else 4
    return _written(moved)[:precision] + (time or "") + (zone or "")


def keep_time(text: str) -> str | None:
    """Return a TM value as it is, the old hh:mm:ss without its colons, None if it is no time."""
    bare = _bare(text)
    if _TIME_OF_DAY.fullmatch(bare):
        return bare
    return bare.replace(":", "") if _OLD_TIME_OF_DAY.fullmatch(bare) else None


def keep_zone(text: str) -> str | None:
    """Return an offset from UTC (&ZZXX) as it is, None if it is none."""
    bare = _bare(text)
    return bare if _ZONE.fullmatch(bare) else None


def cap_age(text: str) -> str | None:
    """Return an AS value, 090Y if it is that or more, None if it is no age.

    Examples
    --------
    >>> cap_age("101Y"), cap_age("89Y"), cap_age("old")
    ('090Y', '089Y', None)
    """
    found = _AGE.fullmatch(_bare(text))
    if not found:
        return None
    number, unit = int(found[1]), found[2]
    return f"{OLDEST:03}Y" if number >= OLDEST * _A_YEAR[unit] else f"{number:03}{unit}"


def _bare(text: str) -> str:
    return text.strip(" \0")


def _moved(year: int, month: int, day: int, days: int) -> tuple[int, int, int] | None:
    """Return a day earlier by so many, None if there is no such day in years 1 to 9999."""
    if not (1 <= month <= 12 and year >= 1 and 1 <= day <= _days_in(year, month)):
        return None
    moved = _civil(_number(year, month, day) - days)
    return moved if 1 <= moved[0] <= 9999 else None


def _written(date: tuple[int, int, int]) -> str:
    return "{:04}{:02}{:02}".format(*date)


def _days_in(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


# Years counted from 1 March have their leap day last; month n of such a year begins at day
# (153 n + 2) // 5. Core knows no clock, so no datetime.


def _number(year: int, month: int, day: int) -> int:
    """Return a day's number in the Gregorian calendar; day 0 is 1 March of year 0."""
    year, month = (year, month - 3) if month > 2 else (year - 1, month + 9)
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + day - 1


def _civil(number: int) -> tuple[int, int, int]:
    """Return year, month and day of a day's number."""
    era, rest = divmod(number, 146_097)
    year = (rest - rest // 1460 + rest // 36_524 - rest // 146_096) // 365
    rest -= 365 * year + year // 4 - year // 100
    month = (5 * rest + 2) // 153
    day = rest - (153 * month + 2) // 5 + 1
    year += 400 * era
    return (year, month + 3, day) if month < 10 else (year + 1, month - 9, day)
