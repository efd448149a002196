"""What the project says of itself is true."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import entry_points, version
from pathlib import Path

import jsonschema
import pytest

import napari_dicom_markup
from napari_dicom_markup import api
from tests.series import write_series

ROOT = Path(__file__).parents[1]


def test_the_version_is_said_once_and_alike():
    assert version("napari-dicom-markup") == napari_dicom_markup.__version__


def test_importing_the_package_imports_nothing_heavy():
    heavy = "[m for m in ('numpy', 'pydicom', 'napari') if m in sys.modules]"
    code = f"import sys, napari_dicom_markup; print({heavy})"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_public_names_lead_to_the_verbs():
    for name in napari_dicom_markup.__all__:
        assert getattr(napari_dicom_markup, name) is getattr(api, name)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = napari_dicom_markup.nonsense


def test_the_manifest_is_the_packages_own_at_the_top_too():
    assert (ROOT / "napari.yaml").resolve() == ROOT / "src/napari_dicom_markup/napari.yaml"
    (manifest,) = (
        e for e in entry_points(group="napari.manifest") if e.name == "napari-dicom-markup"
    )
    assert manifest.value == "napari_dicom_markup:napari.yaml"


def test_the_published_schema_is_that_of_the_types():
    made = subprocess.run(
        [
            sys.executable,
            "-c",
            "from tools.sidecar_schema import schema_text as s; print(s(), end='')",
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert made.stdout == (ROOT / "docs/sidecar.schema.json").read_text()


def test_a_written_document_fits_the_published_schema(tmp_path):
    import zipfile

    (bundle,) = api.pack(write_series(tmp_path / "dicom"), tmp_path / "out").result().bundles
    document = json.loads(zipfile.ZipFile(bundle.sidecar).read("sidecar.json"))
    schema = json.loads((ROOT / "docs/sidecar.schema.json").read_text())
    jsonschema.validate(document, schema)


def test_the_readme_runs_as_it_stands(tmp_path, monkeypatch):
    write_series(tmp_path / "FOLDER")
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        exec(compile(example, "README.md", "exec"), {})
    assert len(list((tmp_path / "AGAIN").iterdir())) == 5


def test_the_readme_names_every_command_that_there_is():
    from napari_dicom_markup.cli import app

    named = {command.callback.__name__ for command in app.registered_commands}
    readme = (ROOT / "README.md").read_text()
    assert named == {name for name in named if f"dicom-markup {name}" in readme}


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.stem)
def test_an_example_runs_as_it_stands(example, tmp_path):
    folder = write_series(tmp_path / "FOLDER")
    command = [sys.executable, str(example), str(folder), str(tmp_path / "case.dcm-markup")]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "all is well: True" in shown
    assert api.reopen(tmp_path / "case.dcm-markup").result().labels[1][0].data.any()
