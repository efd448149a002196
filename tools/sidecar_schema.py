"""Write docs/sidecar.schema.json from the types of model/sidecar.py."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import TypeAdapter

from napari_dicom_markup.model.sidecar import Sidecar

SCHEMA = Path(__file__).parents[1] / "docs" / "sidecar.schema.json"


def schema_text() -> str:
    """Return the JSON Schema of ``sidecar.json``."""
    schema = TypeAdapter(Sidecar).json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(schema_text())
    print(f"wrote {SCHEMA.name}")
