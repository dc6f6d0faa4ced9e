"""Fits the constants of the simulation to UCI events: the origin of the defaults of `SimulationParameters`.

    python tools/fit_simulation.py HIGGS.csv.gz constants.json --rounds 3

Each round simulates events with all constants shifted at random. For the cumulative distributions of the 28 features,
and of quantities that combine several of them, it fits the residual as a linear function of the shifts, and moves the
constants by one ridge-regularised Gauss-Newton step. It leaves out every third event, on which `benchmarks/fidelity.py`
judges the result. A round takes about 10 minutes on 2 cores; `constants.json` holds the constants so far, from which
the next call resumes.
"""

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np

from higgs_lib import data, files, simulation, study
from higgs_lib.data import COLUMNS, COMPLETE, HIGH, kinematics
from higgs_lib.simulation import SimulationParameters

FOLDS = 3  # the fit leaves out the first of this many folds, which `benchmarks/fidelity.py` judges on
QUANTILES = np.linspace(0.02, 0.98, 25)  # where the distributions are compared
SHIFTS = 90  # each is simulated in both directions
N_EVENTS = 40_000  # per simulation
RIDGE = 0.03  # regularisation, as a fraction of the mean curvature
LARGEST_STEP = 2.5  # of a constant per round, in units of STEPS

STEPS = {
    **{"m_top": 0.4, "signal_density_exponent": 0.8, "top_pair_mass_exponent": 0.12},
    **{"signal_w_polarised": 0.04, "top_w_polarised": 0.04, "isr_density": 0.016, "isr_density_quarks": 0.06},
    **{"isr_scale_signal": 0.05, "isr_scale_background": 0.03, "isr_pt_min": 0.4, "isr_log_exponent": 0.016},
    **{"isr_rapidity_follow_signal": 0.12, "isr_rapidity_follow_background": 0.12},
    **{"isr_rapidity_offset_signal": 0.16, "isr_rapidity_offset_background": 0.16},
    **{"isr_rapidity_limit_signal": 0.24, "isr_rapidity_limit_background": 0.24},
    **{"soft_recoil": 0.8, "soft_recoil_shape": 0.06, "light_virtuality": 0.6, "b_virtuality": 0.6},
    **{"fsr_light": 0.024, "fsr_b": 0.024, "fsr_z_min": 0.003, "fsr_angle_min": 0.03},
    **{"fsr_angle_max_light": 0.12, "fsr_angle_max_b": 0.12},
    **{"jet_radius": 0.016, "jet_radius_spread": 0.016, "jet_radius_balance": 0.08},
    **{"response_light": 0.008, "response_b": 0.008, "loss_light": 0.004, "loss_b": 0.004},
    **{"stochastic_light": 0.05, "stochastic_b": 0.06, "constant": 0.006},
    **{"tail_light": 0.016, "tail_b": 0.02, "tail_depth": 0.03, "b_neutrino_share": 0.024, "b_neutrino_shape": 0.6},
    **{"met_noise": 0.4, "met_noise_root": 0.05, "tag_b": 0.016, "tag_charm": 0.02, "tag_light": 0.0024},
    **{"tag_b_radiation": 0.06, "tag_isr": 0.006, "tag_pt": 1.6, "tag_eta_max": 0.008, "tag_eta_power": 0.4},
    **{"loose_tags": 0.008, "loose_tags_slope": 0.0001, "order_noise": 0.016, "order_tag_shift": 0.024},
    **{"isolation_in_jet": 0.016, "lepton_in_jet": 0.04, "lepton_rise": 0.8, "lepton_central_loss": 0.024},
}
"""The fitted constants, and the standard deviation of their shifts."""


