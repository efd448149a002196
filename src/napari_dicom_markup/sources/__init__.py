"""Everything that reads: DICOM files, bundles, napari layers."""
