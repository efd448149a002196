"""The score of an anonymizer: what leaked, what was lost, what no longer fits together.

Written apart from ``core.anonymizing.identity``: it knows what was planted and looks for the
plain spellings, so that a fault of the search does not hide a fault of the anonymizer.
"""

from __future__ import annotations

import unicodedata
import warnings
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pydicom

from napari_dicom_markup.core.anonymizing.tokens import Role
from napari_dicom_markup.model.deid import Place
from tests.identities.people import registry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pydicom.dataset import Dataset

    from tests.identities.people import Person
    from tests.identities.planting import Planted

GEOMETRY = frozenset(
    [
        "Rows",
        "Columns",
        "NumberOfFrames",
        "PixelSpacing",
        "ImagerPixelSpacing",
        "SliceThickness",
        "SpacingBetweenSlices",
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "ImageOrientationSlide",
        "GridFrameOffsetVector",
        "GantryDetectorTilt",
        "PatientPosition",
        "PatientOrientation",
        "TotalPixelMatrixRows",
        "FiducialIdentifier",
        "TotalPixelMatrixColumns",
        "ImagedVolumeWidth",
        "ImagedVolumeHeight",
        "XOffsetInSlideCoordinateSystem",
        "YOffsetInSlideCoordinateSystem",
        "ContourData",
        "NumberOfContourPoints",
        "ContourGeometricType",
        "FrameOfReferenceTransformationMatrix",
        "DimensionIndexValues",
        "InStackPositionNumber",
        "PositionerPrimaryAngle",
        "PositionerSecondaryAngle",
        "DistanceSourceToDetector",
        "ImageLaterality",
        "DistanceSourceToPatient",
        "RegionLocationMinX0",
        "PhysicalDeltaX",
        "PhysicalDeltaY",
        "GraphicData",
    ]
)
TIMING = frozenset(
    [
        "StudyTime",
        "SeriesTime",
        "AcquisitionTime",
        "ContentTime",
        "RepetitionTime",
        "EchoTime",
        "FrameTime",
        "CineRate",
        "FrameReferenceTime",
        "ActualFrameDuration",
        "AcquisitionDuration",
        "FrameAcquisitionDuration",
        "SamplingFrequency",
        "NumberOfWaveformSamples",
    ]
)
MEASURES = frozenset(
    [
        "RescaleSlope",
        "RescaleIntercept",
        "RescaleType",
        "Units",
        "WindowCenter",
        "WindowWidth",
        "DecayCorrection",
        "CorrectedImage",
        "DecayFactor",
        "RadiopharmaceuticalStartTime",
        "RadionuclideTotalDose",
        "RadionuclideHalfLife",
        "RadionuclidePositronFraction",
        "NumericValue",
        "FloatingPointValue",
        "RealWorldValueSlope",
        "RealWorldValueIntercept",
        "ChannelSensitivity",
        "FlipAngle",
        "MagneticFieldStrength",
        "EchoTrainLength",
        "CountsAccumulated",
        "IntraOcularPressure",
    ]
)
DOSE = frozenset(
    [
        "DoseGridScaling",
        "DoseUnits",
        "DoseType",
        "TargetPrescriptionDose",
        "NumberOfFractionsPlanned",
        "CTDIvol",
        "KVP",
        "XRayTubeCurrent",
        "ExposureTime",
        "ImageAndFluoroscopyAreaDoseProduct",
        "OrganDose",
        "EntranceDoseInmGy",
        "CompressionForce",
        "BodyPartThickness",
    ]
)
IDENTIFIES_THE_OBJECT = frozenset(
    [
        "SOPClassUID",
        "Modality",
        "ImageType",
        "InstanceNumber",
        "SegmentNumber",
        "SegmentationType",
        "ROINumber",
        "SamplesPerPixel",
        "PhotometricInterpretation",
        "BitsAllocated",
        "BitsStored",
        "HighBit",
        "PixelRepresentation",
        "ROIDisplayColor",
        "ValueType",
        "RelationshipType",
        "CodeValue",
        "CodingSchemeDesignator",
    ]
)
CHARACTERISTICS = frozenset(["PatientSex", "PatientWeight", "PatientSize", "PatientAge"])
"""Kept with the option Retain Patient Characteristics: SUV needs the weight."""

