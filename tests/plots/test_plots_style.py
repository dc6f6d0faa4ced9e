import matplotlib.pyplot as plt
import numpy as np

from higgs_lib import plots
from higgs_lib.metrics import Interval
from higgs_lib.plots import style


def test_the_style_sets_the_cycle_and_vector_graphics():
    with plt.rc_context():
        plots.use_style()
        assert plt.rcParams["axes.prop_cycle"].by_key()["color"] == plots.CYCLE
        assert plt.rcParams["svg.hashsalt"] == "higgs_lib"


def test_figures_are_the_same_whatever_the_user_has_set():
    def drawn():
        plots.use_style()
        plt.plot([1, 3, 2], label="$m_{jj}$")
        plt.legend()
        return plots.caption("A line.").svg

    mine = {"text.usetex": True, "figure.dpi": 30, "font.family": "monospace", "axes.grid": True, "lines.linewidth": 9}
    mine |= {"savefig.bbox": "tight", "svg.fonttype": "none", "axes.formatter.use_locale": True, "image.cmap": "gray"}
    with plt.rc_context():
        usual = drawn()
        plt.rcParams.update(mine)
        assert drawn() == usual


def test_axes_default_to_the_current_ones(ax):
    assert style.axes(None) is plt.gca()
    assert style.axes(ax) is ax


def test_ten_series_differ_in_colour_and_marker():
    styles = [style.series_style(number) for number in range(11)]
    assert len({s["color"] for s in styles[:10]}) == len({s["marker"] for s in styles[:10]}) == 10
    assert styles[10] == styles[0]


def test_error_bars_are_distances_from_the_value():
    values, bars = style.error_bars([Interval(2.0, 1.5, 3.0), Interval(4.0, 4.0, 4.5)])
    assert values.tolist() == [2, 4]
    assert np.array_equal(bars, [[0.5, 0], [1, 0.5]])


def test_a_shared_legend_has_each_entry_once_and_replaces_the_others():
    figure, axes = plt.subplots(1, 2)
    for ax in axes:
        ax.plot([0, 1], label="low")
        ax.legend()
    axes[1].plot([1, 0], label="high")
    legend = plots.shared_legend(figure)
    assert [text.get_text() for text in legend.get_texts()] == ["low", "high"]
    assert not any(ax.get_legend() for ax in axes)
    plt.close(figure)


def test_a_legend_below_lies_outside_of_the_axes(ax):
    ax.plot([0, 1], label="low")
    legend = plots.legend_below(ax)
    ax.figure.draw_without_rendering()
    assert legend.get_window_extent().y1 < ax.get_window_extent().y0


def test_shades_differ():
    assert len({tuple(colour) for colour in plots.shades(5)}) == 5


def test_a_line_joins_three_points_or_more():
    assert [style.joined(n) for n in (1, 2, 3, 9)] == ["", "", "-", "-"]


def test_outer_labels_keep_axes_with_data_and_label_them_once():
    figure, axes = plt.subplots(2, 2, sharey=True)
    for ax in axes.flat[:3]:
        ax.plot([1], [1])
        ax.set_ylabel("rate")
    plots.outer_labels(figure)
    assert len(figure.axes) == 3
    assert [ax.get_ylabel() for ax in figure.axes] == ["rate", "", "rate"]
    plt.close("all")
