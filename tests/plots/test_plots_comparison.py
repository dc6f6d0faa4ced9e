import numpy as np
import pytest

from higgs_lib import plots
from higgs_lib.metrics import Interval

SERIES = {
    "shallow": {"low": Interval(0.7, 0.69, 0.71), "high": Interval(0.8, 0.78, 0.82)},
    "deep": {"low": Interval(0.75, 0.74, 0.76), "high": Interval(0.81, 0.8, 0.82)},
}


def test_series_stand_beside_each_other_in_their_colours(ax, legend):
    plots.compared(SERIES, colours=plots.CLASSIFIER_COLOURS, xlabel="test AUC", ax=ax)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["low", "high"]
    assert legend() == ["shallow", "deep"]
    shallow, deep = (container.lines[0] for container in ax.containers)
    assert (shallow.get_color(), deep.get_color()) == tuple(plots.CLASSIFIER_COLOURS[name] for name in SERIES)
    assert shallow.get_xdata() == pytest.approx([0.7, 0.8])
    assert (shallow.get_ydata() > deep.get_ydata()).all()
    assert np.abs([*(shallow.get_ydata() - [1, 0]), *(deep.get_ydata() - [1, 0])]).max() < 0.5  # within their group


def test_published_values_stand_in_the_row_of_their_classifier(ax, legend):
    marks = {"Baldi et al. [B]": {("deep", "low"): 0.88}}
    plots.compared(SERIES, colours=plots.CLASSIFIER_COLOURS, xlabel="test AUC", published=marks, ax=ax)
    deep = ax.containers[1].lines[0]
    (published,) = [line for line in ax.lines if line.get_label() == "Baldi et al. [B]"]
    assert published.get_xydata().tolist() == [[0.88, deep.get_ydata()[0]]]
    assert published.get_color() == plots.PUBLISHED
    assert "Baldi et al. [B]" in legend()
