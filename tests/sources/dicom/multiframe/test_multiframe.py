"""Real files, other readers, and what is wrong or hostile."""

from __future__ import annotations

import struct
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.data import CORPUS, PYDICOM_FILES, files_under, image_in, needs_corpus, read_quietly
from tests.sources.dicom.multiframe import objects as build

from napari_dicom_markup.errors import DecodeError, MarkupError, NotDicomError
from napari_dicom_markup.model.stack import PixelElement
from napari_dicom_markup.sources.dicom.multiframe import FRAME_LIMIT, describe_frames, reading
from napari_dicom_markup.sources.dicom.multiframe.fallback import read_with_pydicom
from napari_dicom_markup.sources.dicom.multiframe.header import HeaderReader, UnusualHeaderError
from napari_dicom_markup.sources.dicom.multiframe.values import decimals, moment, single
from napari_dicom_markup.standard import transfer_syntax as ts

KIND = pytest.mark.parametrize("kind", build.KINDS)
SYNTAX = [ts.EXPLICIT_LE, ts.IMPLICIT_LE, ts.EXPLICIT_BE]
FOLDERS = [
    pytest.param(CORPUS, marks=needs_corpus, id="corpus"),
    pytest.param(PYDICOM_FILES, id="own"),
]


def without_pydicom(_raw):
    pytest.fail("pydicom was asked")


@KIND
@pytest.mark.parametrize("syntax", SYNTAX, ids=["explicit", "implicit", "big"])
@pytest.mark.parametrize("undefined", [False, True], ids=["lengths", "delimiters"])
def test_the_quick_reading_is_pydicoms(kind, syntax, undefined, monkeypatch):
    raw = build.written(build.KINDS[kind](), syntax, undefined=undefined)
    instance = build.instance_in(raw)
    slow = read_with_pydicom(raw)
    monkeypatch.setattr(reading, "read_with_pydicom", without_pydicom)
    assert reading.read_header(instance, raw) == slow


@KIND
def test_the_pixels_may_be_missing_and_the_file_is_read_where_no_bytes_are_given(kind, tmp_path):
    raw = build.written(build.KINDS[kind]())
    instance = build.instance_in(raw, tmp_path / "a.dcm")
    frames = describe_frames(instance)
    assert frames == describe_frames(instance, memoryview(raw)[: instance.element.offset])
    assert [f.number for f in frames] == list(range(instance.pixels.frames))


@KIND
def test_what_is_written_without_meta_information_is_read_too(kind):
    raw = build.written(build.KINDS[kind](), ts.IMPLICIT_LE)
    instance = build.instance_in(raw)
    start = 132 + 12 + struct.unpack_from("<L", raw, 140)[0]
    bare = replace(
        instance,
        element=replace(instance.element, offset=instance.element.offset - start),
        transfer_syntax_uid="",
    )
    ours, usual = describe_frames(bare, raw[start:]), describe_frames(instance, raw)
    assert [(f.position, f.grid) for f in ours] == [(f.position, f.grid) for f in usual]


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_quick_reading_of_real_files_is_pydicoms(folder):
    compared = 0
    for path in files_under(folder):
        instance = image_in(path.read_bytes(), path)
        if instance is None or instance.transfer_syntax_uid == ts.DEFLATED_LE:
            continue
        head = reading._head_of(instance, None)
        try:
            quick = reading._read_usual(head, instance.transfer_syntax_uid)
        except UnusualHeaderError:
            continue
        compared += 1
        assert quick == read_with_pydicom(head), path.name
    assert compared > 40


@pytest.mark.parametrize("folder", FOLDERS)
def test_positions_of_real_files_are_those_of_their_items(folder):
    checked = 0
    for path in files_under(folder):
        raw = path.read_bytes()
        instance = image_in(raw, path) if b"\x30\x92" in raw[:400_000] else None
        if instance is None:
            continue
        items = read_quietly(path).get("PerFrameFunctionalGroupsSequence") or []
        places = [
            i.PlanePositionSequence[0].ImagePositionPatient
            for i in items
            if "PlanePositionSequence" in i
        ]
        if not places:
            continue
        if len(items) != instance.pixels.frames:
            with pytest.raises(DecodeError):
                describe_frames(instance)
            continue
        checked += 1
        assert [f.position for f in describe_frames(instance)] == [tuple(p) for p in places]
    assert checked >= (8 if folder == CORPUS else 0)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_real_image_is_described_or_refused_with_a_reason(folder):
    refused = set()
    for path in files_under(folder):
        instance = image_in(path.read_bytes(), path)
        if instance is None:
            continue
        try:
            frames = describe_frames(instance)
        except MarkupError:
            refused.add(path.name)
        else:
            assert len(frames) == instance.pixels.frames
    assert refused <= {"liver_1frame.dcm", "liver_expb_1frame.dcm"}


