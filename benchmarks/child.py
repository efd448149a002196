"""Run one job in a process of its own: ``python child.py MODULE JOB PATH…`` prints JSON.

``seconds`` is the job, ``imports`` what came before it; ``peak`` the bytes by which the job raised
the resident memory at most, ``array`` those of the array that it made and ``mean`` its values'
mean, by which to see whether all contenders made the same.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from pathlib import Path


def main(module: str, job: str, *paths: str) -> None:
    """Prepare the job, run it, and say what it took."""
    start = time.perf_counter()
    try:
        run = getattr(import_module(module), job)(*map(Path, paths))
    except (ImportError, FileNotFoundError) as error:
        print(json.dumps({"skipped": f"{error}"}))
        return
    before = _resident("VmRSS")
    ready = time.perf_counter()
    result = run()
    end = time.perf_counter()
    peak = _resident("VmHWM") - before
    print(
        json.dumps(
            {
                "seconds": end - ready,
                "imports": ready - start,
                "peak": peak,
                "array": getattr(result, "nbytes", 0),
                "mean": float(result.mean(dtype="f8")) if hasattr(result, "mean") else None,
                "bytes": result if isinstance(result, int) else 0,
            }
        )
    )


def _resident(field: str) -> int:
    """Return a field of Linux' account of this process in bytes, 0 on other systems."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    line = next(line for line in status.splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
