"""Saving layers and opening them again: the same layers, voxels, places, names and colours."""

from __future__ import annotations

import numpy as np
import pytest
from tests.series import write_series

from napari_dicom_markup import api
from napari_dicom_markup.errors import DamagedError, LabelsError, SelectionError


class Cyclic:
    """What napari's cyclic labels colormap looks like to a writer."""

    colors = np.linspace(0, 1, 12).reshape(3, 4)


class Direct:
    """What napari's direct labels colormap looks like to a writer."""

    def __init__(self):
        red, blue = np.array((1, 0, 0, 1)), np.array((0, 0.5, 1, 1))
        self.color_dict = {None: np.zeros(4), 1: red, 300: blue}


@pytest.fixture
def image(tmp_path):
    ((data, meta, kind),) = api.open_layers(write_series(tmp_path / "dicom")).result().tuples
    return data, meta, kind


def painted(image, dtype=np.uint8, **meta):
    """Labels as napari's own button makes them: the image's grid, no link to the DICOM."""
    labels = np.zeros(image[0].shape, dtype)
    labels[..., 1:3, 2:6, 3:7] = 1
    labels[-1, ..., 5, 5] = 2
    grid = {key: image[1][key] for key in ("scale", "translate", "units", "axis_labels")}
    return labels, grid | {"name": "tumour", "metadata": {}} | meta, "labels"


def test_image_and_labels_come_back_as_they_were(tmp_path, image):
    features = {"index": [1, 2], "name": ["liver", "lesion"], "score": [0.5, float("nan")]}
    labels = painted(image, features=features, colormap=Cyclic(), opacity=0.4, visible=False)
    bundle = api.save_layers(tmp_path / "case.ome.tif", [image, labels]).result()
    assert [path.name for path in (*bundle.tiffs, bundle.sidecar)] == [
        "case.ome.tif",
        "case.image.ome.tif",
        "case.dcm-markup",
    ]
    again, again_labels = api.reopen_layers(bundle.sidecar).result().tuples
    np.testing.assert_array_equal(np.asarray(again[0]), np.asarray(image[0]))
    assert again[1] == image[1]
    np.testing.assert_array_equal(again_labels[0], labels[0])
    assert again_labels[0].dtype == labels[0].dtype
    assert again_labels[0].flags.writeable
    for key in ("scale", "translate", "units", "axis_labels", "name", "opacity", "visible"):
        assert again_labels[1][key] == labels[1][key]
    assert again_labels[1]["features"] == features | {"score": [0.5, None]}
    np.testing.assert_array_equal(again_labels[1]["colormap"], np.float32(Cyclic.colors))


def test_direct_colours_come_back(tmp_path, image):
    labels = painted(image, colormap=Direct())
    bundle = api.save_layers(tmp_path / "case", [image, labels]).result()
    colormap = api.reopen_layers(bundle.sidecar).result().tuples[1][1]["colormap"]
    np.testing.assert_allclose(colormap[300], (0, 0.5, 1, 1))
    np.testing.assert_allclose(colormap[None], (0, 0, 0, 0))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int32, np.int64, np.uint64])
def test_labels_of_any_integer_type_come_back_in_it(tmp_path, image, dtype):
    bundle = api.save_layers(tmp_path / "case", [image, painted(image, dtype)]).result()
    again = api.reopen_layers(bundle.sidecar).result().tuples[1][0]
    assert again.dtype == dtype
    np.testing.assert_array_equal(again, painted(image, dtype)[0])


def test_labels_alone_find_their_image_among_the_other_layers(tmp_path, image):
    bundle = api.save_layers(tmp_path / "case", [painted(image)], [image]).result()
    assert [path.name for path in bundle.tiffs] == ["case.ome.tif"]
    kinds = [kind for *_, kind in api.reopen_layers(bundle.tiffs[0]).result().tuples]
    assert kinds == ["image", "labels"]


def test_several_labels_layers_keep_their_order_and_names(tmp_path, image):
    layers = [painted(image, name=name) for name in ("b", "a", "c")]
    bundle = api.save_layers(tmp_path / "case", [image, *layers]).result()
    names = [meta["name"] for _, meta, kind in api.reopen_layers(bundle.sidecar).result().tuples]
    assert names[1:] == ["b", "a", "c"]


def test_labels_without_dicom_say_what_to_select(tmp_path, image):
    stray = (np.zeros((3, 3, 3), np.uint8), {"name": "stray"}, "labels")
    with pytest.raises(SelectionError, match="open the DICOM it was painted on"):
        api.save_layers(tmp_path / "case", [stray], [image]).result()
    assert not list(tmp_path.glob("case*"))


