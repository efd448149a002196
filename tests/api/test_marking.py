"""Labels go to the images that they were drawn on, or to the ones that hold most of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import UID
from tests.segmentations import make_segmentation, make_sources
from tests.sources.dicom.test_structure_set import make_contour, make_set

from napari_dicom_markup import api
from napari_dicom_markup.standard import transfer_syntax as ts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydicom import Dataset

    from napari_dicom_markup.api import Markup

BY_FRAME = "placed on them by its Frame of Reference"


def make_series(uid: str, slices: int = 6, shift: float = 0.0, **options: Any) -> list[Dataset]:
    """Return axial CT slices with UIDs of their own, moved up by ``shift`` mm."""
    made = make_sources(slices, orientation=options.pop("orientation", "axial"), **options)
    for k, data in enumerate(made):
        data.SeriesInstanceUID, data.SOPInstanceUID = uid, f"{uid}.{k + 1}"
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        x, y, z = data.ImagePositionPatient
        data.ImagePositionPatient = [x, y, z + shift]
    return made


def save(folder: Path, *sets: Dataset) -> Path:
    """Write data sets under names that say nothing."""
    folder.mkdir(exist_ok=True)
    for data in sets:
        path = folder / f"{len(list(folder.iterdir()))}.dcm"
        data.save_as(path, implicit_vr=False, little_endian=True, enforce_file_format=True)
    return folder


def contour_on(source: Dataset) -> Dataset:
    """Return a contour around the pixels of rows 1, 2 and columns 1 to 3, which names its image."""
    x, y, z = (float(value) for value in source.ImagePositionPatient)
    left, right, top, bottom = x + 0.35, x + 0.35 + 3 * 0.7, y + 0.4, y + 0.4 + 2 * 0.8
    contour = make_contour([left, top, z, right, top, z, right, bottom, z, left, bottom, z])
    contour.ContourImageSequence[0].ReferencedSOPInstanceUID = source.SOPInstanceUID
    return contour


def structures_on(drawn: Sequence[Dataset], named: Sequence[Dataset] = ()) -> Dataset:
    """Return a structure set with a contour on each of some slices, which names others too."""
    points = make_contour([0, 0, 9000.0], ContourGeometricType="POINT")
    images = []
    for source in named:
        image = pydicom.Dataset()
        image.ReferencedSOPClassUID = source.SOPClassUID
        image.ReferencedSOPInstanceUID = source.SOPInstanceUID
        images.append(image)
    points.ContourImageSequence = images
    extra = [points] if images else []
    data_set = make_set(*map(contour_on, drawn), *extra, number=1)
    frame = pydicom.Dataset()
    frame.FrameOfReferenceUID = "1.2.3.3"
    data_set.ReferencedFrameOfReferenceSequence = [frame]
    data_set.StructureSetROISequence[0].ReferencedFrameOfReferenceUID = "1.2.3.3"
    data_set.SeriesInstanceUID, data_set.StudyInstanceUID = "1.2.99", "1.2"
    data_set.file_meta.TransferSyntaxUID = UID(ts.EXPLICIT_LE)
    return data_set


def segments_of(sources: Sequence[Dataset]) -> Dataset:
    """Return a segmentation with k + 1 voxels on slice k."""
    pixels = np.zeros((len(sources), 6, 7), np.uint8)
    for k, plane in enumerate(pixels):
        plane.flat[: k + 1] = 1
    return make_segmentation(sources, pixels)


def split(sources: list[Dataset], at: int) -> list[Dataset]:
    """Make the slices from one on a stack of their own."""
    for data in sources[at:]:
        data.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    return sources


def marks(markup: Markup) -> dict[str, int]:
    """Return how many voxels are marked on each image, by its SOP Instance UID."""
    assert markup.volume is not None
    (labels,) = markup.labels
    counts = np.count_nonzero(np.asarray(labels.data), axis=(1, 2)).tolist()
    frames = markup.volume.stack.frames
    return {f.sop_instance_uid: n for f, n in zip(frames, counts, strict=True) if n}


def marked(folder: Path) -> list[Markup]:
    return list(api.open_markup(folder).result())


@pytest.mark.parametrize("uids", [("1.2.5", "1.2.6"), ("1.2.6", "1.2.5")])
def test_contours_lie_on_the_series_most_of_whose_images_are_named(tmp_path, uids):
    own = make_series(uids[0])
    other = make_series(uids[1], slices=30, step=0.5)
    (markup,) = marked(save(tmp_path, *own, *other, structures_on(own[1:4], named=other[:1])))
    assert marks(markup) == {data.SOPInstanceUID: 6 for data in own[1:4]}
    assert not any(BY_FRAME in note for note in markup.notes)


def test_contours_without_their_images_lie_where_most_of_them_are_held(tmp_path):
    twin = make_series("1.2.6")
    sagittal = make_series("1.2.5", slices=40, orientation="sagittal", step=0.5)
    absent = make_series("1.2.7")
    (markup,) = marked(save(tmp_path, *sagittal, *twin, structures_on(absent[1:4])))
    assert marks(markup) == {data.SOPInstanceUID: 6 for data in twin[1:4]}
    assert BY_FRAME in markup.notes[0]


def test_a_localizer_that_is_named_does_not_keep_contours_from_images_that_hold_them(tmp_path):
    twin, absent = make_series("1.2.6"), make_series("1.2.7")
    localizer = make_series("1.2.5", slices=1, orientation="sagittal")
    (markup,) = marked(save(tmp_path, *twin, *localizer, structures_on(absent[1:3], localizer)))
    assert set(marks(markup)) == {data.SOPInstanceUID for data in twin[1:3]}


def test_contours_that_lie_on_no_slice_still_say_so(tmp_path):
    absent, here = make_series("1.2.7", shift=500.0), make_series("1.2.6")
    (markup,) = marked(save(tmp_path, *here, structures_on(absent[1:3])))
    assert markup.labels == ()
    assert "ROI 1: 2 of 2 contours lie out of the volume, and are not drawn" in markup.notes


def test_contours_of_a_series_of_two_stacks_lie_on_both(tmp_path):
    own = split(make_series("1.2.5"), at=4)
    drawn = own[1:]
    found = marked(save(tmp_path, *own, structures_on(drawn)))
    assert [marks(markup) for markup in found] == [
        {data.SOPInstanceUID: 6 for data in own[1:4]},
        {data.SOPInstanceUID: 6 for data in own[4:]},
    ]
    assert [markup.notes[0].split(" are")[0] for markup in found] == [
        "3 of 5 contours",
        "2 of 5 contours",
    ]
    assert all(len(markup.notes) == 1 for markup in found)
    names = [labels.style.name for markup in found for labels in markup.labels]
    assert names == ["RTSTRUCT 1", "RTSTRUCT 2"]


def test_contours_on_the_smaller_stack_of_a_series_alone_are_one_markup(tmp_path):
    own = split(make_series("1.2.5"), at=4)
    (markup,) = marked(save(tmp_path, *own, structures_on(own[4:], named=own)))
    assert set(marks(markup)) == {data.SOPInstanceUID for data in own[4:]}


def test_a_segmentation_of_a_series_of_two_stacks_lies_on_both(tmp_path):
    own = split(make_series("1.2.5"), at=4)
    found = marked(save(tmp_path, *own, segments_of(own)))
    assert [marks(markup) for markup in found] == [
        {own[k].SOPInstanceUID: k + 1 for k in (3, 2, 1, 0)},
        {own[k].SOPInstanceUID: k + 1 for k in (5, 4)},
    ]
    assert [markup.notes[0].split(" are")[0] for markup in found] == [
        "4 of 6 frames",
        "2 of 6 frames",
    ]
    names = [labels.style.name for markup in found for labels in markup.labels]
    assert names == ["SEG 1", "SEG 2"]
    layers = api.open_layers(tmp_path).result().tuples
    assert [layer[2] for layer in layers] == ["image", "image", "labels", "labels"]


@pytest.mark.parametrize("uids", [("1.2.5", "1.2.6"), ("1.2.6", "1.2.5")])
def test_a_segmentation_without_its_images_lies_where_its_planes_are(tmp_path, uids):
    twin = make_series(uids[0])
    between = make_series(uids[1], slices=9, shift=1.25)
    absent = make_series("1.2.7")
    (markup,) = marked(save(tmp_path, *between, *twin, segments_of(absent)))
    assert marks(markup) == {data.SOPInstanceUID: k + 1 for k, data in enumerate(twin)}
    assert markup.notes == (f"it names none of these images: it was {BY_FRAME}",)


def test_a_segmentation_that_fits_none_of_several_series_says_why(tmp_path):
    one, two = make_series("1.2.5", shift=1.25), make_series("1.2.6", shift=1.25)
    (markup,) = marked(save(tmp_path, *one, *two, segments_of(make_series("1.2.7"))))
    assert markup.volume is None
    assert "it does not fit these images: 6 frames lie in none" in markup.notes[0]


def test_markup_without_images_says_what_to_open(tmp_path):
    absent = make_series("1.2.7")
    found = marked(save(tmp_path, segments_of(absent), structures_on(absent)))
    assert [markup.volume for markup in found] == [None, None]
    assert all("open them together with it" in markup.notes[0] for markup in found)


def test_polygons_of_two_stacks_are_on_their_own_stack(tmp_path):
    own = split(make_series("1.2.5"), at=4)
    folder = save(tmp_path, *own, structures_on(own[3:]))
    found = api.open_markup(folder, contours=True).result()
    assert [sum(len(one.data) for one in markup.polygons) for markup in found] == [2, 1]
