"""What frames say that orders them beside the frames of other objects of their series."""

from __future__ import annotations

import pytest
from pydicom.sequence import Sequence
from tests.sources.dicom.multiframe import objects as build

from napari_dicom_markup.model.stack import Counter
from napari_dicom_markup.sources.dicom.multiframe import describe_frames

YEAR_2020_S = 1_577_836_800.0


def said_of(data_set):
    raw = build.written(data_set)
    return [f.acquisition for f in describe_frames(build.instance_in(raw), raw)]


def with_frames(data_set, change):
    for n, frame in enumerate(data_set.PerFrameFunctionalGroupsSequence):
        change(n, frame)
    return data_set


def test_moments_are_seconds_since_1970_and_frame_times_since_the_first_frame():
    said = said_of(build.enhanced_mr(1, 2))
    assert [a.frame_moment for a in said] == [
        YEAR_2020_S + 10 * 3600 + 0.5,
        YEAR_2020_S + 10 * 3600 + 1.5,
    ]
    assert [a.frame_time for a in said] == [0.0, 1.0]


def test_frames_at_one_moment_have_it_though_no_time_goes_on():
    said = said_of(build.enhanced_mr(3, 1))
    assert {a.frame_moment for a in said} == {YEAR_2020_S + 36000.5}
    assert {a.frame_time for a in said} == {None}


def test_the_reference_date_time_serves_where_acquisition_is_not_stated_of_all():
    def change(n, frame):
        content = frame.FrameContentSequence[0]
        content.FrameReferenceDateTime = f"202001010000{n:02}"
        if n:
            del content.FrameAcquisitionDateTime

    said = said_of(with_frames(build.enhanced_mr(1, 3), change))
    assert [a.frame_moment for a in said] == [YEAR_2020_S + n for n in range(3)]


def test_offsets_serve_where_there_are_no_date_times():
    said = said_of(build.enhanced_us_volume(2, 2))
    assert [a.frame_moment for a in said] == [1.0, 1.0, 1.25, 1.25]
    assert [a.frame_time for a in said] == [0.0, 0.0, 0.25, 0.25]


def test_the_objects_date_time_serves_where_its_frames_are_one_volume():
    one = said_of(build.enhanced_ct(3, AcquisitionDateTime="20200101000007.5"))
    assert [a.frame_moment for a in one] == [YEAR_2020_S + 7.5] * 3
    several = build.enhanced_ct(4, AcquisitionDateTime="20200101000007.5")

    def at_two_places(n, frame):
        frame.PlanePositionSequence[0].ImagePositionPatient = [0.0, 0.0, 2.0 * (n % 2)]

    said = said_of(with_frames(several, at_two_places))
    assert {a.frame_moment for a in said} == {None}


def test_frames_without_any_time_have_no_moment():
    assert {a.frame_moment for a in said_of(build.enhanced_ct(2))} == {None}


RATES = pytest.mark.parametrize(
    "rate",
    [{"RecommendedDisplayFrameRate": 15}, {"CineRate": 30}, {"FrameTime": "33"}],
    ids=["recommended", "cine rate", "frame time"],
)


@RATES
def test_a_rate_for_showing_volumes_is_no_time(rate):
    assert {a.frame_time for a in said_of(build.enhanced_ct(3, **rate))} == {None}


@RATES
def test_a_rate_is_the_time_of_projections_that_nothing_else_tells_apart(rate):
    data_set = build.enhanced_xa()
    for keyword, value in rate.items():
        setattr(data_set, keyword, value)

    def without_time(_n, frame):
        del frame.FrameContentSequence

    times = [a.frame_time for a in said_of(with_frames(data_set, without_time))]
    assert times[0] == 0.0
    assert 0.03 < times[1] < 0.07


def part(number, **values):
    data_set = build.enhanced_ct(2, ConcatenationUID="1.2.5", InConcatenationNumber=number)
    for keyword, value in values.items():
        setattr(data_set, keyword, value)
    return data_set


def test_parts_of_a_concatenation_come_by_their_number_and_those_of_one_together():
    first = [said_of(part(n, InstanceNumber=1))[0].instance_number for n in (1, 2)]
    second = [said_of(part(n, InstanceNumber=2))[0].instance_number for n in (1, 2)]
    assert first == [1, 2]
    assert first + second == sorted({*first, *second})
    assert said_of(part(2))[1].instance_number == 2


@pytest.mark.parametrize("number", [10**12, "x"], ids=["huge", "none"])
def test_an_absurd_instance_number_does_no_harm(number):
    data_set = part(1)
    data_set.add_new("InstanceNumber", "LO", str(number))
    assert said_of(data_set)[0].instance_number in {10**12, 1}


def test_without_a_concatenation_the_instance_number_stays():
    data_set = part(3, InstanceNumber=7)
    del data_set.ConcatenationUID
    assert {a.instance_number for a in said_of(data_set)} == {7}


def test_a_number_that_all_frames_share_stays_for_other_objects_may_have_another():
    def inverted(_n, frame):
        frame.MRModifierSequence = Sequence([build.item(InversionTimes=[150.0])])

    said = said_of(with_frames(build.enhanced_mr(3, 1), inverted))
    assert {a.counters for a in said} == {(Counter("inversion time", "ms", 150.0),)}


def test_a_number_that_differs_only_from_place_to_place_tells_nothing():
    def inverted(n, frame):
        frame.MRModifierSequence = Sequence([build.item(InversionTimes=[150.0 + n])])

    said = said_of(with_frames(build.enhanced_mr(3, 1), inverted))
    assert {a.counters for a in said} == {()}


def test_a_word_that_all_frames_share_tells_nothing():
    def contrast(_n, frame):
        usage = build.item(ContrastBolusAgentPhase="PRE_CONTRAST")
        frame.ContrastBolusUsageSequence = Sequence([usage])

    said = said_of(with_frames(build.enhanced_mr(3, 1), contrast))
    assert {a.counters for a in said} == {()}
