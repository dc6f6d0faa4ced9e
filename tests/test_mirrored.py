"""On parts of the processor as devices, in a process of their own: TensorFlow divides it only before it begins."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import keras
import numpy as np
import pytest
import tensorflow as tf
from test_training import build, sample, weights

from higgs_lib import batches, mirrored, training
from higgs_lib.batches import Share
from higgs_lib.models import ModelSpec
from higgs_lib.samples import Sample

SPEC = ModelSpec((20, 20), l2=1e-3)

SETTINGS = {"epochs": 4, "batch_size": 127, "seed": 5}

TWO, THREE = ("CPU:0", "CPU:1"), ("CPU:2", "CPU:1", "CPU:0")


def _divide() -> None:
    (processor,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 3)


@pytest.fixture(scope="module")
def elsewhere():
    """Calls a function of this module where the processor is three devices."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _divide) as process:
        yield lambda function, *arguments: process.submit(function, *arguments).result()


def clipped():
    """A model, and an optimizer that clips gradients by the norm of all of them, so that it has to see their sum."""
    return build(SPEC)[0], keras.optimizers.Adam(0.003, global_clipnorm=0.1)


def by_hand(n_events, batch_size):
    """Keras' steps one by one for two epochs on one device: the objective of each, and the weights after them."""
    (model, optimizer), events, losses = clipped(), sample(n_events, 1), []
    for epoch in (1, 2):
        blocks = list(batches.order(n_events, batch_size, 5, epoch))
        for rows in (rows for block in blocks for rows in (*block.whole, block.rest) if len(rows)):
            with tf.GradientTape() as tape:
                scores = model(events.features[rows], training=True)[:, 0]
                objective = keras.losses.BinaryCrossentropy()(events.labels[rows], scores) + sum(model.losses)
            optimizer.apply(tape.gradient(objective, model.trainable_variables), model.trainable_variables)
            losses.append(float(objective))
    return losses, weights(model)


def by_library(n_events, batch_size, devices, compiled):
    """The same, and the history."""
    model, optimizer = clipped()
    settings = sample(n_events, 1), batch_size, 5, compiled
    run = training.Training(model, optimizer, keras.losses.BinaryCrossentropy(), *settings, devices=devices)
    history = training.History([], [], [], n_events)
    for _ in range(2):
        history = run.next_epoch(history, sample(1500, 2), "mirrored")
    assert all(phases.all_reduce == phases.bytes_sent == 0 for phases in run.phases)
    return [loss for phases in run.phases for loss in phases.losses], weights(model), history


def in_blocks(*arguments):
    """In several blocks an epoch."""
    whole, batches.SHARD = batches.SHARD, 100
    try:
        assert len(list(batches.order(3030, 100, 5, 1))) == 3
        return by_library(*arguments), by_hand(*arguments[:2])
    finally:
        batches.SHARD = whole


@pytest.mark.parametrize(
    ("devices", "compiled", "n_events"),
    [(TWO[1:], False, 3030), (TWO, True, 3030), (TWO, False, 2922), (THREE, False, 3030), (THREE, True, 2922)],
)
def test_devices_give_the_losses_of_one_at_every_step(elsewhere, devices, compiled, n_events):
    """In batches that they cannot share equally; the last has 109 events, or one, which one of them gets."""
    losses, reached, history = elsewhere(by_library, n_events, 127, devices, compiled)
    assert_equal((losses, reached), by_hand(n_events, 127))
    _, alone, wanted = by_library(n_events, 127, (), compiled)
    assert reached == pytest.approx(alone, abs=2e-6)
    for ours, theirs in zip(history[:2], wanted[:2], strict=True):  # training and validation
        assert np.array(ours) == pytest.approx(np.array(theirs), rel=1e-5)


def assert_equal(found, wanted):
    losses, reached = wanted
    assert found[0] == pytest.approx(losses, rel=2e-6)
    assert found[1] == pytest.approx(reached, abs=2e-6)


def test_in_several_blocks_as_well(elsewhere):
    (*found, _), wanted = elsewhere(in_blocks, 3030, 100, THREE, False)
    assert_equal(found, wanted)


