"""Open files, and compare every frame's values and place with `conformance_truth`."""

from __future__ import annotations

import hashlib
import io
import itertools
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from tests.data import CORPUS, PYDICOM_FILES, files_under, read_quietly
from tools import conformance_text as text
from tools import conformance_truth as truth

from napari_dicom_markup import api
from napari_dicom_markup.api.opening import DiskFrames, make_volume
from napari_dicom_markup.errors import MarkupError
from napari_dicom_markup.model.geometry import ReportKind
from napari_dicom_markup.standard import transfer_syntax as ts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom import Dataset

    from napari_dicom_markup.model.stack import Frame, Scan, Series, Stack

TWIN = "the same SOP Instance as "
"""How the reason begins of a file that is not shown because its twin is."""

_TRAITS = {
    ReportKind.TILT: "tilted",
    ReportKind.GAP: "slices missing",
    ReportKind.UNEVEN: "uneven steps",
    ReportKind.INCOMPLETE: "incomplete volume",
}
_UNNAMED_AXES = frozenset({"frame", "instance"})
"""Axes of images that nothing but their number tells apart: no trait."""


@dataclass(frozen=True)
class Row:
    """A kind of file: what it is, its frames, transfer syntax, pixels, and what matters."""

    what: str
    frames: str = ""
    syntax: str = ""
    pixels: str = ""
    trait: str = ""


@dataclass
class Verdict:
    """What became of one file: ``wrong`` and ``unproven`` say what is not right, or not shown so.

    ``refused`` is the reason of a file that is not opened.
    """

    row: Row
    refused: str = ""
    wrong: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)
    labels: bool = False


@dataclass
class Survey:
    """All verdicts, and how the affines of stacks of several slices compare with highdicom's."""

    verdicts: list[Verdict] = field(default_factory=list)
    affines: Counter[str] = field(default_factory=Counter)
    frames: Counter[str] = field(default_factory=Counter)


@dataclass(eq=False)
class Folder:
    """The scan of a folder, by file: the stacks that it is in, or why it is in none."""

    scan: Scan
    stacks: dict[str, list[tuple[Series, Stack]]]
    reasons: dict[str, str]
    marks: dict[str, str | None]


def survey_folder(folder: Path, marks: dict[str, str | None] | None = None) -> Folder:
    """Scan a folder once; ``marks`` is what `placed_markup` found there."""
    scan = api.scan(folder).result()
    stacks: dict[str, list[tuple[Series, Stack]]] = {}
    for series in scan.series:
        for stack in series.stacks:
            for location in dict.fromkeys(frame.file.location for frame in stack.frames):
                stacks.setdefault(location, []).append((series, stack))
    left = [*scan.leftovers, *(one for series in scan.series for one in series.leftovers)]
    reasons = {one.file.location: one.reason for one in left}
    return Folder(scan, stacks, reasons, marks or {})


def placed_markup(folder: Path) -> dict[str, str | None]:
    """Return for each segmentation and structure set None where it is placed, or why not."""
    marks: dict[str, str | None] = {}
    for mark in api.open_markup(folder).result():
        placed = mark.volume is not None and mark.labels
        marks[str(folder / mark.file)] = None if placed else mark.notes[0]
    return marks


def real_files() -> Iterator[tuple[Path, Folder]]:
    """Yield every file of the corpus, and of pydicom's what that lacks, once by its bytes."""
    seen: set[bytes] = set()
    roots = sorted(path for path in CORPUS.iterdir() if path.is_dir())
    marks = placed_markup(CORPUS)
    for root in [*roots, PYDICOM_FILES]:
        folder = survey_folder(root, marks)
        for path in files_under(root):
            digest = hashlib.sha256(path.read_bytes()).digest()
            is_ours = root != PYDICOM_FILES or path.suffix == ".dcm"
            if digest not in seen and is_ours:
                seen.add(digest)
                twin = folder.reasons.get(str(path), "").startswith(TWIN)
                yield path, survey_folder(path, marks) if twin else folder


def survey(files: Iterable[tuple[Path, Folder]]) -> Survey:
    """Judge all files, and the affines of the stacks that they are in."""
    found = Survey()
    judged: dict[int, Stack] = {}
    for path, folder in files:
        found.verdicts.append(_judge(path, folder, found))
        for _, stack in folder.stacks.get(str(path), ()):
            if id(stack) not in judged:
                judged[id(stack)] = stack  # kept, for an id may return
                found.affines[compare_affine(stack)] += 1
    return found


def _judge(path: Path, folder: Folder, found: Survey) -> Verdict:
    stacks = folder.stacks.get(str(path), [])
    reason = folder.reasons.get(str(path), "")
    if reason.startswith("not DICOM") or reason == "an empty file":
        return Verdict(Row(text.NO_DICOM), reason)
    data = _read(path)
    row = row_of(data, stacks)
    if not stacks:
        return _judge_rest(path, folder, row, reason)
    verdict = Verdict(row)
    stored = truth.stored_values(data)
    if stored is None:
        verdict.unproven.append(text.UNDECODED_BY_PYDICOM)
    for series, stack in stacks:
        found.frames["frames"] += _judge_stack(path, data, stored, series, stack, verdict)
    if text.UNDECODED in verdict.wrong:
        verdict.unproven.clear()
    return verdict


