from __future__ import annotations

import json
import warnings
from importlib.resources import files

import numpy as np
import pytest
from tests.stacks import PATIENT_UID, make_stack

from napari_dicom_markup.errors import LabelsError, SaveError
from napari_dicom_markup.model.geometry import GeometryReport, ReportKind
from napari_dicom_markup.model.markup import FeatureColumn, Labels, LabelsStyle
from napari_dicom_markup.model.progress import Steps
from napari_dicom_markup.model.sidecar import LINK_NAMESPACE
from napari_dicom_markup.model.stack import LeadingAxis
from napari_dicom_markup.sinks import tiff as sink
from napari_dicom_markup.sinks.tiff import TiffLink, write_image, write_labels

LINK = TiffLink("5f0c8a3e-1111-5222-8333-444455556666", "CT stack 0", "b1")
ODD_NAME = 'Leber & <Milz> "µm" \x00\x0b\t\n肝\ud800 😀'

# bioio-ome-tiff 1.4 passes ome-types an argument that it warns of.
pytestmark = pytest.mark.filterwarnings("ignore:As of version 0.4.0:DeprecationWarning")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "case.ome.tif"


def save(path, *arrays, stack, names=None):
    names = names or [f"layer {n}" for n in range(len(arrays))]
    labels = [Labels(LabelsStyle(name), data) for name, data in zip(names, arrays, strict=True)]
    return Steps(write_labels(path, labels, stack, LINK, suffix=".ome.tif")).result()


def save_image(path, array, stack):
    planes = array.reshape(-1, *array.shape[len(stack.shape) - 2 :])
    return Steps(
        write_image(path, stack, iter(planes), array.dtype, LINK, suffix=".image.ome.tif")
    ).result()


def random_labels(shape, dtype="uint8", highest=12, seed=0):
    return np.random.default_rng(seed).integers(0, highest + 1, shape).astype(dtype)


def ome_xml(path):
    tifffile = pytest.importorskip("tifffile")
    with tifffile.TiffFile(path) as tif:
        return tif.ome_metadata


def annotation(path, namespace):
    import xml.etree.ElementTree as ET

    root = ET.fromstring(ome_xml(path))
    maps = [e for e in root.iter() if e.get("Namespace") == namespace]
    return [{m.get("K"): m.text or "" for m in e.iter() if m.get("K")} for e in maps]


def is_valid(path):
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("lxml")
    pytest.importorskip("ome_types")
    schema = files("ome_types").joinpath("ome-2016-06.xsd").read_bytes()
    return tifffile.OmeXml.validate(ome_xml(path), omexsd=schema)


CASES = {
    "labels uint8": ((3, 4, 5), None, "uint8"),
    "labels uint16": ((3, 4, 5), None, "uint16"),
    "labels uint32": ((3, 4, 5), None, "uint32"),
    "labels over time": ((2, 3, 4, 5), 2, "uint8"),
    "labels of one slice": ((1, 4, 5), None, "uint8"),
}


