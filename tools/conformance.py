"""Write docs/conformance.md: what is opened of every kind of file, and whether it is right.

Run ``python -m tools.conformance`` in the repository, with the corpus where ``tests.data`` looks.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tests.data import build_image
from tests.sources.dicom.multiframe.objects import KINDS, written
from tests.sources.dicom.tiles.tiled import Tiled, build_grid, build_mosaic, csa_of
from tools import conformance_text as text
from tools.conformance_survey import (
    Folder,
    Row,
    Survey,
    Verdict,
    real_files,
    restored_files,
    survey,
    survey_folder,
)
from tools.conformance_truth import PLACE_MM, silence

from napari_dicom_markup import api
from napari_dicom_markup.standard.sop_classes import FAMILIES, MARKUP, WHOLE_SLIDE
from napari_dicom_markup.standard.sop_classes import KINDS as NO_IMAGES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

DOCUMENT = Path(__file__).parents[1] / "docs" / "conformance.md"

_AFFINES = (
    ("equal", "have highdicom's affine to 10⁻⁴ mm"),
    ("ours nearer", "have positions that are rounded, or sheared by less than a tilt that is "
     "reported: highdicom goes straight along the normal, ours meets the last position exactly"),
    ("refused by highdicom", "are tilted or lack slices, which highdicom refuses: each slice lies "
     "where its own header says, as above"),
    ("mosaic", "are mosaics, whose positions are compared as above"),
    ("one slice", "have one slice"),
    ("outside a patient", "have no plane in a patient: no affine is made up"),
    ("differs", "differ: this is an error"),
)  # fmt: skip


def document() -> str:
    """Return the whole text."""
    with silence():
        real, built = survey(real_files()), survey_built()
        restored = restored_files()
    parts = [
        text.HEAD,
        "## Real files\n\nThe corpus (`shared/corpus/README.md`) and pydicom's own test files: "
        f"{len(real.verdicts)} different files, {real.frames['frames']} frames compared.\n",
        table(real.verdicts),
        "\n## Built in the tests\n\nKinds that the corpus lacks or has few of: one object of each, "
        "of `multiframe/objects.py`\nand `tiles/tiled.py` in `tests/sources/dicom`.\n",
        table(built.verdicts),
        affines(real),
        bundles(restored),
        codecs(),
        refusals(real.verdicts),
        text.UNSHOWN,
    ]
    return "\n".join(parts)


def survey_built() -> Survey:
    """Judge an object of each kind that the tests build."""
    tiled = Tiled()
    tiles = {
        "Siemens mosaic, CSA header": build_mosaic(tiled, csa_of(tiled)),
        "UIH grid": build_grid(tiled),
    }
    built = {name: written(make()) for name, make in KINDS.items()} | tiles
    built["video"] = build_image(b"\0\0\1\xb3", _VIDEO, Rows=4, Columns=4, BitsAllocated=8)
    found = Survey()
    with tempfile.TemporaryDirectory() as work:
        for number, (name, raw) in enumerate(built.items()):
            path = Path(work) / f"{number}.dcm"
            path.write_bytes(raw)
            folder = survey_folder(path)
            (verdict,) = survey([(path, folder)]).verdicts
            if name in tiles and _lies_at(folder, str(path), tiled.origins):
                verdict.unproven.remove(text.NO_CSA)
            row = verdict.row
            verdict.row = Row(name, row.frames, row.syntax, row.pixels, row.trait)
            found.verdicts.append(verdict)
    return found


def _lies_at(folder: Folder, location: str, origins: NDArray[np.float64]) -> bool:
    """Return whether the slices of a file lie where they were built, in whatever order."""
    ((_, stack),) = folder.stacks[location]
    ours = np.array([frame.position for frame in stack.frames])
    apart = np.linalg.norm(ours[:, None] - origins[None], axis=2)
    return ours.shape == origins.shape and float(apart.min(axis=1).max()) <= PLACE_MM


_VIDEO = "1.2.840.10008.1.2.4.100"


def table(verdicts: Iterable[Verdict]) -> str:
    """Return the table of kinds: files, opened, right, and a remark on each difference."""
    kinds: dict[Row, list[Verdict]] = {}
    for verdict in verdicts:
        kinds.setdefault(verdict.row, []).append(verdict)
    lines = [
        "| object | frames | syntax | pixels | of note | files | opened | right | remark |",
        "|---|---|---|---|---|--:|--:|--:|---|",
    ]
    for row in sorted(kinds, key=_order):
        found = kinds[row]
        opened = [one for one in found if not one.refused]
        right = [one for one in opened if not (one.wrong or one.unproven or one.labels)]
        cells = (row.what, row.frames, row.syntax, row.pixels, row.trait)
        proven = "in tests" if any(one.labels for one in found) else len(right)
        numbers = (len(found), len(opened), proven)
        lines.append(f"| {' | '.join(map(str, (*cells, *numbers)))} | {_remark(found)} |")
    return "\n".join(lines) + "\n"


def _order(row: Row) -> tuple[bool, str, str, str, str, str]:
    syntax = "" if row.syntax == "native" else row.syntax
    return not row.syntax, row.what, row.frames, syntax, row.pixels, row.trait


def _remark(found: Iterable[Verdict]) -> str:
    remarks: Counter[str] = Counter()
    for verdict in found:
        if verdict.refused:
            text.explanation(verdict.refused)
            verb = "in no stack" if "opened as a pyramid" in verdict.refused else "refused"
            remarks[f"{verb}: {_general(verdict.refused)}"] += 1
        remarks.update(text.EXPLAINED[one] for one in (*verdict.wrong, *verdict.unproven))
        if verdict.labels:
            remarks[text.LABELS] += 1
    return "; ".join(f"{count} {remark}" for remark, count in sorted(remarks.items()))


def _general(reason: str) -> str:
    """Return a reason without what it counts."""
    head, colon, tail = reason.partition(": ")
    return head if colon and any(c.isdigit() for c in tail) else reason


def affines(found: Survey) -> str:
    """Return how the affines compare with highdicom's."""
    stacks = sum(found.affines.values())
    lines = [
        "\n## Affines\n",
        f"Of the {stacks} stacks of the real files, by what highdicom makes of the positions that "
        "pydicom reads:\n",
    ]
    lines += [f"- {found.affines[key]} {words}." for key, words in _AFFINES if found.affines[key]]
    lines.append(
        "\n`tests/test_corpus_geometry.py` compares with SimpleITK and dcm2niix, and has a reason "
        "for each\ndifference: they average gaps, drop tilt, or pile volumes up.\n"
    )
    return "\n".join(lines)


