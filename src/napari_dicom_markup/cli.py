"""The command line: arguments → one verb → exit status."""

from __future__ import annotations

import json
import tempfile
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from napari_dicom_markup import api
from napari_dicom_markup.errors import MarkupError, PartlyPackedError, SourceChangedError

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_dicom_markup.model.stack import LeadingAxis, Leftover, Scan, Series, Stack
    from napari_dicom_markup.sources.dicom.codecs import Decoder

T = TypeVar("T")

STATUS = """
Exit status: 0 all is well (files that are no DICOM are named, and cost nothing);
1 something was damaged, refused or not written: the text says what and what to do;
2 the command line was not understood; 130 interrupted, nothing half-written is left.
"""

app = typer.Typer(
    name="dicom-markup",
    help="Pack DICOM series with their labels, and restore every original byte for byte.",
    epilog=STATUS,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Paths = Annotated[list[Path], typer.Argument(help="DICOM files and folders.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def main() -> None:
    """Run the command line."""
    app()


_WHOLE = (api.Outcome.EXACT, api.Outcome.PRESENT)
"""Outcomes of originals that need no word; all others are named."""


def _run(steps: api.Steps[T]) -> T:
    """Run a verb with a progress bar on standard error; an error becomes one line and status 1."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    try:
        with Progress(
            *columns,
            TimeRemainingColumn(),
            console=errors,
            transient=True,
            disable=not errors.is_terminal,
        ) as bar:
            return _draw(steps, bar)
    except SourceChangedError as error:
        errors.print(f"dicom-markup: {error}", markup=False)
        for name in error.files[:10]:
            errors.print(f"  {_printable(name)}", markup=False)
    except MarkupError as error:
        errors.print(f"dicom-markup: {_printable(str(error))}", markup=False)
    except KeyboardInterrupt:
        steps.close()
        errors.print("dicom-markup: interrupted; nothing half-written is left", markup=False)
        raise typer.Exit(130) from None
    except Exception as error:  # noqa: BLE001 - the door: its text may quote what a file holds
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(where.filename).name}:{where.lineno}"
        errors.print(
            f"dicom-markup: internal error ({type(error).__name__} at {place})", markup=False
        )
        errors.print("  nothing half-written is left; please report it", markup=False)
    raise typer.Exit(1)


def _draw(steps: api.Steps[T], bar: Progress) -> T:
    task = bar.add_task("starting", total=None)
    generator = iter(steps)
    while True:
        try:
            step = next(generator)
        except StopIteration as stop:
            value: T = stop.value
            return value
        bar.update(task, completed=step.done, total=step.total or None, description=step.what)


def _printable(name: str) -> str:
    """Return a file name without characters that a terminal or UTF-8 cannot show."""
    shown = "".join(sign if sign.isprintable() else "\ufffd" for sign in name)
    return shown.encode("utf-8", "replace").decode()


@app.command()
def info(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="DICOM files and folders.", show_default=False)
    ] = None,
    codecs: Annotated[
        bool, typer.Option("--codecs", help="Say which installed decoder decodes what instead.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what the files hold: series, stacks, geometry, and what was left over and why."""
    if codecs:
        _print_codecs(as_json=as_json)
        return
    if not paths:
        message = "give DICOM files or folders, or --codecs"
        raise typer.BadParameter(message)
    found = _run(api.scan(paths))
    if as_json:
        typer.echo(json.dumps(_describe(found), indent=1))
        return
    console = Console(highlight=False, soft_wrap=True)
    for series in found.series:
        _print_series(console, series)
    left = _leftovers(found)
    if left:
        console.print(f"\n{len(left)} files in no stack:")
    for leftover in left:
        name = _printable(leftover.file.relative)
        console.print(f"  {name}: {_printable(leftover.reason)}", markup=False)


def _print_codecs(*, as_json: bool) -> None:
    """Print the decoder report: transfer syntaxes, and the decoders that were tried on samples."""
    report = api.codecs()
    if as_json:
        typer.echo(json.dumps([asdict(codec) for codec in report], indent=1))
        return
    table = Table("transfer syntax", "UID", "decoders, in the order they are asked", box=None)
    for codec in report:
        named = [_describe_decoder(decoder) for decoder in codec.decoders]
        retired = " (retired)" if codec.retired else ""
        table.add_row(f"{codec.name}{retired}", codec.uid, "; ".join(named) or codec.remedy)
    Console(highlight=False, width=200).print(table)


def _describe_decoder(decoder: Decoder) -> str:
    name = f"{decoder.name} {decoder.version}"
    if not decoder.tried:
        return f"{name} (stands by)"
    return f"{name} ({'proven' if decoder.proven else 'failed'})"


def _leftovers(found: Scan) -> list[Leftover]:
    return [*(one for series in found.series for one in series.leftovers), *found.leftovers]


def _print_series(console: Console, series: Series) -> None:
    files = len(series.files)
    name = _printable(f"{series.modality} series {series.uid}")
    console.print(f"\n{name}, {files} files", markup=False)
    for stack in series.stacks:
        described = _describe_stack(stack)
        size = " × ".join(map(str, described["shape"]))
        spacing = described["spacing_mm"]
        where = "pixels" if spacing is None else " × ".join(f"{v:.6g}" for v in spacing) + " mm"
        values = described["values"]
        unit = f" {values['unit']}" if values["unit"] else ""
        line = f"  stack {stack.index}: {size} ({', '.join(stack.axes)}), {where}"
        console.print(f"{line}, {values['dtype']}{unit}", markup=False)
        for axis in stack.leading:
            console.print(f"    {_describe_axis(axis)}", markup=False)
        for report in stack.reports:
            console.print(f"    {report.kind}: {report.message}", markup=False)


def _describe_axis(axis: LeadingAxis) -> str:
    """Return a leading axis in a line: its values, the first of many, and what goes along it."""
    shown = ", ".join(f"{value:g}" for value in axis.values[:_VALUES_SHOWN])
    more = ", …" if len(axis.values) > _VALUES_SHOWN else ""
    unit = f" {axis.unit}" if axis.unit else ""
    along = ", ".join(one.name for one in axis.coordinates)
    return f"axis {axis.name}: {shown}{more}{unit}" + (f" (with {along})" if along else "")


_VALUES_SHOWN = 8


def _describe(found: Scan) -> dict[str, Any]:
    """Return what ``info --json`` prints; affines map (slice, row, column) to LPS mm."""
    return {
        "series": [
            {
                "uid": series.uid,
                "modality": series.modality,
                "stacks": [_describe_stack(stack) for stack in series.stacks],
            }
            for series in found.series
        ],
        "leftovers": list(map(_describe_leftover, _leftovers(found))),
    }


def _describe_leftover(leftover: Leftover) -> dict[str, str]:
    return {"path": _printable(leftover.file.relative), "reason": _printable(leftover.reason)}


def _describe_stack(stack: Stack) -> dict[str, Any]:
    affine = stack.geometry.affine_lps()
    values = api.describe_values(stack)
    return {
        "shape": list(stack.shape),
        "axes": list(stack.axes),
        "leading": [asdict(axis) for axis in stack.leading],
        "spacing_mm": list(stack.geometry.spacing) if stack.geometry.in_mm else None,
        "affine_lps": None if affine is None else affine.tolist(),
        "files": list(map(_printable, dict.fromkeys(f.file.relative for f in stack.frames))),
        "frames": [
            {"file": _printable(frame.file.relative), "number": frame.number}
            for frame in stack.frames
        ],
        "values": {"dtype": values.dtype, "unit": values.unit, "domain": values.domain},
        "reports": [
            {
                "kind": str(report.kind),
                "message": report.message,
                "files": list(map(_printable, report.files)),
                "positions_mm": list(report.positions),
            }
            for report in stack.reports
        ],
    }


@app.command()
def pack(
    paths: Paths,
    out: Annotated[Path, typer.Argument(help="Folder for bundles, or CASE.dcm-markup for one.")],
    labels: Annotated[
        Path | None, typer.Option(help="Labels of one stack: an integer TIFF or .npy file.")
    ] = None,
    image: Annotated[
        bool, typer.Option("--image/--no-image", help="Write each stack's image as OME-TIFF too.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Pack originals (and labels) into bundles, one a series, each proven before it is named.

    DICOM files of no series (a CD's DICOMDIR) get no-series.dcm-markup; where OUT names a bundle,
    CASE.no-series.dcm-markup beside it. What a bundle of the name holds already is kept.
    """
    steps = api.Steps(_pack(api.pack(paths, out, labels=labels, image=image)))
    packed, failure = _run(steps)
    if as_json:
        described = {
            "bundles": list(map(_describe_bundle, packed.bundles)),
            "leftovers": list(map(_describe_leftover, packed.leftovers)),
            "failures": list(map(_printable, failure.reasons if failure else ())),
        }
        typer.echo(json.dumps(described, indent=1))
    else:
        _print_packed(packed)
    if failure is not None:
        typer.echo(f"dicom-markup: {failure}", err=True)
        for reason in failure.reasons:
            typer.echo(f"  {_printable(reason)}", err=True)
        raise typer.Exit(1)


def _pack(
    steps: api.Steps[api.Packed],
) -> Generator[api.Step, None, tuple[api.Packed, PartlyPackedError | None]]:
    """Pack; return what was packed, and the failure where that is not all."""
    try:
        packed = yield from steps
    except PartlyPackedError as error:
        if not isinstance(error.packed, api.Packed):
            raise
        return error.packed, error
    return packed, None


def _print_packed(packed: api.Packed) -> None:
    for bundle in packed.bundles:
        share = bundle.sidecar_bytes / max(bundle.original_bytes, 1)
        typer.echo(f"{bundle.sidecar}: {bundle.files} files, {share:.2f} of their size, proven")
        for tiff in bundle.tiffs:
            typer.echo(f"{tiff}")
        for note in bundle.notes:
            typer.echo(f"  {note}")
    for one in map(_describe_leftover, packed.leftovers):
        typer.echo(f"not packed: {one['path']}: {one['reason']}")
    if packed.bundles:
        typer.echo("These bundles hold patient data: they contain the originals.")


def _describe_bundle(bundle: api.Bundle) -> dict[str, Any]:
    return {
        "sidecar": str(bundle.sidecar),
        "tiffs": [str(tiff) for tiff in bundle.tiffs],
        "files": bundle.files,
        "original_bytes": bundle.original_bytes,
        "sidecar_bytes": bundle.sidecar_bytes,
        "notes": list(bundle.notes),
    }


@app.command()
def restore(
    sidecars: Annotated[list[Path], typer.Argument(help="Sidecars, CASE.dcm-markup.")],
    out: Annotated[Path, typer.Argument(help="Folder to restore to.")],
    as_json: AsJson = False,
) -> None:
    """Restore every original byte for byte; nothing that is there is overwritten."""
    reports = _run(api.restore(sidecars, out))
    _print_reports(reports, as_json=as_json)


@app.command()
def verify(
    sidecar: Annotated[Path, typer.Argument(help="A sidecar, CASE.dcm-markup.")],
    against: Annotated[
        Path | None, typer.Option(help="Folder of the original files to compare with.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Rebuild every original in memory and check it, and the bundle's TIFFs."""
    _print_reports((_run(api.verify(sidecar, against)),), as_json=as_json)


def _print_reports(reports: tuple[api.Report, ...], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([_describe_report(report) for report in reports], indent=1))
    else:
        for report in reports:
            _print_report(report)
    if not all(report.ok for report in reports):
        raise typer.Exit(1)


def _print_report(report: api.Report) -> None:
    counts = [(outcome, report.count(outcome)) for outcome in api.Outcome]
    words = ", ".join(f"{count} {outcome}" for outcome, count in counts if count)
    typer.echo(f"{report.sidecar.name}: {len(report.files)} originals: {words or 'none'}")
    for tiff in report.tiffs:
        typer.echo(f"{tiff.path}: {tiff.outcome}")
    named = [file for file in report.files if file.outcome not in _WHOLE]
    for file in (*named, *(tiff for tiff in report.tiffs if tiff.detail)):
        typer.echo(f"  {_printable(file.path)}: {_printable(file.detail) or file.outcome}")


def _describe_report(report: api.Report) -> dict[str, Any]:
    return {
        "sidecar": str(report.sidecar),
        "ok": report.ok,
        "files": list(map(_describe_file, report.files)),
        "tiffs": list(map(_describe_file, report.tiffs)),
    }


def _describe_file(file: api.FileReport) -> dict[str, str]:
    return {"path": _printable(file.path), "outcome": str(file.outcome), "detail": file.detail}


@app.command()
def demo(
    out: Annotated[
        Path | None, typer.Argument(help="Folder to keep everything in; else a temporary one.")
    ] = None,
) -> None:
    """Run the main job on a synthetic CT: write, open, paint, pack, restore, compare."""
    with tempfile.TemporaryDirectory() as temporary:
        done = _run(api.demo(out if out is not None else temporary))
    share = done.bundle.sidecar_bytes / done.bundle.original_bytes
    typer.echo(f"wrote a synthetic CT of {done.compared} files, opened it, painted labels")
    typer.echo(f"  ({done.painted} voxels), packed it: the sidecar has {share:.2f} of its size")
    typer.echo(f"restored {sum(map(done.report.count, _WHOLE))} files from the sidecar alone")
    typer.echo(f"SHA-256 agrees for {done.equal} of {done.compared} files")
    if done.equal != done.compared or not done.report.ok:
        raise typer.Exit(1)