@pytest.mark.parametrize(("shape", "leading", "dtype"), CASES.values(), ids=list(CASES))
def test_labels_are_read_by_tifffile_with_names_and_spacing_in_micrometres(
    path, shape, leading, dtype
):
    tifffile = pytest.importorskip("tifffile")
    stack = make_stack(*shape[-3:], leading=leading)
    data = random_labels(shape, dtype, int(np.iinfo(dtype).max))
    record = save(path, data, data // 2, stack=stack, names=["liver", "spleen"])
    with tifffile.TiffFile(path) as tif:
        series = tif.series[0]
        array = tif.asarray(squeeze=False)[..., 0]
        assert len(tif.series) == 1
        assert series.get_axes(squeeze=False) == "TCZYXS"
        assert tif.pages.first.photometric.name == "MINISBLACK"
        assert not tif.pages.first.is_tiled
    assert array.dtype == dtype
    assert np.array_equal(array[:, 0].reshape(shape), data)
    assert np.array_equal(array[:, 1].reshape(shape), data // 2)
    assert record.shape == array.shape
    assert record.size == path.stat().st_size
    xml = ome_xml(path)
    assert 'PhysicalSizeX="500"' in xml
    assert 'PhysicalSizeY="750"' in xml
    assert 'PhysicalSizeZ="2500"' in xml
    assert 'Name="spleen"' in xml
    assert is_valid(path)


def test_bioio_reads_labels_with_names_and_spacing(path):
    reader = pytest.importorskip("bioio_ome_tiff")
    data = random_labels((2, 3, 4, 5), "uint16", 700)
    save(path, data, data[0], stack=make_stack(leading=2), names=["liver", "spleen"])
    image = reader.Reader(path)
    assert np.array_equal(image.data[:, 0], data)
    assert np.array_equal(image.data[:, 1], np.stack([data[0]] * 2))
    assert image.channel_names == ["liver", "spleen"]
    assert tuple(image.physical_pixel_sizes) == (2500, 750, 500)
    assert image.dims.order == "TCZYX"


def test_napari_reads_labels_and_images(path, tmp_path):
    io = pytest.importorskip("napari_builtins.io")
    data = random_labels((3, 4, 5))
    save(path, data, stack=make_stack())
    [(array, *_)] = io.napari_get_reader(str(path))(str(path))
    assert np.array_equal(array, data)
    values = data.astype("int16") - 5
    save_image(tmp_path / "i.ome.tif", values, make_stack())
    [(array, *_)] = io.napari_get_reader(str(tmp_path / "i.ome.tif"))(str(tmp_path / "i.ome.tif"))
    assert np.array_equal(array, values)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
def test_simpleitk_reads_one_labels_layer_with_in_plane_spacing(path, dtype):
    sitk = pytest.importorskip("SimpleITK")
    data = random_labels((3, 4, 5), dtype, int(np.iinfo(dtype).max))
    save(path, data, stack=make_stack())
    image = sitk.ReadImage(str(path))
    assert np.array_equal(sitk.GetArrayFromImage(image), data)
    assert image.GetSpacing()[:2] == pytest.approx((0.5, 0.75))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_pillow_reads_labels_page_by_page(path, dtype):
    pil = pytest.importorskip("PIL.Image")
    data = random_labels((3, 4, 5), dtype, int(np.iinfo(dtype).max))
    save(path, data, stack=make_stack())
    with pil.open(path) as image:
        for number in range(image.n_frames):
            image.seek(number)
            assert np.array_equal(np.asarray(image), data[number])


IMAGES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]


@pytest.mark.parametrize("leading", [None, 2])
@pytest.mark.parametrize("dtype", IMAGES)
def test_images_are_read_by_tifffile_and_bioio(path, dtype, leading):
    tifffile = pytest.importorskip("tifffile")
    stack = make_stack(leading=leading)
    data = (np.random.default_rng(1).standard_normal(stack.shape) * 60).astype(dtype)
    record = save_image(path, data, stack)
    assert np.array_equal(tifffile.imread(path), data)
    assert record.shape == (leading or 1, 1, 3, 4, 5)
    assert record.dtype == dtype
    assert is_valid(path)
    image = pytest.importorskip("bioio_ome_tiff").Reader(path)
    assert np.array_equal(image.data.reshape(data.shape), data)
    assert image.channel_names == ["CT"]
    assert tuple(image.physical_pixel_sizes) == (2500, 750, 500)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32"])
def test_simpleitk_reads_images(path, dtype):
    sitk = pytest.importorskip("SimpleITK")
    data = (np.random.default_rng(1).standard_normal((3, 4, 5)) * 60).astype(dtype)
    save_image(path, data, make_stack())
    image = sitk.ReadImage(str(path))
    assert np.array_equal(sitk.GetArrayFromImage(image), data)
    assert image.GetSpacing()[:2] == pytest.approx((0.5, 0.75))


@pytest.mark.parametrize("leading", [None, 2])
def test_colour_is_read_by_tifffile_bioio_simpleitk_and_pillow(path, leading):
    tifffile = pytest.importorskip("tifffile")
    stack = make_stack(samples=3, leading=leading)
    data = random_labels((*stack.shape, 3), "uint8", 255)
    record = save_image(path, data, stack)
    assert record.shape == (leading or 1, 1, 3, 4, 5, 3)
    with tifffile.TiffFile(path) as tif:
        assert tif.pages.first.photometric.name == "RGB"
        assert np.array_equal(tif.asarray(), data)
    assert is_valid(path)
    image = pytest.importorskip("bioio_ome_tiff").Reader(path)
    assert np.array_equal(image.data.reshape(data.shape), data)
    frames = data.reshape(-1, 4, 5, 3)
    sitk = pytest.importorskip("SimpleITK")
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))), frames)
    with pytest.importorskip("PIL.Image").open(path) as image:
        image.seek(1)
        assert np.array_equal(np.asarray(image), frames[1])


