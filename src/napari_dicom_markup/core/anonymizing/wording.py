"""Descriptions cleaned word by word: the words of imaging stay, all others go (PS3.15 E.3.5).

A word stays if it is on the list below, or a short number that
stands alone, and stands in no identifying value of
the same data set: a surname may be Head. Names of persons, places and devices are not on it.
"""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W\d_]+|\d+(?:\.\d+)?", re.UNICODE)
_GAP = re.compile(r"[^\w.]+|_")

REMOVED = "removed"
"""What stands for a text that may not be empty."""

_LONGEST_NUMBER = 3
"""Digits: more may be a date or an identifier."""

_LIST = """
    abd abdomen acute adc adrenal angio angiography ankle anterior ao aorta ap apex apical arm
    arterial artery attenuation av average averaged ax axial axis b bilateral biopsy bladder blood
    body bold bone bowel brain breast bronchial c calcium cardiac carotid cc cine colon contrast cor
    coronal coronary corrected cr cranial ct cta cube curve decubitus deep delay delayed delta
    dermatology diaphragm diastole diffusion distal dixon dorsal dose dti duodenum dwi dx dynamic
    ecg echo elbow endoscopy epi erect esophagus exam expiration extremity eye fa face fast fat fdg
    femur field finger flair flip flow fluoro foot forearm frame frames frontal fs functional fundus
    fse full gallbladder gated gradient gre hand head heart hepatic high hip humerus image images
    imaging in inferior inspiration intracranial inversion ir kernel kidney knee kv kvp l lao
    large laser lat lateral left leg lesion liver localizer localiser long low lower lumbar lung m
    mammo mammography map mask max maximum mean medial mediastinum mg min minimum mip mlo mm
    mpr mprage mr mra mri ms multi nasal native neck nm noise non oblique oct of one op optical
    orbit out ovary palm pancreas pd pediatric pelvis perfusion pet phase pituitary plain planar
    plane pa posterior post pre prone prostate proton proximal pt pulmonary quantitative r radial
    radius raw rao recon reconstruction rectum ref reformat region renal rest rib right roi rotation
    rt s sag sagittal scan scout screening se segmentation sella sequence series short shoulder
    sinus skull slice soft spin spine spleen standard std sternum stir stomach stress study sub
    subtraction superior supine suv swi systole t t1 t2 t1w t2w table thick thickness thin thoracic
    thorax thyroid tibia time tissue tof toe tomo topogram total trace transverse tse two ultrasound
    ulna upper urinary us uterus vascular vein venous ventral ventricle vertebra view views vol
    volume w water weighted whole window with without wrist x xa xr y z
"""

WORDS = frozenset(_LIST.split())


def clean_text(text: str, own_words: frozenset[str] = frozenset()) -> str:
    """Return a text's words of imaging and short numbers, one blank between; empty if none.

    ``own_words`` are the words of the data set's identifying values, in lower case.

    Examples
    --------
    >>> clean_text("T2 AX Brain 3mm, Jane Doe 19640229")
    'T2 AX Brain 3 mm'
    """
    return " ".join(_joined(text, own_words))


def _joined(text: str, own_words: frozenset[str]) -> list[str]:
    alone = _without_rows(_words(text))
    kept = [word for word in alone if word.lower() not in own_words and _may_stay(word)]
    return [word for word in _without_rows(kept) if word]


def _without_rows(words: list[str]) -> list[str]:
    """Return words with numbers in a row, which may be a date or a telephone number, empty."""
    numbers = [False, *(word[:1].isdigit() for word in words), False]
    return [
        "" if numbers[n + 1] and (numbers[n] or numbers[n + 2]) else word
        for n, word in enumerate(words)
    ]


def _words(text: str) -> list[str]:
    """Return words and numbers; letters with digits are one word where the list has it (T2)."""
    found: list[str] = []
    for part in _GAP.split(text):
        found += [part] if part.lower() in WORDS else _WORD.findall(part)
    return found


def _may_stay(word: str) -> bool:
    if word[:1].isdigit():
        return word.isascii() and len(word.replace(".", "")) <= _LONGEST_NUMBER
    return word.lower() in WORDS
