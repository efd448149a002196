"""Files are found in a fixed order, and each says what it is."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import pydicom
import pytest
from pydicom.data import get_testdata_file

from napari_dicom_markup.errors import NothingToOpenError
from napari_dicom_markup.model.progress import Step, Steps
from napari_dicom_markup.model.stack import Instance, Leftover, SourceFile
from napari_dicom_markup.sources.dicom import scan
from napari_dicom_markup.sources.dicom.scan import find_files, read_instances

if TYPE_CHECKING:
    from pathlib import Path


def element(tag: int, vr: str, value: bytes) -> bytes:
    value += b"\0" * (len(value) % 2)
    size = struct.pack("<2xL" if vr in {"OB", "OW"} else "<H", len(value))
    return struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode() + size + value


def dicom(*, series: bytes = b"1.2.5", private: int = 0, number: bytes = b"1 ") -> bytes:
    """A CT-like file of one 4 × 4 image, with a private block of a size in its header."""
    body = element(0x00020010, "UI", b"1.2.840.10008.1.2.1")
    body += element(0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.2")
    body += element(0x00190010, "LO", b"MAKER") + element(0x00191001, "OB", bytes(private))
    body += element(0x0020000E, "UI", series) if series else b""
    body += element(0x00200013, "IS", number)
    for tag in (0x00280010, 0x00280011):
        body += element(tag, "US", b"\4\0")
    body += element(0x00280100, "US", b"\x10\0")
    return bytes(128) + b"DICM" + body + element(0x7FE00010, "OW", bytes(32))


def read(*paths: Path) -> list[Instance | Leftover]:
    return Steps(read_instances(find_files(paths))).result()


def reason(path: Path) -> tuple[bool, str]:
    (found,) = read(path)
    assert isinstance(found, Leftover)
    return found.is_dicom, found.reason


def test_files_come_folder_by_folder_in_order_of_names(tmp_path):
    for name in ("b/2", "b/1", "a", "c/d/e"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    files = find_files([tmp_path])
    assert [file.relative for file in files] == ["a", "b/1", "b/2", "c/d/e"]
    assert all(file.size == 1 and file.mtime_ns > 0 for file in files)
    assert all(file.path == tmp_path / file.relative for file in files)


def test_a_file_given_itself_has_its_bare_name(tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    assert [file.relative for file in find_files([tmp_path / "a"])] == ["a"]


def test_a_file_given_twice_is_found_once(tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    assert len(find_files([tmp_path, tmp_path / "a", tmp_path])) == 1


def test_a_missing_path_is_named_as_typed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NothingToOpenError, match=r"^not/here: there is no such file or folder"):
        find_files(["not/here"])


def test_staging_folders_are_passed_over(tmp_path):
    staging = tmp_path / ".x.dicom-markup-staging"
    staging.mkdir()
    (staging / "a").write_bytes(b"x")
    assert find_files([tmp_path]) == []


@pytest.mark.skipif(os.name == "nt", reason="symbolic links and FIFOs need POSIX")
def test_links_to_folders_are_not_followed_and_pipes_are_no_files(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "way").symlink_to(tmp_path / "pipe")
    found = read(tmp_path)
    assert [one.file.relative for one in found] == ["link", "real/a", "way"]
    assert found[0].reason == "a link to a folder: give that folder itself"
    assert not any(one.is_unreadable for one in found)


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need POSIX")
def test_a_broken_link_is_a_leftover(tmp_path):
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    assert reason(tmp_path) == (False, "cannot be opened: no such file or directory")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything"
)
def test_what_may_not_be_read_is_a_leftover(tmp_path):
    (tmp_path / "a").write_bytes(dicom())
    (tmp_path / "a").chmod(0)
    assert reason(tmp_path) == (False, "cannot be opened: permission denied")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "an empty file"),
        (b"\x89PNG\r\n\x1a\n....", "not DICOM: a PNG picture"),
        (b"\xff\xd8\xff\xe0....", "not DICOM: a JPEG picture"),
        (b"PK\x03\x04....", "not DICOM: a ZIP archive"),
        (b"Readme\n\xc3\xa9t\xc3\xa9", "not DICOM: text"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "not DICOM: a git-lfs pointer: the file itself was not fetched",
        ),
        (bytes(range(256)) * 9, "not DICOM: no DICM prefix and no plausible data set"),
    ],
    ids=["empty", "png", "jpeg", "zip", "text", "lfs", "binary"],
)
def test_what_is_no_dicom_says_what_it_is(tmp_path, content, expected):
    (tmp_path / "a").write_bytes(content)
    assert reason(tmp_path) == (False, expected)


def test_a_report_without_a_series_is_a_dicom_leftover(tmp_path):
    body = element(0x00020010, "UI", b"1.2.840.10008.1.2.1")
    body += element(0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.88.11")
    (tmp_path / "a").write_bytes(bytes(128) + b"DICM" + body)
    assert reason(tmp_path) == (True, "structured report: no image, and of no series")


def test_an_image_without_a_series_can_still_be_opened(tmp_path):
    (tmp_path / "a").write_bytes(dicom(series=b""))
    (found,) = read(tmp_path)
    assert isinstance(found, Instance)
    assert found.series_uid == ""


def test_a_dicomdir_says_so(tmp_path):
    shutil.copy(get_testdata_file("DICOMDIR", download=False), tmp_path)
    assert reason(tmp_path) == (True, "DICOMDIR: an index of other files")


def test_a_prefix_with_a_broken_data_set_is_still_dicom(tmp_path):
    deflated = element(0x00020010, "UI", b"1.2.840.10008.1.2.1.99")
    (tmp_path / "a").write_bytes(bytes(128) + b"DICM" + deflated + b"CANARY^NAME")
    assert reason(tmp_path) == (True, "DICOM that cannot be read (error)")


@pytest.mark.parametrize("private", [0, 15_900, 200_000], ids=["short", "at the edge", "long"])
def test_headers_of_any_length_are_read(tmp_path, private):
    (tmp_path / "a").write_bytes(dicom(private=private))
    (found,) = read(tmp_path)
    assert isinstance(found, Instance)
    assert found.pixels.rows == 4
    with pydicom.dcmread(tmp_path / "a") as ds:
        assert found.element.offset == ds.get_item("PixelData").value_tell


def test_cut_off_pixels_are_still_an_instance(tmp_path):
    (tmp_path / "a").write_bytes(dicom()[:-10])
    (found,) = read(tmp_path)
    assert isinstance(found, Instance)
    assert found.element.offset + found.element.length > found.file.size


def test_results_stand_in_the_order_of_the_files(tmp_path, monkeypatch):
    monkeypatch.setattr(scan, "BATCH", 3)
    for i in range(8):
        (tmp_path / str(i)).write_bytes(b"" if i % 3 == 1 else dicom(number=b"%d " % i))
    files = find_files([tmp_path])
    steps = list(read_instances(files))
    assert steps[0] == Step(0, 8, "reading headers")
    assert [step.done for step in steps] == [0, 3, 6, 8]
    found = Steps(read_instances(files)).result()
    assert [f.file.relative for f in found] == [file.relative for file in files]
    numbers = [f.acquisition.instance_number for f in found if isinstance(f, Instance)]
    assert numbers == [0, 2, 3, 5, 6]


def test_a_file_gone_since_it_was_found_is_a_leftover(tmp_path):
    gone = SourceFile(str(tmp_path / "a"), "a", 10, 0)
    (found,) = Steps(read_instances([gone])).result()
    assert found == Leftover(gone, "cannot be opened: no such file or directory", is_dicom=False)


def test_usual_files_need_no_pydicom(tmp_path):
    (tmp_path / "a").write_bytes(dicom())
    code = (
        "import sys\n"
        "from napari_dicom_markup.model.progress import Steps\n"
        "from napari_dicom_markup.sources.dicom.scan import find_files, read_instances\n"
        f"found = Steps(read_instances(find_files([{str(tmp_path)!r}]))).result()\n"
        "sys.exit(len(found) != 1 or 'pydicom' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
