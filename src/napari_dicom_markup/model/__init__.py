"""Frozen values with DICOM's nouns; no input, no output, no arithmetic on pixels."""
