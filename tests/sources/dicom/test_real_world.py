"""Real World Value Mappings are read, and damaged ones passed over."""

from __future__ import annotations

import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.sequence import Sequence
from tests.data import CORPUS, build_image, image_of, needs_corpus

if TYPE_CHECKING:
    from napari_dicom_markup.model.voi import RealWorld

from napari_dicom_markup.core.real_world import real_world_values
from napari_dicom_markup.errors import DecodeError
from napari_dicom_markup.sources.dicom.pet import read_pet_facts
from napari_dicom_markup.sources.dicom.real_world import read_real_world
from napari_dicom_markup.sources.dicom.voi import read_voi
from napari_dicom_markup.standard import transfer_syntax as ts

PIXELS = np.arange(4, dtype=np.uint16).reshape(2, 2)


def mapping(unit: str = "mm2/s", **elements: object) -> Dataset:
    item, code = Dataset(), Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = unit, "UCUM", "a unit"
    item.MeasurementUnitsCodeSequence = Sequence([code])
    item.LUTLabel = "ADC"
    stated = {"RealWorldValueFirstValueMapped": 0, "RealWorldValueLastValueMapped": 4095}
    stated |= elements or {"RealWorldValueSlope": 0.5, "RealWorldValueIntercept": 2.0}
    for keyword, value in stated.items():
        if value is not None:
            setattr(item, keyword, value)
            if keyword.startswith("RealWorldValue") and keyword.endswith("Mapped"):
                item[keyword].VR = "SS" if value < 0 else "US"
    return item


def read(
    *items: Dataset, syntax: str = ts.EXPLICIT_LE, pixels: np.ndarray = PIXELS
) -> RealWorld | None:
    raw = build_image(pixels, syntax, RealWorldValueMappingSequence=Sequence(items))
    return read_real_world(image_of(raw), raw)


@pytest.mark.parametrize("syntax", [ts.EXPLICIT_LE, ts.IMPLICIT_LE, ts.EXPLICIT_BE])
def test_a_line_has_slope_intercept_range_and_unit(syntax):
    found = read(mapping(), syntax=syntax)
    assert found is not None
    assert (found.first, found.last, found.slope, found.intercept) == (0, 4095, 0.5, 2.0)
    assert (found.unit, found.offered, found.table) == ("mm2/s", 1, None)


def test_the_first_of_several_is_taken_and_all_are_counted():
    found = read(mapping("Bq/ml"), mapping("g/ml"))
    assert found is not None
    assert (found.unit, found.offered) == ("Bq/ml", 2)


def test_a_damaged_one_gives_way_to_the_next():
    found = read(mapping("ms", RealWorldValueSlope=0.0), mapping("s"))
    assert found is not None
    assert (found.unit, found.offered) == ("s", 2)


def test_doubles_tell_the_range_of_float_pixels():
    found = read(
        mapping(
            RealWorldValueFirstValueMapped=None,
            RealWorldValueLastValueMapped=None,
            DoubleFloatRealWorldValueFirstValueMapped=-0.5,
            DoubleFloatRealWorldValueLastValueMapped=1e30,
            RealWorldValueSlope=2.0,
        )
    )
    assert found is not None
    assert (found.first, found.last, found.slope, found.intercept) == (-0.5, 1e30, 2.0, 0.0)


@pytest.mark.parametrize("syntax", [ts.EXPLICIT_LE, ts.IMPLICIT_LE, ts.EXPLICIT_BE])
def test_a_table_maps_each_stored_value(syntax):
    ends = {"RealWorldValueFirstValueMapped": -1, "RealWorldValueLastValueMapped": 1}
    found = read(
        mapping(**ends, RealWorldValueLUTData=[0.5, -1.0, 7.25]),
        pixels=PIXELS.astype(np.int16),
        syntax=syntax,
    )
    assert found is not None
    assert found.table is not None
    values = real_world_values(np.array([-1, 0, 1], np.int16), found, np.dtype(np.float32))
    np.testing.assert_array_equal(values, np.float32([0.5, -1.0, 7.25]))


