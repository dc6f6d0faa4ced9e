"""Measures how near built-in events are to real ones, and how fast they are made.

    python benchmarks/fidelity.py HIGGS.csv.gz benchmarks/results/fidelity.json

Takes a quarter of an hour for 40,000 real events on 2 cores, most of it the nets. The third of the real events that
`tuning.py` left out is judged by itself, too. AUCs of the study's table are means over three disjoint thirds of the
real events as test events, each with the other two thirds for training, and over three built-in samples of that size.
"""

import argparse
import json
import logging
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from higgs_lib import data, files, metrics, models, provenance, simulation, training
from higgs_lib.data import COMPLETE, FEATURE_SETS, Sample
from higgs_lib.metrics import Interval
from higgs_lib.simulation import event_files, generator
from higgs_lib.study import diagnostics, trees

FOLDS = 3
MANY = 200_000  # built-in events where their own statistical uncertainty should not matter
EPOCHS, BATCH_SIZE, PATIENCE, PACE = 40, 128, 8, {"learning_rate": 0.002, "schedule": "cosine"}  # as the smoke profile
NETS = {
    "shallow": replace(models.PRESETS["shallow"], **PACE),
    "deep": replace(models.PRESETS["deep"], **PACE, dropout=0.3),
}

log = logging.getLogger("fidelity")


def built_in(n: int, seed: int) -> Sample:
    """`n` built-in events, complete features."""
    table = simulation.generate(n, seed)
    return Sample(np.stack([table[name].to_numpy() for name in COMPLETE], 1), table["label"].to_numpy())


def part(sample: Sample, chosen) -> Sample:
    return Sample(*(array[chosen] for array in sample))


def columns(sample: Sample, features: str) -> Sample:
    return sample._replace(features=sample.features[:, [COMPLETE.index(name) for name in FEATURE_SETS[features]]])


def distance_summary(one: Sample, other: Sample, label: int) -> dict:
    """Mean and worst Kolmogorov-Smirnov distance of a class, beside that of two equal samples."""
    found = diagnostics.ks_distances(one, other, label)
    sizes = ((sample.labels == label).sum() for sample in (one, other))
    worst = int(found.argmax())
    return {
        "mean": float(found.mean()),
        "worst": float(found[worst]),
        "worst_feature": COMPLETE[worst],
        "mean_of_two_equal_samples": diagnostics.expected_ks_distance(*sizes),
    }


def mean_of_disjoint(intervals: list[Interval]) -> dict:
    """The mean of values found on different test events."""
    value = float(np.mean([i.value for i in intervals]))
    half = float(np.sqrt(np.sum([((i.high - i.low) / 2) ** 2 for i in intervals])) / len(intervals))
    return Interval(value, value - half, value + half)._asdict()


def net_auc(kind: str, sample: Sample, test: Sample, seed: int) -> Interval:
    """A tenth of the sample is for validation."""
    cut = len(sample.labels) * 9 // 10
    train, validation = part(sample, slice(cut)), part(sample, slice(cut, None))
    model = models.build(NETS[kind], models.standardisation(train), seed)
    optimizer = models.optimizer(NETS[kind], n_events=cut, batch_size=BATCH_SIZE, epochs=EPOCHS)
    settings = {"epochs": EPOCHS, "batch_size": BATCH_SIZE, "patience": PATIENCE, "seed": seed}
    training.fit(model, optimizer, train, validation, **settings)
    return metrics.auc_interval(test.labels, training.predict(model, test.features))


def table(pairs: list[tuple[Sample, Sample]]) -> dict:
    """The study's table: mean AUC over pairs of training and test events, by classifier and feature set."""
    found = {}
    for features in FEATURE_SETS:
        chosen = [(columns(train, features), columns(test, features)) for train, test in pairs]
        rows = {"trees": [trees.trees_auc(train, [test], seed=1)[0] for train, test in chosen]}
        rows |= {kind: [net_auc(kind, *pair, seed=i) for i, pair in enumerate(chosen)] for kind in NETS}
        found |= {f"{kind} {features}": mean_of_disjoint(row) for kind, row in rows.items()}
        log.info("%s: %s", features, {kind: f"{found[f'{kind} {features}']['value']:.4f}" for kind in rows})
    return found


def events_per_second() -> float:
    """Built-in events on one core, the best of three."""
    simulation.generate(generator.BLOCK, seed=0)
    seconds = []
    for seed in (1, 2, 3):
        start = time.perf_counter()
        simulation.generate(10 * generator.BLOCK, seed)
        seconds.append(time.perf_counter() - start)
    return 10 * generator.BLOCK / min(seconds)


def measure(real: Sample) -> dict:
    n = len(real.labels)
    fold = np.arange(n) % FOLDS  # `tuning.py` kept out fold 0
    like_real, many = [built_in(n, seed) for seed in (11, 12, 13)], built_in(MANY, 14)
    result = {"events_per_second_and_core": events_per_second()}
    for label, kind in ((0, "background"), (1, "signal")):
        told = [diagnostics.two_sample_auc(real, sample, label, seed=i) for i, sample in enumerate(like_real)]
        result[kind] = {
            "distance": distance_summary(real, like_real[0], label),
            "distance_of_held_out": distance_summary(part(real, fold == 0), many, label),
            "auc_of_telling_apart": [auc._asdict() for auc in told],
            "auc_of_telling_held_out_apart": diagnostics.two_sample_auc(
                part(real, fold == 0), many, label, seed=1
            )._asdict(),
        }
        log.info("%s: %s", kind, result[kind])
    folds = [(part(real, fold != k), part(real, fold == k)) for k in range(FOLDS)]
    made = [(part(sample, fold != 0), part(many, slice(k, None, FOLDS))) for k, sample in enumerate(like_real)]
    transfer = [trees.trees_auc(train, [test], seed=1)[0] for (train, _), (_, test) in zip(made, folds, strict=True)]
    result["trees complete, trained on built-in, tested on real"] = mean_of_disjoint(transfer)
    result["real"], result["built-in"] = table(folds), table(made)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("real", help="real events: .csv or .csv.gz in UCI's format")
    parser.add_argument("result", type=Path, help="the JSON file to write")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "real.parquet")
        n = data.ingest(arguments.real, path).n_events
        real = data.load(path, COMPLETE, range(n))
    made_with = {"device": provenance.stamp(), "commit": provenance.commit(), "simulation": event_files.code_version()}
    result = {"n_real": n, **measure(real), "made_with": made_with}
    with files.write_atomically(arguments.result) as path:
        path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
