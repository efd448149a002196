"""Boxes from ultrasound regions and from templates."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_dicom_markup.core.redacting.burning import mask_of
from napari_dicom_markup.core.redacting.regions import outside_regions, remembered, template_key
from napari_dicom_markup.model.redaction import Area, Box, BoxSource, RiskFacts

areas = st.lists(st.builds(Area, *[st.integers(-4, 24)] * 2, *[st.integers(0, 24)] * 2), max_size=6)


@given(areas, st.integers(1, 24), st.integers(1, 24))
def test_boxes_are_exactly_what_no_region_covers(regions, rows, columns):
    facts = RiskFacts(rows=rows, columns=columns, regions=tuple(regions))
    boxes = outside_regions(facts)
    inside = mask_of([Box(area) for area in regions], (1, rows, columns))
    total = sum((mask_of([box], (1, rows, columns)).astype(int) for box in boxes), start=0)
    if inside.any():
        assert np.array_equal(np.broadcast_to(total, inside.shape), (~inside).astype(int))
    else:
        assert boxes == []


def test_a_region_in_the_middle_leaves_four_boxes():
    facts = RiskFacts(rows=10, columns=20, regions=(Area(2, 3, 5, 6),))
    assert len(outside_regions(facts)) == 4


def make_device(**changes):
    known = {"rows": 10, "columns": 20, "sop_class_uid": "1.2", "device": ("Maker", "Model")}
    return RiskFacts(**(known | changes))


def test_a_template_serves_its_device_matrix_and_class_only():
    key = template_key(make_device(), b"secret")
    assert key == template_key(make_device(device=("MAKER ", "model")), b"secret")
    others = [
        template_key(make_device(rows=11), b"secret"),
        template_key(make_device(sop_class_uid="1.3"), b"secret"),
        template_key(make_device(device=("Maker", "Other")), b"secret"),
        template_key(make_device(), b"another"),
    ]
    assert key not in others
    assert len(set(others)) == len(others)


def test_a_key_and_facts_show_no_device():
    assert "Maker" not in template_key(make_device(), b"secret")
    assert "Maker" not in repr(make_device())


def test_remembered_boxes_come_clipped():
    templates = {template_key(make_device(), b"s"): [Area(8, 0, 10, 5), Area(50, 50, 1, 1)]}
    (box,) = remembered(make_device(), b"s", templates)
    assert (box.area, box.source) == (Area(8, 0, 2, 5), BoxSource.TEMPLATE)
    assert remembered(make_device(rows=9), b"s", templates) == []
