"""Comments and application data out of compressed frames, without touching their pixels.

What stays is what a decoder needs: JPEG keeps JFIF (without its thumbnail, which is pixels) and
Adobe's segment (APP14: it names the colour transform), JPEG-LS keeps HP's colour transform (APP8
``mrfx``; a SPIFF header is not kept, DICOM's own attributes say the same), JPEG 2000 and JPEG XL
keep all but comments and boxes of metadata. JPEG XL's ``jbrd`` box goes too: it holds the
application segments and comments of the JPEG that was recompressed. What cannot be followed to
its end is an error: bytes that nobody understood are not passed on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_dicom_markup.core.anonymizing.items import pydicom_errors
from napari_dicom_markup.core.anonymizing.jpeg_2000 import clean_jpeg_2000
from napari_dicom_markup.core.anonymizing.jpeg_segments import clean_jpeg
from napari_dicom_markup.core.anonymizing.unreadable import unreadable
from napari_dicom_markup.core.anonymizing.wrapping import JP2_START, JXL_START, clean_boxes
from napari_dicom_markup.errors import DecodeError
from napari_dicom_markup.standard import transfer_syntax as ts

if TYPE_CHECKING:
    from collections.abc import Sequence

WITHOUT_COMMENTS = ts.NATIVE | {ts.RLE, ts.ENCAPSULATED_UNCOMPRESSED, ts.DEFLATED_FRAME}
"""Transfer syntaxes whose frames have no place for text."""

_JPEG = frozenset(
    {
        ts.JPEG_BASELINE,
        ts.JPEG_EXTENDED,
        *ts.JPEG_RETIRED,
        ts.JPEG_LOSSLESS,
        ts.JPEG_LOSSLESS_SV1,
        ts.JPEG_LS_LOSSLESS,
        ts.JPEG_LS_NEAR,
    }
)
_JPEG_2000 = frozenset(
    {ts.JPEG_2000_LOSSLESS, ts.JPEG_2000, ts.HTJ2K_LOSSLESS, ts.HTJ2K_LOSSLESS_RPCL, ts.HTJ2K}
)
_JPEG_XL = frozenset({ts.JPEG_XL_LOSSLESS, ts.JPEG_XL_RECOMPRESSION, ts.JPEG_XL})


@dataclass(frozen=True, slots=True)
class Encapsulated:
    """Pixel Data's value with its items, and the Extended Offset Table where there was one."""

    value: bytes
    extended_offsets: bytes | None = None
    extended_lengths: bytes | None = None


def clean_codestream(frame: bytes, transfer_syntax: str) -> bytes:
    """Return a compressed frame without comments and application data, padded to even length.

    Parameters
    ----------
    frame
        All fragments of one frame, joined.
    transfer_syntax
        The UID. What the frame itself begins with decides between JPEG, JPEG 2000 and JPEG XL.

    Raises
    ------
    DecodeError
        The frame cannot be parsed to its end, or nothing is known about its transfer syntax.
    """
    if transfer_syntax in WITHOUT_COMMENTS:
        return _even(frame)
    if transfer_syntax not in _JPEG | _JPEG_2000 | _JPEG_XL:
        text = "frames of this transfer syntax cannot be searched for comments"
        raise DecodeError(text + ": convert the file, or leave it out")
    return _even(_clean(frame))


def clean_pixel_data(
    pixels: Encapsulated, transfer_syntax: str, number_of_frames: int
) -> Encapsulated:
    """Return encapsulated Pixel Data with all frames cleaned; the same object if none held any.

    A frame of several fragments becomes one fragment where anything had to go.

    Raises
    ------
    DecodeError
        The items or a frame cannot be parsed.
    """
    if transfer_syntax in WITHOUT_COMMENTS:
        return pixels
    frames = _frames(pixels, number_of_frames)
    cleaned = [clean_codestream(frame, transfer_syntax) for frame in frames]
    if cleaned == frames:
        return pixels
    return _encapsulate(cleaned, pixels)


def _frames(pixels: Encapsulated, number_of_frames: int) -> list[bytes]:
    """Return the frames, all of them: no fragment may be left over unseen."""
    from pydicom.encaps import generate_fragments, generate_frames

    extended = None
    if pixels.extended_offsets and pixels.extended_lengths:
        extended = (pixels.extended_offsets, pixels.extended_lengths)
    try:
        held = sum(map(len, generate_fragments(pixels.value))) - _table_length(pixels.value)
        if number_of_frames < 1 or number_of_frames > held:
            raise unreadable(0, "number of frames")
        found = generate_frames(
            pixels.value, number_of_frames=number_of_frames, extended_offsets=extended
        )
        frames = list(found)
    except DecodeError:
        raise
    except pydicom_errors():
        raise unreadable(0, "items of Pixel Data") from None
    if len(frames) != number_of_frames or sum(map(len, frames)) < held:
        raise unreadable(0, "items of Pixel Data")
    return frames


def _table_length(value: bytes) -> int:
    """Return the length of the Basic Offset Table, the first item."""
    return int.from_bytes(value[4:8], "little")


def _encapsulate(frames: Sequence[bytes], before: Encapsulated) -> Encapsulated:
    from pydicom.encaps import encapsulate, encapsulate_extended

    if before.extended_offsets:
        return Encapsulated(*encapsulate_extended(list(frames)))
    return Encapsulated(encapsulate(list(frames), has_bot=_table_length(before.value) > 0))


def _clean(frame: bytes) -> bytes:
    if frame[:3] == b"\xff\xd8\xff":
        return clean_jpeg(frame)
    if frame[:4] == b"\xff\x4f\xff\x51":
        return clean_jpeg_2000(frame)
    if frame[:12] in (JP2_START, JXL_START):
        return clean_boxes(frame)
    if frame[:2] == b"\xff\x0a":  # JPEG XL's bare codestream has no place for text
        return frame
    raise unreadable(0, "start of the frame")


def _even(frame: bytes) -> bytes:
    return frame + b"\0" if len(frame) % 2 else frame
