"""The decoder report says of every transfer syntax what was tried, and who failed."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pydicom.uid
import pytest

from napari_dicom_markup.sources.dicom import codecs, rescue
from napari_dicom_markup.sources.dicom.codec_samples import Sample, samples_of
from napari_dicom_markup.sources.dicom.codecs import Codec, codec_report
from napari_dicom_markup.standard import transfer_syntax as ts

UNDECODED = {
    *(f"1.2.840.10008.1.2.4.{number}" for number in (*range(58, 67), *range(92, 96), 107, 108)),
    *(f"1.2.840.10008.1.2.4.10{number}" for number in range(7)),
    *(f"1.2.840.10008.1.2.4.10{number}.1" for number in range(7)),
    "1.2.840.10008.1.2.4.204",
    "1.2.840.10008.1.2.4.205",
    "1.2.840.10008.1.2.7.1",
    "1.2.840.10008.1.2.7.2",
    "1.2.840.10008.1.20",
}


@pytest.fixture(scope="module")
def report() -> dict[str, Codec]:
    return {codec.uid: codec for codec in codec_report()}


def test_every_transfer_syntax_of_pixels_is_reported(report: dict[str, Codec]) -> None:
    without_pixels = {"1.2.840.10008.1.2.6.1", "1.2.840.10008.1.2.6.2", "1.2.840.10008.1.2.7.3"}
    known = {
        uid: entry[0]
        for uid, entry in pydicom._uid_dict.UID_dictionary.items()
        if entry[1] == "Transfer Syntax"
    }
    assert set(known) - without_pixels <= set(report)
    assert all(report[uid].name == known[uid] for uid in known if uid in report)
    # pydicom 3.0 does not know these; wsidicom adds some of them to its dictionary.
    added = {ts.JPEG_XL_LOSSLESS, ts.JPEG_XL_RECOMPRESSION, ts.JPEG_XL, ts.DEFLATED_FRAME}
    assert set(report) - set(known) <= added <= set(report)


def test_what_decodes_is_proven_and_what_does_not_has_a_remedy(report: dict[str, Codec]) -> None:
    assert {uid for uid, codec in report.items() if not codec.decodes} == UNDECODED
    for codec in report.values():
        assert bool(codec.remedy) != codec.decodes
        if codec.decodes:
            assert codec.decoders[0].proven, codec.name
            assert codec.decoders[0].version


def test_plug_ins_are_named_but_not_tried_unless_asked(report: dict[str, Codec]) -> None:
    beside = [d for codec in report.values() for d in codec.decoders if "pydicom" in d.name]
    assert beside
    assert not any(decoder.tried or decoder.proven for decoder in beside)


def test_the_report_is_quick() -> None:
    begin = time.perf_counter()
    codec_report()
    assert time.perf_counter() - begin < 2


def test_the_report_starts_neither_pydicom_nor_a_process() -> None:
    program = (
        "import sys, subprocess; subprocess.run = subprocess.Popen = None;"
        "from napari_dicom_markup.sources.dicom.codecs import codec_report;"
        "codec_report(); sys.exit('pydicom' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_thorough_tries_the_plug_ins_each_apart() -> None:
    found = {codec.uid: codec for codec in codec_report(thorough=True)}
    beside = [d for codec in found.values() for d in codec.decoders if "pydicom" in d.name]
    assert all(decoder.tried for decoder in beside)
    of_baseline = [d for d in found[ts.JPEG_BASELINE].decoders if "pydicom" in d.name]
    assert of_baseline
    assert all(decoder.proven for decoder in of_baseline)
    (own_rle,) = [d for d in found[ts.RLE].decoders if d.name == "pydicom"]
    assert own_rle.failed == ("1 bit",)


def test_a_plug_in_that_crashes_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(requests: object) -> list[bytes | None]:
        del requests
        raise RuntimeError

    monkeypatch.setattr(rescue, "decode_all_apart", crash)
    found = {codec.uid: codec for codec in codec_report(thorough=True)}
    first, *others = found[ts.JPEG_2000].decoders
    assert first.proven
    assert all(decoder.failed == decoder.tried for decoder in others)


def test_a_decoder_that_gets_a_sample_wrong_is_not_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    right = codecs.decode

    def wrong(data: memoryview, syntax: str, pixels: object) -> object:
        samples, *rest = right(data, syntax, pixels)  # type: ignore[arg-type]
        return samples[::-1] if pixels.bits_stored == 16 else samples, *rest  # type: ignore[attr-defined]

    monkeypatch.setattr(codecs, "decode", wrong)
    codec = next(codec for codec in codec_report() if codec.uid == ts.JPEG_LS_LOSSLESS)
    assert codec.decoders[0].failed == ("16 bits",)
    assert not codec.decoders[0].proven
    assert codec.decodes


def test_what_to_install_is_said_where_imagecodecs_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> object:
        raise ImportError

    monkeypatch.setattr(codecs, "decode", refuse)
    found = {codec.uid: codec for codec in codec_report()}
    assert "[gdcm]" in found[ts.JPEG_LOSSLESS].remedy
    assert found[ts.JPEG_XL].remedy == "no decoder known"
    assert found[ts.EXPLICIT_LE].decodes


@pytest.mark.parametrize("row", ts.TABLE, ids=lambda row: row.uid)
def test_samples_are_tiny(row: ts.TransferSyntax) -> None:
    samples: list[Sample] = samples_of(row.uid)
    assert bool(samples) == (row.uid not in UNDECODED)
    assert all(len(sample.stream) < 1200 for sample in samples)
    assert len({sample.label for sample in samples}) == len(samples)
    assert all(sample.agrees(np.array(sample.samples)) for sample in samples)
    assert not any(sample.agrees(sample.samples[:8]) for sample in samples)
