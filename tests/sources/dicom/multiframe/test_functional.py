"""Functional groups give each frame its place, its values and what tells it apart."""

from __future__ import annotations

import pytest
from pydicom.sequence import Sequence
from tests.sources.dicom.multiframe import objects as build

from napari_dicom_markup.errors import DecodeError
from napari_dicom_markup.model.stack import Counter, Frame, VoiFunction, Window
from napari_dicom_markup.sources.dicom.multiframe import describe_frames
from napari_dicom_markup.standard import transfer_syntax as ts

SYNTAXES = pytest.mark.parametrize(
    "syntax", [ts.EXPLICIT_LE, ts.IMPLICIT_LE, ts.EXPLICIT_BE], ids=["explicit", "implicit", "big"]
)
LENGTHS = pytest.mark.parametrize("undefined", [False, True], ids=["lengths", "delimiters"])


def frames_of(data_set, syntax=ts.EXPLICIT_LE, *, undefined=False) -> tuple[Frame, ...]:
    raw = build.written(data_set, syntax, undefined=undefined)
    return describe_frames(build.instance_in(raw), raw)


@SYNTAXES
@LENGTHS
def test_enhanced_ct_is_placed_slice_by_slice_in_hu(syntax, undefined):
    frames = frames_of(build.enhanced_ct(5), syntax, undefined=undefined)
    assert [f.number for f in frames] == [0, 1, 2, 3, 4]
    assert [f.position for f in frames] == [(-10.0, -20.0, 2.0 * n) for n in range(5)]
    grid, values = frames[0].grid, frames[0].values
    assert grid.orientation == tuple(build.AXIAL)
    assert grid.pixel_spacing == (0.5, 0.75)
    assert grid.pixel_spacing_keyword == "PixelSpacing"
    assert (grid.slice_thickness, grid.spacing_between_slices) == (2.0, 2.0)
    assert (values.slope, values.intercept, values.unit) == (1.0, -1024.0, "HU")
    assert values.windows == (Window(40, 400), Window(600, 2000))
    assert frames[0].acquisition.image_type == ("ORIGINAL", "PRIMARY", "VOLUME", "NONE")
    assert frames[0].acquisition.counters == (Counter("tube voltage", "kV", 120.0),)


@SYNTAXES
@LENGTHS
def test_enhanced_mr_has_times_in_the_order_of_the_file(syntax, undefined):
    frames = frames_of(build.enhanced_mr(3, 2), syntax, undefined=undefined)
    said = [f.acquisition for f in frames]
    assert [a.temporal_position for a in said] == [1, 2] * 3
    assert [a.frame_time for a in said] == [0.0, 1.0] * 3
    assert {a.echo_time for a in said} == {30.0}
    assert {(a.component, a.stack_id) for a in said} == {("MAGNITUDE", "1")}
    assert [f.position for f in frames][::2] == [(-10.0, 3.0 * z, 50.0) for z in range(3)]
    assert frames[0].values.unit == ""
    assert frames[0].values.slope == 2.0


def test_equal_parts_are_one_object():
    frames = frames_of(build.enhanced_mr(3, 2))
    assert len({id(f.grid) for f in frames}) == 1
    assert len({id(f.values) for f in frames}) == 1
    assert len({id(f.acquisition) for f in frames}) == 2


