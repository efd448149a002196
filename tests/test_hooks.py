"""The door that npe2 calls: light to import, sure of what it takes, and what the manifest says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_dicom_markup import _hooks
from tests.data import build_image

PLUGIN = "napari-dicom-markup"
MANIFEST = Path(_hooks.__file__).with_name("napari.yaml")
PREFIXED = b"\0" * 128 + b"DICM\2\0\0\0UL\4\0"
EXPLICIT = b"\x08\0\x05\0CS\x0a\0ISO_IR 100" + b"\0" * 200
IMPLICIT = b"\x08\0\0\0\4\0\0\0\x10\1\0\0" + b"\0" * 200
BIG_ENDIAN = b"\0\x08\0\x05CS\0\x0aISO_IR 100" + b"\0" * 200
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 200


def test_importing_the_hooks_imports_nothing_heavy():
    code = (
        "import sys; before = set(sys.modules); import napari_dicom_markup._hooks;"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert set(done.stdout.split()) <= {"napari_dicom_markup", *sys.stdlib_module_names}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.dcm", PREFIXED),
        ("IM000001", PREFIXED),
        ("picture.png", PREFIXED),
        ("a.dcm", EXPLICIT),
        ("a.IMA", IMPLICIT),
        ("a.dicom", BIG_ENDIAN),
        ("IM1", IMPLICIT),
        ("1.2.840.113619.2.5", EXPLICIT),
    ],
    ids=str,
)
def test_dicom_is_accepted(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    assert _hooks.get_reader(str(path)) is not None
    assert _hooks.get_reader(str(tmp_path)) is not None
    assert _hooks.get_reader([str(path), str(path)]) is not None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.png", PNG),
        ("IM1", PNG),
        ("a.txt", b"text that is longer than the prefix " * 9),
        ("README", b"text that is longer than the prefix " * 9),
        ("a.csv", b"a,b\n1,2\n"),
        ("empty.dcm", b""),
        ("a.dcm", b"this is text, whatever its name says " * 9),
        ("a.dcm", b"\x08\0"),
        ("a.bin", EXPLICIT),
    ],
    ids=str,
)
def test_what_is_no_dicom_is_declined(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    assert _hooks.get_reader(str(path)) is None
    assert _hooks.get_reader(str(tmp_path)) is None


def test_nothing_and_what_does_not_exist_are_declined(tmp_path):
    assert _hooks.get_reader([]) is None
    assert _hooks.get_reader(str(tmp_path / "none.dcm")) is None
    assert _hooks.get_reader(str(tmp_path)) is None


def test_one_file_that_is_no_dicom_declines_a_stack(tmp_path):
    (tmp_path / "a.dcm").write_bytes(PREFIXED)
    (tmp_path / "b.dcm").write_bytes(b"text")
    assert _hooks.get_reader([str(tmp_path / "a.dcm"), str(tmp_path / "b.dcm")]) is None


def test_dicom_is_found_in_a_folder_among_many_other_files(tmp_path):
    for number in range(300):
        (tmp_path / f"a{number}.txt").write_text("text")
    below = tmp_path / "z" / "y"
    below.mkdir(parents=True)
    (tmp_path / "scan.dcm").write_bytes(PREFIXED)
    assert _hooks.get_reader(str(tmp_path)) is not None


def test_a_sidecar_is_taken_by_its_name(tmp_path):
    assert _hooks.get_reader(str(tmp_path / "CASE.DCM-MARKUP")) is _hooks._read_sidecar


@pytest.fixture
def plugin(request):
    """Return npe2's plug-in manager, which knows this package alone."""
    pytest.importorskip("npe2", reason="npe2 comes with napari")
    manager = request.getfixturevalue("npe2pm")
    with manager.tmp_plugin(package=PLUGIN):
        yield manager


@pytest.mark.parametrize(
    "name",
    [
        "a.dcm",
        "A.DCM",
        "a.IMA",
        "DICOMDIR",
        "IM000001",
        "00000001",
        "I",
        "1.2.840.113619.2.5",
        "2.25.329800735698586629295641978511506172918",
        "CT.1.2.840.1.2.3.4",
        "case.dcm-markup",
        "CT-65fd5914.dcm-markup",
        "folder/",
    ],
)
def test_the_manifest_claims_what_dicom_is_named(plugin, tmp_path, name):
    path = tmp_path / name
    path.mkdir() if name.endswith("/") else path.touch()
    assert [r.plugin_name for r in plugin.iter_compatible_readers([str(path)])] == [PLUGIN]


@pytest.mark.parametrize(
    "name",
    [
        "x.csv",
        "y.png",
        "z.ome.tif",
        "cells.nii.gz",
        "v1.2.3.tif",
        "2.5.mp4",
        "2.5.7z",
        "0.1.2.tif",
        "movie.avi",
        "script.py",
        ".hidden",
    ],
)
def test_the_manifest_leaves_other_names_to_others(plugin, tmp_path, name):
    path = tmp_path / name
    path.touch()
    assert not list(plugin.iter_compatible_readers([str(path)]))


def test_the_manifest_is_valid_and_its_functions_can_be_imported():
    npe2 = pytest.importorskip("npe2", reason="npe2 comes with napari")
    manifest = npe2.PluginManifest.from_file(MANIFEST)
    manifest.validate_imports()
    assert manifest.name == PLUGIN
    done = subprocess.run(
        [sys.executable, "-m", "npe2", "validate", PLUGIN], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_reader_works_through_npe2(plugin, tmp_path):
    npe2 = pytest.importorskip("npe2")
    pytest.importorskip("napari", reason="the reader returns napari's layers")
    pixels = np.arange(12, dtype=np.uint16).reshape(3, 4)
    (tmp_path / "a.dcm").write_bytes(build_image(pixels))
    assert PLUGIN in plugin
    (layer,) = npe2.read([str(tmp_path / "a.dcm")], stack=False, plugin_name=PLUGIN)
    np.testing.assert_array_equal(layer.data[0], pixels)
