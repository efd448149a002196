"""The command line: what it prints, and its exit status."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from napari_dicom_markup import api
from napari_dicom_markup.cli import app
from tests.series import CANARY, write_series


def run(*arguments: object, status: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == status, result.output
    assert CANARY not in result.output
    assert "Traceback" not in result.output
    return result.output if status else result.stdout


@pytest.fixture
def series(tmp_path):
    return write_series(tmp_path / "dicom")


def contents(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_info_prints_series_stacks_and_leftovers(series):
    (series / "notes.txt").write_text("a note")
    text = run("info", series)
    assert "CT series 1.2.3.2, 5 files" in text
    assert "stack 1: 5 × 12 × 10 (z, y, x), 2.5 × 0.8 × 0.7 mm, int16 HU" in text
    assert "notes.txt: not DICOM: text" in text


def test_info_json_gives_programs_the_affine_and_the_reasons(series):
    (series / "notes.txt").write_text("a note")
    found = json.loads(run("info", series, "--json"))
    (one,) = found["series"]
    assert (one["uid"], one["modality"]) == ("1.2.3.2", "CT")
    (stack,) = one["stacks"]
    assert (stack["shape"], stack["axes"]) == ([5, 12, 10], ["z", "y", "x"])
    assert stack["spacing_mm"] == [2.5, 0.8, 0.7]
    np.testing.assert_allclose(np.array(stack["affine_lps"]) @ (1, 0, 0, 1), (-10, -20, 7.5, 1))
    assert stack["values"] == {"dtype": "int16", "unit": "HU", "domain": "physical"}
    assert len(stack["files"]) == 5
    assert stack["reports"] == []
    assert found["leftovers"] == [{"path": "notes.txt", "reason": "not DICOM: text"}]


def test_pack_restore_and_verify_agree_on_every_byte(tmp_path, series):
    packed = json.loads(run("pack", series, tmp_path / "out", "--json"))["bundles"]
    assert [bundle["files"] for bundle in packed] == [5]
    sidecar = packed[0]["sidecar"]
    assert "5 exact" in run("restore", sidecar, tmp_path / "again")
    assert contents(tmp_path / "again") == contents(series)
    assert "5 exact" in run("verify", sidecar, "--against", series)
    report = json.loads(run("verify", sidecar, "--json"))
    assert report[0]["ok"]


def test_pack_into_a_named_bundle_with_labels(tmp_path, series):
    labels = np.zeros((5, 12, 10), np.uint8)
    labels[2, 3, 4] = 3
    np.save(tmp_path / "labels.npy", labels)
    out = tmp_path / "case.dcm-markup"
    run("pack", series, out, "--labels", tmp_path / "labels.npy", "--no-image")
    assert sorted(path.name for path in tmp_path.glob("case*")) == [
        "case.dcm-markup",
        "case.ome.tif",
    ]
    again = api.reopen(out).result()
    np.testing.assert_array_equal(again.labels[1][0].data, labels)


def test_labels_of_another_shape_are_refused(tmp_path, series):
    np.save(tmp_path / "labels.npy", np.zeros((5, 12, 11), np.uint8))
    text = run("pack", series, tmp_path / "out", "--labels", tmp_path / "labels.npy", status=1)
    assert "no stack has the shape (5, 12, 11)" in text
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["absent.tif", "text.tif", "floats.npy", "objects.npy"])
def test_what_is_no_labels_file_is_refused_in_one_line(tmp_path, series, name):
    (tmp_path / "text.tif").write_text("no TIFF")
    np.save(tmp_path / "floats.npy", np.zeros((5, 12, 10)))
    np.save(tmp_path / "objects.npy", np.array([object()]), allow_pickle=True)
    text = run("pack", series, tmp_path / "out", "--labels", tmp_path / name, status=1)
    assert text.startswith(f"dicom-markup: {name}")
    assert len(text.splitlines()) == 1


def test_without_images_a_series_gets_a_sidecar_alone_and_strays_share_one(tmp_path, series):
    from pydicom.data import get_testdata_file

    for name in ("DICOMDIR", "reportsi.dcm"):
        shutil.copy(get_testdata_file(name, download=False), series / name)
    bundles = json.loads(run("pack", series, tmp_path / "out", "--json"))["bundles"]
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert [name for name in names if name.startswith("SR-")] == [
        name for name in names if name.startswith("SR-") and name.endswith(".dcm-markup")
    ]
    assert "no-series.dcm-markup" in names
    run("restore", *[bundle["sidecar"] for bundle in bundles], tmp_path / "again")
    assert contents(tmp_path / "again") == contents(series)


def test_restoring_twice_writes_nothing_and_a_foreign_file_stays(tmp_path, series):
    (bundle,) = json.loads(run("pack", series, tmp_path / "out", "--json"))["bundles"]
    run("restore", bundle["sidecar"], tmp_path / "again")
    assert "already there" in run("restore", bundle["sidecar"], tmp_path / "again")
    (tmp_path / "again" / "IM000.dcm").write_bytes(b"mine")
    text = run("restore", bundle["sidecar"], tmp_path / "again", status=1)
    assert "IM000.dcm: another file has this name" in text
    assert (tmp_path / "again" / "IM000.dcm").read_bytes() == b"mine"


def test_verify_names_what_differs_from_the_originals(tmp_path, series):
    (bundle,) = json.loads(run("pack", series, tmp_path / "out", "--json"))["bundles"]
    (series / "IM000.dcm").write_bytes(b"changed")
    (series / "IM001.dcm").unlink()
    text = run("verify", bundle["sidecar"], "--against", series, status=1)
    assert "IM000.dcm: its bytes differ" in text
    assert "IM001.dcm: not found" in text


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("info", "{tmp}/absent"), "there is no such file or folder"),
        (("pack", "{tmp}/empty", "{tmp}/out"), "there is no DICOM"),
        (("verify", "{tmp}/text.dcm-markup"), "damaged"),
        (("restore", "{tmp}/absent.dcm-markup", "{tmp}/out"), "absent.dcm-markup"),
    ],
    ids=["info", "pack", "verify", "restore"],
)
def test_bad_input_is_one_line_and_status_1(tmp_path, arguments, word):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.dcm-markup").write_text("no sidecar")
    text = run(*(argument.format(tmp=tmp_path) for argument in arguments), status=1)
    assert word in text
    assert len(text.splitlines()) == 1


def test_an_unknown_option_is_status_2():
    assert "No such option" in run("info", "--nonsense", status=2)


def test_the_demo_agrees_with_itself(tmp_path):
    text = run("demo", tmp_path)
    assert "SHA-256 agrees for 40 of 40 files" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "dicom", "restored"]


def test_the_installed_command_explains_its_exit_status():
    command = [sys.executable, "-c", "from napari_dicom_markup.cli import main; main()", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Exit status" in shown


def test_one_bad_sidecar_costs_the_others_nothing(tmp_path, series):
    (bundle,) = json.loads(run("pack", series, tmp_path / "out", "--json"))["bundles"]
    (tmp_path / "bad.dcm-markup").write_text("no sidecar")
    sidecars = (tmp_path / "bad.dcm-markup", bundle["sidecar"])
    text = run("restore", *sidecars, tmp_path / "again", status=1)
    assert "bad.dcm-markup is damaged" in text
    assert contents(tmp_path / "again") == contents(series)


def test_one_series_that_cannot_be_packed_costs_the_others_nothing(tmp_path, series):
    write_series(series / "other", SeriesInstanceUID="1.2.3.9")
    run("pack", series, tmp_path / "out", "--no-image")
    first, second = sorted((tmp_path / "out").iterdir())
    first.write_text("something else of this name")
    second.unlink()
    text = run("pack", series, tmp_path / "out", "--no-image", status=1)
    assert "1 of 2 series were not packed; the others are whole" in text
    assert "choose another name" in text
    assert first.read_text() == "something else of this name"
    assert "exact" in run("verify", second)


def test_what_is_no_dicom_is_named_and_costs_nothing(tmp_path, series):
    (series / "notes.txt").write_text("a note")
    assert "not packed: notes.txt: not DICOM: text" in run("pack", series, tmp_path / "out")


def test_a_file_that_cannot_be_read_is_named_with_status_1(tmp_path, series):
    ring = series / "ring.dcm"
    ring.symlink_to(ring)
    text = run("pack", series, tmp_path / "out", status=1)
    assert "files could not be read and are in no bundle" in text
    assert "ring.dcm: cannot be opened" in text
    assert list((tmp_path / "out").glob("CT-*.dcm-markup"))


def test_an_internal_error_is_told_without_its_text_and_without_traceback(monkeypatch, series):
    def fail(paths):
        raise ZeroDivisionError(CANARY)
        yield

    monkeypatch.setattr(api, "scan_steps", fail)
    text = run("info", series, status=1)
    assert "internal error (ZeroDivisionError at test_cli.py" in text


def test_a_partial_pack_names_the_bundles_that_were_written(tmp_path, series):
    write_series(series / "other", SeriesInstanceUID="1.2.3.9")
    run("pack", series, tmp_path / "out", "--no-image")
    first, second = sorted((tmp_path / "out").iterdir())
    first.write_text("something else of this name")
    text = run("pack", series, tmp_path / "out", "--no-image", status=1)
    assert f"{second}: 5 files" in text
    invoked = CliRunner().invoke(
        app, ["pack", str(series), str(tmp_path / "out"), "--no-image", "--json"]
    )
    found = json.loads(invoked.stdout)
    assert invoked.exit_code == 1
    assert [bundle["sidecar"] for bundle in found["bundles"]] == [str(second)]
    assert [reason.split(":")[0] for reason in found["failures"]] == [first.stem]


def test_a_cd_of_one_series_is_packed_to_a_name_and_its_dicomdir_beside_it(tmp_path, series):
    from pydicom.data import get_testdata_file

    shutil.copy(get_testdata_file("DICOMDIR", download=False), series / "DICOMDIR")
    run("pack", series, tmp_path / "case.dcm-markup", "--no-image")
    names = sorted(path.name for path in tmp_path.glob("case*"))
    assert names == ["case.dcm-markup", "case.no-series.dcm-markup"]
    run("restore", *(tmp_path / name for name in names), tmp_path / "again")
    assert contents(tmp_path / "again") == contents(series)


def test_two_series_are_not_packed_to_a_name(tmp_path, series):
    write_series(series / "other", SeriesInstanceUID="1.2.3.9")
    text = run("pack", series, tmp_path / "case.dcm-markup", status=1)
    assert "2 series do not fit into one bundle" in text


def test_verify_names_a_damaged_original(tmp_path, series, monkeypatch):
    (bundle,) = json.loads(run("pack", series, tmp_path / "out", "--json"))["bundles"]
    monkeypatch.setattr(
        "napari_dicom_markup.api.restoring.is_exact", lambda one: one.relative != "IM001.dcm"
    )
    text = run("verify", bundle["sidecar"], status=1)
    assert "IM001.dcm: its bytes are damaged in the sidecar" in text
    assert "IM000.dcm" not in text


def test_info_prints_no_control_characters_of_a_header(tmp_path):
    (path,) = write_series(tmp_path / "odd", slices=1, SeriesInstanceUID="1.2.345.6").iterdir()
    path.write_bytes(path.read_bytes().replace(b"1.2.345.6", b"1.2\x1b[2J.6"))
    text = run("info", path)
    assert "1.2\ufffd[2J.6, 1 files" in text
    assert "\x1b" not in text


def test_the_demo_twice_in_one_folder_counts_what_is_there(tmp_path):
    run("demo", tmp_path)
    assert "restored 40 files" in run("demo", tmp_path)
