"""The proof of de-identification: a source's own identity, searched for in what was written.

``identity_of`` gathers the tokens of a patient's source files; ``find_identity`` looks for them
in the raw bytes, the decoded values and the file and folder names of an output. A hit tells
what kind of token stands where, never the token.

What is searched: every byte of the file but the native pixel values of the top level (random
values spell short words by chance) and the entropy-coded part of encapsulated frames, whose
markers, headers and comments are searched; UTF-16 text in those bytes; every text value, folded
(no case, no accents, any separator for any other); UIDs and dates wherever text spells them.
Deflated data sets are inflated. Bytes of compressed or encrypted streams inside values (PDF
streams, zip) are not opened. Ages, sex, times of day and free text of the source are no tokens.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from napari_dicom_markup.core.anonymizing import gathering, searching
from napari_dicom_markup.core.anonymizing.tokens import (
    Reach,
    Role,
    Token,
    dates_in,
    spaced,
    spellings,
    uids_in,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydicom.dataset import Dataset

    from napari_dicom_markup.model.deid import Place


class Finding(StrEnum):
    """Reason codes of a hit."""

    IN_VALUE = "identity-in-value"
    IN_BYTES = "identity-in-bytes"
    IN_NAME = "identity-in-name"


@dataclass(frozen=True, slots=True)
class Hit:
    """A token of the source that stands in an output: why, what it is of the person, where.

    ``place`` is set for values; ``region`` and ``offset`` for bytes (bytes from the start of
    the file; of the inflated data set where it is deflated); ``offset`` is the number of the
    name for names. Safe to show: it holds no value.
    """

    reason: Finding
    role: Role
    place: Place | None = None
    region: str = ""
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Identity:
    """The tokens of one patient's sources; dates are yyyymmdd; nothing is shown by ``repr``."""

    tokens: frozenset[Token] = field(default=frozenset(), repr=False)
    uids: frozenset[str] = field(default=frozenset(), repr=False)
    dates: frozenset[str] = field(default=frozenset(), repr=False)
    codecs: frozenset[str] = field(default=frozenset(), repr=False)

    def __or__(self, other: Self) -> Self:
        """Return the tokens of both: of several files of one patient."""
        return replace(
            self,
            tokens=self.tokens | other.tokens,
            uids=self.uids | other.uids,
            dates=self.dates | other.dates,
            codecs=self.codecs | other.codecs,
        )

    def without(self, *roles: Role) -> Self:
        """Return what is left when an option of the profile keeps some kinds on purpose."""
        return replace(
            self,
            tokens=frozenset(token for token in self.tokens if token.role not in roles),
            uids=frozenset() if Role.UID in roles else self.uids,
            dates=frozenset() if Role.DATE in roles else self.dates,
        )

    def excusing(self, texts: Iterable[str]) -> Self:
        """Return the identity without what an anonymizer wrote itself: dummies, shifted dates.

        A shifted date may be another day of the same patient, and a source that was
        de-identified before may hold the same dummy.
        """
        made = tuple(texts)
        words = {spaced(text).strip() for text in made}
        words |= {word for text in made for word in spaced(text).split()}
        return replace(
            self,
            tokens=frozenset(token for token in self.tokens if token.text not in words),
            uids=self.uids - set(made),
            dates=self.dates - {day for text in made for day in dates_in(text)},
        )


def identity_of(data_set: Dataset) -> Identity:
    """Return the identity that a source data set holds: at every level, file meta included.

    Call it within ``quiet_pydicom``: pydicom's warnings quote values.
    """
    tokens: set[Token] = set()
    days: set[str] = set()
    uids: set[str] = set()
    meta = getattr(data_set, "file_meta", None)
    for part in (data_set, meta) if meta is not None else (data_set,):
        for _, element in gathering.walk(part):
            role = gathering.role_of(element)
            for text in gathering.texts_of(element) if role else ():
                tokens.update(gathering.tokens_of(role, text) if role else ())
                if role is Role.UID and gathering.own_uid(element, text):
                    uids.add(text)
                if role is Role.DATE and (day := gathering.date_of(text)):
                    days.add(day)
    codecs = searching.codecs_of(data_set)
    return Identity(frozenset(tokens), frozenset(uids), frozenset(days), frozenset(codecs))


