"""pydicom's reading of headers, within bounds: no small file may take much memory or time."""

from __future__ import annotations

import math
import re
import zlib
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO

from napari_dicom_markup.errors import NotDicomError
from napari_dicom_markup.sources.dicom.walk import PREFIX_END
from napari_dicom_markup.standard.transfer_syntax import DEFLATED_LE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pydicom import Dataset

    from napari_dicom_markup.model.stack import Instance

INFLATED_RATIO, INFLATED_REST = 100, 1 << 26
"""A deflated data set may be so many times as large as its file, and 64 MiB besides."""

_ITEM_TAG = b"\xfe\xff\x00\xe0"
_MOST_ITEMS, _LEAST_ITEM_BYTES = 1 << 16, 32
"""So many items may be as short as they like; of more, each needs as many bytes of the file.

pydicom makes an object of 700 bytes of each; eight bytes are an empty item.
"""

_CHUNK = 1 << 20
_OVERLAP = 64

_DEFLATED = re.compile(rb"\x02\x00\x10\x00.{4}" + re.escape(DEFLATED_LE.encode()), re.DOTALL)
"""A TransferSyntaxUID element that says it, its VR and length whatever they are."""

_TOO_MANY = "it has more sequence items than can be believed"
_TOO_LARGE = "its deflated data set inflates to far more than its file can hold"
_NO_META = "its File Meta Information is damaged"

_WIDE_VRS = frozenset(
    {b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"UN", b"SQ", b"SV", b"UC", b"UR", b"UT", b"UV"}
)


def read_bounded(
    instance: Instance,
    raw: bytes | memoryview | None = None,
    keywords: Sequence[str] | None = None,
) -> Dataset:
    """Return what pydicom reads of a file before its pixels.

    Call it, and whatever reads from the result, within ``quiet_pydicom``.

    Parameters
    ----------
    instance : Instance
        What a scan has found out about the file.
    raw : bytes-like, optional
        The file, at least up to its pixels; read from the disk where not given.
    keywords : sequence of str, optional
        The top-level elements to read; all where not given.

    Raises
    ------
    NotDicomError
        It would take far more memory than the file holds.
    Exception
        Whatever pydicom raises: see ``BROKEN``.
    """
    from pydicom import dcmread

    element = instance.element
    end = element.offset if element is not None and element.offset >= 0 else None
    tags = None if keywords is None else list(keywords)
    with instance.file.path.open("rb") if raw is None else BytesIO(raw) as stream:
        check_size(stream, end)
        stream.seek(0)
        return dcmread(stream, force=True, stop_before_pixels=True, specific_tags=tags)


def check_size(stream: BinaryIO, end: int | None = None) -> None:
    """Refuse what pydicom would take far more memory for than the file holds.

    Parameters
    ----------
    stream : BinaryIO
        The file.
    end : int, optional
        Where the pixels begin, which pydicom is not to read.

    Raises
    ------
    NotDicomError
        It has masses of (nearly) empty items, or is deflated (PS3.5 A.5) and inflates to these
        or to far more than its file.
    """
    deflated = _check_parts(_parts(stream, end), math.inf)
    if deflated:
        stream.seek(0)
        raw = stream.read()
        _check_parts(_inflated_parts(raw), INFLATED_RATIO * len(raw) + INFLATED_REST)


def _parts(stream: BinaryIO, end: int | None) -> Iterator[bytes]:
    stream.seek(0)
    left = math.inf if end is None else end
    while left > 0 and (part := stream.read(int(min(left, _CHUNK)))):
        yield part
        left -= len(part)


def _check_parts(parts: Iterable[bytes], limit: float) -> bool:
    """Return whether any part says that the data set is deflated, once size and items are likely.

    Raises
    ------
    NotDicomError
        They are not.
    """
    items, size, rest, deflated = 0, 0, b"", False
    for part in parts:
        both = rest + part
        items += both[len(rest[:-3]) :].count(_ITEM_TAG)
        deflated = deflated or _DEFLATED.search(both) is not None
        size, rest = size + len(part), both[-_OVERLAP:]
        if size > limit:
            raise NotDicomError(_TOO_LARGE)
    if items > _MOST_ITEMS and items * _LEAST_ITEM_BYTES > size:
        raise NotDicomError(_TOO_MANY)
    return deflated


def _inflated_parts(raw: bytes) -> Iterator[bytes]:
    """Yield what a deflated data set inflates to, a chunk at a time, as far as it is sound."""
    end = _end_of_meta(raw)
    if not any(one.start() < end <= len(raw) for one in _DEFLATED.finditer(raw)):
        raise NotDicomError(_NO_META)  # pydicom may yet find that it is deflated, and where
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    with suppress(zlib.error):  # pydicom says so
        for at in range(end, len(raw), _CHUNK):
            pending = raw[at : at + _CHUNK]
            while pending and not inflater.eof:
                yield inflater.decompress(pending, _CHUNK)
                pending = inflater.unconsumed_tail


def _end_of_meta(raw: bytes) -> int:
    """Return where the File Meta Information (group 0002, PS3.10 7.1) ends."""
    at = PREFIX_END
    while raw[at : at + 2] == b"\2\0":
        wide = raw[at + 4 : at + 6] in _WIDE_VRS
        place, size = (at + 8, 4) if wide else (at + 6, 2)
        at = place + size + int.from_bytes(raw[place : place + size], "little")
    return at
