"""Paint in the real napari, save through its own menu's code, and open the bundle again."""

from __future__ import annotations

import traceback
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("napari", reason="napari is not installed")

from tests.data import CORPUS, needs_corpus

from napari_dicom_markup import api
from napari_dicom_markup.errors import MarkupError

pytestmark = pytest.mark.gui

PLUGIN = "napari-dicom-markup"


@pytest.fixture
def viewer(make_napari_viewer, phantom):
    """Return a viewer that shows the phantom, with labels made by napari's own button."""
    viewer = make_napari_viewer()
    viewer.open(str(phantom), plugin=PLUGIN)
    viewer._new_labels()
    return viewer


def paint_with_mouse(qtbot, viewer) -> tuple[int, ...]:
    """Drag the brush from the middle of the canvas, and return the voxel that was pressed on."""
    from qtpy.QtCore import QPoint, Qt

    native = viewer.window._qt_viewer.canvas.native
    middle = QPoint(native.width() // 2, native.height() // 2)
    left = Qt.MouseButton.LeftButton
    qtbot.mouseMove(native, middle)
    qtbot.mousePress(native, left, pos=middle)
    voxel = viewer.layers.selection.active.world_to_data(viewer.cursor.position)
    for step in (6, 12, 18):
        qtbot.mouseMove(native, middle + QPoint(step, 0))
    qtbot.mouseRelease(native, left, pos=middle + QPoint(18, 0))
    return tuple(round(float(index)) for index in voxel)


def test_the_brush_paints_where_the_mouse_is_on_the_slice_shown(make_napari_viewer, phantom, qtbot):
    viewer = make_napari_viewer(show=True)
    viewer.open(str(phantom), plugin=PLUGIN)
    viewer._new_labels()
    labels = viewer.layers[-1]
    viewer.dims.set_current_step(0, 9)
    labels.mode, labels.selected_label, labels.brush_size = "paint", 5, 4
    qtbot.wait(100)
    voxel = paint_with_mouse(qtbot, viewer)
    assert voxel[0] == 9
    assert labels.data[voxel] == 5
    assert set(np.unique(labels.data)) == {0, 5}
    assert np.flatnonzero(labels.data.any(axis=(1, 2))).tolist() == [9]


def test_labels_alone_find_their_image_in_the_viewer(viewer, tmp_path):
    labels = viewer.layers[-1]
    labels.paint((9, 60, 60), 3)
    viewer.layers.selection = {labels}
    saved = viewer.layers.save(str(tmp_path / "case.ome.tif"), selected=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["case.dcm-markup", "case.ome.tif"]
    assert set(saved) == {str(path) for path in tmp_path.iterdir()}


def test_image_and_labels_are_saved_together(viewer, tmp_path):
    viewer.layers[-1].paint((9, 60, 60), 3)
    viewer.layers.selection = set(viewer.layers)
    viewer.layers.save(str(tmp_path / "case.ome.tif"), selected=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "case.dcm-markup",
        "case.image.ome.tif",
        "case.ome.tif",
    ]


def test_the_save_dialog_saves_by_the_filter_chosen(viewer, tmp_path, monkeypatch):
    from qtpy.QtWidgets import QFileDialog

    offered = []

    def answer(*_: object, filter: str, **__: object) -> tuple[str, str]:
        offered.extend(filter.split(";;"))
        ours = next(one for one in offered if one.startswith("DICOM markup"))
        return str(tmp_path / "case"), ours

    monkeypatch.setattr(QFileDialog, "getSaveFileName", answer)
    viewer.layers.selection = set(viewer.layers)
    viewer.window._qt_viewer._save_layers_dialog(selected=True)
    title = "DICOM markup labels and originals as OME-TIFF with sidecar"
    assert f"{title} (*.ome.tif *.ome.tiff)" in offered
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "case.dcm-markup",
        "case.image.ome.tif",
        "case.ome.tif",
    ]


def test_our_writer_is_found_for_images_and_labels(viewer):
    from npe2 import PluginManager

    manager = PluginManager.instance()
    for types in (["labels"], ["image", "labels"], ["image", "labels", "labels"]):
        for name in ("case.ome.tif", "case.ome.tiff"):
            writer, path = manager.get_writer(name, types)
            assert (writer.plugin_name, path) == (PLUGIN, name)
    assert manager.get_writer("case.tif", ["labels"])[0].plugin_name != PLUGIN
    first = next(manager.iter_compatible_writers(["image", "labels"]))
    assert first.plugin_name == PLUGIN


def test_a_reopened_bundle_looks_as_it_was_saved(viewer, make_napari_viewer, tmp_path):
    from napari.utils.colormaps import DirectLabelColormap
    from pandas import DataFrame

    labels = viewer.layers[-1]
    labels.paint((9, 60, 60), 3)
    labels.paint((20, 70, 40), 8)
    labels.features = DataFrame({"index": [3, 8], "name": ["liver", "lesion"]})
    labels.colormap = DirectLabelColormap(
        color_dict={3: (1, 0, 0, 1), 8: (0, 1, 0, 1), None: (0, 0, 0, 0)}
    )
    labels.opacity = 0.4
    viewer.layers.save(str(tmp_path / "case.ome.tif"))
    again = make_napari_viewer()
    again.open(str(tmp_path / "case.dcm-markup"), plugin=PLUGIN)
    assert [layer.name for layer in again.layers] == [layer.name for layer in viewer.layers]
    for old, new in zip(viewer.layers, again.layers, strict=True):
        np.testing.assert_array_equal(np.asarray(old.data), np.asarray(new.data))
        np.testing.assert_array_equal(old.scale, new.scale)
        np.testing.assert_array_equal(old.translate, new.translate)
        assert (old.units, old.axis_labels) == (new.units, new.axis_labels)
    assert again.layers[0].contrast_limits == viewer.layers[0].contrast_limits
    assert again.layers[0].contrast_limits_range == viewer.layers[0].contrast_limits_range
    assert again.layers[0].metadata == viewer.layers[0].metadata
    new = again.layers[1]
    assert new.features["name"].tolist() == ["liver", "lesion"]
    assert new.opacity == pytest.approx(0.4)
    for number in (3, 8):
        np.testing.assert_allclose(new.get_color(number), labels.get_color(number))
    new.paint((9, 20, 20), 8)  # painting goes on
    assert new.data[9, 20, 20] == 8


def test_a_reopened_bundle_is_saved_again_from_its_sidecar(
    viewer, phantom, make_napari_viewer, tmp_path
):
    viewer.layers[-1].paint((9, 60, 60), 3)
    viewer.layers.save(str(tmp_path / "case.ome.tif"))
    again = make_napari_viewer()
    again.open(str(tmp_path / "case.dcm-markup"), plugin=PLUGIN)
    again.layers[1].paint((30, 60, 60), 4)
    again.layers.save(str(tmp_path / "case.ome.tif"))
    report = api.verify(tmp_path / "case.dcm-markup", phantom).result()
    assert report.ok
    reopened = api.reopen(tmp_path / "case.dcm-markup").result()
    assert reopened.labels[1][0].data[30, 60, 60] == 4


def test_labels_on_no_dicom_say_what_to_select(make_napari_viewer, tmp_path):
    viewer = make_napari_viewer()
    viewer.add_image(np.zeros((4, 5, 6)))
    labels = viewer.add_labels(np.ones((4, 5, 6), np.uint8))
    viewer.layers.selection = {labels}
    with pytest.raises(MarkupError, match="open the DICOM it was painted on, then select both"):
        viewer.layers.save(str(tmp_path / "case.ome.tif"), selected=True)
    with pytest.raises(MarkupError, match="were not opened from DICOM"):
        viewer.layers.save(str(tmp_path / "case.ome.tif"))
    assert not list(tmp_path.iterdir())


def test_a_failed_save_carries_no_frame_of_the_verb(viewer, tmp_path):
    viewer.layers[-1].data = np.zeros((3, 4, 5), np.uint8)
    viewer.layers.selection = {viewer.layers[-1]}
    with pytest.raises(MarkupError) as caught:
        viewer.layers.save(str(tmp_path / "case.ome.tif"), selected=True)
    files = {Path(frame.filename).name for frame in traceback.extract_tb(caught.tb)}
    assert "_hooks.py" in files
    assert "layers.py" not in files
    assert caught.value.__context__ is None


@needs_corpus
def test_a_real_head_ct_goes_through_the_main_job(make_napari_viewer, tmp_path):
    folder = CORPUS / "Slicer+Slicer" / "Testing" / "Data" / "Input" / "CTHeadAxialDicom"
    viewer = make_napari_viewer()
    (image,) = viewer.open(str(folder), plugin=PLUGIN)
    viewer._new_labels()
    labels = viewer.layers[-1]
    middle = tuple(length // 2 for length in image.data.shape)
    labels.brush_size = 20
    labels.paint(middle, 2)
    viewer.layers.selection = {labels}
    viewer.layers.save(str(tmp_path / "head.ome.tif"), selected=True)
    again = make_napari_viewer()
    opened = again.open(str(tmp_path / "head.dcm-markup"), plugin=PLUGIN)
    np.testing.assert_array_equal(opened[0].data[middle[0]], image.data[middle[0]])
    np.testing.assert_array_equal(opened[1].data, labels.data)
    report = api.verify(tmp_path / "head.dcm-markup", folder).result()
    assert report.ok
    (restored,) = api.restore(tmp_path / "head.dcm-markup", tmp_path / "again").result()
    assert restored.ok
    for path in (path for path in folder.rglob("*") if path.is_file()):
        assert (tmp_path / "again" / path.relative_to(folder)).read_bytes() == path.read_bytes()