def observables(values: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the compared quantities (n,) of events (n, 28) in normalised units; nan where an event has no value."""
    table = dict(zip(COMPLETE, values.T, strict=True))
    events = kinematics.four_vectors(table)
    jets, lepton, missing = events.jets, events.lepton, events.missing
    tagged = events.b_tags > 0
    distances = np.stack([jets[i].deltaR(jets[j]) for i, j in combinations(range(4), 2)])
    both_tagged = np.stack([tagged[i] & tagged[j] for i, j in combinations(range(4), 2)])
    neither_tagged = np.stack([~tagged[i] & ~tagged[j] for i, j in combinations(range(4), 2)])
    to_lepton = np.stack([jet.deltaR(lepton) for jet in jets])
    two = tagged.sum(0) == 2
    x, y = (sum(parts) for parts in ((*jets.px, lepton.px, missing.px), (*jets.py, lepton.py, missing.py)))
    derived = {
        "distance_bb": np.where(two, (distances * both_tagged).sum(0), np.nan),
        "distance_jj": np.where(two, (distances * neither_tagged).sum(0), np.nan),
        "distance_jets": distances.min(0),
        "distance_lepton": to_lepton.min(0),
        "distance_lepton_b": np.where(two, np.where(tagged, to_lepton, np.inf).min(0), np.nan),
        "tag_eta": np.where(two, np.where(tagged, np.abs(jets.eta), 0).max(0), np.nan),
        "recoil": np.hypot(x, y),
        "transverse_mass": np.sqrt(2 * lepton.pt * missing.pt * (1 - np.cos(lepton.deltaphi(missing)))),
        "eta_mean": jets.eta.mean(0) * np.sign(lepton.eta),
        "eta_spread": jets.eta.std(0),
        "m_4j": jets.sum(axis=0).mass,
        "n_tags": tagged.sum(0).astype(float),
    }
    ordered = {f"pt_{i + 1}_ordered": pt for i, pt in enumerate(-np.sort(-jets.pt, axis=0))}
    ratios = {f"{name}_share": table[name] / table["m_wwbb"] for name in HIGH[:-1]}
    return table | derived | ordered | ratios


class Target(NamedTuple):
    """The distributions of the observables of UCI events, by class."""

    edges: dict[tuple[int, str], np.ndarray]
    """The values at which each distribution is compared, by label and observable."""
    cumulative: np.ndarray
    """The fractions of events below all edges."""
    weights: np.ndarray
    """The weights of the edges in the fit."""


def make_target(events: np.ndarray) -> Target:
    """Returns the target of the fit from UCI events (n, 29)."""
    edges, weights = {}, []
    for label in (0, 1):
        for name, values in observables(events[events[:, 0] == label, 1:]).items():
            if name.endswith("phi"):
                continue
            discrete = name.endswith(("b_tag", "n_tags"))
            levels = np.unique(values)
            edges[label, name] = (levels[1:] + levels[:-1]) / 2 if discrete else np.nanquantile(values, QUANTILES)
            weight = 2.0 if name in HIGH else 1.0 if name in COMPLETE or name.endswith(("share", "bb")) else 0.6
            weights.append(np.full(len(edges[label, name]), weight))
    return Target(edges, cumulative_fractions(events, edges), np.concatenate(weights))


def cumulative_fractions(events: np.ndarray, edges: dict) -> np.ndarray:
    """Returns the fractions of events (n, 29) below the edges of every observable."""
    fractions = []
    for label in (0, 1):
        for name, values in observables(events[events[:, 0] == label, 1:]).items():
            if (label, name) in edges:
                values = np.sort(values[np.isfinite(values)])
                fractions.append(np.searchsorted(values, edges[label, name]) / len(values))
    return np.concatenate(fractions)


def simulated_fractions(job: tuple[int, dict[str, float]], edges: dict) -> np.ndarray:
    """Returns the cumulative fractions of events simulated with a seed and constants."""
    seed, constants = job
    table = simulation.generate(N_EVENTS, seed, physics=SimulationParameters(signal_share=0.5, **constants))
    return cumulative_fractions(np.stack([table[name].to_numpy() for name in COLUMNS], 1), edges)


def gauss_newton_step(constants: dict[str, float], target: Target, seed: int) -> dict[str, float]:
    """Returns the constants after one step."""
    shifts = np.random.default_rng(seed).standard_normal((SHIFTS, len(STEPS))).clip(-2, 2)
    shifts = np.concatenate([shifts, -shifts])
    here, steps = np.array([constants[name] for name in STEPS]), np.array(list(STEPS.values()))
    jobs = [(1000 * seed + i, dict(zip(STEPS, here + z * steps, strict=True))) for i, z in enumerate(shifts)]
    with ProcessPoolExecutor() as pool:
        fractions = np.stack(list(pool.map(partial(simulated_fractions, edges=target.edges), jobs)))
    design = np.column_stack([np.ones(len(shifts)), shifts])
    slopes = np.linalg.lstsq(design, fractions, rcond=None)[0][1:] * target.weights
    residual = (target.cumulative - fractions.mean(0)) * target.weights
    curvature = slopes @ slopes.T
    curvature += RIDGE * np.trace(curvature) / len(steps) * np.eye(len(steps))
    step = np.linalg.solve(curvature, slopes @ residual).clip(-LARGEST_STEP, LARGEST_STEP)
    expected = np.linalg.norm(residual - step @ slopes)
    print(f"residual {np.linalg.norm(residual):.3f}, expected after the step {expected:.3f}")
    return dict(zip(STEPS, (here + step * steps).tolist(), strict=True))


def main() -> None:
    """Fits the constants by as many rounds as requested."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("events", help="UCI events: .csv or .csv.gz in UCI's format")
    parser.add_argument("constants", type=Path, help="a JSON file: read if it exists, written after every round")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    parquet = arguments.constants.with_suffix(".parquet")
    n = study.prepare(parquet, source=arguments.events).n_events
    sample = data.load(parquet, COMPLETE, range(n))
    events = np.column_stack([sample.labels, sample.features])
    target = make_target(events[np.arange(n) % FOLDS != 0])
    constants = {name: getattr(SimulationParameters(), name) for name in STEPS}
    if arguments.constants.exists():
        constants |= json.loads(arguments.constants.read_text())
    for number in range(arguments.rounds):
        constants = gauss_newton_step(constants, target, arguments.seed + number)
        with files.write_atomically(arguments.constants) as path:
            path.write_text(json.dumps(constants, indent=1))


if __name__ == "__main__":
    main()
