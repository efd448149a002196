"""The score sees leaks, losses and broken references, and nothing where there is nothing."""

from __future__ import annotations

import io
import warnings

import pytest

from tests.identities.derived import seg_binary
from tests.identities.objects import build, write_all
from tests.identities.people import PEOPLE
from tests.identities.projections import cr
from tests.identities.scoring import score
from tests.identities.volumes import mr, pet


@pytest.fixture
def sources(tmp_path):
    objects = [build(made, PEOPLE[0]) for made in (cr, mr, pet, seg_binary)]
    return write_all(objects, tmp_path / "in")


def written(sources, folder, change=None):
    folder.mkdir()
    pairs = {}
    for number, (name, planted) in enumerate(sources.items()):
        data_set = planted.data_set()
        if change:
            change(planted.key, data_set)
        stream = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data_set.save_as(stream)
        (folder / f"{number}.dcm").write_bytes(stream.getvalue())
        pairs[name] = f"{number}.dcm"
    return pairs


def test_a_copy_leaks_everything_and_loses_nothing(sources, tmp_path):
    pairs = written(sources, tmp_path / "out")
    scores = score(sources, tmp_path / "out")
    assert scores == score(sources, tmp_path / "out", pairs)
    assert all(len(one.leaked) > 20 for one in scores.objects)
    assert scores.lost == 0
    assert scores.broken_references == scores.stray_files == ()
    assert not any(one.pixels_differ or one.missing or one.perfect for one in scores.objects)


def test_the_score_never_shows_a_secret(sources, tmp_path):
    written(sources, tmp_path / "out")
    shown = repr(score(sources, tmp_path / "out"))
    person = PEOPLE[0]
    secrets = (*person.words, person.patient_id, person.birth, person.address)
    assert [secret for secret in secrets if secret in shown] == []


def test_lost_attributes_changed_pixels_and_missing_files_are_seen(sources, tmp_path):
    def spoil(key, data_set):
        if key == "pet":
            del data_set.RadiopharmaceuticalInformationSequence[0].RadionuclideTotalDose
            data_set.PixelData = data_set.PixelData[:-1] + b"\x77"

    pairs = written(sources, tmp_path / "out", spoil)
    (tmp_path / "out" / "0.dcm").unlink()
    scores = {one.key: one for one in score(sources, tmp_path / "out", pairs).objects}
    assert scores["pet"].lost == ("(0054,0016)[1].(0018,1074)",)
    assert scores["pet"].pixels_differ
    assert scores["cr"].missing
    assert scores["mr"].lost == ()


def test_a_reference_that_points_elsewhere_is_seen(sources, tmp_path):
    def renumber(key, data_set):
        if key == "seg-binary":
            data_set.StudyInstanceUID = "2.25.17"

    pairs = written(sources, tmp_path / "out", renumber)
    assert score(sources, tmp_path / "out", pairs).broken_references == ("(0020,000D)",)


def test_stray_files_are_seen(sources, tmp_path):
    pairs = written(sources, tmp_path / "out")
    (tmp_path / "out" / "notes.txt").write_text("left over")
    assert score(sources, tmp_path / "out", pairs).stray_files == ("notes.txt",)
