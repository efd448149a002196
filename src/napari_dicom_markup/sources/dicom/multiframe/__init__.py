"""Multi-frame objects as frames: each with its place, its values and what tells it apart.

Enhanced and Legacy Converted objects say this in functional groups (PS3.3 C.7.6.16), classic
ones in vectors with an entry a frame (NM, RT dose) or in nothing but a frame time (cine).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dicom_markup.errors import DecodeError
from napari_dicom_markup.sources.dicom.multiframe.cine import cine_frames
from napari_dicom_markup.sources.dicom.multiframe.dose import dose_frames
from napari_dicom_markup.sources.dicom.multiframe.functional import functional_frames, has_groups
from napari_dicom_markup.sources.dicom.multiframe.nuclear import nuclear_frames
from napari_dicom_markup.sources.dicom.multiframe.reading import read_header

if TYPE_CHECKING:
    from napari_dicom_markup.model.stack import Frame, Instance, PixelFormat

__all__ = ["describe_frames"]

FRAME_LIMIT = 1 << 18
"""Frames that are described of one object: a small file may claim millions of a pixel each."""

_FRAGMENT_HEADER = 8
"""Bytes that an encapsulated frame takes at least (PS3.5 A.4)."""


def describe_frames(instance: Instance, raw: bytes | memoryview | None = None) -> tuple[Frame, ...]:
    """Return the frames of an image in the order of its file, ``number`` from 0.

    Parameters
    ----------
    instance
        An image, as a scan describes it; a single-frame one has one frame.
    raw
        Its file's bytes, of which the pixels may be missing; without, the file is read.

    Notes
    -----
    - Positions are in mm, LPS. Those of Enhanced US volumes are in the volume's own frame of
      reference (PS3.3 C.8.24.2), whose UID the frame's grid then has.
    - A frame has no position where the object states none for it: a top-level position is that
      of a single frame, and of all frames of a cine run (FrameTime, FrameTimeVector).
    - Real World Value Mappings replace a rescale without meaning (RescaleType US, UNSPECIFIED or
      none) and one that changes nothing; those by table leave the stored values. One that maps
      only some of the values that can be stored keeps its range (``measured``).
    - Counters are what differs between frames and tells apart what their places do not, and
      physical numbers of functional groups that all frames share: other objects may differ.
    - The parts of a concatenation have instance numbers in their order.

    Raises
    ------
    DecodeError
        More frames are claimed than the file can hold, or the functional groups contradict it.
    NotDicomError
        The header cannot be read.

    """
    pixels = _believable(instance)
    header = read_header(instance, raw)
    if has_groups(header):
        return functional_frames(instance, pixels, header)
    if instance.modality == "RTDOSE":
        return dose_frames(instance, pixels, header)
    if instance.modality == "NM":
        return nuclear_frames(instance, pixels, header)
    return cine_frames(instance, pixels, header)


def _believable(instance: Instance) -> PixelFormat:
    """Return the pixel format of an image whose file has bytes for all frames.

    A frame takes a bit a pixel and a whole byte at least, or a fragment's header.
    """
    pixels, element = instance.pixels, instance.element
    if pixels is None or element is None:
        message = "it has no pixels: only images have frames"
        raise DecodeError(message)
    offset, length = element.offset, element.length
    rest = max(instance.file.size - offset, 0) if offset >= 0 else length or 0
    if length is None:
        most = rest // _FRAGMENT_HEADER
    else:
        held = min(rest, length)
        most = min(held, 8 * held // (pixels.rows * pixels.columns))
    if pixels.frames > max(most, 1):
        message = "it claims more frames than the file can hold"
        raise DecodeError(message)
    if pixels.frames > FRAME_LIMIT:
        message = "it has more frames than are described one by one"
        raise DecodeError(message)
    return pixels
