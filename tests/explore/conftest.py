import matplotlib as mpl
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt


@pytest.fixture
def ax():
    yield plt.subplots()[1]
    plt.close("all")


@pytest.fixture
def legend(ax):
    """Returns a function of the texts of the legend."""
    return lambda: [text.get_text() for text in ax.get_legend().get_texts()]
