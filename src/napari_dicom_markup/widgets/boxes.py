"""The parts of the panel about an image: facts, choices of values, and a table of segments."""

from collections.abc import Sequence
from typing import Any

from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QGridLayout,
    QGroupBox,
    QHeaderView,
    QLabel,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_dicom_markup import api
from napari_dicom_markup.api import Fact, Inspection, SegmentRow

_TOLERANCE = 1e-6
"""Limits that differ from a look's by less, in shares of their distance, are the look's."""

_TITLES_WIDTH = 76
"""Pixels, so that the boxes' columns stand below each other."""

_TABLE_HEIGHT = 280
"""Pixels: longer tables are scrolled."""


def text_label(text: str = "") -> QLabel:
    """Return a label that wraps and can be copied from; nothing in it is taken for markup."""
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
    label.setIndent(0)  # else AlignTop indents from above
    return label


def grouped(title: str, *widgets: QWidget) -> QGroupBox:
    """Return a group with widgets below each other."""
    box = QGroupBox(title)
    column = QVBoxLayout(box)
    for widget in widgets:
        column.addWidget(widget)
    return box


class FactsForm(QWidget):  # type: ignore[misc]  # qtpy has no types
    """Facts below each other, each with its title; the labels are kept while titles stay."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._labels: dict[str, QLabel] = {}
        self._titles: list[QLabel] = []
        self._grid = _grid(self)

    def show_facts(self, facts: Sequence[Fact]) -> None:
        """Show facts in place of those shown before."""
        if [fact.title for fact in facts] != list(self._labels):
            self._make_rows([fact.title for fact in facts])
        for fact in facts:
            self._labels[fact.title].setText(fact.text)

    def _make_rows(self, titles: Sequence[str]) -> None:
        for old in (*self._titles, *self._labels.values()):
            self._grid.removeWidget(old)
            old.deleteLater()
        self._labels = {title: text_label() for title in titles}
        self._titles = [QLabel(title) for title in titles]
        for row, (title, label) in enumerate(zip(self._titles, self._labels.values(), strict=True)):
            self._grid.addWidget(title, row, 0, Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(label, row, 1)

    @property
    def texts(self) -> dict[str, str]:
        """What is shown, by title."""
        return {title: label.text() for title, label in self._labels.items()}


class ValuesForm(QWidget):  # type: ignore[misc]  # qtpy has no types
    """What the values are, with a choice of others for PET, and a choice of looks."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.facts = FactsForm()
        self.kinds, self.looks = _combo(), _combo()
        self.looks.setPlaceholderText("other limits")
        self._kinds_title, self._looks_title = QLabel("Show as"), QLabel("Window")
        grid = _grid(self)
        grid.addWidget(self.facts, 0, 0, 1, 2)
        grid.addWidget(self._kinds_title, 1, 0)
        grid.addWidget(self.kinds, 1, 1)
        grid.addWidget(self._looks_title, 2, 0)
        grid.addWidget(self.looks, 2, 1)

    def show_values(self, told: Inspection) -> None:
        """Show what the values are, and what can be chosen."""
        self.facts.show_facts(told.values)
        _fill(self.kinds, self._kinds_title, told.kinds)
        _fill(self.looks, self._looks_title, told.looks)
        if told.shown_as is not None:
            self.kinds.setCurrentIndex(told.kinds.index(told.shown_as))

    def name_look(self, limits: tuple[float, float]) -> None:
        """Say which look has these limits: the one chosen if it does, none where none has."""
        fitting = [row for row in range(self.looks.count()) if _fits(self.looks, row, limits)]
        if self.looks.currentIndex() not in fitting:
            self.looks.setCurrentIndex(fitting[0] if fitting else -1)


def _fits(looks: QComboBox, row: int, limits: tuple[float, float]) -> bool:
    own = looks.itemData(row).limits
    tolerance = _TOLERANCE * max(own[1] - own[0], 0.0)
    return all(abs(a - b) <= tolerance for a, b in zip(own, limits, strict=True))


def _fill(combo: QComboBox, title: QLabel, choices: Sequence[Any]) -> None:
    """Offer choices, each shown by its title; nothing is shown where there are none."""
    combo.clear()
    for choice in choices:
        combo.addItem(choice.title, choice)
    combo.setVisible(bool(choices))
    title.setVisible(bool(choices))


def _combo() -> QComboBox:
    """Return a combo whose long entries do not widen the panel."""
    combo = QComboBox()
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(12)
    combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return combo


def _grid(parent: QWidget) -> QGridLayout:
    """Return a layout of titles and what they are of; QFormLayout cuts texts that wrap."""
    grid = QGridLayout(parent)
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setColumnStretch(1, 1)
    grid.setColumnMinimumWidth(0, _TITLES_WIDTH)
    return grid


class SegmentsTable(QTableWidget):  # type: ignore[misc]  # qtpy has no types
    """The labels that a layer's table names: number and colour, name, type."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, 3, parent)
        self.layer: Labels | None = None
        self._rows: tuple[SegmentRow, ...] = ()
        self.setHorizontalHeaderLabels(["Label", "Name", "Type"])
        self.verticalHeader().setVisible(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizeAdjustPolicy(QAbstractItemView.SizeAdjustPolicy.AdjustToContents)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.setMaximumHeight(_TABLE_HEIGHT)
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)

    def show_layer(self, layer: Labels | None) -> None:
        """Show what a labels layer's features name."""
        self.layer = layer
        self._rows = () if layer is None else api.list_segments(layer.features)
        self.clearContents()
        self.setRowCount(len(self._rows))
        for row, segment in enumerate(self._rows):
            for column, text in enumerate((str(segment.number), segment.name, segment.kind)):
                item = QTableWidgetItem(text)
                item.setToolTip(text)
                self.setItem(row, column, item)
            color = _color(layer, segment.number)
            self.item(row, 0).setData(Qt.ItemDataRole.DecorationRole, color)
        self.updateGeometry()

    @property
    def rows(self) -> tuple[SegmentRow, ...]:
        """The labels that are named."""
        return self._rows

    @property
    def chosen(self) -> int | None:
        """The number of the label whose row is selected."""
        chosen = self.selectionModel().selectedRows()
        return self._rows[chosen[0].row()].number if chosen else None


def _color(layer: Labels | None, number: int) -> QColor:
    color = None if layer is None else layer.get_color(number)
    return QColor(0, 0, 0, 0) if color is None else QColor.fromRgbF(*map(float, color))
