"""Stacks: spatial order, geometry by the formulas of PS3.3, and nothing dropped silently."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.instances import ORIENTATIONS, make_instance, make_planes, stack_images

from napari_dicom_markup.core.stacking import group_series
from napari_dicom_markup.model.geometry import ReportKind, SliceSpacingSource
from napari_dicom_markup.model.stack import only_frame

if TYPE_CHECKING:
    from napari_dicom_markup.model.stack import Instance, Stack


def one_stack(instances: list[Instance]) -> Stack:
    (stack,), leftovers = stack_images(instances)
    assert leftovers == ()
    return stack


def repeat(plane: Instance, volume: object, **changes: object) -> Instance:
    """Return the plane as a file of its own in another volume; ``changes`` to its acquisition."""
    return replace(
        plane,
        sop_instance_uid=f"{plane.sop_instance_uid}.{volume}",
        file=replace(plane.file, relative=f"{plane.file.relative}-{volume}"),
        acquisition=replace(plane.acquisition, **changes),
    )


def kinds(stack: Stack) -> list[ReportKind]:
    return [report.kind for report in stack.reports]


@pytest.mark.parametrize("orientation", ORIENTATIONS.values(), ids=ORIENTATIONS)
def test_the_affine_gives_each_voxel_the_place_that_the_standard_gives_it(orientation):
    stack = one_stack(make_planes(5, orientation=orientation))
    affine = stack.geometry.affine_lps()
    for s, instance in enumerate(stack.frames):
        for r, c in ((0, 0), (3, 4)):
            row, column = np.array(orientation[:3]), np.array(orientation[3:])
            # PS3.3 C.7.6.2.1.1: position + row cosines × column spacing × column index + ...
            expected = np.array(instance.position) + row * 0.5 * c + column * 0.7 * r
            np.testing.assert_allclose((affine @ (s, r, c, 1))[:3], expected, atol=1e-12)
    assert stack.geometry.spacing == pytest.approx((2.0, 0.7, 0.5))


@pytest.mark.parametrize("orientation", ORIENTATIONS.values(), ids=ORIENTATIONS)
def test_slices_run_in_descending_order_along_the_normal(orientation):
    stack = one_stack(make_planes(4, orientation=orientation))
    assert [i.acquisition.instance_number for i in stack.frames] == [4, 3, 2, 1]


@given(
    order=st.permutations(range(12)),
    names=st.permutations(range(12)),
)
def test_the_order_and_the_names_of_the_files_never_change_the_result(order, names):
    planes = make_planes(4)
    times = [
        replace(
            plane,
            sop_instance_uid=f"{plane.sop_instance_uid}.{t}",
            file=replace(plane.file, relative=f"{names[4 * t + k]:02d}"),
            acquisition=replace(plane.acquisition, temporal_position=t),
        )
        for t in range(3)
        for k, plane in enumerate(planes)
    ]
    expected = [i.sop_instance_uid for i in one_stack(times).frames]
    shuffled = one_stack([times[k] for k in order])
    assert [i.sop_instance_uid for i in shuffled.frames] == expected
    assert shuffled.shape == (3, 4, 4, 5)
    assert shuffled.leading[0].name == "t"
    assert shuffled.leading[0].values == (0.0, 1.0, 2.0)


def test_a_tilted_stack_is_reported_and_its_affine_is_sheared():
    stack = one_stack(make_planes(5, step=3.0, shear=0.8))
    assert kinds(stack)[0] is ReportKind.TILT
    assert "14.9°" in stack.reports[0].message
    assert stack.geometry.spacing[0] == pytest.approx(3.0)
    np.testing.assert_allclose(
        (stack.geometry.affine_lps() @ (4, 0, 0, 1))[:3], stack.frames[4].position
    )


def test_positions_written_with_few_decimals_are_no_tilt():
    planes = make_planes(30, orientation=ORIENTATIONS["oblique"])
    rounded = [
        replace(plane, position=tuple(round(value, 2) for value in plane.position))
        for plane in planes
    ]
    assert one_stack(rounded).reports == ()


def test_missing_slices_are_counted_and_their_neighbours_named():
    planes = make_planes(8)
    stack = one_stack(planes[:2] + planes[4:])
    (report,) = stack.reports
    assert report.kind is ReportKind.GAP
    assert "2 slices of 2 mm are missing, between slices 4 and 5" in report.message
    assert report.files == ("IM5", "IM2")
    assert stack.shape == (6, 4, 5)
    assert stack.geometry.spacing[0] == 2.0


def test_one_gap_in_three_slices_is_a_gap_and_no_mean_step():
    planes = make_planes(4)
    stack = one_stack([planes[0], planes[1], planes[3]])
    assert stack.geometry.spacing[0] == 2.0
    assert kinds(stack) == [ReportKind.GAP]


def test_uneven_steps_are_reported_and_nothing_is_resampled():
    planes = [make_instance((0, 0, z), number=n) for n, z in enumerate((0, 2, 4, 5.3, 7.3))]
    stack = one_stack(planes)
    assert kinds(stack) == [ReportKind.UNEVEN]
    assert stack.slices == 5
    assert [o[2] for o in stack.geometry.patient.origins] == [7.3, 5.3, 4, 2, 0]


@pytest.mark.parametrize(("decimals", "step"), [(1, 0.625), (2, 0.625), (2, 1.0 / 3), (1, 1.25)])
@pytest.mark.parametrize("orientation", ["axial", "oblique"])
def test_rounded_positions_make_the_affine_drift_nowhere(decimals, step, orientation):
    planes = [
        replace(plane, position=tuple(round(value, decimals) for value in plane.position))
        for plane in make_planes(500, step, orientation=ORIENTATIONS[orientation])
    ]
    planes = [replace(p, grid=replace(p.grid, slice_thickness=None)) for p in planes]
    stack = one_stack(planes)
    assert stack.reports == ()
    assert stack.geometry.spacing[0] == pytest.approx(step, abs=10**-decimals / 400)
    affine = stack.geometry.affine_lps()
    for k in (0, 250, 499):
        place = (affine @ (k, 0, 0, 1))[:3]
        np.testing.assert_allclose(place, stack.frames[k].position, atol=1.5 * 10**-decimals)
    np.testing.assert_allclose(place, stack.frames[499].position, atol=1e-6)


def test_gaps_count_as_whole_steps_in_positions_that_are_rounded():
    planes = [make_instance((0, 0, round(0.625 * k, 2)), number=k + 1) for k in range(300)]
    planes = [replace(p, grid=replace(p.grid, slice_thickness=None)) for p in planes]
    stack = one_stack(planes[:100] + planes[140:])
    assert stack.geometry.spacing[0] == pytest.approx(0.625, abs=1e-4)
    assert kinds(stack) == [ReportKind.GAP]
    assert "40 slices of 0.625" in stack.reports[0].message


def test_an_uneven_stack_says_how_far_the_affine_is_off_its_slices():
    heights = [0.0, 2.0, 4.0, 6.0, 9.0, 12.0, 15.0]
    stack = one_stack([make_instance((0, 0, z), number=n) for n, z in enumerate(heights)])
    (report,) = [r for r in stack.reports if r.kind is ReportKind.UNEVEN]
    assert stack.geometry.spacing[0] == 2.0
    assert "the affine puts slices up to 3 mm beside their own positions" in report.message


def test_a_slow_change_of_the_step_is_reported_where_it_adds_up():
    heights = np.cumsum([0.0] + [1.0] * 200 + [1.015] * 200).tolist()
    stack = one_stack([make_instance((0, 0, z), number=n) for n, z in enumerate(heights)])
    assert ReportKind.UNEVEN in kinds(stack)
    assert "the affine puts slices up to" in stack.reports[0].message


def test_thick_slices_that_overlap_are_said_to():
    planes = [
        replace(plane, grid=replace(plane.grid, slice_thickness=4.0)) for plane in make_planes(3)
    ]
    assert "overlap" in one_stack(planes).reports[0].message


def test_images_of_two_orientations_make_two_stacks():
    scouts = make_planes(2) + [
        replace(p, sop_instance_uid=f"{p.sop_instance_uid}.9", file=replace(p.file, relative="x"))
        for p in make_planes(3, orientation=ORIENTATIONS["coronal"])
    ]
    stacks, leftovers = stack_images(scouts)
    assert sorted(stack.slices for stack in stacks) == [2, 3]
    assert leftovers == ()


@pytest.mark.parametrize(
    "change",
    [
        {"rows": 8},
        {"samples": 3, "photometric": "RGB", "bits_allocated": 8, "bits_stored": 8},
        {"pixel_spacing": (0.7, 0.6)},
        {"frame_of_reference_uid": "1.10"},
        {"image_type": ("ORIGINAL", "PRIMARY", "P")},
        {"photometric": "MONOCHROME1"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_cannot_be_compared_is_split(change):
    other = make_instance((0, 0, 99), number=7, **change)
    if "rows" in change or "samples" in change:
        other = replace(other, element=replace(other.element, length=100))
    stacks, leftovers = stack_images([*make_planes(3), other])
    assert sorted(stack.slices for stack in stacks) == [1, 3]
    assert leftovers == ()


def test_compressed_and_native_images_of_one_volume_stay_together():
    planes = make_planes(3)
    planes[1] = replace(
        planes[1],
        transfer_syntax_uid="1.2.840.10008.1.2.5",
        element=replace(planes[1].element, length=None),
    )
    assert one_stack(planes).slices == 3


def test_echoes_become_an_axis_with_their_times():
    echoes = [
        replace(
            plane,
            sop_instance_uid=f"{plane.sop_instance_uid}.{echo}",
            file=replace(plane.file, relative=f"{plane.file.relative}-{echo}"),
            acquisition=replace(plane.acquisition, echo_time=echo),
        )
        for plane in make_planes(3)
        for echo in (30.5, 10.0)
    ]
    stack = one_stack(echoes)
    assert (stack.leading[0].name, stack.leading[0].unit) == ("echo", "ms")
    assert stack.leading[0].values == (10.0, 30.5)
    assert [i.acquisition.echo_time for i in stack.frames] == [10.0] * 3 + [30.5] * 3


def test_repeated_positions_are_ordered_by_acquisition_time_in_seconds():
    volumes = [
        replace(
            plane,
            sop_instance_uid=f"{plane.sop_instance_uid}.{t}",
            file=replace(plane.file, relative=f"{plane.file.relative}-{t}"),
            acquisition=replace(plane.acquisition, acquisition_time=3600 + 2.5 * t + 0.1 * k),
        )
        for k, plane in enumerate(make_planes(3))
        for t in (1, 0, 2)
    ]
    stack = one_stack(volumes)
    assert (stack.leading[0].name, stack.leading[0].unit) == ("t", "s")
    assert stack.leading[0].values == pytest.approx((0, 2.5, 5.0))


def test_an_interrupted_last_volume_is_kept_apart_with_its_reason():
    volumes = [
        replace(
            plane,
            sop_instance_uid=f"{plane.sop_instance_uid}.{t}",
            file=replace(plane.file, relative=f"{plane.file.relative}-{t}"),
            acquisition=replace(plane.acquisition, temporal_position=t),
        )
        for t in range(3)
        for plane in make_planes(4)[: 2 if t == 2 else 4]
    ]
    stacks, leftovers = stack_images(volumes)
    assert [stack.shape for stack in stacks] == [(2, 4, 4, 5), (2, 4, 5)]
    assert stacks[1].reports[-1].kind is ReportKind.INCOMPLETE
    assert "2 of 4 positions at t = 2" in stacks[1].reports[-1].message
    assert leftovers == ()


def test_a_missing_slice_of_a_middle_volume_mixes_no_times():
    volumes = [
        repeat(plane, t, acquisition_time=37910.0 + 10 * t)
        for t in range(3)
        for k, plane in enumerate(make_planes(4))
        if (t, k) != (1, 2)
    ]
    stacks, leftovers = stack_images(volumes)
    assert sorted(stack.shape for stack in stacks) == [(2, 4, 4, 5), (3, 4, 5)]
    whole, part = sorted(stacks, key=lambda stack: -len(stack.shape))
    assert [i.acquisition.acquisition_time for i in whole.frames] == [37910] * 4 + [37930] * 4
    assert whole.leading[0].values == (0.0, 20.0)
    assert {i.acquisition.acquisition_time for i in part.frames} == {37920.0}
    assert "3 of 4 positions at t = 10 s" in part.reports[-1].message
    assert leftovers == ()


def test_a_number_that_differs_from_image_to_image_gives_way_to_a_time_that_separates():
    volumes = [
        repeat(plane, t, number=10 * t + k, content_time=100.0 + t)
        for t in range(3)
        for k, plane in enumerate(make_planes(4))
        if (t, k) != (1, 2)
    ]
    stacks, _ = stack_images(volumes)
    assert sorted(stack.shape for stack in stacks) == [(2, 4, 4, 5), (3, 4, 5)]


def test_where_nothing_tells_which_volume_lacks_slices_no_volume_is_called_complete():
    volumes = [
        repeat(plane, t, instance_number=4 * t + k)
        for t in range(3)
        for k, plane in enumerate(make_planes(4))
        if (t, k) != (1, 2)
    ]
    stacks, leftovers = stack_images(volumes)
    assert sorted(stack.shape for stack in stacks) == [(3, 4, 5), (4, 4, 5), (4, 4, 5)]
    for stack in stacks:
        assert ReportKind.INCOMPLETE in kinds(stack)
        assert "which volume lacks slices cannot be told" in stack.reports[-1].message
    assert leftovers == ()


@pytest.mark.parametrize("keyword", ["acquisition_time", "content_time"])
def test_a_time_of_day_never_becomes_a_value_of_the_leading_axis(keyword):
    volumes = [
        repeat(plane, t, **{keyword: 37910.0 + 2.5 * t})
        for t in range(3)
        for plane in make_planes(4)
    ]
    stack = one_stack(volumes)
    assert (stack.leading[0].name, stack.leading[0].unit) == ("t", "s")
    assert stack.leading[0].values == (0.0, 2.5, 5.0)


def test_trigger_times_stay_the_milliseconds_within_the_cycle():
    volumes = [repeat(p, t, trigger_time=25.0 + 50 * t) for t in range(3) for p in make_planes(4)]
    stack = one_stack(volumes)
    assert (stack.leading[0].name, stack.leading[0].unit) == ("trigger", "ms")
    assert stack.leading[0].values == (25.0, 75.0, 125.0)


def test_a_tilted_series_of_two_acquisitions_that_share_a_plane_makes_two_stacks():
    planes = make_planes(19, step=3.0, shear=3.0 * np.tan(np.radians(15)))
    second = [
        repeat(replace(p, position=(p.position[0] + 5, *p.position[1:])), 2) for p in planes[9:]
    ]
    stacks, leftovers = stack_images(planes[:10] + second)
    assert [stack.shape for stack in stacks] == [(10, 4, 5), (10, 4, 5)]
    assert [kinds(stack)[0] for stack in stacks] == [ReportKind.TILT] * 2
    assert "15.0°" in stacks[0].reports[0].message
    assert leftovers == ()


def test_a_tilted_series_with_fields_of_view_beside_each_other_makes_two_stacks():
    planes = make_planes(10, step=3.0, shear=0.8)
    second = [repeat(replace(p, position=(p.position[0] + 5, *p.position[1:])), 2) for p in planes]
    stacks, _ = stack_images(planes + second)
    assert [stack.shape for stack in stacks] == [(10, 4, 5), (10, 4, 5)]


def test_fields_of_view_that_alternate_along_the_normal_stay_apart_without_a_tilt():
    planes = make_planes(12)
    mixed = [
        replace(p, position=(p.position[0] + 50 * (k % 2), *p.position[1:]))
        for k, p in enumerate(planes)
    ]
    shared = repeat(replace(planes[0], position=(*mixed[1].position[:2], 30.0)), 2)
    stacks, _ = stack_images([*mixed, shared])
    assert sorted(stack.shape for stack in stacks) == [(6, 4, 5), (7, 4, 5)]


def test_images_beside_each_other_in_one_plane_are_no_volumes_of_one_stack():
    left = make_planes(3)
    right = [
        replace(
            plane,
            position=(plane.position[0] + 50, *plane.position[1:]),
            sop_instance_uid=f"{plane.sop_instance_uid}.9",
            file=replace(plane.file, relative=f"{plane.file.relative}-r"),
        )
        for plane in left
    ]
    stacks, _ = stack_images(left + right)
    assert [stack.shape for stack in stacks] == [(3, 4, 5), (3, 4, 5)]


def test_images_outside_a_patient_stand_in_a_row_without_affine():
    shots = [make_instance(None, None, number=n, pixel_spacing=None) for n in (3, 1, 2)]
    stack = one_stack(shots)
    assert stack.shape == (3, 1, 4, 5)
    assert stack.axes == ("instance", "z", "y", "x")
    assert stack.geometry.affine_lps() is None
    assert not stack.geometry.in_mm
    assert [i.acquisition.instance_number for i in stack.frames] == [1, 2, 3]


@pytest.mark.parametrize(
    ("between", "thickness", "distance", "source"),
    [
        (3.5, 2.0, 3.5, SliceSpacingSource.SPACING_BETWEEN_SLICES),
        (None, 2.0, 2.0, SliceSpacingSource.SLICE_THICKNESS),
        (None, None, 1.0, SliceSpacingSource.ASSUMED),
        (0.0, float("nan"), 1.0, SliceSpacingSource.ASSUMED),
        (1e-320, 1e20, 1.0, SliceSpacingSource.ASSUMED),
        (1e300, 2.0, 2.0, SliceSpacingSource.SLICE_THICKNESS),
    ],
)
def test_a_single_slice_says_where_its_thickness_comes_from(between, thickness, distance, source):
    single = make_instance((0, 0, 0), spacing_between_slices=between, slice_thickness=thickness)
    geometry = one_stack([single]).geometry
    assert geometry.spacing[0] == distance
    assert geometry.slice_spacing_source is source


@pytest.mark.parametrize(
    "change",
    [
        {"pixel_spacing": None},
        {"pixel_spacing": (0.0, 0.5)},
        {"pixel_spacing": (float("nan"), 0.5)},
        {"orientation": (0.0, 0, 0, 0, 0, 0)},
        {"orientation": (1.0, 0, 0, 1, 0, 0)},
        {"pixel_spacing": (1e-320, 0.5)},
        {"pixel_spacing": (0.5, 1e7)},
        {"position": (0.0, 0.0, 1e20)},
    ],
    ids=[
        "missing spacing",
        "zero spacing",
        "nan spacing",
        "zero cosines",
        "parallel cosines",
        "denormal spacing",
        "spacing of kilometres",
        "position beyond the earth",
    ],
)
def test_a_plane_that_makes_no_sense_gives_no_affine_and_a_report(change):
    stack = one_stack([make_instance(change.pop("position", (0.0, 0.0, 0.0)), **change)])
    assert stack.geometry.affine_lps() is None
    assert kinds(stack) == [ReportKind.SPACING]


@pytest.mark.parametrize("spacing", [(1e-320, 1.0), (1.0, 1e20)])
def test_an_absurd_spacing_at_the_detector_is_taken_as_not_stated(spacing):
    keyword = "ImagerPixelSpacing"
    shot = make_instance(None, None, pixel_spacing=spacing, pixel_spacing_keyword=keyword)
    geometry = one_stack([shot]).geometry
    assert geometry.spacing == (1.0, 1.0, 1.0)
    assert not geometry.in_mm


def test_an_absurd_thickness_is_not_reported_as_one():
    planes = [replace(p, grid=replace(p.grid, slice_thickness=1e-320)) for p in make_planes(3)]
    assert one_stack(planes).reports == ()


def test_two_files_of_one_sop_instance_are_shown_once_and_the_other_is_named():
    planes = make_planes(3)
    copy = replace(planes[1], file=replace(planes[1].file, relative="copy"))
    (stack,), (leftover,) = stack_images([copy, *planes])
    assert stack.slices == 3
    assert leftover.file.relative == "copy"
    assert "the same SOP Instance as IM2" in leftover.reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"pixels": None}, "no matrix of pixels"),
        ({"element": None}, "no pixel data"),
        ({"frames": 12}, "cut short: 40 of 480 bytes"),
        ({"transfer_syntax_uid": "1.2.840.10008.1.2.4.100"}, "cannot be decoded"),
        ({"sop_class_uid": "1.2.840.10008.5.1.4.1.1.66.4"}, "segmentation"),
        ({"sop_class_uid": "1.2.840.10008.5.1.4.1.1.88.22"}, "structured report"),
        ({"rows": 512}, "cut short: 40 of 5120 bytes"),
        ({"samples": 4}, "4 samples"),
        ({"bits_allocated": 24}, "24 bits allocated"),
        ({"bits_allocated": 65535}, "65535 bits allocated"),
        ({"bits_stored": 0}, "0 bits stored in 16"),
        ({"bits_stored": 17}, "17 bits stored in 16"),
        ({"transfer_syntax_uid": "DOE^JANE"}, "its transfer syntax cannot be decoded"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_no_image_of_a_stack_is_left_over_with_its_reason(change, reason):
    odd = make_instance((0, 0, 99), number=9, **change)
    (stack,), (leftover,) = stack_images([*make_planes(3), odd])
    assert stack.slices == 3
    assert reason in leftover.reason
    assert leftover.instance is odd


def test_a_transfer_syntax_that_is_no_uid_is_not_quoted():
    odd = make_instance((0, 0, 0), transfer_syntax_uid="DOE^JANE 1.2")
    _, (leftover,) = stack_images([odd])
    assert "DOE" not in leftover.reason


def test_float_pixels_need_no_bits_stored():
    float_pixels = make_instance((0, 0, 0), bits_stored=0, bits_allocated=32)
    element = replace(float_pixels.element, keyword="FloatPixelData", length=80)
    assert one_stack([replace(float_pixels, element=element)]).slices == 1


def test_interleaved_series_are_separated_and_files_of_none_stay_named():
    other = [
        replace(p, series_uid="1.2.4", sop_instance_uid=f"{p.sop_instance_uid}.4")
        for p in make_planes(2)
    ]
    mixed = [entry for pair in zip(make_planes(2), other, strict=True) for entry in pair]
    scan = group_series(map(only_frame, mixed))
    assert [(series.uid, series.stacks[0].slices) for series in scan.series] == [
        ("1.2.3", 2),
        ("1.2.4", 2),
    ]
