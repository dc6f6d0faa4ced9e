import numpy as np

from higgs_lib import simulation
from higgs_lib.simulation import SimulationParameters, detector, hard_process


def test_a_better_detector_resolves_the_w_better():
    def quartile_range(physics):
        table = simulation.generate(4000, seed=1, physics=physics)
        return np.subtract(*np.quantile(table["m_jj"].to_numpy(), [0.75, 0.25]))

    better = SimulationParameters(signal_share=0.0, stochastic_light=0.1, constant=0.01, tail_light=0.0)
    assert quartile_range(better) < 0.8 * quartile_range(SimulationParameters(signal_share=0.0))


def test_no_collisions_give_no_events():
    rng, physics = np.random.default_rng(1), SimulationParameters()
    candidates = detector.draw_tag_candidates(0, physics, rng)
    features, selected = detector.measure(hard_process.signal(0, physics, rng), candidates, physics, rng)
    assert features.shape == (0, 28)
    assert len(selected) == 0


def test_tag_candidates_are_drawn_with_the_efficiencies():
    physics = SimulationParameters(tag_b=1.0, tag_charm=0.3, tag_light=0.1, fsr_b=0.0, fsr_light=0.0)
    drawn = detector.draw_tag_candidates(20_000, physics, np.random.default_rng(1))
    splits, candidates = drawn
    assert splits.shape == (4, 20_000)
    assert drawn.possible().all()  # two b quarks: every collision may pass
    assert not splits.any()
    assert candidates[:2].all()
    assert abs(candidates[2].mean() - 0.2) < 0.01  # half charm
    assert abs(candidates[3].mean() - 0.1) < 0.01
    assert not candidates[4:8].any()
