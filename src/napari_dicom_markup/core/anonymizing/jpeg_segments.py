"""JPEG and JPEG-LS without comments and application data (ITU-T T.81 B.1, T.87 C)."""

from __future__ import annotations

import re

from napari_dicom_markup.core.anonymizing.unreadable import unreadable

_SOI, _EOI, _SOS, _SOF_LS, _COM, _TEM = 0xD8, 0xD9, 0xDA, 0xF7, 0xFE, 0x01
_APP0, _APP8, _APP14, _APP15 = 0xE0, 0xE8, 0xEE, 0xEF
_LSE = 0xF8

_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""In entropy-coded data FF00 is a data byte, FFD0 to FFD7 restart it, FFFF fills (T.81 B.1.1)."""

_NEXT_MARKER_LS = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")
"""In JPEG-LS FF and a byte below 80 are data (T.87 A.1)."""

_JFIF_HEAD = 12
"""Length of JFIF's segment up to its thumbnail: identifier, version, density."""

_ADOBE_LENGTH = 12
_HP_TRANSFORM_LENGTH = 5


def clean_jpeg(frame: bytes) -> bytes:
    """Return a JPEG or JPEG-LS image without comments, application data and what follows it.

    Raises
    ------
    DecodeError
        A segment runs past the end, or is none that these standards know.
    """
    kept, position = [b"\xff\xd8"], 2
    after_scan = _NEXT_MARKER
    seen_scan = False
    while True:
        code, position = _marker(frame, position, seen_scan=seen_scan)
        if code == _EOI:
            return b"".join((*kept, b"\xff\xd9"))
        if code == _TEM:
            continue
        payload, end = _payload(frame, position, code)
        if code == _SOF_LS:
            after_scan = _NEXT_MARKER_LS
        kept.append(_written(code, _kept(code, payload)))
        position = end
        if code == _SOS:
            seen_scan = True
            found = after_scan.search(frame, end)
            position = found.start() if found else len(frame)
            kept.append(frame[end:position])
            if not found:  # cut after its data: decoders take it, and so do we
                return b"".join(kept)


def _marker(frame: bytes, position: int, *, seen_scan: bool) -> tuple[int, int]:
    """Return a marker's code and where it ends; fill bytes before it are skipped."""
    start = position
    while frame[position : position + 1] == b"\xff":
        position += 1
    if position == start or position >= len(frame):
        if seen_scan and not frame[start:].strip(b"\0"):
            return _EOI, len(frame)
        raise unreadable(start, "marker")
    return frame[position], position + 1


def _payload(frame: bytes, position: int, code: int) -> tuple[bytes, int]:
    """Return what a segment holds behind its length, and where it ends."""
    length = int.from_bytes(frame[position : position + 2], "big")
    end = position + length
    known = code >= 0xC0 and not 0xD0 <= code <= _SOI and not 0xF0 <= code < _SOF_LS
    if length < 2 or end > len(frame) or not known or _LSE < code < _COM:
        raise unreadable(position - 2, "segment")
    return frame[position + 2 : end], end


def _written(code: int, payload: bytes | None) -> bytes:
    """Return a segment as bytes, none if it does not stay."""
    if payload is None:
        return b""
    return b"".join((b"\xff", bytes([code]), (len(payload) + 2).to_bytes(2, "big"), payload))


def _kept(code: int, payload: bytes) -> bytes | None:
    """Return what stays of a segment, None if nothing does."""
    if code == _COM:
        return None
    if not _APP0 <= code <= _APP15:
        return payload
    if code == _APP0 and payload.startswith(b"JFIF\0") and len(payload) >= _JFIF_HEAD:
        return payload[:_JFIF_HEAD] + b"\0\0"
    if code == _APP14 and payload.startswith(b"Adobe") and len(payload) >= _ADOBE_LENGTH:
        return payload[:_ADOBE_LENGTH]
    if code == _APP8 and payload.startswith(b"mrfx") and len(payload) >= _HP_TRANSFORM_LENGTH:
        return payload[:_HP_TRANSFORM_LENGTH]
    return None
