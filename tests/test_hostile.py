"""Hostile and damaged files: named with a reason, beside a folder's good ones, in little memory."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import tempfile
import tracemalloc
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from napari_dicom_markup import api
from napari_dicom_markup.cli import app
from napari_dicom_markup.errors import MarkupError, NotDicomError
from napari_dicom_markup.sources.dicom.unusual import read_unusual
from napari_dicom_markup.standard import transfer_syntax as ts
from tests.cases import write_series
from tests.data import PYDICOM_FILES, build_image
from tests.sources.dicom.multiframe.objects import KINDS, written
from tests.sources.dicom.tiles.tiled import Tiled, build_grid, build_mosaic, csa_of

if TYPE_CHECKING:
    from napari_dicom_markup.model.stack import Scan

CANARY = "Canary^Zebra"
MIB = 1 << 20
REST = 200 * MIB
"""What reading may take besides some times the files: the limit of inflation, and libraries."""

GREY = np.arange(64, dtype=np.uint16).reshape(8, 8)
GOOD = build_image(GREY, PatientName=CANARY, SeriesInstanceUID="1.2.3.77", StudyID=CANARY)
ITEM = b"\xfe\xff\x00\xe0"
END = b"\xfe\xff\xdd\xe0\0\0\0\0"


def meta_end(raw: bytes) -> int:
    return 144 + int(struct.unpack_from("<L", raw, 140)[0])


def element(group: int, number: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    """Return an explicit element, of another length than its value's where one is given."""
    size = len(value) if length is None else length
    wide = vr in {b"OB", b"OW", b"SQ", b"UN", b"UT"}
    layout = "<HH2sHL" if wide else "<HH2sH"
    return struct.pack(layout, group, number, vr, *([0, size] if wide else [size])) + value


def begun_with(extra: bytes, raw: bytes = GOOD) -> bytes:
    """Return a file with elements in front of its data set."""
    at = meta_end(raw)
    return raw[:at] + extra + raw[at:]


def changed(keyword: str, value: object, **more: object) -> bytes:
    return build_image(
        GREY.tobytes(),
        **{
            "PatientName": CANARY, "SeriesInstanceUID": "1.2.3.77", "Rows": 8, "Columns": 8,
            "BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "PixelRepresentation": 0,
            keyword: value, **more,
        },
    )  # fmt: skip


def without(keyword: str) -> bytes:
    data_set = pydicom.dcmread(io.BytesIO(GOOD))
    delattr(data_set, keyword)
    buffer = io.BytesIO()
    data_set.save_as(buffer)
    return buffer.getvalue()


def of_syntax(uid: str, raw: bytes = GOOD) -> bytes:
    """Return a file that claims a transfer syntax in its File Meta Information."""
    data_set = pydicom.dcmread(io.BytesIO(raw))
    data_set.file_meta.TransferSyntaxUID = pydicom.uid.UID(uid)
    meta = io.BytesIO()
    pydicom.filewriter.write_file_meta_info(meta, data_set.file_meta)
    return bytes(128) + b"DICM" + meta.getvalue() + raw[meta_end(raw) :]


def bomb(mebibytes: int, *, behind: bool, raw: bytes = GOOD) -> bytes:
    """Return a deflated data set that inflates to so many MiB of zeros, in front or behind."""
    head, body = of_syntax(ts.DEFLATED_LE, raw), raw[meta_end(raw) :]
    head = head[: meta_end(head)]
    tag = (0x7FE1, 0x0010) if behind else (0x0008, 0x0004)
    zeros = element(*tag, b"OB", b"", mebibytes * MIB)
    inner = [zeros, *([bytes(MIB)] * mebibytes)]
    deflater = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    parts = [body, *inner] if behind else [*inner, body]
    return head + b"".join(map(deflater.compress, parts)) + deflater.flush()


ODD = element(0x0008, 0x0005, b"CS", b"abc")
MANY = element(0x0008, 0x0006, b"SQ", (ITEM + bytes(4)) * 100_000 + END, 0xFFFFFFFF)
DEEP = (element(0x0008, 0x1140, b"SQ", ITEM + b"\xff\xff\xff\xff", 0xFFFFFFFF)) * 50_000
LUT = element(0x0028, 0x3006, b"OW", b"\0\0", 0xFFFFFFF0)

