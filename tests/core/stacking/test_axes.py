"""Volumes that repeat over the same positions: their axes, in whatever order files are found."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.instances import ORIENTATIONS, make_instance, make_planes, stack_images

from napari_dicom_markup.core.stacking import stack_frames
from napari_dicom_markup.model.geometry import ReportKind
from napari_dicom_markup.model.stack import Counter, Frame, only_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicom_markup.model.stack import Instance, Stack

X, Y, Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)


def repeat(plane: Instance, volume: object, **changes: Any) -> Instance:
    """Return the plane as a file of its own in another volume; ``changes`` to its acquisition."""
    return replace(
        plane,
        sop_instance_uid=f"{plane.sop_instance_uid}.{volume}",
        file=replace(plane.file, relative=f"{plane.file.relative}-{volume}"),
        acquisition=replace(plane.acquisition, **changes),
    )


def one_stack(images: Sequence[Instance]) -> Stack:
    (stack,), leftovers = stack_images(images)
    assert leftovers == ()
    return stack


def kinds(stack: Stack) -> list[ReportKind]:
    return [report.kind for report in stack.reports]


def leading_of(stack: Stack) -> list[tuple[str, str, tuple[float, ...]]]:
    return [(axis.name, axis.unit, axis.values) for axis in stack.leading]


def volumes_of(stack: Stack) -> list[tuple[Frame, ...]]:
    starts = range(0, len(stack.frames), stack.slices)
    return [stack.frames[start : start + stack.slices] for start in starts]


def heights(volume: Sequence[Frame]) -> list[float]:
    return [frame.position[2] for frame in volume if frame.position is not None]


def as_objects(images: Sequence[Instance], size: int) -> list[Frame]:
    """Return the images as frames of multi-frame objects of up to ``size`` frames each."""
    frames = []
    for start in range(0, len(images), size):
        part = images[start : start + size]
        pixels = replace(part[0].pixels, frames=len(part))
        whole = replace(part[0], pixels=pixels, acquisition=images[0].acquisition)
        for number, one in enumerate(part):
            frames.append(
                Frame(whole, number, one.position, one.grid, one.acquisition, one.values, pixels)
            )
    return frames


PARTS = {
    "t": ("temporal_position", (1, 2, 3), ""),
    "echo": ("echo_time", (4.5, 9.0, 13.5), "ms"),
    "b": ("b_direction", (X, Y, Z), "s/mm²"),
    "trigger": ("trigger_time", (10.0, 60.0, 110.0), "ms"),
    "acquisition": ("number", (5, 6, 9), ""),
}


@st.composite
def products(draw: st.DrawFn) -> tuple[tuple[str, ...], list[Instance]]:
    """Draw images of a product of up to three attributes, in any order."""
    chosen = draw(st.sets(st.sampled_from(list(PARTS)), min_size=1, max_size=3))
    names = tuple(name for name in PARTS if name in chosen)
    choices = [PARTS[name][1][: draw(st.integers(2, 3))] for name in names]
    images = []
    for n, values in enumerate(itertools.product(*choices)):
        changes = {PARTS[name][0]: value for name, value in zip(names, values, strict=True)}
        if "b" in names:
            changes["b_value"] = 1000.0
        images += [repeat(plane, n, **changes) for plane in make_planes(draw(st.just(3)))]
    return names, draw(st.permutations(images))


@settings(deadline=None)
@given(products(), st.integers(1, 40))
def test_a_product_of_attributes_has_an_axis_each_in_any_order_and_in_objects(found, size):
    names, images = found
    frames = as_objects(images, size) if size > 1 else list(map(only_frame, images))
    stacks, leftovers = stack_frames(frames)
    (stack,) = stacks
    assert leftovers == ()
    assert stack.axes == (*names, "z", "y", "x")
    assert [axis.unit for axis in stack.leading] == [PARTS[name][2] for name in names]
    for place, volume in zip(np.ndindex(*stack.shape[:-3]), volumes_of(stack), strict=True):
        assert heights(volume) == [34.0, 32.0, 30.0]
        for axis, name, k in zip(stack.leading, names, place, strict=True):
            keyword, values, _ = PARTS[name]
            read = {getattr(frame.acquisition, keyword) for frame in volume}
            if name == "b":
                assert read == {axis.coordinates[0].values[k]}
                assert axis.coordinates[0].name == "direction"
                continue
            assert read == {values[k]}
            assert axis.values[k] == values[k]


@settings(deadline=None)
@given(products(), st.integers(2, 40), st.randoms())
def test_the_order_of_frames_never_changes_stacks(found, size, random):
    frames = as_objects(found[1], size)
    shuffled = list(frames)
    random.shuffle(shuffled)
    assert stack_frames(shuffled) == stack_frames(frames)


@settings(deadline=None)
@given(st.data())
def test_the_order_of_frames_never_changes_stacks_with_holes_and_no_names(data):
    """Whatever lacks, and whatever is stated: the same stacks, and every frame in one of them."""
    stated = data.draw(st.sets(st.sampled_from([*PARTS, "time"])))
    images = []
    for n, plane in itertools.product(range(3), make_planes(3)):
        changes = {PARTS[name][0]: PARTS[name][1][n] for name in stated - {"time"}}
        if "time" in stated:
            changes["acquisition_time"] = data.draw(st.integers(0, 5)) * 1.0
        images.append(repeat(plane, n, instance_number=len(images), **changes))
    kept = data.draw(st.sets(st.sampled_from(range(9)), min_size=1))
    frames = [only_frame(images[k]) for k in sorted(kept)]
    stacks, leftovers = stack_frames(frames)
    assert stack_frames(data.draw(st.permutations(frames))) == (stacks, leftovers)
    shown = [frame.sop_instance_uid for stack in stacks for frame in stack.frames]
    assert sorted(shown) == sorted(frame.sop_instance_uid for frame in frames)
    assert leftovers == ()
    for stack in stacks:
        assert len(stack.frames) == math.prod(stack.shape[:-2])


SINGLE = {
    **{name: (keyword, values) for name, (keyword, values, _) in PARTS.items()},
    "frame time": ("frame_moment", (0.0, 0.5, 1.0)),
    "acquisition time": ("acquisition_time", (100.0, 102.0, 104.0)),
    "content time": ("content_time", (100.0, 102.0, 104.0)),
    "counter": (
        "counters",
        tuple((Counter("cardiac phase", "%", 30.0 * n),) for n in range(3)),
    ),
}


def in_volumes(name: str, slices: int = 4) -> list[list[Instance]]:
    """Return three volumes that one attribute tells apart."""
    keyword, values = SINGLE[name]
    b = {"b_value": 1000.0} if name == "b" else {}
    return [
        [repeat(plane, n, **{keyword: value}, **b) for plane in make_planes(slices)]
        for n, value in enumerate(values)
    ]


@pytest.mark.parametrize("name", SINGLE)
def test_an_interrupted_last_volume_is_kept_apart_whatever_tells_volumes_apart(name):
    first, second, last = in_volumes(name)
    stacks, leftovers = stack_images([*first, *second, *last[:2]])
    assert leftovers == ()
    assert [stack.shape for stack in stacks] == [(2, 4, 4, 5), (2, 4, 5)]
    assert kinds(stacks[1])[-1] is ReportKind.INCOMPLETE
    assert "2 of 4 positions at " in stacks[1].reports[-1].message
    assert {frame.sop_instance_uid[-2:] for frame in stacks[1].frames} == {".2"}


@pytest.mark.parametrize("keyword", ["acquisition_time", "content_time", "frame_moment"])
def test_an_interrupted_last_volume_is_kept_apart_by_times_that_rise_from_slice_to_slice(keyword):
    """Volumes one behind the other in time are told apart by it: none begins before the last."""
    images = [
        repeat(plane, t, **{keyword: 100.0 + 2 * t + 0.4 * k})
        for t in range(3)
        for k, plane in enumerate(make_planes(4))
        if (t, k) not in {(2, 2), (2, 3)}
    ]
    stacks, _ = stack_images(images)
    assert sorted(stack.shape for stack in stacks) == [(2, 4, 4, 5), (2, 4, 5)]


@pytest.mark.parametrize("name", SINGLE)
def test_volumes_that_each_lack_another_slice_are_not_mixed(name):
    """Every plane has two images of three volumes: none is complete, and none is made up."""
    volumes = in_volumes(name, slices=3)
    images = [
        plane for n, volume in enumerate(volumes) for plane in volume if plane is not volume[n]
    ]
    stacks, leftovers = stack_images(images)
    assert leftovers == ()
    assert [stack.shape for stack in stacks] == [(2, 4, 5)] * 3
    for stack in stacks:
        assert len({frame.sop_instance_uid.rpartition(".")[2] for frame in stack.frames}) == 1
        assert ReportKind.INCOMPLETE in kinds(stack)


def test_times_of_each_slice_after_the_other_are_ordered_within_each_slice():
    """A cine takes all phases of a slice before the next slice's: volumes overlap in time."""
    images = [
        repeat(plane, t, acquisition_time=100.0 + 10 * k + t)
        for t in range(3)
        for k, plane in enumerate(make_planes(4))
    ]
    stack = one_stack(images)
    assert leading_of(stack) == [("t", "s", (0.0, 1.0, 2.0))]
    for t, volume in enumerate(volumes_of(stack)):
        assert {frame.sop_instance_uid[-2:] for frame in volume} == {f".{t}"}


