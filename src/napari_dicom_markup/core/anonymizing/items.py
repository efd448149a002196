"""Items of sequences out of data sets that may hold anything."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom import Dataset

UNREADABLE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)
"""What pydicom raises on bytes that are no sequence, besides two errors of its own."""


def items_of(data_set: Dataset, tag: int) -> Sequence[Dataset] | None:
    """Return a sequence's items, None if the element is none or cannot be read as one."""
    from pydicom import Sequence as Items
    from pydicom.errors import BytesLengthException, InvalidDicomError

    try:
        value = data_set[tag].value
    except (*UNREADABLE, BytesLengthException, InvalidDicomError):
        return None
    return value if isinstance(value, Items) else None
