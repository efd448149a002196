"""Fixtures for tests that drive the real napari; they are skipped where it cannot be shown."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import TYPE_CHECKING

import pytest

from napari_dicom_markup import api
from napari_dicom_markup.api.phantom import write_phantom_steps

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def _why_not() -> str:
    """Return why napari cannot be shown here, or nothing."""
    for module in ("napari", "qtpy", "pytestqt"):
        if importlib.util.find_spec(module) is None:
            return f"{module} is not installed: pip install -e '.[napari,test]'"
    display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not display:
        return "there is no display: run under xvfb-run"
    return ""


_REASON = _why_not()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    if _REASON:
        pytest.skip(_REASON)


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the phantom's DICOM files; no test changes it."""
    folder = tmp_path_factory.mktemp("phantom") / "dicom"
    for _ in write_phantom_steps(folder):
        pass
    return folder


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> api.Demo:
    """Return the phantom packed with labels; its originals are in ``dicom`` beside the bundle."""
    return api.demo(tmp_path_factory.mktemp("demo")).result()


@pytest.fixture
def notices() -> Iterator[list[object]]:
    """Collect what napari is asked to show."""
    from napari.utils.notifications import notification_manager

    seen: list[object] = []

    def collect(notification: object) -> None:
        seen.append(notification)

    notification_manager.notification_ready.connect(collect)
    yield seen
    notification_manager.notification_ready.disconnect(collect)
