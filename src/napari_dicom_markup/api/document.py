"""The sidecar's document, from what was opened and what was written."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import TYPE_CHECKING

from napari_dicom_markup.api.opening import value_domain
from napari_dicom_markup.model.sidecar import (
    CAPSULE_FEATURE,
    FRAMES_FEATURE,
    SCHEMA,
    VERSION,
    Block,
    Capsule,
    FrameRecord,
    LabelsLayer,
    LeftoverRecord,
    Provenance,
    Segment,
    Sidecar,
    StackRecord,
    TiffRecord,
    ValueDomain,
    store_path,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicom_markup.model.markup import Labels, Rgba
    from napari_dicom_markup.model.stack import Series, Stack

DISTRIBUTION = "napari-dicom-markup"


@dataclass(slots=True)
class Written:
    """What a bundle's parts turned out to be, gathered while they are written."""

    numbers: dict[str, int] = field(default_factory=dict, repr=False)
    sha256: list[str] = field(default_factory=list, repr=False)
    originals: set[tuple[str, str]] = field(default_factory=set, repr=False)
    size: int = 0
    blocks: tuple[Block, ...] = ()
    bundle: str = ""
    labels: dict[int, tuple[TiffRecord, list[Labels]]] = field(default_factory=dict)
    images: dict[int, TiffRecord] = field(default_factory=dict)
    values: dict[int, ValueDomain] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def note_original(self, number: int, relative: str, capsule: Capsule) -> None:
        """Note an original's number by its relative path, its hash and its size."""
        self.numbers[relative] = number
        self.originals.add((capsule.path, capsule.sha256))
        self.sha256.append(capsule.sha256)
        self.size += capsule.size

    @property
    def tiffs(self) -> list[TiffRecord]:
        """Records of all TIFFs."""
        return [record for record, _ in self.labels.values()] + list(self.images.values())


@dataclass(slots=True)
class Kept:
    """What a bundle keeps of its earlier save: the TIFFs beside it, by stack index."""

    labels: dict[int, tuple[TiffRecord, tuple[LabelsLayer, ...]]] = field(default_factory=dict)
    images: dict[int, TiffRecord] = field(default_factory=dict)
    values: dict[int, ValueDomain] = field(default_factory=dict)


def provenance() -> Provenance:
    """Return what writes the bundle, with the libraries that its bytes depend on."""
    libraries = ("imagecodecs", "numpy", "pydicom", "pyjpegls", "tifffile")
    return Provenance(
        software=f"{DISTRIBUTION} {version(DISTRIBUTION)}",
        libraries={name: version(name) for name in libraries},
    )


def describe(series: Series, written: Written, kept: Kept, made_by: Provenance) -> Sidecar:
    """Return the document of a bundle whose parts are written, or kept of an earlier save."""
    return Sidecar(
        schema=SCHEMA,
        version=VERSION,
        requires=tuple(_features(series)),
        contains_patient_data=True,
        bundle=written.bundle,
        series_uid=series.uid,
        modality=series.modality,
        stacks=tuple(_describe_stack(stack, written, kept) for stack in series.stacks),
        leftovers=tuple(
            LeftoverRecord(written.numbers[one.file.relative], _storable(one.reason))
            for one in series.leftovers
        ),
        files=len(written.sha256),
        size=written.size,
        blocks=written.blocks,
        provenance=made_by,
    )


def _features(series: Series) -> Iterator[str]:
    """Yield what a reader has to know in order to reopen the bundle."""
    yield CAPSULE_FEATURE
    frames = (frame for stack in series.stacks for frame in stack.frames)
    several = any(frame.number or frame.tile or frame.pixels.frames > 1 for frame in frames)
    if several or any(len(stack.leading) > 1 for stack in series.stacks):
        yield FRAMES_FEATURE


def _storable(text: str) -> str:
    """Return a text with what UTF-8 cannot hold, a part of an odd file name say, as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _describe_stack(stack: Stack, written: Written, kept: Kept) -> StackRecord:
    affine = stack.geometry.affine_lps()
    labels, layers = _describe_labels(stack.index, written, kept)
    return StackRecord(
        index=stack.index,
        shape=stack.shape,
        axes=stack.axes,
        leading=stack.leading[0] if stack.leading else None,
        further_leading=stack.leading[1:],
        geometry=stack.geometry,
        affine_lps=None if affine is None else tuple(map(tuple, affine.tolist())),
        values=(written.values | kept.values).get(stack.index) or value_domain(stack),
        reports=tuple(
            replace(report, files=tuple(store_path(file)[0] for file in report.files))
            for report in stack.reports
        ),
        frames=tuple(
            FrameRecord(written.numbers[f.file.relative], f.sop_instance_uid, f.number, f.tile)
            for f in stack.frames
        ),
        image=written.images.get(stack.index, kept.images.get(stack.index)),
        labels=labels,
        layers=layers,
    )


def _describe_labels(
    index: int, written: Written, kept: Kept
) -> tuple[TiffRecord | None, tuple[LabelsLayer, ...]]:
    """Return the record of a stack's labels and their layers: those written, or else kept."""
    if index in written.labels:
        record, layers = written.labels[index]
        return record, tuple(map(_describe_layer, layers))
    return kept.labels.get(index, (None, ()))


def _describe_layer(labels: Labels) -> LabelsLayer:
    return LabelsLayer(
        dtype=labels.data.dtype.name,
        shape=tuple(labels.data.shape),
        style=labels.style,
        segments=tuple(_segments(labels)),
    )


def _segments(labels: Labels) -> list[Segment]:
    """Return the labels that the layer's features table names, with their colours."""
    columns = {column.name: column.cells for column in labels.style.features}
    numbers = columns.get("index", ())
    names = columns.get("name", columns.get("label", ()))
    return [
        Segment(int(number), str(name), _color(labels, int(number)))
        for number, name in zip(numbers, names, strict=False)
        if isinstance(number, int | float) and name is not None and int(number) > 0
    ]


def _color(labels: Labels, number: int) -> Rgba:
    """Return a label's colour; that of a cyclic table is napari's, (n - 1) mod its length + 1."""
    colors = labels.style.colors
    if colors.kind == "direct":
        return dict(zip(colors.numbers, colors.colors, strict=True)).get(number, colors.default)
    if len(colors.colors) < 2:
        return colors.default
    return colors.colors[(number - 1) % (len(colors.colors) - 1) + 1]
