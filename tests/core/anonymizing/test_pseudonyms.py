"""Pseudonyms depend on the key and on what they stand for, and on nothing else."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from napari_dicom_markup.core.anonymizing import dates
from napari_dicom_markup.core.anonymizing.code_meanings import code_meaning
from napari_dicom_markup.core.anonymizing.dummies import dummy_value
from napari_dicom_markup.core.anonymizing.pseudonyms import Pseudonyms, same_name
from napari_dicom_markup.core.anonymizing.uid_texts import replace_uids
from napari_dicom_markup.core.anonymizing.wording import WORDS, clean_text
from napari_dicom_markup.errors import MarkupError
from napari_dicom_markup.model.deid import ProjectKey

PSEUDONYMS = Pseudonyms(ProjectKey(bytes(range(32))))
OTHERS = Pseudonyms(ProjectKey(bytes(32)))

uids = st.from_regex(r"[0-2](\.(0|[1-9][0-9]{0,9})){2,5}", fullmatch=True)
days = st.integers(1, 3650)


def test_known_answers_never_change():
    """What one version made must be what the next one makes: projects last for years."""
    assert PSEUDONYMS.new_uid("1.2.3.4") == "2.25.157910775163533369044210656696165106212"
    assert PSEUDONYMS.patient_pseudonym("MRN 1") == "PNWGXKSB2F2SE"
    assert PSEUDONYMS.person_pseudonym("Doe^Jane") == "NRTQ4CHIRSI2I"
    assert PSEUDONYMS.identifier("AccessionNumber", "A1") == "IETXM2EV2Q6BQ"
    assert PSEUDONYMS.day_offset("id MRN 1") == 1540


@given(uids)
def test_new_uids_are_valid_consistent_and_of_the_key(uid):
    new = PSEUDONYMS.new_uid(uid)
    assert UID(new).is_valid
    assert len(new) <= 44
    assert new == PSEUDONYMS.new_uid(f"{uid}\0") == PSEUDONYMS.new_uid(f" {uid} ")
    assert new != uid
    assert new != OTHERS.new_uid(uid)


@pytest.mark.parametrize(
    "uid",
    [CTImageStorage, ExplicitVRLittleEndian, "1.2.840.10008.1.4.1.1", "1.2.840.10008.2.16.4", ""],
)
def test_registered_uids_and_none_are_returned_untouched(uid):
    assert PSEUDONYMS.new_uid(uid) == uid


@pytest.mark.parametrize("uid", ["Zzyzx", "1.02.3", "1..2", "1.2.840.10008.5.1.4.1.1.2.9999999"])
def test_what_is_no_registered_uid_gets_a_new_one(uid):
    assert UID(PSEUDONYMS.new_uid(uid)).is_valid


def test_roles_are_apart():
    made = {
        PSEUDONYMS.patient_pseudonym("1")[1:],
        PSEUDONYMS.person_pseudonym("1")[1:],
        PSEUDONYMS.identifier("StudyID", "1")[1:],
        PSEUDONYMS.identifier("AccessionNumber", "1")[1:],
    }
    assert len(made) == 4


@given(st.text(min_size=1))
def test_pseudonyms_fit_their_vr(text):
    for made in (
        PSEUDONYMS.patient_pseudonym(text),
        PSEUDONYMS.person_pseudonym(text),
        PSEUDONYMS.identifier("StudyID", text),
    ):
        assert re.fullmatch(r"([PNI][A-Z2-7]{12})?", made)


@pytest.mark.parametrize(
    "name",
    [
        "DOE^JANE", "Doe^Jane^^", "doe^jane^^Dr.^PhD", "Doe, Jane", "Jane Doe", " Doe ^Jane\0",
        "Doe^Jane=山田^太郎", "=Doe^Jane",
    ],
)  # fmt: skip
def test_person_is_the_same_however_the_name_is_formatted(name):
    assert PSEUDONYMS.person_pseudonym(name) == PSEUDONYMS.person_pseudonym("Doe^Jane")


def test_persons_of_different_names_are_different():
    names = ["Doe^Jane", "Doe^John", "Doe^Jane^X", "山田^太郎", "Döe^Jane"]
    assert len({PSEUDONYMS.person_pseudonym(name) for name in names}) == len(names)


@given(st.text())
def test_offsets_are_between_a_day_and_ten_years(patient):
    assert 1 <= PSEUDONYMS.day_offset(patient) <= 3650


def test_offsets_differ_from_patient_to_patient():
    assert len({PSEUDONYMS.day_offset(f"id {n}") for n in range(100)}) > 90


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_key_of_another_length_is_refused(length):
    with pytest.raises(MarkupError, match="32 bytes"):
        Pseudonyms(ProjectKey(bytes(length)))


def test_key_is_in_no_repr():
    assert "\\x01" not in repr(PSEUDONYMS)


@given(st.dates(date(11, 1, 1)), days)
def test_dates_go_back_by_whole_days(day, count):
    moved = day - timedelta(count)
    written = f"{moved.year:04}{moved:%m%d}"
    assert dates.shift_date(f"{day.year:04}{day:%m%d}", count) == written
    assert dates.shift_date(f"{day.year:04}.{day:%m.%d}", count) == written
    time = f"{day.year:04}{day:%m%d}235960.123456-0330"
    assert dates.shift_date_time(time, count) == f"{written}235960.123456-0330"


@given(st.dates(date(11, 1, 1)), days)
def test_dates_moved_back_and_forth_are_the_same(day, count):
    text = f"{day.year:04}{day:%m%d}"
    assert dates.shift_date(dates.shift_date(text, count) or "", -count) == text


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("2020", "2019"),
        ("202003", "202003"),
        ("20200301", "20200220"),
        ("2020030112", "2020022012"),
    ],
)
def test_partial_dates_keep_their_precision(text, moved):
    assert dates.shift_date_time(text, 10 if text != "2020" else 300) == moved


@pytest.mark.parametrize(
    "text",
    [
        "Quistgaard 1957", "20230229", "19000229", "20201301", "20200100", "00000101", "2020",
        "20200101-20200102", "00010101", "2020-01-01", "2020.0101", "٢٠٢٠٠١٠١", "",
    ],
)  # fmt: skip
def test_what_is_no_date_is_none(text):
    assert dates.shift_date(text, 1) is None


@pytest.mark.parametrize("text", ["20200101250000", "20200101 Doe", "202", "20200101+9999", ""])
def test_what_is_no_date_and_time_is_none(text):
    assert dates.shift_date_time(text, 1) is None


@pytest.mark.parametrize(
    ("text", "capped"),
    [
        ("089Y", "089Y"),
        ("090Y", "090Y"),
        ("117Y", "090Y"),
        ("999D", "999D"),
        ("9Y", "009Y"),
        ("045 ", None),
    ],
)
def test_ages_are_capped(text, capped):
    assert dates.cap_age(text) == capped


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("t2_tse_ax BRAIN 3mm", "t2 tse ax BRAIN 3 mm"),
        ("Knee left, Jane Doe, 29.02.1964", "Knee left"),
        ("call 555 123 456", ""),
        ("Head of Head^Otto", "of"),
        ("T1W/MPRAGE", "T1W MPRAGE"),
    ],
)
def test_descriptions_keep_words_of_imaging_only(text, clean):
    own = frozenset({"head", "otto"})
    assert clean_text(text, own) == clean


@given(st.text())
def test_cleaned_text_holds_listed_words_and_short_numbers(text):
    for word in clean_text(text).split():
        assert word.lower() in WORDS or re.fullmatch(r"[0-9.]{1,4}", word)


@given(st.text())
def test_cleaning_twice_is_cleaning_once(text):
    once = clean_text(text)
    assert clean_text(once) == once


def test_meanings_are_the_standard_s():
    assert code_meaning("DCM", "113101") == "Clean Pixel Data Option"
    assert code_meaning("SCT", "12738006") == code_meaning("SRT", "T-A0100") == "Brain"
    assert code_meaning("99LOCAL", "1") is None


OWN = "1.2.3.44"
LONG = "1.3.12.2.1107.5.2.32.35162.30000012345"


def test_uids_in_texts_are_replaced_as_a_whole():
    new = PSEUDONYMS.new_uid
    text = f"see {OWN}, not 1.2.3.445 nor v1.2.3, but {LONG}.".encode()
    expected = f"see {new(OWN)}, not 1.2.3.445 nor v1.2.3, but {new(LONG)}."
    assert replace_uids(text, frozenset({OWN}), new).decode() == expected


def test_registered_uids_in_texts_stay():
    text = b"class 1.2.840.10008.5.1.4.1.1.481.3"
    assert replace_uids(text, frozenset(), PSEUDONYMS.new_uid) == text


@pytest.mark.parametrize("uid", [OWN, LONG, LONG + ".2012010112000000000.0"])
def test_uids_in_bytes_are_replaced_in_their_length(uid):
    value = b"\1\0\2\0" + uid.encode() + b"\0\xff\3"
    new = replace_uids(value, frozenset({OWN}), PSEUDONYMS.new_uid)
    assert len(new) == len(value)
    assert uid.encode() not in new
    assert new.endswith(b"\0\xff\3")


VRS = """
AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SS ST SV TM UC UL UN UR US UT UV
"""


@pytest.mark.parametrize("vr", VRS.split())
def test_dummies_are_valid_for_their_vr(vr):
    from pydicom.config import RAISE
    from pydicom.dataelem import DataElement

    value = dummy_value(vr, 0x00091001)
    element = DataElement(0x00091001, vr, value, validation_mode=RAISE)
    assert not element.is_empty


def test_names_are_folded_and_empty_ones_are_empty():
    assert same_name("^^^") == same_name("==") == ""
    assert PSEUDONYMS.person_pseudonym("^") == ""
