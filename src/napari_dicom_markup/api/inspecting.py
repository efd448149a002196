"""What a panel shows of an opened volume: texts and choices that are ready to be shown."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicom_markup.api.layers import display_of
from napari_dicom_markup.api.opening import frames_behind, make_volume, value_domain
from napari_dicom_markup.api.values import suv_steps, voi_of
from napari_dicom_markup.errors import MarkupError
from napari_dicom_markup.model.geometry import SpacingSource
from napari_dicom_markup.model.pet import SuvKind
from napari_dicom_markup.sinks.layers import image_layer
from napari_dicom_markup.sources.layers import volume_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from napari_dicom_markup.model.geometry import GeometryReport, PatientFrame, Vector
    from napari_dicom_markup.model.progress import Step
    from napari_dicom_markup.model.stack import LeadingAxis, Stack, Volume
    from napari_dicom_markup.model.voi import VoiChoice
    from napari_dicom_markup.sources.layers import Layer

STRAIGHT_DEGREES = 1.0
"""A normal this near to an axis of the patient makes a plain axial, sagittal or coronal stack."""

_ORIENTATIONS = ("sagittal", "coronal", "axial")
"""Planes whose normal is the patient's x, y, z."""

_SIDES = (("R", "L"), ("A", "P"), ("I", "S"))
"""Letters of the negative and the positive end of x, y and z in LPS."""

_POSITIONS_SAID = 8
"""Positions of missing slices that a report's own text names."""

_POSITIONS_LISTED = 200
_NUMBERS_LISTED = 8

