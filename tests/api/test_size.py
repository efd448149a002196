"""The size of sidecars, measured on real series."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
from tests.data import CORPUS, needs_corpus
from tests.series import make_data_set

from napari_dicom_markup import api


def originals_entries(sidecar, suffix):
    with zipfile.ZipFile(sidecar) as archive:
        return sum(i.compress_size for i in archive.infolist() if i.filename.endswith(suffix))


@needs_corpus
def test_a_real_uncompressed_ct_takes_at_most_0_4_of_its_size(tmp_path):
    folder = CORPUS / "Slicer+Slicer/Testing/Data/Input/CTHeadAxialDicom"
    (bundle,) = api.pack(folder, tmp_path, image=False).result().bundles
    assert bundle.files == 93
    assert bundle.sidecar_bytes <= 0.4 * bundle.original_bytes


@needs_corpus
def test_real_512_ct_slices_take_a_quarter(tmp_path):
    folder = CORPUS / "qurit+rt-utils/tests"
    bundles = api.pack(folder, tmp_path, image=False).result().bundles
    large = [bundle for bundle in bundles if bundle.original_bytes > 1 << 20]
    assert large
    assert all(bundle.sidecar_bytes <= 0.4 * bundle.original_bytes for bundle in large)


@needs_corpus
@pytest.mark.parametrize("name", ["compressed_j2k", "compressed_jpegls", "compressed_rle"])
def test_compressed_pixels_are_kept_as_they_are(tmp_path, name):
    folder = CORPUS / f"icometrix+dicom2nifti/tests/data/generic/{name}/001"
    (bundle,) = api.pack(folder, tmp_path, image=False).result().bundles
    assert bundle.sidecar_bytes <= 1.02 * bundle.original_bytes + 4000


def test_a_compressed_series_above_a_megabyte_takes_at_most_1_02(tmp_path):
    from pydicom.uid import JPEGLSLossless

    random = np.random.default_rng(3)
    folder = tmp_path / "dicom"
    folder.mkdir()
    for k in range(20):
        plane = random.integers(0, 4096, (256, 256)).astype(np.uint16)
        data = make_data_set(k, plane)
        data.compress(JPEGLSLossless)
        data.save_as(folder / f"{k}.dcm", enforce_file_format=True)
    (bundle,) = api.pack(folder, tmp_path / "out", image=False).result().bundles
    assert bundle.original_bytes > 1 << 20
    assert bundle.sidecar_bytes <= 1.02 * bundle.original_bytes


def test_headers_of_a_long_ct_series_take_at_most_half_a_kilobyte_a_file(tmp_path):
    folder = tmp_path / "dicom"
    folder.mkdir()
    for k in range(130):
        data = make_data_set(k, np.full((16, 16), k, np.uint16))
        data.AcquisitionTime, data.ContentTime = f"1012{k % 60:02d}.{k:06d}", f"1013{k % 60:02d}"
        block = data.private_block(0x0019, "A MAKER", create=True)
        for n in range(100):
            value = f"{n * 1.25 + (k * 0.01 if n % 10 == 0 else 0):.4f}"
            block.add_new(n, "LO", value)
        data.save_as(folder / f"{k}.dcm", enforce_file_format=True)
    (bundle,) = api.pack(folder, tmp_path / "out", image=False).result().bundles
    headers = originals_entries(bundle.sidecar, ".xz")
    assert headers <= 500 * bundle.files
    assert bundle.original_bytes > 2000 * bundle.files