def test_labels_shifted_off_the_grid_are_not_taken_for_ones_on_it(tmp_path, image):
    shifted = painted(image, translate=(0.0, 0.0, 0.0))
    with pytest.raises(SelectionError):
        api.save_layers(tmp_path / "case", [shifted], [image]).result()


def test_an_image_of_another_program_is_refused(tmp_path, image):
    other = (np.zeros((5, 12, 10)), {"name": "other"}, "image")
    with pytest.raises(SelectionError, match="not opened from DICOM"):
        api.save_layers(tmp_path / "case", [other, painted(image)]).result()


def test_two_series_do_not_fit_into_one_bundle(tmp_path, image):
    folder = write_series(
        tmp_path / "other", SeriesInstanceUID="1.2.3.9", FrameOfReferenceUID="1.8"
    )
    other = api.open_layers(folder).result().tuples[0]
    with pytest.raises(SelectionError, match="a bundle holds one"):
        api.save_layers(tmp_path / "case", [image, other]).result()
    with pytest.raises(SelectionError, match="together with the image"):
        api.save_layers(tmp_path / "case", [painted(image)], [image, other]).result()


def test_nothing_selected_says_what_to_select(tmp_path):
    with pytest.raises(SelectionError, match="select the labels"):
        api.save_layers(tmp_path / "case", []).result()


@pytest.mark.parametrize("value", [-1, 2**32])
def test_values_that_no_label_image_holds_are_refused(tmp_path, image, value):
    labels = painted(image, np.int64)
    labels[0][0, 0, 0] = value
    with pytest.raises(LabelsError):
        api.save_layers(tmp_path / "case", [image, labels]).result()
    assert [path.name for path in tmp_path.iterdir()] == ["dicom"]


def test_labels_saved_again_leave_the_originals_as_they_are(tmp_path, image):
    bundle = api.save_layers(tmp_path / "case", [image, painted(image)]).result()
    again, labels = api.reopen_layers(bundle.sidecar).result().tuples
    labels[0][0, 0, 0] = 7
    second = api.save_layers(tmp_path / "case", [again, labels]).result()
    reopened = api.reopen_layers(second.sidecar).result().tuples[1][0]
    assert reopened[0, 0, 0] == 7
    assert api.verify(second.sidecar, tmp_path / "dicom").result().ok


def test_labels_painted_on_a_reopened_bundle_can_be_saved_without_its_image(tmp_path, image):
    bundle = api.save_layers(tmp_path / "case", [image, painted(image)]).result()
    again, labels = api.reopen_layers(bundle.sidecar).result().tuples
    second = api.save_layers(tmp_path / "second", [labels], [again]).result()
    assert api.verify(second.sidecar, tmp_path / "dicom").result().ok


def test_four_dimensional_labels_come_back(tmp_path):
    for t in range(2):
        write_series(tmp_path / "dicom" / f"{t}", TemporalPositionIdentifier=t)
    for t in range(2):
        for path in (tmp_path / "dicom" / f"{t}").iterdir():
            _renumber(path, t)
    ((data, meta, kind),) = api.open_layers(tmp_path / "dicom").result().tuples
    image = (data, meta, kind)
    assert data.shape == (2, 5, 12, 10)
    labels = painted(image)
    spatial = (np.ones((5, 12, 10), np.uint8), _spatial(labels[1]), "labels")
    bundle = api.save_layers(tmp_path / "case", [image, labels, spatial]).result()
    _, again, still = api.reopen_layers(bundle.sidecar).result().tuples
    np.testing.assert_array_equal(again[0], labels[0])
    assert still[0].shape == (5, 12, 10)
    assert still[1]["scale"] == meta["scale"][1:]


def _renumber(path, t):
    import pydicom

    data = pydicom.dcmread(path)
    data.SOPInstanceUID = f"{data.SOPInstanceUID}.{t}"
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.save_as(path)


def _spatial(meta):
    keys = ("scale", "translate", "units", "axis_labels")
    return meta | {key: meta[key][1:] for key in keys} | {"name": "still"}


def test_labels_that_another_program_changed_are_taken_and_said(tmp_path, image):
    import tifffile

    bundle = api.save_layers(tmp_path / "case", [image, painted(image)]).result()
    changed = painted(image)[0]
    changed[0, 0, 0] = 9
    tifffile.imwrite(bundle.tiffs[0], changed)
    opened = api.reopen_layers(bundle.sidecar).result()
    np.testing.assert_array_equal(opened.tuples[1][0], changed)
    assert "changed by another program" in opened.notice


