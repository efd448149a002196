"""RT Structure Sets (PS3.3 A.19): ROIs, their contours, and what they refer to.

Files are not believed: a contour that contradicts itself is left out and named among the
problems, and the others are read.
"""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicom_markup.errors import BROKEN, NotDicomError
from napari_dicom_markup.model.code import Code
from napari_dicom_markup.model.contours import (
    Contour,
    ContourProblem,
    GeometricType,
    Rgb,
    Roi,
    StructureSet,
)
from napari_dicom_markup.sources.dicom.bounded import read_bounded
from napari_dicom_markup.sources.quiet import quiet_pydicom

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom import Dataset

    from napari_dicom_markup.model.geometry import FloatArray
    from napari_dicom_markup.model.stack import Instance

FARTHEST_MM = 1e6
"""A kilometre: no point of a patient lies that far from the origin."""

NO_NUMBER = "an ROI without a number is left out"
UNREADABLE = "contours that cannot be read are left out"
UNKNOWN_TYPE = "a contour of unknown type is left out"
NOT_NUMBERS = "a contour is left out: its coordinates are no decimal numbers"
INCOMPLETE = "a contour is left out: its coordinates are no whole triples"
NOT_FINITE = "a contour is left out: its coordinates are not finite, or beyond a kilometre"
MISCOUNTED = "a contour is left out: it states another number of points than it has"
EMPTY = "a contour is left out: it has no points"
OFFSET = "a contour is read without its offset vector"
NAMED_TWICE = "several ROIs have this number: they are read as one, under the first one's name"


class _BadContourError(Exception):
    """Why a contour is left out; never leaves this module."""


@dataclass(slots=True)
class _Draft:
    """What has been found so far."""

    rois: dict[int, dict[str, Any]] = field(default_factory=dict)
    contours: defaultdict[int, list[Contour]] = field(default_factory=lambda: defaultdict(list))
    problems: Counter[tuple[int | None, str]] = field(default_factory=Counter)


def read_structure_set(instance: Instance) -> StructureSet:
    """Return the ROIs of an RT Structure Set.

    Raises
    ------
    NotDicomError
        The file cannot be read as DICOM.
    """
    from pydicom.errors import BytesLengthException, InvalidDicomError

    try:
        # Before numpy 2.3, fromstring warns where it now raises.
        with quiet_pydicom(), warnings.catch_warnings():
            warnings.filterwarnings("error", "string or file could not be read")
            return _structure_set(read_bounded(instance), instance.sop_instance_uid)
    except (BytesLengthException, InvalidDicomError, *BROKEN) as error:
        message = (
            f"{instance.file.relative}: an RT structure set that cannot be read "
            f"({type(error).__name__}); export it again"
        )
        raise NotDicomError(message) from None


def _structure_set(data_set: Dataset, uid: str) -> StructureSet:
    draft = _Draft()
    for item in _items(data_set, "StructureSetROISequence"):
        _describe(item, draft)
    for item in _items(data_set, "RTROIObservationsSequence"):
        _observe(item, draft)
    for item in _items(data_set, "ROIContourSequence"):
        _draw(item, draft)
    rois = [
        Roi(number=number, **fields, contours=tuple(draft.contours[number]))
        for number, fields in sorted(draft.rois.items())
    ]
    frames, series, images = _references(data_set)
    frames |= {roi.frame_of_reference_uid for roi in rois}
    images |= {uid for roi in rois for contour in roi.contours for uid in contour.image_uids}
    return StructureSet(
        uid,
        tuple(rois),
        frozenset(frames - {""}),
        frozenset(series - {""}),
        frozenset(images - {""}),
        tuple(ContourProblem(*key, count) for key, count in draft.problems.items()),
    )


def _references(data_set: Dataset) -> tuple[set[str], set[str], set[str]]:
    """Return the UIDs of frames of reference, series and images (PS3.3 C.8.8.5)."""
    frames, series, images = set[str](), set[str](), set[str]()
    for frame in _items(data_set, "ReferencedFrameOfReferenceSequence"):
        frames.add(_text(frame, "FrameOfReferenceUID"))
        for study in _items(frame, "RTReferencedStudySequence"):
            for one in _items(study, "RTReferencedSeriesSequence"):
                series.add(_text(one, "SeriesInstanceUID"))
                images.update(_images(one))
    return frames, series, images


def _describe(item: Dataset, draft: _Draft) -> None:
    """Take in one item of the Structure Set ROI Sequence (PS3.3 C.8.8.5)."""
    number = _integer(_text(item, "ROINumber"))
    if number is None:
        draft.problems[None, NO_NUMBER] += 1
    elif number in draft.rois:
        draft.problems[number, NAMED_TWICE] += 1
    else:
        draft.rois[number] = {
            "name": _decoded(item, "ROIName"),
            "algorithm": _text(item, "ROIGenerationAlgorithm"),
            "frame_of_reference_uid": _text(item, "ReferencedFrameOfReferenceUID"),
        }


