"""Reading Segmentation objects: what they say, their frames in every encoding, and hostile ones."""

from __future__ import annotations

import functools
import tracemalloc
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import UID
from tests.data import CORPUS, PYDICOM_FILES, needs_corpus, read_quietly
from tests.segmentations import make_segmentation, make_sources, segmentation_instance

from napari_dicom_markup.errors import DecodeError, MarkupError, NotDicomError
from napari_dicom_markup.model.segmentation import FractionalKind, SegmentationKind
from napari_dicom_markup.model.stack import PixelElement
from napari_dicom_markup.sources.dicom import segmentation as reader
from napari_dicom_markup.sources.dicom.cielab import cielab_to_rgb
from napari_dicom_markup.sources.dicom.segmentation import read_segmentation
from napari_dicom_markup.standard import transfer_syntax as ts

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom import Dataset

    from napari_dicom_markup.model.segmentation import Segmentation

HIGHDICOM_FILES = CORPUS / "ImagingDataCommons+highdicom/data/test_files"
LIVER_FILES = CORPUS / "pydicom+pydicom-data/data_store/data"


def all_frames(segmentation: Segmentation) -> np.ndarray:
    return np.stack([segmentation.read(frame.number) for frame in segmentation.frames])


def read(path: Path) -> Segmentation:
    return read_segmentation(segmentation_instance(path))


def saved(data: Dataset, path: Path) -> Path:
    data.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def liver() -> Dataset:
    """Three planes of 1 bit in one frame's pixel data: pydicom's own file."""
    return read_quietly(PYDICOM_FILES / "liver_1frame.dcm")


def labels() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 4, (4, 5, 7)).astype(np.uint8)


@needs_corpus
@pytest.mark.parametrize(
    "path", sorted(HIGHDICOM_FILES.glob("seg_image_*.dcm")), ids=lambda path: path.stem[10:]
)
def test_frames_of_real_files_are_those_of_pydicom(path: Path) -> None:
    found = read(path)
    if path.stem.endswith("tiled_full"):
        assert found.frames == ()
        assert "tiles of a slide" in found.notes[0]
        return
    data = read_quietly(path)
    assert np.array_equal(all_frames(found), data.pixel_array.reshape(-1, data.Rows, data.Columns))
    assert len(found.segments) == len(data.SegmentSequence)


@needs_corpus
@pytest.mark.parametrize("grid", ["", "_nonbyte_aligned"])
@pytest.mark.parametrize("encoding", ["", "_rle", "_j2k", "_deflate", "_expb"])
def test_single_bits_of_every_encoding_are_the_same(grid: str, encoding: str) -> None:
    path = LIVER_FILES / f"liver{grid}{encoding}.dcm"
    if not path.is_file():
        pytest.skip("the corpus has no such file")
    native = read_quietly(LIVER_FILES / f"liver{grid}.dcm").pixel_array
    found = all_frames(read(path))
    assert found.shape[0] == 3
    assert np.array_equal(found, native)


@pytest.mark.parametrize("name", ["liver_1frame.dcm", "liver_expb_1frame.dcm"])
def test_a_frame_without_pixels_is_left_out_with_a_note(name: str) -> None:
    found = read(PYDICOM_FILES / name)
    assert [frame.number for frame in found.frames] == [0]
    assert found.notes == ("it describes 3 frames, of which its pixel data hold 1",)
    assert np.array_equal(found.read(0), read_quietly(PYDICOM_FILES / name).pixel_array)


def rle_frame(plane: np.ndarray) -> bytes:
    from pydicom.pixels.encoders import RLELosslessEncoder

    # By pydicom itself: gdcm, which would be asked first, aborts the process at some planes.
    options = {"rows": plane.shape[0], "columns": plane.shape[1], "number_of_frames": 1}
    options |= {"bits_allocated": 8 * plane.itemsize, "bits_stored": 8 * plane.itemsize}
    options |= {"samples_per_pixel": 1, "pixel_representation": 0}
    options |= {"photometric_interpretation": "MONOCHROME2"}
    return RLELosslessEncoder.encode(plane, encoding_plugin="pydicom", **options)


def compress(data: Dataset, syntax: str) -> None:
    """Encapsulate a segmentation's pixel data, a fragment a frame."""
    planes = np.asarray(data.pixel_array).reshape(-1, data.Rows, data.Columns)
    packed = data.BitsAllocated == 1
    if packed:
        planes = np.packbits(planes.reshape(len(planes), 1, -1), axis=2, bitorder="little")
    encoders = {
        ts.RLE: rle_frame,
        ts.JPEG_LS_LOSSLESS: imagecodecs.jpegls_encode,
        ts.JPEG_2000_LOSSLESS: functools.partial(
            imagecodecs.jpeg2k_encode, level=0, reversible=True, codecformat="j2k"
        ),
        ts.DEFLATED_FRAME: lambda plane: zlib.compress(plane.tobytes(), wbits=-zlib.MAX_WBITS),
    }
    encapsulated(data, syntax, encapsulate([bytes(encoders[syntax](plane)) for plane in planes]))


