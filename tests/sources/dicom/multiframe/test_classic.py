"""Classic multi-frame objects: NM vectors, dose grids and runs in time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sources.dicom.multiframe import objects as build

from napari_dicom_markup.model.stack import Counter
from napari_dicom_markup.sources.dicom.multiframe import describe_frames
from napari_dicom_markup.standard import transfer_syntax as ts

OBLIQUE = [0.6, 0.8, 0.0, 0.0, 0.0, -1.0]
ORIENTATIONS = pytest.mark.parametrize(
    "orientation",
    [build.AXIAL, [-1.0, 0.0, 0.0, 0.0, -1.0, 0.0], build.CORONAL, OBLIQUE],
    ids=["axial", "turned", "coronal", "oblique"],
)


def frames_of(data_set, syntax=ts.EXPLICIT_LE):
    raw = build.written(data_set, syntax)
    return describe_frames(build.instance_in(raw), raw)


def normal(orientation):
    return np.cross(orientation[:3], orientation[3:])


@ORIENTATIONS
@pytest.mark.parametrize("step", [3.0, -3.0], ids=["behind", "in front"])
def test_slices_of_a_reconstruction_lie_along_the_normal_on_the_side_of_the_sign(orientation, step):
    frames = frames_of(build.nuclear_reconstruction(4, step, orientation=orientation))
    expected = [np.array([-30, -40, 100]) + n * step * normal(orientation) for n in range(4)]
    np.testing.assert_allclose([f.position for f in frames], expected, atol=1e-9)
    assert frames[0].grid.orientation == tuple(orientation)
    assert frames[0].grid.spacing_between_slices == 3.0
    assert frames[0].acquisition.counters == ()


@pytest.mark.parametrize("syntax", [ts.IMPLICIT_LE, ts.EXPLICIT_BE], ids=["implicit", "big"])
def test_time_slots_of_a_gated_reconstruction_are_in_ms(syntax):
    frames = frames_of(build.nuclear_reconstruction(2, slots=3), syntax)
    assert [f.position for f in frames[:2]] == [f.position for f in frames[2:4]]
    slots = [f.acquisition.counters for f in frames]
    assert slots == [(Counter("time slot", "ms", t),) for t in (0, 0, 50, 50, 100, 100)]


def test_slices_without_a_spacing_have_no_place_but_their_number():
    frames = frames_of(build.nuclear_reconstruction(3, None))
    assert {f.position for f in frames} == {None}
    assert [f.acquisition.counters for f in frames] == [
        (Counter("slice", "", n),) for n in (1.0, 2.0, 3.0)
    ]


def test_a_dynamic_study_has_one_axis_of_time_over_its_phases():
    frames = frames_of(build.nuclear_dynamic())
    first = [f.acquisition for f in frames[:7]]
    seconds = [0.0, 1.5, 3.0, 4.5, 6.0, 10.0, 20.0]
    assert [a.frame_time for a in first] == seconds
    assert [a.counters for a in first] == [
        (Counter("detector", "", 1.0), Counter("time slice", "s", t)) for t in seconds
    ]
    assert [f.acquisition.frame_time for f in frames[7:]] == seconds


def test_a_dynamic_study_without_phase_information_is_counted():
    data_set = build.nuclear_dynamic()
    del data_set.PhaseInformationSequence
    counters = frames_of(data_set)[6].acquisition.counters
    assert counters == (
        Counter("detector", "", 1.0), Counter("phase", "", 2.0), Counter("time slice", "", 2.0),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("direction", "angles"), [("CC", [180, 270, 360, 450]), ("CW", [180, 90, 0, -90])]
)
def test_angular_views_are_in_degrees(direction, angles):
    frames = frames_of(build.nuclear_tomography(direction=direction))
    counters = [f.acquisition.counters for f in frames]
    assert counters == [(Counter("angular view", "deg", a),) for a in angles]
    assert {f.position for f in frames} == {None}


def test_views_of_several_detectors_keep_their_numbers():
    frames = frames_of(build.nuclear_tomography(2, detectors=2))
    assert [f.acquisition.counters for f in frames] == [
        (Counter("detector", "", d), Counter("angular view", "", v))
        for d in (1.0, 2.0)
        for v in (1.0, 2.0)
    ]


def test_a_vector_of_another_length_is_left_out():
    data_set = build.nuclear_tomography(4, detectors=2)
    data_set.AngularViewVector = [1, 2]
    frames = frames_of(data_set)
    assert [c.name for c in frames[0].acquisition.counters] == ["detector"]


offset_steps = st.lists(st.floats(0.5, 9.0).map(lambda x: round(x, 3)), min_size=1, max_size=12)


@given(steps=offset_steps, sign=st.sampled_from([1, -1]))
def test_relative_offsets_of_a_dose_grid_go_along_the_normal(steps, sign):
    offsets = [0.0, *(round(float(x), 3) * sign for x in np.cumsum(steps))]
    data_set = build.rt_dose(offsets, len(offsets), orientation=build.CORONAL)
    frames = frames_of(data_set)
    expected = [np.array([-50, -60, 70]) + x * normal(build.CORONAL) for x in offsets]
    np.testing.assert_allclose([f.position for f in frames], expected, atol=1e-6)
    assert (frames[0].values.slope, frames[0].values.unit) == (0.001, "Gy")


@given(steps=offset_steps, sign=st.sampled_from([1, -1]))
def test_absolute_offsets_of_an_axial_dose_grid_are_z(steps, sign):
    offsets = [70.0, *(round(70 + float(x) * sign, 3) for x in np.cumsum(steps))]
    frames = frames_of(build.rt_dose(offsets, len(offsets)))
    np.testing.assert_allclose([f.position[2] for f in frames], offsets, atol=1e-6)
    assert {f.position[:2] for f in frames} == {(-50.0, -60.0)}


def test_absolute_offsets_of_a_prone_dose_grid_are_simpleitks(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    prone = [-1.0, 0.0, 0.0, 0.0, -1.0, 0.0]
    data_set = build.rt_dose([70.0, 72.0, 74.0, 76.0], orientation=prone)
    path = tmp_path / "a.dcm"
    frames = describe_frames(build.instance_in(build.written(data_set), path))
    image = sitk.ReadImage(str(path))
    theirs = [image.TransformIndexToPhysicalPoint((0, 0, n)) for n in range(4)]
    np.testing.assert_allclose([f.position for f in frames], theirs, atol=1e-6)


@pytest.mark.parametrize(
    ("offsets", "orientation"),
    [
        (None, build.AXIAL),
        ([0.0, 1.0, 2.0], build.AXIAL),
        ([5.0, 6.0, 7.0, 8.0], build.AXIAL),
        ([70.0, 71.0, 72.0, 73.0], build.CORONAL),
    ],
    ids=["absent", "too short", "begins anywhere", "absolute but not axial"],
)
def test_planes_whose_offsets_tell_nothing_have_no_place(offsets, orientation):
    frames = frames_of(build.rt_dose(offsets, orientation=orientation))
    assert [f.position for f in frames] == [None] * 4


def test_a_single_dose_plane_lies_where_the_top_level_says():
    frames = frames_of(build.rt_dose([0.0, 1.0], planes=1))
    assert [f.position for f in frames] == [(-50.0, -60.0, 70.0)]


@pytest.mark.parametrize(
    ("said", "times"),
    [
        ({"FrameTime": 40}, [0.0, 0.04, 0.08, 0.12]),
        ({"FrameTimeVector": [0, 50, 50, 100]}, [0.0, 0.05, 0.1, 0.2]),
        ({"FrameTime": 40, "FrameTimeVector": [0, 50, 50, 100]}, [0.0, 0.05, 0.1, 0.2]),
        ({"FrameTimeVector": [0, 50], "CineRate": 20}, [0.0, 0.05, 0.1, 0.15]),
        ({"RecommendedDisplayFrameRate": 10, "CineRate": 20}, [0.0, 0.1, 0.2, 0.3]),
        ({"FrameTime": 0}, [None] * 4),
        ({}, [None] * 4),
    ],
    ids=["time", "vector", "vector named", "short vector", "rate", "no time", "nothing"],
)
@pytest.mark.parametrize("modality", ["US", "XA", "OT"])
def test_runs_have_seconds(modality, said, times):
    frames = frames_of(build.cine(modality=modality, **said))
    assert [f.acquisition.frame_time for f in frames] == times


def test_a_run_stays_at_its_place_and_frames_of_nothing_known_have_none():
    place = [1.0, 2.0, 3.0]
    run = frames_of(build.cine(FrameTime=40, ImagePositionPatient=place))
    assert {f.position for f in run} == {(1.0, 2.0, 3.0)}
    pages = frames_of(build.cine(modality="OT", ImagePositionPatient=place))
    assert {f.position for f in pages} == {None}
    assert len({id(f.acquisition) for f in pages}) == 1
