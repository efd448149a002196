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
from typing import Any

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
    request = json.dumps({"syntax": syntax, "options": options}).encode() + b"\n" + bytes(data)
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


def main() -> None:
    """Answer one request; whatever the codecs print goes to standard error."""
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    request = json.loads(sys.stdin.buffer.readline())
    values = decode(sys.stdin.buffer.read(), request["syntax"], request["options"])
    with output:
        output.write(values)


if __name__ == "__main__":
    main()