def encapsulated(data: Dataset, syntax: str, value: bytes) -> None:
    data.file_meta.TransferSyntaxUID = UID(syntax)
    data.PixelData = value
    data["PixelData"].VR = "OB"
    data["PixelData"].is_undefined_length = True


ENCODINGS = [
    ("BINARY", ts.EXPLICIT_LE),
    ("BINARY", ts.DEFLATED_LE),
    ("BINARY", ts.RLE),
    ("LABELMAP", ts.EXPLICIT_LE),
    ("LABELMAP", ts.RLE),
    ("LABELMAP", ts.JPEG_2000_LOSSLESS),
    ("LABELMAP", ts.JPEG_LS_LOSSLESS),
    ("FRACTIONAL", ts.EXPLICIT_LE),
    ("FRACTIONAL", ts.RLE),
    ("FRACTIONAL", ts.JPEG_LS_LOSSLESS),
]


@pytest.mark.parametrize(("kind", "syntax"), ENCODINGS)
def test_frames_are_decoded_from_every_syntax(kind: str, syntax: str, tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    values = labels()
    data = make_segmentation(make_sources(4, 5, 7), values, kind)
    if syntax in ts.NATIVE:
        data.file_meta.TransferSyntaxUID = UID(syntax)
    else:
        compress(data, syntax)
    found = read(saved(data, tmp_path / "seg.dcm"))
    assert found.kind == kind
    assert len(found.frames) == (4 if kind == "LABELMAP" else 12)
    for frame in found.frames:
        at = int(frame.references[0].sop_instance_uid.rsplit(".", 1)[1]) - 1
        expected = values[at] if frame.segment is None else values[at] == frame.segment
        stored = found.read(frame.number)
        assert np.array_equal(stored, expected * (found.maximum if kind == "FRACTIONAL" else 1))


def test_label_maps_of_16_bits_are_read(tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    values = labels().astype(np.uint16) * 200
    numbers = [n for n in np.unique(values).tolist() if n]
    data = make_segmentation(make_sources(4, 5, 7), values, "LABELMAP", numbers=numbers)
    found = read(saved(data, tmp_path / "seg.dcm"))
    assert [segment.number for segment in found.segments if segment.number] == numbers
    assert np.array_equal(all_frames(found), data.pixel_array)
    assert all_frames(found).dtype == np.uint16


@pytest.mark.parametrize("extended", [False, True])
def test_frames_in_several_fragments_are_found_by_offset_tables(
    liver: Dataset, tmp_path: Path, *, extended: bool
) -> None:
    planes = np.random.default_rng(2).integers(0, 256, (3, 1, 32768), dtype=np.uint8)
    streams = [rle_frame(plane) for plane in planes]
    liver.NumberOfFrames = 3
    if extended:
        value, liver.ExtendedOffsetTable, liver.ExtendedOffsetTableLengths = encapsulate_extended(
            streams
        )
    else:
        value = encapsulate(streams, fragments_per_frame=2)
    encapsulated(liver, ts.RLE, value)
    found = read(saved(liver, tmp_path / "seg.dcm"))
    bits = np.unpackbits(planes.reshape(3, -1), axis=1, bitorder="little")
    assert np.array_equal(all_frames(found), bits.reshape(3, 512, 512))


@needs_corpus
def test_segments_have_names_codes_and_colours() -> None:
    found = read(LIVER_FILES / "liver.dcm")
    segment = found.segments[0]
    assert segment.number == 1
    assert segment.algorithm_type in {"AUTOMATIC", "SEMIAUTOMATIC", "MANUAL"}
    assert segment.category is not None
    assert segment.property_type is not None
    assert segment.category.scheme
    assert segment.property_type.meaning
    assert segment.color is not None


@needs_corpus
def test_the_palette_of_a_label_map_colours_its_segments() -> None:
    path = HIGHDICOM_FILES / "seg_image_sm_control_labelmap_palette_color.dcm"
    found = {segment.number: segment.color for segment in read(path).segments}
    data = read_quietly(path)
    for n, name in enumerate(("Red", "Green", "Blue")):
        table = data[f"{name}PaletteColorLookupTableData"].value
        assert all(color[n] == table[number] / 255 for number, color in found.items())


@needs_corpus
def test_frames_name_the_image_and_its_frame_that_they_are_of() -> None:
    path = HIGHDICOM_FILES / "seg_image_sm_numbers.dcm"
    found = read(path)
    groups = read_quietly(path).PerFrameFunctionalGroupsSequence
    for frame, group in zip(found.frames, groups, strict=True):
        source = group.DerivationImageSequence[0].SourceImageSequence[0]
        (reference,) = frame.references
        assert reference.sop_instance_uid == source.ReferencedSOPInstanceUID
        assert reference.frame == source.ReferencedFrameNumber - 1
        assert reference.sop_instance_uid in found.images.instance_uids
    assert len(found.images.series_uids) == 1


def test_frames_that_are_not_described_are_counted(liver: Dataset, tmp_path: Path) -> None:
    liver.NumberOfFrames = 5
    liver.PixelData = liver.PixelData * 5
    found = read(saved(liver, tmp_path / "seg.dcm"))
    assert len(found.frames) == 3
    assert found.notes == ("2 of its 5 frames are not described and were left out",)


@needs_corpus
def test_a_fractional_object_says_of_what() -> None:
    found = read(HIGHDICOM_FILES / "seg_image_ct_true_fractional.dcm")
    assert found.kind is SegmentationKind.FRACTIONAL
    assert found.fractional is FractionalKind.PROBABILITY
    assert found.maximum == 255


@pytest.mark.parametrize(
    ("lab", "rgb"),
    [
        ((54.29, 80.81, 69.89), (1, 0, 0)),
        ((87.82, -79.29, 80.99), (0, 1, 0)),
        ((29.57, 68.30, -112.03), (0, 0, 1)),
        ((97.61, -15.75, 93.39), (1, 1, 0)),
        ((60.17, 93.54, -60.50), (1, 0, 1)),
    ],
)
def test_the_primaries_of_srgb_have_their_published_lab_values(
    lab: tuple[float, ...], rgb: tuple[int, ...]
) -> None:
    lightness, a, b = lab
    parts = (lightness / 100, (a + 128) / 255, (b + 128) / 255)
    value = tuple(round(part * 0xFFFF) for part in parts)
    assert np.allclose(cielab_to_rgb(value), rgb, atol=0.015)


# 8 bits of Lab are too coarse a measure near the edge of what sRGB has.
@given(st.tuples(*[st.integers(90, 200)] * 3))
@settings(deadline=None)
def test_colours_are_those_of_an_icc_engine(rgb: tuple[int, int, int]) -> None:
    cms = pytest.importorskip("PIL.ImageCms")
    image = pytest.importorskip("PIL.Image")
    lab, srgb = cms.createProfile("LAB"), cms.createProfile("sRGB")
    pixel = image.new("RGB", (1, 1), rgb)
    there = cms.buildTransform(srgb, lab, "RGB", "LAB", renderingIntent=1)
    stored = np.asarray(cms.applyTransform(pixel, there)).reshape(3)
    lightness, a, b = stored[0] / 255, *(np.array(stored[1:]).view(np.int8) + 128.0)
    value = tuple(round(part * 0xFFFF) for part in (lightness, a / 255, b / 255))
    back = cms.applyTransform(
        cms.applyTransform(pixel, there), cms.buildTransform(lab, srgb, "LAB", "RGB", 1)
    )
    assert np.allclose(cielab_to_rgb(value), np.asarray(back).reshape(3) / 255, atol=0.02)


@pytest.mark.parametrize("grey", [0, 1, 64, 128, 200, 255])
def test_greys_come_back_whatever_white_a_writer_took(grey: int) -> None:
    # highdicom takes D65 for the white of Lab where the standard says D50: only greys agree.
    color = pytest.importorskip("highdicom.color").CIELabColor.from_rgb(grey, grey, grey)
    assert np.allclose(cielab_to_rgb(color.value), grey / 255, atol=0.002)


def test_pixel_data_that_are_cut_off_are_refused(liver: Dataset, tmp_path: Path) -> None:
    path = saved(liver, tmp_path / "seg.dcm")
    raw = path.read_bytes()
    path.write_bytes(raw[:-1000])
    with pytest.raises(DecodeError, match=r"^seg\.dcm: its pixel data are cut off"):
        read(path)


def test_millions_of_claimed_frames_are_refused_without_memory(
    liver: Dataset, tmp_path: Path
) -> None:
    liver.NumberOfFrames = 2_000_000_000
    instance = segmentation_instance(saved(liver, tmp_path / "seg.dcm"))
    tracemalloc.start()
    with pytest.raises(DecodeError, match="cut off"):
        read_segmentation(instance)
    assert tracemalloc.get_traced_memory()[1] < 20 << 20
    tracemalloc.stop()


def test_millions_of_encapsulated_frames_are_refused(liver: Dataset, tmp_path: Path) -> None:
    liver.NumberOfFrames = 2_000_000
    encapsulated(liver, ts.RLE, encapsulate([b"\0" * 70]))
    with pytest.raises(DecodeError, match=r"^seg\.dcm: "):
        read(saved(liver, tmp_path / "seg.dcm"))


def test_frames_that_inflate_beyond_reason_are_refused(liver: Dataset, tmp_path: Path) -> None:
    liver.Rows = liver.Columns = 65535
    liver.BitsAllocated = liver.BitsStored = 8
    encapsulated(liver, ts.JPEG_LS_LOSSLESS, encapsulate([b"\xff\xd8\xff\xf7" + bytes(100)]))
    found = read(saved(liver, tmp_path / "seg.dcm"))
    with pytest.raises(DecodeError, match="no installed codec decodes its frame 1"):
        found.read(0)


def test_more_items_than_any_header_has_are_not_parsed(
    liver: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(liver, tmp_path / "seg.dcm")
    monkeypatch.setattr(reader, "MOST_ITEMS", 3)
    with pytest.raises(NotDicomError, match="larger than any"):
        read(path)
    instance = segmentation_instance(path)
    instance = replace(instance, element=PixelElement("PixelData", reader.MOST_HEADER + 1, 2))
    with pytest.raises(NotDicomError, match="larger than any"):
        read_segmentation(instance)


def test_a_header_of_empty_items_is_not_parsed(liver: Dataset, tmp_path: Path) -> None:
    path = saved(liver, tmp_path / "seg.dcm")
    raw = path.read_bytes()
    groups = raw.index(b"\x00\x52\x30\x92SQ")
    items = b"\xfe\xff\x00\xe0\0\0\0\0" * 200_000
    instance = segmentation_instance(path)  # as a scan makes it, which parses no sequences
    path.write_bytes(raw[: groups + 8] + b"\xff" * 4 + items)
    with pytest.raises(NotDicomError, match="larger than any"):
        read_segmentation(instance)


@pytest.mark.parametrize(
    ("keyword", "value", "error"),
    [
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.2", NotDicomError),
        ("SegmentationType", "OTHER", NotDicomError),
        ("Rows", 0, DecodeError),
        ("BitsAllocated", 12, DecodeError),
        ("NumberOfFrames", -1, DecodeError),
        ("SamplesPerPixel", 3, DecodeError),
    ],
)
def test_what_is_no_segmentation_is_refused(
    liver: Dataset, tmp_path: Path, keyword: str, value: object, error: type[MarkupError]
) -> None:
    setattr(liver, keyword, value)
    with pytest.raises(error, match=r"^seg\.dcm: "):
        read(saved(liver, tmp_path / "seg.dcm"))


def test_segments_compressed_with_loss_are_refused(liver: Dataset, tmp_path: Path) -> None:
    encapsulated(liver, ts.JPEG_BASELINE, encapsulate([b"\xff\xd8"]))
    with pytest.raises(DecodeError, match="with loss"):
        read(saved(liver, tmp_path / "seg.dcm"))


def test_a_bomb_of_a_deflated_data_set_is_refused(
    liver: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "SAFE_BYTES", 1 << 16)
    liver.file_meta.TransferSyntaxUID = UID(ts.DEFLATED_LE)
    liver.PixelData = bytes(1 << 24)
    with pytest.raises(NotDicomError, match="larger than any"):
        read(saved(liver, tmp_path / "seg.dcm"))


@given(st.data())
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_damaged_files_raise_nothing_but_our_errors(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    raw = bytearray((PYDICOM_FILES / "liver_1frame.dcm").read_bytes())
    instance = segmentation_instance(PYDICOM_FILES / "liver_1frame.dcm")
    for _ in range(data.draw(st.integers(1, 12))):
        raw[data.draw(st.integers(0, 4600))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "seg.dcm"
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw)))])
    try:
        found = read_segmentation(
            replace(instance, file=replace(instance.file, location=str(path)))
        )
        for frame in found.frames:
            found.read(frame.number)
    except MarkupError:
        pass


def test_errors_and_notes_hold_no_text_of_the_header(liver: Dataset, tmp_path: Path) -> None:
    liver.SegmentSequence[0].SegmentLabel = "Canary^Zebra"
    liver.SegmentSequence[0].SegmentAlgorithmName = "Canary^Zebra"
    found = read(saved(liver, tmp_path / "seg.dcm"))
    assert found.segments[0].label == "Canary^Zebra"
    assert "Canary" not in repr(found)
