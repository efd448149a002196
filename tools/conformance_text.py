"""The words of docs/conformance.md: names of kinds, reasons, and what is not shown."""

from __future__ import annotations

from napari_dicom_markup.standard import transfer_syntax as ts

ONE, MANY = "one frame", "multi-frame"
NO_DICOM = "not DICOM"

UNFOUND = "neither opened nor named"
UNDECODED = "its pixels cannot be decoded"
UNDECODED_BY_PYDICOM = "pydicom does not decode it"
NO_CSA = "no CSA header for nibabel"
WRONG_SHAPE = "another shape than pydicom's"
WRONG_STORED = "other stored values than pydicom's"
WRONG_PHYSICAL = "other physical values than the formula's"
WRONG_PLACE = "not at the formula's place"
PLACE_MISSING = "the header states a plane, the stack has none"
PLACE_INVENTED = "the stack has a plane, the header states none"

EXPLAINED = {
    UNDECODED: "opened, but refused when it is shown: a delimiter was written over its codestream, "
    "and pydicom refuses it too",
    UNDECODED_BY_PYDICOM: "shown, but not compared here, for it is 12-bit JPEG, which pydicom does "
    "not decode: `tests/sources/dicom/test_frames.py` has two pixels of each from pydicom's tests",
    NO_CSA: "values compared, but not places, for it lacks the CSA header that nibabel needs: "
    "`tests/sources/dicom/tiles/test_against_peers.py` has what dcm2niix says",
}
"""Each difference and what cannot be proven here, in a sentence; there may be no others."""

REASONS = {
    "no image: the object has no matrix": "A header without Rows, Columns or BitsAllocated. "
    "In the corpus these are file sets made to test DICOMDIR, pixels removed.",
    "no pixel data in the file": "It describes pixels, and holds none.",
    "pixel data are cut short": "Native pixel data that end before the last frame does: a part of "
    "an image is not shown as if it were all.",
    "DICOM of no series": "Neither a series nor pixels: data sets made to test readers.",
    "color palette": "Colours for other images to use.",
    "DICOMDIR": "It is an index. Given itself it stands for the files that it names.",
    "not DICOM": "Text, pictures, archives, and what no reader takes for a data set.",
    "the images that it refers to are not here": "A segmentation or structure set is labels on "
    "images: open it together with them. The corpus lacks the images of most.",
    "whole slide image": "A pyramid of tiles is one multiscale layer, and no stack: not judged "
    "here, see `tests/api/test_slides.py`.",
    "microscopy annotations": "Marks on whole slides.",
    "structured report": "A document, no image.",
    "waveform": "Signals over time, no image.",
    "RT plan": "Beams, no image.",
    "RT ion plan": "Beams, no image.",
    "presentation state": "How to show other images.",
    "encapsulated document": "A PDF or another document.",
    "raw data": "A maker's own data, in no form that the standard describes.",
    "MR spectroscopy": "Spectra, no image.",
    "transfer syntax": "No decoder here: video and the references of JPIP, above.",
}
"""The beginning of a reason to why the file is not opened; a reason must be here."""

_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.66.7": "Label Map Segmentation",
    "1.2.840.10008.5.1.4.1.1.88.11": "Structured Report",
    "1.2.840.10008.5.1.4.1.1.88.33": "Structured Report",
    "1.2.840.10008.5.1.4.1.1.88.34": "Structured Report",
}
MERGED = frozenset({"Segmentation", "Label Map Segmentation", "VL Whole Slide Microscopy Image"})
"""Classes that have a row a transfer syntax, whatever their pixels."""

WITHOUT_PIXELS = frozenset(
    {
        "12-lead ECG Waveform",
        "Color Palette",
        "Microscopy Bulk Simple Annotations",
        "RT Ion Plan",
        "RT Plan",
        "RT Structure Set",
        "Structured Report",
        "no SOP Class",
    }
)
"""Kinds that are not expected to have pixels."""

