"""Unusual files are read by pydicom, with the same result."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from napari_dicom_markup.errors import NotDicomError
from napari_dicom_markup.model.stack import Instance, SourceFile
from napari_dicom_markup.sources.dicom.headers import instance_from_bytes
from napari_dicom_markup.sources.dicom.unusual import read_unusual
from napari_dicom_markup.standard.attributes import INDEX

FILE = SourceFile("a.dcm", "a.dcm", 0, 0)


def test_deflated_pixels_have_no_place_in_the_file():
    path = Path(get_testdata_file("image_dfl.dcm", download=False))
    instance = instance_from_bytes(path.read_bytes(), FILE)
    assert isinstance(instance, Instance)
    assert instance.element.offset == -1
    assert instance.element.length > 0


def test_bytes_without_prefix_are_no_dicom_unless_plausible():
    with pytest.raises(NotDicomError, match="no plausible data set"):
        read_unusual(io.BytesIO(np.arange(4096, dtype="<u2").tobytes()))


def test_big_endian_values_come_in_little_endian():
    path = Path(get_testdata_file("ExplVR_BigEnd.dcm", download=False))
    header = read_unusual(io.BytesIO(path.read_bytes()))
    ds = pydicom.dcmread(path)
    assert struct.unpack("<H", header.values[INDEX["Rows"]]) == (ds.Rows,)
    assert header.element.offset == ds.get_item("PixelData").value_tell
