"""What a panel shows of a volume, without any panel."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from pydicom import Dataset
from tests import showcases
from tests.cases import write_series
from tests.data import build_image
from tests.instances import ORIENTATIONS

from napari_dicom_markup import api
from napari_dicom_markup.api.inspecting import describe_position, orientation_word
from napari_dicom_markup.errors import NothingToOpenError, ValuesError
from napari_dicom_markup.model.geometry import PatientFrame

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_dicom_markup.api import Fact
    from napari_dicom_markup.model.stack import Volume


def texts(facts: Iterable[Fact]) -> dict[str, str]:
    return {fact.title: fact.text for fact in facts}


@pytest.fixture(scope="module")
def tilted(tmp_path_factory) -> Volume:
    (volume,) = api.open(showcases.write_tilted(tmp_path_factory.mktemp("tilted"))).result()
    return volume


@pytest.fixture(scope="module")
def diffusion(tmp_path_factory) -> Volume:
    (volume,) = api.open(showcases.write_diffusion(tmp_path_factory.mktemp("mr"))).result()
    return volume


@pytest.fixture(scope="module")
def pet(tmp_path_factory) -> Volume:
    (volume,) = api.open(showcases.write_pet(tmp_path_factory.mktemp("pet"))).result()
    return volume


def test_geometry_says_each_spacing_with_its_source(tilted):
    assert texts(api.inspect(tilted).geometry) == {
        "Matrix": "38 slices of 128 rows × 128 columns",
        "Orientation": "axial",
        "Pixels": "0.8 × 0.8 mm: PixelSpacing",
        "Slices": "every 2.5 mm: positions",
        "Thickness": "2.5 mm: SliceThickness",
    }


def test_every_report_is_told_in_full(tilted):
    gap, tilt = api.inspect(tilted).reports
    assert gap.startswith("missing slices: 2 slices of 2.5 mm are missing")
    assert "at 21.25, 18.75 mm" in gap
    assert tilt.startswith("tilt: tilted by 14.0°")


def test_all_positions_of_many_missing_slices_are_told(tmp_path):
    images = [data for k, data in enumerate(showcases.slices()) if not 10 <= k < 30]
    (volume,) = api.open(showcases.write(images, tmp_path)).result()
    (report,) = api.inspect(volume).reports
    listed = report.partition("all positions: ")[2].removesuffix(" mm").split(", ")
    assert [float(one) for one in listed] == [23.75 - 2.5 * k for k in range(20)]


def test_a_slice_is_located_in_the_patient(tilted):
    here = texts(api.locate(tilted, (0,)))
    shift = 19.5 * 2.5 * math.tan(math.radians(14))
    down = -63.5 * 0.8 - shift
    assert here["Slice"] == "1 of 38"
    assert here["Position"] == f"R 50.8, A {-down:.2f}, S 48.75 mm (first pixel)"
    assert here["File"] == "IM000"
    assert texts(api.locate(tilted, (12,)))["File"] == "IM012"


def test_an_axis_that_is_shown_whole_has_no_place(tilted):
    assert texts(api.locate(tilted, (None,))) == {"Slice": "all 38"}


@pytest.mark.parametrize("index", [-1, 38])
def test_a_place_outside_is_said_to_be(tilted, index):
    assert texts(api.locate(tilted, (index,))) == {"Here": "outside of this image"}


def test_leading_axes_are_told_with_unit_and_coordinates(diffusion):
    assert texts(api.inspect(diffusion).geometry)["Axis b"].startswith(
        "5 volumes, 0 to 1000 s/mm², with direction"
    )
    assert texts(api.locate(diffusion, (0, 3)))["b"].startswith("0 s/mm² (1 of 5)")
    told = texts(api.locate(diffusion, (4, 3)))["b"]
    assert told.startswith("1000 s/mm² (5 of 5); direction 0, 1, 0")
    assert texts(api.locate(diffusion, (None, 3)))["b"] == "all of them"


@pytest.mark.parametrize("name", list(ORIENTATIONS))
def test_the_orientation_is_named_by_the_normal(name):
    row, column = ORIENTATIONS[name][:3], ORIENTATIONS[name][3:]
    patient = PatientFrame("", row, column, (0.0, 0.0, -1.0), ((0.0, 0.0, 0.0),))
    assert orientation_word(patient).startswith(name)


def test_an_oblique_stack_says_by_how_much():
    turn = math.radians(20)
    down = (0.0, math.cos(turn), math.sin(turn))
    patient = PatientFrame("", (1.0, 0.0, 0.0), down, (0.0, 0.0, -1.0), ((0.0, 0.0, 0.0),))
    assert orientation_word(patient) == "oblique, 20.0° from axial"


def test_sides_of_the_patient_have_letters():
    assert describe_position((1.0, -2.0, -3.456)) == "L 1, A 2, I 3.46 mm"


def test_values_tell_unit_and_type(tilted):
    assert texts(api.inspect(tilted).values) == {"Values": "HU, int16"}


def test_looks_are_as_opened_then_those_of_the_object_then_the_full_range(tilted):
    assert [(look.limits, look.base) for look in api.inspect(tilted).looks] == [
        ((0, 79), "gray"),
        ((0, 79), "gray"),
        ((-450, 1049), "gray"),
        ((-1024, 3071), "gray"),
    ]
    titles = [look.title for look in api.inspect(tilted).looks]
    assert titles == ["as opened", "window 1 (0 to 79)", "window 2 (-450 to 1049)", "full range"]


def test_a_curve_is_inverted_for_monochrome1(tmp_path):
    sigmoid = {"WindowCenter": "100", "WindowWidth": "50", "VOILUTFunction": "SIGMOID"}
    plain, inverted = (
        api.open(write_series(tmp_path / word, PhotometricInterpretation=word, **sigmoid)).result()[
            0
        ]
        for word in ("MONOCHROME2", "MONOCHROME1")
    )
    one, other = (api.inspect(volume).looks[1] for volume in (plain, inverted))
    assert (one.base, other.base) == ("gray", "gray_r")
    assert one.title == "curve 1 " + one.title.partition(" 1 ")[2]
    np.testing.assert_allclose(np.add(one.ramp, other.ramp), 1)
    assert one.ramp[0] < 0.01 < 0.99 < one.ramp[-1]


def test_colour_has_no_looks(tmp_path):
    (tmp_path / "one.dcm").write_bytes(build_image(np.zeros((4, 5, 3), np.uint8)))
    (volume,) = api.open(tmp_path).result()
    told = api.inspect(volume)
    assert told.looks == ()
    assert texts(told.values) == {"Values": "colour, uint8"}
    assert texts(told.geometry)["Spacing"] == "none is stated: lengths are in pixels"


def test_other_values_are_offered_for_pet_alone(pet, tilted):
    told = api.inspect(pet)
    assert told.shown_as == told.kinds[0]
    assert told.kinds[0].kind is None
    assert [one.kind for one in told.kinds[1:]] == list(api.SuvKind)
    assert api.inspect(tilted).kinds == ()


def test_suv_is_made_of_the_stated_values_however_often_it_is_chosen(pet):
    data, _, _ = api.revalue(pet, api.SuvKind.BODY_WEIGHT).result()
    np.testing.assert_allclose(data[20], pet.array[20] / 2500, rtol=1e-5)
    again = data.volume
    for kind in (api.SuvKind.BODY_SURFACE, api.SuvKind.BODY_WEIGHT):
        told = api.inspect(again)
        assert told.shown_as is not None
        again = api.revalue(again, kind).result()[0].volume
        shown = api.inspect(again).shown_as
        assert shown is not None
        assert shown.kind is kind
    np.testing.assert_allclose(again.array[20], pet.array[20] / 2500, rtol=1e-5)
    back, _, _ = api.revalue(again, None).result()
    np.testing.assert_array_equal(back[20], pet.array[20])


def test_what_suv_lacks_is_said(tmp_path):
    (volume,) = api.open(showcases.write_pet(tmp_path, PatientWeight=None)).result()
    with pytest.raises(ValuesError, match="PatientWeight is missing"):
        api.revalue(volume, api.SuvKind.BODY_WEIGHT).result()


def test_a_file_that_is_gone_costs_the_panel_its_windows_only(tmp_path):
    (volume,) = api.open(showcases.write_tilted(tmp_path)).result()
    for path in tmp_path.iterdir():
        path.unlink()
    assert [look.title for look in api.inspect(volume).looks] == ["as opened", "full range"]


def test_no_header_text_is_in_what_is_printed(pet):
    stack = replace(pet.stack, reports=())
    told = api.inspect(replace(pet, stack=stack))
    row = api.list_segments({"index": [1], "name": ["liver"], "type": ["organ"]})
    assert "liver" not in repr(row)
    assert "IM0" not in repr((told, api.locate(pet, (3,))))


def test_segments_are_listed_with_their_types():
    features = {"index": [1, 4.0], "name": ["liver", math.nan], "type_meaning": ["Organ", None]}
    rows = [(row.number, row.name, row.kind) for row in api.list_segments(features)]
    assert rows == [(1, "liver", "Organ"), (4, "", "")]
    assert api.list_segments({"name": ["liver"]}) == ()
    assert api.list_segments(None) == ()


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("marked")
    showcases.write(showcases.slices(), folder / "ct")
    return folder / "ct", showcases.write_structures(folder / "rt.dcm")


def test_contours_lie_on_the_images_that_are_open(marked):
    images, structures = marked
    (image,) = api.open_layers(images).result().tuples
    ((data, meta, kind),) = api.contour_layers(structures, [image]).result().tuples
    assert kind == "shapes"
    assert meta["name"] == "RTSTRUCT 1 contours"
    assert all(meta[key] == image[1][key] for key in ("scale", "translate", "units"))
    assert showcases.CANARY not in meta["name"]
    for number, (_, centre, _) in enumerate(showcases.BALLS, start=1):
        own = [one for one, roi in zip(data, meta["features"]["roi"], strict=True) if roi == number]
        world = np.concatenate(own) * meta["scale"] + meta["translate"]
        x, y, z = showcases.place_of(centre)
        middle = (world.max(axis=0) + world.min(axis=0)) / 2
        np.testing.assert_allclose(middle[0], -z, atol=1.25)  # half a slice
        np.testing.assert_allclose(middle[1:], (y, x), atol=0.01)


def test_contours_without_their_images_say_so(marked):
    with pytest.raises(NothingToOpenError, match="images that it refers to are not here"):
        api.contour_layers(marked[1]).result()


def test_files_without_structure_set_have_no_contours(marked):
    with pytest.raises(NothingToOpenError, match="no structure set is among these files"):
        api.contour_layers(marked[0]).result()


def test_a_structure_set_of_points_becomes_points(marked, tmp_path):
    import pydicom

    data = pydicom.dcmread(marked[1])
    item = Dataset()
    item.ContourGeometricType, item.NumberOfContourPoints = "POINT", 1
    item.ContourData = [1.0, 2.0, 3.75]
    data.ROIContourSequence[0].ContourSequence = [item]
    data.save_as(tmp_path / "rt.dcm")
    (image,) = api.open_layers(marked[0]).result().tuples
    layers = api.contour_layers(tmp_path / "rt.dcm", [image]).result().tuples
    assert [kind for _, _, kind in layers] == ["shapes", "points"]
    data, meta, _ = layers[1]
    np.testing.assert_allclose(data * meta["scale"] + meta["translate"], [[-3.75, 2, 1]], atol=1e-6)


def test_closed_contours_are_paths_that_end_where_they_begin(marked):
    (image,) = api.open_layers(marked[0]).result().tuples
    ((data, meta, _),) = api.contour_layers(marked[1], [image]).result().tuples
    assert meta["shape_type"] == "path"
    assert all(len(one) == 73 for one in data)
    for one in data:
        np.testing.assert_array_equal(one[0], one[-1])
