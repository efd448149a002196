"""Call libraries without their log records and warnings, which quote what files hold."""

from __future__ import annotations

import logging
import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ONE_AT_A_TIME = threading.RLock()
"""``catch_warnings`` is not for threads; parsing holds Python's lock anyway."""


class _NotThisThread(logging.Filter):
    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        return record.thread != self._thread


@contextmanager
def quiet_log(name: str) -> Iterator[None]:
    """Keep what a library logs in this thread from the program's logs."""
    silence, below = _NotThisThread(), f"{name}."
    # A logger's filter does not see the records of the loggers below it.
    known = [one for one in list(logging.root.manager.loggerDict) if one.startswith(below)]
    loggers = [logging.getLogger(one) for one in (name, *known)]
    for logger in loggers:
        logger.addFilter(silence)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(silence)


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Keep pydicom's warnings and log records, which quote values, from the program."""
    with _ONE_AT_A_TIME, warnings.catch_warnings(), quiet_log("pydicom"):
        warnings.simplefilter("ignore")
        yield
