"""Run one verb in a thread, with a progress bar and a Cancel button.

Nothing of a verb's frames or values leaves the thread but its result or a text: napari shows
tracebacks with the values of all variables, and those may name a patient.
"""

import logging
import traceback
from collections.abc import Generator
from dataclasses import dataclass
from time import monotonic
from typing import Any

from napari.qt.threading import create_worker
from napari.utils.notifications import show_error
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget
from superqt.utils import GeneratorWorker

from napari_dicom_markup.api import Step, Steps
from napari_dicom_markup.errors import MarkupError

_EVERY_S = 0.04
"""Seconds between two steps that are shown: a screen needs no more than 25 a second."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """The verb ended, with its result."""

    result: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """The verb ended with an error; the text is safe to show."""

    text: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The verb was stopped, and removed what it had begun to write."""


Ended = Finished | Failed | Cancelled
"""How a verb can end."""


def describe_failure(error: Exception) -> str:
    """Return a text about an error that is safe to show; an internal one goes to the log.

    The log gets the places in the code, without values and without the error's own text.
    """
    if isinstance(error, MarkupError):
        return str(error)
    kind = type(error).__name__
    lines = "".join(traceback.format_tb(error.__traceback__))
    _LOG.error("internal error %s\n%s", kind, lines)
    return f"internal error ({kind}), nothing was written: please report it with the log"


class _Run:
    """A verb on its way through a thread; ``ended`` says how it ended, once it has."""

    def __init__(self, steps: Steps[Any]) -> None:
        self._steps = steps
        self.ended: Ended = Cancelled()

    def follow(self) -> Generator[Step, None, None]:
        """Run the verb, in the worker's thread, and yield those steps that are worth showing."""
        generator, shown = iter(self._steps), 0.0
        while True:
            try:
                step = next(generator)
            except StopIteration as stop:
                self.ended = Finished(stop.value)
                return
            except Exception as error:  # noqa: BLE001 - the door: napari would show its frames
                self.ended = Failed(describe_failure(error))
                return
            if monotonic() - shown >= _EVERY_S:
                yield step
                shown = monotonic()

    def stop(self) -> None:
        """Close the verb's generator: napari's worker only leaves it where it stands."""
        try:
            self._steps.close()
        except Exception as error:  # noqa: BLE001 - an error in a Qt slot ends the process
            self.ended = Failed(describe_failure(error))


class RunBar(QWidget):  # type: ignore[misc]  # qtpy has no types
    """A progress bar with a Cancel button that runs one verb at a time.

    ``started`` is emitted when a verb begins; ``ended`` with how it ended, always, and in the
    main thread. A failure is also shown as a notification.
    """

    started = Signal()
    ended = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._run: _Run | None = None
        self._worker: Any = None
        self.bar = QProgressBar()
        self.text = QLabel()
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setWordWrap(True)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.clicked.connect(self.cancel)
        row = QHBoxLayout()
        row.addWidget(self.bar, 1)
        row.addWidget(self.cancel_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(row)
        column.addWidget(self.text)
        self._rest("")

    @property
    def running(self) -> bool:
        """Whether a verb is on its way."""
        return self._run is not None

    def start(self, steps: Steps[Any]) -> None:
        """Run a verb in a thread; while one is on its way, no other can be started."""
        if self.running:
            message = "a verb is running already"
            raise RuntimeError(message)
        self._run = _Run(steps)
        # superqt's own worker class: napari's shows errors and warnings with all their values.
        worker = create_worker(
            self._run.follow,
            _worker_class=GeneratorWorker,
            _ignore_errors=True,
            _start_thread=False,
        )
        worker.yielded.connect(self._show)
        worker.finished.connect(self._end)
        # In the worker's thread and at once: napari waits for it, even when it is closing.
        worker.aborted.connect(self._run.stop, Qt.ConnectionType.DirectConnection)
        self._worker = worker
        self.bar.setRange(0, 0)
        self.bar.setVisible(True)
        self.cancel_button.setVisible(True)
        self.cancel_button.setEnabled(True)
        self._tell("starting")
        self.started.emit()
        worker.start()

    def cancel(self) -> None:
        """Ask the running verb to stop after its present step."""
        if self._worker is not None:
            self.cancel_button.setEnabled(False)
            self._tell("cancelling")
            self._worker.quit()

    def _show(self, step: Step) -> None:
        if self.cancel_button.isEnabled():
            self.bar.setRange(0, step.total)
            self.bar.setValue(step.done)
            self._tell(step.what)

    def _end(self) -> None:
        run, self._run, self._worker = self._run, None, None
        if run is None:
            return
        self._rest(_describe(run.ended))
        if isinstance(run.ended, Failed):
            show_error(run.ended.text)
        self.ended.emit(run.ended)

    def _rest(self, text: str) -> None:
        self.bar.setVisible(False)
        self.cancel_button.setVisible(False)
        self._tell(text)

    def _tell(self, text: str) -> None:
        self.text.setText(text)
        self.text.setVisible(bool(text))


def _describe(ended: Ended) -> str:
    """Return what is said under the bar when a verb has ended."""
    if isinstance(ended, Cancelled):
        return "Cancelled: nothing half-written is left."
    return ended.text if isinstance(ended, Failed) else ""