KEPT = GEOMETRY | TIMING | MEASURES | DOSE | IDENTIFIES_THE_OBJECT
"""What an anonymizer has no reason to touch, whatever the options."""


@dataclass(frozen=True)
class Score:
    """What an anonymizer did to one object; nothing in any field is good.

    ``leaked``: roles and regions of secrets, without their text. ``lost``: places of kept
    attributes that are gone or altered. ``pixels``: whether stored values differ.
    """

    key: str
    leaked: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    pixels_differ: bool = False
    missing: bool = False

    @property
    def perfect(self) -> bool:
        """Tell whether nothing leaked and nothing was lost."""
        return not (self.leaked or self.lost or self.pixels_differ or self.missing)


@dataclass(frozen=True)
class Scores:
    """The scores of all objects, and UIDs that no longer agree between them."""

    objects: tuple[Score, ...]
    broken_references: tuple[str, ...]
    stray_files: tuple[str, ...] = field(default=())

    @property
    def leaked(self) -> int:
        """The number of leaks."""
        return sum(len(score.leaked) for score in self.objects)

    @property
    def lost(self) -> int:
        """The number of attributes wrongly removed or altered."""
        return sum(len(score.lost) for score in self.objects)


def score(
    objects: Mapping[str, Planted],
    outputs: Path,
    pairs: Mapping[str, str] | None = None,
    kept: frozenset[str] = KEPT,
) -> Scores:
    """Compare planted objects with what an anonymizer wrote of them.

    Parameters
    ----------
    objects : mapping
        Planted objects by source file name, as ``write_all`` returns.
    outputs : Path
        The folder that was written; everything in it is searched, its names as well.
    pairs : mapping of str to str, optional
        Output of each source, both relative; found by class and kept values where not given.
    kept : frozenset of str
        Keywords that must survive; add ``CHARACTERISTICS`` with the option that keeps them.
    """
    written = {
        str(path.relative_to(outputs)): path.read_bytes()
        for path in sorted(outputs.rglob("*"))
        if path.is_file()
    }
    read = {name: data for name, raw in written.items() if (data := _read(raw)) is not None}
    pairs = pairs if pairs is not None else _paired(objects, read, kept)
    scores = [
        _score(planted, pairs.get(name), written, read, kept) for name, planted in objects.items()
    ]
    references = _broken(
        (planted.data_set(), read[pairs[name]])
        for name, planted in objects.items()
        if pairs.get(name) in read
    )
    stray = tuple(sorted(set(written) - set(pairs.values())))
    return Scores(tuple(scores), references, stray)


def _read(raw: bytes) -> Dataset | None:
    import io

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = pydicom.dcmread(io.BytesIO(raw))
            list(data)
    except (pydicom.errors.InvalidDicomError, ValueError, KeyError, EOFError):
        return None
    return data


def _score(
    planted: Planted,
    name: str | None,
    written: Mapping[str, bytes],
    read: Mapping[str, Dataset],
    kept: frozenset[str],
) -> Score:
    if name is None or name not in read:
        return Score(planted.key, missing=True)
    source, output = planted.data_set(), read[name]
    before, after = kept_values(source, kept), kept_values(output, kept)
    lost = tuple(place for place, value in before.items() if after.get(place) != value)
    leaked = leaks(written[name], output, name, planted)
    return Score(planted.key, leaked, lost, _pixels_differ(source, output))


def kept_values(data_set: Dataset, kept: frozenset[str] = KEPT) -> dict[str, str]:
    """Return the values that must survive, by place."""
    return {
        str(place): str(element.value)
        for place, element in _walk(data_set)
        if element.keyword in kept and _matters(place)
    }


def _matters(place: Place) -> bool:
    """Leave out sequences that go as a whole: icons, original attributes, requests."""
    gone = {0x00880200, 0x04000561, 0x00400275, 0x00101002}
    return not any(tag in gone for tag, _ in place.items)