def _judge_rest(path: Path, folder: Folder, row: Row, reason: str) -> Verdict:
    if str(path) not in folder.marks:
        return Verdict(row, reason or text.UNFOUND)
    note = folder.marks[str(path)]
    if note is None:
        return Verdict(row, labels=True)
    return Verdict(row, note)


@lru_cache(maxsize=64)
def _read(path: Path) -> Dataset:
    """Return pydicom's reading, of what it cannot read with that mended which is known to lack.

    A last delimiter may be missing, and a NumberOfFrames that is no number counts as one frame.
    """
    data = read_quietly(path)
    if not len(data):
        data = read_quietly(io.BytesIO(path.read_bytes() + b"\xfe\xff\xdd\xe0\0\0\0\0"))
    try:
        int(data.get("NumberOfFrames") or 1)
    except (TypeError, ValueError):
        del data.NumberOfFrames
    return data


def _judge_stack(
    path: Path,
    data: Dataset,
    stored: NDArray[Any] | None,
    series: Series,
    stack: Stack,
    verdict: Verdict,
) -> int:
    """Judge a file's frames in one stack; return how many they are."""
    volume = make_volume(series, stack, DiskFrames())
    leading = stack.shape[:-2]
    numbers = [i for i, f in enumerate(stack.frames) if f.file.location == str(path)]
    wrong: set[str] = set()
    for i in numbers:
        frame = stack.frames[i]
        try:
            shown = np.asarray(volume.array[np.unravel_index(i, leading)])
            ours = DiskFrames().read(frame)
        except MarkupError:
            wrong.add(text.UNDECODED)
            continue
        if stored is not None:
            wrong |= set(_wrong_values(data, _cut(stored, frame), ours, shown, frame))
        wrong |= set(_wrong_place(data, stack, i))
    verdict.wrong += sorted(wrong - set(verdict.wrong))
    if stack.frames[numbers[0]].tile is not None:
        _judge_mosaic(data, stack, numbers, verdict)
    return len(numbers)


def _cut(stored: NDArray[Any], frame: Frame) -> NDArray[Any]:
    """Return pydicom's values of all frames, of the tile alone where the frame is one."""
    tile = frame.tile
    if tile is None:
        return stored
    rows = slice(tile.row, tile.row + tile.rows)
    return stored[:, rows, tile.column : tile.column + tile.columns]


def _wrong_values(
    data: Dataset, stored: NDArray[Any], ours: NDArray[Any], shown: NDArray[Any], frame: Frame
) -> Iterator[str]:
    expected = stored[frame.number]
    lossy = frame.instance.transfer_syntax_uid in ts.LOSSY
    if ours.shape != expected.shape:
        yield text.WRONG_SHAPE
        return
    apart = np.abs(ours.astype(np.float64) - expected.astype(np.float64))
    if not np.array_equal(ours, expected, equal_nan=ours.dtype.kind == "f") and (
        not lossy or apart.max() > 1
    ):
        yield text.WRONG_STORED
        return
    whole = stored.copy() if lossy else stored
    if lossy:
        whole[frame.number] = ours
    meant = truth.physical_values(data, whole, frame.number)
    keep = ~truth.is_background(data, expected)
    if shown.shape != meant.shape or not _equal(shown[keep], meant[keep]):
        yield text.WRONG_PHYSICAL


def _equal(shown: NDArray[Any], meant: NDArray[Any]) -> bool:
    tolerance = 1e-6 if shown.dtype.kind == "f" else 0.0
    wide = shown.astype(np.float64), meant.astype(np.float64)
    return np.allclose(*wide, rtol=tolerance, atol=0.0, equal_nan=True)


def _wrong_place(data: Dataset, stack: Stack, i: int) -> Iterator[str]:
    """Yield what is wrong with a frame's place; a mosaic's is judged as a whole."""
    frame, patient = stack.frames[i], stack.geometry.patient
    if frame.tile is not None:
        return
    expected = truth.corners(data, frame.number)
    if patient is None or expected is None:
        if (patient is None) != (expected is None):
            yield text.PLACE_MISSING if patient is None else text.PLACE_INVENTED
        return
    first = patient.origins[i] if i < stack.slices else frame.position
    ours = _corners_at(np.array(first), stack)
    if np.abs(ours - expected).max() > truth.PLACE_MM:
        yield text.WRONG_PLACE


def _corners_at(first: NDArray[Any], stack: Stack) -> NDArray[np.float64]:
    patient, (_, rows, columns) = stack.geometry.patient, stack.geometry.spacing
    assert patient is not None
    across = np.array(patient.row) * columns * (stack.pixels.columns - 1)
    down = np.array(patient.column) * rows * (stack.pixels.rows - 1)
    return np.stack([first, first + across, first + down])


