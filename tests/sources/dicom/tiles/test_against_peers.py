"""Tiles of real files lie where dcm2niix and nibabel put them, or the difference is explained."""

from __future__ import annotations

import gzip
import io
import subprocess
import warnings
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
from tests.data import CORPUS, image_of, needs_corpus, read_quietly
from tests.sources.dicom.tiles.tiled import Tiled, build_grid, planes_of

from napari_dicom_markup.sources.dicom.tiles import describe_tiles
from napari_dicom_markup.sources.dicom.tiles.protocol import read_slice_array

if TYPE_CHECKING:
    from napari_dicom_markup.model.stack import Frame

nibabel = pytest.importorskip("nibabel")
dcm2niix = pytest.importorskip("dcm2niix")

TOLERANCE_MM = 1e-4
NIBABEL_MM = 1e-3
"""nibabel does not scale the direction cosines to unit vectors: 3e-7 over 690 mm of matrix."""

NIH = CORPUS / "neurolabusc+dcm_qa_nih" / "In" / "20180918Si"
WITHOUT_CSA_IMAGE = CORPUS / "icometrix+dicom2nifti/tests/data/siemens/fmri/001"
OWN = Path(nibabel.__file__).parent / "nicom" / "tests" / "data"


def converted(raws: list[bytes], folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return what dcm2niix makes of files: (x, y, z, volumes), and the affine to LPS mm."""
    (folder / "in").mkdir()
    (folder / "out").mkdir()
    for number, raw in enumerate(raws):
        (folder / "in" / f"{number}.dcm").write_bytes(raw)
    options = ["-z", "n", "-b", "n", "-f", "x", "-o", folder / "out", folder / "in"]
    subprocess.run([dcm2niix.bin, *options], check=True, capture_output=True)
    (path,) = (folder / "out").glob("*.nii")
    made = nibabel.load(path)
    data = np.asarray(made.dataobj)
    return data.reshape(*data.shape[:3], -1), np.diag([-1.0, -1.0, 1.0, 1.0]) @ made.affine


def unit_axes(frames: tuple[Frame, ...]) -> np.ndarray:
    pair = np.array(frames[0].grid.orientation).reshape(2, 3)
    return pair / np.linalg.norm(pair, axis=1, keepdims=True)


def places(frames: tuple[Frame, ...]) -> np.ndarray:
    """Return the LPS place of each pixel: (slices, rows, columns, 3)."""
    row, column = unit_axes(frames)
    pixels, (down, across) = frames[0].pixels, frames[0].grid.pixel_spacing
    rows = np.arange(pixels.rows)[:, None, None] * down * column
    columns = np.arange(pixels.columns)[:, None] * across * row
    origins = np.array([frame.position for frame in frames])
    return origins[:, None, None] + rows + columns


def check_converted(raws: list[bytes], folder: Path) -> None:
    """Assert that dcm2niix has every voxel at the same place with the same value."""
    data, affine = converted(raws, folder)
    inverse = np.linalg.inv(affine)
    for volume, raw in enumerate(raws):
        frames = describe_tiles(image_of(raw), raw)
        found = places(frames) @ inverse[:3, :3].T + inverse[:3, 3]
        index = np.rint(found).astype(int)
        assert np.abs((found - index) @ affine[:3, :3].T).max() < TOLERANCE_MM
        assert index.min() >= 0
        assert data.shape[:3] == (*index.max(axis=(0, 1, 2)) + 1,)
        theirs = data[(*np.moveaxis(index, -1, 0), volume)]
        np.testing.assert_array_equal(theirs, planes_of(matrix_of(raw), frames))


def matrix_of(raw: bytes) -> np.ndarray:
    return read_quietly(io.BytesIO(raw)).pixel_array


def wrapped(raw: bytes) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nibabel warns that it is experimental
        wrappers = import_module("nibabel.nicom.dicomwrappers")
        return wrappers.wrapper_from_data(pydicom.dcmread(io.BytesIO(raw), force=True))


def check_wrapped(raw: bytes) -> None:
    """Assert that nibabel has each slice's first pixel at the same place."""
    frames = describe_tiles(image_of(raw), raw)
    theirs = wrapped(raw)
    assert theirs.image_shape == (frames[0].pixels.rows, frames[0].pixels.columns, len(frames))
    corners = [theirs.affine @ (0, 0, k, 1) for k in range(len(frames))]
    ours = np.array([frame.position for frame in frames])
    np.testing.assert_allclose(ours, np.array(corners)[:, :3], rtol=0, atol=NIBABEL_MM)


@needs_corpus
@pytest.mark.parametrize("folder", ["mr_0003", "mr_0004", "mr_0005", "mr_0006"])
def test_siemens_e11_mosaics_are_those_of_the_peers(folder, tmp_path):
    raws = [path.read_bytes() for path in sorted((NIH / folder).glob("*.dcm"))]
    assert len(raws) == 2
    check_converted(raws, tmp_path)
    for raw in raws:
        check_wrapped(raw)


def test_siemens_b17_diffusion_mosaics_are_those_of_the_peers(tmp_path):
    names = ("siemens_dwi_0.dcm.gz", "siemens_dwi_1000.dcm.gz")
    raws = [gzip.decompress((OWN / name).read_bytes()) for name in names]
    check_converted(raws, tmp_path)
    for raw in raws:
        check_wrapped(raw)
    plain, weighted = (describe_tiles(image_of(raw), raw) for raw in raws)
    assert (plain[0].acquisition.b_value, weighted[0].acquisition.b_value) == (0, 1000)
    assert plain[0].acquisition.b_direction is None
    row, column = unit_axes(weighted)
    image_axes = np.array([row, -column, np.cross(row, column)])
    vectors = np.loadtxt(tmp_path / "out" / "x.bvec")
    ours = image_axes @ weighted[0].acquisition.b_direction
    np.testing.assert_allclose(ours, vectors[:, 1], rtol=0, atol=1e-5)


def test_a_header_without_pixels_is_that_of_nibabel():
    data_set = read_quietly(OWN / "csa_slice_norm.dcm")
    data_set.add_new("PixelData", "OW", bytes(2 * data_set.Rows * data_set.Columns))
    buffer = io.BytesIO()
    data_set.save_as(buffer)
    check_wrapped(buffer.getvalue())


@needs_corpus
def test_without_csa_image_header_the_protocol_is_right_and_dcm2niix_guesses(tmp_path):
    """dcm2niix takes all 64 tiles for slices, and goes up from the first, which is the topmost.

    The first tile's place is that of the protocol's last slice of 50, and so on down: numbered
    from head to feet (ucImageNumbTra). nibabel does not know it for a mosaic at all.
    """
    raws = [path.read_bytes() for path in sorted(WITHOUT_CSA_IMAGE.glob("*.dcm"))]
    data, affine = converted(raws, tmp_path)
    assert data.shape == (80, 80, 64, 2)
    for volume, raw in enumerate(raws):
        frames = describe_tiles(image_of(raw), raw)
        row, column = unit_axes(frames)
        centres = np.array([frame.position for frame in frames]) + 40 * 2.5 * (row + column)
        array = read_slice_array(read_quietly(io.BytesIO(raw))[0x0029, 0x1020].value, 64)
        np.testing.assert_allclose(centres, array.centres[::-1], rtol=0, atol=1e-5)
        planes = planes_of(matrix_of(raw), frames)  # dcm2niix's y goes up: rows are reversed
        theirs = data[:, ::-1, :50, volume].transpose(2, 1, 0)
        np.testing.assert_array_equal(theirs, planes)
    first = (affine @ (0, 79, 0, 1))[:3]
    np.testing.assert_allclose(first, frames[0].position, rtol=0, atol=TOLERANCE_MM)
    step = np.subtract(frames[1].position, frames[0].position)
    np.testing.assert_allclose(affine[:3, 2], -step, rtol=0, atol=TOLERANCE_MM)


@pytest.mark.parametrize("sign", [1, -1], ids=["along", "against"])
@pytest.mark.parametrize("orientation", ["axial", "oblique"])
def test_built_uih_grids_are_those_of_dcm2niix(orientation, sign, tmp_path):
    tiled = Tiled(orientation, sign=sign)
    check_converted([build_grid(tiled)], tmp_path)
