"""The panel about an image: it follows the viewer, sets windows, makes SUV, and names nobody."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("napari", reason="napari is not installed")

from qtpy.QtWidgets import QFileDialog
from tests import showcases

from napari_dicom_markup import api

if TYPE_CHECKING:
    from pathlib import Path

    from napari_dicom_markup.widgets.inspector import InspectorPanel

pytestmark = pytest.mark.gui

PLUGIN = "napari-dicom-markup"


@pytest.fixture(scope="session")
def objects(tmp_path_factory) -> Path:
    """Return a folder with the showcases; no test changes them."""
    folder = tmp_path_factory.mktemp("showcases")
    showcases.write(showcases.slices(), folder / "ct")
    showcases.write_tilted(folder / "tilted")
    showcases.write_diffusion(folder / "diffusion")
    showcases.write_pet(folder / "pet")
    showcases.write_structures(folder / "rt.dcm")
    return folder


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer()


@pytest.fixture
def panel(viewer) -> InspectorPanel:
    _, panel = viewer.window.add_plugin_dock_widget(PLUGIN, "DICOM image")
    return panel


def open_in(viewer, path: Path) -> list:
    return viewer.open(str(path), plugin=PLUGIN)


def choose(combo, word: str) -> None:
    """Choose the first entry with a word in it as a user does."""
    row = next(row for row in range(combo.count()) if word in combo.itemText(row))
    combo.setCurrentIndex(row)
    combo.activated.emit(row)


def is_shown(widget) -> bool:
    return not widget.isHidden()


def test_without_an_image_of_ours_the_panel_says_what_to_select(viewer, panel):
    assert panel.title.text() == "Select an image that was opened by DICOM markup."
    assert not any(map(is_shown, panel._about_image))
    viewer.add_image(np.zeros((4, 5, 6)))
    viewer.add_labels(np.zeros((4, 5, 6), np.uint8))
    assert panel.layer is None
    assert not panel.contours_button.isEnabled()


def test_the_panel_follows_the_selection(viewer, panel, objects):
    (tilted,) = open_in(viewer, objects / "tilted")
    assert panel.layer == tilted
    assert all(map(is_shown, panel._about_image))
    assert "tilted by 14.0°" in panel.reports.text()
    assert "at 21.25, 18.75 mm" in panel.reports.text()
    (pet,) = open_in(viewer, objects / "pet")
    assert panel.layer == pet
    assert panel.reports.text() == "Nothing unusual was found."
    viewer.layers.selection = {tilted}
    assert panel.title.text() == tilted.name
    assert panel.geometry.texts["Slices"] == "every 2.5 mm: positions"
    foreign = viewer.add_image(np.zeros((4, 5, 6)))
    assert panel.layer is None
    viewer.layers.selection = {tilted}
    viewer.layers.remove(foreign)
    viewer.layers.clear()
    assert panel.layer is None
    assert panel.title.text().startswith("Select an image")


def test_labels_leave_the_image_they_are_painted_on_in_the_panel(viewer, panel, objects):
    (image,) = open_in(viewer, objects / "tilted")
    viewer._new_labels()
    assert panel.layer == image
    assert not is_shown(panel._segments_box)


def test_the_panel_follows_the_sliders(viewer, panel, objects):
    open_in(viewer, objects / "diffusion")
    viewer.dims.set_current_step(0, 3)
    viewer.dims.set_current_step(1, 3)
    assert panel.here.texts["Slice"] == "4 of 20"
    assert panel.here.texts["Position"] == "R 50.8, A 50.8, S 33.75 mm (first pixel)"
    assert panel.here.texts["b"].startswith("1000 s/mm² (4 of 5); direction 1, 0, 0")
    viewer.dims.set_current_step(0, 0)
    assert panel.here.texts["b"].startswith("0 s/mm² (1 of 5)")
    viewer.dims.ndisplay = 3
    assert panel.here.texts["Slice"] == "all 20"
    assert "b" in panel.here.texts


def test_rolled_axes_show_no_slice(viewer, panel, objects):
    open_in(viewer, objects / "tilted")
    viewer.dims.roll()
    assert panel.here.texts == {"Slice": "all 38"}


def test_every_slice_is_found_beside_a_layer_in_other_units(viewer, panel, objects):
    open_in(viewer, objects / "tilted")
    viewer.add_points(np.zeros((1, 3)), units="um")
    viewer.layers.selection = {viewer.layers[0]}
    assert str(viewer.dims.units[0]) == "micrometer"
    for number in (0, 17, 37):
        viewer.dims.set_point(0, 1000 * (viewer.layers[0].translate[0] + 2.5 * number))
        assert panel.here.texts["Slice"] == f"{number + 1} of 38"


def test_an_image_beside_a_longer_one_says_where_it_ends(viewer, panel, objects):
    (tilted,) = open_in(viewer, objects / "tilted")
    viewer.add_points([[500, 0, 0]], units="mm")
    viewer.layers.selection = {tilted}
    viewer.dims.set_point(0, 500)
    assert panel.here.texts == {"Here": "outside of this image"}


def test_a_window_sets_the_contrast_limits(viewer, panel, objects):
    (image,) = open_in(viewer, objects / "tilted")
    looks = panel.values.looks
    assert looks.currentText() == "as opened"
    choose(looks, "window 2")
    assert image.contrast_limits == [-450, 1049]
    assert looks.currentText() == "window 2 (-450 to 1049)"
    choose(looks, "full range")
    assert image.contrast_limits == [-1024, 3071]
    image.contrast_limits = (-450, 1049)
    assert looks.currentText() == "window 2 (-450 to 1049)"
    image.contrast_limits = (1, 2)
    assert looks.currentIndex() == -1
    choose(looks, "window 1")
    assert looks.currentText() == "window 1 (0 to 79)"


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
def test_a_curve_becomes_a_colormap_and_goes_with_the_next_window(
    viewer, panel, tmp_path, photometric
):
    def edit(data, k):
        data.PhotometricInterpretation, data.VOILUTFunction = photometric, "SIGMOID"
        data.WindowCenterWidthExplanation = [showcases.CANARY] * 2

    (image,) = open_in(viewer, showcases.write(showcases.slices(edit), tmp_path / "dicom"))
    inverted = photometric == "MONOCHROME1"
    assert image.colormap.name == ("gray_r" if inverted else "gray")
    choose(panel.values.looks, showcases.CANARY)
    low, high = image.colormap.map([0.0, 1.0])[:, 0]
    assert (low > high) == inverted
    assert image.colormap.name.startswith("VOI curve")
    assert showcases.CANARY not in image.colormap.name
    choose(panel.values.looks, "full range")
    assert image.colormap.name == ("gray_r" if inverted else "gray")


def test_a_colormap_of_the_users_stays_with_a_plain_window(viewer, panel, objects):
    (image,) = open_in(viewer, objects / "pet")
    image.colormap = "magma"
    choose(panel.values.looks, "full range")
    assert image.colormap.name == "magma"


def make_suv(qtbot, panel, word: str) -> None:
    with qtbot.waitSignal(panel.run.ended, timeout=20_000):
        choose(panel.values.kinds, word)


def test_pet_is_shown_as_suv_and_back(viewer, panel, objects, qtbot):
    (image,) = open_in(viewer, objects / "pet")
    stated, limits = image.data[20], image.contrast_limits
    assert is_shown(panel.values.kinds)
    make_suv(qtbot, panel, "body weight")
    np.testing.assert_allclose(image.data[20], stated / 2500, rtol=1e-5)
    np.testing.assert_allclose(viewer.layers[0].data[20], stated / 2500, rtol=1e-5)
    assert image.contrast_limits[1] < 20
    assert panel.values.facts.texts["Values"].startswith("g/ml (SUV BW)")
    assert panel.values.kinds.currentText() == "SUV by body weight"
    assert panel.values.looks.currentText() == "as opened"
    assert image.metadata["dicom_markup"]["unit"] == "g/ml (SUV BW)"
    make_suv(qtbot, panel, "as stated")
    np.testing.assert_array_equal(image.data[20], stated)
    assert image.contrast_limits == limits


def test_labels_on_suv_are_saved_with_their_originals(viewer, panel, objects, qtbot, tmp_path):
    open_in(viewer, objects / "pet")
    make_suv(qtbot, panel, "body weight")
    viewer._new_labels()
    viewer.layers[-1].paint((9, 60, 60), 3)
    viewer.layers.save(str(tmp_path / "case.ome.tif"))
    assert api.verify(tmp_path / "case.dcm-markup", objects / "pet").result().ok
    again = api.reopen(tmp_path / "case.dcm-markup").result()
    assert again.labels[1][0].data[9, 60, 60] == 3


def test_what_suv_lacks_is_one_line_and_changes_nothing(viewer, panel, tmp_path, qtbot, notices):
    (image,) = open_in(viewer, showcases.write_pet(tmp_path / "pet", PatientWeight=None))
    before = image.data
    make_suv(qtbot, panel, "body weight")
    (notice,) = notices
    assert "PatientWeight is missing" in notice.message
    assert "\n" not in notice.message
    assert not hasattr(notice, "exception")
    assert image.data is before
    assert panel.values.kinds.currentText().startswith("as stated")
    assert panel.values.kinds.isEnabled()


def test_other_images_have_no_choice_of_values(viewer, panel, objects):
    open_in(viewer, objects / "tilted")
    assert not is_shown(panel.values.kinds)


def test_contours_become_shapes_over_the_image(viewer, panel, objects, qtbot, monkeypatch):
    (image,) = open_in(viewer, objects / "ct")
    answer = (str(objects / "rt.dcm"), "")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_, **__: answer)
    with qtbot.waitSignal(panel.run.ended, timeout=20_000):
        panel.contours_button.click()
    shapes = viewer.layers[-1]
    assert shapes.name == "RTSTRUCT 1 contours"
    np.testing.assert_array_equal(shapes.scale, image.scale)
    values = np.asarray(image.data)
    hu = (60, 5, 300)
    for outline, roi in zip(shapes.data, shapes.features["roi"], strict=True):
        world = np.array([shapes.data_to_world(point) for point in outline])
        middle = np.rint(image.world_to_data(world.mean(axis=0))).astype(int)
        assert abs(int(values[tuple(middle)]) - hu[roi - 1]) < 40  # six sigma of its noise
    assert panel.layer == image


def test_contours_without_their_images_are_a_notification(viewer, panel, objects, qtbot, notices):
    open_in(viewer, objects / "pet")
    viewer.layers[0].data = np.zeros((40, 128, 128))
    with qtbot.waitSignal(panel.run.ended, timeout=20_000):
        panel.open_contours(objects / "rt.dcm")
    assert "images that it refers to are not here" in notices[-1].message


@pytest.fixture(scope="session")
def segmentation(objects) -> Path:
    pytest.importorskip("highdicom")
    return showcases.write_segmentation(objects / "seg.dcm")


@pytest.mark.parametrize("kind", ["SEG", "RTSTRUCT"])
def test_what_is_dropped_on_its_open_images_adds_labels(
    viewer, panel, objects, request, kind, notices
):
    path = objects / "rt.dcm"
    if kind == "SEG":
        path = request.getfixturevalue("segmentation")
    (image,) = open_in(viewer, objects / "ct")
    viewer.window._qt_viewer._qt_open([str(path)], stack=False, plugin=PLUGIN)
    assert [type(layer).__name__ for layer in viewer.layers] == ["Image", "Labels"]
    labels = viewer.layers[-1]
    assert labels.name == f"{kind} 1"
    assert not notices
    for number, (_, centre, radius) in enumerate(showcases.BALLS, start=1):
        whole = showcases.inside(centre, radius)
        own = labels.data == number
        share = np.count_nonzero(whole & own) / np.count_nonzero(whole | own)
        assert share > (0.999 if kind == "SEG" else 0.85)
        at = np.argwhere(own).mean(axis=0)
        x, y, z = showcases.place_of(centre)
        np.testing.assert_allclose(labels.data_to_world(at), (-z, y, x), atol=0.3)
        np.testing.assert_allclose(image.data_to_world(at), labels.data_to_world(at), atol=1e-9)


def test_segments_are_listed_and_a_row_selects_its_label(viewer, panel, objects):
    open_in(viewer, objects / "ct")
    open_in(viewer, objects / "rt.dcm")
    labels = viewer.layers[-1]
    viewer.layers.selection = {labels}
    assert is_shown(panel._segments_box)
    names = [panel.segments.item(row, 1).text() for row in range(panel.segments.rowCount())]
    assert names == [f"{name} {showcases.CANARY}" for name, _, _ in showcases.BALLS]
    panel.segments.selectRow(1)
    assert labels.selected_label == 2
    viewer.layers.selection = {viewer.layers[0]}
    assert not is_shown(panel._segments_box)


def test_a_file_that_is_gone_is_told_without_traceback(viewer, panel, tmp_path, notices):
    folder = showcases.write_tilted(tmp_path / "dicom")
    (image,) = open_in(viewer, folder)
    viewer.layers.selection.clear()
    for path in folder.iterdir():
        path.unlink()
    image.name = "another name"
    assert panel.title.text() == "another name"
    assert len(notices) == 1  # of opening


def test_no_name_of_a_patient_leaves_the_panel(viewer, panel, objects, qtbot, notices, caplog):
    from napari.settings import get_settings

    open_in(viewer, objects / "ct")
    open_in(viewer, objects / "rt.dcm")
    with qtbot.waitSignal(panel.run.ended, timeout=20_000):
        panel.open_contours(objects / "rt.dcm")
    told = [layer.name for layer in viewer.layers]
    told += [notice.message for notice in notices]
    told += [get_settings().model_dump_json(), caplog.text, repr(panel), viewer.title]
    assert len(viewer.layers) == 3
    assert "Zebra" not in "\n".join(told)


def test_a_closed_panel_lets_the_viewer_go_on(viewer, objects, qtbot):
    dock, panel = viewer.window.add_plugin_dock_widget(PLUGIN, "DICOM image")
    (image,) = open_in(viewer, objects / "tilted")
    followers = len(viewer.dims.events.point.callbacks)
    viewer.window.remove_dock_widget(dock)
    panel.deleteLater()
    qtbot.wait(50)
    del dock, panel
    gc.collect()
    assert len(viewer.dims.events.point.callbacks) == followers - 1
    viewer.dims.set_current_step(0, 3)
    image.contrast_limits = (0, 10)
    viewer.layers.clear()


def test_the_panel_is_in_the_menus(make_napari_viewer):
    from napari._app_model import get_app_model

    make_napari_viewer()
    titles = [
        item.command.title
        for item in get_app_model().menus.get_menu("napari/layers/metadata")
        if hasattr(item, "command")
    ]
    assert "DICOM image (DICOM markup)" in titles


def test_a_contour_that_crosses_itself_is_drawn_and_kept_out_of_temporary_files(
    viewer, panel, objects, qtbot, tmp_path, monkeypatch, notices
):
    import tempfile

    import pydicom

    data = pydicom.dcmread(objects / "rt.dcm")
    noise = np.random.default_rng(1).normal(0, 9, (200, 2)) + 10
    for drawn in data.ROIContourSequence:
        for item in drawn.ContourSequence:
            points = np.column_stack([noise, np.full(200, item.ContourData[2])])
            item.ContourData, item.NumberOfContourPoints = np.round(points, 2).ravel().tolist(), 200
    data.save_as(tmp_path / "rt.dcm")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    open_in(viewer, objects / "ct")
    with qtbot.waitSignal(panel.run.ended, timeout=20_000):
        panel.open_contours(tmp_path / "rt.dcm")
    assert len(viewer.layers) == 2
    assert len(viewer.layers[-1].data) == 18
    assert not list((tmp_path / "temporary").iterdir())
    assert not notices
