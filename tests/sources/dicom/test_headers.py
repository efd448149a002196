"""The fast path reads what pydicom reads; parsing forgives."""

from __future__ import annotations

import io
import os
import struct
import warnings
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_dicom_markup.model.stack import Instance, Leftover, PixelElement, SourceFile, Window
from napari_dicom_markup.sources.dicom.headers import (
    BytesReader,
    instance_from_bytes,
    instance_from_header,
)
from napari_dicom_markup.sources.dicom.hop import UnusualError, begin, resume
from napari_dicom_markup.sources.dicom.raw_values import Shared
from napari_dicom_markup.sources.dicom.unusual import read_unusual
from napari_dicom_markup.sources.dicom.walk import HEAD, Cut, Header, walk
from napari_dicom_markup.standard.attributes import ATTRIBUTES, INDEX, PIXEL_ELEMENTS
from napari_dicom_markup.standard.transfer_syntax import DEFLATED_LE, EXPLICIT_LE, IMPLICIT_LE

ROOT = Path(__file__).parents[3]
CORPUS = Path(os.environ.get("NDM_CORPUS", ROOT.parent / "shared" / "corpus"))
OWN = Path(pydicom.__file__).parent / "data" / "test_files"
FILE = SourceFile("a.dcm", "a.dcm", 0, 0)


def files_of(folder: Path) -> list[Path]:
    if not folder.is_dir():
        pytest.skip(f"no {folder.name} folder here (set NDM_CORPUS)")
    return sorted(path for path in folder.rglob("*") if path.is_file())


def plain(ds: pydicom.Dataset) -> bool:
    return ds.file_meta.get("TransferSyntaxUID") in {EXPLICIT_LE, IMPLICIT_LE}


def read_with_pydicom(path: Path, **options: bool) -> pydicom.Dataset | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return pydicom.dcmread(path, **options)
        except Exception:  # noqa: BLE001 - whatever pydicom cannot read is not compared
            return None


def expected_values(ds: pydicom.Dataset) -> list[bytes | None]:
    values: list[bytes | None] = []
    for attribute in ATTRIBUTES:
        holder = ds.file_meta if attribute.tag >> 16 == 2 else ds
        if attribute.tag not in holder:
            values.append(None)
            continue
        value = holder.get_item(attribute.tag).value
        if attribute.presence or value is None:
            value = b""
        values.append(value if isinstance(value, bytes) else str(value).encode())
    return values


def has_expected_element(header: Header, path: Path) -> bool:
    ds = read_with_pydicom(path)
    # pydicom forgets all it has read when encapsulated pixels are cut off
    return ds is None or len(ds) == 0 or header.element == expected_element(ds)


def expected_element(ds: pydicom.Dataset) -> PixelElement | None:
    for attribute in PIXEL_ELEMENTS:
        if attribute.tag in ds:
            raw = ds.get_item(attribute.tag)
            length = None if raw.length == 0xFFFFFFFF else raw.length
            return PixelElement(attribute.keyword, raw.value_tell, length)
    return None


def differing(header: Header, values: list[bytes | None]) -> list[str]:
    """Names of attributes (never values) in which two readings differ; padding of UIDs is free."""

    def clean(value: bytes | None, vr: str) -> bytes | None:
        return value.rstrip(b"\0 ") if value is not None and vr == "UI" else value

    pairs = zip(ATTRIBUTES, header.values, values, strict=True)
    return [a.keyword for a, ours, theirs in pairs if clean(ours, a.vr) != clean(theirs, a.vr)]


def fast_headers(paths: list[Path], head: int) -> list[Header | None]:
    """Lockstep and hop only, as the scan uses them."""
    raws = [path.read_bytes() for path in paths]
    found = walk([raw[:head] for raw in raws], [len(raw) for raw in raws])
    headers: list[Header | None] = []
    for raw, result in zip(raws, found, strict=True):
        try:
            done = resume(BytesReader(raw), result) if isinstance(result, Cut) else result
        except UnusualError:
            done = None
        headers.append(done)
    return headers


