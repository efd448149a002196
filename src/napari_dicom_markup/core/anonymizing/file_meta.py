"""File meta written anew: it says what a data set is and who wrote it, not where it came from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_dicom_markup.core.anonymizing.elements import first_text
from napari_dicom_markup.errors import MarkupError
from napari_dicom_markup.standard import transfer_syntax as ts

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileMetaDataset

IMPLEMENTATION_UID = "2.25.10855535545163336004521403139624493380"
"""UUID 5 of this package's address on PyPI."""

IMPLEMENTATION_VERSION = "DICOM-MARKUP"

_SOP_CLASS, _SOP_INSTANCE = 0x00080016, 0x00080018
_META_SOP_CLASS, _META_SYNTAX = 0x00020002, 0x00020010
_UID = re.compile(r"[0-2](?:\.(?:0|[1-9]\d*))+", re.ASCII)


class ApplyError(MarkupError, ValueError):
    """A data set cannot be de-identified as a whole; the text says why."""


def new_file_meta(new: Dataset, source: Dataset) -> FileMetaDataset:
    """Return a file meta for a new data set, of its own UIDs and the source's transfer syntax.

    It describes the application that de-identified (PS3.15 E.1.1), and no AE title.

    Raises
    ------
    ApplyError
        There is no SOP class, SOP Instance UID or transfer syntax.
    """
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID

    old: Dataset = getattr(source, "file_meta", None) or FileMetaDataset()
    sop_class = first_text(new, _SOP_CLASS) or first_text(old, _META_SOP_CLASS)
    instance, syntax = first_text(new, _SOP_INSTANCE), _syntax(old, source)
    if not all(_UID.fullmatch(uid) for uid in (sop_class, instance, syntax)):
        text = "the file names no SOP class, SOP instance or transfer syntax: leave it out"
        raise ApplyError(text)
    meta = FileMetaDataset()
    meta.FileMetaInformationGroupLength = 0
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = UID(instance)
    meta.TransferSyntaxUID = UID(syntax)
    meta.ImplementationClassUID = UID(IMPLEMENTATION_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION
    return meta


def _syntax(old: Dataset, source: Dataset) -> str:
    """Return the transfer syntax, that of how it was read for a file without file meta."""
    named = first_text(old, _META_SYNTAX)
    if named:
        return named
    implicit, little = source.original_encoding
    if implicit is None:
        return ""
    if implicit:
        return ts.IMPLICIT_LE
    return ts.EXPLICIT_LE if little else ts.EXPLICIT_BE
