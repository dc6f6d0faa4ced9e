"""Holds one network for all signal masses against networks that are trained at one point each.

    python benchmarks/signal_masses.py
    python benchmarks/signal_masses.py --scale 0.02 --result masses.json --figure masses.svg
    python benchmarks/signal_masses.py --draw

The one network takes the masses of the hypothesis as inputs and is trained on events of masses drawn at random.
Together the nine others are trained on as many events as it is, each on signal of its own masses, all on a part of its
background; a tenth, at the study's own point, is trained on as many events as the one network by itself. All are judged
on test events that none has seen; weights are those of the epoch with the best validation loss, and cuts are chosen on
validation events. Then the one network alone gives the significance on a grid of masses.
"""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import harness
import keras
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

from higgs_lib import plots, training
from higgs_lib.data import LOW, SIGNAL_MASSES, Sample
from higgs_lib.files import write_atomically
from higgs_lib.metrics import Experiment, Interval
from higgs_lib.models import PRESETS
from higgs_lib.simulation import MassPlane, SimulationParameters
from higgs_lib.study import Scores, parametrised
from higgs_lib.study.parametrised import Hypothesis, Request
from higgs_lib.training import TrainConfig

SPEC = PRESETS["kinematic"]
BATCH_SIZE, SEED = 1024, 1
EPOCHS, EPOCHS_DEDICATED = 3, 4
POINTS = [
    *(Hypothesis(425, charged) for charged in (240, 280, 325)),
    *(Hypothesis(600, charged) for charged in (250, 375, 500)),
    *(Hypothesis(800, charged) for charged in (250, 475, 700)),
]
REFERENCE = POINTS[2]  # the masses of the study
GRID = [Hypothesis(heavy, charged) for heavy in range(350, 876, 75) for charged in range(250, heavy - 99, 75)]
PLANE, EXPERIMENT = MassPlane(), Experiment(signal=100, background=1000)
MARGIN = 0.003  # of the AUC, within which the one network should agree with the others
SIZES = {
    "training": 1_530_000,  # events of both classes
    "training_dedicated": 170_000,  # for each point
    "validation": 16_000,
    "test": 60_000,  # at each point
    "background_on_grid": 40_000,  # half of it for the cut
    "signal_on_grid": 8_000,  # at each point, half of it for the cut
}
SEEDS = {"training": 3001, "validation": 3002, "test": 3003, "on_grid": 3004}
SEED_OF_TRAINING, SEED_OF_TEST, SEED_OF_GRID = 3100, 3200, 3300  # of the first point; others follow

log = logging.getLogger("signal_masses")


def of_class(sample: Sample, label: int) -> Sample:
    """Returns the events of one class."""
    return sample.take(np.flatnonzero(sample.labels == label))


def low_level(sample: Sample) -> Sample:
    """Returns a sample without the masses of its hypotheses."""
    return sample._replace(features=np.ascontiguousarray(sample.features[:, : len(LOW)]))