@pytest.mark.parametrize("head", [HEAD, 1000], ids=["usual heads", "short heads"])
@pytest.mark.parametrize("folder", [CORPUS, OWN], ids=["corpus", "pydicom's own"])
def test_fast_path_reads_what_pydicom_reads(folder, head):
    paths = files_of(folder)
    wrong: list[str] = []
    fast = should = 0
    for path, header in zip(paths, fast_headers(paths, head), strict=True):
        ds = read_with_pydicom(path, stop_before_pixels=True)
        if ds is None:
            if header is not None:
                wrong.append(f"{path.name}: pydicom cannot read it")
            continue
        should += plain(ds)
        if header is None:
            continue
        fast += plain(ds)
        wrong += [f"{path.name}: {keyword}" for keyword in differing(header, expected_values(ds))]
        if not has_expected_element(header, path):
            wrong.append(f"{path.name}: pixel element")
    print(f"fast path: {fast} of {should} plain little-endian files, {len(paths)} in all")
    assert wrong == []
    assert should > 0
    assert fast >= 0.9 * should


@pytest.mark.parametrize("folder", [CORPUS, OWN], ids=["corpus", "pydicom's own"])
def test_fallback_reads_what_pydicom_reads(folder):
    wrong: list[str] = []
    for path in files_of(folder)[::3]:
        ds = read_with_pydicom(path, stop_before_pixels=True)
        if ds is None:
            continue
        header = read_unusual(io.BytesIO(path.read_bytes()))
        if ds.original_encoding[1]:
            wrong += [f"{path.name}: {key}" for key in differing(header, expected_values(ds))]
        if ds.file_meta.get("TransferSyntaxUID") == DEFLATED_LE:
            assert header.element is None or header.element.offset == -1
        elif not has_expected_element(header, path):
            wrong.append(f"{path.name}: pixel element")
    assert wrong == []


def test_scalar_and_lockstep_agree_from_the_first_byte():
    paths = files_of(OWN)
    for path, header in zip(paths, fast_headers(paths, 1 << 20), strict=True):
        if header is None:
            continue
        reader = BytesReader(path.read_bytes())
        alone = resume(reader, begin(reader))
        assert alone.element == header.element, path.name
        assert list(alone.values) == list(header.values), path.name


# --- files built from a few lines ---

Tree = list[tuple[int, str, "bytes | list[Tree]", bool]]
"""(tag, VR, value or items, undefined length)"""


def element(tag: int, vr: str, value: bytes, *, explicit: bool, undefined: bool = False) -> bytes:
    length = 0xFFFFFFFF if undefined else len(value)
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if not explicit:
        return head + struct.pack("<L", length) + value
    if vr in {"SQ", "UN", "OB", "OW"}:
        return head + vr.encode() + b"\0\0" + struct.pack("<L", length) + value
    return head + vr.encode() + struct.pack("<H", length) + value


def encode(tree: Tree, *, explicit: bool) -> bytes:
    out = b""
    for tag, vr, value, undefined in tree:
        if isinstance(value, bytes):
            out += element(tag, vr, value, explicit=explicit)
            continue
        body = b""
        for item in value:
            inner = encode(item, explicit=explicit)
            length = 0xFFFFFFFF if undefined else len(inner)
            body += struct.pack("<HHL", 0xFFFE, 0xE000, length) + inner
            body += struct.pack("<HHL", 0xFFFE, 0xE00D, 0) if undefined else b""
        body += struct.pack("<HHL", 0xFFFE, 0xE0DD, 0) if undefined else b""
        out += element(tag, "SQ", body, explicit=explicit, undefined=undefined)
    return out


def dicom(body: bytes, syntax: str) -> bytes:
    uid = syntax.encode() + b"\0" * (len(syntax) % 2)
    return bytes(128) + b"DICM" + element(0x00020010, "UI", uid, explicit=True) + body


IMAGE: Tree = [
    (0x00080016, "UI", b"1.2.3\0", False),
    (0x00080018, "UI", b"1.2.4\0", False),
    (0x0020000E, "UI", b"1.2.5\0", False),
    (0x00280010, "US", b"\x02\0", False),
    (0x00280011, "US", b"\x03\0", False),
    (0x00280100, "US", b"\x08\0", False),
]
PIXELS: Tree = [(0x7FE00010, "OW", b"abcdef", False)]


def image(*more: tuple[int, str, bytes]) -> bytes:
    tree = {e[0]: e for e in IMAGE} | {tag: (tag, vr, value, False) for tag, vr, value in more}
    body = encode([tree[tag] for tag in sorted(tree)] + PIXELS, explicit=True)
    return dicom(body, EXPLICIT_LE)


