"""Single events, to be looked at: what the detector measures of them, and what classifiers say."""

from collections.abc import Mapping

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import pyarrow as pa

from higgs_lib import plots
from higgs_lib.data import LABEL
from higgs_lib.data.kinematics import FourVectors, four_vectors, to_physical
from higgs_lib.plots.captions import CaptionedFigure
from higgs_lib.plots.event_display import transverse_view
from higgs_lib.study import selected_events

MARKS = (
    "Wedges are jets, coloured with a b-tag (in brackets a loose one), the line is the lepton, the dashed arrow the "
    "missing transverse momentum; lengths are transverse momenta, each event on its own scale."
)


class _Events:
    """Events with their scores, and those of each kind, the clearest first."""

    def __init__(self, table: pa.Table, scores: Mapping[str, np.ndarray], by: str, n_events: int, label: str):
        self.signal = table[LABEL].to_numpy() > 0.5
        self.by, self.label, self.n_events = by, label, len(table)
        self.rows = selected_events.select(table[LABEL].to_numpy(), scores[by], n_events)
        chosen = np.concatenate(list(self.rows.values()))
        self.place = {row: place for place, row in enumerate(chosen.tolist())}
        few = table.take(chosen)
        self.vectors: FourVectors = four_vectors(few)
        self.m_bb = to_physical(few["m_bb"].to_numpy(), "m_bb")
        self.scores = {name: values[chosen] for name, values in scores.items()}

    def title(self, row: int, kind: str) -> str:
        """Returns kind, class and scores of an event."""
        scores = "; ".join(f"{name} {values[self.place[row]]:.2f}" for name, values in self.scores.items())
        return f"{kind}\ntrue class: {'signal' if self.signal[row] else 'background'}\n{scores}"

    def draw(self, row: int, kind: str, ax) -> None:
        """Draws an event."""
        transverse_view(self.vectors, self.place[row], title=self.title(row, kind), ax=ax)

    def clearest(self) -> CaptionedFigure:
        """Draws the clearest event of each kind."""
        _, axes = plt.subplots(2, 2, figsize=(plots.WIDTH, plots.WIDTH + 0.4))
        first = {kind: int(rows[0]) for kind, rows in self.rows.items()}
        for ax, (kind, row) in zip(axes.flat, first.items(), strict=True):
            self.draw(row, kind, ax)
        score, m_bb = self.scores[self.by], self.m_bb
        right, _, low, high = (self.place[row] for row in first.values())
        return plots.caption(
            f"Of {self.n_events:,} test events, the background event most like signal has a score of {score[high]:.3f} "
            f"({self.by}) and $m_{{bb}}$ = {m_bb[high]:.0f} GeV; the signal event least like it {score[low]:.3f} and "
            f"{m_bb[low]:.0f} GeV; a typical signal event {score[right]:.3f} and {m_bb[right]:.0f} GeV. {MARKS}",
            self.label,
        )

    def one(self, kind: str, number: int) -> CaptionedFigure:
        """Draws one event of a kind, counted from 1."""
        row = int(self.rows[kind][number - 1])
        _, ax = plt.subplots(figsize=(plots.WIDTH / 2, plots.WIDTH / 2 + 0.5))
        self.draw(row, kind, ax)
        bb = self.m_bb[self.place[row]]
        return plots.caption(f"Test event {row:,}, with $m_{{bb}}$ = {bb:.0f} GeV. {MARKS}", self.label)


def event_display(
    table: pa.Table,
    scores: Mapping[str, np.ndarray],
    *,
    by: str,
    interactive: bool,
    label: str = "",
    n_events: int = 20,
) -> widgets.VBox | CaptionedFigure:
    """Shows single events in the plane transverse to the beam, with what classifiers say of them.

    Args:
        table: all columns of the events in normalised units.
        scores: the scores (n,) of each classifier by its name.
        by: the classifier by whose scores the events are chosen.
        interactive: whether the event is chosen with a menu and a slider; otherwise one of each kind is shown.
        label: of the figure, which events it shows.
        n_events: the events of each kind to choose from.

    Returns:
        A menu and a slider above a figure, or the figure alone.
    """
    events = _Events(table, scores, by, n_events, label)
    if not interactive:
        return events.clearest()
    style = {"style": {"description_width": "4em"}, "layout": widgets.Layout(width="32em")}
    kind = widgets.Dropdown(options=list(events.rows), value=selected_events.KINDS[-1], description="events", **style)
    number = widgets.IntSlider(1, min=1, max=n_events, continuous_update=False, description="number", **style)
    shown = widgets.HTMLMath()

    def draw(_=None) -> None:
        number.max = len(events.rows[kind.value])
        shown.value = events.one(kind.value, number.value)._repr_html_()

    kind.observe(draw, "value")
    number.observe(draw, "value")
    draw()
    return widgets.VBox([kind, number, shown])
