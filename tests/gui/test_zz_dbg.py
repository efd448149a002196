import sys
sys.path.insert(0,"/work/main")
from tests.gui.test_privacy import named, _slice
import pytest
def test_x(make_napari_viewer, named):
    v=make_napari_viewer()
    (l,)=v.open(str(named),plugin="napari-dicom-markup")
    print(l.data._kept.keys(), v.dims.current_step, l.data.shape, v.dims.nsteps)
    (named/"IM0").unlink()
    import traceback
    try:
        v.dims.set_current_step(0,3)
    except BaseException as e: print("EXC",type(e))
    print(l.data._kept.keys(), v.dims.current_step, l._slice.image.raw.max())
    v.dims.set_current_step(0,0)
    print(l.data._kept.keys(), v.dims.current_step, l._slice.image.raw.max())
