"""Take the pictures of the documentation: the phantom in napari, painted, and the panel.

Run by hand: ``xvfb-run -a -s "-screen 0 1600x1000x24" python tools/screenshots.py``. There is no
patient in them: the phantom is made in code.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

os.environ["NAPARI_CONFIG"] = ""
os.environ.setdefault("QT_API", "pyqt6")

import napari
import numpy as np
from PIL import Image
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QApplication

from napari_dicom_markup import api

OUT = Path(__file__).parents[1] / "docs" / "images"
SIZE = (1280, 800)
PLUGIN = "napari-dicom-markup"
LIMIT = 300_000
"""Bytes of a picture at most."""


def main() -> None:
    """Take all pictures."""
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        demo = api.demo(folder).result()
        viewer = napari.Viewer(title="napari", show=True)
        viewer.window.resize(*SIZE)
        take_slices(viewer, demo)
        take_volume(viewer)
        take_menu(viewer)
        take_panel(viewer, demo, Path(folder))
        viewer.close()


def settle(seconds: float = 0.6) -> None:
    """Let Qt draw, and its animations end."""
    from qtpy.QtTest import QTest

    QTest.qWait(int(seconds * 1000))


def take_slices(viewer: napari.Viewer, demo: api.Demo) -> None:
    """Show a slice of the phantom with the labels of its bundle, and the brush."""
    viewer.open(str(demo.bundle.sidecar), plugin=PLUGIN)
    image, labels = viewer.layers
    image.contrast_limits = (-150, 250)
    labels.opacity = 0.55
    viewer.dims.set_current_step(0, 19)
    viewer.layers.selection = {labels}
    labels.mode, labels.selected_label, labels.brush_size = "paint", 2, 6
    viewer.canvas.overlays.scale_bar.visible = True
    viewer.reset_view()
    save(viewer, "phantom-2d.png")


def take_volume(viewer: napari.Viewer) -> None:
    """Show the labels in three dimensions: half of the skull, with the lesion in it."""
    image, labels = viewer.layers
    painted = labels.data.copy()
    labels.data = np.where(np.arange(painted.shape[2]) < painted.shape[2] // 2, painted, 0) + (
        np.where(painted == 2, 2, 0) * (np.arange(painted.shape[2]) >= painted.shape[2] // 2)
    ).astype(painted.dtype)
    image.visible = False
    labels.opacity = 1
    labels.mode = "pan_zoom"
    viewer.dims.ndisplay = 3
    viewer.reset_view()
    viewer.scene.camera.angles = (10, -35, 15)
    save(viewer, "phantom-3d.png")
    labels.data = painted
    image.visible = True
    labels.opacity = 0.55
    viewer.dims.ndisplay = 2
    viewer.reset_view()


def take_menu(viewer: napari.Viewer) -> None:
    """Show File ▸ IO Utilities open; menus are windows of their own, so the screen is taken."""
    window = viewer.window._qt_window
    window.move(0, 0)
    menu = viewer.window.file_menu
    menu.popup(window.menuBar().mapToGlobal(window.menuBar().rect().bottomLeft()))
    settle()
    action = next(one for one in menu.actions() if "IO Utilities" in one.text())
    menu.setActiveAction(action)
    inner = action.menu()
    place = menu.mapToGlobal(menu.actionGeometry(action).topRight())
    inner.popup(place)
    settle()
    ours = next(one for one in inner.actions() if "Open DICOM folder" in one.text())
    inner.setActiveAction(ours)
    settle()
    screen = QGuiApplication.primaryScreen()
    keep(screen.grabWindow(0, 0, 0, *SIZE).toImage(), "open-folder-menu.png")
    inner.close()
    menu.close()


def take_panel(viewer: napari.Viewer, demo: api.Demo, folder: Path) -> None:
    """Restore by the panel, and show its result."""
    from qtpy.QtTest import QSignalSpy

    _, panel = viewer.window.add_plugin_dock_widget(PLUGIN, "Restore DICOM")
    bundles = Path(folder) / "bundle"
    os.chdir(folder)
    panel.add_sidecars([path.relative_to(folder) for path in bundles.glob("*.dcm-markup")])
    panel.folder.setText("originals")
    ended = QSignalSpy(panel.run.ended)
    panel.restore()
    ended.wait(30_000)
    save(viewer, "restore-panel.png")


def save(viewer: napari.Viewer, name: str) -> None:
    """Save a picture of the whole window."""
    settle()
    picture = viewer.screenshot(canvas_only=False, flash=False)
    write(Image.fromarray(picture), name)


def keep(image: object, name: str) -> None:
    """Save a Qt picture."""
    path = OUT / name
    image.save(str(path))
    write(Image.open(path), name)


def write(picture: Image.Image, name: str) -> None:
    """Write a picture with 256 colours, which is enough for screens, and as small as it goes."""
    path = OUT / name
    picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path.name}: {picture.size}, {size} bytes")
    if size > LIMIT:
        sys.exit(f"{path.name} is larger than {LIMIT} bytes")


if __name__ == "__main__":
    main()
    QApplication.processEvents()
