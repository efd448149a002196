"""Facts of the DICOM standard, each with its part and section."""
