"""Tiny codestreams of every transfer syntax that something can decode, with their samples.

Most are encoded when they are asked for. Nothing that is installed encodes the retired processes
of JPEG, so those of `_RAMP` stand here: of 8 bits as libjpeg-turbo 2.1.5's cjpeg wrote them at
quality 98; the one of 12 bits is what imagecodecs wrote, its scan parted into spectral bands.
"""

from __future__ import annotations

import zlib
from base64 import b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicom_markup.model.stack import PixelFormat
from napari_dicom_markup.standard import transfer_syntax as ts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A frame's codestream, the samples it was made of, and how far decoders may be off.

    ``samples`` is (rows, columns) or (rows, columns, 3), RGB, unsigned.
    """

    label: str
    stream: bytes
    samples: NDArray[Any]
    photometric: str
    bits: int
    tolerance: int = 0

    @property
    def pixels(self) -> PixelFormat:
        """How a data set would describe the frame."""
        rows, columns, *more = self.samples.shape
        allocated = 8 * self.samples.dtype.itemsize if self.bits > 1 else 1
        return PixelFormat(
            rows, columns, more[0] if more else 1, self.photometric, 0,
            allocated, self.bits, signed=False, frames=1,
        )  # fmt: skip

    def agrees(self, decoded: NDArray[Any]) -> bool:
        """Return whether decoded samples are these, within the tolerance."""
        if decoded.shape != self.samples.shape:
            return False
        difference = decoded.astype(np.int64) - self.samples
        return int(np.abs(difference).max()) <= self.tolerance


def ramp(bits: int) -> NDArray[Any]:
    """Return 16 × 16 grey samples that rise down and to the right, in the upper bits too."""
    rows, columns = np.mgrid[:16, :16]
    grey: NDArray[Any] = 40 + 8 * rows + 4 * columns
    wide = grey * {8: 1, 12: 15, 16: 256}[bits]
    return wide.astype(np.uint8 if bits <= 8 else np.uint16)


def colours() -> NDArray[Any]:
    """Return 16 × 16 RGB samples, smooth enough for subsampled chroma."""
    grey = ramp(8)
    return np.ascontiguousarray(np.stack([grey, 255 - grey, grey.T], axis=-1))


_RAMPS: dict[str, dict[int, str]] = {
    ts.JPEG_EXTENDED_ARITHMETIC: {
        8: (
            "/9j/2wBDAAEBAQEBAQEBAQEBAQEBAQIBAQEBAQIBAQECAgICAgICAgIDAwQDAwMDAwICAwQDAwQEBAQE"
            "AgMFBQQEBQQEBAT/yQALCAAQABABAREA/8wABgAQEAX/2gAIAQEAAD8A/wDuU5+88xFX6AyfUjaUDE8T"
            "B8tunJKA+NdrsR3mcCVuyP/Z"
        ),
    },
    ts.JPEG_SPECTRAL: {
        8: (
            "/9j/2wBDAAEBAQEBAQEBAQEBAQEBAQIBAQEBAQIBAQECAgICAgICAgIDAwQDAwMDAwICAwQDAwQEBAQE"
            "AgMFBQQEBQQEBAT/wgALCAAQABABAREA/8QAFAABAAAAAAAAAAAAAAAAAAAACf/aAAgBAQAAAAAj0AQB"
            "AP/EABYQAAMAAAAAAAAAAAAAAAAAAAAHCP/aAAgBAQABBQBbTaLabRbTaLabT//EABgQAAIDAAAAAAAA"
            "AAAAAAAAAAAEJENR/9oACAEBAAY/AF4GVC8DKheBlQvAyo//2Q=="
        ),
        12: (
            "/9j/2wBDAAEBAQEBAQEBAQEBAQEBAQIBAQEBAQIBAQECAgICAgICAgIDAwQDAwMDAwICAwQDAwQEBAQE"
            "AgMFBQQEBQQEBAT/wgALDAAQABABAREA/8QAFQABAQAAAAAAAAAAAAAAAAAADA3/xAAcEAAABgMAAAAA"
            "AAAAAAAAAAAACwwoN0dVY3P/2gAIAQEAAAAAjN7wB4A8A//aAAgBAQABPwAu5TukGMax1d89ILuU7pBj"
            "GsdXfPSC7lO6QYxrHV3z0gu5TukGMax1d89I/9k="
        ),
    },
    ts.JPEG_SPECTRAL_ARITHMETIC: {
        8: (
            "/9j/2wBDAAEBAQEBAQEBAQEBAQEBAQIBAQEBAQIBAQECAgICAgICAgIDAwQDAwMDAwICAwQDAwQEBAQE"
            "AgMFBQQEBQQEBAT/ygALCAAQABABAREA/8wABAAQ/9oACAEBAAAAAP8A7lB1k2D/zAAEEAX/2gAIAQEA"
            "AQUAFpgeYfTSPNAE1DfQ/8wABBAF/9oACAEBAAY/ABTqjJ9SL+Wz+pthpDzEsv/Z"
        ),
    },
    ts.JPEG_PROGRESSIVE: {
        8: (
            "/9j/2wBDAAEBAQEBAQEBAQEBAQEBAQIBAQEBAQIBAQECAgICAgICAgIDAwQDAwMDAwICAwQDAwQEBAQE"
            "AgMFBQQEBQQEBAT/wgALCAAQABABAREA/8QAFAABAAAAAAAAAAAAAAAAAAAACP/aAAgBAQAAAAEjoBAI"
            "D//EABYQAAMAAAAAAAAAAAAAAAAAAAAFBv/aAAgBAQABBQJbNi2bFs2LZs//xAAXEAADAQAAAAAAAAAA"
            "AAAAAAAAAiKh/9oACAEBAAY/AljBYwWMFjD/xAAUEAEAAAAAAAAAAAAAAAAAAAAg/9oACAEBAAE/IQpS"
            "lf/aAAgBAQAAABAP/8QAFRABAQAAAAAAAAAAAAAAAAAAAKH/2gAIAQEAAT8Qkslksl//2Q=="
        ),
    },
    ts.JPEG_PROGRESSIVE_ARITHMETIC: {
        8: (
            "/9j/2wBDAAEBAQEBAQEBAQEBAQEBAQIBAQEBAQIBAQECAgICAgICAgIDAwQDAwMDAwICAwQDAwQEBAQE"
            "AgMFBQQEBQQEBAT/ygALCAAQABABAREA/8wABAAQ/9oACAEBAAAAAf8A3Kdnn//MAAQQBf/aAAgBAQAB"
            "BQIWI0NY09RXAtWD/8wABBAF/9oACAEBAAY/Ah2hLxmXF2502P/MAAQQBf/aAAgBAQABPyEfa8VDoP/a"
            "AAgBAQAAABBg/8wABBAF/9oACAEBAAE/EKY/QiDG/9k="
        ),
    },
}
"""Base64 of `ramp` by transfer syntax and bits."""


def samples_of(syntax: str) -> list[Sample]:
    """Return the samples of a transfer syntax, none where there is no way to make any.

    Raises
    ------
    ImportError
        Where imagecodecs was built without the encoder.
    """
    if syntax in _RAMPS:
        return [
            Sample(_bits(bits), b64decode(text), ramp(bits), "MONOCHROME2", bits, 2)
            for bits, text in _RAMPS[syntax].items()
        ]
    maker = _MAKERS.get(syntax)
    return list(maker(syntax)) if maker is not None else []


def _bits(bits: int) -> str:
    return "1 bit" if bits == 1 else f"{bits} bits"


def _grey(bits: int, stream: bytes, tolerance: int = 0) -> Sample:
    return Sample(_bits(bits), stream, ramp(bits), "MONOCHROME2", bits, tolerance)


def _colour(stream: bytes, photometric: str = "RGB", tolerance: int = 0) -> Sample:
    return Sample("colour", stream, colours(), photometric, 8, tolerance)


def _single_bits() -> NDArray[Any]:
    """Return the ramp's multiples of three less one as ones."""
    return ramp(8) % 3 // 2