class IdentitySearch:
    """An identity made ready for the search of many outputs."""

    __slots__ = ("_fields", "_identity", "_patterns", "_texts")

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        whole = [token for token in identity.tokens if token.reach is not Reach.FIELD]
        self._texts = searching.TextPatterns(whole)
        self._fields = {
            role: searching.TextPatterns(token for token in identity.tokens if token.role is role)
            for role in (Role.NAME, Role.ID, Role.DEVICE, Role.INSTITUTION)
        }
        self._patterns = searching.BytePatterns(
            (raw, token)
            for token in whole
            if token.reach is not Reach.TEXT
            for raw in spellings(token, identity.codecs)
        )

    def find(self, raw: bytes, data_set: Dataset, names: Iterable[str] = ()) -> tuple[Hit, ...]:
        """Return where the identity stands in an output; nothing where it does not.

        Parameters
        ----------
        raw : bytes
            The whole file as it was written.
        data_set : Dataset
            pydicom's reading of it (within ``quiet_pydicom``), its pixel data included.
        names : iterable of str
            Its file name and the names of its folders, or any other text that leaves with it.
        """
        return (
            *self._in_bytes(raw, data_set),
            *self._in_values(data_set),
            *self._in_names(names),
        )

    def _in_bytes(self, raw: bytes, data_set: Dataset) -> Iterator[Hit]:
        for region in searching.regions(raw, data_set):
            printed = searching.printed(region.raw)
            for role, offset in self._patterns.find(region.raw, printed):
                yield Hit(Finding.IN_BYTES, role, None, region.name, region.at(offset))
            for role in self._spelled(printed.decode("ascii")):
                yield Hit(Finding.IN_BYTES, role, None, region.name, region.at(0))

    def _spelled(self, text: str) -> Iterator[Role]:
        if not self._identity.uids.isdisjoint(uids_in(text)):
            yield Role.UID
        if not self._identity.dates.isdisjoint(dates_in(text)):
            yield Role.DATE

    def _in_values(self, data_set: Dataset) -> Iterator[Hit]:
        """Look at all values at once first: most outputs hold nothing."""
        values = tuple(_values(data_set))
        if not any(self._roles_in("\n".join(texts), kind) for kind, texts in _by_kind(values)):
            return
        for place, kind, text in values:
            for role in sorted(self._roles_in(text, kind)):
                yield Hit(Finding.IN_VALUE, role, place)

    def _roles_in(self, text: str, kind: Role | None = None) -> set[Role]:
        found = self._texts.find(text)
        if kind in self._fields:
            found |= self._fields[kind].find(text)
        found.update(self._spelled(text))
        return found

    def _in_names(self, names: Iterable[str]) -> Iterator[Hit]:
        for number, name in enumerate(names):
            for role in sorted(self._roles_in(name)):
                yield Hit(Finding.IN_NAME, role, None, "name", number)


def _values(data_set: Dataset) -> Iterator[tuple[Place, Role | None, str]]:
    meta = getattr(data_set, "file_meta", None)
    for part in (data_set, meta) if meta is not None else (data_set,):
        for place, element in gathering.walk(part):
            if element.VR not in _NUMBERS:
                kind = gathering.role_of(element)
                yield from ((place, kind, text) for text in gathering.texts_of(element))


def _by_kind(
    values: tuple[tuple[Place, Role | None, str], ...],
) -> Iterator[tuple[Role | None, list[str]]]:
    for kind in {kind for _, kind, _ in values}:
        yield kind, [text for _, other, text in values if other is kind]


_NUMBERS = frozenset({"DS", "IS", "US", "SS", "UL", "SL", "FL", "FD", "AT", "SV", "UV", "TM", "AS"})
"""Value representations that hold no words; as bytes they are searched all the same."""


def find_identity(
    raw: bytes, data_set: Dataset, names: Iterable[str], identity: Identity
) -> tuple[Hit, ...]:
    """Return where a source's identity stands in an output: in bytes, values and names.

    For many outputs of one patient make one ``IdentitySearch``.
    """
    return IdentitySearch(identity).find(raw, data_set, names)
