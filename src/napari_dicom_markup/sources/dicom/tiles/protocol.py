"""The measurement protocol of Siemens scanners: its text form, ASCCONV, as far as slices go."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_dicom_markup.sources.dicom.tiles.csa import finite_numbers

if TYPE_CHECKING:
    from napari_dicom_markup.model.geometry import FloatArray

_BEGIN, _END = b"### ASCCONV BEGIN", b"### ASCCONV END"
_AXES = {b"dSag": 0, b"dCor": 1, b"dTra": 2}
"""Sagittal, coronal and transversal grow towards left, posterior and head: LPS."""

_SIZE = re.compile(rb"^sSliceArray\.lSize[ \t]*=[ \t]*(\d{1,5})\b", re.MULTILINE)
_PLACE = re.compile(
    rb"^sSliceArray\.asSlice\[(\d{1,5})\]\.sPosition\.(dSag|dCor|dTra)"
    rb"[ \t]*=[ \t]*([-+.\deE]{1,40})",
    re.MULTILINE,
)
_UNEVEN_MM = 0.01
"""The protocol has ten digits: slices of one group lie evenly to far less than this."""


@dataclass(frozen=True, slots=True, eq=False)
class SliceArray:
    """The slices of a protocol: (n, 3) centres in LPS mm, in the protocol's order."""

    centres: FloatArray

    def places(self, normal: FloatArray) -> FloatArray | None:
        """Return where the slices lie along a normal in mm; None where they are not even."""
        places: FloatArray = self.centres @ normal
        steps = np.diff(places)
        if not steps.size or np.ptp(steps) > _UNEVEN_MM or abs(steps[0]) <= _UNEVEN_MM:
            return None
        return places


def read_slice_array(raw: bytes, most: int) -> SliceArray | None:
    """Return the slices of the protocol within ``raw``; None without one, or of over ``most``.

    A coordinate that is zero is not written. ``raw`` is the CSA series header (0029,1020), or
    any other element that holds the protocol.
    """
    start = raw.find(_BEGIN)
    if start < 0:
        return None
    end = raw.find(_END, start)
    text = raw[start : end if end >= 0 else None]
    size = _SIZE.search(text)
    if size is None or not 0 < int(size[1]) <= most:
        return None
    centres = np.zeros((int(size[1]), 3))
    for index, axis, written in _PLACE.findall(text):
        number = finite_numbers([written.decode("ascii")], 1)
        if number is None:
            return None
        if int(index) < len(centres):
            centres[int(index), _AXES[axis]] = number[0]
    return SliceArray(centres)
