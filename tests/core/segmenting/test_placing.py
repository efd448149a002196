"""Laying segmentations on stacks: the voxels that highdicom wrote, wherever the frames lie."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data import CORPUS, PYDICOM_FILES, needs_corpus, read_quietly
from tests.instances import ORIENTATIONS
from tests.segmentations import make_segmentation, make_sources, segmentation_instance, stack_of

from napari_dicom_markup.core.segmenting import layers
from napari_dicom_markup.core.segmenting.grid import Misfit, Plane, StackGrid
from napari_dicom_markup.core.segmenting.placing import Bond, place, reference_of, refers_to
from napari_dicom_markup.errors import LabelsError
from napari_dicom_markup.model.segmentation import (
    FrameReference,
    Segment,
    Segmentation,
    SegmentationKind,
    SegmentedImages,
    SegmentFrame,
)
from napari_dicom_markup.model.stack import LeadingAxis
from napari_dicom_markup.sources.dicom.segmentation import read_segmentation

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom import Dataset

    from napari_dicom_markup.core.segmenting.placing import Placed
    from napari_dicom_markup.model.stack import Stack

HIGHDICOM_FILES = CORPUS / "ImagingDataCommons+highdicom/data/test_files"
SHAPE = (5, 6, 7)
FRAME_OF_REFERENCE = "1.2.3.3"


def random_labels(seed: int = 3, shape: tuple[int, ...] = SHAPE, largest: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, largest + 1, shape).astype(np.uint8)


def written(data: Dataset, folder: Path) -> Segmentation:
    path = folder / "seg.dcm"
    data.save_as(path, enforce_file_format=True)
    return read_segmentation(segmentation_instance(path))


def built(
    masks: dict[int, np.ndarray], stack: Stack, frames: list[SegmentFrame], **changes: Any
) -> Segmentation:
    """Return a BINARY segmentation; ``masks`` holds a plane a frame's number."""
    rows, columns = next(iter(masks.values())).shape
    made = Segmentation(
        relative="seg.dcm",
        kind=SegmentationKind.BINARY,
        rows=rows,
        columns=columns,
        segments=(Segment(1, "one"), Segment(2, "two")),
        frames=tuple(frames),
        images=SegmentedImages(FRAME_OF_REFERENCE),
        read=lambda number: masks[number].astype(np.uint8),
    )
    return replace(made, **changes)


def frame_of(stack: Stack, at: int, segment: int | None = 1, number: int = 0) -> SegmentFrame:
    """Return a frame that lies exactly on a slice."""
    patient = stack.geometry.patient
    assert patient is not None
    orientation = (*patient.row, *patient.column)
    spacing = stack.geometry.spacing[1:]
    return SegmentFrame(number, segment, patient.origins[at], orientation, spacing)


def shown(placed: Placed) -> np.ndarray:
    (labels,) = placed.labels
    return labels.data


@given(
    kind=st.sampled_from(["BINARY", "LABELMAP", "FRACTIONAL"]),
    orientation=st.sampled_from(sorted(ORIENTATIONS)),
    seed=st.integers(0, 999),
    window=st.tuples(st.integers(0, 2), st.integers(1, 3)),
    step=st.sampled_from([0.1, 1.0, 2.5]),
)
@settings(deadline=None, max_examples=40)
def test_labels_are_what_highdicom_was_given(
    tmp_path_factory: pytest.TempPathFactory,
    kind: str,
    orientation: str,
    seed: int,
    window: tuple[int, int],
    step: float,
) -> None:
    pytest.importorskip("highdicom")
    sources = make_sources(*SHAPE, orientation=orientation, step=step)
    first, count = window
    chosen = np.random.default_rng(seed).permutation(np.arange(first, first + count))
    values = random_labels(seed)
    data = make_segmentation([sources[k] for k in chosen], values[chosen], kind)
    expected = np.zeros(SHAPE, np.uint8)
    expected[chosen] = values[chosen]
    placed = place(written(data, tmp_path_factory.mktemp("seg")), stack_of(sources))
    assert np.array_equal(shown(placed), expected[::-1])


