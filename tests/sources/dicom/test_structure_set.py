"""RT Structure Sets are read whole, and a bad contour costs no other."""

from __future__ import annotations

import random
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import UID
from tests.data import CORPUS, PYDICOM_FILES, needs_corpus

from napari_dicom_markup.errors import NotDicomError
from napari_dicom_markup.model.code import Code
from napari_dicom_markup.model.contours import ContourProblem, GeometricType, StructureSet
from napari_dicom_markup.model.stack import (
    Acquisition,
    Instance,
    PlaneGrid,
    SourceFile,
    ValueMapping,
)
from napari_dicom_markup.sources.dicom import structure_set
from napari_dicom_markup.sources.dicom.structure_set import read_structure_set
from napari_dicom_markup.standard import transfer_syntax as ts

if TYPE_CHECKING:
    from pathlib import Path

CANARY = "DOE^JANE"
RT = "qurit+rt-utils/tests"


def make_contour(data: Any = (1, 2, 3, 4, 5, 6, 7, 8, 9), **changes: Any) -> Dataset:
    """Return an item of a Contour Sequence; None takes an element away."""
    item, image = Dataset(), Dataset()
    image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = "1.2.840", "1.2.3.4"
    values = list(data)
    elements = {
        "ContourGeometricType": "CLOSED_PLANAR",
        "NumberOfContourPoints": len(values) // 3,
        "ContourImageSequence": [image],
        "ContourData": values,
        **changes,
    }
    for keyword, value in elements.items():
        if value is not None:
            setattr(item, keyword, value)
    return item


def make_set(*contours: Dataset, number: int = 3) -> Dataset:
    """Return a structure set with one ROI."""
    data_set = Dataset()
    data_set.file_meta = FileMetaDataset()
    data_set.SpecificCharacterSet = "ISO_IR 192"
    data_set.SOPClassUID, data_set.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.481.3", "1.2.9"
    data_set.Modality = "RTSTRUCT"
    roi = Dataset()
    roi.ROINumber, roi.ROIName, roi.ReferencedFrameOfReferenceUID = number, "Läsion", "1.2.7"
    roi.ROIGenerationAlgorithm = "SEMIAUTOMATIC"
    data_set.StructureSetROISequence = [roi]
    drawing = Dataset()
    drawing.ReferencedROINumber, drawing.ROIDisplayColor = number, [255, 128, 0]
    drawing.ContourSequence = list(contours)
    data_set.ROIContourSequence = [drawing]
    return data_set


def with_references(data_set: Dataset) -> Dataset:
    """Add the references to frames, series and images, and an observation with codes."""
    frame, study, series, image, observation = (Dataset() for _ in range(5))
    image.ReferencedSOPInstanceUID, series.SeriesInstanceUID = "1.2.3.5", "1.2.3"
    series.ContourImageSequence, study.RTReferencedSeriesSequence = [image], [series]
    frame.FrameOfReferenceUID, frame.RTReferencedStudySequence = "1.2.8", [study]
    data_set.ReferencedFrameOfReferenceSequence = [frame]
    codes = []
    for value, scheme, meaning in (("39607008", "SCT", "Lung"), ("110", "99X", CANARY)):
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
        codes.append(code)
    observation.ReferencedROINumber, observation.RTROIInterpretedType = 3, "ORGAN"
    observation.RTROIIdentificationCodeSequence = codes[:1]
    observation.TherapeuticRoleTypeCodeSequence = codes[1:]
    data_set.RTROIObservationsSequence = [observation]
    return data_set


def save(data_set: Dataset, path: Path, syntax: str = ts.IMPLICIT_LE) -> Path:
    data_set.file_meta.TransferSyntaxUID = UID(syntax)
    data_set.save_as(path, enforce_file_format=True)
    return path


def instance_of(path: Path, syntax: str = ts.IMPLICIT_LE) -> Instance:
    return Instance(
        file=SourceFile(str(path), path.name, path.stat().st_size, 0),
        sop_class_uid="1.2.840.10008.5.1.4.1.1.481.3",
        sop_instance_uid="1.2.9",
        series_uid="1.2.10",
        study_uid="1.2",
        modality="RTSTRUCT",
        transfer_syntax_uid=syntax,
        position=None,
        grid=PlaneGrid(),
        acquisition=Acquisition(),
        values=ValueMapping(),
        pixels=None,
        element=None,
    )


def read(data_set: Dataset, folder: Path, syntax: str = ts.IMPLICIT_LE) -> StructureSet:
    return read_structure_set(instance_of(save(data_set, folder / "rt.dcm", syntax), syntax))


