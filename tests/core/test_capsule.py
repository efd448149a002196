"""The law of exact restoration, for any bytes and any claims."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_dicom_markup.core import capsule
from napari_dicom_markup.core.capsule import (
    PACK_FROM,
    Encapsulated,
    encapsulate,
    rebuild,
)
from napari_dicom_markup.errors import DamagedError
from napari_dicom_markup.model.claim import Claim, PlaneLayout
from napari_dicom_markup.model.sidecar import Part, PartKind

layouts = st.builds(
    PlaneLayout,
    rows=st.integers(0, 9),
    columns=st.integers(0, 9),
    samples=st.sampled_from([0, 1, 2, 3]),
    width=st.sampled_from([0, 1, 2, 4]),
    big_endian=st.booleans(),
)
claims = st.builds(
    Claim, offset=st.integers(-5, 400), length=st.integers(-5, 400), layout=st.none() | layouts
)


encode_image = capsule._encode_image


def restored(found: Encapsulated) -> bytes:
    literal, payload = io.BytesIO(found.literal), io.BytesIO(b"".join(found.payload))
    return b"".join(rebuild(found.parts, literal.read, payload.read))


@given(raw=st.binary(max_size=400), claims=st.lists(claims, max_size=5))
def test_any_bytes_with_any_claims_come_back(raw: bytes, claims: list[Claim]) -> None:
    assert restored(encapsulate(raw, claims)) == raw


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    spread=st.sampled_from([0, 1, 255, 256, 4095, 65535]),
    layout=st.builds(
        PlaneLayout,
        rows=st.integers(1, 40),
        columns=st.integers(1, 40),
        samples=st.sampled_from([1, 3]),
        width=st.sampled_from([1, 2]),
        big_endian=st.booleans(),
    ),
    start=st.integers(0, 65535),
)
def test_planes_of_any_range_come_back(
    seed: int, spread: int, layout: PlaneLayout, start: int
) -> None:
    random = np.random.default_rng(seed)
    numbers = start + random.integers(0, spread + 1, layout.size // layout.width)
    kind = f"{'>' if layout.big_endian else '<'}u{layout.width}"
    plane = (numbers & (256**layout.width - 1)).astype(kind).tobytes()
    raw = b"head" + plane * 2 + b"tail"
    assert restored(encapsulate(raw, [Claim(4, 2 * len(plane), layout)])) == raw


def ct_plane() -> bytes:
    y, x = np.mgrid[:64, :64]
    return (1000 * np.sin(x / 9) - 900 + y).astype("<i2").tobytes()


def test_a_signed_plane_is_stored_as_one_jpeg_ls_part() -> None:
    plane = ct_plane()
    capsule = encapsulate(plane, [Claim(0, len(plane), PlaneLayout(64, 64, 1, 2))])
    assert [part.kind for part in capsule.parts] == [PartKind.PLANE]
    assert len(capsule.payload[0]) < 0.5 * len(plane)


@pytest.mark.parametrize("values", [1, 2, 150, 256, 257])
def test_a_plane_of_few_values_in_16_bits_is_stored_as_one_jpeg_ls_part(values: int) -> None:
    plane = (1000 + np.arange(64 * 64) // 64 % values).astype("<u2").tobytes()
    capsule = encapsulate(plane, [Claim(0, len(plane), PlaneLayout(64, 64, 1, 2))])
    assert [part.kind for part in capsule.parts] == [PartKind.PLANE]
    assert restored(capsule) == plane


def test_a_claim_that_does_not_fit_the_file_costs_only_size() -> None:
    plane = ct_plane()
    capsule = encapsulate(plane, [Claim(10, len(plane), PlaneLayout(64, 64, 1, 2))])
    assert [part.kind for part in capsule.parts] == [PartKind.LITERAL]
    assert restored(capsule) == plane


def test_a_long_run_without_claim_is_packed_apart_from_the_headers() -> None:
    raw = b"\x01\x00" * PACK_FROM
    capsule = encapsulate(raw, [])
    assert capsule.literal == b""
    assert [part.kind for part in capsule.parts] == [PartKind.PACKED]
    assert restored(capsule) == raw


def test_bytes_that_do_not_shrink_are_kept_as_they_are() -> None:
    raw = np.random.default_rng(1).bytes(PACK_FROM)
    capsule = encapsulate(raw, [])
    assert [part.kind for part in capsule.parts] == [PartKind.VERBATIM]
    assert restored(capsule) == raw


@pytest.mark.parametrize("at", range(0, 400, 7))
def test_a_damaged_plane_is_an_error_or_visible_in_the_bytes(at: int) -> None:
    plane = ct_plane()
    capsule = encapsulate(plane, [Claim(0, len(plane), PlaneLayout(64, 64, 1, 2))])
    damaged = bytearray(capsule.payload[0])
    damaged[at] ^= 0x10
    try:
        again = restored(Encapsulated(capsule.parts, b"", (bytes(damaged),)))
    except DamagedError:
        return
    assert len(again) == len(plane)


def test_a_plane_that_declares_a_gigantic_size_is_refused_before_it_is_decoded() -> None:
    header = b"\xff\xd8\xff\xf7\x00\x0b\x10\xff\xff\xff\xff\x01\x01\x11\x00"
    part = Part(PartKind.PLANE, 65535 * 65535 * 2, len(header), 65535, 65535, 1, 2)
    with pytest.raises(DamagedError, match="declared size"):
        list(rebuild([part], io.BytesIO().read, io.BytesIO(header).read))


def test_missing_bytes_are_damage() -> None:
    with pytest.raises(DamagedError, match="ends before"):
        list(rebuild([Part(PartKind.LITERAL, 5)], io.BytesIO(b"abc").read, io.BytesIO().read))


def lying_codec(image: np.ndarray) -> bytes:
    wrong = image.copy()
    wrong[0, 0] ^= 1
    return encode_image(wrong)


def test_a_codec_that_loses_a_bit_costs_size_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capsule, "_encode_image", lying_codec)
    plane = ct_plane()
    claims = [Claim(0, len(plane), PlaneLayout(64, 64, 1, 2))]
    checked = encapsulate(plane, claims)
    assert [part.kind for part in checked.parts] == [PartKind.LITERAL]
    assert restored(checked) == plane
    assert restored(encapsulate(plane, claims, checked=False)) != plane


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("largest", [200, 4000, 65535])
def test_large_planes_come_back_and_begin_with_their_frame_header(
    samples: int, largest: int
) -> None:
    layout = PlaneLayout(400, 401, samples, 2)
    ramp = np.arange(layout.size // 2) % 401 / 400
    plane = (7 + (largest - 7) * ramp).astype("<u2").tobytes()
    found = encapsulate(plane, [Claim(0, len(plane), layout)])
    assert [part.kind for part in found.parts] == [PartKind.PLANE]
    assert found.payload[0].startswith(b"\xff\xd8\xff\xf7")
    assert restored(found) == plane
