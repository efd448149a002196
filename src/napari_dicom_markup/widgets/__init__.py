"""Panels and dialogs for napari: each gathers values, starts one verb, and shows the result."""
