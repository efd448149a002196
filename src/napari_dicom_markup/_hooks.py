"""What npe2 calls: a light door. Only the standard library is imported until a file is ours.

napari asks the reader about every file whose name fits, so it reads 132 bytes and decides.
"""

from __future__ import annotations

import logging
import os
import re
import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_SIDECAR = ".dcm-markup"
_DICOM_NAMES = (".dcm", ".dicom", ".ima")
_PREFIX_AT = 128
_FILES_TRIED, _OTHERS_TRIED = 256, 64
"""Files of a folder, by names that DICOM has and by others, that are looked at before the folder
is left to other plug-ins."""

_FIRST_ELEMENT = re.compile(
    rb"[\x02\x08]\0.\0(?:[A-Z]{2}|..\0\0)|\0[\x02\x08]\0.[A-Z]{2}", re.DOTALL
)
"""What a data set without the DICM prefix begins with: a tag of group 0002 or 0008, then its VR,
or in implicit VR a length below 65536 (PS3.5 7.1)."""

_OTHER_NAME = re.compile(r".*\.(?=[^.]*[A-Za-z])[^.]+", re.DOTALL)
"""A name with an extension: "a.txt", but neither "IM1" nor the UID "1.2.840"."""


def get_reader(path: str | Sequence[str]) -> Callable[[Any], list[Any]] | None:
    """Return the reader of DICOM files, folders or a sidecar, or None for anything else."""
    paths = [path] if isinstance(path, str) else list(path)
    if not paths:
        return None
    if len(paths) == 1 and paths[0].lower().endswith(_SIDECAR):
        return _read_sidecar
    if all(_is_dicom(Path(one)) for one in paths):
        return _read_dicom
    return None


def _is_dicom(path: Path) -> bool:
    try:
        if path.is_dir():
            return any(_is_dicom_file(file) for file in _some_files(path))
        return _is_dicom_file(path)
    except OSError:
        return False


def _some_files(folder: Path) -> Iterator[Path]:
    """Yield some files of a folder, in its sub-folders too, without listing a whole archive."""
    tried, others = 0, list[Path]()
    for parent, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            if not _may_be_dicom(name):
                others += [Path(parent) / name] if len(others) < _OTHERS_TRIED else []
                continue
            yield Path(parent) / name
            tried += 1
            if tried == _FILES_TRIED:
                return
    yield from others


def _may_be_dicom(name: str) -> bool:
    """Say whether a name is one that DICOM files have; those are looked at first."""
    return name.lower().endswith(_DICOM_NAMES) or not _OTHER_NAME.fullmatch(name)


def _is_dicom_file(path: Path) -> bool:
    """Say whether a file has the DICM prefix (PS3.10 7.1), or a DICOM name and a data set."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_PREFIX_AT + 4)
    except OSError:
        return False
    if head[_PREFIX_AT:] == b"DICM":
        return True
    return _may_be_dicom(path.name) and _FIRST_ELEMENT.match(head) is not None


def _read_dicom(path: str | Sequence[str]) -> list[Any]:
    from napari_dicom_markup import api

    return _layers(lambda: api.open_layers(path, _open_layers()))


def _open_layers() -> list[Any]:
    """Return the current viewer's layers: a segmentation may refer to images that are open."""
    from napari import current_viewer

    viewer = current_viewer()
    return [] if viewer is None else [layer.as_layer_data_tuple() for layer in viewer.layers]


def _read_sidecar(path: str | Sequence[str]) -> list[Any]:
    from napari_dicom_markup import api

    return _layers(lambda: api.reopen_layers(path if isinstance(path, str) else path[0]))


def _layers(verb: Callable[[], Any]) -> list[Any]:
    """Run a verb and make napari layers of its tuples; its notice becomes one notification."""
    from napari.utils.notifications import show_info

    opened = _run(verb, "opened")
    if opened.notice:
        show_info(opened.notice)
    return [_layer(*one) for one in opened.tuples]


def _run(verb: Callable[[], Any], aim: str) -> Any:
    """Run a verb; of what goes wrong only a text leaves it, for napari shows tracebacks.

    A traceback of napari's shows the values in every frame, and a warning of pydicom's quotes
    values: names of patients among them. So the error raised here has no frame of the verb, and
    is no ValueError, which napari takes from a writer for "no writer found".
    """
    from napari_dicom_markup.errors import MarkupError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return verb().result()
    except MarkupError as error:
        text = str(error)
    except Exception as error:  # noqa: BLE001 - the door: no frame of ours may pass it
        kind = type(error).__name__
        lines = "".join(traceback.format_tb(error.__traceback__))
        logging.getLogger(__name__).error("internal error %s\n%s", kind, lines)
        text = f"internal error ({kind}), nothing was {aim}: please report it with the log"
    raise MarkupError(text)


def _layer(data: Any, meta: dict[str, Any], kind: str) -> Any:
    """Make a napari layer: only a layer can have a contrast range wider than its limits."""
    from napari.layers import Layer

    layer = Layer.create(data, meta, kind)
    wide = meta["metadata"].get("dicom_markup", {}).get("contrast_limits_range")
    if wide is not None and not meta.get("rgb"):
        layer.contrast_limits_range = wide
    return layer


def write_bundle(path: str, layers: list[Any]) -> list[str]:
    """Write the selected layers as a bundle, and return the paths of its files."""
    from napari.utils.notifications import show_warning

    from napari_dicom_markup import api

    bundle = _run(lambda: api.save_layers(path, layers, _other_layers(layers)), "written")
    if bundle.notes:
        show_warning("\n".join(bundle.notes))
    return [str(file) for file in (*bundle.tiffs, bundle.sidecar)]


def _other_layers(selected: Sequence[Any]) -> list[Any]:
    """Return the current viewer's layers that are not selected, as layer tuples."""
    names = {meta.get("name") for _, meta, _ in selected}
    return [layer for layer in _open_layers() if layer[1].get("name") not in names]


def open_phantom() -> list[Any]:
    """Return the phantom CT as napari layers (File ▸ Open Sample)."""
    from napari_dicom_markup import api

    return list(_run(api.phantom_layers, "opened").tuples)
