import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import Wedge
from matplotlib.text import Annotation

from higgs_lib import data, explore
from higgs_lib.data import kinematics
from higgs_lib.plots.event_display import transverse_view
from higgs_lib.study import selected_events


@pytest.fixture(scope="module")
def table(events):
    return data.load_table(events, range(3000))


@pytest.fixture(scope="module")
def scores(table):
    rng = np.random.default_rng(3)
    labels = table["label"].to_numpy()
    return {"one": 0.3 * labels + 0.7 * rng.random(len(labels)), "other": rng.random(len(labels))}


def test_the_drawn_momenta_are_those_of_the_columns(table):
    event = 17
    _, ax = plt.subplots()
    transverse_view(kinematics.four_vectors(table.slice(event, 1)), 0, title="", ax=ax)
    wedges = [patch for patch in ax.patches if isinstance(patch, Wedge)]
    column = {name: table[name][event].as_py() for name in data.LOW}
    for number, wedge in enumerate(wedges, 1):
        assert wedge.r == pytest.approx(column[f"jet_{number}_pt"] * kinematics.SCALES[f"jet_{number}_pt"], rel=1e-5)
        phi = np.degrees(column[f"jet_{number}_phi"] * 1.8022)
        assert (wedge.theta1 + wedge.theta2) / 2 == pytest.approx(phi, abs=1e-3)
    assert len(wedges) == 4
    (line,) = ax.lines
    pt, phi = column["lepton_pt"] * 54.6, column["lepton_phi"] * 1.8022
    np.testing.assert_allclose(line.get_xydata()[1], [pt * np.cos(phi), pt * np.sin(phi)], rtol=1e-5)
    met, phi = column["missing_energy"] * 58.2, column["missing_energy_phi"] * 1.8022
    (arrow,) = [text for text in ax.texts if isinstance(text, Annotation)]
    np.testing.assert_allclose(arrow.xy, [met * np.cos(phi), met * np.sin(phi)], rtol=1e-5)
    n_tagged = sum(column[f"jet_{number}_b_tag"] > 0 for number in (1, 2, 3, 4))
    assert sum(text.get_text() in ("b", "(b)") for text in ax.texts) == n_tagged
    assert max(ax.get_xlim()) > max(wedge.r for wedge in wedges)
    plt.close()


def test_events_are_chosen_by_class_and_score(table, scores):
    labels, by = table["label"].to_numpy(), scores["one"]
    rows = selected_events.select(labels, by, 5)
    assert {kind: set(labels[rows[kind]]) for kind in rows} == {
        "typical signal": {1.0},
        "typical background": {0.0},
        "signal that looks like background": {1.0},
        "background that looks like signal": {0.0},
    }
    np.testing.assert_array_equal(by[rows["background that looks like signal"]], np.sort(by[labels == 0])[:-6:-1])
    np.testing.assert_array_equal(by[rows["signal that looks like background"]], np.sort(by[labels == 1])[:5])
    assert abs(np.mean(by[labels == 1] < by[rows["typical signal"][0]]) - 0.5) < 1e-3


def test_the_display_follows_menu_and_slider(table, scores):
    display = explore.event_display(table, scores, by="one", interactive=True, n_events=4)
    kind, number, _ = display.children
    labels, by = table["label"].to_numpy(), scores["one"]

    def shown():
        return int(re.search(r"Test event ([\d,]+), with", display.children[2].value)[1].replace(",", ""))

    background = np.flatnonzero(labels == 0)
    assert shown() == background[by[background].argmax()]
    number.value = 3
    assert shown() == background[np.argsort(-by[background])[2]]
    kind.value = "signal that looks like background"
    signal = np.flatnonzero(labels == 1)
    assert shown() == signal[np.argsort(by[signal])[2]]
    assert number.max == 4


def test_the_title_tells_the_true_class_and_the_scores(table, scores):
    from higgs_lib.explore.events import _Events

    events = _Events(table, scores, "one", 2, "")
    kind = "background that looks like signal"
    row = int(events.rows[kind][1])
    expected = f"{kind}\ntrue class: background\none {scores['one'][row]:.2f}; other {scores['other'][row]:.2f}"
    assert events.title(row, kind) == expected


def test_without_widgets_one_event_of_each_kind_is_shown(table, scores):
    figure = explore.event_display(table, scores, by="one", interactive=False, label="toys")
    labels, by = table["label"].to_numpy(), scores["one"]
    assert f"has a score of {by[labels == 0].max():.3f} (one)" in figure.caption
    assert figure.smallest_text >= 8.25
