"""Frames' fragments are found as pydicom finds them, and damaged data never mislead."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.encaps import encapsulate, generate_frames

from napari_dicom_markup.sources.dicom.encapsulation import Span, frame_spans

DELIMITER = b"\xfe\xff\xdd\xe0\0\0\0\0"
STARTS = (b"\xff\xd8\xff\xe0", b"\xff\x4f\xff\x51", b"\x02\0\0\0\x40\0\0\0")


@dataclass
class Memory:
    view: memoryview
    fetched: int = 0

    @property
    def size(self) -> int:
        return self.view.nbytes

    def read(self, offset: int, length: int) -> memoryview:
        assert offset >= 0
        assert length >= 0
        self.fetched += length
        return self.view[offset : offset + length]


def item(value: bytes) -> bytes:
    return b"\xfe\xff\0\xe0" + len(value).to_bytes(4, "little") + value


def encapsulated(frames: list[list[bytes]], table: bytes = b"", end: bytes = DELIMITER) -> bytes:
    return item(table) + b"".join(item(piece) for frame in frames for piece in frame) + end


def offsets(frames: list[list[bytes]]) -> list[int]:
    sizes = [sum(8 + len(piece) for piece in frame) for frame in frames]
    return [0, *accumulate(sizes[:-1])]


def found(data: bytes, frames: int, extended: object = None, *, at: int = 0) -> list[bytes]:
    spans = frame_spans(Memory(memoryview(data)), at, frames, extended)  # type: ignore[arg-type]
    return [b"".join(data[start : start + size] for start, size in frame) for frame in spans]


@st.composite
def codestreams(draw: st.DrawFn, *, lone: bool = False) -> list[list[bytes]]:
    """Frames of one kind, cut into fragments at any even place; each ends as JPEG does."""
    start = draw(st.sampled_from(STARTS[: 3 if lone else 2]))
    frames = []
    for body in draw(st.lists(st.binary(max_size=60), min_size=1, max_size=8)):
        stream = start + body.replace(b"\xff", b"\xfe")
        stream += b"\0" * (len(stream) % 2) + (b"" if start == STARTS[2] else b"\xff\xd9")
        cuts = draw(st.lists(st.integers(4, 40), unique=True, max_size=4))
        places = [0, *sorted(2 * cut for cut in cuts if 8 <= 2 * cut < len(stream)), len(stream)]
        pieces = [stream[a:b] for a, b in pairwise(places)]
        frames.append([stream] if lone else pieces)
    return frames


@given(codestreams(), st.sampled_from(["none", "basic", "extended"]), st.booleans())
def test_frames_are_those_of_pydicom(frames: list[list[bytes]], kind: str, closed: bool) -> None:
    starts = offsets(frames)
    table = np.array(starts, "<u4").tobytes() if kind == "basic" else b""
    data = encapsulated(frames, table, DELIMITER if closed else b"")
    wanted = list(generate_frames(data, number_of_frames=len(frames)))
    lengths = [sum(map(len, frame)) for frame in frames]
    extended = (starts, lengths) if kind == "extended" else None
    assert found(data, len(frames), extended) == wanted[: len(frames)]
    assert wanted == [b"".join(frame) for frame in frames]


@given(codestreams(lone=True), st.binary(max_size=40))
def test_one_fragment_a_frame_needs_no_table_and_survives_a_wrong_one(
    frames: list[list[bytes]], table: bytes
) -> None:
    table = table[: len(table) // 4 * 4]
    if table.startswith((b"\xff\xd8\xff", b"\xff\x4f\xff\x51")):
        return
    assert found(encapsulated(frames, table), len(frames)) == [frame[0] for frame in frames]


@given(codestreams())
def test_fragments_of_one_frame_belong_together(frames: list[list[bytes]]) -> None:
    data = encapsulated(frames)
    assert found(data, 1) == [b"".join(piece for frame in frames for piece in frame)]


@given(codestreams(), st.data())
def test_a_file_that_breaks_off_gives_only_whole_frames(
    frames: list[list[bytes]], data: st.DataObject
) -> None:
    table = np.array(offsets(frames), "<u4").tobytes()
    whole = encapsulated(frames, data.draw(st.sampled_from([table, b""])))
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    try:
        got = found(cut, len(frames))
    except ValueError:
        return
    assert len(got) == len(frames)
    *others, last = zip(got, [b"".join(frame) for frame in frames], strict=True)
    assert all(frame in (b"", stream) for frame, stream in others)
    assert last[1].startswith(last[0])  # where it breaks off between fragments, none can tell


@given(st.binary(max_size=200), st.integers(-3, 40), st.integers(0, 20))
def test_anything_else_is_refused_or_lies_within_the_data(
    data: bytes, frames: int, at: int
) -> None:
    hostile = item(b"") + data.replace(b"\x01", b"\xfe\xff\0\xe0").replace(b"\x02", b"\0\0")
    for given_ in (data, hostile):
        try:
            spans = frame_spans(Memory(memoryview(given_)), at, frames, ([0, 10], [2, -1]))
        except ValueError:
            continue
        assert len(spans) == frames
        assert all(0 <= a <= a + n <= len(given_) for frame in spans for a, n in frame)


def test_a_table_that_counts_from_elsewhere_is_understood() -> None:
    frames = [[b"ab", b"cd"], [b"ef"], [b"ghij"]]
    table = np.array(offsets(frames), "<u4") + 20
    assert found(encapsulated(frames, table.tobytes()), 3) == [b"abcd", b"ef", b"ghij"]


def test_a_wrong_extended_table_gives_way_to_the_basic_one() -> None:
    frames = [[b"ab", b"cd"], [b"ef"]]
    data = encapsulated(frames, np.array(offsets(frames), "<u4").tobytes())
    assert found(data, 2, ([0, 9], [4, 2])) == [b"abcd", b"ef"]
    assert found(data, 2, ([0, 1 << 70], [4, 2])) == [b"abcd", b"ef"]


def test_the_extended_table_drops_a_padding_byte() -> None:
    assert found(encapsulated([[b"abc\0"], [b"de"]]), 2, ([0, 12], [3, 2])) == [b"abc", b"de"]


def test_a_table_may_be_left_out() -> None:
    data = item(STARTS[0]) + item(STARTS[0] + b"ab") + DELIMITER
    assert found(data, 2) == [STARTS[0], STARTS[0] + b"ab"]


def test_empty_fragments_and_garbage_behind_the_delimiter_do_not_count() -> None:
    data = encapsulated([[b"ab"], [b""], [b"cd"]], end=DELIMITER + item(b"xy") + b"\xfc\xff")
    assert found(data, 2) == [b"ab", b"cd"]


@pytest.mark.parametrize(
    ("data", "frames", "reason"),
    [
        pytest.param(b"", 1, "Basic Offset Table", id="nothing"),
        pytest.param(item(b"") + DELIMITER, 1, "no fragment", id="no fragment"),
        pytest.param(item(b"") + item(b"")[:6] + b"\xff\xff", 1, "no fragment", id="cut"),
        pytest.param(item(b"") + item(b"ab") + item(b"cd")[:9], 1, "cut off", id="cut frame"),
        pytest.param(encapsulated([[b"ab"]]), 0, "number of frames", id="no frames"),
        pytest.param(encapsulated([[b"ab"]]), 1 << 31, "number of frames", id="many frames"),
        pytest.param(encapsulated([[b"ab", b"cd", b"ef"]]), 2, "told apart", id="no markers"),
        pytest.param(encapsulated([[STARTS[0]]]), 3, "fewer frames", id="too few"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(data: bytes, frames: int, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        found(data, frames)


def test_four_thousand_frames_take_milliseconds_and_little_reading() -> None:
    source = Memory(memoryview(encapsulate([bytes(20_000)] * 4000)))
    begin = time.perf_counter()
    spans: list[tuple[Span, ...]] = frame_spans(source, 0, 4000)
    assert time.perf_counter() - begin < 1
    assert len(spans) == 4000
    assert source.fetched < 1 << 18


def test_of_truncated_frames_without_a_table_the_whole_ones_are_found() -> None:
    jpeg = encapsulated([[STARTS[0] + b"ab"], [STARTS[0] + b"cd"], [STARTS[0] + b"ef"]], end=b"")
    assert found(jpeg[:-1], 4) == [STARTS[0] + b"ab", STARTS[0] + b"cd", b"", b""]
    assert found(jpeg, 4) == [STARTS[0] + b"ab", STARTS[0] + b"cd", b"", b""]
    rle = encapsulated([[STARTS[2] + b"ab"], [STARTS[2] + b"cd"]], end=b"")
    assert found(rle, 3) == [STARTS[2] + b"ab", STARTS[2] + b"cd", b""]
    assert found(rle[:-1], 2) == [STARTS[2] + b"ab", b""]
