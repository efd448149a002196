"""Invented people, DICOM objects full of what identifies them, and the score of an anonymizer."""