@pytest.mark.parametrize(
    "kind", ["Enhanced CT", "Enhanced PET", "ophthalmic tomography", "RT dose", "NM reconstruction"]
)
def test_positions_are_simpleitks(kind, tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    path = tmp_path / "a.dcm"
    instance = build.instance_in(build.written(build.KINDS[kind]()), path)
    frames = describe_frames(instance)
    image = sitk.ReadImage(str(path))
    theirs = [image.TransformIndexToPhysicalPoint((0, 0, n)) for n in range(len(frames))]
    np.testing.assert_allclose([f.position for f in frames], theirs, atol=1e-4)


def test_positions_are_highdicoms(tmp_path):
    highdicom = pytest.importorskip("highdicom")
    path = tmp_path / "a.dcm"
    frames = describe_frames(build.instance_in(build.written(build.enhanced_ct(6)), path))
    geometry = highdicom.imread(path).get_volume_geometry()
    theirs = geometry.map_indices_to_reference(np.array([[n, 0, 0] for n in range(6)]))
    ours = sorted(f.position for f in frames)
    np.testing.assert_allclose(ours, sorted(map(tuple, theirs)), atol=1e-4)


@pytest.mark.parametrize("frames", [10**6, 10**12], ids=["more than bytes", "absurd"])
def test_frames_that_the_file_has_no_bytes_for_are_refused(frames):
    raw = build.written(build.cine(FrameTime=40))
    instance = build.instance_in(raw)
    claimed = replace(instance, pixels=replace(instance.pixels, frames=frames))
    with pytest.raises(DecodeError, match="more frames"):
        describe_frames(claimed, raw)
    wrapped = replace(claimed, element=PixelElement("PixelData", instance.element.offset, None))
    with pytest.raises(DecodeError, match="more frames"):
        describe_frames(wrapped, raw)


def test_no_size_makes_more_frames_than_the_limit():
    raw = build.written(build.cine(FrameTime=40))
    instance = build.instance_in(raw)
    file = replace(instance.file, size=1 << 60)
    element = PixelElement("PixelData", instance.element.offset, None)
    pixels = replace(instance.pixels, frames=FRAME_LIMIT + 1)
    with pytest.raises(DecodeError, match="one by one"):
        describe_frames(replace(instance, file=file, element=element, pixels=pixels), raw)


@pytest.mark.parametrize(
    ("kind", "keyword"),
    [
        ("US cine", "FrameTime"),
        ("XA cine", "FrameTimeVector"),
        ("NM reconstruction", "SpacingBetweenSlices"),
        ("RT dose", "GridFrameOffsetVector"),
    ],
)
def test_numbers_beyond_all_bounds_count_as_absent(kind, keyword):
    data_set = build.KINDS[kind]()
    huge = [0, 1e308, 1.5e308, 1.7e308]
    setattr(data_set, keyword, huge if keyword.endswith("Vector") else 1e308)
    raw = build.written(data_set)
    frames = describe_frames(build.instance_in(raw), raw)
    for frame in frames:
        numbers = (*(frame.position or ()), frame.acquisition.frame_time or 0.0)
        assert np.isfinite(numbers).all()


def test_a_file_that_is_gone_is_named_as_such(tmp_path):
    path = tmp_path / "a.dcm"
    instance = build.instance_in(build.written(build.enhanced_ct()), path)
    path.unlink()
    with pytest.raises(DecodeError, match="cannot be opened"):
        describe_frames(instance)


def test_sequences_without_bottom_are_refused():
    raw = build.written(build.enhanced_ct(1))
    instance = build.instance_in(raw)
    start = raw.index(b"\0\x52\x29\x92SQ")
    deep = b"\0\x52\x29\x92SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff" * 5000
    end = start + len(deep)
    nested = replace(instance, element=replace(instance.element, offset=end))
    nested = replace(nested, file=replace(nested.file, size=end + 1000))
    with pytest.raises((NotDicomError, DecodeError)):
        describe_frames(nested, raw[:start] + deep)


def test_items_without_number_are_refused(monkeypatch):
    raw = build.written(build.enhanced_ct(5))
    module = "napari_dicom_markup.sources.dicom.multiframe.header.ITEM_LIMIT"
    monkeypatch.setattr(module, 10)
    with pytest.raises(DecodeError, match="items"):
        describe_frames(build.instance_in(raw), raw)


def test_empty_items_in_millions_are_not_given_to_pydicom():
    raw = build.written(build.enhanced_ct(1))
    instance = build.instance_in(raw)
    odd = raw[:132] + b"\xfe\xff\x00\xe0\0\0\0\0" * 300_000
    element = replace(instance.element, offset=len(odd))
    claimed = replace(instance, element=element, file=replace(instance.file, size=1 << 30))
    with pytest.raises(NotDicomError, match="items"):
        describe_frames(claimed, odd)


def test_groups_of_unknown_vr_are_read_by_pydicom():
    implicit = build.written(build.enhanced_ct(2), ts.IMPLICIT_LE)
    explicit = build.written(build.enhanced_ct(2))
    mark = struct.pack("<HH", 0x5200, 0x9230)
    start = implicit.index(mark)
    (size,) = struct.unpack_from("<L", implicit, start + 4)
    content = implicit[start + 8 : start + 8 + size]
    unknown = mark + b"UN\0\0" + struct.pack("<L", size) + content
    raw = explicit[: explicit.index(mark)] + unknown
    element = PixelElement("PixelData", len(raw), 96)
    instance = build.instance_in(explicit)
    instance = replace(instance, element=element, file=replace(instance.file, size=len(raw) + 96))
    usual = describe_frames(build.instance_in(explicit), explicit)
    assert [f.position for f in describe_frames(instance, raw)] == [f.position for f in usual]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.sampled_from(sorted(build.KINDS)),
    syntax=st.sampled_from(SYNTAX),
    undefined=st.booleans(),
    changes=st.lists(
        st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=6)), min_size=1, max_size=4
    ),
    cut=st.one_of(st.none(), st.floats(0.1, 1)),
)
def test_damaged_headers_raise_nothing_but_our_errors(kind, syntax, undefined, changes, cut):
    raw = build.written(build.KINDS[kind](), syntax, undefined=undefined)
    instance = build.instance_in(raw)
    head = bytearray(raw[: instance.element.offset])
    for where, new in changes:
        start = 340 + int(where * (len(head) - 340 - len(new)))
        head[start : start + len(new)] = new
    damaged = bytes(head if cut is None else head[: int(cut * len(head))])
    try:
        frames = describe_frames(instance, damaged)
    except MarkupError:
        return
    assert len(frames) == instance.pixels.frames


