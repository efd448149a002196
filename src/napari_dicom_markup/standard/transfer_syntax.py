"""Transfer syntaxes (PS3.5 section 10 and annex A, PS3.6 annex A, edition 2026d)."""

from __future__ import annotations

from dataclasses import dataclass

IMPLICIT_LE = "1.2.840.10008.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
DEFLATED_LE = "1.2.840.10008.1.2.1.99"
EXPLICIT_BE = "1.2.840.10008.1.2.2"
ENCAPSULATED_UNCOMPRESSED = "1.2.840.10008.1.2.1.98"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
JPEG_EXTENDED_ARITHMETIC = "1.2.840.10008.1.2.4.52"
JPEG_SPECTRAL = "1.2.840.10008.1.2.4.53"
JPEG_SPECTRAL_ARITHMETIC = "1.2.840.10008.1.2.4.54"
JPEG_PROGRESSIVE = "1.2.840.10008.1.2.4.55"
JPEG_PROGRESSIVE_ARITHMETIC = "1.2.840.10008.1.2.4.56"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.57"
JPEG_LOSSLESS_SV1 = "1.2.840.10008.1.2.4.70"
JPEG_LS_LOSSLESS = "1.2.840.10008.1.2.4.80"
JPEG_LS_NEAR = "1.2.840.10008.1.2.4.81"
JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"
JPEG_2000 = "1.2.840.10008.1.2.4.91"
JPEG_XL_LOSSLESS = "1.2.840.10008.1.2.4.110"
JPEG_XL_RECOMPRESSION = "1.2.840.10008.1.2.4.111"
JPEG_XL = "1.2.840.10008.1.2.4.112"
HTJ2K_LOSSLESS = "1.2.840.10008.1.2.4.201"
HTJ2K_LOSSLESS_RPCL = "1.2.840.10008.1.2.4.202"
HTJ2K = "1.2.840.10008.1.2.4.203"
RLE = "1.2.840.10008.1.2.5"
DEFLATED_FRAME = "1.2.840.10008.1.2.8.1"

NATIVE = frozenset({"", IMPLICIT_LE, EXPLICIT_LE, DEFLATED_LE, EXPLICIT_BE})
"""Pixel data are not encapsulated ("" : a file without file meta, taken as it reads)."""

JPEG_RETIRED = frozenset(
    {
        JPEG_EXTENDED_ARITHMETIC,
        JPEG_SPECTRAL,
        JPEG_SPECTRAL_ARITHMETIC,
        JPEG_PROGRESSIVE,
        JPEG_PROGRESSIVE_ARITHMETIC,
    }
)
"""Retired lossy processes: arithmetic coding, spectral selection and full progression."""

LOSSY = JPEG_RETIRED | {
    JPEG_BASELINE,
    JPEG_EXTENDED,
    JPEG_LS_NEAR,
    JPEG_2000,
    HTJ2K,
    JPEG_XL_RECOMPRESSION,
    JPEG_XL,
}
"""Syntaxes whose decoders may differ by a grey level (those of JPEG 2000, HTJ2K and JPEG XL may
also be lossless)."""


@dataclass(frozen=True, slots=True)
class TransferSyntax:
    """A row of PS3.6 table A-1."""

    uid: str
    name: str
    retired: bool = False


EDITION = "2025d"
"""The edition of PS3.6 that `TABLE` follows; names as in pydicom 3.0.2's dictionary."""

