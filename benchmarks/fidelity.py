"""Measures how close built-in events are to UCI events.

    python benchmarks/fidelity.py HIGGS.csv.gz benchmarks/results/fidelity.json [--only samples]

Takes a quarter of an hour for 40,000 UCI events on 2 cores, most of it for the networks; `--only samples` compares the
samples in a minute and keeps what else is stored. The third of the UCI events that `fit_simulation.py` left out is also
judged by itself. AUCs of the study are means over three disjoint thirds of the UCI events as test events, each with the
other two thirds for training, and over three built-in samples of that size.
"""

import argparse
import json
import logging
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from higgs_lib import data, files, metrics, models, provenance, simulation, training
from higgs_lib.data import COMPLETE, FEATURE_SETS, Sample
from higgs_lib.metrics import Interval
from higgs_lib.simulation import generator
from higgs_lib.study import diagnostics, trees
from higgs_lib.training import TrainConfig

FOLDS = 3
MANY = 200_000  # built-in events where their own statistical uncertainty should not matter
CONFIG, RATE = TrainConfig(40, 128, patience=8), {"learning_rate": 0.002, "schedule": "cosine"}
NETWORKS = {
    "shallow": replace(models.PRESETS["shallow"], **RATE),
    "deep": replace(models.PRESETS["deep"], **RATE, dropout=0.3),
}

log = logging.getLogger("fidelity")


def built_in(n: int, seed: int) -> Sample:
    """Returns `n` built-in events with complete features."""
    table = simulation.generate(n, seed)
    return Sample(np.stack([table[name].to_numpy() for name in COMPLETE], 1), table["label"].to_numpy())


def part(sample: Sample, rows) -> Sample:
    """Returns the events of a sample that `rows` selects, a slice or a mask (n,)."""
    return Sample(*(array[rows] for array in sample))


def columns(sample: Sample, features: str) -> Sample:
    """Returns a sample with complete features reduced to one feature set."""
    return sample._replace(features=sample.features[:, [COMPLETE.index(name) for name in FEATURE_SETS[features]]])


def distance_summary(one: Sample, other: Sample, label: int) -> dict:
    """Returns the Kolmogorov-Smirnov distances of a class, and the mean of two equal samples."""
    distances = diagnostics.ks_distances(one, other, label)
    sizes = ((sample.labels == label).sum() for sample in (one, other))
    worst = int(distances.argmax())
    return {
        "mean": float(distances.mean()),
        "worst": float(distances[worst]),
        "worst_feature": COMPLETE[worst],
        "mean_of_two_equal_samples": diagnostics.expected_ks_distance(*sizes),
        "by_feature": dict(zip(COMPLETE, distances.tolist(), strict=True)),
    }


def mean_of_disjoint(intervals: list[Interval]) -> dict:
    """Returns the mean of values measured on different test events."""
    value = float(np.mean([i.value for i in intervals]))
    half = float(np.sqrt(np.sum([((i.high - i.low) / 2) ** 2 for i in intervals])) / len(intervals))
    return Interval(value, value - half, value + half)._asdict()


def network_auc(kind: str, sample: Sample, test: Sample, seed: int) -> Interval:
    """Returns the test AUC of a network trained on nine tenths of a sample; the rest is for validation."""
    cut = len(sample.labels) * 9 // 10
    train, validation = part(sample, slice(cut)), part(sample, slice(cut, None))
    model = models.build(NETWORKS[kind], models.standardisation(train), seed)
    optimizer = models.optimizer(NETWORKS[kind], cut, CONFIG.batch_size, CONFIG.epochs)
    training.fit(model, optimizer, train, validation, CONFIG, seed=seed)
    return metrics.auc_interval(test.labels, training.predict(model, test.features))


def table(pairs: list[tuple[Sample, Sample]]) -> dict:
    """Returns the mean AUC over pairs of training and test events, by classifier and feature set."""
    aucs = {}
    for features in FEATURE_SETS:
        selected = [(columns(train, features), columns(test, features)) for train, test in pairs]
        rows = {"trees": [trees.auc(train, [test], seed=1)[0] for train, test in selected]}
        rows |= {kind: [network_auc(kind, *pair, seed=i) for i, pair in enumerate(selected)] for kind in NETWORKS}
        aucs |= {f"{kind} {features}": mean_of_disjoint(row) for kind, row in rows.items()}
        log.info("%s: %s", features, {kind: f"{aucs[f'{kind} {features}']['value']:.4f}" for kind in rows})
    return aucs


