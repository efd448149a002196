"""All windows and VOI LUTs of an object are read, and damaged ones are left out."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence
from tests.data import CORPUS, build_image, image_of, needs_corpus

from napari_dicom_markup.core.voi import voi_choices
from napari_dicom_markup.errors import DecodeError
from napari_dicom_markup.model.stack import ValueMapping, VoiFunction, Window
from napari_dicom_markup.model.voi import VoiLut
from napari_dicom_markup.sources.dicom.voi import read_voi
from napari_dicom_markup.standard import transfer_syntax as ts

PIXELS = np.zeros((2, 2), np.uint16)


def offers(pixels: np.ndarray = PIXELS, syntax: str = ts.EXPLICIT_LE, **elements: object):
    raw = build_image(pixels, syntax, **elements)
    return read_voi(image_of(raw), raw)


def lut(first: int, entries: np.ndarray | bytes, bits: int = 16, count: int | None = None):
    item = Dataset()
    item.LUTDescriptor = [len(entries) if count is None else count, first, bits]
    item["LUTDescriptor"].VR = "SS" if first < 0 else "US"
    item.LUTData = entries if isinstance(entries, bytes) else entries.astype("<u2").tobytes()
    item["LUTData"].VR = "OW"
    item.LUTExplanation = "curve"
    return item


def test_windows_have_their_names_and_function():
    read = offers(
        WindowCenter=["40", "300.5"],
        WindowWidth=["400", "1500"],
        WindowCenterWidthExplanation=["SOFT", "BONE"],
        VOILUTFunction="SIGMOID",
    )
    function = VoiFunction.SIGMOID
    assert read == (Window(40, 400, "SOFT", function), Window(300.5, 1500, "BONE", function))


@pytest.mark.parametrize(
    ("center", "width"),
    [("40", "0"), ("40", "-3"), ("", "400"), ("40", "")],
    ids=["zero", "negative", "no centre", "no width"],
)
def test_a_window_without_width_or_centre_is_left_out(center, width):
    assert offers(WindowCenter=[center, "1"], WindowWidth=[width, "2"])[-1:] in {
        (Window(1, 2),),
        (),
    }
    assert offers(WindowCenter=center, WindowWidth=width) == ()


def test_a_window_that_is_no_number_is_left_out():
    raw = build_image(PIXELS, WindowCenter="4040", WindowWidth="400")
    raw = raw.replace(b"4040", b"4x40", 1)
    assert read_voi(image_of(raw), raw) == ()


def test_a_spare_name_or_window_does_no_harm():
    read = offers(
        WindowCenter=["1", "2"], WindowWidth=["3", "4", "5"], WindowCenterWidthExplanation="A"
    )
    assert read == (Window(1, 3, "A"), Window(2, 4))


def test_tables_follow_the_windows():
    entries = np.arange(0, 65536, 256)
    read = offers(WindowCenter="1", WindowWidth="2", VOILUTSequence=Sequence([lut(10, entries)]))
    assert read[0] == Window(1, 2)
    table = read[1]
    assert isinstance(table, VoiLut)
    assert (table.first, table.bits, table.name) == (10, 16, "curve")
    np.testing.assert_array_equal(table.entries, entries)


@pytest.mark.parametrize("syntax", [ts.EXPLICIT_LE, ts.IMPLICIT_LE, ts.EXPLICIT_BE])
def test_tables_are_the_same_in_every_byte_order(syntax):
    entries = np.array([0, 1, 258, 65535], np.uint16)
    order = ">u2" if syntax == ts.EXPLICIT_BE else "<u2"
    item = lut(0, entries.astype(order).tobytes(), 16, 4)
    (table,) = offers(syntax=syntax, VOILUTSequence=Sequence([item]))
    np.testing.assert_array_equal(table.entries, entries)


def test_packed_bytes_are_entries():
    (table,) = offers(VOILUTSequence=Sequence([lut(0, bytes(range(256)), 8, 256)]))
    np.testing.assert_array_equal(table.entries, np.arange(256))
    (choice,) = voi_choices([table])
    assert choice.limits == (0, 255)
    np.testing.assert_allclose(choice.ramp, np.linspace(0, 1, 256))


@pytest.mark.parametrize("syntax", [ts.EXPLICIT_LE, ts.IMPLICIT_LE])
@pytest.mark.parametrize(
    ("pixels", "values", "stated", "first"),
    [
        (PIXELS.astype(np.int16), ValueMapping(), -200, -200),
        (PIXELS.astype(np.int16), ValueMapping(), 65336, -200),
        (PIXELS, ValueMapping(), 65336, 65336),
        (PIXELS, ValueMapping(intercept=-1024.0), -1024, -1024),
        (PIXELS, ValueMapping(intercept=-1024.0), 64512, -1024),
        (PIXELS, ValueMapping(unit="HU"), 64512, -1024),
        (PIXELS.astype(np.int16), ValueMapping(lut=True), 40000, 40000),
    ],
    ids=["SS", "US, signed", "US", "rescaled SS", "rescaled US", "HU", "Modality LUT"],
)
def test_the_first_value_has_the_sign_of_what_comes_in(syntax, pixels, values, stated, first):
    raw = build_image(pixels, syntax, VOILUTSequence=Sequence([lut(stated, np.arange(4))]))
    instance = replace(image_of(raw), values=values)
    (table,) = read_voi(instance, raw)
    assert table.first == first


@pytest.mark.parametrize(
    "broken",
    [
        lut(0, np.arange(4), count=5),
        lut(0, b"", count=4),
        lut(0, np.arange(4), count=0),
        lut(0, np.arange(4), bits=0),
        lut(0, np.arange(4), bits=65535),
        Dataset(),
    ],
    ids=["cut off", "empty", "65536 claimed", "0 bits", "65535 bits", "nothing in it"],
)
def test_a_damaged_table_is_left_out(broken):
    read = offers(VOILUTSequence=Sequence([broken, lut(1, np.arange(4))]))
    assert [table.first for table in read] == [1]


def test_a_frame_group_is_read_where_the_top_level_has_none():
    window = Dataset()
    window.WindowCenter, window.WindowWidth = "5", "6"
    group = Dataset()
    group.FrameVOILUTSequence = Sequence([window])
    assert offers(SharedFunctionalGroupsSequence=Sequence([group])) == (Window(5, 6),)
    assert offers(PerFrameFunctionalGroupsSequence=Sequence([group, Dataset()])) == (Window(5, 6),)
    assert offers(
        SharedFunctionalGroupsSequence=Sequence([group]), WindowCenter="1", WindowWidth="2"
    ) == (Window(1, 2),)


def test_a_file_that_is_gone_is_an_error_of_ours():
    raw = build_image(PIXELS)
    with pytest.raises(DecodeError, match=r"built\.dcm"):
        read_voi(image_of(raw))


@pytest.mark.parametrize("length", [0, 1, 100, 132, 150, 200, 300, 400, 500])
def test_a_header_that_is_cut_off_never_raises_anything_else(length):
    raw = build_image(
        PIXELS, WindowCenter="1", WindowWidth="2", VOILUTSequence=Sequence([lut(0, np.arange(50))])
    )
    instance = image_of(raw)
    with suppress(DecodeError):
        assert isinstance(read_voi(instance, raw[:length]), tuple)


@needs_corpus
def test_a_real_table_is_read():
    path = next(CORPUS.rglob("vlut_04.dcm"))
    instance = image_of(path.read_bytes(), Path("vlut_04.dcm"))
    (table,) = read_voi(instance, path.read_bytes())
    assert isinstance(table, VoiLut)
    assert (table.first, table.entries.size, table.bits) == (0, 256, 16)
    assert len(voi_choices([table])) == 1
