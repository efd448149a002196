"""Real world values of frames, where a mapping is for a part of the stored values only."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.sources.dicom.multiframe import objects as build

from napari_dicom_markup.model.stack import Window
from napari_dicom_markup.sources.dicom.multiframe import describe_frames
from napari_dicom_markup.standard import transfer_syntax as ts


def map_with(vr="US", *, bits=16, **ends):
    data_set = build.parametric_map()
    data_set.BitsStored, data_set.HighBit = bits, bits - 1
    data_set.PixelRepresentation = int(vr == "SS")
    mapping = data_set.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    for keyword, value in ends.items():
        setattr(mapping, keyword, value)
        if not keyword.startswith("Double"):
            mapping[keyword].VR = vr
    return data_set


def between(first, last, vr="US", **more):
    ends = {"RealWorldValueFirstValueMapped": first, "RealWorldValueLastValueMapped": last}
    return map_with(vr, **ends, **more)


def values_of(data_set, syntax=ts.EXPLICIT_LE, keyword="PixelData"):
    raw = build.written(data_set, syntax)
    instance = build.instance_in(raw)
    instance = replace(instance, element=replace(instance.element, keyword=keyword))
    return describe_frames(instance, raw)[0].values


@pytest.mark.parametrize("syntax", [ts.EXPLICIT_LE, ts.IMPLICIT_LE, ts.EXPLICIT_BE])
@pytest.mark.parametrize(("vr", "first", "last"), [("US", 0, 2000), ("SS", -5, 100)])
def test_a_mapping_of_some_stored_values_keeps_its_range(vr, first, last, syntax):
    values = values_of(between(first, last, vr), syntax)
    measured = values.measured
    assert (measured.first, measured.last) == (first, last)
    assert (measured.slope, measured.intercept, measured.unit) == (0.5, 1.0, "um2/s")
    assert (values.slope, values.intercept, values.unit) == (1.0, 0.0, "um2/s")
    assert values.windows == (Window(51.0, 20.0),)


@pytest.mark.parametrize(
    ("first", "last", "vr", "bits"),
    [(0, 65535, "US", 16), (0, 4095, "US", 12), (-2048, 2047, "SS", 12), (0, 65535, "US", 8)],
)
def test_a_mapping_of_all_stored_values_is_slope_and_intercept(first, last, vr, bits):
    values = values_of(between(first, last, vr, bits=bits))
    assert values.measured is None
    assert (values.slope, values.intercept) == (0.5, 1.0)


def test_a_range_that_ends_before_it_begins_maps_nothing():
    values = values_of(between(10, 2))
    assert (values.measured, values.slope, values.unit) == (None, 1.0, "")


def test_floats_are_mapped_between_doubles_as_far_as_single_precision_tells():
    ends = {
        "DoubleFloatRealWorldValueFirstValueMapped": -0.1,
        "DoubleFloatRealWorldValueLastValueMapped": 0.1,
    }
    measured = values_of(map_with(**ends), keyword="FloatPixelData").measured
    assert measured.first < -0.1 < 0.1 < measured.last
    assert (measured.first, measured.last) == pytest.approx((-0.1, 0.1), rel=1e-6)


def test_floats_without_ends_are_all_mapped():
    values = values_of(map_with(), keyword="FloatPixelData")
    assert (values.measured, values.slope) == (None, 0.5)


def test_a_mapping_that_is_not_taken_limits_nothing():
    data_set = between(0, 2000)
    rescale = build.item(RescaleSlope=4, RescaleIntercept=0, RescaleType="HU")
    groups = data_set.SharedFunctionalGroupsSequence[0]
    groups.PixelValueTransformationSequence = [rescale]
    values = values_of(data_set)
    assert (values.measured, values.slope, values.unit) == (None, 4.0, "HU")
