"""A name planted in the DICOM header reaches nothing that napari shows or keeps."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pytest

pytest.importorskip("napari", reason="napari is not installed")

from tests.data import build_image

from napari_dicom_markup.errors import MarkupError
from napari_dicom_markup.standard import transfer_syntax as ts

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.gui

PLUGIN = "napari-dicom-markup"
CANARY = "Zebra"


def _slice(number: int, pixels: np.ndarray | bytes, syntax: str, **elements: object) -> bytes:
    """Return one file; the birth date is no date, which pydicom warns of with its value."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return build_image(
            pixels,
            syntax,
            SOPClassUID="1.2.840.10008.5.1.4.1.1.2",
            SOPInstanceUID=f"1.2.3.4.{number}",
            Modality="CT",
            PatientName="Canary^Zebra",
            PatientID="Zebra7",
            AccessionNumber="Zebra8",
            StudyDescription="Zebra study",
            SeriesDescription="Zebra series",
            ProtocolName="Zebra protocol",
            ImageComments="Zebra",
            PatientBirthDate="Zebraday",
            FrameOfReferenceUID="1.2.9",
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            ImagePositionPatient=[0, 0, 3 * number],
            PixelSpacing=[0.5, 0.5],
            SliceThickness=3,
            WindowCenter=150,
            WindowWidth=300,
            **elements,
        )


@pytest.fixture
def named(tmp_path):
    """Return a folder with a small series whose header is full of the canary's name."""
    folder = tmp_path / "dicom"
    folder.mkdir()
    for number in range(4):
        raw = _slice(number, np.full((16, 12), number * 100, np.uint16), ts.EXPLICIT_LE)
        assert CANARY.encode() in raw
        (folder / f"IM{number}").write_bytes(raw)
    return folder


def shown(viewer, notices) -> str:
    """Return every text that napari shows or keeps, tracebacks with all their values too."""
    from napari.settings import get_settings

    texts = [viewer.title, str(viewer.status), viewer.help, repr(viewer)]
    texts.append(viewer.window._qt_window.windowTitle())
    for layer in viewer.layers:
        data, meta, _ = layer.as_layer_data_tuple()
        texts += [layer.name, repr(layer), repr(layer.data), repr(meta), str(layer.source)]
        texts += [layer.help, repr(vars(data)) if hasattr(data, "__dict__") else ""]
        status = layer.get_status(viewer.cursor.position, view_direction=None)
        texts += map(str, status.values())
    texts.append(get_settings().model_dump_json())
    for notice in notices:
        texts.append(notice.message)
        if hasattr(notice, "exception"):
            texts.append(notice.as_text())
    return "\n".join(texts)


def failure(verb) -> str:
    """Return what napari shows of an error: its traceback with the values in every frame."""
    from napari.utils.notifications import Notification

    with pytest.raises(MarkupError) as caught:
        verb()
    return Notification.from_exception(caught.value).as_text()


def test_no_layer_notification_setting_or_log_names_the_patient(
    make_napari_viewer, named, tmp_path, notices, caplog
):
    caplog.clear()
    viewer = make_napari_viewer()
    viewer.open(str(named), plugin=PLUGIN)
    viewer._new_labels()
    viewer.layers[-1].paint((1, 5, 5), 2)
    viewer.cursor.position = (-3, 2, 2)
    assert CANARY not in shown(viewer, notices)
    viewer.layers.save(str(tmp_path / "case.ome.tif"))
    again = make_napari_viewer()
    again.open(str(tmp_path / "case.dcm-markup"), plugin=PLUGIN)
    assert len(again.layers) == 2
    assert CANARY not in shown(again, notices)
    assert CANARY not in caplog.text


def test_no_tiff_of_a_bundle_names_the_patient(make_napari_viewer, named, tmp_path):
    viewer = make_napari_viewer()
    viewer.open(str(named), plugin=PLUGIN)
    viewer._new_labels()
    for path in viewer.layers.save(str(tmp_path / "case.ome.tif")):
        assert CANARY not in path
        if path.endswith(".tif"):
            assert CANARY.encode() not in _read(path)


def _read(path: str) -> bytes:
    from pathlib import Path

    return Path(path).read_bytes()


def test_errors_of_the_reader_and_the_writer_name_no_patient(
    make_napari_viewer, named, tmp_path, notices
):
    viewer = make_napari_viewer()
    (image,) = viewer.open(str(named), plugin=PLUGIN)
    (named / "IM2").write_bytes((named / "IM2").read_bytes() + b"more")

    def save() -> None:
        viewer.layers.save(str(tmp_path / "case.ome.tif"), plugin=PLUGIN)

    viewer._new_labels()
    text = failure(save)
    assert "changed since they were opened" in text
    assert CANARY not in text
    assert not (tmp_path / "case.dcm-markup").exists()
    for path in named.iterdir():
        path.write_bytes(path.read_bytes()[:500])
    text = failure(lambda: viewer.open(str(named), plugin=PLUGIN))
    assert CANARY not in text
    assert image.data.shape == (4, 16, 12)


def test_an_internal_error_names_no_patient(make_napari_viewer, named, monkeypatch, caplog):
    from napari_dicom_markup import api

    def broken(paths: object, around: object = ()) -> api.Steps[object]:
        def verb():
            raw = b"".join(path.read_bytes() for path in named.iterdir())
            raise KeyError(raw)
            yield

        return api.Steps(verb())

    monkeypatch.setattr(api, "open_layers", broken)
    viewer = make_napari_viewer()
    text = failure(lambda: viewer.open(str(named), plugin=PLUGIN))
    assert "internal error (KeyError), nothing was opened" in text
    assert "in verb" in caplog.text
    assert CANARY not in text + caplog.text


@pytest.mark.parametrize("harm", ["gone", "cut"])
def test_a_slice_that_cannot_be_read_any_more_names_no_patient(make_napari_viewer, named, harm):
    viewer = make_napari_viewer()
    viewer.open(str(named), plugin=PLUGIN)
    harmed: Path = named / "IM3"  # the first plane, which was not shown yet
    if harm == "gone":
        harmed.unlink()
    else:
        harmed.write_bytes(harmed.read_bytes()[:-100])
    text = failure(lambda: viewer.dims.set_current_step(0, 0))
    assert CANARY not in text


@pytest.mark.parametrize("reopened", [False, True], ids=["files", "bundle"])
def test_a_slice_that_cannot_be_decoded_names_no_patient(
    make_napari_viewer, named, tmp_path, notices, reopened
):
    good = imagecodecs.jpeg8_encode(np.full((16, 12), 90, np.uint8))
    for number in range(4):
        raw = _slice(
            number,
            good if number < 3 else good[:100] + b"broken" * 9,
            ts.JPEG_BASELINE,
            Rows=16,
            Columns=12,
            BitsAllocated=8,
            BitsStored=8,
            HighBit=7,
            PixelRepresentation=0,
        )
        (named / f"IM{number}").write_bytes(raw)
    viewer = make_napari_viewer()
    viewer.open(str(named), plugin=PLUGIN)
    if reopened:
        viewer._new_labels()
        viewer.layers.save(str(tmp_path / "case.ome.tif"))
        assert len(notices) == 1
        assert notices[0].message.startswith("no image TIFF for stack 1")
        viewer = make_napari_viewer()
        viewer.open(str(tmp_path / "case.dcm-markup"), plugin=PLUGIN)
    text = failure(lambda: viewer.dims.set_current_step(0, 0))
    assert CANARY not in text
