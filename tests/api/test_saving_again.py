"""Saving over a bundle: what is not written anew stays a part of it."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from tests.cases import forge, tree
from tests.series import CANARY, write_series

from napari_dicom_markup import api
from napari_dicom_markup.errors import DecodeError, PartlyPackedError, SaveError
from napari_dicom_markup.sources.bundle import SidecarReader


def layers_of(source):
    return api.open_layers(source).result().tuples


def painted(image, number=1):
    """Labels on an image's grid, as napari's own button makes them."""
    labels = np.zeros(image[0].shape, np.uint8)
    labels[..., 1:3, 2:6, 3:7] = number
    grid = {key: image[1][key] for key in ("scale", "translate", "units", "axis_labels")}
    return labels, grid | {"name": f"tumour {number}", "metadata": {}}, "labels"


def stack_records(bundle):
    with SidecarReader(bundle) as reader:
        return reader.sidecar.stacks


def labels_of(bundle):
    found = api.reopen(bundle).result().labels
    return {index: int(layers[0].data.max()) for index, layers in found.items()}


@pytest.fixture
def source(tmp_path):
    return write_series(tmp_path / "dicom")


@pytest.fixture
def two_stacks(tmp_path):
    write_series(tmp_path / "dicom" / "a")
    for path in write_series(tmp_path / "dicom" / "b", PixelSpacing=[1, 1]).iterdir():
        data = pydicom.dcmread(path)
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = f"{data.SOPInstanceUID}.9"
        data.save_as(path)
    return tmp_path / "dicom"


@pytest.fixture
def labels_file(tmp_path, source):
    path = tmp_path / "labels.npy"
    np.save(path, painted(layers_of(source)[0])[0])
    return path


def test_packing_again_without_labels_or_image_keeps_both(tmp_path, source, labels_file):
    out = tmp_path / "case.dcm-markup"
    api.pack(source, out, labels=labels_file).result()
    before = tree(tmp_path)
    (bundle,) = api.pack(source, out, image=False).result().bundles
    assert (bundle.tiffs, bundle.notes) == ((), ())
    assert tree(tmp_path) == before
    assert labels_of(out) == {1: 1}
    assert api.verify(out).result().ok


def test_pack_refuses_to_replace_labels(tmp_path, source, labels_file):
    image = layers_of(source)[0]
    api.save_layers(tmp_path / "case", [image, painted(image, 2)]).result()
    before = tree(tmp_path)
    with pytest.raises(SaveError, match="holds labels already: save to another name, or open it"):
        api.pack(source, tmp_path / "case.dcm-markup", labels=labels_file).result()
    assert tree(tmp_path) == before


def test_saving_the_labels_keeps_the_image_and_replaces_the_labels(tmp_path, source):
    image = layers_of(source)[0]
    api.save_layers(tmp_path / "case", [image, painted(image)]).result()
    again, _ = api.reopen_layers(tmp_path / "case.dcm-markup").result().tuples
    bundle = api.save_layers(tmp_path / "case", [painted(again, 2)], [again]).result()
    (record,) = stack_records(bundle.sidecar)
    assert record.image.suffix == ".image.ome.tif"
    assert labels_of(bundle.sidecar) == {1: 2}
    assert api.verify(bundle.sidecar).result().ok


def test_saving_the_image_keeps_the_labels_and_their_looks(tmp_path, source):
    image = layers_of(source)[0]
    api.save_layers(tmp_path / "case", [image, painted(image)]).result()
    before = stack_records(tmp_path / "case.dcm-markup")
    bundle = api.save_layers(tmp_path / "case", [image]).result()
    assert stack_records(bundle.sidecar) == before
    assert labels_of(bundle.sidecar) == {1: 1}


def test_saving_the_labels_of_one_stack_keeps_those_of_the_other(tmp_path, two_stacks):
    first, second = layers_of(two_stacks)
    layers = [first, second, painted(first), painted(second, 2)]
    api.save_layers(tmp_path / "case", layers).result()
    bundle = api.save_layers(tmp_path / "case", [painted(second, 3)], [first, second]).result()
    assert labels_of(bundle.sidecar) == {1: 1, 2: 3}
    assert all(record.image is not None for record in stack_records(bundle.sidecar))


def test_labels_that_another_program_edited_are_kept_as_edited(tmp_path, source, labels_file):
    import tifffile

    out = tmp_path / "case.dcm-markup"
    api.pack(source, out, labels=labels_file).result()
    tifffile.imwrite(tmp_path / "case.ome.tif", np.full((5, 12, 10), 9, np.uint8))
    api.pack(source, out).result()
    assert labels_of(out) == {1: 9}
    assert "changed by another program" in api.reopen_layers(out).result().notice


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_damaged_or_missing_tiff_is_dropped_with_a_note(tmp_path, source, labels_file, damage):
    out, tiff = tmp_path / "case.dcm-markup", tmp_path / "case.ome.tif"
    api.pack(source, out, labels=labels_file).result()
    if damage == "missing":
        tiff.unlink()
    else:
        tiff.write_bytes(tiff.read_bytes()[:-200])
    (bundle,) = api.pack(source, out).result().bundles
    assert "no longer a part of the bundle: case.ome.tif" in bundle.notes[0]
    assert labels_of(out) == {}
    assert tiff.exists() == (damage == "cut")


def test_labels_of_a_stack_that_grew_are_not_lost(tmp_path, source, labels_file):
    out = tmp_path / "case.dcm-markup"
    api.pack(source, out, labels=labels_file).result()
    for path in write_series(tmp_path / "more", 6).iterdir():
        if not (source / path.name).exists():
            path.rename(source / path.name)
    data = pydicom.dcmread(source / "IM000.dcm")
    data.SOPInstanceUID, data.ImagePositionPatient = "1.2.3.4.99", [-10, -20, 12.5]
    data.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.99"
    data.save_as(source / "more.dcm")
    before = out.read_bytes()
    with pytest.raises(SaveError, match="labels of a stack that is another now"):
        api.pack(source, out).result()
    assert out.read_bytes() == before


@pytest.mark.parametrize("error", [DecodeError, ValueError, OverflowError, MemoryError, KeyError])
def test_an_image_that_cannot_be_written_costs_the_originals_nothing(
    tmp_path, source, monkeypatch, error
):
    def fail(*_, **__):
        raise error(CANARY if error is not DecodeError else "a frame is damaged")
        yield

    monkeypatch.setattr("napari_dicom_markup.api.case.write_image", fail)
    (bundle,) = api.pack(source, tmp_path / "out").result().bundles
    (note,) = bundle.notes
    assert note.startswith("no image TIFF for stack 1: ")
    assert "Canary" not in note
    assert api.verify(bundle.sidecar, source).result().ok


def test_an_unexpected_failure_of_one_series_costs_the_others_nothing(
    tmp_path, source, monkeypatch
):
    from napari_dicom_markup.api import packing_paths

    write_series(source / "other", SeriesInstanceUID="1.2.3.9")
    make = packing_paths.make_volume

    def fail(series, stack, frames):
        if series.uid == "1.2.3.2":
            raise ZeroDivisionError(CANARY)
        return make(series, stack, frames)

    monkeypatch.setattr(packing_paths, "make_volume", fail)
    with pytest.raises(PartlyPackedError, match="1 of 2 series were not packed") as caught:
        api.pack(source, tmp_path / "out").result()
    (reason,) = caught.value.reasons
    assert "unexpected failure (ZeroDivisionError)" in reason
    assert "Canary" not in reason
    (bundle,) = caught.value.packed.bundles
    assert api.verify(bundle.sidecar).result().ok


def test_reasons_of_leftovers_are_stored_as_text(tmp_path, source):
    data = pydicom.dcmread(source / "IM000.dcm")
    del data.PixelData
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.99"
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = pydicom.uid.RTPlanStorage
    data.save_as(source / "plan.dcm")
    (series,) = api.scan(source).result().series
    (bundle,) = api.pack(source, tmp_path / "out").result().bundles
    with SidecarReader(bundle.sidecar) as reader:
        (stored,) = reader.sidecar.leftovers
    assert stored.reason == series.leftovers[0].reason
    assert "%" not in stored.reason


@pytest.mark.parametrize(("length", "read"), [(1e7, True), (1e8, True), (1e10, False)])
def test_lengths_that_stacking_passes_are_read(tmp_path, source, length, read):
    (bundle,) = api.pack(source, tmp_path / "out", image=False).result().bundles

    def move(document, _):
        document["stacks"][0]["geometry"]["patient"]["origins"][0][0] = length

    forge(bundle.sidecar, move)
    if read:
        assert stack_records(bundle.sidecar)
    else:
        with pytest.raises(ValueError, match="contradicts itself"):
            SidecarReader(bundle.sidecar)


def test_an_image_whose_proof_fails_costs_the_originals_nothing(tmp_path, source, monkeypatch):
    from napari_dicom_markup.api import packing
    from napari_dicom_markup.sources.tiff import TiffReport, TiffState

    failed = TiffReport(TiffState.DAMAGED, "it is damaged")
    monkeypatch.setattr(packing, "verify_tiff", lambda *_: failed)
    (bundle,) = api.pack(source, tmp_path / "out").result().bundles
    assert bundle.tiffs == ()
    assert bundle.notes == ("no image TIFF for stack 1: its proof failed",)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [bundle.sidecar.name]
    assert api.verify(bundle.sidecar, source).result().ok


def test_what_another_save_added_meanwhile_is_not_lost(tmp_path, source):
    image = layers_of(source)[0]
    late = iter(api.save_layers(tmp_path / "case", [image]))
    next(late)
    api.save_layers(tmp_path / "case", [painted(image)], [image]).result()
    with pytest.raises(SaveError, match="meanwhile: save again"):
        list(late)
    assert labels_of(tmp_path / "case.dcm-markup") == {1: 1}
