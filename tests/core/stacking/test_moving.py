"""Volumes whose slices lie a little beside each other's are volumes, and not slices between."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.core.stacking.test_axes import heights, kinds, one_stack, repeat, volumes_of
from tests.instances import make_instance, make_planes, stack_images

from napari_dicom_markup.core.stacking.turns import volumes_in_turn
from napari_dicom_markup.model.geometry import ReportKind


def moved(shift: float, volumes: int = 3, slices: int = 4, step: float = 3.3, **named: str):
    """Return volumes that move by ``shift`` mm each, named by the given attribute."""
    ((keyword, _),) = named.items() or (("temporal_position", ""),)
    return [
        repeat(make_instance((0, 0, k * step + t * shift), number=k + 1), t, **{keyword: t + 1})
        for t in range(volumes)
        for k in range(slices)
    ]


@pytest.mark.parametrize("keyword", ["temporal_position", "number", "acquisition_time"])
@pytest.mark.parametrize("shift", [0.02, 0.15, 0.3])
def test_volumes_that_move_a_little_stay_volumes(keyword, shift):
    images = moved(shift, **{keyword: ""})
    stack = one_stack([images[n] for n in np.random.default_rng(3).permutation(len(images))])
    assert stack.shape == (3, 4, 4, 5)
    assert stack.geometry.spacing[0] == pytest.approx(3.3)
    for t, volume in enumerate(volumes_of(stack)):
        assert heights(volume) == pytest.approx([k * 3.3 + t * shift for k in (3, 2, 1, 0)])
    assert (ReportKind.SHIFT in kinds(stack)) == (shift > 0.01)


def test_volumes_that_move_far_are_kept_apart():
    stacks, leftovers = stack_images(moved(1.2, temporal_position=""))
    assert leftovers == ()
    assert [stack.shape for stack in stacks] == [(4, 4, 5)] * 3
    assert all(ReportKind.INCOMPLETE in kinds(stack) for stack in stacks)


@pytest.mark.parametrize("packages", [2, 3, 5])
def test_interleaved_packages_are_one_volume(packages):
    planes = make_planes(6 * packages)
    images = [
        replace(plane, acquisition=replace(plane.acquisition, number=k % packages + 1))
        for k, plane in enumerate(planes)
    ]
    assert one_stack(images).shape == (6 * packages, 4, 5)


def test_volumes_at_positions_that_were_rounded_stay_volumes():
    images = [
        repeat(
            make_instance((0, 0, round(k * 0.625 + jitter, 2)), number=k + 1),
            t,
            temporal_position=t + 1,
        )
        for t, jitter in enumerate((0.0, 0.004, -0.004, 0.002))
        for k in range(20)
    ]
    stack = one_stack(images)
    assert stack.shape[:2] == (4, 20)
    assert stack.axes[0] == "t"


def test_an_even_beat_tells_volumes_though_several_slices_are_missing():
    sequence = [(t, place) for t in range(5) for place in (0, 2, 4, 1, 3)]
    kept = [n for n in range(25) if n not in {5, 12, 13, 21}]
    places = [sequence[n][1] for n in kept]
    found = volumes_in_turn(places, [0.4 * n for n in kept], [None] * len(kept))
    assert found == [sequence[n][0] for n in kept]


@pytest.mark.parametrize("missing", range(1, 24))
def test_one_missing_slice_shifts_none_in_the_volumes_behind_it(missing):
    images = [
        repeat(plane, t, acquisition_time=37_000 + 10 * t + 0.7 * k, instance_number=6 * t + k + 1)
        for t in range(4)
        for k, plane in enumerate(make_planes(6))
    ]
    stacks, leftovers = stack_images(images[:missing] + images[missing + 1 :])
    assert leftovers == ()
    for stack in stacks:
        for volume in volumes_of(stack):
            whole = {int((f.acquisition.acquisition_time - 37_000) // 10) for f in volume}
            assert len(whole) == 1
    assert sorted(stack.shape[0] for stack in stacks if len(stack.shape) == 4) == [3]


@pytest.mark.parametrize("date", [0, 738_000], ids=["without a date", "with dates"])
def test_times_across_midnight_go_on(date):
    evening, morning = date * 86_400, (date + 1) * 86_400 if date else 0
    images = [
        repeat(plane, t, acquisition_time=when)
        for t, when in enumerate((evening + 86_396.0, morning, morning + 4.0))
        for plane in make_planes(3)
    ]
    assert one_stack(images).leading[0].values == (0.0, 4.0, 8.0)
