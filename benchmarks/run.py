"""Measure this package against its peers: ``python benchmarks/run.py [--quick] [--jobs …]``.

Every run is a process of its own. Contenders of a job take turns, and the medians are compared:
on a busy machine the times say little, the ratios do.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

import data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent
ROUNDS = 3
MR_SLICES = 40
LARGE = 16 << 20
"""Bytes of an array from which on the memory taken says something: below, codecs outweigh it."""

Run = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Contender:
    """Who does a job: its name in the table, and its function in ``ours`` or ``peers``.

    ``target`` is how many times faster than it we mean to be; below 1, how much slower we may be.
    A ``slow`` one runs once.
    """

    name: str
    function: str
    target: float | None = None
    slow: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """A row of the table: our function, the peers', and the paths that all of them take.

    ``limit`` is the most seconds, ``memory`` the most times the array's bytes that we may take.
    """

    title: str
    ours: str
    peers: tuple[Contender, ...]
    paths: tuple[str, ...]
    limit: float | None = None
    memory: float | None = None


def _copies(slower: int | None = None) -> tuple[Contender, ...]:
    return (
        Contender("cp -r", "cp", 1 / slower if slower else None),
        Contender("cp -r, until it is on the disk", "cp_to_disk"),
    )


def _compressed(name: str, path: str) -> Job:
    peers = (
        Contender("dcm2niix and nibabel", "dcm2niix_load", 1),
        Contender("dicomsdl loop", "dicomsdl_load", 1),
        Contender("SimpleITK ImageSeriesReader", "simpleitk_load", 1),
        Contender("pydicom loop", "pydicom_load", 1),
    )
    return Job(f"CT in {name}, {{compressed}} slices", "load", peers, (path,), memory=1.5)


JOBS = {
    "scan": (
        Job("scan and group {files:,} files", "scan", (
            Contender("SimpleITK GetGDCMSeriesIDs", "simpleitk_scan", 15),
            Contender("dicomsdl, header loop", "dicomsdl_scan", slow=True),
            Contender("dcm2niix, list of series", "dcm2niix_scan", slow=True),
            Contender("pydicom, header loop", "pydicom_scan", slow=True),
        ), ("tree",), limit=3.0),
    ),
    "first": (
        Job("first picture of {slices} slices", "first", (
            Contender("SimpleITK, load and take it", "simpleitk_first", 15),
            Contender("pydicom, header loop and slice", "pydicom_first"),
            Contender("dcm2niix and nibabel", "dcm2niix_first"),
        ), ("ct",)),
    ),
    "load": (
        Job("load {slices} slices", "load", (
            Contender("SimpleITK ImageSeriesReader", "simpleitk_load", 10),
            Contender("dicomsdl loop", "dicomsdl_load"),
            Contender("dcm2niix and nibabel", "dcm2niix_load"),
            Contender("pydicom loop", "pydicom_load"),
        ), ("ct",), memory=1.4),
    ),
    "enhanced": (
        Job("Enhanced CT, one file of {slices} frames", "load", (
            Contender("dicomsdl, a frame at a time", "dicomsdl_enhanced", 1),
            Contender("nibabel MultiframeWrapper", "nibabel_enhanced", 1),
            Contender("pydicom", "pydicom_enhanced", 1),
            Contender("SimpleITK ReadImage", "simpleitk_file", 1),
            Contender("highdicom get_volume", "highdicom_enhanced", 1),
            Contender("dcm2niix and nibabel", "dcm2niix_load", 1),
        ), ("enhanced",), memory=1.5),
    ),
    "mr": (
        Job("4D MR, {volumes} volumes in {mr_files:,} files", "load", (
            Contender("dcm2niix and nibabel", "dcm2niix_load", 1),
            Contender("pydicom loop", "pydicom_time_series", 1),
            Contender("SimpleITK, sorted by hand", "simpleitk_time_series", 1),
        ), ("mr",), memory=1.5),
    ),
    "cine": (
        Job("US cine, {frames} frames of JPEG", "load", (
            Contender("dicomsdl, a frame at a time", "dicomsdl_cine", 1),
            Contender("SimpleITK ReadImage", "simpleitk_file", 1),
            Contender("pydicom", "pydicom_file", 1),
        ), ("cine",), memory=1.5),
    ),
    "rle": (_compressed("RLE", "rle"),),
    "jpegls": (_compressed("JPEG-LS", "jpegls"),),
    "jpeg2000": (_compressed("JPEG 2000", "jpeg2000"),),
    "pack": (
        Job("pack {slices} slices, sidecar only", "pack", _copies(20), ("ct", "out")),
        Job("pack with the image too", "pack_with_image", _copies(), ("ct", "out")),
    ),
    "restore": (
        Job("restore {slices} slices", "restore", _copies(10), ("packed", "out")),
    ),
    "labels": (
        Job("write labels of {slices} slices", "labels", (
            Contender("tifffile.imwrite, zlib", "tifffile_labels", 1 / 1.5),
        ), ("labels", "ct", "out")),
    ),
    "imports": (),
}  # fmt: skip


@dataclass(slots=True)
class Bench:
    """The data of a session, made when a job first asks for them, and its table."""

    folder: Path
    quick: bool
    console: Console
    table: Table
    made: dict[str, Path] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)

    @property
    def sizes(self) -> dict[str, int]:
        """How much is measured: for the titles, and for the makers of data."""
        sizes = {
            "slices": 500, "files": 10_000, "compressed": 100, "volumes": 100, "frames": 200,
        }  # fmt: skip
        sizes = {name: size // 5 if self.quick else size for name, size in sizes.items()}
        return sizes | {"mr_files": sizes["volumes"] * MR_SLICES}

    def path(self, name: str) -> Path:
        """Return where ``name`` is, and make it where it is not yet; "out" is always new."""
        path = self.folder / name
        if name == "out":
            shutil.rmtree(path, ignore_errors=True)
            path.unlink(missing_ok=True)
        elif name not in self.made:
            self.console.print(f"making {name} …")
            self.made[name] = self._make(name, path)
        return self.made.get(name, path)

    def _make(self, name: str, path: Path) -> Path:
        if name == "packed":
            _spawn("ours", "pack", self.path("ct"), path)
            return next(path.glob("*.dcm-markup"), path)
        if name == "labels":
            np.save(path.with_suffix(".npy"), data.make_labels(self.sizes["slices"]))
            return path.with_suffix(".npy")
        make, size = self._makers()[name]
        make(path, size)
        return path

    def _makers(self) -> dict[str, tuple[Callable[[Path, int], None], int]]:
        """Return by name what writes a folder of data, and how much of them."""
        import objects

        sizes = self.sizes
        makers = {
            "ct": (data.make_ct, sizes["slices"]),
            "tree": (data.make_tree, sizes["files"]),
            "enhanced": (objects.make_enhanced, sizes["slices"]),
            "mr": (partial(objects.make_mr, slices=MR_SLICES), sizes["volumes"]),
            "cine": (objects.make_cine, sizes["frames"]),
        }
        for syntax in ("rle", "jpegls", "jpeg2000"):
            make = partial(objects.make_compressed, syntax)
            makers[syntax] = (make, sizes["compressed"])
        return makers


def _spawn(module: str, function: str, *paths: Path) -> Run:
    """Run a job in a process of its own, when what was written before is on the disk."""
    if hasattr(os, "sync"):
        os.sync()
    command = [sys.executable, "child.py", module, function, *map(str, paths)]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        return {"skipped": f"failed, {why}"}
    return json.loads(done.stdout.splitlines()[-1])


def measure(bench: Bench, job: Job, rounds: int) -> None:
    """Let all contenders of a job take turns, and add their rows to the table."""
    ours = Contender("this package", job.ours)
    runs: dict[str, list[Run]] = {one.name: [] for one in (ours, *job.peers)}
    title = job.title.format(**bench.sizes)
    for number in range(rounds):
        for one in (ours, *job.peers):
            if number and (one.slow or "skipped" in runs[one.name][0]):
                continue
            bench.console.print(f"{title}: {one.name}, {number + 1} of {rounds} …")
            # A copy is of the originals, whatever the job makes of them.
            copies = one.function.startswith("cp")
            names = ("ct", "out") if copies else job.paths
            module = "ours" if one is ours else "peers"
            runs[one.name].append(_spawn(module, one.function, *map(bench.path, names)))
            bench.path("out")
    bench.table.add_section()
    own = runs[ours.name]
    if "skipped" in own[0]:
        verdict = _verdict(bench, title, met=False)
        who = f"{ours.name}: {own[0]['skipped']}"
        bench.table.add_row(title, who, *[""] * 5, verdict)
    else:
        limits = _limits(bench, job, title, own)
        bench.table.add_row(title, ours.name, *_figures(own), "", *limits)
    for one in job.peers:
        _add_peer(bench, title, one, runs[one.name], own)


def _median(runs: list[Run], key: str) -> float:
    return median(run[key] for run in runs)


def _figures(runs: list[Run]) -> tuple[str, str, str]:
    """Return seconds, seconds with imports, and memory: as times the array, or without one."""
    seconds, imports = _median(runs, "seconds"), _median(runs, "imports")
    return f"{seconds:.2f}", f"{seconds + imports:.2f}", _memory(runs)


def _memory(runs: list[Run]) -> str:
    peak, array = _median(runs, "peak"), runs[0]["array"]
    if array > LARGE and peak > 0:
        return f"{peak / array:.2f}×"
    return f"{peak / 2**20:.0f} MiB" if not array and peak > 1 << 20 else ""


def _limits(bench: Bench, job: Job, title: str, own: list[Run]) -> tuple[str, str]:
    """Return our absolute targets, and whether they are met."""
    if job.limit is not None:
        met = _median(own, "seconds") <= job.limit
        return f"≤ {job.limit:g} s", _verdict(bench, title, met=met)
    if job.memory is not None and own[0]["array"] > LARGE:
        met = median(run["peak"] / run["array"] for run in own) <= job.memory
        return f"memory ≤ {job.memory:g}×", _verdict(bench, title, met=met)
    return "", ""


def _verdict(bench: Bench, title: str, *, met: bool) -> str:
    if not met:
        bench.missed.append(title)
    return "met" if met else "[bold red]missed[/]"


def _add_peer(bench: Bench, title: str, one: Contender, runs: list[Run], own: list[Run]) -> None:
    if "skipped" in runs[0]:
        bench.table.add_row("", one.name, f"skipped: {runs[0]['skipped']}")
        return
    if "skipped" in own[0]:
        bench.table.add_row("", one.name, *_figures(runs))
        return
    ratio = _median(runs, "seconds") / _median(own, "seconds")
    shown = f"{ratio:.1f}× faster" if ratio >= 1 else f"{1 / ratio:.2f}× slower"
    name = one.name if _same_values(runs[0], own[0]) else f"{one.name} (other values!)"
    target, verdict = "", ""
    if one.target is not None:
        faster = one.target >= 1
        target = f"≥ {one.target:g}× faster" if faster else f"≤ {1 / one.target:g}× slower"
        verdict = _verdict(bench, title, met=ratio >= one.target)
    bench.table.add_row("", name, *_figures(runs), shown, target, verdict)


def _same_values(one: Run, other: Run) -> bool:
    """Return whether two whole arrays have one mean, as far as JPEG decoders agree.

    The middle slice is another one where slices are counted from the other end.
    """
    return other["array"] < LARGE or abs(one["mean"] - other["mean"]) < 0.1


def measure_imports(bench: Bench, rounds: int) -> None:
    """Time what everyone pays: the hooks that napari imports, and the command line's help."""
    program = shutil.which("dicom-markup", path=str(Path(sys.executable).parent))
    commands = {
        "python alone": [sys.executable, "-c", ""],
        "import napari_dicom_markup._hooks": [
            sys.executable, "-c", "import napari_dicom_markup._hooks",
        ],
        "import napari_dicom_markup.api": [
            sys.executable, "-c", "import napari_dicom_markup.api",
        ],
        "import pydicom": [sys.executable, "-c", "import pydicom"],
        "import SimpleITK": [sys.executable, "-c", "import SimpleITK"],
    }  # fmt: skip
    if program is not None:
        commands["dicom-markup --help"] = [program, "--help"]
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(2 * rounds + 1):
        for name, command in commands.items():
            start = time.perf_counter()
            done = subprocess.run(command, capture_output=True, check=False)
            if done.returncode == 0:
                times[name].append(time.perf_counter() - start)
    bench.table.add_section()
    alone = median(times["python alone"])
    for name, taken in times.items():
        if taken:
            seconds, more = median(taken), median(taken) - alone
            title = "imports" if name == "python alone" else ""
            bench.table.add_row(title, name, f"{more:.2f}" if title == "" else "", f"{seconds:.2f}")