def test_a_volume_is_repeated_over_the_leading_axis(path):
    data = random_labels((3, 4, 5))
    record = save(path, data, stack=make_stack(leading=3))
    assert record.shape == (3, 1, 3, 4, 5)
    assert np.array_equal(pytest.importorskip("tifffile").imread(path), np.stack([data] * 3))


@pytest.mark.parametrize(
    ("highest", "dtype"), [(0, "uint8"), (255, "uint8"), (256, "uint16"), (65536, "uint32")]
)
def test_the_smallest_dtype_of_all_layers_is_written(path, highest, dtype):
    small, large = np.zeros((3, 4, 5), "int64"), np.zeros((3, 4, 5), "uint64")
    large[1, 2, 3] = highest
    assert save(path, small, large, stack=make_stack()).dtype == dtype


def test_booleans_dask_and_memory_maps_are_written(path, tmp_path):
    dask = pytest.importorskip("dask.array")
    data = random_labels((3, 4, 5), "int32", 400)
    np.save(tmp_path / "map.npy", data)
    mapped = np.load(tmp_path / "map.npy", mmap_mode="r")
    layers = (data > 200, dask.from_array(data, chunks=(1, 4, 5)), mapped, np.asfortranarray(data))
    save(path, *layers, stack=make_stack())
    array = pytest.importorskip("tifffile").imread(path)
    assert np.array_equal(array, np.stack([data > 200, data, data, data]))


@pytest.mark.parametrize("value", [-1, 2**32])
def test_values_that_no_dtype_holds_are_refused_by_number_of_the_layer(path, value):
    bad = np.zeros((3, 4, 5), "int64")
    bad[0, 0, 0] = value
    with pytest.raises(LabelsError, match=r"labels layer 2 of 2 holds values from .* renumber"):
        save(path, np.zeros((3, 4, 5), "uint8"), bad, stack=make_stack())


def test_all_layers_that_do_not_fit_are_named_at_once(path):
    layers = np.zeros((3, 4, 5)), np.zeros((3, 5, 4), "uint8")
    with pytest.raises(LabelsError, match=r"layer 1 of 2 holds float64.*layer 2 of 2 has shape"):
        save(path, *layers, stack=make_stack())


def test_saving_no_layer_is_refused(path):
    with pytest.raises(LabelsError, match="no labels layer"):
        save(path, stack=make_stack())


@pytest.mark.parametrize("count", [0, 2, 4])
def test_too_few_and_too_many_planes_are_refused(path, count):
    planes = iter(np.zeros((count, 4, 5), "int16"))
    with pytest.raises(SaveError, match="than the 3 planes"):
        Steps(write_image(path, make_stack(), planes, np.dtype("int16"), LINK, suffix="")).result()


def test_a_plane_of_another_shape_or_dtype_is_refused(path):
    for plane in (np.zeros((5, 4), "int16"), np.zeros((4, 5), "float32")):
        planes = iter([np.zeros((4, 5), "int16"), plane])
        steps = write_image(path, make_stack(), planes, np.dtype("int16"), LINK, suffix="")
        with pytest.raises(SaveError, match="a plane of the image is"):
            Steps(steps).result()


def test_a_dtype_without_ome_type_is_refused(path):
    with pytest.raises(SaveError, match="float32"):
        save_image(path, np.zeros((3, 4, 5), "int64"), make_stack())


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_the_same_input_gives_the_same_bytes(tmp_path, dtype):
    first, second = tmp_path / "a.ome.tif", tmp_path / "b.ome.tif"
    data = random_labels((3, 64, 500), dtype)
    stack = make_stack(3, 64, 500)
    write = save_image if dtype == "float32" else lambda p, d, s: save(p, d, stack=s)
    assert write(first, data, stack) == write(second, data, stack)
    assert first.read_bytes() == second.read_bytes()


