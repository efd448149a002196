"""Which instances have frames that can stand in a stack, and why the others have none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_dicom_markup.standard import transfer_syntax as ts
from napari_dicom_markup.standard.sop_classes import MARKUP, WHOLE_SLIDE, describe_sop_class

if TYPE_CHECKING:
    from napari_dicom_markup.model.stack import Instance, PixelElement, PixelFormat

DECODABLE = (
    ts.NATIVE
    | ts.JPEG_RETIRED
    | {
        ts.JPEG_BASELINE,
        ts.JPEG_EXTENDED,
        ts.JPEG_LOSSLESS,
        ts.JPEG_LOSSLESS_SV1,
        ts.JPEG_LS_LOSSLESS,
        ts.JPEG_LS_NEAR,
        ts.JPEG_2000_LOSSLESS,
        ts.JPEG_2000,
        ts.HTJ2K_LOSSLESS,
        ts.HTJ2K_LOSSLESS_RPCL,
        ts.HTJ2K,
        ts.JPEG_XL_LOSSLESS,
        ts.JPEG_XL_RECOMPRESSION,
        ts.JPEG_XL,
        ts.RLE,
        ts.DEFLATED_FRAME,
        ts.ENCAPSULATED_UNCOMPRESSED,
    }
)
"""The transfer syntaxes that sources.dicom.frames decodes."""

BITS_ALLOCATED = frozenset({1, 8, 12, 16, 32, 64})
"""The sizes of a stored value that sources.dicom decodes; PS3.5 section 8.1.1 knows no others
but multiples of 8, which no decoder here has, and ACR-NEMA's packed 12."""

_AIMS = dict.fromkeys(MARKUP, "opened as labels on the images it refers to") | {
    WHOLE_SLIDE: "opened as a pyramid, not as a stack"
}
"""What becomes of kinds that stand in no stack, but are opened all the same."""

_UID = re.compile(r"[0-9.]{1,64}")
"""The characters of a UID (PS3.5 section 9.1): any other value may be somebody's name."""


def why_no_frame(instance: Instance) -> str | None:
    """Return why an instance cannot stand in a stack, or None when it can."""
    kind = describe_sop_class(instance.sop_class_uid)
    if kind is not None:
        is_level = "VOLUME" in instance.acquisition.image_type
        if kind == WHOLE_SLIDE and not is_level:
            return f"{kind}: its label, overview or thumbnail is not opened"
        return f"{kind}: {_AIMS.get(kind, 'no image')}"
    if instance.pixels is None:
        return "no image: the object has no matrix of pixels"
    return _why_no_pixels(instance, instance.pixels)


def _why_no_pixels(instance: Instance, pixels: PixelFormat) -> str | None:
    if instance.element is None:
        return "no pixel data in the file"
    if instance.transfer_syntax_uid not in DECODABLE:
        return _why_undecodable(instance.transfer_syntax_uid)
    if pixels.samples not in {1, 3}:
        return f"{pixels.samples} samples per pixel: only 1 and 3 are known"
    return _why_no_bits(pixels, instance.element) or _why_cut_short(instance, pixels)


def _why_undecodable(uid: str) -> str:
    name = f"transfer syntax {uid}" if _UID.fullmatch(uid) else "its transfer syntax"
    return f"{name} cannot be decoded"


def _why_no_bits(pixels: PixelFormat, element: PixelElement) -> str | None:
    """Return what is wrong with the bits; BitsStored means nothing for float pixels."""
    if pixels.bits_allocated not in BITS_ALLOCATED:
        return f"{pixels.bits_allocated} bits allocated: only 1, 8, 12, 16, 32 and 64 are known"
    if element.keyword == "PixelData" and not 1 <= pixels.bits_stored <= pixels.bits_allocated:
        return f"{pixels.bits_stored} bits stored in {pixels.bits_allocated}: not possible"
    return None


def _why_cut_short(instance: Instance, pixels: PixelFormat) -> str | None:
    element = instance.element
    if element is None or element.length is None or element.offset < 0:
        return None
    needed = _native_size(pixels)
    held = min(element.length, instance.file.size - element.offset)
    if held < needed:
        return f"pixel data are cut short: {max(held, 0)} of {needed} bytes"
    return None


def _native_size(pixels: PixelFormat) -> int:
    """Return the bytes that all frames take when they are not encapsulated (PS3.5 section 8.1).

    YBR_FULL_422 and YBR_PARTIAL_422 keep two of three samples: 4 bytes for each pair of pixels.
    """
    samples = 2 if pixels.photometric.endswith("_422") else pixels.samples
    bits = pixels.rows * pixels.columns * samples * pixels.bits_allocated * pixels.frames
    return (bits + 7) // 8
