"""A damaged or forged bundle: refused, reported or exact, with little memory, and never wrong."""

from __future__ import annotations

import hashlib
import itertools
import json
import lzma
import os
import subprocess
import sys
import zipfile
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from tests.cases import (
    entries_of,
    forge,
    left_behind,
    save_case,
    tree,
    write_entries,
    write_series,
)

from napari_dicom_markup import api
from napari_dicom_markup.errors import (
    DamagedError,
    LabelsError,
    MarkupError,
    UnsafeNameError,
    VersionError,
)
from napari_dicom_markup.model.sidecar import INFLATED_FREELY
from napari_dicom_markup.sources.bundle import SidecarReader
from napari_dicom_markup.sources.tiff import TiffState, read_labels, verify_tiff

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cases import Document

    from napari_dicom_markup.model.sidecar import StackRecord

SIDECAR = "case.dcm-markup"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_series(tmp_path_factory.mktemp("case") / "source", slices=2)


@pytest.fixture(scope="module")
def whole(source: Path) -> dict[str, bytes]:
    """The bytes of each file of a whole bundle."""
    save_case(source, source.parent / "bundle")
    return {path.name: path.read_bytes() for path in (source.parent / "bundle").iterdir()}


@pytest.fixture
def bundle(tmp_path: Path, whole: dict[str, bytes]) -> Path:
    """A whole bundle in a folder of its own; its sidecar."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    for name, raw in whole.items():
        (folder / name).write_bytes(raw)
    return folder / SIDECAR


def check_restored(folder: Path, originals: dict[str, str]) -> None:
    """Check that a folder holds true originals only, and remove them."""
    if not folder.exists():
        return
    found = tree(folder)
    assert found.items() <= originals.items()
    for name in found:
        (folder / name).unlink()


def survive(
    sidecar: Path, originals: dict[str, str], target: Path, *, verified: bool = True
) -> None:
    """Verify, restore and reopen: each raises ours, reports damage, or is exact."""
    with suppress(MarkupError):
        if verified:
            api.verify(sidecar).result()
    try:
        (report,) = api.restore([sidecar], target).result()
        if report.ok:
            assert tree(target) == originals
    except MarkupError:
        pass
    check_restored(target, originals)
    with suppress(MarkupError):
        for volume in api.reopen(sidecar).result().volumes:
            np.asarray(volume.array)


@pytest.mark.parametrize("part", range(4))
def test_a_damaged_byte_anywhere_in_a_sidecar_is_never_a_wrong_file(
    part: int, bundle: Path, source: Path, tmp_path: Path
) -> None:
    originals, raw = tree(source), bundle.read_bytes()
    target = tmp_path / "restored"
    for at in range(part, len(raw), 4):
        damaged = bytearray(raw)
        damaged[at] ^= 1 << (at // 4 % 8)
        bundle.write_bytes(damaged)
        survive(bundle, originals, target, verified=at % 8 == part)


@pytest.mark.parametrize("step", [37])
def test_a_sidecar_cut_or_shifted_anywhere_is_never_a_wrong_file(
    step: int, bundle: Path, source: Path, tmp_path: Path
) -> None:
    originals, raw = tree(source), bundle.read_bytes()
    for at in range(0, len(raw), step):
        for damaged in (raw[:at], raw[:at] + b"\0" + raw[at:], raw[:at] + raw[at + 1 :]):
            bundle.write_bytes(damaged)
            survive(bundle, originals, tmp_path / "restored")


def test_a_damaged_byte_anywhere_in_the_labels_is_refused_or_harmless(bundle: Path) -> None:
    with SidecarReader(bundle) as reader:
        (stack,) = reader.sidecar.stacks
    path = bundle.with_name("case.ome.tif")
    raw = path.read_bytes()
    ((saved,), edited) = labels_of(path, stack)
    assert not edited
    for at in range(len(raw)):
        damaged = bytearray(raw)
        damaged[at] ^= 1 << (at % 8)
        path.write_bytes(damaged)
        try:
            (labels,), _ = labels_of(path, stack)
        except (DamagedError, LabelsError):
            continue
        assert np.array_equal(labels, saved), f"other labels after damage at {at}"
        if at % 50 == 0:
            assert np.array_equal(api.reopen(bundle).result().labels[1][0].data, saved)


def labels_of(path: Path, stack: StackRecord) -> tuple[tuple[np.ndarray, ...], bool]:
    assert stack.labels is not None
    reading = read_labels(path, stack.labels, stack.layers)
    return reading.arrays, reading.edited


def test_a_damaged_byte_anywhere_in_the_image_is_reported_or_harmless(bundle: Path) -> None:
    with SidecarReader(bundle) as reader:
        record = reader.sidecar.stacks[0].image
    assert record is not None
    path = bundle.with_name("case.image.ome.tif")
    raw = path.read_bytes()
    saved = pages_of(path)
    for at in range(len(raw)):
        damaged = bytearray(raw)
        damaged[at] ^= 1 << (at % 8)
        path.write_bytes(damaged)
        if verify_tiff(path, record).state is TiffState.EXACT and at % 10 == 0:
            assert np.array_equal(pages_of(path), saved)


def pages_of(path: Path) -> np.ndarray:
    with tifffile.TiffFile(path) as tiff:
        return np.array([page.asarray() for page in tiff.pages])


def test_each_missing_entry_of_a_sidecar_is_named(bundle: Path, tmp_path: Path) -> None:
    entries = entries_of(bundle)
    for missing in entries:
        write_entries(bundle, {n: data for n, data in entries.items() if n != missing})
        if missing == "sidecar.json":
            with pytest.raises(DamagedError, match=missing) as caught:
                api.verify(bundle).result()
            assert caught.value.part == missing
            continue
        (report,) = api.restore([bundle], tmp_path / "restored").result()
        assert report.count(api.Outcome.EXACT) == 0
        assert missing in report.files[0].detail
        with pytest.raises(DamagedError, match=missing):
            api.reopen(bundle).result()


@pytest.mark.parametrize("verb", ["verify", "restore", "reopen"])
def test_a_missing_sidecar_is_named(verb: str, bundle: Path, tmp_path: Path) -> None:
    bundle.unlink()
    steps = (
        api.restore([bundle], tmp_path / "x") if verb == "restore" else getattr(api, verb)(bundle)
    )
    with pytest.raises(DamagedError, match=r"case\.dcm-markup") as caught:
        steps.result()
    assert caught.value.part == SIDECAR
    assert str(tmp_path) not in str(caught.value)


def test_a_tiff_without_its_sidecar_says_what_to_put_there(bundle: Path) -> None:
    bundle.unlink()
    with pytest.raises(DamagedError, match=r"case\.ome\.tif has no sidecar \(\*\.dcm-markup\)"):
        api.reopen(bundle.with_name("case.ome.tif")).result()


def test_a_tiff_finds_its_sidecar_beside_newer_and_broken_ones(bundle: Path) -> None:
    tiff = bundle.with_name("renamed.ome.tif")
    bundle.with_name("case.ome.tif").rename(tiff)
    moved = bundle.rename(bundle.with_name("z.dcm-markup"))
    bundle.with_name("a.dcm-markup").write_bytes(b"broken")
    newer = bundle.with_name("b.dcm-markup")
    newer.write_bytes(moved.read_bytes())
    forge(newer, lambda document, _: document.update(version=99))
    assert api.find_sidecar(tiff) == moved


def test_missing_labels_are_named(bundle: Path) -> None:
    bundle.with_name("case.ome.tif").unlink()
    with pytest.raises(DamagedError, match=r"case\.ome\.tif is missing"):
        api.reopen(bundle).result()
    report = api.verify(bundle).result()
    assert [tiff.outcome for tiff in report.tiffs] == [api.Outcome.EXACT, api.Outcome.MISSING]
    assert report.count(api.Outcome.EXACT) == 2


def test_an_unknown_field_of_senseless_size_takes_little_memory(
    bundle: Path, tmp_path: Path
) -> None:
    fields_below_the_limit("later")(bundle)
    said, peak = measure(bundle, tmp_path / "restored")
    assert said[:2] == ["ok", "ok"]
    assert peak < 600


def test_a_sidecar_alone_restores_every_original(
    bundle: Path, source: Path, tmp_path: Path
) -> None:
    for path in bundle.parent.glob("*.tif"):
        path.unlink()
    assert api.restore([bundle], tmp_path / "restored").result()[0].ok
    assert tree(tmp_path / "restored") == tree(source)


UNSAFE = {
    "up": "../evil",
    "up later": "a/../../evil",
    "absolute": "/tmp/evil",
    "double slash": "//evil",
    "current": ".",
    "empty": "",
    "empty part": "a//evil",
    "trailing slash": "evil/",
    "nul": "evil\0.dcm",
}
ESCAPED = {
    "escaped up": "%2e%2e/evil",
    "escaped slash": "..%2Fevil",
    "escaped all": "%2e%2e%2fevil",
    "escaped absolute": "%2Ftmp%2Fevil",
    "escaped nul": "evil%00.dcm",
    "escaped nothing": "",
}


@pytest.mark.parametrize(
    ("path", "escaped"),
    [
        *(pytest.param(path, False, id=name) for name, path in UNSAFE.items()),
        *(pytest.param(path, True, id=name) for name, path in (UNSAFE | ESCAPED).items()),
    ],
)
@pytest.mark.parametrize("which", [0, 1])
def test_an_unsafe_name_in_a_sidecar_refuses_all_of_it(
    path: str, escaped: bool, which: int, bundle: Path, tmp_path: Path
) -> None:
    forge(bundle, lambda _, capsules: capsules[which].update(path=path, escaped=escaped))
    target = tmp_path / "deep" / "restored"
    target.mkdir(parents=True)
    before = tree(tmp_path)
    with pytest.raises(UnsafeNameError, match="would leave the folder"):
        api.restore([bundle], target).result()
    assert tree(tmp_path) == before
    assert list(target.iterdir()) == []
    with pytest.raises(UnsafeNameError):
        api.reopen(bundle).result()
    assert not api.verify(bundle).result().ok


@pytest.mark.parametrize("path", ["..\\evil", "C:\\evil", "\\\\host\\evil", "C:evil"])
def test_a_name_of_windows_stays_inside_the_folder_or_is_refused(
    path: str, bundle: Path, tmp_path: Path
) -> None:
    forge(bundle, lambda _, capsules: capsules[0].update(path=path, escaped=False))
    target = tmp_path / "deep" / "restored"
    api.restore([bundle], target).result()
    assert {p.parent for p in target.rglob("*")} <= {target}
    assert sorted(p.name for p in (tmp_path / "deep").iterdir()) == ["restored"]


@pytest.mark.parametrize("path", ["link/evil", "link/sub/evil", "link"])
def test_a_link_in_the_target_is_not_followed_out_of_it(
    path: str, bundle: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    target = tmp_path / "restored"
    target.mkdir()
    (target / "link").symlink_to(outside)
    forge(bundle, lambda _, capsules: capsules[0].update(path=path))
    (report,) = api.restore([bundle], target).result()
    assert report.count(api.Outcome.EXACT) == 1
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("goal", ["ring", "outside/not yet"])
def test_a_link_to_nowhere_in_the_target_is_not_followed(
    goal: str, bundle: Path, tmp_path: Path
) -> None:
    target = tmp_path / "restored"
    target.mkdir()
    (target / "ring").symlink_to(target / "ring" if goal == "ring" else tmp_path / goal)
    forge(bundle, lambda _, capsules: capsules[0].update(path="ring/evil"))
    (report,) = api.restore([bundle], target).result()
    assert report.count(api.Outcome.EXACT) == 1
    assert not (tmp_path / "outside").exists()


def test_a_name_that_no_file_system_holds_costs_its_own_file_only(
    bundle: Path, tmp_path: Path
) -> None:
    forge(bundle, lambda _, capsules: capsules[0].update(path="x" * 5000))
    (report,) = api.restore([bundle], tmp_path / "restored").result()
    assert [file.outcome for file in report.files] == [api.Outcome.FAILED, api.Outcome.EXACT]
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("second", ["IM1.dcm", "IM1.dcm/inside"])
def test_two_originals_of_one_name_never_replace_each_other(
    second: str, bundle: Path, source: Path, tmp_path: Path
) -> None:
    forge(bundle, lambda _, capsules: capsules[1].update(path=second))
    (report,) = api.restore([bundle], tmp_path / "restored").result()
    assert not report.ok
    found = tree(tmp_path / "restored")
    assert len(found) == 1
    assert set(found.values()) <= set(tree(source).values())


def test_a_newer_version_asks_for_an_update(bundle: Path, tmp_path: Path) -> None:
    forge(bundle, lambda document, _: document.update(version=2, requires=["capsule/1"]))
    for steps in (api.verify(bundle), api.restore([bundle], tmp_path / "x"), api.reopen(bundle)):
        with pytest.raises(VersionError, match="update napari-dicom-markup"):
            steps.result()


def test_an_unknown_requirement_asks_for_an_update(bundle: Path) -> None:
    forge(bundle, lambda document, _: document["requires"].append("capsule/2"))
    with pytest.raises(VersionError, match="update napari-dicom-markup"):
        api.verify(bundle).result()


def test_fields_of_later_versions_are_passed_by(bundle: Path) -> None:
    def add(document: Document, capsules: list[Document]) -> None:
        document["later"] = capsules[0]["later"] = document["stacks"][0]["later"] = {"a": [1]}

    forge(bundle, add)
    assert api.verify(bundle).result().ok


@pytest.mark.parametrize(
    "raw",
    [b"", b"PK", b"no zip at all", b"\0" * 5000, b"PK\x05\x06" + b"\0" * 18],
    ids=["empty", "two bytes", "text", "zeros", "empty zip"],
)
def test_what_is_no_sidecar_is_refused_by_name(raw: bytes, bundle: Path, tmp_path: Path) -> None:
    bundle.write_bytes(raw)
    for steps in (api.verify(bundle), api.restore([bundle], tmp_path / "x"), api.reopen(bundle)):
        with pytest.raises(DamagedError, match=r"case\.dcm-markup|sidecar\.json"):
            steps.result()
    assert not (tmp_path / "x").exists()


def test_a_folder_of_a_sidecar_s_name_is_refused(bundle: Path) -> None:
    bundle.unlink()
    bundle.mkdir()
    with pytest.raises(DamagedError, match=r"case\.dcm-markup"):
        api.verify(bundle).result()


EXTREMES: list[Any] = [
    None, True, -1, 0, 2**31, 10**30, 1e308, "", "../x", "x\0", "x" * 300, [], [[]], {}, [None],
]  # fmt: skip


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return (container, key) of everything below a JSON value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, inner in list(pairs):
        found.append((value, key))
        if isinstance(inner, dict | list):
            found += places(inner)
    return found


@pytest.mark.parametrize("which", ["document", "capsules"])
def test_a_forged_value_anywhere_in_the_json_is_refused_or_harmless(
    which: str, bundle: Path, source: Path, tmp_path: Path
) -> None:
    raw, originals = bundle.read_bytes(), tree(source)
    count = len(places(read_forged(bundle, which)))
    turns = itertools.cycle(EXTREMES)
    for number, extreme in zip(range(4 * count), turns, strict=False):

        def edit(
            document: Document,
            capsules: list[Document],
            number: int = number % count,
            extreme: Any = extreme,
        ) -> None:
            container, key = places(document if which == "document" else capsules)[number]
            container[key] = extreme

        bundle.write_bytes(raw)
        forge(bundle, edit)
        survive_forged(bundle, originals, tmp_path / "restored")


def read_forged(bundle: Path, which: str) -> Any:
    entry = "sidecar.json" if which == "document" else "originals/0000.json"
    return json.loads(entries_of(bundle)[entry])


def survive_forged(bundle: Path, originals: dict[str, str], target: Path) -> None:
    """Run the verbs on a forged sidecar: contents of files stay true, whatever their names."""
    said: list[str] = []
    for verb in ("verify", "restore", "reopen_layers"):
        try:
            if verb == "restore":
                api.restore([bundle], target).result()
            else:
                getattr(api, verb)(bundle).result()
        except MarkupError as error:
            said.append(str(error))
    assert not any("\n" in text for text in said)
    if target.exists():
        for name, digest in tree(target).items():
            assert digest in originals.values()
            (target / name).unlink()


MEASURE = """
import sys
from pathlib import Path
from napari_dicom_markup import api
from napari_dicom_markup.errors import MarkupError
sidecar, target = map(Path, sys.argv[1:])
for steps in (api.verify(sidecar), api.restore([sidecar], target), api.reopen_layers(sidecar)):
    try:
        result = steps.result()
        results = result if type(result) is tuple else [result]
        print("ok" if all(getattr(r, "ok", False) for r in results) else "reported")
    except MarkupError as error:
        print(type(error).__name__)