def test_overlapping_segments_are_split_into_few_layers(tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    masks = np.zeros((*SHAPE, 4), np.uint8)
    masks[1:3, 1:4, 1:4, 0] = 1
    masks[2:4, 2:5, 2:5, 1] = 1  # over the first
    masks[2:4, 5:, 5:, 2] = 1  # over none
    masks[2, 2:3, 2:3, 3] = 1  # over the first and the second
    sources = make_sources(*SHAPE)
    data = make_segmentation(sources, masks)
    placed = place(written(data, tmp_path), stack_of(sources))
    assert [labels.style.name for labels in placed.labels] == ["SEG 1", "SEG 2", "SEG 3"]
    assert [labels.style.colors.numbers for labels in placed.labels] == [(1, 3), (2,), (4,)]
    for labels in placed.labels:
        for number in labels.style.colors.numbers:
            assert np.array_equal(labels.data == number, masks[::-1, ..., number - 1])
    assert "its segments overlap: 3 layers hold them" in placed.notes


def test_layers_have_names_codes_and_colours_but_no_text_in_their_name(tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    sources = make_sources(*SHAPE)
    data = make_segmentation(sources, random_labels(), series_description="Canary")
    style = place(written(data, tmp_path), stack_of(sources)).labels[0].style
    columns = {column.name: column.cells for column in style.features}
    assert style.name == "SEG 1"
    assert columns["index"] == (1, 2, 3)
    assert columns["name"] == ("organ 1", "organ 2", "organ 3")
    assert columns["category_meaning"] == ("Organ",) * 3
    assert columns["type_scheme"] == ("SCT",) * 3
    assert columns["algorithm"] == ("MANUAL",) * 3
    assert style.colors.kind == "direct"
    assert np.allclose(style.colors.colors[2], (1, 120 / 255, 0, 1), atol=0.05)


def ct_series() -> list[Dataset]:
    folder = PYDICOM_FILES / "dicomdirtests/77654033/CT2"
    return [read_quietly(path) for path in sorted(folder.iterdir())]


@needs_corpus
@pytest.mark.parametrize(
    "name", ["binary", "binary_overlap", "binary_fractional", "true_fractional"]
)
def test_real_objects_lie_where_highdicom_reads_them(name: str) -> None:
    hd = pytest.importorskip("highdicom")
    path = HIGHDICOM_FILES / f"seg_image_ct_{name}.dcm"
    theirs = hd.seg.segread(path)
    stack = stack_of(ct_series())
    placed = place(read_segmentation(segmentation_instance(path)), stack)
    uids = [frame.sop_instance_uid for frame in stack.frames]
    read = theirs.get_pixels_by_source_instance(
        uids, assert_missing_frames_are_empty=True, rescale_fractional=True
    )
    for number in theirs.segment_numbers:
        ours = np.any([labels.data == number for labels in placed.labels], axis=0)
        assert np.array_equal(ours, read[..., number - 1] >= 0.5)
    assert len(placed.labels) == (2 if "overlap" in name else 1)
    assert not any("left out" in note for note in placed.notes)


@needs_corpus
def test_a_real_single_frame_lies_on_its_image() -> None:
    stack = stack_of([read_quietly(HIGHDICOM_FILES / "ct_image.dcm")])
    path = HIGHDICOM_FILES / "seg_image_ct_binary_single_frame.dcm"
    placed = place(read_segmentation(segmentation_instance(path)), stack)
    assert np.array_equal(shown(placed)[0], read_quietly(path).pixel_array)


@needs_corpus
def test_a_segmentation_of_a_radiograph_lies_on_the_image_it_names() -> None:
    path = HIGHDICOM_FILES / "seg_image_cr_binary.dcm"
    segmentation = read_segmentation(segmentation_instance(path))
    (source,) = make_sources(1, 16, 16)
    source.SOPInstanceUID = segmentation.frames[0].references[0].sop_instance_uid
    del source.ImagePositionPatient, source.ImageOrientationPatient
    placed = place(segmentation, stack_of([source]))
    assert np.array_equal(shown(placed)[0], read_quietly(path).pixel_array)
    assert any("for want of positions" in note for note in placed.notes)


@needs_corpus
def test_a_segmentation_of_a_slide_is_refused_by_a_stack_in_a_patient() -> None:
    path = HIGHDICOM_FILES / "seg_image_sm_dots_tiled_full.dcm"
    segmentation = read_segmentation(segmentation_instance(path))
    with pytest.raises(LabelsError, match="tiles of a slide"):
        place(segmentation, stack_of(make_sources()))


TURNS = {
    "same": (0, 1, 1, 1),
    "columns turned": (0, 1, 1, -1),
    "rows turned": (0, 1, -1, 1),
    "transposed": (0, 2, 1, 1),
    "transposed and turned": (0, 2, -1, -1),
}


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("corner", [(0, 0), (2, 1), (-2, -1)], ids=["whole", "inside", "outside"])
@pytest.mark.parametrize("orientation", sorted(ORIENTATIONS))
def test_turned_and_shifted_planes_are_copied_exactly(
    turn: str, corner: tuple[int, int], orientation: str
) -> None:
    stack = stack_of(make_sources(*SHAPE, orientation=orientation))
    affine = stack.geometry.affine_lps()
    assert affine is not None
    _, down, *signs = TURNS[turn]
    axes = np.array([affine[:3, down], affine[:3, 3 - down]]) * np.array(signs)[:, None]
    lengths = np.linalg.norm(axes, axis=1)
    mask = random_labels(9, (4, 3), 1)
    expected = np.zeros((40, 40), np.uint8)
    start = np.array([20 + corner[0], 20 + corner[1]])
    ways = np.array([[1, 0], [0, 1]]) if down == 1 else np.array([[0, 1], [1, 0]])
    ways = ways * np.array(signs)[:, None]
    start = start + 3 * (ways < 0).any(axis=0)  # turned planes begin at the other end
    for i, j in np.argwhere(mask):
        expected[tuple(start + i * ways[0] + j * ways[1])] = 2
    position = affine @ (3, *(start - 20), 1)
    units = axes / lengths[:, None]
    frame = SegmentFrame(
        0, 2, tuple(position[:3]), (*units[1], *units[0]), (lengths[0], lengths[1])
    )
    placed = place(built({0: mask}, stack, [frame]), stack)
    volume = shown(placed)
    assert np.array_equal(volume[3], expected[20:26, 20:27])
    assert not volume[[0, 1, 2, 4]].any()
    is_cut = expected.sum() > volume.sum()
    assert any("reach beyond" in note for note in placed.notes) == is_cut


@pytest.mark.parametrize("way", [1, -1])
@pytest.mark.parametrize("first_on_slices", [True, False])
def test_planes_across_the_slices_are_copied_exactly(way: int, *, first_on_slices: bool) -> None:
    stack = stack_of(make_sources(*SHAPE))
    affine = stack.geometry.affine_lps()
    assert affine is not None
    along, down = affine[:3, 0] * way, affine[:3, 1]
    mask = random_labels(4, (9, 6), 1)  # 9 along slices: two beyond either end
    position = (affine @ (-2 if way == 1 else 6, 0, 3, 1))[:3]
    units = [along / np.linalg.norm(along), down / np.linalg.norm(down)]
    spacing = (np.linalg.norm(along), np.linalg.norm(down))
    if first_on_slices:
        frame = SegmentFrame(0, 1, tuple(position), (*units[1], *units[0]), spacing)
    else:
        mask = mask.T
        frame = SegmentFrame(0, 1, tuple(position), (*units[0], *units[1]), spacing[::-1])
    volume = shown(place(built({0: mask}, stack, [frame]), stack))
    upright = mask if first_on_slices else mask.T
    assert np.array_equal(volume[:, :, 3], upright[::way][2:7])
    assert not np.delete(volume, 3, axis=2).any()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"spacing": (0.4, 0.35)}, Misfit.OTHER_GRID),
        ({"position": (0.3, 0.0, 0.0)}, Misfit.OTHER_GRID),
        ({"position": (0.0, 0.0, 1.0)}, Misfit.ELSEWHERE),
        ({"orientation": (0.6, 0.8, 0, -0.8, 0.6, 0)}, Misfit.OTHER_GRID),
        ({"orientation": (0.0,) * 6}, Misfit.OTHER_GRID),
        ({"spacing": (1e300, 1e300)}, Misfit.OTHER_GRID),
        ({"position": (1e308, 1e308, -1e308)}, Misfit.ELSEWHERE),
        ({"segment": None}, Misfit.NO_SEGMENT),
        ({"segment": 0}, Misfit.NO_SEGMENT),
        ({"position": None}, Misfit.NO_PLACE),
    ],
)
def test_frames_off_the_grid_are_refused_with_a_reason(
    change: dict[str, Any], reason: Misfit
) -> None:
    stack = stack_of(make_sources(*SHAPE, orientation="axial"))
    frame = frame_of(stack, 1)
    if change.get("position"):
        change = {"position": tuple(np.add(frame.position, change["position"]))}
    frame = replace(frame, **change)
    with pytest.raises(LabelsError) as caught:
        place(built({0: np.ones(SHAPE[1:], np.uint8)}, stack, [frame]), stack)
    assert str(caught.value) == f"seg.dcm: it does not fit these images: 1 frames {reason}"


