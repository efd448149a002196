"""Call pydicom without its warnings and log records: they quote the values of elements."""

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
def quiet_pydicom() -> Iterator[None]:
    """Keep what pydicom says in this thread from the program's warnings and logs."""
    logger, silence = logging.getLogger("pydicom"), _NotThisThread()
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.addFilter(silence)
        try:
            yield
        finally:
            logger.removeFilter(silence)