def _imagecodecs(name: str) -> Callable[..., bytes]:
    """Return an encoder, which is imported when it is asked for."""
    import imagecodecs

    encoder: Callable[..., bytes] = getattr(imagecodecs, name)
    return encoder


def _jpeg(syntax: str) -> Iterator[Sample]:
    jpeg8_encode = _imagecodecs("jpeg8_encode")
    yield _grey(8, jpeg8_encode(ramp(8), level=98), 2)
    yield _colour(jpeg8_encode(colours(), level=98), "YBR_FULL_422", 16)
    if syntax == ts.JPEG_EXTENDED:
        yield _grey(12, jpeg8_encode(ramp(12), level=98, bitspersample=12), 4)


def _jpeg_lossless(syntax: str) -> Iterator[Sample]:
    jpeg8_encode = _imagecodecs("jpeg8_encode")
    for predictor in (1,) if syntax == ts.JPEG_LOSSLESS_SV1 else range(1, 8):
        for bits in (8, 12, 16):
            options = {"lossless": True, "predictor": predictor, "bitspersample": bits}
            sample = _grey(bits, jpeg8_encode(ramp(bits), **options))
            label = f"{sample.label}, predictor {predictor}"
            yield Sample(label, sample.stream, sample.samples, sample.photometric, bits)


def _jpeg_ls(syntax: str) -> Iterator[Sample]:
    jpegls_encode = _imagecodecs("jpegls_encode")
    level = 2 if syntax == ts.JPEG_LS_NEAR else 0
    for bits in (8, 12, 16):
        yield _grey(bits, jpegls_encode(ramp(bits), level=level), level)
    yield _colour(jpegls_encode(colours(), level=level), tolerance=level)


