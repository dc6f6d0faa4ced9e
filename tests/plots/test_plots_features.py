import matplotlib.pyplot as plt
import numpy as np
import pytest

from higgs_lib import data, plots
from higgs_lib.metrics import Histogram, Interval
from higgs_lib.plots import features

HISTOGRAM = Histogram(np.linspace(0, 1, 5), np.array([1, 2, 3, 4]), np.array([4, 3, 2, 1]))


@pytest.fixture
def histograms():
    tags = Histogram(np.arange(4) - 0.5, np.array([5, 3, 2]), np.array([2, 3, 5]))
    return {name: tags if name.endswith("b_tag") else HISTOGRAM for name in data.COMPLETE}


@pytest.fixture
def grid():
    """Returns a function of axes of a figure, by the numbers of rows and columns."""
    yield lambda rows, columns: plt.subplots(rows, columns)[1]
    plt.close("all")


def test_classes_have_area_one_and_a_marked_mass(ax, legend):
    assert plots.classes(HISTOGRAM, label="m [GeV]", peaks={"signal": 0.5}, ax=ax) is ax
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_xlim()) == ("m [GeV]", "density", (0, 1))
    assert legend() == ["signal", "background"]
    assert [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == ":"] == [0.5]
    signal = ax.patches[0].get_data().values
    assert signal == pytest.approx(HISTOGRAM.signal / 10 / 0.25)


def test_classes_without_a_legend(ax):
    assert plots.classes(HISTOGRAM, label="m", legend=False, ax=ax).get_legend() is None


def test_ratio_draws_the_samples_above_and_their_quotient_below():
    _, axes = plt.subplots(2)
    style = {"label": "pT", "names": ("UCI", "built-in"), "axes": axes}
    above, below = plots.ratio(HISTOGRAM.signal, HISTOGRAM.background, HISTOGRAM.edges, **style)
    assert (above.get_ylabel(), below.get_ylabel(), below.get_xlabel()) == ("density", "ratio", "pT")
    assert {text.get_text() for text in above.get_legend().get_texts()} == {"UCI", "built-in"}
    points = below.containers[0].lines[0]
    assert points.get_ydata() == pytest.approx([1 / 4, 2 / 3, 3 / 2, 4])
    plt.close("all")


def test_correlations_name_the_features(ax):
    plots.correlations(np.eye(2), ["pT", "eta"], title="background", ax=ax)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["pT", "eta"]
    assert ax.get_title() == "background"
    assert ax.figure.axes[1].get_ylabel() == "linear correlation"


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("jet_1_pt", r"$1/N\;dN/dp_T$ [1/GeV]"),
        ("missing_energy", r"$1/N\;dN/dE_T$ [1/GeV]"),
        ("missing_energy_phi", r"$1/N\;dN/d\phi$ [1/rad]"),
        ("lepton_eta", r"$1/N\;dN/d\eta$"),
        ("m_wbb", r"$1/N\;dN/dm$ [1/GeV]"),
        ("jet_4_b_tag", "fraction"),
    ],
)
def test_a_density_has_the_inverse_unit_of_its_feature(name, label):
    assert plots.density_label(name) == label


def test_a_mass_of_both_classes_is_marked_once_with_its_particle(ax):
    plots.classes(HISTOGRAM, label="m", peaks={"signal": 0.4, "background": 0.4}, particle="W", ax=ax)
    assert [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == ":"] == [0.4]
    assert [text.get_text().strip() for text in ax.texts] == ["$W$, 0.4 GeV"]


def test_every_low_level_feature_but_one_flat_angle_has_a_panel(histograms, grid):
    axes = plots.low_level(histograms, grid(10, 4))
    labels = [ax.get_xlabel() for ax in axes[1::2].flat]
    assert sorted(labels) == sorted(data.axis_label(name) for name in data.LOW if name != "missing_energy_phi")
    place = labels.index(data.axis_label("jet_1_pt"))
    ratio = axes[1::2].flat[place].containers[0].lines[0].get_ydata()
    assert ratio == pytest.approx([1 / 4, 2 / 3, 3 / 2, 4])


def test_the_error_of_a_ratio_is_that_of_both_counts(ax):
    features.quotient(np.array([100, 300]), np.array([400, 400]), np.array([0, 1, 2]), ax=ax)
    (bars,) = ax.containers[0].lines[2]
    lengths = [np.ptp(segment[:, 1]) / 2 for segment in bars.get_segments()]
    # relative: of 100 and of 400 events, of 300 and of 400
    assert lengths == pytest.approx([0.5 * np.hypot(0.1, 0.05), 1.5 * np.sqrt(1 / 300 + 1 / 400)])


def test_masses_mark_the_particles_and_leave_the_last_panel_to_the_legend(histograms, grid):
    particles = {name: {"signal": 0.5} for name in data.HIGH}
    axes = plots.masses(histograms, particles, grid(2, 4))
    assert [ax.get_xlabel() for ax in axes.flat][:7] == [data.axis_label(name) for name in data.HIGH]
    legend = [text.get_text() for text in axes.flat[-1].get_legend().get_texts()]
    assert legend == ["signal", "background", "mass of the particle"]
    assert not any(ax.get_legend() for ax in axes.flat[:-1])


def test_two_samples_have_a_panel_and_a_ratio_per_feature(histograms, grid):
    doubled = {name: Histogram(h.edges, 2 * h.signal, h.background) for name, h in histograms.items()}
    axes = plots.two_samples(doubled, histograms, "signal", names=("UCI", "built-in"), axes=grid(14, 4))
    assert [ax.get_xlabel() for ax in axes[1::2].flat] == [data.axis_label(name) for name in data.COMPLETE]
    for ax in axes[1::2].flat:  # the same shape
        assert ax.containers[0].lines[0].get_ydata() == pytest.approx(1)


def test_single_features_are_in_order_and_in_the_colours_of_their_sets(ax, legend):
    names = data.HIGH + data.LOW
    plots.single_features({name: Interval(0.9 - 0.01 * i, 0.5, 1.0) for i, name in enumerate(names)}, ax=ax)
    top_down = sorted(zip(ax.get_yticks(), ax.get_yticklabels(), strict=True), key=lambda tick: -tick[0])
    assert [label.get_text() for _, label in top_down] == [data.symbol(name) for name in names]
    assert set(legend()) == {"high-level", "low-level", "chance"}
    high = ax.containers[0].lines[0]
    assert high.get_color() == plots.FEATURE_COLOURS["high"]
    assert high.get_xdata() == pytest.approx(0.9 - 0.01 * np.arange(7))
    assert high.get_ydata() == pytest.approx(27 - np.arange(7))


def test_correlations_of_different_rows_and_columns_have_their_own_limit(ax):
    plots.correlations(np.zeros((1, 2)), ["m"], ["pT", "eta"], title="difference", limit=0.3, ax=ax)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["pT", "eta"]
    assert ax.collections[0].get_clim() == (-0.3, 0.3)