_KINDS = {
    SuvKind.BODY_WEIGHT: "SUV by body weight",
    SuvKind.LEAN_JANMAHASATIAN: "SUV by lean body mass (Janmahasatian)",
    SuvKind.LEAN_JAMES: "SUV by lean body mass (James, 128 for men)",
    SuvKind.LEAN_JAMES_120: "SUV by lean body mass (James, 120 for men)",
    SuvKind.BODY_SURFACE: "SUV by body surface",
    SuvKind.IDEAL_WEIGHT: "SUV by ideal body weight",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing to show: what it is, and its text, which may hold free text of the header."""

    title: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Look:
    """One way to show a volume: its contrast limits, and a ramp where grey is no even one.

    ``ramp`` holds greys of 0 to 1 from the lower limit to the upper one, as they are shown:
    inverted for MONOCHROME1. Without one, ``base`` names the colormap: gray, or gray_r.
    """

    title: str = field(repr=False)
    limits: tuple[float, float]
    base: str
    ramp: tuple[float, ...] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ValueKind:
    """Values that a volume can be shown in: SUV of a kind, or None for those that it states."""

    kind: SuvKind | None
    title: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What there is to show of a volume, apart from what differs from slice to slice.

    ``reports`` are all of its geometry reports in full. ``kinds`` are empty where there is
    nothing to choose; ``shown_as`` is the one of them that the volume has now.
    """

    geometry: tuple[Fact, ...]
    values: tuple[Fact, ...]
    reports: tuple[str, ...]
    looks: tuple[Look, ...] = ()
    kinds: tuple[ValueKind, ...] = ()
    shown_as: ValueKind | None = None


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """One label of a layer: its number, its name and what type of thing it is, both free text."""

    number: int
    name: str = field(repr=False)
    kind: str = field(repr=False)


def volume_behind(data: Any) -> Volume | None:
    """Return the volume that a layer's data belong to, None where they are not this package's."""
    return volume_of((data, {}, "image"))


def inspect_volume(volume: Volume) -> Inspection:
    """Return what there is to show of a volume; its pixels are read where a look needs them."""
    stack = volume.stack
    kinds = _kinds(volume)
    shown = _shown_as(volume)
    return Inspection(
        geometry=tuple(_geometry(stack)),
        values=tuple(_values(stack)),
        reports=tuple(map(_report, stack.reports)),
        looks=_looks(volume),
        kinds=kinds,
        shown_as=next((one for one in kinds if one.kind is shown), None),
    )


def _geometry(stack: Stack) -> Iterator[Fact]:
    geometry, (rows, columns) = stack.geometry, stack.shape[-2:]
    slices = "1 slice" if stack.slices == 1 else f"{stack.slices} slices"
    yield Fact("Matrix", f"{slices} of {rows} rows × {columns} columns")
    for axis in stack.leading:
        yield Fact(f"Axis {axis.name}", _describe_axis(axis))
    if geometry.patient is not None:
        yield Fact("Orientation", orientation_word(geometry.patient))
    if not geometry.in_mm:
        yield Fact("Spacing", "none is stated: lengths are in pixels")
        return
    between, down, across = geometry.spacing
    yield Fact("Pixels", f"{down:.6g} × {across:.6g} mm: {geometry.spacing_source}")
    if geometry.spacing_source is SpacingSource.PIXEL_SPACING or stack.slices > 1:
        yield Fact("Slices", f"every {between:.6g} mm: {geometry.slice_spacing_source}")
    thickness = stack.frames[0].grid.slice_thickness
    if thickness is not None and math.isfinite(thickness):
        yield Fact("Thickness", f"{thickness:.6g} mm: SliceThickness")


def orientation_word(patient: PatientFrame) -> str:
    """Return axial, sagittal or coronal by the normal, or how far an oblique stack is from it."""
    along = np.abs(patient.normal)
    axis = int(along.argmax())
    angle = math.degrees(math.acos(min(1.0, float(along[axis]))))
    if angle <= STRAIGHT_DEGREES:
        return _ORIENTATIONS[axis]
    return f"oblique, {angle:.1f}° from {_ORIENTATIONS[axis]}"


def _describe_axis(axis: LeadingAxis) -> str:
    unit = f" {axis.unit}" if axis.unit else ""
    first, last = axis.values[0], axis.values[-1]
    span = f"{first:g}{unit}" if len(axis.values) == 1 else f"{first:g} to {last:g}{unit}"
    along = ", ".join(dict.fromkeys(one.name for one in axis.coordinates))
    return f"{len(axis.values)} volumes, {span}" + (f", with {along}" if along else "")


def _values(stack: Stack) -> Iterator[Fact]:
    domain = value_domain(stack)
    colour = stack.pixels.samples == 3 or stack.frames[0].values.palette
    unit = "colour" if colour else domain.unit or "no unit is stated"
    yield Fact("Values", f"{unit}, {domain.dtype}")
    if stack.pixels.photometric == "MONOCHROME1":
        yield Fact("Grey", "MONOCHROME1: low values are shown bright")


def _report(report: GeometryReport) -> str:
    """Return a report in full: with all positions of missing slices where its text names some."""
    text = f"{report.kind}: {report.message}"
    if len(report.positions) > _POSITIONS_SAID:
        listed = ", ".join(f"{one:.6g}" for one in report.positions[:_POSITIONS_LISTED])
        more = ", …" if len(report.positions) > _POSITIONS_LISTED else ""
        text += f"; all positions: {listed}{more} mm"
    return text


def _looks(volume: Volume) -> tuple[Look, ...]:
    """Return the looks of a grey volume: as opened, what its object offers, the full range."""
    if volume.array.ndim > len(volume.stack.shape):
        return ()
    inverted = volume.stack.pixels.photometric == "MONOCHROME1"
    base = "gray_r" if inverted else "gray"
    display = display_of(volume)
    return (
        Look("as opened", display.limits, base),
        *(
            Look(_title(number, choice), choice.limits, base, _ramp(choice, inverted=inverted))
            for number, choice in enumerate(_offered(volume), start=1)
        ),
        Look("full range", display.limits_range, base),
    )


def _offered(volume: Volume) -> tuple[VoiChoice, ...]:
    try:
        return voi_of(volume)
    except (MarkupError, OSError):  # the file is gone: what is in memory can still be shown
        return ()


def _title(number: int, choice: VoiChoice) -> str:
    low, high = choice.limits
    what = "window" if choice.ramp is None else "curve"
    return f"{choice.name or f'{what} {number}'} ({low:.6g} to {high:.6g})"


def _ramp(choice: VoiChoice, *, inverted: bool) -> tuple[float, ...] | None:
    if choice.ramp is None or not inverted:
        return choice.ramp
    return tuple(1.0 - grey for grey in choice.ramp)


def _kinds(volume: Volume) -> tuple[ValueKind, ...]:
    if any(frame.modality != "PT" for frame in volume.stack.frames):
        return ()
    unit = _stated(volume).frames[0].values.unit or "no unit"
    offered = (ValueKind(kind, title) for kind, title in _KINDS.items())
    return (ValueKind(None, f"as stated ({unit})"), *offered)


def _stated(volume: Volume) -> Stack:
    """Return the stack with the values that its objects state: the one that was opened."""
    index = volume.stack.index
    return next((one for one in volume.series.stacks if one.index == index), volume.stack)


def _shown_as(volume: Volume) -> SuvKind | None:
    """Return the SUV that a volume's values were made, by the unit that they got."""
    unit = volume.stack.frames[0].values.unit
    return next((kind for kind in SuvKind if unit == f"{kind.unit} (SUV {kind.value})"), None)


def revalue_steps(volume: Volume, kind: SuvKind | None) -> Generator[Step, None, Layer]:
    """Return a volume in other values as an image layer tuple, from those that it states.

    Raises
    ------
    ValuesError
        Its headers do not say what SUV needs; the text is the reason.
    """
    frames = frames_behind(volume)
    shown = make_volume(volume.series, _stated(volume), frames, volume.sidecar)
    if kind is not None:
        shown = yield from suv_steps(shown, kind)
    return image_layer(shown, display_of(shown))


def locate_slice(volume: Volume, index: Sequence[int | None]) -> tuple[Fact, ...]:
    """Return what differs from slice to slice, at one place of a volume.

    Parameters
    ----------
    volume : Volume
        The volume.
    index : sequence of int or None
        A place on every axis of the stack but rows and columns, (leading axes, slice); None where
        all of an axis is shown. It may lie outside.
    """
    stack = volume.stack
    places = list(zip(index, stack.shape[:-2], strict=True))
    if any(at is not None and not 0 <= at < length for at, length in places):
        return (Fact("Here", "outside of this image"),)
    facts = list(_locate_slice(stack, index[-1]))
    for axis, at in zip(stack.leading, index, strict=False):
        text = "all of them" if at is None else _at(axis, at)
        facts.append(Fact(axis.name, text))
    if None not in index:
        facts.append(Fact("File", _file(stack, [at for at in index if at is not None])))
    return tuple(facts)


def _locate_slice(stack: Stack, at: int | None) -> Iterator[Fact]:
    if at is None:
        yield Fact("Slice", f"all {stack.slices}")
        return
    yield Fact("Slice", f"{at + 1} of {stack.slices}")
    patient = stack.geometry.patient
    if patient is not None and at < len(patient.origins):
        yield Fact("Position", f"{describe_position(patient.origins[at])} (first pixel)")


def describe_position(position: Vector) -> str:
    """Return an LPS position with the letters of the patient's sides.

    Examples
    --------
    >>> describe_position((-50.8, 12.0, 3.25))
    'R 50.8, P 12, S 3.25 mm'
    """
    parts = (
        f"{sides[value >= 0]} {abs(round(value, 2)):g}"
        for sides, value in zip(_SIDES, position, strict=True)
    )
    return f"{', '.join(parts)} mm"


def _at(axis: LeadingAxis, at: int) -> str:
    """Return an axis' value at a place, and what goes along it: "1300 s/mm² (3 of 7), …"."""
    unit = f" {axis.unit}" if axis.unit else ""
    text = f"{axis.values[at]:g}{unit} ({at + 1} of {len(axis.values)})"
    for one in axis.coordinates:
        if one.values[at]:
            numbers = ", ".join(f"{value:.4g}" for value in one.values[at][:_NUMBERS_LISTED])
            text += f"; {one.name} {numbers}{f' {one.unit}' if one.unit else ''}"
    return text


def _file(stack: Stack, index: Sequence[int]) -> str:
    number = int(np.ravel_multi_index(tuple(index), stack.shape[:-2]))
    frame = stack.frames[number]
    name = frame.file.relative
    printable = "".join(sign if sign.isprintable() else "\ufffd" for sign in name)
    several = frame.instance.pixels is not None and frame.instance.pixels.frames > 1
    return f"{printable}, frame {frame.number + 1}" if several else printable


def list_segments(features: Any) -> tuple[SegmentRow, ...]:
    """Return the labels that a layer's features table names, in its order.

    Parameters
    ----------
    features
        A pandas DataFrame, or anything with columns by name; ``index`` holds label numbers.
    """
    if features is None or "index" not in features:
        return ()
    numbers = list(features["index"])
    names = _column(features, ("name",), len(numbers))
    kinds = _column(features, ("type_meaning", "type"), len(numbers))
    rows = zip(numbers, names, kinds, strict=True)
    return tuple(SegmentRow(int(n), name, kind) for n, name, kind in rows if _is_number(n))


def _column(features: Any, names: Sequence[str], length: int) -> list[str]:
    for name in names:
        if name in features:
            return ["" if _is_missing(cell) else str(cell) for cell in features[name]]
    return [""] * length


def _is_number(cell: Any) -> bool:
    return isinstance(cell, int | float | np.number) and float(cell).is_integer()


def _is_missing(cell: Any) -> bool:
    return cell is None or (isinstance(cell, float) and math.isnan(cell))
