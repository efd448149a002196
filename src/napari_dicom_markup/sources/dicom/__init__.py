"""Reading DICOM files: find, walk headers, decode frames, claim what is pixels."""
