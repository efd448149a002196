"""SOP classes that are no plain single-frame image (PS3.4 annex B.5, edition 2026d)."""

from __future__ import annotations

DICOMDIR = "1.2.840.10008.1.3.10"
"""Media Storage Directory: an index of the files of a medium."""

SEGMENTATION, LABEL_MAP = "segmentation", "label map segmentation"
RT_STRUCTURE_SET = "RT structure set"
WHOLE_SLIDE = "whole slide image"

KINDS = {
    DICOMDIR: "DICOMDIR",
    "1.2.840.10008.5.1.4.1.1.66": "raw data",
    "1.2.840.10008.5.1.4.1.1.66.1": "spatial registration",
    "1.2.840.10008.5.1.4.1.1.66.2": "spatial fiducials",
    "1.2.840.10008.5.1.4.1.1.66.3": "deformable spatial registration",
    "1.2.840.10008.5.1.4.1.1.66.4": SEGMENTATION,
    "1.2.840.10008.5.1.4.1.1.66.5": "surface segmentation",
    "1.2.840.10008.5.1.4.1.1.66.7": LABEL_MAP,
    "1.2.840.10008.5.1.4.1.1.77.1.6": WHOLE_SLIDE,
    "1.2.840.10008.5.1.4.1.1.4.2": "MR spectroscopy",
    "1.2.840.10008.5.1.4.1.1.66.6": "tractography results",
    "1.2.840.10008.5.1.4.1.1.66.8": "height map segmentation",
    "1.2.840.10008.5.1.4.1.1.67": "real world value mapping",
    "1.2.840.10008.5.1.4.1.1.68.1": "surface scan mesh",
    "1.2.840.10008.5.1.4.1.1.68.2": "surface scan point cloud",
    "1.2.840.10008.5.1.4.1.1.77.1.5.3": "stereometric relationship",
    "1.2.840.10008.5.1.4.1.1.200.2": "CT performed procedure protocol",
    "1.2.840.10008.5.1.4.1.1.481.3": RT_STRUCTURE_SET,
    "1.2.840.10008.5.1.4.1.1.481.4": "RT beams treatment record",
    "1.2.840.10008.5.1.4.1.1.481.5": "RT plan",
    "1.2.840.10008.5.1.4.1.1.481.6": "RT brachy treatment record",
    "1.2.840.10008.5.1.4.1.1.481.7": "RT treatment summary record",
    "1.2.840.10008.5.1.4.1.1.481.8": "RT ion plan",
    "1.2.840.10008.5.1.4.1.1.481.9": "RT ion beams treatment record",
    "1.2.840.10008.5.1.4.34.7": "RT beams delivery instruction",
    "1.2.840.10008.5.1.4.38.1": "hanging protocol",
    "1.2.840.10008.5.1.4.1.1.91.1": "microscopy annotations",
    "1.2.840.10008.5.1.4.39.1": "color palette",
}
"""SOP Class UID to what a reader of images would call it."""

FAMILIES = {
    "1.2.840.10008.5.1.4.1.1.9.": "waveform",
    "1.2.840.10008.5.1.4.1.1.11.": "presentation state",
    "1.2.840.10008.5.1.4.1.1.88.": "structured report",
    "1.2.840.10008.5.1.4.1.1.104.": "encapsulated document",
}
"""The beginning of a SOP Class UID to what the family is called."""

_STARTS = tuple(FAMILIES)

MARKUP = frozenset({SEGMENTATION, LABEL_MAP, RT_STRUCTURE_SET})
"""Kinds that are opened as labels on the images that they refer to."""

MULTI_FRAME = {
    "1.2.840.10008.5.1.4.1.1.2.1": "Enhanced CT",
    "1.2.840.10008.5.1.4.1.1.2.2": "Legacy Converted Enhanced CT",
    "1.2.840.10008.5.1.4.1.1.4.1": "Enhanced MR",
    "1.2.840.10008.5.1.4.1.1.4.3": "Enhanced MR Color",
    "1.2.840.10008.5.1.4.1.1.4.4": "Legacy Converted Enhanced MR",
    "1.2.840.10008.5.1.4.1.1.6.2": "Enhanced US volume",
    "1.2.840.10008.5.1.4.1.1.12.1.1": "Enhanced XA",
    "1.2.840.10008.5.1.4.1.1.12.2.1": "Enhanced XRF",
    "1.2.840.10008.5.1.4.1.1.13.1.3": "breast tomosynthesis",
    "1.2.840.10008.5.1.4.1.1.30": "parametric map",
    "1.2.840.10008.5.1.4.1.1.128.1": "Legacy Converted Enhanced PET",
    "1.2.840.10008.5.1.4.1.1.130": "Enhanced PET",
}
"""Classes whose geometry is in functional groups, even when they hold a single frame."""


def describe_sop_class(uid: str) -> str | None:
    """Return what a SOP class that is no image is called, or None.

    Examples
    --------
    >>> describe_sop_class("1.2.840.10008.5.1.4.1.1.88.33")
    'structured report'
    """
    if not uid.startswith(_STARTS):
        return KINDS.get(uid)
    return next(name for start, name in FAMILIES.items() if uid.startswith(start))
