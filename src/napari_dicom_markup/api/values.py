"""Other values and views of an opened volume: SUV, and the windows and LUTs that it offers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_dicom_markup.api.opening import frames_behind, make_volume
from napari_dicom_markup.core.suv import suv_factors
from napari_dicom_markup.core.voi import voi_choices, window_limits
from napari_dicom_markup.errors import ValuesError
from napari_dicom_markup.model.pet import SuvFactor, SuvKind, SuvRefusal
from napari_dicom_markup.model.progress import Step
from napari_dicom_markup.model.stack import VoiFunction
from napari_dicom_markup.sources.dicom.pet import read_pet_facts
from napari_dicom_markup.sources.dicom.voi import read_voi

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_dicom_markup.model.stack import ValueMapping, Volume, Window
    from napari_dicom_markup.model.voi import VoiChoice


def suv_steps(volume: Volume, kind: SuvKind) -> Generator[Step, None, Volume]:
    """Return a PET volume whose values are SUV.

    Raises
    ------
    ValuesError
        It is no PET, is in SUV already, or its headers do not say what SUV needs; the text is
        the reason.
    """
    frames = frames_behind(volume)
    instances = {f.file.relative: f.instance for f in volume.stack.frames}
    if any(instance.modality != "PT" for instance in instances.values()):
        message = "SUV is of PET images: the volume is none"
        raise ValuesError(message)
    if not _SUV_UNITS.isdisjoint(f.values.unit for f in volume.stack.frames):
        message = "the values are SUV already: take the volume that was opened"
        raise ValuesError(message)
    facts = []
    for done, instance in enumerate(instances.values(), start=1):
        facts.append(read_pet_facts(instance, frames.raw(instance.file)))
        yield Step(done, len(instances), "reading what SUV needs")
    factors: dict[str, float] = {}
    for relative, result in zip(instances, suv_factors(facts, kind), strict=True):
        if isinstance(result, SuvRefusal):
            message = f"no SUV, the values stay as they are: {result.reason}"
            raise ValuesError(message)
        factors[relative] = result.value
    scaled: dict[tuple[int, float], ValueMapping] = {}
    planes = []
    for frame in volume.stack.frames:
        key = (id(frame.values), factors[frame.file.relative])
        if key not in scaled:
            scaled[key] = _scaled(frame.values, SuvFactor(key[1], kind))
        planes.append(replace(frame, values=scaled[key]))
    stack = replace(volume.stack, frames=tuple(planes))
    return make_volume(volume.series, stack, frames, volume.sidecar)


def _suv_unit(kind: SuvKind) -> str:
    return f"{kind.unit} (SUV {kind.value})"


_SUV_UNITS = frozenset(map(_suv_unit, SuvKind))


def _scaled(values: ValueMapping, factor: SuvFactor) -> ValueMapping:
    """Return a mapping to values times a factor; windows go with them, and are exact ones."""
    measured = values.measured
    if measured is not None:
        table = None if measured.table is None else measured.table * factor.value
        slope, intercept = measured.slope * factor.value, measured.intercept * factor.value
        measured = replace(measured, slope=slope, intercept=intercept, table=table)
    return replace(
        values,
        slope=values.slope * factor.value,
        intercept=values.intercept * factor.value,
        unit=_suv_unit(factor.kind),
        measured=measured,
        windows=tuple(_scaled_window(window, factor.value) for window in values.windows),
    )


def _scaled_window(window: Window, factor: float) -> Window:
    """Return a window for values times a factor.

    A LINEAR one, from c - w/2 to c + w/2 - 1, counts in whole values (PS3.3 C.11.2.1.2.1): times
    a fraction it is a LINEAR_EXACT one.
    """
    center, width, function = window.center, window.width, window.function
    limits = window_limits(window)
    if function is VoiFunction.LINEAR and limits is not None:
        center, width = sum(limits) / 2, limits[1] - limits[0]
        function = VoiFunction.LINEAR_EXACT
    return replace(window, center=center * factor, width=width * factor, function=function)


def voi_of(volume: Volume) -> tuple[VoiChoice, ...]:
    """Return the windows and VOI LUTs that a volume's middle image offers, in its own values."""
    stack = volume.stack
    frame = stack.frames[len(stack.frames) // 2]
    if frame.values is not frame.instance.values:  # a frame's own, or in other units
        return voi_choices(frame.values.windows)
    return voi_choices(read_voi(frame.instance, frames_behind(volume).raw(frame.file)))
