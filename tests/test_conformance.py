"""docs/conformance.md says what a run over the corpus says, and leaves nothing unexplained."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tools import conformance_survey, conformance_text

from tests.cases import write_series
from tests.data import CORPUS, REPOSITORY, needs_corpus

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_dicom_markup.model.stack import Stack

DOCUMENT = REPOSITORY / "docs" / "conformance.md"
COLUMNS = ["object", "frames", "syntax", "pixels", "of note", "files", "opened", "right", "remark"]


def rows() -> list[dict[str, str]]:
    """Return the rows of the tables of kinds."""
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    split = [line.strip("|").split("|") for line in lines if line.startswith("| ")]
    cells = [[cell.strip() for cell in line] for line in split if len(line) == len(COLUMNS)]
    return [dict(zip(COLUMNS, line, strict=True)) for line in cells if line != COLUMNS]


@needs_corpus
def test_the_document_is_what_a_run_over_the_corpus_says() -> None:
    pytest.importorskip("highdicom")
    pytest.importorskip("nibabel")
    command = "from tools.conformance import document as d; print(d(), end='')"
    made = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", command],
        capture_output=True,
        check=False,
        cwd=REPOSITORY,
    )
    assert made.returncode == 0, made.stderr.decode()[-2000:]
    assert made.stdout.decode() == DOCUMENT.read_text(), "run python -m tools.conformance"


def test_every_kind_is_right_or_has_a_remark() -> None:
    found = rows()
    assert len(found) > 60
    for row in found:
        files, opened = int(row["files"]), int(row["opened"])
        right = opened if row["right"] == "in tests" else int(row["right"])
        assert 0 <= right <= opened <= files
        plain = right == files and row["right"] != "in tests"
        assert bool(row["remark"]) != plain, row


def test_most_files_of_images_are_right() -> None:
    others = ("refused", "in no stack")
    images = [r for r in rows() if r["syntax"] and not any(o in r["remark"] for o in others)]
    right = sum(int(row["right"]) for row in images)
    assert right > 500 or not CORPUS.is_dir()
    assert right >= 0.98 * sum(int(row["files"]) for row in images)


def test_the_document_names_no_file_and_no_folder_of_the_corpus() -> None:
    words = DOCUMENT.read_text()
    assert ".dcm" not in words
    assert "+" not in words


def test_a_reason_without_an_explanation_stops_the_run() -> None:
    with pytest.raises(LookupError, match="no explanation"):
        conformance_text.explanation("it rained")


def judged(folder: Path, change: Callable[[Stack], Stack]) -> set[str]:
    """Return what is wrong with a series of which the stack was changed behind its back."""
    found = conformance_survey.survey_folder(folder)
    location, ((series, stack),) = next(iter(found.stacks.items()))
    path = folder / location.rsplit("/", 1)[-1]
    wrong = dataclasses.replace(found, stacks={location: [(series, change(stack))]})
    survey = conformance_survey.survey([(path, wrong)])
    return {one for verdict in survey.verdicts for one in verdict.wrong}


def moved(stack: Stack) -> Stack:
    patient = stack.geometry.patient
    assert patient is not None
    origins = tuple(tuple(np.add(origin, (2e-4, 0, 0)).tolist()) for origin in patient.origins)
    geometry = dataclasses.replace(
        stack.geometry, patient=dataclasses.replace(patient, origins=origins)
    )
    return dataclasses.replace(stack, geometry=geometry)


def rescaled(stack: Stack) -> Stack:
    frames = tuple(
        dataclasses.replace(
            frame, values=dataclasses.replace(frame.values, intercept=frame.values.intercept + 1)
        )
        for frame in stack.frames
    )
    return dataclasses.replace(stack, frames=frames)


def turned(stack: Stack) -> Stack:
    return dataclasses.replace(stack, frames=stack.frames[::-1])


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda stack: stack, set()),
        (moved, {conformance_text.WRONG_PLACE}),
        (turned, {conformance_text.WRONG_PLACE}),
        (rescaled, {conformance_text.WRONG_PHYSICAL}),
    ],
    ids=["nothing", "0.0002 mm", "order", "one HU"],
)
def test_what_is_wrong_is_seen(
    change: Callable[[Stack], Stack], wrong: set[str], tmp_path: Path
) -> None:
    pytest.importorskip("highdicom")
    assert judged(write_series(tmp_path / "series"), change) == wrong
