"""What panels ask of napari's layers and sliders, and do to them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Layer
from napari.utils.colormaps import Colormap
from napari.viewer import Viewer

from napari_dicom_markup import api
from napari_dicom_markup.api import Look

RAMP = "VOI curve"
"""Name of a colormap that a VOI LUT or a sigmoid gives; the object's own name is free text."""


def image_to_show(viewer: Viewer, shown: Image | None) -> Image | None:
    """Return the active image of ours, else the one shown before, else the last that is open."""
    active = viewer.layers.selection.active
    ours = [one for one in viewer.layers if api.volume_behind(one.data) is not None]
    if active in ours:
        return active
    if active is not None and isinstance(active, Image):
        return None
    if shown in ours:
        return shown
    return ours[-1] if ours else None


def index_shown(viewer: Viewer, layer: Layer) -> tuple[int | None, ...]:
    """Return a layer's indices at the sliders, all but the last two; None for displayed axes."""
    dims, count = viewer.dims, layer.ndim
    offset = dims.ndim - count
    point = np.asarray(dims.point, float)[offset:] * _unit_factors(dims.units, layer.units)
    at = np.rint(layer.world_to_data(point)).astype(int).tolist()
    return tuple(None if k + offset in dims.displayed else at[k] for k in range(count - 2))


def _unit_factors(world: Sequence[Any] | None, own: Sequence[Any]) -> Any:
    """Return a layer's lengths of one world unit: napari shows layers of mm and µm together."""
    if world is None:
        return 1.0
    pairs = zip(world[-len(own) :], own, strict=True)
    return np.array([float((1 * one).to(other).magnitude) for one, other in pairs])


def show_look(layer: Image, look: Look) -> None:
    """Give an image a look's limits and curve; a colormap of the user's stays where none is."""
    layer.contrast_limits = look.limits
    if look.ramp is not None:
        grey = np.array(look.ramp, np.float32)
        layer.colormap = Colormap(np.stack([grey, grey, grey, np.ones_like(grey)], -1), name=RAMP)
    elif layer.colormap.name.startswith(RAMP):
        layer.colormap = look.base


def replace_data(layer: Image, shown: Any) -> None:
    """Give an image the data of a layer tuple, with the limits and metadata that go with them."""
    data, meta, _ = shown
    layer.data = data
    layer.metadata = {**layer.metadata, **meta["metadata"]}
    layer.contrast_limits_range = meta["metadata"]["dicom_markup"]["contrast_limits_range"]
    layer.contrast_limits = meta["contrast_limits"]


def folder_of(layer: Layer | None) -> str:
    """Return the folder that a layer was opened from, nothing where it is not known."""
    path = None if layer is None else layer.source.path
    if not path:
        return ""
    return str(path if Path(path).is_dir() else Path(path).parent)
