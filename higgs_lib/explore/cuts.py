"""A slider for the cut on the network output, which works in JupyterLab, in the report and, as it starts, in print.

It is HTML with a few lines of script, which read numbers that are computed here; it needs no kernel and no network.
"""

import html
import json
import re
import secrets
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.transforms import Bbox

from higgs_lib import metrics, plots
from higgs_lib.metrics import Efficiencies, Experiment
from higgs_lib.plots.captions import CaptionedFigure

CHOSEN_BY = "Asimov"  # the definition of significance whose best cut is marked
COLUMNS = ("S", "B", "S/√B", CHOSEN_BY, f"{CHOSEN_BY}, σ_B")
DIGITS = (1, 1, 2, 2, 2)  # after the point
NONE = "–"  # where too few background events of the sample are left

SCRIPT = """
for (const box of document.querySelectorAll('[data-cut-slider="ID"]')) {
  const stored = JSON.parse(box.querySelector('script[type="application/json"]').textContent);
  const input = box.querySelector('input');
  const show = () => {
    const at = Number(input.value), cut = stored.cuts[at];
    input.setAttribute('aria-valuetext', 'cut ' + cut.toFixed(3));
    box.querySelector('output').textContent = cut.toFixed(3);
    box.querySelectorAll('[data-panel]').forEach((line, panel) => {
      const [left, width] = stored.panels[panel];
      line.style.left = 100 * (left + width * cut) + '%';
    });
    box.querySelectorAll('td[data-column]').forEach((cell) => {
      const value = stored.values[cell.dataset.row][cell.dataset.column][at];
      cell.textContent = value === null ? 'NONE' : value.toFixed(stored.digits[cell.dataset.column]);
    });
  };
  input.addEventListener('input', show);
  show();
}
"""


class CutSlider:
    """A figure of significances against the cut, with a slider and a table of numbers below."""

    def __init__(
        self, figure: CaptionedFigure, panels: list[Bbox], best: dict[str, float], stored: dict, start: int
    ) -> None:
        self.figure, self.caption, self.best, self.stored, self.start = figure, figure.caption, best, stored, start
        self.panels = panels

    def __repr__(self) -> str:
        return repr(self.figure)

    def _repr_html_(self) -> str:
        """Returns figure, slider and table; without a script the table shows the numbers at the best cut."""
        name = f"cut-{secrets.token_hex(6)}"  # JupyterLab shows several notebooks on one page
        shown = re.sub(
            r"<img ", '<img style="width:100%;height:auto;display:block" ', self.figure._repr_html_(), count=1
        )
        lines = "".join(self._line(panel) for panel in self.panels)
        card = f'<div style="position:relative;max-width:{self.figure.width}px;background:white">'
        shown = re.sub(r"<img [^>]*>", lambda image: f"{card}{image[0]}{lines}</div>", shown, count=1)
        cuts = self.stored["cuts"]
        keys = 'data-lm-suppress-shortcuts="true"'  # JupyterLab would take the arrow keys as its own shortcuts
        controls = (
            f'<div style="margin:0.5em 0"><label for="{name}">Cut on the network output: </label>'
            f'<input type="range" id="{name}" {keys} min="0" max="{len(cuts) - 1}" step="1" value="{self.start}" '
            f'aria-valuetext="cut {cuts[self.start]:.3f}" style="width:50%;max-width:30em;vertical-align:middle"> '
            f'<output for="{name}">{cuts[self.start]:.3f}</output></div>{self._table()}'
        )
        stored = json.dumps(self.stored, separators=(",", ":")).replace("<", "\\u003c")  # no text ends the script
        script = SCRIPT.replace("ID", name).replace("NONE", NONE)
        return (
            f'<div data-cut-slider="{name}">{shown.replace("<figcaption>", f"{controls}<figcaption>", 1)}'
            f'<script type="application/json">{stored}</script><script>{script}</script></div>'
        )

    def _line(self, panel: Bbox) -> str:
        """Returns the vertical line that moves over one panel."""
        left = panel.x0 + panel.width * self.stored["cuts"][self.start]
        return (
            f'<span data-panel aria-hidden="true" style="position:absolute;left:{left:.2%};top:{1 - panel.y1:.2%};'
            f'height:{panel.height:.2%};border-left:2px solid black;margin-left:-1px"></span>'
        )

    def _table(self) -> str:
        """Returns the table of numbers at the first cut that is shown."""
        columns = ("features", "best cut", "S", "B", "S/√B", "Asimov [σ]", "Asimov, σ<sub>B</sub> [σ]")
        heads = "".join(f'<th scope="col">{column}</th>' for column in columns)
        rows = "".join(
            f'<tr><th scope="row">{html.escape(name)}</th><td>{cut:.3f}</td>{self._cells(row)}</tr>'
            for row, (name, cut) in enumerate(self.best.items())
        )
        return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"

    def _cells(self, row: int) -> str:
        """Returns the numbers of one row."""
        values = [column[self.start] for column in self.stored["values"][row]]
        texts = [NONE if v is None else f"{v:.{digits}f}" for v, digits in zip(values, DIGITS, strict=True)]
        return "".join(f'<td data-row="{row}" data-column="{c}">{text}</td>' for c, text in enumerate(texts))


