"""Siemens mosaics become slices that lie where they were, or are refused with the reason."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.instances import ORIENTATIONS
from tests.sources.dicom.tiles.tiled import (
    CSA,
    MR,
    SDI,
    Tiled,
    build_csa,
    build_mosaic,
    build_protocol,
    csa_of,
    image,
    planes_of,
    texts,
)

from napari_dicom_markup.errors import DecodeError
from napari_dicom_markup.sources.dicom.tiles import describe_tiles, is_tiled

TOLERANCE_MM = 1e-5


def check(tiled: Tiled, raw: bytes) -> None:
    """Assert that the frames of a mosaic are the slices it was built of."""
    frames = describe_tiles(image(raw), raw)
    assert len(frames) == tiled.count
    positions = np.array([frame.position for frame in frames])
    np.testing.assert_allclose(positions, tiled.origins, rtol=0, atol=TOLERANCE_MM)
    side = int(np.ceil(np.sqrt(tiled.count)))
    np.testing.assert_array_equal(planes_of(tiled.matrix(side, side), frames), tiled.volume)
    first = frames[0]
    assert (first.pixels.rows, first.pixels.columns) == tiled.shape
    assert first.grid.pixel_spacing == tiled.spacing
    if tiled.count > 1:
        assert first.grid.spacing_between_slices == pytest.approx(tiled.between)
    for frame in frames:
        assert frame.number == 0
        assert frame.grid is first.grid
        assert frame.acquisition is first.acquisition
        assert frame.values is first.values


@pytest.mark.parametrize(
    ("image_type", "expected"),
    [
        (("ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"), True),
        (("ORIGINAL", "PRIMARY", "M", "VFRAME"), True),
        (("ORIGINAL", "PRIMARY", "M", "ND"), False),
        ((), False),
    ],
)
def test_the_image_type_tells_of_tiles(image_type, *, expected: bool):
    assert is_tiled(image_type) is expected


@pytest.mark.parametrize("newer", [True, False], ids=["SV10", "CSA1"])
@pytest.mark.parametrize("sign", [1, -1], ids=["along", "against"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_slices_go_along_the_stated_normal(orientation, sign, *, newer: bool):
    tiled = Tiled(orientation, sign=sign)
    check(tiled, build_mosaic(tiled, csa_of(tiled, newer=newer)))


@pytest.mark.parametrize("count", [1, 2, 4, 5, 9, 10])
def test_tiles_beyond_the_slices_are_no_frames(count):
    tiled = Tiled(count=count)
    check(tiled, build_mosaic(tiled, csa_of(tiled)))


@pytest.mark.parametrize("reverse", [False, True], ids=["ascending", "descending"])
@pytest.mark.parametrize("sign", [1, -1], ids=["along", "against"])
def test_the_protocol_alone_tells_number_direction_and_spacing(sign, *, reverse: bool):
    """Whichever way the protocol numbers its slices, the first tile's place decides."""
    tiled = Tiled(sign=sign)
    centres = tiled.origins + 4.0 * tiled.cosines[0] + 3.0 * tiled.cosines[1]
    protocol = build_protocol(centres[::-1] if reverse else centres)
    raw = build_mosaic(tiled, (CSA, 0x20, "OB", protocol), SpacingBetweenSlices=None)
    check(tiled, raw)


def test_number_and_normal_of_xa_do_without_csa_header():
    tiled = Tiled(sign=-1)
    normal = (SDI, 0x02, "FD", list(-tiled.normal))
    check(tiled, build_mosaic(tiled, (MR, 0x0A, "US", 5), normal))
    check(tiled, build_mosaic(tiled, (SDI, 0x01, "US", 5), normal))


def test_the_header_is_found_without_its_creator():
    """De-identification takes the creator away and leaves the element: the corpus has such."""
    tiled = Tiled()
    raw = build_mosaic(tiled, csa_of(tiled))
    creator = CSA[1].encode()
    at = raw.index(b"\x29\0\x10\0LO")
    size = int.from_bytes(raw[at + 6 : at + 8], "little")
    assert raw[at + 8 :].startswith(creator)
    check(tiled, raw[:at] + raw[at + 8 + size :])


def test_the_pixels_need_not_be_there():
    tiled = Tiled()
    raw = build_mosaic(tiled, csa_of(tiled))
    instance = image(raw)
    head = memoryview(raw)[: instance.element.offset]
    assert describe_tiles(instance, head) == describe_tiles(instance, raw)


def test_the_file_is_read_where_no_bytes_are_given(tmp_path):
    tiled = Tiled()
    raw = build_mosaic(tiled, csa_of(tiled))
    path = tmp_path / "mosaic.dcm"
    path.write_bytes(raw)
    instance = image(raw)
    placed = replace(instance, file=replace(instance.file, location=str(path)))
    assert [f.position for f in describe_tiles(placed)] == [
        f.position for f in describe_tiles(instance, raw)
    ]


