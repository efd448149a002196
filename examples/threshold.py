"""Label what is denser than 200 HU in a CT series, and pack labels and originals as a bundle.

python examples/threshold.py FOLDER CASE.dcm-markup
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from napari_dicom_markup import open as open_dicom
from napari_dicom_markup import pack, verify

DENSE_HU = 200


def main(folder: Path, case: Path) -> None:
    (volume,) = open_dicom(folder).result()
    values = np.asarray(volume.array)  # (slices, rows, columns), HU
    dense = (values > DENSE_HU).astype(np.uint8)
    voxel_ml = np.prod(volume.stack.geometry.spacing) / 1000
    print(f"dense: {dense.sum() * voxel_ml:.1f} ml")
    (bundle,) = pack(folder, case, labels=dense).result().bundles
    print(f"{bundle.sidecar.name}: all is well: {verify(bundle.sidecar, folder).result().ok}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
