"""Open DICOM in napari, paint labels, save OME-TIFF, restore every original byte for byte.

The public names are the verbs of :mod:`napari_dicom_markup.api`; they are loaded on first use,
so importing this package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_dicom_markup.api import (
        SuvKind,
        open,
        open_markup,
        pack,
        reopen,
        restore,
        scan,
        to_suv,
        verify,
        voi_choices,
    )

__all__ = [
    "SuvKind",
    "open",
    "open_markup",
    "pack",
    "reopen",
    "restore",
    "scan",
    "to_suv",
    "verify",
    "voi_choices",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module("napari_dicom_markup.api"), name)
