"""The beginnings of files in one piece of memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from napari_dicom_markup.sources.dicom.heads import Room

BATCHES = st.lists(st.lists(st.binary(max_size=70), max_size=12), max_size=4)


@given(BATCHES, st.integers(0, 200))
def test_heads_stand_at_even_places_with_zeros_behind_each_batch_after_batch(batches, size):
    room = Room(size)
    for heads in batches:
        joined, starts, lengths = room.join(iter(heads))
        assert lengths.tolist() == [len(head) for head in heads]
        assert not (starts & 1).any()
        ends = (starts + lengths).tolist()
        for head, start, end in zip(heads, starts.tolist(), ends, strict=True):
            assert joined[start:end].tobytes() == head
            assert not joined[end : end + (end & 1)].any()
        assert joined[-16:].tobytes() == bytes(16)
        assert joined.size == 16 + sum(len(head) + len(head) % 2 for head in heads)
