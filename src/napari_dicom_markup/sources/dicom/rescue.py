"""Decode one codestream with pydicom's plug-ins, in a process that may crash.

This is a script, run by `decode_apart`: GDCM ends the process at some damaged codestreams, and
nobody's unsaved labels should end with it. Standard input is a line of JSON, the options of
pydicom's decoder with the transfer syntax, and then the codestream; standard output the values.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64decode, b64encode
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

Request: TypeAlias = tuple[bytes, str, dict[str, Any]]
"""A codestream, its transfer syntax, and what pydicom's decoder wants to know of the image."""

SECONDS = 60
"""A codec that has not answered by then hangs; large frames take about one second."""


def decode_apart(data: bytes | memoryview, syntax: str, options: dict[str, Any]) -> bytes:
    """Return the values that a process of its own decodes, as bytes in the machine's order.

    Parameters
    ----------
    data : bytes-like
        One frame's codestream.
    syntax : str
        The transfer syntax.
    options : dict
        What pydicom's decoder wants to know of the image.

    Raises
    ------
    RuntimeError
        Where no plug-in decodes it, or one crashes.
    subprocess.TimeoutExpired
        Where one hangs.
    """
    head = json.dumps({"syntax": syntax, "options": options}).encode()
    return _ask(head + b"\n" + bytes(data))


def decode_all_apart(requests: Sequence[Request]) -> list[bytes | None]:
    """Return what a process of its own makes of small codestreams; None of one it refuses.

    Raises
    ------
    RuntimeError
        Where a plug-in crashes.
    subprocess.TimeoutExpired
        Where one hangs.
    """
    sent = [(b64encode(data).decode(), syntax, options) for data, syntax, options in requests]
    answers: list[str | None] = json.loads(_ask(json.dumps({"all": sent}).encode() + b"\n"))
    return [None if answer is None else b64decode(answer) for answer in answers]


def _ask(request: bytes) -> bytes:
    answer = subprocess.run(  # noqa: S603 - this very file, by this very Python
        [sys.executable, "-P", __file__],
        input=request,
        capture_output=True,
        timeout=SECONDS,
        check=False,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
    if answer.returncode:
        message = "no plug-in of pydicom decodes it"
        raise RuntimeError(message)
    return answer.stdout


def decode(data: bytes, syntax: str, options: dict[str, Any]) -> bytes:
    """Return the values as bytes in the machine's order, colour as RGB by pixel."""
    import numpy as np
    from pydicom.encaps import encapsulate
    from pydicom.pixels.decoders.base import get_decoder

    frame = encapsulate([data], has_bot=False)
    values, _ = get_decoder(syntax).as_array(frame, index=0, **options)
    return np.ascontiguousarray(values, values.dtype.newbyteorder("=")).tobytes()


def decode_or_none(data: bytes, syntax: str, options: dict[str, Any]) -> bytes | None:
    """Return what `decode` does, None where the plug-in refuses, with whatever error."""
    with suppress(Exception):
        return decode(data, syntax, options)
    return None


def main() -> None:
    """Answer one request; whatever the codecs print goes to standard error."""
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    request = json.loads(sys.stdin.buffer.readline())
    if "all" in request:
        answers = [decode_or_none(b64decode(data), *rest) for data, *rest in request["all"]]
        texts = [None if answer is None else b64encode(answer).decode() for answer in answers]
        values = json.dumps(texts).encode()
    else:
        values = decode(sys.stdin.buffer.read(), request["syntax"], request["options"])
    with output:
        output.write(values)


if __name__ == "__main__":
    main()
