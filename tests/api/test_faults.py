"""What goes wrong while a bundle is saved or restored leaves nothing half-written."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from tests.cases import entries_of, left_behind, painted, save_case, tree, write_series
from tests.data import REPOSITORY

from napari_dicom_markup import api
from napari_dicom_markup.api.parallel import cores
from napari_dicom_markup.errors import DamagedError, MarkupError, SaveError, SourceChangedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIDECAR = "case.dcm-markup"
BUNDLE = {SIDECAR, "case.image.ome.tif", "case.ome.tif"}

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs fork, signals and limits")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_series(tmp_path / "source")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def run_dying(*arguments: object, before: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    command = [*before, sys.executable, "-m", "tests.api.dying", *map(str, arguments)]
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def check_bundle(folder: Path, originals: dict[str, str]) -> None:
    """Check that what has a final name is whole: a sidecar with all originals, TIFFs."""
    for path in folder.iterdir():
        if path.name.endswith(".ome.tif"):
            assert tifffile.imread(path).any()
    if (folder / SIDECAR).exists():
        assert api.verify(folder / SIDECAR).result().ok
        restored = folder / "restored"
        api.restore([folder / SIDECAR], restored).result()
        assert tree(restored) == originals
        shutil.rmtree(restored)


def check_refused(outcome: dict[str, Any]) -> None:
    assert outcome["error"] == "SaveError", outcome
    assert "\n" not in outcome["text"]
    assert "written" in outcome["text"]
    assert "/" not in outcome["text"]


@posix
@pytest.mark.parametrize("manner", ["changes", "writes"])
def test_a_killed_save_leaves_nothing_half_written_and_the_next_one_works(
    manner: str, source: Path, out: Path
) -> None:
    originals = tree(source)
    whole = tree(save_case(source, out.parent / "whole").sidecar.parent)
    outcomes = run_dying("pack", manner, source, out)
    assert len(outcomes) > 10
    for outcome in outcomes[:-1]:
        assert outcome["signal"] in {signal.SIGKILL, signal.SIGXFSZ}, outcome
        folder = Path(outcome["folder"])
        check_bundle(folder, originals)
        save_case(source, folder)
        assert tree(folder) == whole
        assert left_behind(folder) == []
    assert tree(source) == originals


@posix
@pytest.mark.parametrize("manner", ["changes", "writes"])
def test_a_kill_while_labels_are_saved_again_keeps_the_originals_and_labels(
    manner: str, source: Path, out: Path
) -> None:
    originals = tree(source)
    save_case(source, out / "before")
    outcomes = run_dying("pack_again", manner, source, out)
    assert len(outcomes) > 10
    for outcome in outcomes[:-1]:
        folder = Path(outcome["folder"])
        check_bundle(folder, originals)
        (labels,) = api.reopen(folder / SIDECAR).result().labels[1]
        assert set(np.unique(labels.data)) in ({0, 1}, {0, 2})
        save_case(source, folder)
        assert left_behind(folder) == []
        assert set(tree(folder)) == BUNDLE


@posix
@pytest.mark.parametrize("manner", ["changes", "writes"])
def test_a_killed_restore_leaves_whole_files_only_and_the_next_one_works(
    manner: str, source: Path, out: Path
) -> None:
    originals = tree(source)
    sidecar = save_case(source, out.parent / "bundle").sidecar
    outcomes = run_dying("restore", manner, sidecar, out)
    assert len(outcomes) > 2
    for outcome in outcomes[:-1]:
        folder = Path(outcome["folder"])
        named = {name: sha for name, sha in tree(folder).items() if not name.startswith(".")}
        assert named.items() <= originals.items()
        assert api.restore([sidecar], folder).result()[0].ok
        assert tree(folder) == originals
        assert left_behind(folder) == []


@posix
@pytest.mark.parametrize("verb", ["pack", "restore"])
def test_a_refused_write_leaves_nothing(verb: str, source: Path, out: Path) -> None:
    bundle = save_case(source, out.parent / "bundle").sidecar
    outcomes = run_dying(verb, "limits", source if verb == "pack" else bundle, out)
    assert len(outcomes) > 2
    for outcome in outcomes[:-1]:
        folder = Path(outcome["folder"])
        assert left_behind(folder) == []
        if verb == "pack":
            check_refused(outcome)
            assert tree(folder) == {}
        else:
            assert outcome["ours"]
            assert tree(folder).items() <= tree(source).items()


def can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    probe = ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", tempfile.gettempdir()]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


@posix
@pytest.mark.skipif(not can_mount(), reason="may not mount a small file system here")
@pytest.mark.parametrize("options", ["size=512k", "size=512k,nr_inodes={inodes}"])
@pytest.mark.parametrize("verb", ["pack", "restore"])
def test_a_full_disk_leaves_nothing(verb: str, options: str, tmp_path: Path) -> None:
    source = write_series(tmp_path / "source", slices=3, size=96)
    bundle = save_case(source, tmp_path / "bundle").sidecar
    mount = tmp_path / "mount"
    mount.mkdir()
    given = source if verb == "pack" else bundle
    for inodes in (3, 4, 6) if "inodes" in options else (0,):
        script = f'mount -t tmpfs -o {options.format(inodes=inodes)} tmpfs {mount} && exec "$@"'
        before = ("unshare", "-m", "sh", "-c", script, "sh")
        outcomes = run_dying(verb, "full", given, mount, before=before)
        for outcome in outcomes:
            if outcome["error"] is None:
                continue
            assert outcome["ours"], outcome
            assert "the disk is full: free some space" in outcome["text"]
            if verb == "pack":
                assert outcome["files"] == []
                check_refused(outcome)
            else:
                assert set(outcome["files"]) <= set(tree(source))
        assert inodes or (len(outcomes) > 2 and outcomes[-1]["error"] is None)


@pytest.fixture
def readable() -> Iterator[Path]:
    """A folder that every user may enter: pytest's own are private."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@posix
