"""Systematic variations: what an experiment knows only so well, as changed parameters of the simulation.

`simulate_together` repeats the same collisions with each set of parameters, so that the differences are those of the
parameters rather than statistical fluctuations.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from higgs_lib import processes
from higgs_lib.simulation import detector, hard_process
from higgs_lib.simulation.parameters import SimulationParameters

BLOCK = 5_000  # collisions that share random numbers, generated at once


class Variation(NamedTuple):
    """A nuisance parameter of the simulation: what changes by one standard deviation."""

    name: str
    meaning: str
    """What is uncertain, and by how much."""
    source: str
    """Where the size comes from."""
    relative: Mapping[str, float] = MappingProxyType({})
    """The relative change of each of the simulation's parameters."""
    absolute: Mapping[str, float] = MappingProxyType({})
    """The absolute change of each of the simulation's parameters."""

    def apply(self, physics: SimulationParameters, deviations: float) -> SimulationParameters:
        """Returns the parameters, changed by this many standard deviations."""
        changed = {name: getattr(physics, name) * (1 + deviations * size) for name, size in self.relative.items()}
        changed |= {name: getattr(physics, name) + deviations * size for name, size in self.absolute.items()}
        return replace(physics, **changed)


_CMS_JETS = (
    "chosen between the limits of CMS, JINST 12 (2017) P02014, arXiv:1607.03663, at 8 TeV: below 3 %, and below 1 % in "
    "the barrel without the flavour"
)
_ATLAS_RESOLUTION = "ATLAS, Eur. Phys. J. C 73 (2013) 2306, arXiv:1210.6210, at 7 TeV: data and simulation within 10 %"
_CMS_MET = "as the scale of unclustered energy in CMS, JINST 10 (2015) P02006, arXiv:1411.0511, at 8 TeV"
_CMS_TAGS = "CMS, JINST 8 (2013) P04013, arXiv:1211.4462, at 7 TeV: a few per cent for b jets; charm: twice as much"
_SCALE = "strong coupling at 10 and 40 GeV against 20 GeV, one loop from 0.118 at the Z mass (factor 2 in the scale)"

VARIATIONS = (
    Variation("jet_scale_light", "energy scale of light jets, 2 %", _CMS_JETS, {"response_light": 0.02}),
    Variation("jet_scale_b", "energy scale of b jets, 2 %", _CMS_JETS, {"response_b": 0.02}),
    Variation(
        "jet_resolution",
        "jet energy resolution, 10 %",
        _ATLAS_RESOLUTION,
        {"stochastic_light": 0.1, "stochastic_b": 0.1, "constant": 0.1},
    ),
    Variation(
        "met_noise",
        "noise of the missing transverse energy, 10 %",
        _CMS_MET,
        {"met_noise": 0.1, "met_noise_root": 0.1},
    ),
    Variation("tag_b", "tag efficiency of b jets, relative 3 %", _CMS_TAGS, {"tag_b": 0.03, "tag_b_radiation": 0.03}),
    Variation("tag_charm", "tag efficiency of charm jets, relative 6 %", _CMS_TAGS, {"tag_charm": 0.06}),
    Variation(
        "tag_light",
        "tag efficiency of light jets and initial-state radiation, relative 15 %",
        "CMS, JINST 8 (2013) P04013, arXiv:1211.4462, at 7 TeV: 10 to 20 % for misidentified light jets",
        {"tag_light": 0.15, "tag_isr": 0.15},
    ),
    Variation(
        "m_top",
        "mass of the top quark, 0.76 GeV",
        "ATLAS, CDF, CMS, D0, arXiv:1403.4427: 173.34 ± 0.76 GeV",
        absolute={"m_top": 0.76},
    ),
    Variation("isr", "density of initial-state radiation, 13 %", _SCALE, {"isr_density": 0.13}),
    Variation("fsr", "splitting of quarks, 13 %", _SCALE, {"fsr_light": 0.13, "fsr_b": 0.13}),
)


def simulate_together(
    n_collisions: int,
    label: int,
    physics: Sequence[SimulationParameters],
    *,
    seed: int,
    workers: int | None = None,
) -> list[list[np.ndarray]]:
    """Simulates the same collisions of one class with each of several sets of parameters.

    Every random number belongs to one collision, so that two sets of parameters that are close give events that are
    close, and the numbers that pass the selection differ by the acceptance. How nearly the same they are depends on the
    parameter: a response moves each event a little, a changed density of radiation replaces a few.

    Args:
        n_collisions: the number of collisions, rounded up to whole blocks of 5,000.
        label: the class, 1 signal or 0 background.
        physics: the sets of parameters.
        seed: of the collisions, at least 0.
        workers: the number of processes, on which the events do not depend; None: one per core.

    Returns:
        For each set of parameters, the selected events of each block: the 28 features in normalised units, float32,
        (n_selected, 28).
    """
    blocks = range(-(-n_collisions // BLOCK))
    make = partial(_simulate_block, label=label, physics=tuple(physics), seed=seed)
    workers = processes.count(workers, len(blocks))
    if workers > 1:
        with processes.pool(workers) as pool:
            by_block = list(pool.map(make, blocks))
    else:
        by_block = list(map(make, blocks))
    return [list(parts) for parts in zip(*by_block, strict=True)]


def _simulate_block(number: int, label: int, physics: tuple[SimulationParameters, ...], seed: int) -> list[np.ndarray]:
    """Returns the selected events of block `number` for each set of parameters."""
    process = hard_process.signal if label else hard_process.background
    streams = np.random.SeedSequence(seed, spawn_key=(label, number)).spawn(3)

    def generator(stream: int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(streams[stream]))  # begins anew for each set of parameters

    drawn = [detector.draw_tag_candidates(BLOCK, p, generator(0)) for p in physics]
    possible = np.flatnonzero(np.any([candidates.possible() for candidates in drawn], 0))
    particles, measured = {}, []
    for p, candidates in zip(physics, drawn, strict=True):
        of_process = tuple(getattr(p, name) for name in hard_process.PARAMETERS)
        if of_process not in particles:
            particles[of_process] = process(len(possible), p, generator(1))
        candidates, rng = candidates.take(possible), generator(2)
        features, _ = detector.measure(particles[of_process], candidates, p, rng, keep_random_numbers=True)
        measured.append(features)
    return measured
