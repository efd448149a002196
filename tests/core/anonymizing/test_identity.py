"""What a source's identity is, and whether it is found wherever it stands in an output."""

from __future__ import annotations

import io
import warnings
from functools import reduce
from typing import TYPE_CHECKING

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from tests.data import CORPUS, files_under, needs_corpus
from tests.identities.objects import build, planted_objects, study_of
from tests.identities.people import PEOPLE, Person, registry
from tests.identities.projections import cr, dx, mg
from tests.identities.volumes import ct, ct_deflated

from napari_dicom_markup.core.anonymizing.identity import (
    Finding,
    Identity,
    IdentitySearch,
    find_identity,
    identity_of,
)
from napari_dicom_markup.core.anonymizing.tokens import Role, dates_in, spaced

if TYPE_CHECKING:
    from tests.identities.planting import Plant, Planted

KEYWORDS = {
    Role.NAME: "PatientName",
    Role.ID: "PatientID",
    Role.DATE: "PatientBirthDate",
    Role.ADDRESS: "PatientAddress",
    Role.PHONE: "PatientTelephoneNumbers",
    Role.INSTITUTION: "InstitutionName",
    Role.UID: "StudyInstanceUID",
    Role.DEVICE: "DeviceSerialNumber",
}


def alone(plant: Plant, person: Person) -> Identity:
    """Return the identity that one planted secret makes by itself."""
    made, text = Dataset(), plant.text
    made.SpecificCharacterSet = person.charset
    if plant.role is Role.DATE:
        text = person.birth if text in person.spelled_birth() else person.study_date
    setattr(made, KEYWORDS[plant.role], text)
    return identity_of(made)


def named(**values: str) -> Identity:
    """Return the identity of a source with these attributes."""
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return identity_of(made)


def text_hits(text: str, identity: Identity, keyword: str = "StudyDescription") -> set[Role]:
    """Return the roles found in a text of an output, by value."""
    output = Dataset()
    setattr(output, keyword, text)
    return {hit.role for hit in find_identity(b"", output, (), identity)}


def missed(planted: Planted) -> list[str]:
    """Return where the search does not see what was planted."""
    data_set = planted.data_set()
    return [
        f"{planted.key} {plant.where}"
        for plant in planted.plants
        if not _seen(planted, data_set, plant)
    ]


def _seen(planted: Planted, data_set: Dataset, plant: Plant) -> bool:
    hits = find_identity(planted.raw, data_set, [planted.file_name], alone(plant, planted.person))
    if plant.where == "name":
        return any(hit.reason is Finding.IN_NAME for hit in hits)
    in_bytes = any(hit.reason is Finding.IN_BYTES for hit in hits)
    if plant.where.startswith("("):
        private_of_unknown_vr = planted.key == "mr" and "(00D1," in plant.where
        at_place = any(str(hit.place) == plant.where for hit in hits)
        return at_place or (private_of_unknown_vr and in_bytes)
    return in_bytes if plant.where.startswith("bytes") else bool(hits)


@pytest.mark.parametrize("planted", planted_objects(), ids=lambda planted: planted.key)
def test_every_planted_secret_is_found_at_its_place(planted):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert missed(planted) == []


@pytest.mark.parametrize("person", PEOPLE, ids=lambda person: person.key)
def test_names_of_every_script_are_found_in_every_kind_of_place(person):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert missed(build(ct, person)) == []
        assert missed(build(ct_deflated, person)) == []


def test_no_other_persons_object_holds_an_identity():
    searches = {p.key: IdentitySearch(identity_of(registry(p))) for p in PEOPLE}
    objects = planted_objects()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hits = [
            (planted.key, key, str(hit))
            for planted in objects
            for key, search in searches.items()
            if key != planted.person.key
            for hit in search.find(planted.raw, planted.data_set(), [planted.file_name])
        ]
    assert hits == []


