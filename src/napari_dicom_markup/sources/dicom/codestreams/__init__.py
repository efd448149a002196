"""From encapsulated pixel data (PS3.5 A.4) to samples: fragments, their headers, and the codecs.

imagecodecs decodes; what it refuses goes to pydicom with whatever plug-ins are installed.
"""

from napari_dicom_markup.sources.dicom.codestreams.fragments import fragments, joined
from napari_dicom_markup.sources.dicom.codestreams.headers import (
    Codestream,
    colour_space,
    jpeg_2000_header,
    jpeg_header,
    jpeg_xl_header,
)
from napari_dicom_markup.sources.dicom.codestreams.samples import (
    CODEC_ERRORS,
    HTJ2K,
    JPEG,
    JPEG_2000,
    JPEG_LS,
    JPEG_XL,
    LARGEST_RATIO,
    PYDICOM_SYNTAXES,
    SAFE_BYTES,
    check_ratio,
    decode,
    decode_with_pydicom,
    pydicom_options,
)

__all__ = [
    "CODEC_ERRORS",
    "HTJ2K",
    "JPEG",
    "JPEG_2000",
    "JPEG_LS",
    "JPEG_XL",
    "LARGEST_RATIO",
    "PYDICOM_SYNTAXES",
    "SAFE_BYTES",
    "Codestream",
    "check_ratio",
    "colour_space",
    "decode",
    "decode_with_pydicom",
    "fragments",
    "joined",
    "jpeg_2000_header",
    "jpeg_header",
    "jpeg_xl_header",
    "pydicom_options",
]