@pytest.mark.parametrize("syntax", [ts.IMPLICIT_LE, ts.EXPLICIT_LE, ts.EXPLICIT_BE, ts.DEFLATED_LE])
def test_a_structure_set_is_read_in_every_encoding(tmp_path, syntax):
    found = read(with_references(make_set(make_contour())), tmp_path, syntax)
    (roi,) = found.rois
    assert (roi.number, roi.name, roi.color) == (3, "Läsion", (255, 128, 0))
    assert (roi.interpreted_type, roi.algorithm) == ("ORGAN", "SEMIAUTOMATIC")
    assert roi.codes == (Code("39607008", "SCT", "Lung"),)
    assert roi.roles == (Code("110", "99X", CANARY),)
    assert roi.frame_of_reference_uid == "1.2.7"
    (contour,) = roi.contours
    assert contour.kind is GeometricType.CLOSED_PLANAR
    assert contour.points.dtype == np.float64
    assert contour.points.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert contour.image_uids == ("1.2.3.4",)
    assert found.frame_of_reference_uids == {"1.2.7", "1.2.8"}
    assert found.series_uids == {"1.2.3"}
    assert found.image_uids == {"1.2.3.4", "1.2.3.5"}
    assert found.problems == ()


def test_no_free_text_shows_in_what_is_printed(tmp_path):
    data_set = with_references(make_set(make_contour()))
    data_set.StructureSetROISequence[0].ROIName = CANARY
    found = read(data_set, tmp_path)
    assert found.rois[0].name == CANARY
    assert CANARY not in repr(found)
    assert "1.2.3" not in repr(found)


def raw_contour(text: bytes, **changes: Any) -> Dataset:
    """Return a contour with coordinates as bytes; they may be no numbers."""
    item = make_contour(**{"ContourData": None, **changes})
    text += b" " * (len(text) % 2)
    tag = Tag("ContourData")
    item[tag] = RawDataElement(
        tag, "DS", len(text), text, 0, is_implicit_VR=True, is_little_endian=True
    )
    return item


BAD = {
    "too many stated": (make_contour(NumberOfContourPoints=4), structure_set.MISCOUNTED),
    "too few stated": (make_contour(NumberOfContourPoints=1), structure_set.MISCOUNTED),
    "absurd number stated": (
        make_contour(NumberOfContourPoints=2147483647),
        structure_set.MISCOUNTED,
    ),
    "no whole triples": (make_contour((1, 2, 3, 4, 5)), structure_set.INCOMPLETE),
    "no points": (raw_contour(b""), structure_set.EMPTY),
    "no data": (make_contour(ContourData=None), structure_set.EMPTY),
    "nan": (raw_contour(b"1\\2\\nan\\4\\5\\6\\7\\8\\9 "), structure_set.NOT_FINITE),
    "infinite": (raw_contour(b"1\\2\\1e999\\4\\5\\6\\7\\8\\9"), structure_set.NOT_FINITE),
    "far away": (raw_contour(b"1\\2\\-1e7\\4\\5\\6\\7\\8\\9 "), structure_set.NOT_FINITE),
    "words": (raw_contour(b"1\\2\\x\\4\\5\\6\\7\\8\\9"), structure_set.NOT_NUMBERS),
    "word at the end": (raw_contour(b"1\\2\\3\\4\\5\\6\\7\\8\\9q"), structure_set.NOT_NUMBERS),
    "comma": (raw_contour(b"1,5\\2\\3\\4\\5\\6\\7\\8\\9"), structure_set.NOT_NUMBERS),
    "a value missing": (raw_contour(b"1\\\\3\\4\\5\\6\\7\\8\\9"), structure_set.NOT_NUMBERS),
    "a value missing at the end": (raw_contour(b"1\\2\\3\\4\\5\\"), structure_set.NOT_NUMBERS),
    "type unknown": (make_contour(ContourGeometricType="SPHERE"), structure_set.UNKNOWN_TYPE),
    "no type": (make_contour(ContourGeometricType=None), structure_set.UNKNOWN_TYPE),
}


@pytest.mark.parametrize(("bad", "reason"), BAD.values(), ids=BAD)
def test_a_bad_contour_is_a_problem_of_its_roi_and_the_others_are_read(tmp_path, bad, reason):
    good = make_contour()
    found = read(make_set(good, bad, bad, good), tmp_path)
    assert len(found.rois[0].contours) == 2
    assert found.problems == (ContourProblem(3, reason, 2),)
    assert found.problems[0].text == f"ROI 3: {reason} (2 times)"


@pytest.mark.parametrize("text", [b" 1 \\ 2\\3 ", b"1\\+2.0E0\\.3e1", b"1\\2\\3\0"])
def test_padded_and_exponential_numbers_are_read(tmp_path, text):
    item = raw_contour(text, NumberOfContourPoints=1, ContourGeometricType="POINT")
    (contour,) = read(make_set(item), tmp_path).rois[0].contours
    assert contour.points.tolist() == [[1, 2, 3]]


def test_a_contour_without_a_stated_number_of_points_is_read(tmp_path):
    found = read(make_set(make_contour(NumberOfContourPoints=None)), tmp_path)
    assert len(found.rois[0].contours) == 1
    assert found.problems == ()


