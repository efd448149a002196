"""From windows and VOI LUTs to contrast limits and a grey ramp, which is all that viewers have."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_dicom_markup.model.stack import VoiFunction
from napari_dicom_markup.model.voi import VoiChoice, VoiLut

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_dicom_markup.model.stack import Window

RAMP = 256
"""Entries of a grey ramp: the grey levels of a screen."""

_SIGMOID_REACH = math.log(2 * RAMP - 1) / 4
"""In widths from the centre: where a sigmoid is half a grey level from black or white."""


def window_limits(window: Window) -> tuple[float, float] | None:
    """Return the physical values shown black and white, None for a window that is none.

    LINEAR (PS3.3 C.11.2.1.2.1) goes from c - 0.5 - (w - 1)/2 to c - 0.5 + (w - 1)/2; a width of 1
    is a threshold, black up to c - 0.5: for integers that is from c - 1 to c.
    LINEAR_EXACT goes from c - w/2 to c + w/2, and so does SIGMOID's tangent in its centre: the
    same grey and contrast there. `window_choice` shows all of a sigmoid.
    """
    center, width = window.center, window.width
    if window.function is VoiFunction.LINEAR:
        if not width >= 1:
            return None
        return _limits(center - 0.5, (width - 1) / 2 or 0.5)
    return _limits(center, width / 2)


def _limits(middle: float, half: float) -> tuple[float, float] | None:
    """Return finite, rising limits, None where there are none."""
    low, high = middle - half, middle + half
    return (low, high) if half > 0 and math.isfinite(high - low) and low < high else None


def window_choice(window: Window) -> VoiChoice | None:
    """Return a window as a way to show its image, None for a window that is none.

    A sigmoid, 1 / (1 + e^(-4(x - c)/w)) (PS3.3 C.11.2.1.3.1), becomes a ramp between the values
    at which it is half a grey level from black and white.
    """
    if window.function is not VoiFunction.SIGMOID:
        linear = window_limits(window)
        return None if linear is None else VoiChoice(linear, window.name)
    limits = _limits(window.center, _SIGMOID_REACH * window.width)
    if limits is None:
        return None
    steps = np.linspace(-4 * _SIGMOID_REACH, 4 * _SIGMOID_REACH, RAMP)
    return VoiChoice(limits, window.name, _tuple(1 / (1 + np.exp(-steps))))


def lut_limits(lut: VoiLut) -> tuple[float, float] | None:
    """Return the physical values between which a LUT changes, None where it is flat.

    Inputs below take the first entry and those above the last (PS3.3 C.11.2.1.1), so nothing is
    lost where its flat ends are left out.
    """
    changes = np.flatnonzero(lut.entries[1:] != lut.entries[:-1])
    if changes.size == 0:
        return None
    return float(lut.first + int(changes[0])), float(lut.first + int(changes[-1]) + 1)


def lut_choice(lut: VoiLut) -> VoiChoice | None:
    """Return a VOI LUT as limits and a ramp over them, None where it is flat.

    With b bits its entries are grey from 0 to 2^b - 1 (PS3.3 C.11.2.1.1); b is what the
    descriptor says, more where an entry needs more.
    """
    limits = lut_limits(lut)
    if limits is None:
        return None
    white = (1 << max(lut.bits, int(lut.entries.max()).bit_length())) - 1
    at = np.linspace(limits[0] - lut.first, limits[1] - lut.first, RAMP)
    grey = np.interp(at, np.arange(lut.entries.size), lut.entries / white)
    return VoiChoice(limits, lut.name, _tuple(grey))


def voi_choices(offered: Iterable[Window | VoiLut]) -> tuple[VoiChoice, ...]:
    """Return the windows and VOI LUTs that show anything, in their order."""
    choices = (
        lut_choice(offer) if isinstance(offer, VoiLut) else window_choice(offer)
        for offer in offered
    )
    return tuple(choice for choice in choices if choice is not None)


def _tuple(ramp: NDArray[np.float64]) -> tuple[float, ...]:
    values: list[float] = ramp.tolist()
    return tuple(values)
