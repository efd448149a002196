"""Objects of every kind from file to array, to a bundle and back, against what pydicom reads."""

from __future__ import annotations

import io
import json
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
import tifffile
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_color_lut
from pydicom.uid import UID
from tests.cases import tree
from tests.data import REPOSITORY, build_image
from tests.instances import ORIENTATIONS
from tests.segmentations import make_segmentation, make_sources
from tests.sources.dicom.multiframe.objects import (
    KINDS,
    cine,
    enhanced_ct,
    item,
    nuclear_reconstruction,
    parametric_map,
)
from tests.sources.dicom.test_structure_set import make_contour, make_set
from tests.sources.dicom.tiles.tiled import Tiled, build_grid, build_mosaic, csa_of, with_private

from napari_dicom_markup import api
from napari_dicom_markup.errors import ValuesError
from napari_dicom_markup.sinks.layers import Display, image_layer
from napari_dicom_markup.sources.bundle import SidecarReader
from napari_dicom_markup.standard import transfer_syntax as ts

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom import Dataset

    from napari_dicom_markup.model.stack import Stack, Volume

Leading = tuple[tuple[str, str, tuple[float, ...]], ...]


@dataclass(frozen=True)
class Expected:
    """What an object of 4 × 6 pixels is: ``order`` has the file's frames as they should stand."""

    order: tuple[int, ...]
    slices: int
    leading: Leading = ()
    placed: bool = True
    unit: str = ""


EXPECTED = {
    "Enhanced CT": Expected((4, 3, 2, 1, 0), 5, unit="HU"),
    "Enhanced MR": Expected((4, 2, 0, 5, 3, 1), 3, (("t", "s", (0, 1)),)),
    "Legacy Converted MR": Expected((1, 0, 3, 2), 2, (("echo", "ms", (10, 20)),)),
    "Enhanced PET": Expected((0, 1, 2), 3, unit="Bq/ml"),
    "Enhanced US volume": Expected((2, 1, 0, 5, 4, 3), 3, (("t", "s", (0, 0.25)),)),
    "tomosynthesis": Expected((0, 1, 2, 3), 4),
    "ophthalmic tomography": Expected((3, 2, 1, 0), 4),
    "Enhanced XA": Expected((0, 1, 2), 1, (("primary angle", "deg", (-30, 0, 30)),), placed=False),
    "parametric map": Expected((1, 0), 2, unit="um2/s"),
    "NM reconstruction": Expected((3, 2, 1, 0), 4),
    "NM gated": Expected(
        (3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8), 4, (("time slot", "ms", (0, 50, 100)),)
    ),
    "NM dynamic": Expected(
        tuple(range(14)),
        1,
        (("detector", "", (1, 2)), ("time slice", "s", (0, 1.5, 3, 4.5, 6, 10, 20))),
        placed=False,
    ),
    "NM tomography": Expected(
        (0, 1, 2, 3), 1, (("angular view", "deg", (180, 270, 360, 450)),), placed=False
    ),
    "RT dose": Expected((3, 2, 1, 0), 4, unit="Gy"),
    "US cine": Expected((0, 1, 2, 3), 1, (("t", "s", (0, 0.04, 0.08, 0.12)),), placed=False),
    "XA cine": Expected((0, 1, 2, 3), 1, (("t", "s", (0, 0.05, 0.1, 0.2)),), placed=False),
}


def noisy(data_set: Dataset, seed: int = 1) -> Dataset:
    """Give an object random pixels, so that no frame, row or column passes for another."""
    shape = (int(data_set.NumberOfFrames), data_set.Rows, data_set.Columns)
    values = np.random.default_rng(seed).integers(0, 1 << 16, shape)
    data_set.PixelData = values.astype("<u2").tobytes()
    data_set["PixelData"].VR = "OW"
    return data_set