def test_an_offset_vector_is_said_not_to_be_applied(tmp_path):
    items = [make_contour(ContourOffsetVector=v) for v in ([0, 0, 2.5], [0, 0, 0])]
    found = read(make_set(*items), tmp_path)
    assert len(found.rois[0].contours) == 2
    assert found.problems == (ContourProblem(3, structure_set.OFFSET),)


def test_contours_of_an_roi_that_is_described_nowhere_are_read(tmp_path):
    data_set = make_set(make_contour())
    del data_set.StructureSetROISequence
    (roi,) = read(data_set, tmp_path).rois
    assert (roi.number, roi.name, len(roi.contours)) == (3, "", 1)


def test_rois_of_one_number_are_one_and_those_of_none_are_problems(tmp_path):
    data_set = make_set(make_contour())
    again, nameless, drawing = Dataset(), Dataset(), Dataset()
    again.ROINumber, again.ROIName, nameless.ROIName = 3, "Other", "Nameless"
    drawing.ContourSequence = [make_contour()]
    data_set.StructureSetROISequence += [again, nameless]
    data_set.ROIContourSequence.append(drawing)
    found = read(data_set, tmp_path)
    assert [(roi.number, roi.name, len(roi.contours)) for roi in found.rois] == [(3, "Läsion", 1)]
    assert set(found.problems) == {
        ContourProblem(3, structure_set.NAMED_TWICE),
        ContourProblem(None, structure_set.NO_NUMBER, 2),
    }


@pytest.mark.parametrize("color", [[1, 2], None, [300, -4, 7]])
def test_a_colour_is_three_numbers_from_0_to_255(tmp_path, color):
    data_set = make_set(make_contour())
    data_set.ROIContourSequence[0].ROIDisplayColor = color
    expected = (255, 0, 7) if color and len(color) == 3 else None
    assert read(data_set, tmp_path).rois[0].color == expected


def test_a_deflated_bomb_is_refused(tmp_path):
    path = save(make_set(make_contour()), tmp_path / "rt.dcm", ts.DEFLATED_LE)
    head = path.read_bytes()
    head = head[: 144 + int.from_bytes(head[140:144], "little")]
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    path.write_bytes(head + packer.compress(b"\0" * 100_000_000) + packer.flush())
    with pytest.raises(NotDicomError, match=r"^rt\.dcm: .* export it again"):
        read_structure_set(instance_of(path, ts.DEFLATED_LE))


@pytest.mark.parametrize("content", [b"", b"not DICOM at all", b"\0" * 128 + b"DICM\x02\0\0\0UL"])
def test_what_is_no_dicom_is_refused_by_its_name_or_holds_no_roi(tmp_path, content):
    path = tmp_path / "rt.dcm"
    path.write_bytes(content)
    try:
        assert read_structure_set(instance_of(path)).rois == ()
    except NotDicomError as error:
        assert str(error).startswith("rt.dcm: ")  # noqa: PT017 - one of two outcomes


def test_a_missing_file_is_refused(tmp_path):
    path = save(make_set(), tmp_path / "rt.dcm")
    instance = instance_of(path)
    path.unlink()
    with pytest.raises(NotDicomError, match="cannot be read"):
        read_structure_set(instance)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([ts.IMPLICIT_LE, ts.EXPLICIT_LE]))
def test_damaged_files_raise_nothing_else(tmp_path_factory, seed, syntax):
    folder = tmp_path_factory.mktemp("damaged", numbered=True)
    path = save(with_references(make_set(*[make_contour()] * 3)), folder / "rt.dcm", syntax)
    chance, raw = random.Random(seed), bytearray(path.read_bytes())
    for _ in range(chance.randint(1, 6)):
        raw[chance.randrange(132, len(raw))] = chance.choice((0, 1, 255, chance.randrange(256)))
    path.write_bytes(raw[: chance.choice((len(raw), chance.randrange(132, len(raw))))])
    try:
        found = read_structure_set(instance_of(path, syntax))
    except NotDicomError:
        return
    for roi in found.rois:
        assert all(np.isfinite(contour.points).all() for contour in roi.contours)


def test_pydicoms_structure_set_has_its_areas_and_points():
    found = read_structure_set(instance_of(PYDICOM_FILES / "rtstruct.dcm"))
    assert [roi.interpreted_type for roi in found.rois] == ["EXTERNAL", "ISOCENTER", "ISOCENTER"]
    kinds = [[contour.kind.value for contour in roi.contours] for roi in found.rois]
    assert kinds == [["CLOSED_PLANAR"] * 3, ["POINT"], ["POINT"]]
    assert found.problems == ()


@needs_corpus
@pytest.mark.parametrize(
    ("name", "points"),
    [("empty/dummy_rt.dcm", 2104), ("mock_data/rt.dcm", 12)],
)
def test_real_structure_sets_are_read_without_problems(name, points):
    found = read_structure_set(instance_of(CORPUS / RT / name))
    assert sum(len(contour.points) for roi in found.rois for contour in roi.contours) == points
    assert all(contour.image_uids for roi in found.rois for contour in roi.contours)
    assert all(roi.color for roi in found.rois)
    assert found.problems == ()
