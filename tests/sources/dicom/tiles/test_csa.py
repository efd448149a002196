"""CSA headers of both forms are read, and damaged ones as far as they hold together."""

from __future__ import annotations

import warnings
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sources.dicom.tiles.tiled import build_csa

from napari_dicom_markup.sources.dicom.tiles.csa import csa_numbers, finite_numbers, read_csa
from napari_dicom_markup.sources.dicom.tiles.protocol import read_slice_array

letters = st.characters(min_codepoint=33, max_codepoint=126)
words = st.text(letters, min_size=1, max_size=20)
headers = st.dictionaries(words, st.lists(words, max_size=4).map(tuple), max_size=6)
forms = pytest.mark.parametrize("newer", [True, False], ids=["SV10", "CSA1"])

WHOLE = {"Echo": ("7",), "NumberOfImagesInMosaic": ("48",), "SliceNormalVector": ("0", "0", "1")}


@forms
@given(entries=headers, spare=st.integers(0, 3))
def test_reading_returns_what_was_built(*, newer: bool, entries, spare):
    assert read_csa(build_csa(entries, newer=newer, spare=spare)) == entries


@given(entries=headers, spare=st.integers(0, 3))
def test_the_older_form_may_be_padded_by_four_more(entries, spare):
    """SPM's reader has it so, nibabel's has not: the marks tell."""
    assert read_csa(build_csa(entries, newer=False, spare=spare, pad=4)) == entries


@given(raw=st.binary(max_size=400))
def test_any_bytes_are_read_without_error(raw):
    for prefix in (b"", b"SV10\4\3\2\1", b"SV10\4\3\2\1\xff\xff\xff\x7fM\0\0\0"):
        found = read_csa(prefix + raw)
        assert sum(len(text) for texts in found.values() for text in texts) <= len(raw) + 16
        read_slice_array(b"### ASCCONV BEGIN ###\nsSliceArray.lSize = 9\n" + raw, 64)


@forms
@given(data=st.data())
def test_a_damaged_header_is_read_without_error(*, newer: bool, data):
    raw = bytearray(build_csa(WHOLE, newer=newer, spare=2))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] = data.draw(st.integers(0, 255))
    found = read_csa(bytes(raw))
    assert sum(len(text) for texts in found.values() for text in texts) <= len(raw)
    csa_numbers(found, "SliceNormalVector", 3)


@forms
def test_a_header_that_is_cut_off_keeps_its_whole_tags(*, newer: bool):
    raw = build_csa(WHOLE, newer=newer)
    for end in range(len(raw)):
        found = read_csa(raw[:end])
        assert all(found[name] == WHOLE[name][: len(found[name])] for name in found)
    assert read_csa(raw[: raw.index(b"SliceNormal")])["NumberOfImagesInMosaic"] == ("48",)


def test_a_claim_of_billions_of_tags_and_items_costs_nothing():
    head = b"SV10\4\3\2\1\xff\xff\xff\xffM\0\0\0"
    tag = b"A".ljust(64, b"\0") + b"\1\0\0\0DS\0\0\6\0\0\0\xff\xff\xff\x7fM\0\0\0"
    assert read_csa(head + tag + b"\0" * 64) == {"A": ()}


@pytest.mark.parametrize("texts", [("nan",), ("1e999",), ("1_0",), ("a",), (), ("1", "2")])
def test_only_so_many_finite_numbers_are_numbers(texts):
    assert finite_numbers(texts, 1) is None


@pytest.mark.parametrize("name", ["csa2_b0.bin", "csa2_b1000.bin", "csa_str_valid.bin"])
def test_values_are_those_that_nibabel_reads(name):
    nibabel = pytest.importorskip("nibabel")
    raw = (Path(nibabel.__file__).parent / "nicom" / "tests" / "data" / name).read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nibabel warns that it is experimental
        theirs = import_module("nibabel.nicom.csareader").read(raw)["tags"]
    ours = read_csa(raw)
    assert set(ours) == set(theirs)
    for tag, texts in ours.items():
        items = [item for item in theirs[tag]["items"] if item != ""]
        assert len(items) == len(texts), tag
        for item, text in zip(items, texts, strict=True):
            assert (item.strip() == text) if isinstance(item, str) else item == float(text), tag
