"""Geometry of the corpus: equal to the formulas of PS3.3, and to the peers or else explained.

``series_ref.json`` holds what SimpleITK and dcm2niix make of each series. The peers are not the
truth: each disagreement stands in ``EXPLAINED`` with the reason why ours is right.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicom_markup import api
from tests.data import CORPUS, needs_corpus

if TYPE_CHECKING:
    from napari_dicom_markup.model.stack import Series, Stack

TOLERANCE_MM = 0.01

EXPLAINED = {
    "2231b5fa5b": "tilted by 14°: SimpleITK drops the shift; dcm2niix writes the slices unshifted "
    "and a second, resampled volume",
    "3ca8215b66": "one slice is missing: SimpleITK averages the steps, dcm2niix resamples; ours "
    "keeps the median step and reports the gap",
    "98f76270d3": "missing slice and tilt: both of the above",
    "2dd138b373": "four slices with a gap of whole steps: averaged or resampled by the peers",
    "610b593d67": "multi-echo with missing images: the peers pile the echoes up or cut them "
    "otherwise; ours has a stack an echo, each with its own positions",
    "79f9f7ad2e": "a mosaic without the maker's CSA image header: dcm2niix guesses 64 slices where "
    "the protocol in the file says 50, and guesses their direction",
    "208eca43ab": "two scouts of different orientation: the peers make one volume of both",
}
"""Series hash of series_ref.json to the reason why the peers' affine is not ours."""


def reference() -> dict[str, Any]:
    path = CORPUS / "series_ref.json"
    return json.loads(path.read_text()) if path.is_file() else {}


@cache
def series_in(folder: str) -> dict[str, Series]:
    """Return the series of a corpus folder by the hash that series_ref.json has of their UIDs."""
    found = api.scan(CORPUS / folder).result()
    return {hashlib.sha1(s.uid.encode()).hexdigest()[:10]: s for s in found.series}


def corners(affine: np.ndarray, sizes: list[int], order: tuple[int, ...]) -> np.ndarray:
    """Return the LPS places of a volume's corner voxels; ``order`` sorts indices to columns."""
    ends = itertools.product(*((0, size - 1) for size in sizes))
    return np.array([(affine @ (*(index[k] for k in order), 1))[:3] for index in ends])


def our_corners(stack: Stack) -> np.ndarray:
    affine = stack.geometry.affine_lps()
    return corners(affine, list(stack.shape[-3:]), (0, 1, 2))


def itk_corners(reference: dict[str, Any]) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = np.array(reference["direction"]).reshape(3, 3) * reference["spacing"]
    affine[:3, 3] = reference["origin"]
    return corners(affine, reference["size"], (0, 1, 2))


def niix_corners(reference: dict[str, Any]) -> np.ndarray:
    """dcm2niix writes RAS and flips axes: the corners are the same points in another order."""
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.array(reference["affine"])
    return corners(affine, (reference["dim"] + [1, 1])[:3], (0, 1, 2))


def apart(a: np.ndarray, b: np.ndarray) -> float:
    """Return how far the corners of two volumes lie apart, in whatever order they come."""
    distances = np.linalg.norm(a[:, None] - b[None], axis=2)
    return float(max(distances.min(axis=0).max(), distances.min(axis=1).max()))


def disagreement(series: Series, peers: dict[str, Any]) -> list[float]:
    """Return how far each peer's volume lies from the stack of ours that it could be."""
    itk, niix = peers.get("sitk") or {}, peers.get("dcm2niix") or ()
    found = []
    for stack in series.stacks:
        ours = our_corners(stack)
        if len(itk.get("size", ())) == 3 and itk["size"][2] == stack.slices:
            found.append(apart(ours, itk_corners(itk)))
        theirs = [niix_corners(one) for one in niix if "affine" in one]
        found += [min(apart(ours, one) for one in theirs)] if theirs else []
    return found


@needs_corpus
def test_geometry_agrees_with_both_peers_or_the_difference_is_explained():
    compared, differing = 0, set()
    for key, peers in reference().items():
        repository, folder, digest = key.split("|")
        series = series_in(f"{repository.replace('/', '+')}/{folder}").get(digest)
        if series is None or any(stack.geometry.patient is None for stack in series.stacks):
            continue
        distances = disagreement(series, peers)
        compared += len(distances)
        if any(distance > TOLERANCE_MM for distance in distances):
            differing.add(digest)
    assert differing == set(EXPLAINED)
    assert compared >= 80


@needs_corpus
def test_every_slice_of_every_stack_lies_where_its_own_header_says():
    checked = 0
    for folder in sorted(path for path in CORPUS.iterdir() if path.is_dir()):
        for series in api.scan(folder).result().series:
            for stack in series.stacks:
                frame = stack.geometry.patient
                if frame is None:
                    continue
                volumes = np.array([i.position for i in stack.frames]).reshape(-1, stack.slices, 3)
                assert frame.origins == tuple(map(tuple, volumes[0]))
                along = volumes[0] @ frame.normal
                assert (np.diff(along) < 0).all()
                half = min(stack.geometry.spacing[1:]) / 2
                assert np.abs(volumes - volumes[0]).max() <= half
                affine = stack.geometry.affine_lps()
                np.testing.assert_array_equal((affine @ (0, 0, 0, 1))[:3], frame.origins[0])
                checked += len(stack.frames)
    assert checked > 400
