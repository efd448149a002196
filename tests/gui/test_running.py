"""One verb in a thread: its result, its errors without values, and its end when cancelled."""

from __future__ import annotations

import logging
import threading
import warnings

import pytest

pytest.importorskip("napari", reason="napari is not installed")

from napari_dicom_markup.api import Step, Steps
from napari_dicom_markup.errors import SaveError
from napari_dicom_markup.widgets.running import Cancelled, Failed, Finished, RunBar

pytestmark = pytest.mark.gui

CANARY = "Canary^Zebra"


@pytest.fixture
def bar(qtbot):
    """Return a bar that is shown."""
    bar = RunBar()
    qtbot.addWidget(bar)
    bar.show()
    return bar


def run(qtbot, bar, generator):
    """Run a generator as a verb and return how it ended."""
    with qtbot.waitSignal(bar.ended, timeout=10_000) as ended:
        bar.start(Steps(generator))
    return ended.args[0]


def test_a_verb_runs_in_a_thread_and_ends_in_the_main_one(bar, qtbot):
    threads = []
    bar.ended.connect(lambda _: threads.append(threading.current_thread()))

    def verb():
        threads.append(threading.current_thread())
        yield Step(1, 2, "half of it")
        return 42

    ended = run(qtbot, bar, verb())
    assert isinstance(ended, Finished)
    assert ended.result == 42
    assert threads[0] is not threading.main_thread()
    assert threads[1] is threading.main_thread()
    assert not bar.running


def test_progress_is_shown(bar, qtbot):
    shown, go_on = [], threading.Event()

    def verb():
        yield Step(3, 10, "reading")
        go_on.wait(10)
        yield Step(10, 10, "reading")

    with qtbot.waitSignal(bar.ended, timeout=10_000):
        bar.start(Steps(verb()))
        qtbot.waitUntil(lambda: bar.text.text() == "reading", timeout=5000)
        shown.append((bar.bar.value(), bar.bar.maximum(), bar.cancel_button.isVisible()))
        go_on.set()
    assert shown == [(3, 10, True)]
    assert not bar.bar.isVisible()


def test_cancel_closes_the_verb_before_it_is_said_to_have_ended(bar, qtbot, tmp_path):
    half = tmp_path / "half-written"

    def verb():
        half.write_text("half")
        try:
            while True:
                yield Step(0, 0, "writing")
        finally:
            half.unlink()

    with qtbot.waitSignal(bar.ended, timeout=10_000) as ended:
        bar.start(Steps(verb()))
        qtbot.waitUntil(half.exists, timeout=5000)
        bar.cancel_button.click()
    assert isinstance(ended.args[0], Cancelled)
    assert not half.exists()
    assert "nothing half-written" in bar.text.text()


def test_napari_quitting_the_worker_closes_the_verb_too(bar, qtbot, tmp_path):
    from napari.qt.threading import GeneratorWorker

    half = tmp_path / "half-written"

    def verb():
        half.write_text("half")
        try:
            while True:
                yield Step(0, 0, "writing")
        finally:
            half.unlink()

    with qtbot.waitSignal(bar.ended, timeout=10_000):
        bar.start(Steps(verb()))
        qtbot.waitUntil(half.exists, timeout=5000)
        GeneratorWorker.await_workers(10_000)  # what napari does when it is closing
        assert not half.exists()


def test_a_verb_that_ends_while_it_is_cancelled_has_ended(bar, qtbot):
    begun, asked = threading.Event(), threading.Event()

    def verb():
        begun.set()
        asked.wait(10)
        return "written"
        yield

    with qtbot.waitSignal(bar.ended, timeout=10_000) as ended:
        bar.start(Steps(verb()))
        qtbot.waitUntil(begun.is_set, timeout=5000)
        bar.cancel()
        asked.set()
    assert isinstance(ended.args[0], Finished)


def test_an_error_of_ours_is_shown_by_its_text(bar, qtbot, notices):
    def verb():
        yield Step(0, 0, "writing")
        message = "the disk is full: nothing was written"
        raise SaveError(message)

    ended = run(qtbot, bar, verb())
    assert ended == Failed("the disk is full: nothing was written")
    assert bar.text.text() == ended.text
    assert [notice.message for notice in notices] == [ended.text]
    assert not hasattr(notices[0], "exception")


@pytest.mark.parametrize("error", [RuntimeError, ValueError, KeyError])
def test_an_internal_error_tells_its_type_and_no_value(bar, qtbot, notices, caplog, error):
    def verb():
        patient = CANARY
        yield Step(0, 0, "writing")
        raise error(patient)

    with caplog.at_level(logging.DEBUG):
        ended = run(qtbot, bar, verb())
    assert isinstance(ended, Failed)
    assert f"internal error ({error.__name__}), nothing was written" in ended.text
    assert "in verb" in caplog.text
    told = [ended.text, bar.text.text(), caplog.text, *(notice.message for notice in notices)]
    assert len(notices) == 1
    assert not any(CANARY in text for text in told)


def test_an_error_on_the_way_out_is_told(bar, qtbot):
    def verb():
        try:
            while True:
                yield Step(0, 0, "writing")
        finally:
            message = "a staging folder cannot be removed"
            raise SaveError(message)

    with qtbot.waitSignal(bar.ended, timeout=10_000) as ended:
        bar.start(Steps(verb()))
        qtbot.waitUntil(lambda: bar.text.text() == "writing", timeout=5000)
        bar.cancel()
    assert ended.args[0] == Failed("a staging folder cannot be removed")


def test_warnings_with_values_are_not_shown(bar, qtbot, notices):
    def verb():
        warnings.warn(f"Invalid value for VR DA: '{CANARY}'", stacklevel=1)
        yield Step(0, 0, "reading")

    assert isinstance(run(qtbot, bar, verb()), Finished)
    assert not notices


def test_one_verb_runs_at_a_time(bar, qtbot):
    go_on = threading.Event()

    def verb():
        yield Step(0, 0, "waiting")
        go_on.wait(10)

    with qtbot.waitSignal(bar.ended, timeout=10_000):
        bar.start(Steps(verb()))
        with pytest.raises(RuntimeError, match="running already"):
            bar.start(Steps(verb()))
        go_on.set()