def requests(sizes: dict[str, int]) -> dict[object, Request]:
    """Returns all events of the measurement."""
    drawn, background = SimulationParameters(signal_share=0.5), SimulationParameters(signal_share=0.0)
    half = {name: size // 2 for name, size in sizes.items()}
    wanted = {name: Request(sizes[name], SEEDS[name], drawn, PLANE) for name in ("training", "validation")}
    wanted["test"] = Request(half["test"], SEEDS["test"], background)
    wanted["on_grid"] = Request(sizes["background_on_grid"], SEEDS["on_grid"], background)
    for i, point in enumerate(POINTS):
        n_training = half["training" if point == REFERENCE else "training_dedicated"]
        wanted["training", point] = Request(n_training, SEED_OF_TRAINING + 2 * i, point.parameters())
        wanted["validation", point] = Request(half["validation"], SEED_OF_TRAINING + 2 * i + 1, point.parameters())
        wanted["test", point] = Request(half["test"], SEED_OF_TEST + i, point.parameters())
    for i, point in enumerate(GRID):
        wanted["on_grid", point] = Request(sizes["signal_on_grid"], SEED_OF_GRID + i, point.parameters())
    return wanted


def train_dedicated(
    events: dict[object, Sample], point: Hypothesis, n_training: int, epochs: int = EPOCHS_DEDICATED
) -> keras.Model:
    """Trains a network at one point, on the first `n_training` events of its signal and of the common background."""
    parts = []
    for part in ("training", "validation"):
        background = low_level(of_class(events[part], 0))
        classes = events[part, point], background
        if part == "training":
            classes = tuple(sample.slice(0, n_training // 2) for sample in classes)
        parts.append(parametrised.merge(classes))
    config = TrainConfig(epochs, BATCH_SIZE)
    return parametrised.train(SPEC, LOW, tuple(parts), config, seed=SEED, name=describe(point))


def describe(point: Hypothesis) -> str:
    """Returns the masses of a point as text."""
    return f"{point.m_heavy_higgs:.0f} / {point.m_charged_higgs:.0f}"


def compare(
    model: keras.Model, dedicated: Callable[[], keras.Model], events: dict[object, Sample], point: Hypothesis
) -> dict:
    """Compares the network of all masses at one point with another, which `dedicated` trains."""
    start = time.perf_counter()
    other = dedicated()
    trained = time.perf_counter()
    test = parametrised.merge([events["test", point], events["test"]])
    scores = parametrised.predict(model, test.features, point), training.predict(other, test.features)
    compared = parametrised.compare(test.labels, *scores)
    log.info(
        "%s: AUC %.4f, dedicated %.4f, difference %s",
        *(describe(point), compared.parametrised.value, compared.dedicated.value, format(compared.difference, "+.4f")),
    )
    seconds = {"training": trained - start, "evaluation": time.perf_counter() - trained}
    return point._asdict() | {name: list(i) for name, i in compared._asdict().items()} | {"seconds": seconds}


def search(model: keras.Model, events: dict[object, Sample], point: Hypothesis) -> dict:
    """Returns the significance of a search for the signal of one point of the grid."""
    halves = []
    for rows in (slice(0, None, 2), slice(1, None, 2)):
        signal, background = (Sample(*(a[rows] for a in events[key])) for key in (("on_grid", point), "on_grid"))
        sample = parametrised.merge([signal, background])
        halves.append(Scores(sample.labels, parametrised.predict(model, sample.features, point)))
    found = parametrised.sensitivity(*halves, EXPERIMENT, seed=SEED)
    log.info("%s: %s standard deviations", describe(point), format(found.significance, ".2f"))
    return point._asdict() | found._asdict() | {"significance": list(found.significance)}


def measure(sizes: dict[str, int]) -> dict:
    """Simulates, trains and evaluates; returns what is stored."""
    clock = [time.perf_counter()]
    wanted = requests(sizes)
    events = dict(zip(wanted, parametrised.simulate(list(wanted.values())), strict=True))
    clock.append(time.perf_counter())
    log.info("simulated %s events in %.0f s", f"{sum(r.n_events for r in wanted.values()):,}", clock[1] - clock[0])
    columns, config = (*LOW, *SIGNAL_MASSES), TrainConfig(EPOCHS, BATCH_SIZE)
    parts = events["training"], events["validation"]
    model = parametrised.train(SPEC, columns, parts, config, seed=SEED, name="all masses")
    clock.append(time.perf_counter())
    log.info("trained the network of all masses in %.0f s", clock[2] - clock[1])
    few = sizes["training_dedicated"]
    points = [compare(model, partial(train_dedicated, events, point, few), events, point) for point in POINTS]
    clock.append(time.perf_counter())
    with_all = partial(train_dedicated, events, REFERENCE, sizes["training"], EPOCHS)
    reference = compare(model, with_all, events, REFERENCE)
    clock.append(time.perf_counter())
    grid = [search(model, events, point) for point in GRID]
    clock.append(time.perf_counter())
    steps = ("simulation", "training", "points", "reference", "grid")
    seconds = dict(zip(steps, np.diff(clock).tolist(), strict=True)) | {"total": clock[-1] - clock[0]}
    about = {"sizes": sizes, "epochs": EPOCHS, "epochs_dedicated": EPOCHS_DEDICATED, "batch_size": BATCH_SIZE}
    plane = {"plane": asdict(PLANE), "experiment": asdict(EXPERIMENT), "margin": MARGIN}
    return about | plane | {"seconds": seconds, "points": points, "reference": reference, "grid": grid}


def draw(result: dict, path: Path) -> None:
    """Draws a stored result: the significance over the plane, and the differences at the nine points."""
    mpl.use("Agg")
    plots.use_style()
    figure, (left, right) = plt.subplots(1, 2, figsize=(plots.WIDTH, 4), width_ratios=(3, 2))
    masses = np.array([[point[name] for name in SIGNAL_MASSES] for point in result["grid"]])
    significances = np.array([point["significance"][0] for point in result["grid"]])
    physics = SimulationParameters()
    ends = np.array([physics.m_light_higgs + 2 * physics.m_w, masses[:, 0].max() + 40])
    plots.mass_plane.significance(masses, significances, limit=(ends, ends - physics.m_w), ax=left)
    names = [describe(Hypothesis(*(point[name] for name in SIGNAL_MASSES))) for point in result["points"]]
    intervals = [Interval(*point["difference"]) for point in result["points"]]
    plots.mass_plane.differences(names, intervals, margin=result["margin"], ax=right)
    with write_atomically(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})


def main() -> None:
    """Measures, stores and draws."""
    parser = harness.arguments(__doc__, "signal_masses.json", repeats=None)
    figure = Path(__file__).parent.parent / "figures" / "signal_masses.svg"
    parser.add_argument("--figure", type=Path, default=figure, help="figure to write")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on all numbers of events, to try it out")
    parser.add_argument("--draw", action="store_true", help="draw the stored result again, without measuring")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)
    if not options.draw:
        sizes = {name: round(size * options.scale) for name, size in SIZES.items()}
        harness.save(options.result, measure(sizes))
    result = json.loads(options.result.read_text())
    draw(result, options.figure)
    print("\n".join(f"| {' | '.join(row)} |" for row in parametrised.comparison_rows(result)))


if __name__ == "__main__":
    main()
