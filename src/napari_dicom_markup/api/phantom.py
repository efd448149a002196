"""The phantom CT as files, as layers, and through the whole main job."""

from __future__ import annotations

import hashlib
import io
import shutil
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_dicom_markup.api.case import Case
from napari_dicom_markup.api.layers import Layers, open_layers_steps
from napari_dicom_markup.api.opening import open_steps
from napari_dicom_markup.api.packing import Bundle, pack_case
from napari_dicom_markup.api.restoring import Report, restore_steps
from napari_dicom_markup.core.naming import stack_name
from napari_dicom_markup.core.phantom import SLICES, phantom_series
from napari_dicom_markup.model.markup import FeatureColumn, Labels, LabelsStyle
from napari_dicom_markup.model.progress import Step
from napari_dicom_markup.sinks.dicom import hash_file, make_folder, write_original

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_dicom_markup.model.stack import Volume

BONE_HU, LESION_HU = 200, 50
"""The demo paints what is above these as "bone" and, within a box, as "lesion"."""


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo did: its bundle, the report of its restoration, and how many files agree."""

    bundle: Bundle
    report: Report
    painted: int
    compared: int
    equal: int


def write_phantom_steps(folder: Path) -> Generator[Step, None, list[Path]]:
    """Write the phantom's DICOM files, one of them with bytes behind its data set."""
    make_folder(folder)
    written = []
    for number, (name, data) in enumerate(phantom_series(), start=1):
        buffer = io.BytesIO()
        data.save_as(buffer)
        raw = buffer.getvalue() + (b"trailing" if number == 1 else b"")
        path = folder / name
        write_original(path, [raw], hashlib.sha256(raw).hexdigest(), folder)
        written.append(path)
        yield Step(number, SLICES, "writing the phantom")
    return written


def phantom_layers_steps() -> Generator[Step, None, Layers]:
    """Open the phantom as napari layers; its files go when the last layer does."""
    folder = Path(tempfile.mkdtemp(prefix="napari-dicom-markup-phantom-"))
    yield from write_phantom_steps(folder)
    layers = yield from open_layers_steps([folder])
    weakref.finalize(layers.tuples[0][0], shutil.rmtree, folder, ignore_errors=True)
    return layers


def demo_steps(folder: Path) -> Generator[Step, None, Demo]:
    """Run the main job on the phantom: write, open, paint, pack, restore, compare."""
    originals = folder / "dicom"
    written = yield from write_phantom_steps(originals)
    (volume,) = yield from open_steps([originals])
    labels = _paint(volume)
    case = Case(volume.series, {1: [labels]}, {1: volume})
    make_folder(folder / "bundle")
    stem = stack_name(volume.series, volume.stack)
    bundle = yield from pack_case(case, folder / "bundle", stem)
    (report,) = yield from restore_steps([bundle.sidecar], folder / "restored")
    equal = [
        hash_file(path) == hash_file(folder / "restored" / path.relative_to(originals))
        for path in written
    ]
    return Demo(bundle, report, int(np.count_nonzero(labels.data)), len(equal), sum(equal))


def _paint(volume: Volume) -> Labels:
    """Label the phantom's bone as 1 and a lesion as 2, by their HU."""
    values = np.asarray(volume.array)
    data = np.zeros(values.shape, dtype=np.uint8)
    data[values > BONE_HU] = 1
    box = (slice(12, 28), slice(40, 66), slice(60, 100))
    data[box][(values[box] > LESION_HU) & (data[box] == 0)] = 2
    names = (FeatureColumn("index", (1, 2)), FeatureColumn("name", ("bone", "lesion")))
    return Labels(LabelsStyle("demo labels", features=names), data)