@pytest.mark.parametrize("slicewise", [True, False])
def test_repeated_volumes_without_diffusion_weighting_go_along_time_with_their_b(slicewise):
    weights = [(0.0, None), (1000.0, X), (0.0, None), (1000.0, Y), (0.0, None)]
    images = [
        repeat(
            plane,
            t,
            b_value=b,
            b_direction=way,
            acquisition_time=50.0 + 3 * t + (0.5 * k if slicewise else 0),
        )
        for t, (b, way) in enumerate(weights)
        for k, plane in enumerate(make_planes(3))
    ]
    stack = one_stack(images)
    assert leading_of(stack) == [("t", "s", (0.0, 3.0, 6.0, 9.0, 12.0))]
    (b,) = (one for one in stack.leading[0].coordinates if one.name == "b")
    assert b.values == ((0.0,), (1000.0, *X), (0.0,), (1000.0, *Y), (0.0,))


def test_repeated_volumes_without_diffusion_weighting_are_told_by_their_number_alone():
    images = [
        repeat(plane, t, b_value=b, instance_number=10 * t + k)
        for t, b in enumerate((0.0, 1000.0, 0.0))
        for k, plane in enumerate(make_planes(3))
    ]
    stack = one_stack(images)
    assert stack.axes[0] == "repeat"
    assert ReportKind.REPEATED in kinds(stack)
    assert [one.values for one in stack.leading[0].coordinates] == [((0.0,), (1000.0,), (0.0,))]