_ROWS = """
2|Implicit VR Little Endian
2.1|Explicit VR Little Endian
2.1.98|Encapsulated Uncompressed Explicit VR Little Endian
2.1.99|Deflated Explicit VR Little Endian
2.2|Explicit VR Big Endian|retired
2.4.50|JPEG Baseline (Process 1)
2.4.51|JPEG Extended (Process 2 and 4)
2.4.52|JPEG Extended (Process 3 and 5)|retired
2.4.53|JPEG Spectral Selection, Non-Hierarchical (Process 6 and 8)|retired
2.4.54|JPEG Spectral Selection, Non-Hierarchical (Process 7 and 9)|retired
2.4.55|JPEG Full Progression, Non-Hierarchical (Process 10 and 12)|retired
2.4.56|JPEG Full Progression, Non-Hierarchical (Process 11 and 13)|retired
2.4.57|JPEG Lossless, Non-Hierarchical (Process 14)
2.4.58|JPEG Lossless, Non-Hierarchical (Process 15)|retired
2.4.59|JPEG Extended, Hierarchical (Process 16 and 18)|retired
2.4.60|JPEG Extended, Hierarchical (Process 17 and 19)|retired
2.4.61|JPEG Spectral Selection, Hierarchical (Process 20 and 22)|retired
2.4.62|JPEG Spectral Selection, Hierarchical (Process 21 and 23)|retired
2.4.63|JPEG Full Progression, Hierarchical (Process 24 and 26)|retired
2.4.64|JPEG Full Progression, Hierarchical (Process 25 and 27)|retired
2.4.65|JPEG Lossless, Hierarchical (Process 28)|retired
2.4.66|JPEG Lossless, Hierarchical (Process 29)|retired
2.4.70|JPEG Lossless, Non-Hierarchical, First-Order Prediction (Process 14 [Selection Value 1])
2.4.80|JPEG-LS Lossless Image Compression
2.4.81|JPEG-LS Lossy (Near-Lossless) Image Compression
2.4.90|JPEG 2000 Image Compression (Lossless Only)
2.4.91|JPEG 2000 Image Compression
2.4.92|JPEG 2000 Part 2 Multi-component Image Compression (Lossless Only)
2.4.93|JPEG 2000 Part 2 Multi-component Image Compression
2.4.94|JPIP Referenced
2.4.95|JPIP Referenced Deflate
2.4.100|MPEG2 Main Profile / Main Level
2.4.100.1|Fragmentable MPEG2 Main Profile / Main Level
2.4.101|MPEG2 Main Profile / High Level
2.4.101.1|Fragmentable MPEG2 Main Profile / High Level
2.4.102|MPEG-4 AVC/H.264 High Profile / Level 4.1
2.4.102.1|Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.1
2.4.103|MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1
2.4.103.1|Fragmentable MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1
2.4.104|MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video
2.4.104.1|Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video
2.4.105|MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video
2.4.105.1|Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video
2.4.106|MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2
2.4.106.1|Fragmentable MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2
2.4.107|HEVC/H.265 Main Profile / Level 5.1
2.4.108|HEVC/H.265 Main 10 Profile / Level 5.1
2.4.110|JPEG XL Lossless
2.4.111|JPEG XL JPEG Recompression
2.4.112|JPEG XL
2.4.201|High-Throughput JPEG 2000 Image Compression (Lossless Only)
2.4.202|High-Throughput JPEG 2000 with RPCL Options Image Compression (Lossless Only)
2.4.203|High-Throughput JPEG 2000 Image Compression
2.4.204|JPIP HTJ2K Referenced
2.4.205|JPIP HTJ2K Referenced Deflate
2.5|RLE Lossless
2.7.1|SMPTE ST 2110-20 Uncompressed Progressive Active Video
2.7.2|SMPTE ST 2110-20 Uncompressed Interlaced Active Video
2.8.1|Deflated Image Frame Compression
20|Papyrus 3 Implicit VR Little Endian|retired
"""

_ROOT = "1.2.840.10008.1."


def _row(line: str) -> TransferSyntax:
    end, name, *retired = line.split("|")
    return TransferSyntax(_ROOT + end, name, bool(retired))


TABLE = tuple(_row(line) for line in _ROWS.split("\n") if line)
"""Every transfer syntax that can hold pixels, by UID; not those of MIME, XML and audio."""
