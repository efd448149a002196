# ruff: noqa: E501  (tables of attributes read better in one line)
"""What objects are built from: items, codes, the common modules, pixels, a slice of the CT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from tests.identities.planting import Planted, Planter

if TYPE_CHECKING:
    from tests.identities.people import Person

STORAGE = "1.2.840.10008.5.1.4.1.1."
SIZE = 16
UNPAIRED = frozenset({"2", "2.1", "4.1", "1", "1.1", "1.2", "77.1.5.1", "77.1.6", "9.1.1", "66"})
"""Classes that say the side elsewhere, or of a part that has none: Laterality would be wrong."""


def item(**values: Any) -> Dataset:
    """Return a data set of keywords and values."""
    made = Dataset()
    for keyword, value in values.items():
        setattr(
            made,
            keyword,
            Sequence(value)
            if isinstance(value, list) and value and isinstance(value[0], Dataset)
            else value,
        )
    return made


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """Return an item of a code sequence."""
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def base(person: Person, sop_class: str, modality: str, number: int) -> Dataset:
    """Return the attributes that every composite object has (PS3.3 C.7, C.12)."""
    return item(
        SOPClassUID=STORAGE + sop_class, SOPInstanceUID=person.uid(1, number, 1), Modality=modality,
        StudyInstanceUID=person.uid(1), SeriesInstanceUID=person.uid(1, number), StudyID=f"ST{person.number}904",
        SeriesNumber=number, InstanceNumber=1, StudyTime="101112", SeriesTime="101213", PatientSex="O",
        PatientAge="062Y", PatientWeight="71.5", PatientSize="1.74", SeriesDate=person.study_date,
        ContentDate=person.study_date, ContentTime="101314", Manufacturer="Acme Imaging",
        ManufacturerModelName="Acme One", SoftwareVersions="1.0", AcquisitionDate=person.study_date,
        AcquisitionTime="101300", **({} if sop_class in UNPAIRED else {"Laterality": ""}),
    )  # fmt: skip


def pixels(data: Dataset, *, bits: int = 16, frames: int = 1, color: bool = False) -> Dataset:
    """Give a data set pixels, native, of invented values."""
    shape = (frames, SIZE, SIZE, 3 if color else 1)
    values = np.random.default_rng(5).integers(0, 200, shape).astype("u1" if bits == 8 else "<u2")
    data.SamplesPerPixel = 3 if color else 1
    data.PhotometricInterpretation = "RGB" if color else "MONOCHROME2"
    if color:
        data.PlanarConfiguration = 0
    data.Rows, data.Columns = SIZE, SIZE
    data.BitsAllocated = data.BitsStored = bits
    data.HighBit, data.PixelRepresentation = bits - 1, 0
    data.add_new("PixelData", "OB" if bits == 8 else "OW", values.tobytes())
    if frames > 1:
        data.NumberOfFrames = frames
    return data


def plane(data: Dataset, person: Person, z: float = 0.0) -> Dataset:
    """Give a data set the attributes of Image Plane and Frame of Reference."""
    data.ImageOrientationPatient, data.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [-10, -20, z]
    data.PixelSpacing, data.SliceThickness = [0.75, 0.8], 2.5
    data.FrameOfReferenceUID, data.PositionReferenceIndicator = person.uid(2, 1), ""
    return data


def ct_slice(person: Person, number: int = 1) -> Dataset:
    """Return one slice of the CT that derived objects refer to; nothing planted but its person."""
    data = plane(pixels(base(person, "2", "CT", 3)), person, 2.5 * number)
    data.SOPInstanceUID, data.InstanceNumber = person.uid(1, 3, number), number
    data.ImageType, data.AcquisitionNumber = ["ORIGINAL", "PRIMARY", "AXIAL"], 1
    data.RescaleIntercept, data.RescaleSlope, data.RescaleType, data.KVP = -1024, 1, "HU", 120
    data.CTDIvol, data.XRayTubeCurrent, data.ExposureTime, data.BodyPartExamined = (
        7.5,
        210,
        500,
        "HEAD",
    )
    data.ConvolutionKernel, data.PatientPosition, data.GantryDetectorTilt = "H30", "HFS", 0
    data.SpecificCharacterSet, data.PatientName, data.PatientID = (
        person.charset,
        person.name,
        person.patient_id,
    )
    data.PatientBirthDate, data.StudyDate = person.birth, person.study_date
    data.AccessionNumber, data.ReferringPhysicianName = person.accession, person.physician
    return data


def done(person: Person, data: Dataset, key: str, syntax: str = ExplicitVRLittleEndian) -> Planted:
    """Return an object as a file with the secrets that every object has."""
    planter = Planter(person, data)
    planter.common()
    return planter.file(key, syntax)
