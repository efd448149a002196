"""The planted objects themselves: readable, of many classes, as valid as they were meant."""

from __future__ import annotations

import warnings

import pytest

from tests.identities.objects import BUILDERS, planted_objects, study_of
from tests.identities.people import PEOPLE
from tests.identities.scoring import KEPT, kept_values
from tests.identities.validity import BASELINE, NOT_JUDGED, errors_of, needs_dciodvfy, new_errors


def test_there_are_objects_of_more_than_25_classes():
    assert len({planted.sop_class for planted in planted_objects()}) >= 25
    assert len({planted.key for planted in planted_objects()}) == len(BUILDERS)


@pytest.mark.parametrize("planted", planted_objects(), ids=lambda planted: planted.key)
def test_every_object_can_be_read_with_its_pixels(planted):
    data_set = planted.data_set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert str(data_set.PatientName) == planted.person.name.rstrip("^") or data_set.PatientName
        if "PixelData" in data_set:
            assert data_set.pixel_array.size > 0


def test_every_kept_attribute_stands_in_some_object():
    seen = set()
    for planted in planted_objects():
        data_set = planted.data_set()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            seen |= {element.keyword for element in data_set.iterall()} & KEPT
            assert kept_values(data_set)
    assert KEPT - seen == {"SpacingBetweenSlices"} & (KEPT - seen)


def test_objects_of_one_person_refer_to_each_other():
    study = study_of(PEOPLE[0])
    instances = {str(planted.data_set().SOPInstanceUID) for planted in study}
    assert len(instances) == len(study)
    assert PEOPLE[0].uid(1, 3, 1) in instances


@needs_dciodvfy
@pytest.mark.parametrize("planted", study_of(PEOPLE[0]), ids=lambda planted: planted.key)
def test_objects_have_no_more_errors_than_their_baseline(planted, tmp_path):
    path = tmp_path / "object.dcm"
    path.write_bytes(planted.raw)
    if planted.key not in NOT_JUDGED:
        assert len(errors_of(path)) == BASELINE.get(planted.key, 0), errors_of(path)
    assert new_errors(path, path) == ()
