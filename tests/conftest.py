"""Settings that must stand before napari and Qt are imported."""

from __future__ import annotations

import os

os.environ.setdefault("NAPARI_CONFIG", "")  # else napari's fixtures write the user's own settings
os.environ.setdefault("QT_API", "pyqt6")
