import matplotlib.pyplot as plt
import numpy as np

from higgs_lib import plots
from higgs_lib.metrics import Interval


def test_each_point_of_the_grid_shows_its_significance():
    masses, values = np.array([[400, 250], [500, 250], [500, 350]]), np.array([3.0, 4.0, 5.5])
    ax = plots.mass_plane.significance(masses, values, limit=([300, 500], [200, 400]), ax=plt.subplots()[1])
    cells = ax.collections[0].get_array()
    assert np.ma.filled(cells, np.nan)[0].tolist() == [3.0, 4.0]
    assert np.isnan(np.ma.filled(cells, np.nan)[1, 0])
    shown = {(round(text.get_position()[0]), text.get_position()[1]): text.get_text() for text in ax.texts}
    assert shown == {(400, 250): "3.0", (500, 250): "4.0", (500, 350): "5.5"}
    plt.close("all")


def test_differences_stand_in_the_order_of_their_points(ax, legend):
    values = [Interval(0.001, 0.0, 0.002), Interval(-0.004, -0.005, -0.003)]
    plots.mass_plane.differences(["425 / 325", "600 / 400"], values, margin=0.003, ax=ax)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["425 / 325", "600 / 400"]
    assert ax.yaxis_inverted()
    assert legend() == ["within 0.003"]