@pytest.mark.parametrize("verb", ["pack", "restore"])
def test_a_read_only_folder_is_refused_in_one_clear_line(verb: str, readable: Path) -> None:
    source = write_series(readable / "source")
    bundle = save_case(source, readable / "bundle").sidecar
    bundle.chmod(0o644)
    out = readable / "out"
    out.mkdir()
    given = source if verb == "pack" else bundle
    if os.getuid() == 0:
        warm = readable / "rehearsal"
        warm.mkdir()
        (outcome,) = run_dying(verb, "nobody", given, out)
        target = Path(outcome["folder"])
    else:
        target, outcome = out, {}
        target.chmod(0o555)
        try:
            (save_case(source, target) if verb == "pack" else api.restore([bundle], out).result())
        except MarkupError as error:
            outcome = {"error": type(error).__name__, "ours": True, "text": str(error)}
        target.chmod(0o755)
    assert outcome["ours"], outcome
    assert "the folder may not be written to: choose another" in outcome["text"]
    assert tree(target) == {}
    if verb == "pack":
        check_refused(outcome)


def count_steps(steps: api.Steps[Any]) -> int:
    return sum(1 for _ in steps)


def cancel_after(steps: api.Steps[Any], count: int) -> None:
    generator = iter(steps)
    for _ in range(count):
        next(generator)
    steps.close()


def test_a_save_cancelled_after_any_step_leaves_an_empty_folder(source: Path, out: Path) -> None:
    layers = api.open_layers(source).result()
    chosen = [layers.tuples[0], painted(layers)]
    (out.parent / "counted").mkdir()
    total = count_steps(api.save_layers(out.parent / "counted" / "case", chosen))
    for count in range(total + 1):
        cancel_after(api.save_layers(out / "case", chosen), count)
        assert list(out.iterdir()) == []


def test_a_pack_cancelled_after_any_step_leaves_whole_bundles_only(tmp_path: Path) -> None:
    source = write_series(tmp_path / "source" / "a", slices=2)
    write_series(tmp_path / "source" / "b", slices=2, SeriesInstanceUID="1.2.4")
    total = count_steps(api.pack([source.parent], tmp_path / "whole"))
    whole = tree(tmp_path / "whole")
    for count in range(total + 1):
        out = tmp_path / f"out{count}"
        cancel_after(api.pack([source.parent], out), count)
        done = tree(out)
        assert done.items() <= whole.items()
        assert len(done) in {0, 2}
        assert not out.exists() or left_behind(out) == []


def test_saving_again_cancelled_after_any_step_changes_nothing(source: Path, out: Path) -> None:
    sidecar = save_case(source, out).sidecar
    before = tree(out)
    layers = api.reopen_layers(sidecar).result()
    copy = out.parent / "copy"
    copy.mkdir()
    total = count_steps(api.save_layers(copy / "case", layers.tuples))
    for count in range(total + 1):
        cancel_after(api.save_layers(sidecar, layers.tuples), count)
        assert tree(out) == before


