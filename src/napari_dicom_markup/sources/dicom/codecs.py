"""Which installed decoder decodes which transfer syntax: tried, not believed."""

from __future__ import annotations

import subprocess
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib import metadata
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from napari_dicom_markup.sources.dicom import rescue
from napari_dicom_markup.sources.dicom.codec_samples import Sample, samples_of
from napari_dicom_markup.sources.dicom.codestreams import (
    CODEC_ERRORS,
    HTJ2K,
    JPEG,
    JPEG_2000,
    JPEG_LS,
    JPEG_XL,
    PYDICOM_SYNTAXES,
    decode,
    pydicom_options,
)
from napari_dicom_markup.standard import transfer_syntax as ts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Decode: TypeAlias = Callable[[Sample], "NDArray[Any]"]


@dataclass(frozen=True, slots=True)
class Decoder:
    """An installed decoder of a transfer syntax and how it did.

    ``tried`` names the samples that it was given, ``failed`` those that it refused or got wrong;
    both are empty where it was not tried.
    """

    name: str
    version: str
    tried: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()

    @property
    def proven(self) -> bool:
        """Whether it decoded every sample."""
        return bool(self.tried) and not self.failed


@dataclass(frozen=True, slots=True)
class Codec:
    """A transfer syntax and its installed decoders, in the order in which they are asked.

    ``remedy`` tells what to do where none of them decodes it, and is empty otherwise.
    """

    uid: str
    name: str
    retired: bool
    decoders: tuple[Decoder, ...]
    remedy: str = ""

    @property
    def decodes(self) -> bool:
        """Whether a decoder decoded every sample or at least one."""
        return any(len(decoder.failed) < len(decoder.tried) for decoder in self.decoders)


@dataclass(frozen=True, slots=True)
class _Plugin:
    """A plug-in of pydicom: what it needs, and what it decodes by its own word."""

    name: str
    distributions: tuple[str, ...]
    syntaxes: frozenset[str]


_HUFFMAN_JPEG = {ts.JPEG_SPECTRAL, ts.JPEG_PROGRESSIVE}
_CLASSIC = (JPEG - ts.JPEG_RETIRED) | JPEG_LS
_PART_1 = JPEG_2000 - HTJ2K
_PLUGINS = (
    _Plugin("gdcm", ("python-gdcm",), _CLASSIC | _PART_1 | _HUFFMAN_JPEG),
    _Plugin(
        "pillow",
        ("pillow",),
        _PART_1 | ts.JPEG_RETIRED | {ts.JPEG_BASELINE, ts.JPEG_EXTENDED},
    ),
    _Plugin("pyjpegls", ("pyjpegls",), JPEG_LS),
    _Plugin("pylibjpeg", ("pylibjpeg", "pylibjpeg-libjpeg"), _CLASSIC),
    _Plugin("pylibjpeg", ("pylibjpeg", "pylibjpeg-openjpeg"), JPEG_2000),
    _Plugin("pydicom", ("pydicom",), frozenset({ts.RLE})),
    _Plugin("pylibjpeg", ("pylibjpeg", "pylibjpeg-rle"), frozenset({ts.RLE})),
)
"""Of pydicom 3.0, in its order, and for the retired processes what they were found to decode."""

_VIDEO = "no decoder: it is video; turn it into frames with another program"
_REMOTE = "no pixels in the file: they are on the server that it names"
_STREAM = "no file has it: it is for live video"
_UNKNOWN = "no decoder known"
_GDCM = 'pip install "napari-dicom-markup[gdcm]"'
_REMEDIES = (
    ("1.2.840.10008.1.2.4.10", _VIDEO),
    ("1.2.840.10008.1.2.4.94", _REMOTE),
    ("1.2.840.10008.1.2.4.95", _REMOTE),
    ("1.2.840.10008.1.2.4.204", _REMOTE),
    ("1.2.840.10008.1.2.4.205", _REMOTE),
    ("1.2.840.10008.1.2.7.", _STREAM),
)
"""What there is to say of syntaxes by the start of their UID; 4.100 to 4.108 are video."""


def codec_report(*, thorough: bool = False) -> tuple[Codec, ...]:
    """Return every transfer syntax that holds pixels, with the decoders that are installed.

    Each decoder of this process decodes tiny samples, and the result is compared. The plug-ins
    of pydicom stand by for what these refuse, each in a process of its own.

    Parameters
    ----------
    thorough : bool
        Try pydicom's plug-ins too, which takes some seconds each; otherwise they are only named.
    """
    samples = {row.uid: _samples(row.uid) for row in ts.TABLE}
    tried = {plugin: _outcomes(plugin, samples, thorough=thorough) for plugin in _installed()}
    report = []
    for row in ts.TABLE:
        decoders = _inside(row.uid, samples[row.uid])
        decoders += [found[row.uid] for found in tried.values() if row.uid in found]
        codec = Codec(row.uid, row.name, row.retired, tuple(decoders))
        report.append(codec if codec.decodes else replace(codec, remedy=_remedy(row.uid)))
    return tuple(report)


def _samples(syntax: str) -> list[Sample]:
    try:
        return samples_of(syntax)
    except CODEC_ERRORS:
        return []


def _remedy(syntax: str) -> str:
    for start, remedy in _REMEDIES:
        if syntax.startswith(start):
            return remedy
    return _GDCM if syntax in PYDICOM_SYNTAXES | _HUFFMAN_JPEG else _UNKNOWN


