"""What was painted: labels over one stack, with their names and colours."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from numpy.typing import NDArray

Rgba: TypeAlias = tuple[float, float, float, float]
Cell: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class LabelColors:
    """Colours of a labels layer, red, green, blue and alpha from 0 to 1.

    ``direct``: ``colors[i]`` belongs to label ``numbers[i]``, ``default`` to all others.
    ``cyclic``: label n takes one of ``colors`` by napari's cycle; an empty table is its default.
    """

    kind: Literal["cyclic", "direct"] = "cyclic"
    colors: tuple[Rgba, ...] = ()
    numbers: tuple[int, ...] = ()
    default: Rgba = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class FeatureColumn:
    """One column of a labels layer's features table; column ``index`` holds label numbers."""

    name: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class LabelsStyle:
    """All of a labels layer but its voxels: what makes it look the same when it is reopened."""

    name: str
    colors: LabelColors = field(default_factory=LabelColors)
    features: tuple[FeatureColumn, ...] = ()
    opacity: float = 0.7
    visible: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Integer labels on a stack's grid: ``data`` has the stack's shape, or its (z, y, x) part."""

    style: LabelsStyle
    data: NDArray[Any]