def test_a_restore_cancelled_after_any_step_leaves_whole_files_only(
    source: Path, out: Path
) -> None:
    sidecar = save_case(source, out).sidecar
    total = count_steps(api.restore([sidecar], out.parent / "counted"))
    for count in range(total + 1):
        target = out.parent / f"restored{count}"
        cancel_after(api.restore([sidecar], target), count)
        assert tree(target).items() <= tree(source).items()
        assert not target.exists() or left_behind(target) == []


def rewrite(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-10] ^= 1
    path.write_bytes(raw)
    os.utime(path, ns=(1, 1))


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"more")


def truncate(path: Path) -> None:
    os.truncate(path, 700)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def delete(path: Path) -> None:
    path.unlink()


def turn_into_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


FAULTS = [rewrite, grow, truncate, empty, delete, turn_into_folder]


@pytest.mark.parametrize("fault", FAULTS)
def test_originals_that_changed_since_they_were_opened_stop_the_save(
    fault: Callable[[Path], None], source: Path, out: Path
) -> None:
    layers = api.open_layers(source).result()
    fault(source / "IM2.dcm")
    with pytest.raises(SourceChangedError, match=r"(?i)open the folder again") as caught:
        api.save_layers(out / "case", [layers.tuples[0], painted(layers)]).result()
    assert caught.value.files == ("IM2.dcm",)
    assert str(source) not in str(caught.value)
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("moment", [0, 1, 8, 14, 20, 26])
@pytest.mark.parametrize("fault", FAULTS)
def test_originals_that_change_while_they_are_packed_stop_the_save(
    fault: Callable[[Path], None], moment: int, tmp_path: Path, out: Path
) -> None:
    source = write_series(tmp_path / "source", slices=12)
    check_change_is_noticed(fault, moment, source, out)