def save(data_set: Dataset, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data_set.save_as(path, implicit_vr=False, little_endian=True, enforce_file_format=True)
    return path


def open_one(path: Path) -> Volume:
    (volume,) = api.open(path).result()
    return volume


def first_of(data_set: Dataset, number: int, keyword: str) -> Any:
    """Return what a frame's own group, the shared one or the top level says, in this order."""
    groups = []
    for sequence in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        items = data_set.get(sequence, [])
        groups += items[number : number + 1] if "PerFrame" in sequence else items[:1]
    for group in groups:
        for element in group:
            if element.VR == "SQ" and element.value and keyword in element.value[0]:
                return element.value[0][keyword].value
    return data_set.get(keyword)


def plane_of(data_set: Dataset, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a frame's position and (row, column) directions, by its object's own module."""
    detector = data_set.get("DetectorInformationSequence", [data_set])[0]
    said = first_of(data_set, number, "ImageOrientationPatient")
    axes = said or first_of(data_set, number, "ImageOrientationVolume")
    axes = axes or detector.ImageOrientationPatient
    place = first_of(data_set, number, "ImagePositionPatient")
    place = place or first_of(data_set, number, "ImagePositionVolume")
    place = np.array(place or detector.ImagePositionPatient, float)
    directions = np.array(axes, float).reshape(2, 3)
    along = 0.0
    if "GridFrameOffsetVector" in data_set:
        along = float(data_set.GridFrameOffsetVector[number])
    if "SliceVector" in data_set:
        along = (data_set.SliceVector[number] - 1) * float(data_set.SpacingBetweenSlices)
    return place + along * np.cross(*directions), directions


def affine_of(data_set: Dataset, order: tuple[int, ...], slices: int) -> np.ndarray:
    """Return the matrix of PS3.3 C.7.6.2.1.1 for slices in this order."""
    (first, (row, column)), (last, _) = (plane_of(data_set, order[k]) for k in (0, slices - 1))
    down, across = (float(value) for value in first_of(data_set, 0, "PixelSpacing"))
    affine = np.eye(4)
    affine[:3] = np.stack(
        [(last - first) / (slices - 1), column * down, row * across, first], axis=1
    )
    return affine


def values_of(data_set: Dataset, order: tuple[int, ...]) -> np.ndarray:
    """Return physical values as pydicom's stored ones times what each frame says."""
    planes = []
    for number in order:
        slope, intercept = 1.0, 0.0
        for pair in (
            ("RescaleSlope", "RescaleIntercept"),
            ("RealWorldValueSlope", "RealWorldValueIntercept"),
            ("DoseGridScaling", ""),
        ):
            if (stated := first_of(data_set, number, pair[0])) is not None:
                slope, intercept = float(stated), float(first_of(data_set, number, pair[1]) or 0)
                break
        planes.append(data_set.pixel_array[number].astype(float) * slope + intercept)
    return np.stack(planes)


def leading_of(stack: Stack) -> Leading:
    return tuple((axis.name, axis.unit, axis.values) for axis in stack.leading)


def check_planes(volume: Volume) -> np.ndarray:
    """Read a volume whole, and compare that with reading each plane alone; return it."""
    whole = np.asarray(volume.array)
    assert whole.shape[: len(volume.stack.shape)] == volume.stack.shape
    for index in np.ndindex(*volume.stack.shape[:-2]):
        assert np.array_equal(volume.array[index], whole[index], equal_nan=True)
    assert whole.dtype == volume.array.dtype
    return whole


def check_round_trip(source: Path, folder: Path) -> None:
    """Pack with labels, verify, reopen, save again and restore: nothing changes on the way."""
    opened = api.open(source).result()
    packed = api.pack(source, folder / "plain").result()
    assert all(api.verify(one.sidecar).result().ok for one in packed.bundles)
    for volume in opened:
        for leading in (True, False):
            check_labels(volume, opened, folder / f"labels {volume.stack.index} {leading}", leading)
    restored = folder / "restored"
    api.restore([one.sidecar for one in packed.bundles], restored).result()
    assert tree(restored) == tree(source)


def check_labels(volume: Volume, opened: tuple[Volume, ...], folder: Path, leading: bool) -> None:
    """Paint random labels on a volume, save them with its image, and open them again, twice."""
    folder.mkdir()
    shape = volume.stack.shape if leading else volume.stack.shape[-3:]
    painted = np.random.default_rng(2).integers(0, 5, shape).astype(np.uint8)
    own = image_layer(volume, Display("image", (0.0, 1.0), (0.0, 1.0)))
    grid = {key: own[1][key][-len(shape) :] for key in ("scale", "translate")}
    layer = (painted, grid | {"name": "lesions", "metadata": {}}, "labels")
    sidecar = api.save_layers(folder / "case", [own, layer]).result().sidecar
    report = api.verify(sidecar).result()
    assert {one.outcome.value for one in (*report.files, *report.tiffs)} == {"exact"}
    check_reopened(sidecar, volume, opened, painted)
    again = api.reopen_layers(sidecar).result().tuples
    (image,) = (i for i in again if i[2] == "image" and is_same(i[0].volume, volume))
    api.save_layers(folder / "case", [image]).result()  # without its labels: they stay
    check_reopened(sidecar, volume, opened, painted)


def is_same(one: Volume, other: Volume) -> bool:
    return (one.series.uid, one.stack.index) == (other.series.uid, other.stack.index)


def check_reopened(
    sidecar: Path, volume: Volume, opened: tuple[Volume, ...], painted: np.ndarray
) -> None:
    """Volumes and labels of a bundle are what was opened and painted."""
    reopened = api.reopen(sidecar).result()
    assert reopened.notes == ()
    assert list(reopened.labels) == [volume.stack.index]
    (labels,) = reopened.labels[volume.stack.index]
    assert np.array_equal(labels.data, painted)
    assert labels.data.shape == painted.shape
    originals = [one for one in opened if one.series.uid == volume.series.uid]
    for found, original in zip(reopened.volumes, originals, strict=True):
        assert described(found.stack) == described(original.stack)
        assert np.array_equal(check_planes(found), np.asarray(original.array), equal_nan=True)


def described(stack: Stack) -> tuple[object, ...]:
    frames = [(f.sop_instance_uid, f.number, f.tile, f.values.unit) for f in stack.frames]
    return (stack.shape, stack.axes, stack.leading, stack.geometry, stack.reports, frames)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_stands_where_its_header_says(kind, tmp_path):
    data_set = noisy(KINDS[kind]())
    expected = EXPECTED[kind]
    stack = open_one(save(data_set, tmp_path / "a.dcm")).stack
    lengths = tuple(len(values) for _, _, values in expected.leading)
    assert stack.shape == (*lengths, expected.slices, 4, 6)
    assert stack.axes == (*(name for name, _, _ in expected.leading), "z", "y", "x")
    for found, (name, unit, values) in zip(leading_of(stack), expected.leading, strict=True):
        assert found[:2] == (name, unit)
        assert found[2] == pytest.approx(values, abs=1e-9)
    assert tuple(frame.number for frame in stack.frames) == expected.order
    affine = stack.geometry.affine_lps()
    if not expected.placed:
        assert affine is None
        return
    wanted = affine_of(data_set, expected.order, expected.slices)
    assert np.abs(affine - wanted).max() < 1e-9
    origins = [plane_of(data_set, number)[0] for number in expected.order[: expected.slices]]
    assert np.allclose(stack.geometry.patient.origins, origins, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_the_values_that_pydicom_reads(kind, tmp_path):
    data_set = noisy(KINDS[kind]())
    volume = open_one(save(data_set, tmp_path / "a.dcm"))
    wanted = values_of(pydicom.dcmread(tmp_path / "a.dcm"), EXPECTED[kind].order)
    found = check_planes(volume).reshape(-1, 4, 6)
    assert np.allclose(found, wanted, rtol=1e-6, atol=0)
    assert volume.stack.frames[0].values.unit == EXPECTED[kind].unit


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_survives_a_bundle(kind, tmp_path):
    save(noisy(KINDS[kind]()), tmp_path / "dicom" / "a" / "a.dcm")
    check_round_trip(tmp_path / "dicom", tmp_path)


@pytest.mark.parametrize("keyword", ["FloatPixelData", "DoubleFloatPixelData"])
def test_a_parametric_map_of_floats_keeps_them(keyword, tmp_path):
    data_set = parametric_map()
    size = 4 if keyword == "FloatPixelData" else 8
    stored = np.random.default_rng(3).normal(size=(2, 4, 6)).astype(f"<f{size}")
    for unused in ("BitsStored", "HighBit", "PixelRepresentation"):
        delattr(data_set, unused)
    data_set.BitsAllocated = 8 * size
    setattr(data_set, keyword, stored.tobytes())
    mapping = data_set.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    mapping.DoubleFloatRealWorldValueFirstValueMapped = -1e30
    mapping.DoubleFloatRealWorldValueLastValueMapped = 1e30
    volume = open_one(save(data_set, tmp_path / "dicom" / "a.dcm"))
    assert volume.array.dtype == np.dtype(f"f{size}")
    wanted = stored[::-1].astype(float) * 0.5 + 1
    assert np.allclose(check_planes(volume), wanted, rtol=1e-6 if size == 4 else 1e-15)
    check_round_trip(tmp_path / "dicom", tmp_path)


TILED = {
    "mosaic": lambda tiled: build_mosaic(tiled, csa_of(tiled)),
    "grid": build_grid,
}


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("kind", TILED)
def test_tiles_are_slices_where_they_lie(kind, orientation, sign, tmp_path):
    tiled = Tiled(orientation, sign=sign)
    (tmp_path / "a.dcm").write_bytes(TILED[kind](tiled))
    volume = open_one(tmp_path / "a.dcm")
    backwards = slice(None, None, -sign)
    assert np.array_equal(check_planes(volume), tiled.volume[backwards])
    affine = volume.stack.geometry.affine_lps()
    row, column = tiled.cosines
    down, across = tiled.spacing
    step = -tiled.normal * tiled.between
    columns = [step, column * down, row * across, tiled.origins[backwards][0]]
    assert np.abs(affine[:3] - np.stack(columns, axis=1)).max() < 1e-4


@pytest.mark.parametrize("kind", TILED)
def test_tiles_survive_a_bundle(kind, tmp_path):
    (tmp_path / "dicom").mkdir()
    (tmp_path / "dicom" / "a.dcm").write_bytes(TILED[kind](Tiled()))
    check_round_trip(tmp_path / "dicom", tmp_path)


def test_mosaics_in_time_are_volumes(tmp_path):
    (tmp_path / "dicom").mkdir()
    for t in range(3):
        tiled = Tiled()
        more = {"SOPInstanceUID": f"1.2.3.{t}", "InstanceNumber": t + 1}
        more |= {"AcquisitionTime": f"10150{2 * t}.5", "AcquisitionNumber": t + 1}
        (tmp_path / "dicom" / f"{3 - t}.dcm").write_bytes(
            build_mosaic(tiled, csa_of(tiled), **more)
        )
    volume = open_one(tmp_path / "dicom")
    assert volume.stack.shape == (3, 5, 4, 6)
    assert leading_of(volume.stack) == (("t", "s", (0.0, 2.0, 4.0)),)
    check_round_trip(tmp_path / "dicom", tmp_path)


ODD = {
    "12 bits packed": (
        bytes.fromhex("341256") * 12,
        {"BitsAllocated": 12, "BitsStored": 12, "HighBit": 11},
        np.tile([0x234, 0x561], 12).reshape(4, 6),
    ),
    "1 bit": (
        bytes([0b10110010, 0b00000001, 0b11111111]),
        {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0},
        np.array([0, 1, 0, 0, 1, 1, 0, 1] + [1] + [0] * 7 + [1] * 8).reshape(4, 6),
    ),
    "MONOCHROME1": (
        np.arange(24, dtype="<u2").tobytes(),
        {"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11}
        | {"PhotometricInterpretation": "MONOCHROME1"},
        np.arange(24).reshape(4, 6),
    ),
    "signed 32 bits": (
        (np.arange(24, dtype="<i4") * -70_001).tobytes(),
        {"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31, "PixelRepresentation": 1},
        np.arange(24).reshape(4, 6) * -70_001,
    ),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_pixels_are_their_stored_values(kind, tmp_path):
    raw, elements, wanted = ODD[kind]
    size = {"Rows": 4, "Columns": 6, "PixelRepresentation": 0}
    (tmp_path / "dicom").mkdir()
    (tmp_path / "dicom" / "a.dcm").write_bytes(build_image(raw, **(size | elements)))
    volume = open_one(tmp_path / "dicom")
    assert np.array_equal(check_planes(volume)[0], wanted)
    check_round_trip(tmp_path / "dicom", tmp_path)


@pytest.mark.parametrize("frames", [1, 3])
def test_a_palette_is_shown_in_its_colours(frames, tmp_path):
    data_set = cine(frames, FrameTime=40, PhotometricInterpretation="PALETTE COLOR")
    data_set.BitsAllocated = data_set.BitsStored = 8
    data_set.HighBit = 7
    random = np.random.default_rng(4)
    data_set.PixelData = random.integers(0, 256, frames * 24).astype("u1").tobytes()
    for colour in ("Red", "Green", "Blue"):
        setattr(data_set, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        entries = random.integers(0, 1 << 16, 256).astype("<u2").tobytes()
        setattr(data_set, f"{colour}PaletteColorLookupTableData", entries)
    data_set["PixelData"].VR = "OW"
    volume = open_one(save(data_set, tmp_path / "dicom" / "a.dcm"))
    found = check_planes(volume)
    known = pydicom.dcmread(tmp_path / "dicom" / "a.dcm")
    wanted = apply_color_lut(known.pixel_array, known) >> 8
    assert np.array_equal(found.reshape(frames, 4, 6, 3), wanted.reshape(frames, 4, 6, 3))
    check_round_trip(tmp_path / "dicom", tmp_path)


def mr(number: int, **elements: Any) -> bytes:
    """Return an MR image; three in a row lie at one position."""
    pixels = np.random.default_rng(number).integers(0, 4096, (4, 6)).astype(np.uint16)
    image = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4",
        "Modality": "MR",
        "SOPInstanceUID": f"1.2.3.{number}",
        "InstanceNumber": number,
        "PixelSpacing": [1, 1],
        "ImagePositionPatient": [0, 0, 3 * (number // 3)],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    }
    return build_image(pixels, **(image | elements))


DIFFUSION = {
    "standard": [((), 0x0018, 0x9087, "FD", float)],
    "Siemens": [((0x0019, "SIEMENS MR HEADER"), 0, 0x0C, "IS", int)],
    "GE": [((0x0043, "GEMS_PARM_01"), 0, 0x39, "IS", lambda b: [1_000_000_000 + int(b), 8, 0, 0])],
    "Philips": [((0x2001, "Philips Imaging DD 001"), 0, 0x03, "FL", float)],
    "UIH": [((0x0065, "Image Private Header"), 0, 0x09, "FD", float)],
}


@pytest.mark.parametrize("maker", DIFFUSION)
def test_b_values_are_an_axis_whoever_wrote_them(maker, tmp_path):
    ((block, _, element, vr, as_written),) = DIFFUSION[maker]
    (tmp_path / "dicom").mkdir()
    for number in range(6):
        b = (0.0, 500.0, 1000.0)[number % 3]
        if block:
            raw = with_private(mr(number), (block, element, vr, as_written(b)))
        else:
            raw = mr(number, DiffusionBValue=b)
        (tmp_path / "dicom" / f"{(number * 5) % 6}.dcm").write_bytes(raw)
    volume = open_one(tmp_path / "dicom")
    assert leading_of(volume.stack) == (("b", "s/mm²", (0.0, 500.0, 1000.0)),)
    uids = [frame.sop_instance_uid for frame in volume.stack.frames]
    assert uids == [f"1.2.3.{number}" for number in (3, 0, 4, 1, 5, 2)]
    check_planes(volume)
    check_round_trip(tmp_path / "dicom", tmp_path)


COMPONENTS = {
    "standard": lambda n: mr(n, ComplexImageComponent=("MAGNITUDE", "PHASE", "REAL")[n % 3]),
    "image type": lambda n: mr(n, ImageType=["ORIGINAL", "PRIMARY", "MPR"[n % 3]]),
    "GE": lambda n: with_private(mr(n), ((0x0043, "GEMS_PARM_01"), 0x2F, "SS", n % 3)),
}


@pytest.mark.parametrize("way", COMPONENTS)
def test_magnitude_phase_and_real_part_are_stacks_of_their_own(way, tmp_path):
    (tmp_path / "dicom").mkdir()
    for number in range(6):
        (tmp_path / "dicom" / f"{number}.dcm").write_bytes(COMPONENTS[way](number))
    opened = api.open(tmp_path / "dicom").result()
    assert [volume.stack.shape for volume in opened] == [(2, 4, 6)] * 3
    found = [{int(f.sop_instance_uid[6:]) % 3 for f in v.stack.frames} for v in opened]
    assert found == [{0}, {1}, {2}]
    check_round_trip(tmp_path / "dicom", tmp_path)


@pytest.fixture
def ct(tmp_path):
    sources = make_sources(orientation="axial", ImageType=["ORIGINAL", "PRIMARY", "AXIAL"])
    for k, data in enumerate(sources):
        save(data, tmp_path / "dicom" / f"{k}.dcm")
    return sources


def check_marked(folder: Path, wanted: np.ndarray) -> None:
    """Labels lie on the CT, and do so again when both came back out of their bundles."""
    (markup,) = api.open_markup(folder / "dicom").result()
    (labels,) = markup.labels
    assert np.array_equal(np.asarray(labels.data), wanted)
    check_round_trip(folder / "dicom", folder)
    (again,) = api.open_markup(folder / "restored").result()
    assert np.array_equal(np.asarray(again.labels[0].data), wanted)


def test_a_segmentation_comes_back_with_its_ct(tmp_path, ct):
    pixels = np.zeros((5, 6, 7), np.uint8)
    pixels[1, 2:4, 3:5], pixels[3, 1:2, 1:6] = 1, 2
    save(make_segmentation(ct, pixels), tmp_path / "dicom" / "seg.dcm")
    check_marked(tmp_path, pixels[::-1])


def test_a_structure_set_comes_back_with_its_ct(tmp_path, ct):
    x, y, z = (float(value) for value in ct[2].ImagePositionPatient)
    left, right, top, bottom = x + 0.35, x + 0.35 + 3 * 0.7, y + 0.4, y + 0.4 + 2 * 0.8
    corners = [left, top, z, right, top, z, right, bottom, z, left, bottom, z]
    contour = make_contour(corners)
    contour.ContourImageSequence[0].ReferencedSOPInstanceUID = ct[2].SOPInstanceUID
    data_set = make_set(contour, number=1)
    data_set.SeriesInstanceUID, data_set.StudyInstanceUID = "1.2.99", "1.2"
    data_set.StructureSetROISequence[0].ReferencedFrameOfReferenceUID = ct[0].FrameOfReferenceUID
    data_set.file_meta.TransferSyntaxUID = UID(ts.EXPLICIT_LE)
    save(data_set, tmp_path / "dicom" / "rt.dcm")
    wanted = np.zeros((5, 6, 7), np.uint8)
    wanted[2, 1:3, 1:4] = 1
    check_marked(tmp_path, wanted)


def jpeg_run(number: int) -> bytes:
    """Return a run of three JPEG-LS frames; the headers of all runs are equally long."""
    import imagecodecs

    frames = np.random.default_rng(number).integers(0, 256, (3, 16, 16)).astype(np.uint8)
    frames[:, :, number * 5 :] = number  # codestreams of other lengths in each run
    data_set = cine(3, FrameTime=40, Rows=16, Columns=16)
    data_set.BitsAllocated = data_set.BitsStored = 8
    data_set.HighBit, data_set.SOPInstanceUID = 7, f"1.2.3.{number}"
    data_set.file_meta.MediaStorageSOPInstanceUID = data_set.SOPInstanceUID
    data_set.file_meta.TransferSyntaxUID = UID(ts.JPEG_LS_LOSSLESS)
    data_set.PixelData = encapsulate([imagecodecs.jpegls_encode(frame) for frame in frames])
    data_set["PixelData"].VR, data_set["PixelData"].is_undefined_length = "OB", True
    buffer = io.BytesIO()
    data_set.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def test_compressed_runs_of_one_series_are_not_mixed_up_in_a_sidecar(tmp_path):
    (tmp_path / "dicom").mkdir()
    for number in range(3):
        (tmp_path / "dicom" / f"{number}.dcm").write_bytes(jpeg_run(number))
    opened = api.open(tmp_path / "dicom").result()
    for number, volume in enumerate(opened):
        known = pydicom.dcmread(tmp_path / "dicom" / f"{number}.dcm").pixel_array
        assert np.array_equal(check_planes(volume)[:, 0], known)
    check_round_trip(tmp_path / "dicom", tmp_path)


def test_a_gated_study_does_not_repeat_its_own_axis_beside_it(tmp_path):
    volume = open_one(save(noisy(nuclear_reconstruction(slots=3)), tmp_path / "a.dcm"))
    (axis,) = volume.stack.leading
    assert axis.coordinates == ()


def test_two_enhanced_objects_of_one_series_are_one_stack(tmp_path):
    """Concatenations and scanners split a volume over objects: their frames stand together."""
    for number in range(2):
        data_set = noisy(enhanced_ct(3), seed=number)
        data_set.SOPInstanceUID = data_set.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        for z, group in enumerate(data_set.PerFrameFunctionalGroupsSequence):
            place = [-10.0, -20.0, 2.0 * (2 * z + number)]
            group.PlanePositionSequence[0].ImagePositionPatient = place
        save(data_set, tmp_path / "dicom" / f"{number}.dcm")
    volume = open_one(tmp_path / "dicom")
    places = [(frame.sop_instance_uid[-1], frame.number) for frame in volume.stack.frames]
    assert places == [("1", 2), ("0", 2), ("1", 1), ("0", 1), ("1", 0), ("0", 0)]
    check_planes(volume)
    check_round_trip(tmp_path / "dicom", tmp_path)


GOLDEN = REPOSITORY / "tests" / "golden"
"""Bundles that commit 69d1b2a wrote, before there were frames: three slices of numbers, a grid."""


def test_a_bundle_of_an_earlier_version_is_what_it_was():
    reopened = api.reopen(GOLDEN / "ct" / "case.dcm-markup").result()
    (volume,) = reopened.volumes
    wanted = np.arange(16).reshape(4, 4) + np.array([200, 100, 0])[:, None, None] - 1024
    assert np.array_equal(check_planes(volume), wanted)
    affine = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [-2, 0, 0, 4], [0, 0, 0, 1]])
    assert np.array_equal(volume.stack.geometry.affine_lps(), affine)
    painted = np.zeros((3, 4, 4), np.uint8)
    painted[:, 1, 1:3] = 3
    assert np.array_equal(reopened.labels[1][0].data, painted)


def test_a_grid_that_an_earlier_version_packed_as_one_image_is_one_still():
    reopened = api.reopen(GOLDEN / "grid" / "case.ome.tif").result()
    (volume,) = reopened.volumes
    tiled = Tiled()
    assert np.array_equal(check_planes(volume)[0], tiled.matrix(2, 3))
    assert int(reopened.labels[1][0].data.sum()) == 6


@pytest.mark.parametrize("name", ["ct", "grid"])
def test_bundles_of_an_earlier_version_are_exact_and_restored(name, tmp_path):
    sidecar = GOLDEN / name / "case.dcm-markup"
    report = api.verify(sidecar).result()
    assert {one.outcome.value for one in (*report.files, *report.tiffs)} == {"exact"}
    (restored,) = api.restore(sidecar, tmp_path).result()
    assert restored.ok
    assert len(tree(tmp_path)) == len(restored.files) == {"ct": 3, "grid": 1}[name]


def test_an_earlier_bundle_is_saved_again_with_its_labels(tmp_path):
    folder = shutil.copytree(GOLDEN / "ct", tmp_path / "ct")
    (restored,) = api.restore(folder / "case.dcm-markup", tmp_path / "dicom").result()
    assert restored.ok
    api.pack(tmp_path / "dicom", folder / "case.dcm-markup").result()
    reopened = api.reopen(folder / "case.dcm-markup").result()
    assert int(reopened.labels[1][0].data.sum()) == 18


@pytest.fixture
def pet(tmp_path):
    isotope = item(
        RadionuclideTotalDose="370000000",
        RadionuclideHalfLife="6586.2",
        RadiopharmaceuticalStartTime="100000",
    )
    for k in range(3):
        pixels = (np.arange(24).reshape(4, 6) * 100 + k).astype(np.uint16)
        raw = mr(
            3 * k,
            SOPClassUID="1.2.840.10008.5.1.4.1.1.128",
            Modality="PT",
            Units="BQML",
            RescaleSlope=2.5,
            DecayCorrection="START",
            CorrectedImage=["ATTN", "DECY"],
            SeriesDate="20200101",
            SeriesTime="110000",
            AcquisitionDate="20200101",
            AcquisitionTime="110000",
            PatientWeight="70",
            WindowCenter=5000,
            WindowWidth=10000,
            RadiopharmaceuticalInformationSequence=[isotope],
            PixelData=pixels.tobytes(),
        )
        (tmp_path / "dicom").mkdir(exist_ok=True)
        (tmp_path / "dicom" / f"{k}.dcm").write_bytes(raw)
    return tmp_path / "dicom"


SUV_FACTOR = 70_000 / (370e6 * 2 ** (-3600 / 6586.2))
"""Grams of body over becquerels left of the dose an hour after the injection."""


def test_suv_are_values_times_one_factor_and_windows_go_with_them(pet):
    volume = open_one(pet)
    suv = api.to_suv(volume).result()
    assert np.allclose(np.asarray(suv.array), np.asarray(volume.array) * SUV_FACTOR, rtol=1e-6)
    (before,), (after,) = api.voi_choices(volume), api.voi_choices(suv)
    assert after.limits == pytest.approx(np.multiply(before.limits, SUV_FACTOR))
    assert suv.stack.frames[0].values.unit == "g/ml (SUV BW)"


def test_suv_of_suv_are_refused(pet):
    with pytest.raises(ValuesError, match="SUV already"):
        api.to_suv(api.to_suv(open_one(pet)).result(), api.SuvKind.BODY_SURFACE).result()


def test_a_bundle_of_suv_says_that_its_image_is_suv(pet, tmp_path):
    suv = api.to_suv(open_one(pet)).result()
    layer = image_layer(suv, Display("image", (0.0, 1.0), (0.0, 1.0)))
    sidecar = api.save_layers(tmp_path / "case", [layer]).result().sidecar
    image = tifffile.imread(sidecar.with_name("case.image.ome.tif"))
    assert np.allclose(image, np.asarray(suv.array))
    for _ in range(2):  # again when it is packed over without an image
        with SidecarReader(sidecar) as reader:
            assert reader.sidecar.stacks[0].values.unit == "g/ml (SUV BW)"
        api.pack(pet, sidecar, image=False).result()
    reopened = api.reopen(sidecar).result().volumes[0]  # the originals are as they were
    assert api.describe_values(reopened.stack).unit == "Bq/ml"


def test_what_goes_along_an_axis_stands_in_the_tiff_with_its_unit(tmp_path):
    (tmp_path / "dicom").mkdir()
    for n in range(6):
        raw = mr(
            n,
            EchoTime=10 + n % 3,
            TemporalPositionIdentifier=n % 3 + 1,
            AcquisitionTime=f"10150{2 * (n % 3)}",
        )
        (tmp_path / "dicom" / f"{n}.dcm").write_bytes(raw)
    (bundle,) = api.pack(tmp_path / "dicom", tmp_path / "out").result().bundles
    with tifffile.TiffFile(bundle.tiffs[0]) as file:
        text = file.ome_metadata
    pairs = dict(re.findall(r'<M K="(leading[^"]*)">([^<]*)<', text))
    assert pairs["leading_name"] == "t"
    assert json.loads(pairs["leading_values"]) == [0, 2, 4]
    assert json.loads(pairs["leading_echo in ms"]) == [[10], [11], [12]]
    assert json.loads(pairs["leading_temporal position"]) == [[1], [2], [3]]