def _judge_mosaic(data: Dataset, stack: Stack, numbers: Sequence[int], verdict: Verdict) -> None:
    expected = truth.mosaic_corners(data)
    if expected is None:
        verdict.unproven.append(text.NO_CSA)
        return
    ours = np.array([stack.frames[i].position for i in numbers])
    order = np.argsort(ours @ (1.0, 1.1, 1.3)), np.argsort(expected @ (1.0, 1.1, 1.3))
    if len(ours) != len(expected) or (
        np.abs(ours[order[0]] - expected[order[1]]).max() > truth.MOSAIC_MM
    ):
        verdict.wrong.append(text.WRONG_PLACE)


def compare_affine(stack: Stack) -> str:
    """Return how a stack's affine compares with the one that highdicom makes of its positions."""
    import highdicom as hd

    patient = stack.geometry.patient
    if patient is None:
        return "outside a patient"
    if stack.slices < 2:
        return "one slice"
    places = _places(stack)
    if places is None:
        return "mosaic"
    orientation = [*patient.row, *patient.column]
    spacing, indices = hd.spatial.get_volume_positions(places.tolist(), orientation)
    if spacing is None or indices is None:
        return "refused by highdicom"
    theirs = hd.VolumeGeometry.from_attributes(
        image_position=places[int(np.argmin(indices))].tolist(),
        image_orientation=orientation,
        rows=stack.pixels.rows,
        columns=stack.pixels.columns,
        pixel_spacing=stack.geometry.spacing[1:],
        spacing_between_slices=spacing,
        number_of_frames=stack.slices,
        coordinate_system="PATIENT",
    )
    affine = stack.geometry.affine_lps()
    assert affine is not None
    last = stack.slices - 1
    if _apart(affine, theirs.affine, stack) <= truth.PLACE_MM:
        return "equal"
    ours = np.abs((affine @ (last, 0, 0, 1))[:3] - places[-1]).max()
    start, end = sorted((0, last), key=lambda i: indices[i])
    other = np.abs((theirs.affine @ (last, 0, 0, 1))[:3] - places[end]).max()
    assert start != end
    return "ours nearer" if ours <= truth.PLACE_MM < other else "differs"


def _apart(ours: NDArray[Any], theirs: NDArray[Any], stack: Stack) -> float:
    """Return how far the corners of two volumes lie apart, counted from either end."""
    ends = (0, stack.slices - 1), (0, stack.pixels.rows - 1), (0, stack.pixels.columns - 1)
    corners = np.array([(*corner, 1) for corner in itertools.product(*ends)])
    a, b = corners @ ours.T, corners @ theirs.T
    turned = np.concatenate([b[4:], b[:4]])
    return float(min(np.abs(a - b).max(), np.abs(a - turned).max()))


def _places(stack: Stack) -> NDArray[np.float64] | None:
    """Return where the headers put the slices of the first volume, by pydicom."""
    places = []
    for frame in stack.frames[: stack.slices]:
        if frame.tile is not None:
            return None
        found = truth.corners(_read(frame.file.path), frame.number)
        if found is None:
            return None
        places.append(found[0])
    return np.array(places)


def row_of(data: Dataset, stacks: Sequence[tuple[Series, Stack]] = ()) -> Row:
    """Return the kind of a file."""
    what = text.class_name(data.get("SOPClassUID"))
    if "DirectoryRecordSequence" in data:
        return Row("DICOMDIR")
    if not _has_pixels(data):
        return Row(what if what in text.WITHOUT_PIXELS else f"{what}, without its pixels")
    syntax = text.syntax_group(str(data.file_meta.TransferSyntaxUID))
    if what in text.MERGED:
        return Row(what, "", syntax)
    several = int(data.get("NumberOfFrames") or 1) > 1
    group = text.pixel_group(data.get("PhotometricInterpretation"), data.get("BitsAllocated"))
    return Row(what, text.MANY if several else text.ONE, syntax, group, _traits(stacks))


def _has_pixels(data: Dataset) -> bool:
    return any(k in data for k in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"))


def _traits(stacks: Sequence[tuple[Series, Stack]]) -> str:
    found = []
    for _, stack in stacks:
        found += ["mosaic"] if stack.frames[0].tile is not None else []
        found += [_TRAITS[r.kind] for r in stack.reports if r.kind in _TRAITS]
        axes = [axis.name for axis in stack.leading if axis.name not in _UNNAMED_AXES]
        found += [f"4D ({' × '.join(axes)})"] if axes and stack.geometry.patient else []
    return ", ".join(dict.fromkeys(found))


def restored_files() -> Counter[str]:
    """Return how the files of the corpus come back from bundles: outcomes, counted."""
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as work:
        packed = api.pack([CORPUS], work, image=False).result()
        for bundle in packed.bundles:
            report = api.verify(bundle.sidecar, CORPUS).result()
            outcomes.update(str(one.outcome) for one in report.files)
        outcomes["not packed"] = len(packed.leftovers)
    return outcomes
