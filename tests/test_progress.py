"""Progress bars are seen where somebody looks, and nowhere else."""

import io
import subprocess
import sys

import pytest

from higgs_lib import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


NotebookOutput = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})


@pytest.mark.parametrize(
    ("stream", "switch", "shown"),
    [
        (Terminal, None, True),
        (NotebookOutput, None, True),
        (io.StringIO, None, False),
        (Terminal, "1", False),
        (NotebookOutput, "1", False),
        (Terminal, "0", True),
    ],
)
def test_bars_are_shown_on_a_terminal_and_in_a_notebook_unless_switched_off(monkeypatch, stream, switch, shown):
    error = stream()
    monkeypatch.setattr(sys, "stderr", error)
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    if switch:
        monkeypatch.setenv("TQDM_DISABLE", switch)
    with progress.bar(3, "deep, low", "epoch", mininterval=0) as bar:
        bar.update(3)
    assert ("deep, low: 100%" in error.getvalue()) == shown
    assert shown or not error.getvalue()


SCRIPT = """
import logging, os, random, sys, warnings
import matplotlib, numpy as np
os.environ["KERAS_BACKEND"] = "tensorflow"
import higgs_lib
from higgs_lib import data, metrics, models, plots, simulation, study, training
import keras, vector  # what they change at their import is their own
vector.array({"x": [1.0], "y": [1.0]})
from higgs_lib.study import trees
from higgs_lib.plots import classification


def state():
    loggers = {name: (log.level, list(log.handlers), log.propagate)
               for name, log in logging.root.manager.loggerDict.items() if isinstance(log, logging.Logger)
               and name.startswith("higgs_lib")}
    return {
        "rc": dict(matplotlib.rcParams), "errors": np.geterr(), "random": random.getstate(),
        "numpy": [part if isinstance(part, (int, float, str)) else part.tolist() for part in np.random.get_state()],
        "warnings": [[getattr(part, "pattern", part) for part in each] for each in warnings.filters],
        "root": (logging.root.level, list(logging.root.handlers)),
        "loggers": {name: settings for name, settings in loggers.items() if settings != (0, [], True)},
        "environment": dict(os.environ), "folder": os.getcwd(), "floatx": keras.config.floatx(),
        "policy": keras.config.dtype_policy().name, "excepthook": sys.excepthook, "path": list(sys.path),
    }


def work():
    simulation.simulate("events.parquet", 3_000, seed=1, workers=1)
    parts = data.split(3_000, n_test=500, n_validation=500)
    train, validation, test = (data.load("events.parquet", data.HIGH, rows) for rows in parts)
    spec, config = models.ModelSpec((5,), dropout=0.1), training.TrainConfig(epochs=1, batch_size=100)
    model = models.build(spec, models.standardisation(train), seed=1)
    optimizer = models.optimizer(spec, train.n_events, config.batch_size, config.epochs)
    training.fit(model, optimizer, train, validation, config, seed=1)
    model.save("mine.keras")
    scores = training.predict(models.load("mine.keras"), test.features)
    metrics.auc_interval(test.labels, scores)
    passed = metrics.efficiencies(test.labels, scores, np.array([0.5]))
    metrics.significance_interval(passed, metrics.Experiment(100, 1000, 0.05), "Asimov", seed=1)
    trees.auc(train, [test], seed=1)
    plots.caption("Signal.", study.event_label("events.parquet"))


before = state()
work()
after = state()
changed = sorted(name for name in before if before[name] != after[name])
assert not changed, {name: (before[name], after[name]) for name in changed if name != "rc"}
"""


def test_a_script_gets_no_output_and_keeps_its_settings(tmp_path):
    answer = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout == ""
    own = [line for line in answer.stderr.splitlines() if not line.startswith(("I0000", "WARNING: All log", "E0000"))]
    assert own == []