print(next(int(line.split()[1]) // 1024 for line in open("/proc/self/status") if "VmHWM" in line))
"""


def measure(bundle: Path, target: Path) -> tuple[list[str], int]:
    """Return what verify, restore and reopen said, and the peak of their memory in MiB."""
    command = [sys.executable, "-c", MEASURE, str(bundle), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 0, done.stderr
    *said, peak = done.stdout.split()
    return said, int(peak)


def deflate_bomb(bundle: Path) -> None:
    """A document of 512 MB of spaces, and one of lists, that take little space in the ZIP."""
    rewrite_deflated(bundle, "sidecar.json", [b" " * (1 << 20)] * 512)


def list_bomb(bundle: Path) -> None:
    rewrite_deflated(
        bundle, "sidecar.json", [b"[" + b"[]," * (1 << 20)] + [b"[]," * (1 << 20)] * 60
    )


def capsule_bomb(bundle: Path) -> None:
    rewrite_deflated(bundle, "originals/0000.json", [b"[]," * (1 << 20)] * 60)


def capsules_below_the_limit(bundle: Path) -> None:
    """As many capsules of no sense as a document may inflate to."""
    data = b"[" + b"[]," * (INFLATED_FREELY // 3 - 1) + b"1]"
    entries = entries_of(bundle)
    document = json.loads(entries["sidecar.json"])
    document["blocks"][0]["sha256"]["json"] = hashlib.sha256(data).hexdigest()
    entries |= {"originals/0000.json": data, "sidecar.json": json.dumps(document).encode()}
    write_entries(bundle, entries)


def fields_below_the_limit(field: str) -> Callable[[Path], None]:
    def bomb(bundle: Path) -> None:
        entries = entries_of(bundle)
        text = entries["sidecar.json"].decode()
        filled = json.dumps(json.loads(text) | {field: ["bomb"]})
        many = "[]," * ((INFLATED_FREELY - len(filled)) // 3 - 1) + "1"
        entries["sidecar.json"] = filled.replace('"bomb"', many).encode()
        write_entries(bundle, entries)

    return bomb


def rewrite_deflated(bundle: Path, name: str, chunks: list[bytes]) -> None:
    entries = entries_of(bundle)
    with zipfile.ZipFile(bundle, "w") as archive:
        for other, data in entries.items():
            info = zipfile.ZipInfo(other)
            if other == name:
                info.compress_type = zipfile.ZIP_DEFLATED
                with archive.open(info, "w", force_zip64=True) as stream:
                    for chunk in chunks:
                        stream.write(chunk)
            else:
                archive.writestr(info, data)


def xz_bomb(bundle: Path) -> None:
    """Header bytes of 512 MB in an xz stream of some 80 kB."""
    packer = lzma.LZMACompressor(preset=0)
    zeros = b"\0" * (16 << 20)
    packed = b"".join(packer.compress(zeros) for _ in range(32)) + packer.flush()

    def claim(document: Document, capsules: list[Document]) -> None:
        capsules[0]["parts"] = [{"kind": "literal", "length": 32 * len(zeros)}]
        capsules[0]["size"] = 32 * len(zeros)
        document["blocks"][0]["literal"] = 32 * len(zeros) + sum(
            part["length"] for part in capsules[1]["parts"] if part["kind"] == "literal"
        )

    entries = entries_of(bundle)
    entries["originals/0000.xz"] = packed
    write_entries(bundle, entries)
    forge(bundle, claim)


def packed_bomb(bundle: Path) -> None:
    """A packed part in the payload that unpacks to far more than it declares."""
    packer = lzma.LZMACompressor(preset=0)
    zeros = b"\0" * (16 << 20)
    packed = b"".join(packer.compress(zeros) for _ in range(32)) + packer.flush()
    replace_payload(bundle, packed, {"kind": "packed", "length": 16 << 20})


def jpeg_ls_bomb(rows: int, columns: int, width: int) -> Callable[[Path], None]:
    size = rows.to_bytes(2, "big") + columns.to_bytes(2, "big")
    header = b"\xff\xd8\xff\xf7\x00\x0b" + bytes([8 * width]) + size + b"\x01\x01\x11\x00"
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x00\x00" + b"\xff\x7f" * 40000 + b"\xff\xd9"
    part = {
        "kind": "plane",
        "length": rows * columns * width,
        "rows": rows,
        "columns": columns,
        "width": width,
    }

    def bomb(bundle: Path) -> None:
        replace_payload(bundle, header + scan, part)

    return bomb


def replace_payload(bundle: Path, payload: bytes, part: Document) -> None:
    """Make the first original one part with this payload, and the second one empty."""

    def claim(document: Document, capsules: list[Document]) -> None:
        capsules[0] |= {"parts": [part | {"stored": len(payload)}], "size": part["length"]}
        capsules[1] |= {"parts": [], "size": 0}
        document["blocks"][0] |= {"literal": 0, "payload": len(payload)}

    entries = entries_of(bundle)
    entries["originals/0000.bin"] = payload
    entries["originals/0000.xz"] = lzma.compress(b"")
    write_entries(bundle, entries)
    forge(bundle, claim)


def claims_of_size(bundle: Path) -> None:
    """Capsules and blocks that claim terabytes which are not there."""
    huge = 1 << 42

    def claim(document: Document, capsules: list[Document]) -> None:
        for capsule in capsules:
            capsule["parts"] = [{"kind": "verbatim", "length": huge, "stored": huge}]
            capsule["size"] = huge
        document["blocks"][0] |= {"literal": 0, "payload": huge * len(capsules)}

    entries = entries_of(bundle)
    forge(bundle, claim)
    raw = bytearray(bundle.read_bytes())
    place = raw.rindex(b"originals/0000.bin") - 46  # the central directory's entry
    raw[place + 20 : place + 28] = (0xFFFFFFFE).to_bytes(4, "little") * 2
    bundle.write_bytes(raw)
    assert entries


def many_files(bundle: Path) -> None:
    def claim(document: Document, capsules: list[Document]) -> None:
        document["files"] = document["blocks"][0]["files"] = 10**12

    forge(bundle, claim)


BOMBS = {
    "deflated spaces": deflate_bomb,
    "deflated lists": list_bomb,
    "deflated capsules": capsule_bomb,
    "senseless capsules": capsules_below_the_limit,
    **{
        f"senseless {name}": fields_below_the_limit(name)
        for name in ("stacks", "requires", "files")
    },
    "xz of 512 MB": xz_bomb,
    "packed part": packed_bomb,
    "JPEG-LS of 65535 × 65535": jpeg_ls_bomb(65535, 65535, 1),
    "JPEG-LS of 32768 × 32768 words": jpeg_ls_bomb(32768, 32768, 2),
    "terabytes claimed": claims_of_size,
    "10^12 files claimed": many_files,
}


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is asked of Linux")
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused_with_little_memory(
    bomb: Callable[[Path], None], bundle: Path, source: Path, tmp_path: Path
) -> None:
    bomb(bundle)
    said, peak = measure(bundle, tmp_path / "restored")
    assert "ok" not in said[:2]
    assert said[2] == "DamagedError"
    check_restored(tmp_path / "restored", tree(source))
    assert peak < 600
