"""Fits the constants of the built-in events to real ones: how the defaults of `higgs_lib.physics.Physics` were found.

    python benchmarks/tuning.py HIGGS.csv.gz constants.json --rounds 3

A round simulates with all constants shifted at random, fits a line to the residual of the cumulative distributions of
the 28 features, and of what follows from several of them, against every shift, and moves the constants by one ridge
step (Gauss-Newton). Every third event is kept out, for `fidelity.py` to judge on. A round takes about 10 minutes on
2 cores; `constants.json` holds what was found so far and is where the next call goes on from.
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

HELD_OUT = 3  # every third event is for the judgement
QUANTILES = np.linspace(0.02, 0.98, 25)
SHIFTS = 90  # each is simulated up and down
N_EVENTS = 40_000  # a simulation
RIDGE = 0.03  # of the mean curvature
LARGEST_STEP = 2.5  # in units of STEPS

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
"""The constants that are fitted, and by how much each is shifted (one standard deviation)."""


def observables(values: np.ndarray) -> dict[str, np.ndarray]:
    """What is compared, of events (n, 28) in the file's units; nan where an event does not have it."""
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
    shares = {f"{name}_share": table[name] / table["m_wwbb"] for name in HIGH[:-1]}
    return table | derived | ordered | shares


class Target(NamedTuple):
    """Quantiles of the observables of real events, by class."""

    edges: dict[tuple[int, str], np.ndarray]
    shares: np.ndarray
    """Of events below the edges."""
    weights: np.ndarray


def target(real: np.ndarray) -> Target:
    """What is to be met, from real events (n, 29)."""
    edges, weights = {}, []
    for label in (0, 1):
        for name, values in observables(real[real[:, 0] == label, 1:]).items():
            if name.endswith("phi"):
                continue
            few = name.endswith(("b_tag", "n_tags"))
            levels = np.unique(values)
            edges[label, name] = (levels[1:] + levels[:-1]) / 2 if few else np.nanquantile(values, QUANTILES)
            weight = 2.0 if name in HIGH else 1.0 if name in COMPLETE or name.endswith(("share", "bb")) else 0.6
            weights.append(np.full(len(edges[label, name]), weight))
    return Target(edges, shares(real, edges), np.concatenate(weights))


def shares(events: np.ndarray, edges: dict) -> np.ndarray:
    """Shares of events (n, 29) below the edges of every observable."""
    found = []
    for label in (0, 1):
        for name, values in observables(events[events[:, 0] == label, 1:]).items():
            if (label, name) in edges:
                values = np.sort(values[np.isfinite(values)])
                found.append(np.searchsorted(values, edges[label, name]) / len(values))
    return np.concatenate(found)


def simulated_shares(job: tuple[int, dict[str, float]], edges: dict) -> np.ndarray:
    """The same of simulated events, by their seed and constants."""
    seed, constants = job
    table = simulation.generate(N_EVENTS, seed, physics=SimulationParameters(signal_share=0.5, **constants))
    return shares(np.stack([table[name].to_numpy() for name in COLUMNS], 1), edges)


def one_round(constants: dict[str, float], wanted: Target, seed: int) -> dict[str, float]:
    """The constants after one step."""
    shifts = np.random.default_rng(seed).standard_normal((SHIFTS, len(STEPS))).clip(-2, 2)
    shifts = np.concatenate([shifts, -shifts])
    here, steps = np.array([constants[name] for name in STEPS]), np.array(list(STEPS.values()))
    jobs = [(1000 * seed + i, dict(zip(STEPS, here + z * steps, strict=True))) for i, z in enumerate(shifts)]
    with ProcessPoolExecutor() as pool:
        found = np.stack(list(pool.map(partial(simulated_shares, edges=wanted.edges), jobs)))
    design = np.column_stack([np.ones(len(shifts)), shifts])
    slopes = np.linalg.lstsq(design, found, rcond=None)[0][1:] * wanted.weights
    residual = (wanted.shares - found.mean(0)) * wanted.weights
    curvature = slopes @ slopes.T
    curvature += RIDGE * np.trace(curvature) / len(steps) * np.eye(len(steps))
    move = np.linalg.solve(curvature, slopes @ residual).clip(-LARGEST_STEP, LARGEST_STEP)
    left = np.linalg.norm(residual - move @ slopes)
    print(f"residual {np.linalg.norm(residual):.3f}, expected after the step {left:.3f}")
    return dict(zip(STEPS, (here + move * steps).tolist(), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("real", help="real events: .csv or .csv.gz in UCI's format")
    parser.add_argument("constants", type=Path, help="a JSON file: read where it is there, written after every round")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    parquet = arguments.constants.with_suffix(".parquet")
    n = study.prepare(parquet, source=arguments.real).n_events
    sample = data.load(parquet, COMPLETE, range(n))
    real = np.column_stack([sample.labels, sample.features])
    wanted = target(real[np.arange(n) % HELD_OUT != 0])
    constants = {name: getattr(SimulationParameters(), name) for name in STEPS}
    if arguments.constants.exists():
        constants |= json.loads(arguments.constants.read_text())
    for number in range(arguments.rounds):
        constants = one_round(constants, wanted, arguments.seed + number)
        with files.write_atomically(arguments.constants) as path:
            path.write_text(json.dumps(constants, indent=1))


if __name__ == "__main__":
    main()