@pytest.mark.parametrize(
    "private",
    [
        [(MR, 0x0C, "IS", "1000"), (MR, 0x0E, "FD", [0.6, 0.0, 0.8])],
        [(SDI, 0x05, "IS", "1000"), (SDI, 0x46, "FD", [0.6, 0.0, 0.8])],
    ],
    ids=["0019", "0021"],
)
def test_diffusion_comes_from_private_elements(private):
    tiled = Tiled()
    raw = build_mosaic(tiled, csa_of(tiled), *private)
    acquisition = describe_tiles(image(raw), raw)[0].acquisition
    assert acquisition.b_value == 1000
    assert acquisition.b_direction == pytest.approx((0.6, 0.0, 0.8))


def test_diffusion_comes_from_the_csa_header_and_zero_has_no_direction():
    tiled = Tiled()
    weighted = csa_of(tiled, B_value=("1000",), DiffusionGradientDirection=texts((0.6, 0.0, 0.8)))
    for private, b_value, has_direction in (
        (weighted, 1000, True),
        (csa_of(tiled, B_value=("0",)), 0, False),
        (csa_of(tiled), None, False),
    ):
        raw = build_mosaic(tiled, private)
        acquisition = describe_tiles(image(raw), raw)[0].acquisition
        assert acquisition.b_value == b_value
        assert (acquisition.b_direction is not None) is has_direction


def counted(count: str, **more: tuple[str, ...]) -> tuple[object, ...]:
    return (CSA, 0x10, "OB", build_csa({"NumberOfImagesInMosaic": (count,), **more}))


AXIAL = Tiled("axial")
NORMAL = {"SliceNormalVector": ("0", "0", "1")}


@pytest.mark.parametrize(
    ("private", "more", "reason"),
    [
        ([], {}, "without its private header"),
        ([counted("0", **NORMAL)], {}, "without its private header"),
        ([counted("2000000000", **NORMAL)], {}, "without its private header"),
        ([counted("17", **NORMAL)], {}, "do not fit"),
        ([counted("5")], {}, "where its slices go"),
        ([counted("5", SliceNormalVector=("0", "1", "0"))], {}, "contradict"),
        ([counted("5", **NORMAL)], {"SpacingBetweenSlices": None}, "where its slices go"),
        ([csa_of(AXIAL)], {"ImagePositionPatient": None}, "without position"),
        ([csa_of(AXIAL)], {"PixelSpacing": None}, "without position or pixel spacing"),
        ([csa_of(AXIAL)], {"ImageOrientationPatient": None}, "without an orientation"),
        ([csa_of(AXIAL)], {"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "sound orientation"),
        ([csa_of(AXIAL)], {"ImagePositionPatient": ["1e308"] * 3}, None),
        ([csa_of(AXIAL)], {"NumberOfFrames": 2}, "frames of their own"),
    ],
)
def test_what_cannot_be_told_apart_is_refused_with_the_reason(private, more, reason):
    raw = build_mosaic(AXIAL, *private, **more)
    instance = image(raw)
    if reason is None:
        assert all(np.isfinite(f.position).all() for f in describe_tiles(instance, raw))
        return
    with pytest.raises(DecodeError, match=f"built.dcm: .*{reason}"):
        describe_tiles(instance, raw)


def test_a_protocol_whose_slices_lie_elsewhere_gives_no_direction():
    tiled = Tiled("axial")
    elsewhere = build_protocol(tiled.origins + np.array((0.0, 0.0, 100.0)))
    raw = build_mosaic(tiled, (CSA, 0x20, "OB", elsewhere))
    with pytest.raises(DecodeError, match="where its slices go"):
        describe_tiles(image(raw), raw)


def test_a_file_that_is_gone_is_refused():
    tiled = Tiled()
    with pytest.raises(DecodeError, match="cannot be read"):
        describe_tiles(image(build_mosaic(tiled, csa_of(tiled))))


FUZZED = Tiled(count=5)
WHOLE = build_mosaic(
    FUZZED,
    csa_of(FUZZED),
    (MR, 0x0A, "US", 5),
    (CSA, 0x20, "OB", build_protocol(FUZZED.origins)),
)
INSTANCE = image(WHOLE)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damaged_files_give_frames_or_the_reason(data):
    raw = bytearray(WHOLE[: data.draw(st.integers(0, len(WHOLE)))])
    for _ in range(data.draw(st.integers(0, 5)) if raw else 0):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        frames = describe_tiles(INSTANCE, bytes(raw))
    except DecodeError:
        return
    assert 1 <= len(frames) <= 1024
    for frame in frames:
        assert frame.tile.row + frame.tile.rows <= INSTANCE.pixels.rows
        assert frame.tile.column + frame.tile.columns <= INSTANCE.pixels.columns
        assert np.isfinite(frame.position).all()
