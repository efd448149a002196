"""Parts that many frames share: each is made once for the same raw values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from napari_dicom_markup.model.geometry import Vector

T = TypeVar("T")


class Parts:
    """What has been parsed of one object, by the function and the raw value."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[tuple[Any, Any], Any] = {}

    def part(self, parse: Callable[[Any], T], raw: Hashable) -> T:
        """Return ``parse(raw)``, the same object for the same value."""
        key = (parse, raw)
        try:
            known: T = self._known[key]
        except KeyError:
            known = self._known[key] = parse(raw)
        return known


def vector(numbers: tuple[float, ...]) -> Vector | None:
    """Return three numbers as a vector, None for any other count."""
    return (numbers[0], numbers[1], numbers[2]) if len(numbers) == 3 else None
