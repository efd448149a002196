"""All objects, each of one of the people, in turn; and all of them of one person."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from tests.identities.derived import DERIVED
from tests.identities.documents import DOCUMENTS
from tests.identities.people import PEOPLE
from tests.identities.projections import PROJECTIONS
from tests.identities.volumes import VOLUMES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.identities.people import Person
    from tests.identities.planting import Planted

BUILDERS: tuple[Callable[[Person], Planted], ...] = (*VOLUMES, *PROJECTIONS, *DERIVED, *DOCUMENTS)


def build(builder: Callable[[Person], Planted], person: Person) -> Planted:
    """Return one object; pydicom and highdicom warn of names in odd character sets."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return builder(person)


def planted_objects() -> list[Planted]:
    """Return every object, each of the next person."""
    return [build(made, PEOPLE[k % len(PEOPLE)]) for k, made in enumerate(BUILDERS)]


def study_of(person: Person) -> list[Planted]:
    """Return every object of one person: one study that refers to itself."""
    return [build(made, person) for made in BUILDERS]


def write_all(objects: list[Planted], folder: Path) -> dict[str, Planted]:
    """Write objects under their telling names; return them by these names."""
    for planted in objects:
        path = folder / planted.file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(planted.raw)
    return {planted.file_name: planted for planted in objects}
