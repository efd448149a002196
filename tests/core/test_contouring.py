"""Contours lie on the voxels that they enclose, in any stack, and none is lost in silence."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data import CORPUS, needs_corpus

from napari_dicom_markup.core.contouring import (
    Bond,
    Hold,
    Reference,
    filling,
    holds,
    labelling,
    nesting,
    part_of,
    rasterize,
    reference_of,
    refers_to,
    shares_frame,
    to_polygons,
)
from napari_dicom_markup.core.contouring.filling import fill
from napari_dicom_markup.errors import LabelsError
from napari_dicom_markup.model.code import Code
from napari_dicom_markup.model.contours import (
    Contour,
    ContourProblem,
    GeometricType,
    Roi,
    StructureSet,
)
from napari_dicom_markup.model.geometry import (
    PatientFrame,
    SliceSpacingSource,
    SpacingSource,
    StackGeometry,
)
from napari_dicom_markup.model.stack import (
    Acquisition,
    Instance,
    LeadingAxis,
    PixelFormat,
    PlaneGrid,
    SourceFile,
    Stack,
    ValueMapping,
    only_frame,
)

PLANAR, XOR = GeometricType.CLOSED_PLANAR, GeometricType.CLOSEDPLANAR_XOR
FRAME = "1.2.826.0.1.3680043.8.498.77"
CANARY = "DOE^JANE"

OBLIQUE = ((0.8, 0.6, 0.0), (-0.36, 0.48, 0.8))
STEPS = {
    "axial": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), [(0.0, 0.0, -2.0)] * 4),
    "sagittal": ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0), [(1.5, 0.0, 0.0)] * 4),
    "oblique": (*OBLIQUE, [tuple(-2.0 * np.cross(*OBLIQUE))] * 4),
    "tilted": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), [(0.0, 0.7, -2.0)] * 4),
    "tilted and uneven": (*OBLIQUE, [tuple(-k * np.cross(*OBLIQUE) + 0.3) for k in (2, 3, 2, 4)]),
    "one slice": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), []),
}


def make_stack(
    layout: str = "axial", rows: int = 24, columns: int = 32, volumes: int | None = None
) -> Stack:
    """Return a stack of a layout, 0.8 × 0.5 mm pixels; ``volumes`` of them over t."""
    row, column, steps = STEPS[layout]
    origins = np.cumsum([(-20.0, 31.0, 7.0), *steps], axis=0)
    step = np.median(steps, axis=0) if steps else -2.0 * np.cross(row, column)
    along = abs(float(step @ np.cross(row, column)))
    patient = PatientFrame(FRAME, row, column, tuple(step), tuple(map(tuple, origins.tolist())))
    geometry = StackGeometry(
        (along, 0.8, 0.5),
        True,
        SpacingSource.PIXEL_SPACING,
        SliceSpacingSource.POSITIONS,
        patient,
    )
    pixels = PixelFormat(rows, columns, 1, "MONOCHROME2", 0, 16, 12, signed=False, frames=1)
    frames = tuple(only_frame(_instance(n, pixels)) for n in range(len(origins) * (volumes or 1)))
    leading = (LeadingAxis("t", "s", tuple(range(volumes))),) if volumes else ()
    return Stack(0, frames, len(origins), leading, geometry)


def _instance(number: int, pixels: PixelFormat) -> Instance:
    return Instance(
        file=SourceFile(f"/{number}", f"{number}", 1, 1),
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        sop_instance_uid=f"1.2.3.{number}",
        series_uid="1.2.3",
        study_uid="1.2",
        modality="CT",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        position=None,
        grid=PlaneGrid(),
        acquisition=Acquisition(),
        values=ValueMapping(),
        pixels=pixels,
        element=None,
    )


def contour(
    stack: Stack,
    number: float,
    outline: object,
    kind: GeometricType = PLANAR,
    off_mm: float = 0.0,
) -> Contour:
    """Return a contour from rows and columns on a slice, moved along the normal."""
    patient = stack.geometry.patient
    assert patient is not None
    outline = np.asarray(outline, np.float64)
    _, dr, dc = stack.geometry.spacing
    points = np.array(patient.origins[int(number)]) + off_mm * patient.normal
    points = points + outline[:, :1] * dr * patient.column + outline[:, 1:] * dc * patient.row
    return Contour(kind, points)


def structures(*rois: list[Contour] | Roi, **changes: object) -> StructureSet:
    """Return a structure set with ROIs 1, 2, 3… of these contours."""
    made = [
        roi if isinstance(roi, Roi) else Roi(n, contours=tuple(roi))
        for n, roi in enumerate(rois, start=1)
    ]
    return StructureSet("1.9", tuple(made), **changes)


def box(top: float, left: float, bottom: float, right: float) -> list[tuple[float, float]]:
    return [(top, left), (top, right), (bottom, right), (bottom, left)]


def drawn(stack: Stack, *contours: Contour) -> np.ndarray:
    """Return the voxels of one ROI, of which nothing is to be noted."""
    result = rasterize(structures(list(contours)), stack)
    assert result.notes == ()
    return result.labels[0].data > 0


def on_plane(outline: object, shape: tuple[int, int] = (24, 32)) -> np.ndarray:
    """Return the pixels of an outline."""
    mask = np.zeros(shape, bool)
    patch = fill(np.asarray(outline, np.float64), *shape)
    if patch is not None:
        mask[patch.place] = patch.mask
    return mask


def is_inside(row: int, column: int, corners: list[tuple[Fraction, Fraction]]) -> bool:
    """Even-odd in rational numbers, by the rule as the documentation words it."""
    inside = False
    for (y0, x0), (y1, x1) in zip(corners, corners[1:] + corners[:1], strict=True):
        if min(y0, y1) <= row < max(y0, y1):
            inside ^= x0 + (row - y0) * (x1 - x0) / (y1 - y0) <= column
    return inside


def outlines_of(mask: np.ndarray) -> list[list[tuple[float, float]]]:
    """Return the closed outlines of a mask along the edges of its pixels."""
    ends: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for r, c in np.argwhere(mask).tolist():
        for a, b, (dr, dc) in (
            ((r, c), (r, c + 1), (-1, 0)),
            ((r, c + 1), (r + 1, c + 1), (0, 1)),
            ((r + 1, c + 1), (r + 1, c), (1, 0)),
            ((r + 1, c), (r, c), (0, -1)),
        ):
            y, x = r + dr, c + dc
            if not (0 <= y < mask.shape[0] and 0 <= x < mask.shape[1] and mask[y, x]):
                ends.setdefault(a, []).append(b)
    found = []
    while ends:
        at = start = next(iter(ends))
        loop = []
        while not loop or at != start:
            loop.append((at[0] - 0.5, at[1] - 0.5))
            following = ends[at].pop()
            if not ends[at]:
                del ends[at]
            at = following
        found.append(loop)
    return found


corner = st.tuples(st.integers(-8, 40), st.integers(-8, 40))
polygons = st.lists(corner, min_size=3, max_size=12)


@settings(deadline=None)
@given(polygons, st.sampled_from([1, 2, 4, 256]))
def test_a_pixel_is_inside_where_rational_numbers_say_so(corners, parts):
    exact = [(Fraction(y, parts), Fraction(x, parts)) for y, x in corners]
    expected = [[is_inside(r, c, exact) for c in range(16)] for r in range(12)]
    found = on_plane([(y / parts, x / parts) for y, x in corners], (12, 16))
    np.testing.assert_array_equal(found, expected)


@settings(deadline=None)
@given(polygons)
def test_crossings_in_small_blocks_give_the_same_pixels(corners):
    whole = on_plane(corners)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filling, "CROSSINGS_AT_ONCE", 5)
        np.testing.assert_array_equal(on_plane(corners), whole)


@settings(deadline=None)
@given(st.integers(3, 40), st.floats(4, 40), st.integers(0, 2**32 - 1))
def test_pixels_are_as_many_as_the_area_says(corners, radius, seed):
    random = np.random.default_rng(seed)
    angles = np.sort(random.uniform(0, 2 * np.pi, corners))
    radii = radius * random.uniform(0.3, 1, corners)
    outline = np.column_stack([radii * np.sin(angles), radii * np.cos(angles)]) + 60
    y, x = filling.snap(outline).T
    area = abs(np.sum(y * np.roll(x, -1) - x * np.roll(y, -1))) / 2
    sides = outline - np.roll(outline, -1, axis=0)
    # No pixel further from the outline than half its diagonal can be counted wrong.
    border = np.hypot(*sides.T).sum() * np.sqrt(2) + np.pi / 2
    assert abs(on_plane(outline, (120, 120)).sum() - area) <= border


def test_pixels_over_all_places_in_a_pixel_average_to_the_area():
    outline = np.array([(3.2, 4.1), (5.5, 17.3), (12.8, 14.9), (9.1, 3.3)])
    y, x = filling.snap(outline).T
    area = abs(np.sum(y * np.roll(x, -1) - x * np.roll(y, -1))) / 2
    shifts = np.arange(0, 1, 1 / 16)
    counts = [on_plane(np.add(outline, (r, c))).sum() for r in shifts for c in shifts]
    assert np.mean(counts) == pytest.approx(area, rel=2e-3)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 23), st.integers(0, 31)), max_size=10))
def test_polygons_that_share_an_edge_share_no_pixel_and_lose_none(corners):
    cut = [(0.0, 15.0), *sorted((float(r), float(c)) for r, c in corners), (23.0, 16.0)]
    left = on_plane([(0.0, -9.0), *cut, (23.0, -9.0)])
    right = on_plane([(23.0, 50.0), (0.0, 50.0), *cut])
    assert not (left & right).any()
    assert (left | right)[:23].all()


def test_pixel_centres_on_an_edge_are_inside_above_and_left_only():
    expected = np.zeros((24, 32), bool)
    expected[2:5, 3:9] = True
    np.testing.assert_array_equal(on_plane(box(2, 3, 5, 9)), expected)
    noise = [(-1e-3, 1e-3), (1e-3, -1e-3), (1e-3, 1e-3), (0, -1e-3)]
    noisy = np.add(box(2, 3, 5, 9), noise)
    np.testing.assert_array_equal(on_plane(noisy), expected)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(list(STEPS)), st.integers(0, 2**32 - 1), st.sampled_from([PLANAR, XOR]))
def test_a_mask_comes_back_from_its_outlines_in_any_stack(layout, seed, kind):
    stack = make_stack(layout)
    random = np.random.default_rng(seed)
    # Blocks of 3 × 3 pixels: outlines meet at corners, holes and islands are common.
    coarse = random.random((stack.slices, 8, 11)) < 0.6
    mask = coarse.repeat(3, axis=1).repeat(3, axis=2)[:, :, :32]
    mask[:, 0, 0] = True
    contours = [
        contour(stack, number, outline, kind)
        for number in range(stack.slices)
        for outline in outlines_of(mask[number])
    ]
    random.shuffle(contours)
    np.testing.assert_array_equal(drawn(stack, *contours), mask)


def test_keyhole_and_nested_outlines_and_exclusive_or_make_the_same_hole():
    stack = make_stack()
    outer, inner = box(2.3, 2.3, 20.2, 28.2), box(6.4, 7.4, 12.1, 15.1)
    keyhole = [*outer, outer[0], *inner[:1], *inner[:0:-1], inner[0]]
    expected = np.zeros((5, 24, 32), bool)
    expected[1, 3:21, 3:29] = True
    expected[1, 7:13, 8:16] = False
    for contours in (
        [contour(stack, 1, keyhole)],
        [contour(stack, 1, inner), contour(stack, 1, outer)],
        [contour(stack, 1, inner, XOR), contour(stack, 1, outer, XOR)],
        [contour(stack, 1, inner, XOR), contour(stack, 1, outer, PLANAR)],
    ):
        np.testing.assert_array_equal(drawn(stack, *contours), expected)


def test_an_island_in_a_hole_belongs_to_the_roi():
    stack = make_stack()
    rings = [box(k + 0.5, k + 0.5, 22.5 - k, 30.5 - k) for k in (0, 3, 6)]
    data = drawn(stack, *(contour(stack, 0, ring) for ring in rings))
    expected = np.zeros((24, 32), bool)
    for k in (0, 3, 6):
        expected[k + 1 : 23 - k, k + 1 : 31 - k] ^= True
    np.testing.assert_array_equal(data[0], expected)


def test_outlines_that_overlap_in_part_are_joined_and_noted():
    stack = make_stack()
    one, other = box(2.5, 2.5, 12.5, 12.5), box(7.5, 7.5, 20.5, 20.5)
    result = rasterize(structures([contour(stack, 0, one), contour(stack, 0, other)]), stack)
    np.testing.assert_array_equal(result.labels[0].data[0] > 0, on_plane(one) | on_plane(other))
    assert result.notes == (
        "ROI 1: 2 of 2 contours overlap others in part or are there twice: each such group is "
        "one area",
    )


def test_an_outline_that_is_there_twice_is_no_hole():
    stack = make_stack()
    one = box(2.5, 2.5, 12.5, 12.5)
    again = [*one[2:], *one[:2]][::-1]
    result = rasterize(structures([contour(stack, 0, one), contour(stack, 0, again)]), stack)
    assert (result.labels[0].data > 0).sum() == 100
    assert len(result.notes) == 1


def test_holes_that_overlap_each_other_are_one_hole():
    stack = make_stack()
    outer, *holes = box(0.5, 0.5, 22.5, 30.5), box(3.5, 3.5, 9.5, 9.5), box(6.5, 6.5, 15.5, 15.5)
    contours = [contour(stack, 0, outline) for outline in (*holes, outer)]
    data = rasterize(structures(contours), stack).labels[0].data[0] > 0
    expected = on_plane(outer) & ~on_plane(holes[0]) & ~on_plane(holes[1])
    np.testing.assert_array_equal(data, expected)


def test_exclusive_or_cuts_out_what_two_outlines_share():
    stack = make_stack()
    one, other = box(2.5, 2.5, 12.5, 12.5), box(7.5, 7.5, 20.5, 20.5)
    data = drawn(stack, contour(stack, 0, one, XOR), contour(stack, 0, other, XOR))
    np.testing.assert_array_equal(data[0], on_plane(one) ^ on_plane(other))


def test_too_many_outlines_to_compare_are_noted(monkeypatch):
    monkeypatch.setattr(nesting, "MOST_COMPARED", 1)
    stack = make_stack()
    contours = [contour(stack, 0, box(k, k, k + 4.5, k + 4.5)) for k in (2, 10)]
    result = rasterize(structures(contours), stack)
    assert (result.labels[0].data > 0).sum() == 50
    assert "too many" in result.notes[0]


@pytest.mark.parametrize(
    ("off_mm", "slices", "note"),
    [
        pytest.param(0.04, 1, None, id="on the slice"),
        pytest.param(-0.9, 1, "lie off the slices", id="near it"),
        pytest.param(1.0, 0, "lie between slices", id="half-way"),
    ],
)
def test_a_contour_off_its_slice_is_noted(off_mm, slices, note):
    stack = make_stack()
    one = contour(stack, 2, box(2.5, 2.5, 6.5, 6.5), off_mm=off_mm)
    result = rasterize(structures([one]), stack)
    assert [int((label.data > 0).sum()) for label in result.labels] == [16] * slices
    assert all(label.data[2].any() for label in result.labels)
    assert len(result.notes) == (note is not None)
    assert note is None or note in result.notes[0]


def test_contours_in_the_gap_of_an_uneven_stack_lie_between_slices():
    stack = make_stack("tilted and uneven")
    one = contour(stack, 3, box(2.5, 2.5, 6.5, 6.5), off_mm=-2.0)
    result = rasterize(structures([one]), stack)
    assert result.labels == ()
    assert result.notes == ("ROI 1: 1 of 1 contours lie between slices, and are not drawn",)


def test_contours_out_of_the_volume_or_askew_are_counted_for_each_roi():
    stack = make_stack()
    good = contour(stack, 0, box(2.5, 2.5, 6.5, 6.5))
    above = contour(stack, 0, box(2.5, 2.5, 6.5, 6.5), off_mm=1.5)
    askew = replace(good, points=np.add(good.points, [(0, 0, z) for z in (0, 0.5, 0.5, 0)]))
    result = rasterize(structures([good, above, above], [good, askew]), stack)
    assert result.notes == (
        "ROI 1: 2 of 3 contours lie out of the volume, and are not drawn",
        "ROI 2: 1 of 2 contours are not parallel to the slices, and are not drawn",
    )


def test_a_contour_that_names_an_image_of_another_slice_is_noted():
    stack = make_stack(volumes=2)
    one = contour(stack, 1, box(2.5, 2.5, 6.5, 6.5))
    fine = replace(one, image_uids=("1.2.3.6",))  # the same slice of the second volume
    wrong = replace(one, image_uids=("1.2.3.2",))
    assert rasterize(structures([fine]), stack).notes == ()
    result = rasterize(structures([wrong]), stack)
    assert "name another image" in result.notes[0]
    assert result.labels[0].data[1].any()


def test_contours_beyond_the_image_are_cut_off_and_noted():
    stack = make_stack()
    whole, part = box(-0.5, -0.5, 23.5, 31.5), box(-1e7, -1e7, 11.5, 1e7)
    assert drawn(stack, contour(stack, 0, whole))[0].all()
    result = rasterize(structures([contour(stack, 0, part)]), stack)
    assert (result.labels[0].data[0] > 0).sum() == 12 * 32
    assert "beyond the image" in result.notes[0]


def test_points_and_open_contours_have_no_area_and_are_shapes():
    stack = make_stack("oblique")
    line = [(2.0, 3.0), (4.0, 9.0), (8.0, 8.0)]
    contours = [
        contour(stack, 2, line, GeometricType.OPEN_PLANAR),
        contour(stack, 2, line[:1], GeometricType.POINT),
        contour(stack, 3, line[1:2], GeometricType.POINT),
        contour(stack, 1, line[:2], PLANAR),
    ]
    result = rasterize(structures(contours), stack)
    assert result.labels == ()
    assert [note.split(" contours ")[0] for note in result.notes] == [
        "ROI 1: 3 of 4",
        "ROI 1: 1 of 4",
    ]
    paths, points = to_polygons(structures(contours), stack)
    assert (paths.kind, points.kind) == ("path", "points")
    np.testing.assert_allclose(paths.data[0], [(2.0, *p) for p in line], atol=1e-9)
    assert len(paths.data) == 2
    np.testing.assert_allclose(points.data[0], [(2.0, 2.0, 3.0), (3.0, 4.0, 9.0)], atol=1e-9)


@pytest.mark.parametrize("layout", list(STEPS))
def test_polygons_lie_where_they_were_drawn(layout):
    stack = make_stack(layout)
    outline = box(2.3, 3.4, 10.5, 20.6)
    contours = [contour(stack, n, outline) for n in range(stack.slices)]
    (found,) = to_polygons(structures(contours), stack)
    assert found.kind == "polygon"
    for number, data in enumerate(found.data):
        np.testing.assert_allclose(data, [(number, *p) for p in outline], atol=1e-9)


@pytest.mark.parametrize("layout", list(STEPS))
def test_a_curve_through_slices_keeps_its_place(layout):
    stack = make_stack(layout)
    patient = stack.geometry.patient
    affine = stack.geometry.affine_lps()
    assert patient is not None
    assert affine is not None
    voxels = np.array([(-1.5, 2.0, 3.0), (0.0, 7.0, 8.0), (-0.25, 1.0, 1.0)])
    points = voxels @ affine[:3, :3].T + affine[:3, 3]
    curve = Contour(GeometricType.OPEN_NONPLANAR, points)
    (found,) = to_polygons(structures([curve]), stack)
    np.testing.assert_allclose(found.data[0], voxels, atol=1e-9)


def test_a_curve_between_tilted_slices_lies_between_their_origins():
    stack = make_stack("tilted and uneven")
    patient = stack.geometry.patient
    assert patient is not None
    middle = (np.array(patient.origins[1]) + np.array(patient.origins[2])) / 2
    curve = Contour(GeometricType.OPEN_NONPLANAR, np.array([middle, patient.origins[4]]))
    (found,) = to_polygons(structures([curve]), stack)
    np.testing.assert_allclose(found.data[0], [(1.5, 0, 0), (4, 0, 0)], atol=1e-9)


def test_rois_that_overlap_go_to_as_few_layers_as_their_order_allows():
    stack = make_stack()
    outlines = [box(1.5, 1.5, 8.5, 8.5), box(4.5, 4.5, 12.5, 12.5), box(12.5, 12.5, 20.5, 20.5)]
    rois = [
        Roi(number, contours=(contour(stack, 0, outline),))
        for number, outline in zip((300, 7, 9), outlines, strict=True)
    ]
    result = rasterize(structures(*rois), stack)
    assert [label.style.name for label in result.labels] == ["RTSTRUCT 1", "RTSTRUCT 2"]
    assert [np.unique(label.data).tolist() for label in result.labels] == [[0, 7, 9], [0, 300]]
    assert {label.data.dtype for label in result.labels} == {np.dtype(np.uint16)}
    assert [label.style.colors.numbers for label in result.labels] == [(7, 9), (300,)]
    for roi, outline in zip(rois, outlines, strict=True):
        voxels = sum(int((label.data == roi.number).sum()) for label in result.labels)
        assert voxels == on_plane(outline).sum()


def test_rois_that_overlap_too_deep_are_noted(monkeypatch):
    monkeypatch.setattr(labelling, "MOST_LAYERS", 2)
    stack = make_stack()
    one = contour(stack, 0, box(1.5, 1.5, 8.5, 8.5))
    result = rasterize(structures([one], [one], [one]), stack)
    assert len(result.labels) == 2
    assert result.notes == (
        "ROI 3: 1 of 1 contours are not drawn: the ROI overlaps others in every layer there may be",
    )


@pytest.mark.parametrize("numbers", [(0, 4), (3, 70_000), (-1, 2)])
def test_roi_numbers_that_do_not_fit_become_a_count(numbers):
    stack = make_stack()
    outlines = [box(1.5, 1.5, 4.5, 4.5), box(6.5, 6.5, 9.5, 10.5)]
    rois = [
        Roi(number, contours=(contour(stack, 0, outline),))
        for number, outline in zip(numbers, outlines, strict=True)
    ]
    (label,) = rasterize(structures(*rois[::-1]), stack).labels
    assert np.bincount(label.data.ravel())[1:].tolist() == [9, 12]
    assert label.data.dtype == np.uint8


def test_style_has_colours_and_a_table_but_no_free_text_in_its_name():
    stack = make_stack()
    made = (contour(stack, 0, box(1.5, 1.5, 4.5, 4.5)),)
    lung = Code("39607008", "SCT", "Lung")
    rois = [
        Roi(2, CANARY, (255, 0, 51), "ORGAN", codes=(lung,), contours=made),
        Roi(5, contours=(contour(stack, 1, box(1.5, 1.5, 4.5, 4.5)),)),
    ]
    result = rasterize(structures(*rois), stack)
    style = result.labels[0].style
    assert style.name == "RTSTRUCT 1"
    assert style.colors.kind == "direct"
    assert style.colors.colors[0] == (1.0, 0.0, 0.2, 1.0)
    assert {column.name: column.cells for column in style.features} == {
        "index": (2, 5),
        "name": (CANARY, ""),
        "type": ("ORGAN", ""),
        "code": ("SCT:39607008", ""),
        "code meaning": ("Lung", ""),
    }
    assert CANARY not in repr((rois, to_polygons(structures(*rois), stack), result.notes))


def test_labels_of_a_stack_over_time_have_its_spatial_part():
    stack = make_stack(volumes=3)
    assert drawn(stack, contour(stack, 4, box(1.5, 1.5, 4.5, 4.5))).shape == stack.shape[1:]


def test_contours_too_small_for_a_pixel_are_noted():
    stack = make_stack()
    result = rasterize(structures([contour(stack, 0, box(1.1, 1.1, 1.4, 1.4))]), stack)
    assert result.labels == ()
    assert result.notes == ("ROI 1: 1 of 1 contours hold no pixel's centre",)


def test_problems_of_reading_are_noted_first():
    result = rasterize(structures(problems=(ContourProblem(4, "bad", 2),)), make_stack())
    assert result.notes == ("ROI 4: bad (2 times)",)


def test_an_roi_of_another_frame_of_reference_is_not_drawn():
    stack = make_stack()
    one = contour(stack, 1, box(1.5, 1.5, 4.5, 4.5))
    elsewhere = structures(Roi(1, frame_of_reference_uid="1.1", contours=(one,)))
    result = rasterize(elsewhere, stack)
    assert result.labels == ()
    assert "another frame of reference" in result.notes[0]
    assert to_polygons(elsewhere, stack) == ()
    named = replace(one, image_uids=("1.2.3.1",))
    drawn_on = structures(Roi(1, frame_of_reference_uid="1.1", contours=(named,)))
    assert len(rasterize(drawn_on, stack).labels) == 1


def test_a_stack_outside_any_patient_says_what_to_do():
    stack = make_stack()
    nowhere = replace(stack, geometry=replace(stack.geometry, patient=None))
    with pytest.raises(LabelsError, match="open the series that they were drawn on"):
        rasterize(structures(), nowhere)
    with pytest.raises(LabelsError, match="open the series"):
        to_polygons(structures(), nowhere)


@pytest.mark.parametrize(
    ("references", "refers", "shares"),
    [
        ({"image_uids": {"1.2.3.1"}, "series_uids": {"9"}}, True, False),
        ({"image_uids": {"8.8"}, "series_uids": {"1.2.3"}}, False, False),
        ({"series_uids": {"1.2.3"}}, True, False),
        ({"series_uids": {"9"}, "frame_of_reference_uids": {FRAME}}, False, True),
        ({"frame_of_reference_uids": {FRAME}}, True, True),
        ({}, False, False),
    ],
    ids=["image", "other image of the series", "series", "other series", "frame", "nothing"],
)
def test_the_nearest_reference_decides_which_stack_is_meant(references, refers, shares):
    stack = make_stack()
    one = structures(**{name: frozenset(uids) for name, uids in references.items()})
    assert refers_to(one, stack) is refers
    assert shares_frame(one, stack) is shares


@pytest.mark.parametrize(
    ("references", "wanted"),
    [
        ({"image_uids": {"1.2.3.1", "1.2.3.2", "8.8"}}, Reference(Bond.IMAGES, 2)),
        ({"image_uids": {"8.8"}, "series_uids": {"1.2.3"}}, Reference(Bond.SERIES)),
        ({"image_uids": {"8.8"}, "frame_of_reference_uids": {FRAME}}, Reference(Bond(1))),
        ({}, Reference(Bond.NONE)),
    ],
    ids=["images", "series", "frame", "nothing"],
)
def test_a_tie_counts_the_images_that_are_named(references, wanted):
    one = structures(**{name: frozenset(uids) for name, uids in references.items()})
    assert reference_of(one, make_stack()) == wanted


def test_a_stack_holds_contours_on_its_slices_and_in_its_image():
    stack = make_stack()
    square = box(2, 2, 9, 9)
    held = [contour(stack, 1, square), contour(stack, 1, square, off_mm=0.5)]
    beside = contour(stack, 1, box(2, 40, 9, 50))
    between = contour(stack, 1, square, off_mm=1.0)
    elsewhere = Roi(2, frame_of_reference_uid="1.1", contours=tuple(held))
    found = holds(structures([*held, beside, between], elsewhere), stack)
    assert found.tolist() == [Hold.ON, Hold.NEAR, *[Hold.NOT] * 4]
    nowhere = replace(stack, geometry=replace(stack.geometry, patient=None))
    assert holds(structures(held), nowhere).tolist() == [Hold.NOT] * 2


def test_a_part_keeps_every_roi_so_that_label_values_stay():
    stack = make_stack()
    lower, upper = contour(stack, 0, box(2, 2, 9, 9)), contour(stack, 2, box(2, 2, 9, 9))
    whole = structures([lower], [lower, upper])
    part = part_of(whole, np.array([False, False, True]))
    assert [roi.contours for roi in part.rois] == [(), (upper,)]
    (labels,) = rasterize(part, stack).labels
    assert np.unique(labels.data[2]).tolist() == [0, 2]


@needs_corpus
def test_a_real_structure_set_covers_what_rational_numbers_say():
    folder = CORPUS / "qurit+rt-utils" / "tests" / "mock_data"
    image = pydicom.dcmread(folder / "ct_2.dcm", stop_before_pixels=True)
    item = pydicom.dcmread(folder / "rt.dcm").ROIContourSequence[0]
    contours = [np.array(one.ContourData, float).reshape(-1, 3) for one in item.ContourSequence]
    x, y, z = (float(value) for value in image.ImagePositionPatient)
    row, column, _ = STEPS["axial"]
    patient = PatientFrame(FRAME, row, column, (0.0, 0.0, -5.0), ((x, y, 65.0), (x, y, 60.0)))
    assert z in {60.0, 65.0}
    spacing = tuple(float(value) for value in image.PixelSpacing)
    stack = make_stack(rows=512, columns=512)
    geometry = replace(stack.geometry, spacing=(5.0, *spacing), patient=patient)
    stack = replace(stack, slices=2, frames=stack.frames[:2], geometry=geometry)
    result = rasterize(structures([Contour(PLANAR, points) for points in contours]), stack)
    dy, dx = (Fraction(str(value)) for value in image.PixelSpacing)
    exact = [
        [((Fraction(b) - Fraction(y)) / dy, (Fraction(a) - Fraction(x)) / dx) for a, b, _ in one]
        for one in contours
    ]
    part = [
        [sum(is_inside(r, c, one) for one in exact) % 2 for c in range(140, 215)]
        for r in range(140, 215)
    ]
    expected = np.zeros((2, 512, 512), int)
    expected[1, 140:215, 140:215] = part
    assert expected.sum() == 1443
    np.testing.assert_array_equal(result.labels[0].data, expected)
    assert result.notes == ()
