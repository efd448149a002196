# ruff: noqa: E501  (tables of attributes read better in one line)
"""Objects that refer to the CT, by highdicom: segmentations, reports, presentation states, maps."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import highdicom as hd
import numpy as np
import pydicom
from highdicom import sr
from pydicom.sequence import Sequence
from pydicom.sr.codedict import codes
from pydicom.uid import UID

from napari_dicom_markup.core.anonymizing.tokens import Role
from tests.identities.building import SIZE, ct_slice
from tests.identities.planting import Planted, Planter

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from tests.identities.people import Person


def _sources(person: Person) -> list[Dataset]:
    from pydicom.dataset import FileMetaDataset

    made = [ct_slice(person, number) for number in (1, 2, 3)]
    for data in made:
        data.file_meta = FileMetaDataset()
        data.SpecificCharacterSet = "ISO_IR 192"  # all that highdicom takes; set right afterwards
        data.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.1")
    return made


def _series(person: Person, number: int) -> dict[str, Any]:
    return {
        "series_instance_uid": person.uid(1, number),
        "series_number": number,
        "sop_instance_uid": person.uid(1, number, 1),
        "instance_number": 1,
        "manufacturer": "Acme Imaging",
    }


def _device(person: Person) -> dict[str, Any]:
    return {
        "manufacturer_model_name": "Acme One",
        "software_versions": "1.0",
        "device_serial_number": person.serial,
    }


def _planter(person: Person, data: Dataset) -> Planter:
    """Return a planter of the data set as pydicom reads it: highdicom's lists refuse plain items."""
    data.SpecificCharacterSet = person.charset
    stream = io.BytesIO()
    data.save_as(stream)
    stream.seek(0)
    planter = Planter(person, pydicom.dcmread(stream))
    planter.common()
    if data.Modality not in ("SR", "KO", "SEG"):
        planter.data_set.Laterality = ""
    return planter


def _segmentation(person: Person, number: int, kind: str) -> Planted:
    tracking = person.uid(9, number)
    segment = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label="Lesion",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Lesion,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        tracking_uid=tracking,
        tracking_id=person.extra(3),
    )
    mask = np.zeros((3, SIZE, SIZE), "u1")
    mask[:, 3:9, 4:8] = 1
    data = hd.seg.Segmentation(
        _sources(person), mask, kind, [segment], content_label="SEG",
        content_creator_name=person.operator, **_series(person, number), **_device(person),
    )  # fmt: skip
    planter = _planter(person, data)
    last = len(planter.data_set.SegmentSequence)  # a label map may describe its background first
    planter.note(f"(0062,0002)[{last}].(0062,0020)", Role.ID, person.extra(3))
    planter.note(f"(0062,0002)[{last}].(0062,0021)", Role.UID, tracking)
    planter.note("(0070,0084)", Role.NAME, person.operator)
    planter.put(
        f"SegmentSequence[{last - 1}].SegmentLabel",
        f"Lesion of {person.said}",
        Role.NAME,
        person.said,
    )
    planter.put(f"SegmentSequence[{last - 1}].SegmentDescription", person.patient_id, Role.ID)
    label = "".join(c for c in person.patient_id.upper() if c.isalnum())
    planter.put("ContentLabel", label, Role.ID, person.patient_id)
    referenced = "(0008,1115)[1].(0008,114A)[1].(0008,1155)"
    planter.note(referenced, Role.UID, person.uid(1, 3, 1))
    return planter.file(f"seg-{kind.lower()}")


def seg_binary(person: Person) -> Planted:
    """Return a binary segmentation with labels, descriptions and tracking ids that tell."""
    return _segmentation(person, 21, "BINARY")


def seg_labelmap(person: Person) -> Planted:
    """Return a label map segmentation with labels, descriptions and tracking ids that tell."""
    return _segmentation(person, 22, "LABELMAP")


def parametric_map(person: Person) -> Planted:
    """Return a parametric map of floats."""
    mapping = hd.pm.RealWorldValueMapping(
        lut_label="ADC", lut_explanation="Apparent diffusion", unit=codes.UCUM.NoUnits,
        value_range=[0.0, 1.0], intercept=0, slope=1,
    )  # fmt: skip
    values = np.random.default_rng(3).random((3, SIZE, SIZE)).astype("f4")
    data = hd.pm.ParametricMap(
        _sources(person), values, contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping], window_center=0.5, window_width=1.0,
        content_label="MAP", **_series(person, 23), **_device(person),
    )  # fmt: skip
    planter = _planter(person, data)
    planter.put("ContentDescription", f"ADC of {person.patient_id}", Role.ID, person.patient_id)
    return planter.file("parametric-map")


def _observer(person: Person) -> sr.ObservationContext:
    who = sr.PersonObserverIdentifyingAttributes(name=person.physician, login_name=person.extra(3))
    return sr.ObservationContext(observer_person_context=sr.ObserverContext(codes.DCM.Person, who))


def _report(person: Person, number: int) -> tuple[sr.MeasurementReport, list[Dataset]]:
    sources = _sources(person)
    region = sr.ImageRegion(
        graphic_type=sr.GraphicTypeValues.POLYLINE,
        graphic_data=np.array([[2.0, 2.0], [8.0, 2.0], [8.0, 8.0], [2.0, 2.0]]),
        source_image=sr.SourceImageForRegion.from_source_image(sources[0]),
    )
    group = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(
            person.uid(9, number), f"Target {person.extra(4)}"
        ),
        referenced_region=region,
        finding_type=codes.SCT.Nodule,
        measurements=[sr.Measurement(codes.SCT.Diameter, 12.25, codes.UCUM.Millimeter)],
    )
    return sr.MeasurementReport(
        _observer(person), codes.LN.CTUnspecifiedBodyRegion, imaging_measurements=[group]
    ), sources


