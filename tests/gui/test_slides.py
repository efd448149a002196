"""A whole slide image in the real napari: one multiscale layer, in millimetres."""

from __future__ import annotations

import numpy as np
import pytest
from tests.slides import SIZES, SPACING, write_pyramid

pytest.importorskip("napari", reason="napari is not installed")
pytest.importorskip("wsidicom", reason="wsidicom is not installed")

from napari_dicom_markup.errors import MarkupError

pytestmark = pytest.mark.gui

PLUGIN = "napari-dicom-markup"


def test_a_pyramid_is_one_multiscale_layer_that_shows_its_levels(
    make_napari_viewer, tmp_path, notices
):
    images = write_pyramid(tmp_path / "slide")
    viewer = make_napari_viewer()
    (layer,) = viewer.open(str(tmp_path / "slide"), plugin=PLUGIN)
    assert (layer.multiscale, layer.rgb, layer.ndim) == (True, True, 2)
    assert [level.shape[:2] for level in layer.data] == list(SIZES)
    assert [str(unit) for unit in layer.units] == ["millimeter"] * 2
    np.testing.assert_allclose(layer.scale, [SPACING, SPACING])
    np.testing.assert_allclose(layer.downsample_factors[1], [2, 75 / 38], atol=0.01)
    np.testing.assert_array_equal(layer._slice.thumbnail.raw, images[2])
    for number, image in enumerate(images):
        layer.data_level = number
        layer.corner_pixels = np.array([[0, 0], [n - 1 for n in image.shape[:2]]])
        layer.refresh(extent=False, thumbnail=False)
        shown = layer._slice.image.raw
        np.testing.assert_array_equal(shown, image[: shown.shape[0], : shown.shape[1]])
        assert min(shown.shape[:2]) > 15
    assert len(notices) == 1
    assert "label image is not opened" in notices[0].message


def test_labels_painted_on_a_slide_are_not_saved_and_napari_says_why(make_napari_viewer, tmp_path):
    write_pyramid(tmp_path / "slide")
    viewer = make_napari_viewer()
    viewer.open(str(tmp_path / "slide"), plugin=PLUGIN)
    viewer.layers.selection.active = viewer.layers[0]
    viewer._new_labels()
    labels = viewer.layers[-1]
    assert labels.data.shape == SIZES[0]
    for selected in ([labels], list(viewer.layers)):
        viewer.layers.selection = selected
        with pytest.raises(MarkupError, match="whole slide"):
            viewer.layers.save(str(tmp_path / "x.ome.tif"), selected=True, plugin=PLUGIN)
    assert not list(tmp_path.glob("x*"))
