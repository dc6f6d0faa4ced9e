"""Asynchronous training on a session whose executor is a part of the program's Java process."""

import signal

from test_spark_asynchronous import CONFIG, N_WHOLE, PLAIN, SEED, Intervention, build, whole  # noqa: F401 - a fixture

from higgs_lib import spark
from higgs_lib.spark import asynchronous
from higgs_lib.training.update_rules import DOWNPOUR


def test_a_loss_on_threads_of_one_process_costs_a_window_as_well(whole, monkeypatch, caplog):  # noqa: F811
    """There Spark ends all tasks with the first."""
    Intervention(monkeypatch, signal.SIGKILL)
    with spark.session("local[2]") as local:
        model, optimizer = build(whole)
        config = CONFIG._replace(epochs=4)
        options = {"rule": DOWNPOUR(), "n_workers": 2, "seed": SEED, "retries": 1} | PLAIN
        trained = asynchronous.fit(local, model, optimizer, *whole, config, **options)
    assert {n: max(c.seen for c in trained.commits if c.worker == n) for n in range(2)} == {
        0: 2 * N_WHOLE,
        1: 2 * N_WHOLE,
    }
    assert caplog.text.count("was lost") == 1
