"""Write src/napari_dicom_markup/standard/data from the tables of PS3.15 Annex E.

Run as ``python tools/confidentiality_tables.py [FOLDER]``; the folder holds the tables as JSON
(default: ../shared/standard beside the repository). The codes of CID 7050 and the public coding
schemes come from pydicom; the types of attributes in IODs from highdicom, where it is installed:
only what the tables leave to the IOD is written.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
SOURCE = REPOSITORY.parent / "shared" / "standard"
TARGET = REPOSITORY / "src" / "napari_dicom_markup" / "standard" / "data"

OPTIONS = {
    "retain_longitudinal_full_dates": "retain-full-dates",
    "retain_longitudinal_modified_dates": "retain-modified-dates",
    "clean_descriptors": "clean-descriptors",
    "retain_uids": "retain-uids",
    "retain_device_identity": "retain-device-identity",
    "retain_patient_characteristics": "retain-patient-characteristics",
    "retain_institution_identity": "retain-institution-identity",
    "clean_structured_content": "clean-structured-content",
    "clean_graphics": "clean-graphics",
    "retain_safe_private": "retain-safe-private",
}
CONCEPT_OPTIONS = {
    "Rtn. UIDs Opt.": "retain-uids",
    "Rtn. Dev. Id. Opt.": "retain-device-identity",
    "Rtn. Inst. Id. Opt.": "retain-institution-identity",
    "Rtn. Pat. Chars. Opt.": "retain-patient-characteristics",
    "Rtn. Long. Full Dates Opt.": "retain-full-dates",
    "Rtn. Long. Modif. Dates Opt.": "retain-modified-dates",
    "Clean Desc. Opt.": "clean-descriptors",
}
CODES = {
    "CleanPixelDataOption": "clean-pixels",
    "CleanRecognizableVisualFeaturesOption": "clean-visual-features",
    "CleanGraphicsOption": "clean-graphics",
    "CleanStructuredContentOption": "clean-structured-content",
    "CleanDescriptorsOption": "clean-descriptors",
    "RetainLongitudinalTemporalInformationFullDatesOption": "retain-full-dates",
    "RetainLongitudinalTemporalInformationModifiedDatesOption": "retain-modified-dates",
    "RetainPatientCharacteristicsOption": "retain-patient-characteristics",
    "RetainDeviceIdentityOption": "retain-device-identity",
    "RetainUidsOption": "retain-uids",
    "RetainSafePrivateOption": "retain-safe-private",
    "RetainInstitutionIdentityOption": "retain-institution-identity",
    "BasicApplicationConfidentialityProfile": "",
}
MASKS = {
    "(50xx,xxxx)": ("50000000", "FF000000"),
    "(60xx,3000)": ("60003000", "FF00FFFF"),
    "(60xx,4000)": ("60004000", "FF00FFFF"),
    "(gggg,eeee) where gggg is odd": ("00010000", "00010000"),
}
FURTHER_SCHEMES = (
    *("99SDM", "ACR", "C4", "C5", "CD2", "HCPCS", "HGNC", "I10C", "I10P", "I11", "I9", "I9C"),
    *("ICDO3", "ISO3166_1", "ISO639_1", "ISO639_2", "NCIm", "PATHLEX", "POS", "RFC3066"),
    *("RFC5646", "SCPECG", "SNM3", "SRT", "UBERON", "UNS", "X12DE1333"),
)
"""Schemes of PS3.16 table 8-1 (2026d) with public codes that pydicom's dictionary does not use."""

TYPED_VRS = frozenset(
    [
        "LO",
        "SH",
        "ST",
        "LT",
        "UT",
        "UC",
        "UR",
        "AE",
        "PN",
        "DA",
        "DT",
        "TM",
        "AS",
        "DS",
        "IS",
        "OB",
        "UN",
    ]
)


