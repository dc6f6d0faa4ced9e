import re

import numpy as np
import pytest

from higgs_lib import explore
from higgs_lib.explore import masses

N = 1500


@pytest.fixture(scope="module")
def slider():
    return explore.mass_slider(interactive=True, n_events=N)


def test_the_reconstructed_masses_follow_the_higgs_bosons():
    light, heavy = (masses.generate(*pair, 3000, seed=2) for pair in ((425.0, 325.0), (625.0, 425.0)))
    for name, least in (("m_wwbb", 150), ("m_wbb", 70)):
        assert np.median(heavy.reconstructed[name]) - np.median(light.reconstructed[name]) > least
    default = masses.generate(425.0, 325.0, 3000, seed=2).reconstructed["m_wwbb"]
    np.testing.assert_array_equal(default, light.reconstructed["m_wwbb"])
    with pytest.raises(ValueError, match="m_heavy_higgs > m_charged_higgs"):
        masses.generate(425.0, 400.0, 10, seed=1)


def shown(slider):
    return re.search(r"<figcaption>(.*)</figcaption>", slider.children[2].value)[1]


def test_the_figure_follows_the_sliders(slider):
    heavy, charged, _ = slider.children
    assert "for Higgs bosons of 425 and 325 GeV at" in shown(slider)
    heavy.value = 600.0
    assert "for Higgs bosons of 600 and 325 GeV at" in shown(slider)
    charged.value = 400.0
    assert "for Higgs bosons of 600 and 400 GeV at" in shown(slider)
    assert f"{N:,} built-in signal events" in shown(slider)


def test_the_sliders_keep_to_decays_that_are_allowed(slider):
    heavy, charged, _ = slider.children
    heavy.value, charged.value = 800.0, 675.0
    heavy.value = 500.0
    assert charged.value == 400.0
    assert "for Higgs bosons of 500 and 400 GeV at" in shown(slider)
    heavy.value = heavy.min
    assert "for Higgs bosons of 350 and 250 GeV at" in shown(slider)


def test_without_sliders_three_pairs_are_shown():
    figure = explore.mass_slider(interactive=False, n_events=N)
    pairs = re.findall(r"of (\d+) and (\d+) GeV at", figure.caption)
    assert [tuple(map(float, pair)) for pair in pairs] == list(masses.SHOWN)
    assert figure.smallest_text >= 8.25
