from collections import Counter

import matplotlib.pyplot as plt
import pytest

from higgs_lib import plots
from higgs_lib.plots import diagrams


@pytest.mark.parametrize("lines", [diagrams.HIGGS_CASCADE, diagrams.TOP_PAIR])
def test_both_processes_end_in_the_same_particles_and_every_line_is_connected(lines):
    starts = {line.start for line in lines}
    final = Counter(line.symbol for line in lines if line.end not in starts)
    assert final == Counter(["$b$", r"$\bar{b}$", r"$\ell$", r"$\nu$", "$q$", r"$\bar{q}'$"])
    ends = {line.end for line in lines}
    assert [line.symbol for line in lines if line.start not in ends] == ["$g$", "$g$"]


def test_diagrams_name_their_particles():
    figure, axes = plt.subplots(1, 2)
    signal, background = plots.processes(axes)
    assert {"$H^0$", "$h^0$", r"$H^\pm$"} < {text.get_text() for text in signal.texts}
    assert {"$t$", r"$\bar{t}$"} < {text.get_text() for text in background.texts}
    plt.close(figure)