@pytest.mark.parametrize("b", [0.0, None])
def test_directions_of_one_b_are_volumes_beside_that_of_none(b):
    ways = [(b, None), (1000.0, X), (1000.0, Y), (1000.0, Z)]
    images = [
        repeat(plane, n, b_value=weight, b_direction=way, number=n + 1)
        for n, (weight, way) in enumerate(ways)
        for plane in make_planes(3)
    ]
    stack = one_stack(images)
    assert stack.shape == (4, 3, 4, 5)
    names = [one.name for one in stack.leading[0].coordinates]
    assert ("direction" in names, "b" in names) == (b is not None, b is None)
    for n, volume in enumerate(volumes_of(stack)):
        (stated,) = {(f.acquisition.b_value, *(f.acquisition.b_direction or ())) for f in volume}
        told = stack.leading[0].coordinates[names.index("b" if b is None else "direction")].values
        weight = (stack.leading[0].values[n],) if b is not None else ()
        assert (*weight, *told[n]) == (() if stated == (None,) else stated)


def test_directions_stand_in_the_order_of_acquisition():
    ways = [(0.0, None), (1000.0, Z), (1000.0, X), (500.0, Y), (1000.0, Y)]
    images = [
        repeat(plane, n, b_value=weight, b_direction=way, instance_number=10 * n + k)
        for n, (weight, way) in enumerate(ways)
        for k, plane in enumerate(make_planes(3))
    ]
    stack = one_stack(images[::-1])
    assert stack.leading[0].values == (0.0, 1000.0, 1000.0, 500.0, 1000.0)
    assert stack.leading[0].coordinates[0].values == ((), Z, X, Y, Y)


COMPONENTS = ("MAGNITUDE", "PHASE", "REAL", "IMAGINARY")


@pytest.mark.parametrize("way", ["component", "image type"])
def test_magnitude_phase_real_and_imaginary_parts_are_stacks_each_with_its_echoes(way):
    images = []
    for n, (part, echo) in enumerate(itertools.product(COMPONENTS, (5.0, 10.0))):
        change = {"component": part}
        if way == "image type":
            change = {"image_type": ("ORIGINAL", "PRIMARY", part[0])}
        images += [
            repeat(plane, n, echo_time=echo, instance_number=n, **change)
            for plane in make_planes(3)
        ]
    stacks, leftovers = stack_images(reversed(images))
    assert leftovers == ()
    assert [leading_of(stack) for stack in stacks] == [[("echo", "ms", (5.0, 10.0))]] * 4
    found = [
        {f.acquisition.component or f.acquisition.image_type[2] for f in s.frames} for s in stacks
    ]
    wanted = [{part} if way == "component" else {part[0]} for part in COMPONENTS]
    assert found == wanted


