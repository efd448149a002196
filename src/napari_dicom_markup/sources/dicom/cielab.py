"""The colours that DICOM recommends for display: CIELab (PS3.3 C.10.7.1.1, edition 2026d)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_dicom_markup.model.segmentation import Rgb


def cielab_to_rgb(value: tuple[int, int, int]) -> Rgb:
    """Return sRGB (0 to 1) of a RecommendedDisplayCIELabValue.

    PS3.3 C.10.7.1.1: 0 to FFFFH are L* from 0 to 100, and a* and b* from -128 to 127; they are
    PCS values, whose white is D50. The matrix is that of sRGB (IEC 61966-2-1) adapted to D50 by
    Bradford's method, as ICC profiles have it. Colours that sRGB lacks are clipped.
    Some writers (highdicom, pixelmed) take D65 for that white: their pure blue reads as a violet.

    Examples
    --------
    >>> [round(part, 3) for part in cielab_to_rgb((0xFFFF, 0x8080, 0x8080))]
    [1.0, 1.0, 1.0]
    """
    lightness = value[0] * 100 / 0xFFFF
    a, b = (part * 255 / 0xFFFF - 128 for part in value[1:])
    y = (lightness + 16) / 116
    cubes = [_cube(f) for f in (y + a / 500, y, y - b / 200)]
    xyz = np.array(cubes) * _WHITE_D50
    linear = np.clip(_XYZ_D50_TO_LINEAR @ xyz, 0.0, 1.0)
    red, green, blue = (_gamma(float(part)) for part in linear)
    return red, green, blue


_WHITE_D50 = np.array([0.9642, 1.0, 0.8249])
"""XYZ of the profile connection space's white (ICC.1)."""

_XYZ_D50_TO_LINEAR = np.array(
    [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
)
"""XYZ with white D50 to linear sRGB: the inverse of the primaries adapted by Bradford's method."""


def _cube(f: float) -> float:
    """Return t of f(t) of CIE 15: a cube root above (6/29)³, a straight line below."""
    return f**3 if f > 6 / 29 else 3 * (6 / 29) ** 2 * (f - 4 / 29)


def _gamma(linear: float) -> float:
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055
