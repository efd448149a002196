"""The law: an original comes back from its delta and its export, whatever both are."""

from __future__ import annotations

import hashlib
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_dicom_markup.core.vaulting.delta import (
    decode_delta,
    encode_delta,
    make_delta,
    rebuild,
)
from napari_dicom_markup.core.vaulting.matching import found_runs, proven_runs
from napari_dicom_markup.errors import DamagedError
from napari_dicom_markup.model.vault import Run

PIXELS = hashlib.shake_256(b"pixels").digest(200_000)

blocks = st.lists(
    st.one_of(
        st.binary(max_size=300),
        st.sampled_from([PIXELS[:700], PIXELS[700:20_000], bytes(5000), b"ab" * 900]),
    ),
    max_size=6,
).map(b"".join)
numbers = st.integers(-5, 30_000)
claims = st.lists(st.builds(Run, numbers, numbers, numbers), max_size=5)


def came_back(original: bytes, exported: bytes, runs=()) -> bytes:
    delta = decode_delta(encode_delta(make_delta(original, exported, runs)))
    return rebuild(delta, exported)


@settings(max_examples=300, deadline=None)
@given(blocks, blocks, claims)
def test_any_bytes_come_back_whatever_is_claimed(original, exported, runs):
    assert came_back(original, exported, runs) == original


@settings(max_examples=100, deadline=None)
@given(blocks, blocks, st.integers(0, 3000), st.integers(0, 3000), st.integers(0, 20_000))
def test_a_claim_that_partly_holds_gives_only_what_holds(front, back, at, to, length):
    original, exported = front + PIXELS[:9000] + back, back + PIXELS[:9000] + front
    for run in proven_runs(original, exported, [Run(at, to, length)]):
        ours = original[run.start : run.start + run.length]
        assert ours == exported[run.exported : run.exported + run.length]
        assert len(ours) == run.length


def test_pixels_behind_another_header_cost_nothing():
    original, exported = os.urandom(2000) + PIXELS, os.urandom(1700) + PIXELS
    claim = [Run(2000, 1700, len(PIXELS))]
    for runs in ((), claim):
        assert len(encode_delta(make_delta(original, exported, runs))) < 2200
        assert came_back(original, exported, runs) == original


def test_redacted_pixels_are_kept_and_the_others_are_not():
    burnt = PIXELS[:50_000] + bytes(3000) + PIXELS[53_000:]
    for runs in ((), [Run(0, 0, len(PIXELS))]):
        assert 3000 <= len(encode_delta(make_delta(PIXELS, burnt, runs))) < 8000
        assert came_back(PIXELS, burnt, runs) == PIXELS


def test_reordered_frames_are_found_again():
    frames = [PIXELS[at : at + 40_000] for at in range(0, 200_000, 40_000)]
    exported = b"".join(reversed(frames))
    assert sum(run.length for run in found_runs(PIXELS, exported)) == len(PIXELS)


def test_what_has_nothing_in_common_is_kept_whole_and_needs_no_export():
    delta = make_delta(PIXELS, os.urandom(150_000))
    assert delta.whole
    assert rebuild(delta, b"") == PIXELS


def test_a_short_header_takes_less_than_its_own_bytes_against_its_export():
    header = b"".join(b"(0018,%04X) technical value %d; " % (n, n * n) for n in range(150))
    original = header.replace(b"value 49;", b"Canary^Name;") + PIXELS
    delta = encode_delta(make_delta(original, header + PIXELS))
    assert len(delta) < 250


def test_another_export_is_refused():
    delta = make_delta(b"x" * 100 + PIXELS, PIXELS)
    for other in (b"", PIXELS[:-1], b"y" + PIXELS):
        with pytest.raises(DamagedError, match="damaged"):
            rebuild(delta, other)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=120))
def test_bytes_that_are_no_delta_are_refused(data):
    with pytest.raises(DamagedError):
        decode_delta(data)


def test_every_cut_and_flip_of_a_delta_is_refused_or_without_effect():
    original, exported = b"Canary^Name" * 9 + PIXELS[:5000], b"Anon" + PIXELS[:5000]
    data = encode_delta(make_delta(original, exported))
    for at in range(len(data)):
        flipped = data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :]
        for wrong in (data[:at], flipped):
            try:
                assert rebuild(decode_delta(wrong), exported) == original
            except DamagedError:
                continue