def test_what_groups_lack_is_what_the_top_level_says():
    frames = frames_of(build.tomosynthesis(4))
    assert frames[0].grid.orientation == (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
    assert [f.position for f in frames] == [(5.0 + n, 0.0, 0.0) for n in range(4)]


def test_a_frames_own_group_counts_before_the_shared_one():
    data_set = build.enhanced_ct(3)
    own = build.item(PixelSpacing=[9.0, 9.0])
    data_set.PerFrameFunctionalGroupsSequence[1].PixelMeasuresSequence = Sequence([own])
    spacings = [f.grid.pixel_spacing for f in frames_of(data_set)]
    assert spacings == [(0.5, 0.75), (9.0, 9.0), (0.5, 0.75)]


def test_legacy_converted_objects_keep_their_echo_among_the_unassigned():
    said = [f.acquisition for f in frames_of(build.legacy_converted_mr())]
    assert [a.echo_time for a in said] == [10.0, 10.0, 20.0, 20.0]
    assert [a.instance_number for a in said] == [1, 2, 3, 4]
    assert {a.acquisition_time for a in said} == {10 * 3600 + 15 * 60.0}


def test_enhanced_pet_has_a_slope_a_frame_in_the_units_of_the_object():
    frames = frames_of(build.enhanced_pet())
    assert [f.values.slope for f in frames] == [1.5, 2.5, 3.5]
    assert {f.values.unit for f in frames} == {"Bq/ml"}


@SYNTAXES
def test_ultrasound_volumes_lie_in_their_own_frame_of_reference(syntax):
    frames = frames_of(build.enhanced_us_volume(3, 2), syntax)
    assert [f.position for f in frames] == [(0.0, 0.0, 0.6 * z) for z in range(3)] * 2
    assert frames[0].grid.orientation == tuple(build.AXIAL)
    assert frames[0].grid.frame_of_reference_uid == "1.2.77"
    assert [f.acquisition.frame_time for f in frames] == [0.0] * 3 + [0.25] * 3
    assert frames[0].acquisition.image_type == ("ORIGINAL", "PRIMARY", "GSCALE")


def test_ophthalmic_scans_are_placed():
    frames = frames_of(build.ophthalmic_tomography(3))
    assert [f.position for f in frames] == [(0, 0, 0), (0, 0, 0.05), (0, 0, 0.1)]
    assert [f.acquisition.number for f in frames] == [1, 2, 3]


def test_projections_have_angles_times_and_the_spacing_at_the_detector():
    frames = frames_of(build.enhanced_xa())
    assert {f.position for f in frames} == {None}
    assert frames[0].grid.pixel_spacing_keyword == "ImagerPixelSpacing"
    assert [f.acquisition.frame_time for f in frames] == [0.0, 1.0, 2.0]
    angles = [f.acquisition.counters for f in frames]
    upright = Counter("secondary angle", "deg", 0.0)
    assert angles == [(Counter("primary angle", "deg", a), upright) for a in (-30.0, 0.0, 30.0)]


def test_real_world_values_stand_in_for_no_rescale_and_move_the_window_with_them():
    values = frames_of(build.parametric_map())[0].values
    assert (values.slope, values.intercept, values.unit) == (0.5, 1.0, "um2/s")
    assert values.windows == (Window(51.0, 20.0),)


@pytest.mark.parametrize(
    ("kind", "slope", "unit"),
    [("US", 0.5, "um2/s"), ("", 0.5, "um2/s"), ("HU", 4.0, "HU")],
    ids=["unspecified", "none", "meant"],
)
def test_real_world_values_do_not_replace_a_rescale_with_a_meaning(kind, slope, unit):
    data_set = build.parametric_map()
    rescale = build.item(RescaleSlope=4, RescaleIntercept=0)
    if kind:
        rescale.RescaleType = kind
    data_set.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence = Sequence(
        [rescale]
    )
    values = frames_of(data_set)[0].values
    assert (values.slope, values.unit) == (slope, unit)
    # A window of 40 about 100 in values of slope 4 is 10 about 25 in stored ones.
    assert values.windows == ((Window(100, 40),) if kind == "HU" else (Window(13.5, 5.0),))


def test_a_unit_that_is_no_ucum_code_is_not_repeated():
    data_set = build.parametric_map(unit="Doe^Jane 1970")
    groups = data_set.SharedFunctionalGroupsSequence[0]
    assert frames_of(data_set)[0].values.unit == ""
    code = groups.RealWorldValueMappingSequence[0].MeasurementUnitsCodeSequence[0]
    code.CodeValue, code.CodingSchemeDesignator = "mm", "99LOCAL"
    assert frames_of(data_set)[0].values.unit == ""


def test_a_real_world_mapping_of_several_lines_leaves_the_rescaled_values():
    data_set = build.parametric_map()
    mapping = data_set.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence
    other = build.item(
        RealWorldValueSlope=7.0,
        RealWorldValueIntercept=0.0,
        MeasurementUnitsCodeSequence=mapping[0].MeasurementUnitsCodeSequence[0],
    )
    mapping.append(other)
    assert frames_of(data_set)[0].values.slope == 1.0


def test_windows_have_names_and_functions():
    data_set = build.enhanced_ct(1)
    voi = data_set.PerFrameFunctionalGroupsSequence[0].FrameVOILUTSequence[0]
    voi.WindowCenterWidthExplanation, voi.VOILUTFunction = ["soft", "bone"], "SIGMOID"
    assert frames_of(data_set)[0].values.windows == (
        Window(40, 400, "soft", VoiFunction.SIGMOID),
        Window(600, 2000, "bone", VoiFunction.SIGMOID),
    )


def test_diffusion_has_weighting_and_direction():
    data_set = build.enhanced_mr(1, 3)
    for n, frame in enumerate(data_set.PerFrameFunctionalGroupsSequence):
        weighting = build.item(DiffusionBValue=1000.0 * bool(n), DiffusionDirectionality="NONE")
        if n:
            gradient = build.item(DiffusionGradientOrientation=[0.0, 0.6, 0.8 * (-1) ** n])
            weighting.DiffusionDirectionality = "DIRECTIONAL"
            weighting.DiffusionGradientDirectionSequence = Sequence([gradient])
        frame.MRDiffusionSequence = Sequence([weighting])
    said = [f.acquisition for f in frames_of(data_set)]
    assert [a.b_value for a in said] == [0.0, 1000.0, 1000.0]
    assert [a.b_direction for a in said] == [None, (0.0, 0.6, -0.8), (0.0, 0.6, 0.8)]


def test_cardiac_phases_are_counted_and_timed():
    data_set = build.enhanced_mr(2, 3)
    for n, frame in enumerate(data_set.PerFrameFunctionalGroupsSequence):
        del frame.FrameContentSequence[0].TemporalPositionIndex
        frame.CardiacSynchronizationSequence = Sequence(
            [
                build.item(
                    NominalCardiacTriggerDelayTime=40.0 * (n % 3),
                    NominalPercentageOfCardiacPhase=12.1 * (n % 3),
                )
            ]
        )
    said = [f.acquisition for f in frames_of(data_set)]
    assert [a.trigger_time for a in said] == [0.0, 40.0, 80.0] * 2
    assert [a.counters for a in said[:3]] == [
        (Counter("cardiac phase", "%", value),) for value in (0.0, 12.1, 24.2)
    ]


def test_contrast_phases_are_counted_as_they_come():
    data_set = build.enhanced_mr(1, 3)
    for frame, phase in zip(
        data_set.PerFrameFunctionalGroupsSequence, ("PRE_CONTRAST", "POST", "POST"), strict=True
    ):
        usage = build.item(ContrastBolusAgentPhase=phase)
        frame.ContrastBolusUsageSequence = Sequence([usage])
    counters = [f.acquisition.counters for f in frames_of(data_set)]
    assert counters == [(Counter("contrast phase", "", n),) for n in (1.0, 2.0, 2.0)]


def test_dimensions_that_nothing_else_tells_are_counted_by_their_keywords():
    data_set = build.enhanced_mr(2, 2)
    build.dimensions(data_set, "StackID", "ContrastBolusAgentNumber", 0x2005_1011)
    for n, frame in enumerate(data_set.PerFrameFunctionalGroupsSequence):
        content = frame.FrameContentSequence[0]
        del content.TemporalPositionIndex
        content.DimensionIndexValues = [1, n % 2 + 1, n // 2 + 1]
    counters = [f.acquisition.counters for f in frames_of(data_set)]
    assert counters == [
        (Counter("contrast bolus agent number", "", n),) for n in (1.0, 2.0, 1.0, 2.0)
    ]


def test_private_dimensions_are_counted_by_number():
    data_set = build.enhanced_mr(1, 2)
    build.dimensions(data_set, "StackID", "InStackPositionNumber", 0x2005_1011)
    data_set.DimensionIndexSequence[2].DimensionDescriptionLabel = "Doe^Jane"
    for frame in data_set.PerFrameFunctionalGroupsSequence:
        del frame.FrameContentSequence[0].TemporalPositionIndex
    names = [c.name for f in frames_of(data_set) for c in f.acquisition.counters]
    assert names == ["dimension 3"] * 2


def test_positions_that_lack_are_counted_within_their_stack():
    data_set = build.enhanced_ct(3)
    for frame in data_set.PerFrameFunctionalGroupsSequence:
        del frame.PlanePositionSequence
    frames = frames_of(data_set)
    assert {f.position for f in frames} == {None}
    assert [f.acquisition.counters[-1] for f in frames] == [
        Counter("in stack position number", "", n) for n in (1.0, 2.0, 3.0)
    ]


@pytest.mark.parametrize("items", [2, 4], ids=["too few", "too many"])
def test_groups_of_another_number_than_the_frames_are_refused(items):
    data_set = build.enhanced_ct(3)
    groups = list(data_set.PerFrameFunctionalGroupsSequence) * 2
    data_set.PerFrameFunctionalGroupsSequence = Sequence(groups[:items])
    with pytest.raises(DecodeError, match="contradict"):
        frames_of(data_set)


def test_shared_groups_alone_hold_for_all_frames():
    data_set = build.enhanced_ct(3)
    del data_set.PerFrameFunctionalGroupsSequence
    frames = frames_of(data_set)
    assert [f.values.unit for f in frames] == ["HU"] * 3
    assert {f.position for f in frames} == {None}


def test_a_single_frame_has_the_place_of_the_top_level_where_no_group_states_one():
    data_set = build.enhanced_ct(1, ImagePositionPatient=[1.0, 2.0, 3.0])
    del data_set.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence
    assert frames_of(data_set)[0].position == (1.0, 2.0, 3.0)