REFUSED = {
    "empty.dcm": b"",
    "text.dcm": f"{CANARY} is only text\n".encode() * 9,
    "picture.dcm": b"\x89PNG\r\n\x1a\n" + bytes(99),
    "pointer.dcm": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
    "zeros.dcm": bytes(4096),
    "prefix only.dcm": bytes(128) + b"DICM",
    "gigantic rows.dcm": changed("Rows", 65535, Columns=65535),
    "gigantic frames.dcm": changed("NumberOfFrames", 2_147_483_647),
    "wide samples.dcm": changed("SamplesPerPixel", 60_000),
    "odd bits.dcm": changed("BitsAllocated", 65_535),
    "no rows.dcm": without("Rows"),
    "no pixels.dcm": without("PixelData"),
    "unknown syntax.dcm": of_syntax("1.2.3.4.5.6"),
    "video.dcm": of_syntax("1.2.840.10008.1.2.4.100"),
    "deep.dcm": begun_with(DEEP),
    "items.dcm": begun_with(ODD + MANY),
    "bomb in front.dcm": bomb(400, behind=False),
    "bomb behind.dcm": bomb(400, behind=True),
    "not deflated.dcm": of_syntax(ts.DEFLATED_LE),
    **{
        f"cut at {at}.dcm": GOOD[: round(at / 10 * len(GOOD))] for at in range(3, 10)
    },
}  # fmt: skip
"""Files of which nothing can be shown."""

ODDITIES = {
    "trailing.dcm": GOOD + b"behind" * 99,
    "odd length.dcm": begun_with(ODD),
    "wrong vr.dcm": GOOD.replace(b"\x10\0\x10\0PN", b"\x10\0\x10\0US", 1),
    "items at leisure.dcm": begun_with(MANY),
    "rle.dcm": build_image(CANARY.encode() * 9, ts.RLE, Rows=65535, Columns=65535, BitsAllocated=8),
    "jpeg.dcm": build_image(b"\xff\xd8\xff" + bytes(99), ts.JPEG_BASELINE, Rows=60000,
                            Columns=60000, BitsAllocated=8, NumberOfFrames=2**31 - 1),
    "lut.dcm": begun_with(element(0x0028, 0x3000, b"SQ", ITEM + b"\xff\xff\xff\xff" + LUT + END)),
}  # fmt: skip
"""Files that open, or whose pixels are refused when they are asked for, or that are refused."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a good series of 3 slices beside all of these."""
    root = tmp_path_factory.mktemp("hostile")
    write_series(root / "good", SeriesInstanceUID="1.2.3.88", PatientName=CANARY)
    for name, raw in (REFUSED | ODDITIES).items():
        (root / name).write_bytes(raw)
    return root


@pytest.fixture(scope="module")
def found(folder: Path) -> Scan:
    return api.scan(folder).result()


def reasons_of(found: Scan) -> dict[str, str]:
    left = [*found.leftovers, *(one for series in found.series for one in series.leftovers)]
    return {one.file.relative: one.reason for one in left}


def check_volumes(volumes: Any) -> None:
    """Read whatever opened: it has the declared shape, or is refused by an error of ours."""
    texts: list[str] = []
    for volume in volumes:
        if np.prod(volume.array.shape, dtype=float) * volume.array.dtype.itemsize > 64 * MIB:
            continue
        try:
            values = np.asarray(volume.array)
        except MarkupError as error:
            texts.append(str(error))
            continue
        assert values.shape == volume.array.shape
        assert values.shape[: len(volume.stack.shape)] == volume.stack.shape
        assert np.asarray(volume.array[0]).shape == values.shape[1:]
    assert "Canary" not in "".join(texts)


def test_the_good_series_opens_beside_them(found: Scan) -> None:
    (series,) = [one for one in found.series if one.uid == "1.2.3.88"]
    assert [stack.shape for stack in series.stacks] == [(3, 16, 16)]
    assert not series.leftovers


@pytest.mark.parametrize("name", list(REFUSED))
def test_each_bad_file_is_named_with_a_reason(name: str, found: Scan) -> None:
    reason = reasons_of(found)[name]
    assert len(reason) > 5
    assert CANARY not in reason


def test_no_file_is_lost(found: Scan, folder: Path) -> None:
    shown = {f.file.relative for s in found.series for k in s.stacks for f in k.frames}
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert shown | set(reasons_of(found)) == there


def test_what_opens_has_its_shape_or_is_refused(folder: Path) -> None:
    check_volumes(api.open(folder).result())


def test_nothing_quotes_a_header(folder: Path) -> None:
    runner = CliRunner()
    for options in ((), ("--json",)):
        result = runner.invoke(app, ["info", str(folder), *options])
        assert result.exit_code == 0, result.output
        assert "Canary" not in result.output
        assert "internal error" not in result.output
    layers = api.open_layers(folder).result()
    assert "Canary" not in repr(layers)


def test_a_scan_takes_little_memory(folder: Path) -> None:
    api.scan(folder).result()  # imports
    tracemalloc.start()
    try:
        api.scan(folder).result()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < REST


