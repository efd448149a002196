"""The panel that restores: by its buttons, in a thread, with Cancel."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("napari", reason="napari is not installed")

from qtpy.QtCore import Qt

from napari_dicom_markup.widgets.restore import RestorePanel

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.gui

PLUGIN = "napari-dicom-markup"


def hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file under a folder, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def originals(demo) -> Path:
    """Return the folder of the originals that the demo packed."""
    return demo.bundle.sidecar.parents[1] / "dicom"


def click(qtbot, button) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


@pytest.fixture
def panel(qtbot):
    """Return a panel that is shown on its own."""
    panel = RestorePanel()
    qtbot.addWidget(panel)
    panel.show()
    return panel


def test_a_click_restores_every_original_byte_for_byte(panel, qtbot, demo, tmp_path):
    panel.add_sidecars([demo.bundle.sidecar])
    panel.folder.setText(str(tmp_path / "again"))
    with qtbot.waitSignal(panel.run.ended, timeout=30_000):
        click(qtbot, panel.restore_button)
    assert hashes(tmp_path / "again") == hashes(originals(demo))
    assert "40 originals, all is well\n  40 × exact" in panel.result.toPlainText()
    assert panel.show_button.isVisible()
    assert not panel.run.cancel_button.isVisible()


def test_a_second_restore_overwrites_nothing_and_names_what_differs(panel, qtbot, demo, tmp_path):
    shutil.copytree(originals(demo), tmp_path / "again")
    (tmp_path / "again" / "IM00007").write_bytes(b"mine")
    (tmp_path / "again" / "IM00008").unlink()
    panel.add_sidecars([demo.bundle.sidecar])
    panel.folder.setText(str(tmp_path / "again"))
    with qtbot.waitSignal(panel.run.ended, timeout=30_000):
        click(qtbot, panel.restore_button)
    text = panel.result.toPlainText()
    assert "NOT all is well" in text
    assert "38 × exact, and already there" in text
    assert "IM00007: another file has the name" in text
    assert "IM00008" not in text
    assert (tmp_path / "again" / "IM00007").read_bytes() == b"mine"


def test_verify_writes_nothing(panel, qtbot, demo):
    before = hashes(demo.bundle.sidecar.parent)
    panel.add_sidecars([demo.bundle.sidecar, demo.bundle.sidecar])
    with qtbot.waitSignal(panel.run.ended, timeout=30_000):
        click(qtbot, panel.verify_button)
    stem = demo.bundle.sidecar.name.removesuffix(".dcm-markup")
    assert panel.result.toPlainText().splitlines() == [
        f"{stem}.dcm-markup",
        "  40 originals, all is well",
        "  40 × exact",
        f"  {stem}.image.ome.tif: exact",
        f"  {stem}.ome.tif: exact",
    ]
    assert hashes(demo.bundle.sidecar.parent) == before
    assert not panel.show_button.isVisible()


def test_a_damaged_bundle_is_told_without_traceback(panel, qtbot, tmp_path, notices):
    bad = tmp_path / "bad.dcm-markup"
    bad.write_bytes(b"no archive")
    panel.add_sidecars([bad])
    panel.folder.setText(str(tmp_path / "again"))
    with qtbot.waitSignal(panel.run.ended, timeout=30_000):
        click(qtbot, panel.restore_button)
    assert [notice.message for notice in notices] == [panel.run.text.text()]
    assert not hasattr(notices[0], "exception")
    assert not (tmp_path / "again").exists()
    assert panel.restore_button.isEnabled()


def test_cancel_leaves_no_half_file(panel, qtbot, demo, tmp_path, monkeypatch):
    from napari_dicom_markup.widgets import running

    monkeypatch.setattr(running, "_EVERY_S", 0.0)
    panel.add_sidecars([demo.bundle.sidecar])
    panel.folder.setText(str(tmp_path / "again"))
    with qtbot.waitSignal(panel.run.ended, timeout=30_000) as ended:
        click(qtbot, panel.restore_button)
        assert not panel.restore_button.isEnabled()
        assert not panel.add_button.isEnabled()
        panel.run.cancel()
    assert isinstance(ended.args[0], running.Cancelled)
    whole = hashes(originals(demo))
    left = hashes(tmp_path / "again") if (tmp_path / "again").exists() else {}
    assert len(left) < len(whole)
    assert left.items() <= whole.items()
    assert panel.result.toPlainText().startswith("Cancelled.")
    assert panel.restore_button.isEnabled()


def test_buttons_wait_for_what_they_need(panel, demo):
    assert not panel.verify_button.isEnabled()
    panel.add_sidecars([demo.bundle.sidecar])
    assert panel.verify_button.isEnabled()
    assert not panel.restore_button.isEnabled()
    panel.folder.setText("somewhere")
    assert panel.restore_button.isEnabled()
    panel.clear_button.click()
    assert not panel.restore_button.isEnabled()


def test_the_buttons_ask_for_sidecars_and_folder(panel, demo, tmp_path, monkeypatch):
    from qtpy.QtWidgets import QFileDialog

    sidecars = ([str(demo.bundle.sidecar)], "")
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_, **__: sidecars)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_, **__: str(tmp_path))
    panel.add_button.click()
    panel.folder_button.click()
    assert panel.chosen == [demo.bundle.sidecar]
    assert panel.folder.text() == str(tmp_path)


def test_the_button_opens_the_folder_of_the_originals(panel, qtbot, demo, tmp_path, monkeypatch):
    from qtpy.QtGui import QDesktopServices

    shown = []
    monkeypatch.setattr(QDesktopServices, "openUrl", shown.append)
    panel.add_sidecars([demo.bundle.sidecar])
    panel.folder.setText(str(tmp_path))
    with qtbot.waitSignal(panel.run.ended, timeout=30_000):
        click(qtbot, panel.restore_button)
    panel.show_button.click()
    assert [url.toLocalFile() for url in shown] == [str(tmp_path)]


def test_napari_docks_the_panel_and_closes_with_it(make_napari_viewer, demo, tmp_path, qtbot):
    viewer = make_napari_viewer()
    _, panel = viewer.window.add_plugin_dock_widget(PLUGIN, "Restore DICOM")
    assert isinstance(panel, RestorePanel)
    panel.add_sidecars([demo.bundle.sidecar])
    panel.folder.setText(str(tmp_path / "again"))
    with qtbot.waitSignal(panel.run.ended, timeout=30_000):
        panel.restore()
    assert hashes(tmp_path / "again") == hashes(originals(demo))