@pytest.mark.parametrize("off", [0.0, 0.008, -0.008])
def test_rounded_positions_are_the_slice(off: float) -> None:
    stack = stack_of(make_sources(*SHAPE, step=0.1))
    frame = frame_of(stack, 2)
    patient = stack.geometry.patient
    assert patient is not None
    position = tuple(np.add(frame.position, off * patient.normal))
    placed = place(
        built({0: np.ones(SHAPE[1:])}, stack, [replace(frame, position=position)]), stack
    )
    assert shown(placed)[2].all()


def test_frames_that_fit_no_slice_are_counted_among_those_that_do() -> None:
    stack = stack_of(make_sources(*SHAPE))
    masks = {n: np.ones(SHAPE[1:], np.uint8) for n in range(3)}
    lost = replace(frame_of(stack, 1, number=1), position=(500.0, 0.0, 0.0))
    frames = [frame_of(stack, 0), lost, replace(lost, number=2)]
    placed = place(built(masks, stack, frames), stack)
    assert shown(placed).sum() == masks[0].size
    assert placed.notes == (f"left out: 2 frames {Misfit.ELSEWHERE} (of 3)",)


def test_another_frame_of_reference_is_refused_unless_the_images_are_named() -> None:
    stack = stack_of(make_sources(*SHAPE))
    masks = {0: np.ones(SHAPE[1:], np.uint8)}
    frame = frame_of(stack, 4)
    images = SegmentedImages("1.9.9")
    with pytest.raises(LabelsError, match="another Frame of Reference"):
        place(built(masks, stack, [frame], images=images), stack)
    named = replace(frame, references=(FrameReference(stack.frames[4].sop_instance_uid),))
    placed = place(built(masks, stack, [named], images=images), stack)
    assert shown(placed)[4].all()
    assert any("another Frame of Reference" in note for note in placed.notes)