def built_in_samples(n: int) -> tuple[list[Sample], Sample]:
    """Returns three built-in samples of `n` events, and a large one."""
    return [built_in(n, seed) for seed in (11, 12, 13)], built_in(MANY, 14)


def compare_samples(uci: Sample) -> dict:
    """Returns distances, comparisons of ranges and two-sample AUCs of UCI and built-in events."""
    held_out = part(uci, fold(uci) == 0)
    same_size, many = built_in_samples(len(uci.labels))
    result = {"n_uci": len(uci.labels)}
    for label, kind in ((0, "background"), (1, "signal")):
        aucs = [diagnostics.two_sample_auc(uci, sample, label, seed=i) for i, sample in enumerate(same_size)]
        result[kind] = {
            "distance": distance_summary(uci, same_size[0], label),
            "distance_of_held_out": distance_summary(held_out, many, label),
            "two_sample_auc": [auc._asdict() for auc in aucs],
            "two_sample_auc_of_held_out": diagnostics.two_sample_auc(held_out, many, label, seed=1)._asdict(),
        }
        log.info("%s: %s", kind, result[kind])
    result["ranges"] = [comparison._asdict() for comparison in diagnostics.compare_ranges(uci, many)]
    return result


def generation_speed(_: Sample) -> dict:
    """Returns the built-in events per second on one core, the best of three."""
    simulation.generate(generator.BLOCK, seed=0)
    seconds = []
    for seed in (1, 2, 3):
        start = time.perf_counter()
        simulation.generate(10 * generator.BLOCK, seed)
        seconds.append(time.perf_counter() - start)
    return {"events_per_second_and_core": 10 * generator.BLOCK / min(seconds)}


def fold(uci: Sample) -> np.ndarray:
    """Returns the fold (n,) of each UCI event; `fit_simulation.py` left out fold 0."""
    return np.arange(len(uci.labels)) % FOLDS


def compare_study(uci: Sample) -> dict:
    """Returns the AUCs of the study's classifiers on UCI and on built-in events."""
    same_size, many = built_in_samples(len(uci.labels))
    number = fold(uci)
    folds = [(part(uci, number != k), part(uci, number == k)) for k in range(FOLDS)]
    simulated = [(part(sample, number != 0), part(many, slice(k, None, FOLDS))) for k, sample in enumerate(same_size)]
    pairs = zip(simulated, folds, strict=True)
    transfer = [trees.auc(train, [test], seed=1)[0] for (train, _), (_, test) in pairs]
    return {
        "trees complete, trained on built-in, tested on UCI": mean_of_disjoint(transfer),
        "UCI": table(folds),
        "built-in": table(simulated),
    }


PARTS = {"samples": compare_samples, "study": compare_study, "speed": generation_speed}


def main() -> None:
    """Measures and stores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("uci", help="UCI events: .csv or .csv.gz in UCI's format")
    parser.add_argument("result", type=Path, help="the JSON file to write")
    parser.add_argument("--only", choices=PARTS, help="the part to measure; the others are kept")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "uci.parquet")
        n = data.ingest(arguments.uci, path).n_events
        uci = data.load(path, COMPLETE, range(n))
    result = json.loads(arguments.result.read_text()) if arguments.only else {}
    for name, measure in PARTS.items():
        if arguments.only in (None, name):
            result[name] = measure(uci) | {"made_with": made_with()}
    with files.write_atomically(arguments.result) as path:
        path.write_text(json.dumps(result, indent=1) + "\n")


def made_with() -> dict:
    """Returns device, versions, commit, time and the version of the simulation's code."""
    return {
        "device": provenance.stamp(),
        "commit": provenance.commit(),
        "time": datetime.now(UTC).isoformat("T", "seconds"),
        "simulation": provenance.code_version("simulation"),
    }


if __name__ == "__main__":
    main()
