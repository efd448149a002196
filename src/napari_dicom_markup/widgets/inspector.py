"""The panel that shows what the DICOM of the selected image says, slice by slice."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari.layers import Image, Labels, Layer
from napari.utils.notifications import show_error, show_info
from napari.viewer import Viewer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QFrame, QPushButton, QScrollArea, QVBoxLayout, QWidget

from napari_dicom_markup import api
from napari_dicom_markup.widgets.boxes import (
    FactsForm,
    SegmentsTable,
    ValuesForm,
    grouped,
    text_label,
)
from napari_dicom_markup.widgets.running import Ended, Finished, RunBar, describe_failure
from napari_dicom_markup.widgets.showing import (
    folder_of,
    image_to_show,
    index_shown,
    replace_data,
    show_look,
)

_NOTHING = "Select an image that was opened by DICOM markup."
_NO_REPORTS = "Nothing unusual was found."


class InspectorPanel(QScrollArea):  # type: ignore[misc]  # qtpy has no types
    """Geometry, reports, values and looks of the selected DICOM image; live with the sliders."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.layer: Image | None = None
        self.title = text_label(_NOTHING)
        self.here = FactsForm()
        self.reports = text_label()
        self.values = ValuesForm()
        self.geometry = FactsForm()
        self.segments = SegmentsTable()
        self.contours_button = QPushButton("RTSTRUCT contours as shapes…")
        self.contours_button.setToolTip("Add the contours of a structure set over the open images")
        self.run = RunBar()
        self._about_image = (
            grouped("Here", self.here),
            grouped("Reports", self.reports),
            grouped("Values", self.values),
            grouped("Geometry", self.geometry),
        )
        self._segments_box = grouped("Segments", self.segments)
        self._lay_out()
        self._connect()
        self._follower = _Follower(self)
        self.destroyed.connect(self._follower.stop)

    def _lay_out(self) -> None:
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.addWidget(self.title)
        for box in (*self._about_image, self._segments_box):
            column.addWidget(box)
        column.addWidget(self.contours_button)
        column.addWidget(self.run)
        column.addStretch(1)
        self.setWidget(inner)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumWidth(320)

    def _connect(self) -> None:
        self.values.looks.activated.connect(self._choose_look)
        self.values.kinds.activated.connect(self._choose_kind)
        self.segments.itemSelectionChanged.connect(self._choose_segment)
        self.contours_button.clicked.connect(self._ask_contours)
        self.run.started.connect(self._enable)
        self.run.ended.connect(self._enable)

    @property
    def volume(self) -> Any:
        """The volume of the image that is shown, None where there is none."""
        return None if self.layer is None else api.volume_behind(self.layer.data)

    def show_layer(self, layer: Image | None) -> None:
        """Show all about an image of ours, whose data may have become others; None for none."""
        self.layer = layer
        told = None
        self.title.setText(_NOTHING if layer is None else layer.name)
        try:
            told = None if self.volume is None else api.inspect(self.volume)
        except Exception as error:  # noqa: BLE001 - the door: napari would show the frames' values
            self.title.setText(describe_failure(error))
        for box in self._about_image:
            box.setVisible(told is not None)
        if told is not None:
            self.reports.setText("\n\n".join(told.reports) or _NO_REPORTS)
            self.geometry.show_facts(told.geometry)
            self.values.show_values(told)
            self.show_slice()
            self.show_limits()
        self._enable()

    def show_labels(self, layer: Labels | None) -> None:
        """Show the labels that a layer names."""
        self.segments.show_layer(layer)
        self._segments_box.setVisible(bool(self.segments.rows))

    def show_slice(self) -> None:
        """Show what is said of the slice and the volume at the sliders."""
        layer, volume = self.layer, self.volume
        if layer is None or volume is None or self.viewer.dims.ndim < layer.ndim:
            return  # the sliders go before the layer does
        self.here.show_facts(api.locate(volume, index_shown(self.viewer, layer)))

    def show_limits(self) -> None:
        """Name the look that the image has, if it is one of those offered."""
        if self.layer is not None:
            low, high = self.layer.contrast_limits
            self.values.name_look((float(low), float(high)))

    def _choose_look(self, row: int) -> None:
        if self.layer is not None:
            show_look(self.layer, self.values.looks.itemData(row))

    def _choose_kind(self, row: int) -> None:
        layer = self.layer

        def show(ended: Ended) -> None:
            if layer is not None and isinstance(ended, Finished):
                replace_data(layer, ended.result)  # of which the follower tells
            else:
                self.show_layer(self.layer)

        self._start(api.revalue(self.volume, self.values.kinds.itemData(row).kind), show)

    def _choose_segment(self) -> None:
        number = self.segments.chosen
        if self.segments.layer is not None and number is not None:
            self.segments.layer.selected_label = number

    def _ask_contours(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Structure set", folder_of(self.layer))
        if path:
            self.open_contours(Path(path))

    def open_contours(self, path: Path) -> None:
        """Add the contours of a structure set, a file or a folder, as layers."""
        around = [layer.as_layer_data_tuple() for layer in self.viewer.layers]

        def show(ended: Ended) -> None:
            if isinstance(ended, Finished):
                self._add(ended.result)

        self._start(api.contour_layers(path, around), show)

    def _add(self, layers: Any) -> None:
        try:
            for data, meta, kind in layers.tuples:
                self.viewer.add_layer(Layer.create(data, meta, kind))
        except Exception as error:  # noqa: BLE001 - the door: napari would show the frames' values
            show_error(describe_failure(error))
            return
        if layers.notice:
            show_info(layers.notice)

    def _start(self, steps: api.Steps[Any], show: Callable[[Ended], None]) -> None:
        """Run a verb in a thread, and show how it ended in the main one."""

        def end(ended: Ended) -> None:
            self.run.ended.disconnect(end)
            show(ended)

        self.run.ended.connect(end)
        self.run.start(steps)

    def _enable(self) -> None:
        idle = not self.run.running
        self.values.kinds.setEnabled(idle)
        self.contours_button.setEnabled(idle and self.volume is not None)


class _Follower:
    """Tells a panel what happens in its viewer, until the panel is gone."""

    def __init__(self, panel: InspectorPanel) -> None:
        self._panel: InspectorPanel | None = panel
        self._watched: Image | None = None
        layers, dims = panel.viewer.layers, panel.viewer.dims
        self._emitters: list[tuple[Any, Callable[[], None]]] = [
            (layers.selection.events.active, self.follow_layers),
            (layers.events.inserted, self.follow_layers),
            (layers.events.removed, self.follow_layers),
            (dims.events.point, self.follow_sliders),
            (dims.events.order, self.follow_sliders),
            (dims.events.ndisplay, self.follow_sliders),
        ]
        for emitter, callback in self._emitters:
            emitter.connect(callback)
        self.follow_layers()
        if self._watched is None:
            panel.show_layer(None)

    def stop(self) -> None:
        """Let the viewer go."""
        self._panel = None
        for emitter, callback in self._emitters:
            emitter.disconnect(callback)
        self._watch(None)

    def follow_layers(self) -> None:
        """Show the active image of ours; with another layer active, the one shown before."""
        panel = self._panel
        if panel is None:
            return
        layer = image_to_show(panel.viewer, self._watched)
        if layer != self._watched:  # plug-ins get proxies, a new one each time
            self._watch(layer)
            panel.show_layer(layer)
        active = panel.viewer.layers.selection.active
        panel.show_labels(active if isinstance(active, Labels) else None)

    def follow_data(self) -> None:
        """Show an image anew whose data or name changed."""
        if self._panel is not None:
            self._panel.show_layer(self._watched)

    def follow_sliders(self) -> None:
        """Show the slice at the sliders."""
        if self._panel is not None:
            self._panel.show_slice()

    def follow_limits(self) -> None:
        """Show which look an image has."""
        if self._panel is not None:
            self._panel.show_limits()

    def _watch(self, layer: Image | None) -> None:
        """Follow the data and the limits of one image."""
        for old, connect in ((self._watched, False), (layer, True)):
            if old is None:
                continue
            for emitter, callback in (
                (old.events.data, self.follow_data),
                (old.events.name, self.follow_data),
                (old.events.contrast_limits, self.follow_limits),
            ):
                (emitter.connect if connect else emitter.disconnect)(callback)
        self._watched = layer
