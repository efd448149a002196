"""Packed and restored: the same tree and the same bytes, whatever the files are."""

from __future__ import annotations

import csv
import hashlib
import logging
import os
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.cases import forge, painted, save_case, tree, write_series
from tests.data import CORPUS, PYDICOM_FILES, files_under, needs_corpus
from typer.testing import CliRunner

from napari_dicom_markup import api
from napari_dicom_markup.api.case import Case
from napari_dicom_markup.api.packing import pack_case
from napari_dicom_markup.cli import app
from napari_dicom_markup.errors import MarkupError

CANARY = "Canary^Zebra"

SMALL = [path for path in files_under(PYDICOM_FILES) if path.stat().st_size < 20_000]
PREFIXED = [path for path in SMALL if path.read_bytes()[128:132] == b"DICM"]

EXAMPLES = int(os.environ.get("NDM_EXAMPLES", "100"))

thorough = settings(
    deadline=None,
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

arbitrary = st.builds(
    lambda preamble, rest: preamble + b"DICM" + rest,
    st.binary(min_size=128, max_size=128),
    st.binary(max_size=800),
)


@st.composite
def mutated(draw: st.DrawFn, path: Path | None = None, most: int = 4) -> bytes:
    """Return a real file with bytes changed, inserted and deleted behind its prefix."""
    raw = bytearray((path or draw(st.sampled_from(PREFIXED))).read_bytes())
    for _ in range(draw(st.integers(0, most))):
        at = draw(st.integers(132, max(132, len(raw) - 1)))
        way = draw(st.sampled_from(["change", "insert", "delete", "cut"]))
        if way == "change":
            raw[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
        elif way == "insert":
            raw[at:at] = draw(st.binary(min_size=1, max_size=9))
        elif way == "delete":
            del raw[at : at + draw(st.integers(1, 9))]
        else:
            del raw[at:]
    return bytes(raw)


odd_names = st.sampled_from(
    [b"IM 1", "Größe ☂ 影像".encode(), b"a\\b", b"100%", b"%2e%2e", b"new\nline", b"\xff\xfe",
     b" ", b"CON", b"a:b", b"..a", b"~", b"-rf", b"'\"", b"x" * 200, "e\u0301".encode(), b"*?|<>"]
)  # fmt: skip
any_names = st.binary(min_size=1, max_size=12).map(
    lambda name: name.replace(b"/", b"_").replace(b"\0", b"_")
)
parts = (odd_names | any_names).filter(lambda name: name not in {b".", b".."})
paths = st.lists(parts, min_size=1, max_size=4).map(b"/".join)
trees = st.dictionaries(paths, arbitrary | mutated(), min_size=1, max_size=4)


def write_tree(folder: Path, files: dict[bytes, bytes]) -> None:
    """Write files by relative path; one whose name a folder has already is left out."""
    for name, raw in files.items():
        path = folder / os.fsdecode(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as stream:
                stream.write(raw)
        except OSError:
            continue


def check_round_trip(sources: list[Path], work: Path) -> dict[str, str]:
    """Pack and restore; return what was restored."""
    bundles = api.pack(sources, work / "bundles").result().bundles
    sidecars = [bundle.sidecar for bundle in bundles]
    for report in api.restore(sidecars, work / "restored").result():
        assert report.ok, [(file.path, file.detail) for file in report.files]
    for sidecar in sidecars:
        assert api.verify(sidecar).result().ok
    return tree(work / "restored")


@thorough
@given(files=trees)
def test_any_files_of_any_names_come_back(files: dict[bytes, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        source.mkdir()
        write_tree(source, files)
        assert check_round_trip([source], Path(folder)) == tree(source)


@thorough
@given(first=trees, second=trees)
def test_two_folders_of_the_same_names_come_back(
    first: dict[bytes, bytes], second: dict[bytes, bytes]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        roots = [Path(folder) / "a", Path(folder) / "b"]
        for root, files in zip(roots, (first, second | first), strict=True):
            root.mkdir()
            write_tree(root, files)
        given = [(name, sha) for root in roots for name, sha in tree(root).items()]
        restored = check_round_trip(roots, Path(folder))
        assert Counter(restored.values()) == Counter(sha for _, sha in given)
        for name, sha in restored.items():
            assert any(name.endswith(own) and sha == its for own, its in given)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (["IM1"], ["IM1"]),
        (["IM1", "1/IM1"], ["IM1"]),
        (["IM1", "2/IM1"], ["IM1"]),
        (["IM1"], ["IM1/IM1"]),
        (["1", "IM1"], ["IM1"]),
        (["a/b"], ["a"]),
    ],
    ids=str,
)
def test_names_that_meet_are_told_apart(
    first: list[str], second: list[str], tmp_path: Path
) -> None:
    raw = write_series(tmp_path / "one", 1).joinpath("IM1.dcm").read_bytes()
    for number, names in enumerate((first, second)):
        (tmp_path / "ab"[number]).mkdir()
        write_tree(tmp_path / "ab"[number], {name.encode(): raw + b"x" * number for name in names})
    restored = check_round_trip([tmp_path / "a", tmp_path / "b"], tmp_path)
    assert len(restored) == len(first) + len(second)


@settings(thorough, max_examples=EXAMPLES // 2)
@given(files=trees)
def test_packing_twice_and_reopening_give_the_same_bytes(files: dict[bytes, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, again = Path(folder) / "source", Path(folder) / "again"
        source.mkdir()
        again.mkdir()
        write_tree(source, files)
        bundles = api.pack([source], Path(folder) / "first").result().bundles
        api.pack([source], Path(folder) / "second").result()
        assert tree(Path(folder) / "first") == tree(Path(folder) / "second")
        copied = [bundle for bundle in bundles if pack_reopened(bundle, again)]
        names = {path.name for one in copied for path in (one.sidecar, *one.tiffs)}
        first = tree(Path(folder) / "first")
        assert {name: first[name] for name in names} == tree(again)


def pack_reopened(bundle: api.Bundle, folder: Path) -> bool:
    """Save a reopened bundle in another folder, under its name; False where it has no image."""
    reopened = api.reopen(bundle.sidecar).result()
    if not reopened.volumes:
        return False
    stem = bundle.sidecar.name.removesuffix(".dcm-markup")
    case = Case(
        series=reopened.volumes[0].series,
        labels={index: list(labels) for index, labels in reopened.labels.items()},
        images={volume.stack.index: volume for volume in reopened.volumes},
        sidecar=bundle.sidecar,
    )
    api.Steps(pack_case(case, folder, stem)).result()
    return True


@settings(thorough, max_examples=EXAMPLES // 2)
@given(raw=mutated(PYDICOM_FILES / "dicomdirtests" / "DICOMDIR", most=12))
def test_a_damaged_dicomdir_never_stops_a_scan(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "DICOMDIR"
        path.write_bytes(raw)
        api.scan(path).result()


def test_layers_of_a_reopened_case_save_to_the_same_bytes(tmp_path: Path) -> None:
    save_case(write_series(tmp_path / "source"), tmp_path / "first")
    layers = api.reopen_layers(tmp_path / "first" / "case.dcm-markup").result()
    (tmp_path / "second").mkdir()
    api.save_layers(tmp_path / "second" / "case.ome.tif", layers.tuples).result()
    assert tree(tmp_path / "first") == tree(tmp_path / "second")


def expected(files: list[Path]) -> Counter[str]:
    """Return the hashes of the files that say that they are DICOM."""
    raws = [path.read_bytes() for path in files]
    return Counter(hashlib.sha256(r).hexdigest() for r in raws if r[128:132] == b"DICM")


def test_every_file_of_pydicom_comes_back(tmp_path: Path) -> None:
    folders = [PYDICOM_FILES, PYDICOM_FILES.with_name("charset_files")]
    restored = Counter(check_round_trip(folders, tmp_path).values())
    assert expected([path for folder in folders for path in files_under(folder)]) <= restored


@needs_corpus
def test_every_dicom_file_of_the_corpus_comes_back(tmp_path: Path) -> None:
    with (CORPUS / "inventory.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    listed = Counter(row["sha256"] for row in rows if row["kind"] == "dicom")
    restored = check_round_trip([CORPUS], tmp_path)
    assert restored.items() <= tree(CORPUS).items()
    assert not listed - Counter(restored.values())
    assert not expected(files_under(CORPUS)) - Counter(restored.values())


def test_no_output_names_the_patient(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    identity = dict.fromkeys(("PatientName", "PatientID", "AccessionNumber"), CANARY)
    identity |= {"StudyDescription": CANARY, "SeriesDescription": CANARY, "StudyID": CANARY}
    source = write_series(tmp_path / "source", **identity)
    said = run_all(source, tmp_path)
    said += [record.getMessage() for record in caplog.records]
    said += capfd.readouterr()
    said += [path.name for path in (tmp_path / "bundles").iterdir()]
    for path in (tmp_path / "bundles").glob("*.tif"):
        said.append(path.read_bytes().decode("latin-1"))
    assert len(said) > 20
    for text in said:
        assert "canary" not in text.lower()
        assert "zebra" not in text.lower()


def run_all(source: Path, folder: Path) -> list[str]:
    """Run every verb, well and badly, and return all that is said."""
    run = CliRunner()
    out, restored = folder / "bundles", folder / "restored"
    layers = api.open_layers(source).result()
    bundle = api.save_layers(out_folder(out) / "case", [layers.tuples[0], painted(layers)]).result()
    packed = api.pack([source], out).result().bundles
    sidecar = packed[0].sidecar
    reopened = api.reopen(bundle.sidecar).result()
    said = [repr(thing) for thing in (bundle, packed, reopened, layers.notice)]
    said += [repr(layers.tuples[0][1]), repr(api.scan(source).result())]
    for command in (
        ["info", str(source)],
        ["info", "--json", str(source)],
        ["pack", str(source), str(out)],
        ["pack", "--json", str(source), str(out)],
        ["restore", str(sidecar), str(restored)],
        ["restore", "--json", str(sidecar), str(restored)],
        ["verify", "--json", str(sidecar)],
        ["verify", str(sidecar), "--against", str(source)],
    ):
        done = run.invoke(app, command)
        assert done.exit_code == 0, done.output
        said += [done.output, done.stderr]
    return said + fail_all(source, sidecar, bundle.sidecar, folder)


def out_folder(folder: Path) -> Path:
    folder.mkdir()
    return folder


def fail_all(source: Path, sidecar: Path, case: Path, folder: Path) -> list[str]:
    """Make verbs fail, and return what they say."""
    run = CliRunner()
    layers = api.open_layers(source).result()
    (source / "IM1.dcm").write_bytes((source / "IM1.dcm").read_bytes()[:-400])
    said = []
    for steps in (
        api.save_layers(folder / "x", [layers.tuples[0], painted(layers)]),
        api.pack([source], sidecar),
        api.pack([source], folder / "nowhere" / "x.dcm-markup", labels=source / "IM2.dcm"),
        api.reopen(source / "IM2.dcm"),
    ):
        with pytest.raises(MarkupError) as caught:
            steps.result()
        said += [str(caught.value), repr(caught.value)]
    raw = bytearray(case.read_bytes())
    raw[200] ^= 1
    case.write_bytes(raw)
    forge(sidecar, lambda document, _: document["stacks"].append(CANARY))
    for command in (["verify", str(case)], ["restore", str(sidecar), str(folder / "y")]):
        done = run.invoke(app, command)
        assert done.exit_code == 1
        said += [done.output, done.stderr]
    return said


@pytest.mark.parametrize("name", ["MR_small_RLE.dcm", "JPEG2000.dcm", "JPEG-lossy.dcm"])
def test_a_damaged_frame_is_kept_and_reaches_no_log(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    raw = (PYDICOM_FILES / name).read_bytes()
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / name).write_bytes(raw[:-900] + bytes(400) + raw[-500:])
    caplog.set_level(logging.DEBUG)
    assert check_round_trip([tmp_path / "source"], tmp_path) == tree(tmp_path / "source")
    assert caplog.records == []


def test_labels_given_to_pack_come_back(tmp_path: Path) -> None:
    source = write_series(tmp_path / "source")
    labels = np.zeros((3, 16, 16), np.uint8)
    labels[1, 2:5] = 3
    np.save(tmp_path / "labels.npy", labels)
    (bundle,) = (
        api.pack([source], tmp_path / "out", labels=tmp_path / "labels.npy").result().bundles
    )
    (again,) = api.reopen(bundle.sidecar).result().labels[1]
    assert np.array_equal(again.data, labels)