_SYNTAXES = (
    (ts.NATIVE, "native"),
    ({ts.JPEG_BASELINE, ts.JPEG_EXTENDED} | ts.JPEG_RETIRED, "JPEG"),
    ({ts.JPEG_LOSSLESS, ts.JPEG_LOSSLESS_SV1}, "JPEG Lossless"),
    ({ts.JPEG_LS_LOSSLESS, ts.JPEG_LS_NEAR}, "JPEG-LS"),
    ({ts.JPEG_2000_LOSSLESS, ts.JPEG_2000}, "JPEG 2000"),
    ({ts.HTJ2K_LOSSLESS, ts.HTJ2K_LOSSLESS_RPCL, ts.HTJ2K}, "HTJ2K"),
    ({ts.RLE}, "RLE"),
    ({ts.DEFLATED_FRAME}, "deflated frames"),
)


def class_name(uid: object) -> str:
    """Return what a SOP class is called."""
    from pydicom.uid import UID

    if not uid:
        return "no SOP Class"
    return _CLASSES.get(str(uid), UID(str(uid)).name.replace(" Storage", ""))


def syntax_group(uid: str) -> str:
    """Return the family that a transfer syntax is of."""
    return next((name for members, name in _SYNTAXES if uid in members), "another")


def pixel_group(photometric: object, bits: object) -> str:
    """Return photometric interpretation and bits, as far as they matter."""
    name = str(photometric)
    if name.startswith(("RGB", "YBR")):
        return f"{name[:3]} {'8' if bits == 8 else '16 or 32'} bits"
    return f"{name} {bits} bits" if photometric else ""


def explanation(reason: str) -> str:
    """Return why a file of this reason is not opened.

    Raises
    ------
    LookupError
        Nothing explains it.
    """
    for start, sentence in REASONS.items():
        if reason.startswith(start):
            return sentence
    message = f"no explanation of: {reason}"
    raise LookupError(message)


HEAD = """\
# Conformance

Written by `python -m tools.conformance` out of a run over real files, and compared with a new run
by `tests/test_conformance.py`. A file counts once, whatever its name; what has a twin of the same
SOP Instance UID is opened by itself here.

- **opened**: in a stack; for segmentations and structure sets, as labels on their images.
- **right**: every frame of the file was proven. Its stored values are pydicom's (of lossy
  codestreams to one grey level); its physical values are what pydicom's modality LUT, palette,
  or the formula of the rescale, dose scaling or real world value mapping makes of them; its
  corners lie within 10⁻⁴ mm of PS3.3 C.7.6.2.1.1, with position, orientation and spacing read by
  pydicom from the functional groups, the NM detector, the dose grid or the top level. A mosaic's
  slices lie within 10⁻² mm of nibabel's. Padding is left out: it is shown as background.
- **refused**: in no stack, with the reason. Nothing is left out without one.

*native* stands for implicit and explicit little endian, big endian and deflated data sets.
"""

LABELS = (
    "as labels: `tests/core/segmenting/test_placing.py` compares the voxels of segmentations with "
    "highdicom's, `tests/core/test_contouring.py` those of contours with exact geometry"
)

UNSHOWN = """\
## What an object says that is not shown

- **Supplemental palettes** colour a part of a grey image (PS3.3 C.7.6.19): it is shown grey, its
  values whole. Palettes of 16 bits are shown by their upper 8.
- **Colour** of more than 8 bits is shown by its upper 8; ICC profiles are not applied.
- **Overlays** (60xx), embedded ones included, are not drawn; the bits above BitsStored are masked.
- **VOI windows and LUTs** never change values: a window gives contrast limits, and a VOI LUT a
  choice of them.
- **Real world value mappings** count where the object has no rescale; of several the first one.
- **Pixel padding** gets the darkest value of the image beside it where it would be shown bright.
- **Fractional segmentations** are shown from one half on, with a note.
- **Presentation states**, hanging protocols, shutters, and annotations are not applied.
- **An aspect ratio without spacing** (PixelAspectRatio) is not applied: the pixels are square.
- **ConcatenationUID**: the parts of a concatenation are objects of their own.
- All of it stays in the original, and so in the bundle.
"""