VALUE = st.binary(max_size=9).map(lambda raw: raw + b" " * (len(raw) % 2))
LEAF = st.tuples(
    st.sampled_from([0x00081140, 0x00280010, 0x00191001, 0x00189087, 0x00209111]),
    st.sampled_from(["LO", "UN", "OB", "US"]),
    VALUE,
    st.just(False),
)
TREES = st.recursive(
    st.lists(LEAF, max_size=3),
    lambda items: st.lists(
        st.tuples(
            st.sampled_from([0x00081140, 0x00081115, 0x00400275, 0x00091010, 0x52009230]),
            st.just("SQ"),
            st.lists(items, max_size=3),
            st.booleans(),
        ),
        max_size=3,
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(before=TREES, after=TREES, explicit=st.booleans(), head=st.integers(132, 700))
def test_nested_sequences_are_passed_as_pydicom_passes_them(before, after, explicit, head):
    tree = sorted(before + IMAGE + after, key=lambda entry: entry[0]) + PIXELS  # PS3.5 7.1
    raw = dicom(encode(tree, explicit=explicit), EXPLICIT_LE if explicit else IMPLICIT_LE)
    (found,) = walk([raw[:head]], [len(raw)])
    if found is None:
        return  # what looks unusual may always be left to pydicom
    try:
        header = resume(BytesReader(raw), found) if isinstance(found, Cut) else found
    except UnusualError:
        return
    ds = pydicom.dcmread(io.BytesIO(raw))
    assert differing(header, expected_values(ds)) == []
    assert header.element == expected_element(ds)


@pytest.mark.parametrize("undefined", [False, True], ids=["defined", "undefined"])
@pytest.mark.parametrize("explicit", [False, True], ids=["implicit", "explicit"])
def test_nested_rows_are_not_the_images_rows_on_the_fast_path(explicit, undefined):
    inner: Tree = [(0x00280010, "US", b"\x63\0", False)]
    deep: Tree = [(0x00081140, "SQ", [inner, inner], undefined)]
    tree = [(0x00081115, "SQ", [deep, []], undefined), *IMAGE, *PIXELS]
    raw = dicom(encode(tree, explicit=explicit), EXPLICIT_LE if explicit else IMPLICIT_LE)
    (header,) = walk([raw], [len(raw)])
    assert isinstance(header, Header)
    assert header.values[INDEX["Rows"]] == b"\x02\0"
    assert header.element == PixelElement("PixelData", len(raw) - 6, 6)


@settings(max_examples=200, deadline=None)
@given(raw=st.binary(max_size=400), prefixed=st.booleans(), syntax=st.sampled_from([EXPLICIT_LE, IMPLICIT_LE, "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"]))  # fmt: skip  # noqa: E501
def test_no_bytes_raise(raw, prefixed, syntax):
    raw = dicom(raw, syntax) if prefixed else raw
    assert isinstance(instance_from_bytes(raw, FILE), Instance | Leftover)
    walk([raw, raw[: len(raw) // 2]], [len(raw), len(raw)])


@settings(max_examples=200, deadline=None)
@given(values=st.lists(st.none() | st.binary(max_size=20), min_size=len(ATTRIBUTES), max_size=len(ATTRIBUTES)))  # fmt: skip  # noqa: E501
def test_no_values_raise(values):
    found = instance_from_header(Header(values, None), FILE, Shared())
    assert isinstance(found, Instance | Leftover)


def test_a_beginning_without_pixels_is_an_instance():
    raw = image()
    instance = instance_from_bytes(raw[: raw.index(b"abcdef")], FILE)
    assert isinstance(instance, Instance)
    assert instance.element == PixelElement("PixelData", raw.index(b"abcdef"), 6)
    assert (instance.pixels.rows, instance.pixels.columns) == (2, 3)


def test_media_storage_class_stands_in_for_a_missing_sop_class():
    meta = element(0x00020002, "UI", b"1.9.9\0", explicit=True)
    body = encode([e for e in IMAGE if e[0] != 0x00080016], explicit=True)
    raw = bytes(128) + b"DICM" + meta + dicom(body, EXPLICIT_LE)[132:]
    assert instance_from_bytes(raw, FILE).sop_class_uid == "1.9.9"


@pytest.mark.parametrize("value", [b"1A", b"", b"nan ", b"1_0 ", b"\\", b"1,5 ", b"--"])
def test_malformed_numbers_count_as_absent(value):
    instance = instance_from_bytes(
        image(
            (0x00180050, "DS", value),
            (0x00180081, "DS", value),
            (0x00200013, "IS", value),
            (0x00200032, "DS", value),
            (0x00281053, "DS", value),
        ),
        FILE,
    )
    assert instance.grid.slice_thickness is None
    assert instance.acquisition.echo_time is None
    assert instance.acquisition.instance_number is None
    assert instance.position is None
    assert instance.values.slope == 1.0


@pytest.mark.parametrize(
    ("raw", "seconds"),
    [
        (b"120000", 43200.0),
        (b"12", 43200.0),
        (b"000001.25 ", 1.25),
        (b"01:00:00", 3600.0),
        (b"250000", None),
        (b"now ", None),
    ],
)
def test_times_are_seconds_of_the_day(raw, seconds):
    instance = instance_from_bytes(image((0x00080032, "TM", raw)), FILE)
    assert instance.acquisition.acquisition_time == seconds


@pytest.mark.parametrize(
    ("modality", "more", "unit"),
    [
        (b"CT", [(0x00281052, "DS", b"-1024 ")], "HU"),
        (b"CT", [], ""),
        (b"CT", [(0x00281052, "DS", b"0 "), (0x00281054, "LO", b"US")], ""),
        (b"MR", [(0x00281054, "LO", b"UNSPECIFIED ")], ""),
        (b"PT", [(0x00541001, "CS", b"BQML")], "Bq/ml"),
        (b"RTDOSE", [(0x3004000E, "DS", b"0.5 ")], "Gy"),
        (b"RTDOSE", [(0x30040002, "CS", b"RELATIVE"), (0x3004000E, "DS", b"2 ")], "relative"),
    ],
)
def test_unit_comes_from_the_modality_and_what_it_states(modality, more, unit):
    instance = instance_from_bytes(image((0x00080060, "CS", modality), *more), FILE)
    assert instance.values.unit == unit


def test_dose_grid_scaling_is_the_slope():
    instance = instance_from_bytes(image((0x3004000E, "DS", b"0.25")), FILE)
    assert (instance.values.slope, instance.values.intercept) == (0.25, 0.0)


def test_windows_pair_centres_with_positive_widths():
    more = ((0x00281050, "DS", b"40\\300"), (0x00281051, "DS", b"400\\0 "))
    assert instance_from_bytes(image(*more), FILE).values.windows == (Window(40.0, 400.0),)


def test_padding_is_signed_when_the_pixels_are():
    more = ((0x00280103, "US", b"\1\0"), (0x00280120, "SS", struct.pack("<h", -2000)))
    assert instance_from_bytes(image(*more), FILE).values.padding == -2000


def test_pixel_spacing_at_the_detector_keeps_its_name():
    grid = instance_from_bytes(image((0x00181164, "DS", b"0.5\\0.25")), FILE).grid
    assert (grid.pixel_spacing, grid.pixel_spacing_keyword) == ((0.5, 0.25), "ImagerPixelSpacing")


def test_equal_parts_are_one_object():
    raw, shared = image(), Shared()
    headers = walk([raw, raw], [len(raw)] * 2)
    one, two = (instance_from_header(h, FILE, shared) for h in headers if isinstance(h, Header))
    assert one.pixels is two.pixels
    assert one.grid is two.grid
    assert one.values is two.values


def test_no_repr_shows_a_value():
    raw = image((0x00080060, "CS", b"CANARY"))
    (header,) = walk([raw], [len(raw)])
    (cut,) = walk([raw[:200]], [len(raw)])
    assert "CANARY" not in repr(header) + repr(cut)


def test_a_data_set_without_prefix_is_read():
    instance = instance_from_bytes(encode(IMAGE, explicit=False), FILE)
    assert isinstance(instance, Instance)
    assert instance.pixels.columns == 3


def test_every_wanted_tag_has_a_slot_of_its_own():
    tree: Tree = [(a.tag, a.vr[:2], b"1 ", False) for a in ATTRIBUTES[3:]]
    raw = dicom(encode(tree, explicit=False), IMPLICIT_LE)
    (header,) = walk([raw], [len(raw)])
    expected = [b"" if a.presence else b"1 " for a in ATTRIBUTES[3:]]
    assert list(header.values[3:]) == expected
