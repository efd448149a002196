"""What a PET image says about dose, decay and body, and the factor that makes it SUV."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias


class SuvKind(StrEnum):
    """What the injected dose is divided by; the values are the terms of SUVType (PS3.3 C.8.9.1)."""

    BODY_WEIGHT = "BW"
    LEAN_JANMAHASATIAN = "LBMJANMA"
    """Lean body mass of Janmahasatian 2005, from the body mass index."""
    LEAN_JAMES = "LBMJAMES128"
    """Lean body mass of James 1976, for men with its own multiplier of 128."""
    LEAN_JAMES_120 = "LBM"
    """The same with 120 for men, as Morgan 1994 printed it and many programs compute."""
    BODY_SURFACE = "BSA"
    """Body surface of Du Bois 1916."""
    IDEAL_WEIGHT = "IBW"
    """Ideal body weight as in Sugawara 1999, from the height."""

    @property
    def unit(self) -> str:
        """The unit of these SUV: g/ml, or cm2/ml for the body surface."""
        return "cm2/ml" if self is SuvKind.BODY_SURFACE else "g/ml"


@dataclass(frozen=True, slots=True)
class PetFacts:
    """What one PET image says about its values (PS3.3 C.8.9, C.8.22); None where it does not.

    Times whose name ends in ``_at`` are seconds since a common day 0; ``injection_time`` is in
    seconds of an unstated day. ``decay_reference_at`` is the moment that values were corrected to
    where the object names it: DecayCorrectionDateTime, or the private elements of Siemens and GE.
    ``units`` are Units (0054,1001); in Enhanced PET those of its real world values.
    ``philips_suv`` and ``philips_activity`` are the private factors (7053,xx00) and (7053,xx09).
    """

    units: str = ""
    suv_type: str = ""
    decay_correction: str = ""
    corrections: tuple[str, ...] = ()
    manufacturer: str = ""
    administrations: int = 0
    half_life_s: float | None = None
    dose_bq: float | None = field(default=None, repr=False)
    injected_at: float | None = field(default=None, repr=False)
    injection_time: float | None = field(default=None, repr=False)
    series_at: float | None = field(default=None, repr=False)
    acquired_at: float | None = field(default=None, repr=False)
    decay_reference_at: float | None = field(default=None, repr=False)
    frame_reference_s: float | None = field(default=None, repr=False)
    frame_duration_s: float | None = field(default=None, repr=False)
    philips_suv: float | None = field(default=None, repr=False)
    philips_activity: float | None = field(default=None, repr=False)
    weight_kg: float | None = field(default=None, repr=False)
    height_m: float | None = field(default=None, repr=False)
    sex: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class SuvFactor:
    """What rescaled values are multiplied by to be SUV of a kind.

    The value tells about the body and the dose, so it is in no representation.
    """

    value: float = field(repr=False)
    kind: SuvKind


@dataclass(frozen=True, slots=True)
class SuvRefusal:
    """Why there is no factor: which attributes lack or contradict, and none of their values."""

    reason: str


SuvResult: TypeAlias = SuvFactor | SuvRefusal
