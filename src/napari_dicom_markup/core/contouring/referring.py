"""Which stack a structure set was drawn on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_dicom_markup.model.contours import Roi, StructureSet
    from napari_dicom_markup.model.stack import Stack


def refers_to(structure_set: StructureSet, stack: Stack) -> bool:
    """Say whether the structure set was drawn on this stack.

    The images that it names decide; where it names none, the series; where it names none
    either, the frame of reference. So a localizer in the series of the volume is not meant.
    """
    if structure_set.image_uids:
        return any(frame.sop_instance_uid in structure_set.image_uids for frame in stack.frames)
    if structure_set.series_uids:
        return any(frame.instance.series_uid in structure_set.series_uids for frame in stack.frames)
    return shares_frame(structure_set, stack)


def shares_frame(structure_set: StructureSet, stack: Stack) -> bool:
    """Say whether both lie in one frame of reference, so that contours may be laid on the stack.

    This holds for images that it was not drawn on too: the MR beside its CT, or images that
    were sent again under new UIDs.
    """
    return _frame_uid(stack) in structure_set.frame_of_reference_uids


def lies_in(roi: Roi, stack: Stack) -> bool:
    """Say whether an ROI's coordinates are the stack's.

    They are where it states the same frame of reference or none, or names one of the images.
    """
    if roi.frame_of_reference_uid in {"", _frame_uid(stack)}:
        return True
    named = {uid for contour in roi.contours for uid in contour.image_uids}
    return any(frame.sop_instance_uid in named for frame in stack.frames)


def _frame_uid(stack: Stack) -> str:
    patient = stack.geometry.patient
    return "" if patient is None else patient.frame_of_reference_uid