def bundles(outcomes: Counter[str]) -> str:
    """Return what pack and restore give."""
    exact, refused = outcomes["exact"], outcomes["not packed"]
    others = sum(outcomes.values()) - exact - refused
    return (
        "## Packed and restored\n\n"
        f"All {exact + others + refused} files of the corpus were packed, and rebuilt from the "
        f"bundles alone: {exact} are the same byte for byte,\n{others} are not, {refused} are no "
        "DICOM (text, and a file that no reader takes for DICOM) and are named as not packed.\n"
        "That holds for each kind above, opened or refused: a bundle keeps every DICOM file.\n"
    )


def codecs() -> str:
    """Return which transfer syntaxes are decoded."""
    lines = [
        "## Codecs\n",
        "`dicom-markup info --codecs` tries each on samples, and tells the versions.\n",
        "| decoded | |\n|---|---|",
    ]
    remedies: dict[str, list[str]] = {}
    for codec in api.codecs():
        if codec.decodes:
            name = f"{codec.name} (retired)" if codec.retired else codec.name
            lines.append(f"| {codec.uid} | {name} |")
        else:
            remedies.setdefault(codec.remedy, []).append(codec.uid)
    lines.append("\n| not decoded | why |\n|---|---|")
    lines += [f"| {', '.join(uids)} | {remedy} |" for remedy, uids in remedies.items()]
    return "\n".join(lines) + "\n"


def refusals(verdicts: Iterable[Verdict]) -> str:
    """Return why files are refused: what the corpus has, and the classes that are no image."""
    counts = Counter(_general(one.refused) for one in verdicts if one.refused)
    lines = ["## What is refused, and why\n", "| files | reason | why |\n|--:|---|---|"]
    lines += [f"| {counts[r]} | {r} | {text.explanation(r)} |" for r in sorted(counts)]
    return "\n".join([*lines, "", *_other_refusals()])


def _other_refusals() -> Iterator[str]:
    names = sorted({*NO_IMAGES.values(), *FAMILIES.values()} - MARKUP - {WHOLE_SLIDE})
    yield "Refused as well, wherever they turn up, by their SOP class:"
    yield f"{', '.join(names)}."
    yield "And without any object in the corpus: an empty file; a file that the system does not"
    yield "let read; a header that pydicom cannot read, or that inflates to much more than its"
    yield "file; samples per pixel other than 1 and 3; bits allocated other than 1, 8, 12, 16, 32"
    yield "and 64; bits stored beyond those allocated. In a folder a file with the SOP Instance UID"
    yield "of another one is named with it, and not shown twice.\n"


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
    print(f"wrote {DOCUMENT.name}")
