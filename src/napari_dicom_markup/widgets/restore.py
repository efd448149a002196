"""The panel that restores the originals of bundles, or verifies that they could be."""

from collections.abc import Generator, Iterable, Sequence
from pathlib import Path

from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_dicom_markup import api
from napari_dicom_markup.api import FileReport, Outcome, Report, Step, Steps
from napari_dicom_markup.errors import DamagedError, VersionError
from napari_dicom_markup.widgets.running import Cancelled, Ended, Finished, RunBar

_INTRODUCTION = (
    "Writes every original DICOM file of a bundle again, byte for byte. "
    "Files that are already there are never overwritten."
)
_SIDECARS = "DICOM markup sidecars (*.dcm-markup)"
_LISTED = 200
"""Files that are named in the result; a longer list is for ``dicom-markup verify``."""


class RestorePanel(QWidget):  # type: ignore[misc]  # qtpy has no types
    """Choose sidecars and a folder; restore the originals, or verify the bundles."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.sidecars = QListWidget()
        self.sidecars.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.sidecars.setMaximumHeight(110)
        self.add_button = QPushButton("Add…")
        self.clear_button = QPushButton("Clear")
        self.folder = QLineEdit()
        self.folder.setPlaceholderText("folder for the originals")
        self.folder_button = QPushButton("Choose…")
        self.restore_button = QPushButton("Restore")
        self.verify_button = QPushButton("Verify")
        self.verify_button.setToolTip("Rebuild every original in memory and compare it")
        self.run = RunBar()
        self.result = QPlainTextEdit()
        self.result.setReadOnly(True)
        self.result.setPlaceholderText("What became of each file is told here.")
        self.show_button = QPushButton("Open the folder")
        self._inputs = (
            self.sidecars,
            self.add_button,
            self.clear_button,
            self.folder,
            self.folder_button,
        )
        self._restored: Path | None = None
        self._lay_out()
        self._connect()
        self._refresh()

    def _lay_out(self) -> None:
        introduction = QLabel(_INTRODUCTION)
        introduction.setWordWrap(True)
        column = QVBoxLayout(self)
        column.addWidget(introduction)
        column.addLayout(_row(QLabel("Bundles"), None, self.add_button, self.clear_button))
        column.addWidget(self.sidecars)
        column.addWidget(QLabel("Folder"))
        column.addLayout(_row(self.folder, self.folder_button))
        column.addLayout(_row(self.restore_button, self.verify_button))
        column.addWidget(self.run)
        column.addWidget(self.result, 1)
        column.addWidget(self.show_button)

    def _connect(self) -> None:
        self.add_button.clicked.connect(self._ask_sidecars)
        self.clear_button.clicked.connect(self._clear)
        self.folder_button.clicked.connect(self._ask_folder)
        self.folder.textChanged.connect(self._refresh)
        self.restore_button.clicked.connect(self.restore)
        self.verify_button.clicked.connect(self.verify)
        self.show_button.clicked.connect(self._show_folder)
        self.run.started.connect(self._refresh)
        self.run.ended.connect(self._show)

    @property
    def chosen(self) -> list[Path]:
        """The sidecars that are chosen."""
        rows = range(self.sidecars.count())
        return [Path(item.text()) for row in rows if (item := self.sidecars.item(row))]

    def add_sidecars(self, paths: Iterable[Path | str]) -> None:
        """Choose sidecars in addition to those that are chosen."""
        known = set(self.chosen)
        for path in dict.fromkeys(map(Path, paths)):
            if path not in known:
                self.sidecars.addItem(str(path))
        self._refresh()

    def restore(self) -> None:
        """Restore the originals of the chosen sidecars under the chosen folder."""
        self._restored = Path(self.folder.text())
        self._start(api.restore(self.chosen, self._restored))

    def verify(self) -> None:
        """Verify the chosen bundles where they lie."""
        self._restored = None
        self._start(Steps(_verify_each(self.chosen)))

    def _start(self, steps: Steps[tuple[Report, ...]]) -> None:
        self.result.clear()
        self.run.start(steps)

    def _show(self, ended: Ended) -> None:
        if isinstance(ended, Finished):
            self.result.setPlainText(describe_reports(ended.result))
        elif isinstance(ended, Cancelled):
            self.result.setPlainText(
                "Cancelled. Files that were already restored are whole and stay."
                if self._restored
                else "Cancelled."
            )
        self._refresh()

    def _refresh(self) -> None:
        """Enable what can be done now."""
        idle = not self.run.running
        for widget in self._inputs:
            widget.setEnabled(idle)
        some = idle and self.sidecars.count() > 0
        self.verify_button.setEnabled(some)
        self.restore_button.setEnabled(some and bool(self.folder.text().strip()))
        self.show_button.setVisible(idle and self._restored is not None and self._restored.is_dir())

    def _ask_sidecars(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Bundles to restore", "", _SIDECARS)
        self.add_sidecars(paths)

    def _ask_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder for the originals")
        if folder:
            self.folder.setText(folder)

    def _clear(self) -> None:
        self.sidecars.clear()
        self._refresh()

    def _show_folder(self) -> None:
        if self._restored is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._restored)))


def _row(*widgets: QWidget | None) -> QHBoxLayout:
    """Return widgets beside each other; None takes the room that is left."""
    row = QHBoxLayout()
    for widget in widgets:
        if widget is None:
            row.addStretch(1)
        else:
            row.addWidget(widget)
    return row


def _verify_each(sidecars: Sequence[Path]) -> Generator[Step, None, tuple[Report, ...]]:
    reports = []
    for sidecar in sidecars:
        try:
            report = yield from api.verify(sidecar)
        except (DamagedError, VersionError) as error:
            if len(sidecars) == 1:
                raise
            report = Report(sidecar, (FileReport(sidecar.name, Outcome.DAMAGED, str(error)),))
        reports.append(report)
    return tuple(reports)


def describe_reports(reports: Sequence[Report]) -> str:
    """Return what became of the files of each sidecar, and the names of those not exact."""
    return "\n\n".join(map(_describe, reports))


def _describe(report: Report) -> str:
    word = "all is well" if report.ok else "NOT all is well"
    lines = [_printable(report.sidecar.name), f"  {len(report.files)} originals, {word}"]
    lines += [f"  {count} × {outcome}" for outcome in Outcome if (count := report.count(outcome))]
    lines += [f"  {_printable(tiff.path)}: {tiff.outcome}" for tiff in report.tiffs]
    others = [one for one in report.files if one.outcome not in (Outcome.EXACT, Outcome.PRESENT)]
    lines += [f"  {_printable(one.path)}: {_reason(one)}" for one in others[:_LISTED]]
    if len(others) > _LISTED:
        lines.append(f"  and {len(others) - _LISTED} more")
    return "\n".join(lines)


def _reason(file: FileReport) -> str:
    return f"{file.outcome} ({file.detail})" if file.detail else str(file.outcome)


def _printable(name: str) -> str:
    """Return a file name without characters that a screen cannot show."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in name)
