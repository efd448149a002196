"""Actions fitted to the type of the attribute in its IOD: compound ones (X/Z/D …), and X.

What table E.1-1 removes although its IOD asks for it becomes a dummy or is emptied: as safe, and
the object stays valid.

Where the type is not known the choice is one that is valid for every type and safe: no value
where that satisfies the code, else a dummy. It keeps what need not be there, never a value of it.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from napari_dicom_markup.model.deid import Action
from napari_dicom_markup.standard.confidentiality import types_in

if TYPE_CHECKING:
    from collections.abc import Mapping

UNKNOWN = 0
"""The type of an attribute that the IOD does not name at its place."""

_BY_TYPE: Mapping[str, tuple[Action, Action, Action, Action]] = MappingProxyType(
    {  # type      unknown       1             2             3
        "X": (Action.REMOVE, Action.DUMMY, Action.EMPTY, Action.REMOVE),
        "Z/D": (Action.DUMMY, Action.DUMMY, Action.EMPTY, Action.EMPTY),
        "X/Z": (Action.EMPTY, Action.DUMMY, Action.EMPTY, Action.REMOVE),
        "X/D": (Action.DUMMY, Action.DUMMY, Action.DUMMY, Action.REMOVE),
        "X/Z/D": (Action.DUMMY, Action.DUMMY, Action.EMPTY, Action.REMOVE),
        # The references are kept, with new UIDs: objects stay connected, as IODs ask under
        # conditions that only their makers can judge.
        "X/Z/U*": (Action.KEEP, Action.KEEP, Action.KEEP, Action.KEEP),
    }
)


def resolve(code: str, sop_class: str, path: tuple[int, ...]) -> Action:
    """Return the single action of a code of table E.1-1a for the attribute at a path of tags."""
    if code not in _BY_TYPE:
        return Action(code)
    return _BY_TYPE[code][types_in(sop_class).get(path, UNKNOWN)]
