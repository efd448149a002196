"""Text-like structure: invented text on images that look like ultrasound, CT and radiographs."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from tests.data import CORPUS, image_in, needs_corpus

from napari_dicom_markup.core.redacting.burning import mask_of
from napari_dicom_markup.core.redacting.detecting import (
    components,
    find_constant_text,
    find_text,
)
from napari_dicom_markup.model.redaction import Box, BoxSource
from napari_dicom_markup.model.stack import only_frame
from napari_dicom_markup.sources.dicom.frames import read_frame

ROWS, COLUMNS = 384, 512
TEXT = "ROE^RICHARD 1961-04-07"


def smoothed(noise: np.ndarray, times: int) -> np.ndarray:
    for _ in range(times):
        noise = (noise + np.roll(noise, 1, 0) + np.roll(noise, 1, 1) + np.roll(noise, -1, 0)) / 4
    return noise


def make_ultrasound(seed: int = 0) -> np.ndarray:
    """Return speckle in a fan on black, 8 bits."""
    noise = smoothed(np.random.default_rng(seed).rayleigh(1, (ROWS, COLUMNS)), 3)
    row, column = np.mgrid[:ROWS, :COLUMNS] - np.array([0, COLUMNS // 2])[:, None, None]
    noise[(np.hypot(row, column) > 370) | (abs(column) > 0.7 * row) | (row < 60)] = 0
    return np.clip(noise / noise.max() * 200, 0, 255).astype(np.uint8)


def make_ct(seed: int = 0) -> np.ndarray:
    """Return a body with organs and bone in air, 12 bits with noise."""
    random = np.random.default_rng(seed)
    row, column = np.mgrid[:ROWS, :COLUMNS]
    image = np.full((ROWS, COLUMNS), 24.0)
    image[np.hypot((row - 190) / 150, (column - 256) / 210) < 1] = 1050
    for _ in range(9):
        at, size = random.uniform((110, 130), (270, 380)), random.uniform(15, 45, 2)
        inside = np.hypot((row - at[0]) / size[0], (column - at[1]) / size[1]) < 1
        image[inside] = random.choice([150, 1010, 1090, 1300, 1900])
    return np.clip(smoothed(image, 2) + random.normal(0, 14, image.shape), 0, 4095).astype("u2")


def make_radiograph(seed: int = 0) -> np.ndarray:
    """Return soft gradients and ribs, 14 bits, dense is dark (MONOCHROME1)."""
    random = np.random.default_rng(seed)
    row, column = np.mgrid[:ROWS, :COLUMNS]
    lungs = 9000 * np.exp(-(((column - 256) / 150.0) ** 2) - ((row - 200) / 160.0) ** 2)
    ribs = 1500 * np.sin(row / 14.0 + (column - 256) ** 2 / 9000.0)
    return np.clip(lungs + ribs + 3000 + random.normal(0, 120, lungs.shape), 0, 16383).astype("u2")


def font(name: str, size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """Return a font of the system, or Pillow's own where that is missing."""
    try:
        return ImageFont.truetype(f"{name}.ttf", size)
    except OSError:
        return ImageFont.load_default(size)


def write(image: np.ndarray, at: tuple[int, int], size: int, name: str, **how):
    """Return the image with the text at (row, column), and where its ink is."""
    paper = Image.new("L", image.shape[1::-1], 0)
    pen = ImageDraw.Draw(paper)
    pen.fontmode = "L" if how.get("smooth", True) else "1"
    pen.text(at[::-1], how.get("text", TEXT), fill=255, font=font(name, size))
    ink = np.asarray(paper) / 255.0
    value = how.get("value", int(image.max()))
    written = image * (1 - ink) + value * ink
    return written.astype(image.dtype), ink > 0.5


def covered(ink: np.ndarray, boxes: list[Box]) -> float:
    mask = mask_of(boxes, (1, *ink.shape))[0]
    return float((mask & ink).sum() / max(ink.sum(), 1))


IMAGES = {"ultrasound": make_ultrasound, "CT": make_ct, "radiograph": make_radiograph}
FONTS = ["DejaVuSans", "DejaVuSansMono", "DejaVuSerif-Bold", "no such font"]