@pytest.mark.parametrize("fault", FAULTS)
def test_large_originals_that_change_before_they_are_mapped_stop_the_save(
    fault: Callable[[Path], None], tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_dicom_markup.api.packing.MAP_FROM", 1)
    source = write_series(tmp_path / "source", slices=12 * cores())
    check_change_is_noticed(fault, 1, source, out)


def check_change_is_noticed(
    fault: Callable[[Path], None], moment: int, source: Path, out: Path
) -> None:
    """Save, change the last original after some steps, and expect that it is named."""
    layers = api.open_layers(source).result()
    generator = iter(api.save_layers(out / "case", [layers.tuples[0], painted(layers)]))
    for _ in range(moment):
        next(generator)
    last = max(tree(source))
    fault(source / last)
    with pytest.raises(SourceChangedError, match=r"(?i)open the folder again") as caught:
        deque(generator, maxlen=0)
    assert caught.value.files == (last,)
    assert list(out.iterdir()) == []


def test_a_name_that_holds_other_originals_is_refused_and_untouched(
    source: Path, out: Path
) -> None:
    save_case(source, out)
    before = tree(out)
    other = write_series(out.parent / "other", SeriesInstanceUID="1.2.9")
    with pytest.raises(SaveError, match=r"case\.dcm-markup exists and holds other originals"):
        save_case(other, out)
    assert tree(out) == before


def test_a_name_whose_sidecar_cannot_be_read_is_refused_and_untouched(
    source: Path, out: Path
) -> None:
    save_case(source, out)
    (out / SIDECAR).write_bytes((out / SIDECAR).read_bytes()[:-9])
    before = tree(out)
    with pytest.raises(SaveError, match="it was left as it is"):
        save_case(source, out)
    assert tree(out) == before


@pytest.mark.parametrize("name", sorted(BUNDLE - {SIDECAR}))
def test_a_tiff_of_another_origin_is_not_replaced(name: str, source: Path, out: Path) -> None:
    tifffile.imwrite(out / name, np.ones((4, 4), np.uint8))
    before = tree(out)
    with pytest.raises(SaveError, match=f"{name} exists and belongs to no bundle of these"):
        save_case(source, out)
    assert tree(out) == before


@pytest.mark.parametrize("name", sorted(BUNDLE))
def test_a_folder_of_a_file_s_name_is_refused_before_anything_is_named(
    name: str, source: Path, out: Path
) -> None:
    (out / name).mkdir()
    with pytest.raises(SaveError, match=name):
        save_case(source, out)
    assert [path.name for path in out.iterdir()] == [name]


def test_labels_that_another_program_saved_can_be_saved_over(source: Path, out: Path) -> None:
    sidecar = save_case(source, out).sidecar
    tifffile.imwrite(
        out / "case.ome.tif", np.full((3, 16, 16), 7, np.uint8), photometric="minisblack"
    )
    layers = api.reopen_layers(sidecar).result()
    api.save_layers(sidecar, layers.tuples).result()
    assert api.verify(sidecar).result().ok
    (labels,) = api.reopen(sidecar).result().labels[1]
    assert np.unique(labels.data).tolist() == [7]


def test_saving_again_keeps_the_blocks_of_the_originals_byte_for_byte(
    source: Path, out: Path
) -> None:
    sidecar = save_case(source, out).sidecar
    before = entries_of(sidecar)
    layers = api.reopen_layers(sidecar).result()
    image, labels = layers.tuples
    labels[0][1] = 5
    again = api.save_layers(sidecar, [image, labels]).result()
    after = entries_of(again.sidecar)
    assert before["sidecar.json"] != after.pop("sidecar.json")
    assert after.items() <= before.items()
    assert np.asarray(image[0]).any()  # the open volume still reads from the new sidecar
    assert api.verify(sidecar, source).result().ok


def test_originals_and_reopened_case_save_to_the_same_bytes(source: Path, out: Path) -> None:
    sidecar = save_case(source, out).sidecar
    before = tree(out)
    save_case(source, out)
    assert tree(out) == before
    api.save_layers(sidecar, api.reopen_layers(sidecar).result().tuples).result()
    assert tree(out) == before


@pytest.mark.parametrize("other", ["removed", "another bundle"])
def test_a_reopened_case_whose_sidecar_went_is_refused(other: str, source: Path, out: Path) -> None:
    write_series(source, slices=9)
    sidecar = save_case(source, out).sidecar
    layers = api.reopen_layers(sidecar).result()
    sidecar.unlink()
    if other == "another bundle":
        stranger = write_series(out.parent / "other", slices=2, SeriesInstanceUID="1.2.9")
        for path in out.iterdir():
            path.unlink()
        save_case(stranger, out)
    before = tree(out)
    with pytest.raises(MarkupError, match=r"case\.dcm-markup"):
        api.save_layers(out / "again", layers.tuples).result()
    assert tree(out) == before
    with pytest.raises(DamagedError):
        np.asarray(layers.tuples[0][0])


def test_bundles_are_private(source: Path, out: Path) -> None:
    save_case(source, out)
    assert {path.stat().st_mode & 0o777 for path in out.iterdir()} == {0o600}


def test_two_saves_of_one_name_at_once_do_not_disturb_each_other(source: Path, out: Path) -> None:
    layers = api.open_layers(source).result()
    chosen = [layers.tuples[0], painted(layers)]
    first = iter(api.save_layers(out / "case", chosen))
    next(first)
    save_case(source, out)
    for _ in first:
        pass
    assert set(tree(out)) == BUNDLE
    assert api.verify(out / SIDECAR).result().ok


def test_a_restore_never_replaces_another_file(source: Path, out: Path) -> None:
    sidecar = save_case(source, out).sidecar
    target = out.parent / "again"
    target.mkdir()
    (target / "IM2.dcm").write_bytes(b"mine")
    (report,) = api.restore([sidecar], target).result()
    assert (target / "IM2.dcm").read_bytes() == b"mine"
    assert report.count(api.Outcome.DIFFERENT) == 1
    assert report.count(api.Outcome.EXACT) == 2
    (second,) = api.restore([sidecar], target).result()
    assert second.count(api.Outcome.PRESENT) == 2


@pytest.mark.parametrize("name", ["IM2.dcm", "."])
def test_a_restore_onto_a_folder_or_a_file_of_the_name_is_said(
    name: str, source: Path, out: Path
) -> None:
    sidecar = save_case(source, out).sidecar
    target = out.parent / "again"
    if name == ".":
        target.write_bytes(b"mine")
        with pytest.raises(SaveError, match="a file has the folder's name"):
            api.restore([sidecar], target).result()
        return
    (target / name).mkdir(parents=True)
    (report,) = api.restore([sidecar], target).result()
    assert report.count(api.Outcome.DIFFERENT) == 1