def _walk(
    data_set: Dataset, items: tuple[tuple[int, int], ...] = ()
) -> Iterator[tuple[Place, pydicom.DataElement]]:
    for element in data_set:
        if element.tag.is_private:
            continue
        yield Place(int(element.tag), items), element
        for number, item in enumerate(element.value if element.VR == "SQ" else ()):
            yield from _walk(item, (*items, (int(element.tag), number)))


def secrets_of(person: Person) -> list[tuple[Role, str]]:
    """Return all that must not leave, as people write it."""
    known = registry(person)
    found = [
        (Role.NAME, word)
        for word in (*person.words, person.said, person.name)
        if len(word) > 4 or not word.isascii()
    ]
    found += [(Role.NAME, person.physician), (Role.NAME, person.operator)]
    found += [
        (Role.ID, text) for text in (person.patient_id, person.accession, *known.OtherPatientIDs)
    ]
    found += [(Role.DATE, text) for text in (*person.spelled_birth(), person.study_date)]
    found += [(Role.ADDRESS, person.address), (Role.PHONE, person.phone)]
    found += [(Role.INSTITUTION, person.institution), (Role.UID, person.uid())]
    return [*found, (Role.DEVICE, person.serial), (Role.DEVICE, person.station)]


def leaks(raw: bytes, data_set: Dataset, name: str, planted: Planted) -> tuple[str, ...]:
    """Return the secrets that stand in an output: role and where, without the text."""
    secrets = [*secrets_of(planted.person), *((plant.role, plant.text) for plant in planted.plants)]
    texts = [("name", name)]
    texts += [
        (str(place), str(element.value))
        for place, element in _walk(data_set)
        if element.VR not in ("SQ", "OB", "OW")
    ]
    low, found = raw.lower(), set()
    for role, text in secrets:
        found |= {f"{role.value} in bytes" for form in _forms(text) if form in low}
        plain = _plain(text)
        found |= {f"{role.value} in {where}" for where, value in texts if plain in _plain(value)}
    return tuple(sorted(found))


def _forms(text: str) -> Iterator[bytes]:
    for codec in ("utf-8", "latin-1", "utf-16-le", "iso8859_6", "iso8859_7", "euc_kr"):
        try:
            yield text.encode(codec).lower()
        except UnicodeEncodeError:
            continue


def _plain(text: str) -> str:
    bare = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in bare if not unicodedata.combining(c))


def _pixels_differ(source: Dataset, output: Dataset) -> bool:
    keys = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
    if not any(key in source for key in keys):
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return not np.array_equal(source.pixel_array, output.pixel_array)


def _paired(
    objects: Mapping[str, Planted], read: Mapping[str, Dataset], kept: frozenset[str]
) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for name, planted in objects.items():
        source = kept_values(planted.data_set(), kept)
        free = [key for key in read if key not in pairs.values()]
        alike = {
            key: len(source.items() & kept_values(read[key], kept).items())
            for key in free
            if str(read[key].get("SOPClassUID")) == source.get("(0008,0016)")
        }
        if alike:
            pairs[name] = max(alike, key=lambda key: alike[key])
    return pairs


def _broken(pairs: Iterator[tuple[Dataset, Dataset]]) -> tuple[str, ...]:
    """Return where one old UID became two new ones, or two old ones became one."""
    forth: dict[tuple[str, str], set[str]] = defaultdict(set)
    back: dict[tuple[str, str], set[str]] = defaultdict(set)
    where: dict[tuple[str, str], str] = {}
    for source, output in pairs:
        person = str(source.get("StudyInstanceUID"))
        new = {str(place): element for place, element in _walk(output)}
        for place, element in _walk(source):
            if element.VR != "UI" or str(place) not in new or not _matters(place):
                continue
            old, made = str(element.value), str(new[str(place)].value)
            forth[person, old].add(made)
            back[person, made].add(old)
            where.setdefault((person, old), str(place))
            where.setdefault((person, made), str(place))
    bad = [key for found in (forth, back) for key, others in found.items() if len(others) > 1]
    return tuple(sorted({where[key] for key in bad}))
