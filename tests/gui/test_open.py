"""Open DICOM in the real napari: order, geometry, values, menus, and what is declined."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

pytest.importorskip("napari", reason="napari is not installed")

from napari_dicom_markup.core.phantom import SPACING_MM, phantom_values
from napari_dicom_markup.errors import MarkupError

pytestmark = pytest.mark.gui

PLUGIN = "napari-dicom-markup"
MENU = "napari/file/io_utilities"


def run(command: str) -> None:
    """Run a command as its menu item does."""
    from napari._app_model import get_app_model

    get_app_model().commands.execute_command(f"{PLUGIN}.{command}").result()


def choose(monkeypatch: pytest.MonkeyPatch, path: object) -> None:
    """Answer every file dialog with a path; an empty one cancels it."""
    from qtpy.QtWidgets import QFileDialog

    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_, **__: str(path))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_, **__: (str(path), ""))
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_, **__: ([str(path)], ""))


def test_a_folder_opens_in_millimetres_with_its_window_and_whole_range(make_napari_viewer, phantom):
    viewer = make_napari_viewer()
    (layer,) = viewer.open(str(phantom), plugin=PLUGIN)
    np.testing.assert_allclose(layer.scale, SPACING_MM, atol=1e-9)
    np.testing.assert_allclose(layer.translate, (-48.75, -50.8, -50.8), atol=1e-9)
    assert [str(unit) for unit in layer.units] == ["millimeter"] * 3
    assert layer.axis_labels == ("z", "y", "x")
    assert layer.contrast_limits == [0, 79]  # centre 40, width 80 (PS3.3 C.11.2.1.2)
    assert layer.contrast_limits_range == [-1024, 3071]
    assert layer.data.dtype == np.int16
    assert layer.source.reader_plugin == PLUGIN


def test_every_slice_is_reached_and_is_the_right_one_head_first(make_napari_viewer, phantom):
    viewer = make_napari_viewer()
    (layer,) = viewer.open(str(phantom), plugin=PLUGIN)
    values = phantom_values()
    assert viewer.dims.nsteps[0] == len(values)
    for number, plane in enumerate(values):
        viewer.dims.set_current_step(0, number)
        np.testing.assert_array_equal(layer._slice.image.raw, plane)
    heights = [z for _, _, z in layer.metadata["dicom_markup"]["slice_origins_lps"]]
    assert heights == sorted(heights, reverse=True)


def test_the_three_dimensional_view_is_no_mirror_image(make_napari_viewer, phantom):
    viewer = make_napari_viewer(ndisplay=3)
    (layer,) = viewer.open(str(phantom), plugin=PLUGIN)
    affine = np.array(layer.metadata["dicom_markup"]["affine_lps"])
    # LPS is right-handed: so slice, row and column must be, as the camera shows z, y and x.
    assert viewer.scene.camera.handedness == "right"
    assert np.linalg.det(affine[:3, :3]) > 0
    assert (layer.scale > 0).all()
    np.testing.assert_array_equal(layer._slice.image.raw, phantom_values())


def test_the_menu_opens_a_folder_without_a_reader_dialog(make_napari_viewer, phantom, monkeypatch):
    viewer = make_napari_viewer()
    choose(monkeypatch, phantom)
    run("open_folder")
    assert [layer.data.shape for layer in viewer.layers] == [(40, 128, 128)]


@pytest.mark.parametrize("part", ["sidecar", "labels", "image"])
def test_the_menu_opens_a_bundle_by_any_of_its_files(make_napari_viewer, demo, monkeypatch, part):
    viewer = make_napari_viewer()
    stem = demo.bundle.sidecar.name.removesuffix(".dcm-markup")
    names = {"sidecar": ".dcm-markup", "labels": ".ome.tif", "image": ".image.ome.tif"}
    choose(monkeypatch, demo.bundle.sidecar.with_name(stem + names[part]))
    run("open_bundle")
    assert [type(layer).__name__ for layer in viewer.layers] == ["Image", "Labels"]
    np.testing.assert_array_equal(viewer.layers[0].data[20], phantom_values()[20])


def test_a_sidecar_that_is_dropped_opens_without_a_reader_dialog(make_napari_viewer, demo):
    viewer = make_napari_viewer()
    viewer.window._qt_viewer._qt_open([str(demo.bundle.sidecar)], stack=False)
    assert [type(layer).__name__ for layer in viewer.layers] == ["Image", "Labels"]


@pytest.mark.parametrize("command", ["open_folder", "open_bundle"])
def test_a_cancelled_dialog_opens_nothing(make_napari_viewer, monkeypatch, notices, command):
    viewer = make_napari_viewer()
    choose(monkeypatch, "")
    run(command)
    assert not viewer.layers
    assert not notices


def test_a_folder_without_dicom_is_a_notification(
    make_napari_viewer, tmp_path, monkeypatch, notices
):
    viewer = make_napari_viewer()
    (tmp_path / "notes.txt").write_text("no picture")
    choose(monkeypatch, tmp_path)
    run("open_folder")
    assert not viewer.layers
    assert [notice.message for notice in notices] == [
        "no DICOM was found: choose a folder that holds it"
    ]


def test_an_ome_tiff_without_sidecar_is_a_notification(
    make_napari_viewer, demo, tmp_path, monkeypatch, notices
):
    make_napari_viewer()
    alone = shutil.copy(demo.bundle.tiffs[0], tmp_path / "alone.ome.tif")
    choose(monkeypatch, alone)
    run("open_bundle")
    assert len(notices) == 1
    assert "has no sidecar" in notices[0].message
    assert not hasattr(notices[0], "exception")


def test_a_damaged_sidecar_is_a_notification_without_traceback(
    make_napari_viewer, tmp_path, monkeypatch, notices
):
    make_napari_viewer()
    bad = tmp_path / "bad.dcm-markup"
    bad.write_bytes(b"PK\3\4 but no archive")
    choose(monkeypatch, bad)
    run("open_bundle")
    assert len(notices) == 1
    assert not hasattr(notices[0], "exception")
    with pytest.raises(MarkupError) as caught:
        make_napari_viewer().open(str(bad), plugin=PLUGIN)
    assert caught.value.__context__ is None


def test_what_should_be_known_is_one_notification(make_napari_viewer, phantom, tmp_path, notices):
    folder = shutil.copytree(phantom, tmp_path / "gap")
    (folder / "IM00014").unlink()  # the third slice
    make_napari_viewer().open(str(folder), plugin=PLUGIN)
    assert len(notices) == 1
    assert str(notices[0].severity) == "info"
    assert "missing" in notices[0].message


def test_nothing_is_said_where_there_is_nothing_to_say(make_napari_viewer, phantom, notices):
    make_napari_viewer().open(str(phantom), plugin=PLUGIN)
    assert not notices


def test_commands_are_in_the_io_utilities_menu(make_napari_viewer):
    from napari._app_model import get_app_model

    make_napari_viewer()
    titles = [
        item.command.title
        for item in get_app_model().menus.get_menu(MENU)
        if "DICOM markup" in getattr(getattr(item, "command", None), "title", "")
    ]
    assert titles == [
        "Open DICOM folder… (DICOM markup)",
        "Open DICOM markup bundle… (DICOM markup)",
        "Restore DICOM (DICOM markup)",
    ]


def test_the_phantom_is_a_sample(make_napari_viewer):
    from napari._app_model import get_app_model

    viewer = make_napari_viewer()
    titles = [
        item.command.title
        for item in get_app_model().menus.get_menu("napari/file/samples")
        if hasattr(item, "command")
    ]
    assert "Phantom CT (DICOM markup)" in titles
    viewer.open_sample(PLUGIN, "phantom")
    np.testing.assert_array_equal(viewer.layers[0].data[3], phantom_values()[3])


def test_no_command_that_the_palette_offers_fails(make_napari_viewer, monkeypatch):
    from napari._app_model import get_app_model
    from napari._app_model.context import get_context
    from napari._qt.widgets.qt_command_palette import _enabled

    viewer = make_napari_viewer()
    choose(monkeypatch, "")
    app = get_app_model()
    ours = {
        item.command.id: item.command
        for item in app.menus.get_menu(app.menus.COMMAND_PALETTE_ID)
        if item.command.id.startswith(PLUGIN)
    }
    offered = [id_ for id_, rule in ours.items() if _enabled(rule, get_context(viewer.layers))]
    assert f"{PLUGIN}.open_folder" in offered
    assert f"{PLUGIN}.get_reader" not in offered
    assert f"{PLUGIN}.write_bundle" not in offered
    for command in offered:
        app.commands.execute_command(command).result()