def fitted(devices, spec, checkpoint, **settings):
    model, optimizer = build(spec)
    events = sample(3030, 1), sample(1500, 2)
    history = training.fit(model, optimizer, *events, **SETTINGS, checkpoint=checkpoint, devices=devices, **settings)
    return len(history.seconds), weights(model)


def begun(first, then, spec, checkpoint):
    """Half a training on some devices, the other half on others."""
    n, _ = fitted(first, spec, checkpoint, patience=1, improvement=1.0)
    assert n == 2
    return fitted(then, spec, checkpoint)


def test_what_was_begun_on_one_device_goes_on_on_two(elsewhere, tmp_path):
    n, reached = elsewhere(begun, None, TWO, SPEC, tmp_path / "training.npz")
    assert n == 4
    assert reached == pytest.approx(fitted(None, SPEC, None)[1], abs=2e-6)


def test_what_was_stopped_goes_on_to_the_same_weights(elsewhere, tmp_path):
    """To the bit, with dropout."""
    spec = ModelSpec((20, 20), dropout=0.2, schedule="cosine")
    _, undisturbed = elsewhere(fitted, TWO, spec, None)
    n, reached = elsewhere(begun, TWO, TWO, spec, tmp_path / "training.npz")
    assert n == 4
    assert np.array_equal(reached, undisturbed)


def dropped(devices):
    """The scores of each device for the same event again and again, in one step."""
    events = Sample(np.ones((128, 6), np.float32), np.tile(np.float32([0, 1]), 64))
    model, optimizer = build(ModelSpec((20,), dropout=0.5))
    settings = events, 128, 5, False
    run = training.Training(model, optimizer, keras.losses.BinaryCrossentropy(), *settings, devices=devices)
    return np.split(run.epoch(1)[1].scores, len(devices))


def test_devices_drop_other_outputs(elsewhere):
    first, second = elsewhere(dropped, TWO)
    assert len(np.unique(first)) > 32
    assert np.mean(first == second) < 0.2


def test_the_events_of_each_are_in_its_memory(elsewhere):
    for device, number, placed in zip(THREE, range(3), elsewhere(places), strict=True):
        assert all(device in place for place in placed)
        owned = batches.owned(3030, 127, Share(number, 3))
        assert len(owned) == 1


def places():
    feeds = mirrored.Feeds(sample(3030, 1), 127, 5, THREE).feeds
    return [[part.device for events in (feed.events, feed.taken(np.arange(0))) for part in events] for feed in feeds]


def test_all_gpus_are_taken_unless_devices_are_given(monkeypatch):
    assert mirrored.chosen(None, 1) == ()
    seen = {None: ["CPU:0", "GPU:0", "GPU:1"], "GPU": ["GPU:0", "GPU:1"]}
    monkeypatch.setattr(mirrored, "_names", seen.get)
    assert mirrored.chosen(None, 2) == ()  # several only where they are named
    assert mirrored.chosen(["GPU:0", "GPU:1"], 2) == ("GPU:0", "GPU:1")
    assert mirrored.chosen(["GPU:0"], 2) == ()  # the usual one
    assert mirrored.chosen(["GPU:1"], 2) == ("GPU:1",)
    assert mirrored.chosen(["CPU:0"], 2) == ("CPU:0",)
    seen["GPU"].pop()
    assert mirrored.chosen(None, 2) == ()


def test_devices_that_cannot_be_are_refused():
    settings = {**SETTINGS, "devices": ["CPU:0", "GPU:7"]}
    with pytest.raises(ValueError, match=r"unknown device 'GPU:7': TensorFlow sees CPU:0$"):
        training.fit(*build(), sample(3030, 1), sample(1500, 2), **settings)
    for devices in ([], ["CPU:0", "CPU:0"]):
        with pytest.raises(ValueError, match="one or more, each named once"):
            mirrored.chosen(devices, 10)


def test_batches_that_are_too_small_for_the_devices_are_refused(elsewhere):
    with pytest.raises(ValueError, match="cannot divide batches of 2 events among 3 devices"):
        elsewhere(mirrored.chosen, THREE, 2)