def numbers(test: Efficiencies, experiment: Experiment) -> list[np.ndarray]:
    """Returns `COLUMNS` (n_cuts,) each, nan where fewer than 25 background events of the sample pass the cut."""
    columns = [experiment.signal * test.signal, experiment.background * test.background]
    columns += [experiment.significance(definition, test.signal, test.background) for definition in COLUMNS[2:]]
    enough = test.n_background_passed >= metrics.MIN_BACKGROUND_PASSED
    return [np.where(enough, column, np.nan) for column in columns]


def cut_slider(
    validation: Mapping[str, Efficiencies],
    test: Mapping[str, Efficiencies],
    experiment: Experiment,
    *,
    name: str,
    colours: Mapping[str, str],
    label: str = "",
) -> CutSlider:
    """Draws figure of merit and Asimov significance against the cut, with a slider that reads off their values.

    Args:
        validation: validation events that pass each of the cuts, by feature set; the marked cut is chosen on them.
        test: test events that pass the same cuts.
        experiment: expected numbers of events.
        name: of the classifier, for the caption.
        colours: of the feature sets.
        label: of the figure, which events it shows.

    Returns:
        The figure with its slider, which starts at the best cut of the last feature set.

    Raises:
        ValueError: no cut leaves enough background events in the validation sample.
    """
    cuts = next(iter(test.values())).cut
    best = {key: metrics.best_cut(counts, experiment, CHOSEN_BY) for key, counts in validation.items()}
    columns = {key: numbers(counts, experiment) for key, counts in test.items()}
    drawn, axes = plt.subplots(1, 2, figsize=(plots.WIDTH, 3.8))
    for key, (*_, fom, exact, uncertain) in columns.items():
        style = {"label": key, "best": best[key], "colour": colours[key]}
        plots.against_cut(cuts, fom, ylabel="FOM: $S / \\sqrt{B}$", **style, ax=axes[0])
        plots.against_cut(cuts, exact, ylabel="Asimov significance [σ]", **style, ax=axes[1])
        axes[1].plot(cuts, uncertain, "--", color=colours[key], label=rf"{key}, with $\sigma_B$")
    for ax in axes:
        ax.set_ylim(0, 1.45 * ax.dataLim.y1)  # room for the legend
        ax.legend(loc="upper left", ncols=2 if ax is axes[1] else 1)
    last, start = list(best)[-1], int(np.argmin(np.abs(cuts - best[list(best)[-1]])))
    at = Efficiencies(*(a[[start]] for a in test[last][:3]), *test[last][3:])
    exact, uncertain = (metrics.significance_interval(at, experiment, d, seed=1) for d in COLUMNS[3:])
    text = (
        f"At its best cut, {cuts[start]:.3f}, the {name} on {last} features reaches {exact:.2f} σ where the background "
        f"is known exactly, and {uncertain:.2f} σ where it is known to {100 * experiment.background_uncertainty:g} % "
        "(Asimov, 95 %). Test events; dotted lines are the cuts with the highest Asimov significance on validation "
        "events. The table holds the numbers at the cut of the slider."
    )
    figure = plots.caption(text, label)
    panels = [ax.get_position() for ax in drawn.axes]
    stored = {
        "cuts": [round(float(cut), 6) for cut in cuts],
        "digits": DIGITS,
        "panels": [[round(panel.x0, 5), round(panel.width, 5)] for panel in panels],
        "values": [[_rounded(column) for column in of_key] for of_key in columns.values()],
    }
    return CutSlider(figure, panels, best, stored, start)


def _rounded(values: np.ndarray) -> list[float | None]:
    """Returns values with four digits after the point, as JSON's types; None for nan."""
    return [None if np.isnan(value) else round(float(value), 4) for value in values]
