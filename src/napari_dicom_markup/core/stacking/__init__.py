"""From frames in any order to series of stacks in spatial order (DESIGN: order and geometry).

The order of the given frames never changes the result. Nothing is resampled, and nothing is
dropped: what is in no stack is a leftover with its reason.
"""

from napari_dicom_markup.core.stacking.grouping import group_series, stack_frames

__all__ = ["group_series", "stack_frames"]