@pytest.mark.parametrize(
    ("make", "limit_s"),
    [(lambda: build.enhanced_ct(500), 0.25), (lambda: build.enhanced_mr(20, 50), 0.5)],
    ids=["500 slices", "1000 frames of 4D"],
)
def test_many_frames_are_described_quickly(make, limit_s):
    raw = build.written(make(), undefined=True)
    instance = build.instance_in(raw)
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        describe_frames(instance, raw)
        taken.append(time.perf_counter() - start)
    assert min(taken) < limit_s


def test_a_big_endian_header_is_not_taken_for_a_little_one():
    raw = build.written(build.enhanced_ct(), ts.EXPLICIT_BE)
    with pytest.raises(UnusualHeaderError):
        HeaderReader(raw, explicit=True).read(132 + 12 + struct.unpack_from("<L", raw, 140)[0])


@pytest.mark.parametrize(
    ("raw", "seconds"),
    [
        (b"19700102000001", 86401.0),
        (b"197001010100+0100", 0.0),
        (b"19700101000000.25-0000 ", 0.25),
        (b"20201399120000", None),
        (b"2020", None),
        (b"", None),
    ],
)
def test_moments_are_seconds(raw, seconds):
    assert moment(raw) == seconds


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=6))
def test_decimals_are_read_as_written(numbers):
    assert decimals("\\".join(map(repr, numbers)).encode()) == tuple(numbers)


@pytest.mark.parametrize("raw", [b"1_0", b"nan", b"1\\inf", b"1\\\\2", b"x", b""])
def test_what_is_no_decimal_counts_as_absent(raw):
    assert decimals(raw) == ()


def test_a_single_is_the_decimal_that_was_meant():
    assert single(struct.pack("<f", 12.1)) == 12.1