CHILD = """
import resource, sys
from napari_dicom_markup import api
from napari_dicom_markup.cli import app
api.scan(sys.argv[2]).result()
import pydicom, pydicom.pixels
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    app(["info", sys.argv[1]])
except SystemExit as end:
    assert not end.code, end.code
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print("TOOK", after - before, file=sys.stderr)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux only")
def test_info_in_a_process_of_its_own_takes_little_memory(folder: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder), str(folder / "good")],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "good/IM1.dcm" in run.stdout or "1.2.3.88" in run.stdout
    assert int(run.stderr.split("TOOK")[-1]) * 1024 < REST


@pytest.mark.parametrize("behind", [True, False], ids=["behind", "in front"])
def test_a_deflated_bomb_is_refused_before_it_inflates(*, behind: bool) -> None:
    raw = bomb(400, behind=behind)
    tracemalloc.start()
    try:
        with pytest.raises(NotDicomError, match="inflates to far more"):
            read_unusual(io.BytesIO(raw))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 * MIB


def test_a_bomb_behind_a_strange_meta_element_is_refused_too() -> None:
    raw = bomb(200, behind=True)
    strange = begun_with(element(0x0002, 0x0100, b"UT", b"x" * 99_998), raw)
    with pytest.raises(NotDicomError):
        read_unusual(io.BytesIO(strange))


def test_what_inflates_to_a_likely_size_is_read() -> None:
    path = PYDICOM_FILES / "image_dfl.dcm"
    header = read_unusual(io.BytesIO(path.read_bytes()))
    assert header.element is not None


def test_masses_of_items_are_refused_before_pydicom_makes_objects() -> None:
    with pytest.raises(NotDicomError, match="more sequence items"):
        read_unusual(io.BytesIO(begun_with(ODD + MANY)))


def test_a_directory_that_is_a_bomb_names_no_files_in_little_memory(tmp_path: Path) -> None:
    directory = GOOD.replace(b"1.2.840.10008.5.1.4.1.1.7\0", b"1.2.840.10008.1.3.10\0\0\0\0\0\0")
    path = tmp_path / "DICOMDIR"
    path.write_bytes(bomb(400, behind=False, raw=directory))
    api.scan(tmp_path / "DICOMDIR").result()
    tracemalloc.start()
    try:
        api.scan(path).result()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < REST


# --- mutated headers ---

OBJECTS = {name: written(make()) for name, make in KINDS.items()} | {
    "single frame": GOOD,
    "Siemens mosaic": build_mosaic(Tiled(), csa_of(Tiled())),
    "UIH grid": build_grid(Tiled()),
    "dose": (PYDICOM_FILES / "rtdose.dcm").read_bytes(),
    "structure set": (PYDICOM_FILES / "rtstruct.dcm").read_bytes(),
    "segmentation": (PYDICOM_FILES / "liver_1frame.dcm").read_bytes(),
}
WORDS = [b"\0\0", b"\1\0", b"\xff\xff", b"\xff\x7f", b"\0\x80", b"1", b"-1", b"\\", b"nan", b"SQ",
         b"UN", b"9999999999", b"1e308", ITEM, END, b"\xff\xff\xff\xff"]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Return an object with a few places of its header overwritten, cut out or doubled."""
    raw = bytearray(OBJECTS[draw(st.sampled_from(sorted(OBJECTS)))])
    last = max(raw.rfind(b"\xe0\x7f\x10\0") + 8, 200)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(132, min(last, len(raw) - 1)))
        word = draw(st.sampled_from(WORDS) | st.binary(min_size=1, max_size=4))
        way = draw(st.sampled_from(["overwrite", "overwrite", "insert", "delete", "cut"]))
        if way == "overwrite":
            raw[at : at + len(word)] = word
        elif way == "insert":
            raw[at:at] = word
        elif way == "delete":
            del raw[at : at + 2 * len(word)]
        elif len(raw) > 400:
            del raw[max(at, 200) :]
    return bytes(raw)


def write_and_read(raw: bytes) -> None:
    """Do all that a folder of one file can be asked for; only our own errors may come."""
    with tempfile.TemporaryDirectory() as work:
        (Path(work) / "a.dcm").write_bytes(raw)
        api.scan(work).result()
        try:
            volumes = api.open(work).result()
            check_volumes(volumes)
            for volume in volumes:
                json.dumps([report.message for report in volume.stack.reports])
            if sum(np.prod(v.array.shape, dtype=float) for v in volumes) < MIB:
                api.open_layers(work).result()
        except MarkupError:
            pass
        api.open_markup(work).result()


@settings(
    deadline=None,
    derandomize=True,
    max_examples=500,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(raw=mutated())
def test_mutated_headers_give_whole_stacks_or_our_own_errors(raw: bytes) -> None:
    write_and_read(raw)


@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_every_object_opens_before_it_is_mutated(name: str) -> None:
    write_and_read(OBJECTS[name])