def test_no_clock_host_or_identifier_is_in_the_bytes(path):
    tifffile = pytest.importorskip("tifffile")
    stack = make_stack()
    for write in (
        lambda: save(path, random_labels((3, 4, 5)), stack=stack),
        lambda: save_image(path, np.zeros((3, 4, 5), "int16"), stack),
    ):
        write()
        raw = path.read_bytes()
        assert PATIENT_UID.encode() not in raw
        assert b"DOE" not in raw
        with tifffile.TiffFile(path) as tif:
            names = {tag.name for page in tif.pages for tag in page.tags}
            assert tif.pages.first.software == "napari-dicom-markup"
        assert "DateTime" not in names
        assert "HostComputer" not in names


def test_names_of_any_characters_keep_the_xml_valid(path):
    style = LabelsStyle(
        ODD_NAME,
        features=(
            FeatureColumn("index", (0, 1, 2.0, 3)),
            FeatureColumn("name", (None, ODD_NAME, "]]><M/>", 7)),
        ),
    )
    labels = [Labels(style, random_labels((3, 4, 5)))]
    link = TiffLink(LINK.uuid, ODD_NAME, ODD_NAME)
    Steps(write_labels(path, labels, make_stack(), link, suffix="")).result()
    assert is_valid(path)
    safe = ODD_NAME.replace("\x00", "\ufffd").replace("\x0b", "\ufffd").replace("\ud800", "\ufffd")
    [named] = annotation(path, sink.LABELS_NAMESPACE)
    assert named == {"1": safe, "2": "]]><M/>", "3": "7"}
    assert ome_xml(path).isascii()


def test_geometry_and_link_are_annotated(path):
    leading = LeadingAxis("b", "s/mm²", (0.0, 800.0))
    reports = (GeometryReport(ReportKind.TILT, "tilted"),)
    stack = make_stack(leading=leading, reports=reports)
    save(path, random_labels((3, 4, 5)), stack=stack)
    [geometry] = annotation(path, sink.GEOMETRY_NAMESPACE)
    assert np.array_equal(json.loads(geometry["affine_lps"]), stack.geometry.affine_lps())
    assert json.loads(geometry["axes"]) == ["b", "z", "y", "x"]
    assert json.loads(geometry["spacing"]) == [2.5, 0.75, 0.5]
    assert geometry["leading_unit"] == "s/mm²"
    assert json.loads(geometry["leading_values"]) == [0, 800]
    assert (geometry["tilted"], geometry["uneven"]) == ("true", "false")
    assert annotation(path, LINK_NAMESPACE) == [{"bundle": "b1", "kind": "labels"}]


def test_a_stack_in_pixels_states_no_physical_size(path):
    tifffile = pytest.importorskip("tifffile")
    save(path, random_labels((3, 4, 5)), stack=make_stack(spacing=None))
    assert "PhysicalSize" not in ome_xml(path)
    assert is_valid(path)
    with tifffile.TiffFile(path) as tif:
        assert tif.pages.first.resolutionunit.name == "NONE"


def test_large_planes_are_written_in_several_strips_and_batches(path, monkeypatch):
    tifffile = pytest.importorskip("tifffile")
    monkeypatch.setattr(sink, "STRIP_BYTES", 200)
    monkeypatch.setattr(sink, "BATCH_BYTES", 5000)
    data = random_labels((7, 30, 40), "uint16", 1000)
    save(path, data, stack=make_stack(7, 30, 40))
    with tifffile.TiffFile(path) as tif:
        assert tif.pages.first.rowsperstrip == 2
        assert len(tif.pages) == 7
        assert np.array_equal(tif.asarray(), data)


def test_bigtiff_is_written_above_the_limit(path, monkeypatch):
    tifffile = pytest.importorskip("tifffile")
    monkeypatch.setattr(sink, "BIGTIFF_BYTES", 10)
    data = random_labels((3, 4, 5))
    save(path, data, stack=make_stack())
    with tifffile.TiffFile(path) as tif:
        assert tif.is_bigtiff
        assert np.array_equal(tif.asarray(), data)


def test_steps_count_the_pages_and_closing_them_leaves_the_file_closed(path, monkeypatch):
    monkeypatch.setattr(sink, "BATCH_BYTES", 20)
    labels = [Labels(LabelsStyle("a"), random_labels((3, 4, 5)))]
    steps = Steps(write_labels(path, labels, make_stack(), LINK, suffix=""))
    written = [step.done for step in steps if step.what == "writing OME-TIFF"]
    assert written == [1, 2, 3]
    begun = Steps(write_labels(path, labels, make_stack(), LINK, suffix=""))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        for _ in range(2):
            next(iter(begun))
        begun.close()
    path.unlink()
