"""Whole slide images: pyramids out of a folder, their layers, and what they are refused for."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit
from tests.data import CORPUS, needs_corpus
from tests.series import CANARY, write_series
from tests.slides import (
    SIZES,
    SPACING,
    TILE,
    make_slide,
    make_sparse,
    picture,
    save,
    tiles_of,
    write_pyramid,
)

from napari_dicom_markup import api
from napari_dicom_markup.api.slides import open_slides_steps, slide_layers
from napari_dicom_markup.errors import DecodeError, NothingToOpenError, SelectionError
from napari_dicom_markup.model.progress import Steps

if TYPE_CHECKING:
    from pathlib import Path

    from napari_dicom_markup.model.slide import Slide

pytest.importorskip("wsidicom", reason="wsidicom is not installed")


def open_slides(folder: Path) -> tuple[Slide, ...]:
    return Steps(open_slides_steps(api.scan(folder).result())).result()


@pytest.fixture(scope="module")
def pyramid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("slides") / "pyramid"
    write_pyramid(folder)
    return folder


def test_a_pyramid_is_one_slide_whose_levels_go_from_large_to_small(pyramid):
    (slide,) = open_slides(pyramid)
    assert [level.array.shape for level in slide.levels] == [(*size, 3) for size in SIZES]
    assert [level.array.dtype for level in slide.levels] == [np.uint8] * 3
    spacings = [level.image.spacing_mm for level in slide.levels]
    np.testing.assert_allclose(spacings, [[SPACING * n] * 2 for n in (1, 2, 4)])


def test_native_levels_hold_the_pixels_that_were_written(tmp_path):
    images = write_pyramid(tmp_path)
    (slide,) = open_slides(tmp_path)
    for level, image in zip(slide.levels, images, strict=True):
        np.testing.assert_array_equal(np.asarray(level.array), image)


def test_label_overview_and_thumbnail_are_no_levels_and_are_named_in_notes(pyramid):
    (slide,) = open_slides(pyramid)
    assert slide.notes == (
        "1 label image is not opened: it often shows the patient's name",
        "1 overview image is no level of the pyramid and is not opened",
        "1 thumbnail is no level of the pyramid and is not opened",
    )
    assert len(slide.files) == 6


def test_layers_are_multiscale_in_millimetres_and_tell_nothing_of_the_patient(pyramid):
    (layer,), notes = slide_layers(open_slides(pyramid))
    data, meta, kind = layer
    assert kind == "image"
    assert (meta["multiscale"], meta["rgb"]) == (True, True)
    assert meta["scale"] == (SPACING, SPACING)
    assert (meta["units"], meta["axis_labels"]) == (("mm", "mm"), ("y", "x"))
    described = meta["metadata"]["dicom_markup"]["slide"]
    assert described["origin_mm"] == [20.5, 30.25]
    assert [one["rows"] for one in described["levels"]] == [rows for rows, _ in SIZES]
    assert meta["name"].startswith("SM-")
    assert CANARY not in json.dumps(meta) + str(notes) + repr(data)
    assert CANARY not in repr(open_slides(pyramid))


def test_pyramids_on_one_slide_that_show_other_parts_of_it_are_kept_apart(tmp_path):
    for number, rows in enumerate((64, 48, 32, 24), start=1):
        left = rows in {64, 32}
        origin = Dataset()
        origin.XOffsetInSlideCoordinateSystem = 1.0 if left else 9.0
        origin.YOffsetInSlideCoordinateSystem = 1.0
        scale = 1 if rows in {64, 48} else 2
        data = make_slide(
            picture(rows, 48), number, scale=scale, TotalPixelMatrixOriginSequence=[origin]
        )
        if scale == 2:
            data = make_slide(
                picture(rows, 24), number, scale=2, TotalPixelMatrixOriginSequence=[origin]
            )
        save(data, tmp_path / f"{number}.dcm")
    slides = open_slides(tmp_path)
    rows = [[level.image.rows for level in slide.levels] for slide in slides]
    assert rows == [[64, 32], [48, 24]]
    assert slides[1].name == f"{slides[0].name} (2)"


def test_another_container_is_another_slide(tmp_path):
    save(make_slide(picture(64, 48), 1), tmp_path / "1.dcm")
    other = make_slide(picture(32, 24), 2, scale=2, ContainerIdentifier="other")
    save(other, tmp_path / "2.dcm")
    assert [len(slide.levels) for slide in open_slides(tmp_path)] == [1, 1]


def test_heights_and_optical_paths_are_slides_of_their_own(tmp_path):
    image = picture(20, 20)
    frames = [tile + np.uint8(k) for k in range(4) for tile in tiles_of(image)]
    data = make_slide(image, 1, tiles=frames, TotalPixelMatrixFocalPlanes=2)
    second = Dataset()
    second.OpticalPathIdentifier = CANARY[:16]
    data.OpticalPathSequence.append(second)
    data.NumberOfOpticalPaths = 2
    measures = data.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    measures.SpacingBetweenSlices = 0.0015
    save(data, tmp_path / "1.dcm")
    slides = open_slides(tmp_path)
    assert [(slide.path, slide.z_um) for slide in slides] == [(1, 0), (1, 1.5), (2, 0), (2, 1.5)]
    for k, slide in enumerate(slides):  # frames go by height, then by path (PS3.3 C.7.6.17.3)
        np.testing.assert_array_equal(np.asarray(slide.levels[0].array), image + np.uint8(k))
    names = [slide.name.partition(" ")[2] for slide in slides]
    assert names == ["path 1 z 0 µm", "path 1 z 1.5 µm", "path 2 z 0 µm", "path 2 z 1.5 µm"]


def test_a_copy_of_a_level_is_said_and_left_out(tmp_path):
    save(make_slide(picture(64, 48), 1), tmp_path / "1.dcm")
    save(make_slide(picture(64, 48), 2), tmp_path / "2.dcm")
    (slide,) = open_slides(tmp_path)
    assert len(slide.levels) == 1
    assert slide.notes == ("1 image has the size of a level that is there already",)


def test_without_a_pixel_size_a_pyramid_is_shown_in_pixels(tmp_path):
    for number, size in enumerate(SIZES, start=1):
        data = make_slide(picture(*size), number)
        del data.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing
        save(data, tmp_path / f"{number}.dcm")
    (slide,) = open_slides(tmp_path)
    assert len(slide.levels) == 3
    (layer,), notes = slide_layers([slide])
    assert (layer[1]["units"], layer[1]["scale"]) == (("pixel", "pixel"), (1.0, 1.0))
    assert notes == [f"{slide.name}: its pixel size is not stated: it is shown in pixels"]


def test_an_image_that_says_that_it_shows_the_label_has_a_note(tmp_path):
    save(make_slide(picture(32, 32), 1, SpecimenLabelInImage="YES"), tmp_path / "1.dcm")
    (slide,) = open_slides(tmp_path)
    assert "label" in slide.notes[0]


def test_grey_slides_of_16_bits_have_contrast_limits_from_their_values(tmp_path):
    image = picture(40, 40, 1).astype(np.uint16) * 7 + 1000
    save(make_slide(image, 1), tmp_path / "1.dcm")
    (layer,), _ = slide_layers(open_slides(tmp_path))
    low, high = layer[1]["contrast_limits"]
    assert 1000 <= low < high <= image.max()
    np.testing.assert_array_equal(np.asarray(layer[0][0]), image)


def test_a_smallest_level_too_large_for_a_viewer_makes_no_layer_but_opens(tmp_path):
    image = picture(20, 20)
    data = make_slide(image, 1, tiles=tiles_of(image)[:1])
    data.TotalPixelMatrixRows = data.TotalPixelMatrixColumns = 10_000
    save(make_sparse(data, [(1, 1)]), tmp_path / "1.dcm")
    slides = open_slides(tmp_path)
    np.testing.assert_array_equal(slides[0].levels[0].array[:16, :16], image[:16, :16])
    assert (slides[0].levels[0].array[9_000:9_010, 5:9] == 255).all()
    tuples, notes = slide_layers(slides)
    assert not tuples
    assert "10000 × 10000 pixels" in notes[0]


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, JPEGBaseline8Bit])
def test_the_originals_of_a_slide_come_back_byte_for_byte(tmp_path, syntax):
    write_pyramid(tmp_path / "in", syntax)
    packed = api.pack(tmp_path / "in", tmp_path / "out").result()
    api.restore([bundle.sidecar for bundle in packed.bundles], tmp_path / "again").result()
    before = {path.name: path.read_bytes() for path in (tmp_path / "in").iterdir()}
    after = {path.name: path.read_bytes() for path in (tmp_path / "again").rglob("*.dcm")}
    assert len(before) == 6
    assert after == before


def test_a_damaged_level_costs_the_others_nothing(tmp_path):
    write_pyramid(tmp_path)
    path = tmp_path / "c.dcm"
    path.write_bytes(path.read_bytes()[:-500])
    (slide,) = open_slides(tmp_path)
    assert [level.image.rows for level in slide.levels] == [100, 25]
    assert any("image cannot be opened" in note for note in slide.notes)


def test_a_series_without_a_slide_costs_nothing(tmp_path):
    assert open_slides(write_series(tmp_path)) == ()


def test_the_reader_opens_slides_beside_volumes(pyramid):
    opened = api.open_layers(pyramid).result()
    assert [meta["multiscale"] for _, meta, _ in opened.tuples] == [True]
    assert "label image is not opened" in opened.notice
    assert "in no stack" not in opened.notice


def test_the_reasons_of_a_scan_say_what_becomes_of_each_file(pyramid):
    (series,) = api.scan(pyramid).result().series
    reasons = {left.file.relative: left.reason for left in series.leftovers}
    assert reasons.pop("a.dcm") == "whole slide image: opened as a pyramid, not as a stack"
    assert reasons["LABEL.dcm"].endswith("its label, overview or thumbnail is not opened")


def test_without_wsidicom_the_reason_says_what_to_install(pyramid, monkeypatch):
    monkeypatch.setitem(sys.modules, "wsidicom", None)
    assert open_slides(pyramid) == ()
    reasons = {left.reason for one in api.scan(pyramid).result().series for left in one.leftovers}
    assert reasons == {'whole slide image: install "napari-dicom-markup[wsi]" to open it'}
    with pytest.raises(NothingToOpenError, match="napari-dicom-markup\\[wsi\\]"):
        api.open_layers(pyramid).result()


@pytest.mark.parametrize("kind", ["image", "labels"])
def test_slides_cannot_be_saved_and_the_error_says_so(pyramid, tmp_path, kind):
    (image,) = api.open_layers(pyramid).result().tuples
    labels = (np.zeros(SIZES[0], np.uint8), {"name": "Labels", "scale": image[1]["scale"]}, kind)
    selected = [image] if kind == "image" else [labels]
    with pytest.raises(SelectionError, match="whole slide"):
        api.save_layers(tmp_path / "x.ome.tif", selected, [image]).result()
    assert not list(tmp_path.iterdir())


def test_a_damaged_tile_is_an_error_of_its_region_only(tmp_path):
    data = make_slide(picture(64, 64), 1, syntax=JPEGBaseline8Bit)
    raw = save(data, tmp_path / "1.dcm").read_bytes()
    at = [i for i in range(len(raw)) if raw[i : i + 3] == b"\xff\xd8\xff"][5]  # row 1, column 1
    (tmp_path / "1.dcm").write_bytes(raw[: at + 2] + bytes(40) + raw[at + 42 :])
    (slide,) = open_slides(tmp_path)
    array = slide.levels[0].array
    with pytest.raises(DecodeError, match="row 1, column 1") as caught:
        array[TILE : TILE + 1, TILE : TILE + 1]
    assert caught.value.__context__ is None
    assert array[:TILE].shape == (TILE, 64, 3)
    assert array[2 * TILE :].shape == (32, 64, 3)


@needs_corpus
def test_every_slide_of_the_corpus_opens():
    files = sorted((CORPUS / "ImagingDataCommons+highdicom").rglob("sm_image*.dcm"))
    assert len(files) >= 8
    for file in files:
        (slide,) = open_slides(file)
        assert slide.levels[0].array.shape[:2] == (50, 50)
        np.testing.assert_allclose(slide.levels[0].image.spacing_mm, 0.000499)