def _content(planter: Planter) -> None:
    """Plant in the content of a report: text, a name, dates, a UID, at two levels."""
    person = planter.person
    for relation, kind, role, name, keyword, value in (
        ("CONTAINS", "TEXT", Role.NAME, "Finding", "TextValue", f"Pt {person.said} was seen."),
        ("CONTAINS", "PNAME", Role.NAME, "Recipient", "PersonName", person.name),
        ("CONTAINS", "DATE", Role.DATE, "Date of birth", "Date", person.birth),
        ("CONTAINS", "DATETIME", Role.DATE, "Observed", "DateTime", person.study_date + "101010"),
        ("CONTAINS", "UIDREF", Role.UID, "Study", "UID", person.uid(1)),
    ):
        index = len(planter.data_set.ContentSequence)
        at = f"ContentSequence[{index}]"
        secret = person.said if kind == "TEXT" else ""
        secret = person.study_date if kind == "DATETIME" else secret
        planter.put(f"{at}.{keyword}", value, role, secret)
        made = planter.data_set.ContentSequence[index]
        made.RelationshipType, made.ValueType = relation, kind
        made.ConceptNameCodeSequence = [
            sr.CodedConcept(value=f"NDM{index}", scheme_designator="99NDM", meaning=name)
        ]
    nested = planter.data_set.ContentSequence[-5]
    note = sr.TextContentItem(
        sr.CodedConcept("NDM9", "99NDM", "Note"), f"Call {person.phone}", sr.RelationshipTypeValues.HAS_PROPERTIES
    )  # fmt: skip
    nested.ContentSequence = Sequence([note])
    first = len(planter.data_set.ContentSequence) - 4
    planter.note(f"(0040,A730)[{first}].(0040,A730)[1].(0040,A160)", Role.PHONE, person.phone)


def _measured(person: Person, number: int, document: Any, key: str) -> Planted:
    report, sources = _report(person, number)
    data = document(
        evidence=sources, content=report[0], is_complete=True, is_final=True, is_verified=True,
        verifying_observer_name=person.physician, verifying_organization=person.institution,
        **_series(person, number),
    )  # fmt: skip
    planter = _planter(person, data)
    planter.note("(0040,A073)[1].(0040,A075)", Role.NAME, person.physician)
    planter.note("(0040,A073)[1].(0040,A027)", Role.INSTITUTION, person.institution)
    planter.note("anywhere: login of the observer", Role.ID, person.extra(3))
    planter.note("anywhere: tracking identifier", Role.ID, person.extra(4))
    planter.note("anywhere: tracking UID", Role.UID, person.uid(9, number))
    _content(planter)
    return planter.file(key)


def measurement_report(person: Person) -> Planted:
    """Return a TID 1500 measurement report (Comprehensive 3D SR)."""
    return _measured(person, 24, sr.Comprehensive3DSR, "sr-3d")


def comprehensive_report(person: Person) -> Planted:
    """Return a comprehensive report with measurements."""
    return _measured(person, 25, sr.ComprehensiveSR, "sr-comprehensive")


def enhanced_report(person: Person) -> Planted:
    """Return an enhanced report with measurements."""
    return _measured(person, 26, sr.EnhancedSR, "sr-enhanced")


def key_objects(person: Person) -> Planted:
    """Return a key object selection with a description that tells."""
    sources = _sources(person)
    doctor = person.physician.replace("^", ", ")
    text = f"For Dr. {doctor}"
    selection = hd.ko.KeyObjectSelection(
        document_title=codes.DCM.OfInterest, referenced_objects=sources[:2], description=text
    )
    data = hd.ko.KeyObjectSelectionDocument(
        evidence=sources, content=selection, **_series(person, 27)
    )
    planter = _planter(person, data)
    planter.note("(0040,A730)[1].(0040,A160)", Role.NAME, doctor)
    return planter.file("key-objects")


def presentation_state(person: Person) -> Planted:
    """Return a grayscale presentation state with a text object that tells."""
    sources = _sources(person)
    layer = hd.pr.GraphicLayer("NOTES", order=1, description="Reader's notes")
    text = hd.pr.TextObject(
        text_value=person.extra(3), units=hd.pr.AnnotationUnitsValues.PIXEL,
        bounding_box=(2.0, 2.0, 9.0, 9.0), tracking_id=person.extra(4), tracking_uid=person.uid(9, 28),
    )  # fmt: skip
    note = hd.pr.GraphicAnnotation(sources, layer, text_objects=[text])
    lut = hd.pr.SoftcopyVOILUTTransformation(window_center=40.0, window_width=400.0)
    data = hd.pr.GrayscaleSoftcopyPresentationState(
        sources, content_label="PS", graphic_annotations=[note], graphic_layers=[layer],
        voi_lut_transformations=[lut], content_creator_name=person.physician,
        **_series(person, 28), **_device(person),
    )  # fmt: skip
    planter = _planter(person, data)
    planter.note("(0070,0001)[1].(0070,0008)[1].(0070,0006)", Role.ID, person.extra(3))
    planter.note("anywhere: tracking id of a text object", Role.ID, person.extra(4))
    planter.note("(0070,0084)", Role.NAME, person.physician)
    layer_path = "GraphicLayerSequence[0].GraphicLayerDescription"
    planter.put(layer_path, f"Notes on {person.said}", Role.NAME, person.said)
    return planter.file("presentation-state")


DERIVED = (
    seg_binary, seg_labelmap, parametric_map, measurement_report, comprehensive_report,
    enhanced_report, key_objects, presentation_state,
)  # fmt: skip
