"""Names that hold nothing of a patient."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from napari_dicom_markup.standard.modalities import known_modality

if TYPE_CHECKING:
    from napari_dicom_markup.model.stack import Series, Stack

NO_SERIES = "no-series"
"""Stem of the bundle that keeps DICOM files of no series, a DICOMDIR say."""


def series_name(modality: str, series_uid: str) -> str:
    """Return a series' name: its modality and 8 digits of a hash of its UID.

    A modality that is none (a header may hold anything) becomes OT, "other".

    Examples
    --------
    >>> series_name("CT", "1.2.3"), series_name("Doe^Jane", "1.2.3")
    ('CT-c47f5b18', 'OT-c47f5b18')
    """
    if not series_uid:
        return NO_SERIES
    return f"{known_modality(modality)}-{hashlib.sha256(series_uid.encode()).hexdigest()[:8]}"


def stack_name(series: Series, stack: Stack) -> str:
    """Return a stack's name: its series', and its number where there are several."""
    name = series_name(series.modality, series.uid)
    return name if len(series.stacks) == 1 else f"{name} stack {stack.index}"


def tiff_suffix(stack_index: int, kind: str = "") -> str:
    """Return what follows a bundle's stem in the name of a stack's TIFF.

    Examples
    --------
    >>> tiff_suffix(1), tiff_suffix(2, "image")
    ('.ome.tif', '.s2.image.ome.tif')
    """
    number = "" if stack_index == 1 else f".s{stack_index}"
    return f"{number}.{kind}.ome.tif" if kind else f"{number}.ome.tif"
