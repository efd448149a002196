"""The sidecar's document: what a bundle holds, and how every original is rebuilt from it.

The JSON Schema of these types ships as ``docs/sidecar.schema.json``. Version n stays readable
when n + 1 appears: a field is added with a default, never renamed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import quote_from_bytes, unquote_to_bytes

from napari_dicom_markup.model.geometry import GeometryReport, StackGeometry
from napari_dicom_markup.model.markup import LabelsStyle, Rgba
from napari_dicom_markup.model.stack import LeadingAxis, Tile

SCHEMA = "napari-dicom-markup/sidecar"
"""Name of the document type; the first thing a reader checks."""

VERSION = 1
"""Version of the document that this package writes."""

SIDECAR_SUFFIX = ".dcm-markup"
"""End of a sidecar's name; no other program's files have it, so napari needs not ask."""

STAGING_SUFFIX = ".dicom-markup-staging"
"""End of the name of a folder where a bundle is being written; a scan passes it by."""

TIFF_SOFTWARE = "napari-dicom-markup"
"""Software tag of the bundle's TIFFs."""

LINK_NAMESPACE = "napari-dicom-markup/link/1"
"""Namespace of the annotation that ties a TIFF to its bundle."""

INFLATED_FREELY = 4 << 20
"""Bytes that any document may inflate to; a larger one may be a bomb, and is held to a limit."""

INFLATED_LIMIT = 100
"""Bytes that a stored byte of a larger document may inflate to; real ones reach about 12."""

CAPSULE_FEATURE = "capsule/1"
"""The capsule operations below; an entry of ``Sidecar.requires``."""

FRAMES_FEATURE = "frames/1"
"""Frames that are a part of their file, and further leading axes."""


class PartKind(StrEnum):
    """How a run of an original's bytes is stored."""

    LITERAL = "literal"  # in the block's xz stream of header bytes
    VERBATIM = "verbatim"  # as it is in the block's payload: an encapsulated fragment
    PACKED = "packed"  # xz in the block's payload
    PLANE = "plane"  # one plane as JPEG-LS in the block's payload


@dataclass(frozen=True, slots=True)
class Part:
    """A run of ``length`` bytes of an original, stored in ``stored`` bytes of payload.

    A plane is ``rows`` × ``columns`` × ``samples`` unsigned numbers of ``width`` bytes; ``base``
    is added to what JPEG-LS gives, modulo 2^(8·width): so signed numbers need no sign.
    """

    kind: PartKind
    length: int
    stored: int = 0
    rows: int = 0
    columns: int = 0
    samples: int = 1
    width: int = 0
    base: int = 0
    big_endian: bool = False


@dataclass(frozen=True, slots=True)
class Capsule:
    """How to make one original again: its parts in order, its size and its SHA-256.

    ``path`` is relative, with "/" between its parts. ``escaped`` says that bytes which JSON or a
    safe path cannot hold are written in it as %XX (and % as %25).
    """

    path: str = field(repr=False)
    size: int
    sha256: str = field(repr=False)
    parts: tuple[Part, ...]
    escaped: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """Some capsules with their bytes: NAME.json, NAME.xz (literal bytes), NAME.bin (payload)."""

    name: str
    files: int
    literal: int
    payload: int
    sha256: dict[str, str]


@dataclass(frozen=True, slots=True)
class TiffRecord:
    """A TIFF of the bundle: ``suffix`` follows the bundle's stem; the hash is of its array.

    ``shape`` is (T, C, Z, Y, X), with 3 appended for colour; the array is hashed in C order,
    little-endian.
    """

    suffix: str
    uuid: str
    dtype: str
    shape: tuple[int, ...]
    array_sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A label number with its name and colour, for people and other programs."""

    number: int
    name: str
    color: Rgba


@dataclass(frozen=True, slots=True)
class LabelsLayer:
    """One channel of the labels TIFF: the layer's own dtype and shape, its look, its segments."""

    dtype: str
    shape: tuple[int, ...]
    style: LabelsStyle
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """One frame of a stack: the number of its file in the sidecar, and its SOP Instance UID.

    ``number`` counts the frames of that file from 0; ``tile`` is the part of a mosaic.
    """

    file: int
    sop_instance_uid: str = field(repr=False)
    number: int = 0
    tile: Tile | None = None


@dataclass(frozen=True, slots=True)
class ValueDomain:
    """What the numbers of the image are: their dtype, unit, and that they are physical values."""

    dtype: str
    unit: str
    domain: str = "physical"


@dataclass(frozen=True, slots=True)
class StackRecord:
    """One stack: grid, frames in (leading, slice) order, and the TIFFs that belong to it.

    ``leading`` is the first of the leading axes, ``further_leading`` are those behind it.
    """

    index: int
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    leading: LeadingAxis | None
    geometry: StackGeometry
    affine_lps: tuple[tuple[float, ...], ...] | None
    values: ValueDomain
    reports: tuple[GeometryReport, ...]
    frames: tuple[FrameRecord, ...]
    image: TiffRecord | None = None
    labels: TiffRecord | None = None
    layers: tuple[LabelsLayer, ...] = ()
    further_leading: tuple[LeadingAxis, ...] = ()


@dataclass(frozen=True, slots=True)
class LeftoverRecord:
    """A file of the series that is in no stack, and why."""

    file: int
    reason: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """What wrote the bundle. It holds no time: the same input gives the same bytes."""

    software: str
    libraries: dict[str, str]


@dataclass(frozen=True, slots=True)
class Sidecar:
    """The document ``sidecar.json``; ``contains_patient_data`` warns whoever passes it on."""

    schema: str
    version: int
    requires: tuple[str, ...]
    contains_patient_data: bool
    bundle: str
    series_uid: str = field(repr=False)
    modality: str
    stacks: tuple[StackRecord, ...]
    leftovers: tuple[LeftoverRecord, ...]
    files: int
    size: int
    blocks: tuple[Block, ...]
    provenance: Provenance


def is_safe_relative(path: str) -> bool:
    """Say whether ``path`` is a relative POSIX path that stays inside its folder.

    Examples
    --------
    >>> is_safe_relative("a/IM1"), is_safe_relative("../IM1"), is_safe_relative("/etc/passwd")
    (True, False, False)
    """
    parts = path.split("/")
    return all(part not in {"", ".", ".."} for part in parts) and "\0" not in path


def store_path(relative: str) -> tuple[str, bool]:
    r"""Return a file's relative path as a capsule keeps it, and whether it had to be escaped.

    Examples
    --------
    >>> store_path("a/IM1"), store_path("a\\b")
    (('a/IM1', False), ('a%5Cb', True))
    """
    raw = relative.encode("utf-8", "surrogateescape")
    if relative.isprintable() and not any(sign in relative for sign in '\\:*?"<>|'):
        return relative, False
    return quote_from_bytes(raw, safe="/ "), True


def original_path(capsule: Capsule) -> str:
    """Return the relative path that a capsule's file had, with any byte a name can have."""
    if not capsule.escaped:
        return capsule.path
    return unquote_to_bytes(capsule.path).decode("utf-8", "surrogateescape")