@pytest.mark.parametrize(
    "elements",
    [
        {"RealWorldValueIntercept": 2.0},
        {"RealWorldValueSlope": float("nan")},
        {"RealWorldValueSlope": float("inf")},
        {"RealWorldValueSlope": 1.0, "RealWorldValueFirstValueMapped": 5000},
        {"RealWorldValueSlope": 1.0, "RealWorldValueFirstValueMapped": None},
        {"RealWorldValueLUTData": [1.0, 2.0, 3.0]},
        {"RealWorldValueLUTData": []},
    ],
    ids=["no slope", "NaN", "infinite", "ends swapped", "no end", "cut off", "empty"],
)
def test_a_mapping_that_maps_nothing_is_none(elements):
    assert read(mapping(**elements)) is None


def test_values_of_a_wrong_length_are_no_mapping():
    raw = build_image(PIXELS, RealWorldValueMappingSequence=Sequence([mapping()]))
    slope = b"\x40\x00\x25\x92FD\x08\x00"
    assert raw.count(slope) == 1
    raw = raw.replace(slope, b"\x40\x00\x25\x92FD\x07\x00")
    read_real_world(image_of(build_image(PIXELS)), raw)


@pytest.mark.parametrize(
    ("code", "unit"),
    [
        ("10*-6.mm2/s", "10*-6.mm2/s"),
        ("{SUVbw}g/ml", "{SUVbw}g/ml"),
        ("[hnsf'U]", "[hnsf'U]"),
        ("Doe Jane", ""),
        ("Müller", ""),
        ("a" * 17, ""),
    ],
)
def test_only_what_looks_like_ucum_is_a_unit(code, unit):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom knows that an SH has 16 characters
        raw = build_image(
            PIXELS,
            SpecificCharacterSet="ISO_IR 192",
            RealWorldValueMappingSequence=Sequence([mapping(code)]),
        )
    found = read_real_world(image_of(raw), raw)
    assert found is not None
    assert found.unit == unit


def test_an_object_without_mapping_has_none():
    raw = build_image(PIXELS)
    assert read_real_world(image_of(raw), raw) is None


def test_a_file_that_is_gone_is_an_error_of_ours():
    with pytest.raises(DecodeError, match=r"built\.dcm"):
        read_real_world(image_of(build_image(PIXELS)))


HOSTILE = build_image(
    PIXELS,
    WindowCenter=["1", "2"],
    WindowWidth=["3", "4"],
    RadionuclideTotalDose="1",
    RealWorldValueMappingSequence=Sequence(
        [mapping(), mapping(RealWorldValueLastValueMapped=1, RealWorldValueLUTData=[0.5, 1.0])]
    ),
)


@pytest.mark.parametrize("reader", [read_real_world, read_voi, read_pet_facts])
@given(
    changes=st.dictionaries(
        st.integers(132, len(HOSTILE) - 1), st.integers(0, 255), min_size=1, max_size=8
    ),
    end=st.none() | st.integers(0, len(HOSTILE)),
)
@settings(max_examples=60, deadline=None)
def test_a_mutated_header_is_read_or_refused(reader, changes, end):
    raw = bytearray(HOSTILE)
    for at, byte in changes.items():
        raw[at] = byte
    with suppress(DecodeError):
        reader(image_of(HOSTILE), bytes(raw[:end]))


@needs_corpus
@pytest.mark.parametrize("name", ["parametric_map_float.dcm", "parametric_map_double_float.dcm"])
def test_a_real_parametric_map_is_mapped_in_its_shared_group(name):
    path = next(CORPUS.rglob(name))
    found = read_real_world(image_of(path.read_bytes(), Path(name)), path.read_bytes())
    assert found is not None
    assert found.first < found.last
    assert found.slope != 0
