"""The tables of PS3.15 Annex E as data: their digests, their completeness, their codes."""

import importlib.metadata
import importlib.util
import json

import pytest
from tests.data import REPOSITORY

from napari_dicom_markup.errors import DamagedError
from napari_dicom_markup.model.deid import Option
from napari_dicom_markup.standard import confidentiality as tables

DATA = REPOSITORY / "src" / "napari_dicom_markup" / "standard" / "data"
SOURCE = REPOSITORY.parent / "shared" / "standard"


def generator():
    path = REPOSITORY / "tools" / "confidentiality_tables.py"
    spec = importlib.util.spec_from_file_location("confidentiality_tables", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(not SOURCE.is_dir(), reason="the tables of shared/standard are not here")
def test_tables_are_what_the_generator_writes():
    for name, text in generator().documents(SOURCE).items():
        assert (DATA / name).read_text("utf-8") == text, name


@pytest.mark.parametrize(
    ("name", "library", "writer"),
    [
        ("codes.json", "pydicom", "code_document"),
        ("attribute_types.json", "highdicom", "type_document"),
    ],
)
def test_tables_of_libraries_are_what_the_generator_writes(name, library, writer):
    found = importlib.metadata.version(library)
    edition = json.loads((DATA / name).read_text("utf-8"))["edition"]
    if edition != f"{library} {found}":
        pytest.skip(f"written with {edition}, {found} is here")
    assert (DATA / name).read_text("utf-8") == getattr(generator(), writer)()


@pytest.mark.parametrize("name", tables.TABLES)
def test_a_table_changed_by_one_character_is_refused(name):
    text = (DATA / name).read_text("utf-8")
    at = text.index('"rows"') + len(text) // 3
    at = next(i for i in range(at, len(text)) if text[i].isalnum())
    altered = text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]
    tables.checked_document(name, text)
    with pytest.raises(DamagedError, match="reinstall"):
        tables.checked_document(name, altered)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"digest": ""}', "null"])
def test_what_is_no_table_is_refused(text):
    with pytest.raises(DamagedError):
        tables.checked_document("attributes.json", text)


def test_every_row_of_the_profile_has_a_known_action_and_known_options():
    rows = tables.attribute_rows()
    assert len(rows) == 657
    assert {row.action for row in rows} <= tables.ACTIONS
    assert {name for row in rows for name in row.options} <= {option.value for option in Option}
    assert {code for row in rows for code in row.options.values()} == {"K", "C"}
    assert len({(row.tag, row.mask) for row in rows}) == 657
    assert sum(row.mask != 0xFFFF_FFFF for row in rows) == 4


@pytest.mark.parametrize(
    ("code", "count"),
    [
        *(("X", 417), ("D", 93), ("U", 55), ("Z", 42), ("X/D", 23), ("X/Z", 11)),
        *(("X/Z/D", 8), ("Z/D", 6), ("X/Z/U*", 2)),
    ],
)
def test_rows_have_the_counts_of_the_edition(code, count):
    assert sum(row.action == code for row in tables.attribute_rows()) == count


def test_safe_private_attributes_and_concepts_are_complete():
    private, concepts = tables.safe_private_rows(), tables.concept_rows()
    assert len(private) == 479
    assert len({row.creator for row in private}) == 20
    assert all(row.group % 2 for row in private)
    assert len(concepts) == 206
    assert {row.action for row in concepts} == {"X", "D", "X/D"}


def test_codes_of_cid_7050_belong_to_their_options():
    assert {code.option: code.value for code in tables.option_codes()} == {
        "": "113100",
        Option.CLEAN_PIXELS: "113101",
        Option.CLEAN_VISUAL_FEATURES: "113102",
        Option.CLEAN_GRAPHICS: "113103",
        Option.CLEAN_STRUCTURED_CONTENT: "113104",
        Option.CLEAN_DESCRIPTORS: "113105",
        Option.RETAIN_FULL_DATES: "113106",
        Option.RETAIN_MODIFIED_DATES: "113107",
        Option.RETAIN_PATIENT_CHARACTERISTICS: "113108",
        Option.RETAIN_DEVICE_IDENTITY: "113109",
        Option.RETAIN_UIDS: "113110",
        Option.RETAIN_SAFE_PRIVATE: "113111",
        Option.RETAIN_INSTITUTION_IDENTITY: "113112",
    }


def test_editions_and_acknowledgements_can_be_shown():
    assert tables.editions()["PS3.15 Table E.1-1"] == "2026d"
    assert any("NEMA" in text for text in tables.acknowledgements())


def test_types_of_iods_are_the_strictest_of_their_modules():
    ct, pet = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.128"
    assert tables.types_in(ct)[(0x0008_0021,)] == 3
    assert tables.types_in(pet)[(0x0008_0021,)] == 1
    assert tables.types_in(ct)[(0x0010_0020,)] == 2
    assert not tables.types_in("1.2.3")
    assert tables.strictest_types()[0x0008_0100] == 1
