"""What tells frames at one position apart, by functional groups (PS3.3 C.7.6.16.2, C.8.13.5)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from napari_dicom_markup.model.stack import Acquisition
from napari_dicom_markup.sources.dicom.multiframe.attributes import FRAME_TYPES
from napari_dicom_markup.sources.dicom.multiframe.counters import counters
from napari_dicom_markup.sources.dicom.multiframe.groups import UNASSIGNED
from napari_dicom_markup.sources.dicom.multiframe.times import frame_moments, frame_times
from napari_dicom_markup.sources.dicom.multiframe.values import (
    double,
    doubles,
    long,
    short,
    text,
    vector,
    words,
)
from napari_dicom_markup.sources.dicom.raw_values import as_integer, as_number, as_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from napari_dicom_markup.model.geometry import Vector
    from napari_dicom_markup.model.stack import Counter, Instance
    from napari_dicom_markup.sources.dicom.multiframe.groups import Groups
    from napari_dicom_markup.sources.dicom.multiframe.planes import Place
    from napari_dicom_markup.sources.dicom.raw_values import Raw

_CONTENT = "FrameContentSequence"


class _Row(NamedTuple):
    """What an acquisition says besides counters, in its order."""

    image_type: tuple[str, ...]
    number: int | None
    instance_number: int | None
    temporal_position: int | None
    echo_time: float | None
    b_value: float | None
    trigger_time: float | None
    acquisition_time: float | None
    content_time: float | None
    frame_time: float | None
    b_direction: Vector | None
    component: str
    stack_id: str
    moment: float | None


def acquisitions(instance: Instance, groups: Groups, places: Sequence[Place]) -> list[Acquisition]:
    """Return each frame's acquisition; what its groups lack is what the top level says."""
    top = replace(instance.acquisition, instance_number=_instance_number(instance, groups))
    types, components = _frame_types(top, groups)
    rows = zip(
        types,
        *_numbers(top, groups),
        frame_times(instance.modality, groups, places),
        _directions(top, groups),
        components,
        groups.column(text, _CONTENT, "StackID"),
        frame_moments(groups, places),
        strict=True,
    )
    plain = [_Row(*row) for row in rows]
    said = [_said(place, row) for place, row in zip(places, plain, strict=True)]
    counted = counters(groups, said)
    return [groups.parts.part(_acquisition, row) for row in zip(plain, counted, strict=True)]


def _said(place: Place, row: _Row) -> tuple[Hashable, ...]:
    """Return what tells a frame from others, but for times and numbers that all may differ in."""
    return (
        place[0],
        row.temporal_position,
        row.echo_time,
        row.b_value,
        row.b_direction,
        row.trigger_time,
        row.image_type,
        row.component,
        row.stack_id,
    )


def _acquisition(row: tuple[_Row, tuple[Counter, ...]]) -> Acquisition:
    said, counted = row
    return Acquisition(*said[:-1], counted, frame_moment=said.moment)


_PARTS = 1 << 16
"""A concatenation has fewer parts: the 16 bits of InConcatenationNumber."""


def _instance_number(instance: Instance, groups: Groups) -> int | None:
    """Return a number in whose order a series' objects come.

    The parts of a concatenation (PS3.3 C.7.6.16.2.2.4) have one InstanceNumber: they come in the
    order of InConcatenationNumber. Those of the concatenation with number 1 are 1, 2…
    """
    number = instance.acquisition.instance_number
    part = short(groups.top.values.get("InConcatenationNumber"))
    whole = 1 if number is None else number
    if part is None or abs(whole) > _PARTS**2 or not groups.top.values.get("ConcatenationUID"):
        return number
    return (whole - 1) * _PARTS + part


_SOURCES: tuple[tuple[str, tuple[tuple[Callable[[Raw], float | None], str, str], ...]], ...] = (
    (
        "number",
        (
            (short, _CONTENT, "FrameAcquisitionNumber"),
            (as_integer, UNASSIGNED, "AcquisitionNumber"),
        ),
    ),
    ("instance_number", ((as_integer, UNASSIGNED, "InstanceNumber"),)),
    (
        "temporal_position",
        (
            (long, _CONTENT, "TemporalPositionIndex"),
            (as_integer, UNASSIGNED, "TemporalPositionIdentifier"),
        ),
    ),
    (
        "echo_time",
        (
            (double, "MREchoSequence", "EffectiveEchoTime"),
            (as_number, UNASSIGNED, "EchoTime"),
        ),
    ),
    (
        "b_value",
        (
            (double, "MRDiffusionSequence", "DiffusionBValue"),
            (double, UNASSIGNED, "DiffusionBValue"),
        ),
    ),
    (
        "trigger_time",
        (
            (double, "CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"),
            (as_number, UNASSIGNED, "TriggerTime"),
        ),
    ),
    ("acquisition_time", ((as_seconds, UNASSIGNED, "AcquisitionTime"),)),
    ("content_time", ((as_seconds, UNASSIGNED, "ContentTime"),)),
)
"""An acquisition's numbers in its order, and where they stand: parser, group and keyword.

Legacy Converted objects (PS3.3 A.70, A.71) keep what they had among the unassigned attributes.
"""


def _numbers(top: Acquisition, groups: Groups) -> Iterator[list[Any]]:
    """Yield a column for each of ``_SOURCES``: the first that is stated, else the top level's."""
    for field, sources in _SOURCES:
        default = getattr(top, field)
        columns = [groups.column(*source) for source in sources]
        yield [
            next((value for value in row if value is not None), default)
            for row in zip(*columns, strict=True)
        ]


def _frame_types(top: Acquisition, groups: Groups) -> tuple[list[tuple[str, ...]], list[str]]:
    """Return each frame's FrameType, and its ComplexImageComponent."""
    name = next(filter(groups.has, FRAME_TYPES), FRAME_TYPES[0])
    types = groups.column(words, name, "FrameType")
    components = groups.column(text, name, "ComplexImageComponent")
    whole_object = top.component or text(groups.top.values.get("ComplexImageComponent"))
    return (
        [kind or top.image_type for kind in types],
        [component or whole_object for component in components],
    )


def _directions(top: Acquisition, groups: Groups) -> list[Vector | None]:
    """Return each frame's gradient direction; none where the weighting has none."""
    path = ("MRDiffusionSequence", "DiffusionGradientDirectionSequence")
    return [
        top.b_direction if found is None else found
        for found in groups.column(_direction, *path, "DiffusionGradientOrientation")
    ]


def _direction(raw: Raw) -> Vector | None:
    found = vector(doubles(raw))
    return found if found is not None and any(found) else None