def _inside(syntax: str, samples: Sequence[Sample]) -> list[Decoder]:
    """Return the decoders that run in this process, the first of them through `decode`."""
    if syntax in ts.NATIVE:
        native = _inflated if syntax == ts.DEFLATED_LE else _native
        name, version = ("zlib", zlib.ZLIB_VERSION) if native is _inflated else _numpy()
        return [_tried(name, version, samples, partial(native, syntax))]
    if syntax == ts.DEFLATED_FRAME:
        return [_tried("zlib", zlib.ZLIB_VERSION, samples, partial(_inflated, syntax))]
    if syntax == ts.ENCAPSULATED_UNCOMPRESSED:
        return [_tried(*_numpy(), samples, partial(_first, syntax))]
    names = _imagecodecs_names(syntax)
    decoders = [_tried(*_imagecodecs(name), samples, partial(_first, syntax)) for name in names[:1]]
    others = [_tried(*_imagecodecs(name), samples, partial(_other, name)) for name in names[1:]]
    return decoders + others


def _imagecodecs_names(syntax: str) -> tuple[str, ...]:
    """Return the names of imagecodecs' codecs, in the order that `decode` asks them."""
    families = (
        (JPEG, ("jpeg8",)),
        (JPEG_LS, ("jpegls",)),
        ({ts.HTJ2K_LOSSLESS, ts.HTJ2K_LOSSLESS_RPCL}, ("jpeg2k", "htj2k")),
        (JPEG_2000, ("jpeg2k",)),
        (JPEG_XL, ("jpegxl",)),
        ({ts.RLE}, ("dicomrle",)),
    )
    return next((names for family, names in families if syntax in family), ())


def _numpy() -> tuple[str, str]:
    return "numpy", np.__version__


def _imagecodecs(name: str) -> tuple[str, str]:
    """Return a codec's name, and the versions of imagecodecs and of the library behind it."""
    import imagecodecs

    library = getattr(imagecodecs, f"{'imcd' if name == 'dicomrle' else name}_version")
    try:
        behind = str(library())
    except CODEC_ERRORS:
        behind = "not built in"
    return f"imagecodecs {name}", f"{imagecodecs.__version__} ({behind})"


def _tried(name: str, version: str, samples: Sequence[Sample], decoder: Decode) -> Decoder:
    failed = tuple(sample.label for sample in samples if not _right(sample, decoder))
    return Decoder(name, version, tuple(sample.label for sample in samples), failed)


def _right(sample: Sample, decoder: Decode) -> bool:
    try:
        return sample.agrees(decoder(sample))
    except CODEC_ERRORS:
        return False


def _first(syntax: str, sample: Sample) -> NDArray[Any]:
    return decode(memoryview(sample.stream), syntax, sample.pixels)[0]


def _other(name: str, sample: Sample) -> NDArray[Any]:
    import imagecodecs

    decoder: Callable[[bytes], NDArray[Any]] = getattr(imagecodecs, f"{name}_decode")
    return decoder(sample.stream)


def _native(syntax: str, sample: Sample) -> NDArray[Any]:
    dtype = sample.samples.dtype.newbyteorder(">" if syntax == ts.EXPLICIT_BE else "<")
    return np.frombuffer(sample.stream, dtype).reshape(sample.samples.shape)


def _inflated(syntax: str, sample: Sample) -> NDArray[Any]:
    del syntax
    inflated = zlib.decompress(sample.stream, -zlib.MAX_WBITS)
    return np.frombuffer(inflated, sample.samples.dtype).reshape(sample.samples.shape)


def _installed() -> list[_Plugin]:
    return [plugin for plugin in _PLUGINS if _version(plugin)]


def _version(plugin: _Plugin) -> str:
    """Return the versions of what a plug-in needs; empty where something is not installed."""
    try:
        return ", ".join(f"{name} {metadata.version(name)}" for name in plugin.distributions)
    except metadata.PackageNotFoundError:
        return ""


def _outcomes(
    plugin: _Plugin, samples: dict[str, list[Sample]], *, thorough: bool
) -> dict[str, Decoder]:
    """Return a plug-in as the decoder of each of its syntaxes, tried if ``thorough``."""
    name = "pydicom" if plugin.name == "pydicom" else f"pydicom with {plugin.name}"
    version = _version(plugin)
    if not thorough:
        return {syntax: Decoder(name, version) for syntax in plugin.syntaxes}
    asked = [(uid, sample) for uid in plugin.syntaxes for sample in samples[uid]]
    right = _answers(plugin, asked)
    failed = {
        uid: [s.label for s in samples[uid] if (uid, s.label) not in right] for uid in samples
    }
    return {
        uid: Decoder(name, version, tuple(s.label for s in samples[uid]), tuple(failed[uid]))
        for uid in plugin.syntaxes
    }


def _answers(plugin: _Plugin, asked: Sequence[tuple[str, Sample]]) -> set[tuple[str, str]]:
    """Return which samples a plug-in gets right, by syntax and label."""
    try:
        answers = rescue.decode_all_apart([_request(plugin, *one) for one in asked])
    except (RuntimeError, ValueError, OSError, subprocess.SubprocessError):
        return set()
    return {
        (uid, sample.label)
        for (uid, sample), answer in zip(asked, answers, strict=True)
        if answer is not None and _right(sample, partial(_as_array, answer))
    }


def _as_array(values: bytes, sample: Sample) -> NDArray[Any]:
    return np.frombuffer(values, sample.samples.dtype).reshape(sample.samples.shape)


def _request(plugin: _Plugin, uid: str, sample: Sample) -> rescue.Request:
    known = ts.JPEG_EXTENDED if uid in ts.JPEG_RETIRED else uid
    options = pydicom_options(memoryview(sample.stream), known, sample.pixels)
    return sample.stream, known, options | {"decoding_plugin": plugin.name}
