"""The proof from the disk, when a codec is not what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.cases import left_behind, tree, write_series

from napari_dicom_markup import api
from napari_dicom_markup.core import capsule
from napari_dicom_markup.errors import SaveError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

encode_image = capsule._encode_image


def losing(image: np.ndarray) -> bytes:
    wrong = image.copy()
    wrong[0, 0] ^= 1
    return encode_image(wrong)


@pytest.mark.parametrize("image", [True, False], ids=["with image", "without image"])
def test_originals_are_packed_though_a_codec_loses_a_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: bool
) -> None:
    source = write_series(tmp_path / "source", size=32)
    monkeypatch.setattr(capsule, "_encode_image", losing)
    (bundle,) = api.pack(source, tmp_path / "out", image=image).result().bundles
    assert len(bundle.tiffs) == image
    assert left_behind(tmp_path / "out") == []
    (report,) = api.restore(bundle.sidecar, tmp_path / "again").result()
    assert report.ok
    assert tree(tmp_path / "again") == tree(source)


def test_nothing_is_named_where_no_proof_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_series(tmp_path / "source", size=32)
    monkeypatch.setattr("napari_dicom_markup.api.packing.is_exact", lambda _: False)
    with pytest.raises(SaveError, match="proof of an original failed"):
        api.pack(source, tmp_path / "out").result()
    assert tree(tmp_path / "out") == {}