def _jpeg_2000(syntax: str) -> Iterator[Sample]:
    jpeg2k_encode = _imagecodecs("jpeg2k_encode")
    lossless = syntax == ts.JPEG_2000_LOSSLESS
    options = {"level": 0 if lossless else 60, "codecformat": "j2k", "reversible": lossless}
    for bits in (8, 12, 16):
        stream = jpeg2k_encode(ramp(bits), bitspersample=bits, **options)
        yield _grey(bits, stream, 0 if lossless else 1 << (bits - 7))


def _htj2k(syntax: str) -> Iterator[Sample]:
    htj2k_encode = _imagecodecs("htj2k_encode")
    lossless = syntax != ts.HTJ2K
    for bits in (8, 16):
        stream = htj2k_encode(ramp(bits), reversible=lossless)
        yield _grey(bits, stream, 0 if lossless else 1 << (bits - 7))


def _jpeg_xl(syntax: str) -> Iterator[Sample]:
    jpeg8_encode = _imagecodecs("jpeg8_encode")
    jpegxl_encode = _imagecodecs("jpegxl_encode")
    if syntax == ts.JPEG_XL_RECOMPRESSION:
        recompressed = _imagecodecs("jpegxl_encode_jpeg")
        yield _grey(8, recompressed(jpeg8_encode(ramp(8), level=98)), 2)
        jpeg = jpeg8_encode(colours(), level=98)
        yield _colour(recompressed(jpeg), "YBR_FULL_422", 16)
        return
    lossless = syntax == ts.JPEG_XL_LOSSLESS
    options = {"lossless": True} if lossless else {"distance": 0.1}
    for bits in (8, 12, 16):
        stream = jpegxl_encode(ramp(bits), bitspersample=bits, **options)
        yield _grey(bits, stream, 0 if lossless else 1 << (bits - 5))
    yield _colour(jpegxl_encode(colours(), **options), tolerance=0 if lossless else 8)


def _rle(syntax: str) -> Iterator[Sample]:
    del syntax
    for bits in (8, 16):
        planes = ramp(bits).astype(f">u{bits // 8}").view(np.uint8).reshape(-1, bits // 8).T
        yield _grey(bits, _rle_stream([plane.tobytes() for plane in planes]))
    yield _colour(_rle_stream([colours()[..., i].tobytes() for i in range(3)]))
    packed = np.packbits(_single_bits(), bitorder="little").tobytes()
    yield Sample("1 bit", _rle_stream([packed]), _single_bits(), "MONOCHROME2", 1)


def _rle_stream(planes: list[bytes]) -> bytes:
    """Return byte planes as literal runs (PS3.5 G.3): a run of 128 bytes has the header 127."""
    runs = [
        b"".join(
            bytes([len(plane[at : at + 128]) - 1]) + plane[at : at + 128]
            for at in range(0, len(plane), 128)
        )
        for plane in planes
    ]
    padded = [run + b"\x80" * (len(run) % 2) for run in runs]
    starts = [64 + sum(map(len, padded[:i])) for i in range(len(padded))]
    header = np.array([len(padded), *starts], "<u4").tobytes().ljust(64, b"\0")
    return header + b"".join(padded)


def _native(syntax: str) -> Iterator[Sample]:
    order = ">" if syntax == ts.EXPLICIT_BE else "<"
    for bits in (8, 16):
        yield _grey(bits, ramp(bits).astype(f"{order}u{bits // 8}").tobytes())


def _deflated(syntax: str) -> Iterator[Sample]:
    for sample in _native(syntax):
        deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        yield _grey(sample.bits, deflate.compress(sample.stream) + deflate.flush())


_MAKERS: dict[str, Callable[[str], Iterator[Sample]]] = {
    ts.IMPLICIT_LE: _native,
    ts.EXPLICIT_LE: _native,
    ts.EXPLICIT_BE: _native,
    ts.ENCAPSULATED_UNCOMPRESSED: _native,
    ts.DEFLATED_LE: _deflated,
    ts.DEFLATED_FRAME: _deflated,
    ts.JPEG_BASELINE: _jpeg,
    ts.JPEG_EXTENDED: _jpeg,
    ts.JPEG_LOSSLESS: _jpeg_lossless,
    ts.JPEG_LOSSLESS_SV1: _jpeg_lossless,
    ts.JPEG_LS_LOSSLESS: _jpeg_ls,
    ts.JPEG_LS_NEAR: _jpeg_ls,
    ts.JPEG_2000_LOSSLESS: _jpeg_2000,
    ts.JPEG_2000: _jpeg_2000,
    ts.HTJ2K_LOSSLESS: _htj2k,
    ts.HTJ2K_LOSSLESS_RPCL: _htj2k,
    ts.HTJ2K: _htj2k,
    ts.JPEG_XL_LOSSLESS: _jpeg_xl,
    ts.JPEG_XL_RECOMPRESSION: _jpeg_xl,
    ts.JPEG_XL: _jpeg_xl,
    ts.RLE: _rle,
}