@pytest.mark.parametrize("smooth", [True, False], ids=["smooth", "hard"])
@pytest.mark.parametrize("name", FONTS)
@pytest.mark.parametrize("size", [10, 14, 20, 32])
@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
def test_text_in_a_corner_is_covered(image, size, name, smooth):
    written, ink = write(image(), (6, 8), size, name, smooth=smooth)
    assert covered(ink, find_text(written)) >= 0.9


@pytest.mark.parametrize("image", [make_ct, make_radiograph])
def test_dark_text_is_covered_too(image):
    bright = image().max() - image()
    written, ink = write(bright, (6, 8), 14, "DejaVuSans", value=0)
    assert covered(ink, find_text(written)) >= 0.9


def test_text_over_speckle_is_covered():
    written, ink = write(make_ultrasound(), (230, 150), 14, "DejaVuSans", value=255)
    assert covered(ink, find_text(written)) >= 0.9


def test_coloured_text_is_covered():
    grey = make_ultrasound()
    planes = [write(grey, (6, 8), 14, "DejaVuSans", value=v)[0] for v in (0, 200, 220)]
    _, ink = write(grey, (6, 8), 14, "DejaVuSans")
    assert covered(ink, find_text(np.stack(planes, axis=-1))) >= 0.9


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
def test_clean_images_are_left_alone(image, seed):
    boxes = find_text(image(seed))
    assert mask_of(boxes, (1, ROWS, COLUMNS)).mean() <= 0.02


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((0, 5), np.uint8),
        np.zeros((1, 1), np.uint16),
        np.full((300, 300), 7, np.int16),
        np.full((64, 64), np.nan, np.float32),
        np.full((3, 500, 3), 255, np.uint8),
    ],
    ids=["empty", "one pixel", "constant", "no numbers", "flat"],
)
def test_images_with_nothing_in_them_give_no_boxes(image):
    assert find_text(image) == []


def test_boxes_are_of_text_and_inside_the_image():
    written, _ = write(make_ct(), (6, 8), 14, "DejaVuSans")
    for box in find_text(written):
        assert box.source is BoxSource.TEXT
        assert 0 <= box.score <= 1
        assert 0 <= box.area.row <= box.area.row + box.area.rows <= ROWS
        assert 0 <= box.area.column <= box.area.column + box.area.columns <= COLUMNS


def test_what_a_cine_shows_in_every_frame_is_found():
    frames = [
        write(make_ultrasound(seed), (6, 8), 14, "DejaVuSans", value=255)[0] for seed in range(4)
    ]
    _, ink = write(make_ultrasound(), (6, 8), 14, "DejaVuSans")
    assert covered(ink, find_constant_text(iter(frames))) >= 0.9
    assert find_constant_text([]) == []


def test_cells_that_touch_are_one_group():
    mask = np.zeros((9, 40), bool)
    mask[1, 1:39] = mask[1:8, 38] = mask[7, 5:39] = mask[4, 1] = mask[5, 2] = True
    groups = components(mask)
    assert sorted(len(group) for group in groups) == [2, int(mask.sum()) - 2]
    assert components(np.zeros((3, 3), bool)) == []


WORDS = {
    "GREYSCALE_IMAGE.dcm": [(3, 37, 18, 42), (3, 554, 18, 45), (178, 13, 24, 36)],
    "RGB_IMAGE.dcm": [
        (5, 401, 20, 34),
        (5, 617, 20, 100),
        (33, 502, 20, 62),
        (62, 926, 19, 93),
        (222, 972, 27, 49),
        (740, 516, 28, 53),
    ],
}
"""Where words stand in two real ultrasound images: row, column, rows, columns."""


@needs_corpus
@pytest.mark.parametrize("name", WORDS)
def test_words_in_real_ultrasound_are_covered(name):
    path = next(CORPUS.glob(f"pydicom+deid-data/**/{name}"))
    frame = read_frame(only_frame(image_in(path.read_bytes(), path)))
    mask = mask_of(find_text(frame), (1, *frame.shape[:2]))[0]
    for row, column, rows, columns in WORDS[name]:
        assert mask[row : row + rows, column : column + columns].mean() >= 0.9


@needs_corpus
def test_acquired_slices_of_a_head_are_left_alone():
    paths = sorted(CORPUS.glob("neurolabusc+dcm_qa_nih/**/*.dcm"))[::40][:8]
    assert paths
    for path in paths:
        frame = read_frame(only_frame(image_in(path.read_bytes(), path)))
        assert len(find_text(frame)) <= 2
