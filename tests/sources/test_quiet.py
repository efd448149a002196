"""What pydicom says quotes values, so none of it is heard."""

from __future__ import annotations

import io
import logging
import threading
import warnings

from tests.series import CANARY, make_data_set, stored_values

from napari_dicom_markup.sources.dicom.unusual import read_unusual
from napari_dicom_markup.sources.quiet import quiet_pydicom


def test_odd_values_reach_no_warning_and_no_log(caplog):
    caplog.set_level(logging.DEBUG)
    buffer = io.BytesIO()
    make_data_set(0, stored_values()[0]).save_as(buffer, enforce_file_format=True)
    raw = buffer.getvalue().replace(b"IS\x02\x001 ", b"IS\x02\x00^Z", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_unusual(io.BytesIO(raw + b"\x10\x00\x10\x00PN\x08\x00" + CANARY.encode()))
    assert CANARY not in caplog.text


def test_only_this_thread_is_silenced_and_only_meanwhile(caplog):
    logger = logging.getLogger("pydicom")
    with quiet_pydicom():
        logger.warning("within")
        other = threading.Thread(target=logger.warning, args=("another thread",))
        other.start()
        other.join()
    logger.warning("after")
    assert [record.message for record in caplog.records] == ["another thread", "after"]