def test_two_stacks_of_one_object_stay_apart_in_one_orientation_too():
    planes = make_planes(6)
    images = [
        replace(p, acquisition=replace(p.acquisition, stack_id=str(k // 3)))
        for k, p in enumerate(planes)
    ]
    stacks, _ = stack_frames(as_objects(images, 6))
    assert [heights(stack.frames) for stack in stacks] == [[34.0, 32.0, 30.0], [40.0, 38.0, 36.0]]


def test_cardiac_phases_of_each_slice_are_one_axis_with_their_trigger_times_beside():
    images = [
        repeat(
            plane,
            n,
            counters=(Counter("cardiac phase", "%", 25.0 * n),),
            trigger_time=200.0 * n + 3 * k,
        )
        for n in range(4)
        for k, plane in enumerate(make_planes(3))
    ]
    stack = one_stack(images)
    names = {axis.name: axis.values for axis in stack.leading}
    names |= {one.name: one.values for one in stack.leading[0].coordinates}
    assert stack.shape == (4, 3, 4, 5)
    assert names["cardiac phase"] in {(0.0, 25.0, 50.0, 75.0), ((0.0,), (25.0,), (50.0,), (75.0,))}
    for n, volume in enumerate(volumes_of(stack)):
        assert {frame.acquisition.counters[0].value for frame in volume} == {25.0 * n}


def test_a_localizer_of_three_orientations_is_three_stacks():
    images = []
    for n, axes in enumerate(("axial", "coronal", "sagittal")):
        planes = make_planes(3, step=20.0, orientation=ORIENTATIONS[axes])
        images += [repeat(p, axes, instance_number=3 * n + k) for k, p in enumerate(planes)]
    stacks, leftovers = stack_images(images[::-1])
    assert leftovers == ()
    assert [stack.shape for stack in stacks] == [(3, 4, 5)] * 3
    found = [stack.frames[0].grid.orientation for stack in stacks]
    assert found == [ORIENTATIONS[axes] for axes in ("axial", "coronal", "sagittal")]


@given(st.permutations(range(6)))
def test_a_second_file_of_one_instance_is_left_over_and_named(order):
    planes = make_planes(3)
    copies = [replace(p, file=replace(p.file, relative=f"z/{p.file.relative}")) for p in planes]
    stacks, leftovers = stack_images([[*planes, *copies][k] for k in order])
    assert [stack.shape for stack in stacks] == [(3, 4, 5)]
    assert {frame.file.relative for frame in stacks[0].frames} == {"IM1", "IM2", "IM3"}
    assert sorted(one.file.relative for one in leftovers) == ["z/IM1", "z/IM2", "z/IM3"]


@given(st.permutations(range(6)))
def test_copies_under_new_uids_go_along_an_axis_and_are_reported(order):
    planes = make_planes(3)
    copies = [repeat(plane, "copy") for plane in planes]
    stack = one_stack([[*planes, *copies][k] for k in order])
    assert stack.axes == ("repeat", "z", "y", "x")
    assert ReportKind.REPEATED in kinds(stack)
    first, second = volumes_of(stack)
    assert {frame.sop_instance_uid for frame in second} == {c.sop_instance_uid for c in copies}
    assert len(first) == 3


def test_one_copy_of_a_slice_under_a_new_uid_is_kept_apart():
    """One image too many at one position: the series is whole, and the copy is beside it."""
    planes = make_planes(4)
    stacks, leftovers = stack_images([*planes, repeat(planes[2], "copy")])
    assert leftovers == ()
    assert sorted(stack.shape for stack in stacks) == [(1, 4, 5), (4, 4, 5)]


def test_many_numbers_of_a_hostile_object_are_tried_in_a_moment():
    images = [
        repeat(
            plane,
            n,
            counters=tuple(Counter(f"dimension {k}", "", float(n % 2)) for k in range(100)),
        )
        for n in range(4)
        for plane in make_planes(20)
    ]
    assert one_stack(images).shape == (4, 20, 4, 5)


def test_images_that_state_no_place_are_each_of_their_own():
    images = [make_instance(None, None, number=k + 1) for k in range(3)]
    stack = one_stack(images)
    assert stack.shape == (3, 1, 4, 5)
    assert leading_of(stack) == [("instance", "", (0.0, 1.0, 2.0))]


def test_slices_of_some_micrometres_without_a_thickness_are_slices():
    planes = [
        make_instance(
            (0, 0, 0.005 * k), number=k + 1, slice_thickness=None, pixel_spacing=(0.005, 0.005)
        )
        for k in range(10)
    ]
    assert one_stack(planes).shape == (10, 4, 5)