@needs_corpus
def test_no_real_file_holds_the_identity_of_someone_invented():
    identity = reduce(Identity.__or__, (identity_of(registry(person)) for person in PEOPLE))
    search, seen = IdentitySearch(identity), 0
    for path in files_under(CORPUS):
        raw = path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                data_set = pydicom.dcmread(io.BytesIO(raw), force=True)
                seen += len(data_set) > 0
            except (ValueError, KeyError, EOFError, OSError, AttributeError, NotImplementedError):
                continue
            assert search.find(raw, data_set, [path.name]) == (), path.name
    assert seen > 500


def test_a_common_word_counts_only_where_names_stand():
    identity = named(PatientName="Head^May")
    assert text_hits("CT HEAD, 3 May 2021", identity) == set()
    assert text_hits("Head", identity, "OperatorsName") == {Role.NAME}
    assert text_hits("ctrl May Head", identity) == {Role.NAME}
    assert text_hits("HEAD^MAY", identity) == {Role.NAME}


def test_a_name_of_two_letters_counts_with_its_other_part():
    identity = named(PatientName="Ng^Bo")
    assert text_hits("10 ng of tracer", identity) == set()
    assert text_hits("Ng, Bo", identity) == {Role.NAME}
    assert text_hits("NG", identity, "PhysiciansOfRecord") == {Role.NAME}


def test_a_short_name_is_no_part_of_a_longer_word():
    identity = named(PatientName="Conti^Ugo")
    assert text_hits("continuous infusion", identity) == set()
    assert text_hits("dr_CONTI-2", identity) == {Role.NAME}


@pytest.mark.parametrize(
    "text",
    ["GRUNQVIST", "Gruenqvist", "grünqvist", "Österlund", "osterlund 2", "xgruenqvistoesterlund",
     "ReneeZoe", "Renée", "RENÉE^ZOË", "Gru\u0308nqvist"],
)  # fmt: skip
def test_accents_case_and_separators_hide_no_name(text):
    assert text_hits(text, named(PatientName=PEOPLE[0].name)) == {Role.NAME}


@pytest.mark.parametrize("text", ["MRN8830417", "mrn 8830417", "MRN_8830417.old", "xMRN-8830417x"])
def test_separators_hide_no_id(text):
    assert text_hits(text, named(PatientID="MRN-8830417")) == {Role.ID}


def test_short_numbers_count_as_ids_only():
    identity = named(PatientID="4711", AccessionNumber="90210")
    assert text_hits("4711 slices", identity) == set()
    assert text_hits("4711", identity, "RequestedProcedureID") == {Role.ID}
    assert text_hits("no 90210", identity) == {Role.ID}
    output = Dataset()
    output.SeriesNumber = 90210
    assert find_identity(b"\x00IS\x06\x0090210 ", output, (), identity) == ()


@pytest.mark.parametrize(
    "text",
    ["19570312", "1957-03-12", "12.03.1957", "03/12/1957", "12/03/1957", "12-MAR-1957",
     "12 March 1957", "12. Mar. 1957", "March 12, 1957", "Mar 12 1957", "1957/3/12", "12mar1957",
     "19570312101112.5", "b_1957_03_12", "1957年3月12日", "dob19570312x", "3-12-1957"],
)  # fmt: skip
def test_a_date_is_found_in_its_spellings(text):
    assert text_hits(text, named(PatientBirthDate="19570312")) == {Role.DATE}


@pytest.mark.parametrize(
    "text", ["119570312", "1.2.19570312.4", "0.19570312", "195703", "195703123"]
)
def test_a_longer_number_is_no_date(text):
    assert text_hits(text, named(PatientBirthDate="19570312")) == set()


@given(st.dates())
def test_every_date_is_read_back_from_its_iso_and_german_spelling(day):
    packed = f"{day.year:04}{day.month:02}{day.day:02}"
    assert packed in set(dates_in(day.isoformat()))
    assert packed in set(dates_in(f"{day.day}.{day.month}.{day.year:04}"))


@given(st.text(max_size=40))
def test_folding_is_stable(text):
    assert spaced(spaced(text)) == spaced(text).lower() or not text.isascii()


