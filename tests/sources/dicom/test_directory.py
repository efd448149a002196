"""A DICOMDIR that is given itself stands for the files that it names."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from napari_dicom_markup.model.progress import Steps
from napari_dicom_markup.model.stack import Instance, Leftover
from napari_dicom_markup.sources.dicom.directory import is_directory, named_files
from napari_dicom_markup.sources.dicom.scan import find_files, read_instances

MEDIUM = Path(get_testdata_file("DICOMDIR", download=False))


def test_its_files_are_found_with_their_names_on_the_medium():
    files = find_files([MEDIUM])
    assert files[0].relative == "DICOMDIR"
    assert "77654033/CR1/6154" in {file.relative for file in files}
    found = Steps(read_instances(files)).result()
    assert sum(isinstance(one, Instance) for one in found) == len(files) - 1


def test_what_it_names_but_is_not_there_is_left_over(tmp_path):
    shutil.copy(MEDIUM, tmp_path / "DICOMDIR")
    found = Steps(read_instances(find_files([tmp_path / "DICOMDIR"]))).result()
    assert all(isinstance(one, Leftover) for one in found)
    assert len(found) > 1


def test_a_copy_in_lower_case_is_found(tmp_path):
    shutil.copy(MEDIUM, tmp_path / "DICOMDIR")
    (tmp_path / "77654033/cr1").mkdir(parents=True)
    shutil.copy(MEDIUM.parent / "77654033/CR1/6154", tmp_path / "77654033/cr1/6154")
    there = [name for path, name in named_files(tmp_path / "DICOMDIR") if path.exists()]
    assert there == ["77654033/cr1/6154"]


def test_names_that_lead_out_of_its_folder_are_ignored(tmp_path):
    from pydicom import dcmread

    data = dcmread(MEDIUM)
    with pytest.warns(UserWarning, match="Invalid value"):  # noqa: PT031 - each value warns
        for record in data.DirectoryRecordSequence:
            if "ReferencedFileID" in record:
                record.ReferencedFileID = ["..", "secret"]
        data.save_as(tmp_path / "DICOMDIR")
    assert named_files(tmp_path / "DICOMDIR") == []


def test_other_files_are_no_dicomdir(tmp_path):
    assert is_directory(MEDIUM)
    assert not is_directory(Path(get_testdata_file("CT_small.dcm", download=False)))
    assert not is_directory(tmp_path / "absent")
