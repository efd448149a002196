"""UIH grids become slices that lie where their frame sequence says, or are refused.

No real file is at hand: these are built after what UIH told the authors of dcm2niix.
"""

from __future__ import annotations

import numpy as np
import pytest
from tests.instances import ORIENTATIONS
from tests.sources.dicom.tiles.tiled import Tiled, build_grid, image, planes_of

from napari_dicom_markup.errors import DecodeError
from napari_dicom_markup.sources.dicom.tiles import describe_tiles


@pytest.mark.parametrize("sign", [1, -1], ids=["along", "against"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_each_slice_lies_where_its_item_says(orientation, sign):
    tiled = Tiled(orientation, sign=sign)
    raw = build_grid(tiled)
    frames = describe_tiles(image(raw), raw)
    positions = np.array([frame.position for frame in frames])
    np.testing.assert_allclose(positions, tiled.origins, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(planes_of(tiled.matrix(2, 3), frames), tiled.volume)


@pytest.mark.parametrize(
    ("count", "down", "across"), [(1, 1, 1), (2, 1, 2), (3, 2, 2), (6, 2, 3), (7, 3, 3), (20, 4, 5)]
)
def test_a_grid_has_no_more_rows_than_it_needs(count, down, across):
    """A Siemens mosaic of 20 slices has 5 × 5 tiles, a UIH grid 4 × 5."""
    tiled = Tiled(count=count)
    raw = build_grid(tiled)
    frames = describe_tiles(image(raw), raw)
    assert (frames[0].pixels.rows, frames[0].pixels.columns) == tiled.shape
    np.testing.assert_array_equal(planes_of(tiled.matrix(down, across), frames), tiled.volume)


def test_the_gradient_is_turned_from_the_image_to_the_patient():
    tiled = Tiled("oblique")
    raw = build_grid(tiled)
    acquisition = describe_tiles(image(raw), raw)[0].acquisition
    assert acquisition.b_value == 700
    assert acquisition.b_direction == pytest.approx(tiled.normal)


def test_a_sequence_of_fewer_frames_is_refused():
    tiled = Tiled()
    for raw in (
        build_grid(tiled, places=tiled.origins[:-1]),
        build_grid(tiled, count=0),
        build_grid(tiled, count=10**9),
    ):
        with pytest.raises(DecodeError, match="UIH grid without a sound frame sequence"):
            describe_tiles(image(raw), raw)
