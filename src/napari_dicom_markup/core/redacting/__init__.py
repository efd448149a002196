"""Identity in pixels: triage by header, proposals of boxes, burning, re-encoding, review."""
