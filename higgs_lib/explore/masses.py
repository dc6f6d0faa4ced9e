"""The masses of the Higgs bosons, to be chosen: built-in events are made for them at once."""

from typing import NamedTuple

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np

from higgs_lib import data, metrics, plots, simulation
from higgs_lib.data import kinematics
from higgs_lib.plots.captions import CaptionedFigure
from higgs_lib.plots.spectra import spectra
from higgs_lib.simulation import SimulationParameters

LABEL = r"Simulation, $\sqrt{s}$ = 8 TeV, built-in signal events"
EDGES = {"m_wwbb": np.linspace(200, 1000, 61), "m_wbb": np.linspace(100, 800, 61)}  # GeV
STEP = 25.0  # GeV, of the sliders
HEAVY, CHARGED = (350.0, 800.0), (225.0, 675.0)  # GeV, ranges of the sliders
GAP = 100.0  # GeV between the two, for a W boson and the widths
SHOWN = ((425.0, 325.0), (525.0, 325.0), (625.0, 425.0))  # GeV, where there is no slider


class SignalMasses(NamedTuple):
    """Reconstructed masses of signal events that were made for given masses of the Higgs bosons."""

    heavy: float
    """Mass of the heavy Higgs boson in GeV."""
    charged: float
    """Mass of the charged Higgs boson in GeV."""
    reconstructed: dict[str, np.ndarray]
    """The features m_wwbb and m_wbb (n_events,) in GeV."""

    @property
    def name(self) -> str:
        """Both masses, for a legend."""
        return f"$m_{{H^0}}$ = {self.heavy:.0f}, $m_{{H^\\pm}}$ = {self.charged:.0f} GeV"


def generate(heavy: float, charged: float, n_events: int, seed: int) -> SignalMasses:
    """Makes built-in signal events for masses of the Higgs bosons in GeV.

    Raises ValueError where H0 cannot decay to the charged Higgs boson, or that to the light one.
    """
    physics = SimulationParameters(m_heavy_higgs=heavy, m_charged_higgs=charged, signal_share=1.0)
    events = simulation.generate(n_events, seed, physics=physics)
    masses = {name: kinematics.to_physical(events[name].to_numpy(), name) for name in EDGES}
    return SignalMasses(heavy, charged, masses)


def figure(samples: list[SignalMasses], *, seed: int) -> CaptionedFigure:
    """Draws m_WWbb and m_Wbb of up to three samples; the caption tells where they peak, with 95 % intervals."""
    _, axes = plt.subplots(1, 2, figsize=(plots.WIDTH, 3.4))
    peaks = {}
    for ax, (name, edges) in zip(axes, EDGES.items(), strict=True):
        counts = {sample.name: np.histogram(sample.reconstructed[name], edges)[0] for sample in samples}
        marks = [sample.heavy if name == "m_wwbb" else sample.charged for sample in samples]
        spectra(counts, edges, label=data.axis_label(name), marks=marks, legend=name == "m_wbb", ax=ax)
        peaks[name] = [metrics.peak(sample.reconstructed[name], seed=seed) for sample in samples]
    found = [
        f"for Higgs bosons of {sample.heavy:.0f} and {sample.charged:.0f} GeV at {heavy:.0f} and {charged:.0f} GeV"
        for sample, heavy, charged in zip(samples, *peaks.values(), strict=True)
    ]
    return plots.caption(
        f"$m_{{WWbb}}$ and $m_{{Wbb}}$ peak {'; '.join(found)} (95 %). Dotted: the masses of the heavy and of the "
        f"charged Higgs boson. {len(samples[0].reconstructed['m_wbb']):,} built-in signal events each.",
        LABEL,
    )


def mass_slider(*, interactive: bool, n_events: int = 10_000, seed: int = 1) -> widgets.VBox | CaptionedFigure:
    """Shows the reconstructed masses of signal events for masses of the Higgs bosons.

    Args:
        interactive: whether the masses are chosen with sliders; otherwise three pairs of masses are shown.
        n_events: the number of built-in events of each pair, which take about a second.
        seed: their seed.

    Returns:
        Two sliders above a figure, or the figure alone.
    """
    if not interactive:
        return figure([generate(*masses, n_events, seed) for masses in SHOWN], seed=seed)
    style = {"step": STEP, "continuous_update": False, "readout_format": ".0f"}
    style |= {"style": {"description_width": "15em"}, "layout": widgets.Layout(width="40em")}
    default = SimulationParameters()
    heavy = widgets.FloatSlider(
        default.m_heavy_higgs, min=HEAVY[0], max=HEAVY[1], description="heavy Higgs boson [GeV]", **style
    )
    charged = widgets.FloatSlider(
        default.m_charged_higgs, min=CHARGED[0], max=CHARGED[1], description="charged Higgs boson [GeV]", **style
    )
    shown = widgets.HTMLMath()

    def draw(_=None) -> None:
        shown.value = figure([generate(heavy.value, charged.value, n_events, seed)], seed=seed)._repr_html_()

    def limit(_=None) -> None:
        """Keeps the decay of H0 to the charged Higgs boson allowed; draws where the limit does not move the slider."""
        before = charged.value
        charged.max = min(CHARGED[1], heavy.value - GAP)
        if charged.value == before:
            draw()

    charged.observe(draw, "value")
    heavy.observe(limit, "value")
    limit()
    return widgets.VBox([heavy, charged, shown])
