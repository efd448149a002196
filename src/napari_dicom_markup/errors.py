"""Every error this package raises on purpose, each with what to do about it.

A message names what went wrong, where, and the remedy. It never quotes an attribute's value or
a dataset: patient data must not reach a log or a screen through an exception.
"""

from __future__ import annotations

import struct
import zlib

BROKEN = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError,
    NotImplementedError, OSError, RecursionError, TypeError, ValueError, struct.error, zlib.error,
)  # fmt: skip
"""What pydicom raises at broken files, besides its own errors."""


class MarkupError(Exception):
    """Base of all errors of this package; its text is safe to show."""


class NotDicomError(MarkupError, ValueError):
    """The bytes are no DICOM file, or no DICOM that can be understood."""


class DecodeError(MarkupError, ValueError):
    """A frame's pixels cannot be decoded to stored values."""


class ValuesError(MarkupError, ValueError):
    """An image's values cannot be given in the unit that was asked for; the text says why."""


class NothingToOpenError(MarkupError, LookupError):
    """The given paths hold no image that can be opened."""


class SelectionError(MarkupError, LookupError):
    """The selected layers do not make one case; the text says what to select."""


class LabelsError(MarkupError, ValueError):
    """A labels layer cannot be stored or read as labels of its stack."""


class SourceChangedError(MarkupError, OSError):
    """Original files moved or changed since they were opened.

    ``files`` holds their names relative to the folder that was opened.
    """

    def __init__(self, message: str, files: tuple[str, ...]) -> None:
        super().__init__(message)
        self.files = files


class SaveError(MarkupError, OSError):
    """Nothing was written: the disk, the folder or the proof said no."""


class PartlyPackedError(MarkupError, RuntimeError):
    """Some series were packed and others not; ``reasons`` holds a text for each of these.

    ``packed`` is what was packed (``api.Packed``): its bundles are whole.
    """

    def __init__(self, message: str, reasons: tuple[str, ...], packed: object = None) -> None:
        super().__init__(message)
        self.reasons = reasons
        self.packed = packed


class DamagedError(MarkupError, ValueError):
    """A bundle, or one part of it, is damaged or missing; ``part`` names it."""

    def __init__(self, message: str, part: str = "") -> None:
        super().__init__(message)
        self.part = part


class UnsafeNameError(DamagedError):
    """A name inside a sidecar would leave the folder it is restored to."""


class VersionError(MarkupError, ValueError):
    """A sidecar needs a newer version of this package."""
