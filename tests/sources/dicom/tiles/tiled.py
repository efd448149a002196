"""Tiled matrices built from a few lines: Siemens mosaics with their CSA headers, UIH grids."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from tests.data import build_image, image_of
from tests.instances import ORIENTATIONS

if TYPE_CHECKING:
    from napari_dicom_markup.model.stack import Frame, Instance

CSA = (0x0029, "SIEMENS CSA HEADER")
MR = (0x0019, "SIEMENS MR HEADER")
SDI = (0x0021, "SIEMENS MR SDI 02")
UIH = (0x0065, "Image Private Header")

Entries = dict[str, tuple[str, ...]]


def build_csa(entries: Entries, *, newer: bool = True, spare: int = 0, pad: int = 0) -> bytes:
    """Return a CSA header of these tags; each has ``spare`` empty items at its end.

    ``pad`` bytes stand behind a value whose length is a multiple of four.
    """
    head = b"SV10\4\3\2\1" if newer else b""
    raw = head + struct.pack("<II", len(entries), 77)
    excess = None if newer else len(next(iter(entries.values()), ())) + spare
    for name, texts in entries.items():
        items = [text.encode("latin-1") + b"\0" for text in texts] + [b""] * spare
        raw += struct.pack(
            "<64si4siii", name.encode("latin-1"), len(texts), b"DS\0\0", 6, len(items), 77
        )
        for item in items:
            first = len(item) + (excess or 0)
            raw += struct.pack("<iiii", first, len(item), 77, len(item))
            raw += item + bytes(-len(item) % 4 or pad)
    return raw


def texts(numbers: Any) -> tuple[str, ...]:
    return tuple(f"{number:.8f}" for number in numbers)


def build_protocol(centres: np.ndarray, extra: str = "") -> bytes:
    """Return a protocol's text; zeros are left out, as Siemens does."""
    lines = ["junk \0\1", "### ASCCONV BEGIN ###", f"sSliceArray.lSize  = {len(centres)}"]
    for index, centre in enumerate(centres):
        lines += [
            f"sSliceArray.asSlice[{index}].sPosition.{axis}\t = \t{value:.10g}"
            for axis, value in zip(("dSag", "dCor", "dTra"), centre, strict=True)
            if value
        ]
    return "\n".join([*lines, extra, "### ASCCONV END ###", "more"]).encode()


@dataclass(eq=False)
class Tiled:
    """Slices of a volume in one matrix: (slices, rows, columns), from ``first`` along ``step``."""

    orientation: str = "oblique"
    count: int = 5
    sign: int = 1
    shape: tuple[int, int] = (4, 6)
    spacing: tuple[float, float] = (2.0, 1.5)
    between: float = 3.5
    first: np.ndarray = field(default_factory=lambda: np.array((10.0, -20.0, 30.0)))

    @property
    def cosines(self) -> np.ndarray:
        return np.array(ORIENTATIONS[self.orientation]).reshape(2, 3)

    @property
    def normal(self) -> np.ndarray:
        return np.cross(*self.cosines)

    @property
    def origins(self) -> np.ndarray:
        return self.first + np.arange(self.count)[:, None] * self.sign * self.between * self.normal

    @property
    def volume(self) -> np.ndarray:
        size = (self.count, *self.shape)
        return np.arange(1, 1 + np.prod(size), dtype=np.uint16).reshape(size)

    def matrix(self, down: int, across: int) -> np.ndarray:
        rows, columns = self.shape
        whole = np.zeros((down * rows, across * columns), np.uint16)
        for k, plane in enumerate(self.volume):
            row, column = divmod(k, across)
            whole[row * rows : (row + 1) * rows, column * columns : (column + 1) * columns] = plane
        return whole

    def shifted(self, down: int, across: int) -> np.ndarray:
        """Return the corner that Siemens states: of a slice as large as the whole matrix."""
        (rows, columns), (row, column) = self.shape, self.cosines
        back = (down - 1) * rows / 2 * self.spacing[0] * column
        return self.first - back - (across - 1) * columns / 2 * self.spacing[1] * row

    def elements(self, image_type: str) -> dict[str, object]:
        return {
            "Modality": "MR",
            "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4",
            "ImageType": ["ORIGINAL", "PRIMARY", "M", image_type],
            "PixelSpacing": list(self.spacing),
            "SliceThickness": "3",
            "SpacingBetweenSlices": self.between,
            "ImageOrientationPatient": [round(float(c), 8) for c in self.cosines.ravel()],
        }


def with_private(raw: bytes, *elements: tuple[tuple[int, str], int, str, Any]) -> bytes:
    """Return a file with private elements added: (group, creator), element, VR, value."""
    data_set = pydicom.dcmread(io.BytesIO(raw))
    for (group, creator), element, vr, value in elements:
        data_set.private_block(group, creator, create=True).add_new(element, vr, value)
    buffer = io.BytesIO()
    data_set.save_as(buffer)
    return buffer.getvalue()


def build_mosaic(
    tiled: Tiled, *private: tuple[tuple[int, str], int, str, Any], **more: Any
) -> bytes:
    """Return a Siemens mosaic with these private elements, and no others."""
    side = int(np.ceil(np.sqrt(tiled.count)))
    elements = tiled.elements("MOSAIC")
    elements["ImagePositionPatient"] = [round(float(c), 8) for c in tiled.shifted(side, side)]
    elements |= more
    elements = {name: value for name, value in elements.items() if value is not None}
    return with_private(build_image(tiled.matrix(side, side), **elements), *private)


def csa_of(tiled: Tiled, *, newer: bool = True, **more: tuple[str, ...]) -> tuple[Any, ...]:
    """Return the CSA image header that says all of a mosaic, as a private element."""
    entries: Entries = {
        "EchoLinePosition": ("20",),
        "NumberOfImagesInMosaic": (str(tiled.count),),
        "SliceNormalVector": texts(tiled.sign * tiled.normal),
        **more,
    }
    return (CSA, 0x10, "OB", build_csa(entries, newer=newer, spare=2))


def build_grid(tiled: Tiled, places: np.ndarray | None = None, count: Any = None) -> bytes:
    """Return a UIH grid with an item a slice."""
    across = int(np.ceil(np.sqrt(tiled.count)))
    down = int(np.ceil(tiled.count / across))
    elements = tiled.elements("VFRAME") | {
        "ImagePositionPatient": tiled.first.tolist(),
        "Manufacturer": "UIH",
    }
    items = []
    for place in tiled.origins if places is None else places:
        item = Dataset()
        item.ImagePositionPatient = [round(float(c), 8) for c in place]
        items.append(item)
    return with_private(
        build_image(tiled.matrix(down, across), **elements),
        (UIH, 0x09, "FD", 700.0),
        (UIH, 0x37, "FD", [0.0, 0.0, 1.0]),
        (UIH, 0x50, "DS", str(tiled.count if count is None else count)),
        (UIH, 0x51, "SQ", items),
    )


def image(raw: bytes) -> Instance:
    """Return the instance of a built file that lies nowhere."""
    return image_of(raw, Path("built.dcm"))


def planes_of(matrix: np.ndarray, frames: tuple[Frame, ...]) -> np.ndarray:
    """Return what the frames' tiles hold: (slices, rows, columns)."""
    tiles = [frame.tile for frame in frames if frame.tile is not None]
    assert len(tiles) == len(frames)
    return np.stack(
        [matrix[t.row : t.row + t.rows, t.column : t.column + t.columns] for t in tiles]
    )
