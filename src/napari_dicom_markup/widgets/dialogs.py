"""The commands of File ▸ IO Utilities that open a folder or a bundle without a reader dialog."""

from pathlib import Path

from napari.utils.history import get_open_history
from napari.utils.notifications import show_error
from napari.viewer import Viewer
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_dicom_markup import api
from napari_dicom_markup.errors import MarkupError, NothingToOpenError
from napari_dicom_markup.widgets.running import describe_failure

PLUGIN = "napari-dicom-markup"
"""Name by which napari knows this package's reader."""

BUNDLES = "DICOM markup bundles (*.dcm-markup *.ome.tif *.ome.tiff)"


def open_folder(viewer: Viewer) -> None:
    """Ask for a folder and open every DICOM stack in it as a layer."""
    parent = QApplication.activeWindow()
    # napari's history is read, not written: names of folders may be names of patients.
    folder = QFileDialog.getExistingDirectory(parent, "Open DICOM folder", get_open_history()[0])
    if folder:
        _open(viewer, Path(folder))


def open_bundle(viewer: Viewer) -> None:
    """Ask for a sidecar or one of a bundle's TIFFs, and open the bundle."""
    parent = QApplication.activeWindow()
    chosen, _ = QFileDialog.getOpenFileName(
        parent, "Open DICOM markup bundle", get_open_history()[0], BUNDLES
    )
    if not chosen:
        return
    try:
        sidecar = api.find_sidecar(Path(chosen))
    except MarkupError as error:
        show_error(str(error))
        return
    _open(viewer, sidecar)


def _open(viewer: Viewer, path: Path) -> None:
    """Open a path through this package's reader; what goes wrong becomes a notification."""
    try:
        viewer.open(str(path), plugin=PLUGIN)
    except ValueError:
        # npe2's word for a reader that declines; the reader's own errors are MarkupErrors.
        show_error(str(NothingToOpenError("no DICOM was found: choose a folder that holds it")))
    except Exception as error:  # noqa: BLE001 - the door: napari would show the frames' values
        show_error(describe_failure(error))