def _observe(item: Dataset, draft: _Draft) -> None:
    """Take in one RT ROI observation (PS3.3 C.8.8.8)."""
    roi = draft.rois.get(_integer(_text(item, "ReferencedROINumber")))  # type: ignore[arg-type]  # None is no key
    if roi is None:
        return
    roles = ("TherapeuticRoleCategoryCodeSequence", "TherapeuticRoleTypeCodeSequence")
    roi.setdefault("interpreted_type", _text(item, "RTROIInterpretedType"))
    roi.setdefault("codes", tuple(_codes(item, "RTROIIdentificationCodeSequence")))
    roi.setdefault("roles", tuple(code for role in roles for code in _codes(item, role)))


def _codes(item: Dataset, keyword: str) -> Iterator[Code]:
    for code in _items(item, keyword):
        value = next(
            (text for name in ("CodeValue", "LongCodeValue", "URNCodeValue")
             if (text := _text(code, name))), ""
        )  # fmt: skip
        if value:
            scheme = _text(code, "CodingSchemeDesignator")
            yield Code(value, scheme, _decoded(code, "CodeMeaning"))


def _draw(item: Dataset, draft: _Draft) -> None:
    """Take in one ROI's contours and colour (PS3.3 C.8.8.6)."""
    number = _integer(_text(item, "ReferencedROINumber"))
    if number is not None:
        draft.rois.setdefault(number, {}).setdefault("color", _color(item))
    try:
        contours = _items(item, "ContourSequence")
    except BROKEN:
        draft.problems[number, UNREADABLE] += 1
        return
    for one in contours:
        try:
            contour = _contour(one)
        except _BadContourError as bad:
            draft.problems[number, str(bad)] += 1
        except BROKEN:
            draft.problems[number, UNREADABLE] += 1
        else:
            _keep(contour, number, draft, offset=_text(one, "ContourOffsetVector"))


def _keep(contour: Contour, number: int | None, draft: _Draft, offset: str) -> None:
    if offset.strip("-0. \\"):
        draft.problems[number, OFFSET] += 1
    if number is None:
        draft.problems[None, NO_NUMBER] += 1
    else:
        draft.contours[number].append(contour)


def _contour(item: Dataset) -> Contour:
    """Return one contour.

    Raises
    ------
    _BadContourError
        It contradicts itself; the text says how.
    """
    kind = _text(item, "ContourGeometricType")
    if kind not in set(GeometricType):
        raise _BadContourError(UNKNOWN_TYPE)
    points = _points(_raw(item, "ContourData"))
    stated = _text(item, "NumberOfContourPoints")
    if stated and _integer(stated) != len(points):
        raise _BadContourError(MISCOUNTED)
    return Contour(GeometricType(kind), points, tuple(_images(item)))


def _points(raw: bytes) -> FloatArray:
    values = _numbers(raw)
    if values.size == 0:
        raise _BadContourError(EMPTY)
    if values.size % 3:
        raise _BadContourError(INCOMPLETE)
    if not (np.abs(values) < FARTHEST_MM).all():
        raise _BadContourError(NOT_FINITE)
    points: FloatArray = values.reshape(-1, 3)
    return points


def _numbers(raw: bytes) -> FloatArray:
    """Return the numbers of a DS value; numpy reads five million of them a second."""
    text = raw.strip(b" \0\t\r\n")
    if not text:
        return np.empty(0)
    try:
        values = np.fromstring(text, sep=" \\ ")
    except (ValueError, DeprecationWarning):
        raise _BadContourError(NOT_NUMBERS) from None
    if values.size != text.count(b"\\") + 1:
        raise _BadContourError(NOT_NUMBERS)
    numbers: FloatArray = values
    return numbers


def _color(item: Dataset) -> Rgb | None:
    parts = [_integer(part) for part in _text(item, "ROIDisplayColor").split("\\")]
    red, green, blue = parts if len(parts) == 3 else (None, None, None)
    if red is None or green is None or blue is None:
        return None
    clipped = np.clip([red, green, blue], 0, 255).tolist()
    return (clipped[0], clipped[1], clipped[2])


def _images(item: Dataset) -> Iterator[str]:
    for image in _items(item, "ContourImageSequence"):
        if uid := _text(image, "ReferencedSOPInstanceUID"):
            yield uid


def _items(data_set: Dataset, keyword: str) -> list[Dataset]:
    """Return the items of a sequence; none where the element is missing, or no sequence."""
    from pydicom import Sequence

    found = data_set.get(keyword) if keyword in data_set else None
    return list(found) if isinstance(found, Sequence) else []


def _raw(data_set: Dataset, keyword: str) -> bytes:
    """Return a value's bytes as they stand in the file."""
    if keyword not in data_set:
        return b""
    value = data_set.get_item(keyword).value
    if value is None or isinstance(value, bytes):
        return value or b""
    parts = [value] if isinstance(value, str) or not hasattr(value, "__iter__") else value
    return "\\".join(str(part) for part in parts).encode("utf-8", "replace")


def _text(data_set: Dataset, keyword: str) -> str:
    """Return a value that is ASCII by its VR."""
    return _raw(data_set, keyword).strip(b" \0").decode("ascii", "replace")


def _decoded(data_set: Dataset, keyword: str) -> str:
    """Return free text in its own character set."""
    try:
        return str(data_set.get(keyword) or "").strip()
    except BROKEN:
        return ""


def _integer(text: str) -> int | None:
    """Return an IS value; "4.0" is found too, and is a 4."""
    try:
        value = float(text)
    except ValueError:
        return None
    return int(value) if value.is_integer() and abs(value) < 2**31 else None