def test_class_uids_and_registered_uids_are_no_tokens():
    source = Dataset()
    source.SOPClassUID = "1.3.12.2.1107.5.9.1"
    source.FrameOfReferenceUID = "1.2.840.10008.1.4.1.1"
    source.StudyInstanceUID = "1.2.276.0.9900077.4711.8"
    identity = identity_of(source)
    assert text_hits("1.3.12.2.1107.5.9.1 and 1.2.840.10008.1.4.1.1", identity) == set()
    assert text_hits("see 1.2.276.0.9900077.4711.8.5", identity) == {Role.UID}
    assert text_hits("see 1.2.276.0.9900077.4711.88", identity) == set()


def test_a_makers_name_or_root_is_no_identity():
    identity = named(PatientName="Philips^Phantom", InstanceCreatorUID="1.3.46.6705891")
    assert text_hits("Philips MR Imaging DD 005", identity) == set()
    assert text_hits("1.3.46.6705891.11.0", identity) == set()


def test_roles_that_an_option_keeps_can_be_left_out():
    identity = identity_of(registry(PEOPLE[0])).without(Role.DATE, Role.UID, Role.DEVICE)
    assert text_hits("19570312", identity) == set()
    assert text_hits(PEOPLE[0].uid(1), identity) == set()
    assert text_hits(PEOPLE[0].serial, identity) == set()
    assert text_hits(PEOPLE[0].patient_id, identity) == {Role.ID}


def test_what_the_anonymizer_wrote_is_excused():
    identity = named(PatientName="Blanked^Subject", StudyDate="20190823", PatientID="SUBJ-00017")
    assert text_hits("20190823", identity.excusing(["20190823"])) == set()
    assert text_hits("Blanked^Subject", identity.excusing(["Blanked^Subject"])) == set()
    assert text_hits("SUBJ-00017", identity.excusing(["20190823"])) == {Role.ID}


def test_neither_an_identity_nor_a_hit_shows_a_value():
    person = PEOPLE[0]
    planted = build(ct, person)
    identity = identity_of(registry(person))
    shown = repr(identity) + repr(find_identity(planted.raw, planted.data_set(), ["a"], identity))
    secrets = (*person.words, person.patient_id, person.birth, person.uid(1), person.extra(4))
    assert [secret for secret in secrets if secret in shown] == []
    assert repr(next(iter(identity.tokens))).count("'") == 4  # the role and the reach


def test_hits_in_bytes_tell_region_and_offset():
    person = PEOPLE[0]
    planted = build(ct, person)
    for secret, region in ((person.extra(4), "preamble"), (person.extra(5), "after pixels")):
        (hit,) = find_identity(planted.raw, planted.data_set(), (), named(PatientID=secret))
        assert (hit.region, hit.offset) == (region, planted.raw.find(secret.encode()))


def test_pixel_values_that_spell_a_name_are_no_hit():
    person = PEOPLE[1]
    planted = build(mg, PEOPLE[0])
    data_set = planted.data_set()
    name = person.words[0].encode()
    values = name + data_set.PixelData[len(name) :]
    raw = planted.raw.replace(data_set.PixelData, values)
    data_set.PixelData = values
    identity = identity_of(registry(person))
    assert raw != planted.raw
    assert find_identity(raw, data_set, (), identity) == ()
    assert find_identity(raw + name, data_set, (), identity) != ()


def test_files_of_one_patient_make_one_identity():
    whole = [identity_of(planted.data_set()) for planted in study_of(PEOPLE[0])[:4]]
    joined = reduce(Identity.__or__, whole)
    assert all(part.uids <= joined.uids and part.tokens <= joined.tokens for part in whole)


@given(st.binary(max_size=300), st.integers(0, 3))
def test_damaged_bytes_never_raise(noise, which):
    planted = _SAMPLES[which]
    at = len(planted.raw) // 2
    raw = planted.raw[:at] + noise + planted.raw[at:]
    find_identity(raw, _READ[which], ["x"], _IDENTITY)
    find_identity(raw[:-40], _READ[which], ["x"], _IDENTITY)


_SAMPLES = [build(made, PEOPLE[0]) for made in (ct, ct_deflated, cr, dx)]
_READ = [planted.data_set() for planted in _SAMPLES]
_IDENTITY = identity_of(registry(PEOPLE[0]))