def test_positions_count_more_than_the_images_named() -> None:
    stack = stack_of(make_sources(*SHAPE))
    frame = replace(
        frame_of(stack, 4), references=(FrameReference(stack.frames[0].sop_instance_uid),)
    )
    placed = place(built({0: np.ones(SHAPE[1:])}, stack, [frame]), stack)
    assert shown(placed)[4].all()
    assert any("lie elsewhere than the images" in note for note in placed.notes)


def four_dimensional() -> tuple[list[Dataset], Stack]:
    """Return two volumes over t of the same positions."""
    first = make_sources(*SHAPE)
    second = copy.deepcopy(first)
    for data in second:
        data.SOPInstanceUID += "9"
    return [*first, *second], stack_of([*first, *second], LeadingAxis("t", "s", (0.0, 1.0)))


def test_labels_of_one_volume_lie_on_all_with_a_note(tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    sources, stack = four_dimensional()
    values = random_labels()
    placed = place(written(make_segmentation(sources[5:], values), tmp_path), stack)
    assert np.array_equal(shown(placed), values[::-1])
    assert placed.notes == ("it refers to volume 2 of 2; its labels lie on all",)


def test_labels_of_several_volumes_have_all_axes() -> None:
    _, stack = four_dimensional()
    masks = {n: random_labels(n, SHAPE[1:], 1) for n in range(3)}
    uids = [frame.sop_instance_uid for frame in stack.frames]
    frames = [
        replace(frame_of(stack, 1, number=0), references=(FrameReference(uids[1]),)),
        replace(frame_of(stack, 2, number=1), references=(FrameReference(uids[5 + 2]),)),
        frame_of(stack, 3, number=2),
    ]
    volumes = shown(place(built(masks, stack, frames), stack))
    assert volumes.shape == stack.shape
    assert np.array_equal(volumes[0, 1], masks[0])
    assert np.array_equal(volumes[1, 2], masks[1])
    assert np.array_equal(volumes[0, 3], masks[2])
    assert np.array_equal(volumes[1, 3], masks[2])
    assert volumes.sum() == masks[0].sum() + masks[1].sum() + 2 * masks[2].sum()


def test_labels_without_volumes_lie_on_all_of_them() -> None:
    _, stack = four_dimensional()
    placed = place(built({0: np.ones(SHAPE[1:])}, stack, [frame_of(stack, 1)]), stack)
    assert shown(placed).shape == SHAPE
    assert placed.notes == ()


def test_frames_of_a_multi_frame_image_are_told_apart() -> None:
    stack = stack_of(make_sources(*SHAPE))
    one = stack.frames[0].instance
    frames = tuple(
        replace(frame, instance=one, number=4 - n) for n, frame in enumerate(stack.frames)
    )
    geometry = replace(stack.geometry, patient=None)
    stack = replace(stack, frames=frames, geometry=geometry)
    reference = FrameReference(one.sop_instance_uid, 1)
    frame = SegmentFrame(0, 1, None, None, None, (reference,))
    volume = shown(place(built({0: np.ones(SHAPE[1:])}, stack, [frame]), stack))
    assert volume[3].all()
    assert volume.sum() == volume[3].size
    whole = replace(frame, references=(FrameReference(one.sop_instance_uid),))
    with pytest.raises(LabelsError, match="which single image"):
        place(built({0: np.ones(SHAPE[1:])}, stack, [whole]), stack)
    with pytest.raises(LabelsError, match="another size"):
        place(built({0: np.ones((2, 2))}, stack, [frame]), stack)


def test_undescribed_segments_are_shown_and_named_in_a_note() -> None:
    stack = stack_of(make_sources(*SHAPE))
    placed = place(built({0: np.ones(SHAPE[1:])}, stack, [frame_of(stack, 0, 700)]), stack)
    assert shown(placed).dtype == np.uint16
    assert shown(placed)[0].min() == 700
    assert placed.notes == ("it does not describe 1 of its segments: 700",)
    assert placed.labels[0].style.colors.numbers == (1, 2, 700)


def test_a_label_map_counts_its_padding_as_background() -> None:
    stack = stack_of(make_sources(*SHAPE))
    plane = random_labels(1, SHAPE[1:], 5)
    made = built({0: plane}, stack, [frame_of(stack, 0, None)], background=5)
    made = replace(made, kind=SegmentationKind.LABELMAP, segments=(Segment(0), Segment(1)))
    placed = place(made, stack)
    assert np.array_equal(shown(placed)[0], np.where(plane == 5, 0, plane))
    assert "its segment 0 is shown as background" in placed.notes
    assert "it does not describe 3 of its segments: 2, 3, 4" in placed.notes


def test_label_maps_that_lie_over_each_other_are_split() -> None:
    stack = stack_of(make_sources(*SHAPE))
    masks = {n: random_labels(n, SHAPE[1:], 5) for n in range(2)}
    frames = [frame_of(stack, 0, None, number=n) for n in range(2)]
    made = replace(built(masks, stack, frames), kind=SegmentationKind.LABELMAP)
    placed = place(made, stack)
    assert [np.array_equal(one.data[0], masks[n]) for n, one in enumerate(placed.labels)] == [
        True,
        True,
    ]


def test_a_fraction_of_half_is_in_its_segment_and_a_note_says_so() -> None:
    stack = stack_of(make_sources(*SHAPE))
    plane = np.arange(42).reshape(6, 7)
    made = built({0: plane}, stack, [frame_of(stack, 0)], maximum=41)
    made = replace(made, kind=SegmentationKind.FRACTIONAL)
    placed = place(made, stack)
    assert np.array_equal(shown(placed)[0], plane >= 21)
    assert placed.notes[-1].startswith("it is fractional (unknown): voxels from 21 of 41 on")
    assert np.array_equal(shown(place(made, stack, 0.1))[0], plane >= 5)


def test_a_pile_of_segments_is_refused_before_it_takes_all_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(layers, "MOST_LAYERS", 3)
    stack = stack_of(make_sources(*SHAPE))
    frames = [frame_of(stack, 0, n + 1, number=n) for n in range(4)]
    made = built({n: np.ones(SHAPE[1:]) for n in range(4)}, stack, frames)
    with pytest.raises(LabelsError, match="more than 3 segments overlap"):
        place(made, stack)
    assert len(place(replace(made, frames=tuple(frames[:3])), stack).labels) == 3


def test_empty_segments_are_named_in_the_first_layer() -> None:
    stack = stack_of(make_sources(*SHAPE))
    placed = place(built({0: np.zeros(SHAPE[1:])}, stack, [frame_of(stack, 0)]), stack)
    assert not shown(placed).any()
    assert placed.labels[0].style.colors.numbers == (1, 2)


def test_the_stack_whose_images_are_named_is_the_closest() -> None:
    sources = make_sources(*SHAPE)
    other = make_sources(*SHAPE, SeriesInstanceUID="1.2.8")
    for data in other:
        data.SOPInstanceUID += "7"
    foreign = make_sources(*SHAPE, SeriesInstanceUID="1.2.7", FrameOfReferenceUID="1.2.6")
    for data in foreign:
        data.SOPInstanceUID += "6"
    stacks = [stack_of(part) for part in (sources, sources[:2], other, foreign)]
    images = SegmentedImages(
        FRAME_OF_REFERENCE,
        frozenset({"1.2.3.2"}),
        frozenset(data.SOPInstanceUID for data in sources[1:]),
    )
    made = built({0: np.ones(SHAPE[1:])}, stacks[0], [frame_of(stacks[0], 0)], images=images)
    ties = [reference_of(made, stack) for stack in stacks]
    assert [tie.bond for tie in ties] == [
        Bond.IMAGES,
        Bond.IMAGES,
        Bond.FRAME_OF_REFERENCE,
        Bond.NONE,
    ]
    assert max(ties) == ties[0]
    assert [refers_to(made, stack) for stack in stacks] == [True, True, False, False]
    by_series = replace(made, images=replace(images, instance_uids=frozenset()))
    assert reference_of(by_series, stacks[0]).bond is Bond.SERIES


def test_a_tilted_stack_takes_planes_at_its_own_origins_only() -> None:
    sources = make_sources(*SHAPE, orientation="axial")
    for k, data in enumerate(sources):
        data.ImagePositionPatient = [-10 + 0.4 * k, -20, 2.5 * k]  # 0.4 mm is no whole pixel
    stack = stack_of(sources)
    grid = StackGrid(stack)
    frame = frame_of(stack, 2)
    assert frame.position is not None
    assert frame.orientation is not None
    assert frame.spacing is not None
    plane = Plane(6, 7, frame.position, frame.orientation, frame.spacing)
    assert not isinstance(grid.locate(plane), Misfit)
    straight = replace(plane, position=(-10.0, -20.0, frame.position[2]))
    assert grid.locate(straight) is Misfit.OTHER_GRID
