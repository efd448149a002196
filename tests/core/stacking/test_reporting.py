"""What a reader is told about a stack's geometry: the numbers in it are those of the files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.instances import ORIENTATIONS, make_instance, make_planes, stack_images

from napari_dicom_markup.model.geometry import ReportKind, SpacingSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicom_markup.model.geometry import GeometryReport
    from napari_dicom_markup.model.stack import Instance, Stack


def one_stack(images: Sequence[Instance]) -> Stack:
    (stack,), leftovers = stack_images(images)
    assert leftovers == ()
    return stack


def told(stack: Stack, kind: ReportKind) -> GeometryReport:
    (report,) = (report for report in stack.reports if report.kind is kind)
    return report


def kinds(stack: Stack) -> list[ReportKind]:
    return [report.kind for report in stack.reports]


@given(
    st.sets(st.integers(1, 18), min_size=1, max_size=8),
    st.sampled_from([0.625, 1.0, 2.0, 3.3]),
    st.sampled_from(list(ORIENTATIONS)),
)
def test_positions_of_missing_slices_are_those_that_were_taken_away(missing, step, name):
    whole = make_planes(20, step=step, orientation=ORIENTATIONS[name])
    axes = np.array(ORIENTATIONS[name]).reshape(2, 3)
    normal = np.cross(*axes)
    stack = one_stack([plane for k, plane in enumerate(whole) if k not in missing])
    steps = np.diff(sorted(set(range(20)) - missing))
    if 2 * np.count_nonzero(steps == 1) < len(steps):
        return  # where most slices lack their neighbour, the step is another
    report = told(stack, ReportKind.GAP)
    wanted = [float(normal @ whole[k].position) for k in sorted(missing, reverse=True)]
    assert report.positions == pytest.approx(wanted, abs=1e-5)
    assert report.message.startswith(f"{len(missing)} slice")
    assert stack.geometry.spacing[0] == pytest.approx(step)
    beside = {f"IM{k + 1 + d}" for k in missing for d in (-1, 1) if k + d not in missing}
    assert set(report.files) == beside


def test_gaps_of_ten_thousands_of_slices_take_no_memory():
    """Planes of another scan far away in the same series make gaps of whole kilometres."""
    heights = np.cumsum([1.0 if k % 2 or k < 5 else 4500.0 for k in range(2000)]) - 4e6
    planes = [make_instance((0, 0, z), number=k + 1) for k, z in enumerate(heights)]
    report = told(one_stack(planes), ReportKind.GAP)
    assert len(report.positions) == 10_000
    assert len(report.message) < 400


@pytest.mark.parametrize(
    ("shift", "words"),
    [
        ((0, -1), "along the columns (down"),
        ((0, 1), "along the columns (up"),
        ((-1, 0), "along the rows (right"),
        ((1, 0), "along the rows (left"),
    ],
)
def test_a_tilt_says_where_slices_go_from_head_to_feet(shift, words):
    """The first slice is the highest: going down, x or y change against ``shift``."""
    planes = [make_instance((shift[0] * k, shift[1] * k, 5.0 * k), number=k + 1) for k in range(6)]
    report = told(one_stack(planes), ReportKind.TILT)
    assert words in report.message
    assert f"{np.degrees(np.arctan2(1, 5)):.1f}°" in report.message
    assert "1 mm" in report.message


def test_a_slice_that_lies_beside_the_others_in_its_plane_is_named():
    planes = make_planes(7)
    x, y, z = planes[3].position
    planes[3] = replace(planes[3], position=(x + 1.0, y, z))
    report = told(one_stack(planes), ReportKind.SHIFT)
    assert report.files == ("IM4",)
    assert "1 mm" in report.message


@pytest.mark.parametrize(
    ("thickness", "word"), [(1.0, "leave gaps"), (3.0, "overlap"), (2.05, None), (0.0, None)]
)
def test_a_thickness_is_compared_with_the_step(thickness, word):
    planes = [replace(p, grid=replace(p.grid, slice_thickness=thickness)) for p in make_planes(4)]
    stack = one_stack(planes)
    assert kinds(stack) == ([] if word is None else [ReportKind.THICKNESS])
    assert word is None or word in stack.reports[0].message


@pytest.mark.parametrize(
    ("changes", "source", "spacing", "kind"),
    [
        (
            {"pixel_spacing": None, "pixel_spacing_keyword": ""},
            SpacingSource.NONE,
            1.0,
            "no spacing",
        ),
        ({"pixel_spacing_keyword": "ImagerPixelSpacing"}, SpacingSource.IMAGER, 0.7, "spacing"),
        (
            {"pixel_spacing_keyword": "ImagerPixelSpacing", "magnification": 1.4},
            SpacingSource.MAGNIFIED,
            0.5,
            "spacing",
        ),
        (
            {"pixel_spacing_keyword": "NominalScannedPixelSpacing"},
            SpacingSource.NOMINAL,
            0.7,
            "spacing",
        ),
        ({}, SpacingSource.PIXEL_SPACING, 0.7, None),
    ],
)
def test_a_projection_says_what_its_spacing_means(changes, source, spacing, kind):
    stack = one_stack([make_instance(None, None, **changes)])
    assert stack.geometry.spacing_source is source
    assert stack.geometry.spacing[1] == pytest.approx(spacing)
    assert kinds(stack) == ([] if kind is None else [ReportKind(kind)])


@given(st.lists(st.floats(0.5, 40.0), min_size=2, max_size=12))
def test_no_report_holds_a_file_name_or_breaks(steps):
    heights = np.cumsum([0.0, *steps])
    planes = [make_instance((0, 0, z), number=k + 1) for k, z in enumerate(heights)]
    (stack,), _ = stack_images(planes)
    assert all("IM" not in report.message for report in stack.reports)
    assert stack.slices == len(planes)
    named = {file for report in stack.reports for file in report.files}
    assert named <= {plane.file.relative for plane in planes}
