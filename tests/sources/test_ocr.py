"""Text read by tesseract, where it is installed."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from napari_dicom_markup.core.redacting.burning import mask_of
from napari_dicom_markup.model.redaction import BoxSource
from napari_dicom_markup.sources import ocr

needs_tesseract = pytest.mark.skipif(
    ocr.find_tesseract() is None, reason="tesseract is not installed"
)


def write(text: str, *, dark: bool, bits: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Return an image with a line of text, and where its ink is."""
    paper = Image.new("L", (400, 120), 0)
    ImageDraw.Draw(paper).text((30, 40), text, fill=255, font=ImageFont.load_default(20))
    ink = np.asarray(paper)
    image = (255 - ink if dark else ink).astype(np.uint16) << (bits - 8)
    return image.astype(np.uint8 if bits == 8 else np.uint16), ink > 128


@needs_tesseract
@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("dark", [True, False], ids=["dark", "bright"])
def test_text_of_either_polarity_is_covered(dark, bits):
    image, ink = write("ROE RICHARD 1961", dark=dark, bits=bits)
    boxes = ocr.find_read_text(image)
    assert (mask_of(boxes, (1, *ink.shape))[0] & ink).sum() >= 0.95 * ink.sum()
    assert all(box.source is BoxSource.OCR and 0.4 <= box.score <= 1 for box in boxes)


@needs_tesseract
def test_words_are_read_and_not_shown():
    image, _ = write("RICHARD", dark=False)
    words = ocr.read_words(np.stack([image] * 3, axis=-1))
    assert "RICHARD" in {word.text for word in words}
    assert "RICHARD" not in repr(words)


@needs_tesseract
def test_an_image_without_text_has_no_boxes():
    assert ocr.find_read_text(np.zeros((100, 100), np.int16)) == []
    assert ocr.find_read_text(np.zeros((0, 5), np.int16)) == []


def test_without_tesseract_nothing_is_read(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert ocr.find_read_text(np.ones((9, 9))) == []


@pytest.mark.parametrize("script", ["exit 1", "kill -9 $$"])
def test_a_failing_tesseract_is_one_clear_error(script, tmp_path, monkeypatch):
    program = tmp_path / "tesseract"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ocr.OcrError, match="go on without it"):
        ocr.read_words(np.ones((9, 9)))


def test_a_table_that_is_none_gives_no_words(tmp_path, monkeypatch):
    program = tmp_path / "tesseract"
    rows = ["level", "\t".join("5" * 12), "\t".join(["5", *["x"] * 11]), "5\t1"]
    table = "\\n".join(rows).replace("\t", "\\t")
    program.write_text(f"#!/bin/sh\nprintf '{table}'\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ocr.read_words(np.ones((9, 9))) == []
