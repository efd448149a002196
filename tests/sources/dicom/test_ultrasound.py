"""The spacing that ultrasound regions state."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom import Dataset
from tests.data import build_image, image_of

from napari_dicom_markup import api
from napari_dicom_markup.model.geometry import ReportKind, SpacingSource
from napari_dicom_markup.sources.dicom.ultrasound import read_region_spacing

PIXELS = np.zeros((4, 6), np.uint8)


def region(down=0.02, across=0.03, form=1, units=3) -> Dataset:
    item = Dataset()
    item.RegionSpatialFormat, item.RegionDataType, item.RegionFlags = form, 1, 0
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = units
    item.PhysicalDeltaX, item.PhysicalDeltaY = across, down
    return item


def spacing_of(*regions: Dataset) -> tuple[float, float] | None:
    raw = build_image(PIXELS, Modality="US", SequenceOfUltrasoundRegions=list(regions))
    instance = image_of(raw)
    assert instance.grid.regions
    return read_region_spacing(instance, raw)


def test_the_deltas_of_a_2d_region_are_the_spacing_in_mm():
    assert spacing_of(region()) == pytest.approx((0.2, 0.3))


def test_regions_that_are_no_tissue_do_not_matter():
    assert spacing_of(region(form=2, units=4), region(), region()) == pytest.approx((0.2, 0.3))


@pytest.mark.parametrize(
    "regions",
    [
        (region(), region(down=0.04)),
        (region(units=0),),
        (region(down=0.0),),
        (region(form=2),),
        (),
    ],
    ids=["two spacings", "no centimetres", "zero", "a spectrum", "none"],
)
def test_regions_that_do_not_agree_state_no_spacing(regions):
    assert spacing_of(*regions) is None


def test_an_ultrasound_image_opens_in_mm_and_says_where_from(tmp_path):
    raw = build_image(PIXELS, Modality="US", SequenceOfUltrasoundRegions=[region()])
    (tmp_path / "us.dcm").write_bytes(raw)
    (volume,) = api.open(tmp_path).result()
    geometry = volume.stack.geometry
    assert geometry.spacing == pytest.approx((1.0, 0.2, 0.3))
    assert geometry.spacing_source is SpacingSource.REGION
    assert [report.kind for report in volume.stack.reports] == [ReportKind.SPACING]


def test_a_stated_pixel_spacing_is_kept(tmp_path):
    raw = build_image(
        PIXELS, Modality="US", SequenceOfUltrasoundRegions=[region()], PixelSpacing=[0.5, 0.5]
    )
    (tmp_path / "us.dcm").write_bytes(raw)
    (volume,) = api.open(tmp_path).result()
    assert volume.stack.geometry.spacing == (1.0, 0.5, 0.5)
