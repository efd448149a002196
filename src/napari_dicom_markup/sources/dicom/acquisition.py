"""What tells images at one position apart, from a header's raw values; makers' diffusion too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dicom_markup.model.stack import Acquisition, Counter
from napari_dicom_markup.sources.dicom.raw_values import (
    Key,
    Raw,
    Shared,
    as_day,
    as_floats,
    as_integer,
    as_number,
    as_seconds,
    as_text,
    as_vector,
    as_word,
    first_of,
)
from napari_dicom_markup.standard.attributes import picker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicom_markup.model.geometry import Vector

_ACQUISITION = picker(
    "ImageType", "AcquisitionNumber", "InstanceNumber", "TemporalPositionIdentifier", "EchoTime",
    "TriggerTime", "NominalPercentageOfCardiacPhase", "NumberOfTemporalPositions",
)  # fmt: skip
_ACQUIRED = picker("AcquisitionDate", "AcquisitionTime")
_CONTENT = picker("ContentDate", "ContentTime")
_COMPONENT = picker("ComplexImageComponent", "GeParametersCreator", "GeImageComponent")
_DIFFUSION = picker(
    "DiffusionBValue", "DiffusionGradientOrientation", "SiemensMrCreator", "SiemensBValue",
    "SiemensGradientDirection", "GeParametersCreator", "GeBValue", "UihCreator", "UihBValue",
    "UihGradientDirection", "PhilipsImagingCreator", "PhilipsBValue", "PhilipsGradientRight",
    "PhilipsGradientAnterior", "PhilipsGradientFeet", "ImageOrientationPatient",
)  # fmt: skip


def read_acquisition(raw: Sequence[Raw], shared: Shared) -> Acquisition:
    """Return what a header's raw values say of the acquisition."""
    key = _ACQUISITION(raw)
    image_type, number, instance, temporal, echo, trigger, cardiac, positions = key
    b_value, direction = shared.part(_diffusion, _DIFFUSION(raw))
    return Acquisition(
        shared.part(_image_type, image_type),
        shared.part(as_integer, number),
        as_integer(instance),
        shared.part(as_integer, temporal),
        shared.part(as_number, echo),
        b_value,
        shared.part(as_number, trigger),
        shared.part(_moment, _ACQUIRED(raw)),
        shared.part(_moment, _CONTENT(raw)),
        b_direction=direction,
        component=shared.part(_component, _COMPONENT(raw)),
        counters=shared.part(_cardiac_phase, cardiac),
        temporal_positions=shared.part(as_integer, positions),
    )


_SECONDS_A_DAY = 86_400


def _moment(key: Key) -> float | None:
    """Return a time in seconds of the day, since day 1 where its date is stated too."""
    day, seconds = as_day(key[0]), as_seconds(key[1])
    return seconds if day is None or seconds is None else day * _SECONDS_A_DAY + seconds


def _cardiac_phase(raw: Raw) -> tuple[Counter, ...]:
    percentage = as_floats(raw, "<f")
    return (Counter("cardiac phase", "%", percentage[0]),) if percentage else ()


_COMPONENTS = ("MAGNITUDE", "PHASE", "REAL", "IMAGINARY", "MIXED")
"""Complex components (PS3.3 C.8.13.3.1.2); GE counts the first four from 0."""


def _component(key: Key) -> str:
    standard, creator, number = key
    if standard is not None:
        text = as_text(standard)
        return text if text in _COMPONENTS else ""
    index = as_word(number)
    known = as_text(creator) == "GEMS_PARM_01" and index is not None and index < 4
    return _COMPONENTS[index or 0] if known else ""


_B_MODULUS = 100_000
"""GE adds 10^9 and flags to b-values."""


def _diffusion(key: Key) -> tuple[float | None, Vector | None]:
    """Return b-value and direction: the standard's, or else the maker's."""
    standard, way, siemens, b_siemens, way_siemens, ge, b_ge, uih, b_uih, way_uih, *others = key
    *philips, orientation = others
    makers = as_text(siemens), as_text(ge), as_text(uih), as_text(philips[0])
    if (b := first_of(as_floats(standard, "<d"))) is not None:
        return b, _direction(as_floats(way, "<d"))
    if makers[0] == "SIEMENS MR HEADER" and (b := as_number(b_siemens)) is not None:
        return b, _direction(as_floats(way_siemens, "<d"))
    b = first_of(as_floats(philips[1], "<f"))
    if makers[3] == "Philips Imaging DD 001" and b is not None:
        parts = [first_of(as_floats(part, "<f")) for part in philips[2:]]
        return b, _direction(tuple(part for part in parts if part is not None))
    if makers[1] == "GEMS_PARM_01" and (b := as_number(b_ge)) is not None and b >= 0:
        return b % _B_MODULUS, None
    if makers[2] == "Image Private Header" and (b := first_of(as_floats(b_uih, "<d"))) is not None:
        return b, _from_image_axes(_direction(as_floats(way_uih, "<d")), orientation)
    return None, None


def _from_image_axes(direction: Vector | None, orientation: Raw) -> Vector | None:
    """Return a direction along row, column and normal, as UIH has it, in LPS."""
    axes = as_vector(orientation, 6)
    if direction is None or axes is None:
        return None
    a, b, c, d, e, f = axes
    normal = (b * f - c * e, c * d - a * f, a * e - b * d)
    x, y, z = (
        sum(
            part * axis[k]
            for part, axis in zip(direction, (axes[:3], axes[3:], normal), strict=True)
        )
        for k in range(3)
    )
    return (x, y, z)


def _direction(values: tuple[float, ...]) -> Vector | None:
    """Return three numbers that are a direction; that of b = 0 is written as zeros."""
    if len(values) != 3 or not any(values):
        return None
    return (values[0], values[1], values[2])


def _image_type(raw: Raw) -> tuple[str, ...]:
    return tuple(as_text(part) for part in raw.split(b"\\")) if raw else ()
