"""Take the pictures of the documentation: the phantom in napari, painted, and the panels.

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
from napari._app_model import get_app_model
from napari._qt.dialogs.qt_notification import NapariQtNotification
from PIL import Image
from qtpy.QtCore import QPoint
from qtpy.QtGui import QCursor, QGuiApplication
from qtpy.QtTest import QSignalSpy, QTest
from qtpy.QtWidgets import QApplication

from napari_dicom_markup import api

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests import showcases

OUT = Path(__file__).parents[1] / "docs" / "images"
SIZE = (1280, 800)
PLUGIN = "napari-dicom-markup"
LIMIT = 300_000
"""Bytes of a picture at most."""

LESIONS = (((21, 51, 79), 26), ((16, 82, 51), 20), ((19, 57, 44), 12))
"""Where the phantom has its lesions, (slice, row, column), and the brush that covers each."""

BONE_HU = 500
ANGLES = (0, 55, 0)
"""From where the volume is seen: into the open half."""


def main() -> None:
    """Take all pictures."""
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        demo = api.demo(folder).result()
        viewer = napari.Viewer(title="napari", show=True)
        viewer.window.resize(*SIZE)
        take_slices(viewer, Path(folder) / "dicom")
        take_volume(viewer)
        take_menu(viewer)
        take_panel(viewer, demo, Path(folder))
        viewer.close()
        take_images(Path(folder))


def settle(seconds: float = 0.6) -> None:
    """Let Qt draw, and its animations end."""
    QTest.qWait(int(seconds * 1000))


def take_slices(viewer: napari.Viewer, dicom: Path) -> None:
    """Show a slice of the phantom with painted lesions, and the brush over one of them."""
    (image,) = viewer.open(str(dicom), plugin=PLUGIN)
    image.contrast_limits = (-150, 250)
    viewer._new_labels()
    labels = viewer.layers[-1]
    labels.mode, labels.n_edit_dimensions = "paint", 3
    for number, (centre, size) in enumerate(LESIONS, start=1):
        labels.brush_size = size
        labels.paint(centre, number)
    labels.n_edit_dimensions, labels.brush_size, labels.selected_label = 2, 12, 1
    labels.opacity = 0.55
    viewer.dims.set_current_step(0, 20)
    viewer.canvas.overlays.scale_bar.visible = True
    viewer.reset_view()
    settle()
    native = viewer.window._qt_viewer.canvas.native
    QTest.mouseMove(native, QPoint(native.width() // 2 + 125, native.height() // 2 - 30))
    save(viewer, "phantom-2d.png")
    QTest.mouseMove(native, QPoint(3, 3))  # napari leaves the brush's middle where it was last
    settle()


def take_volume(viewer: napari.Viewer) -> None:
    """Show the lesions in three dimensions, in one half of the skull."""
    image, labels = viewer.layers
    half = np.asarray(image.data) > BONE_HU
    half[:, :, half.shape[2] // 2 :] = False
    grid = {key: getattr(image, key) for key in ("scale", "translate", "units", "axis_labels")}
    skull = viewer.add_labels(half.astype(np.uint8), name="skull", **grid)
    skull.colormap = {1: (0.9, 0.87, 0.78, 1), None: (0, 0, 0, 0)}
    viewer.layers.selection = {labels}
    image.visible, skull.opacity, labels.opacity = False, 1, 1
    labels.mode = "pan_zoom"
    viewer.dims.ndisplay = 3
    viewer.reset_view()
    viewer.scene.camera.angles = ANGLES
    save(viewer, "phantom-3d.png")
    viewer.layers.remove(skull)
    image.visible, labels.opacity = True, 0.55
    viewer.dims.ndisplay = 2
    viewer.reset_view()


def take_menu(viewer: napari.Viewer) -> None:
    """Show File ▸ IO Utilities open; menus are windows of their own, so the screen is taken."""
    window = viewer.window._qt_window
    window.move(0, 0)
    QCursor.setPos(1500, 900)
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
    get_app_model().commands.execute_command(f"{PLUGIN}.restore").result()
    settle()
    panel = viewer.window.dock_widgets["Restore DICOM (DICOM markup)"]
    bundles = Path(folder) / "bundle"
    os.chdir(folder)
    panel.add_sidecars([path.relative_to(folder) for path in bundles.glob("*.dcm-markup")])
    panel.folder.setText("originals")
    ended = QSignalSpy(panel.run.ended)
    panel.restore()
    ended.wait(30_000)
    save(viewer, "restore-panel.png")


def take_images(folder: Path) -> None:
    """Show the panel about an image: over diffusion, a tilted series, SEG, RTSTRUCT and PET."""
    viewer = napari.Viewer(title="napari", show=True)
    viewer.window.resize(*SIZE)
    get_app_model().commands.execute_command(f"{PLUGIN}.inspect").result()
    panel = viewer.window.dock_widgets["DICOM image (DICOM markup)"]
    settle()
    show(viewer, showcases.write_diffusion(folder / "diffusion"), (3, 9))
    save(viewer, "panel-diffusion.png")
    show(viewer, showcases.write_tilted(folder / "tilted"), (8,))
    settle(1.5)  # the notice slides in
    for notice in notices(viewer):
        notice.toggle_expansion()
    save(viewer, "panel-tilted.png")
    show(viewer, folder / "dicom", (18,))
    viewer.open(str(showcases.write_segmentation(folder / "seg.dcm", "")), plugin=PLUGIN)
    viewer.dims.set_current_step(0, 18)
    save(viewer, "panel-seg.png")
    show(viewer, folder / "dicom", (18,))
    structures = showcases.write_structures(folder / "rtstruct.dcm", "")
    viewer.open(str(structures), plugin=PLUGIN)
    wait_for(panel, lambda: panel.open_contours(structures))
    viewer.layers[1].opacity = 0.3
    viewer.layers.selection = {viewer.layers[1]}
    viewer.dims.set_current_step(0, 18)
    save(viewer, "panel-rtstruct.png")
    show(viewer, showcases.write_pet(folder / "pet"), (18,))
    panel.values.kinds.setCurrentIndex(1)
    wait_for(panel, lambda: panel.values.kinds.activated.emit(1))
    save(viewer, "panel-pet.png")
    viewer.close()


def show(viewer: napari.Viewer, path: Path, steps: tuple[int, ...]) -> None:
    """Show an image alone, at these steps of its sliders, without the notices of others."""
    viewer.layers.clear()
    for notice in notices(viewer):
        notice.close()
    viewer.open(str(path), plugin=PLUGIN)
    for axis, step in enumerate(steps):
        viewer.dims.set_current_step(axis, step)
    viewer.reset_view()


def notices(viewer: napari.Viewer) -> list[NapariQtNotification]:
    """Return the notifications that are shown."""
    return viewer.window._qt_window.findChildren(NapariQtNotification)


def wait_for(panel: object, start: object) -> None:
    """Start a verb of a panel, and wait for its end."""
    ended = QSignalSpy(panel.run.ended)
    start()
    ended.wait(30_000)


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
