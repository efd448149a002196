"""Segmentations on the grid of the stack that they refer to, as labels; nothing is resampled."""

from napari_dicom_markup.core.segmenting.placing import Bond, Placed, place, reference_of, refers_to

__all__ = ["Bond", "Placed", "place", "reference_of", "refers_to"]
