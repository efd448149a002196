"""Opening: physical values in spatial order, read on demand."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from tests.data import CORPUS, needs_corpus
from tests.series import CANARY, make_data_set, stored_values, write_series

from napari_dicom_markup import api
from napari_dicom_markup.errors import DecodeError, NothingToOpenError, SourceChangedError


@pytest.fixture
def series(tmp_path):
    return write_series(tmp_path / "dicom")


def test_values_are_hounsfield_units_head_first(series):
    (volume,) = api.open(series).result()
    expected = stored_values()[::-1] - 1024
    assert volume.array.dtype == np.int16
    np.testing.assert_array_equal(np.asarray(volume.array), expected)
    np.testing.assert_array_equal(volume.array[2, 3:5], expected[2, 3:5])


def test_layers_lie_in_millimetres_on_a_grid_that_napari_steps_through_exactly(series):
    (layer,) = api.open_layers(series).result().tuples
    _, meta, kind = layer
    assert kind == "image"
    assert meta["scale"] == pytest.approx((2.5, 0.8, 0.7), abs=1e-9)
    assert meta["translate"] == pytest.approx((-10.0, -20.0, -10.0))
    assert meta["units"] == ("mm", "mm", "mm")
    assert meta["axis_labels"] == ("z", "y", "x")
    assert all((value * 2**30).is_integer() for value in (*meta["scale"], *meta["translate"]))


def test_contrast_limits_are_the_window_and_the_range_is_wide(series):
    ((_, meta, _),) = api.open_layers(series).result().tuples
    assert meta["contrast_limits"] == (40 - 0.5 - 399 / 2, 40 - 0.5 + 399 / 2)
    assert meta["metadata"]["dicom_markup"]["contrast_limits_range"] == [-1024, 3071]


def test_a_declared_range_of_16_bits_leaves_room_on_the_contrast_slider(tmp_path):
    folder = write_series(tmp_path, BitsStored=16, HighBit=15)
    ((data, meta, _),) = api.open_layers(folder).result().tuples
    low, high = meta["metadata"]["dicom_markup"]["contrast_limits_range"]
    assert low == -1024
    assert data[2].max() < high < 2000


def test_the_patient_affine_travels_in_the_metadata(series):
    ((_, meta, _),) = api.open_layers(series).result().tuples
    link = meta["metadata"]["dicom_markup"]
    affine = np.array(link["affine_lps"])
    np.testing.assert_allclose(affine @ (4, 0, 0, 1), (-10, -20, 0, 1))
    assert link["slice_origins_lps"][0] == [-10, -20, 10]


def test_no_layer_tells_who_the_patient_is(series):
    opened = api.open_layers(series).result()
    for data, meta, _ in opened.tuples:
        assert CANARY not in repr((meta, data, data.volume, data.volume.stack.frames))
        assert "Zebra" not in meta["name"]
    assert CANARY not in opened.notice


def test_names_of_several_stacks_are_unique(tmp_path):
    write_series(tmp_path / "a")
    write_series(tmp_path / "b", SeriesInstanceUID="1.2.3.9", FrameOfReferenceUID="1.7")
    names = [meta["name"] for _, meta, _ in api.open_layers(tmp_path).result().tuples]
    assert len(set(names)) == 2


def test_a_gap_is_noticed_once_and_thickness_is_not(tmp_path):
    folder = write_series(tmp_path, SliceThickness=5)
    assert api.open_layers(folder).result().notice == ""
    next(p for p in folder.iterdir() if pydicom.dcmread(p).InstanceNumber == 3).unlink()
    notice = api.open_layers(folder).result().notice
    assert "1 slice of 2.5 mm is missing" in notice
    assert "overlap" not in notice


def test_monochrome1_is_shown_inverted_with_its_values_untouched(tmp_path):
    write_series(tmp_path, PhotometricInterpretation="MONOCHROME1")
    ((data, meta, _),) = api.open_layers(tmp_path).result().tuples
    assert meta["colormap"] == "gray_r"
    np.testing.assert_array_equal(np.asarray(data), stored_values()[::-1] - 1024)


def test_without_a_window_the_limits_come_from_the_middle_slice(tmp_path):
    write_series(tmp_path, WindowCenter=None, WindowWidth=None)
    ((data, meta, _),) = api.open_layers(tmp_path).result().tuples
    low, high = meta["contrast_limits"]
    assert data[2].min() <= low < high <= data[2].max()


def test_a_slope_gives_floats(tmp_path):
    write_series(tmp_path, RescaleSlope=0.5)
    (volume,) = api.open(tmp_path).result()
    assert volume.array.dtype == np.float32
    np.testing.assert_allclose(np.asarray(volume.array), stored_values()[::-1] * 0.5 - 1024)


def test_an_empty_folder_is_a_clear_error(tmp_path):
    with pytest.raises(NothingToOpenError, match="choose a folder that holds DICOM files"):
        api.open(tmp_path).result()


def test_what_is_no_dicom_costs_the_others_nothing(series):
    (series / "notes.txt").write_text("a note")
    (series / "broken.dcm").write_bytes(b"")
    assert len(api.open(series).result()) == 1
    reasons = {one.file.relative: one.reason for one in api.scan(series).result().leftovers}
    assert reasons == {"notes.txt": "not DICOM: text", "broken.dcm": "an empty file"}


def test_a_file_that_went_away_is_named_by_its_relative_name(series):
    (volume,) = api.open(series).result()
    (series / "IM000.dcm").unlink()
    with pytest.raises(SourceChangedError) as caught:
        np.asarray(volume.array)
    assert caught.value.files


def test_equal_names_in_two_folders_are_told_apart(tmp_path):
    write_series(tmp_path / "a")
    write_series(tmp_path / "b", SeriesInstanceUID="1.2.3.9")
    found = api.scan([tmp_path / "a", tmp_path / "b"]).result()
    names = [file.relative for series in found.series for file in series.files]
    assert len(set(names)) == 10
    assert {"1/IM000.dcm", "2/IM000.dcm"} < set(names)


def test_a_time_axis_carries_seconds(tmp_path):
    for t in range(3):
        for k, plane in enumerate(stored_values(4)):
            data = make_data_set(k, plane, SOPInstanceUID=f"1.2.{t}.{k}")
            data.AcquisitionTime = f"1000{10 + 2 * t:02d}"
            data.save_as(tmp_path / f"{t}-{k}.dcm", enforce_file_format=True)
    ((data, meta, _),) = api.open_layers(tmp_path).result().tuples
    assert data.shape == (3, 4, 12, 10)
    assert meta["axis_labels"] == ("t", "z", "y", "x")
    assert meta["units"] == ("s", "mm", "mm", "mm")
    assert meta["scale"][0] == 2.0


@needs_corpus
def test_every_volume_of_the_corpus_reads_or_says_why():
    read = 0
    for folder in sorted(path for path in CORPUS.iterdir() if path.is_dir()):
        for series in api.scan(folder).result().series:
            for stack in series.stacks:
                volume = api.opening.make_volume(series, stack, api.opening.DiskFrames())
                try:
                    values = np.asarray(volume.array)
                except DecodeError as error:
                    assert "JPEG2000-embedded-sequence-delimiter" in str(error)  # noqa: PT017
                    continue
                assert values.shape[: len(stack.shape)] == stack.shape
                read += 1
    assert read > 100


def test_a_stack_whose_middle_cannot_be_decoded_still_opens(tmp_path):
    folder = write_series(tmp_path, WindowCenter=None, WindowWidth=None, RescaleSlope=0.5)
    for path in folder.iterdir():
        data = pydicom.dcmread(path)
        if data.InstanceNumber == 3:
            data.compress(pydicom.uid.RLELossless)
            data.PixelData = pydicom.encaps.encapsulate([b"no RLE at all"])
            data.save_as(path)
    ((array, meta, _),) = api.open_layers(folder).result().tuples
    assert meta["contrast_limits"] == (0.0, 1.0)
    assert array[0].shape == (12, 10)
    with pytest.raises(DecodeError):
        array[2]


def test_a_modality_that_is_none_reaches_no_layer_and_no_tiff(tmp_path):
    with pytest.warns(UserWarning, match="Invalid value"):
        folder = write_series(tmp_path / "dicom", Modality=CANARY)
    ((_, meta, _),) = api.open_layers(folder).result().tuples
    assert CANARY not in repr(meta)
    (bundle,) = api.pack(folder, tmp_path / "out").result().bundles
    assert CANARY.encode() not in bundle.tiffs[0].read_bytes()


def test_a_supplemental_palette_leaves_a_grey_image_grey(tmp_path):
    folder = write_series(tmp_path)
    for path in folder.iterdir():
        data = pydicom.dcmread(path)
        for colour in ("Red", "Green", "Blue"):
            setattr(data, f"{colour}PaletteColorLookupTableDescriptor", [4, 0, 16])
            data[f"{colour}PaletteColorLookupTableDescriptor"].VR = "US"
            setattr(data, f"{colour}PaletteColorLookupTableData", bytes(8))
        data.save_as(path)
    (volume,) = api.open(folder).result()
    np.testing.assert_array_equal(np.asarray(volume.array), stored_values()[::-1] - 1024)


def test_a_link_to_a_folder_is_named_and_not_followed(tmp_path, series):
    (series / "link").symlink_to(tmp_path)
    (left,) = api.scan(series).result().leftovers
    assert (left.file.relative, left.reason) == (
        "link",
        "a link to a folder: give that folder itself",
    )
    assert not left.is_unreadable


def test_any_path_like_thing_is_a_path(series):
    class Place:
        def __fspath__(self):
            return str(series)

    assert len(api.open(Place()).result()) == 1
