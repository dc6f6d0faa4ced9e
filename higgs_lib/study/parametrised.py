"""One network for all masses of the signal: it takes the masses of a hypothesis beside the features of an event.

Source: P. Baldi, K. Cranmer, T. Faucett, P. Sadowski, D. Whiteson, Eur. Phys. J. C 76 (2016) 235, arXiv:1601.07913.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from higgs_lib import metrics, models, processes, training
from higgs_lib.data import LABEL, LOW, ROW_GROUP, SIGNAL_MASSES, Sample
from higgs_lib.metrics import Experiment, Interval
from higgs_lib.models import ModelSpec
from higgs_lib.simulation import MassPlane, SimulationParameters, generate
from higgs_lib.study.run import Scores
from higgs_lib.training import TrainConfig

DEFINITION = "Asimov"  # of the significance
N_CUTS = 501  # at quantiles of the signal's scores, as those of heavy signals crowd just below 1
N_STANDARDISED = 100_000  # events whose mean and standard deviation the inputs are scaled by


class Hypothesis(NamedTuple):
    """The masses of the signal that a search assumes, in GeV."""

    m_heavy_higgs: float
    m_charged_higgs: float

    def parameters(self, signal_share: float = 1.0) -> SimulationParameters:
        """Returns the parameters of the simulation with these masses."""
        return SimulationParameters(signal_share=signal_share, **self._asdict())


def with_masses(features: np.ndarray, hypothesis: Hypothesis) -> np.ndarray:
    """Returns features (n, k) with the masses of one hypothesis as last columns, (n, k + 2)."""
    masses = np.broadcast_to(np.array(hypothesis, features.dtype), (len(features), len(hypothesis)))
    return np.concatenate([features, masses], 1)


def predict(model: keras.Model, features: np.ndarray, hypothesis: Hypothesis) -> np.ndarray:
    """Returns the scores (n,) that a network of all masses gives to events (n, k) under a hypothesis."""
    return training.predict(model, with_masses(features, hypothesis))


class Request(NamedTuple):
    """Built-in events that are wanted in memory."""

    n_events: int
    seed: int
    physics: SimulationParameters = SimulationParameters()
    masses: MassPlane | None = None
    """Where the signal's masses are drawn; None: those of `physics`."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the features."""
        return (*LOW, *SIGNAL_MASSES) if self.masses else LOW


def simulate(requests: Sequence[Request], workers: int | None = None) -> list[Sample]:
    """Returns the low-level features of built-in events, and their masses where these were drawn.

    Args:
        requests: the events.
        workers: the number of processes, on which the events do not depend; None: one per core.

    Returns:
        A sample for each request.
    """
    chunks = [
        (request, first, min(ROW_GROUP, request.n_events - first))
        for request in requests
        for first in range(0, request.n_events, ROW_GROUP)
    ]
    workers = processes.count(workers, len(chunks))
    if workers > 1:
        with processes.pool(workers) as pool:
            parts = iter(list(pool.map(_simulate_chunk, chunks)))
    else:
        parts = map(_simulate_chunk, chunks)
    return [merge([next(parts) for _ in range(0, request.n_events, ROW_GROUP)]) for request in requests]


def _simulate_chunk(chunk: tuple[Request, int, int]) -> Sample:
    """Returns the events of a chunk, given as request, first event and number of events."""
    request, first, n_events = chunk
    table = generate(n_events, request.seed, first_event=first, physics=request.physics, masses=request.masses)
    return Sample(np.stack([table[name].to_numpy() for name in request.columns], 1), table[LABEL].to_numpy())


def merge(samples: Sequence[Sample]) -> Sample:
    """Returns the events of several samples, one after the other."""
    return Sample(*(np.concatenate(arrays) for arrays in zip(*samples, strict=True)))


def train(
    spec: ModelSpec,
    columns: tuple[str, ...],
    parts: tuple[Sample, Sample],
    config: TrainConfig,
    *,
    seed: int,
    name: str,
) -> keras.Model:
    """Trains a network with kinematic features.

    Args:
        spec: the network.
        columns: the names of the features, with `data.SIGNAL_MASSES` among them for a network of all masses.
        parts: the training and the validation events.
        config: number of epochs, batch size and early stopping.
        seed: of the initial weights and the order of events.
        name: of the training, for errors.

    Returns:
        The network, with the weights of its best epoch.
    """
    events, validation = parts
    some = events.take(np.random.default_rng(seed).permutation(events.n_events)[:N_STANDARDISED])
    model = models.build(spec, models.standardisation(some, columns), seed)
    optimizer = models.optimizer(spec, events.n_events, config.batch_size, config.epochs)
    training.fit(model, optimizer, events, validation, config, seed=seed, name=name)
    return model


class Comparison(NamedTuple):
    """The network of all masses and one that was trained at a hypothesis alone, on the same test events."""

    parametrised: Interval
    """The AUC of the network of all masses."""
    dedicated: Interval
    """The AUC of the network of this hypothesis."""
    difference: Interval
    """The first less the second, with its paired interval."""


def compare(labels: np.ndarray, parametrised: np.ndarray, dedicated: np.ndarray) -> Comparison:
    """Compares the scores (n,) of the two networks for test events with `labels` (n,)."""
    aucs = (metrics.auc_interval(labels, scores) for scores in (parametrised, dedicated))
    return Comparison(*aucs, metrics.auc_difference(labels, parametrised, dedicated))


def comparison_rows(stored: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Returns the comparisons that `benchmarks/signal_masses.py` stored, as rows of a table.

    Each has the masses, the AUC of the network of all masses, that of the other and their difference; the last row is
    that of the network which was trained at one point on as many events as the network of all masses.
    """
    rows = []
    for point in (*stored["points"], stored["reference"]):
        masses = " / ".join(f"{point[name]:.0f}" for name in SIGNAL_MASSES)
        aucs = (f"{point[name][0]:.4f}" for name in ("parametrised", "dedicated"))
        rows.append((masses, *aucs, format(Interval(*point["difference"]), "+.4f")))
    return rows


class Sensitivity(NamedTuple):
    """What a search for one signal expects after a cut on the score."""

    cut: float
    """The cut, chosen on validation events."""
    signal_efficiency: float
    background_efficiency: float
    """The fractions of test events that pass."""
    n_background_passed: int
    """The number of background test events that pass, which limits how well their fraction is known."""
    significance: Interval
    """The Asimov significance on test events, with its interval from their finite number."""


def sensitivity(validation: Scores, test: Scores, experiment: Experiment, *, seed: int) -> Sensitivity:
    """Returns the significance at the cut that is best on validation events.

    Args:
        validation: the scores that the cut is chosen on.
        test: the scores that it is judged on.
        experiment: the expected numbers of events before the cut.
        seed: of the interval's draws.

    Returns:
        The sensitivity.

    Raises:
        ValueError: no cut leaves enough background events.
    """
    of_signal = validation.scores[validation.labels == 1]
    cuts = np.unique(np.quantile(of_signal, np.linspace(0, 1, N_CUTS), method="inverted_cdf"))
    cut = metrics.best_cut(metrics.efficiencies(*validation, cuts), experiment, DEFINITION)
    counts = metrics.efficiencies(*test, np.array([cut]))
    interval = metrics.significance_interval(counts, experiment, DEFINITION, seed=seed)
    efficiencies = float(counts.signal[0]), float(counts.background[0])
    return Sensitivity(cut, *efficiencies, int(counts.n_background_passed[0]), interval)