def digest(rows: Any) -> str:
    """Return the SHA-256 of rows in canonical JSON."""
    text = json.dumps(rows, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def documents(source: Path) -> dict[str, str]:
    """Return the texts of the data that come from the tables in a folder, by file name."""
    tables = {name: _table(source, name) for name in ("e1_1", "e3_10_1", "e3_4_1")}
    note = tables["e1_1"]["acknowledgement"]
    rows = {
        "attributes.json": [_attribute(row) for row in tables["e1_1"]["rows"]],
        "safe_private.json": [_private(row) for row in tables["e3_10_1"]["rows"]],
        "content_concepts.json": [_concept(row) for row in tables["e3_4_1"]["rows"]],
    }
    editions = [tables[name]["edition"] for name in ("e1_1", "e3_10_1", "e3_4_1")]
    titles = [tables[name]["table"] for name in ("e1_1", "e3_10_1", "e3_4_1")]
    return {
        name: _document(title, edition, note.replace("2026d", edition), found)
        for (name, found), title, edition in zip(rows.items(), titles, editions, strict=True)
    }


def code_document() -> str:
    """Return the text of the codes of CID 7050 and the names of public coding schemes."""
    from pydicom import __version__
    from pydicom.sr import _concepts_dict, codedict

    options = [
        [CODES[name], str(code.value), code.meaning]
        for name in codedict.codes.cid7050.dir()
        for code in [getattr(codedict.codes.cid7050, name)]
    ]
    schemes = sorted({*_concepts_dict.concepts, *FURTHER_SCHEMES})
    note = "DICOM PS3.16, (c) NEMA"
    rows = {"options": sorted(options, key=lambda row: row[1]), "schemes": schemes}
    return _document("PS3.16 CID 7050", f"pydicom {__version__}", note, rows)


def type_document() -> str:
    """Return the text of the types that attributes with a compound action have in IODs."""
    import importlib.metadata
    from importlib.resources import files

    folder = files("highdicom") / "_standard"
    names = ("sop_class_iod_map", "iod_module_map", "module_attribute_map")
    classes, iods, modules = (
        json.loads((folder / f"{name}.json").read_text("utf-8")) for name in names
    )
    by_iod = {iod: _types(rows, modules) for iod, rows in sorted(iods.items())}
    rows = {
        "classes": dict(sorted(classes.items())),
        "iods": {iod: by_iod[iod] for iod in sorted(set(classes.values()))},
        "strictest": _strictest(modules),
    }
    edition = f"highdicom {importlib.metadata.version('highdicom')}"
    return _document("PS3.3 attribute types", edition, "DICOM PS3.3, (c) NEMA", rows)


def _table(source: Path, name: str) -> dict[str, Any]:
    (path,) = source.glob(f"{name}.*.json")
    table: dict[str, Any] = json.loads(path.read_text("utf-8"))
    if table.get("content_sha256", digest(table["rows"])) != digest(table["rows"]):
        message = f"{path.name} is not what its digest says"
        raise SystemExit(message)
    return table


def _attribute(row: dict[str, Any]) -> list[Any]:
    tag, mask = MASKS.get(row["tag"]) or (_hex(row["tag"]), "FFFFFFFF")
    options = {OPTIONS[name]: code for name, code in row["options"].items()}
    return [tag, mask, row["name"], row["basic_profile"], options]


def _private(row: dict[str, Any]) -> list[Any]:
    group, element = row["tag"][1:5], row["tag"][8:10]
    return [row["private_creator"], f"{group}{element}".upper(), row["vr"], row["meaning"]]


def _concept(row: dict[str, str]) -> list[Any]:
    options = {CONCEPT_OPTIONS[name]: row[name] for name in CONCEPT_OPTIONS if row[name]}
    key = ("Coding Scheme Designator", "Code Value", "Value Type", "Code Meaning", "Basic Prof.")
    return [*(row[name] for name in key), options]


def _hex(tag: str) -> str:
    return (tag[1:5] + tag[6:10]).upper()


def _types(used: list[dict[str, str]], modules: dict[str, Any]) -> dict[str, str]:
    """Return the strictest types in an IOD that table E.1-1 has to be fitted to, by path of tags.

    Those are all types of attributes with a compound action, and of those that the table removes
    only what must be there: type 1 and 2.
    """
    actions = {row[0]: row[3] for row in json.loads(_read("attributes.json"))["rows"]}
    found: dict[str, str] = {}
    for attribute in (row for use in used for row in modules.get(use["key"], ())):
        path = [_tag(keyword) for keyword in (*attribute["path"], attribute["keyword"])]
        action = actions.get(path[-1], "")
        if "" not in path and ("/" in action or action == "X"):
            key = ".".join(path)
            found[key] = min(found.get(key, "3"), attribute["type"][0])
    return {
        key: kind for key, kind in sorted(found.items()) if kind != "3" or actions[key[-8:]] != "X"
    }


def _strictest(modules: dict[str, Any]) -> dict[str, str]:
    """Return the strictest type of text, dates and the like anywhere, by tag; 3 is left out."""
    from pydicom.datadict import dictionary_VR

    found: dict[str, str] = defaultdict(lambda: "3")
    for attribute in (row for rows in modules.values() for row in rows):
        tag = _tag(attribute["keyword"])
        if tag and dictionary_VR(int(tag, 16)) in TYPED_VRS:
            found[tag] = min(found[tag], attribute["type"][0])
    return {tag: kind for tag, kind in sorted(found.items()) if kind != "3"}


def _tag(keyword: str) -> str:
    from pydicom.datadict import tag_for_keyword

    tag = tag_for_keyword(keyword)
    return "" if tag is None else f"{tag:08X}"


def _read(name: str) -> str:
    return (TARGET / name).read_text("utf-8")


def _document(title: str, edition: str, acknowledgement: str, rows: Any) -> str:
    head = {"table": title, "edition": edition, "acknowledgement": acknowledgement}
    head |= {"digest": digest(rows)}
    lines = [f" {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    return "\n".join(["{", *lines, f' "rows": {_rows(rows)}', "}", ""])


def _rows(rows: Any) -> str:
    if isinstance(rows, list):
        return "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n ]"
    parts = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in rows.items()]
    return "{\n" + ",\n".join(parts) + "\n }"


def main() -> None:
    """Write every file; the types only where highdicom is there to be asked."""
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else SOURCE
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, text in documents(source).items():
        (TARGET / name).write_text(text, "utf-8")
    (TARGET / "codes.json").write_text(code_document(), "utf-8")
    (TARGET / "attribute_types.json").write_text(type_document(), "utf-8")
    print(
        *(f"{path.name}: {path.stat().st_size} bytes" for path in sorted(TARGET.iterdir())),
        sep="\n",
    )


if __name__ == "__main__":
    main()
