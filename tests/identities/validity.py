"""What ``dciodvfy`` (Debian package dicom3tools) says of an object."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

DCIODVFY = shutil.which("dciodvfy")

needs_dciodvfy = pytest.mark.skipif(
    DCIODVFY is None, reason="no dciodvfy: install Debian's dicom3tools"
)

NOT_JUDGED = frozenset({"ct-deflated", "seg-labelmap"})
"""Objects that Debian 12's dciodvfy cannot read (deflated) or does not know (label maps)."""

BASELINE = {"ct": 1, "slide": 1}
"""Errors of the objects as built: bytes after the data set; an optical path without ICC profile."""


def errors_of(path: Path) -> tuple[str, ...]:
    """Return the errors as kind, attribute and module, without values."""
    if DCIODVFY is None:
        return ()
    done = subprocess.run(
        [DCIODVFY, "-new", str(path)], capture_output=True, timeout=60, check=False
    )
    said = (done.stdout + done.stderr).decode("latin-1")
    return tuple(_bare(line) for line in said.splitlines() if line.startswith("Error"))


def new_errors(source: Path, output: Path) -> tuple[str, ...]:
    """Return the errors of an output that its source did not have."""
    before = errors_of(source)
    return tuple(error for error in errors_of(output) if error not in before)


def _bare(line: str) -> str:
    return re.sub(r"<([^>/()=]*)>", "<…>", re.sub(r"(?<!Module=)<[^/][^>]*>", "<…>", line))
