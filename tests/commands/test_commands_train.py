import logging
import shlex

import pytest

from higgs_lib.__main__ import main, parser
from higgs_lib.commands.train import _sizes
from higgs_lib.data import Origin
from higgs_lib.simulation import simulate


def sizes(options, n_events):
    """The sizes of the parts with which `train` would train."""
    return _sizes(
        parser().parse_args(["train", "events.parquet", "model.keras", *shlex.split(options)]),
        Origin("simulated", n_events, {}, ""),
    )


@pytest.mark.parametrize(
    ("options", "n_events", "expected"),
    [
        ("", 700_000, (100_000, 50_000, 0)),
        ("", 4_000, (800, 400, 0)),
        ("--n-test 1_500", 4_000, (1_500, 400, 0)),
        ("--n-validation 1_500", 4_000, (800, 1_500, 0)),
        ("--n-test 700 --n-validation 300 --n-training 2_000", 4_000, (700, 300, 2_000)),
        ("--n-training 90_000", 4_000, (800, 400, 90_000)),  # which `data.split` refuses
    ],
)
def test_sizes_that_are_given_are_never_changed(options, n_events, expected):
    assert sizes(options, n_events) == expected


def test_smaller_defaults_are_said_and_nothing_else(caplog):
    caplog.set_level(logging.WARNING)
    sizes("--n-test 1_500 --n-validation 200", 4_000)
    sizes("", 700_000)
    assert caplog.messages == []
    sizes("--n-test 1_500", 4_000)
    assert caplog.messages == [
        "The file is too small for the sizes asked for: it gives 400 events for validation instead of 50,000."
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--n-test 1_500 --n-validation 500", "can be at most 1,999 together, which leaves 1 for training"),
        ("--n-training 1_900", "with 400 for testing and 200 for validation at most 1,400 are left"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(tmp_path, capsys, options, message):
    simulate(tmp_path / "events.parquet", 2_000, seed=1, workers=1)
    assert main(shlex.split(f"train {tmp_path}/events.parquet {tmp_path}/model.keras {options}")) == 1
    *_, last = capsys.readouterr().err.splitlines()
    assert last.startswith("error: 2,000 events are too few for ")
    assert last.endswith(message)
    assert not (tmp_path / "model.keras").exists()
