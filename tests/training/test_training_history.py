from higgs_lib.training import History, Measures, TrainConfig


def history_of(losses):
    history = History([], [], [], 10)
    for loss in losses:
        history = history.with_epoch(*[Measures(loss, 0.5, 0.5)] * 2, 1.0)
    return history


def test_a_decrease_smaller_than_min_delta_does_not_count():
    losses = (0.9, 0.8, 0.7999, 0.79985, 0.7, 0.69999)
    histories = [history_of(losses[:n]) for n in range(1, len(losses) + 1)]
    waited = [(h.best_epoch, h.epochs_without_decrease(1e-3), h.epochs_without_decrease(0)) for h in histories]
    assert waited == [(1, 0, 0), (2, 0, 0), (3, 1, 0), (4, 2, 0), (5, 0, 0), (6, 1, 0)]


def test_a_training_ends_after_its_epochs_or_when_patience_is_exhausted():
    history = history_of((0.9, 0.8, 0.85, 0.84))
    assert history.is_over(TrainConfig(4, 100))
    assert not history.is_over(TrainConfig(5, 100))
    assert history.is_over(TrainConfig(5, 100, patience=2))
    assert not history.is_over(TrainConfig(5, 100, patience=3))
    assert history.is_over(TrainConfig(5, 100, patience=3, min_delta=0.2))
    assert not history.is_over(TrainConfig(6, 100, patience=2, min_epochs=5))
    assert history.is_over(TrainConfig(6, 100, patience=2, min_epochs=4))
    assert not history_of(()).is_over(TrainConfig(1, 100, patience=1))


def test_a_history_is_restored_from_its_dict():
    history = history_of((0.9, 0.8))
    assert History.from_dict(history.as_dict()) == history
