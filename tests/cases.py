"""Small cases: a series in a folder, a bundle of it, and what a folder holds."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicom_markup import api
from napari_dicom_markup.model.sidecar import STAGING_SUFFIX
from tests.data import build_image

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_dicom_markup.api import Bundle

Document = dict[str, Any]


def write_series(folder: Path, slices: int = 3, size: int = 16, **elements: object) -> Path:
    """Write an axial CT series as ``IM1.dcm`` and so on, and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(slices)
    for k in range(slices):
        noise = random.integers(0, 16, (size, size))
        pixels = (noise + 40 * k + 9 * np.arange(size)).astype(np.uint16)
        place = {"ImagePositionPatient": [0, 0, k], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
        image = {"SOPInstanceUID": f"1.2.3.{k}", "Modality": "CT", "PixelSpacing": [1, 1]}
        raw = build_image(pixels, **(image | place | elements))
        (folder / f"IM{k + 1}.dcm").write_bytes(raw + b"behind" * (k == 0))
    return folder


def painted(layers: api.Layers, number: int = 1) -> tuple[Any, dict[str, Any], str]:
    """Return a labels layer over the first image, as napari hands it to a writer."""
    data, meta, _ = layers.tuples[0]
    labels = np.zeros(data.shape, np.uint8)
    labels[0, 1:3, 2:5] = number
    return (
        labels,
        {key: meta[key] for key in ("scale", "translate")} | {"name": "lesions"},
        "labels",
    )


def save_case(source: Path, folder: Path, stem: str = "case", number: int = 1) -> Bundle:
    """Save a series with labels as a bundle in a folder, which is made."""
    folder.mkdir(exist_ok=True)
    layers = api.open_layers(source).result()
    chosen = [layers.tuples[0], painted(layers, number)]
    return api.save_layers(folder / stem, chosen).result()


def tree(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder by its relative path."""
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent) / name
            relative = os.path.relpath(path, folder).replace(os.sep, "/")
            found[relative] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def left_behind(folder: Path) -> list[str]:
    """Return staging folders and stand-ins below a folder: whatever begins with a dot."""
    return [
        name
        for _, folders, files in os.walk(folder)
        for name in (*folders, *files)
        if name.startswith(".") or name.endswith(STAGING_SUFFIX)
    ]


def entries_of(sidecar: Path) -> dict[str, bytes]:
    """Return a sidecar's ZIP entries in their order."""
    with zipfile.ZipFile(sidecar) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_entries(sidecar: Path, entries: dict[str, bytes]) -> None:
    """Write a sidecar's ZIP entries, stored or deflated as this package does it."""
    with zipfile.ZipFile(sidecar, "w") as archive:
        for name, data in entries.items():
            deflated = zipfile.ZIP_DEFLATED if name.endswith(".json") else zipfile.ZIP_STORED
            archive.writestr(name, data, compress_type=deflated)


def forge(sidecar: Path, edit: Callable[[Document, list[Document]], None]) -> None:
    """Change a sidecar's document and the capsules of its first block, and make hashes fit."""
    entries = entries_of(sidecar)
    document = json.loads(entries["sidecar.json"])
    capsules = json.loads(entries["originals/0000.json"])
    edit(document, capsules)
    entries["originals/0000.json"] = json.dumps(capsules).encode()
    for suffix in ("json", "xz", "bin"):
        digest = hashlib.sha256(entries.get(f"originals/0000.{suffix}", b"")).hexdigest()
        with suppress(KeyError, TypeError, IndexError):  # the edit may have left no such place
            document["blocks"][0]["sha256"][suffix] = digest
    entries["sidecar.json"] = json.dumps(document).encode()
    write_entries(sidecar, entries)