@contextmanager
def _session(where: Path | None, console: Console, *, quick: bool) -> Iterator[Bench]:
    table = Table(title="seconds: medians; ratios: the peer's time over ours")
    for name in ("job", "who", "seconds", "with imports", "memory", "we are", "target", ""):
        table.add_column(name, justify="left" if name in {"job", "who", "target"} else "right")
    folder = Path(tempfile.mkdtemp(prefix="dicom-markup-benchmarks-", dir=where))
    try:
        yield Bench(folder, quick, console, table)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Measure what was asked for; the status is 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a fifth of the data, one round")
    parser.add_argument("--jobs", default=",".join(JOBS), help=f"of {','.join(JOBS)}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="runs of each contender")
    parser.add_argument("--where", type=Path, help="a folder on the disk to measure (6 GB hollow)")
    options = parser.parse_args()
    rounds = 1 if options.quick else options.rounds
    console = Console(stderr=True, highlight=False)
    with _session(options.where, console, quick=options.quick) as bench:
        for name in options.jobs.split(","):
            for job in JOBS[name]:
                measure(bench, job, rounds)
            if name == "imports":
                measure_imports(bench, rounds)
    Console(highlight=False, width=None if sys.stdout.isatty() else 150).print(bench.table)
    return 1 if bench.missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
