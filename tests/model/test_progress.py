"""Steps: progress, the result as often as it is asked for, and cancelling."""

from __future__ import annotations

import pytest

from napari_dicom_markup.model.progress import Step, Steps


def count(log):
    try:
        yield Step(1, 2, "counting")
        yield Step(2, 2, "counting")
    finally:
        log.append("cleaned")
    return 42


def test_the_result_is_there_after_iterating_and_as_often_as_it_is_asked_for():
    steps = Steps(count([]))
    assert [step.done for step in steps] == [1, 2]
    assert (steps.result(), steps.result()) == (42, 42)


def test_yielding_from_steps_gives_the_result():
    def outer():
        return (yield from Steps(count([])))

    assert Steps(outer()).result() == 42


def test_leaving_the_context_cancels_and_cleans():
    log = []
    with Steps(count(log)) as steps:
        next(iter(steps))
    assert log == ["cleaned"]
    with pytest.raises(RuntimeError, match="cancelled"):
        steps.result()
