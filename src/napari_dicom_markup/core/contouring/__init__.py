"""Contours on the grid of a stack: as labels where pixel centres lie inside, or as polygons.

Nothing is resampled, and nothing is dropped in silence: a contour that lies on no slice is
counted in the notes, by the number of its ROI.
"""

from napari_dicom_markup.core.contouring.labelling import RasterizedContours, rasterize
from napari_dicom_markup.core.contouring.referring import (
    Bond,
    Hold,
    Reference,
    holds,
    part_of,
    reference_of,
    refers_to,
    shares_frame,
)
from napari_dicom_markup.core.contouring.tracing import to_polygons

__all__ = [
    "Bond",
    "Hold",
    "RasterizedContours",
    "Reference",
    "holds",
    "part_of",
    "rasterize",
    "reference_of",
    "refers_to",
    "shares_frame",
    "to_polygons",
]