def test_labels_of_another_shape_are_refused_with_the_reason(tmp_path, image):
    import tifffile

    bundle = api.save_layers(tmp_path / "case", [image, painted(image)]).result()
    tifffile.imwrite(bundle.tiffs[0], np.zeros((3, 3, 3), np.uint8))
    with pytest.raises((LabelsError, DamagedError), match=r"case\.ome\.tif"):
        api.reopen_layers(bundle.sidecar).result()


def test_a_renamed_tiff_still_finds_its_sidecar(tmp_path, image):
    bundle = api.save_layers(tmp_path / "case", [image, painted(image)]).result()
    renamed = bundle.tiffs[0].rename(tmp_path / "other.ome.tif")
    assert api.find_sidecar(renamed) == bundle.sidecar


def test_a_tiff_without_sidecar_says_what_is_missing(tmp_path, image):
    bundle = api.save_layers(tmp_path / "case", [image, painted(image)]).result()
    bundle.sidecar.unlink()
    with pytest.raises(DamagedError, match="has no sidecar"):
        api.reopen_layers(bundle.tiffs[0]).result()


def test_one_stack_of_several_can_be_saved_and_the_others_are_kept(tmp_path):
    write_series(tmp_path / "dicom" / "a")
    for path in write_series(tmp_path / "dicom" / "b", PixelSpacing=[1, 1]).iterdir():
        _renumber(path, 9)
    first, second = api.open_layers(tmp_path / "dicom").result().tuples
    bundle = api.save_layers(tmp_path / "case", [painted(second)], [first, second]).result()
    assert [path.name for path in bundle.tiffs] == ["case.s2.ome.tif"]
    kinds = [kind for *_, kind in api.reopen_layers(bundle.sidecar).result().tuples]
    assert kinds == ["image", "image", "labels"]
    assert api.verify(bundle.sidecar, tmp_path / "dicom").result().ok


def test_a_series_opened_twice_from_different_files_is_two(tmp_path):
    write_series(tmp_path / "dicom" / "a")
    for path in write_series(tmp_path / "dicom" / "b", PixelSpacing=[1, 1]).iterdir():
        _renumber(path, 9)
    both = api.open_layers(tmp_path / "dicom").result().tuples
    (alone,) = api.open_layers(tmp_path / "dicom" / "b").result().tuples
    with pytest.raises(SelectionError, match="opened twice"):
        api.save_layers(tmp_path / "case", [both[0], painted(both[0]), alone]).result()
    again = api.open_layers(tmp_path / "dicom").result().tuples
    bundle = api.save_layers(tmp_path / "case", [both[0], painted(again[0])], again).result()
    assert api.verify(bundle.sidecar, tmp_path / "dicom").result().ok


def test_labels_that_are_turned_do_not_lie_on_the_image(tmp_path, image):
    affine = np.eye(4)
    affine[1:3, 1:3] = [[0, 1], [-1, 0]]
    with pytest.raises(SelectionError):
        api.save_layers(tmp_path / "case", [painted(image, affine=affine)], [image]).result()
    plain = painted(image, affine=np.eye(4), rotate=np.eye(3), shear=np.zeros(3))
    assert api.save_layers(tmp_path / "case", [plain], [image]).result().files == 5


def test_a_copied_layer_is_still_the_series(tmp_path, image):
    import copy

    twin = (copy.deepcopy(image[0]), image[1], "image")
    assert api.save_layers(tmp_path / "case", [twin, painted(image)]).result().files == 5


def test_a_tiff_is_opened_with_the_sidecar_of_its_own_bundle(tmp_path, image):
    other = api.open_layers(write_series(tmp_path / "b", SeriesInstanceUID="1.2.3.9")).result()
    api.save_layers(tmp_path / "case", [other.tuples[0]]).result()
    bundle = api.save_layers(tmp_path / "z", [painted(image)], [image]).result()
    renamed = bundle.tiffs[0].rename(tmp_path / "case.v2.ome.tif")
    assert api.find_sidecar(renamed) == bundle.sidecar
    assert api.find_sidecar(tmp_path / "case.image.ome.tif") == tmp_path / "case.dcm-markup"
    shouted = bundle.sidecar.rename(tmp_path / "Z.DCM-MARKUP")
    assert api.find_sidecar(shouted) == shouted
