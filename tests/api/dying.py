"""A process that packs or restores, and dies or is refused at given moments; prints JSON.

``python -m tests.api.dying VERB MANNER SOURCE OUT``: OUT gets a folder a moment. One process
imports everything once and forks for each moment.
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import shutil
import signal
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cases import save_case

from napari_dicom_markup import api
from napari_dicom_markup.errors import MarkupError

if TYPE_CHECKING:
    from collections.abc import Callable

CHANGING = {
    "os.rename", "os.link", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "fcntl.flock",
    "tempfile.mkdtemp", "tempfile.mkstemp", "shutil.rmtree",
}  # fmt: skip
"""Audit events before a change of the file system; opening for writing is another."""

NOBODY = 65534


def pack(source: Path, out: Path) -> None:
    save_case(source, out, number=1)


def pack_again(source: Path, out: Path) -> None:
    """Save over the bundle that is there, with other labels."""
    layers = api.reopen_layers(out / "case.dcm-markup").result()
    image, labels = layers.tuples
    api.save_layers(out / "case", [image, (labels[0] * 2, *labels[1:])]).result()


def restore(source: Path, out: Path) -> None:
    reports = api.restore([source], out).result()
    failed = [f.detail for report in reports for f in report.files if f.detail]
    if failed:
        raise MarkupError(failed[0])


VERBS: dict[str, Callable[[Path, Path], None]] = {
    "pack": pack,
    "pack_again": pack_again,
    "restore": restore,
}


def changes(event: str, arguments: tuple[object, ...]) -> bool:
    if event != "open":
        return event in CHANGING
    mode, flags = arguments[1], arguments[2]
    return bool(set(str(mode or "")) & set("wxa+")) or bool(int(flags or 0) & os.O_CREAT)  # type: ignore[call-overload]


def die_before_change(number: int) -> None:
    """Kill this process before it changes the file system for the ``number``-th time."""
    count = itertools.count()

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if changes(event, arguments) and next(count) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def die_in_write(number: int) -> None:
    """Kill this process when a file of it grows beyond a limit."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    refuse_growth(number)


def refuse_growth(number: int) -> None:
    """Refuse to let files grow beyond a limit, as a full disk does."""
    limit = (1 + number) * 97
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def become_nobody(number: int) -> None:
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


MANNERS = {
    "changes": die_before_change,
    "writes": die_in_write,
    "limits": refuse_growth,
    "nobody": become_nobody,
}


def fork(work: Callable[[], None]) -> dict[str, object]:
    """Run ``work`` in a child and return how it ended: signal, and error with its text."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        outcome: dict[str, object] = {"error": None}
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - reported as it is
            outcome = {
                "error": type(error).__name__,
                "ours": isinstance(error, MarkupError),
                "text": str(error),
            }
        os.write(writing, json.dumps(outcome).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        said = stream.read()
    _, status = os.waitpid(child, 0)
    return {"signal": os.WTERMSIG(status)} | (json.loads(said) if said else {})


def every_moment(verb: str, manner: str, source: Path, out: Path) -> list[dict[str, object]]:
    """Run a verb again and again, each time refused or killed later, until it succeeds."""
    outcomes = []
    for number in itertools.count():
        target = out / f"{number:03d}"
        if (out / "before").is_dir():
            shutil.copytree(out / "before", target)
        else:
            target.mkdir()

        def work(target: Path = target, number: int = number) -> None:
            MANNERS[manner](number)
            VERBS[verb](source, target)

        outcomes.append(fork(work) | {"folder": str(target)})
        if manner == "nobody" or outcomes[-1].get("error", "killed") is None:
            return outcomes
    return outcomes


def full_disk(verb: str, source: Path, mount: Path) -> list[dict[str, object]]:
    """Run a verb on the file system at ``mount`` with ever more space, until it succeeds."""
    ballast = mount / "ballast"
    outcomes = []
    for free in itertools.count(0, 24):
        status = os.statvfs(mount)
        space = status.f_bfree * status.f_frsize - (free << 10)
        if space < 0:
            return outcomes
        ballast.write_bytes(b"\0" * space)
        target = mount / "out"
        target.mkdir()
        outcome = fork(lambda target=target: VERBS[verb](source, target))
        files = sorted(str(path.relative_to(target)) for path in target.rglob("*"))
        outcomes.append(outcome | {"files": files})
        shutil.rmtree(target)
        ballast.unlink()
        if outcome.get("error", "killed") is None:
            return outcomes
    return outcomes


def main(verb: str, manner: str, source: str, out: str) -> None:
    warnings.simplefilter("error")
    warm = Path(out) / "warm"
    if manner != "full":
        warm.mkdir()
        first = Path(out) / "before" / "case.dcm-markup"
        if first.is_file():
            shutil.copytree(first.parent, warm, dirs_exist_ok=True)
        VERBS[verb](Path(source), warm)
        shutil.rmtree(warm)
    if manner == "full":
        outcomes = full_disk(verb, Path(source), Path(out))
    else:
        outcomes = every_moment(verb, manner, Path(source), Path(out))
    print(json.dumps(outcomes))


if __name__ == "__main__":
    main(*sys.argv[1:])
