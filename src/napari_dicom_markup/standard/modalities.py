"""Defined terms of Modality (0008,0060): PS3.3 C.7.3.1.1.1, edition 2026d, retired ones too."""

from __future__ import annotations

_TERMS = """
ANN AR AS ASMT AU BDUS BI BMD CD CF CFM CP CR CS CT CTPROTOCOL DD DF DG DM DMS DOC DS DX
EC ECG EEG EMG EOG EPS ES FA FID FS GM HC HD IO IOL IVOCT IVUS KER KO LEN LP LS M3D MA MG
MR MS NM OAM OCT OP OPM OPR OPT OPTBSV OPTENF OPV OSS OT PA PLAN POS PR PT PX REG RESP RF
RG RTDOSE RTIMAGE RTINTENT RTPLAN RTRAD RTRECORD RTSEGANN RTSTRUCT RWV SEG SM SMR SR SRF
ST STAIN TEXTUREMAP TG US VA VF XA XAPROTOCOL XC
"""

MODALITIES = frozenset(_TERMS.split())


def known_modality(text: str) -> str:
    """Return a modality that is one, OT ("other") for any other text.

    A header may hold anything where a modality should stand, a name for example; what this
    returns can go into names of layers and files.

    Examples
    --------
    >>> known_modality("CT"), known_modality("DOE^JANE")
    ('CT', 'OT')
    """
    return text if text in MODALITIES else "OT"
